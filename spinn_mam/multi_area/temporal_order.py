"""Temporal order of areas: who leads and who follows.

Problem
    Activity takes time from area to area. Order the areas by when they take part.
Method
    For each pair of areas the cross-correlation of their rates at lags up to 100 ms, smoothed by a Gaussian of 2 ms, and the lag of its extremum,
    maximum or minimum. Times t of the areas minimise the sum over pairs of (t_j - t_i - lag_ij)^2, a linear least-squares problem with one
    solution up to a constant. Pairs whose extremum could be chance are left out: it has to exceed SIGNIFICANCE standard errors of the correlation
    of two independent series with the autocorrelations of these (Bartlett), and areas that hardly fire cannot be judged. Areas that no pair
    connects with the others have no time.
Cost
    O(l a^2 n) for l lags, a areas, n bins: a second for 32 areas and a minute.
Sources
    Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359 (which has no test of significance); Bartlett (1946), doi 10.2307/2983611.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from spinn_mam.multi_area.hierarchy import fit_differences
from spinn_mam.multi_area.rate_series import RateSeries
from spinn_mam.multi_area.timescales import autocorrelation

FloatArray = npt.NDArray[np.float64]

#: Longest lag, and standard deviation of the smoothing (ms): Schmidt et al. (2018).
MOST_LAG_MS = 100.0
SMOOTHING_MS = 2.0
#: Where the Gaussian ends (standard deviations).
REACH = 4.0
#: Standard errors that an extremum has to exceed: the largest of 200 lags of independent series exceeds it in one of 1,000 pairs.
SIGNIFICANCE = 5.0
#: Coincidences that chance has to give in a smoothed bin, so that their number is about normal.
LEAST_COINCIDENCES = 20.0


@dataclass(frozen=True, slots=True)
class TemporalOrder:
    """Lags of all pairs of areas, and times that agree with them best.

    Attributes
    ----------
    names : tuple of str
    lag_ms : ndarray of float64, shape (n, n)
        By how much the second area follows the first (ms), [first, second]; NaN for pairs without a significant extremum. Antisymmetric.
    extremum : ndarray of float64, shape (n, n)
        Correlation coefficient there.
    time_ms : ndarray of float64, shape (n,)
        Times of the areas (ms), the earliest 0; NaN for areas that cannot be placed.
    explained : float
        Part of the sum of squared lags that the times account for; NaN without times, and where there are so few lags that any would fit.
    """

    names: tuple[str, ...]
    lag_ms: FloatArray
    extremum: FloatArray
    time_ms: FloatArray
    explained: float


def temporal_order(series: RateSeries) -> TemporalOrder:
    """Order areas by the lags of their rates.

    Parameters
    ----------
    series : RateSeries
        Of areas, in bins of about 1 ms.
    """
    n, n_bins = series.rates.shape
    n_lags = min(round(MOST_LAG_MS / series.bin_ms), n_bins // 10)
    centred = series.rates - series.rates.mean(axis=1, keepdims=True)
    sd = centred.std(axis=1, keepdims=True)
    there = np.isfinite(sd) & (sd > 0)
    z = np.where(there, centred / np.where(there, sd, 1.0), 0.0)
    # [lag, first, second]: the second area follows by that lag
    # beyond the longest lag by the reach of the smoothing, so that the last lags are as smooth as the others
    margin = math.ceil(REACH * SMOOTHING_MS / series.bin_ms)
    later = np.array([z[:, : n_bins - k] @ z[:, k:].T / n_bins for k in range(n_lags + margin + 1)])
    both = np.concatenate([later[:0:-1].transpose(0, 2, 1), later])
    smooth = ndimage.gaussian_filter1d(both, SMOOTHING_MS / series.bin_ms, axis=0, mode="nearest", truncate=REACH)
    smooth = smooth[margin : len(smooth) - margin]
    at = np.abs(smooth).argmax(axis=0)
    extremum = np.take_along_axis(smooth, at[None], axis=0)[0]
    lag = (at - n_lags) * series.bin_ms
    significant = np.abs(extremum) > SIGNIFICANCE * _chance(z, n_lags, SMOOTHING_MS / series.bin_ms)
    busy = (series.rates > 0).sum(axis=1)
    coincidences = np.outer(busy, busy) * 2.0 * np.sqrt(np.pi) * SMOOTHING_MS / series.bin_ms / n_bins
    significant &= significant.T & (coincidences >= LEAST_COINCIDENCES) & ~np.eye(n, dtype=bool)
    # one extremum for both orders of a pair, also where two lags are equally good
    upper = np.triu(np.where(significant, lag, 0.0), 1)
    lags = np.where(significant, upper - upper.T, np.nan)
    times, explained = fit_differences(lags)
    if np.isfinite(times).sum() < 3:  # a single lag orders nothing
        times, explained = np.full(n, np.nan), float("nan")
    placed = np.isfinite(times)
    if np.isfinite(lags[np.ix_(placed, placed)]).sum() // 2 < placed.sum():
        explained = float("nan")
    return TemporalOrder(series.names, lags, np.where(significant, extremum, np.nan), times, explained)


def _chance(z: FloatArray, n_lags: int, smoothing: float) -> FloatArray:
    """Return the standard error of the smoothed cross-correlation of each pair if the two were independent, shape (n, n)."""
    n_bins = z.shape[1]
    # smoothing the correlation over lags is smoothing one of the series
    kept = np.array([autocorrelation(row, 2 * n_lags) if row.any() else np.zeros(2 * n_lags + 1) for row in z])
    mirrored = np.concatenate([kept[:, :0:-1], kept], axis=1)
    smoothed = ndimage.gaussian_filter1d(mirrored, smoothing * np.sqrt(2.0), axis=1, mode="nearest")
    return np.asarray(np.sqrt(np.maximum(mirrored @ smoothed.T, 0.0) / n_bins), dtype=np.float64)
