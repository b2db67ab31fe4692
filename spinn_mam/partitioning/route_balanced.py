"""Multicast trees with balanced links: nearest attachment, then rip-up and re-route.

Problem: a tree for each net (source vertex, source chip) to all its target chips over working links; few links in all, and no link much
busier than the others. (The SpiNNaker tools' router mostly lets a population out by one chip, so that one link carries nearly all spikes of the
microcircuit.)
Method: a tree grows from its source by the cheapest path to the nearest target not yet reached (Takahashi and Matsuyama 1980, Math. Japonica
24:573; Dijkstra from the whole tree). A link costs 1 + pressure x load / mean load, with the load of all other nets. Each pass
takes every net out and routes it again, heaviest first (rip-up and re-route; McMurchie and Ebeling 1995, doi:10.1145/201310.201328),
with growing pressure; the pass with the least busy link is kept.
Cost: O(passes x nets x links log links); the microcircuit's 124 nets take tens of milliseconds. Only the growing of one tree is
compiled, with a heap of its own, since Numba's takes several times as long to compile.
"""

from __future__ import annotations

import numba
import numpy as np

from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.partitioning.structures import BoolArray, FloatArray, IntArray, RoutingProblem, RoutingTrees

#: Weight of a link's load in its cost, pass by pass. Measured on the full-scale microcircuit (80 neurons a core, 124 chips of 6 boards): busiest
#: link 139 k spikes/s after the first pass and 75 k after the second, where 74.6 k is the bound, for 1.3 % more links crossed; on a torus of 24
#: boards 127 k and 53 k for 11 %. Further passes gain nothing on 6 boards, and on 24 at most 10 % for 6 to 11 % more links crossed.
PRESSURES = (0.0, 1.0)


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
        If working links do not lead from a source to a target; names every such target.
    """
    neighbour = problem.neighbour.astype(np.int64)
    n_nets, n_chips = len(problem.vertex), len(neighbour)
    n_links = int((neighbour >= 0).sum())
    load = np.zeros((n_chips, 6))
    wanted = np.zeros(n_chips, dtype=np.bool_)
    scratch = _Scratch(n_chips)
    none = np.empty(0, dtype=np.int64)
    trees: list[tuple[IntArray, IntArray]] = [(none, none)] * n_nets
    best, least, total = trees, np.inf, 0.0
    for pressure in PRESSURES:
        trees = trees.copy()
        cut_off: list[Violation] = []
        for net in np.argsort(-problem.rate, kind="stable").tolist():
            rate, vertex = float(problem.rate[net]), int(problem.vertex[net])
            load[trees[net]] -= rate
            total -= rate * len(trees[net][0])
            targets = problem.target_chips[problem.target_first[vertex] : problem.target_first[vertex + 1]]
            wanted[targets] = True
            per_load = pressure * n_links / total if total > 0 else 0.0
            trees[net], missing = scratch.grow(neighbour, int(problem.chip[net]), wanted, len(targets), load, per_load)
            if missing:
                cut_off += [_unreachable(int(problem.chip[net]), chip) for chip in targets[~scratch.in_tree[targets]].tolist()]
            wanted[targets] = False
            load[trees[net]] += rate
            total += rate * len(trees[net][0])
        if cut_off:
            raise DoesNotFitError("routing", list(dict.fromkeys(cut_off)))
        if load.max(initial=0.0) < least:
            best, least = trees, float(load.max(initial=0.0))
    return RoutingTrees(
        vertex=problem.vertex,
        chip=problem.chip,
        rate=problem.rate,
        first=np.concatenate([[0], np.cumsum([len(chips) for chips, _ in best])]).astype(np.int64),
        from_chip=np.concatenate([none, *(chips for chips, _ in best)]),
        link=np.concatenate([none, *(links for _, links in best)]),
    )


def link_loads(trees: RoutingTrees, n_chips: int) -> FloatArray:
    """Return the spikes/s (biological time) over each link, shape (n_chips, 6)."""
    load = np.zeros((n_chips, 6))
    rate = np.repeat(trees.rate, np.diff(trees.first))
    np.add.at(load, (trees.from_chip, trees.link), rate)
    return load


def _unreachable(source: int, chip: int) -> Violation:
    message = f"no way over working links from chip row {source}: leave one of the two chips out, or repair a link between them."
    return Violation("unreachable", f"chip row {chip}", message)


class _Scratch:
    """Arrays of the search, made once."""

    def __init__(self, n_chips: int) -> None:
        self.distance = np.empty(n_chips)
        self.via_chip, self.via_link = np.empty(n_chips, dtype=np.int64), np.empty(n_chips, dtype=np.int64)
        self.in_tree = np.zeros(n_chips, dtype=np.bool_)
        self.heap, self.slot = np.empty(n_chips, dtype=np.int64), np.empty(n_chips, dtype=np.int64)
        self.out_chip, self.out_link = np.empty(n_chips, dtype=np.int64), np.empty(n_chips, dtype=np.int64)

    def grow(
        self, neighbour: IntArray, source: int, wanted: BoolArray, n_wanted: int, load: FloatArray, per_load: float
    ) -> tuple[tuple[IntArray, IntArray], int]:
        """Return the edges (from chip, link) of one tree, and the number of targets it cannot reach."""
        n, missing = _grow_tree(
            neighbour,
            source,
            wanted,
            n_wanted,
            load,
            per_load,
            self.distance,
            self.via_chip,
            self.via_link,
            self.in_tree,
            self.heap,
            self.slot,
            self.out_chip,
            self.out_link,
        )
        return (self.out_chip[:n].copy(), self.out_link[:n].copy()), missing


@numba.njit(cache=True)
def _sift_up(heap: IntArray, slot: IntArray, distance: FloatArray, at: int) -> None:
    """Move the chip in heap cell ``at`` towards the root until its parent is nearer."""
    chip = heap[at]
    while at > 0:
        parent = (at - 1) >> 1
        if distance[heap[parent]] <= distance[chip]:
            break
        heap[at] = heap[parent]
        slot[heap[at]] = at
        at = parent
    heap[at] = chip
    slot[chip] = at


@numba.njit(cache=True)
def _grow_tree(
    neighbour: IntArray,
    source: int,
    wanted: BoolArray,
    n_wanted: int,
    load: FloatArray,
    per_load: float,
    distance: FloatArray,
    via_chip: IntArray,
    via_link: IntArray,
    in_tree: BoolArray,
    heap: IntArray,
    slot: IntArray,
    out_chip: IntArray,
    out_link: IntArray,
) -> tuple[int, int]:
    """Grow one tree into ``out_chip``, ``out_link``; return its number of edges and the targets it could not reach.

    ``heap`` holds the chips on the front, nearest first; ``slot`` the cell of each (-1: not in it).
    """
    distance[:] = np.inf
    in_tree[:] = False
    slot[:] = -1
    distance[source] = 0.0
    in_tree[source] = True
    n_edges = 0
    missing = n_wanted - (1 if wanted[source] else 0)
    heap[0] = source
    slot[source] = 0
    n_heap = 1
    while missing > 0 and n_heap > 0:
        chip = heap[0]
        slot[chip] = -1
        n_heap -= 1
        if n_heap > 0:
            # Put the last chip of the heap at the root and let it sink.
            last, at = heap[n_heap], 0
            while 2 * at + 1 < n_heap:
                child = 2 * at + 1
                if child + 1 < n_heap and distance[heap[child + 1]] < distance[heap[child]]:
                    child += 1
                if distance[last] <= distance[heap[child]]:
                    break
                heap[at] = heap[child]
                slot[heap[at]] = at
                at = child
            heap[at] = last
            slot[last] = at
        if wanted[chip] and not in_tree[chip]:
            # Add the way to it; its chips are sources of the search from now on.
            node = chip
            while not in_tree[node]:
                in_tree[node] = True
                missing -= 1 if wanted[node] else 0
                out_chip[n_edges] = via_chip[node]
                out_link[n_edges] = via_link[node]
                n_edges += 1
                distance[node] = 0.0
                if slot[node] < 0:
                    slot[node] = n_heap
                    heap[n_heap] = node
                    n_heap += 1
                _sift_up(heap, slot, distance, slot[node])
                node = via_chip[node]
            continue
        for link in range(6):
            other = neighbour[chip, link]
            if other < 0 or in_tree[other]:
                continue
            reach = distance[chip] + 1.0 + per_load * load[chip, link]
            if reach < distance[other]:
                distance[other] = reach
                via_chip[other] = chip
                via_link[other] = link
                if slot[other] < 0:
                    slot[other] = n_heap
                    heap[n_heap] = other
                    n_heap += 1
                _sift_up(heap, slot, distance, slot[other])
    return n_edges, missing
