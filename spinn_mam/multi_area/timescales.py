"""Intrinsic time-scales: how long fluctuations of a rate last.

Problem
    Give each area a time-scale of its activity, so that areas can be ordered by it.
Method
    The autocorrelation of a rate in bins of 1 ms, fitted by A (exp(-t / tau) + B) at lags from one bin on (lag 0 holds the noise of single spikes)
    by least squares. A fit counts if A is above zero by more than two standard errors, tau lies within the lags, and the correlation does not
    swing below zero by a quarter of its height and three standard errors, since what oscillates does not decay.
    The lags end at a twentieth of the recording, but at 500 ms at most.
Cost
    O(n log n) for n bins.
Sources
    Murray et al. (2014), doi 10.1038/nn.3862 (the fit, and the hierarchy of time-scales in cortex).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, optimize

from spinn_mam.multi_area.rate_series import RateSeries

FloatArray = npt.NDArray[np.float64]

#: Longest lag of the fit (ms), and the longest as a part of the recording.
MOST_LAG_MS = 500.0
LAG_SHARE = 0.05
#: Depth below zero over height at which a correlation swings, if it is so many standard errors, too; and lags that are averaged to see it.
SWING, SWING_ERRORS, SWING_LAGS = 0.25, 3.0, 5
#: Lags that a fit needs.
LEAST_LAGS = 20


@dataclass(frozen=True, slots=True)
class Timescales:
    """Time-scales of rates.

    Attributes
    ----------
    names : tuple of str
    tau_ms : ndarray of float64, shape (n,)
        Time constant of the autocorrelation (ms); NaN where no decay is seen.
    tau_error_ms : ndarray of float64, shape (n,)
        Standard error of the fit (ms); errors of neighbouring lags are not independent, so it is too small.
    lag_ms : ndarray of float64, shape (n_lags,)
        Lags of the autocorrelations (ms).
    autocorrelation : ndarray of float64, shape (n, n_lags)
    """

    names: tuple[str, ...]
    tau_ms: FloatArray
    tau_error_ms: FloatArray
    lag_ms: FloatArray
    autocorrelation: FloatArray


def autocorrelation(x: FloatArray, n_lags: int) -> FloatArray:
    """Return the autocorrelation at lags 0 to ``n_lags``, each a mean over the pairs there are.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
    n_lags : int

    Returns
    -------
    ndarray of float64, shape (n_lags + 1,)
        1 at lag 0; NaN if ``x`` is constant.
    """
    centred = x - x.mean()
    n = len(x)
    spectrum = np.abs(fft.rfft(centred, fft.next_fast_len(n + n_lags, real=True))) ** 2
    covariance = fft.irfft(spectrum, fft.next_fast_len(n + n_lags, real=True))[: n_lags + 1] / (n - np.arange(n_lags + 1))
    if not centred.any():
        return np.full(n_lags + 1, np.nan)
    return np.asarray(covariance / covariance[0], dtype=np.float64)


def timescales(series: RateSeries) -> Timescales:
    """Fit the time-scale of each rate.

    Parameters
    ----------
    series : RateSeries
        Of populations or of areas.
    """
    n_bins = series.rates.shape[1]
    n_lags = int(min(MOST_LAG_MS / series.bin_ms, LAG_SHARE * n_bins))
    lag = np.asarray(np.arange(1, n_lags + 1) * series.bin_ms, dtype=np.float64)
    correlations = np.array([autocorrelation(rate, n_lags)[1:] for rate in series.rates], dtype=np.float64).reshape(-1, n_lags)
    fits = [_fit(lag, each, n_bins) for each in correlations]
    return Timescales(series.names, np.array([fit[0] for fit in fits]), np.array([fit[1] for fit in fits]), lag, correlations)


def _fit(lag: FloatArray, correlation: FloatArray, n_bins: int) -> tuple[float, float]:
    """Return time constant and its standard error (ms)."""
    nothing = (np.nan, np.nan)
    if len(lag) < LEAST_LAGS or not np.isfinite(correlation).all():
        return nothing
    smooth = np.convolve(correlation, np.ones(SWING_LAGS) / SWING_LAGS, mode="valid")
    error = np.sqrt((1.0 + 2.0 * (correlation**2).sum()) / n_bins)  # Bartlett's
    if smooth.min() < -max(SWING * smooth.max(), SWING_ERRORS * error):
        return nothing

    def decay(t: FloatArray, a: float, tau: float, b: float) -> FloatArray:
        return np.asarray(a * np.exp(-t / tau) + b, dtype=np.float64)

    span = float(lag[-1])
    start = (max(float(correlation[:3].mean()), 1e-6), span / 10, 0.0)
    try:
        found, covariance = optimize.curve_fit(decay, lag, correlation, start, bounds=([-2.0, float(lag[0]) / 10, -1.0], [2.0, 2 * span, 1.0]))
    except RuntimeError:  # no convergence
        return nothing
    a, tau, _ = found
    error_a, error_tau, _ = np.sqrt(np.diag(covariance))
    if not a > 2 * error_a or not lag[0] < tau < span:
        return nothing
    return float(tau), float(error_tau)
