"""System variables, vcpu blocks and heaps of a chip, as SC&MP leaves them when it has booted.

Problem: the binaries and the host's tools find everything through the system variables at the top of System RAM.
Method: the first 128 bytes come from the boot image (the host fills in hardware version, clocks, sizes of the heaps and of IOBUF), the rest is
made here: the System RAM heap with the buffers of messages between cores, the SDRAM heap, the system's heap with its tables, the copy of the
router's table, and a block for each virtual processor.
Cost: some thousand bytes a chip.
Reference: addresses equal those that the real ``scamp.boot`` writes for the same boot values; the tests hold this.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.virtual_board.chip import Chip, RouterRegisters
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.heap import Heap, HeapDamagedError
from spinn_mam.virtual_board.memory_map import CPU_CLOCK_MHZ, SDRAM_BASE, SDRAM_BYTES, SYSRAM_BASE, SYSRAM_UNBUFFERED
from spinn_mam.virtual_board.router_allocation import COPY_BYTES, RouterTable
from spinn_mam.virtual_board.state import C_ALIVE, C_MONITOR
from spinn_mam.virtual_board.structs import (
    N_CORES,
    SDRAM_SYSTEM_BUFFER_WORDS,
    SV_BASE,
    SV_BOOT_BYTES,
    SV_BYTES,
    SYSRAM_USER_BASE,
    SYSRAM_USER_TOP,
    VCPU_BASE,
    VCPU_BYTES,
    CpuState,
    Sv,
    Vcpu,
)

#: Version 4.0.0 as SARK compares it: major and minor must fit the binaries'.
SOFTWARE_VERSION = 0x040000
#: Bytes of a message buffer shared by the cores: link, length, checksum, SDP header, command header, data, padding.
MESSAGE_BYTES = 292
#: Seed where the boot image has none; SC&MP takes it from the random contents of SDRAM then.
DEFAULT_SEED = 0x5EED5EED
#: Bytes of the tables in the system's heap.
_HOP_TABLE_BYTES, _TAG_TABLE_BYTES, _APP_DATA_BYTES, _SEED_BYTES = 65536 * 4, 65536 * 4, 256 * 8, 256 * 4
#: Counters 0-11 count packets by type; the last four are the user's.
_DIAGNOSTIC_FILTERS = [source | kind for source in (0x01FE7CF0, 0x01FEBCF0) for kind in (1, 2, 4, 8)]
DIAGNOSTIC_FILTERS = np.array(
    [_DIAGNOSTIC_FILTERS[4 * (i % 2) + i // 2] for i in range(8)] + [0x0001FCF0 | kind for kind in (1, 2, 4, 8)] + [0] * 4, np.uint32
)
#: Boot values that spinnman's tools send where nobody asks for others.
DEFAULT_BOOT_VALUES: dict[int, tuple[str, int]] = {
    Sv.HARDWARE_VERSION: ("<B", 5),
    0x0C: ("<4B", 4 | 4 << 8 | 0x33 << 16),
    Sv.CPU_CLOCK_MHZ: ("<H", CPU_CLOCK_MHZ),
    Sv.MEMORY_CLOCK_MHZ: ("<H", 130),
    0x28: ("<I", 0x3F | 200 << 16 | 1 << 24),
    0x2C: ("<B", 50),
    Sv.LED0: ("<I", 1),
    Sv.ROOT_CHIP: ("<B", 1),
    Sv.N_MESSAGE_BUFFERS: ("<B", 7),
    0x42: ("<B", 20),
    Sv.SYSRAM_HEAP: ("<I", 1024),
    Sv.IOBUF_BYTES: ("<I", 16384),
    Sv.SDRAM_BUFFERS: ("<I", 8 * 1024 * 1024),
    Sv.SYSTEM_BUFFER_WORDS: ("<I", 32768),
    Sv.LINKS_ENABLED: ("<B", 0x3F),
}

_FORMATS: dict[int, struct.Struct] = {1: struct.Struct("<B"), 2: struct.Struct("<H"), 4: struct.Struct("<I"), 8: struct.Struct("<Q")}


class SystemVariables:
    """Reads and writes a chip's system variables and vcpu blocks, and finds its heaps.

    Parameters
    ----------
    chip : Chip
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self._memory = memoryview(chip.memory.sysram.data)
        self._sv = SV_BASE - SYSRAM_UNBUFFERED
        self._vcpu = VCPU_BASE - SYSRAM_BASE

    def get(self, name: int, size: int = 4) -> int:
        """Return a variable of ``size`` bytes."""
        value: int = _FORMATS[size].unpack_from(self._memory, self._sv + name)[0]
        return value

    def put(self, name: int, value: int, size: int = 4) -> None:
        """Set a variable of ``size`` bytes."""
        _FORMATS[size].pack_into(self._memory, self._sv + name, value)

    def put_bytes(self, name: int, value: bytes) -> None:
        """Set bytes from a variable on."""
        self._memory[self._sv + name : self._sv + name + len(value)] = value

    def get_core(self, core: int, name: int, size: int = 4) -> int:
        """Return a field of a core's vcpu block."""
        value: int = _FORMATS[size].unpack_from(self._memory, self._vcpu + core * VCPU_BYTES + name)[0]
        return value

    def put_core(self, core: int, name: int, value: int, size: int = 4) -> None:
        """Set a field of a core's vcpu block."""
        _FORMATS[size].pack_into(self._memory, self._vcpu + core * VCPU_BYTES + name, value)

    def core_bytes(self, core: int) -> bytes:
        """Return the vcpu block of a core."""
        start = self._vcpu + core * VCPU_BYTES
        return bytes(self._memory[start : start + VCPU_BYTES])

    def state(self, core: int) -> CpuState:
        """Return the state of a core; what the core wrote beyond the 16 states counts as dead."""
        value = self.get_core(core, Vcpu.CPU_STATE, 1)
        return CpuState(value) if value < 16 else CpuState.DEAD

    def states(self) -> list[int]:
        """Return the states of cores 0-17."""
        return list(self._memory[self._vcpu + Vcpu.CPU_STATE : self._vcpu + N_CORES * VCPU_BYTES : VCPU_BYTES])

    @property
    def tags(self) -> npt.NDArray[np.uint32]:
        """Table of the tagged blocks, shape (65536,)."""
        offset = self.get(Sv.TAG_TABLE) - SDRAM_BASE
        if offset % 4 or not 0 <= offset <= SDRAM_BYTES - _TAG_TABLE_BYTES:
            raise HeapDamagedError(f"{self.chip}: the table of tags is said to be at 0x{offset + SDRAM_BASE:08x}")
        return self.chip.memory.sdram[offset : offset + _TAG_TABLE_BYTES].view(np.uint32)

    @property
    def sdram_heap(self) -> Heap:
        """The user's heap in SDRAM."""
        return Heap(self.chip.memory.sdram, SDRAM_BASE, self.get(Sv.SDRAM_HEAP), self.tags)

    @property
    def system_heap(self) -> Heap:
        """The system's heap in SDRAM, which IOBUF comes from."""
        return Heap(self.chip.memory.sdram, SDRAM_BASE, self.get(Sv.SYSTEM_HEAP), self.tags)

    @property
    def sysram_heap(self) -> Heap:
        """The heap in System RAM."""
        return Heap(self.chip.memory.sysram, SYSRAM_BASE, self.get(Sv.SYSRAM_HEAP), self.tags)

    @property
    def router_table(self) -> RouterTable:
        """The multicast table with its copy."""
        offset = self._sv + Sv.ROUTER_FREE
        return RouterTable(self.chip, self.get(Sv.ROUTER_COPY), self.chip.memory.sysram[offset : offset + 2].view(np.uint16))

    def app_data(self, app_id: int) -> npt.NDArray[np.uint8]:
        """Record of an application: cores (u8), clean (u8), semaphore (u8), lead core (u8), mask of its cores (u32)."""
        offset = self.get(Sv.APP_DATA) - SDRAM_BASE + 8 * app_id
        if offset % 4 or not 0 <= offset <= SDRAM_BYTES - 8:
            raise HeapDamagedError(f"{self.chip}: the table of applications is said to be at 0x{offset + SDRAM_BASE:08x}")
        return self.chip.memory.sdram[offset : offset + 8]


