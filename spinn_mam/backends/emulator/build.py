"""Materialise the synapses of a network for the time loop.

Problem
    3e8 synapses as 32-bit words, rows sorted by delay, in a few seconds, the same bytes for any number of threads.

Method
    An axon's row onto a part merges rows of the connectivity recipe, one for each projection and target block. The recipe
    draws a row's delays first and then targets and weights in order of delay, so a count of delays over all of them says
    where each word goes, and no sort is needed. Rows are counted in one parallel pass over (projection, block), filled in
    another over axons; every word has its place by then, whoever writes it.

    A delay of NetworkSpec counts from the spike's time stamp to the step in which NEST starts to integrate its input; in
    the machine's loop an input with a delay of d slots acts d steps after the one in which the spike was sent, one step
    sooner. So a slot number is the delay plus ``delay_offset_steps`` = 1. A sum below one slot cannot be emulated: it is
    raised to one and counted.

Cost
    Two hashes for each synapse; 4 bytes for each synapse and 2 (D + 1) for each axon, part and longest delay D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from spinn_mam.backends.emulator.layout import GLOBAL, IS_SOURCE, LO, Layout
from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.ring_buffer import WEIGHT_MAX, weight_scales
from spinn_mam.network.connectivity import Connectivity, delay_table, quantile_table
from spinn_mam.network.kernels import Z_SHIFT, delay_histogram, subkey, synapse, tree_counts

#: Columns of the task table: one task is one projection onto one block.
SOURCE_SIZE, FIRST_COUNT, FIRST_AXON, PART, TARGET, N_TARGETS, FIRST_SLOT, TABLE_LENGTH, TOTAL, N_TASK = range(10)
#: Columns of the counts of each chunk of axons.
N_ZERO, N_SATURATED, N_MOVED, N_COUNTS = range(4)
_CHUNKS = 256


@dataclass(frozen=True, slots=True)
class SynapseStore:
    """All synapses, by part, axon and delay.

    Attributes
    ----------
    words : ndarray of uint32, shape (n_synapses,)
        Target within the part in the high half, weight (ring-buffer units) in the low half.
    row_start : ndarray of int64, shape (n_parts, n_axons)
        First word of each row.
    cumulative : ndarray of uint16 or uint32, shape (n_parts, n_axons, max_slots + 1)
        Synapses of a row with a delay of at most d slots.
    min_slots, max_slots : int
        Shortest and longest delay that occurs (slots).
    n_zero, n_saturated : int
        Weights rounded to zero, weights cut to 65,535.
    n_uncompensated : int
        Synapses whose delay could not be compensated.
    """

    words: npt.NDArray[np.uint32]
    row_start: npt.NDArray[np.int64]
    cumulative: npt.NDArray[Any]
    min_slots: int
    max_slots: int
    n_zero: int
    n_saturated: int
    n_uncompensated: int


def build_synapses(connectivity: Connectivity, layout: Layout, shifts: npt.NDArray[np.int64], delay_offset_steps: int = 1) -> SynapseStore:
    """Draw all synapses of a network.

    Parameters
    ----------
    connectivity : Connectivity
    layout : Layout
    shifts : ndarray of int64, shape (n_populations, 2)
        Ring-buffer shifts.
    delay_offset_steps : int
        Slots = delay of the spec in steps + this.

    Returns
    -------
    SynapseStore
    """
    spec = connectivity.spec
    scales = weight_scales(shifts)
    blocks: dict[tuple[int, int], tuple[int, int]] = {}
    for part in range(layout.n_parts):
        for k in range(int(layout.segment_bounds[part]), int(layout.segment_bounds[part + 1])):
            s = layout.segments[k]
            if not s[IS_SOURCE]:
                p = int(layout.population[k])
                blocks[p, int(s[GLOBAL] - spec.offsets[p])] = part, int(s[LO] - layout.part_bounds[part])
    tasks, keys, weights, tables, quantiles = [], [], [], [], []
    n_counts = 0
    for k, projection in enumerate(spec.projections):
        if projection.n_synapses == 0:
            continue
        receptor = int(projection.receptor == "inhibitory")
        recipe = connectivity.blocks[k]
        delays = delay_table(projection.delay, spec.dt)
        size = spec.populations[projection.source].size
        for b in range(len(recipe.totals)):
            part, target = blocks[projection.target, int(recipe.bounds[b])]
            n_targets = int(recipe.bounds[b + 1] - recipe.bounds[b])
            axon = int(layout.axon_base[projection.source, receptor])
            first_slot, length = delays.first + delay_offset_steps, len(delays.cumulative)
            tasks.append([size, n_counts, axon, part, target, n_targets, first_slot, length, int(recipe.totals[b])])
            keys.append((recipe.count_keys[b], recipe.row_keys[b]))
            scale = float(scales[projection.target, receptor])
            weights.append((projection.weight.mean, projection.weight.sd, scale))
            tables.append(delays)
            quantiles.append(quantile_table(projection.weight))
            n_counts += size
    task = np.array(tasks, np.int64).reshape(len(tasks), N_TASK)
    longest = max((t[FIRST_SLOT] + t[TABLE_LENGTH] - 1 for t in tasks), default=1)
    # 64-bit entries, the last 2^32, so that no draw passes the end of a table.
    cumulative = np.full((len(tasks), max((t[TABLE_LENGTH] for t in tasks), default=1)), 1 << 32, np.uint64)
    guide = np.zeros((len(tasks), 256), np.uint8)
    for i, table in enumerate(tables):
        cumulative[i, : len(table.cumulative)] = table.cumulative
        guide[i] = table.guide
    kinds, kind = _unique(quantiles)
    task_keys = np.array(keys, np.uint64).reshape(len(keys), 2)
    counts = np.zeros(n_counts, np.int32)
    _count_rows(task, task_keys, counts)
    order, bounds = _by_axon(task, layout)
    lengths = np.zeros((layout.n_parts, layout.n_axons), np.int64)
    _row_lengths(task, counts, lengths)
    if lengths.size and int(lengths.max()) > np.iinfo(np.uint32).max:
        raise UsageError(f"a row of {int(lengths.max())} synapses onto one part is longer than the emulator can index: use more parts")
    row_start = (np.cumsum(lengths.ravel()) - lengths.ravel()).reshape(lengths.shape)
    small = lengths.size == 0 or int(lengths.max()) <= np.iinfo(np.uint16).max
    slots = np.zeros((layout.n_parts, layout.n_axons, max(longest, 1) + 1), np.uint16 if small else np.uint32)
    words = np.empty(int(lengths.sum()), np.uint32)
    tallies = np.zeros((_CHUNKS, N_COUNTS), np.int64)
    _fill(
        task,
        task_keys,
        np.array(weights, np.float64).reshape(len(weights), 3),
        cumulative,
        guide,
        kinds,
        kind,
        counts,
        order,
        bounds,
        row_start,
        slots,
        words,
        tallies,
    )
    n_zero, n_saturated, n_moved = (int(n) for n in tallies.sum(axis=0))
    used = np.flatnonzero(np.diff(slots.astype(np.int64).sum(axis=(0, 1)) if slots.size else np.zeros(2)))
    min_slots, max_slots = (int(used[0]) + 1, int(used[-1]) + 1) if len(used) else (1, 1)
    return SynapseStore(words, row_start, slots, min_slots, max_slots, n_zero, n_saturated, n_moved)


def store_from_synapses(
    layout: Layout,
    axon: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    weight: npt.NDArray[np.int64],
    slots: npt.NDArray[np.int64],
) -> SynapseStore:
    """Make a store from a list of synapses.

    Parameters
    ----------
    layout : Layout
    axon, target : ndarray of int, shape (n_synapses,)
        Axon, and state index of the target neuron.
    weight : ndarray of int, shape (n_synapses,)
        Magnitude (ring-buffer units).
    slots : ndarray of int, shape (n_synapses,)
        Delay (slots), at least 1.
    """
    part = np.searchsorted(layout.part_bounds, target, side="right") - 1
    order = np.lexsort((target, slots, axon, part))
    part, axon, slots = part[order], axon[order], slots[order]
    words = ((target[order] - layout.part_bounds[part]) << 16 | weight[order]).astype(np.uint32)
    longest = int(slots.max()) if len(slots) else 1
    histogram = np.zeros((layout.n_parts, layout.n_axons, longest + 1), np.int64)
    np.add.at(histogram, (part, axon, slots), 1)
    cumulative = np.cumsum(histogram, axis=2).astype(np.uint32)
    lengths = cumulative[:, :, -1].astype(np.int64)
    row_start = (np.cumsum(lengths.ravel()) - lengths.ravel()).reshape(lengths.shape)
    return SynapseStore(words, row_start, cumulative, int(slots.min()) if len(slots) else 1, longest, 0, 0, 0)


def _unique(tables: list[npt.NDArray[np.int32]]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Stack equal tables once."""
    seen: dict[bytes, int] = {}
    rows: list[npt.NDArray[np.int32]] = []
    kind = np.zeros(len(tables), np.int64)
    for i, table in enumerate(tables):
        kind[i] = seen.setdefault(table.tobytes(), len(rows))
        if kind[i] == len(rows):
            rows.append(table)
    return np.stack(rows) if rows else np.zeros((1, 1), np.int32), kind


