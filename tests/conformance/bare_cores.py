"""Cores of the virtual board with regions of our own, without the host tools: load, run for some time steps, read the recordings."""

import struct
import time
from dataclasses import dataclass

import numpy as np
from core_regions import TABLE_WORDS, Core, table_words

from spinn_mam.machine.board_config import load_board_config
from spinn_mam.virtual_board import system_variables
from spinn_mam.virtual_board.binaries import binary_path
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.engine import Engine
from spinn_mam.virtual_board.faults import Faults
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.memory_map import SDRAM_BASE
from spinn_mam.virtual_board.scp.mailbox import Mailboxes
from spinn_mam.virtual_board.scp.packets import NO_REPLY, SdpMessage
from spinn_mam.virtual_board.state import C_FLAGS
from spinn_mam.virtual_board.structs import CpuState, Vcpu
from spinn_mam.virtual_board.system_variables import SystemVariables, set_core

APP_ID = 30
NEW_RUN_TIME = 7
#: Wall time after which a run is given up (s).
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Recorded:
    """Potentials, shape (steps, neurons), and spikes (step, neuron) of a neuron core."""

    v: np.ndarray
    spikes: list[tuple[int, int]]


class BareBoard:
    """A board whose cores are loaded directly."""

    def __init__(self, config: str = "spin3", *, threads: int = 2, faults: Faults | None = None) -> None:
        self.hardware = Hardware(load_board_config(config))
        self.engine = Engine(self.hardware, threads=threads, faults=faults)
        self.variables = [SystemVariables(chip) for chip in self.hardware.chips]
        self.mailboxes = Mailboxes(self.variables, self.engine)
        self._images: dict[str, bytes] = {}
        self._cores: dict[tuple[int, int], dict[int, int]] = {}
        self.clear()

    def close(self) -> None:
        self.engine.close()

    def clear(self) -> None:
        """Stop all cores and boot anew."""
        for row, core in self._cores:
            self.engine.stop(self.hardware.chips[row], core)
        self._cores.clear()
        self.mailboxes.clear()
        system_variables.boot(self.hardware)

    def allocate(self, chip: Chip, n_words: int) -> int:
        """Take words of a chip's SDRAM."""
        address = self.variables[chip.index].sdram_heap.allocate(4 * n_words, APP_ID)
        assert address, "out of SDRAM"
        return address

    def words(self, chip: Chip, address: int, n_words: int) -> np.ndarray:
        start = address - SDRAM_BASE
        return chip.memory.sdram[start : start + 4 * n_words].view(np.uint32)

    def route(self, chip: Chip, key: int, mask: int, cores: list[int]) -> None:
        """Route keys to cores of the same chip."""
        router = chip.router
        row = int(np.flatnonzero(router.mask == 0)[0])
        router.key[row], router.mask[row] = key, mask
        router.route[row] = sum(1 << 6 + int(chip.virtual_to_physical[core]) for core in cores)

    def load(self, chip: Chip, number: int, core: Core) -> None:
        """Write a core's regions and start its binary, which then waits for its run time."""
        addresses = {}
        for region, content in core.regions.items():
            addresses[region] = self.allocate(chip, max(1, content.n_words))
            self.words(chip, addresses[region], len(content.words))[:] = content.words
        table = self.allocate(chip, TABLE_WORDS)
        self.words(chip, table, TABLE_WORDS)[:] = table_words(addresses, core.regions)
        sv = self.variables[chip.index]
        set_core(sv, number, CpuState.INIT, APP_ID, b"sark")
        sv.put_core(number, Vcpu.USER0, table)
        if core.binary not in self._images:
            self._images[core.binary] = binary_path(core.binary.removesuffix(".aplx")).read_bytes()
        chip.controller[C_FLAGS] |= np.uint32(1 << number)
        self.engine.start(chip, number, self._images[core.binary], APP_ID, 0)
        self._cores[chip.index, number] = addresses

    def run(self, n_steps: int, start: int = 0) -> None:
        """Let all cores run for some steps."""
        self._settle({CpuState.PAUSED, CpuState.READY})
        for row, core in self._cores:
            command = struct.pack("<2H3I", NEW_RUN_TIME, 0, start + n_steps, 0, start) + struct.pack("<I", 0)
            self.mailboxes.send(self.hardware.chips[row], core, SdpMessage(NO_REPLY, 0xFF, 3 << 5 | core, 0xFF, 0, 0, command))
        self._settle({CpuState.SYNC0, CpuState.SYNC1})
        for row, core in self._cores:
            chip, bit = self.hardware.chips[row], np.uint32(1 << core)
            if self.variables[row].state(core) == CpuState.SYNC0:
                chip.controller[C_FLAGS] &= ~bit
            else:  # the two alternate from run to run
                chip.controller[C_FLAGS] |= bit
            self.engine.interrupt(chip, core)
        self._settle({CpuState.READY})  # with the recordings complete

    def recorded(self, chip: Chip, core: int, recording: int, n: int) -> Recorded:
        """Read what a neuron core recorded; ``recording`` is its region."""
        header = self.words(chip, self._cores[chip.index, core][recording], 1 + 3 * 4)
        v = self._channel(chip, header, 0).reshape(-1, 1 + n)
        spikes = self._channel(chip, header, 3).reshape(-1, 1 + -(-n // 32))
        assert (v[:, 0] == np.arange(len(v))).all()
        bits = np.unpackbits(np.ascontiguousarray(spikes[:, 1:]).view(np.uint8), axis=1, bitorder="little")
        return Recorded(v[:, 1:].view(np.int32), [(int(spikes[row, 0]), int(i)) for row, i in zip(*np.nonzero(bits[:, :n]), strict=True)])

    def _channel(self, chip: Chip, header: np.ndarray, channel: int) -> np.ndarray:
        size, address = int(header[2 + 3 * channel]), int(header[3 + 3 * channel])
        assert not size >> 31, "the recording did not fit"
        return self.words(chip, address, size // 4)

    def _settle(self, states: set[CpuState]) -> None:
        """Run until all cores are in one of these states."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            now = {(row, core): self.variables[row].state(core) for row, core in self._cores}
            if set(now.values()) <= states:
                return
            crashed = [where for where, state in now.items() if state in (CpuState.RUN_TIME_EXCEPTION, CpuState.WATCHDOG)]
            assert not crashed, f"crashed: {crashed}"
            assert time.monotonic() < give_up, f"stuck: {now}"
            self.engine.advance(0.05)
            for chip in self.engine.take_monitor_requests():
                self.mailboxes.collect(chip)  # answers to the commands, which hold message buffers
            self.mailboxes.deliver()
