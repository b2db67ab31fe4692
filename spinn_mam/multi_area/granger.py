"""Directed interactions between populations: conditional Granger causality.

Problem
    Does the past of one population's rate tell about another's future what the past of all others does not? And between which layers?
Method
    The rate of each population is regressed on the last ``order`` bins of itself and of the populations that could act on it (those with synapses
    on it). The causality of a source is log(residual variance without the source's past / with it). All sources of a target follow from one
    regression: leaving out coefficients b raises the residual sum of squares by b' C^-1 b, C the block of b in the inverse of the regressors'
    products. Its F test is exact for Gaussian residuals; of all pairs those are significant that keep the rate of false discoveries below a
    given one (Benjamini and Hochberg). The published analysis left the sources out one by one, with an order of 25 bins of 1 ms, and tested the
    variances of residuals by Levene's test at each pair alone.
Cost
    O(p n d^2) for p targets, n bins and d regressors, products of all shared by the targets: O(n D^2 + p d^3), D of all.
Sources
    Geweke (1984), doi 10.1080/01621459.1984.10477110; Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359; Benjamini and Hochberg (1995),
    doi 10.1111/j.2517-6161.1995.tb02031.x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, stats

from spinn_mam.errors import UsageError
from spinn_mam.models.mam.areas import POPULATIONS
from spinn_mam.multi_area.areas import Areas
from spinn_mam.multi_area.rate_series import RateSeries

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Bins of the past, where nobody says (of 1 ms: Schmidt et al. 2018).
ORDER = 25
#: Share of false ones among significant pairs.
FALSE_DISCOVERIES = 0.05
#: Bins for each regressor that a regression needs.
LEAST_BINS = 2
#: Bins with spikes that a population needs: the past of one that hardly fires is singular.
LEAST_BUSY = 20


@dataclass(frozen=True, slots=True)
class Causality:
    """Conditional Granger causality of all pairs.

    Attributes
    ----------
    strength : ndarray of float64, shape (n, n)
        log of residual variances without and with the source, [target, source]; NaN for pairs that were not tested.
    p : ndarray of float64, shape (n, n)
    significant : ndarray of bool, shape (n, n)
    """

    strength: FloatArray
    p: FloatArray
    significant: BoolArray


def granger_causality(series: RateSeries, candidates: BoolArray, *, order: int = ORDER, false_discoveries: float = FALSE_DISCOVERIES) -> Causality:
    """Test which populations' pasts tell about others.

    Parameters
    ----------
    series : RateSeries
        Of populations.
    candidates : ndarray of bool, shape (n, n)
        Which sources could act on which targets, [target, source]; the diagonal is not looked at. Populations that hardly
        fire, and constant and unknown rates, are left out.
    order : int
        Bins of the past.
    false_discoveries : float

    Raises
    ------
    UsageError
        If there are too few bins for as many regressors.
    """
    n, n_bins = series.rates.shape
    sd = series.rates.std(axis=1)
    busy = (series.rates > series.rates.min(axis=1, keepdims=True)).sum(axis=1)
    varies = np.isfinite(sd) & (sd > 0) & (busy >= LEAST_BUSY)
    wanted = candidates & varies[:, None] & varies[None, :]
    np.fill_diagonal(wanted, varies)
    most = int(wanted.sum(axis=1).max(initial=0)) * order
    n_rows = n_bins - order
    why = too_few_bins(n_bins, series.bin_ms, most // order, order)
    if why:
        raise UsageError(why)
    z = np.where(varies[:, None], (series.rates - series.rates.mean(axis=1, keepdims=True)) / np.where(varies, sd, 1.0)[:, None], 0.0)
    # regressors of all, [population, bins back]; each target takes its own
    past = np.stack([z[:, order - k : n_bins - k] for k in range(1, order + 1)], axis=1).reshape(n * order, n_rows)
    past -= past.mean(axis=1, keepdims=True)
    now = z[:, order:] - z[:, order:].mean(axis=1, keepdims=True)
    products, with_now = past @ past.T, past @ now.T
    strength, p = np.full((2, n, n), np.nan)
    for target in np.flatnonzero(varies):
        sources = np.flatnonzero(wanted[target])
        rows = (sources[:, None] * order + np.arange(order)).ravel()
        inverse = linalg.inv(products[np.ix_(rows, rows)])
        coefficients = inverse @ with_now[rows, target]
        residual = float(now[target] @ now[target] - coefficients @ with_now[rows, target])
        free = n_rows - len(rows) - 1
        for k, source in enumerate(sources):
            if source == target:
                continue
            own = slice(k * order, (k + 1) * order)
            more = float(coefficients[own] @ linalg.solve(inverse[own, own], coefficients[own], assume_a="pos"))
            strength[target, source] = np.log1p(more / residual)
            p[target, source] = stats.f.sf(more / order / (residual / free), order, free)
    significant = np.zeros((n, n), dtype=bool)
    tested = np.isfinite(p)
    if tested.any():
        significant[tested] = stats.false_discovery_control(p[tested]) < false_discoveries
    return Causality(strength, p, significant)


def too_few_bins(n_bins: int, bin_ms: float, n_populations: int, order: int) -> str:
    """Say why so many bins are too few for the past of so many populations, empty if they are enough."""
    most = n_populations * order
    if n_bins - order >= LEAST_BINS * most:
        return ""
    return (
        f"{n_bins} bins of {bin_ms:g} ms for up to {most} regressors ({order} bins of the past of {n_populations} populations): "
        f"at least {LEAST_BINS * most + order} bins are needed; simulate longer, take a smaller order, or fewer areas"
    )


def layer_interactions(significant: BoolArray, areas: Areas, pairs: BoolArray) -> FloatArray:
    """Count significant interactions between areas by the populations they come from and go to.

    Parameters
    ----------
    significant : ndarray of bool, shape (n_populations, n_populations)
        [target, source].
    areas : Areas
    pairs : ndarray of bool, shape (n_areas, n_areas)
        Which pairs of areas count, [target, source].

    Returns
    -------
    ndarray of float64, shape (8, 8)
        [target, source] population.
    """
    table = np.zeros((len(POPULATIONS), len(POPULATIONS)))
    target, source = np.nonzero(significant)
    a, b = areas.area[target], areas.area[source]
    counted = (a >= 0) & (b >= 0) & (a != b) & pairs[a, b]
    np.add.at(table, (areas.place[target[counted]], areas.place[source[counted]]), 1)
    return table
