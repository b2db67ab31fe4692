"""A stand-in for the engine: starts and stops cores, runs nothing by itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spinn_mam.errors import RunFailedError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.structs import CpuState, Vcpu
from spinn_mam.virtual_board.system_variables import SystemVariables


class FakeProgress(NamedTuple):
    busy: bool
    clock_us: float


@dataclass(repr=False)
class FakeEngine:
    """Cores that are started are ready at once; ``on_advance`` is what they do."""

    hardware: Hardware
    started: list[tuple[int, int, int, bytes, int, int]] = field(default_factory=list)
    stopped: list[tuple[int, int, int]] = field(default_factory=list)
    interrupts: list[tuple[int, int, int]] = field(default_factory=list)
    requests: list[Chip] = field(default_factory=list)
    memories: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    on_advance: Callable[[], bool] = lambda: False
    rounds: int = 0

    def start(self, chip: Chip, core: int, image: bytes, app_id: int, flags: int) -> None:
        if image[:4] == b"\xff" * 4:
            raise RunFailedError("not an APLX image")
        self.started.append((chip.x, chip.y, core, image, app_id, flags))
        self.memories[chip.index, core] = bytearray(0x8000)
        SystemVariables(chip).put_core(core, Vcpu.CPU_STATE, CpuState.READY, 1)

    def stop(self, chip: Chip, core: int) -> None:
        self.stopped.append((chip.x, chip.y, core))

    def interrupt(self, chip: Chip, core: int) -> None:
        self.interrupts.append((chip.x, chip.y, core))

    def read_core(self, chip: Chip, core: int, address: int, length: int) -> bytes:
        if (chip.index, core) not in self.memories:
            raise RunFailedError("never started")
        return bytes(self.memories[chip.index, core][address : address + length])

    def write_core(self, chip: Chip, core: int, address: int, data: bytes) -> None:
        if (chip.index, core) not in self.memories:
            raise RunFailedError("never started")
        self.memories[chip.index, core][address : address + len(data)] = data

    def advance(self, budget_s: float) -> FakeProgress:
        self.rounds += 1
        return FakeProgress(self.on_advance(), 0.0)

    def take_monitor_requests(self) -> list[Chip]:
        taken, self.requests = self.requests, []
        return taken


def make_hardware(name: str = "spin5", host: str = "127.0.0.2") -> Hardware:
    return Hardware(load_board_config(name), host)


def words(data: bytes) -> list[int]:
    return np.frombuffer(data, "<u4").tolist()
