"""Chips, boards and traffic of a network: placed exactly, or by population where there are too many slices.

Problem
    Chips are filled by cores or by memory; a spike crosses one link for each chip that it is wanted on, at least. Routing all spikes of
    the multi-area model takes hours and hundreds of gigabytes, placing it takes seconds.
Method
    *placed*: the mapping's own partition and placement; the chips that each population's spikes must reach are then known, and with them bounds of
    traffic and of tables, without a single route. *counted*: as many slices of a population go on a chip as its cores and its memory hold,
    and each population has chips of its own. Routes cost more than their bound: :data:`DETOUR` is what the router needed where it ran.
Cost
    Placed: linear in slices and in pairs of populations and chips; some 6 s for the multi-area model. Counted: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import DoesNotFitError
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import FloatArray, NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.assemble import assemble
from spinn_mam.partitioning.pipeline import groups_of
from spinn_mam.partitioning.place_boards import place
from spinn_mam.partitioning.structures import PlacementProblem
from spinn_mam.partitioning.tables import routing_problem
from spinn_mam.planning.cores import CoreCounts

#: Links that the router's trees took over the bound for their placement, least and most, of PD14 and of multi-area networks, in both layouts: 1.005
#: to 1.03 where most chips are targets, 1.27 to 1.49 where few are; see docs/planning.md.
DETOUR = (1.0, 1.5)
#: More cores than this are not placed.
MAX_PLACED = 200_000


@dataclass(frozen=True, slots=True)
class Least:
    """What no layout can do without, whatever its tables.

    Attributes
    ----------
    synapses_bytes : int
        Four bytes a synapse.
    neuron_cores : int
        With the most neurons that a core's tables number.
    chips, boards : int
        That hold both.
    """

    synapses_bytes: int
    neuron_cores: int
    chips: int
    boards: int


def least(spec: NetworkSpec, machine: MachineDescription) -> Least:
    """Return the least that a network takes of a machine's chips."""
    words = budgets.WORD_BYTES * spec.n_synapses
    cores = int((-(-spec.sizes // budgets.MAX_NEURONS_PER_CORE)).sum())
    chips = max(-(-words // int(machine.sdram_bytes.max())), math.ceil(cores / float(machine.n_cores.mean())))
    return Least(words, cores, chips, -(-chips * machine.n_boards // machine.n_chips))


@dataclass(frozen=True, slots=True)
class ChipCounts:
    """Chips and what passes between them.

    Attributes
    ----------
    kind : str
        ``"placed"`` or ``"counted"``.
    chips, boards : int
        In use.
    sdram_bytes_max : int or None
        Of the fullest chip; None if no chip was filled.
    spikes_per_s : float
        Spikes that leave their core for other cores (biological time), those of delay extensions included.
    events_per_s : float
        Synaptic events, without those of the Poisson drive.
    drive_per_s : float
        Spikes of the Poisson drive.
    link_traversals_bound : float
        Fewest links that a spike crosses in the mean.
    busiest_link_bound : float or None
        Least that the busiest link carries (spikes/s); None if not placed.
    n_routed : int
        Pairs of a source chip's net and a chip that it must reach: what routing costs.
    entries_mean, entries_max : float or None
        Fewest routing entries of a chip, mean and most: one for each vertex that sends there; those of spikes that only pass come on top.
    """

    kind: str
    chips: int
    boards: int
    sdram_bytes_max: int | None
    spikes_per_s: float
    events_per_s: float
    drive_per_s: float
    link_traversals_bound: float
    busiest_link_bound: float | None
    n_routed: int
    entries_mean: float | None
    entries_max: float | None

    @property
    def entries_of_chip_trees(self) -> float:
        """Mean entries of a chip with a tree for each source chip of a vertex, as this package routes; before compression."""
        return DETOUR[0] * self.n_routed / self.chips

    @property
    def link_traversals(self) -> tuple[float, float]:
        """Links that a spike is expected to cross, least and most."""
        return DETOUR[0] * self.link_traversals_bound, DETOUR[1] * self.link_traversals_bound


def count_chips(spec: NetworkSpec, machine: MachineDescription, counts: CoreCounts, *, may_place: bool = True) -> ChipCounts:
    """Find the chips of a network.

    Parameters
    ----------
    spec : NetworkSpec
    machine : MachineDescription
    counts : CoreCounts
    may_place : bool
        Whether to place it where that takes seconds.

    Returns
    -------
    ChipCounts
        Of more chips than the machine has, if it does not fit.
    """
    if may_place and int(counts.by_kind.sum()) <= MAX_PLACED:
        try:
            return _placed(spec, machine, counts)
        except DoesNotFitError:
            pass  # the count says how much is missing
    return _counted(spec, machine, counts)


def _rates(spec: NetworkSpec) -> FloatArray:
    return np.array([p.source_rate if p.is_source else r for p, r in zip(spec.populations, spec.expected_rates, strict=True)])


def _loads(spec: NetworkSpec) -> tuple[float, float]:
    """Return synaptic events and spikes of the drive a second."""
    rates, sizes = _rates(spec), spec.sizes
    events = sum(p.n_synapses * float(rates[p.source]) for p in spec.projections)
    drive = sum(float(n) * p.drive.rate for p, n in zip(spec.populations, sizes.tolist(), strict=True) if p.drive is not None)
    return events, drive


def _placed(spec: NetworkSpec, machine: MachineDescription, counts: CoreCounts) -> ChipCounts:
    parts = assemble(spec, counts.cores.neurons_per_core, counts.cores.budgets, counts.cores.delays)
    placement = place(PlacementProblem(machine, groups_of(parts), parts.slices.sdram_bytes), rng=np.random.default_rng(0))
    problem = routing_problem(parts, placement, machine.neighbour)
    used = np.unique(placement.chip)
    n_targets = np.diff(problem.target_first)
    # whether the chip of each net is among those that its vertex sends to
    wanted = np.repeat(np.arange(len(n_targets)), n_targets) * machine.n_chips + problem.target_chips
    net = problem.vertex * machine.n_chips + problem.chip
    at = np.searchsorted(wanted, net)
    own = np.append(wanted, -1)[at] == net
    multicast = n_targets[problem.vertex] > 0
    rate = float(problem.rate[multicast].sum())
    crossed = float((problem.rate * (n_targets[problem.vertex] - own))[multicast].sum())
    of_vertex = np.bincount(problem.vertex, problem.rate, len(n_targets))
    received = np.bincount(problem.target_chips, np.repeat(of_vertex, n_targets), machine.n_chips)
    received -= np.bincount(problem.chip[own], problem.rate[own], machine.n_chips)
    links = machine.neighbour >= 0
    incoming = np.bincount(machine.neighbour[links], minlength=machine.n_chips)
    entries = np.bincount(problem.target_chips, minlength=machine.n_chips)[used]
    sdram = np.bincount(placement.chip, weights=parts.slices.sdram_bytes, minlength=machine.n_chips)
    events, drive = _loads(spec)
    return ChipCounts(
        "placed",
        len(used),
        len(np.unique(machine.ethernet[used])),
        int(sdram.max()),
        rate,
        events,
        drive,
        crossed / rate if rate else 0.0,
        max(float((received / np.maximum(incoming, 1)).max()), crossed / max(int(links.sum()), 1)),
        int(n_targets[problem.vertex].sum()),
        float(entries.mean()),
        float(entries.max()),
    )


def chips_by_population(machine: MachineDescription, counts: CoreCounts) -> FloatArray:
    """Return the chips that each population takes if it has them for itself, shape (n_populations,); not whole ones.

    Parameters
    ----------
    machine : MachineDescription
        The numbers of its chips' cores, and their memory.
    counts : CoreCounts
    """
    cores, number = np.unique(machine.n_cores, return_counts=True)
    memory = int(machine.sdram_bytes.max())
    held = np.minimum(cores[:, None] // counts.cores_a_slice, memory // np.maximum(counts.sdram_bytes, 1))
    return np.asarray(counts.n_slices / (number @ held / number.sum()))


def _counted(spec: NetworkSpec, machine: MachineDescription, counts: CoreCounts) -> ChipCounts:
    chips = chips_by_population(machine, counts)
    rates, sizes, delays = _rates(spec), spec.sizes, counts.cores.delays
    reached, reached_late = np.zeros(len(sizes)), np.zeros(len(sizes))
    for found, pairs in ((reached, delays.linked), (reached_late, delays.late)):
        at = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        np.add.at(found, at[:, 0], chips[at[:, 1]])
    spikes = sizes * rates
    late = spikes * np.maximum(delays.stages, 1)
    sends, sends_late = reached > 0, reached_late > 0
    rate = float(spikes[sends].sum() + late[sends_late].sum())
    crossed = float((spikes * np.maximum(reached - 1, 0)).sum() + (late * np.maximum(reached_late - 1, 0))[sends_late].sum())
    events, drive = _loads(spec)
    n_chips = int(np.ceil(chips.sum()))
    boards = -(-n_chips * machine.n_boards // machine.n_chips)
    nets = float((chips * (reached + reached_late)).sum())
    return ChipCounts("counted", n_chips, boards, None, rate, events, drive, crossed / rate if rate else 0.0, None, round(nets), None, None)
