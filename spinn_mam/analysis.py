"""Statistics of spiking activity: single-neuron rates, irregularity, pairwise correlations and synchrony of each population.

Problem
    Reduce the spikes of a run to what the accuracy protocols compare, small enough to commit for a reference ensemble:
    how many neurons fired k spikes, how many have which coefficient of variation (CV) of their inter-spike intervals, their mean local
    variation (LvR) and correlation, the spike trains of a few hundred randomly chosen neurons, from which correlations of any window
    follow, and the synchrony of the whole population.
Method
    One stable sort of all spikes by neuron; then :mod:`.spike_trains`. CVs are kept in bins of
    0.001, a tenth of the narrowest smoothing any protocol applies to them. Correlations are elephant's Pearson coefficients of spike
    counts in bins of 2 ms, the refractory time. Neurons for correlations are the first ones of a seeded permutation,
    so a longer or shorter window only lengthens or shortens the same list.
Cost
    O(n log n) for n spikes: about a second for 10 s of the full-scale microcircuit (2.7 million spikes).
Sources
    Van Albada et al. (2018), doi 10.3389/fnins.2018.00291; Potjans and Diesmann (2014), doi 10.1093/cercor/bhs358 (synchrony);
    Denker et al. (2018), elephant, RRID:SCR_003833.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.recording import Recording
from spinn_mam.spike_trains import (
    CORRELATION_BIN_MS,
    MEAN_CORRELATION_BIN_MS,
    REFRACTORY_MS,
    cv_isi,
    fano_factor,
    lvr,
    pearson,
    sampled_correlation,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Width of the bins in which CVs are kept.
CV_RESOLUTION = 0.001
#: Width of the bins of synchrony (ms): Potjans and Diesmann (2014), doi 10.1093/cercor/bhs358.
SYNCHRONY_BIN_MS = 3.0
#: Trains kept at least, if the population has as many neurons: the 250 of the reference scripts of the model's repository.
N_TRAINS = 250
#: Active trains kept at least: the 200 of van Albada et al. (2018), doi 10.3389/fnins.2018.00291.
N_ACTIVE_TRAINS = 200
#: Spikes that are analysed at once: some 60 bytes each are needed.
MAX_SPIKES = 100_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of real numbers as sorted distinct values and how often each occurs.

    Attributes
    ----------
    values : ndarray of float64, shape (n_distinct,)
        Sorted, distinct.
    counts : ndarray of int64, shape (n_distinct,)
        At least 1 each.
    """

    values: FloatArray
    counts: IntArray

    @classmethod
    def of(cls, data: npt.ArrayLike) -> Sample:
        """Make a sample of plain numbers; NaN is left out."""
        flat = np.asarray(data, dtype=np.float64).ravel()
        values, counts = np.unique(flat[~np.isnan(flat)], return_counts=True)
        return cls(values, counts.astype(np.int64))

    @property
    def n(self) -> int:
        """Number of observations."""
        return int(self.counts.sum())

    def mean(self) -> float:
        """Return the mean, NaN if empty."""
        return float(self.values @ self.counts / self.n) if self.n else float("nan")

    def sd(self) -> float:
        """Return the standard deviation (n - 1 in the denominator), NaN below two observations."""
        if self.n < 2:
            return float("nan")
        return float(np.sqrt(((self.values - self.mean()) ** 2) @ self.counts / (self.n - 1)))

    def quantile(self, q: float) -> float:
        """Return the quantile as :func:`numpy.quantile` does (linear interpolation), NaN if empty."""
        if not self.n:
            return float("nan")
        ends = np.cumsum(self.counts)
        at = q * (self.n - 1)
        lower, upper = self.values[np.searchsorted(ends, [np.floor(at), np.ceil(at)], side="right")]
        return float(lower + (upper - lower) * (at - np.floor(at)))

    def cdf(self, x: FloatArray) -> FloatArray:
        """Return the share of observations at or below each ``x``."""
        ends = np.concatenate([[0], np.cumsum(self.counts)])
        share: FloatArray = ends[np.searchsorted(self.values, x, side="right")] / self.n
        return share


