"""The communications controller of a core: packets in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc

from spinn_mam.virtual_board.devices.registers import READ, WRITE, state_of
from spinn_mam.virtual_board.native import carray, pointer
from spinn_mam.virtual_board.state import (
    BUDGET_END,
    CC_CONTROL,
    CC_DATA,
    CC_HAS_DATA,
    CC_LAST_DATA,
    FIXED_ROUTE,
    IN_HEAD,
    IN_TAIL,
    INBOX_PACKETS,
    MULTICAST,
    OUT_COUNT,
    OUTBOX_MARGIN,
    OUTBOX_PACKETS,
    P_INBOX,
    P_OUTBOX,
    PAYLOAD_BIT,
    POPPED,
    RECEIVED,
    SENT,
)


@cfunc(READ, cache=True)
def communications_read(uc: Any, offset: int, size: int, data: Any) -> Any:
    """Read a register of the communications controller; reading the key takes the packet from the queue."""
    s = state_of(data)
    o = np.int64(offset)
    inbox = carray(pointer(s[P_INBOX]), (2 * INBOX_PACKETS,), np.int64)
    waiting = s[IN_HEAD] != s[IN_TAIL]
    head = 2 * (s[IN_HEAD] % INBOX_PACKETS)
    value: Any = np.int64(0)
    if o == 0x00:
        value = s[CC_CONTROL] & 0x00FF0000 | 0x90000000  # empty, and not full
    elif o == 0x0C:
        if waiting:
            value = 0x80000000 | (inbox[head] >> 32 & 0xFF) << 16
    elif o == 0x10:
        value = inbox[head + 1] if waiting else s[CC_LAST_DATA]
    elif o == 0x14 and waiting:
        value = inbox[head]
        s[CC_LAST_DATA] = inbox[head + 1]
        s[IN_HEAD] += 1
        s[RECEIVED] += 1
        s[POPPED] += 1
    return np.uint64(value & 0xFFFFFFFF)


@cfunc(WRITE, cache=True)
def communications_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a register of the communications controller; writing the key sends a packet."""
    s = state_of(data)
    o, v = np.int64(offset), np.int64(value) & 0xFFFFFFFF
    if o == 0x00:
        s[CC_CONTROL] = v
    elif o == 0x04:
        s[CC_DATA] = v
        s[CC_HAS_DATA] = 1
    elif o == 0x08:
        control = s[CC_CONTROL] >> 16 & 0xFF
        if s[CC_HAS_DATA]:
            control |= PAYLOAD_BIT
        kind = control >> 6
        if kind in (MULTICAST, FIXED_ROUTE):
            outbox = carray(pointer(s[P_OUTBOX]), (2 * OUTBOX_PACKETS,), np.int64)
            at = s[OUT_COUNT]
            outbox[2 * at] = control << 32 | v
            outbox[2 * at + 1] = s[CC_DATA] if control & PAYLOAD_BIT else 0
            s[OUT_COUNT] = at + 1
            if at + 1 >= OUTBOX_PACKETS - OUTBOX_MARGIN:
                # The next block stops the processor: a stop in the middle of a store would have it repeat the store.
                s[BUDGET_END] = 0
        s[SENT] += 1
        s[CC_HAS_DATA] = 0
