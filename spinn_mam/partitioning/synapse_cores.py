"""Which synapse core of a neuron slice takes the spikes of which source slice.

Problem
    A split neuron slice has k synapse cores with the same synaptic matrix in shared memory; each source slice sends to one of them. Sums are
    clipped in each core, so the arithmetic depends on the choice: it has to be sPyNNaker's.

Method
    As in sPyNNaker 1!7.4.1 (``extra_algorithms/splitter_components/splitter_population_vertex_neurons_synapses.py``
    get_source_specific_in_coming_vertices). The slices of a source vertex are cut into runs of a power of two, the smallest that
    leaves no more runs than cores. Runs go to cores in turn; the first run goes to core 0 for the first source vertex, to core 1 for the next.
    The router (``pacman/operations/router_algorithms/application_router.py``) asks source vertex by source vertex, in the order in which
    they got their first projection; delay extensions come after all of them.

Cost
    Linear in source slices times target populations.

Reference
    Peres & Rhodes (2022), doi:10.3389/fnins.2022.867027; Rhodes et al. (2020), doi:10.1098/rsta.2019.0160.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.structures import IntArray


def deal(n_slices: int, n_cores: int, first: int) -> IntArray:
    """Return which of ``n_cores`` synapse cores takes each of ``n_slices`` source slices.

    Parameters
    ----------
    n_slices : int
        Slices of one source vertex.
    n_cores : int
        Synapse cores of a neuron slice.
    first : int
        Core of the first slice.

    Returns
    -------
    ndarray, shape (n_slices,)

    Examples
    --------
    >>> deal(9, 3, 2).tolist()
    [2, 2, 2, 2, 0, 0, 0, 0, 1]
    """
    run = max(1, int(2.0 ** math.ceil(math.log2(n_slices / n_cores))))
    return (first + np.arange(n_slices) // run) % n_cores


def asking_order(spec: NetworkSpec) -> list[int]:
    """Return the populations that send, in the order of their first projection."""
    return list(dict.fromkeys(p.source for p in spec.projections if p.n_synapses > 0))


def deal_all(senders: Sequence[tuple[int, int, Sequence[int]]], synapse_cores: IntArray, n_slices: int) -> npt.NDArray[np.int16]:
    """Deal the slices of all sources to the cores of all targets.

    Parameters
    ----------
    senders : sequence of (int, int, sequence of int)
        Slices [first, end) of each source vertex and the populations it sends to, in the order of asking.
    synapse_cores : ndarray, shape (n_populations,)
        Synapse cores of each neuron slice; 0 of combined cores.
    n_slices : int
        Of all vertices.

    Returns
    -------
    ndarray of int16, shape (n_populations, n_slices)
        See :class:`spinn_mam.partitioning.structures.Partition`.
    """
    core = np.full((len(synapse_cores), n_slices), -1, dtype=np.int16)
    asked = np.zeros(len(synapse_cores), dtype=np.int64)
    for first, end, targets in senders:
        for target in targets:
            k = int(synapse_cores[target])
            core[target, first:end] = deal(end - first, k, int(asked[target]) % k) if k else 0
            asked[target] += 1
    return core
