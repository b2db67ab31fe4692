"""Ring-buffer shifts and 16-bit weights, by sPyNNaker's own rule.

Problem
    A weight has 16 bits and shares them with the sum of all inputs of one receptor due in one step. The wider the range
    given to the sum, the coarser the weight.

Method
    sPyNNaker estimates the largest sum for each population and receptor from the incoming projections: mean + 5 standard
    deviations of a compound Poisson sum (rates 30 spikes/s unless the source states its own), but not more than one spike
    of every synapse at the largest weight, and not less than the largest single weight. The shift is the number of bits of
    that sum's whole part in nA. A weight w (nA) becomes round(w 2^(15 - shift)). This module is the same rule, written from
    the behaviour of ``population_vertex.py`` of sPyNNaker 1!7.4.1 (``get_ring_buffer_shifts``), for projections with a
    fixed total number of synapses, or given by the statistics of a list; a Poisson drive counts as one source for each
    neuron with one synapse.

Cost
    A few special functions for each projection.

Reference
    van Albada et al. (2018), doi:10.3389/fnins.2018.00291, section 2.4 (weights and their shifts on SpiNNaker).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from spinn_mam.errors import UsageError
from spinn_mam.network.distributions import moments, quantiles
from spinn_mam.network.spec import Distribution, NetworkSpec, Projection

#: sPyNNaker's defaults (``spynnaker.cfg``): standard deviations above the mean, and spikes/s of any neuron.
SIGMA = 5.0
SPIKES_PER_SECOND = 30.0
#: Sources slower than this many spikes a step are counted as one spike a step (``SLOW_RATE_PER_TICK_CUTOFF``).
SLOW_RATE = 0.01
#: Standard deviations up to which the Poisson sum for the weight variance is taken (``POSSION_SIGMA_SUMMATION_LIMIT``).
SUMMATION_LIMIT = 3.0
#: Chance that the largest of all draws is larger than assumed.
CHANCE = 0.01
#: Beyond this shift a full slot no longer fits s16.15.
MAX_SHIFT = 15
WEIGHT_MAX = 0xFFFF


@dataclass(slots=True)
class _Moments:
    """Pooled mean and variance of groups of items."""

    n: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, mean: float, variance: float, n: float) -> None:
        if n <= 0:
            return
        delta = mean - self.mean
        total = self.n + n
        self.squares += variance * (n - 1.0) + delta * delta * self.n * n / total
        self.mean = (self.n * self.mean + n * mean) / total
        self.n = total

    @property
    def variance(self) -> float:
        return self.squares / (self.n - 1.0) if self.n > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the rule asks of the synapses of one projection onto one receptor.

    Attributes
    ----------
    n : float
        Largest number of them onto one neuron.
    mean, variance, largest : float
        Of the weights' magnitudes (nA, nA^2, nA).
    delay_variance : float
        ms^2.
    rate : float or None
        Spikes/s of each Poisson source; None for neurons and other sources, whose rates are not known.
    """

    n: float
    mean: float
    variance: float
    largest: float
    delay_variance: float
    rate: float | None = None


@dataclass(slots=True)
class _Receptor:
    """What one receptor of one population receives."""

    weights: _Moments
    delays: _Moments
    rates: _Moments
    total: float = 0.0
    largest: float = 0.0

    def add(self, inputs: Inputs, dt: float) -> None:
        rate, per_step = _source_rate(inputs.rate, dt) if inputs.rate else (SPIKES_PER_SECOND, max(1.0, SPIKES_PER_SECOND * dt / 1000.0))
        self.weights.add(inputs.mean, inputs.variance, inputs.n)
        self.delays.add(0.0, inputs.delay_variance, inputs.n)
        self.rates.add(rate, 0.0, inputs.n)
        self.largest = max(self.largest, inputs.largest)
        self.total += per_step * inputs.largest * inputs.n


def ring_buffer_shifts(spec: NetworkSpec) -> npt.NDArray[np.int64]:
    """Compute the left shifts of all ring buffers.

    Parameters
    ----------
    spec : NetworkSpec

    Returns
    -------
    ndarray of int64, shape (n_populations, 2)
        Excitatory and inhibitory shift of each population; zero for populations of sources.

    Raises
    ------
    UsageError
        If the weights of a population are so large that a slot would not fit s16.15.
    """
    shifts = np.zeros((len(spec.populations), 2), dtype=np.int64)
    for p, population in enumerate(spec.populations):
        if population.is_source:
            continue
        inputs: tuple[list[Inputs], list[Inputs]] = ([], [])
        for projection in spec.projections:
            if projection.target == p and projection.n_synapses > 0:
                inputs[projection.receptor == "inhibitory"].append(_projection_inputs(projection, spec))
        if population.drive is not None and population.drive.rate > 0:
            weight = abs(population.drive.weight) / 1000.0
            inputs[population.drive.weight < 0].append(Inputs(1.0, weight, 0.0, weight, 0.0, population.drive.rate))
        for r in range(2):
            shifts[p, r] = ring_buffer_shift(inputs[r], spec.dt, population.name)
    return shifts


