"""Communities of areas by modularity, how far divisions agree, and what chance would give.

Problem
    Divide areas into communities by their connections or their common activity, and say whether there are any, and whether two divisions are alike.
Method
    Modularity of directed weights compares each with k_in k_out / m. Of correlations, which may be negative, the positive and the negative part are
    compared each with its own expectation, and the negative part counts in its share of all weights (Rubinov and Sporns).
    Louvain's search (:mod:`spinn_mam.multi_area.divisions`) moves areas, then communities as wholes, to where modularity rises most.
    Two divisions are compared by the adjusted Rand index (1 if equal, 0 on average if independent) and the normalised mutual information;
    relabelled areas say what chance would give. Whether a network has communities at all is asked of networks with each area's outgoing weights
    shuffled over its targets (or, of symmetric matrices, all pairs shuffled), searched in the same way.
Cost
    Some 5 ms a start for 32 areas.
Sources
    Blondel et al. (2008), doi 10.1088/1742-5468/2008/10/P10008; Leicht and Newman (2008), doi 10.1103/PhysRevLett.100.118703;
    Rubinov and Sporns (2011), doi 10.1016/j.neuroimage.2011.03.069; Hubert and Arabie (1985), doi 10.1007/BF01908075;
    Schmidt et al. (2018), doi 10.1007/s00429-017-1554-4 (the shuffled network).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.multi_area.divisions import best_division

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Gains of modularity below this are rounding.
LEAST_GAIN = 1e-12


@dataclass(frozen=True, slots=True)
class Similarity:
    """How far two divisions of the same areas agree.

    Attributes
    ----------
    adjusted_rand : float
        1 if they are equal, 0 on average if they are independent.
    mutual_information : float
        Normalised by the mean entropy; 1 if they are equal.
    p : float
        Part of relabelled divisions with at least this adjusted Rand index, those tried and the one given.
    """

    adjusted_rand: float
    mutual_information: float
    p: float


def modularity_matrix(weights: npt.ArrayLike, resolution: float = 1.0) -> FloatArray:
    """Return what each pair in one community adds to modularity, symmetric, shape (n, n).

    Parameters
    ----------
    weights : array_like, shape (n, n)
        Directed or symmetric, of any sign; the diagonal is left out.
    resolution : float
        Above 1 for more and smaller communities.
    """
    w = np.array(weights, dtype=np.float64)
    np.fill_diagonal(w, 0.0)
    positive, negative = np.maximum(w, 0.0), np.maximum(-w, 0.0)
    total = positive.sum(), negative.sum()
    matrix = np.zeros_like(w)
    for part, m, share in ((positive, total[0], total[0]), (negative, total[1], -(total[0] + total[1]))):
        if m > 0:
            matrix += (part - resolution * np.outer(part.sum(axis=1), part.sum(axis=0)) / m) / share
    return np.asarray((matrix + matrix.T) / 2, dtype=np.float64)


def modularity(matrix: FloatArray, labels: npt.ArrayLike) -> float:
    """Return the modularity of a division, from :func:`modularity_matrix`."""
    group = np.asarray(labels)
    return float(matrix[group[:, None] == group[None, :]].sum())


def louvain(matrix: FloatArray, rng: np.random.Generator, n_starts: int = 20) -> tuple[IntArray, float]:
    """Return the division of the highest modularity that was found, and that modularity.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, n)
        From :func:`modularity_matrix`.
    rng : numpy.random.Generator
    n_starts : int

    Returns
    -------
    labels : ndarray of int64, shape (n,)
        0, 1, ... in the order of their first areas.
    modularity : float
    """

    def sweep(labels: IntArray) -> IntArray:
        labels = _move(matrix, labels, rng)
        member = np.eye(labels.max() + 1)[labels]
        return _move(member.T @ matrix @ member, np.arange(member.shape[1], dtype=np.int64), rng)[labels]

    return best_division(len(matrix), sweep, lambda labels: modularity(matrix, labels), n_starts=n_starts, least_gain=LEAST_GAIN)


def similarity(first: npt.ArrayLike, second: npt.ArrayLike, rng: np.random.Generator, n_permutations: int = 2000) -> Similarity:
    """Compare two divisions of the same areas.

    Parameters
    ----------
    first, second : array_like of int, shape (n,)
        Community of each area.
    rng : numpy.random.Generator
    n_permutations : int
    """
    a, b = (np.unique(np.asarray(labels), return_inverse=True)[1] for labels in (first, second))
    found = adjusted_rand(a, b)
    better = sum(adjusted_rand(rng.permutation(a), b) >= found - 1e-12 for _ in range(n_permutations))
    return Similarity(found, _mutual_information(a, b), (better + 1) / (n_permutations + 1))


def adjusted_rand(first: IntArray, second: IntArray) -> float:
    """Return the adjusted Rand index of two divisions, whose labels are 0, 1, ...; 1 if both are trivial in the same way."""
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1)
    pairs = (table * (table - 1) / 2).sum()
    rows, columns = ((n * (n - 1) / 2).sum() for n in (table.sum(axis=1), table.sum(axis=0)))
    expected = rows * columns / (len(first) * (len(first) - 1) / 2)
    most = (rows + columns) / 2
    return 1.0 if most == expected else float((pairs - expected) / (most - expected))


def chance_quality(
    weights: npt.ArrayLike, quality: Callable[[FloatArray], float], rng: np.random.Generator, *, symmetric: bool = False, n_networks: int = 100
) -> FloatArray:
    """Return the quality of the best divisions of shuffled networks, shape (n_networks,).

    Parameters
    ----------
    weights : array_like, shape (n, n)
        [target, source].
    quality : callable
        From weights to the quality of their best division.
    rng : numpy.random.Generator
    symmetric : bool
        Shuffle all pairs, both directions alike, instead of each area's targets.
    n_networks : int
    """
    return np.array([quality(shuffled(weights, rng, symmetric=symmetric)) for _ in range(n_networks)])


def shuffled(weights: npt.ArrayLike, rng: np.random.Generator, *, symmetric: bool = False) -> FloatArray:
    """Shuffle weights over an area's targets (each column, the diagonal apart), or over all pairs of a symmetric matrix."""
    w = np.array(weights, dtype=np.float64)
    n = len(w)
    if symmetric:
        upper = np.triu_indices(n, 1)
        values = rng.permutation(w[upper])
        w[upper] = values
        w.T[upper] = values
        return w
    for source in range(n):
        others = np.flatnonzero(np.arange(n) != source)
        w[others, source] = w[rng.permutation(others), source]
    return w


def _mutual_information(a: IntArray, b: IntArray) -> float:
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1 / len(a))

    def entropy(p: FloatArray) -> float:
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    of_a, of_b = entropy(table.sum(axis=1)), entropy(table.sum(axis=0))
    return 1.0 if of_a + of_b == 0 else 2 * (of_a + of_b - entropy(table.ravel())) / (of_a + of_b)


def _move(matrix: FloatArray, labels: IntArray, rng: np.random.Generator) -> IntArray:
    """Move one node after the other to the community that raises modularity most, until none does; labels become 0, 1, ..."""
    n = len(matrix)
    member = np.eye(n)[labels]
    order = rng.permutation(n)
    moved = True
    while moved:
        moved = False
        for i in order:
            old = int(member[i].argmax())
            member[i, old] = 0.0
            gain = matrix[i] @ member - matrix[i, i] * member[i]
            gain[member.sum(axis=0) == 0] = 0.0  # a community of its own
            new = int(gain.argmax())
            if gain[new] <= gain[old] + LEAST_GAIN:
                new = old
            member[i, new] = 1.0
            moved |= new != old
    return np.unique(member.argmax(axis=1), return_inverse=True)[1].astype(np.int64)
