"""The figures that a recording gives, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from spinn_mam.analysis import analyse
from spinn_mam.comparison import PROTOCOLS, Comparison
from spinn_mam.errors import UsageError
from spinn_mam.multi_area.analysis import PAST_BIN_MS, PAST_BINS, SEED, MultiAreaAnalysis, possible_sources
from spinn_mam.multi_area.anatomy import find_anatomy
from spinn_mam.multi_area.areas import Areas, find_areas
from spinn_mam.multi_area.granger import too_few_bins
from spinn_mam.multi_area.measured import Measured, sample_of_area, sample_statistics
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording
from spinn_mam.report import area_interaction_figures as between
from spinn_mam.report import multi_area_figures, statistics_figures
from spinn_mam.report.activity_figures import activity_figure, potentials_figure, spectra_figure
from spinn_mam.spectra import SEGMENT_MS, spectra

#: Longest window that is analysed if the user gives none (ms): statistics of hours would take minutes and gigabytes, and say little more.
MOST_ANALYSED_MS = 60_000.0
#: And the most spikes: some 60 bytes each are needed.
MOST_ANALYSED_SPIKES = 30_000_000
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
    network : NetworkSpec or None
        What was run, for figures that need its connections.
    measured : Measured or None
        What was recorded in an area, to stand beside it.
    """

    recording: Recording
    start_ms: float
    stop_ms: float
    shown_ms: float
    protocol: str
    comparison: Comparison | None
    network: NetworkSpec | None = None
    measured: Measured | None = None

    @property
    def window(self) -> Recording:
        """The recording, cut to the window; whole it keeps the counts of neurons that are not recorded."""
        if (self.start_ms, self.stop_ms) == (0.0, self.recording.duration_ms):
            return self.recording
        return self.recording.window(self.start_ms, self.stop_ms)

    @property
    def areas(self) -> Areas | None:
        """The areas, if there is more than one."""
        found = find_areas(self.recording.names)
        return found if found is not None and found.n > 1 else None


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


def _area_rasters(of: Shown, analysis: MultiAreaAnalysis) -> Figure:
    return multi_area_figures.area_rasters_figure(of.recording, analysis.areas, of.start_ms, min(of.shown_ms, of.stop_ms - of.start_ms))


def _area_activity(of: Shown, analysis: MultiAreaAnalysis) -> Figure:
    return multi_area_figures.area_activity_figure(of.recording, analysis.areas, of.start_ms, min(of.shown_ms, of.stop_ms - of.start_ms))


def _area_rates(of: Shown, analysis: MultiAreaAnalysis) -> Figure:
    return multi_area_figures.rates_map_figure(*analysis.spiking, analysis.areas)


def _area_statistics(of: Shown, analysis: MultiAreaAnalysis) -> Figure:
    return multi_area_figures.statistics_figure(*analysis.spiking, analysis.areas)


def _measured(of: Shown, analysis: MultiAreaAnalysis) -> Figure:
    assert of.measured is not None  # unavailable() says so before
    theirs = of.measured.recording
    sample = sample_of_area(of.window, analysis.areas, of.measured.area, theirs.sizes[0], np.random.default_rng(SEED))
    return between.measured_figure(sample_statistics(sample), sample_statistics(theirs), of.measured.area)


#: Figures of a network without areas, or of one area.
FIGURES: Mapping[str, Callable[[Shown], Figure]] = {
    "raster": _raster,
    "activity": _activity,
    "rates": _rates,
    "distributions": _distributions,
    "spectra": _spectra,
    "potentials": _potentials,
    "verdict": _verdict,
}
#: Figures of a network of several areas.
AREA_FIGURES: Mapping[str, Callable[[Shown, MultiAreaAnalysis], Figure]] = {
    "raster": _area_rasters,
    "rates": _area_rates,
    "activity": _area_activity,
    "statistics": _area_statistics,
    "spectra": lambda _, analysis: between.area_spectra_figure(analysis.spectra),
    "timescales": lambda _, analysis: between.timescales_figure(analysis.timescales, analysis.levels),
    "connectivity": lambda _, analysis: between.connectivity_figure(analysis),
    "order": lambda _, analysis: between.order_figure(analysis),
    "communities": lambda _, analysis: between.communities_figure(analysis),
    "hierarchies": lambda _, analysis: between.hierarchies_figure(analysis.areas.names, analysis.levels, analysis.ensemble),
    "paths": lambda _, analysis: between.paths_figure(analysis),
    "interactions": lambda _, analysis: between.interactions_figure(analysis),
    "potentials": lambda of, _: _potentials(of),
    "measured": _measured,
}
#: Shortest window for what follows from fluctuations of areas (ms).
LEAST_FLUCTUATIONS_MS = 1000.0


