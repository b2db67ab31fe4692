"""Compiled draws behind the connectivity recipe: hash, exact binomial, tree of counts, one row of synapses.

All of it is integer arithmetic; :mod:`spinn_mam.network.connectivity` explains the recipe. Numba promotes mixed signed
and unsigned integers to float, so every constant here is typed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_LOW32 = np.uint64(0xFFFFFFFF)
_DELAY_STREAM = np.uint64(0xD1B54A32D192ED03)
#: Knots of a quantile table: 2^12 cells of equal probability and one closing knot.
CELL_BITS = 12
_CELL_SHIFT = np.uint64(32 - CELL_BITS)
_CELL_MASK = np.uint64((1 << (32 - CELL_BITS)) - 1)
#: A quantile table's unit is 2^-20 standard deviations.
Z_SHIFT = 20
#: Entries of a delay table's guide: the first 8 bits of the draw.
GUIDE_SHIFT = np.uint64(24)


@njit(inline="always")
def mix64(x: Any) -> Any:
    """Hash one 64-bit word (output function of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * _M1
    x = (x ^ (x >> np.uint64(27))) * _M2
    return x ^ (x >> np.uint64(31))


@njit(inline="always")
def draw(key: Any, counter: Any) -> Any:
    """Return number ``counter`` of the stream ``key``."""
    return mix64(key + GOLDEN * (uint64(counter) + _ONE))


@njit(inline="always")
def subkey(key: Any, index: Any) -> Any:
    """Make the key of child stream ``index`` of a stream."""
    return mix64(mix64(key ^ _M2) + GOLDEN * (uint64(index) + _ONE))


@njit(inline="always")
def _ones(x: Any) -> Any:
    """Count the bits that are set."""
    x = x - ((x >> _ONE) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit(cache=True)
def binomial(n: int, numerator: int, denominator: int, key: Any) -> int:
    """Draw exactly from Binomial(n, numerator / denominator), with fair coins only.

    Each of n uniform numbers is compared with p bit by bit: where p has a one, those that drew a zero lie below p and
    count; where p has a zero, those that drew a one lie above and leave. Half leave at every bit, so about 2 n coins are
    tossed, 64 to a word. No floating point: the same everywhere.
    """
    count = 0
    undecided = n
    r = numerator
    word = 0
    while undecided > 0 and r > 0:
        r = 2 * r
        one = r >= denominator
        if one:
            r -= denominator
        heads = 0
        whole = undecided >> 6
        for _ in range(whole):
            heads += int(_ones(draw(key, word)))
            word += 1
        rest = undecided & 63
        if rest:
            mask = (_ONE << uint64(rest)) - _ONE
            heads += int(_ones(draw(key, word) & mask))
            word += 1
        if one:
            count += undecided - heads
            undecided = heads
        else:
            undecided -= heads
    return count


@njit(cache=True)
def tree_counts(total: int, n: int, lo: int, hi: int, key: Any, out: npt.NDArray[np.int32]) -> None:
    """Deal ``total`` items over ``n`` equal bins and return the counts of bins [lo, hi) alone.

    A binary tree halves the bins; the items of a node are split by one binomial draw from the node's own stream, so the
    counts of any range take only the nodes above it. Together they are one exact multinomial draw.

    Parameters
    ----------
    total, n : int
    lo, hi : int
    key : uint64
    out : ndarray of int32, shape (hi - lo,)
        Filled.
    """
    node_id = np.empty(64, np.uint64)
    node_lo = np.empty(64, np.int64)
    node_hi = np.empty(64, np.int64)
    node_n = np.empty(64, np.int64)
    out[:] = 0
    node_id[0], node_lo[0], node_hi[0], node_n[0] = _ONE, 0, n, total
    depth = 1
    while depth > 0:
        depth -= 1
        i, a, b, m = node_id[depth], node_lo[depth], node_hi[depth], node_n[depth]
        if m == 0 or b <= lo or a >= hi:
            continue
        if b - a == 1:
            out[a - lo] = m
            continue
        mid = (a + b) >> 1
        left = binomial(m, mid - a, b - a, subkey(key, i))
        node_id[depth], node_lo[depth], node_hi[depth], node_n[depth] = i * np.uint64(2) + _ONE, mid, b, m - left
        depth += 1
        node_id[depth], node_lo[depth], node_hi[depth], node_n[depth] = i * np.uint64(2), a, mid, left
        depth += 1


@njit(inline="always")
def delay_histogram(
    row: Any, n: int, cumulative: npt.NDArray[np.uint64], guide: npt.NDArray[np.uint16], histogram: npt.NDArray[Any], offset: int, stride: int
) -> None:
    """Add the delays of one row's ``n`` synapses to a histogram: ``histogram[offset + stride * k]`` for table step k."""
    key = row ^ _DELAY_STREAM
    h = np.uint64(0)
    for j in range(n):
        if j & 1:
            u = h & _LOW32
        else:
            h = draw(key, j >> 1)
            u = h >> np.uint64(32)
        k = np.int64(guide[np.int64(u >> GUIDE_SHIFT)])
        while u >= cumulative[k]:
            k += 1
        histogram[offset + stride * k] += 1


@njit(inline="always")
def synapse(row: Any, position: int, n_targets: int, quantiles: npt.NDArray[np.int32]) -> tuple[int, int]:
    """Draw target (within the block) and standardised weight (unit 2^-20) of one synapse of a row.

    The high half of the hash is the target, the low half the quantile: 12 bits pick a cell, 20 bits the place in it.
    """
    h = draw(row, position)
    target = int(((h >> np.uint64(32)) * uint64(n_targets)) >> np.uint64(32))
    u = h & _LOW32
    cell = int(u >> _CELL_SHIFT)
    low = int(quantiles[cell])
    z = low + (((int(quantiles[cell + 1]) - low) * int(u & _CELL_MASK)) >> (32 - CELL_BITS))
    return target, z


@njit(cache=True)
def count_in_range(
    rows: npt.NDArray[np.int32],
    source_lo: int,
    key: Any,
    n_block: int,
    lo: int,
    hi: int,
    quantiles: npt.NDArray[np.int32],
    out: npt.NDArray[np.int64],
) -> None:
    """Count those synapses of each row that fall on targets [lo, hi) of the block; adds to ``out``."""
    for i in range(len(rows)):
        row = subkey(key, source_lo + i)
        for p in range(rows[i]):
            target, _ = synapse(row, p, n_block, quantiles)
            if lo <= target < hi:
                out[i] += 1


@njit(cache=True)
def fill_rows(
    rows: npt.NDArray[np.int32],
    source_lo: int,
    key: Any,
    block_lo: int,
    n_block: int,
    lo: int,
    hi: int,
    first_delay: int,
    cumulative: npt.NDArray[np.uint64],
    guide: npt.NDArray[np.uint16],
    quantiles: npt.NDArray[np.int32],
    cursor: npt.NDArray[np.int64],
    out_target: npt.NDArray[np.int32],
    out_delay: npt.NDArray[np.uint16],
    out_z: npt.NDArray[np.int32],
) -> None:
    """Write each row's synapses on targets [lo, hi) of one block, in delay order, at ``cursor`` and move it on."""
    histogram = np.empty(len(cumulative), np.int64)
    for i in range(len(rows)):
        row = subkey(key, source_lo + i)
        histogram[:] = 0
        delay_histogram(row, rows[i], cumulative, guide, histogram, 0, 1)
        position = 0
        at = cursor[i]
        for k in range(len(histogram)):
            for _ in range(histogram[k]):
                target, z = synapse(row, position, n_block, quantiles)
                position += 1
                if lo <= target < hi:
                    out_target[at] = block_lo + target
                    out_delay[at] = first_delay + k
                    out_z[at] = z
                    at += 1
        cursor[i] = at
