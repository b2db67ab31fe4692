"""The two ways the field compares implementations of the microcircuit, and the distances they use.

``va18``: Kullback-Leibler divergence
    Van Albada et al. (2018), doi 10.3389/fnins.2018.00291, as re-stated and scripted by Knight and Nowotny (2018),
    doi 10.3389/fnins.2018.00941: rates of all neurons; CV of the inter-spike intervals of neurons with more than one spike;
    Pearson correlations of the spike counts of 200 active neurons (at least one spike) in bins of 2 ms, over
    all pairs i < j (the papers' "disjoint" pairs: the lower triangle of the matrix, without its diagonal). Bins by
    Freedman and Diaconis on the reference sample; both samples are smoothed by a Gaussian kernel and read at those bins;
    D_KL(reference || candidate) in nats over the bins where the candidate's density exceeds 1e-15. The bandwidths 0.3,
    0.04 and 0.002 are handed to ``scipy.stats.gaussian_kde``, which takes them as factors of the sample's standard
    deviation, not as widths. The papers discard 1 s and analyse 9 s; their yardstick is the divergence between two seeds.

``senk26``: Kolmogorov-Smirnov distance
    Senk et al. (2026), the reference scripts and data of the microcircuit's repository (data: doi 10.5281/zenodo.18957278):
    500 ms discarded; rates of all neurons; CVs of neurons with more than two spikes; correlations of 250 neurons chosen at
    random in bins of 2 ms, undefined coefficients (silent neurons) left out; two-sample KS distances between all pairs of seeds.

Correlations need about ten minutes of biological time (Dasbach et al. 2021, doi 10.3389/fnins.2021.757790); in the 10 s of many
comparisons their distribution is that of sampling noise.

Three departures, the same for all that is compared: CVs are rounded to 0.001; a divergence is infinite where a sample cannot be
smoothed, and also where the mask hides more than half of the reference's mass (by the letter it would then be small
for samples that hardly overlap).

Cost: kernel densities sum over distinct values within ten bandwidths only: milliseconds for 20,000 neurons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from spinn_mam.analysis import PopulationStatistics, Sample

FloatArray = npt.NDArray[np.float64]
Statistic = Literal["rate", "cv_isi", "correlation"]
STATISTICS: tuple[Statistic, ...] = ("rate", "cv_isi", "correlation")

#: Candidate densities at or below this are masked: doi 10.3389/fnins.2018.00941, script of the accuracy figure.
DENSITY_FLOOR = 1e-15
#: Most bins a Freedman-Diaconis rule may ask for.
MAX_BINS = 200_000


@dataclass(frozen=True, slots=True)
class Protocol:
    """What to compare and how.

    Attributes
    ----------
    name : str
        ``"va18"`` or ``"senk26"``.
    cv_more_than : int
        Neurons with more spikes than this have a CV.
    correlation_neurons : int
        Neurons whose pairs are correlated.
    active_only : bool
        Whether those neurons are chosen among the active ones.
    distance : str
        ``"kl"`` or ``"ks"``.
    bandwidth : tuple of float
        Smoothing of rate, CV and correlation as a factor of the sample's standard deviation; for ``"kl"`` only.
    """

    name: str
    cv_more_than: int
    correlation_neurons: int
    active_only: bool
    distance: Literal["kl", "ks"]
    bandwidth: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def sample(self, statistic: Statistic, population: PopulationStatistics) -> Sample:
        """Return the sample that this protocol compares for one statistic of one population."""
        if statistic == "rate":
            return population.rates()
        if statistic == "cv_isi":
            return population.cvs(self.cv_more_than)
        return Sample.of(population.correlations(self.correlation_neurons, active_only=self.active_only))

    def distances(self, statistic: Statistic, reference: Sample) -> Callable[[Sample], float]:
        """Return the function that gives a candidate's distance to ``reference``."""
        if self.distance == "ks":
            return lambda candidate: ks_distance(reference, candidate)
        factor = self.bandwidth[STATISTICS.index(statistic)]
        grid = freedman_diaconis(reference)
        if grid is None:
            return lambda candidate: float("inf")
        density = gaussian_kde(reference, factor, grid)
        return lambda candidate: kl_divergence(density, gaussian_kde(candidate, factor, grid))


