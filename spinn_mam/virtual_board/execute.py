"""Run cores until they wait, with interrupts taken where they stop.

Problem
    Unicorn has no interrupt input. A core of the SpiNNaker tools spends its life between two waits-for-interrupt; what
    arrives in between has to be taken there, in the order that the interrupt controller sets.
Method
    A core stops in wait-for-interrupt, in a poll of timer 2 that only waits, when its queue for sending is full, or when its
    allowance of instructions is used up. There the executor enters an exception by hand: it banks the status register, sets
    the link register and goes to the vector. At a wait the binaries have both interrupts masked and rely on the processor
    waking up; the executor takes the interrupt at once and leaves fast interrupts open in the handler, as if they had been
    unmasked an instruction later. Everything is a function of instruction counts and of the order of packets, never of wall
    time, so runs repeat bit for bit.
Cost
    0.3 microseconds a stop.

Reference
---------
ARM Architecture Reference Manual, DDI 0100I, section A2.6 (exceptions).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spinn_mam.virtual_board.devices.interrupts import best_slot, fast_interrupts
from spinn_mam.virtual_board.memory_map import (
    VECTOR_DATA_ABORT,
    VECTOR_FIQ,
    VECTOR_IRQ,
    VECTOR_PREFETCH_ABORT,
    VECTOR_UNDEFINED,
)
from spinn_mam.virtual_board.native import carray, emu_start, pointer, reg_read, reg_write
from spinn_mam.virtual_board.state import (
    AT,
    BUDGET_END,
    BUDGET_STOPS,
    CONTROL_WORDS,
    CPU,
    CRASHED,
    DUE,
    FAULT_KIND,
    FAULT_PC,
    FAULTS,
    FIQS,
    INSTRUCTIONS,
    IRQS,
    P_CONTROL,
    PC,
    POLLING,
    POLLS,
    POPPED,
    RUNNING,
    SPINNING,
    STOP,
    STOP_BUDGET,
    STOP_EXCEPTION,
    STOP_POLL_IDLE,
    STOP_POLL_PACKET,
    TIMER_2,
    WAITING,
    YIELD,
)

# Unicorn's numbers of registers.
_REG_CPSR, _REG_LR, _REG_PC, _REG_SPSR = 3, 10, 11, 13
# Processor modes and bits of the status register.
_FIQ_MODE, _IRQ_MODE, _SUPERVISOR_MODE, _ABORT_MODE, _UNDEFINED_MODE = 0x11, 0x12, 0x13, 0x17, 0x1B
_THUMB, _F, _I = 0x20, 0x40, 0x80
_VECTOR_SUPERVISOR = 0x08
#: Address that no code reaches; Unicorn wants one to stop at.
_NOWHERE = 0xFFFFFFF0
#: Unicorn's errors that mean an abort of data, and of an instruction fetch.
_READ_UNMAPPED, _WRITE_UNMAPPED, _FETCH_UNMAPPED, _INVALID, _WRITE_PROTECTED, _READ_PROTECTED, _FETCH_PROTECTED = 6, 7, 8, 10, 12, 13, 14
_READ_UNALIGNED, _WRITE_UNALIGNED, _FETCH_UNALIGNED = 18, 19, 20
# QEMU's numbers of ARM exceptions.
_QEMU_UNDEFINED, _QEMU_SUPERVISOR, _QEMU_PREFETCH, _QEMU_DATA = 1, 2, 3, 4
#: Instructions between looks at whether the host waits, about 20 ms.
ALLOWANCE = 2_000_000
#: Looks after which a core counts as busy-waiting: others go on without it, and it takes interrupts wherever it is.
SPIN_LIMIT = 20
#: Aborts that a core may raise before it is given up: one in the program, and what its handler may cause.
FAULT_LIMIT = 8

# What running a core ended with.
SETTLED, UNFINISHED_CORE, SENDING = range(3)


@njit(inline="always")
def _read(s: Any, number: int, scratch: Any) -> int:
    scratch[0] = 0
    reg_read(s[CPU], number, scratch.ctypes.data)
    return scratch[0]


@njit(inline="always")
def _write(s: Any, number: int, value: int, scratch: Any) -> None:
    scratch[0] = value
    reg_write(s[CPU], number, scratch.ctypes.data)


@njit(cache=True)
def enter(s: Any, scratch: Any, vector: int, mode: int, status: int, mask: int, link: int) -> None:
    """Enter an exception: new mode and masks, old status saved, link register set, next instruction at the vector."""
    _write(s, _REG_CPSR, (status & ~(0x1F | _THUMB | _I | _F)) | mode | mask, scratch)
    _write(s, _REG_SPSR, status, scratch)
    _write(s, _REG_LR, link & 0xFFFFFFFF, scratch)
    s[PC] = vector


@njit(cache=True)
def take_interrupt(s: Any, scratch: Any, waiting: bool) -> bool:
    """Enter the most urgent interrupt, if one is pending and may be taken.

    Parameters
    ----------
    s : ndarray of int64
        The core.
    scratch : ndarray of int64
    waiting : bool
        The core waits for any interrupt, masked or not.
    """
    fast = fast_interrupts(s)
    slot = best_slot(s)
    if fast == 0 and slot < 0:
        return False
    status = _read(s, _REG_CPSR, scratch)
    link = (s[PC] & ~1) + 4
    if fast and (waiting or not status & _F):
        s[FIQS] += 1
        enter(s, scratch, VECTOR_FIQ, _FIQ_MODE, status, _I | _F, link)
        return True
    if slot >= 0 and (waiting or not status & _I):
        s[IRQS] += 1
        enter(s, scratch, VECTOR_IRQ, _IRQ_MODE, status, _I | (0 if waiting else status & _F), link)
        return True
    return False


@njit(cache=True)
def take_fault(s: Any, scratch: Any, error: int, at: int) -> None:
    """Enter the vector of an abort or an undefined instruction, so that the binary's own handler reports it."""
    s[FAULTS] += 1
    s[FAULT_PC] = at
    status = _read(s, _REG_CPSR, scratch)
    if s[FAULTS] > FAULT_LIMIT:
        s[AT] = CRASHED
    elif error in (_INVALID, _QEMU_UNDEFINED + 100):
        enter(s, scratch, VECTOR_UNDEFINED, _UNDEFINED_MODE, status, _I | status & _F, at + 4)
    elif error == _QEMU_SUPERVISOR + 100:
        enter(s, scratch, _VECTOR_SUPERVISOR, _SUPERVISOR_MODE, status, _I | status & _F, at)
    elif error in (_FETCH_UNMAPPED, _FETCH_PROTECTED, _FETCH_UNALIGNED, _QEMU_PREFETCH + 100):
        enter(s, scratch, VECTOR_PREFETCH_ABORT, _ABORT_MODE, status, _I | status & _F, at + 4)
    else:
        enter(s, scratch, VECTOR_DATA_ABORT, _ABORT_MODE, status, _I | status & _F, at + 8)


