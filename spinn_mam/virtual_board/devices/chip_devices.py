"""Devices that the cores of a chip share: system controller and router."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc

from spinn_mam.virtual_board.devices.registers import READ, WRITE, controller_of, state_of
from spinn_mam.virtual_board.memory_map import ROUTER_ENTRIES, ROUTER_KEYS, ROUTER_MASKS, ROUTER_P2P, ROUTER_P2P_WORDS, ROUTER_RAM
from spinn_mam.virtual_board.native import carray, pointer
from spinn_mam.virtual_board.state import (
    BUDGET_END,
    C_ALIVE,
    C_FLAGS,
    C_INTERRUPT,
    C_MONITOR,
    C_ROUTER_CHANGED,
    C_SEMAPHORES,
    CONTROL_WORDS,
    INSTRUCTIONS,
    P_CONTROL,
    P_KEY,
    P_MASK,
    P_P2P,
    P_REGISTERS,
    P_ROUTE,
    YIELD,
)

#: Instructions of a core between its call of the monitor and the release of the lock around it.
_INSTRUCTIONS_IN_LOCK = 300
_CHECK_CODE = 0x5EC


@cfunc(READ, cache=True)
def controller_read(uc: Any, offset: int, size: int, data: Any) -> Any:
    """Read a register of the chip's system controller."""
    s = state_of(data)
    c = controller_of(s)
    o = np.int64(offset)
    value: Any = np.int64(0)
    if o == 0x00:
        value = 0x59111012
    elif o == 0x08 or o == 0x0C:
        value = np.int64(c[C_INTERRUPT])
    elif o == 0x10 or o == 0x14:
        value = np.int64(c[C_ALIVE])
    elif o == 0x34:
        value = np.int64(c[C_MONITOR])
    elif o == 0x58 or o == 0x5C:
        value = np.int64(c[C_FLAGS])
    elif 0x100 <= o < 0x180:
        bit = np.uint32(1 << (o - 0x100 >> 2))
        value = 0x80000000 if c[C_SEMAPHORES] & bit else 0
        c[C_SEMAPHORES] |= bit
    elif 0x180 <= o < 0x200:
        bit = np.uint32(1 << (o - 0x180 >> 2))
        value = 0x80000000 if c[C_SEMAPHORES] & bit else 0
        c[C_SEMAPHORES] &= ~bit
    return np.uint64(value & 0xFFFFFFFF)


@cfunc(WRITE, cache=True)
def controller_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a register of the chip's system controller; most take effect with its check code in the upper bits only."""
    s = state_of(data)
    c = controller_of(s)
    o, v = np.int64(offset), np.uint32(value)
    if v >> 20 == _CHECK_CODE:
        bits = np.uint32(v & 0x3FFFF)
        if o == 0x08:
            c[C_INTERRUPT] |= bits
            if bits >> c[C_MONITOR] & 1:
                # The core waits for the monitor to take its message: let it leave its lock, then give the host its turn.
                s[BUDGET_END] = s[INSTRUCTIONS] + _INSTRUCTIONS_IN_LOCK
                carray(pointer(s[P_CONTROL]), (CONTROL_WORDS,), np.int64)[YIELD] = 1
        elif o == 0x0C:
            c[C_INTERRUPT] &= ~bits
        elif o == 0x10:
            c[C_ALIVE] |= bits
        elif o == 0x14:
            c[C_ALIVE] &= ~bits
    if o == 0x58:
        c[C_FLAGS] |= v
    elif o == 0x5C:
        c[C_FLAGS] &= ~v


@cfunc(READ, cache=True)
def router_read(uc: Any, offset: int, size: int, data: Any) -> Any:
    """Read a register or table word of the chip's router."""
    s = state_of(data)
    o = np.int64(offset)
    if o < 0x400:
        return np.uint64(carray(pointer(s[P_REGISTERS]), (256,), np.uint32)[o >> 2])
    if ROUTER_RAM <= o < ROUTER_RAM + 4 * ROUTER_ENTRIES:
        return np.uint64(carray(pointer(s[P_ROUTE]), (ROUTER_ENTRIES,), np.uint32)[o - ROUTER_RAM >> 2])
    if ROUTER_KEYS <= o < ROUTER_KEYS + 4 * ROUTER_ENTRIES:
        return np.uint64(carray(pointer(s[P_KEY]), (ROUTER_ENTRIES,), np.uint32)[o - ROUTER_KEYS >> 2])
    if ROUTER_MASKS <= o < ROUTER_MASKS + 4 * ROUTER_ENTRIES:
        return np.uint64(carray(pointer(s[P_MASK]), (ROUTER_ENTRIES,), np.uint32)[o - ROUTER_MASKS >> 2])
    if ROUTER_P2P <= o < ROUTER_P2P + 4 * ROUTER_P2P_WORDS:
        return np.uint64(carray(pointer(s[P_P2P]), (ROUTER_P2P_WORDS,), np.uint32)[o - ROUTER_P2P >> 2])
    return np.uint64(0)


@cfunc(WRITE, cache=True)
def router_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a register or table word of the chip's router."""
    s = state_of(data)
    o, v = np.int64(offset), np.uint32(value)
    if o < 0x400:
        carray(pointer(s[P_REGISTERS]), (256,), np.uint32)[o >> 2] = v
    elif ROUTER_RAM <= o < ROUTER_RAM + 4 * ROUTER_ENTRIES:
        carray(pointer(s[P_ROUTE]), (ROUTER_ENTRIES,), np.uint32)[o - ROUTER_RAM >> 2] = v
    elif ROUTER_KEYS <= o < ROUTER_KEYS + 4 * ROUTER_ENTRIES:
        carray(pointer(s[P_KEY]), (ROUTER_ENTRIES,), np.uint32)[o - ROUTER_KEYS >> 2] = v
    elif ROUTER_MASKS <= o < ROUTER_MASKS + 4 * ROUTER_ENTRIES:
        carray(pointer(s[P_MASK]), (ROUTER_ENTRIES,), np.uint32)[o - ROUTER_MASKS >> 2] = v
    elif ROUTER_P2P <= o < ROUTER_P2P + 4 * ROUTER_P2P_WORDS:
        carray(pointer(s[P_P2P]), (ROUTER_P2P_WORDS,), np.uint32)[o - ROUTER_P2P >> 2] = v
    controller_of(s)[C_ROUTER_CHANGED] = 1


@cfunc(READ, cache=True)
def nothing_read(uc: Any, offset: int, size: int, data: Any) -> Any:
    """Read a device without a function here, such as the watchdog of the monitor."""
    return np.uint64(0)


@cfunc(WRITE, cache=True)
def nothing_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a device without a function here."""
