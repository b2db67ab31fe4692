"""One chip: its memories and registers as arrays that the engine's devices and the server share."""

from __future__ import annotations

import mmap
import sys
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from spinn_mam.virtual_board.structs import N_CORES

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]

#: Value of MAP_NORESERVE on Linux, which Python 3.11 does not name: 128 MiB a chip are promised, and only touched pages are taken.
_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0


class ChipMemory:
    """SDRAM and System RAM of a chip.

    Attributes
    ----------
    sdram : ndarray of uint8, shape (SDRAM_BYTES,)
        Page-aligned; ``sdram.ctypes.data`` is its address on the host.
    sysram : ndarray of uint8, shape (SYSRAM_BYTES,)
        Page-aligned.
    """

    SDRAM_BYTES: ClassVar[int] = 128 * 1024 * 1024
    SYSRAM_BYTES: ClassVar[int] = 32 * 1024

    def __init__(self) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
        self._sdram_map = mmap.mmap(-1, self.SDRAM_BYTES, flags=flags)
        self._sysram_map = mmap.mmap(-1, self.SYSRAM_BYTES, flags=flags)
        self.sdram: Bytes = np.frombuffer(self._sdram_map, np.uint8)
        self.sysram: Bytes = np.frombuffer(self._sysram_map, np.uint8)

    def clear(self) -> None:
        """Set both memories to zero and give their pages back; the arrays and their addresses stay."""
        if sys.platform == "linux":
            self._sdram_map.madvise(mmap.MADV_DONTNEED)
        else:
            self.sdram[:] = 0
        self.sysram[:] = 0


class RouterRegisters:
    """The router of a chip as its registers hold it.

    Attributes
    ----------
    registers : ndarray of uint32, shape (256,)
        Control, status and counters from offset 0: see the indices below.
    filters, diagnostics : ndarray of uint32, shape (16,)
        Views of ``registers``: what each counter counts (offset 0x200), and the counters (offset 0x300).
    route, key, mask : ndarray of uint32, shape (1024,)
        Multicast table. The lowest matching entry is taken; an entry that is not in use has ``key`` all ones and ``mask`` 0, which
        nothing matches.
    p2p : ndarray of uint32, shape (8192,)
        Three bits a destination ``x << 8 | y``, eight in a word: link 0-5, 6 no route, 7 this chip's monitor.
    """

    #: Word indices in ``registers``.
    CONTROL: ClassVar[int] = 0
    STATUS: ClassVar[int] = 1
    ERROR_STATUS: ClassVar[int] = 5
    DUMP_HEADER: ClassVar[int] = 6
    DIAGNOSTIC_ENABLE: ClassVar[int] = 11
    FIXED_ROUTE: ClassVar[int] = 33
    TABLE_SIZE: ClassVar[int] = 1024

    #: 3-bit codes of the P2P table.
    P2P_NONE: ClassVar[int] = 6
    P2P_SELF: ClassVar[int] = 7

    def __init__(self) -> None:
        self.registers: Words = np.zeros(256, np.uint32)
        self.filters: Words = self.registers[0x80:0x90]
        self.diagnostics: Words = self.registers[0xC0:0xD0]
        self.route: Words = np.zeros(self.TABLE_SIZE, np.uint32)
        self.key: Words = np.zeros(self.TABLE_SIZE, np.uint32)
        self.mask: Words = np.zeros(self.TABLE_SIZE, np.uint32)
        self.p2p: Words = np.zeros(8192, np.uint32)
        self.clear()

    def clear(self) -> None:
        """Set all to what a cold chip holds: no routes of any kind."""
        self.registers[:] = 0
        self.clear_table()
        self.p2p[:] = sum(self.P2P_NONE << 3 * i for i in range(8)) & 0xFFFFFFFF

    def clear_table(self) -> None:
        """Empty the multicast table."""
        self.route[:] = 0
        self.key[:] = 0xFFFFFFFF
        self.mask[:] = 0


@dataclass(eq=False, slots=True)
class Chip:
    """A chip of the board.

    Attributes
    ----------
    index : int
        Row of the chip in the machine description.
    x, y : int
    n_cores : int
        Cores that work, with the monitor (virtual core 0); virtual core numbers are below it.
    dead_cores : frozenset of int
        Virtual cores below ``n_cores`` that the description says are dead.
    virtual_to_physical, physical_to_virtual : ndarray of uint8, shape (18,)
        255 where there is no such core.
    memory : ChipMemory
    router : RouterRegisters
    controller : ndarray of uint32, shape (64,)
        System controller; the engine's ``state`` names its words.
    neighbours : list of Chip or None, length 6
        Chip that each link leads to; None where the link or that chip is dead.
    ethernet : Chip
        Ethernet chip of its board.
    ip_address : str or None
        Address that the board listens on, on Ethernet chips only.
    """

    index: int
    x: int
    y: int
    n_cores: int
    dead_cores: frozenset[int]
    ip_address: str | None = None
    virtual_to_physical: Bytes = field(init=False)
    physical_to_virtual: Bytes = field(init=False)
    memory: ChipMemory = field(default_factory=ChipMemory)
    router: RouterRegisters = field(default_factory=RouterRegisters)
    controller: Words = field(default_factory=lambda: np.zeros(64, np.uint32))
    neighbours: list[Chip | None] = field(default_factory=lambda: [None] * 6, repr=False)
    ethernet: Chip = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cores = np.arange(N_CORES, dtype=np.uint8)
        self.virtual_to_physical = np.where(cores < self.n_cores, cores, 255).astype(np.uint8)
        self.physical_to_virtual = self.virtual_to_physical.copy()
        self.ethernet = self

    @property
    def p2p_address(self) -> int:
        """Address ``x << 8 | y``."""
        return self.x << 8 | self.y

    @property
    def links_enabled(self) -> int:
        """Bit mask of the links that lead to a working chip."""
        return sum(1 << link for link, chip in enumerate(self.neighbours) if chip is not None)

    def __str__(self) -> str:
        return f"chip ({self.x}, {self.y})"
