"""Compiled generators of the machine's synapses: :mod:`spinn_mam.expander.specification`, for all cores at once.

The population stream is walked once for all cores of a population instead of once on each; cores then work in parallel,
each with its own stream. Numba promotes mixed signed and unsigned integers to float, so constants are typed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from spinn_mam.expander.region import ALL_TO_ALL, FIXED_PRE, FIXED_PROBABILITY, FIXED_TOTAL, ONE_TO_ONE
from spinn_mam.expander.specification import MAX_TRIES
from spinn_mam.fixed_point.random_streams import GAVE_UP, below, below_coarse, draw_value, next_word
from spinn_mam.fixed_point.s1615 import FRACTION_BITS

#: Entries of an edge's table of integers.
(
    SOURCE_LO,
    SOURCE_HI,
    TARGET_LO,
    TARGET_HI,
    CONNECTOR,
    ALLOW_SELF,
    REPLACE,
    NUMBER,
    WEIGHT_KIND,
    DELAY_KIND,
    STEPS_PER_MS,
    N_STAGES,
    STAGE_STEPS,
    ROW_WORDS,
    DELAYED_ROW_WORDS,
    N_SOURCES,
    SOURCES_PER_CORE,
    HAS_MATRIX,
    HAS_DELAYED,
    N_ENTRIES,
) = range(20)
#: How a core ended.
DONE, NO_ROOM, NEVER_IN_BOUNDS, NO_MATRIX = range(4)

_WORD = 0xFFFFFFFF


@njit(cache=True, inline="always")
def _steps(delay: Any, steps_per_ms: Any) -> Any:
    """Turn a delay (ms, s16.15) into steps."""
    steps = (((delay * steps_per_ms) >> FRACTION_BITS) + 0x80000000 & _WORD) - 0x80000000
    return np.int64(1) if steps < 0 else (steps >> FRACTION_BITS) & 0xFFFF


@njit(cache=True, inline="always")
def _stored_weight(weight: Any, scale: Any) -> Any:
    """Scale a weight (s16.15) by a u32.32 factor, rounding to nearest."""
    size = np.uint64(abs(weight))
    bits = np.uint64(FRACTION_BITS)
    low = scale & np.uint64((1 << FRACTION_BITS) - 1)
    product = size * (scale >> bits) + ((size * low) >> bits)
    return np.uint16(((product + np.uint64(1 << 31)) >> np.uint64(32)) & np.uint64(0xFFFF))


@njit(cache=True, inline="always")
def _row(e: Any, source: Any, delay: Any) -> Any:
    """Find row (delayed ones after the others), source that acts and delay that acts of a synapse."""
    steps, n_stages = e[STAGE_STEPS], e[N_STAGES]
    if 0 < delay <= steps:
        return source, source, delay
    delay = max(delay, 1)
    stage = (delay - 1) // steps
    if stage >= n_stages:
        stage = n_stages - 1
        delay = stage * steps
    rest = ((delay - 1) & _WORD) % steps + 1
    if stage == 0:
        return source, source, rest
    per_core, n_sources = e[SOURCES_PER_CORE], e[N_SOURCES]
    core = max(0, (source + per_core - 1) // per_core - 1)
    block = per_core * (n_stages - 1)
    row = core * block + (stage - 1) * min(n_sources - core * per_core, per_core) + source - core * per_core
    core = row // block
    on_core = min(n_sources - core * per_core, per_core)
    local = row - core * block
    return n_sources + row, core * per_core + local % on_core, (local // on_core + 1) * steps + rest


@njit(cache=True, inline="always")
def _write(
    e: Any, source: Any, target: Any, w: Any, d: Any, used: Any, store: Any, at: Any, to_source: Any, to_target: Any, to_weight: Any, to_delay: Any
) -> Any:
    """Put a synapse into its row: DONE, NO_ROOM or NO_MATRIX."""
    row, acting, delay = _row(e, source, d)
    late = row >= e[N_SOURCES]
    if used[row] >= (e[DELAYED_ROW_WORDS] if late else e[ROW_WORDS]):
        return NO_ROOM
    if (e[HAS_DELAYED] if late else e[HAS_MATRIX]) == 0:
        return NO_MATRIX
    used[row] += 1
    if store:
        to_source[at] = acting
        to_target[at] = target
        to_weight[at] = w
        to_delay[at] = delay
    return DONE


@njit(cache=True, inline="always")
def _values(e: Any, weights: Any, delays: Any, scale: Any, state: Any, table: Any) -> Any:
    """Draw stored weight and delay (steps); a delay of -1 if a clipped draw gave up."""
    weight = draw_value(state, e[WEIGHT_KIND], weights, table)
    delay = draw_value(state, e[DELAY_KIND], delays, table)
    if weight == GAVE_UP or delay == GAVE_UP:
        return np.uint16(0), np.int64(-1)
    return _stored_weight(weight, scale), _steps(delay, e[STEPS_PER_MS])


@njit(cache=True, inline="always")
def _choose_source(
    e: Any,
    target: Any,
    w: Any,
    d: Any,
    coarse: Any,
    state: Any,
    used: Any,
    store: Any,
    at: Any,
    to_source: Any,
    to_target: Any,
    to_weight: Any,
    to_delay: Any,
) -> Any:
    """Draw a source for a synapse, again if its row is full."""
    n = e[SOURCE_HI] - e[SOURCE_LO] + 1
    tries = 0
    while tries < MAX_TRIES:
        source = e[SOURCE_LO] + (below_coarse(state, n) if coarse else below(state, n))
        if e[ALLOW_SELF] or source != target:
            status = _write(e, source, target, w, d, used, store, at, to_source, to_target, to_weight, to_delay)
            if status != NO_ROOM:
                return status
            tries += 1
    return NO_ROOM


@njit(cache=True)
def _reservoir(state: Any, n: Any, lo: Any, size: Any, without: Any, chosen: Any) -> None:
    """Choose n of [lo, lo + size) without replacement."""
    first = n
    for j in range(n):
        if j == without:
            chosen[j] = n
            first = n + 1
        else:
            chosen[j] = lo + j
    for j in range(first, size):
        if j != without:
            place = below_coarse(state, j + 1)
            if place < n:
                chosen[place] = lo + j


@njit(cache=True)
def shared_targets(e: Any, state: Any, slice_of: Any, cursor: Any, target: Any) -> None:
    """Walk the population stream for a fixed total number with replacement.

    ``slice_of`` gives the slice of each target, or one past the last for those of other cores, which are not kept. Targets
    go to ``cursor`` of their slice if there is an array for them, which is counted up either way.
    """
    others = len(cursor) - 1
    size, fill = e[TARGET_HI] - e[TARGET_LO] + 1, len(target) > 0
    for _ in range(e[NUMBER]):
        t = e[TARGET_LO] + below(state, size)
        k = slice_of[t]
        if fill and k != others:
            target[cursor[k]] = t
        cursor[k] += 1


@njit(cache=True)
def shared_pairs(e: Any, state: Any) -> Any:
    """Walk the population stream for a fixed total number without replacement or a fixed number of targets."""
    n = e[NUMBER]
    source_lo, source_hi, target_lo, target_hi = e[SOURCE_LO], e[SOURCE_HI], e[TARGET_LO], e[TARGET_HI]
    if e[CONNECTOR] == FIXED_TOTAL:
        source, target = np.empty(n, np.int32), np.empty(n, np.int32)
        i = 0
        for t in range(target_lo, target_hi + 1):
            for s in range(source_lo, source_hi + 1):
                if e[ALLOW_SELF] or s != t or (s == source_lo and t == target_lo):
                    place = i if i < n else below(state, i + 1)
                    if place < n:
                        source[place] = s
                        target[place] = t
                    i += 1
        return source, target
    n_sources, size = source_hi - source_lo + 1, target_hi - target_lo + 1
    source, target = np.empty(n_sources * n, np.int32), np.empty(n_sources * n, np.int32)
    for i in range(n_sources):
        s = source_lo + i
        source[i * n : (i + 1) * n] = s
        if e[REPLACE]:
            for j in range(n):
                t = target_lo + below_coarse(state, size)
                while e[ALLOW_SELF] == 0 and t == s:
                    t = target_lo + below_coarse(state, size)
                target[i * n + j] = t
        else:
            _reservoir(state, n, target_lo, size, -1 if e[ALLOW_SELF] else s, target[i * n : (i + 1) * n])
    return source, target


@njit(cache=True)
def deal_pairs(source: Any, target: Any, slice_of: Any, cursor: Any, dealt_source: Any, dealt_target: Any) -> None:
    """Deal pairs over slices, in order; counts only if there are no arrays to fill."""
    fill, others = len(dealt_target) > 0, len(cursor) - 1
    for i in range(len(target)):
        k = slice_of[target[i]]
        if fill and k != others:
            dealt_source[cursor[k]] = source[i]
            dealt_target[cursor[k]] = target[i]
        cursor[k] += 1


@njit(cache=True, parallel=True)
def complete(
    e: Any,
    weights: Any,
    delays: Any,
    scale: Any,
    states: Any,
    table: Any,
    offsets: Any,
    given: Any,
    to_source: Any,
    to_target: Any,
    to_weight: Any,
    to_delay: Any,
    status: Any,
) -> None:
    """Draw weights, delays and (unless ``given``) sources of synapses whose targets are known; cores in parallel."""
    for k in prange(len(status)):
        state = states[k].copy()
        used = np.zeros(e[N_SOURCES] * e[N_STAGES], np.uint16)
        for i in range(offsets[k], offsets[k + 1]):
            w, d = _values(e, weights, delays, scale, state, table)
            target = np.int64(to_target[i])
            if d < 0:
                end = NEVER_IN_BOUNDS
            elif given:
                end = _write(e, np.int64(to_source[i]), target, w, d, used, True, i, to_source, to_target, to_weight, to_delay)
            else:
                end = _choose_source(e, target, w, d, False, state, used, True, i, to_source, to_target, to_weight, to_delay)
            if end != DONE:
                status[k] = end
                break
        states[k] = state


@njit(cache=True)
def _make(
    e: Any,
    weights: Any,
    delays: Any,
    scale: Any,
    state: Any,
    table: Any,
    source: Any,
    target: Any,
    used: Any,
    store: Any,
    at: Any,
    to_source: Any,
    to_target: Any,
    to_weight: Any,
    to_delay: Any,
) -> Any:
    """Make one synapse; a source of -1 is drawn."""
    w, d = _values(e, weights, delays, scale, state, table)
    status = NEVER_IN_BOUNDS
    if d >= 0 and source < 0:
        status = _choose_source(e, target, w, d, True, state, used, store, at, to_source, to_target, to_weight, to_delay)
    elif d >= 0:
        status = _write(e, source, target, w, d, used, store, at, to_source, to_target, to_weight, to_delay)
    return status


@njit(cache=True)
def _own(
    e: Any,
    weights: Any,
    delays: Any,
    scale: Any,
    probability: Any,
    state: Any,
    table: Any,
    lo: Any,
    hi: Any,
    store: Any,
    first: Any,
    to_source: Any,
    to_target: Any,
    to_weight: Any,
    to_delay: Any,
) -> Any:
    """Make a core's synapses of a connector that needs no population stream: number made and status.

    Where a full row loses its synapse the connector goes on; the others stop.
    """
    used = np.zeros(e[N_SOURCES] * e[N_STAGES], np.uint16)
    connector, n, at = e[CONNECTOR], e[NUMBER], first
    by_source = connector in (ALL_TO_ALL, FIXED_PROBABILITY)
    loses = connector == FIXED_PROBABILITY or (connector == FIXED_PRE and e[REPLACE] == 0)
    chosen = np.full(n if connector == FIXED_PRE else 1, -1, np.int64)
    # Outer loop over sources or targets, inner one over what each is connected to.
    for outer in range(e[SOURCE_LO], e[SOURCE_HI] + 1) if by_source else range(lo, hi):
        if connector == FIXED_PRE and e[REPLACE] == 0:
            _reservoir(state, n, e[SOURCE_LO], e[SOURCE_HI] - e[SOURCE_LO] + 1, -1 if e[ALLOW_SELF] else outer, chosen)
        if connector == ONE_TO_ONE:
            chosen[0] = e[SOURCE_LO] + outer - e[TARGET_LO]
            if chosen[0] > e[SOURCE_HI]:
                break
        for inner in range(lo, hi) if by_source else range(len(chosen)):
            source, target = (outer, inner) if by_source else (chosen[inner], outer)
            if by_source and e[ALLOW_SELF] == 0 and source == target:
                continue
            if connector == FIXED_PROBABILITY and next_word(state) > probability:
                continue
            status = _make(e, weights, delays, scale, state, table, source, target, used, store, at, to_source, to_target, to_weight, to_delay)
            if status == DONE:
                at += 1
            elif status != NO_ROOM or not loses:
                return at - first, status
    return at - first, DONE


@njit(cache=True, parallel=True)
def count_own(
    e: Any,
    weights: Any,
    delays: Any,
    scale: Any,
    probability: Any,
    states: Any,
    table: Any,
    bounds: Any,
    counts: Any,
    to_source: Any,
    to_target: Any,
    to_weight: Any,
    to_delay: Any,
    status: Any,
) -> None:
    """Count what :func:`make_own` will make; the streams stay where they are."""
    for k in prange(len(status)):
        lo, hi = max(bounds[k], e[TARGET_LO]), min(bounds[k + 1], e[TARGET_HI] + 1)
        counts[k], status[k] = _own(
            e, weights, delays, scale, probability, states[k].copy(), table, lo, hi, False, 0, to_source, to_target, to_weight, to_delay
        )


@njit(cache=True, parallel=True)
def make_own(
    e: Any,
    weights: Any,
    delays: Any,
    scale: Any,
    probability: Any,
    states: Any,
    table: Any,
    bounds: Any,
    offsets: Any,
    to_source: Any,
    to_target: Any,
    to_weight: Any,
    to_delay: Any,
) -> None:
    """Make the synapses of a connector that needs no population stream; cores in parallel."""
    for k in prange(len(bounds) - 1):
        lo, hi = max(bounds[k], e[TARGET_LO]), min(bounds[k + 1], e[TARGET_HI] + 1)
        state = states[k].copy()
        _own(e, weights, delays, scale, probability, state, table, lo, hi, True, offsets[k], to_source, to_target, to_weight, to_delay)
        states[k] = state
