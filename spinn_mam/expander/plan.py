"""A network as the machine would expand it: what sPyNNaker's host writes into each ConnectorBuilder region.

Problem
    Which synapses the machine makes follows from seeds, slices and distributions, but also from numbers that the host
    derives on the way: words a row is reserved (a full row takes no more), ring-buffer slots, delay stages, and parameters
    rounded to s16.15.

Method
    The host's rules, from the installed ``synapse_io.py``, ``multapse_connector.py``, ``population_vertex.py``,
    ``delay_support_adder.py``, ``param_generator_data.py`` and ``utility_calls.py`` of sPyNNaker 1!7.4.1, for projections
    with a fixed total number of synapses. Populations are seeded by their own ``seed`` argument: the first words of that
    stream are the population's, the next ones those of its cores in the order of their slices.

    The machine cuts a delay off to whole steps where NEST rounds it. Half a step more makes truncation rounding; a
    constant delay the host rounds to whole steps itself, so it becomes a uniform one within the step.

Cost
    A few quantiles a projection.

Reference
    sPyNNaker 1!7.4.1; the regions that it writes for a network are these, word by word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from spinn_mam.errors import UsageError
from spinn_mam.expander.population import PopulationExpander
from spinn_mam.expander.region import FIXED_TOTAL, NONE, Edge, MatrixLayout, ParameterGenerator
from spinn_mam.fixed_point.poisson import core_seeds
from spinn_mam.fixed_point.random_streams import CONSTANT, NORMAL_CLIPPED, UNIFORM
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.network.spec import Distribution, NetworkSpec, Projection
from spinn_mam.partitioning.budgets import MAX_DELAY_STAGES, MAX_ROW_SYNAPSES, RING_BUFFER_BITS, SYNAPSE_TYPES
from spinn_mam.partitioning.delays import ROW_CHANCE
from spinn_mam.partitioning.keys import bits_for

#: Standard deviations beyond which no delay is expected (a chance below 2^-32): the generator needs a bound.
SPREAD = 6.4
PA_PER_NA = 1000.0
#: What a distribution is called in PyNN.
PYNN_NAMES = {UNIFORM: "uniform", NORMAL_CLIPPED: "normal_clipped"}
_S1615_MIN, _S1615_MAX = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Draws:
    """A constant or a distribution as PyNN takes it.

    Attributes
    ----------
    kind : int
        ``CONSTANT``, ``UNIFORM`` or ``NORMAL_CLIPPED``.
    parameters : tuple of float
        nA or ms: value; low, high; mean, standard deviation, low, high.
    """

    kind: int
    parameters: tuple[float, ...]

    def generator(self) -> ParameterGenerator:
        """Give the words that the host writes for it."""
        return ParameterGenerator(self.kind, tuple(host_s1615(p) for p in self.parameters))

    def share(self, low: float, high: float) -> float:
        """Give the probability of a draw in [low, high]."""
        if self.kind == CONSTANT:
            return float(low <= self.parameters[0] <= high)
        return float(self._law.cdf(high) - self._law.cdf(low))

    def largest(self, n: int) -> float:
        """Give the value that none of n draws exceeds but with chance 0.01, at most the upper bound."""
        if self.kind == CONSTANT:
            return self.parameters[0]
        return min(float(self._law.ppf(1.0 - ROW_CHANCE / n)), self.parameters[-1])

    @property
    def _law(self) -> Any:
        if self.kind == UNIFORM:
            low, high = self.parameters
            return stats.uniform(low, high - low)
        mean, sd, low, high = self.parameters
        return stats.truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd)


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The synapses onto one population.

    Attributes
    ----------
    population : int
        The target.
    projections : tuple of int
        Index in the network of each edge.
    expander : PopulationExpander
    """

    population: int
    projections: tuple[int, ...]
    expander: PopulationExpander


