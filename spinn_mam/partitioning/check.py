"""The checker: every rule a mapping must keep, found out from the loaded tables alone, all violations at once.

It shares only data types with the router and the table maker: who should receive which spikes is worked out again from the network, and
packets are walked through the tables as the router would: the first entry that matches decides; without one a packet that came over a
link goes straight on, and one from a core of the chip is dropped. A slice's keys share their way unless an entry looks at the bits below
its core index; such slices are walked key by key (:mod:`spinn_mam.partitioning.walk`).
"""

from __future__ import annotations

import numpy as np

from spinn_mam.deployment import Deployment
from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.check_cores import check_cores
from spinn_mam.partitioning.delays import longest_steps
from spinn_mam.partitioning.structures import DELAY_EXTENSION, KIND_NAMES, NEURON, POISSON_SOURCE, SYNAPSE, BoolArray, IntArray
from spinn_mam.partitioning.walk import check_routes

_MIB = 2.0**20


def check(deployment: Deployment, spec: NetworkSpec, *, every_key: bool = False) -> list[Violation]:
    """Check a mapping.

    Parameters
    ----------
    deployment : Deployment
    spec : NetworkSpec
        The network it is for.
    every_key : bool
        Walk each neuron's key by itself instead of one key for each slice.

    Returns
    -------
    list of Violation
        Worst first; empty if all is well.
    """
    violations: list[Violation] = []
    if deployment.network_digest != spec.digest():
        violations.append(Violation("network", "deployment", "it was made for another network: map this one again", np.inf))
    labels = slice_labels(deployment, spec)
    violations += _check_slices(deployment, spec)
    on_machine = _check_places(deployment, labels, violations)
    violations += _check_memory(deployment, labels)
    violations += _check_keys(deployment, labels)
    violations += check_cores(deployment, spec, labels, *linked_and_late(deployment, spec))
    if on_machine:
        violations += check_routes(deployment, expected_pairs(deployment, spec), labels, every_key=every_key)
    return sorted(violations, key=lambda v: -v.excess)


def check_or_raise(deployment: Deployment, spec: NetworkSpec) -> None:
    """Raise DoesNotFitError with all violations, if there are any."""
    violations = check(deployment, spec)
    if violations:
        raise DoesNotFitError("mapping check", violations)


def slice_labels(deployment: Deployment, spec: NetworkSpec) -> list[str]:
    """Return a name for each slice, such as ``L4E[80:160]``, ``L4E[80:160] poisson source`` or ``L4E[80:160] synapse 2``."""
    slices, names = deployment.slices, spec.names
    ordinals = deployment.partition.vertices.ordinal[slices.vertex].tolist()
    labels = []
    rows = zip(slices.population.tolist(), slices.kind.tolist(), slices.lo.tolist(), slices.hi.tolist(), ordinals, strict=True)
    for population, kind, lo, hi, ordinal in rows:
        suffix = "" if kind == NEURON else " " + KIND_NAMES[kind].replace("_", " ")
        suffix += f" {ordinal}" if kind == SYNAPSE else ""
        labels.append(f"{names[population]}[{lo}:{hi}]{suffix}")
    return labels


def expected_pairs(deployment: Deployment, spec: NetworkSpec) -> tuple[BoolArray, IntArray, IntArray]:
    """Work out who must receive whose spikes, from the network and the dealing of sources to synapse cores.

    Returns
    -------
    reaches : ndarray of bool, shape (n_groups, n_slices)
        Whether spikes of a group of slices go to a slice.
    group : ndarray, shape (n_slices,)
        Group of each slice: its population, kind and the synapse cores that take its spikes.
    private : ndarray, shape (n_slices, 2)
        Up to two slices that receive the spikes of this one alone; -1 for none.
    """
    slices = deployment.slices
    linked, late = linked_and_late(deployment, spec)
    is_source = [p.is_source for p in spec.populations]
    drives = [p.drive is not None and p.drive.rate > 0 for p in spec.populations]
    split = deployment.synapse_cores > 0
    # Rows: population, kind, and the core of each target's slices.
    sender = np.concatenate([slices.population[:, None], slices.kind[:, None], deployment.synapse_core.T], axis=1)
    first, group = np.unique(sender, axis=0, return_index=True, return_inverse=True)[1:]
    ordinal = deployment.partition.vertices.ordinal[slices.vertex]
    receives = np.where(split[slices.population], slices.kind == SYNAPSE, slices.kind == NEURON)
    reaches = np.zeros((len(first), slices.n_slices), dtype=bool)
    for g, i in enumerate(first.tolist()):
        p, kind = int(slices.population[i]), int(slices.kind[i])
        own = kind == (POISSON_SOURCE if is_source[p] else NEURON)
        if own or kind == DELAY_EXTENSION:
            targets = (linked if own else late)[p][slices.population] & receives
            reaches[g] = targets & (~split[slices.population] | (deployment.synapse_core[slices.population, i] == ordinal))
    row = {(p, k, lo): i for i, (p, k, lo) in enumerate(zip(slices.population.tolist(), slices.kind.tolist(), slices.lo.tolist(), strict=True))}
    private = np.full((slices.n_slices, 2), -1, dtype=np.int64)
    any_late = [bool(row.any()) for row in late]
    for i, (p, k, lo) in enumerate(zip(slices.population.tolist(), slices.kind.tolist(), slices.lo.tolist(), strict=True)):
        if any_late[p] and k == (POISSON_SOURCE if is_source[p] else NEURON):
            private[i, 0] = row.get((p, DELAY_EXTENSION, lo), -1)
        if k == POISSON_SOURCE and not is_source[p] and drives[p] and not split[p]:
            private[i, 1] = row.get((p, NEURON, lo), -1)
    return reaches, group.reshape(-1), private


