"""What every device needs: signatures of the callbacks, and the words of the core that one belongs to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from spinn_mam.virtual_board.native import carray, pointer
from spinn_mam.virtual_board.state import CLOCK, CONTROL_WORDS, CONTROLLER_WORDS, CORE_WORDS, P_CONTROL, P_CONTROLLER

READ = types.uint64(types.voidptr, types.uint64, types.uint32, types.voidptr)
WRITE = types.void(types.voidptr, types.uint64, types.uint32, types.uint64, types.voidptr)
BLOCK = types.void(types.voidptr, types.uint64, types.uint32, types.voidptr)
EXCEPTION = types.void(types.voidptr, types.uint32, types.voidptr)

#: Timer control register.
TIMER_ENABLE, TIMER_PERIODIC, TIMER_INTERRUPT = 0x80, 0x40, 0x20


@njit(inline="always")
def state_of(data: Any) -> Any:
    """Return the state words of the core that a callback belongs to."""
    return carray(data, (CORE_WORDS,), np.int64)


@njit(inline="always")
def controller_of(s: Any) -> Any:
    """Return the controller words of the core's chip."""
    return carray(pointer(s[P_CONTROLLER]), (CONTROLLER_WORDS,), np.uint32)


@njit(inline="always")
def clock(s: Any) -> int:
    """Return the virtual time in processor cycles."""
    return carray(pointer(s[P_CONTROL]), (CONTROL_WORDS,), np.int64)[CLOCK]