def weight_draws(weight: Distribution) -> Draws:
    """Turn a weight (pA) into PyNN's (nA).

    Raises
    ------
    UsageError
        If the machine's generators cannot draw it.
    """
    if weight.kind == "lognormal":
        raise UsageError("lognormal weights: SpiNNaker's generators have none; use --connectivity shared, which loads them as lists")
    if weight.sd == 0.0:
        return Draws(CONSTANT, (weight.mean / PA_PER_NA,))
    scale = 1.0 / PA_PER_NA
    return Draws(NORMAL_CLIPPED, (weight.mean * scale, weight.sd * scale, weight.lower * scale, weight.upper * scale))


def delay_draws(delay: Distribution, dt: float, offset_steps: int) -> Draws:
    """Turn a delay into one that the machine's truncation makes the nearest number of steps.

    Parameters
    ----------
    delay : Distribution
        ms.
    dt : float
        Time step (ms).
    offset_steps : int
        Steps to add.
    """
    if delay.sd == 0.0:
        steps = max(1, round(delay.mean / dt)) + offset_steps
        return Draws(UNIFORM, ((steps + 0.25) * dt, (steps + 0.75) * dt))
    shift = (offset_steps + 0.5) * dt
    upper = min(delay.upper, delay.mean + SPREAD * delay.sd)
    return Draws(NORMAL_CLIPPED, (delay.mean + shift, delay.sd, delay.lower + shift, upper + shift))


def plan_expansion(
    spec: NetworkSpec,
    seeds: Sequence[int],
    neurons_per_core: Sequence[int],
    shifts: npt.NDArray[np.int64],
    offset_steps: int = 1,
) -> tuple[TargetPlan, ...]:
    """Plan what the machine's cores make of a network.

    Parameters
    ----------
    spec : NetworkSpec
    seeds : sequence of int
        sPyNNaker's ``seed`` of each population.
    neurons_per_core : sequence of int
        Of each population.
    shifts : ndarray of int64, shape (n_populations, 2)
        Ring-buffer shifts.
    offset_steps : int
        Added to each delay.

    Returns
    -------
    tuple of TargetPlan
        One for each population that has incoming synapses.

    Raises
    ------
    UsageError
        If the machine could not hold the rows or delays.
    """
    steps_per_ms = host_s1615(1000.0 / round(spec.dt * 1000.0))
    delays = [delay_draws(p.delay, spec.dt, offset_steps) for p in spec.projections]
    slots, stages = _delay_layout(spec, delays, neurons_per_core)
    plans = []
    for p, population in enumerate(spec.populations):
        incoming = tuple(k for k, q in enumerate(spec.projections) if q.target == p and q.n_synapses > 0)
        if not incoming:
            continue
        per_core = min(neurons_per_core[p], population.size)
        edges = tuple(_edge(spec, k, delays[k], per_core, neurons_per_core, slots[p], stages.get(_pair(spec, k), 0)) for k in incoming)
        bounds = (*range(0, population.size, per_core), population.size)
        shared, *own = core_seeds(seeds[p], len(bounds))
        scales = tuple(1 << (32 + 15 - int(shift)) for shift in shifts[p])
        plans.append(TargetPlan(p, incoming, PopulationExpander(bounds, steps_per_ms, shared, tuple(own), scales, edges)))
    return tuple(plans)


def host_s1615(value: float) -> int:
    """Round a number to s16.15 as the host does when it writes parameters, infinities to the largest numbers."""
    if math.isinf(value):
        return _S1615_MAX if value > 0 else _S1615_MIN
    bits = round(Decimal(str(float(value))) * ONE)
    if not _S1615_MIN <= bits <= _S1615_MAX:
        raise UsageError(f"{value:g} does not fit the machine's number format s16.15, [-65536, 65536): check the unit of this parameter")
    return bits


def _pair(spec: NetworkSpec, k: int) -> tuple[int, int]:
    return spec.projections[k].source, spec.projections[k].target


