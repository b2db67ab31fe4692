"""Figures of networks of many areas: areas by populations as a map, rasters of chosen areas, rates of areas in time, spectra of areas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from spinn_mam.models.mam.areas import POPULATIONS
from spinn_mam.multi_area.areas import Areas
from spinn_mam.multi_area.rate_series import area_rates, rate_series
from spinn_mam.multi_area.spiking import STATISTICS, SpikingStatistics
from spinn_mam.recording import Recording
from spinn_mam.report.statistics_figures import draw_raster

FloatArray = npt.NDArray[np.float64]

#: Areas of the rasters, as in Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359; if the network lacks one, another takes its place.
RASTER_AREAS = ("V1", "V2", "FEF")
#: Colour maps that are safe for colour blindness and read in grey.
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
#: Neurons of a raster, and at least of a population.
RASTER_ROWS, RASTER_LEAST = 900, 40
#: Bins of rates in time at most: finer ones are narrower than what a page shows, and hold too few spikes.
MOST_BINS = 250
#: Rates below this share the map's darkest colour (spikes/s).
LEAST_RATE = 0.05


def raster_areas(areas: Areas) -> tuple[str, ...]:
    """Choose the areas whose rasters are drawn: three, or all if there are fewer."""
    wanted = [name for name in RASTER_AREAS if name in areas.names]
    return tuple((wanted + [name for name in areas.names if name not in wanted])[:3])


def rates_map_figure(populations: SpikingStatistics, by_area: SpikingStatistics, areas: Areas) -> Figure:
    """Draw the rates of all populations, an area a column, with the mean over each area's neurons below.

    Parameters
    ----------
    populations, by_area : SpikingStatistics
    areas : Areas
    """
    table = np.column_stack([areas.grid(populations.rate), by_area.rate])
    figure = Figure(figsize=(max(4.0, 0.2 * areas.n + 1.3), 4.0), layout="constrained")
    axes = figure.add_subplot()
    highest = np.nanmax(table, initial=10 * LEAST_RATE)
    _map(figure, axes, table, areas.names, LogNorm(LEAST_RATE, highest), "spikes/s", digits=True)
    axes.set_title("mean rates; last row: mean over an area's neurons", fontsize=10)
    return figure


def statistics_figure(populations: SpikingStatistics, by_area: SpikingStatistics, areas: Areas) -> Figure:
    """Draw irregularity, synchrony and correlations of all populations as maps."""
    shown = [name for name in STATISTICS if name != "rate"]
    n_rows = -(-len(shown) // 2)
    figure = Figure(figsize=(2 * max(3.5, 0.2 * areas.n + 1.0), 1.93 * n_rows + 0.1), layout="constrained")
    for axes, name in zip(figure.subplots(n_rows, 2).flat, shown, strict=True):
        table = np.column_stack([areas.grid(getattr(populations, name)), getattr(by_area, name)])
        norm = _range(table, centred=name == "correlation")
        _map(figure, axes, table, areas.names, norm, "", colours=DIVERGING if name == "correlation" else SEQUENTIAL)
        axes.set_title(STATISTICS[name], fontsize=10)
    return figure


def area_rasters_figure(recording: Recording, areas: Areas, start_ms: float = 0.0, duration_ms: float = 500.0) -> Figure:
    """Draw spikes of a share of the neurons of three areas, side by side.

    Parameters
    ----------
    recording : Recording
    areas : Areas
    start_ms, duration_ms : float
        What to show, counted from the beginning of the recording (ms).
    """
    stop_ms = min(start_ms + duration_ms, recording.duration_ms)
    shown = recording.window(start_ms, stop_ms)
    chosen = raster_areas(areas)
    figure = Figure(figsize=(7.4, 3.5), layout="constrained")
    for axes, area in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True):
        n_shown, n = draw_raster(axes, shown, areas.populations(area), start_ms, RASTER_ROWS, RASTER_LEAST, size=1.6)
        axes.set_yticks(axes.get_yticks(), [label.get_text().rpartition("-")[2] for label in axes.get_yticklabels()])
        axes.set(xlim=(start_ms, stop_ms))
        axes.tick_params(labelsize=8)
        axes.set_title(f"{area}: {n_shown:,} of {n:,} neurons", fontsize=9)
    figure.supxlabel("time after warm-up (ms)", fontsize=9)
    return figure


def area_activity_figure(recording: Recording, areas: Areas, start_ms: float = 0.0, duration_ms: float = 500.0) -> Figure:
    """Draw the rate of each area in time as a map, each row over its own mean."""
    stop_ms = min(start_ms + duration_ms, recording.duration_ms)
    window = recording.window(start_ms, stop_ms)
    bin_ms = max(recording.dt, _round_up((stop_ms - start_ms) / MOST_BINS, recording.dt))
    series = area_rates(rate_series(window, bin_ms), areas, recording.sizes)
    mean = series.rates.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = series.rates / mean
    figure = Figure(figsize=(7.4, 0.16 * areas.n + 1.1), layout="constrained")
    axes = figure.add_subplot()
    top = np.nanquantile(relative, 0.995) if np.isfinite(relative).any() else 1.0
    norm = Normalize(0.0, max(top, 1.0))
    axes.imshow(
        relative,
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        norm=norm,
        extent=(start_ms, start_ms + relative.shape[1] * bin_ms, areas.n, 0),
    )
    axes.set_yticks(np.arange(areas.n) + 0.5, areas.names, fontsize=7.5)
    axes.set(xlabel="time after warm-up (ms)")
    axes.tick_params(axis="y", length=0)
    figure.colorbar(ScalarMappable(norm, "magma"), ax=axes, pad=0.01, label="rate over its mean")
    axes.set_title(f"rates of areas in bins of {bin_ms:g} ms", fontsize=10)
    return figure


def _map(
    figure: Figure,
    axes: Axes,
    table: FloatArray,
    names: Sequence[str],
    norm: Normalize,
    label: str,
    *,
    colours: str = SEQUENTIAL,
    digits: bool = False,
) -> None:
    """Draw a table of areas by populations and area means; what is not there stays blank, zero rates are drawn as zeros."""
    axes.set_facecolor("0.93")
    shown = np.clip(table, norm.vmin, norm.vmax)
    axes.imshow(shown.T, aspect="auto", interpolation="nearest", cmap=colours, norm=norm)
    axes.axhline(len(POPULATIONS) - 0.5, color="white", linewidth=2.5)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(POPULATIONS) + 1), [*POPULATIONS, "area"], fontsize=8)
    axes.tick_params(length=0)
    figure.colorbar(ScalarMappable(norm, colours), ax=axes, pad=0.01, label=label, extend="min" if digits else "neither")
    for spine in axes.spines.values():
        spine.set_visible(False)
    if digits:
        for (x, y), value in np.ndenumerate(table):
            if np.isfinite(value):
                text = "0" if value == 0 else f"{value:.2f}"[1:] if value < 0.095 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
                axes.text(x, y, text, ha="center", va="center", fontsize=5.5, color="black" if norm(value) > 0.6 else "white")


def _range(table: FloatArray, *, centred: bool) -> Normalize:
    """Return the range of colours: of all values, or symmetric about zero."""
    there = np.abs(table[np.isfinite(table)])
    top = float(np.quantile(there, 1.0 if centred else 0.98)) if len(there) else 0.0
    top = top if top > 0 else 1.0
    return Normalize(-top if centred else 0.0, top)


def _round_up(width_ms: float, dt: float) -> float:
    """Return the next larger of 1, 2, 5, 10, ... ms that is a whole number of steps."""
    for width in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0):
        if width >= width_ms and abs(width / dt - round(width / dt)) < 1e-9:
            return width
    return float(np.ceil(width_ms / dt) * dt)
