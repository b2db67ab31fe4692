"""Virtual time: waves of execution and delivery between one timer event and the next, on several threads.

Problem
    All cores of the machine advance together: what one sends in a time step the others receive in it.
Method
    The clock jumps from one timer expiry to the next. At each, the cores that are due get their interrupt; then waves follow:
    every core with work runs until it settles, all packets are delivered, until no core has work and no packet is under way.
    A chip's cores run one after the other, in the order of their numbers, on whichever thread takes the chip; threads meet at
    the end of each wave. So the result is the same for any number of threads.
Cost
    Two barriers a wave.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spinn_mam.compiled.threads import atomic_add, barrier, word_address
from spinn_mam.virtual_board.devices.dma import release_transfer
from spinn_mam.virtual_board.devices.registers import TIMER_ENABLE, TIMER_INTERRUPT, TIMER_PERIODIC
from spinn_mam.virtual_board.execute import UNFINISHED_CORE, has_work, run_core
from spinn_mam.virtual_board.memory_map import CPU_CLOCK_MHZ
from spinn_mam.virtual_board.native import carray, pointer
from spinn_mam.virtual_board.network import deliver, forget_routes
from spinn_mam.virtual_board.state import (
    ABSENT,
    AT,
    BARRIER_COUNT,
    BEGINS_TICK,
    C_ROUTER_CHANGED,
    CHIP,
    CHIP_CONTROLLER,
    CHIP_SYSRAM,
    CLOCK,
    CODE,
    CODE_CONTINUE,
    CODE_IDLE,
    CODE_YIELDED,
    CONTROL,
    CONTROLLER_WORDS,
    CRASHED,
    DUE,
    EVENTS,
    EXPIRY,
    INSTRUCTIONS,
    INSTRUCTIONS_AT_TICK,
    LATE_COUNT,
    LATE_READY,
    LOAD,
    NEXT_CHIP,
    POLLING,
    RAW,
    READS,
    SOURCE_TIMER_1,
    SOURCE_TIMER_2,
    TICK_INSTRUCTIONS_MAX,
    TICK_INSTRUCTIONS_SUM,
    TICK_WAVE,
    TICKS,
    TICKS_OVER_BUDGET,
    TIMER_1,
    TIMER_2,
    UNFINISHED,
    VIC_ENABLE,
    WAVES,
    YIELD,
)

#: Clock of the system variables (milliseconds, 64 bits), from the start of System RAM.
_CLOCK_MS = 0x7F10
_NEVER = np.int64(1) << 62


@njit(inline="always")
def _timer_1_runs(s: Any) -> bool:
    return s[TIMER_1 + CONTROL] & TIMER_ENABLE and s[TIMER_1 + CONTROL] & TIMER_INTERRUPT and s[VIC_ENABLE] >> SOURCE_TIMER_1 & 1


@njit(inline="always")
def _timer_2_runs(s: Any) -> bool:
    if not s[TIMER_2 + CONTROL] & TIMER_ENABLE or s[TIMER_2 + DUE]:
        return False
    return s[AT] == POLLING or (s[TIMER_2 + CONTROL] & TIMER_INTERRUPT and s[VIC_ENABLE] >> SOURCE_TIMER_2 & 1)


@njit(cache=True)
def next_event(rows: Any, control: Any, states: Any, chips: Any) -> bool:
    """Advance the clock to the next timer expiry and raise what is due; False if no timer runs."""
    when = _NEVER
    for row in rows:
        s = states[row]
        if s[AT] in (ABSENT, CRASHED):
            continue
        if _timer_1_runs(s):
            when = min(when, s[TIMER_1 + EXPIRY])
        if _timer_2_runs(s):
            when = min(when, s[TIMER_2 + EXPIRY])
    if when == _NEVER:
        return False
    before = control[CLOCK]
    control[CLOCK] = max(when, before)
    control[EVENTS] += 1
    for row in rows:
        s = states[row]
        if s[AT] in (ABSENT, CRASHED):
            continue
        if _timer_1_runs(s) and s[TIMER_1 + EXPIRY] <= when:
            s[TIMER_1 + RAW] = 1
            s[TIMER_1 + READS] = 0
            s[BEGINS_TICK] = 1
            control[TICK_WAVE] = 1
            if s[TIMER_1 + CONTROL] & TIMER_PERIODIC:
                s[TIMER_1 + EXPIRY] += max(s[TIMER_1 + LOAD], 1)
            else:
                s[TIMER_1 + CONTROL] &= ~TIMER_ENABLE
            used = s[INSTRUCTIONS] - s[INSTRUCTIONS_AT_TICK]
            s[INSTRUCTIONS_AT_TICK] = s[INSTRUCTIONS]
            if s[TICKS]:  # the first stretch is the start-up, not a time step
                s[TICK_INSTRUCTIONS_MAX] = max(s[TICK_INSTRUCTIONS_MAX], used)
                s[TICK_INSTRUCTIONS_SUM] += used
                if used > s[TIMER_1 + LOAD]:
                    s[TICKS_OVER_BUDGET] += 1
            s[TICKS] += 1
            control[LATE_READY] = control[LATE_COUNT]
        if _timer_2_runs(s) and s[TIMER_2 + EXPIRY] <= when:
            s[TIMER_2 + DUE] = 1
            s[TIMER_2 + RAW] = 1
    per_ms = 1000 * CPU_CLOCK_MHZ
    if control[CLOCK] // per_ms != before // per_ms:
        for chip in range(len(chips)):
            carray(pointer(chips[chip, CHIP_SYSRAM] + _CLOCK_MS), (1,), np.int64)[0] = control[CLOCK] // per_ms
    return True


@njit(nogil=True, cache=True)
def work(
    worker: int,
    n_workers: int,
    control: Any,
    states: Any,
    rows: Any,
    stretches: Any,
    chips: Any,
    neighbours: Any,
    cache_keys: Any,
    cache_at: Any,
    flat: Any,
    late: Any,
    scratch: Any,
) -> None:
    """Run the machine until nothing is left to do or the host asks for its turn.

    Parameters
    ----------
    worker, n_workers : int
        Which of how many threads this is; all must be running.
    control : ndarray of int64, shape (CONTROL_WORDS,)
        ``CODE`` says on return why it ended.
    states : ndarray of int64, shape (n_rows, CORE_WORDS)
    rows : ndarray of int32, shape (n_active,)
        Active cores, chip by chip in the order of their numbers.
    stretches : ndarray of int32, shape (n_active_chips, 2)
        First and last + 1 of each chip's cores in ``rows``.
    chips : ndarray of int64, shape (n_chips, CHIP_WORDS)
    neighbours : ndarray of int32, shape (n_chips, 6)
    cache_keys, cache_at, flat, late : ndarray
        See ``network``.
    scratch : ndarray of int64, shape (n_workers, 8)
    """
    mine = scratch[worker]
    while True:
        chip = atomic_add(word_address(control, NEXT_CHIP), np.int64(1))
        while chip < len(stretches):
            for i in range(stretches[chip, 0], stretches[chip, 1]):
                s = states[rows[i]]
                if has_work(s) and run_core(s, mine) == UNFINISHED_CORE:
                    control[UNFINISHED] = 1
                    break
            if control[UNFINISHED]:
                break
            chip = atomic_add(word_address(control, NEXT_CHIP), np.int64(1))
        barrier(control[BARRIER_COUNT:], n_workers)
        if worker == 0:
            control[WAVES] += 1
            control[NEXT_CHIP] = 0
            unfinished = control[UNFINISHED]
            control[UNFINISHED] = 0
            control[CODE] = CODE_CONTINUE
            if unfinished:
                control[CODE] = CODE_YIELDED
            else:
                for chip in range(len(stretches)):
                    controller = carray(pointer(chips[states[rows[stretches[chip, 0]], CHIP], CHIP_CONTROLLER]), (CONTROLLER_WORDS,), np.uint32)
                    if controller[C_ROUTER_CHANGED]:
                        controller[C_ROUTER_CHANGED] = 0
                        forget_routes(control, cache_keys)
                if control[TICK_WAVE]:
                    control[TICK_WAVE] = 0
                    for row in rows:
                        states[row, BEGINS_TICK] = 0
                        release_transfer(states[row])
                taken = deliver(rows, control, states, chips, neighbours, cache_keys, cache_at, flat, late)
                busy = taken != 0
                if not busy:
                    for row in rows:
                        if has_work(states[row]):
                            busy = True
                            break
                if control[YIELD]:
                    control[CODE] = CODE_YIELDED
                elif not busy and not next_event(rows, control, states, chips):
                    control[CODE] = CODE_IDLE
        barrier(control[BARRIER_COUNT:], n_workers)
        if control[CODE] != CODE_CONTINUE:
            return
