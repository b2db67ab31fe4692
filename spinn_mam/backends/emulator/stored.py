"""Stored synapses in the time loop: which are due now, and adding them.

Problem
    A spike's synapses, sorted by delay, lie in some forty groups of some fifty words; each step adds the groups of a thousand
    and a half earlier spikes that are due. Looking them up one by one in the tables of rows misses the cache each time.

Method
    When a spike can first act, the table of its row is read in one piece and its groups are dealt over the steps in which they
    are due, as pairs of addresses. A step reads its list in order and asks for the words of a group while it adds those of an
    earlier one, line by line, so that it never waits for many lines at once. A list that is full, or of a step that began
    before the tables were there (after a restored state), is not used: the groups are looked up, with the same sums.

Cost
    About 1.5 ns for each synaptic event, on one core.

Reference
    Rows sorted by delay: Kunkel et al. (2014), doi:10.3389/fninf.2014.00078.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.extending import overload

from spinn_mam.backends.emulator.kernels import N_EVENTS, Network, State, deliver
from spinn_mam.backends.emulator.split_sums import core_of, walk
from spinn_mam.backends.emulator.tasks import FIRST_ENTRY, FIRST_ROW, N_SLOTS, SLOT_LO
from spinn_mam.compiled.borrowing import BORROWING, njit_borrowing
from spinn_mam.compiled.words import prefetch

#: Groups of synapses that are being fetched while others are added, so that their cache misses overlap.
AHEAD = 12
#: Instead of a number of groups that are due: not all are in the list.
LOOK_UP = -1
#: Words of a cache line.
LINE = 16
#: Places for groups that are due, in all, and for one step at most.
_PLACES, _PLACES_OF_STEP = 1 << 26, 8192


class Stored(NamedTuple):
    """Arrays of the SynapseStore, under their names there, the group of each axon, and what is due.

    Attributes
    ----------
    due : ndarray of int64, shape (n_parts, 2, depth, capacity, 2)
        First and last + 1 word of the groups that are due in a step, in the slot of the step modulo ``depth``.
    n_due : ndarray of int64, shape (n_parts, 2, depth)
        Their numbers; LOOK_UP for a step whose groups are not all there.
    """

    words: Any
    row_start: Any
    cumulative: Any
    pairs: Any
    groups: Any
    group: Any
    due: Any
    n_due: Any


def nothing_due(n_parts: int, depth: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Make the arrays ``due`` and ``n_due`` of :class:`Stored` before the first step, or after a restored state."""
    return np.empty((n_parts, 2, depth, _places(n_parts, depth), 2), np.int64), np.full((n_parts, 2, depth), LOOK_UP, np.int64)


def nothing_due_bytes(n_parts: int, depth: int) -> int:
    """Return the bytes of these arrays."""
    return 8 * n_parts * 2 * depth * (2 * _places(n_parts, depth) + 1)


