"""Rules among the cores of a slice: one chip, one taker of each spike, sums that fit where they are handed over."""

from __future__ import annotations

import numpy as np

from spinn_mam.deployment import Deployment
from spinn_mam.errors import Violation
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.budgets import SMALL_REGIONS_BYTES, SYSTEM_BYTES, neuron_sdram
from spinn_mam.partitioning.split_cores import hand_over_bytes
from spinn_mam.partitioning.structures import DELAY_EXTENSION, NEURON, POISSON_SOURCE, SYNAPSE, BoolArray


def check_cores(deployment: Deployment, spec: NetworkSpec, labels: list[str], linked: BoolArray, late: BoolArray) -> list[Violation]:
    """Check the cores of each neuron slice against each other.

    Parameters
    ----------
    deployment : Deployment
    spec : NetworkSpec
    labels : list of str
        Name of each slice.
    linked, late : ndarray of bool, shape (n_populations, n_populations)
        Which pairs (source, target) have synapses, and delays beyond the target's slots.

    Returns
    -------
    list of Violation
    """
    return _check_chips(deployment, labels) + _check_takers(deployment, spec, linked, late) + _check_hand_over(deployment, spec, labels)


def _check_chips(deployment: Deployment, labels: list[str]) -> list[Violation]:
    """Each core is on the chip of the slice it serves, which has the same neurons."""
    machine, slices, chip = deployment.machine, deployment.slices, deployment.placement.chip
    found = []
    rows = np.flatnonzero(slices.serves >= 0)
    served = slices.serves[rows]
    for i, s in zip(rows[chip[rows] != chip[served]].tolist(), served[chip[rows] != chip[served]].tolist(), strict=True):
        # Rows, not coordinates: a chip may be none of the machine's, which is another rule.
        where = [f"({machine.x[c]}, {machine.y[c]})" if 0 <= c < machine.n_chips else "that is not there" for c in (int(chip[i]), int(chip[s]))]
        found.append(Violation("same_chip", labels[i], f"on chip {where[0]}, but {labels[s]}, which it serves, on chip {where[1]}", 1e6))
    astray = (slices.lo[rows] != slices.lo[served]) | (slices.hi[rows] != slices.hi[served]) | (slices.population[rows] != slices.population[served])
    found += [Violation("slices", labels[i], f"it serves {labels[slices.serves[i]]}, which has other neurons", 1e6) for i in rows[astray].tolist()]
    return found


def _check_takers(deployment: Deployment, spec: NetworkSpec, linked: BoolArray, late: BoolArray) -> list[Violation]:
    """Each source slice of a projection has one core of the target's slices that takes its spikes, and no other slice has one."""
    vertices, core = deployment.partition.vertices, deployment.synapse_core
    n_cores = np.maximum(deployment.synapse_cores, 1)
    found = []
    for v, (p, kind) in enumerate(zip(vertices.population.tolist(), vertices.kind.tolist(), strict=True)):
        rows = slice(int(vertices.first_slice[v]), int(vertices.first_slice[v + 1]))
        own = kind == (POISSON_SOURCE if spec.populations[p].is_source else NEURON)
        sends = linked[p].copy() if own else late[p] if kind == DELAY_EXTENSION else np.zeros_like(linked[p])
        if kind == POISSON_SOURCE and not own:
            sends[p] = deployment.synapse_cores[p] == 0
        for t in range(len(sends)):
            wrong = (core[t, rows] < 0) | (core[t, rows] >= n_cores[t]) if sends[t] else core[t, rows] != -1
            if wrong.any():
                what = f"0 to {n_cores[t] - 1}" if sends[t] else "none (-1)"
                message = f"{int(wrong.sum())} slices go to core {core[t, rows][wrong][0]} of the slices of {spec.names[t]}, expected {what}"
                found.append(Violation("synapse_core", f"vertex {v} of {spec.names[p]}", message, 1e5))
    return found


def _check_hand_over(deployment: Deployment, spec: NetworkSpec, labels: list[str]) -> list[Violation]:
    """Each synapse core and Poisson core of a split slice writes one row of sums, and the neuron core has room for all of them."""
    slices, split = deployment.slices, deployment.synapse_cores[deployment.slices.population] > 0
    is_source = np.array([p.is_source for p in spec.populations])[slices.population]
    rows = np.array([hand_over_bytes(int(n)) for n in deployment.neurons_per_core])[slices.population]
    gives = (slices.kind == SYNAPSE) | ((slices.kind == POISSON_SOURCE) & split & ~is_source)
    need = np.where(gives, rows, 0)
    found = []
    for i in np.flatnonzero(slices.hand_over_bytes != need).tolist():
        message = f"{slices.hand_over_bytes[i]:,} bytes of sums written in each step, {need[i]:,} are read by the neuron core"
        found.append(Violation("hand_over", labels[i], message, 1e5))
    served = np.flatnonzero((slices.kind == NEURON) & split)
    handed = np.bincount(slices.serves[gives], weights=slices.hand_over_bytes[gives], minlength=slices.n_slices).astype(np.int64)
    for i in served.tolist():
        room = int(slices.sdram_bytes[i]) - neuron_sdram(int(deployment.neurons_per_core[slices.population[i]])) - SYSTEM_BYTES - SMALL_REGIONS_BYTES
        if handed[i] > room:
            message = f"{handed[i]:,} bytes of SDRAM needed for the sums of its synapse and Poisson cores, {room:,} reserved: map the network again"
            found.append(Violation("hand_over", labels[i], message, 1e5))
    return found
