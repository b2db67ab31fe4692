"""Multicast trees with balanced links: nearest attachment, then rip-up and re-route.

Problem: a tree for each net (source vertex, source chip) to all its target chips over working links; few links in all, and no link much
busier than the others. The placer of the SpiNNaker tools routes each population out by one chip, so that its busiest link carries
nearly all spikes of the microcircuit.
Method: a tree grows from its source by the cheapest path to the nearest target not yet reached (Takahashi and Matsuyama 1980, Math. Japonica
24:573; Dijkstra from the whole tree). A link costs 1 + pressure x load / mean load, with the load of all other nets. Each pass
takes every net out and routes it again, heaviest first (rip-up and re-route; McMurchie and Ebeling 1995, doi:10.1145/201310.201328),
with growing pressure; the pass with the least busy link is kept.
Cost: O(passes x nets x links log links); the microcircuit's 124 nets take tens of milliseconds.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np
import numpy.typing as npt

from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.partitioning.structures import FloatArray, IntArray, RoutingProblem, RoutingTrees

#: Weight of a link's load in its cost, pass by pass (chosen on the microcircuit; more passes gain less than 1 %).
PRESSURES = (0.0, 0.5, 1.0, 2.0, 4.0)


def route(problem: RoutingProblem) -> RoutingTrees:
    """Route all nets.

    Parameters
    ----------
    problem : RoutingProblem

    Returns
    -------
    RoutingTrees

    Raises
    ------
    DoesNotFitError
        If working links do not lead from a source to a target.
    """
    order = np.argsort(-problem.rate, kind="stable").astype(np.int64)
    parts = _route_all(
        problem.neighbour.astype(np.int64),
        problem.vertex,
        problem.chip,
        problem.rate,
        problem.target_first,
        problem.target_chips,
        order,
        np.array(PRESSURES),
    )
    first, from_chip, link, unreached_net, unreached_chip = parts
    if unreached_net >= 0:
        source = int(problem.chip[unreached_net])
        message = f"no way over working links from chip row {source} to chip row {unreached_chip}: leave one of them out, or repair links between."
        raise DoesNotFitError("routing", [Violation("unreachable", f"chip row {unreached_chip}", message)])
    return RoutingTrees(problem.vertex, problem.chip, problem.rate, first, from_chip, link)


def link_loads(trees: RoutingTrees, n_chips: int) -> FloatArray:
    """Return the spikes/s (biological time) over each link, shape (n_chips, 6)."""
    load = np.zeros((n_chips, 6))
    rate = np.repeat(trees.rate, np.diff(trees.first))
    np.add.at(load, (trees.from_chip, trees.link), rate)
    return load


@numba.njit(cache=True)
def _grow_tree(
    neighbour: IntArray,
    source: int,
    wanted: npt.NDArray[np.bool_],
    n_wanted: int,
    cost: FloatArray,
    distance: FloatArray,
    via_chip: IntArray,
    via_link: IntArray,
    in_tree: npt.NDArray[np.bool_],
    out_chip: IntArray,
    out_link: IntArray,
) -> tuple[int, int]:
    """Grow one tree; return its number of edges and the targets it could not reach."""
    distance[:] = np.inf
    in_tree[:] = False
    distance[source] = 0.0
    in_tree[source] = True
    via_chip[source] = -1
    n_edges = 0
    missing = n_wanted - (1 if wanted[source] else 0)
    heap = [(0.0, source)]
    while missing > 0 and len(heap) > 0:
        d, chip = heapq.heappop(heap)
        if d > distance[chip]:
            continue
        if wanted[chip] and not in_tree[chip]:
            # Add the path; its chips become sources of the search at distance 0.
            node = chip
            while not in_tree[node]:
                in_tree[node] = True
                if wanted[node]:
                    missing -= 1
                out_chip[n_edges] = via_chip[node]
                out_link[n_edges] = via_link[node]
                n_edges += 1
                distance[node] = 0.0
                heapq.heappush(heap, (0.0, node))
                node = via_chip[node]
            continue
        for link in range(6):
            other = neighbour[chip, link]
            if other < 0 or in_tree[other]:
                continue
            reach = d + cost[chip, link]
            if reach < distance[other]:
                distance[other] = reach
                via_chip[other] = chip
                via_link[other] = link
                heapq.heappush(heap, (reach, other))
    return n_edges, missing


@numba.njit(cache=True)
def _route_all(
    neighbour: IntArray,
    net_vertex: IntArray,
    net_chip: IntArray,
    net_rate: FloatArray,
    target_first: IntArray,
    target_chips: IntArray,
    order: IntArray,
    pressures: FloatArray,
) -> tuple[IntArray, IntArray, IntArray, int, int]:
    """Route every net in every pass; return the best pass as (first, from_chip, link, net without a way, target of it)."""
    n_nets, n_chips = len(net_vertex), len(neighbour)
    n_used = 0
    load = np.zeros((n_chips, 6))
    for chip in range(n_chips):
        for link in range(6):
            if neighbour[chip, link] >= 0:
                n_used += 1
    wanted = np.zeros(n_chips, dtype=np.bool_)
    in_tree = np.zeros(n_chips, dtype=np.bool_)
    distance = np.empty(n_chips)
    via_chip = np.empty(n_chips, dtype=np.int64)
    via_link = np.empty(n_chips, dtype=np.int64)
    out_chip = np.empty(n_chips, dtype=np.int64)
    out_link = np.empty(n_chips, dtype=np.int64)
    tree_chip = [np.empty(0, dtype=np.int64) for _ in range(n_nets)]
    tree_link = [np.empty(0, dtype=np.int64) for _ in range(n_nets)]
    best_chip, best_link = tree_chip[:], tree_link[:]
    best_busiest = np.inf
    cost = np.ones((n_chips, 6))
    for number, pressure in enumerate(pressures):
        for net in order:
            for i in range(len(tree_chip[net])):
                load[tree_chip[net][i], tree_link[net][i]] -= net_rate[net]
            total = load.sum()
            scale = pressure * n_used / total if total > 0 else 0.0
            for chip in range(n_chips):
                for link in range(6):
                    cost[chip, link] = 1.0 + scale * load[chip, link]
            lo, hi = target_first[net_vertex[net]], target_first[net_vertex[net] + 1]
            for i in range(lo, hi):
                wanted[target_chips[i]] = True
            n_edges, missing = _grow_tree(neighbour, net_chip[net], wanted, hi - lo, cost, distance, via_chip, via_link, in_tree, out_chip, out_link)
            if missing > 0:
                for i in range(lo, hi):
                    if not in_tree[target_chips[i]]:
                        return np.zeros(1, dtype=np.int64), out_chip, out_link, net, target_chips[i]
            for i in range(lo, hi):
                wanted[target_chips[i]] = False
            tree_chip[net] = out_chip[:n_edges].copy()
            tree_link[net] = out_link[:n_edges].copy()
            for i in range(n_edges):
                load[out_chip[i], out_link[i]] += net_rate[net]
        if number == 0 or load.max() < best_busiest:
            best_busiest = load.max()
            best_chip, best_link = tree_chip[:], tree_link[:]
    first = np.zeros(n_nets + 1, dtype=np.int64)
    for net in range(n_nets):
        first[net + 1] = first[net] + len(best_chip[net])
    from_chip = np.empty(first[n_nets], dtype=np.int64)
    link_of = np.empty(first[n_nets], dtype=np.int64)
    for net in range(n_nets):
        from_chip[first[net] : first[net + 1]] = best_chip[net]
        link_of[first[net] : first[net + 1]] = best_link[net]
    return first, from_chip, link_of, -1, -1
