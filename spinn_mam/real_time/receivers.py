"""Which core takes the spikes of which source slice: the columns of all load arrays.

A combined core takes the spikes of its neuron slice itself. In the split layout a slice has several synapse cores, and each takes those of some
source slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_mam.deployment import Deployment
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.structures import DELAY_EXTENSION, NEURON, POISSON_SOURCE, SYNAPSE, IntArray


@dataclass(frozen=True, slots=True)
class Receivers:
    """Cores that take network spikes, and where spikes come from.

    Attributes
    ----------
    source : ndarray, shape (n_sources,)
        Rows of the slices that send network spikes: neurons and populations of sources.
    neuron : ndarray, shape (n_neuron_slices,)
        Rows of the neuron slices.
    core : ndarray, shape (n_columns,)
        Row of the slice whose core takes the spikes of each column.
    served : ndarray, shape (n_columns,)
        The neuron slice it serves, as an index into ``neuron``.
    group : ndarray, shape (n_columns,)
        Columns of the same target population and the same place among the synapse cores get the same spikes.
    takes : ndarray of bool, shape (n_sources, n_groups)
        Whether the spikes of a source slice go to a group.
    column : ndarray of int32, shape (n_sources, n_neuron_slices)
        Column that takes a source slice's synapses onto a neuron slice; -1 if there are none.
    drive : ndarray, shape (n_drives,)
        Rows of the Poisson cores that drive one neuron slice.
    driven : ndarray, shape (n_drives,)
        That slice, as an index into ``neuron``.
    """

    source: IntArray
    neuron: IntArray
    core: IntArray
    served: IntArray
    group: IntArray
    takes: np.ndarray
    column: np.ndarray
    drive: IntArray
    driven: IntArray


def not_modelled(spec: NetworkSpec, deployment: Deployment) -> str:
    """Return why the cores of a deployment are not modelled; empty if they are."""
    if np.any(deployment.slices.kind == DELAY_EXTENSION):
        return "it has delay extension cores, whose work was not measured"
    if any(population.is_source for population in spec.populations):
        return "it has populations of sources, whose cores were not measured"
    return ""


def receivers(spec: NetworkSpec, deployment: Deployment) -> Receivers:
    """Find the cores that take network spikes.

    Parameters
    ----------
    spec : NetworkSpec
    deployment : Deployment

    Returns
    -------
    Receivers
    """
    slices = deployment.slices
    neuron = np.flatnonzero(slices.kind == NEURON)
    drives = np.flatnonzero((slices.kind == POISSON_SOURCE) & (slices.serves >= 0))
    source = np.flatnonzero((slices.kind == NEURON) | ((slices.kind == POISSON_SOURCE) & (slices.serves < 0)))
    place = np.full(slices.n_slices, -1)
    place[neuron] = np.arange(len(neuron))
    linked = np.zeros((len(spec.populations), len(spec.populations)), np.bool_)
    for projection in spec.projections:
        linked[projection.source, projection.target] |= projection.n_synapses > 0
    population = slices.population[neuron]
    parts = deployment.partition
    alone = neuron[parts.synapse_cores[population] == 0]
    synapse = np.flatnonzero(slices.kind == SYNAPSE)
    core = np.concatenate([alone, synapse])
    served = place[np.concatenate([alone, slices.serves[synapse]])]
    ordinal = np.concatenate([np.zeros(len(alone), np.int64), parts.vertices.ordinal[slices.vertex[synapse]]])
    most = int(ordinal.max(initial=0)) + 1
    taken_by = np.where(linked[slices.population[source]], parts.synapse_core.T[source], -1)  # (source slice, target population)
    groups, group = np.unique(population[served] * most + ordinal, return_inverse=True)
    target, number = np.divmod(groups, most)
    takes = taken_by[:, target] == number
    by_place = np.full((len(neuron), most), -1)
    by_place[served, ordinal] = np.arange(len(core))
    wanted = taken_by[:, population]
    column = np.where(wanted >= 0, by_place[np.arange(len(neuron)), np.maximum(wanted, 0)], -1).astype(np.int32)
    return Receivers(source, neuron, core, served, group, takes, column, drives, place[slices.serves[drives]])
