"""Draw the synapses that are due in a step again, from counts and keys.

Problem
    The same sums as from stored words, bit by bit, at a cost near theirs.

Method
    Each part keeps, for each group of axons, the spikes that are still under way, with the next input of the hash for each task:
    it is made from the key when the spike arrives and moves on by what is delivered. In a step the inputs of all synapses of a
    task that are due are put in a row, hashed together and added.

    Weights come from a table of where they change, and near a change from the floating-point operations of :mod:`.build`, so
    that they are the same.

    The spikes under way follow from the history of the last steps. They are made anew from it after a state was restored.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.extending import overload

from spinn_mam.backends.emulator.kernels import N_EVENTS, deliver
from spinn_mam.backends.emulator.split_sums import core_of, walk
from spinn_mam.backends.emulator.tasks import (
    FIRST_ENTRY,
    N_SLOTS,
    N_TARGETS,
    QUANTILES,
    SLOT_LO,
    TARGET,
    TASK_HI,
    TASK_LO,
    Tasks,
    exact_weight,
    row_key,
)
from spinn_mam.compiled.borrowing import BORROWING, njit_borrowing
from spinn_mam.compiled.words import add, bit_and, bit_or, choose, greater, multiply, prefetch, shift_right, signed, subtract, unsigned
from spinn_mam.fixed_point.ring_buffer import WEIGHT_MAX
from spinn_mam.network.kernels import CELL_BITS, GOLDEN, draw, mix64

#: Synapses that are drawn together, and those written at once whether they are wanted or not.
BATCH, LANES = 512, 8
#: Elements between what two parts write, at least two cache lines.
_APART = 128
#: Columns of the table of spikes under way of each pair: first place and number of places, oldest and number, first hash input; and
#: their number, two cache lines.
FIRST_PLACE, N_PLACES, OLDEST, N_ACTIVE, FIRST_INPUT = range(5)
N_RING = 16
_LOW32 = np.uint64(0xFFFFFFFF)
_ZERO, _ONE, _BATCH, _LANES = np.uint64(0), np.uint64(1), np.uint64(BATCH), np.uint64(LANES)
_CELL_BITS = 32 - CELL_BITS
_CELL_SHIFT, _CELL_MASK = np.uint32(_CELL_BITS), np.uint32((1 << _CELL_BITS) - 1)
_EDGE_SHIFT, _EDGE_MASK = np.uint32(_CELL_BITS - 15), np.uint32(0x7FFF)


class Room(NamedTuple):
    """What each part works on within one step.

    Attributes
    ----------
    at, place : ndarray of uint64, shape (n_parts, most places of a pair or more)
        First count and place of the spikes of a group that are due.
    inputs : ndarray of uint64, shape (n_parts, BATCH + LANES or more)
        Of the hash, and then what it gives.
    low, target, word : ndarray of uint32, shape (n_parts, BATCH or more)
        Lower half of the hash, target, weight.
    computed : ndarray of int8, shape (n_parts, a multiple of 8, at least BATCH + 8)
        1 where the weight must be computed.
    """

    at: Any
    place: Any
    inputs: Any
    low: Any
    target: Any
    word: Any
    computed: Any


def make_room(n_parts: int, n_places: int) -> Room:
    """Make these arrays, with some room to spare: parts must not write to the same cache lines."""
    lengths = (n_places, n_places, BATCH + LANES, BATCH, BATCH, BATCH, BATCH + 8)
    kinds = (np.uint64, np.uint64, np.uint64, np.uint32, np.uint32, np.uint32, np.int8)
    return Room(*(np.empty((n_parts, n + _APART), kind) for n, kind in zip(lengths, kinds, strict=True)))


class Procedural(NamedTuple):
    """Arrays of the ProceduralStore, and the spikes under way.

    Attributes
    ----------
    tasks : arrays of Tasks, under their names there
    steps, kinds : arrays of :func:`weight_steps`
    widths : ndarray of int64, shape (n_parts, n_groups)
        Bytes of a count.
    counts : ndarray of uint8
    group : ndarray of uint16, shape (n_axons,)
    receptors : ndarray of int64, shape (n_groups,)
    rings : ndarray of int64, shape (n_parts, n_groups, N_RING)
    row, born : ndarray of int64, shape (n_places,)
        First count of the spike's row, step in which it was sent.
    inputs : ndarray of uint64, shape (sum over pairs of places times tasks,)
        Next input of the hash, by pair, task and place.
    admitted : ndarray of int64, shape (n_parts, 2)
        Last step whose spikes are under way.
    room : Room
    """

    task: Any
    keys: Any
    weights: Any
    quantiles: Any
    steps: Any
    kinds: Any
    pairs: Any
    groups: Any
    widths: Any
    counts: Any
    group: Any
    receptors: Any
    rings: Any
    row: Any
    born: Any
    inputs: Any
    admitted: Any
    room: Any


@overload(deliver, jit_options=BORROWING)
def _deliver(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    return _deliver_procedural if getattr(synapses, "instance_class", None) is Procedural else None


def _deliver_procedural(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    for step in range(max(synapses.admitted[part, receptor] + 1, t - net.max_slots), t - net.min_slots + 1):
        _admit(step, t, part, receptor, synapses, state)
        synapses.admitted[part, receptor] = step
    sums = state.sums[receptor, net.part_bounds[part] : net.part_bounds[part + 1]]
    for g in range(len(synapses.receptors)):
        if synapses.receptors[g] == receptor and synapses.rings[part, g, N_ACTIVE] > 0:
            _deliver_group(t, part, g, synapses, sums, state.counters[part])


@njit(inline="always")
def _count(counts: Any, at: int, width: int) -> Any:
    """Read a count."""
    n = np.int64(counts[at])
    if width > 1:
        n |= np.int64(counts[at + 1]) << 8
        if width > 2:
            n |= np.int64(counts[at + 2]) << 16 | np.int64(counts[at + 3]) << 24
    return n


@njit_borrowing
def _admit(step: int, t: int, part: int, receptor: int, synapses: Procedural, state: Any) -> None:
    """Take up the spikes of a step, as they are in step t, when what was due before has been delivered."""
    slot = step % state.n_history.shape[1]
    for q in range(state.n_history.shape[0]):
        first = state.first_history[q, slot, receptor]
        for k in range(first, first + state.n_history[q, slot, receptor]):
            axon = state.history[q, receptor, k]
            g = synapses.group[axon]
            pair, ring, width = synapses.pairs[part, g], synapses.rings[part, g], synapses.widths[part, g]
            n_tasks = pair[TASK_HI] - pair[TASK_LO]
            if n_tasks == 0 or t - step >= pair[SLOT_LO] + pair[N_SLOTS]:
                continue
            place = ring[OLDEST] + ring[N_ACTIVE]
            if place >= ring[N_PLACES]:
                place -= ring[N_PLACES]
            ring[N_ACTIVE] += 1
            source = axon - synapses.groups[g]
            row = pair[FIRST_ENTRY] + source * n_tasks * pair[N_SLOTS] * width
            synapses.row[ring[FIRST_PLACE] + place] = row
            synapses.born[ring[FIRST_PLACE] + place] = step
            for i in range(n_tasks):
                passed = 1
                for d in range(t - step - pair[SLOT_LO]):
                    passed += _count(synapses.counts, row + (d * n_tasks + i) * width, width)
                key = row_key(synapses.keys, pair[TASK_LO] + i, source)
                synapses.inputs[ring[FIRST_INPUT] + i * ring[N_PLACES] + place] = key + GOLDEN * np.uint64(passed)


@overload(walk, jit_options=BORROWING)
def _walk(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    return _walk_procedural if getattr(synapses, "instance_class", None) is Procedural else None


def _walk_procedural(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    lo = net.part_bounds[part]
    shares = state.shares[receptor, :, lo : net.part_bounds[part + 1]]
    shares[:] = 0
    depth, n_parts = state.n_history.shape[1], state.n_history.shape[0]
    for d in range(net.min_slots, min(net.max_slots, t) + 1):
        slot = (t - d) % depth
        for q in range(n_parts):
            first = state.first_history[q, slot, receptor]
            for k in range(first, first + state.n_history[q, slot, receptor]):
                axon = state.history[q, receptor, k]
                g = synapses.group[axon]
                pair, width = synapses.pairs[part, g], synapses.widths[part, g]
                n_tasks, source = pair[TASK_HI] - pair[TASK_LO], axon - synapses.groups[g]
                if d < pair[SLOT_LO] or d >= pair[SLOT_LO] + pair[N_SLOTS]:
                    continue
                row = pair[FIRST_ENTRY] + source * n_tasks * pair[N_SLOTS] * width
                for i in range(n_tasks):
                    task = pair[TASK_LO] + i
                    passed = 0
                    for s in range(d - pair[SLOT_LO]):
                        passed += _count(synapses.counts, row + (s * n_tasks + i) * width, width)
                    key, table = row_key(synapses.keys, task, source), synapses.quantiles[synapses.task[task, QUANTILES]]
                    for _ in range(_count(synapses.counts, row + ((d - pair[SLOT_LO]) * n_tasks + i) * width, width)):
                        h = draw(key, passed)
                        passed += 1
                        n_targets = np.uint64(synapses.task[task, N_TARGETS])
                        target = synapses.task[task, TARGET] + np.int64(((h >> np.uint64(32)) * n_targets) >> np.uint64(32))
                        w = _weight(np.uint32(h & _LOW32), table, synapses.weights[task])
                        shares[core_of(axon, lo + target, d, net), target] += w


@njit_borrowing
def _deliver_group(t: int, part: int, g: int, synapses: Procedural, sums: Any, counters: Any) -> None:
    """Add the synapses of one group onto a part that are due in step t."""
    pair, ring, width = synapses.pairs[part, g], synapses.rings[part, g], synapses.widths[part, g]
    n_tasks, n_places = pair[TASK_HI] - pair[TASK_LO], ring[N_PLACES]
    born, row = synapses.born[ring[FIRST_PLACE] :][:n_places], synapses.row[ring[FIRST_PLACE] :][:n_places]
    while ring[N_ACTIVE] > 0 and t - born[ring[OLDEST]] >= pair[SLOT_LO] + pair[N_SLOTS]:
        ring[OLDEST] = ring[OLDEST] + 1 if ring[OLDEST] + 1 < n_places else 0
        ring[N_ACTIVE] -= 1
    n = ring[N_ACTIVE]
    at, place, inputs = synapses.room.at[part], synapses.room.place[part], synapses.room.inputs[part]
    next_place = ring[OLDEST]
    for e in range(n):
        slot = t - born[next_place] - pair[SLOT_LO]
        if slot < 0:  # not due yet, and all later ones neither
            n = e
            break
        place[e] = next_place
        at[e] = row[next_place] + slot * n_tasks * width
        prefetch(synapses.counts, np.int64(at[e]))
        next_place = next_place + 1 if next_place + 1 < n_places else 0
    for i in range(n_tasks):
        task = pair[TASK_LO] + i
        next_input = synapses.inputs[ring[FIRST_INPUT] + i * n_places :][:n_places]
        first, n_targets = synapses.task[task, TARGET], synapses.task[task, N_TARGETS]
        own = sums[first : first + n_targets]
        kind = synapses.task[task, QUANTILES]
        exact, steps, table = synapses.weights[task], synapses.steps[synapses.kinds[task]], synapses.quantiles[kind]
        events = m = _ZERO
        for e in range(n):
            left = np.uint64(_count(synapses.counts, at[e] + np.uint64(i * width), width))
            x = next_input[place[e]]
            next_input[place[e]] = x + GOLDEN * left
            events += left
            while m + left > _BATCH:
                while m < _BATCH:
                    inputs[m] = x
                    x += GOLDEN
                    m += _ONE
                    left -= _ONE
                _add(_BATCH, part, synapses.room, np.uint64(n_targets), steps, table, exact, own)
                m = _ZERO
            at_once = m
            while True:  # whole lanes, whether all are wanted or not: how often is easier to predict than how many
                for k in range(LANES):
                    inputs[at_once + np.uint64(k)] = x + GOLDEN * np.uint64(k)
                at_once += _LANES
                if at_once >= m + left:
                    break
                x += GOLDEN * _LANES
            m += left
        _add(m, part, synapses.room, np.uint64(n_targets), steps, table, exact, own)
        counters[N_EVENTS] += np.int64(events)


@njit_borrowing
def _add(n: Any, part: Any, room: Any, n_targets: Any, steps: Any, quantiles: Any, exact: Any, sums: Any) -> None:
    """Draw n synapses of one task from their inputs of the hash, as :func:`spinn_mam.network.kernels.synapse` does, and add them.

    One loop for each operation that has no vector form here (reading the table, adding), and for what lies between.
    """
    inputs, low, target, word, computed = room.inputs[part], room.low[part], room.target[part], room.word[part], room.computed[part]
    rise = np.int32(1) if exact[0] >= 0.0 else np.int32(-1)
    n = min(np.int64(n), BATCH)
    for j in range(n):
        inputs[j] = mix64(inputs[j])
    for j in range(n):
        low[j] = np.uint32(inputs[j] & _LOW32)
        target[j] = np.uint32(((inputs[j] >> np.uint64(32)) * n_targets) >> np.uint64(32))
    for j in range(n):
        word[j] = steps[low[j] >> _CELL_SHIFT]
    for j in range(n):
        place, edge = signed(bit_and(shift_right(low[j], _EDGE_SHIFT), _EDGE_MASK)), signed(shift_right(word[j], np.uint32(16)))
        above = greater(place, edge)
        at_edge = subtract(greater(add(place, np.int32(1)), edge), above)
        unsure = bit_or(at_edge, greater(edge, np.int32(_EDGE_MASK)))
        w = add(signed(bit_and(word[j], np.uint32(0xFFFF))), multiply(rise, above))
        word[j] = unsigned(choose(unsure, np.int32(0), w))
        computed[j] = np.int8(unsure)
    for j in range(n):
        sums[target[j]] += np.int32(word[j])
    computed[n : n + 8] = np.int8(0)
    eight = computed.view(np.int64)
    for k in range((n + 7) // 8):
        if eight[k]:
            for j in range(8 * k, 8 * k + 8):
                if computed[j]:
                    sums[target[j]] += _weight(low[j], quantiles, exact)


@njit_borrowing
def _weight(u: Any, quantiles: Any, exact: Any) -> Any:
    """Weight of a synapse by the lower half of its hash."""
    cell = np.int64(u >> _CELL_SHIFT)
    low = np.int64(quantiles[cell])
    z = low + (((np.int64(quantiles[cell + 1]) - low) * np.int64(u & _CELL_MASK)) >> _CELL_BITS)
    return np.int32(np.rint(min(exact_weight(exact[0], exact[1], exact[2], z), np.float64(WEIGHT_MAX))))


def weight_steps(tasks: Tasks) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Tabulate the weights of each kind of task over the cells of its quantiles.

    In most cells the weight takes at most two neighbouring values. The lower 16 bits of an entry are the weight at the cell's
    beginning, the higher ones say after which part of the cell, of 2^15, it changes by one: up, or down if the mean is negative.
    Within that part, and in cells whose entry is above 2^15, the weight must be computed.

    Returns
    -------
    steps : ndarray of uint32, shape (n_kinds, 4096)
    kinds : ndarray of int64, shape (n_tasks,)
    """
    columns = np.column_stack([tasks.task[:, QUANTILES], tasks.weights])
    values, kinds = np.unique(columns, axis=0, return_inverse=True)
    steps = np.empty((len(values), 1 << CELL_BITS), np.uint32)
    for row, (kind, *exact) in zip(steps, values, strict=True):
        _tabulate(tasks.quantiles[int(kind)], np.array(exact), row)
    return steps, kinds.ravel().astype(np.int64)


