"""Power spectra of population activity.

Problem
    Show at which frequencies a population's neurons fire together, on a scale that says how much more than independent neurons would.
Method
    The spike train of a whole population, in bins of one time step, goes through Welch's method (Hann windows that overlap by half, mean removed).
    The two-sided density is divided by the number of neurons: N independent Poisson neurons of rate r have the
    flat spectrum r, independent renewal neurons that of a single train, and at high frequencies every spectrum tends to the mean rate.
    A peak is a local maximum whose prominence, in the logarithm, exceeds SIGNIFICANCE standard errors of the estimate.
Cost
    O(n log n) for n time steps: milliseconds for each population and second.
Sources
    Welch (1967), doi 10.1109/TAU.1967.1161901; variance of the estimate for Hann windows: Percival and Walden (1993), doi 10.1017/CBO9780511622762;
    spectra of the microcircuit and where its peaks come from: Bos, Diesmann and Helias (2016), doi 10.1371/journal.pcbi.1005132.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from spinn_mam.recording import Recording

FloatArray = npt.NDArray[np.float64]

#: Length of a segment (ms): the frequency resolution is its inverse, 4 Hz.
SEGMENT_MS = 250.0
#: Variance of an estimate from many half-overlapping Hann windows, over that from as many independent ones.
OVERLAP_VARIANCE = 1 + 2 * (1 / 6) ** 2
#: Prominence of a peak in standard errors: the minimum beside a chance maximum lies about three below the mean, the maximum three above.
SIGNIFICANCE = 8.0
#: Frequencies above this are not shown and not searched for peaks (Hz).
HIGHEST_HZ = 500.0


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak of a spectrum.

    Attributes
    ----------
    frequency_hz : float
    power : float
        Power there, in spikes/s as the mean rate.
    over_independent : float
        Power over the mean rate, hence over that of independent Poisson neurons.
    """

    frequency_hz: float
    power: float
    over_independent: float


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Power spectrum of a population's spikes.

    Attributes
    ----------
    name : str
        Population.
    rate : float
        Mean rate (spikes/s).
    frequency_hz : ndarray of float64, shape (n_frequencies,)
        From one over the segment's length up to HIGHEST_HZ; zero is left out, since the mean is removed.
    power : ndarray of float64, shape (n_frequencies,)
        Two-sided power density of the population's spike train over its number of neurons (spikes/s).
    n_segments : int
        Segments averaged.
    """

    name: str
    rate: float
    frequency_hz: FloatArray
    power: FloatArray
    n_segments: int

    @property
    def relative_error(self) -> float:
        """Standard error of the power over the power."""
        return float(np.sqrt(OVERLAP_VARIANCE / self.n_segments))

    def peaks(self) -> tuple[Peak, ...]:
        """Return the peaks, highest first."""
        if not self.rate > 0:
            return ()
        floor = np.log(np.maximum(self.power, 1e-12 * self.rate))
        places, _ = signal.find_peaks(floor, prominence=SIGNIFICANCE * self.relative_error)
        found = [Peak(float(self.frequency_hz[i]), float(self.power[i]), float(self.power[i] / self.rate)) for i in places]
        return tuple(sorted(found, key=lambda peak: -peak.power))


def spectra(recording: Recording) -> Iterator[Spectrum]:
    """Yield the spectrum of each population of which neurons are recorded, of these; none if the recording is shorter than a segment.

    Parameters
    ----------
    recording : Recording

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> spikes = np.unique(rng.integers(0, 10_000_000, 10_000))
    >>> run = Recording(("E",), (1000,), 1.0, 0, 10_000, spikes // 1000, (spikes % 1000).astype(np.int32))
    >>> [spectrum] = spectra(run)
    >>> round(spectrum.rate, 1), bool(abs(spectrum.power.mean() - spectrum.rate) < 0.1), spectrum.peaks()
    (1.0, True, ())
    """
    n_steps, per_segment = recording.stop_step - recording.start_step, round(SEGMENT_MS / recording.dt)
    if n_steps < per_segment or per_segment < 2:
        return
    step_s = recording.dt / 1000.0
    owner = np.searchsorted(recording.offsets, recording.neuron, side="right") - 1
    for p, (name, size) in enumerate(zip(recording.names, recording.recorded, strict=True)):
        if size == 0:
            continue
        counts = np.bincount(recording.step[owner == p] - recording.start_step, minlength=n_steps)
        frequency, power = signal.welch(counts / step_s, fs=1 / step_s, window="hann", nperseg=per_segment, return_onesided=False)
        shown = (frequency > 0) & (frequency <= HIGHEST_HZ)
        n_segments = (n_steps - per_segment) // (per_segment - per_segment // 2) + 1
        rate = counts.sum() / size / (n_steps * step_s)
        yield Spectrum(name, float(rate), frequency[shown], power[shown] / size, n_segments)
