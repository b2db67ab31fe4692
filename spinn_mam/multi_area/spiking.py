"""Spiking statistics by population and by area, as the papers of the multi-area model define them.

Problem
    Rates, local variation of intervals (LvR), their coefficient of variation (CV), synchrony and pairwise correlations of hundreds of populations
    and tens of areas, from up to 1e8 spikes.
Method
    Spikes are sorted by neuron once; everything of a neuron then comes from sums over its intervals. LvR of a neuron with intervals I_1 ... I_n is
    3 / (n - 1) sum_i (1 - 4 I_i I_{i+1} / (I_i + I_{i+1})^2) (1 + 4 R / (I_i + I_{i+1})), R the refractory time. There is more than one
    way to average it: over the neurons that fired (published), over all neurons (the code that was published with it), both with 0 for neurons of
    fewer than three spikes, or over the neurons that have one.
    Synchrony is the CV of the number of a population's spikes in bins of 1 ms. The mean correlation of n trains needs no matrix of pairs:
    with z_i a train's standardised count, sum_{i != j} c_ij = var(sum_i z_i) - n.
    An area's neurons are those of all its populations together, in proportion to the populations' sizes.
Cost
    O(s log s) for s spikes.
Sources
    Shinomoto et al. (2009), doi 10.1371/journal.pcbi.1000433 (LvR); Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359 (which ones, and how).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.analysis import MAX_SPIKES, cv_isi
from spinn_mam.errors import UsageError
from spinn_mam.multi_area.areas import Areas
from spinn_mam.recording import Recording

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Bins of synchrony and correlations (ms): Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359.
BIN_MS = 1.0
#: Neurons that correlations are of, none of them silent: as there.
N_CORRELATED = 2000
#: Refractory time in LvR (ms): that of the model's neurons, as there.
REFRACTORY_MS = 2.0


@dataclass(frozen=True, slots=True)
class SpikingStatistics:
    """Statistics of each population, or of each area; NaN where there is none, such as the LvR of silent neurons.

    Attributes
    ----------
    names : tuple of str
        Of populations or areas.
    rate : ndarray of float64, shape (n,)
        Mean rate (spikes/s).
    lvr_fired, lvr_all, lvr_defined : ndarray of float64, shape (n,)
        Mean LvR over neurons that fired, over all neurons, and over those with three spikes or more.
    cv : ndarray of float64, shape (n,)
        Mean CV of intervals, over neurons with three spikes or more.
    synchrony : ndarray of float64, shape (n,)
        CV of the number of spikes in bins of BIN_MS; it depends on the number of neurons, so it is NaN where only some are recorded.
    correlation : ndarray of float64, shape (n,)
        Mean over pairs of N_CORRELATED neurons that fired, or of all that did; counts in bins of BIN_MS.
    """

    names: tuple[str, ...]
    rate: FloatArray
    lvr_fired: FloatArray
    lvr_all: FloatArray
    lvr_defined: FloatArray
    cv: FloatArray
    synchrony: FloatArray
    correlation: FloatArray


#: The statistics, and what they are called.
STATISTICS = {
    "rate": "rate (spikes/s)",
    "lvr_fired": "LvR, neurons that fired",
    "lvr_all": "LvR, silent neurons as 0",
    "lvr_defined": "LvR, neurons with three spikes or more",
    "cv": "CV of intervals",
    "synchrony": "synchrony",
    "correlation": "correlation",
}


def lvr(times: npt.ArrayLike, neuron: IntArray, n_neurons: int, refractory: float) -> FloatArray:
    """Return the LvR of each neuron.

    Parameters
    ----------
    times : array_like, shape (n_spikes,)
        Spike times, in any unit; increasing within a neuron.
    neuron : ndarray of int, shape (n_spikes,)
        Neuron of each spike, sorted.
    n_neurons : int
    refractory : float
        Refractory time, in the unit of ``times``.

    Returns
    -------
    ndarray of float64, shape (n_neurons,)
        NaN below three spikes.

    Notes
    -----
    Equal to ``elephant.statistics.lvr(elephant.statistics.isi(train), R=refractory)`` of each neuron.
    """
    times = np.asarray(times, dtype=np.float64)
    interval = np.diff(times)
    same = neuron[1:] == neuron[:-1]
    both = same[1:] & same[:-1]
    first, second, owner = interval[:-1][both], interval[1:][both], neuron[2:][both]
    total = first + second
    term = (1.0 - 4.0 * first * second / total**2) * (1.0 + 4.0 * refractory / total)
    n = np.bincount(owner, minlength=n_neurons)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(3.0 * np.bincount(owner, term, minlength=n_neurons) / n, dtype=np.float64)


def mean_correlation(bins: IntArray, neuron: IntArray, n_bins: int) -> float:
    """Return the mean correlation coefficient of the spike counts of all pairs of neurons that fired.

    Parameters
    ----------
    bins : ndarray of int64, shape (n_spikes,)
        Bin of each spike, sorted within a neuron.
    neuron : ndarray of int64, shape (n_spikes,)
        Neuron of each spike, sorted.
    n_bins : int

    Returns
    -------
    float
        NaN with fewer than two neurons. A neuron with the same count in all bins has no correlation and is left out.
    """
    place = neuron * n_bins + bins
    first = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))[: len(place)]
    count = np.diff(np.concatenate([first, [len(place)]])).astype(np.float64)
    owner, when = neuron[first], bins[first]
    fired, rank = np.unique(owner, return_inverse=True)
    mean = np.bincount(rank, count, minlength=len(fired)) / n_bins
    variance = np.bincount(rank, count**2, minlength=len(fired)) / n_bins - mean**2
    varies = variance > 1e-12
    n = int(varies.sum())
    if n < 2:
        return math.nan
    weight = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    total = np.bincount(when, count * weight[rank], minlength=n_bins)
    return float((total.var() - n) / (n * (n - 1)))


def spiking_statistics(recording: Recording, areas: Areas, *, seed: int = 0) -> tuple[SpikingStatistics, SpikingStatistics]:
    """Return the statistics of each population and of each area.

    Parameters
    ----------
    recording : Recording
        Populations whose neurons are not recorded have NaN, but for a rate that was counted.
    areas : Areas
        Of its populations.
    seed : int
        Chooses the neurons of correlations.

    Returns
    -------
    populations, areas : SpikingStatistics

    Raises
    ------
    UsageError
        If there are more spikes than can be analysed at once.
    """
    if recording.n_spikes > MAX_SPIKES:
        raise UsageError(
            f"{recording.n_spikes:,} spikes in {recording.duration_ms / 1000:g} s are more than the {MAX_SPIKES:,} that are analysed at once: "
            "take a shorter window"
        )
    sizes = np.array(recording.sizes, dtype=np.float64)
    recorded = np.array(recording.recorded)
    whole = recorded == np.array(recording.sizes)
    order = np.argsort(recording.neuron, kind="stable")
    neuron, step = recording.neuron[order].astype(np.int64), recording.step[order] - recording.start_step
    bounds = np.searchsorted(neuron, recording.offsets)
    per_bin = max(1, round(BIN_MS / recording.dt))
    n_bins = (recording.stop_step - recording.start_step) // per_bin
    n = len(sizes)
    shares = {name: np.zeros(n) for name in ("fired", "defined")}
    found = {name: np.full(n, np.nan) for name in STATISTICS}
    known = recording.rates()
    for p, name in enumerate(recording.names):
        found["rate"][p] = known.get(name, math.nan)
        if not recorded[p]:
            continue
        mine = slice(bounds[p], bounds[p + 1])
        local, when = neuron[mine] - recording.offsets[p], step[mine]
        counts = np.bincount(local, minlength=recorded[p])
        defined = counts >= 3
        each = lvr(when, local, int(recorded[p]), REFRACTORY_MS / recording.dt)[defined]
        shares["fired"][p], shares["defined"][p] = (counts > 0).mean(), defined.mean()
        found["lvr_all"][p] = each.sum() / recorded[p]
        if shares["fired"][p]:
            found["lvr_fired"][p] = each.sum() / (counts > 0).sum()
        if len(each):
            found["lvr_defined"][p] = each.mean()
            found["cv"][p] = cv_isi(when, local, int(recorded[p]))[defined].mean()
        if n_bins:
            kept = when < n_bins * per_bin
            found["synchrony"][p] = _cv(when[kept] // per_bin, n_bins) if whole[p] else math.nan
            rng = np.random.default_rng([seed, p])
            found["correlation"][p] = _correlation(when[kept] // per_bin, local[kept], n_bins, rng)
    populations = SpikingStatistics(recording.names, **found)
    by_area = {
        "rate": areas.mean(found["rate"], sizes),
        "lvr_all": areas.mean(found["lvr_all"], sizes),
        "lvr_fired": areas.mean(found["lvr_fired"], sizes * shares["fired"]),
        "lvr_defined": areas.mean(found["lvr_defined"], sizes * shares["defined"]),
        "cv": areas.mean(found["cv"], sizes * shares["defined"]),
        "synchrony": np.full(areas.n, np.nan),
        "correlation": np.full(areas.n, np.nan),
    }
    if n_bins:
        for a, (when, who) in enumerate(_of_areas(step, neuron, bounds, areas)):
            kept = when < n_bins * per_bin
            if whole[areas.area == a].all():
                by_area["synchrony"][a] = _cv(when[kept] // per_bin, n_bins)
            rng = np.random.default_rng([seed, n + a])
            by_area["correlation"][a] = _correlation(when[kept] // per_bin, who[kept], n_bins, rng)
    return populations, SpikingStatistics(areas.names, **by_area)


def _of_areas(step: IntArray, neuron: IntArray, bounds: IntArray, areas: Areas) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield step and neuron of each area's spikes, sorted by neuron."""
    for a in range(areas.n):
        pieces = [slice(bounds[p], bounds[p + 1]) for p in np.flatnonzero(areas.area == a)]
        yield np.concatenate([step[piece] for piece in pieces]), np.concatenate([neuron[piece] for piece in pieces])


def _cv(bins: IntArray, n_bins: int) -> float:
    if not len(bins):
        return math.nan
    counts = np.bincount(bins, minlength=n_bins)
    return float(counts.std() / counts.mean())


def _correlation(bins: IntArray, neuron: IntArray, n_bins: int, rng: np.random.Generator) -> float:
    """Correlate N_CORRELATED neurons that fired, chosen at random."""
    fired = np.unique(neuron)
    if len(fired) > N_CORRELATED:
        chosen = np.isin(neuron, rng.choice(fired, N_CORRELATED, replace=False))
        bins, neuron = bins[chosen], neuron[chosen]
    return mean_correlation(bins, neuron, n_bins)
