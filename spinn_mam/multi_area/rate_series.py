"""Rates of populations and areas in time: binned, and smoothed with the kernels that users of the model know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import signal

from spinn_mam.errors import UsageError
from spinn_mam.multi_area.areas import Areas
from spinn_mam.recording import Recording

FloatArray = npt.NDArray[np.float64]
Kernel = Literal["gauss", "alpha", "rect"]


@dataclass(frozen=True, slots=True)
class RateSeries:
    """Rates in time.

    Attributes
    ----------
    names : tuple of str
        Of populations or areas.
    bin_ms : float
        Width of a bin (ms).
    rates : ndarray of float64, shape (n, n_bins)
        Mean rate of a neuron in each bin (spikes/s); NaN where none is recorded.
    """

    names: tuple[str, ...]
    bin_ms: float
    rates: FloatArray

    def smoothed(self, kernel: Kernel, width_ms: float) -> RateSeries:
        """Convolve with a kernel of area 1.

        Parameters
        ----------
        kernel : str
            ``"gauss"`` (``width_ms`` is its standard deviation), ``"alpha"`` (its time constant; causal) or ``"rect"`` (its width).
        width_ms : float
        """
        if kernel == "gauss":
            t = np.arange(-np.ceil(5 * width_ms / self.bin_ms), np.ceil(5 * width_ms / self.bin_ms) + 1) * self.bin_ms
            shape = np.exp(-(t**2) / (2 * width_ms**2))
        elif kernel == "alpha":
            half = np.ceil(15 * width_ms / self.bin_ms)
            t = np.maximum(np.arange(-half, half + 1), 0) * self.bin_ms
            shape = t * np.exp(-t / width_ms)
        else:
            shape = np.ones(max(1, round(width_ms / self.bin_ms)))
        return RateSeries(self.names, self.bin_ms, signal.convolve(self.rates, shape[None, :] / shape.sum(), mode="same", method="auto"))


def rate_series(recording: Recording, bin_ms: float = 1.0) -> RateSeries:
    """Return the rate of each population in time; a rest at the end shorter than a bin is left out.

    Parameters
    ----------
    recording : Recording
    bin_ms : float

    Raises
    ------
    UsageError
        If a bin is no whole number of time steps, or longer than the recording.
    """
    per_bin = round(bin_ms / recording.dt)
    n_steps = recording.stop_step - recording.start_step
    if per_bin < 1 or abs(per_bin * recording.dt - bin_ms) > 1e-9 or per_bin > n_steps:
        raise UsageError(f"bins of {bin_ms:g} ms in a recording of {recording.duration_ms:g} ms with time steps of {recording.dt:g} ms")
    n_bins = n_steps // per_bin
    bins = (recording.step - recording.start_step) // per_bin
    kept = bins < n_bins
    owner = np.searchsorted(recording.offsets, recording.neuron[kept], side="right") - 1
    counts = np.bincount(owner * n_bins + bins[kept], minlength=len(recording.names) * n_bins).reshape(-1, n_bins)
    recorded = np.array(recording.recorded, dtype=np.float64)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.where(recorded > 0, counts / (recorded * bin_ms / 1000.0), np.nan)
    return RateSeries(recording.names, bin_ms, rates)


def area_rates(series: RateSeries, areas: Areas, sizes: npt.ArrayLike) -> RateSeries:
    """Average over the neurons of each area.

    Parameters
    ----------
    series : RateSeries
        Of populations.
    areas : Areas
    sizes : array_like, shape (n_populations,)
        Numbers of neurons.
    """
    return RateSeries(areas.names, series.bin_ms, areas.mean(series.rates, sizes))
