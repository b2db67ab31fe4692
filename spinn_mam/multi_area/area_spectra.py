"""Power spectra of areas: Welch's method on the spikes of all neurons of an area, in bins of rates in time.

The scale is that of :mod:`spinn_mam.spectra`: two-sided density over the number of neurons, the mean rate for independent Poisson neurons. Segments
of a second resolve the slow fluctuations that areas share. If only some neurons are recorded, the others count as if they fired like these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from spinn_mam.multi_area.rate_series import RateSeries

FloatArray = npt.NDArray[np.float64]

#: Length of a segment (ms).
SEGMENT_MS = 1000.0


@dataclass(frozen=True, slots=True)
class AreaSpectra:
    """Power spectra.

    Attributes
    ----------
    names : tuple of str
        Areas.
    frequency_hz : ndarray of float64, shape (n_frequencies,)
        Above zero, up to half the inverse of a bin.
    power : ndarray of float64, shape (n_areas, n_frequencies)
        Two-sided density over the number of neurons (spikes/s).
    """

    names: tuple[str, ...]
    frequency_hz: FloatArray
    power: FloatArray


def area_spectra(series: RateSeries, sizes: npt.ArrayLike) -> AreaSpectra:
    """Return the spectrum of each area.

    Parameters
    ----------
    series : RateSeries
        Of areas, at least SEGMENT_MS long.
    sizes : array_like, shape (n_areas,)
        Numbers of neurons.
    """
    per_segment = round(SEGMENT_MS / series.bin_ms)
    frequency, power = signal.welch(series.rates, fs=1000.0 / series.bin_ms, nperseg=per_segment, return_onesided=False, axis=1)
    shown = frequency > 0
    return AreaSpectra(series.names, frequency[shown], power[:, shown] * np.asarray(sizes, dtype=np.float64)[:, None])
