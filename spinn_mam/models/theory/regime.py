r"""Whether a network is still in the regime that theory and down-scaling assume: many small inputs.

Problem
    Down-scaling in-degrees by K keeps mean and variance of the input by weights larger by 1/sqrt(K); nothing keeps what comes beyond them. At K =
    0.005 an inhibitory synapse of the multi-area model moves the membrane by more than the distance from reset to threshold, and the network falls
    nearly silent though theory, which knows mean and variance only, predicts its full rates.
Method
    The skewness of the free membrane potential under shot noise: a synapse of charge J (mV) moves it by J exp(-t / tau_m), so the cumulants of
    independent Poisson inputs of rate K nu are (Campbell's theorem)

    .. math:: \kappa_2 = \tfrac{1}{2} \tau_m \sum K \nu J^2, \qquad \kappa_3 = \tfrac{1}{3} \tau_m \sum K \nu J^3

    and the skewness is ``kappa_3 / kappa_2^(3/2)``.
    It grows as 1/sqrt(K); the diffusion approximation sets it to zero.
Cost
    A product of matrix and vector.
Reference
    Scaling: van Albada, Helias, Diesmann (2015), doi:10.1371/journal.pcbi.1004490; shot noise: Tuckwell (1988), Introduction to theoretical
    neurobiology, volume 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.models.theory.fixed_points import stationary_rates
from spinn_mam.models.theory.high_state import high_state_lines
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.network.spec import FloatArray, NetworkSpec

#: Skewness beyond which a warning is given: 32 areas at K = 0.2 (0.54) have the rates of theory within 0.36 spikes/s rms.
MUCH = 0.75
#: Rate (spikes/s) below which the rate depends so steeply on the input that a small error of theory is a large one of the rate.
NEAR_SILENCE = 0.1


@dataclass(frozen=True, slots=True)
class Prediction:
    """Rates that theory predicts for a network, and where it is not expected to hold.

    Attributes
    ----------
    names : tuple of str
        Populations of neurons.
    rates : ndarray, shape (n,)
        Spikes/s.
    doubts : tuple of str
        A kind and, after a colon, a number; empty where the theory's premises hold.
    """

    names: tuple[str, ...]
    rates: FloatArray
    doubts: tuple[str, ...]


def predict(spec: NetworkSpec) -> Prediction | None:
    """Predict the rates of a network (spikes/s); None if theory has no stable state, or does not know such networks."""
    try:
        expected = stationary_rates(spec)
        found = regime(spec)
    except (UsageError, RunFailedError):
        return None
    own = [i for i, p in enumerate(spec.populations) if not p.is_source]
    doubts = []
    for rate, skewness, fill in zip(expected[own].tolist(), found.skewness.tolist(), found.fill.tolist(), strict=True):
        if abs(skewness) > MUCH:
            doubts.append(f"few strong inputs: skewness {skewness:.2f}")
        elif fill > 1.0:
            doubts.append(f"shared inputs: {fill:.1f} synapses for each pair of neurons")
        elif rate < NEAR_SILENCE:
            doubts.append(f"near silence: {rate:.2g} spikes/s")
        else:
            doubts.append("")
    return Prediction(tuple(spec.names[i] for i in own), expected[own], tuple(doubts))


@dataclass(frozen=True, slots=True)
class Regime:
    """What the diffusion approximation leaves out of a network.

    Attributes
    ----------
    names : tuple of str
    skewness : ndarray, shape (n,)
        Of the free membrane potential of each population at the expected rates.
    largest_mV, of : float, str
        The largest mean jump of a membrane by a synapse, and the pair of populations.
    room_mV : float
        From reset to threshold, of that target.
    fullest, pair : float, str
        Most synapses for each pair of neurons of two populations, and which two; beyond 1 each source is there more than once in the mean.
    fill : ndarray, shape (n,)
        The same by target population.
    """

    names: tuple[str, ...]
    skewness: FloatArray
    largest_mV: float
    of: str
    room_mV: float
    fullest: float
    pair: str
    fill: FloatArray


def regime(spec: NetworkSpec) -> Regime:
    """Find how far a network is from many small inputs, at its expected rates."""
    field = MeanField.of(spec)
    rates = np.array([r for p, r in zip(spec.populations, spec.expected_rates, strict=True) if not p.is_source]) / 1000.0
    tau = field.neurons.tau_m
    arrivals = field.in_degrees * rates[None, :]
    drive = field.drive_rate / 1000.0
    second = tau / 2.0 * ((arrivals * field.J_square).sum(axis=1) + drive * field.drive_J**2)
    third = tau / 3.0 * ((arrivals * field.J_square * field.J).sum(axis=1) + drive * field.drive_J**3)
    skewness = third / np.maximum(second, 1e-300) ** 1.5
    t, s = np.unravel_index(np.argmax(np.abs(field.J) * (field.in_degrees > 0)), field.J.shape)
    fill = field.in_degrees / field.sizes[None, :]
    a, b = np.unravel_index(np.argmax(fill), fill.shape)
    return Regime(
        field.names,
        skewness,
        float(abs(field.J[t, s])),
        f"{field.names[s]} onto {field.names[t]}",
        float(field.neurons.theta[t] - field.neurons.V_reset[t]),
        float(fill[a, b]),
        f"{field.names[b]} onto {field.names[a]}",
        fill.max(axis=1),
    )


def regime_lines(spec: NetworkSpec) -> list[str]:
    """Say what takes a down-scaled network away from the full one; empty at full scale, and for networks that theory does not know."""
    if spec.N_scaling == spec.K_scaling == 1.0:
        return []
    try:
        found = regime(spec)
    except UsageError:
        return []
    worst = int(np.argmax(np.abs(found.skewness)))
    skewness = float(found.skewness[worst])
    far = abs(skewness) > MUCH
    lines = [
        f"down-scaled: membrane potentials of {found.names[worst]} have a skewness of {skewness:.2f} "
        f"({skewness * spec.K_scaling**0.5:.2f} at full scale), a synapse moves them by up to {found.largest_mV:.1f} of {found.room_mV:.0f} mV "
        f"({found.of}): "
        + ("far from many small inputs; expect other rates than theory's, down to silence" if far else "near enough to many small inputs")
    ]
    if found.fullest > 1.0:
        lines.append(
            f"down-scaled: {found.fullest:.1f} synapses for each pair of neurons ({found.pair}): neurons share their inputs, expect correlations"
        )
    return lines + high_state_lines(spec)
