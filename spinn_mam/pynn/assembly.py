"""From PyNN's populations and projections to what the time loop works on.

Ring-buffer shifts are those that sPyNNaker gives a list of the same synapses (its ``FromListConnector``), whichever connector made
them: the rule looks at the largest number of synapses onto a neuron, at mean, variance and maximum of the weights and at the
variance of the delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator import layout as L
from spinn_mam.backends.emulator.build import SynapseStore, store_from_synapses
from spinn_mam.backends.emulator.layout import Layout
from spinn_mam.fixed_point.ring_buffer import Inputs, quantise_weights, ring_buffer_shift
from spinn_mam.pynn.pending import IntArray, Synapses
from spinn_mam.pynn.segments import Places, make_segments, place
from spinn_mam.pynn.sources import Sources


@dataclass(frozen=True, slots=True)
class Injection:
    """Injected currents of a segment.

    Attributes
    ----------
    segment : int
    offset : int
        Constant current without them (nA, s16.15).
    changes : list of list of (int, int)
        For each source the first step and the current (nA, s16.15) of each piece.
    """

    segment: int
    offset: int
    changes: list[list[tuple[int, int]]]

    def at(self, step: int) -> int:
        """Return the whole constant current in a step (nA, s16.15)."""
        return self.offset + sum(([0] + [value for first, value in pieces if first <= step])[-1] for pieces in self.changes)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A network for the time loop.

    Attributes
    ----------
    layout : Layout
    store : SynapseStore
    sources : Sources
    places : Places
    synapses : Synapses
    shifts : ndarray of int64, shape (n_populations, 2)
        Ring-buffer shifts.
    pending_axons : list of int or None
        Axon of the inputs under way of each receptor; None where there are none.
    injections : list of Injection
    losses : dict of str to int
        Counts of what did not fit the machine's numbers.
    """

    layout: Layout
    store: SynapseStore
    sources: Sources
    places: Places
    synapses: Synapses
    shifts: IntArray
    pending_axons: list[int | None]
    injections: list[Injection]
    losses: dict[str, int]


def assemble(state: Any, pending: Synapses) -> Assembled:
    """Lay out a network.

    Parameters
    ----------
    state : State
        Populations, projections and settings.
    pending : Synapses
        Inputs under way, for a network in the middle of its run.
    """
    populations = state.populations
    n_neurons = sum(p.size for p in populations if p.is_neuron)
    sources = Sources([p for p in populations if not p.is_neuron], n_neurons, state.steps_per_ms, state.seed)
    places = place(populations, sources, n_neurons)
    synapses, n_raised = _collect(state, places)
    shifts = _shifts(state)
    axon_base, n_axons = _axons(populations, synapses, places)
    layout, currents = make_segments(populations, places, sources, shifts, axon_base, n_axons + 2)

    scale = np.ldexp(1.0, (15 - shifts).astype(np.int32))
    units, n_zero, n_saturated = _units(synapses, scale, places)
    source_population = places.population_of[synapses.source]
    axon = axon_base[source_population, synapses.receptor] + places.place_of[synapses.source] - places.first[source_population]
    store = store_from_synapses(
        layout,
        np.concatenate([axon, n_axons + pending.receptor]),
        places.place_of[np.concatenate([synapses.target, pending.target])],
        np.concatenate([units, _units(pending, scale, places)[0]]),
        np.concatenate([synapses.slots, pending.slots]),
    )
    pending_axons = [n_axons + r if (pending.receptor == r).any() else None for r in range(2)]
    steps = state.steps_per_ms
    injections = [Injection(k, int(layout.segments[k, L.I_OFFSET]), [current.changes(steps) for current in found]) for k, found in currents]
    losses = {"n_zero_weights": n_zero, "n_saturated_weights": n_saturated, "n_raised_delays": n_raised}
    return Assembled(layout, store, sources, places, synapses, shifts, pending_axons, injections, losses)


def _units(synapses: Synapses, scale: npt.NDArray[np.float64], places: Places) -> tuple[IntArray, int, int]:
    """Ring-buffer units of weights, and how many became zero or were cut."""
    units, n_zero, n_saturated = quantise_weights(synapses.weight * scale[places.population_of[synapses.target], synapses.receptor], 1.0)
    return units.astype(np.int64), n_zero, n_saturated


def _collect(state: Any, places: Places) -> tuple[Synapses, int]:
    """Join the synapses of all projections; delays below one slot are raised and counted."""
    columns: list[list[npt.NDArray[Any]]] = [[np.zeros(0, np.int64)] for _ in range(4)]
    weights = [np.zeros(0)]
    for projection in state.projections:
        source, target = projection.cells()
        slots = np.rint(projection.column("delay") * state.steps_per_ms).astype(np.int64) + state.shift_of_stamps * places.is_neuron[source]
        for column, values in zip(columns, (source, target, np.full(len(source), projection.inhibitory), slots), strict=True):
            column.append(values)
        weights.append(np.abs(projection.column("weight")))
    source, target, receptor, slots = (np.concatenate(column) for column in columns)
    return Synapses(source, target, receptor, np.concatenate(weights), np.maximum(slots, 1)), int((slots < 1).sum())


def _shifts(state: Any) -> IntArray:
    """Ring-buffer shifts of each population and receptor."""
    inputs: dict[tuple[int, int], list[Inputs]] = {}
    for projection in state.projections:
        _, target = projection.cells()
        weight, delay = np.abs(projection.column("weight")), projection.column("delay")
        for p, population in enumerate(state.populations):
            mine = (target >= int(population.first_id)) & (target <= int(population.last_id))
            if mine.any():
                w = weight[mine]
                n = int(np.bincount(target[mine] - int(population.first_id)).max())
                variance = 0.0 if projection.one_delay else float(np.var(delay[mine]))
                each = Inputs(n, float(np.mean(w)), float(np.var(w)), float(w.max()), variance, _rate(projection.pre))
                inputs.setdefault((p, projection.inhibitory), []).append(each)
    shifts = np.zeros((len(state.populations), 2), np.int64)
    for (p, receptor), found in inputs.items():
        shifts[p, receptor] = ring_buffer_shift(found, 1.0 / state.steps_per_ms, state.populations[p].label)
    return shifts


def _rate(pre: Any) -> float | None:
    """Largest rate of Poisson sources; None where rates are not known."""
    populations = getattr(pre, "populations", [pre])
    if not all(p.celltype.has_parameter("rate") for p in populations):
        return None
    return max(float(np.max(p.get("rate", simplify=False))) for p in populations)


def _axons(populations: Sequence[Any], synapses: Synapses, places: Places) -> tuple[IntArray, int]:
    """First axon of each population and receptor, -1 where there is no such synapse; and their number."""
    used = np.unique(2 * places.population_of[synapses.source] + synapses.receptor)
    base, n = np.full((len(populations), 2), -1, np.int64), 0
    for number in used.tolist():
        base[number // 2, number % 2] = n
        n += populations[number // 2].size
    return base, n