def linked_and_late(deployment: Deployment, spec: NetworkSpec) -> tuple[BoolArray, BoolArray]:
    """Return which pairs of populations (source, target) have synapses, and which have delays beyond the target's slots."""
    n_pop = len(spec.populations)
    linked = np.zeros((n_pop, n_pop), dtype=bool)
    late = np.zeros((n_pop, n_pop), dtype=bool)
    for projection in spec.projections:
        if projection.n_synapses > 0:
            source, target = projection.source, projection.target
            linked[source, target] = True
            late[source, target] |= longest_steps(projection, spec.dt) > int(deployment.delay_slots[target])
    return linked, late


def _check_slices(deployment: Deployment, spec: NetworkSpec) -> list[Violation]:
    """Each population is cut without gap or overlap, in each of its vertices."""
    slices, kind, found = deployment.slices, deployment.partition.vertices.kind, []
    for index, population in enumerate(spec.populations):
        vertices = [(int(kind[v]), v) for v in np.flatnonzero(deployment.partition.vertices.population == index).tolist()]
        if (POISSON_SOURCE if population.is_source else NEURON) not in [k for k, _ in vertices]:
            found.append(Violation("slices", f"population {population.name}", "it is on no core", 1e6))
        for k, v in vertices:
            rows = np.flatnonzero(slices.vertex == v)
            rows = rows[np.argsort(slices.lo[rows], kind="stable")]
            edges = np.concatenate([[0], slices.hi[rows]]), np.concatenate([slices.lo[rows], [population.size]])
            for end, begin in zip(edges[0].tolist(), edges[1].tolist(), strict=True):
                if end != begin:
                    what = (
                        f"{KIND_NAMES[k]} cores: neurons [{end}:{begin}) are on no core"
                        if end < begin
                        else f"neurons [{begin}:{end}) are on two cores"
                    )
                    found.append(Violation("slices", f"population {population.name}", what, 1e6))
    return found


def _check_places(deployment: Deployment, labels: list[str], found: list[Violation]) -> bool:
    """Cores exist, work, and run one slice each; return whether all are on the machine."""
    machine, chip, core = deployment.machine, deployment.placement.chip, deployment.placement.core
    outside = (chip < 0) | (chip >= machine.n_chips) | (core < 0) | (core > 17)
    found += [
        Violation("dead_core", labels[i], f"placed on chip row {chip[i]}, core {core[i]}, which is not on the machine", 1e6)
        for i in np.flatnonzero(outside).tolist()
    ]
    if outside.any():
        return False
    dead = (machine.core_ids[chip] >> core) & 1 == 0
    found += [
        Violation("dead_core", _chip(deployment, int(chip[i])), f"{labels[i]} is on core {core[i]}, which no application may use", 1e6)
        for i in np.flatnonzero(dead).tolist()
    ]
    place = chip * 32 + core
    order = np.argsort(place, kind="stable")
    for a, b in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        if place[a] == place[b]:
            found.append(Violation("core", _chip(deployment, int(chip[a])), f"core {core[a]} runs both {labels[a]} and {labels[b]}", 1e6))
    return True