@dataclass(frozen=True, slots=True)
class PopulationStatistics:
    """What the protocols need of one population in one window.

    Attributes
    ----------
    name : str
        Population name.
    size : int
        Number of neurons.
    duration_ms : float
        Length of the window (ms).
    neurons_by_count : ndarray of int64, shape (largest_count + 1,)
        Number of neurons that fired k spikes.
    neurons_by_cv : ndarray of int64, shape (n_cv_bins,)
        Number of neurons with at least three spikes whose CV rounds to k * CV_RESOLUTION.
    synchrony : float
        Variance over mean of the population's spike count in bins of SYNCHRONY_BIN_MS; 1 for independent Poisson neurons, NaN
        without spikes. It sees what correlations of 200 neurons cannot: common oscillations, hence delays.
    lvr : float
        Mean LvR over neurons that fired, 0 for those with fewer than three spikes; NaN without spikes, and in a reference that was made without.
    correlation : float
        Mean correlation of pairs of N_CORRELATED neurons that fired, in bins of MEAN_CORRELATION_BIN_MS; NaN as ``lvr``.
    n_trains : int
        Number of neurons whose trains are kept, the first of a seeded permutation of the population.
    train_neuron : ndarray of int32, shape (n_train_spikes,)
        Place of each kept spike's neuron in that permutation; sorted.
    train_bin : ndarray of int32, shape (n_train_spikes,)
        Bin (of CORRELATION_BIN_MS) of each kept spike; sorted within a neuron.
    """

    name: str
    size: int
    duration_ms: float
    neurons_by_count: IntArray
    neurons_by_cv: IntArray
    synchrony: float
    lvr: float
    correlation: float
    n_trains: int
    train_neuron: npt.NDArray[np.int32]
    train_bin: npt.NDArray[np.int32]

    @property
    def n_spikes(self) -> int:
        """Number of spikes in the window."""
        return int(self.neurons_by_count @ np.arange(len(self.neurons_by_count)))

    @property
    def mean_rate(self) -> float:
        """Mean rate of a neuron (spikes/s)."""
        return self.n_spikes / self.size / (self.duration_ms / 1000.0)

    @property
    def n_bins(self) -> int:
        """Number of whole correlation bins in the window."""
        return int(self.duration_ms / CORRELATION_BIN_MS + 1e-9)

    def rates(self) -> Sample:
        """Return the single-neuron rates (spikes/s) of all neurons, silent ones included."""
        k = np.flatnonzero(self.neurons_by_count)
        return Sample(np.asarray(k / (self.duration_ms / 1000.0), dtype=np.float64), self.neurons_by_count[k])

    def cvs(self, more_than: int) -> Sample:
        """Return the CVs of neurons with more than ``more_than`` (1 or 2) spikes.

        The CV of a neuron with two spikes, hence one interval, is 0.
        """
        by_cv = self.neurons_by_cv.copy()
        if more_than == 1 and len(self.neurons_by_count) > 2:
            by_cv = by_cv if len(by_cv) else np.zeros(1, dtype=np.int64)
            by_cv[0] += self.neurons_by_count[2]
        k = np.flatnonzero(by_cv)
        return Sample(np.asarray(k * CV_RESOLUTION, dtype=np.float64), by_cv[k])

    def median_intervals(self) -> float:
        """Return the median number of inter-spike intervals of neurons with at least three spikes; 0 if there are none."""
        by_count = self.neurons_by_count[3:]
        if not by_count.sum():
            return 0.0
        return Sample(np.asarray(np.flatnonzero(by_count) + 2.0, dtype=np.float64), by_count[by_count > 0]).quantile(0.5)

    def correlations(self, n: int, *, active_only: bool) -> FloatArray:
        """Return Pearson correlation coefficients of the spike counts of all pairs among ``n`` neurons.

        Parameters
        ----------
        n : int
            Neurons taken from the permutation.
        active_only : bool
            True: the first ``n`` that spike in the window. False: the first ``n``, pairs with a silent one left out.

        Returns
        -------
        ndarray of float64, shape (n_pairs,)
            Coefficients of pairs i < j.
        """
        active = np.unique(self.train_neuron)
        chosen = active[:n] if active_only else active[active < n]
        kept = np.isin(self.train_neuron, chosen)
        rows = np.searchsorted(chosen, self.train_neuron[kept])
        return pearson(rows, self.train_bin[kept], len(chosen), self.n_bins)