@njit(cache=True)
def _tabulate(quantiles: Any, exact: Any, steps: Any) -> None:
    """Fill a table of :func:`weight_steps`; bisection finds where the weight changes, which without change of sign is monotonic."""
    rise = 1 if exact[0] >= 0.0 else -1
    for cell in range(len(steps)):
        first = np.int64(cell) << _CELL_BITS
        last = first + (np.int64(1) << _CELL_BITS) - 1
        a, b = _weight(np.uint32(first), quantiles, exact), _weight(np.uint32(last), quantiles, exact)
        ends = exact[0] + exact[1] * (quantiles[cell] * 2.0**-20), exact[0] + exact[1] * (quantiles[cell + 1] * 2.0**-20)
        edge = np.int64(_EDGE_MASK)
        if min(ends[0], ends[1]) < 0.0 < max(ends[0], ends[1]) or (b != a and b != a + rise):
            edge += 1
        elif b != a:
            lo, hi = first, last  # the weight is a at lo and b at hi
            while hi - lo > 1:
                mid = (lo + hi) >> 1
                if _weight(np.uint32(mid), quantiles, exact) == a:
                    lo = mid
                else:
                    hi = mid
            edge = (hi >> np.int64(_EDGE_SHIFT)) & np.int64(_EDGE_MASK)
        steps[cell] = np.uint32((edge << 16) | np.int64(a))
