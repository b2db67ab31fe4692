"""Synapses within an area: the microcircuit's connectivity, carried over to the area's own sizes.

Problem: in-degrees within 1 mm2 of each area, and the share of its synapses that come from there, where connection probabilities are known for one
microcircuit only.
Method: connection probability falls off with distance as a Gaussian; its mean over pairs of points in a disc gives probabilities at any surface, and
these the in-degrees; total numbers come from the synapse density, relative numbers from the microcircuit.
Reference: Schmidt et al. (2018), doi:10.1007/s00429-017-1554-4, "Local synapses"; Potjans and Diesmann (2014), doi:10.1093/cercor/bhs358.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ive

from spinn_mam.models.mam.neurons import Cytoarchitecture
from spinn_mam.models.mam.tables import Facts
from spinn_mam.network.spec import FloatArray

#: Connection probability C0 exp(-r^2 / (2 sigma^2)) at distance r: peak, and width (mm), of the microcircuit (Potjans and Diesmann 2014, fitted anew
#: by Schmidt et al. 2018).
C0, SIGMA = 0.1429914097112598, 0.29653208289812366
#: From this surface on (mm2), the published network has log(1 + x) for log(1 - x).
LARGE = 100.0


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """Synapses within areas.

    Attributes
    ----------
    fraction : ndarray, shape (areas,)
        Share of an area's synapses whose sources are within the modelled surface.
    synapses : ndarray, shape (areas, 8, 8)
        Their numbers, [area, target, source].
    """

    fraction: FloatArray
    synapses: FloatArray


def intrinsic(
    facts: Facts,
    architecture: Cytoarchitecture,
    N: FloatArray,
    totals: FloatArray,
    surfaces: FloatArray,
    labelled_fraction: float,
    published_logarithm: bool,
) -> Intrinsic:
    """Derive the synapses within all areas.

    Parameters
    ----------
    facts : Facts
    architecture : Cytoarchitecture
    N : ndarray, shape (areas, 8)
        Neurons of the model.
    totals : ndarray, shape (areas,)
        All synapses onto them.
    surfaces : ndarray, shape (areas,)
        Modelled surface of each area (mm2).
    labelled_fraction : float
        Share of labelled neurons within the injected area.
    published_logarithm : bool
        Whether large areas have the published network's sign slip.
    """
    modelled = np.array([relative_in_degrees(facts, float(s), published_logarithm) for s in surfaces])
    whole = np.array([relative_in_degrees(facts, float(s), published_logarithm) for s in architecture.surface])
    fraction = np.array([labelled_fraction * np.mean(m[k > 0] / k[k > 0]) for m, k in zip(modelled, whole, strict=True)])
    return Intrinsic(fraction, intrinsic_synapses(modelled, N, fraction * totals))


def synapse_density(architecture: Cytoarchitecture, synapses_per_neuron: float) -> float:
    """Synapses for each mm3, those of V1, in all areas (Schmidt et al. 2018)."""
    v1 = architecture.N_full[0].sum() / (architecture.surface[0] * architecture.thickness[0])
    return float(synapses_per_neuron * v1)


def mean_probability_in_microcircuit(surface: float = 1.0) -> float:
    """Mean of the profile over a disc around one neuron in its centre, as Potjans and Diesmann (2014) took it."""
    radius2 = surface / np.pi
    return float(2.0 * C0 * SIGMA**2 / radius2 * (1.0 - np.exp(-radius2 / (2.0 * SIGMA**2))))


def mean_probability_in_disc(surface: float) -> float:
    """Mean of the profile over all pairs of points in a disc.

    With x = R^2 / sigma^2 it is C0 (2 / x) (1 - exp(-x) (I0(x) + I1(x))), the closed form of the average over the distribution of distances in a disc
    (Sheng 1985, doi:10.2307/1427094, theorem 2.4; Schmidt et al. 2018).

    Examples
    --------
    >>> round(mean_probability_in_disc(1.0), 7)
    0.0470908
    """
    x = surface / np.pi / SIGMA**2
    return float(C0 * 2.0 / x * (1.0 - ive(0, x) - ive(1, x)))


def relative_in_degrees(facts: Facts, surface: float, published_logarithm: bool = True) -> FloatArray:
    """In-degrees of a microcircuit of this surface, shape (8, 8), [target, source] (Schmidt et al. 2018).

    The number of synapses that gives a probability C of at least one between two of n pairs is log(1 - C) / log(1 - 1/n). The published network has
    log(1 + C) / log(1 + 1/n) where the surface is 100 mm2 and more.
    """
    sizes = np.array([row[1] for row in facts["microcircuit"].rows]) * surface
    table = np.array([row[2:] for row in facts["microcircuit"].rows], dtype=float)
    probability = table * mean_probability_in_disc(surface) / mean_probability_in_microcircuit()
    pairs = np.outer(sizes, sizes)
    sign = 1.0 if published_logarithm and surface >= LARGE else -1.0
    return np.asarray(np.round(np.log1p(sign * probability) / np.log1p(sign / pairs)) / sizes[:, None])


def intrinsic_synapses(in_degrees: FloatArray, N: FloatArray, totals: FloatArray) -> FloatArray:
    """Count the synapses within areas, shape (areas, 8, 8): in-degrees keep their ratios, totals are given (Schmidt et al. 2018)."""
    factor = totals / (N * in_degrees.sum(axis=2)).sum(axis=1)
    synapses = factor[:, None, None] * in_degrees * N[:, :, None]
    return np.asarray(np.where((N[:, :, None] > 0) & (N[:, None, :] > 0), synapses, 0.0))
