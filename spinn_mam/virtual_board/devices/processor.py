"""What the processor itself reports: blocks of code that run, and exceptions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc

from spinn_mam.virtual_board.devices.registers import BLOCK, EXCEPTION, state_of
from spinn_mam.virtual_board.memory_map import ITCM_BYTES
from spinn_mam.virtual_board.native import carray, emu_stop, pointer, reg_read
from spinn_mam.virtual_board.state import BUDGET_END, CPU, FAULT_KIND, INSTRUCTIONS, P_MODES, STOP, STOP_BUDGET, STOP_EXCEPTION

#: Instruction sets of a block of code, in the map by address.
ARM, THUMB = 1, 2
_THUMB_BIT = 0x20
#: Unicorn's number of the CPSR register.
REG_CPSR = 3


@cfunc(BLOCK, cache=True)
def count_block(uc: Any, address: int, size: int, data: Any) -> None:
    """Count the instructions of a block of code before it runs, and stop the processor when its allowance is used up."""
    s = state_of(data)
    a = np.int64(address)
    kind = ARM
    if a < ITCM_BYTES:
        kinds = carray(pointer(s[P_MODES]), (ITCM_BYTES // 2,), np.uint8)
        kind = kinds[a >> 1]
        if kind == 0:
            value = np.zeros(1, np.int64)
            reg_read(s[CPU], REG_CPSR, value.ctypes.data)
            kind = THUMB if value[0] & _THUMB_BIT else ARM
            kinds[a >> 1] = kind
    s[INSTRUCTIONS] += np.int64(size) >> (1 if kind == THUMB else 2)
    if s[INSTRUCTIONS] >= s[BUDGET_END] and s[STOP] == 0:
        s[STOP] = STOP_BUDGET
        emu_stop(uc)


@cfunc(EXCEPTION, cache=True)
def take_exception(uc: Any, number: int, data: Any) -> None:
    """Note an exception that the processor raised itself, and stop it; the executor enters the vector."""
    s = state_of(data)
    s[FAULT_KIND] = np.int64(number)
    s[STOP] = STOP_EXCEPTION
    emu_stop(uc)
