"""Measures of single spike trains and of pairs, from spikes sorted by neuron.

Problem
    Irregularity (CV, LvR), correlation and synchrony of populations of tens of thousands of neurons.
Method
    Everything of a neuron comes from sums over its intervals, by ``bincount``. LvR of a neuron with intervals I_1 ... I_n is
    3 / (n - 1) sum_i (1 - 4 I_i I_{i+1} / (I_i + I_{i+1})^2) (1 + 4 R / (I_i + I_{i+1})), R the refractory time. The mean correlation of n
    trains needs no matrix of pairs: with z_i a train's standardised count, sum_{i != j} c_ij = var(sum_i z_i) - n. Coefficients of all pairs
    are elephant's.
Cost
    O(n) for n spikes.
Sources
    Shinomoto et al. (2009), doi 10.1371/journal.pcbi.1000433 (LvR); Denker et al. (2018), elephant, RRID:SCR_003833.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Width of spike-count bins (ms): the refractory time of the model, as in van Albada et al. (2018), doi 10.3389/fnins.2018.00291.
CORRELATION_BIN_MS = 2.0
#: Bins of mean correlations (ms), and neurons they are of, none of them silent: Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359.
MEAN_CORRELATION_BIN_MS = 1.0
N_CORRELATED = 2000
#: Refractory time in LvR (ms): that of the models' neurons, as there.
REFRACTORY_MS = 2.0


def pearson(row: npt.NDArray[Any], column: npt.NDArray[Any], n_trains: int, n_bins: int) -> FloatArray:
    """Return the correlation coefficients of spike counts for all pairs of trains, by elephant.

    Parameters
    ----------
    row, column : ndarray of int, shape (n_spikes,)
        Train and bin of each spike. Every train has a spike, and none has the same count in all bins.
    n_trains, n_bins : int
        Shape of the matrix of counts.

    Returns
    -------
    ndarray of float64, shape (n_trains * (n_trains - 1) / 2,)
        Pairs i < j, row by row.
    """
    if n_trains < 2:
        return np.zeros(0)
    import quantities as pq

    with warnings.catch_warnings():
        # Elephant 1.2 on current versions of quantities and numpy.
        warnings.filterwarnings("ignore", message=".*quantities", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="the matrix subclass", category=PendingDeprecationWarning)
        from elephant.conversion import BinnedSpikeTrain
        from elephant.spike_train_correlation import correlation_coefficient

        counts = np.zeros((n_trains, n_bins), dtype=np.uint8)
        np.add.at(counts, (row, column), 1)
        binned = BinnedSpikeTrain(counts, bin_size=CORRELATION_BIN_MS * pq.ms, t_start=0 * pq.ms)
        # fast=True would make a dense matrix of floats: slower here, and too much memory for minutes of data.
        matrix = correlation_coefficient(binned, fast=False)
    pairs: FloatArray = np.asarray(matrix, dtype=np.float64)[np.triu_indices(n_trains, k=1)]
    return pairs[~np.isnan(pairs)]


def cv_isi(times: npt.ArrayLike, neuron: IntArray, n_neurons: int) -> FloatArray:
    """Return the coefficient of variation of the inter-spike intervals of each neuron.

    Parameters
    ----------
    times : array_like, shape (n_spikes,)
        Spike times, in any unit; increasing within a neuron.
    neuron : ndarray of int, shape (n_spikes,)
        Neuron of each spike, sorted.
    n_neurons : int
        Number of neurons.

    Returns
    -------
    ndarray of float64, shape (n_neurons,)
        Standard deviation (n in the denominator) over mean; NaN below two spikes, 0 with exactly two.

    Notes
    -----
    Equal to ``elephant.statistics.cv(elephant.statistics.isi(train))`` of each neuron, which takes minutes for 77,169 of them.
    """
    times = np.asarray(times, dtype=np.float64)
    same = neuron[1:] == neuron[:-1]
    interval, owner = np.diff(times)[same], neuron[1:][same]
    n = np.bincount(owner, minlength=n_neurons)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(owner, interval, minlength=n_neurons) / n
        variance = np.bincount(owner, (interval - mean[owner]) ** 2, minlength=n_neurons) / n
        return np.asarray(np.sqrt(variance) / mean, dtype=np.float64)


def lvr(times: npt.ArrayLike, neuron: IntArray, n_neurons: int, refractory: float) -> FloatArray:
    """Return the LvR of each neuron.

    Parameters
    ----------
    times : array_like, shape (n_spikes,)
        Spike times, in any unit; increasing within a neuron.
    neuron : ndarray of int, shape (n_spikes,)
        Neuron of each spike, sorted.
    n_neurons : int
    refractory : float
        Refractory time, in the unit of ``times``.

    Returns
    -------
    ndarray of float64, shape (n_neurons,)
        NaN below three spikes.

    Notes
    -----
    Equal to ``elephant.statistics.lvr(elephant.statistics.isi(train), R=refractory)`` of each neuron. Pairs of intervals of no length, which only
    recordings of coarse times have, say nothing and are left out.
    """
    times = np.asarray(times, dtype=np.float64)
    interval = np.diff(times)
    same = neuron[1:] == neuron[:-1]
    both = same[1:] & same[:-1] & (interval[1:] + interval[:-1] > 0)
    first, second, owner = interval[:-1][both], interval[1:][both], neuron[2:][both]
    total = first + second
    term = (1.0 - 4.0 * first * second / total**2) * (1.0 + 4.0 * refractory / total)
    n = np.bincount(owner, minlength=n_neurons)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(3.0 * np.bincount(owner, term, minlength=n_neurons) / n, dtype=np.float64)


def mean_correlation(bins: IntArray, neuron: IntArray, n_bins: int) -> float:
    """Return the mean correlation coefficient of the spike counts of all pairs of neurons that fired.

    Parameters
    ----------
    bins : ndarray of int64, shape (n_spikes,)
        Bin of each spike, sorted within a neuron.
    neuron : ndarray of int64, shape (n_spikes,)
        Neuron of each spike, sorted.
    n_bins : int

    Returns
    -------
    float
        NaN with fewer than two neurons. A neuron with the same count in all bins has no correlation and is left out.
    """
    place = neuron * n_bins + bins
    first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))[: len(place)]
    count = np.diff(np.concatenate([first, [len(place)]])).astype(np.float64)
    owner, when = neuron[first], bins[first]
    fired, rank = np.unique(owner, return_inverse=True)
    mean = np.bincount(rank, count, minlength=len(fired)) / n_bins
    variance = np.bincount(rank, count**2, minlength=len(fired)) / n_bins - mean**2
    varies = variance > 1e-12
    n = int(varies.sum())
    if n < 2:
        return math.nan
    weight = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    total = np.bincount(when, count * weight[rank], minlength=n_bins)
    return float((total.var() - n) / (n * (n - 1)))


def sampled_correlation(bins: IntArray, neuron: IntArray, n_bins: int, rng: np.random.Generator) -> float:
    """Return the mean correlation of N_CORRELATED neurons that fired, chosen at random; arguments of :func:`mean_correlation`."""
    fired = np.unique(neuron)
    if len(fired) > N_CORRELATED:
        chosen = np.isin(neuron, rng.choice(fired, N_CORRELATED, replace=False))
        bins, neuron = bins[chosen], neuron[chosen]
    return mean_correlation(bins, neuron, n_bins)


def fano_factor(bins: IntArray, n_bins: int) -> float:
    """Return variance over mean of the number of spikes in a bin, NaN without spikes.

    Parameters
    ----------
    bins : ndarray of int64, shape (n_spikes,)
        Bin of each spike, in [0, n_bins).
    n_bins : int
    """
    if not len(bins):
        return float("nan")
    counts = np.bincount(bins, minlength=n_bins)
    return float(counts.var() / counts.mean())
