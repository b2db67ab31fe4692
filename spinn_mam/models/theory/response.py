r"""Linear response of a stationary state: transfer functions, effective connectivity, power spectra, stability with delays.

Problem
    At which frequencies do the populations of a network resonate, and do delays and synaptic filters leave its stationary state stable?
Method
    A modulation of the mean input at angular frequency w changes the rate of a neuron with shifted boundaries x = sqrt(2) (mu - V) / sigma by

        n(w) = sqrt(2) / sigma nu / (1 + s) (r(x_reset) q - r(x_theta)) / (1 - q),   s = i w tau_m,

    where f(x) = exp(x^2 / 4) U(s - 1/2, x) with U the parabolic cylinder function, r = f' / f and q = f(x_reset) / f(x_theta). f solves
    f'' = x f' + s f, so r solves r' = s + x r - r^2. Integrated towards smaller x, from where r is its recessive root, every error decays: one
    Runge-Kutta sweep gives all populations at all frequencies, without the overflow of U. The effective connectivity W multiplies n by in-degree,
    weight, synaptic filter and the characteristic function of the delays. With Q = 1 / (1 - W) the spectra are the diagonal of Q diag(nu / N) Q*;
    states are unstable if det(1 - W) winds around zero.
Cost
    Below a second for the transfer functions at 200 frequencies; n^3 for each frequency for spectra.
Reference
    Schuecker, Diesmann and Helias (2015), doi 10.1103/PhysRevE.92.052119; Bos, Diesmann and Helias (2016), doi 10.1371/journal.pcbi.1005132.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import erfc

from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.models.theory.siegert import threshold_shift
from spinn_mam.network.spec import FloatArray

ComplexArray = npt.NDArray[np.complex128]

#: Step in x of the sweep, and how far above the highest x it begins.
STEP, RUN_UP = 0.01, 6.0
#: Change of phase between two frequencies below which turns can be counted.
MOST_TURN = math.pi / 2


def transfer_functions(field: MeanField, rates: FloatArray, frequencies_hz: FloatArray) -> ComplexArray:
    """Change of each population's rate with a modulation of its mean input, before the filter of the synapses.

    Parameters
    ----------
    field : MeanField
    rates : ndarray, shape (n,)
        Stationary rates (spikes/s).
    frequencies_hz : ndarray, shape (n_frequencies,)
        Above zero; at zero it is the derivative of the transfer function.

    Returns
    -------
    ndarray of complex, shape (n_frequencies, n)
        (spikes/s/mV)
    """
    mean, variance, tau_syn = field.input(rates)
    neurons, sigma = field.neurons, np.sqrt(variance)
    shift = threshold_shift(neurons, tau_syn)
    x_theta, x_reset = (-math.sqrt(2.0) * ((v - mean) / sigma + shift) for v in (neurons.theta, neurons.V_reset))
    nu = field.transfer(rates)
    found = np.zeros((len(frequencies_hz), len(field.names)), dtype=np.complex128)
    for tau_m in np.unique(neurons.tau_m):
        of = neurons.tau_m == tau_m
        s = 2j * math.pi * frequencies_hz * tau_m / 1000.0
        at = np.concatenate([x_theta[of], x_reset[of]])
        r, log_f = _sweep(s, at)
        n = int(of.sum())
        q = np.exp(log_f[:, n:] - log_f[:, :n])
        ratio = (r[:, n:] * q - r[:, :n]) / (1.0 - q)
        found[:, of] = math.sqrt(2.0) / sigma[of] * nu[of] / (1.0 + s[:, None]) * ratio
    return found


def _sweep(s: ComplexArray, at: FloatArray) -> tuple[ComplexArray, ComplexArray]:
    """Logarithmic derivative and logarithm (from the same, arbitrary zero) of f, shape (n_frequencies, n_x)."""
    top = max(float(at.max()), 0.0) + RUN_UP
    n_steps = math.ceil((top - float(at.min())) / STEP) + 1
    x = top - STEP * np.arange(n_steps + 1)
    r = 0.5 * (top - np.sqrt(top**2 + 4.0 * s))
    log_f = np.zeros_like(r)
    values, logs = [r], [log_f]
    h = -STEP
    for left in x[:-1]:
        middle, right = left + 0.5 * h, left + h
        k1 = s + r * (left - r)
        r2 = r + 0.5 * h * k1
        k2 = s + r2 * (middle - r2)
        r3 = r + 0.5 * h * k2
        k3 = s + r3 * (middle - r3)
        r4 = r + h * k3
        k4 = s + r4 * (right - r4)
        log_f = log_f + h / 6.0 * (r + 2.0 * r2 + 2.0 * r3 + r4)
        r = r + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        values.append(r)
        logs.append(log_f)
    # from the nearest point of the grid by the first terms of Taylor's series: r and its derivatives are known
    place = np.rint((top - at) / STEP).astype(np.int64)
    d = at - x[place]
    r0, l0 = np.array(values)[place].T, np.array(logs)[place].T
    r1 = s[:, None] + r0 * (x[place] - r0)
    r2 = r0 + r1 * (x[place] - 2.0 * r0)
    r3 = 2.0 * r1 + r2 * (x[place] - 2.0 * r0) - 2.0 * r1**2
    return r0 + d * (r1 + d * (r2 / 2.0 + d * r3 / 6.0)), l0 + d * (r0 + d * (r1 / 2.0 + d * (r2 / 6.0 + d * r3 / 24.0)))


def effective_connectivity(field: MeanField, rates: FloatArray, frequencies_hz: FloatArray) -> ComplexArray:
    """Change of each population's rate with the rate of each other, by frequency, shape (n_frequencies, n, n)."""
    return np.array(list(_effective_connectivities(field, rates, frequencies_hz)))