def _by_axon(task: npt.NDArray[np.int64], layout: Layout) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tasks of each (first axon, part): order, and bounds of shape (n_axons, n_parts, 2) compressed by first axon."""
    order = np.lexsort((np.arange(len(task)), task[:, PART], task[:, FIRST_AXON])).astype(np.int64)
    bounds = np.zeros((layout.n_axons, layout.n_parts, 2), np.int64)
    i = 0
    while i < len(order):
        t = task[order[i]]
        j = i
        while j < len(order) and task[order[j], PART] == t[PART] and task[order[j], FIRST_AXON] == t[FIRST_AXON]:
            j += 1
        bounds[t[FIRST_AXON] : t[FIRST_AXON] + t[SOURCE_SIZE], t[PART]] = i, j
        i = j
    return order, bounds


@njit(cache=True, parallel=True)
def _count_rows(task: Any, keys: Any, counts: Any) -> None:
    """Draw the length of every row of every task."""
    for i in prange(len(task)):
        n, first = task[i, SOURCE_SIZE], task[i, FIRST_COUNT]
        tree_counts(task[i, TOTAL], n, 0, n, keys[i, 0], counts[first : first + n])


@njit(cache=True)
def _row_lengths(task: Any, counts: Any, lengths: Any) -> None:
    """Sum the rows of all tasks of an axon onto a part."""
    for i in range(len(task)):
        for s in range(task[i, SOURCE_SIZE]):
            lengths[task[i, PART], task[i, FIRST_AXON] + s] += counts[task[i, FIRST_COUNT] + s]


@njit(cache=True, parallel=True)
def _fill(
    task: Any,
    keys: Any,
    weights: Any,
    cumulative: Any,
    guide: Any,
    quantiles: Any,
    kind: Any,
    counts: Any,
    order: Any,
    bounds: Any,
    row_start: Any,
    slots: Any,
    words: Any,
    tallies: Any,
) -> None:
    """Draw all rows; axons are dealt to chunks in turn, so that chunks take about equally long."""
    n_parts, n_axons, n_slots = slots.shape
    for chunk in prange(len(tallies)):
        histogram = np.zeros((len(task), n_slots), np.int64)
        cursor = np.empty(n_slots, np.int64)
        for axon in range(chunk, n_axons, len(tallies)):
            for part in range(n_parts):
                lo, hi = bounds[axon, part, 0], bounds[axon, part, 1]
                cursor[:] = 0
                for b in range(lo, hi):
                    i = order[b]
                    source = axon - task[i, FIRST_AXON]
                    h = histogram[b - lo]
                    h[:] = 0
                    row = subkey(keys[i, 1], source)
                    n = counts[task[i, FIRST_COUNT] + source]
                    first = task[i, FIRST_SLOT]
                    if first >= 1:
                        delay_histogram(row, n, cumulative[i], guide[i], h, first, 1)
                    else:
                        early = np.zeros(task[i, TABLE_LENGTH], np.int64)
                        delay_histogram(row, n, cumulative[i], guide[i], early, 0, 1)
                        for k in range(len(early)):
                            h[max(1, first + k)] += early[k]
                            if first + k < 1:
                                tallies[chunk, N_MOVED] += early[k]
                    for d in range(n_slots):
                        cursor[d] += h[d]
                at = row_start[part, axon]
                total = 0
                for d in range(n_slots):
                    n = cursor[d]
                    cursor[d] = at + total
                    total += n
                    slots[part, axon, d] = total
                for b in range(lo, hi):
                    i = order[b]
                    row = subkey(keys[i, 1], axon - task[i, FIRST_AXON])
                    mean, sd, scale = weights[i, 0], weights[i, 1], weights[i, 2]
                    table = quantiles[kind[i]]
                    position = 0
                    for d in range(n_slots):
                        place = cursor[d]
                        for _ in range(histogram[b - lo, d]):
                            target, z = synapse(row, position, task[i, N_TARGETS], table)
                            position += 1
                            exact = abs(mean + sd * (np.float64(z) * 2.0**-Z_SHIFT)) * scale
                            w = np.int64(np.rint(exact))
                            if w == 0 and exact != 0.0:
                                tallies[chunk, N_ZERO] += 1
                            if w > WEIGHT_MAX:
                                w = np.int64(WEIGHT_MAX)
                                tallies[chunk, N_SATURATED] += 1
                            words[place] = np.uint32((np.int64(target + task[i, TARGET]) << 16) | w)
                            place += 1
                        cursor[d] = place
