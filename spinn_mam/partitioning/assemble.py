"""The cores that a partition makes, and who talks to whom.

Around the neuron slices:

- a split population has synapse cores beside each slice, which take the spikes; without them the neuron core takes them itself;
- a population with Poisson drive has a source core beside each slice, on the same chip, so that its spikes (far more than the network's own)
  never cross a link. It sends them to a combined core; to a split one it hands its sums over
  (``spynnaker/pyNN/extra_algorithms/splitter_components/splitter_poisson_delegate.py``: only split cores take them so);
- a population whose synapses have delays beyond its targets' ring buffers has as many delay extension cores, which take its
  spikes and send them again one or more stages later;
- a population of sources is a vertex of Poisson source cores; direct current needs no core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.delays import longest_steps
from spinn_mam.partitioning.structures import (
    DELAY_EXTENSION,
    NEURON,
    POISSON_SOURCE,
    SYNAPSE,
    Connections,
    IntArray,
    Partition,
    Slices,
    Vertices,
)
from spinn_mam.partitioning.synapse_cores import asking_order, deal_all

#: A vertex by population, kind and ordinal.
Row = dict[tuple[int, int, int], int]


@dataclass(frozen=True, slots=True)
class Delays:
    """Who sends to whom, and the delay extensions that it takes.

    Attributes
    ----------
    linked, late : list of (int, int)
        Pairs of populations, source and target, with synapses, and with delays beyond the target's ring buffers.
    stages, stage_slots : ndarray, shape (n_populations,)
        Stages of each population's delay extension and their steps; 0 without one.
    """

    linked: list[tuple[int, int]]
    late: list[tuple[int, int]]
    stages: IntArray
    stage_slots: IntArray


def assemble(spec: NetworkSpec, per_core: IntArray, cores: Sequence[budgets.CoreBudget | None], delays: Delays) -> Partition:
    """Make vertices, slices and connections.

    Parameters
    ----------
    spec : NetworkSpec
    per_core : ndarray, shape (n_populations,)
        Neurons a slice.
    cores : sequence of CoreBudget or None
        Of each population; None for a population of sources.
    delays : Delays
        That :func:`find_delays` gives for these cores.

    Returns
    -------
    Partition
    """
    slots = np.array([c.delay_slots if c else 0 for c in cores], dtype=np.int64)
    synapse_cores = np.array([c.synapse_cores if c else 0 for c in cores], dtype=np.int64)
    linked, late, stages, stage_slots = delays.linked, delays.late, delays.stages, delays.stage_slots
    # Vertices in the order neurons, synapse cores, Poisson drive, delay extension of each population.
    plan: list[tuple[int, int, int, int, float]] = []
    for index, population in enumerate(spec.populations):
        n = int(per_core[index])
        own = POISSON_SOURCE if population.is_source else NEURON
        rate = population.source_rate if population.is_source else spec.expected_rates[index]
        plan.append((index, own, 0, n, rate))
        plan += [(index, SYNAPSE, j, 0, 0.0) for j in range(int(synapse_cores[index]))]
        if population.drive is not None and population.drive.rate > 0:
            plan.append((index, POISSON_SOURCE, 0, n, population.drive.rate))
        if stages[index]:
            plan.append((index, DELAY_EXTENSION, 0, n * int(stages[index]), rate))
    row = {(p, k, j): v for v, (p, k, j, _, _) in enumerate(plan)}
    n_slices = [-(-spec.populations[p].size // int(per_core[p])) for p, _, _, _, _ in plan]
    vertices = Vertices(
        population=np.array([p for p, _, _, _, _ in plan], dtype=np.int64),
        kind=np.array([k for _, k, _, _, _ in plan], dtype=np.int64),
        ordinal=np.array([j for _, _, j, _, _ in plan], dtype=np.int64),
        ids_per_core=np.array([n for _, _, _, n, _ in plan], dtype=np.int64),
        rate=np.array([r for _, _, _, _, r in plan], dtype=np.float64),
        first_slice=np.concatenate([[0], np.cumsum(n_slices)]).astype(np.int64),
    )
    synapse_core = _deal(spec, vertices, row, linked, late, synapse_cores)
    return Partition(
        vertices=vertices,
        slices=_slices(spec, vertices, row, per_core, cores, stages, stage_slots),
        connections=_connections(spec, vertices, row, linked, late, synapse_cores, synapse_core),
        neurons_per_core=per_core,
        delay_slots=slots,
        delay_stages=stages,
        stage_slots=stage_slots,
        synapse_cores=synapse_cores,
        synapse_core=synapse_core,
        cycles_per_step=np.array([c.cycles if c else 0.0 for c in cores], dtype=np.float64),
    )


def find_delays(spec: NetworkSpec, slots: IntArray) -> Delays:
    """Find the delay extensions that a network needs.

    Parameters
    ----------
    spec : NetworkSpec
    slots : ndarray, shape (n_populations,)
        Ring-buffer slots of each population's cores.

    Returns
    -------
    Delays
        Its stages may be more than there can be.
    """
    n_pop = len(spec.populations)
    stages, stage_slots = np.zeros(n_pop, dtype=np.int64), np.zeros(n_pop, dtype=np.int64)
    longest: dict[tuple[int, int], int] = {}
    for p in spec.projections:
        if p.n_synapses > 0:
            longest[p.source, p.target] = max(longest.get((p.source, p.target), 0), longest_steps(p, spec.dt))
    linked = sorted(longest)
    late = [(s, t) for s, t in linked if longest[s, t] > int(slots[t])]
    for source, target in late:
        # The tools (7.4.1) take targets of unequal slots only if none is late; the shortest stage serves them all.
        stage_slots[source] = min(int(stage_slots[source]) or int(slots[target]), int(slots[target]))
    for source, target in late:
        stages[source] = max(int(stages[source]), -(-longest[source, target] // int(stage_slots[source])) - 1)
    return Delays(linked, late, stages, stage_slots)


def _own(spec: NetworkSpec, row: Row, population: int) -> int:
    """Return the vertex of a population's neurons or sources."""
    return row[population, POISSON_SOURCE if spec.populations[population].is_source else NEURON, 0]


