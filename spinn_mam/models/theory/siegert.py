r"""Stationary rate of a leaky integrate-and-fire neuron with exponential currents, and its derivatives.

Problem
    The rate that white noise of mean mu and variance sigma^2 causes, filtered by synapses of time constant tau_syn, for many neurons at once
    and from silence to saturation, without overflow.
Method
    The white-noise solution with threshold and reset moved by the boundary layer of coloured noise,

        1 / nu = t_ref + tau_m sqrt(pi) int_{y_r}^{y_th} exp(u^2) (1 + erf u) du,
        y = (V - mu) / sigma + alpha / 2 sqrt(tau_syn / tau_m),   alpha = sqrt(2) |zeta(1/2)|.

    For positive u the integrand is 2 exp(u^2) - erfcx(u): its first part is Dawson's integral D times exp(u^2), its second the tame erfcx, which
    for negative u is all. So the integral is 2 [P(y_th) - P(y_r)] + G(|y_r|) - G(|y_th|) with P(y) = exp(y^2) D(y) for y > 0, else 0, and
    G(y) = int_0^y erfcx. All of it is multiplied by exp(-y_th^2) before it can overflow. G depends on nothing: it is tabulated once in log(1 + y), by
    Gauss-Legendre, and read by cubic Hermite interpolation, whose slopes are known.
Cost
    About 0.2 microseconds for each rate; the table takes some milliseconds, once.
Reference
    Siegert (1951), doi 10.1103/PhysRev.81.617; coloured noise: Fourcaud and Brunel (2002), equation 4.33, doi 10.1162/089976602320264015, and
    Schuecker, Diesmann and Helias (2015), doi 10.1103/PhysRevE.92.052119; in the form of NEST's ``siegert_neuron``: Hahne et al. (2017),
    doi 10.3389/fninf.2017.00034.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import dawsn, erf, erfcx, zetac

from spinn_mam.network.spec import FloatArray

#: sqrt(2) |zeta(1/2)|, from zeta by its functional equation, which gives zeta(s) below 1.
ALPHA = math.sqrt(2.0) * abs(1.0 + float(zetac(0.5)))
_SQRT_PI = math.sqrt(math.pi)
#: The table of G ends here; beyond, erfcx(y) = 1 / (sqrt(pi) y) to 1e-12.
_TABLE_END = 1e6
_TABLE_POINTS = 20_001
#: exp underflows to zero well below; keeps squares finite.
_FAR = 1e150


@dataclass(frozen=True, slots=True)
class Neurons:
    """Parameters of the transfer function, one number for each population; potentials relative to the resting potential.

    Attributes
    ----------
    tau_m : ndarray, shape (n_populations,)
        Membrane time constants (ms).
    t_ref : ndarray, shape (n_populations,)
        Refractory periods (ms).
    theta, V_reset : ndarray, shape (n_populations,)
        Threshold and reset (mV).
    """

    tau_m: FloatArray
    t_ref: FloatArray
    theta: FloatArray
    V_reset: FloatArray


@dataclass(frozen=True, slots=True)
class Slopes:
    """Rates and their derivatives, each of the shape of the input.

    Attributes
    ----------
    rate : ndarray
        (spikes/s)
    by_mean : ndarray
        With respect to mu (spikes/s/mV).
    by_variance : ndarray
        With respect to sigma^2 (spikes/s/mV^2).
    by_tau_syn : ndarray
        With respect to tau_syn (spikes/s/ms).
    """

    rate: FloatArray
    by_mean: FloatArray
    by_variance: FloatArray
    by_tau_syn: FloatArray


@functools.cache
def _table() -> tuple[float, tuple[FloatArray, ...]]:
    """Step h of the table and, for each step, the coefficients of G as a cubic of t - h floor(t / h), lowest first; t = log(1 + y)."""
    t = np.linspace(0.0, math.log1p(_TABLE_END), _TABLE_POINTS)
    h = float(t[1] - t[0])
    nodes, weights = np.polynomial.legendre.leggauss(6)
    inside = (t[:-1] + 0.5 * h)[:, None] + 0.5 * h * nodes
    steps = 0.5 * h * ((erfcx(np.expm1(inside)) * np.exp(inside)) @ weights)
    value = np.concatenate([[0.0], np.cumsum(steps)])
    slope = erfcx(np.expm1(t)) * np.exp(t)
    mean = steps / h
    square = (3.0 * mean - 2.0 * slope[:-1] - slope[1:]) / h
    cube = (slope[:-1] + slope[1:] - 2.0 * mean) / h**2
    return h, (value[:-1], slope[:-1], square, cube)


def _G(y: FloatArray) -> FloatArray:
    """Integral of erfcx from 0 to y >= 0."""
    h, (value, slope, square, cube) = _table()
    t = np.log1p(np.minimum(y, _TABLE_END))
    i = np.minimum((t / h).astype(np.int64), len(value) - 1)
    s = t - i * h
    inside: FloatArray = ((cube[i] * s + square[i]) * s + slope[i]) * s + value[i]
    if np.any(y > _TABLE_END):
        inside = inside + np.log(np.maximum(y, _TABLE_END) / _TABLE_END) / _SQRT_PI
    return inside


def threshold_shift(neurons: Neurons, tau_syn: FloatArray) -> FloatArray:
    """Shift of threshold and reset by coloured noise, in units of sigma."""
    return 0.5 * ALPHA * np.sqrt(tau_syn / neurons.tau_m)


def siegert(neurons: Neurons, mean: FloatArray, variance: FloatArray, tau_syn: FloatArray) -> FloatArray:
    """Return stationary rates.

    Parameters
    ----------
    neurons : Neurons
    mean : ndarray, shape (..., n_populations)
        Mean input mu, relative to the resting potential (mV).
    variance : ndarray, shape (..., n_populations)
        Intensity sigma^2 of the input's noise (mV^2); the free membrane potential has half of it as variance. Zero is no noise.
    tau_syn : ndarray, broadcast
        Synaptic time constant (ms).

    Returns
    -------
    ndarray, shape (..., n_populations)
        Rates (spikes/s).

    Examples
    --------
    >>> import numpy as np
    >>> one = Neurons(np.array([10.0]), np.array([2.0]), np.array([15.0]), np.array([0.0]))
    >>> print(siegert(one, np.array([10.0]), np.array([16.0]), np.array([0.5])).round(6))  # NEST's siegert_neuron: 6.964292
    [6.964292]
    """
    y_th, y_r = _boundaries(neurons, mean, variance, tau_syn)[:2]
    scale, time = _scaled_interval(neurons, y_th, y_r)
    rates = 1000.0 * scale / time
    noisy = variance > 0
    return rates if noisy.all() else np.where(noisy, rates, _without_noise(neurons, mean))


def siegert_slopes(neurons: Neurons, mean: FloatArray, variance: FloatArray, tau_syn: FloatArray) -> Slopes:
    """Return stationary rates and their analytic derivatives; parameters as in :func:`siegert`.

    Without noise the derivatives are zero below threshold and, with respect to the mean alone, those of the noiseless neuron above.
    """
    y_th, y_r, sigma = _boundaries(neurons, mean, variance, tau_syn)
    scale, time = _scaled_interval(neurons, y_th, y_r)
    # d nu / dy = -/+ 1000 tau_m sqrt(pi) exp(y^2) (1 + erf y) / interval^2, with exp(2 y_th^2) taken out of the interval squared
    factor = 1000.0 * neurons.tau_m * _SQRT_PI / time**2
    by_threshold = -factor * _scaled_integrand(y_th, y_th)
    by_reset = factor * _scaled_integrand(y_r, y_th)
    shift = threshold_shift(neurons, tau_syn)
    noisy = variance > 0
    rate = np.where(noisy, 1000.0 * scale / time, _without_noise(neurons, mean))
    above = ~noisy & (mean > neurons.theta)
    gap = np.where(above, (mean - neurons.V_reset) * (mean - neurons.theta), 1.0)
    noiseless = np.where(above, rate**2 / 1000.0 * neurons.tau_m * (neurons.theta - neurons.V_reset) / gap, 0.0)
    safe = np.where(noisy, sigma, 1.0)
    return Slopes(
        rate=rate,
        by_mean=np.where(noisy, -(by_threshold + by_reset) / safe, noiseless),
        by_variance=np.where(noisy, -0.5 * ((y_th - shift) * by_threshold + (y_r - shift) * by_reset) / safe**2, 0.0),
        by_tau_syn=np.where(noisy, 0.5 * shift / np.where(tau_syn > 0, tau_syn, 1.0) * (by_threshold + by_reset), 0.0),
    )


def _boundaries(neurons: Neurons, mean: FloatArray, variance: FloatArray, tau_syn: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    sigma = np.sqrt(np.where(variance > 0, variance, 1.0))
    shift = threshold_shift(neurons, tau_syn)
    y_th = np.clip((neurons.theta - mean) / sigma + shift, -_FAR, _FAR)
    y_r = np.clip((neurons.V_reset - mean) / sigma + shift, -_FAR, _FAR)
    return y_th, y_r, sigma


def _scaled_interval(neurons: Neurons, y_th: FloatArray, y_r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return exp(-y_th^2), or 1 if y_th < 0, and the mean inter-spike interval (ms) times it."""
    th, r = np.maximum(y_th, 0.0), np.maximum(y_r, 0.0)
    scale = np.exp(-(th**2))
    integral = 2.0 * (dawsn(th) - np.exp((r - th) * (r + th)) * dawsn(r)) + scale * (_G(np.abs(y_r)) - _G(np.abs(y_th)))
    return scale, neurons.t_ref * scale + neurons.tau_m * _SQRT_PI * integral


def _scaled_integrand(y: FloatArray, y_th: FloatArray) -> FloatArray:
    """exp(y^2) (1 + erf y) exp(-2 max(y_th, 0)^2) for y <= y_th."""
    th, positive = np.maximum(y_th, 0.0), np.maximum(y, 0.0)
    tail = erfcx(np.maximum(-y, 0.0))  # exp(y^2) (1 + erf y) for y < 0
    growing = np.exp(positive**2 - 2.0 * th**2) * (1.0 + erf(positive))
    return np.where(y > 0, growing, np.exp(-2.0 * th**2) * tail)


def _without_noise(neurons: Neurons, mean: FloatArray) -> FloatArray:
    above = mean > neurons.theta
    gap = np.where(above, mean - neurons.theta, 1.0)
    interval = neurons.t_ref + neurons.tau_m * np.log1p((neurons.theta - neurons.V_reset) / gap)
    return np.where(above, 1000.0 / interval, 0.0)