def _delay_layout(spec: NetworkSpec, delays: list[Draws], neurons_per_core: Sequence[int]) -> tuple[list[int], dict[tuple[int, int], int]]:
    """Find ring-buffer slots of each population and delay stages of each linked pair that needs them."""
    longest: dict[tuple[int, int], float] = {}
    for k, projection in enumerate(spec.projections):
        if projection.n_synapses > 0:
            longest[_pair(spec, k)] = max(longest.get(_pair(spec, k), 0.0), delays[k].largest(projection.n_synapses))
    slots = []
    for p, population in enumerate(spec.populations):
        drive = spec.dt if population.drive is not None and population.drive.rate > 0 else 0.0
        incoming = [drive, *(value for (_, target), value in longest.items() if target == p)]
        room: int = 2 ** (RING_BUFFER_BITS - bits_for(SYNAPSE_TYPES) - _bits(min(neurons_per_core[p], population.size)))
        slots.append(min(2 ** _bits(math.ceil(max(incoming) / spec.dt)), room))
    needed = {pair: math.ceil(value / (slots[pair[1]] * spec.dt)) - 1 for pair, value in longest.items() if value > slots[pair[1]] * spec.dt}
    stages: dict[tuple[int, int], int] = {}
    for source, target in needed:
        of_source = {pair: n for pair, n in needed.items() if pair[0] == source}
        if len({slots[t] for _, t in of_source}) > 1:
            raise UsageError(
                f"population {spec.names[source]} has delay extensions onto populations of unequal ring-buffer slots, which sPyNNaker 7.4.1 "
                "refuses: use fewer neurons a core for its targets"
            )
        stages[source, target] = max(of_source.values())
        if stages[source, target] > MAX_DELAY_STAGES:
            raise UsageError(
                f"{spec.names[source]} to {spec.names[target]}: {stages[source, target]} delay stages needed, {MAX_DELAY_STAGES} there: "
                "use shorter delays or fewer neurons a core"
            )
    return slots, stages


def _bits(n: int) -> int:
    """Count the bits that the host reserves for n values: 1 for a single one."""
    return 1 if n == 1 else math.ceil(math.log2(n)) if n > 0 else 0


def _edge(spec: NetworkSpec, k: int, delay: Draws, per_core: int, neurons_per_core: Sequence[int], slots: int, stages: int) -> Edge:
    projection = spec.projections[k]
    source, target = spec.populations[projection.source], spec.populations[projection.target]
    reach = slots * spec.dt
    rows = _row_words(spec, projection, delay, per_core, 0.0, reach)
    tiny = float(np.finfo(np.float64).tiny)
    delayed = _row_words(spec, projection, delay, per_core, reach + tiny, reach * (stages + 1)) if stages else 0
    for words in (rows, delayed):
        if words > MAX_ROW_SYNAPSES:
            raise UsageError(
                f"{source.name} to {target.name}: rows of up to {words} synapses, the machine's tables hold {MAX_ROW_SYNAPSES}: "
                "use fewer neurons a core"
            )
    receptor = int(projection.receptor == "inhibitory")
    matrix = MatrixLayout(
        0 if rows else NONE,
        0 if delayed else NONE,
        rows,
        delayed,
        receptor,
        _bits(SYNAPSE_TYPES),
        _bits(per_core),
        stages + 1,
        slots,
        _bits(slots),
        source.size,
        min(source.size, neurons_per_core[projection.source]),
    )
    return Edge(
        (0, source.size - 1),
        (0, target.size - 1),
        receptor,
        matrix,
        FIXED_TOTAL,
        (1, 1, projection.n_synapses),
        weight_draws(projection.weight).generator(),
        delay.generator(),
    )


def _row_words(spec: NetworkSpec, projection: Projection, delay: Draws, per_core: int, low: float, high: float) -> int:
    """Find the longest row that the host reserves for delays in [low, high] (ms)."""
    n, n_source, n_target = projection.n_synapses, spec.populations[projection.source].size, spec.populations[projection.target].size
    on_core = max(_most_selected(n, n, min(per_core / n_target, 1.0)), 1.0)
    row = max(_most_selected(n, on_core, 1.0 / n_source), 1.0)
    share = delay.share(low, high)
    if delay.kind == CONSTANT:
        return math.ceil(row) if share else 0
    return max(math.ceil(_most_selected(n_source * n_target, row, share)), 1) if share > 0 else 0


def _most_selected(n_total: int, n: float, p: float) -> float:
    """Find the number selected of n, each with probability p, that is exceeded with chance 0.01 in n_total trials."""
    return float(stats.binom.ppf(1.0 - ROW_CHANCE / float(n_total), n, p))
