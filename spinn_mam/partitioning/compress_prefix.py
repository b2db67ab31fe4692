"""Table compression by prefixes: the smallest table among all that match by key prefix, longest prefix first.

Problem: a chip has 1,023 entries. Entries here are prefixes (a key block is a power of two), disjoint, and most of the key space is nobody's.
Method: routing tables of the internet are minimised by ORTC (Draves, King, Venkatachary, Zill 1999, doi:10.1109/INFCOM.1999.749256): in the
binary tree of the prefixes each node keeps the set of routes that need the fewest entries below it. Here keys in no entry may go
anywhere, and packets that go straight through need no entry as long as nothing above catches them; the count without a catching entry is
carried beside the set, so the result is the minimum among prefix tables that use the default routes where they help.
The order matters: a longer prefix stands before a shorter one that holds it.
Cost: linear in the entries, times the words of a set of routes.
"""

from __future__ import annotations

import numpy as np

from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.partitioning.structures import RoutingTable, RoutingTables


def compress(table: RoutingTable, capacity: int) -> RoutingTable:
    """Return the smallest prefix table with the same route for every key that an entry of ``table`` matches.

    Parameters
    ----------
    table : RoutingTable
        Disjoint entries whose masks are prefixes.
    capacity : int
        Entries that the router has.

    Returns
    -------
    RoutingTable
        Longest prefixes first. Packets of defaultable entries may match nothing.

    Raises
    ------
    DoesNotFitError
        If the smallest table is larger than ``capacity``.
    """
    n = len(table)
    if n == 0:
        return table
    order = np.argsort(table.key, kind="stable")
    key = table.key[order].astype(np.int64)
    length = np.bitwise_count(table.mask[order]).astype(np.int64)
    if np.any(((0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF) != table.mask[order]):
        raise ValueError("compress_prefix needs prefix masks")
    routes, route_index = np.unique(table.route[order], return_inverse=True)
    # Prefix length that neighbours share: where the binary tree branches.
    shared = 32 - np.frexp((key[1:] ^ key[:-1]).astype(np.float64))[1].astype(np.int64)
    entries = _minimal(key.tolist(), length.tolist(), route_index.tolist(), table.defaultable[order].tolist(), shared.tolist())
    entries.sort(key=lambda e: (-e[1], e[0]))
    if len(entries) > capacity:
        message = f"{len(entries)} routing entries needed after compression (before: {n}), {capacity} there: use more neurons a core."
        raise DoesNotFitError("compression", [Violation("routing_entries", "chip", message, len(entries) / max(capacity, 1))])
    bits = np.array([e[1] for e in entries], dtype=np.int64)
    return RoutingTable(
        key=np.array([e[0] for e in entries], dtype=np.uint32),
        mask=((0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF).astype(np.uint32),
        route=routes[np.array([e[2] for e in entries], dtype=np.int64)].astype(np.uint32) if entries else np.empty(0, dtype=np.uint32),
        defaultable=np.zeros(len(entries), dtype=np.bool_),
    )


def compress_all(tables: RoutingTables, capacity: int, chip_names: list[str]) -> RoutingTables:
    """Compress the tables of all chips.

    Raises
    ------
    DoesNotFitError
        Naming every chip whose smallest table is too large.
    """
    done: list[RoutingTable] = []
    violations: list[Violation] = []
    for chip in range(len(tables.first) - 1):
        try:
            done.append(compress(tables.of(chip), capacity))
        except DoesNotFitError as error:
            violations += [Violation(v.rule, chip_names[chip], v.message, v.excess) for v in error.violations]
    if violations:
        raise DoesNotFitError("compression", violations)
    return RoutingTables(
        first=np.concatenate([[0], np.cumsum([len(t) for t in done])]).astype(np.int64),
        key=np.concatenate([t.key for t in done]),
        mask=np.concatenate([t.mask for t in done]),
        route=np.concatenate([t.route for t in done]),
        defaultable=np.concatenate([t.defaultable for t in done]),
    )


def _minimal(key: list[int], length: list[int], route: list[int], default: list[bool], shared: list[int]) -> list[tuple[int, int, int]]:
    """Return the fewest (key, prefix length, route) for leaves sorted by key.

    Sets of routes are bits of Python integers: bit r for route index r. A node is (key, length, best set, entries without a catching
    entry above, entries with a fitting one, children).
    """
    node_key, node_length = list(key), list(length)
    best = [1 << r for r in route]
    bare = [0 if d else 1 for d in default]
    caught = [0] * len(key)
    left, right = [-1] * len(key), [-1] * len(key)

    def join(a: int, b: int, bits: int) -> int:
        both = best[a] & best[b]
        caught_here = caught[a] + caught[b] + (0 if both else 1)
        node_key.append(node_key[a] & (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF)
        node_length.append(bits)
        best.append(both or best[a] | best[b])
        caught.append(caught_here)
        bare.append(min(bare[a] + bare[b], 1 + caught_here))
        left.append(a)
        right.append(b)
        return len(best) - 1

    # Build the tree from left to right, closing nodes that branch deeper than the next pair of neighbours.
    stack: list[tuple[int, int]] = []
    node = 0
    for i in range(1, len(key)):
        bits = shared[i - 1]
        while stack and stack[-1][1] > bits:
            other, branch = stack.pop()
            node = join(other, node, branch)
        stack.append((node, bits))
        node = i
    while stack:
        other, branch = stack.pop()
        node = join(other, node, branch)

    entries: list[tuple[int, int, int]] = []
    pending: list[tuple[int, int]] = [(node, -1)]
    while pending:
        node, above = pending.pop()
        if above < 0:
            children = left[node] >= 0
            without = bare[left[node]] + bare[right[node]] if children else (0 if bare[node] == 0 else 2)
            if without <= 1 + caught[node]:
                if children:
                    pending += [(left[node], -1), (right[node], -1)]
                continue
        if above < 0 or not best[node] >> above & 1:
            above = (best[node] & -best[node]).bit_length() - 1
            entries.append((node_key[node], node_length[node], above))
        if left[node] >= 0:
            pending += [(left[node], above), (right[node], above)]
    return entries