def _deal(
    spec: NetworkSpec, vertices: Vertices, row: Row, linked: list[tuple[int, int]], late: list[tuple[int, int]], synapse_cores: IntArray
) -> npt.NDArray[np.int16]:
    """Deal all source slices to the cores of all target populations, shape (n_populations, n_slices)."""
    order = asking_order(spec)
    all_of, late_of = _by_source(linked), _by_source(late)
    asked = [(_own(spec, row, s), all_of[s]) for s in order]
    asked += [(row[s, DELAY_EXTENSION, 0], late_of[s]) for s in order if (s, DELAY_EXTENSION, 0) in row]
    # A drive sends to its own combined cores only.
    asked += [(v, [p]) for (p, k, _), v in row.items() if k == POISSON_SOURCE and v != _own(spec, row, p) and not synapse_cores[p]]
    first = vertices.first_slice
    return deal_all([(int(first[v]), int(first[v + 1]), targets) for v, targets in asked], synapse_cores, int(first[-1]))


def _by_source(pairs: list[tuple[int, int]]) -> dict[int, list[int]]:
    """Return the targets of each source."""
    found: dict[int, list[int]] = {}
    for source, target in pairs:
        found.setdefault(source, []).append(target)
    return found


def _connections(
    spec: NetworkSpec,
    vertices: Vertices,
    row: Row,
    linked: list[tuple[int, int]],
    late: list[tuple[int, int]],
    synapse_cores: IntArray,
    synapse_core: npt.NDArray[np.int16],
) -> Connections:
    first = vertices.first_slice
    links: list[tuple[int, int, int, int, bool]] = []
    senders = [(_own(spec, row, s), t) for s, t in linked] + [(row[s, DELAY_EXTENSION, 0], t) for s, t in late]
    for v, t in senders:
        taker = synapse_core[t, first[v] : first[v + 1]]
        begins = np.flatnonzero(np.diff(taker, prepend=-1)).tolist()
        for lo, hi in zip(begins, [*begins[1:], len(taker)], strict=True):
            links.append((v, row[t, SYNAPSE, int(taker[lo])] if synapse_cores[t] else row[t, NEURON, 0], lo, hi, False))
    for (p, kind, _), v in row.items():
        own = _own(spec, row, p)
        ends = {POISSON_SOURCE: (v, own), DELAY_EXTENSION: (own, v)}.get(kind)
        if ends is not None and v != own and not (kind == POISSON_SOURCE and synapse_cores[p]):
            links.append((*ends, 0, int(first[v + 1] - first[v]), True))
    return Connections(
        source=np.array([s for s, _, _, _, _ in links], dtype=np.int64),
        target=np.array([t for _, t, _, _, _ in links], dtype=np.int64),
        lo=np.array([lo for _, _, lo, _, _ in links], dtype=np.int64),
        hi=np.array([hi for _, _, _, hi, _ in links], dtype=np.int64),
        one_to_one=np.array([o for _, _, _, _, o in links], dtype=np.bool_),
    )


def _slices(
    spec: NetworkSpec,
    vertices: Vertices,
    row: Row,
    per_core: IntArray,
    cores: Sequence[budgets.CoreBudget | None],
    stages: IntArray,
    stage_slots: IntArray,
) -> Slices:
    n_of = np.diff(vertices.first_slice)
    vertex = np.repeat(np.arange(len(n_of)), n_of)
    population = vertices.population[vertex]
    index = np.arange(len(vertex)) - vertices.first_slice[vertex]
    lo = index * per_core[population]
    serves = np.full(len(vertex), -1, dtype=np.int64)
    need = np.zeros((len(n_of), 3), dtype=np.int64)  # SDRAM, DTCM, handed over
    for (p, kind, j), v in row.items():
        core = cores[p]
        if kind == NEURON and core is not None:
            need[v, :2] = core.sdram_bytes, core.dtcm_bytes
        elif kind == SYNAPSE and core is not None:
            need[v] = core.synapse_sdram_bytes[j], core.synapse_dtcm_bytes, core.hand_over_bytes
        elif kind == DELAY_EXTENSION:
            need[v, :2] = budgets.delay_core(int(per_core[p]), int(stages[p]), int(stage_slots[p]))
        else:
            need[v] = *budgets.poisson_core(int(per_core[p])), core.hand_over_bytes if core is not None else 0
        if v != _own(spec, row, p):
            first = int(vertices.first_slice[_own(spec, row, p)])
            serves[vertices.first_slice[v] : vertices.first_slice[v + 1]] = np.arange(first, first + int(n_of[v]))
    return Slices(
        population=population,
        kind=vertices.kind[vertex],
        vertex=vertex,
        lo=lo,
        hi=np.minimum(lo + per_core[population], spec.sizes[population]),
        serves=serves,
        sdram_bytes=need[vertex, 0],
        dtcm_bytes=need[vertex, 1],
        hand_over_bytes=need[vertex, 2],
    )
