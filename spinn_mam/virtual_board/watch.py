"""Watches a board that runs: which binary each core has, what it did, which cores crashed; turns that into events and the report."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from spinn_mam.virtual_board.binaries import UnsupportedBinaryError, identify
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.engine import CoreActivity, Engine
from spinn_mam.virtual_board.events import BinaryLoad, BoardReport, Booted, Crashed, Event, Loaded, Refused, Running
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.log_text import readable
from spinn_mam.virtual_board.report import injected_text
from spinn_mam.virtual_board.session import BoardOptions
from spinn_mam.virtual_board.state import LOAD, TIMER_1
from spinn_mam.virtual_board.structs import CpuState, RunTimeError

if TYPE_CHECKING:
    from spinn_mam.virtual_board.scp.server import BoardProgress, BoardServer, CoreStatus

#: Names of the registers that a core leaves in its vcpu block.
REGISTERS = (*(f"r{i}" for i in range(8)), "psr", "sp", "lr")
#: Cores that are started within this time (s) are told together.
TOGETHER_S = 0.3
_REASONS = {int(reason): reason.name.lower().replace("_", " ") for reason in RunTimeError}


class WatchedEngine(Engine):
    """An engine that says beforehand what it starts, and afterwards what it stops.

    Parameters
    ----------
    hardware : Hardware
    options : BoardOptions
    tell : callable
        Gets the events.
    """

    def __init__(self, hardware: Hardware, options: BoardOptions, tell: Callable[[Event], None]) -> None:
        super().__init__(hardware, threads=options.threads, faults=options.faults)
        self.watch = Watch(self, hardware, options, tell)

    def start(self, chip: Chip, core: int, image: bytes, app_id: int, flags: int) -> None:
        """Start a core, if the board is tested with its binary; see ``Engine.start``."""
        self.watch.starts(chip, core, image)
        super().start(chip, core, image, app_id, flags)

    def stop(self, chip: Chip, core: int) -> None:
        """Stop a core; see ``Engine.stop``."""
        self.watch.stops(chip, core)
        super().stop(chip, core)

    def tick_cycles(self, chip: Chip, core: int) -> int:
        """Return the processor cycles of a core's time step, as it has set its timer 1."""
        return int(self._states[self._row(chip, core), TIMER_1 + LOAD])


class Watch:
    """What is known of the cores of a board.

    Parameters
    ----------
    engine : WatchedEngine
    hardware : Hardware
    options : BoardOptions
    tell : callable
        Gets the events.
    """

    def __init__(self, engine: WatchedEngine, hardware: Hardware, options: BoardOptions, tell: Callable[[Event], None]) -> None:
        self._engine, self._hardware, self._options, self._tell = engine, hardware, options, tell
        self._started = self._last_start = time.monotonic()
        self._runs: dict[tuple[int, int], str] = {}
        self._done: dict[str, list[CoreActivity]] = defaultdict(list)
        self._cycles: set[int] = set()
        self._new: Counter[str] = Counter()
        self._crashed: list[Crashed] = []
        self._cores: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._read_iobuf: Callable[[int, int, int], str] = lambda x, y, p: ""

    def attach(self, server: BoardServer) -> None:
        """Listen to what the server says."""
        self._read_iobuf = server.read_iobuf
        server.events.booted.append(lambda: self._tell(Booted()))
        server.events.core_failed.append(self._fails)
        server.events.progress.append(self._runs_on)

    def starts(self, chip: Chip, core: int, image: bytes) -> None:
        """Note that a core is about to be started with an image.

        Raises
        ------
        UnsupportedBinaryError
            If the board is not tested with the image and is not to run others.
        """
        binary = identify(image)
        name = binary.name if binary else ""
        if not self._options.any_binary and (binary is None or not binary.tested):
            error = UnsupportedBinaryError(name, hashlib.sha256(image).hexdigest(), f"{chip}, core {core}")
            if name not in self._refused:
                self._refused.add(name)
                self._tell(Refused(str(error)))
            raise error
        self.stops(chip, core)
        if self._new and time.monotonic() - self._last_start > TOGETHER_S:
            self._tell_started()
        self._last_start = time.monotonic()
        self._runs[chip.index, core] = name or "unknown"
        self._new[name or "unknown"] += 1
        self._cores[name or "unknown"] += 1

    def stops(self, chip: Chip, core: int) -> None:
        """Note that a core is about to be stopped or started anew."""
        name = self._runs.pop((chip.index, core), None)
        if name is not None:
            activity = self._engine.activity(chip, core)
            if activity is not None:
                self._done[name].append(activity)
                if activity.ticks:
                    self._cycles.add(self._engine.tick_cycles(chip, core))

    def report(self) -> BoardReport:
        """Return what the board did so far."""
        activities = {name: list(done) for name, done in list(self._done.items())}
        for (row, core), name in list(self._runs.items()):  # the server's thread may start another one
            chip = self._hardware.chips[row]
            activity = self._engine.activity(chip, core)
            if activity is not None:
                activities.setdefault(name, []).append(activity)
                if activity.ticks:
                    self._cycles.add(self._engine.tick_cycles(chip, core))
        progress = self._engine.progress(busy=False)
        machine = self._hardware.machine
        everything = [activity for some in activities.values() for activity in some]
        return BoardReport(
            machine=machine.name,
            n_boards=machine.n_boards,
            n_chips=machine.n_chips,
            wall_time_s=time.monotonic() - self._started,
            machine_time_ms=progress.clock_us / 1000,
            cycles_per_tick=min(self._cycles, default=0),
            instructions=sum(a.instructions for a in everything),
            packets_sent=progress.packets,
            packets_delivered=progress.delivered,
            packets_unrouted=progress.unrouted,
            packets_overflowed=progress.overflowed,
            packets_dropped=progress.dropped,
            packets_delayed=progress.delayed,
            injected=injected_text(self._options.faults),
            binaries={name: _load(self._cores[name], some) for name, some in sorted(activities.items())},
            crashed=tuple(self._crashed),
            ticking_s=progress.ticking_s,
        )

    def _tell_started(self) -> None:
        if self._new:
            self._tell(Loaded(dict(self._new)))
            self._new.clear()

    def _runs_on(self, progress: BoardProgress) -> None:
        self._tell_started()
        running = sum(progress.cores.get(state, 0) for state in (CpuState.RUNNING, CpuState.C_MAIN))
        if running:
            self._tell(Running(progress.clock_us / 1000, time.monotonic() - self._started, running))

    def _fails(self, status: CoreStatus) -> None:
        chip = self._hardware.chip(status.x, status.y)
        if chip is None:
            return
        fault = self._engine.core_fault(chip, status.p)
        registers = dict(zip(REGISTERS, status.registers, strict=False))
        if fault is not None:
            registers["pc"] = fault.pc
        reason = _REASONS.get(status.rt_code, f"code {status.rt_code}")
        name = self._runs.get((chip.index, status.p), status.app_name)
        crash = Crashed(status.x, status.y, status.p, name, reason, registers, readable(self._read_iobuf(status.x, status.y, status.p)))
        self._crashed.append(crash)
        self._tell(crash)


def _load(cores: int, activities: list[CoreActivity]) -> BinaryLoad:
    ticks = sum(a.ticks for a in activities)
    return BinaryLoad(
        cores=cores,
        ticks=ticks,
        instructions_mean=sum(a.tick_instructions_mean * a.ticks for a in activities) / max(ticks, 1),
        instructions_max=max((a.tick_instructions_max for a in activities), default=0),
        ticks_over_budget=sum(a.ticks_over_budget for a in activities),
    )
