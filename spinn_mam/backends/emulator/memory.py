"""The emulator's memory, before anything is drawn.

Problem
    Whether a network fits must be known before its synapses are made: by words or counts, by the headers of rows, which exceed the words where
    rows are short and delays spread, and by what grows while it runs.
Method
    The layout says which part has which target blocks; a projection then tells which rows there are and which slots their delays can have. Arrays
    have the sizes that :mod:`.build`, :mod:`.procedural` and :mod:`.loop` give them; only the width of counts and headers is a guess, as a row's
    length is drawn later.
Cost
    One pass over projections and parts: 0.3 s for the multi-area model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator.layout import HI, LO, Layout, make_layout, most_spikes, most_spikes_of_a_part
from spinn_mam.backends.emulator.stored import nothing_due_bytes
from spinn_mam.backends.emulator.tasks import N_TASK
from spinn_mam.network.connectivity import delay_table
from spinn_mam.network.spec import IntArray, NetworkSpec

#: Python, its libraries and compiled code (bytes), measured.
PROGRAM_BYTES = 300_000_000
#: Slots = delay (steps) + this, see :mod:`.tasks`.
_OFFSET = 1
#: Standard deviations above the mean that a row's length, or a count, is expected to stay below.
_MARGIN = 6.0


@dataclass(frozen=True, slots=True)
class ExpectedMemory:
    """Bytes of a run.

    Attributes
    ----------
    synapses_bytes : int
        Words, or counts.
    headers_bytes : int
        What finds them.
    under_way_bytes : int
        Room for spikes under way, of the most that refractory periods allow; touched as far as spikes come.
    neurons_bytes : int
        State of neurons, and recorded spikes of one call of the time loop at the expected rates.
    building_bytes : int
        What is needed beside these while the synapses are made.
    """

    synapses_bytes: int
    headers_bytes: int
    under_way_bytes: int
    neurons_bytes: int
    building_bytes: int

    @property
    def peak_bytes(self) -> int:
        """Most that the process holds, while it builds or while it runs."""
        network = PROGRAM_BYTES + self.synapses_bytes + self.headers_bytes
        return network + max(self.under_way_bytes + self.neurons_bytes, self.building_bytes)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Groups of axons and the parts that they reach, arrays of shape (n_parts, n_groups) but for ``sizes``, (n_groups,)."""

    first: IntArray
    last: IntArray
    n_tasks: IntArray
    row: npt.NDArray[np.float64]
    fullest: npt.NDArray[np.float64]
    sizes: IntArray

    @property
    def n_slots(self) -> IntArray:
        return np.where(self.n_tasks > 0, self.last - self.first + 1, 0)

    @property
    def rows(self) -> IntArray:
        return self.sizes * (self.n_tasks > 0)


def expected_memory(spec: NetworkSpec, synapses: str, chunk_steps: int) -> ExpectedMemory:
    """Estimate what a run takes from the host.

    Parameters
    ----------
    spec : NetworkSpec
    synapses : str
        ``"stored"`` or ``"procedural"``, or ``"expanded"``: stored ones that the machine's generators make.
    chunk_steps : int
        Steps of one call of the time loop.

    Raises
    ------
    UsageError
        If a delay is too long for the emulator.
    """
    layout = make_layout(spec, np.zeros((len(spec.populations), 2), np.int64), 0)
    pairs = _pairs(spec, layout)
    there = pairs.n_tasks > 0
    depth = int(pairs.last.max(initial=1) + pairs.first[there].min(initial=1))
    tasks_bytes = int(pairs.n_tasks.sum()) * (8 * N_TASK + 2 * 8 + 3 * 8)
    row_counts = 4 * int((pairs.sizes * pairs.n_tasks).sum())
    history, rings = _under_way(layout, pairs, depth)
    if synapses == "expanded":
        words, rows = 4 * spec.n_synapses, layout.n_parts * layout.n_axons
        headers = rows * (8 + 2 * (depth + 1))
        under_way, building = history + nothing_due_bytes(layout.n_parts, depth), 16 * rows * (depth + 1)
    elif synapses == "stored":
        header = np.where((pairs.row + _MARGIN * np.sqrt(pairs.row)).max(initial=0.0) < 2**16, 2, 4)
        words = 4 * spec.n_synapses
        headers = 8 * int(pairs.rows.sum()) + int(header) * int((pairs.rows * (pairs.n_slots + 1)).sum())
        under_way = history + nothing_due_bytes(layout.n_parts, depth)
        building = 16 * int(pairs.rows.sum()) + row_counts + tasks_bytes
    else:
        most = pairs.fullest + _MARGIN * np.sqrt(pairs.fullest)
        width = np.select([most < 2**8, most < 2**16], [1, 2], 4)
        words = int((pairs.sizes * pairs.n_tasks * pairs.n_slots * width).sum())
        headers = row_counts + tasks_bytes
        under_way, building = history + rings, 0
    rates = np.array([p.source_rate if p.is_source else r for p, r in zip(spec.populations, spec.expected_rates, strict=True)])
    recorded = 8 * float(spec.sizes @ rates) * chunk_steps * spec.dt / 1000.0
    return ExpectedMemory(words, headers, under_way, 24 * layout.n_state + round(recorded), building)