def _check_memory(deployment: Deployment, labels: list[str]) -> list[Violation]:
    """SDRAM of each chip, DTCM of each core, entries and cores of each chip."""
    machine, slices, chip = deployment.machine, deployment.slices, deployment.placement.chip
    found: list[Violation] = []
    valid = (chip >= 0) & (chip < machine.n_chips)
    need = np.bincount(chip[valid], weights=slices.sdram_bytes[valid], minlength=machine.n_chips)
    per_core = int(deployment.neurons_per_core.max(initial=1))
    for c in np.flatnonzero(need > machine.sdram_bytes).tolist():
        have = int(machine.sdram_bytes[c])
        here = np.flatnonzero(chip == c)
        biggest = int(here[np.argmax(slices.sdram_bytes[here])])
        fewer = max(int(per_core * have / need[c]), 1)
        boards = int(np.ceil(machine.n_boards * max(need[c] / max(have, 1), 1 + 1e-9)))
        message = (
            f"SDRAM {need[c] / _MIB:.1f} MiB needed, {have / _MIB:.1f} MiB free: {labels[biggest]} takes "
            f"{slices.sdram_bytes[biggest] / _MIB:.1f} MiB. "
            f"Use at most {fewer} neurons a core (now {per_core}), or {max(boards, machine.n_boards + 1)} boards."
        )
        found.append(Violation("sdram", _chip(deployment, c), message, float(need[c] / max(have, 1))))
    for i in np.flatnonzero(slices.dtcm_bytes > machine.dtcm_bytes).tolist():
        n, have = int(slices.hi[i] - slices.lo[i]), machine.dtcm_bytes
        fewer = max(int(n * have / slices.dtcm_bytes[i]), 1)
        message = f"DTCM {slices.dtcm_bytes[i]:,} bytes needed, {have:,} there. Use at most {fewer} neurons a core (now {n})."
        found.append(Violation("dtcm", labels[i], message, float(slices.dtcm_bytes[i] / have)))
    sizes = deployment.tables.sizes
    for c in np.flatnonzero(sizes > machine.router_entries).tolist():
        message = (
            f"{sizes[c]} routing entries needed, {machine.router_entries} there: compress the table, or use more neurons a core (now {per_core})."
        )
        found.append(Violation("routing_entries", _chip(deployment, c), message, float(sizes[c] / machine.router_entries)))
    used = np.bincount(chip[valid], minlength=machine.n_chips)
    for c in np.flatnonzero(used > machine.n_cores).tolist():
        message = f"{used[c]} cores needed, {machine.n_cores[c]} there: use more boards (now {machine.n_boards})."
        found.append(Violation("cores", _chip(deployment, c), message, float(used[c] / max(int(machine.n_cores[c]), 1))))
    return found


def _check_keys(deployment: Deployment, labels: list[str]) -> list[Violation]:
    """Blocks are apart and wide enough, with core indices in slice order below the vertex's key."""
    keys, partition, slices = deployment.keys, deployment.partition, deployment.slices
    found: list[Violation] = []
    key, mask = keys.slice_key.astype(np.int64), keys.slice_mask.astype(np.int64)
    size = (~mask & 0xFFFFFFFF) + 1
    order = np.argsort(key, kind="stable")
    clash = key[order[1:]] < (key + size)[order[:-1]]
    for a, b in zip(order[:-1][clash].tolist(), order[1:][clash].tolist(), strict=True):
        found.append(Violation("key_overlap", labels[b], f"its keys from {key[b]:#010x} overlap those of {labels[a]} from {key[a]:#010x}", 1e6))
    index = np.arange(slices.n_slices) - partition.vertices.first_slice[slices.vertex]
    right = keys.vertex_key[slices.vertex].astype(np.int64) | (index << keys.core_shift[slices.vertex])
    astray = (right != key) | ((key & keys.vertex_mask[slices.vertex]) != keys.vertex_key[slices.vertex])
    found += [
        Violation("key_format", labels[i], f"key {key[i]:#010x}, but vertex and core index make {right[i]:#010x}", 1e6)
        for i in np.flatnonzero(astray).tolist()
    ]
    wanted = partition.vertices.ids_per_core[slices.vertex] << keys.colour_bits
    found += [
        Violation("key_format", labels[i], f"{wanted[i]} keys needed, {size[i]} in its block", float(wanted[i] / size[i]))
        for i in np.flatnonzero(wanted > size).tolist()
    ]
    return found


def _chip(deployment: Deployment, row: int) -> str:
    return f"chip ({deployment.machine.x[row]}, {deployment.machine.y[row]})"
