"""The synapses that the machine's generators make, materialised for the time loop.

Problem
    3e8 synapses come edge by edge in the order in which cores draw them; the loop reads them by source and delay.

Method
    All are made twice: once to count them by part, axon and slot, once to put each word in its place. Sources are divided
    into a fixed number of ranges, one for each parallel task, so that no two write to the same row and every row keeps the
    order in which its synapses are made, whatever the number of threads.

    A delay of the machine is a number of slots as it is.

Cost
    Twice the making of :mod:`spinn_mam.expander.population`, and 4 bytes a synapse as in :mod:`.build`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.build import SynapseStore, store_from_counts
from spinn_mam.backends.emulator.layout import Layout
from spinn_mam.backends.spinnaker.job import synapse_seed
from spinn_mam.deployment import Deployment
from spinn_mam.expander.plan import TargetPlan, plan_expansion
from spinn_mam.network.spec import NetworkSpec

_RANGES = 4


def plan_of_deployment(network: Network, deployment: Deployment, offset_steps: int) -> tuple[TargetPlan, ...]:
    """Plan what the machine's generators make of a network on a deployment: the plan of the spinnaker backend's script.

    Parameters
    ----------
    network : Network
    deployment : Deployment
    offset_steps : int
        Added to each delay.
    """
    seeds = [synapse_seed(network, p) for p in range(len(network.spec.populations))]
    return plan_expansion(network.spec, seeds, deployment.neurons_per_core.tolist(), deployment.ring_buffer_shifts, offset_steps)


def expand_synapses(spec: NetworkSpec, plans: Sequence[TargetPlan], layout: Layout) -> SynapseStore:
    """Make all synapses of a plan.

    Parameters
    ----------
    spec : NetworkSpec
    plans : sequence of TargetPlan
    layout : Layout

    Returns
    -------
    SynapseStore

    Raises
    ------
    UsageError
        If a core of the machine would stop with an error, or a row is too long.
    """
    state = layout.state_of
    part = np.searchsorted(layout.part_bounds, state, side="right") - 1
    place = state - layout.part_bounds[part]
    longest = max((e.matrix.n_stages * e.matrix.stage_steps for plan in plans for e in plan.expander.edges), default=1)
    counts = np.zeros((layout.n_parts, layout.n_axons, longest + 1), np.int64)
    n_zero = 0
    for plan in plans:
        first, size = int(spec.offsets[plan.population]), spec.populations[plan.population].size
        for k, (_, made) in zip(plan.projections, plan.expander.expand(), strict=True):
            _count(made.source, made.target, made.delay, _axon(spec, layout, k), _n_sources(spec, k), part[first : first + size], counts)
            n_zero += int(np.count_nonzero(made.weight == 0))
    places = (np.cumsum(counts) - counts.ravel()).reshape(counts.shape)
    words = np.empty(int(counts.sum()), np.uint32)
    for plan in plans:
        first, size = int(spec.offsets[plan.population]), spec.populations[plan.population].size
        own = part[first : first + size], place[first : first + size]
        for k, (_, made) in zip(plan.projections, plan.expander.expand(), strict=True):
            _fill(made.source, made.target, made.weight, made.delay, _axon(spec, layout, k), _n_sources(spec, k), *own, places, words)
    return store_from_counts(layout, counts, words, n_zero)


def _axon(spec: NetworkSpec, layout: Layout, k: int) -> int:
    projection = spec.projections[k]
    return int(layout.axon_base[projection.source, int(projection.receptor == "inhibitory")])


def _n_sources(spec: NetworkSpec, k: int) -> int:
    return spec.populations[spec.projections[k].source].size


@njit(cache=True, parallel=True)
def _count(source: Any, target: Any, delay: Any, axon: Any, n_sources: Any, part: Any, counts: Any) -> None:
    """Count an edge's synapses by part, axon and slot."""
    for r in prange(_RANGES):
        lo, hi = r * n_sources // _RANGES, (r + 1) * n_sources // _RANGES
        for i in range(len(source)):
            s = source[i]
            if lo <= s < hi:
                counts[part[target[i]], axon + s, delay[i]] += 1


@njit(cache=True, parallel=True)
def _fill(source: Any, target: Any, weight: Any, delay: Any, axon: Any, n_sources: Any, part: Any, place: Any, cursor: Any, words: Any) -> None:
    """Put an edge's synapses in their places."""
    for r in prange(_RANGES):
        lo, hi = r * n_sources // _RANGES, (r + 1) * n_sources // _RANGES
        for i in range(len(source)):
            s = source[i]
            if lo <= s < hi:
                p = part[target[i]]
                at = cursor[p, axon + s, delay[i]]
                words[at] = np.uint32((place[target[i]] << 16) | np.int64(weight[i]))
                cursor[p, axon + s, delay[i]] = at + 1
