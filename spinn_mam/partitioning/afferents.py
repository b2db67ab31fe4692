"""The projections onto each population as arrays: what budgets of cores depend on, read from the network once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_mam.network.spec import NetworkSpec, Projection
from spinn_mam.partitioning.delays import longest_steps, told_delay
from spinn_mam.partitioning.structures import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Afferents:
    """The projections with synapses onto one population, as arrays of shape (n_incoming,).

    Attributes
    ----------
    source, sizes : ndarray
        Population that each is from, and its size.
    n_synapses : ndarray
    rates : ndarray
        Expected rate of a source neuron (spikes/s).
    delay : ndarray, shape (n_incoming, 4)
        Mean, standard deviation and bounds (ms), as the tools are told them.
    longest_steps : ndarray
        Longest delay of all synapses from the same population (steps).
    """

    source: IntArray
    sizes: IntArray
    n_synapses: IntArray
    rates: FloatArray
    delay: FloatArray
    longest_steps: IntArray


def afferents(spec: NetworkSpec) -> tuple[Afferents, ...]:
    """Sort a network's projections by their targets, each population's in their order."""
    onto: list[list[Projection]] = [[] for _ in spec.populations]
    longest: dict[tuple[int, int], int] = {}
    for p in spec.projections:
        if p.n_synapses > 0:
            onto[p.target].append(p)
            longest[p.source, p.target] = max(longest.get((p.source, p.target), 0), longest_steps(p, spec.dt))
    sizes = spec.sizes
    found = []
    for incoming in onto:
        source = np.array([p.source for p in incoming], dtype=np.int64)
        told = [told_delay(p.delay, spec.dt) for p in incoming]
        found.append(
            Afferents(
                source=source,
                sizes=sizes[source],
                n_synapses=np.array([p.n_synapses for p in incoming], dtype=np.int64),
                rates=np.array([_rate(spec, s) for s in source.tolist()], dtype=np.float64),
                delay=np.array([(d.mean, d.sd, d.lower, d.upper) for d in told]).reshape(-1, 4),
                longest_steps=np.array([longest[p.source, p.target] for p in incoming], dtype=np.int64),
            )
        )
    return tuple(found)


def _rate(spec: NetworkSpec, population: int) -> float:
    source = spec.populations[population]
    return source.source_rate if source.is_source else spec.expected_rates[population]
