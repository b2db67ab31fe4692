"""The connectivity recipe's rows as the emulator asks for them.

A *task* is one projection onto one target block, with a row for each source. A *group* is the axons of one population and
receptor. A *pair* is a group and a part of the neurons that it has tasks onto: the rows of an axon onto a part merge those of
the pair's tasks, so headers need a place for each pair and slot that can occur, not for all axons, parts and slots.

A delay of NetworkSpec counts from the spike's time stamp to the step in which NEST starts to integrate its input; in the
machine's loop an input with a delay of d slots acts d steps after the one in which the spike was sent, one step sooner. So a
slot number is the delay plus ``delay_offset_steps`` = 1. A sum below one slot cannot be emulated: it is raised to one and
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from spinn_mam.backends.emulator.layout import GLOBAL, IS_SOURCE, LO, Layout
from spinn_mam.fixed_point.ring_buffer import weight_scales
from spinn_mam.network.connectivity import Connectivity, delay_table, quantile_table
from spinn_mam.network.kernels import Z_SHIFT, delay_histogram, subkey, tree_counts

#: Columns of the task table.
SOURCE_SIZE, FIRST_COUNT, FIRST_AXON, PART, TARGET, N_TARGETS, FIRST_SLOT, LAST_SLOT, TOTAL, DELAYS, QUANTILES, N_TASK = range(12)
#: Columns of the table of pairs: range of tasks and of slots, first row and first entry of headers. Without tasks there is no pair.
TASK_LO, TASK_HI, SLOT_LO, N_SLOTS, FIRST_ROW, FIRST_ENTRY, N_PAIR = range(7)
#: Axons are dealt to so many chunks in turn, so that chunks take about equally long.
CHUNKS = 256


class Tasks(NamedTuple):
    """All rows of a network, not yet drawn.

    Attributes
    ----------
    task : ndarray of int64, shape (n_tasks, N_TASK)
        By part, group and projection; see the columns above.
    keys : ndarray of uint64, shape (n_tasks, 2)
        Streams of the counts and of the rows.
    weights : ndarray of float64, shape (n_tasks, 3)
        Mean and standard deviation (pA), ring-buffer units for each pA.
    delays : ndarray of uint64, shape (n, longest table)
        Delay tables; the last entries are 2^32, so that no draw passes the end.
    guides : ndarray of uint16, shape (n, 256)
    quantiles : ndarray of int32, shape (n, 4097)
    counts : ndarray of int32, shape (n_rows of all tasks,)
        Synapses of each row.
    pairs : ndarray of int64, shape (n_parts, n_groups, N_PAIR)
    groups : ndarray of int64, shape (n_groups + 1,)
        First axon of each group.
    """

    task: Any
    keys: Any
    weights: Any
    delays: Any
    guides: Any
    quantiles: Any
    counts: Any
    pairs: Any
    groups: Any


def make_tasks(connectivity: Connectivity, layout: Layout, shifts: npt.NDArray[np.int64], delay_offset_steps: int) -> Tasks:
    """List a network's tasks and draw how many synapses each row has.

    Parameters
    ----------
    connectivity : Connectivity
    layout : Layout
    shifts : ndarray of int64, shape (n_populations, 2)
        Ring-buffer shifts.
    delay_offset_steps : int
        Slots = delay of the spec in steps + this.
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
    tasks, keys, weights, delays, guides, quantiles = [], [], [], [], [], []
    n_counts = 0
    for k, projection in enumerate(spec.projections):
        if projection.n_synapses == 0:
            continue
        receptor = int(projection.receptor == "inhibitory")
        recipe = connectivity.blocks[k]
        table = delay_table(projection.delay, spec.dt)
        size = spec.populations[projection.source].size
        axon = int(layout.axon_base[projection.source, receptor])
        first = table.first + delay_offset_steps
        for b in range(len(recipe.totals)):
            part, target = blocks[projection.target, int(recipe.bounds[b])]
            n_targets = int(recipe.bounds[b + 1] - recipe.bounds[b])
            tasks.append([size, n_counts, axon, part, target, n_targets, first, first + len(table.cumulative) - 1, int(recipe.totals[b]), 0, 0])
            keys.append((recipe.count_keys[b], recipe.row_keys[b]))
            weights.append((projection.weight.mean, projection.weight.sd, float(scales[projection.target, receptor])))
            delays.append(table.cumulative)
            guides.append(table.guide)
            quantiles.append(quantile_table(projection.weight))
            n_counts += size
    task = np.array(tasks, np.int64).reshape(len(tasks), N_TASK)
    longest = max((len(table) for table in delays), default=1)
    filled = [np.concatenate([table, np.full(longest - len(table), 1 << 32, np.uint64)]) for table in delays]
    kinds, task[:, DELAYS] = _unique([np.concatenate([table, guide.astype(np.uint64)]) for table, guide in zip(filled, guides, strict=True)])
    quantile_kinds, task[:, QUANTILES] = _unique(quantiles)
    order = np.lexsort((np.arange(len(task)), task[:, FIRST_AXON], task[:, PART]))
    task = np.ascontiguousarray(task[order])
    task_keys = np.array(keys, np.uint64).reshape(len(keys), 2)[order]
    counts = np.zeros(n_counts, np.int32)
    _count_rows(task, task_keys, counts)
    return Tasks(
        task,
        task_keys,
        np.array(weights, np.float64).reshape(len(weights), 3)[order],
        np.ascontiguousarray(kinds[:, :longest]),
        np.ascontiguousarray(kinds[:, longest:]).astype(np.uint16),
        quantile_kinds,
        counts,
        _make_pairs(task, layout),
        layout.groups,
    )