def _places(n_parts: int, depth: int) -> int:
    return max(16, min(_PLACES_OF_STEP, _PLACES // (n_parts * 2 * depth)))


@overload(deliver, jit_options=BORROWING)
def _deliver(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    return _deliver_stored if getattr(synapses, "instance_class", None) is Stored else None


def _deliver_stored(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    _deal(t, part, receptor, synapses, net, state)
    sums = state.sums[receptor, net.part_bounds[part] : net.part_bounds[part + 1]]
    words = synapses.words
    slot = t % state.n_history.shape[1]
    n, due = synapses.n_due[part, receptor, slot], synapses.due[part, receptor, slot]
    events = 0
    if n == LOOK_UP:
        events = _look_up(t, part, receptor, synapses, net, state)
    for k in range(min(n, AHEAD)):
        _fetch(words, due[k, 0], due[k, 1])
    for k in range(n):
        ahead = min(k + AHEAD, n - 1)
        events += _add(words, due[k, 0], due[k, 1], due[ahead, 0], due[ahead, 1], sums)
    synapses.n_due[part, receptor, slot] = 0
    state.counters[part, N_EVENTS] += events


@njit_borrowing
def _deal(t: int, part: int, receptor: int, synapses: Stored, net: Network, state: State) -> None:
    """Deal the groups of the spikes that first act in step t over the steps in which they are due.

    So the table of a row is read once, in one piece, while it is in cache.
    """
    depth, n_parts = state.n_history.shape[1], state.n_history.shape[0]
    sent = t - net.min_slots
    if sent < 0:
        return
    cumulative, pairs, due, n_due = synapses.cumulative, synapses.pairs[part], synapses.due[part, receptor], synapses.n_due[part, receptor]
    for q in range(n_parts):
        first = state.first_history[q, sent % depth, receptor]
        for k in range(first, first + state.n_history[q, sent % depth, receptor]):
            axon = state.history[q, receptor, k]
            g = synapses.group[axon]
            n_slots = pairs[g, N_SLOTS]
            if n_slots == 0:
                continue
            source = axon - synapses.groups[g]
            entry, base = pairs[g, FIRST_ENTRY] + source * (n_slots + 1), synapses.row_start[pairs[g, FIRST_ROW] + source]
            lo = np.int64(cumulative[entry])
            for at in range(n_slots):
                hi = np.int64(cumulative[entry + at + 1])
                if hi > lo:
                    slot = (sent + pairs[g, SLOT_LO] + at) % depth
                    n = n_due[slot]
                    if n == due.shape[1]:
                        n_due[slot] = LOOK_UP
                    elif n != LOOK_UP:
                        due[slot, n, 0], due[slot, n, 1] = base + lo, base + hi
                        n_due[slot] = n + 1
                lo = hi


@njit_borrowing
def _look_up(t: int, part: int, receptor: int, synapses: Stored, net: Network, state: State) -> int:
    """Add the groups that are due in step t by looking each one up in the tables, and count their synapses."""
    sums = state.sums[receptor, net.part_bounds[part] : net.part_bounds[part + 1]]
    depth, n_parts = state.n_history.shape[1], state.n_history.shape[0]
    events = 0
    for d in range(net.min_slots, min(net.max_slots, t) + 1):
        slot = (t - d) % depth
        for q in range(n_parts):
            first = state.first_history[q, slot, receptor]
            for k in range(first, first + state.n_history[q, slot, receptor]):
                start, end = find_group(state.history[q, receptor, k], d, part, synapses)
                events += _add(synapses.words, start, end, start, end, sums)
    return events


@njit(inline="always")
def find_group(axon: Any, slots: Any, part: Any, synapses: Any) -> Any:
    """Return first and last + 1 word of an axon's synapses onto a part with a delay."""
    pairs = synapses.pairs[part]
    g = synapses.group[axon]
    n_slots, at = pairs[g, N_SLOTS], slots - pairs[g, SLOT_LO]
    if at < 0 or at >= n_slots:
        return np.int64(0), np.int64(0)
    source = axon - synapses.groups[g]
    entry, base = pairs[g, FIRST_ENTRY] + source * (n_slots + 1) + at, synapses.row_start[pairs[g, FIRST_ROW] + source]
    return base + np.int64(synapses.cumulative[entry]), base + np.int64(synapses.cumulative[entry + 1])


@njit(inline="always")
def _fetch(words: Any, start: int, end: int) -> None:
    """Ask for the words of a group."""
    for j in range(start, end, LINE):
        prefetch(words, j)
    prefetch(words, end - 1)


@njit(inline="always")
def _add(words: Any, start: int, end: int, ahead: int, ahead_end: int, sums: Any) -> int:
    """Add a group of synapses and count them; for each line of words that is added, ask for one of another group."""
    # unsigned: no test whether an index counts from the end
    j, stop, line = np.uint64(start), np.uint64(end), np.uint64(LINE)
    while j + line <= stop:
        prefetch(words, min(ahead, ahead_end - 1))
        ahead += LINE
        for k in range(LINE):
            _add_word(words[j + np.uint64(k)], sums)
        j += line
    _fetch(words, ahead, ahead_end)
    while j < stop:
        _add_word(words[j], sums)
        j += np.uint64(1)
    return end - start


@njit(inline="always")
def _add_word(word: Any, sums: Any) -> None:
    sums[word >> np.uint32(16)] += np.int32(word & np.uint32(0xFFFF))


@overload(walk, jit_options=BORROWING)
def _walk(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    return _walk_stored if getattr(synapses, "instance_class", None) is Stored else None


def _walk_stored(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    lo = net.part_bounds[part]
    shares, words = state.shares[receptor, :, lo : net.part_bounds[part + 1]], synapses.words
    shares[:] = 0
    depth, n_parts = state.n_history.shape[1], state.n_history.shape[0]
    for d in range(net.min_slots, min(net.max_slots, t) + 1):
        slot = (t - d) % depth
        for q in range(n_parts):
            first = state.first_history[q, slot, receptor]
            for k in range(first, first + state.n_history[q, slot, receptor]):
                axon = state.history[q, receptor, k]
                start, end = find_group(axon, d, part, synapses)
                for j in range(start, end):
                    target = words[j] >> np.uint32(16)
                    shares[core_of(axon, lo + target, d, net), target] += np.int32(words[j] & np.uint32(0xFFFF))
