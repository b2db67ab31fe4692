"""A search for the best division of areas into communities, whatever it is judged by.

Problem
    Find the division of the highest quality: the highest modularity, or the shortest description of a random walk.
Method
    From single areas, sweeps are repeated until one raises the quality no more; the best of several starts counts, and all areas together if none
    is better. A sweep moves areas, then communities as wholes, in random order; how depends on the quality. The result need not be the optimum.
Source
    Blondel et al. (2008), doi 10.1088/1742-5468/2008/10/P10008
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def best_division(
    n: int, sweep: Callable[[IntArray], IntArray], quality: Callable[[IntArray], float], *, n_starts: int, least_gain: float
) -> tuple[IntArray, float]:
    """Return the best division that was found, and its quality.

    Parameters
    ----------
    n : int
        Areas.
    sweep, quality : callable
        From labels 0, 1, ... to those after a sweep, and to the quality.
    n_starts : int
    least_gain : float
        Gains below this are rounding.

    Returns
    -------
    labels : ndarray of int64, shape (n,)
        0, 1, ... in the order of their first areas.
    quality : float
    """
    best = np.zeros(n, np.int64)
    highest = quality(best)
    for _ in range(n_starts):
        labels, now = np.arange(n, dtype=np.int64), -math.inf
        while True:
            labels, before = sweep(labels), now
            now = quality(labels)
            if now < before + least_gain:
                break
        if now > highest + least_gain:
            best, highest = labels, now
    return in_order(best), highest


def in_order(labels: npt.ArrayLike) -> IntArray:
    """Renumber communities by their first members.

    Examples
    --------
    >>> in_order([7, 2, 7, 5]).tolist()
    [0, 1, 0, 2]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse]
