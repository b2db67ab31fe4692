"""Figures of population activity: rates in time and power spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from spinn_mam.recording import Recording
from spinn_mam.report.statistics_figures import Colour, population_colours
from spinn_mam.spectra import HIGHEST_HZ, SEGMENT_MS, Spectrum

#: Bins of a rate in time that are drawn at most; their widths (ms) are the first of these that suffice.
MOST_BINS = 1000
BIN_WIDTHS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
#: Peaks that get a number, for each population.
PEAKS_NAMED = 2


def activity_figure(recording: Recording, start_ms: float = 0.0, duration_ms: float = 500.0) -> Figure:
    """Draw the rate of each population in time, as a histogram.

    Parameters
    ----------
    recording : Recording
    start_ms, duration_ms : float
        What to show, counted from the beginning of the recording (ms).
    """
    stop_ms = min(start_ms + duration_ms, recording.duration_ms)
    shown = recording.window(start_ms, stop_ms)
    width_ms = next((w for w in BIN_WIDTHS_MS if (stop_ms - start_ms) / w <= MOST_BINS), (stop_ms - start_ms) / MOST_BINS)
    per_bin = max(1, round(width_ms / recording.dt))
    # the last bin is left out if the window ends in it
    n_bins = max(1, (shown.stop_step - shown.start_step) // per_bin)
    edges = start_ms + per_bin * recording.dt * np.arange(n_bins + 1)
    each = zip(recording.names, recording.recorded, population_colours(recording.names), strict=True)
    drawn = [(name, size, colour) for name, size, colour in each if size]
    figure = Figure(figsize=(7.0, 0.62 * len(drawn) + 0.9), layout="constrained")
    grid = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, size, colour) in zip(grid, drawn, strict=True):
        bins = (shown.population(name)[0] - shown.start_step) // per_bin
        rate = np.bincount(bins[bins < n_bins], minlength=n_bins) / (size * per_bin * recording.dt / 1000.0)
        axes.stairs(rate, edges, color=colour, fill=True)
        axes.axhline(rate.mean(), color="black", linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        axes.yaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
        axes.tick_params(labelsize=8)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    grid[-1].set(xlim=(edges[0], edges[-1]), xlabel="time after warm-up (ms)")
    figure.suptitle(f"population rates (spikes/s) in bins of {per_bin * recording.dt:g} ms; dashed: mean", fontsize=10)
    return figure


def spectra_figure(spectra: Sequence[Spectrum]) -> Figure:
    """Draw power spectra, the populations of a layer in one panel.

    The dotted lines are the spectra of as many independent Poisson neurons of the same rate; triangles mark peaks.

    Parameters
    ----------
    spectra : sequence of Spectrum
        By population; populations of a layer have names that differ in the last letter.
    """
    layers = list(dict.fromkeys(spectrum.name[:-1] for spectrum in spectra))
    colours = population_colours([spectrum.name for spectrum in spectra])
    n_columns = min(4, max(1, len(layers)))
    n_rows = -(-len(layers) // n_columns) or 1
    figure = Figure(figsize=(2.5 * n_columns + 0.6, 2.5 * n_rows + 0.5), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for panel, layer in zip(grid.flat, layers, strict=False):
        of_layer = [(s, c) for s, c in zip(spectra, colours, strict=True) if s.name[:-1] == layer]
        for spectrum, colour in of_layer:
            _draw_spectrum(panel, spectrum, colour)
        handles = [Line2D([], [], color=colour, linewidth=2, label=spectrum.name) for spectrum, colour in of_layer]
        panel.legend(handles=handles, frameon=False, fontsize=8, loc="upper right", handlelength=1.2, ncols=2, columnspacing=1.0, borderaxespad=0)
        panel.set(xlim=(0, HIGHEST_HZ))
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in grid.flat[len(layers) :]:
        panel.set_visible(False)
    low, high = grid[0, 0].get_ylim()
    grid[0, 0].set_ylim(low, 6 * high)  # room for legends and numbers
    figure.supxlabel("frequency (Hz)", fontsize=9)
    figure.supylabel("power per neuron (spikes/s)", fontsize=9)
    if spectra:
        n = spectra[0].n_segments
        figure.suptitle(f"power spectra, {1000 / SEGMENT_MS:g} Hz apart, {n} segments; dotted: independent Poisson neurons", fontsize=10)
    return figure


def potentials_figure(recording: Recording, start_ms: float = 0.0, duration_ms: float = 500.0, *, per_population: int = 2) -> Figure:
    """Draw sampled membrane potentials, a trace for each of a few neurons; ticks above mark their spikes.

    Parameters
    ----------
    recording : Recording
        With potentials.
    start_ms, duration_ms : float
        What to show, counted from the beginning of the recording (ms).
    per_population : int
        Traces at most of each population.
    """
    stop_ms = min(start_ms + duration_ms, recording.duration_ms)
    shown = recording.window(start_ms, stop_ms)
    sampled = shown.potentials
    assert sampled is not None
    owner = np.searchsorted(recording.offsets, sampled.neuron, side="right") - 1
    columns = np.concatenate([np.flatnonzero(owner == p)[:per_population] for p in range(len(recording.names))])
    colours = population_colours(recording.names)
    time = start_ms + (sampled.step - shown.start_step) * recording.dt
    height = 0.42 * len(columns) + 0.9
    figure = Figure(figsize=(7.0, height))  # in inches, as the constrained layout leaves half of so many rows empty
    figure.subplots_adjust(left=0.14, right=0.98, bottom=0.5 / height, top=1 - 0.4 / height, hspace=0.25)
    grid = figure.subplots(len(columns), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, column in zip(grid, columns, strict=True):
        p, neuron = int(owner[column]), int(sampled.neuron[column])
        axes.plot(time, sampled.v[:, column], color=colours[p], linewidth=0.9)
        spikes = start_ms + (shown.step[shown.neuron == neuron] - shown.start_step) * recording.dt
        axes.plot(spikes, np.full(len(spikes), 1.0), "|", color="black", markersize=5, transform=axes.get_xaxis_transform(), clip_on=False)
        axes.set_ylabel(f"{recording.names[p]} {neuron - recording.offsets[p]}", rotation=0, ha="right", va="center", fontsize=8)
        axes.yaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
        axes.tick_params(labelsize=7.5)
        axes.spines[["top", "right"]].set_visible(False)
    grid[-1].set(xlim=(start_ms, stop_ms), xlabel="time after warm-up (ms)")
    title = f"membrane potentials (mV), a sample each {sampled.interval_steps * recording.dt:g} ms; ticks: spikes"
    figure.suptitle(title, fontsize=10, y=1 - 0.1 / height, va="top")
    return figure


def _draw_spectrum(axes: Axes, spectrum: Spectrum, colour: Colour) -> None:
    if not spectrum.rate > 0:
        return
    axes.semilogy(spectrum.frequency_hz, spectrum.power, color=colour, linewidth=1.1)
    axes.axhline(spectrum.rate, color=colour, linewidth=0.9, linestyle=":")
    for i, peak in enumerate(spectrum.peaks()):
        axes.plot(peak.frequency_hz, 1.35 * peak.power, "v", color=colour, markersize=4, markeredgewidth=0)
        if i < PEAKS_NAMED and not spectrum.name.endswith("I"):
            axes.annotate(f"{peak.frequency_hz:.0f}", (peak.frequency_hz, 1.6 * peak.power), ha="center", va="bottom", fontsize=7.5)
