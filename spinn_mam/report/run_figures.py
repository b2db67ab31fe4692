"""The figures that a recording gives, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from spinn_mam.analysis import analyse
from spinn_mam.comparison import PROTOCOLS, Comparison
from spinn_mam.errors import UsageError
from spinn_mam.recording import Recording
from spinn_mam.report import statistics_figures
from spinn_mam.report.activity_figures import activity_figure, potentials_figure, spectra_figure
from spinn_mam.spectra import SEGMENT_MS, spectra

#: Longest window that is analysed if the user gives none (ms): statistics of hours would take minutes and gigabytes, and say little more.
MOST_ANALYSED_MS = 60_000.0
#: Length of rasters and rates in time, if the user gives no window (ms).
SHOWN_MS = 500.0
#: And if he does, at most.
MOST_SHOWN_MS = 10_000.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What the figures are of.

    Attributes
    ----------
    recording : Recording
        The whole one.
    start_ms, stop_ms : float
        The window, counted from the beginning of the recording (ms).
    shown_ms : float
        Length of rasters and rates in time (ms), from the beginning of the window.
    protocol : str
        Protocol by which neurons and pairs are chosen for the distributions.
    comparison : Comparison or None
        With the reference; its window replaces the recording's in rates and distributions.
    """

    recording: Recording
    start_ms: float
    stop_ms: float
    shown_ms: float
    protocol: str
    comparison: Comparison | None

    @property
    def window(self) -> Recording:
        """The recording, cut to the window."""
        return self.recording.window(self.start_ms, self.stop_ms)


def _raster(of: Shown) -> Figure:
    return statistics_figures.raster_figure(of.recording, start_ms=of.start_ms, duration_ms=min(of.shown_ms, of.stop_ms - of.start_ms))


def _activity(of: Shown) -> Figure:
    return activity_figure(of.recording, of.start_ms, min(of.shown_ms, of.stop_ms - of.start_ms))


def _rates(of: Shown) -> Figure:
    window = of.window
    return statistics_figures.rates_figure(window.rates(), window.duration_ms, {}, of.comparison)


def _distributions(of: Shown) -> Figure:
    protocol = PROTOCOLS[of.protocol]
    if of.comparison is None:
        return statistics_figures.distributions_figure(analyse(of.window)[0], protocol)
    return statistics_figures.distributions_figure(of.comparison.candidate, protocol, of.comparison.seeds, of.comparison.rows)


def _spectra(of: Shown) -> Figure:
    return spectra_figure(list(spectra(of.window)))


def _potentials(of: Shown) -> Figure:
    return potentials_figure(of.recording, of.start_ms, min(of.shown_ms, of.stop_ms - of.start_ms))


def _verdict(of: Shown) -> Figure:
    assert of.comparison is not None  # unavailable() says so before
    return statistics_figures.verdict_figure(of.comparison)


FIGURES: Mapping[str, Callable[[Shown], Figure]] = {
    "raster": _raster,
    "activity": _activity,
    "rates": _rates,
    "distributions": _distributions,
    "spectra": _spectra,
    "potentials": _potentials,
    "verdict": _verdict,
}


def unavailable(of: Shown) -> dict[str, str]:
    """Say which figures there cannot be, and why."""
    why: dict[str, str] = {}
    if not any(of.recording.recorded):
        why |= dict.fromkeys(("raster", "activity", "distributions", "spectra"), "no neuron's spikes are recorded")
        if of.window.duration_ms != of.recording.duration_ms:
            why["rates"] = "no neuron's spikes are recorded, and the counts are those of the whole run"
    if of.window.potentials is None or not of.window.potentials.v.size:
        why["potentials"] = "no potentials are recorded in the window; give --record-v to run"
    if of.comparison is None:
        why["verdict"] = "there is no reference for this run, or a window was given"
    if of.window.duration_ms < SEGMENT_MS:
        why["spectra"] = f"the window has {of.window.duration_ms:g} ms, a spectrum needs {SEGMENT_MS:g} ms"
    return why


def run_figures(of: Shown, names: Sequence[str] = ()) -> dict[str, Figure]:
    """Draw figures.

    Parameters
    ----------
    of : Shown
    names : sequence of str
        Of FIGURES; by default all that there can be.

    Raises
    ------
    UsageError
        If there is no such figure, or there cannot be one of this run.
    """
    missing = unavailable(of)
    for name in names:
        if name not in FIGURES:
            raise UsageError(f"--figures {name}: use one or more of {', '.join(FIGURES)}, with commas")
        if name in missing:
            raise UsageError(f"--figures {name}: {missing[name]}")
    return {name: FIGURES[name](of) for name in names or [n for n in FIGURES if n not in missing]}