def default_boot_values() -> bytes:
    """Return the 128 bytes that spinnman puts into the boot image, for booting without a host."""
    block = bytearray(SV_BOOT_BYTES)
    for offset, (form, value) in DEFAULT_BOOT_VALUES.items():
        size = struct.calcsize(form)
        block[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(block)


def boot(hardware: Hardware, boot_values: bytes | None = None) -> None:
    """Bring all chips to the state in which SC&MP waits for commands: cold start, nothing is kept.

    Parameters
    ----------
    hardware : Hardware
    boot_values : bytes, optional
        First 128 bytes of the system variables from the boot image; default those of :func:`default_boot_values`.

    Raises
    ------
    ValueError
        If the sizes in the boot values leave no room for a heap.
    """
    values = default_boot_values() if boot_values is None else boot_values
    _check(values)
    hardware.clear()
    hardware.write_p2p_tables()
    for chip in hardware.chips:
        _initialise(chip, hardware, values)


def _check(values: bytes) -> None:
    if len(values) != SV_BOOT_BYTES:
        raise ValueError(f"boot values of {len(values)} bytes, and {SV_BOOT_BYTES} are needed")
    sysram_words, sdram_words = struct.unpack_from("<2I", values, Sv.SYSRAM_HEAP)
    system_bytes, buffer_words = struct.unpack_from("<2I", values, Sv.SDRAM_BUFFERS)
    n_buffers = values[Sv.N_MESSAGE_BUFFERS]
    tables = sum((_HOP_TABLE_BYTES, COPY_BYTES, _TAG_TABLE_BYTES, _APP_DATA_BYTES, _SEED_BYTES)) + 4096
    if 4 * sysram_words + n_buffers * (MESSAGE_BYTES + 8) + 64 > SYSRAM_USER_TOP - SYSRAM_USER_BASE:
        raise ValueError(f"{4 * sysram_words} bytes and {n_buffers} message buffers leave no heap in System RAM")
    if system_bytes % 4 or system_bytes < 4 * SDRAM_SYSTEM_BUFFER_WORDS + tables:
        raise ValueError(f"{system_bytes} bytes of system SDRAM do not hold its tables")
    if 4 * (N_CORES * buffer_words + sdram_words) + system_bytes + 4096 > SDRAM_BYTES:
        raise ValueError(f"system SDRAM, {N_CORES} buffers of {buffer_words} words and {sdram_words} words in front leave no heap in SDRAM")


def _initialise(chip: Chip, hardware: Hardware, values: bytes) -> None:
    sv = SystemVariables(chip)
    sv.put_bytes(0, values)
    sysram_words, sdram_words = sv.get(Sv.SYSRAM_HEAP), sv.get(Sv.SDRAM_HEAP)
    system_bytes, buffer_words = sv.get(Sv.SDRAM_BUFFERS), sv.get(Sv.SYSTEM_BUFFER_WORDS)
    n_buffers = sv.get(Sv.N_MESSAGE_BUFFERS, 1)

    sv.put(Sv.P2P_ADDRESS, chip.p2p_address, 2)
    sv.put(Sv.P2P_DIMENSIONS, hardware.width << 8 & 0xFF00 | hardware.height & 0xFF, 2)
    sv.put(Sv.DEBUG_ADDRESS, hardware.root.p2p_address, 2)
    sv.put(Sv.P2P_UP, 1, 1)
    sv.put(Sv.ETHERNET_ADDRESS, chip.ethernet.p2p_address, 2)
    sv.put(Sv.ETHERNET_UP, chip.ip_address is not None, 1)
    sv.put(Sv.NETINIT_PHASE, 0xFF, 1)
    sv.put(Sv.P2P_ROOT, hardware.root.p2p_address, 2)
    sv.put(Sv.ROOT_CHIP, chip is hardware.root, 1)
    sv.put(Sv.RANDOM, sv.get(Sv.RANDOM) or DEFAULT_SEED)
    sv.put(Sv.LINKS_ENABLED, chip.links_enabled, 1)
    sv.put(Sv.N_CPUS, chip.n_cores, 1)
    sv.put(Sv.ROM_CPUS, chip.n_cores, 1)
    for name, cores in ((Sv.PHYSICAL_TO_VIRTUAL, chip.physical_to_virtual), (Sv.VIRTUAL_TO_PHYSICAL, chip.virtual_to_physical)):
        sv.put_bytes(name, cores.tobytes() + b"\xff\xff")
    sv.put(Sv.P2P_ACTIVE, len(hardware.chips), 2)
    sv.put(Sv.SYSRAM_BASE, SYSRAM_USER_BASE)
    sv.put(Sv.VCPU_BASE, VCPU_BASE)
    sv.put_bytes(Sv.IP_ADDRESS, ipaddress.IPv4Address(chip.ip_address or "0.0.0.0").packed)
    sv.put(Sv.SOFTWARE_VERSION, SOFTWARE_VERSION)

    _initialise_sdram(sv, sdram_words, system_bytes, buffer_words)
    _initialise_sysram(sv, sysram_words, n_buffers)
    _initialise_cores(sv)
    chip.controller[C_MONITOR] = chip.virtual_to_physical[0]
    chip.controller[C_ALIVE] = sum(1 << int(p) for core, p in enumerate(chip.virtual_to_physical) if p != 255 and core not in chip.dead_cores)
    router = chip.router
    router.registers[RouterRegisters.CONTROL] = 0x00400001 | int(chip.virtual_to_physical[0]) << 8
    router.registers[RouterRegisters.DIAGNOSTIC_ENABLE] = 0xFFFF
    router.filters[:] = DIAGNOSTIC_FILTERS


def _initialise_sysram(sv: SystemVariables, words: int, n_buffers: int) -> None:
    bottom = SYSRAM_USER_BASE + 4 * words
    heap = Heap.create(sv.chip.memory.sysram, SYSRAM_BASE, bottom, SYSRAM_USER_TOP)
    sv.put(Sv.SYSRAM_HEAP, bottom)
    buffers = heap.allocate(n_buffers * MESSAGE_BYTES, 0)
    sv.put(Sv.MESSAGE_BUFFERS, buffers)
    sv.put(Sv.MESSAGE_FREE, buffers)
    chain = sv.chip.memory.sysram.view(np.uint32)
    for i in range(n_buffers):
        address = buffers + i * MESSAGE_BYTES
        chain[address - SYSRAM_BASE >> 2] = address + MESSAGE_BYTES if i + 1 < n_buffers else 0


def _initialise_sdram(sv: SystemVariables, words: int, system_bytes: int, buffer_words: int) -> None:
    memory = sv.chip.memory.sdram
    system = SDRAM_BASE + SDRAM_BYTES - system_bytes
    base = SDRAM_BASE + 4 * N_CORES * buffer_words
    Heap.create(memory, SDRAM_BASE, base + 4 * words, system)
    heap = Heap.create(memory, SDRAM_BASE, system + 4 * SDRAM_SYSTEM_BUFFER_WORDS, system + system_bytes)
    sv.put(Sv.SDRAM_BUFFERS, SDRAM_BASE)
    sv.put(Sv.SDRAM_BASE, base)
    sv.put(Sv.SDRAM_HEAP, base + 4 * words)
    sv.put(Sv.SDRAM_SYSTEM, system)
    sv.put(Sv.SYSTEM_HEAP, system + 4 * SDRAM_SYSTEM_BUFFER_WORDS)
    # The hop table is for monitors that find routes on their own; here routes are computed, and its pages stay untouched.
    sv.put(Sv.HOP_TABLE, heap.allocate(_HOP_TABLE_BYTES, 0))
    sv.put(Sv.ROUTER_COPY, heap.allocate(COPY_BYTES, 0))
    sv.put(Sv.TAG_TABLE, heap.allocate(_TAG_TABLE_BYTES, 0))
    sv.put(Sv.APP_DATA, heap.allocate(_APP_DATA_BYTES, 0))
    heap.allocate(_SEED_BYTES, 0)
    table = sv.router_table
    table.clear(0, 1)
    table.initialise(1)


def _initialise_cores(sv: SystemVariables) -> None:
    chip = sv.chip
    for core in range(N_CORES):
        works = core < chip.n_cores and core not in chip.dead_cores
        state = CpuState.DEAD if not works else CpuState.IDLE if core else CpuState.RUNNING
        set_core(sv, core, state, 0, b"sark" if core else b"scamp-3")


def set_core(sv: SystemVariables, core: int, state: CpuState, app_id: int, name: bytes) -> None:
    """Write a fresh vcpu block, as for a core that SC&MP has just reset."""
    block: dict[int, tuple[int, int]] = {
        Vcpu.PHYSICAL_CPU: (int(sv.chip.virtual_to_physical[core]), 1),
        Vcpu.CPU_STATE: (state, 1),
        Vcpu.APP_ID: (app_id, 1),
        Vcpu.TIME: (sv.get(Sv.UNIX_TIME), 4),
        Vcpu.SOFTWARE_VERSION: (SOFTWARE_VERSION, 4),
    }
    start = VCPU_BASE - SYSRAM_BASE + core * VCPU_BYTES
    # The last words are the user's and outlive a restart: the host puts them in before it starts the binary.
    sv.chip.memory.sysram[start : start + Vcpu.USER0] = 0
    for offset, (value, size) in block.items():
        sv.put_core(core, offset, value, size)
    name_bytes: npt.NDArray[Any] = np.frombuffer(name[:15].ljust(16, b"\0"), np.uint8)
    sv.chip.memory.sysram[start + Vcpu.APP_NAME : start + Vcpu.APP_NAME + 16] = name_bytes


assert SV_BYTES == Sv.SOFTWARE_VERSION + 4
