"""Functional connectivity: correlations between areas, and their agreement with those of others.

Problem
    Which areas fluctuate together, and is it the same as in fMRI of macaques?
Method
    Pearson's correlation of all pairs at lag zero. Two matrices are compared by Pearson's correlation over pairs of areas. Pairs that share an area
    are not independent, so its significance comes from relabelling the areas of one matrix at random (Mantel). The published comparison also
    counts the diagonal, set to zero in both; this one does not, since it knows nothing of the areas.
Cost
    O(a^2 n) for a areas, n bins; O(p a^2) for p permutations.
Sources
    Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359; Mantel (1967), Cancer Research 27:209-220.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.models.mam.tables import load_facts
from spinn_mam.multi_area.rate_series import RateSeries

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two matrices agree.

    Attributes
    ----------
    r : float
        Pearson's correlation over the pairs that both have; NaN below three pairs.
    p : float
        Part of relabelled matrices that agree at least as well, those tried and the one given.
    n_pairs : int
    """

    r: float
    p: float
    n_pairs: int


def functional_connectivity(series: RateSeries) -> FloatArray:
    """Return the correlation of all pairs, shape (n, n); 1 on the diagonal, NaN for series that are constant or unknown."""
    centred = series.rates - series.rates.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1))
    known = np.isfinite(norm) & (norm > 0)
    z = np.where(known[:, None], centred / np.where(known, norm, 1.0)[:, None], np.nan)
    matrix = np.asarray(z @ z.T, dtype=np.float64)
    matrix[np.diag_indices(len(matrix))] = np.where(known, 1.0, np.nan)
    return matrix


def measured_connectivity(names: Sequence[str]) -> FloatArray:
    """Return the functional connectivity of areas in resting-state fMRI of macaques, for each hemisphere.

    Babapoor-Farrokhran et al. (2013), doi 10.1152/jn.01000.2012, in the areas of the model by Schmidt et al. (2018),
    doi 10.1371/journal.pcbi.1006359.

    Parameters
    ----------
    names : sequence of str
        Areas.

    Returns
    -------
    ndarray of float64, shape (2, n_areas, n_areas)
        NaN for areas that are not in the table; 1 on the diagonal of the others.

    Raises
    ------
    UsageError
        If the anatomical facts are not installed.
    """
    matrices = np.full((2, len(names), len(names)), np.nan)
    for area, other, *values in load_facts()["functional_connectivity"].rows:
        if area in names and other in names:
            a, b = names.index(area), names.index(other)
            matrices[:, a, b] = matrices[:, b, a] = values
            matrices[:, a, a] = matrices[:, b, b] = 1.0
    return matrices


def compare_matrices(first: FloatArray, second: FloatArray, rng: np.random.Generator, n_permutations: int = 2000) -> Agreement:
    """Compare two symmetric matrices of the same areas.

    Parameters
    ----------
    first, second : ndarray of float64, shape (n, n)
        NaN where unknown; the diagonals are not looked at.
    rng : numpy.random.Generator
    n_permutations : int
    """
    upper = np.triu_indices(len(first), 1)
    both = np.isfinite(first[upper]) & np.isfinite(second[upper])
    n_pairs = int(both.sum())
    if n_pairs < 3:
        return Agreement(float("nan"), float("nan"), n_pairs)
    r = float(np.corrcoef(first[upper][both], second[upper][both])[0, 1])
    # areas without any value stay where they are, so that each permutation keeps the pairs
    whole = np.flatnonzero(np.isfinite(first).sum(axis=0) > 1)
    better = 0
    for _ in range(n_permutations):
        order = np.arange(len(first))
        order[whole] = rng.permutation(whole)
        shuffled = first[np.ix_(order, order)][upper]
        there = np.isfinite(shuffled) & np.isfinite(second[upper])
        better += bool(np.corrcoef(shuffled[there], second[upper][there])[0, 1] >= r)
    return Agreement(r, (better + 1) / (n_permutations + 1), n_pairs)
