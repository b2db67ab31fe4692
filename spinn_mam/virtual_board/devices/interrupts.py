"""The vectored interrupt controller of a core: lines are levels computed from the state when they are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc, njit

from spinn_mam.virtual_board.devices.registers import READ, TIMER_INTERRUPT, WRITE, controller_of, state_of
from spinn_mam.virtual_board.native import carray, pointer
from spinn_mam.virtual_board.state import (
    C_INTERRUPT,
    CONTROL,
    DMA_DONE,
    DMA_ERROR,
    IN_HEAD,
    IN_TAIL,
    INBOX_PACKETS,
    P_INBOX,
    PHYSICAL,
    RAW,
    SOURCE_CPU,
    SOURCE_DMA_DONE,
    SOURCE_DMA_ERROR,
    SOURCE_PACKET,
    SOURCE_TIMER_1,
    SOURCE_TIMER_2,
    SOURCE_TX_EMPTY,
    SOURCE_TX_NOT_FULL,
    TIMER_1,
    TIMER_2,
    VIC_ACTIVE,
    VIC_ADDRESS,
    VIC_CONTROL,
    VIC_DEFAULT,
    VIC_ENABLE,
    VIC_SELECT,
    VIC_SLOTS,
    VIC_SOFT,
)


@njit(cache=True)
def interrupt_lines(s: Any) -> int:
    """Return the levels of the 32 interrupt sources."""
    lines = s[VIC_SOFT] | (1 << SOURCE_TX_EMPTY) | (1 << SOURCE_TX_NOT_FULL)
    if s[TIMER_1 + RAW] and s[TIMER_1 + CONTROL] & TIMER_INTERRUPT:
        lines |= 1 << SOURCE_TIMER_1
    if s[TIMER_2 + RAW] and s[TIMER_2 + CONTROL] & TIMER_INTERRUPT:
        lines |= 1 << SOURCE_TIMER_2
    if s[DMA_DONE]:
        lines |= 1 << SOURCE_DMA_DONE
    if s[DMA_ERROR]:
        lines |= 1 << SOURCE_DMA_ERROR
    if np.int64(controller_of(s)[C_INTERRUPT]) >> s[PHYSICAL] & 1:
        lines |= 1 << SOURCE_CPU
    if s[IN_HEAD] != s[IN_TAIL]:
        inbox = carray(pointer(s[P_INBOX]), (2 * INBOX_PACKETS,), np.int64)
        lines |= 1 << (SOURCE_PACKET + ((inbox[2 * (s[IN_HEAD] % INBOX_PACKETS)] >> 38) & 3))
    return lines


@njit(cache=True)
def fast_interrupts(s: Any) -> int:
    """Return the sources that ask for a fast interrupt."""
    return interrupt_lines(s) & s[VIC_ENABLE] & s[VIC_SELECT]


@njit(cache=True)
def best_slot(s: Any) -> int:
    """Return the vector slot of the interrupt to take: VIC_SLOTS for the default vector, -1 for none above what is in service."""
    lines = interrupt_lines(s) & s[VIC_ENABLE] & ~s[VIC_SELECT]
    if lines == 0:
        return -1
    for slot in range(VIC_SLOTS):
        if s[VIC_ACTIVE] >> slot & 1:
            return -1
        control = s[VIC_CONTROL + slot]
        if control & 0x20 and lines >> (control & 0x1F) & 1:
            return slot
    return -1 if s[VIC_ACTIVE] >> VIC_SLOTS & 1 else VIC_SLOTS


@cfunc(READ, cache=True)
def vic_read(uc: Any, offset: int, size: int, data: Any) -> Any:
    """Read a register of the vectored interrupt controller."""
    s = state_of(data)
    o = np.int64(offset)
    lines = interrupt_lines(s)
    value: Any = np.int64(0)
    if o == 0x00:
        value = lines & s[VIC_ENABLE] & ~s[VIC_SELECT]
    elif o == 0x04:
        value = lines & s[VIC_ENABLE] & s[VIC_SELECT]
    elif o == 0x08:
        value = lines
    elif o == 0x0C:
        value = s[VIC_SELECT]
    elif o == 0x10:
        value = s[VIC_ENABLE]
    elif o == 0x18:
        value = s[VIC_SOFT]
    elif o == 0x30:
        slot = best_slot(s)
        value = s[VIC_DEFAULT]
        if slot >= 0:
            s[VIC_ACTIVE] |= 1 << slot
            if slot < VIC_SLOTS:
                value = s[VIC_ADDRESS + slot]
    elif o == 0x34:
        value = s[VIC_DEFAULT]
    elif 0x100 <= o < 0x100 + 4 * VIC_SLOTS:
        value = s[VIC_ADDRESS + (o - 0x100 >> 2)]
    elif 0x200 <= o < 0x200 + 4 * VIC_SLOTS:
        value = s[VIC_CONTROL + (o - 0x200 >> 2)]
    return np.uint64(value & 0xFFFFFFFF)


@cfunc(WRITE, cache=True)
def vic_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a register of the vectored interrupt controller."""
    s = state_of(data)
    o, v = np.int64(offset), np.int64(value) & 0xFFFFFFFF
    if o == 0x0C:
        s[VIC_SELECT] = v
    elif o == 0x10:
        s[VIC_ENABLE] |= v
    elif o == 0x14:
        s[VIC_ENABLE] &= ~v
    elif o == 0x18:
        s[VIC_SOFT] |= v
    elif o == 0x1C:
        s[VIC_SOFT] &= ~v
    elif o == 0x30:
        s[VIC_ACTIVE] &= s[VIC_ACTIVE] - 1  # the highest priority in service is done
    elif o == 0x34:
        s[VIC_DEFAULT] = v
    elif 0x100 <= o < 0x100 + 4 * VIC_SLOTS:
        s[VIC_ADDRESS + (o - 0x100 >> 2)] = v
    elif 0x200 <= o < 0x200 + 4 * VIC_SLOTS:
        s[VIC_CONTROL + (o - 0x200 >> 2)] = v