def analysed_ms(recording: Recording) -> float:
    """Return the length of the window that is analysed if the user gives none (ms)."""
    longest = min(recording.duration_ms, MOST_ANALYSED_MS)
    if recording.n_spikes * longest <= MOST_ANALYSED_SPIKES * recording.duration_ms:
        return longest
    share = MOST_ANALYSED_SPIKES / recording.n_spikes * recording.duration_ms
    return max(recording.dt, math.floor(share / 100.0) * 100.0 if share >= 100.0 else math.floor(share / recording.dt) * recording.dt)


def analysis_of(of: Shown) -> MultiAreaAnalysis:
    """Return the analysis of a network of several areas, of the window."""
    assert of.areas is not None
    return MultiAreaAnalysis(of.window, of.areas, of.network)


def figure_names(of: Shown) -> tuple[str, ...]:
    """Return the names of the figures that such a network has."""
    return tuple(FIGURES if of.areas is None else AREA_FIGURES)


def unavailable(of: Shown) -> dict[str, str]:
    """Say which figures there cannot be, and why."""
    why: dict[str, str] = {}
    if not any(of.recording.recorded):
        why |= dict.fromkeys(("raster", "activity", "distributions", "spectra", "statistics"), "no neuron's spikes are recorded")
        if of.window.duration_ms != of.recording.duration_ms:
            why["rates"] = "no neuron's spikes are recorded, and the counts are those of the whole run"
    if of.window.potentials is None or not of.window.potentials.v.size:
        why["potentials"] = "no potentials are recorded in the window; give --record-v to run"
    if of.comparison is None:
        why["verdict"] = "there is no reference for this run, or a window was given"
    if of.window.duration_ms < SEGMENT_MS:
        why["spectra"] = f"the window has {of.window.duration_ms:g} ms, a spectrum needs {SEGMENT_MS:g} ms"
    if of.areas is not None:
        why |= _unavailable_of_areas(of, of.areas)
    return {name: text for name, text in why.items() if name in figure_names(of)}


def _unavailable_of_areas(of: Shown, areas: Areas) -> dict[str, str]:
    """Say which figures of several areas there cannot be, and why."""
    why: dict[str, str] = {}
    from_spikes = ("spectra", "timescales", "connectivity", "order", "communities", "interactions")
    if of.network is not None:
        past = possible_sources(of.network)
        np.fill_diagonal(past, True)
        few = too_few_bins(int(of.window.duration_ms / PAST_BIN_MS + 1e-9), PAST_BIN_MS, int(past.sum(axis=1).max(initial=0)), PAST_BINS)
        why |= {"interactions": few} if few else {}
    else:
        why |= dict.fromkeys(("connectivity", "communities", "paths", "interactions"), "the network is not known; give a run folder")
    if find_anatomy(areas.names) is None:
        why["hierarchies"] = "there are no anatomical facts of these areas"
    if of.measured is None:
        why["measured"] = "no recorded spikes are given; use --measured AREA=FILE"
    if areas.n < 3:
        why |= dict.fromkeys(("connectivity", "order", "communities", "hierarchies"), f"it needs three areas, there are {areas.n}")
    if of.window.duration_ms < LEAST_FLUCTUATIONS_MS:
        text = f"the window has {of.window.duration_ms:g} ms, this needs {LEAST_FLUCTUATIONS_MS:g} ms"
        why |= dict.fromkeys(from_spikes, text)
    if not of.window.n_spikes:
        why |= dict.fromkeys(from_spikes, "there are no spikes in the window")
    return why


def run_figures(of: Shown, names: Sequence[str] = (), analysis: MultiAreaAnalysis | None = None) -> dict[str, Figure]:
    """Draw figures.

    Parameters
    ----------
    of : Shown
    names : sequence of str
        Of FIGURES, or of AREA_FIGURES for a network of several areas; by default all that there can be.
    analysis : MultiAreaAnalysis, optional
        Of several areas, if it was made before.

    Raises
    ------
    UsageError
        If there is no such figure, or there cannot be one of this run.
    """
    missing, there = unavailable(of), figure_names(of)
    for name in names:
        if name not in there:
            raise UsageError(f"--figures {name}: use one or more of {', '.join(there)}, with commas")
        if name in missing:
            raise UsageError(f"--figures {name}: {missing[name]}")
    chosen = names or [name for name in there if name not in missing]
    if of.areas is None:
        return {name: FIGURES[name](of) for name in chosen}
    analysis = analysis or analysis_of(of)
    return {name: AREA_FIGURES[name](of, analysis) for name in chosen}
