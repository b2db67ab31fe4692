"""Synapses that are drawn again whenever a spike passes them: only their numbers are stored.

Problem
    The words of full-scale PD14 take 1.2 GB and those of the multi-area model 97 GB; all of them follow from keys of 8 bytes.

Method
    The recipe draws target and weight of a row's synapses in order of delay, from the row's key and the position in the row. So
    a store of counts is enough, one number for each row and slot that can occur; :mod:`.redraw` does the rest. A count has one
    byte where the numbers expected allow it, else two or four; should one not fit after all, all are counted again with more.

Cost
    About twice that of stored words for each synaptic event. Memory: the counts, and 8 bytes for each task of the spikes that
    refractory periods allow to be under way.

Reference
    Regenerating connectivity: Izhikevich, "Simulation of large-scale brain models" (2005); on GPUs Knight and Nowotny (2021),
    doi:10.1038/s43588-020-00022-7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from spinn_mam.backends.emulator.build import N_MOVED, N_SATURATED, N_TALLIES, N_ZERO, group_of_axons, slot_range
from spinn_mam.backends.emulator.layout import Layout, most_spikes
from spinn_mam.backends.emulator.redraw import FIRST_INPUT, FIRST_PLACE, N_PLACES, N_RING, Procedural, make_room, weight_steps
from spinn_mam.backends.emulator.tasks import (
    CHUNKS,
    DELAYS,
    FIRST_COUNT,
    FIRST_ENTRY,
    N_SLOTS,
    N_TARGETS,
    QUANTILES,
    SLOT_LO,
    SOURCE_SIZE,
    TASK_HI,
    TASK_LO,
    Tasks,
    count_slots,
    exact_weight,
    make_tasks,
    row_key,
)
from spinn_mam.fixed_point.ring_buffer import WEIGHT_MAX
from spinn_mam.network.connectivity import Connectivity
from spinn_mam.network.kernels import synapse


@dataclass(frozen=True, slots=True)
class ProceduralStore:
    """The numbers of all synapses, by part, axon, delay and task.

    Attributes
    ----------
    tasks : Tasks
    widths : ndarray of int64, shape (n_parts, n_groups)
        Bytes of a count.
    counts : ndarray of uint8
        Of each pair from ``pairs[..., FIRST_ENTRY]`` on: by axon, slot and task.
    min_slots, max_slots : int
        Shortest and longest delay that occurs (slots).
    n_zero, n_saturated, n_uncompensated : int
        As in :class:`~spinn_mam.backends.emulator.build.SynapseStore`.
    """

    tasks: Tasks
    widths: npt.NDArray[np.int64]
    counts: npt.NDArray[np.uint8]
    min_slots: int
    max_slots: int
    n_zero: int
    n_saturated: int
    n_uncompensated: int

    def kernel(self, layout: Layout, given: bool) -> Procedural:
        """Give the time loop its arrays, with no spike under way."""
        tasks, pairs = self.tasks, self.tasks.pairs
        population, receptor = layout.senders
        rings = np.zeros((*pairs.shape[:2], N_RING), np.int64)
        places = inputs = 0
        for part, g in np.argwhere(pairs[:, :, TASK_HI] > pairs[:, :, TASK_LO]):
            n_steps = max(int(pairs[part, g, SLOT_LO] + pairs[part, g, N_SLOTS]) - self.min_slots, 0) + 1
            n = sum(most_spikes(s, n_steps, given) for s in layout.segments[layout.population == population[g]])
            rings[part, g, [FIRST_PLACE, N_PLACES, FIRST_INPUT]] = places, n, inputs
            places += n
            inputs += n * int(pairs[part, g, TASK_HI] - pairs[part, g, TASK_LO])
        return Procedural(
            tasks.task,
            tasks.keys,
            tasks.weights,
            tasks.quantiles,
            *weight_steps(tasks),
            pairs,
            tasks.groups,
            self.widths,
            self.counts,
            group_of_axons(tasks.groups),
            receptor,
            rings,
            np.empty(places, np.int64),
            np.empty(places, np.int64),
            np.empty(inputs, np.uint64),
            np.full((layout.n_parts, 2), -1, np.int64),
            make_room(layout.n_parts, int(rings[:, :, N_PLACES].max(initial=0))),
        )


def count_synapses(connectivity: Connectivity, layout: Layout, shifts: npt.NDArray[np.int64], delay_offset_steps: int = 1) -> ProceduralStore:
    """Count all synapses of a network; parameters are those of :func:`~spinn_mam.backends.emulator.build.build_synapses`."""
    tasks = make_tasks(connectivity, layout, shifts, delay_offset_steps)
    pairs = tasks.pairs
    n_tasks = pairs[:, :, TASK_HI] - pairs[:, :, TASK_LO]
    widths = _expected_widths(tasks)
    while True:
        sizes = (np.diff(tasks.groups) * n_tasks * pairs[:, :, N_SLOTS] * widths).ravel()
        pairs[:, :, FIRST_ENTRY] = (np.cumsum(sizes) - sizes).reshape(n_tasks.shape)
        counts = np.empty(int(sizes.sum()), np.uint8)
        tallies = np.zeros((CHUNKS, N_TALLIES + int((pairs[:, :, SLOT_LO] + pairs[:, :, N_SLOTS]).max(initial=0))), np.int64)
        largest = np.zeros((CHUNKS, *n_tasks.shape), np.int64)
        _fill(tasks, widths, counts, tallies, largest)
        needed = _width(largest.max(axis=0))
        if (needed <= widths).all():
            break
        widths = np.maximum(widths, needed)
    _count_cut(tasks, _may_be_cut(tasks), tallies)
    n_zero, n_saturated, n_moved, *by_slot = tallies.sum(axis=0).tolist()
    return ProceduralStore(tasks, widths, counts, *slot_range(by_slot), n_zero, n_saturated, n_moved)


def _width(largest: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Bytes that hold numbers up to this large."""
    return np.select([largest < 1 << 8, largest < 1 << 16], [np.int64(1), np.int64(2)], np.int64(4))