def _unique(tables: Sequence[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Stack equal tables once."""
    seen: dict[bytes, int] = {}
    rows: list[npt.NDArray[Any]] = []
    kind = np.zeros(len(tables), np.int64)
    for i, table in enumerate(tables):
        kind[i] = seen.setdefault(table.tobytes(), len(rows))
        if kind[i] == len(rows):
            rows.append(table)
    return np.stack(rows) if rows else np.zeros((1, 1), np.int32), kind


def _make_pairs(task: npt.NDArray[np.int64], layout: Layout) -> npt.NDArray[np.int64]:
    """Find the range of tasks and slots of each pair, and number its rows."""
    groups = layout.groups
    pairs = np.zeros((layout.n_parts, len(groups) - 1, N_PAIR), np.int64)
    group = np.searchsorted(groups, task[:, FIRST_AXON], side="right") - 1
    edges = np.flatnonzero(np.diff(task[:, PART] * len(groups) + group, prepend=-1, append=-1))
    row = 0
    for lo, hi in pairwise(edges.tolist()):
        first, last = max(1, int(task[lo:hi, FIRST_SLOT].min())), max(1, int(task[lo:hi, LAST_SLOT].max()))
        pairs[task[lo, PART], group[lo], : FIRST_ROW + 1] = lo, hi, first, last - first + 1, row
        row += int(task[lo, SOURCE_SIZE])
    return pairs


@njit(cache=True, parallel=True)
def _count_rows(task: Any, keys: Any, counts: Any) -> None:
    """Draw the length of every row of every task."""
    for i in prange(len(task)):
        n, first = task[i, SOURCE_SIZE], task[i, FIRST_COUNT]
        tree_counts(task[i, TOTAL], n, 0, n, keys[i, 0], counts[first : first + n])


@njit(inline="always")
def row_key(keys: Any, i: int, source: int) -> Any:
    """Key of the stream of one row of task i."""
    return subkey(keys[i, 1], source)


@njit(cache=True, nogil=True)
def count_slots(tasks: Tasks, i: int, source: int, first: int, histogram: Any) -> int:
    """Count a row's synapses by slot, from slot ``first`` on; return how many were raised to one slot."""
    task = tasks.task[i]
    n = tasks.counts[task[FIRST_COUNT] + source]
    cumulative, guide = tasks.delays[task[DELAYS]], tasks.guides[task[DELAYS]]
    key = row_key(tasks.keys, i, source)
    histogram[:] = 0
    if task[FIRST_SLOT] >= 1:
        delay_histogram(key, n, cumulative, guide, histogram, task[FIRST_SLOT] - first, 1)
        return 0
    early = np.zeros(task[LAST_SLOT] - task[FIRST_SLOT] + 1, np.int64)
    delay_histogram(key, n, cumulative, guide, early, 0, 1)
    moved = 0
    for k in range(len(early)):
        slot = task[FIRST_SLOT] + k
        histogram[max(1, slot) - first] += early[k]
        if slot < 1:
            moved += early[k]
    return moved


@njit(inline="always")
def exact_weight(mean: float, sd: float, scale: float, z: Any) -> Any:
    """Magnitude of a weight (ring-buffer units) before it is rounded to nearest, halves to even."""
    return abs(mean + sd * (np.float64(z) * 2.0**-Z_SHIFT)) * scale
