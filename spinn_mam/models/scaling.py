"""Scaling a network in neurons and in-degrees while preserving mean and variance of the input.

With in-degrees scaled by K, weights go as 1/sqrt(K), so the variance of the input stays, and a constant current makes
up for the mean that is lost: I = tau_syn * (1 - sqrt(K)) * sum_j J_ij K_ij nu_j.

Source: van Albada SJ, Helias M, Diesmann M (2015), doi 10.1371/journal.pcbi.1004490.
"""

from __future__ import annotations

import math

import numpy as np

from spinn_mam.errors import UsageError
from spinn_mam.network.spec import Distribution, FloatArray


def check_scale(name: str, value: float) -> None:
    """Refuse a scale outside (0, 1].

    Raises
    ------
    UsageError
        If it is.
    """
    if not (0.0 < value <= 1.0) or math.isnan(value):
        raise UsageError(f"{name} = {value:g} is out of range: it must be above 0 and at most 1")


def psc_over_psp(C_m: float, tau_m: float, tau_syn: float) -> float:
    """Convert the peak of a postsynaptic potential to the peak of its current.

    The response of the membrane to i(t) = J exp(-t/tau_syn) is
    v(t) = J tau_m tau_syn / (C_m (tau_m - tau_syn)) * (exp(-t/tau_m) - exp(-t/tau_syn)), largest at
    t* = tau_m tau_syn / (tau_m - tau_syn) * log(tau_m / tau_syn).

    Parameters
    ----------
    C_m : float
        Membrane capacitance (pF).
    tau_m, tau_syn : float
        Time constants (ms); they must differ.

    Returns
    -------
    float
        pA for each mV.

    Examples
    --------
    >>> round(0.15 * psc_over_psp(250.0, 10.0, 0.5), 2)
    87.81
    """
    if tau_m == tau_syn:
        raise UsageError(f"neuron.tau_m and neuron.tau_syn must differ, both are {tau_m:g} ms")
    t_peak = tau_m * tau_syn / (tau_m - tau_syn) * math.log(tau_m / tau_syn)
    factor = tau_m * tau_syn / (C_m * (tau_m - tau_syn))
    return 1.0 / (factor * (math.exp(-t_peak / tau_m) - math.exp(-t_peak / tau_syn)))


def synapse_numbers(probabilities: FloatArray, n_targets: FloatArray, n_sources: FloatArray) -> FloatArray:
    """Total numbers of synapses that give the probabilities of at least one synapse between two neurons.

    K = log(1 - C) / log(1 - 1 / (N_target N_source)): Potjans and Diesmann 2014, equation 1.

    Parameters
    ----------
    probabilities : ndarray, shape (n_targets, n_sources)
    n_targets, n_sources : ndarray
        Population sizes.

    Returns
    -------
    ndarray, shape (n_targets, n_sources)
        Not rounded.
    """
    pairs = np.outer(n_targets, n_sources)
    with np.errstate(divide="ignore"):  # a single pair of neurons: log of zero, K = 0 for it
        return np.asarray(np.log1p(-probabilities) / np.log1p(-1.0 / pairs))


def compensating_current(K_scaling: float, tau_syn: float, weights: FloatArray, in_degrees: FloatArray, rates: FloatArray) -> FloatArray:
    """Constant current that keeps the mean input when in-degrees shrink.

    Parameters
    ----------
    K_scaling : float
    tau_syn : float
        Synaptic time constant (ms).
    weights, in_degrees : ndarray, shape (n_targets, n_sources)
        Full-scale weights (pA) and in-degrees.
    rates : ndarray, shape (n_sources,)
        Full-scale rates of the sources (spikes/s).

    Returns
    -------
    ndarray, shape (n_targets,)
        Current (pA).
    """
    mean_input = (weights * in_degrees) @ rates * tau_syn / 1000.0
    return (1.0 - math.sqrt(K_scaling)) * np.asarray(mean_input)


def clipped(mean: float, rel_sd: float, nearest: float) -> Distribution:
    """Make a normal around ``mean`` that keeps to its side of zero, at least ``nearest`` away."""
    sd = abs(mean) * rel_sd
    return Distribution(mean, sd, nearest, math.inf) if mean >= 0 else Distribution(mean, sd, -math.inf, -nearest)
