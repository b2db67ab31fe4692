"""What a mapping costs: boards, chips, cores, memory, traffic and tables, each beside its lower bound where one is known.

Traffic counts spikes of biological time. Each spike crosses every link of its tree once. Bounds: a tree that reaches c chips other than its
own has at least c links; a chip receives its spikes over at most 6 links; and the mean over all working links is no more than the
busiest of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinn_mam.machine.description import MachineDescription
from spinn_mam.partitioning.route_balanced import link_loads
from spinn_mam.partitioning.structures import (
    DELAY_EXTENSION,
    NEURON,
    POISSON_SOURCE,
    SYNAPSE,
    IntArray,
    Partition,
    Placement,
    RoutingProblem,
    RoutingTables,
    RoutingTrees,
)


def mapping_metrics(
    machine: MachineDescription,
    partition: Partition,
    placement: Placement,
    problem: RoutingProblem,
    trees: RoutingTrees,
    uncompressed: IntArray,
    tables: RoutingTables,
) -> dict[str, Any]:
    """Return the numbers of ``metrics.json``'s ``mapping`` part (without times).

    Parameters
    ----------
    machine, partition, placement, problem, trees
        The mapping.
    uncompressed : ndarray, shape (n_chips,)
        Entries of each chip before compression.
    tables : RoutingTables
        After it.

    Returns
    -------
    dict
        Counts as int; ``link_traversals_per_spike`` is over the spikes of all nets that leave their core for common targets.
    """
    kind = partition.slices.kind
    chips = np.unique(placement.chip)
    multicast = np.diff(problem.target_first)[problem.vertex] > 0
    rate = float(problem.rate[multicast].sum())
    load = link_loads(trees, machine.n_chips)
    links = machine.neighbour >= 0
    bound_traversals, received = 0.0, np.zeros(machine.n_chips)
    for net in np.flatnonzero(multicast):
        vertex = problem.vertex[net]
        targets = problem.target_chips[problem.target_first[vertex] : problem.target_first[vertex + 1]]
        others = targets[targets != problem.chip[net]]
        bound_traversals += float(problem.rate[net]) * len(others)
        received[others] += problem.rate[net]
    incoming_links = np.bincount(machine.neighbour[links], minlength=machine.n_chips)
    receive_bound = float(np.max(received / np.maximum(incoming_links, 1), initial=0.0))
    sdram = np.bincount(placement.chip, weights=partition.slices.sdram_bytes, minlength=machine.n_chips)
    return {
        "boards": machine.n_boards,
        "boards_used": len(np.unique(machine.ethernet[chips])),
        "chips": len(chips),
        "cores": partition.slices.n_slices,
        "neuron_cores": int(np.sum(kind == NEURON)),
        "synapse_cores": int(np.sum(kind == SYNAPSE)),
        "poisson_source_cores": int(np.sum(kind == POISSON_SOURCE)),
        "delay_extension_cores": int(np.sum(kind == DELAY_EXTENSION)),
        "neurons_per_core_max": int(partition.neurons_per_core.max(initial=0)),
        "synapse_cores_per_slice_max": int(partition.synapse_cores.max(initial=0)),
        "cycles_per_step_max": float(partition.cycles_per_step.max(initial=0.0)),
        "spikes_per_s": rate,
        "link_traversals_per_spike": float(load.sum()) / rate if rate else 0.0,
        "link_traversals_per_spike_bound": bound_traversals / rate if rate else 0.0,
        "busiest_link_spikes_per_s": float(load.max(initial=0.0)),
        "busiest_link_spikes_per_s_bound": max(receive_bound, bound_traversals / max(int(links.sum()), 1)),
        "sdram_bytes_total": int(sdram.sum()),
        "sdram_bytes_per_chip_max": int(sdram.max(initial=0.0)),
        "dtcm_bytes_per_core_max": int(partition.slices.dtcm_bytes.max(initial=0)),
        "routing_entries_max": int(tables.sizes.max(initial=0)),
        "routing_entries_mean": float(tables.sizes[chips].mean()) if len(chips) else 0.0,
        "routing_entries_uncompressed_max": int(uncompressed.max(initial=0)),
        "routing_entries_uncompressed_mean": float(uncompressed[chips].mean()) if len(chips) else 0.0,
    }
