"""Communities by the map equation: modules that a random walker stays in for long.

Problem
    Divide the areas, connected by directed and weighted links, into modules within which activity would circulate.
Method
    The two-level map equation gives the bits a step that a description of a random walk takes if modules have code books of their own; the
    best partition has the shortest description. The walk follows links in proportion to their weights and teleports with probability 0.15 to an area
    in proportion to its outgoing weight; only steps along links are recorded. This is what the program Infomap does with ``--directed
    --two-level``; code lengths are equal to its to rounding.
    The search (:mod:`spinn_mam.multi_area.divisions`) is not Infomap's: each area in random order moves to the module that shortens the description
    most, until none does; then modules move as wholes in the same way.
Cost
    O(n^4) a sweep for n areas, compiled: some 10 ms a start for 32 areas.
Sources
    Rosvall, Axelsson and Bergstrom (2009), doi 10.1140/epjst/e2010-01179-1; Lambiotte and Rosvall (2012), doi 10.1103/PhysRevE.85.056107
    (teleportation).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spinn_mam.compiled import cache
from spinn_mam.multi_area.divisions import best_division

cache.use()

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Probability of teleportation: Infomap's default.
TELEPORTATION = 0.15
#: Gains below this are rounding (bits).
LEAST_GAIN = 1e-10


def walk(weights: npt.ArrayLike) -> FloatArray:
    """Return how often a random walk takes each link, in the long run.

    Parameters
    ----------
    weights : array_like, shape (n, n)
        Of links, at least 0, [target, source]; links from an area to itself are left out.

    Returns
    -------
    ndarray of float64, shape (n, n)
        [target, source]; sums to 1.
    """
    links = np.array(weights, dtype=np.float64)
    np.fill_diagonal(links, 0.0)
    out = links.sum(axis=0)
    step = np.divide(links, out, out=np.zeros_like(links), where=out > 0)
    jump = out / out.sum()
    # The walk's stationary state: p = (1 - a) step p + (a + (1 - a) p_dead_ends) jump, normalised.
    kept = (1.0 - TELEPORTATION) * step
    kept += np.outer(jump, TELEPORTATION + (1.0 - TELEPORTATION) * (out == 0))
    n = len(links)
    visits = np.linalg.lstsq(np.vstack([kept - np.eye(n), np.ones(n)]), np.concatenate([np.zeros(n), [1.0]]), rcond=None)[0]
    flow = step * visits
    return np.asarray(flow / flow.sum(), dtype=np.float64)


def description_length(flow: FloatArray, labels: IntArray) -> float:
    """Return the description length of a walk (bits a step).

    Parameters
    ----------
    flow : ndarray of float64, shape (n, n)
        As :func:`walk` gives it.
    labels : ndarray of int64, shape (n,)
        Module of each area.
    """
    visits = flow.sum(axis=1)
    of_areas = -sum(p * math.log2(p) for p in visits if p > 0)
    return float(of_areas + _modules_length(flow, visits, np.unique(labels, return_inverse=True)[1].astype(np.int64)))


def map_equation_modules(weights: npt.ArrayLike, rng: np.random.Generator, n_starts: int = 20) -> tuple[IntArray, float]:
    """Return the modules of the shortest description that was found, and its length (bits).

    Parameters
    ----------
    weights : array_like, shape (n, n)
        Of links, at least 0, [target, source].
    rng : numpy.random.Generator
    n_starts : int

    Returns
    -------
    labels : ndarray of int64, shape (n,)
        0, 1, ... in the order of their first areas.
    length : float
    """
    flow = walk(weights)
    visits = flow.sum(axis=1)

    def sweep(labels: IntArray) -> IntArray:
        labels = labels.copy()
        _move(flow, visits, labels, rng.permutation(len(flow)))
        _, labels = (a.astype(np.int64) for a in np.unique(labels, return_inverse=True))
        member = np.eye(labels.max() + 1)[labels]
        modules = np.arange(member.shape[1], dtype=np.int64)
        _move(member.T @ flow @ member, member.T @ visits, modules, rng.permutation(member.shape[1]))
        return np.asarray(modules[labels], dtype=np.int64)

    labels, quality = best_division(len(flow), sweep, lambda labels: -description_length(flow, labels), n_starts=n_starts, least_gain=LEAST_GAIN)
    return labels, -quality


@njit(cache=True)
def _plogp(p: float) -> float:
    return p * math.log2(p) if p > 0.0 else 0.0


@njit(cache=True)
def _modules_length(flow: Any, visits: Any, labels: Any) -> float:
    """Return the part of the description length that depends on the modules."""
    n = len(visits)
    enter, leave, inside = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        inside[labels[i]] += visits[i]
        for j in range(n):
            if labels[i] != labels[j]:
                enter[labels[i]] += flow[i, j]
                leave[labels[j]] += flow[i, j]
    length = _plogp(enter.sum())
    for m in range(n):
        length += _plogp(leave[m] + inside[m]) - _plogp(enter[m]) - _plogp(leave[m])
    return length


@njit(cache=True)
def _move(flow: Any, visits: Any, labels: Any, order: Any) -> None:
    """Move one node after the other to the module that shortens the description most, until none does; changes ``labels``, which are below n."""
    n = len(visits)
    used = np.zeros(n, np.int64)
    for i in range(n):
        used[labels[i]] += 1
    moved = True
    while moved:
        moved = False
        for i in order:
            old = labels[i]
            best, shortest = old, _modules_length(flow, visits, labels)
            free_tried = used[old] == 1
            for m in range(n):
                if m == old or (used[m] == 0 and free_tried):
                    continue
                free_tried = free_tried or used[m] == 0
                labels[i] = m
                length = _modules_length(flow, visits, labels)
                if length < shortest - LEAST_GAIN:
                    best, shortest = m, length
            labels[i] = best
            if best != old:
                used[old] -= 1
                used[best] += 1
                moved = True