def analyse(recording: Recording, windows_ms: Sequence[float] | None = None, *, seed: int = 0) -> list[tuple[PopulationStatistics, ...]]:
    """Analyse every population in windows that all begin with the kept phase.

    Of a population of which only some neurons are recorded these are analysed, as a population of that size without synchrony, which
    depends on the size; one of which none is recorded is left out.

    Parameters
    ----------
    recording : Recording
        The run.
    windows_ms : sequence of float, optional
        Lengths of the windows (ms), none longer than the recording; by default its whole length.
    seed : int
        Chooses the neurons whose trains are kept.

    Returns
    -------
    list of tuple of PopulationStatistics
        For each window the populations in the order of the recording.

    Raises
    ------
    UsageError
        If the windows hold more spikes than can be analysed at once.

    Examples
    --------
    >>> import numpy as np
    >>> run = Recording(("E",), (2,), 0.1, 0, 10000, np.array([0, 1000, 3000]), np.array([0, 0, 0], dtype=np.int32))
    >>> [population] = analyse(run)[0]
    >>> population.mean_rate, population.rates().values.tolist()
    (1.5, [0.0, 3.0])
    """
    lengths = (recording.duration_ms,) if windows_ms is None else tuple(windows_ms)
    recording = recording.window(0.0, max(lengths))
    if recording.n_spikes > MAX_SPIKES:
        raise UsageError(
            f"{recording.n_spikes:,} spikes in {recording.duration_ms / 1000:g} s are more than the {MAX_SPIKES:,} that are analysed at once: "
            "take a shorter window"
        )
    order = np.argsort(recording.neuron, kind="stable")
    neuron, step = recording.neuron[order], recording.step[order] - recording.start_step
    bounds = np.searchsorted(neuron, recording.offsets)
    bin_steps, count_steps = round(CORRELATION_BIN_MS / recording.dt), round(SYNCHRONY_BIN_MS / recording.dt)
    pair_steps = max(1, round(MEAN_CORRELATION_BIN_MS / recording.dt))
    results: list[list[PopulationStatistics]] = [[] for _ in lengths]
    for p, (name, size) in enumerate(zip(recording.names, recording.recorded, strict=True)):
        if size == 0:
            continue
        whole = size == recording.sizes[p]
        mine = slice(bounds[p], bounds[p + 1])
        local, when = neuron[mine].astype(np.int64) - recording.offsets[p], step[mine]
        stops = [round(length / recording.dt) for length in lengths]
        place = np.argsort(np.random.default_rng([seed, p]).permutation(size))
        n_trains = _n_trains(local[when < min(stops)], place, size)
        for result, length, stop in zip(results, lengths, stops, strict=True):
            inside = when < stop
            train = inside & (place[local] < n_trains) & (when < stop // bin_steps * bin_steps)
            by_train = np.argsort(place[local[train]], kind="stable")
            counts = np.bincount(local[inside], minlength=size)
            cvs = cv_isi(when[inside], local[inside], size)[counts >= 3]
            irregularity = lvr(when[inside], local[inside], size, REFRACTORY_MS / recording.dt)[counts >= 3]
            paired, n_paired = when < stop // pair_steps * pair_steps, stop // pair_steps
            rng = np.random.default_rng([seed, p])
            statistics = PopulationStatistics(
                name=name,
                size=size,
                duration_ms=length,
                neurons_by_count=np.bincount(counts).astype(np.int64),
                neurons_by_cv=np.bincount(np.rint(cvs / CV_RESOLUTION).astype(np.int64)).astype(np.int64),
                synchrony=fano_factor(when[when < stop // count_steps * count_steps] // count_steps, stop // count_steps) if whole else math.nan,
                lvr=float(np.nansum(irregularity) / (counts > 0).sum()) if counts.any() else math.nan,
                correlation=sampled_correlation(when[paired] // pair_steps, local[paired], n_paired, rng),
                n_trains=n_trains,
                train_neuron=place[local[train]][by_train].astype(np.int32),
                train_bin=(when[train][by_train] // bin_steps).astype(np.int32),
            )
            result.append(statistics)
    return [tuple(result) for result in results]


def compare_activity(recording: Recording, other: Recording) -> dict[str, dict[str, list[float]]]:
    """Compare rates and correlations of each population in two runs of one network.

    Parameters
    ----------
    recording, other : Recording

    Returns
    -------
    dict
        By population ``rate`` (spikes/s) and ``correlation`` (mean over pairs of neurons), each ``[of recording, of other]``; a value that
        cannot be had, such as a correlation of silent neurons, is left out with its pair.

    Examples
    --------
    >>> import numpy as np
    >>> run = Recording(("E",), (2,), 0.1, 0, 10000, np.array([0, 3000]), np.array([0, 0], dtype=np.int32))
    >>> silent = Recording(("E",), (2,), 0.1, 0, 10000, np.array([], dtype=np.int64), np.array([], dtype=np.int32))
    >>> compare_activity(run, silent)
    {'E': {'rate': [1.0, 0.0]}}
    """
    found: dict[str, dict[str, list[float]]] = {}
    for mine, theirs in zip(analyse(recording)[0], analyse(other)[0], strict=True):
        entry = {"rate": [mine.mean_rate, theirs.mean_rate]}
        pairs = [statistics.correlations(statistics.n_trains, active_only=True) for statistics in (mine, theirs)]
        if all(len(values) for values in pairs):
            entry["correlation"] = [float(values.mean()) for values in pairs]
        found[mine.name] = entry
    return found


def _n_trains(local: IntArray, place: IntArray, size: int) -> int:
    """Return how many neurons of the permutation to keep, so that enough of them are active in the shortest window."""
    active = np.sort(place[np.unique(local)])
    enough = int(active[N_ACTIVE_TRAINS - 1]) + 1 if len(active) >= N_ACTIVE_TRAINS else size
    return min(size, max(N_TRAINS, enough))
