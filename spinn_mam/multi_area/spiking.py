"""Spiking statistics by population and by area, as the papers of the multi-area model define them.

Problem
    Rates, local variation of intervals (LvR), their coefficient of variation (CV), synchrony and pairwise correlations of hundreds of populations
    and tens of areas, from up to 1e8 spikes.
Method
    Spikes are sorted by neuron once; then :mod:`spinn_mam.spike_trains`. There is more than one way to average LvR: over the neurons that fired
    (published), over all neurons (the code that was published with it), both with 0 for neurons of fewer than three spikes, or over the neurons
    that have one.
    Synchrony is the CV of the number of a population's spikes in bins of 1 ms.
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

from spinn_mam.analysis import MAX_SPIKES
from spinn_mam.errors import UsageError
from spinn_mam.multi_area.areas import Areas
from spinn_mam.recording import Recording
from spinn_mam.spike_trains import MEAN_CORRELATION_BIN_MS, REFRACTORY_MS, cv_isi, lvr, sampled_correlation

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


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
        CV of the number of spikes in bins of MEAN_CORRELATION_BIN_MS; it depends on the number of neurons, so it is NaN where only some are recorded.
    correlation : ndarray of float64, shape (n,)
        Mean over pairs of N_CORRELATED neurons that fired, or of all that did; counts in bins of MEAN_CORRELATION_BIN_MS.
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
    per_bin = max(1, round(MEAN_CORRELATION_BIN_MS / recording.dt))
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
            found["correlation"][p] = sampled_correlation(when[kept] // per_bin, local[kept], n_bins, rng)
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
            by_area["correlation"][a] = sampled_correlation(when[kept] // per_bin, who[kept], n_bins, rng)
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
