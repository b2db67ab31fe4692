"""What SC&MP can read and write at an address: memories and registers of a chip, tightly coupled memories of a core.

An access is inside one memory or it is refused: a chip would answer with a bus error, and its monitor would crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinn_mam.virtual_board import memory_map
from spinn_mam.virtual_board.chip import Chip, RouterRegisters
from spinn_mam.virtual_board.state import C_FLAGS, C_ROUTER_CHANGED

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

#: Identification of the chip in its system controller.
CHIP_ID = 0x59111012
#: Registers of the system controller: physical number of the monitor; set flags (reads them too), clear flags.
_MONITOR, _SET_FLAGS, _CLEAR_FLAGS = 0x34, 0x58, 0x5C
#: Longest span of registers or tightly coupled memory that one command fills.
_LONGEST_FILL = 0x10000


class AddressError(Exception):
    """Nothing can be read or written there."""


class AddressSpace:
    """Reads and writes by address.

    Parameters
    ----------
    engine : Engine
        Holds the tightly coupled memories.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, chip: Chip, core: int, address: int, length: int) -> bytes:
        """Return ``length`` bytes.

        Raises
        ------
        AddressError
            If they do not lie in one memory or device, or a device is not read in whole words.
        """
        memory = self._memory(chip, address, length)
        if memory is not None:
            return memory.tobytes()
        if self._is_tightly_coupled(chip, core, address, length):
            return self._engine.read_core(chip, core, address, length)
        registers = self._registers(chip, address, length)
        return registers.tobytes()

    def write(self, chip: Chip, core: int, address: int, data: bytes) -> None:
        """Write bytes; raises as :meth:`read`."""
        memory = self._memory(chip, address, len(data))
        if memory is not None:
            memory[:] = np.frombuffer(data, np.uint8)
            return
        if self._is_tightly_coupled(chip, core, address, len(data)):
            self._engine.write_core(chip, core, address, data)
            return
        self._write_registers(chip, address, data)

    def fill(self, chip: Chip, core: int, address: int, word: int, length: int) -> None:
        """Write a word again and again; raises as :meth:`read`."""
        pattern = word.to_bytes(4, "little")
        memory = self._memory(chip, address, length)
        if memory is None:
            if length > _LONGEST_FILL:
                raise AddressError(f"{length} bytes at 0x{address:08x}")
            self.write(chip, core, address, (pattern * (length // 4 + 1))[:length])
        elif length % 4 == 0 and address % 4 == 0:
            memory.view(np.uint32)[:] = word
        else:
            memory[:] = np.resize(np.frombuffer(pattern, np.uint8), length)

    def _memory(self, chip: Chip, address: int, length: int) -> npt.NDArray[np.uint8] | None:
        """Return the bytes as a view, or None if there is no memory of the chip at this address."""
        for array, buffered, unbuffered in (
            (chip.memory.sdram, memory_map.SDRAM_BASE, memory_map.SDRAM_UNBUFFERED),
            (chip.memory.sysram, memory_map.SYSRAM_BASE, memory_map.SYSRAM_UNBUFFERED),
        ):
            for base in (buffered, unbuffered):
                if base <= address < base + len(array):
                    if address + length > base + len(array):
                        raise AddressError(f"{length} bytes at 0x{address:08x} reach beyond 0x{base + len(array):08x}")
                    return array[address - base : address - base + length]
        return None

    @staticmethod
    def _is_tightly_coupled(chip: Chip, core: int, address: int, length: int) -> bool:
        for base, size in ((memory_map.ITCM_BASE, memory_map.ITCM_BYTES), (memory_map.DTCM_BASE, memory_map.DTCM_BYTES)):
            if base <= address < base + size:
                if address + length > base + size or not 0 < core < chip.n_cores:
                    raise AddressError(f"{length} bytes at 0x{address:08x} of core {core}")
                return True
        return False

    def _registers(self, chip: Chip, address: int, length: int) -> npt.NDArray[np.uint32]:
        """Return words of the router or the system controller."""
        if address % 4 or length % 4:
            raise AddressError(f"{length} bytes at 0x{address:08x}: registers are words")
        span = memory_map.ROUTER_SPAN
        if address & -span in memory_map.ROUTER:
            return _part(*self._router_array(chip, address & span - 1), length)
        if address & -0x100 in memory_map.SYSTEM_CONTROLLER:
            values = np.zeros(64, np.uint32)
            values[0] = CHIP_ID
            values[_MONITOR // 4] = chip.virtual_to_physical[0]
            values[_SET_FLAGS // 4] = values[_CLEAR_FLAGS // 4] = chip.controller[C_FLAGS]
            return _part(values, address & 0xFF, length)
        raise AddressError(f"nothing at 0x{address:08x}")

    @staticmethod
    def _router_array(chip: Chip, offset: int) -> tuple[npt.NDArray[np.uint32], int]:
        """Return the array that an offset into the router is in, and the offset into the array."""
        router = chip.router
        for start, array in (
            (memory_map.ROUTER_P2P, router.p2p),
            (memory_map.ROUTER_MASKS, router.mask),
            (memory_map.ROUTER_KEYS, router.key),
            (memory_map.ROUTER_RAM, router.route),
        ):
            if offset >= start:
                return array, offset - start
        return router.registers, offset

    def _write_registers(self, chip: Chip, address: int, data: bytes) -> None:
        target = self._registers(chip, address, len(data))
        words = np.frombuffer(data, np.uint32)
        if address & -memory_map.ROUTER_SPAN not in memory_map.ROUTER:
            self._write_controller(chip, address & 0xFF, words)
            return
        target[:] = words
        offset = address & memory_map.ROUTER_SPAN - 1
        enable = RouterRegisters.DIAGNOSTIC_ENABLE
        if offset <= 4 * enable < offset + len(data):
            # The upper half clears counters, the lower half enables them.
            value = int(chip.router.registers[enable])
            chip.router.diagnostics[[counter for counter in range(16) if value >> 16 + counter & 1]] = 0
            chip.router.registers[enable] = value & 0xFFFF
        chip.controller[C_ROUTER_CHANGED] = 1

    @staticmethod
    def _write_controller(chip: Chip, offset: int, words: npt.NDArray[np.uint32]) -> None:
        for i, word in enumerate(words):
            if offset + 4 * i == _SET_FLAGS:
                chip.controller[C_FLAGS] |= word
            elif offset + 4 * i == _CLEAR_FLAGS:
                chip.controller[C_FLAGS] &= ~word
            else:
                raise AddressError(f"register 0x{offset + 4 * i:03x} of the system controller is SC&MP's own")


def _part(array: npt.NDArray[np.uint32], offset: int, length: int) -> npt.NDArray[np.uint32]:
    if offset + length > array.nbytes:
        raise AddressError(f"{length} bytes reach beyond the registers")
    return array[offset // 4 : (offset + length) // 4]
