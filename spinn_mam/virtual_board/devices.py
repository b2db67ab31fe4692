"""Devices of a core and of its chip, as callbacks that Unicorn calls for each access to their registers.

Problem
    A core reads and writes device registers hundreds of times in a time step, and each access costs a call from generated
    code. Written in Python that call takes most of the time of a run.
Method
    Each device is a pair of C callbacks compiled by Numba. They work on the core's row of the state array (``state.py``), so
    they need no objects, no locks and no interpreter. Interrupt lines are levels computed from the state when they are
    looked at, never stored twice. A DMA transfer is done at once, when its descriptor is written (but see ``start_transfer``).
Cost
    40 nanoseconds an access.

References
----------
SpiNNaker data sheet version 2.02 (University of Manchester, 2011). ARM PrimeCell VIC (PL190) technical reference manual,
DDI 0181; ARM dual-timer module (SP804), DDI 0271.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types

from spinn_mam.virtual_board.memory_map import (
    DTCM_BASE,
    DTCM_BYTES,
    ITCM_BASE,
    ITCM_BYTES,
    ROUTER_ENTRIES,
    ROUTER_KEYS,
    ROUTER_MASKS,
    ROUTER_P2P,
    ROUTER_P2P_WORDS,
    ROUTER_RAM,
    SDRAM_BASE,
    SDRAM_BYTES,
    SDRAM_UNBUFFERED,
    SYSRAM_BASE,
    SYSRAM_BYTES,
    SYSRAM_UNBUFFERED,
)
from spinn_mam.virtual_board.native import emu_stop, pointer, reg_read
from spinn_mam.virtual_board.state import (
    BEGINS_TICK,
    BUDGET_END,
    C_ALIVE,
    C_FLAGS,
    C_INTERRUPT,
    C_MONITOR,
    C_ROUTER_CHANGED,
    C_SEMAPHORES,
    CC_CONTROL,
    CC_DATA,
    CC_HAS_DATA,
    CC_LAST_DATA,
    CLOCK,
    CONTROL,
    CONTROL_WORDS,
    CONTROLLER_WORDS,
    CORE_WORDS,
    CPU,
    DMA_BYTES,
    DMA_DESCRIPTOR,
    DMA_DONE,
    DMA_ERROR,
    DMA_GLOBAL,
    DMA_HELD,
    DMA_SYSTEM,
    DMA_TCM,
    DUE,
    EXPIRY,
    FAULT_KIND,
    FIXED_ROUTE,
    IN_HEAD,
    IN_TAIL,
    INBOX_PACKETS,
    INSTRUCTIONS,
    LOAD,
    MULTICAST,
    OUT_COUNT,
    OUTBOX_MARGIN,
    OUTBOX_PACKETS,
    P_CONTROL,
    P_CONTROLLER,
    P_DTCM,
    P_INBOX,
    P_ITCM,
    P_KEY,
    P_MASK,
    P_MODES,
    P_OUTBOX,
    P_P2P,
    P_REGISTERS,
    P_ROUTE,
    P_SDRAM,
    P_SYSRAM,
    PAYLOAD_BIT,
    PHYSICAL,
    POLLS,
    POPPED,
    RAW,
    READS,
    RECEIVED,
    SENT,
    SOURCE_CPU,
    SOURCE_DMA_DONE,
    SOURCE_DMA_ERROR,
    SOURCE_PACKET,
    SOURCE_TIMER_1,
    SOURCE_TIMER_2,
    SOURCE_TX_EMPTY,
    SOURCE_TX_NOT_FULL,
    STOP,
    STOP_BUDGET,
    STOP_EXCEPTION,
    STOP_POLL_IDLE,
    STOP_POLL_PACKET,
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
    YIELD,
)

READ = types.uint64(types.voidptr, types.uint64, types.uint32, types.voidptr)
WRITE = types.void(types.voidptr, types.uint64, types.uint32, types.uint64, types.voidptr)
BLOCK = types.void(types.voidptr, types.uint64, types.uint32, types.voidptr)
EXCEPTION = types.void(types.voidptr, types.uint32, types.voidptr)

#: Timer control register.
TIMER_ENABLE, TIMER_PERIODIC, TIMER_INTERRUPT, TIMER_ONE_SHOT = 0x80, 0x40, 0x20, 0x01
#: Cycles that a read of a running timer is taken to last, so that code which waits for a count comes to an end.
CYCLES_PER_READ = 20
#: Reads of timer 2 in a row, beyond one for each packet taken, after which a core only waits for its expiry.
POLL_LIMIT = 6
#: Instruction sets of a block of code, in the map by address.
ARM, THUMB = 1, 2
_THUMB_BIT = 0x20
#: Unicorn's number of the CPSR register.
REG_CPSR = 3
#: Instructions of a core between its call of the monitor and the release of the lock around it.
_INSTRUCTIONS_IN_LOCK = 300
_CHECK_CODE = 0x5EC
# Bit of a DMA descriptor: from the core to memory that all share.
_DMA_OUT = 0x80000


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
def vic_read(uc: Any, offset: int, size: int, data: Any) -> int:
    """Read a register of the vectored interrupt controller."""
    s = state_of(data)
    o = np.int64(offset)
    lines = interrupt_lines(s)
    value = np.int64(0)
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


@cfunc(READ, cache=True)
def timer_read(uc: Any, offset: int, size: int, data: Any) -> int:
    """Read a timer register; polling timer 2 without doing anything else lets the processor stop until it expires."""
    s = state_of(data)
    o = np.int64(offset)
    t = TIMER_1 if o < 0x20 else TIMER_2
    register = o & 0x1F
    value = np.int64(0)
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


@njit(cache=True)
def host_address(s: Any, address: int, n_bytes: int) -> int:
    """Return where a stretch of the core's memory lies on the host, or 0 if no memory is there."""
    end = address + n_bytes
    if address >= SDRAM_BASE and end <= SDRAM_BASE + SDRAM_BYTES:
        return s[P_SDRAM] + address - SDRAM_BASE
    if address >= SDRAM_UNBUFFERED and end <= SDRAM_UNBUFFERED + SDRAM_BYTES:
        return s[P_SDRAM] + address - SDRAM_UNBUFFERED
    if address >= DTCM_BASE and end <= DTCM_BASE + DTCM_BYTES:
        return s[P_DTCM] + address - DTCM_BASE
    if address >= ITCM_BASE and end <= ITCM_BASE + ITCM_BYTES:
        return s[P_ITCM] + address - ITCM_BASE
    if address >= SYSRAM_BASE and end <= SYSRAM_BASE + SYSRAM_BYTES:
        return s[P_SYSRAM] + address - SYSRAM_BASE
    if address >= SYSRAM_UNBUFFERED and end <= SYSRAM_UNBUFFERED + SYSRAM_BYTES:
        return s[P_SYSRAM] + address - SYSRAM_UNBUFFERED
    return np.int64(0)


