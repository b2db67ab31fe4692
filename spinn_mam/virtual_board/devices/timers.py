"""The two timers of a core."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc

from spinn_mam.virtual_board.devices.interrupts import fast_interrupts
from spinn_mam.virtual_board.devices.registers import READ, TIMER_ENABLE, TIMER_INTERRUPT, WRITE, clock, state_of
from spinn_mam.virtual_board.native import emu_stop
from spinn_mam.virtual_board.state import (
    CONTROL,
    DUE,
    EXPIRY,
    IN_HEAD,
    IN_TAIL,
    LOAD,
    POLLS,
    POPPED,
    RAW,
    READS,
    STOP,
    STOP_POLL_IDLE,
    STOP_POLL_PACKET,
    TIMER_1,
    TIMER_2,
)

#: Cycles that a read of a running timer is taken to last, so that code which waits for a count comes to an end.
CYCLES_PER_READ = 20
#: Reads of timer 2 in a row, beyond one for each packet taken, after which a core only waits for its expiry.
POLL_LIMIT = 6


@cfunc(READ, cache=True)
def timer_read(uc: Any, offset: int, size: int, data: Any) -> Any:
    """Read a timer register; polling timer 2 without doing anything else lets the processor stop until it expires."""
    s = state_of(data)
    o = np.int64(offset)
    t = TIMER_1 if o < 0x20 else TIMER_2
    register = o & 0x1F
    value: Any = np.int64(0)
    if register == 0x00 or register == 0x18:
        value = s[t + LOAD]
    elif register == 0x04:
        if not s[t + CONTROL] & TIMER_ENABLE:
            value = s[t + LOAD]
        elif t == TIMER_1:
            value = s[t + EXPIRY] - clock(s) - CYCLES_PER_READ * s[t + READS]
            if value < 0:
                value %= s[t + LOAD] + 1
            s[t + READS] += 1
        elif not s[t + DUE]:
            value = max(s[t + EXPIRY] - clock(s), 1)
            s[POLLS] += 1
            if s[IN_HEAD] != s[IN_TAIL] and fast_interrupts(s):
                s[STOP] = STOP_POLL_PACKET
                emu_stop(uc)
            elif s[POLLS] > s[POPPED] + POLL_LIMIT:
                s[STOP] = STOP_POLL_IDLE
                emu_stop(uc)
    elif register == 0x08:
        value = s[t + CONTROL]
    elif register == 0x10:
        value = s[t + RAW]
    elif register == 0x14:
        value = s[t + RAW] if s[t + CONTROL] & TIMER_INTERRUPT else np.int64(0)
    return np.uint64(value & 0xFFFFFFFF)


@cfunc(WRITE, cache=True)
def timer_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a timer register; loading or enabling one sets when it expires."""
    s = state_of(data)
    o, v = np.int64(offset), np.int64(value) & 0xFFFFFFFF
    t = TIMER_1 if o < 0x20 else TIMER_2
    register = o & 0x1F
    if register == 0x00:
        s[t + LOAD] = v
        s[t + EXPIRY] = clock(s) + v
        s[t + READS] = 0
        s[t + DUE] = 0
        s[POLLS] = 0
    elif register == 0x18:
        s[t + LOAD] = v
    elif register == 0x08:
        if v & TIMER_ENABLE and not s[t + CONTROL] & TIMER_ENABLE:
            s[t + EXPIRY] = clock(s) + s[t + LOAD]
            s[t + READS] = 0
            s[t + DUE] = 0
            s[POLLS] = 0
        s[t + CONTROL] = v
    elif register == 0x0C:
        s[t + RAW] = 0