def _expected_widths(tasks: Tasks) -> npt.NDArray[np.int64]:
    """Guess the bytes that each pair's counts need: mean of the longest row's fullest slot and six standard deviations."""
    largest = np.zeros(tasks.pairs.shape[:2])
    for part, g in np.argwhere(tasks.pairs[:, :, TASK_HI] > tasks.pairs[:, :, TASK_LO]):
        for i in range(tasks.pairs[part, g, TASK_LO], tasks.pairs[part, g, TASK_HI]):
            task = tasks.task[i]
            row = int(tasks.counts[task[FIRST_COUNT] : task[FIRST_COUNT] + task[SOURCE_SIZE]].max())
            mean = row * float(np.diff(tasks.delays[task[DELAYS]].astype(np.float64), prepend=0.0).max()) / 2.0**32
            largest[part, g] = max(largest[part, g], min(row, mean + 6.0 * np.sqrt(mean)))
    return _width(largest)


def _may_be_cut(tasks: Tasks) -> npt.NDArray[np.bool_]:
    """Say for each task whether a weight can become zero or be cut to 65,535, by the ends of its quantiles."""
    ends = tasks.quantiles[tasks.task[:, QUANTILES]][:, [0, -1]]
    values = tasks.weights[:, :1] + tasks.weights[:, 1:2] * ends * 2.0**-20
    magnitudes = np.abs(values) * tasks.weights[:, 2:]
    crosses = (values.min(axis=1, initial=np.inf) < 0) & (values.max(axis=1, initial=-np.inf) > 0)
    cut: npt.NDArray[np.bool_] = crosses | (magnitudes.min(axis=1) <= 1.0) | (magnitudes.max(axis=1) >= WEIGHT_MAX)
    return cut


@njit(cache=True, parallel=True)
def _fill(tasks: Tasks, widths: Any, counts: Any, tallies: Any, largest: Any) -> None:
    """Draw and count the delays of all rows."""
    n_parts, n_groups, _ = tasks.pairs.shape
    for chunk in prange(len(tallies)):
        tally = tallies[chunk]
        histogram = np.empty(tallies.shape[1], np.int64)
        for g in range(n_groups):
            lo, hi = tasks.groups[g], tasks.groups[g + 1]
            for source in range((chunk - lo) % len(tallies), hi - lo, len(tallies)):
                for part in range(n_parts):
                    pair, width = tasks.pairs[part, g], widths[part, g]
                    n_tasks, n_slots = pair[TASK_HI] - pair[TASK_LO], pair[N_SLOTS]
                    row = pair[FIRST_ENTRY] + source * n_tasks * n_slots * width
                    h = histogram[:n_slots]
                    for i in range(n_tasks):
                        tally[N_MOVED] += count_slots(tasks, pair[TASK_LO] + i, source, pair[SLOT_LO], h)
                        for k in range(n_slots):
                            n = h[k]
                            tally[N_TALLIES + pair[SLOT_LO] + k] += n
                            largest[chunk, part, g] = max(largest[chunk, part, g], n)
                            at = row + (k * n_tasks + i) * width
                            for byte in range(width):
                                counts[at + byte] = np.uint8((n >> (8 * byte)) & 0xFF)


@njit(cache=True, parallel=True)
def _count_cut(tasks: Tasks, wanted: Any, tallies: Any) -> None:
    """Count the weights that become zero or are cut, of the tasks in which there may be any."""
    for chunk in prange(len(tallies)):
        for i in range(len(wanted)):
            if not wanted[i]:
                continue
            mean, sd, scale = tasks.weights[i, 0], tasks.weights[i, 1], tasks.weights[i, 2]
            table, n_targets = tasks.quantiles[tasks.task[i, QUANTILES]], tasks.task[i, N_TARGETS]
            for source in range(chunk, tasks.task[i, SOURCE_SIZE], len(tallies)):
                row = row_key(tasks.keys, i, source)
                for position in range(tasks.counts[tasks.task[i, FIRST_COUNT] + source]):
                    _, z = synapse(row, position, n_targets, table)
                    exact = exact_weight(mean, sd, scale, z)
                    w = np.rint(exact)
                    tallies[chunk, N_ZERO] += w == 0.0 and exact != 0.0
                    tallies[chunk, N_SATURATED] += w > WEIGHT_MAX