@njit(cache=True)
def start_transfer(s: Any, descriptor: int) -> None:
    """Start a DMA transfer: at once, unless it leaves a core that begins a time step.

    All cores begin a step together and those that read what another leaves in shared memory do so first thing. One core runs
    after the other here, so what goes out meanwhile is held until the end of the wave, or until the core asks for it.
    """
    s[DMA_DESCRIPTOR] = descriptor
    s[POLLS] = 0
    if s[BEGINS_TICK] and descriptor & _DMA_OUT:
        s[DMA_HELD] = 1
    else:
        transfer(s)


@njit(cache=True)
def release_transfer(s: Any) -> None:
    """Do the transfer that is held, if there is one."""
    if s[DMA_HELD]:
        s[DMA_HELD] = 0
        transfer(s)


@njit(cache=True)
def transfer(s: Any) -> None:
    """Do a DMA transfer: bits 0-16 of the descriptor are its bytes, bit 19 says that it leaves the core."""
    descriptor = s[DMA_DESCRIPTOR]
    n_bytes = descriptor & 0x1FFFF
    system = host_address(s, s[DMA_SYSTEM], n_bytes)
    tcm = host_address(s, s[DMA_TCM], n_bytes)
    if system == 0 or tcm == 0:
        s[DMA_ERROR] = 1
        return
    to, of = (system, tcm) if descriptor & _DMA_OUT else (tcm, system)
    n_words = n_bytes >> 2
    target, source = carray(pointer(to), (n_words,), np.uint32), carray(pointer(of), (n_words,), np.uint32)
    for i in range(n_words):
        target[i] = source[i]
    if n_bytes & 3:
        last_target, last_source = carray(pointer(to), (n_bytes,), np.uint8), carray(pointer(of), (n_bytes,), np.uint8)
        for i in range(4 * n_words, n_bytes):
            last_target[i] = last_source[i]
    s[DMA_DONE] = 1
    s[DMA_BYTES] += n_bytes


@cfunc(READ, cache=True)
def dma_read(uc: Any, offset: int, size: int, data: Any) -> int:
    """Read a DMA register."""
    s = state_of(data)
    o = np.int64(offset)
    value = np.int64(0)
    if o == 0x04:
        value = s[DMA_SYSTEM]
    elif o == 0x08:
        value = s[DMA_TCM]
    elif o == 0x0C:
        value = s[DMA_DESCRIPTOR]
    elif o == 0x14:
        release_transfer(s)
        value = s[PHYSICAL] << 24 | s[DMA_DONE] << 10 | s[DMA_ERROR] << 13
    elif o == 0x18:
        value = s[DMA_GLOBAL]
    return np.uint64(value & 0xFFFFFFFF)


@cfunc(WRITE, cache=True)
def dma_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a DMA register; writing the descriptor does the transfer."""
    s = state_of(data)
    o, v = np.int64(offset), np.int64(value) & 0xFFFFFFFF
    if o == 0x04:
        release_transfer(s)
        s[DMA_SYSTEM] = v
    elif o == 0x08:
        release_transfer(s)
        s[DMA_TCM] = v
    elif o == 0x0C:
        release_transfer(s)
        start_transfer(s, v)
    elif o == 0x10:
        if v & 0x08:
            s[DMA_DONE] = 0
        if v & 0x20:
            s[DMA_ERROR] = 0
    elif o == 0x18:
        s[DMA_GLOBAL] = v


@cfunc(READ, cache=True)
def communications_read(uc: Any, offset: int, size: int, data: Any) -> int:
    """Read a register of the communications controller; reading the key takes the packet from the queue."""
    s = state_of(data)
    o = np.int64(offset)
    inbox = carray(pointer(s[P_INBOX]), (2 * INBOX_PACKETS,), np.int64)
    waiting = s[IN_HEAD] != s[IN_TAIL]
    head = 2 * (s[IN_HEAD] % INBOX_PACKETS)
    value = np.int64(0)
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


@cfunc(READ, cache=True)
def controller_read(uc: Any, offset: int, size: int, data: Any) -> int:
    """Read a register of the chip's system controller."""
    s = state_of(data)
    c = controller_of(s)
    o = np.int64(offset)
    value = np.int64(0)
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
def router_read(uc: Any, offset: int, size: int, data: Any) -> int:
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
def nothing_read(uc: Any, offset: int, size: int, data: Any) -> int:
    """Read a device without a function here, such as the watchdog of the monitor."""
    return np.uint64(0)


@cfunc(WRITE, cache=True)
def nothing_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a device without a function here."""


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