def _pairs(spec: NetworkSpec, layout: Layout) -> _Pairs:
    """Find which rows there will be."""
    n_parts, n_populations = layout.n_parts, len(spec.populations)
    part = np.repeat(np.arange(n_parts), np.diff(layout.segment_bounds))
    lengths = layout.segments[:, HI] - layout.segments[:, LO]
    blocks = np.zeros((n_populations, n_parts), np.int64)
    targets = np.zeros((n_populations, n_parts))
    largest = np.zeros(n_populations)
    np.add.at(blocks, (layout.population, part), 1)
    np.add.at(targets, (layout.population, part), lengths)
    np.maximum.at(largest, layout.population, lengths)
    reached = [np.flatnonzero(row) for row in blocks]
    senders = layout.senders
    n_groups = len(senders[0])
    group = np.full((n_populations, 2), -1, np.int64)
    group[senders] = np.arange(n_groups)
    first = np.full((n_parts, n_groups), np.iinfo(np.int64).max)
    last, n_tasks = np.zeros_like(first), np.zeros_like(first)
    row, fullest = np.zeros(first.shape), np.zeros(first.shape)
    for projection in spec.projections:
        if projection.n_synapses == 0:
            continue
        g = int(group[projection.source, int(projection.receptor == "inhibitory")])
        parts = reached[projection.target]
        table = delay_table(projection.delay, spec.dt)
        lo = max(1, table.first + _OFFSET)
        first[parts, g] = np.minimum(first[parts, g], lo)
        last[parts, g] = np.maximum(last[parts, g], max(1, table.first + _OFFSET + len(table.cumulative) - 1))
        n_tasks[parts, g] += blocks[projection.target, parts]
        mean = projection.n_synapses / spec.populations[projection.source].size / spec.populations[projection.target].size
        row[parts, g] += mean * targets[projection.target, parts]
        peak = float(np.diff(table.cumulative.astype(np.float64), prepend=0.0).max()) / 2.0**32
        fullest[parts, g] = np.maximum(fullest[parts, g], mean * largest[projection.target] * peak)
    sizes = np.diff(layout.groups)
    return _Pairs(first, last, n_tasks, row, fullest, sizes)


def _under_way(layout: Layout, pairs: _Pairs, depth: int) -> tuple[int, int]:
    """Return bytes of the history of spikes, and of the rings of procedural synapses."""
    segments = layout.segments
    room = [most_spikes_of_a_part(layout, n, False) for n in (1, depth)]
    history = layout.n_parts * 2 * (room[1] + 2 * room[0]) * 4 + 2 * 4 * depth * layout.n_parts * 2
    population, _ = layout.senders
    shortest = int(pairs.first[pairs.n_tasks > 0].min(initial=1))
    part_of, group_of = np.nonzero(pairs.n_tasks)
    n_steps = np.maximum(pairs.last[part_of, group_of] + 1 - shortest, 0) + 1
    kinds, which = np.unique(population[group_of] * (depth + 2) + n_steps, return_inverse=True)
    own = [segments[layout.population == p] for p in range(len(layout.axon_base))]
    most = np.array([sum(most_spikes(s, int(k % (depth + 2)), False) for s in own[int(k // (depth + 2))]) for k in kinds], np.int64)
    rings = int((most[which] * (16 + 8 * pairs.n_tasks[part_of, group_of])).sum())
    return history, rings
