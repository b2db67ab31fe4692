"""Synaptic input of areas from the rates of all populations and the connections between them.

Problem
    Estimate what a local field potential or an fMRI signal sees of an area: its synaptic input.
Method
    I_A(t) = sum_{i in A} N_i / N_A sum_j K_ij |J_ij| (nu_j * s)(t), with in-degrees K, mean weights J, rates nu and the synaptic current s after
    a spike, averaged exactly over each bin. Delays are left out, as in the paper.
Cost
    O((a p + a) n) for a areas, p populations, n bins.
Source
    Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import signal

from spinn_mam.errors import UsageError
from spinn_mam.multi_area.areas import Areas
from spinn_mam.multi_area.rate_series import RateSeries
from spinn_mam.network.spec import NetworkSpec

FloatArray = npt.NDArray[np.float64]


def in_degrees(network: NetworkSpec) -> FloatArray:
    """Return the mean number of synapses on a neuron of each population from each other, shape (n_populations, n_populations), [target, source]."""
    synapses = np.zeros((len(network.populations), len(network.populations)))
    for projection in network.projections:
        synapses[projection.target, projection.source] += projection.n_synapses
    return np.asarray(synapses / network.sizes[:, None], dtype=np.float64)


def absolute_weights(network: NetworkSpec) -> FloatArray:
    """Return the mean absolute weight (pA) of the synapses between populations, shape as of in-degrees; 0 where there are none."""
    total, synapses = np.zeros((2, len(network.populations), len(network.populations)))
    for projection in network.projections:
        total[projection.target, projection.source] += projection.n_synapses * abs(projection.weight.mean)
        synapses[projection.target, projection.source] += projection.n_synapses
    return np.divide(total, synapses, out=np.zeros_like(total), where=synapses > 0)


def area_in_degrees(network: NetworkSpec, areas: Areas) -> FloatArray:
    """Return the mean number of synapses on a neuron of each area from each other, shape (n_areas, n_areas), [target, source]."""
    synapses = in_degrees(network) * network.sizes[:, None]
    member = areas.member
    return np.asarray(member @ synapses @ member.T / (member @ network.sizes)[:, None], dtype=np.float64)


def synaptic_input(series: RateSeries, network: NetworkSpec, areas: Areas) -> RateSeries:
    """Return the mean synaptic input of a neuron of each area in time (pA).

    Parameters
    ----------
    series : RateSeries
        Of all populations of the network.
    network : NetworkSpec
    areas : Areas
        Of its populations.

    Returns
    -------
    RateSeries
        Of areas; ``rates`` are currents (pA). The contribution of populations that were not recorded is left out.

    Raises
    ------
    UsageError
        If rates and network are not of the same populations.
    """
    if series.names != network.names:
        raise UsageError(
            f"rates of {len(series.names)} populations, but a network of {len(network.names)} or of other names: give those that were run"
        )
    coupling = in_degrees(network) * absolute_weights(network)
    inhibitory = np.zeros(len(network.populations), dtype=bool)
    inhibitory[[p.source for p in network.projections if p.receptor == "inhibitory"]] = True
    rates = np.nan_to_num(series.rates)
    share = areas.member * network.sizes
    share /= share.sum(axis=1, keepdims=True)
    current = np.zeros((areas.n, rates.shape[1]))
    for sources, name in ((~inhibitory, "tau_syn_ex"), (inhibitory, "tau_syn_in")):
        taus = np.array([getattr(p.neuron, name) if p.neuron is not None else np.nan for p in network.populations])
        for tau in np.unique(taus[np.isfinite(taus)]):
            onto = share * (taus == tau)
            drive = (onto @ (coupling * sources)) @ rates / 1000.0  # pA a ms
            current += exponential_current(drive, float(tau), series.bin_ms)
    return RateSeries(areas.names, series.bin_ms, current)


def exponential_current(drive: FloatArray, tau: float, bin_ms: float) -> FloatArray:
    """Convolve with exp(-t / tau), which begins at each spike, and average over bins.

    Parameters
    ----------
    drive : ndarray of float64, shape (n, n_bins)
        Weight that arrives for each ms (pA/ms), evenly within a bin.
    tau, bin_ms : float
        (ms).

    Returns
    -------
    ndarray of float64, shape (n, n_bins)
        Mean current in each bin (pA); tau times the drive if that is constant.
    """
    a = math.exp(-bin_ms / tau)
    at_once = tau * (1.0 - tau / bin_ms * (1.0 - a))
    next_bin = tau**2 / bin_ms * (1.0 - a) ** 2
    return np.asarray(signal.lfilter([at_once, next_bin - a * at_once], [1.0, -a], drive, axis=1), dtype=np.float64)
