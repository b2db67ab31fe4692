"""The engine of the virtual board: its cores, run on a few threads of the host computer.

Problem
    Run the binaries of all loaded cores, packets between them included, while a host asks for memory and states in between.
Method
    All state is in arrays; compiled workers (``workers.work``) run the machine until the host's turn has come. Between two
    calls of :meth:`Engine.advance` nothing moves, so the server reads and writes memories and registers without locks.
Cost
    About 0.1 ms a core and time step of a neuron core of 64 neurons, and thread.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import RunFailedError
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.cpu import Cpu
from spinn_mam.virtual_board.faults import Faults
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.memory_map import CPU_CLOCK_MHZ, DTCM_BASE, DTCM_BYTES, ITCM_BASE, ITCM_BYTES
from spinn_mam.virtual_board.network import CACHE_PLACES, FLAT_WORDS, LATE_PACKETS, forget_routes, send
from spinn_mam.virtual_board.state import (
    ABSENT,
    AT,
    C_INTERRUPT,
    C_MONITOR,
    CHIP_CONTROLLER,
    CHIP_KEY,
    CHIP_MASK,
    CHIP_REGISTERS,
    CHIP_ROUTE,
    CHIP_SYSRAM,
    CHIP_WORDS,
    CLOCK,
    CODE,
    CODE_IDLE,
    CONTROL_WORDS,
    CORE_WORDS,
    CRASHED,
    DELAYED,
    DELIVERED,
    DROPPED,
    FAULT_DROP,
    FAULT_LATE,
    FAULT_PC,
    FAULT_SHUFFLE,
    FAULTS,
    INSTRUCTIONS,
    OVERFLOWED,
    OVERFLOWS,
    PAYLOAD_BIT,
    PC,
    RANDOM,
    RECEIVED,
    ROUTED,
    ROWS_PER_CHIP,
    SENT,
    TICK_INSTRUCTIONS_MAX,
    TICK_INSTRUCTIONS_SUM,
    TICKS,
    TICKS_OVER_BUDGET,
    UNROUTED,
    YIELD,
)
from spinn_mam.virtual_board.workers import work

# Unicorn's numbers of the registers that a report of a crash shows.
_REGISTERS = {**{f"r{i}": 66 + i for i in range(13)}, "sp": 12, "lr": 10, "cpsr": 3}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the machine is.

    Attributes
    ----------
    busy : bool
        False if nothing is left to do until the host does something.
    clock_us : float
        Virtual time since the start of the engine, in microseconds.
    ticking_s : float
        Wall time in which that time passed.
    packets : int
        Packets sent so far.
    delivered : int
        Packets that reached a core.
    unrouted, overflowed, dropped, delayed : int
        Packets without a route at their source, lost at a full queue, lost and delayed on purpose.
    """

    busy: bool
    clock_us: float
    ticking_s: float
    packets: int
    delivered: int
    unrouted: int
    overflowed: int
    dropped: int
    delayed: int


@dataclass(frozen=True, slots=True)
class CoreActivity:
    """What a core has done since it was started.

    Attributes
    ----------
    instructions, ticks : int
    tick_instructions_max, tick_instructions_mean : float
        Instructions of a time step.
    ticks_over_budget : int
        Steps with more instructions than the step has processor cycles.
    sent, received, overflowed : int
        Packets.
    """

    instructions: int
    ticks: int
    tick_instructions_max: int
    tick_instructions_mean: float
    ticks_over_budget: int
    sent: int
    received: int
    overflowed: int


@dataclass(frozen=True, slots=True)
class CoreFault:
    """A core that raised an abort.

    Attributes
    ----------
    pc : int
        Address of the instruction.
    registers : dict of str to int
        As they are now; SARK keeps those of the moment in the core's vcpu block.
    given_up : bool
        Whether its own handler failed too, so that it runs no more.
    """

    pc: int
    registers: dict[str, int]
    given_up: bool


