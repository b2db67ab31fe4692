"""Thresholds from a handful of reference seeds: how far a correct run may stray.

Problem
    R seeds (five at first) give R (R - 1) / 2 distances, ten that are not independent, for each of some thirty rows (statistic times
    population). A correct run must fail the verdict over all rows at most once in twenty, so each row needs a tail
    probability near 0.0016. No such quantile can be read off ten numbers: the tail has to be modelled.
Method, distances
    The candidate's value is its mean distance to the R seeds; its *ratio* is that value over the mean distance between seeds. Runs are
    modelled as points drawn from a standard normal distribution in k dimensions, their distance as the Euclidean one (for divergences, its
    square). With k = 1 all differences are of one kind, such as a common shift of the mean rate, and ratios have a long tail; sampling
    noise of a whole distribution acts like many dimensions and ratios stay near one. The scale of the points cancels in the
    ratio. The one unknown, k, shows in the scatter of the logarithms of the seeds' pairwise distances; it is
    estimated from all populations of a statistic together, or from the population alone if its own scatter is larger: the rates of L23E
    fluctuate by a common shift, those of others by sampling. The scatter is raised by half, since it is itself uncertain. The critical
    ratio follows from simulating the model.
Method, single numbers (mean rate, synchrony)
    Student's t, whose variance borrows strength from the other populations' variances (Smyth 2004, doi 10.2202/1544-6115.1027): R - 1 degrees of
    freedom of its own and d0 of the others, d0 estimated from how much the log variances differ. Two safeguards:
    populations of one layer fluctuate together, so d0 counts half and is capped at (R - 1) / 2 for each population; a
    variance is never lowered by the others, which would betray a population that truly fluctuates more.
Method, all rows together
    Each row has level alpha / (number of rows); by Bonferroni's inequality the verdict then fails for at most alpha of correct
    runs, however rows depend on each other.
Cost
    One or two seconds for the simulation, remembered within a process; ten times that for the thousand rows of 254 populations.
Check
    The statistical tests simulate the false-alarm rate, of this model with populations of different k, and of the whole verdict
    on surrogate ensembles.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special, stats

FloatArray = npt.NDArray[np.float64]

#: A correct run fails the whole verdict at most this often.
FALSE_ALARM = 0.05
#: Fewest seeds a threshold can come from: two have a single distance.
MIN_SEEDS = 3
#: The observed scatter of log distances is raised by this factor before the dimension is read from it.
SCATTER_SAFETY = 1.5
#: Dimensions simulated; values between are interpolated.
DIMENSIONS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
#: Ensembles simulated at once, how many times at least, and how many ratios have to lie beyond the critical one.
N_ENSEMBLES, N_PARTS, BEYOND = 10_000, 4, 20


def distance_thresholds(distances: FloatArray, level: float, *, power: int) -> FloatArray:
    """Return the mean distance to the seeds that a correct run exceeds with probability ``level``.

    Parameters
    ----------
    distances : ndarray of float64, shape (n_populations, n_seeds, n_seeds)
        Between seeds, ``[population, reference, candidate]``; diagonals are not read.
    level : float
        For each population.
    power : int
        1 for distances, 2 for divergences, which grow with the square of a small difference.

    Returns
    -------
    ndarray of float64, shape (n_populations,)
        NaN where the distances between seeds are not all positive and finite.
    """
    n_seeds = distances.shape[-1]
    i, j = np.triu_indices(n_seeds, k=1)
    # Both directions, since a divergence is not symmetric; shape (n_populations, 2 * n_pairs).
    ordered = np.concatenate([distances[:, i, j], distances[:, j, i]], axis=1)
    usable = (np.isfinite(ordered) & (ordered > 0)).all(axis=1)
    thresholds = np.full(len(ordered), np.nan)
    if usable.any():
        own = np.log(ordered[usable]).var(axis=1) * len(i) / (len(i) - 1)
        scatter = SCATTER_SAFETY * np.maximum(own, own.mean())
        thresholds[usable] = ordered[usable].mean(axis=1) * [critical_ratio(n_seeds, float(s), level, power) for s in scatter]
    return thresholds


def critical_ratio(n_seeds: int, scatter: float, level: float, power: int) -> float:
    """Return the ratio that a correct run exceeds with probability ``level``.

    Parameters
    ----------
    n_seeds : int
        Number of reference seeds.
    scatter : float
        Variance of the logarithms of the seeds' pairwise distances.
    level : float
        Probability of a larger ratio.
    power : int
        1 for distances, 2 for divergences.
    """
    scatters, ratios = _simulated(n_seeds, level, power)
    log_dimension = np.log(DIMENSIONS)
    # Scatter falls with the dimension: np.interp wants it rising.
    at = np.interp(-np.log(max(scatter, 1e-12)), -np.log(scatters), log_dimension)
    return float(np.exp(np.interp(at, log_dimension, np.log(ratios))))


@lru_cache(maxsize=32)
def _simulated(n_seeds: int, level: float, power: int) -> tuple[FloatArray, FloatArray]:
    """Return the expected scatter and the critical ratio for each of DIMENSIONS."""
    n_parts = max(N_PARTS, math.ceil(BEYOND / (level * N_ENSEMBLES)))
    rng = np.random.default_rng(20180523)
    i, j = np.triu_indices(n_seeds, k=1)
    scatters, ratios = [], []
    for k in DIMENSIONS:
        ratio, scatter = [], []
        for _ in range(n_parts):
            x = rng.standard_normal((N_ENSEMBLES, n_seeds + 1, k))
            inner = x @ x.transpose(0, 2, 1)
            norm = np.einsum("rii->ri", inner)
            squared = np.maximum(norm[:, :, None] + norm[:, None, :] - 2 * inner, 1e-20)
            distance = squared if power == 2 else np.sqrt(squared)
            pairs = distance[:, i, j]
            ratio.append(distance[:, :n_seeds, n_seeds].mean(axis=1) / pairs.mean(axis=1))
            scatter.append(np.log(pairs).var(axis=1, ddof=1))
        ratios.append(np.quantile(np.concatenate(ratio), 1 - level))
        scatters.append(np.concatenate(scatter).mean())
    return np.array(scatters), np.array(ratios)


def relative_thresholds(relative: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return how far a number of a correct run, such as its mean rate, may be from the seeds' mean.

    Parameters
    ----------
    relative : ndarray of float64, shape (n_populations, n_seeds)
        Numbers of the seeds over their mean, minus 1.
    level : float
        Probability that a correct run lies farther, on either side, for each population.

    Returns
    -------
    threshold, sd : ndarray of float64, shape (n_populations,)
        Largest relative difference that passes, and the moderated standard deviation of a seed; NaN where seeds do not differ.
    """
    n_populations, n_seeds = relative.shape
    variance = relative.var(axis=1, ddof=1)
    usable = np.isfinite(variance) & (variance > 0)
    threshold, sd = np.full(n_populations, np.nan), np.full(n_populations, np.nan)
    if usable.any():
        moderated, dof = moderate(variance[usable], n_seeds - 1, (n_seeds - 1) / 2 * int(usable.sum()))
        dof = (dof + n_seeds - 1) / 2
        sd[usable] = np.sqrt(np.maximum(moderated, variance[usable]))
        threshold[usable] = stats.t.isf(level / 2, dof) * sd[usable] * np.sqrt(1 + 1 / n_seeds)
    return threshold, sd