@njit(cache=True)
def has_work(s: Any) -> bool:
    """Return whether a core has anything to run now."""
    at = s[AT]
    if at == RUNNING:
        return True
    if at == WAITING:
        return fast_interrupts(s) != 0 or best_slot(s) >= 0
    if at == POLLING:
        return s[TIMER_2 + DUE] != 0 or fast_interrupts(s) != 0
    return False


@njit(cache=True)
def run_core(s: Any, scratch: Any) -> int:
    """Run a core until it waits, must have its packets sent, or the host wants its turn.

    Parameters
    ----------
    s : ndarray of int64, shape (CORE_WORDS,)
    scratch : ndarray of int64, shape (1,)

    Returns
    -------
    int
        ``SETTLED``, ``UNFINISHED_CORE`` or ``SENDING``.
    """
    control = carray(pointer(s[P_CONTROL]), (CONTROL_WORDS,), np.int64)
    s[BUDGET_STOPS] = 0
    while True:
        at = s[AT]
        if at == WAITING:
            if not take_interrupt(s, scratch, True):
                return SETTLED
        elif at == POLLING:
            if not take_interrupt(s, scratch, False) and not s[TIMER_2 + DUE]:
                return SETTLED
        elif at != RUNNING:
            return SETTLED
        s[AT] = RUNNING
        s[STOP] = 0
        s[BUDGET_END] = s[INSTRUCTIONS] + ALLOWANCE
        error = emu_start(s[CPU], s[PC], _NOWHERE, 0, 0)
        at_pc = _read(s, _REG_PC, scratch)
        stop = s[STOP]
        if error:
            take_fault(s, scratch, error, at_pc)
            continue
        if stop == STOP_EXCEPTION:
            take_fault(s, scratch, s[FAULT_KIND] + 100, at_pc)
            continue
        s[PC] = at_pc | (1 if _read(s, _REG_CPSR, scratch) & _THUMB else 0)
        if stop == STOP_POLL_IDLE:
            s[AT] = POLLING
            s[SPINNING] = 0
            s[POLLS] = 0
            s[POPPED] = 0
        elif stop == STOP_POLL_PACKET:
            take_interrupt(s, scratch, False)
        elif stop == STOP_BUDGET and s[BUDGET_END] == 0:
            return SENDING
        elif stop == STOP_BUDGET:
            s[BUDGET_STOPS] += 1
            if s[BUDGET_STOPS] >= SPIN_LIMIT or s[SPINNING]:
                s[SPINNING] = 1
                take_interrupt(s, scratch, False)
                return SETTLED
            if control[YIELD]:
                return UNFINISHED_CORE
        else:
            s[AT] = WAITING
            s[SPINNING] = 0
