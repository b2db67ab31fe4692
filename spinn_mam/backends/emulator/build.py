"""Materialise the synapses of a network for the time loop.

Problem
    3e8 synapses as 32-bit words, rows sorted by delay, in a few seconds, the same bytes for any number of threads.

Method
    An axon's row onto a part merges rows of the connectivity recipe, one for each task (see :mod:`.tasks`). The recipe
    draws a row's delays first and then targets and weights in order of delay, so a count of delays over all of them says
    where each word goes, and no sort is needed. Rows are counted in one parallel pass over tasks, filled in another over
    axons; every word has its place by then, whoever writes it.

Cost
    Two hashes for each synapse; 4 bytes for each synapse, and for each axon and part that it reaches 8 bytes and 2 for each
    slot that its delays can have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from spinn_mam.backends.emulator.layout import Layout
from spinn_mam.backends.emulator.stored import Stored, nothing_due
from spinn_mam.backends.emulator.tasks import (
    CHUNKS,
    FIRST_COUNT,
    FIRST_ENTRY,
    FIRST_ROW,
    N_PAIR,
    N_SLOTS,
    N_TARGETS,
    QUANTILES,
    SLOT_LO,
    SOURCE_SIZE,
    TARGET,
    TASK_HI,
    TASK_LO,
    Tasks,
    count_slots,
    exact_weight,
    make_tasks,
    row_key,
)
from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.ring_buffer import WEIGHT_MAX
from spinn_mam.network.connectivity import Connectivity
from spinn_mam.network.kernels import synapse

#: Columns of the tallies of each chunk of axons; from N_TALLIES on, synapses of each slot.
N_ZERO, N_SATURATED, N_MOVED, N_TALLIES = range(4)


@dataclass(frozen=True, slots=True)
class SynapseStore:
    """All synapses, by part, axon and delay.

    Attributes
    ----------
    words : ndarray of uint32, shape (n_synapses,)
        Target within the part in the high half, weight (ring-buffer units) in the low half.
    row_start : ndarray of int64, shape (n_rows,)
        First word of each row.
    cumulative : ndarray of uint16 or uint32, shape (sum over rows of their pair's N_SLOTS + 1,)
        Synapses of a row with a delay of less than SLOT_LO + k slots, k = 0 to N_SLOTS.
    pairs : ndarray of int64, shape (n_parts, n_groups, N_PAIR)
        Which rows there are: see :mod:`.tasks`; FIRST_ENTRY indexes ``cumulative``.
    groups : ndarray of int64, shape (n_groups + 1,)
        First axon of each group.
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
    pairs: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    min_slots: int
    max_slots: int
    n_zero: int
    n_saturated: int
    n_uncompensated: int

    def kernel(self, layout: Layout, given: bool) -> Stored:
        """Give the time loop its arrays, with no spikes under way."""
        del layout, given  # other forms of synapses need them
        due = nothing_due(len(self.pairs), self.min_slots + self.max_slots)
        return Stored(self.words, self.row_start, self.cumulative, self.pairs, self.groups, group_of_axons(self.groups), *due)


def group_of_axons(groups: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
    """Group of each axon, shape (n_axons,)."""
    return np.repeat(np.arange(len(groups) - 1, dtype=np.uint16), np.diff(groups))


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
    tasks = make_tasks(connectivity, layout, shifts, delay_offset_steps)
    pairs = tasks.pairs
    rows = np.diff(tasks.groups) * (pairs[:, :, TASK_HI] > pairs[:, :, TASK_LO])
    entries = (rows * (pairs[:, :, N_SLOTS] + 1)).ravel()
    pairs[:, :, FIRST_ENTRY] = (np.cumsum(entries) - entries).reshape(rows.shape)
    lengths = np.zeros(int(rows.sum()), np.int64)
    _row_lengths(tasks, lengths)
    cumulative = np.zeros(int(entries.sum()), header_type(lengths))
    row_start = np.cumsum(lengths) - lengths
    words = np.empty(int(lengths.sum()), np.uint32)
    tallies = np.zeros((CHUNKS, N_TALLIES + int((pairs[:, :, SLOT_LO] + pairs[:, :, N_SLOTS]).max(initial=0))), np.int64)
    _fill(tasks, row_start, cumulative, words, tallies)
    n_zero, n_saturated, n_moved, *by_slot = tallies.sum(axis=0).tolist()
    return SynapseStore(words, row_start, cumulative, pairs, tasks.groups, *slot_range(by_slot), n_zero, n_saturated, n_moved)


def header_type(lengths: npt.NDArray[np.int64]) -> Any:
    """Type of counts that hold rows of these lengths.

    Raises
    ------
    UsageError
        If a row has more than 2^32 - 1 synapses.
    """
    longest = int(lengths.max(initial=0))
    if longest > np.iinfo(np.uint32).max:
        raise UsageError(f"a row of {longest} synapses onto one part is longer than the emulator can index: use more parts")
    return np.uint16 if longest <= np.iinfo(np.uint16).max else np.uint32


def slot_range(by_slot: list[int]) -> tuple[int, int]:
    """Shortest and longest delay that occurs, from the number of synapses of each slot; 1, 1 if there are none."""
    used = np.flatnonzero(by_slot)
    return (int(used[0]), int(used[-1])) if len(used) else (1, 1)


def store_from_counts(layout: Layout, counts: npt.NDArray[np.int64], words: npt.NDArray[np.uint32], n_zero: int = 0) -> SynapseStore:
    """Make a store of words that are sorted by part, axon and slot, with a row for every axon and part.

    Parameters
    ----------
    layout : Layout
    counts : ndarray of int64, shape (n_parts, n_axons, n)
        Synapses with a delay of 0 to n - 1 slots; none has 0.
    words : ndarray of uint32
    n_zero : int
        Weights rounded to zero.
    """
    n_parts, n_axons, _ = counts.shape
    min_slots, max_slots = slot_range(counts.sum(axis=(0, 1)).tolist())
    lengths = counts.sum(axis=2).ravel()
    cumulative = np.cumsum(counts[:, :, : max_slots + 1], axis=2).astype(header_type(lengths)).ravel()
    pairs = np.zeros((n_parts, len(layout.groups) - 1, N_PAIR), np.int64)
    rows = np.arange(n_parts)[:, None] * n_axons + layout.groups[:-1]
    pairs[:, :, [SLOT_LO, N_SLOTS]] = 1, max_slots
    pairs[:, :, FIRST_ROW], pairs[:, :, FIRST_ENTRY] = rows, rows * (max_slots + 1)
    return SynapseStore(words, np.cumsum(lengths) - lengths, cumulative, pairs, layout.groups, min_slots, max_slots, n_zero, 0, 0)


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
    counts = np.zeros((layout.n_parts, layout.n_axons, int(slots.max(initial=1)) + 1), np.int64)
    np.add.at(counts, (part, axon, slots), 1)
    return store_from_counts(layout, counts, words)


@njit(cache=True)
def _row_lengths(tasks: Tasks, lengths: Any) -> None:
    """Sum the rows of all tasks of an axon onto a part."""
    for part in range(tasks.pairs.shape[0]):
        for g in range(tasks.pairs.shape[1]):
            pair = tasks.pairs[part, g]
            for i in range(pair[TASK_LO], pair[TASK_HI]):
                first = tasks.task[i, FIRST_COUNT]
                for s in range(tasks.task[i, SOURCE_SIZE]):
                    lengths[pair[FIRST_ROW] + s] += tasks.counts[first + s]


@njit(cache=True, parallel=True)
def _fill(tasks: Tasks, row_start: Any, cumulative: Any, words: Any, tallies: Any) -> None:
    """Draw all rows."""
    n_parts, n_groups, _ = tasks.pairs.shape
    most = 0
    for part in range(n_parts):
        for g in range(n_groups):
            most = max(most, tasks.pairs[part, g, TASK_HI] - tasks.pairs[part, g, TASK_LO])
    for chunk in prange(len(tallies)):
        tally = tallies[chunk]
        histogram = np.empty((most, tallies.shape[1]), np.int64)
        cursor = np.empty(tallies.shape[1], np.int64)
        for g in range(n_groups):
            lo, hi = tasks.groups[g], tasks.groups[g + 1]
            for source in range((chunk - lo) % len(tallies), hi - lo, len(tallies)):
                for part in range(n_parts):
                    _fill_row(tasks, part, g, source, row_start, cumulative, words, tally, histogram, cursor)


@njit(cache=True)
def _fill_row(
    tasks: Tasks, part: int, g: int, source: int, row_start: Any, cumulative: Any, words: Any, tally: Any, histogram: Any, cursor: Any
) -> None:
    """Draw the row of one axon onto one part."""
    pair = tasks.pairs[part, g]
    lo, hi, n_slots = pair[TASK_LO], pair[TASK_HI], pair[N_SLOTS]
    if hi == lo:
        return
    cursor[:n_slots] = 0
    for i in range(lo, hi):
        h = histogram[i - lo, :n_slots]
        tally[N_MOVED] += count_slots(tasks, i, source, pair[SLOT_LO], h)
        for k in range(n_slots):
            cursor[k] += h[k]
    at = row_start[pair[FIRST_ROW] + source]
    entry = pair[FIRST_ENTRY] + source * (n_slots + 1)
    total = 0
    for k in range(n_slots):
        n = cursor[k]
        tally[N_TALLIES + pair[SLOT_LO] + k] += n
        cursor[k] = at + total
        total += n
        cumulative[entry + k + 1] = total
    for i in range(lo, hi):
        row = row_key(tasks.keys, i, source)
        mean, sd, scale = tasks.weights[i, 0], tasks.weights[i, 1], tasks.weights[i, 2]
        table = tasks.quantiles[tasks.task[i, QUANTILES]]
        n_targets, first = tasks.task[i, N_TARGETS], tasks.task[i, TARGET]
        position = 0
        for k in range(n_slots):
            place = cursor[k]
            for _ in range(histogram[i - lo, k]):
                target, z = synapse(row, position, n_targets, table)
                position += 1
                exact = exact_weight(mean, sd, scale, z)
                w = np.int64(np.rint(exact))
                if w == 0 and exact != 0.0:
                    tally[N_ZERO] += 1
                if w > WEIGHT_MAX:
                    w = np.int64(WEIGHT_MAX)
                    tally[N_SATURATED] += 1
                words[place] = np.uint32((np.int64(target + first) << 16) | w)
                place += 1
            cursor[k] = place