#: Van Albada et al. (2018) and Knight and Nowotny (2018); see the module's docstring.
VA18 = Protocol("va18", cv_more_than=1, correlation_neurons=200, active_only=True, distance="kl", bandwidth=(0.3, 0.04, 0.002))
#: Senk et al. (2026); see the module's docstring.
SENK26 = Protocol("senk26", cv_more_than=2, correlation_neurons=250, active_only=False, distance="ks")
PROTOCOLS = {"va18": VA18, "senk26": SENK26}


def ks_distance(a: Sample, b: Sample) -> float:
    """Return the two-sample Kolmogorov-Smirnov distance, the largest gap between the cumulative distributions; 1 if a sample is empty."""
    if not a.n or not b.n:
        return 1.0
    x = np.union1d(a.values, b.values)
    return float(np.max(np.abs(a.cdf(x) - b.cdf(x))))


def freedman_diaconis(sample: Sample) -> FloatArray | None:
    """Return the left edges of the bins of Freedman and Diaconis (1981), doi 10.1007/BF01025868.

    Returns
    -------
    ndarray of float64 or None
        None if the rule gives no bins: fewer than two distinct values, or an interquartile range of zero.
    """
    if len(sample.values) < 2:
        return None
    width = 2.0 * (sample.quantile(0.75) - sample.quantile(0.25)) / sample.n ** (1 / 3)
    lowest, highest = float(sample.values[0]), float(sample.values[-1])
    if width <= 0 or (highest - lowest) / width > MAX_BINS:
        return None
    return np.asarray(lowest + width * np.arange(int(np.ceil((highest - lowest) / width))), dtype=np.float64)


def gaussian_kde(sample: Sample, factor: float, x: FloatArray) -> FloatArray | None:
    """Return the Gaussian kernel density of a sample at points ``x``, as :func:`scipy.stats.gaussian_kde` defines it.

    Parameters
    ----------
    sample : Sample
        The observations.
    factor : float
        Bandwidth over the standard deviation of the sample.
    x : ndarray of float64, shape (n,)
        Where to evaluate; unit of the sample.

    Returns
    -------
    ndarray of float64, shape (n,), or None
        Density in 1 / unit; None if the sample has no spread.
    """
    width = factor * sample.sd()
    if not width > 0:
        return None
    # Beyond ten bandwidths a kernel is below 1e-21 of its peak.
    first = np.searchsorted(sample.values, x - 10 * width)
    length = np.searchsorted(sample.values, x + 10 * width, side="right") - first
    density = np.zeros(len(x))
    at_once = max(1, 2_000_000 // max(1, int(length.max(initial=0))))
    for lo in range(0, len(x), at_once):
        part = slice(lo, lo + at_once)
        owner = np.repeat(np.arange(len(x))[part], length[part])
        starts = np.repeat(first[part] - np.concatenate([[0], np.cumsum(length[part])[:-1]]), length[part])
        i = np.arange(len(owner)) + starts
        kernel = np.exp(-0.5 * ((x[owner] - sample.values[i]) / width) ** 2) * sample.counts[i]
        density += np.bincount(owner, kernel, minlength=len(x))
    return np.asarray(density / (sample.n * width * np.sqrt(2 * np.pi)), dtype=np.float64)


def kl_divergence(reference: FloatArray | None, candidate: FloatArray | None) -> float:
    """Return D_KL(reference || candidate) in nats over the bins where the candidate is not negligible.

    Parameters
    ----------
    reference, candidate : ndarray of float64, shape (n_bins,), or None
        Densities at the same equidistant points.

    Returns
    -------
    float
        Infinite if a density is missing or more than half of the reference lies where the candidate is negligible.
    """
    if reference is None or candidate is None or not candidate.sum() > 0:
        return float("inf")
    # The candidate is normalised over the bins before it is masked, as in the script.
    spacing_free = candidate / candidate.sum()
    kept = candidate > DENSITY_FLOOR
    if reference[kept].sum() <= 0.5 * reference.sum():
        return float("inf")
    p = reference[kept] / reference[kept].sum()
    q = spacing_free[kept] / spacing_free[kept].sum()
    positive = p > 0
    return max(0.0, float(np.sum(p[positive] * np.log(p[positive] / q[positive]))))