@dataclass(frozen=True, slots=True)
class Response:
    """Fluctuations about a stationary state.

    Attributes
    ----------
    frequency_hz : ndarray, shape (n_frequencies,)
    power : ndarray, shape (n_frequencies, n)
        Two-sided power density of the populations' spike trains over their numbers of neurons (spikes/s), as :mod:`spinn_mam.spectra` measures it;
        of independent Poisson neurons it is the rate.
    unstable_modes : int or None
        Solutions of det(1 - W) = 0 that grow, delays and filters included; 0 for a stable state. None if the phase of the determinant turns too far
        between two frequencies for its turns to be counted.
    """

    frequency_hz: FloatArray
    power: FloatArray
    unstable_modes: int | None


def linear_response(field: MeanField, rates: FloatArray, frequencies_hz: FloatArray) -> Response:
    """Compute power spectra, and whether the state is stable with delays.

    Parameters
    ----------
    field : MeanField
    rates : ndarray, shape (n,)
        Stationary rates (spikes/s).
    frequencies_hz : ndarray, shape (n_frequencies,)
        Rising, above zero. The count of unstable modes follows the phase of det(1 - W) from one frequency to the next: begin near zero, end where
        nothing responds, with steps of a few Hz.
    """
    identity = np.eye(len(field.names))
    power, phases = np.empty((len(frequencies_hz), len(field.names))), np.empty(len(frequencies_hz))
    for k, W in enumerate(_effective_connectivities(field, rates, frequencies_hz)):
        Q = np.linalg.inv(identity - W)
        power[k] = field.sizes * ((np.abs(Q) ** 2) @ (rates / field.sizes))
        phases[k] = -np.angle(np.linalg.slogdet(Q)[0])
    # the determinant is real at zero and 1 at infinity; the imaginary axis from below to above has the growing half-plane on its right
    whole = np.unwrap(np.concatenate([[0.0 if np.cos(phases[0]) > 0 else np.copysign(math.pi, phases[0])], phases, [0.0]]))
    counted = np.abs(np.diff(whole)).max() < MOST_TURN
    return Response(frequencies_hz, power, max(0, round((whole[0] - whole[-1]) / math.pi)) if counted else None)


def _effective_connectivities(field: MeanField, rates: FloatArray, frequencies_hz: FloatArray) -> Iterator[ComplexArray]:
    response = transfer_functions(field, rates, frequencies_hz)
    for n, frequency in zip(response, frequencies_hz, strict=True):
        omega = 2.0 * math.pi * frequency / 1000.0  # 1 / ms
        filters = 1.0 / (1.0 + 1j * omega * field.tau_syn)
        yield n[:, None] * field.mean_by_rate * filters * _delays(field, omega)


def _delays(field: MeanField, omega: float) -> ComplexArray:
    """Characteristic functions of the delays, normal but for their lower bound, shape (n, n)."""
    kinds, which = field.kinds_of_delays
    mean, sd, least = kinds.T
    wide = np.where(sd > 0, sd, 1.0)
    bound = (least - mean) / wide
    spread = np.exp(-0.5 * (omega * wide) ** 2) * erfc((bound + 1j * omega * wide) / math.sqrt(2.0)) / erfc(bound / math.sqrt(2.0))
    return np.asarray((np.exp(-1j * omega * mean) * np.where(sd > 0, spread, 1.0))[which])
