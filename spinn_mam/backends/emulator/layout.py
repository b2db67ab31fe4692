"""Where the emulator keeps what: neurons in parts that stay in a core's cache, sources of spikes as axons.

A *part* is a set of target blocks (the connectivity's blocks of at most 8,192 neurons of a population) whose input sums
fit a second-level cache; one thread works on one part at a time. A *segment* is one block: neurons with the same
constants, consecutive in the state arrays. An *axon* is a source neuron together with the receptor its spikes act on; a
population that sends both kinds has two axons for each neuron. How blocks are dealt over parts depends on the network
alone, never on the number of threads.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator.drive import poisson_thresholds
from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.ring_buffer import quantise_weights, weight_scales
from spinn_mam.network.connectivity import MAX_BLOCK
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.network.streams import stream_key

#: Columns of ``Layout.segments``; V_REST to INIT_I are the fields of LifConstants in their order.
(
    LO,
    HI,
    GLOBAL,
    LOCAL,
    AXON_EXC,
    AXON_INH,
    V_REST,
    V_RESET,
    V_TH,
    R_MEMBRANE,
    EXP_TC,
    I_OFFSET,
    T_REFRACT,
    DECAY_EXC,
    INIT_EXC,
    DECAY_INH,
    INIT_INH,
    SHIFT_EXC,
    SHIFT_INH,
    DRIVE_WEIGHT,
    DRIVE_RECEPTOR,
    N_THRESHOLDS,
    IS_SOURCE,
    START,
    STOP,
    N_COLUMNS,
) = range(26)
#: A synaptic word keeps the target within its part in 16 bits.
MAX_PART = 1 << 16
#: Neurons of a part by default: two input sums of 4 bytes each stay in half a megabyte.
PART_SIZE = 44_000
# Rough cost of one neuron update and of one synaptic event (ns), to balance the parts.
_UPDATE_COST, _EVENT_COST = 1.5, 1.3


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays' order.

    Attributes
    ----------
    n_state : int
        Neurons (without sources).
    part_bounds : ndarray of int64, shape (n_parts + 1,)
        State indices of each part.
    segment_bounds : ndarray of int64, shape (n_parts + 1,)
        Rows of ``segments`` of each part.
    segments : ndarray of int64, shape (n_segments, N_COLUMNS)
        One row a segment; see the columns above. Of sources only LO = 0, HI = size, GLOBAL, axons, thresholds and window
        have a meaning.
    keys : ndarray of uint64, shape (n_segments,)
        Random stream of the segment's drive or source.
    thresholds : ndarray of uint32, shape (n_segments, n)
        Poisson thresholds, the first N_THRESHOLDS of each row.
    population : ndarray of int64, shape (n_segments,)
        Population of each segment.
    axon_base : ndarray of int64, shape (n_populations, 2)
        First axon of each population and receptor, or -1.
    n_axons : int
    """

    n_state: int
    part_bounds: npt.NDArray[np.int64]
    segment_bounds: npt.NDArray[np.int64]
    segments: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    thresholds: npt.NDArray[np.uint32]
    population: npt.NDArray[np.int64]
    axon_base: npt.NDArray[np.int64]
    n_axons: int

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return len(self.part_bounds) - 1

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """First axon of each population and receptor that has axons, and the number of axons; shape (n_groups + 1,)."""
        return np.append(np.sort(self.axon_base[self.axon_base >= 0]), self.n_axons)

    @property
    def senders(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Population and receptor of each of these groups, each of shape (n_groups,)."""
        used = self.axon_base >= 0
        order = np.argsort(self.axon_base[used])
        population, receptor = np.nonzero(used)
        return population[order].astype(np.int64), receptor[order].astype(np.int64)

    @property
    def state_of(self) -> npt.NDArray[np.int64]:
        """State index of each neuron by global index, -1 for sources; shape (n_neurons,)."""
        out = np.full(int((self.segments[:, GLOBAL] + self.segments[:, HI] - self.segments[:, LO]).max()), -1, np.int64)
        for s in self.segments[self.segments[:, IS_SOURCE] == 0]:
            out[s[GLOBAL] : s[GLOBAL] + s[HI] - s[LO]] = np.arange(s[LO], s[HI])
        return out


def make_layout(
    spec: NetworkSpec,
    shifts: npt.NDArray[np.int64],
    seed: int,
    n_parts: int | None = None,
    pairs_on: Sequence[int] | None = None,
) -> Layout:
    """Deal a network's blocks over parts and write down their constants.

    Parameters
    ----------
    spec : NetworkSpec
    shifts : ndarray of int64, shape (n_populations, 2)
        Ring-buffer shifts.
    seed : int
        Of the Poisson streams.
    n_parts : int, optional
        Default: as many as keep a part near PART_SIZE neurons, at least two.
    pairs_on : sequence of int, optional
        Neurons a core of each population: keep neurons 2k and 2k + 1 of a core in one part, and one after the other.

    Returns
    -------
    Layout
    """
    axon_base, n_axons = _axons(spec)
    blocks = _blocks(spec)
    n_neurons = sum(p.size for p in spec.populations if not p.is_source)
    groups = _chain(blocks, pairs_on) if pairs_on is not None else [[block] for block in blocks]
    parts = _deal(spec, groups, n_parts or max(2, round(n_neurons / PART_SIZE)))
    scales = weight_scales(shifts)
    rows: list[list[int]] = []
    keys: list[np.uint64] = []
    tables: list[npt.NDArray[np.uint32]] = []
    population: list[int] = []
    part_bounds, segment_bounds, at = [0], [0], 0
    offsets = spec.offsets.tolist()
    common = [_constants(spec, p, shifts, scales, seed) for p in range(len(spec.populations))]
    for part in parts:
        for p, lo, hi in part:
            constants, table, key = common[p]
            row = constants.copy()
            row[GLOBAL], row[LOCAL] = offsets[p] + lo, lo
            for column, base in ((AXON_EXC, axon_base[p, 0]), (AXON_INH, axon_base[p, 1])):
                row[column] = int(base) + lo if base >= 0 else -1
            row[LO], row[HI] = (0, hi - lo) if row[IS_SOURCE] else (at, at + hi - lo)
            at += 0 if row[IS_SOURCE] else hi - lo
            keys.append(key)
            rows.append(row)
            tables.append(table)
            population.append(p)
        part_bounds.append(at)
        segment_bounds.append(len(rows))
    if max(np.diff(part_bounds)) > MAX_PART:
        raise UsageError(f"{n_neurons} neurons in {len(parts)} parts: a part holds at most {MAX_PART}; use more parts")
    thresholds = np.zeros((len(rows), max(1, *(len(t) for t in tables))), np.uint32)
    for i, table in enumerate(tables):
        thresholds[i, : len(table)] = table
    return Layout(
        at,
        np.array(part_bounds, np.int64),
        np.array(segment_bounds, np.int64),
        np.array(rows, np.int64).reshape(-1, N_COLUMNS),
        np.array(keys, np.uint64),
        thresholds,
        np.array(population, np.int64),
        axon_base,
        n_axons,
    )


def _constants(
    spec: NetworkSpec, p: int, shifts: npt.NDArray[np.int64], scales: npt.NDArray[np.float64], seed: int
) -> tuple[list[int], npt.NDArray[np.uint32], np.uint64]:
    """Return what all segments of a population have in common: constants in their columns, Poisson thresholds and random stream."""
    pop = spec.populations[p]
    row = [0] * N_COLUMNS
    table = np.zeros(0, np.uint32)
    if pop.neuron is None:
        row[IS_SOURCE] = 1
        row[START], row[STOP] = _step(pop.source_start, spec.dt), _step(pop.source_stop, spec.dt)
        table = poisson_thresholds(pop.source_rate * spec.dt / 1000.0)
    else:
        row[V_REST : INIT_INH + 1] = astuple(lif_constants(pop.neuron, pop.I_e, spec.dt))
        row[SHIFT_EXC], row[SHIFT_INH] = int(shifts[p, 0]), int(shifts[p, 1])
        if pop.drive is not None and pop.drive.rate > 0:
            receptor = int(pop.drive.weight < 0)
            row[DRIVE_RECEPTOR] = receptor
            row[DRIVE_WEIGHT] = int(quantise_weights(np.array([pop.drive.weight]), float(scales[p, receptor]))[0][0])
            table = poisson_thresholds(pop.drive.rate * spec.dt / 1000.0)
    row[N_THRESHOLDS] = len(table)
    return row, table, stream_key(seed, "source" if pop.neuron is None else "drive", pop.name)


def most_source_spikes(segment: npt.NDArray[np.int64], given: bool) -> int:
    """Bound the spikes of one source in a step: the largest number that can be drawn, or for given ones far beyond."""
    return int(segment[N_THRESHOLDS]) + (16 if given else 0)


def most_spikes(segment: npt.NDArray[np.int64], n_steps: int, given: bool) -> int:
    """Bound the spikes of a segment in a number of steps, by refractory periods; a reset at threshold spikes in each step."""
    n = int(segment[HI] - segment[LO])
    if segment[IS_SOURCE]:
        return n * n_steps * most_source_spikes(segment, given)
    return n * (n_steps if segment[V_RESET] >= segment[V_TH] else -(-n_steps // (int(segment[T_REFRACT]) + 1)))


def most_spikes_of_a_part(layout: Layout, n_steps: int, given: bool) -> int:
    """Bound the spikes of the part that can emit most in a number of steps."""
    return max(sum(most_spikes(s, n_steps, given) for s in layout.segments[lo:hi]) for lo, hi in pairwise(layout.segment_bounds.tolist()))


def _step(time: float, dt: float) -> int:
    return round(time / dt) if np.isfinite(time) else np.iinfo(np.int64).max


def _axons(spec: NetworkSpec) -> tuple[npt.NDArray[np.int64], int]:
    base = np.full((len(spec.populations), 2), -1, np.int64)
    used = {(p.source, int(p.receptor == "inhibitory")) for p in spec.projections if p.n_synapses > 0}
    n = 0
    for p, population in enumerate(spec.populations):
        for receptor in range(2):
            if (p, receptor) in used:
                base[p, receptor] = n
                n += population.size
    return base, n


def _blocks(spec: NetworkSpec) -> list[tuple[int, int, int]]:
    """List population, first and last + 1 neuron of each block: those of the connectivity recipe."""
    blocks = []
    for p, population in enumerate(spec.populations):
        n = -(-population.size // MAX_BLOCK)
        bounds = [b * population.size // n for b in range(n + 1)]
        blocks += [(p, a, b) for a, b in pairwise(bounds)]
    return blocks


def _chain(blocks: list[tuple[int, int, int]], per_core: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """Put blocks together whose boundary lies between the neurons 2k and 2k + 1 of a core."""
    groups: list[list[tuple[int, int, int]]] = []
    for block in blocks:
        p, lo, _ = block
        if lo % per_core[p] % 2:
            groups[-1].append(block)
        else:
            groups.append([block])
    return groups


def _deal(spec: NetworkSpec, groups: list[list[tuple[int, int, int]]], n_parts: int) -> list[list[tuple[int, int, int]]]:
    """Give each group of blocks, the most expensive first, to the part with the least work."""
    events = np.zeros(len(spec.populations))
    for projection in spec.projections:
        source = spec.populations[projection.source]
        rate = source.source_rate if source.is_source else spec.expected_rates[projection.source]
        events[projection.target] += rate * projection.n_synapses
    steps = 1000.0 / spec.dt

    def cost(block: tuple[int, int, int]) -> float:
        p, lo, hi = block
        if spec.populations[p].is_source:
            return 0.2 * _UPDATE_COST * steps * (hi - lo)
        return (hi - lo) * (_UPDATE_COST * steps + _EVENT_COST * float(events[p]) / spec.populations[p].size)

    work = [(0.0, p) for p in range(n_parts)]  # a heap
    parts: list[list[tuple[int, int, int]]] = [[] for _ in range(n_parts)]
    for cost_of_group, group in sorted((-sum(map(cost, group)), group) for group in groups):
        least, p = work[0]
        parts[p] += group
        heapq.heapreplace(work, (least - cost_of_group, p))
    return [sorted(part) for part in parts]