def ring_buffer_shift(inputs: Iterable[Inputs], dt: float, name: str) -> int:
    """Compute the left shift of the ring buffer of one receptor of one population.

    Parameters
    ----------
    inputs : iterable of Inputs
        Of all projections, in their order.
    dt : float
        Time step (ms).
    name : str
        Of the population, for the message.

    Raises
    ------
    UsageError
        If a slot would not fit s16.15.
    """
    receptor = _Receptor(_Moments(), _Moments(), _Moments())
    for each in inputs:
        receptor.add(each, dt)
    largest = _largest_sum(receptor, dt)
    shift = _shift(largest)
    if shift > MAX_SHIFT:
        raise UsageError(
            f"population {name}: inputs of up to {largest:.3g} nA need a shift of {shift}, at most {MAX_SHIFT} fit s16.15: check the unit of weights"
        )
    return shift


def weight_scales(shifts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Ring-buffer units for each pA: 2^(15 - shift) / 1000, same shape as ``shifts``."""
    return np.ldexp(1.0, (15 - shifts).astype(np.int32)) / 1000.0


def quantise_weights(weight: npt.NDArray[np.float64], scale: float) -> tuple[npt.NDArray[np.uint16], int, int]:
    """Round weights to 16 bits, to nearest and halves to even, as the host tools do.

    A weight beyond 65,535 is cut here. sPyNNaker's own rule for the shift leaves twice the room that its largest expected
    weight needs; a random weight beyond that wraps in its host-made rows (``& 0xffff``).

    Parameters
    ----------
    weight : ndarray
        Magnitudes or signed weights (pA); the sign is dropped, since the receptor carries it.
    scale : float
        Ring-buffer units for each pA, of :func:`weight_scales`.

    Returns
    -------
    weights : ndarray of uint16
    n_zero : int
        Weights that were not zero and are now.
    n_saturated : int
        Weights that were cut to 65,535.

    Examples
    --------
    >>> quantise_weights(np.array([-87.8, 0.001, 1e6]), 8.192)
    (array([  719,     0, 65535], dtype=uint16), 1, 1)
    """
    rounded = np.rint(np.abs(weight) * scale)
    n_zero = int(np.count_nonzero((rounded == 0) & (weight != 0)))
    n_saturated = int(np.count_nonzero(rounded > WEIGHT_MAX))
    return np.minimum(rounded, WEIGHT_MAX).astype(np.uint16), n_zero, n_saturated


def _projection_inputs(projection: Projection, spec: NetworkSpec) -> Inputs:
    n_target = spec.populations[projection.target].size
    # The largest in-degree that one of all synapses' targets is likely to have.
    n = float(stats.binom.ppf(1.0 - CHANCE / projection.n_synapses, projection.n_synapses, 1.0 / n_target))
    source = spec.populations[projection.source]
    mean, variance, largest = _weight_statistics(projection.weight, projection.n_synapses)
    return Inputs(n, mean, variance, largest, moments(projection.delay)[1], source.source_rate if source.is_source else None)


def _source_rate(rate: float, dt: float) -> tuple[float, float]:
    """Rate (spikes/s) and largest number of spikes in a step of one Poisson source."""
    per_step = rate * dt / 1000.0
    if per_step < SLOW_RATE:
        return rate, 1.0
    return rate, math.ceil(float(stats.poisson.ppf(0.999, per_step))) + 1.0


def _weight_statistics(d: Distribution, n: int) -> tuple[float, float, float]:
    """Mean, variance and likely largest of n magnitudes (nA, nA^2, nA)."""
    if d.sd <= 0:
        return abs(d.mean) / 1000.0, 0.0, abs(d.mean) / 1000.0
    mean, variance = moments(d)
    extreme = float(quantiles(d, np.array(CHANCE / n if d.mean < 0 else 1.0 - CHANCE / n)))
    return abs(mean) / 1000.0, variance / 1e6, abs(min(max(extreme, d.lower), d.upper)) / 1000.0


def _largest_sum(receptor: _Receptor, dt: float) -> float:
    """Largest expected sum of a slot (nA)."""
    if receptor.delays.variance == 0.0:
        return max(receptor.total, receptor.largest)
    mean, sd = receptor.weights.mean, math.sqrt(receptor.weights.variance)
    spikes = receptor.weights.n * receptor.rates.mean * dt / 1000.0
    bound = spikes * mean + SIGMA * math.sqrt(spikes * mean**2 + _weight_variance(spikes, sd))
    return max(min(bound, receptor.total), receptor.largest)


def _weight_variance(spikes: float, sd: float) -> float:
    """Part of the sum's variance that comes from the spread of the weights: sd^2 E[k; k < upper bound], k Poisson."""
    if sd <= 0:
        return 0.0
    upper = round(spikes + SUMMATION_LIMIT * math.sqrt(spikes))
    log_ratio = math.log(spikes) * upper - float(special.gammaln(1 + upper))
    if not -701.0 < log_ratio < 701.0 or log_ratio == 0.0:
        return 0.0
    rest = math.exp(spikes) * float(special.gammaincc(1 + upper, spikes)) - math.exp(log_ratio)
    return math.exp(-spikes + math.log(spikes) + 2.0 * math.log(sd) + math.log(rest))


def _shift(largest: float) -> int:
    """Bits of the whole part of a sum (nA): the smallest power of two above it."""
    power = 0 if largest <= 0 else math.ceil(max(0.0, math.log2(largest)))
    return power + 1 if 2**power <= largest else power
