"""Routing tables from trees: on each chip, one entry for each aligned run of cores whose spikes go the same way.

Problem: turn trees (source vertex, source chip) into key and mask entries. Method: for each chip a tree visits, the route is the
links that leave it there and the local cores that take the slice's spikes; neighbouring core indices with the same route are merged into aligned
powers of two (core indices beyond the last slice of a vertex are nobody's, so the last run may be rounded up). An entry is
*defaultable* if its packets arrive by one link and leave by the opposite one only, which the router does unasked.
Cost: linear in (chips visited x slices on the source chip).
"""

from __future__ import annotations

import numpy as np

from spinn_mam.partitioning.structures import IntArray, Keys, Partition, Placement, RoutingProblem, RoutingTables, RoutingTrees


def routing_problem(partition: Partition, placement: Placement, neighbour: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> RoutingProblem:
    """Gather the nets: one for each vertex and chip that its slices are on, with the chips it sends to.

    One-to-one targets are on the chip of their source and so need no tree.
    """
    vertices, slices = partition.vertices, partition.slices
    n_vertices, n_chips = len(vertices.kind), len(neighbour)
    net, which = np.unique(slices.vertex * n_chips + placement.chip, return_inverse=True)
    neurons = (slices.hi - slices.lo) * vertices.rate[slices.vertex]
    stages = vertices.ids_per_core[slices.vertex] // np.maximum(partition.neurons_per_core[slices.population], 1)
    rate = np.bincount(which, weights=neurons * np.maximum(stages, 1), minlength=len(net))
    chips_of = [np.unique(placement.chip[vertices.first_slice[v] : vertices.first_slice[v + 1]]) for v in range(n_vertices)]
    connections = partition.connections
    wanted: list[IntArray] = []
    for v in range(n_vertices):
        targets = connections.target[(connections.source == v) & ~connections.one_to_one]
        wanted.append(np.unique(np.concatenate([chips_of[t] for t in targets])) if len(targets) else np.empty(0, dtype=np.int64))
    return RoutingProblem(
        neighbour=neighbour,
        vertex=net // n_chips,
        chip=net % n_chips,
        rate=rate.astype(np.float64),
        target_first=np.concatenate([[0], np.cumsum([len(w) for w in wanted])]).astype(np.int64),
        target_chips=np.concatenate([*wanted, np.empty(0, dtype=np.int64)]).astype(np.int64),
    )


def make_tables(partition: Partition, placement: Placement, keys: Keys, trees: RoutingTrees, problem: RoutingProblem) -> RoutingTables:
    """Make the uncompressed tables of all chips.

    Parameters
    ----------
    partition : Partition
    placement : Placement
    keys : Keys
    trees : RoutingTrees
    problem : RoutingProblem
        Whose answer ``trees`` is.

    Returns
    -------
    RoutingTables
        Entries of a chip are disjoint, in the order of their keys.
    """
    slices, first_slice = partition.slices, partition.vertices.first_slice
    n_chips = len(problem.neighbour)
    visit_net, visit_chip, links, arrival = _visits(trees, problem)
    local = _LocalCores(partition, placement, n_chips)

    # One row for each visit and slice of its net: net by net, slices in order.
    net_of_slice = np.searchsorted(trees.vertex * n_chips + trees.chip, slices.vertex * n_chips + placement.chip)
    by_net = np.argsort(net_of_slice, kind="stable")
    net_first = np.searchsorted(net_of_slice[by_net], np.arange(len(trees.vertex) + 1))
    count = np.diff(net_first)[visit_net]
    visit = np.repeat(np.arange(len(visit_net)), count)
    within = np.arange(len(visit)) - np.repeat(np.cumsum(count) - count, count)
    row_slice = by_net[net_first[visit_net[visit]] + within]
    row_chip, row_arrival = visit_chip[visit], arrival[visit]
    row_route = links[visit] | local.cores[local.group[row_slice], row_chip]

    # One-to-one targets: the core that a slice serves, and the delay extension that serves it.
    private = _private_cores(partition, placement)
    at_home = row_chip == placement.chip[row_slice]
    row_route = np.where(at_home, row_route | private[row_slice], row_route)
    used = row_route != 0
    row_chip, row_slice, row_route, row_arrival = row_chip[used], row_slice[used], row_route[used], row_arrival[used]
    straight = (row_arrival >= 0) & (row_route == np.left_shift(1, (row_arrival + 3) % 6))

    order = np.lexsort((row_slice, row_chip))
    row_chip, row_slice, row_route, straight = row_chip[order], row_slice[order], row_route[order], straight[order]
    vertex = slices.vertex[row_slice]
    core = row_slice - first_slice[vertex]
    if not len(core):
        none = np.empty(0, dtype=np.uint32)
        return RoutingTables(np.zeros(n_chips + 1, dtype=np.int64), none, none, none, np.empty(0, dtype=np.bool_))
    new_run = np.ones(len(core), dtype=bool)
    new_run[1:] = (
        (row_chip[1:] != row_chip[:-1])
        | (vertex[1:] != vertex[:-1])
        | (core[1:] != core[:-1] + 1)
        | (row_route[1:] != row_route[:-1])
        | (straight[1:] != straight[:-1])
    )
    begin = np.flatnonzero(new_run)
    end = np.append(begin[1:], len(core))
    lo, hi = core[begin], core[end - 1] + 1
    n_cores = np.diff(first_slice)[vertex[begin]]
    hi = np.where(hi == n_cores, np.int64(1) << _bit_length(n_cores - 1), hi)
    run, at, size = _aligned_blocks(lo, hi)
    source = begin[run]
    shift = keys.core_shift[vertex[source]]
    key = keys.vertex_key[vertex[source]].astype(np.int64) + (at << shift)
    mask = 0xFFFFFFFF & ~((size << shift) - 1)
    order = np.lexsort((key, row_chip[source]))
    chip = row_chip[source][order]
    return RoutingTables(
        first=np.searchsorted(chip, np.arange(n_chips + 1)).astype(np.int64),
        key=key[order].astype(np.uint32),
        mask=mask[order].astype(np.uint32),
        route=row_route[source][order].astype(np.uint32),
        defaultable=straight[source][order],
    )


def _visits(trees: RoutingTrees, problem: RoutingProblem) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return (net, chip, links out, port of arrival or -1) of every chip on every tree."""
    n_chips = len(problem.neighbour)
    edge_net = np.repeat(np.arange(len(trees.vertex)), np.diff(trees.first))
    reached = problem.neighbour[trees.from_chip, trees.link].astype(np.int64)
    place = np.concatenate([np.arange(len(trees.vertex)) * n_chips + trees.chip, edge_net * n_chips + reached])
    port = np.concatenate([np.full(len(trees.vertex), -1), (trees.link + 3) % 6])
    order = np.argsort(place, kind="stable")
    place, port = place[order], port[order]
    links = np.zeros(len(place), dtype=np.int64)
    np.bitwise_or.at(links, np.searchsorted(place, edge_net * n_chips + trees.from_chip), np.int64(1) << trees.link)
    return place // n_chips, place % n_chips, links, port


class _LocalCores:
    """The cores that spikes reach on each chip.

    Slices of a vertex that all connections treat alike are a group: synapse cores take runs of source slices.

    Attributes
    ----------
    group : ndarray, shape (n_slices,)
    cores : ndarray, shape (n_groups, n_chips)
        Route bits.
    """

    def __init__(self, partition: Partition, placement: Placement, n_chips: int) -> None:
        slices, first = partition.slices, partition.vertices.first_slice
        connections = partition.connections
        common = ~connections.one_to_one
        source, target = connections.source[common], connections.target[common]
        begin, end = first[source] + connections.lo[common], first[source] + connections.hi[common]
        edges = np.unique(np.concatenate([first, begin, end]))
        self.group = np.searchsorted(edges, np.arange(slices.n_slices), side="right") - 1
        own = np.zeros((len(first) - 1, n_chips), dtype=np.int64)
        np.bitwise_or.at(own, (slices.vertex, placement.chip), np.int64(1) << (6 + placement.core))
        self.cores = np.zeros((len(edges) - 1, n_chips), dtype=np.int64)
        for lo, hi, t in zip(np.searchsorted(edges, begin), np.searchsorted(edges, end), target, strict=True):
            self.cores[lo:hi] |= own[t]


def _private_cores(partition: Partition, placement: Placement) -> IntArray:
    """Return the one-to-one target cores (route bits) of each slice, shape (n_slices,)."""
    slices, first = partition.slices, partition.vertices.first_slice
    private = np.zeros(slices.n_slices, dtype=np.int64)
    one = partition.connections.one_to_one
    for source, target in zip(partition.connections.source[one], partition.connections.target[one], strict=True):
        private[first[source] : first[source + 1]] |= np.int64(1) << (6 + placement.core[first[target] : first[target + 1]])
    return private


def _aligned_blocks(lo: IntArray, hi: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Cut runs [lo, hi) into blocks whose size is a power of two that divides their begin; return (run, begin, size)."""
    run = np.arange(len(lo))
    runs, begins, sizes = [], [], []
    at = lo.copy()
    while len(run):
        aligned = np.where(at == 0, np.int64(1) << 40, at & -at)
        size = np.minimum(aligned, np.int64(1) << (_bit_length(hi - at) - 1))
        runs.append(run)
        begins.append(at)
        sizes.append(size)
        left = at + size < hi
        run, at, hi = run[left], (at + size)[left], hi[left]
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([*runs, empty]), np.concatenate([*begins, empty]), np.concatenate([*sizes, empty])


def _bit_length(n: IntArray) -> IntArray:
    """Return the bits of each number; 0 for 0."""
    return np.frexp(n.astype(np.float64))[1].astype(np.int64)