class Engine:
    """Cores of a machine and the virtual time they share.

    Parameters
    ----------
    hardware : Hardware
        Whose chips' arrays the cores use.
    threads : int
        Host threads; results do not depend on it.
    faults : Faults, optional
        Packets to lose, delay or reorder.

    Examples
    --------
    A core that crashes at once, since its memory holds no program, is reported with where it was::

        engine = Engine(hardware)
        engine.start(hardware.root, 1, image, app_id=16, flags=0)
        while engine.advance(0.05).busy:
            ...
    """

    def __init__(self, hardware: Hardware, *, threads: int = 2, faults: Faults | None = None) -> None:
        self.hardware = hardware
        self.threads = max(threads, 1)
        self.faults = faults or Faults()
        n_chips = len(hardware.chips)
        self._control = np.zeros(CONTROL_WORDS, np.int64)
        self._control[FAULT_DROP] = round(self.faults.drop * 2**32)
        self._control[FAULT_LATE] = round(self.faults.late * 2**32)
        self._control[FAULT_SHUFFLE] = self.faults.shuffle
        self._control[RANDOM] = self.faults.seed
        self._states = np.zeros((n_chips * ROWS_PER_CHIP, CORE_WORDS), np.int64)
        self._chips = np.zeros((n_chips, CHIP_WORDS), np.int64)
        self._neighbours = np.full((n_chips, 6), -1, np.int32)
        for chip in hardware.chips:
            for word, array in (
                (CHIP_ROUTE, chip.router.route),
                (CHIP_KEY, chip.router.key),
                (CHIP_MASK, chip.router.mask),
                (CHIP_REGISTERS, chip.router.registers),
                (CHIP_SYSRAM, chip.memory.sysram),
                (CHIP_CONTROLLER, chip.controller),
            ):
                self._chips[chip.index, word] = array.ctypes.data
            for link, neighbour in enumerate(chip.neighbours):
                if neighbour is not None:
                    self._neighbours[chip.index, link] = neighbour.index
        self._cache_keys = np.full(CACHE_PLACES, -1, np.int64)
        self._cache_at = np.zeros(CACHE_PLACES, np.int64)
        self._flat = np.zeros(FLAT_WORDS, np.int32)
        self._late = np.zeros((LATE_PACKETS, 3), np.int64)
        self._scratch = np.zeros((self.threads, 8), np.int64)
        self._cpus: dict[int, Cpu] = {}
        self._rows = np.zeros(0, np.int32)
        self._stretches = np.zeros((0, 2), np.int32)
        self._ticking_s = 0.0
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="virtual-board")

    def close(self) -> None:
        """End the threads and free the processors."""
        self._pool.shutdown()
        self._cpus.clear()
        self._rows = np.zeros(0, np.int32)

    def start(self, chip: Chip, core: int, image: bytes, app_id: int, flags: int) -> None:
        """Reset a core, load an APLX image into it and let it begin.

        Parameters
        ----------
        chip : Chip
        core : int
            Virtual core number.
        image : bytes
        app_id : int
        flags : int
            Bit 0: the application waits for the start signal.

        Raises
        ------
        RunFailedError
            If the chip has no such core or the image is no APLX file.
        """
        if not 0 < core < chip.n_cores:
            raise RunFailedError(f"{chip}: core {core} cannot be started, it has cores 1 to {chip.n_cores - 1}")
        row = self._row(chip, core)
        if row not in self._cpus:
            self._cpus[row] = Cpu(chip, core, self._states[row], self._control)
        self._cpus[row].start(image, app_id, flags)
        self._arrange()

    def stop(self, chip: Chip, core: int) -> None:
        """Remove a core's processor; its devices go quiet."""
        row = self._row(chip, core)
        self._states[row, AT] = ABSENT
        self._arrange()

    def interrupt(self, chip: Chip, core: int) -> None:
        """Raise a core's processor interrupt, after a command was put into its mailbox."""
        chip.controller[C_INTERRUPT] |= np.uint32(1 << int(chip.virtual_to_physical[core]))

    def read_core(self, chip: Chip, core: int, address: int, length: int) -> bytes:
        """Read a core's own memories.

        Raises
        ------
        RunFailedError
            If the core was never started, or the stretch is not inside one of its memories.
        """
        return self._own_memory(chip, core, address, length).tobytes()

    def write_core(self, chip: Chip, core: int, address: int, data: bytes) -> None:
        """Write a core's own memories; see :meth:`read_core`."""
        self._own_memory(chip, core, address, len(data))[:] = np.frombuffer(data, np.uint8)

    def inject_multicast(self, chip: Chip, key: int, payload: int | None = None) -> None:
        """Send a multicast packet from a chip's monitor."""
        word = (PAYLOAD_BIT << 32 if payload is not None else 0) | key
        send(
            chip.index,
            word,
            payload or 0,
            self._control,
            self._states,
            self._chips,
            self._neighbours,
            self._cache_keys,
            self._cache_at,
            self._flat,
            self._late,
        )

    def advance(self, budget_s: float) -> Progress:
        """Run the machine for about a stretch of wall time, or until nothing is left to do.

        Parameters
        ----------
        budget_s : float
            Seconds.

        Returns
        -------
        Progress
        """
        control = self._control
        if not len(self._rows):
            return self.progress(busy=False)
        forget_routes(control, self._cache_keys)  # the host may have written tables since
        control[YIELD] = 0
        before, began = int(control[CLOCK]), time.perf_counter()
        arrays = (self._states, self._rows, self._stretches, self._chips, self._neighbours, self._cache_keys, self._cache_at, self._flat, self._late)
        running: list[Future[None]] = [
            self._pool.submit(work, worker, self.threads, control, *arrays, self._scratch) for worker in range(self.threads)
        ]
        try:
            wait(running, timeout=budget_s)
        finally:
            control[YIELD] = 1
            wait(running)
        for future in running:
            future.result()
        if control[CLOCK] != before:
            self._ticking_s += time.perf_counter() - began
        return self.progress(busy=int(control[CODE]) != CODE_IDLE)

    def progress(self, *, busy: bool) -> Progress:
        """Return the counters of the whole machine."""
        c = self._control
        return Progress(
            busy,
            float(c[CLOCK]) / CPU_CLOCK_MHZ,
            self._ticking_s,
            int(c[ROUTED]),
            int(c[DELIVERED]),
            int(c[UNROUTED]),
            int(c[OVERFLOWS]),
            int(c[DROPPED]),
            int(c[DELAYED]),
        )

    def take_monitor_requests(self) -> list[Chip]:
        """Return the chips whose monitor was interrupted by a core, and clear their interrupts."""
        chips = []
        for first in self._stretches[:, 0]:
            chip = self.hardware.chips[int(self._rows[first]) // ROWS_PER_CHIP]
            monitor = np.uint32(1 << int(chip.controller[C_MONITOR]))
            if chip.controller[C_INTERRUPT] & monitor:
                chip.controller[C_INTERRUPT] &= ~monitor
                chips.append(chip)
        return chips

    def activity(self, chip: Chip, core: int) -> CoreActivity | None:
        """Return what a core has done, or None if it was never started."""
        row = self._row(chip, core)
        if row not in self._cpus:
            return None
        s = self._states[row]
        return CoreActivity(
            int(s[INSTRUCTIONS]),
            int(s[TICKS]),
            int(s[TICK_INSTRUCTIONS_MAX]),
            float(s[TICK_INSTRUCTIONS_SUM]) / max(int(s[TICKS]) - 1, 1),
            int(s[TICKS_OVER_BUDGET]),
            int(s[SENT]),
            int(s[RECEIVED]),
            int(s[OVERFLOWED]),
        )

    def core_fault(self, chip: Chip, core: int) -> CoreFault | None:
        """Return where and with what registers a core raised an abort, or None if it did not."""
        row = self._row(chip, core)
        cpu = self._cpus.get(row)
        if cpu is None or not self._states[row, FAULTS]:
            return None
        registers = {name: cpu.register(number) for name, number in _REGISTERS.items()}
        registers["pc"] = int(self._states[row, PC])
        return CoreFault(int(self._states[row, FAULT_PC]), registers, bool(self._states[row, AT] == CRASHED))

    def _row(self, chip: Chip, core: int) -> int:
        return chip.index * ROWS_PER_CHIP + int(chip.virtual_to_physical[core])

    def _arrange(self) -> None:
        """List the active cores chip by chip."""
        self._rows = np.flatnonzero(self._states[:, AT] != ABSENT).astype(np.int32)
        chips = self._rows // ROWS_PER_CHIP
        edges = np.flatnonzero(np.diff(chips, prepend=-1, append=-1))
        self._stretches = np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int32) if len(self._rows) else np.zeros((0, 2), np.int32)

    def _own_memory(self, chip: Chip, core: int, address: int, length: int) -> npt.NDArray[np.uint8]:
        cpu = self._cpus.get(self._row(chip, core))
        if cpu is not None:
            for base, n_bytes, array in ((ITCM_BASE, ITCM_BYTES, cpu.itcm), (DTCM_BASE, DTCM_BYTES, cpu.dtcm)):
                if base <= address and address + length <= base + n_bytes:
                    return array[address - base : address - base + length]
        raise RunFailedError(
            f"{chip}, core {core}: {length} bytes at {address:#x} are not in memory of its own"
            if cpu is not None
            else f"{chip}, core {core}: nothing was loaded there, so it has no memory to read"
        )
