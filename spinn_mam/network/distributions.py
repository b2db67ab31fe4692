"""Moments and quantiles of the distributions that weights and delays are drawn from.

Reference: a normal distribution cut at its bounds: Johnson, Kotz and Balakrishnan (1994), Continuous univariate distributions, section 13.10.1.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from spinn_mam.network.spec import Distribution, FloatArray


def moments(d: Distribution) -> tuple[float, float]:
    """Mean and variance of what is drawn.

    Examples
    --------
    >>> moments(Distribution(2.0, 1.0))
    (2.0, 1.0)
    """
    if d.sd <= 0:
        return d.mean, 0.0
    if d.kind == "lognormal":
        return d.mean, d.sd**2
    a, b = (d.lower - d.mean) / d.sd, (d.upper - d.mean) / d.sd
    mass = float(special.ndtr(b) - special.ndtr(a))
    density_a, density_b = (math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi) if math.isfinite(x) else 0.0 for x in (a, b))
    shift = (density_a - density_b) / mass
    edges = ((a * density_a if density_a else 0.0) - (b * density_b if density_b else 0.0)) / mass
    return d.mean + d.sd * shift, d.sd**2 * (1.0 + edges - shift**2)


def underlying_normal(d: Distribution) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of the magnitude, of a lognormal distribution."""
    variance = math.log1p((d.sd / d.mean) ** 2)
    return math.log(abs(d.mean)) - 0.5 * variance, math.sqrt(variance)


def quantiles(d: Distribution, p: FloatArray) -> FloatArray:
    """Values that are not exceeded with probabilities p; sd must be positive."""
    if d.kind == "lognormal":
        location, scale = underlying_normal(d)
        sign = math.copysign(1.0, d.mean)
        with np.errstate(over="ignore"):
            return np.asarray(sign * np.exp(location + sign * scale * special.ndtri(p)))
    below, above = special.ndtr([(d.lower - d.mean) / d.sd, (d.upper - d.mean) / d.sd])
    return np.asarray(d.mean + d.sd * special.ndtri(below + (above - below) * p))


def lognormal_mean_below(d: Distribution, p: float) -> float:
    """Part of a lognormal distribution's mean that comes from its values up to the quantile of p."""
    _, scale = underlying_normal(d)
    z = float(special.ndtri(p))
    return d.mean * float(special.ndtr(z - scale) if d.mean > 0 else 1.0 - special.ndtr(-z - scale))
