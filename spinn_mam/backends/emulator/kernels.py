"""The time loop: deliver the spikes that are due, update neurons, note new spikes.

Problem
    A second of the full-scale microcircuit is 1e9 synaptic events and 8e8 neuron updates.

Method
    *Pull by delay.* In step t only the synapses that are due now are added (:mod:`.stored`), so that the ring buffers of all
    slots shrink to one sum for each neuron and receptor. The sums have 32 bits and are cut to 65,535 once, when they are read.
    That equals the machine's 16-bit ring buffer, in which each single addition stops at 65,535: all weights of a receptor are
    at least zero, so a slot's true sum only grows; it passes the limit in the end if and only if some addition passed it, and
    from then on the slot stays at the limit. (Sums of 32 bits hold 32,768 of the largest weights.) This holds for cores that
    have synapses and neurons together; where several synapse cores feed a neuron core, :mod:`.split_sums` sets a sum right that
    passes 65,535.

    *Parts.* Each part of the neurons runs alone for as many steps as the shortest delay has slots, since no spike emitted
    meanwhile is due meanwhile; then all parts wait for each other. Parts write only their own arrays, so results do not
    depend on threads.

    Arithmetic is that of :mod:`spinn_mam.fixed_point.specification`; the tests prove it equal bit by bit.

Cost
    That of :mod:`.update` and of the synapses' form, and a barrier for each window.

Reference
    Spikes sent once per shortest delay: Morrison et al. (2005), doi:10.1162/0899766054026648.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from spinn_mam.backends.emulator import layout as L
from spinn_mam.backends.emulator.drive import added16, count_reached, draw16
from spinn_mam.backends.emulator.split_sums import add_cores
from spinn_mam.backends.emulator.update import BLOCK, add_counts, dither, draw_counts, update_narrow, update_wide
from spinn_mam.compiled.borrowing import njit_borrowing
from spinn_mam.compiled.threads import atomic_add, barrier, word_address
from spinn_mam.network.kernels import draw

#: Columns of the counters of each part, and their number: a part's counters have cache lines of their own.
N_SPIKES, N_EVENTS, N_SATURATED, N_RECORDED = range(4)
N_COUNTERS = 16
#: Words of the array in which threads meet: two of the barrier, and a mark that one has left.
LEFT, N_MEETING = 2, 3

_LO, _HI, _GLOBAL, _LOCAL, _IS_SOURCE = L.LO, L.HI, L.GLOBAL, L.LOCAL, L.IS_SOURCE


class Network(NamedTuple):
    """What does not change during a run: arrays of the Layout, under their names there, the range of delays, and SplitCores.

    ``narrow`` says which segments have the constants of :func:`spinn_mam.backends.emulator.update.update_narrow`; ``n_dithered`` is the
    room for the thresholds of a step.
    """

    part_bounds: Any
    segment_bounds: Any
    segments: Any
    keys: Any
    thresholds: Any
    n_dithered: int
    narrow: Any
    min_slots: int
    max_slots: int
    n_synapse_cores: int
    synapse_core: Any
    slice_of: Any
    core_segments: Any
    segment_of: Any


class State(NamedTuple):
    """What changes during a run.

    Attributes
    ----------
    v, exc, inh, refract : ndarray of int32, shape (n_state,)
        Potentials and currents (s16.15), refractory counters (steps).
    sums : ndarray of int32, shape (2, n_state)
        Ring-buffer sums; all zero between steps.
    history : ndarray of int32, shape (n_parts, 2, capacity)
        Axons that spiked in the last ``depth`` steps, by emitting part and receptor. Those of a step are consecutive.
    first_history, n_history : ndarray of int32, shape (n_parts, depth, 2)
        Where those of each step begin, and their numbers.
    most_spikes : int
        Largest number of spikes of a part in a step.
    recorded : ndarray of int32, shape (n_parts, capacity, 2)
        Step and global index of each spike.
    counters : ndarray of int64, shape (n_parts, N_COUNTERS)
    counts : ndarray of uint16, shape (n_rows, n_neurons)
        Given counts of Poisson input by global index, those of step t in row t modulo n_rows; no rows: they are drawn.
    shares, walked, carry, overflows : ndarray
        See SplitState.
    """

    v: Any
    exc: Any
    inh: Any
    refract: Any
    sums: Any
    history: Any
    first_history: Any
    n_history: Any
    most_spikes: int
    recorded: Any
    counters: Any
    counts: Any
    shares: Any
    walked: Any
    carry: Any
    overflows: Any


class Scratch(NamedTuple):
    """Room of a thread for one block.

    Attributes
    ----------
    mixed : ndarray of uint32, shape (BLOCK // 2 + 1,)
    drawn : ndarray of uint16, shape (BLOCK,)
        Poisson input; zero where there is none.
    spiked : ndarray of int8, shape (BLOCK + 8,)
    dithered : ndarray of int16, shape (n_dithered,)
    """

    mixed: Any
    drawn: Any
    spiked: Any
    dithered: Any


def deliver(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    """Add all synapses of one receptor onto one part that are due in step t; compiled by the type of ``synapses``."""
    raise NotImplementedError


@njit_borrowing
def _begin_step(t: int, part: int, receptor: int, state: State) -> None:
    """Find room for the spikes of a step behind those of the step before."""
    depth = state.n_history.shape[1]
    slot, before = t % depth, (t - 1) % depth
    first = state.first_history[part, before, receptor] + state.n_history[part, before, receptor]
    if first + state.most_spikes > state.history.shape[2]:
        first = 0
    state.first_history[part, slot, receptor] = first
    state.n_history[part, slot, receptor] = 0


@njit_borrowing
def _emit(t: int, part: int, s: Any, i: int, state: State) -> None:
    """Note a spike of neuron i of segment s."""
    slot = t % state.n_history.shape[1]
    for receptor in range(2):
        base = s[L.AXON_EXC + receptor]
        if base >= 0:
            state.history[part, receptor, state.first_history[part, slot, receptor] + state.n_history[part, slot, receptor]] = base + i
            state.n_history[part, slot, receptor] += 1
    n = state.counters[part, N_RECORDED]
    state.recorded[part, n, 0] = t
    state.recorded[part, n, 1] = s[_GLOBAL] + i
    state.counters[part, N_RECORDED] = n + 1
    state.counters[part, N_SPIKES] += 1


@njit_borrowing
def _fire_sources(t: int, part: int, s: Any, table: Any, key: Any, state: State) -> None:
    """Let the Poisson sources of a segment spike."""
    key_low, key_high = np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))
    added = added16(key_low, key_high)
    for i in range(s[_HI]):
        for _ in range(count_reached(table, s[L.N_THRESHOLDS], added, draw16(key_low, key_high, np.uint32(s[_LOCAL] + i)))):
            _emit(t, part, s, i, state)


@njit_borrowing
def _fire_given(t: int, part: int, s: Any, counts: Any, state: State) -> None:
    """Let the sources of a segment emit given spikes."""
    for i in range(s[_HI]):
        for _ in range(counts[i]):
            _emit(t, part, s, i, state)


@njit_borrowing
def _emit_marked(t: int, part: int, s: Any, first: int, n: int, spiked: Any, state: State) -> None:
    """Note the spikes of a block whose first neuron is number ``first`` of segment s, eight neurons at a glance."""
    spiked[n : n + 8] = np.int8(0)
    eight = spiked.view(np.int64)
    for j in range((n + 7) // 8):
        if eight[j]:
            for i in range(8 * j, 8 * j + 8):
                if spiked[i]:
                    _emit(t, part, s, first + i, state)


@njit_borrowing
def _run_part(part: int, t_lo: int, t_hi: int, net: Network, state: State, synapses: Any, scratch: Scratch) -> None:
    """Run one part for steps [t_lo, t_hi)."""
    mixed, drawn, spiked, dithered = scratch.mixed, scratch.drawn, scratch.spiked, scratch.dithered
    v, exc, inh, refract, sums = state.v, state.exc, state.inh, state.refract, state.sums
    n_rows = state.counts.shape[0]
    for t in range(t_lo, t_hi):
        for receptor in range(2):
            _begin_step(t, part, receptor, state)
            deliver(t, part, receptor, synapses, net, state)
        for k in range(net.segment_bounds[part], net.segment_bounds[part + 1]):
            s = net.segments[k]
            table = net.thresholds[k]
            key = draw(net.keys[k], t)
            if s[_IS_SOURCE]:
                if n_rows:
                    _fire_given(t, part, s, state.counts[t % n_rows, s[_GLOBAL] :], state)
                elif s[L.START] <= t < s[L.STOP]:
                    _fire_sources(t, part, s, table, key, state)
                continue
            driven = s[L.N_THRESHOLDS] > 0
            reached = dither(table, s[L.N_THRESHOLDS], key, dithered) if driven and not n_rows else 0
            for a in range(s[_LO], s[_HI], BLOCK):
                b = min(a + BLOCK, s[_HI])
                first = a - s[_LO]
                weight = s[L.DRIVE_WEIGHT] if driven else 0
                counts = drawn[: b - a]
                if driven and n_rows:
                    counts = state.counts[t % n_rows, s[_GLOBAL] + first : s[_GLOBAL] + first + b - a]
                elif driven:
                    draw_counts(counts, dithered, reached, key, s[_LOCAL] + first, mixed)
                if net.n_synapse_cores or s[L.DRIVE_RECEPTOR]:
                    add_counts(sums[s[L.DRIVE_RECEPTOR], a:b], counts, weight)
                    weight = 0
                if net.n_synapse_cores:
                    add_cores(t, part, k, 0, a, b, synapses, net, state)
                    add_cores(t, part, k, 1, a, b, synapses, net, state)
                v_, exc_, inh_, refract_, sums_exc, sums_inh = v[a:b], exc[a:b], inh[a:b], refract[a:b], sums[0, a:b], sums[1, a:b]
                if net.narrow[k]:
                    n_cut = update_narrow(s, v_, exc_, inh_, refract_, sums_exc, sums_inh, counts, weight, spiked)
                else:
                    n_cut = update_wide(s, v_, exc_, inh_, refract_, sums_exc, sums_inh, counts, weight, spiked)
                state.counters[part, N_SATURATED] += n_cut
                _emit_marked(t, part, s, first, b - a, spiked, state)


@njit(cache=True, nogil=True)
def advance(worker: int, n_workers: int, t: int, n_steps: int, net: Network, state: State, synapses: Any, meeting: Any) -> None:
    """Run one thread's share of the parts for ``n_steps`` from step t.

    All threads meet after each window of the shortest delay.

    Parameters
    ----------
    worker, n_workers : int
        Which of how many threads this is; all must be running.
    t, n_steps : int
    net : Network
    state : State
    synapses : NamedTuple
        In any form that :func:`deliver` has.
    meeting : ndarray of int64, shape (N_MEETING,)
        Two words of the barrier; at LEFT not zero if a thread will not come any more.
    """
    scratch = Scratch(
        np.empty(BLOCK // 2 + 1, np.uint32), np.zeros(BLOCK, np.uint16), np.empty(BLOCK + 8, np.int8), np.empty(net.n_dithered, np.int16)
    )
    for w in range(t, t + n_steps, net.min_slots):
        for p in range(worker, len(net.part_bounds) - 1, n_workers):
            _run_part(p, w, min(w + net.min_slots, t + n_steps), net, state, synapses, scratch)
        barrier(meeting, n_workers)
        if n_workers > 1 and atomic_add(word_address(meeting, LEFT), np.int64(0)):
            return