def moderate(variance: FloatArray, dof: int, most_prior_dof: float) -> tuple[FloatArray, float]:
    """Shrink sample variances towards their common value by empirical Bayes (Smyth 2004, doi 10.2202/1544-6115.1027).

    Parameters
    ----------
    variance : ndarray of float64, shape (n,)
        Positive sample variances.
    dof : int
        Degrees of freedom of each.
    most_prior_dof : float
        Cap of the prior's degrees of freedom.

    Returns
    -------
    moderated : ndarray of float64, shape (n,)
        Posterior variances.
    dof : float
        Their degrees of freedom.
    """
    if len(variance) < 2:
        return variance, float(dof)
    e = np.log(variance) - special.digamma(dof / 2) + np.log(dof / 2)
    excess = float(np.var(e, ddof=1) - special.polygamma(1, dof / 2))
    prior_dof = most_prior_dof if excess <= 0 else min(most_prior_dof, 2 * _inverse_trigamma(excess))
    prior = np.exp(e.mean() + special.digamma(prior_dof / 2) - np.log(prior_dof / 2))
    return (prior_dof * prior + dof * variance) / (prior_dof + dof), prior_dof + dof


def _inverse_trigamma(y: float) -> float:
    """Solve polygamma(1, x) = y for x by Newton's method on the reciprocal, which is convex."""
    x = 0.5 + 1 / y
    for _ in range(50):
        value = float(special.polygamma(1, x))
        step = value * (1 - value / y) / float(special.polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
