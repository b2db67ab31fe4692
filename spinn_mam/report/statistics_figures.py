"""Figures of a run's activity and of its comparison with the reference: raster, rates, distributions, verdict.

Every function takes results and returns a :class:`matplotlib.figure.Figure` of its own; no state of pyplot is touched. Colours tell
layers apart (safe for colour blindness), the full tone is excitatory and the light tone inhibitory; red and green never carry a
meaning without a word or a number beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spinn_mam.analysis import PopulationStatistics, Sample
from spinn_mam.comparison import Comparison, Row
from spinn_mam.comparison.protocols import STATISTICS, Protocol, Statistic
from spinn_mam.comparison.verdict import RELATIVE
from spinn_mam.recording import Recording

FloatArray = npt.NDArray[np.float64]
Colour = tuple[float, float, float]

#: Okabe and Ito's palette, https://jfly.uni-koeln.de/color/
_LAYERS = ("#0072B2", "#009E73", "#D55E00", "#9A5B9E", "#E69F00", "#56B4E9")
_PASS, _FAIL, _WEAK = "#cfe8d5", "#f4b6a6", "#ececec"
_REFERENCE = "#8c8c8c"
_TITLES = {
    "mean_rate": "mean rate",
    "synchrony": "synchrony",
    "rate": "single-neuron rates",
    "cv_isi": "CV of intervals",
    "correlation": "correlations",
}
_UNITS = {"rate": "rate (spikes/s)", "cv_isi": "CV of inter-spike intervals", "correlation": "correlation coefficient"}
#: Spikes of a raster below which dots grow, and how many times at most.
DENSE, LARGEST_DOT = 2500, 4.0
_SHOWN = {"rate": (0.0, 0.99), "cv_isi": (0.002, 0.998), "correlation": (0.005, 0.96)}


def population_colours(names: Sequence[str]) -> list[Colour]:
    """Return a colour for each population: the layer's hue, lightened for inhibitory (names that end in I)."""
    layers = list(dict.fromkeys(name[:-1] for name in names))
    colours = []
    for name in names:
        full = np.array(to_rgb(_LAYERS[layers.index(name[:-1]) % len(_LAYERS)]))
        r, g, b = full + 0.45 * (1 - full) if name.endswith("I") else full
        colours.append((float(r), float(g), float(b)))
    return colours


def raster_figure(recording: Recording, *, duration_ms: float = 500.0, start_ms: float = 0.0, n_rows: int = 1900, least: int = 70) -> Figure:
    """Draw spike times of a share of all neurons, the first population on top.

    Parameters
    ----------
    recording : Recording
        The run.
    duration_ms, start_ms : float
        What to show, counted from the beginning of the kept phase (ms).
    n_rows : int
        About this many neurons are shown, each population in proportion to its size.
    least : int
        But at least this many of each, if it has them.
    """
    stop_ms = min(start_ms + duration_ms, recording.duration_ms)
    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.add_subplot()
    n_shown, n = draw_raster(axes, recording.window(start_ms, stop_ms), range(len(recording.names)), start_ms, n_rows, least)
    axes.set(xlim=(start_ms, stop_ms), xlabel="time after warm-up (ms)")
    axes.set_title(f"spikes of {n_shown:,} of {n:,} neurons", fontsize=10)
    return figure


def draw_raster(
    axes: Axes, shown: Recording, populations: Iterable[int], start_ms: float, n_rows: int, least: int, *, size: float = 2.4
) -> tuple[int, int]:
    """Draw spikes of a share of the neurons of some populations, the first on top.

    Parameters
    ----------
    axes : Axes
    shown : Recording
        The window to be drawn.
    populations : iterable of int
        Which, as indices.
    start_ms : float
        Time at which the window begins, on the axis (ms).
    n_rows, least : int
        About so many neurons altogether, and at least so many of each population.
    size : float
        Of a dot (points); larger where there are few.

    Returns
    -------
    n_shown, n : int
        Neurons shown, and neurons there are.
    """
    chosen = list(populations)
    there = [shown.recorded[p] for p in chosen]
    share = min(1.0, n_rows / max(1, sum(there)))
    rows = [min(n, max(least, round(share * n))) for n in there]
    tops = np.concatenate([[0], np.cumsum(rows)])
    names = [shown.names[p] for p in chosen]
    dots: list[tuple[FloatArray, FloatArray, Colour]] = []
    for i, (name, colour) in enumerate(zip(names, population_colours(names), strict=True)):
        step, neuron = shown.population(name)
        # Neurons are interchangeable within a population, so evenly spaced ones are a fair sample.
        sample = np.arange(rows[i]) * there[i] // max(1, rows[i])
        place = np.searchsorted(sample, neuron)
        place[place == len(sample)] = 0
        kept = sample[place] == neuron if len(sample) else np.zeros(len(neuron), dtype=bool)
        dots.append((start_ms + (step[kept] - shown.start_step) * shown.dt, (tops[i] + place[kept]).astype(np.float64), colour))
    n_dots = sum(len(times) for times, _, _ in dots)
    # as much ink from a few dots as from DENSE, up to the size at which one can be seen alone
    size *= min(LARGEST_DOT, max(1.0, (DENSE / max(1, n_dots)) ** 0.5))
    for times, places, colour in dots:
        axes.plot(times, places, color=colour, linestyle="", marker=".", markersize=size, markeredgewidth=0, rasterized=True)
    if not n_dots:
        text = "no spike of these neurons" if tops[-1] else "no neuron's spikes are recorded"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=8, color="0.35")
    for edge in tops[1:-1]:
        axes.axhline(edge, color="0.85", linewidth=0.6, zorder=0)
    axes.set_yticks((tops[:-1] + tops[1:]) / 2, names)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(max(1, tops[-1]), 0))
    _plain(axes)
    return int(tops[-1]), sum(shown.sizes[p] for p in chosen)


def rates_figure(
    rates: Mapping[str, float],
    duration_ms: float,
    published: Mapping[str, float],
    comparison: Comparison | None = None,
) -> Figure:
    """Draw mean rates: bars for the run, published values as diamonds, the reference's seeds as dots where there are some.

    Parameters
    ----------
    rates : mapping of str to float
        The run's mean rate by population (spikes/s).
    duration_ms : float
        What they are over (ms).
    published : mapping of str to float
        Mean rate by population (spikes/s).
    comparison : Comparison or None
        If given, its window replaces the whole run, so that bars and dots are alike.
    """
    names = list(rates) if comparison is None else [p.name for p in comparison.candidate]
    shown = dict(rates) if comparison is None else {p.name: p.mean_rate for p in comparison.candidate}
    seeds = () if comparison is None else comparison.seeds
    at = np.arange(len(names))
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(at, [shown[name] for name in names], width=0.66, color=population_colours(names))
    handles: list[Patch | Line2D] = [Patch(color="0.45", label="this run")]
    for shift, seed in zip(np.linspace(-0.16, 0.16, len(seeds)) if len(seeds) > 1 else np.zeros(len(seeds)), seeds, strict=True):
        axes.plot(at + shift, [p.mean_rate for p in seed], "o", color="white", markeredgecolor="black", markeredgewidth=0.8, markersize=4)
    if seeds:
        label = f"{len(seeds)} reference seeds"
        handles.append(Line2D([], [], marker="o", linestyle="", color="white", markeredgecolor="black", markersize=4, label=label))
    known = [(i, published[name]) for i, name in enumerate(names) if name in published]
    if known:
        axes.plot([i + 0.27 for i, _ in known], [rate for _, rate in known], "D", color="black", markersize=3.5)
        handles.append(Line2D([], [], marker="D", linestyle="", color="black", markersize=3.5, label="published"))
    highest = [max([shown[name], published.get(name, 0.0), *(seed[i].mean_rate for seed in seeds)]) for i, name in enumerate(names)]
    ceiling = max([*highest, 1e-9])
    title = f"mean rates over {(duration_ms if comparison is None else comparison.window_ms) / 1000:g} s"
    if comparison is not None:
        title += "; numbers: difference to the seeds' mean"
        by_population = {row.population: row for row in comparison.rows if row.statistic == "mean_rate"}
        for i, name in enumerate(names):
            axes.annotate(f"{by_population[name].value:+.1%}", (i, highest[i] + 0.03 * ceiling), ha="center", va="bottom", fontsize=8)
    axes.set_xticks(at, names)
    axes.set(ylabel="mean rate (spikes/s)", ylim=(0, 1.15 * ceiling))
    axes.set_title(title, fontsize=10)
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="upper left")
    _plain(axes)
    return figure


def distributions_figure(
    candidate: Sequence[PopulationStatistics],
    protocol: Protocol,
    seeds: Sequence[Sequence[PopulationStatistics]] = (),
    rows: Sequence[Row] = (),
) -> Figure:
    """Draw the distributions over neurons and pairs that a protocol compares: the run as a line over the range of the reference's seeds.

    Parameters
    ----------
    candidate : sequence of PopulationStatistics
        The run, by population.
    protocol : Protocol
        Says which neurons and pairs have a value.
    seeds : sequence of sequence of PopulationStatistics
        The reference in a window of the same length, by seed and population; none if there is no reference.
    rows : sequence of Row
        The comparison's rows, whose outcome stands in the panels.
    """
    figure = Figure(figsize=(7.4, 0.95 * len(candidate) + 1.1), layout="constrained")
    grid = figure.subplots(len(candidate), len(STATISTICS), squeeze=False, sharex="col")
    colours = population_colours([p.name for p in candidate])
    outcome = {(row.statistic, row.population): row for row in rows}
    for c, statistic in enumerate(STATISTICS):
        run = [protocol.sample(statistic, population) for population in candidate]
        reference = [[protocol.sample(statistic, population) for population in seed] for seed in seeds]
        low, high = _shown_range([sample for samples in (reference or [run]) for sample in samples], statistic)
        edges = _edges(low, high, statistic, candidate[0])
        for p, population in enumerate(candidate):
            axes = grid[p, c]
            if reference:
                densities = np.array([_density(seed[p], edges) for seed in reference])
                axes.fill_between(edges, *_stairs(densities), step="post", color=_REFERENCE, alpha=0.55, linewidth=0.3)
            axes.stairs(_density(run[p], edges), edges, color=colours[p], linewidth=1.2, fill=False)
            if run[p].n:
                axes.plot(run[p].mean(), 0, "^", color=colours[p], markersize=4.5, markeredgewidth=0, clip_on=False, zorder=3)
            axes.set(xlim=(edges[0], edges[-1]), yticks=[])
            axes.set_ylim(bottom=0)
            row = outcome.get((statistic, population.name))
            if row is not None:
                word, colour = ("weak", "0.45") if row.weak else ("pass", "#1b7837") if row.passed else ("FAIL", "#b2182b")
                axes.text(0.985, 0.9, word, transform=axes.transAxes, ha="right", va="top", fontsize=7.5, color=colour)
            _plain(axes)
            axes.spines["left"].set_visible(False)
            axes.tick_params(labelsize=8)
            if c == 0:
                axes.set_ylabel(population.name, rotation=0, ha="right", va="center", fontsize=9)
        grid[-1, c].set_xlabel(_UNITS[statistic], fontsize=9)
        grid[0, c].set_title(_TITLES[statistic], fontsize=10)
    handles: list[Patch | Line2D] = [
        Line2D([], [], color="0.25", linewidth=1.2, label="this run"),
        Line2D([], [], color="0.25", marker="^", linestyle="", markersize=4.5, label="its mean"),
    ]
    if seeds:
        handles.append(Patch(color=_REFERENCE, alpha=0.55, label=f"range of {len(seeds)} reference seeds"))
    title = f"windows of {candidate[0].duration_ms / 1000:g} s" if candidate else None
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=8, title=title, title_fontsize=8)
    return figure


def verdict_figure(comparison: Comparison) -> Figure:
    """Draw the verdict as a grid of population by statistic, each cell with its value over its threshold."""
    names = list(dict.fromkeys(row.population for row in comparison.rows))
    statistics = list(dict.fromkeys(row.statistic for row in comparison.rows))
    figure = Figure(figsize=(1.55 * len(statistics) + 1.3, 0.36 * len(names) + 1.25), layout="constrained")
    axes = figure.add_subplot()
    for row in comparison.rows:
        x, y = statistics.index(row.statistic), names.index(row.population)
        face = _WEAK if row.weak else _PASS if row.passed else _FAIL
        axes.add_patch(_cell(x, y, face))
        weight = "bold" if not row.passed and not row.weak else "normal"
        axes.text(x, y, _cell_text(row), ha="center", va="center", fontsize=8.5, color="0.5" if row.weak else "black", weight=weight)
    axes.set(xlim=(-0.5, len(statistics) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.set_xticks(range(len(statistics)), [_TITLES[s] for s in statistics], fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    seconds = f"{comparison.window_ms / 1000:g} s"
    figure.suptitle(f"{comparison.protocol}, {seconds}, {len(comparison.seeds)} reference seeds: {comparison.verdict}", fontsize=10.5, weight="bold")
    handles = [Patch(color=_PASS, label="pass"), Patch(color=_FAIL, label="fail (bold)"), Patch(color=_WEAK, label="weak, does not decide")]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _cell(x: int, y: int, face: str) -> Patch:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.48, y - 0.45), 0.96, 0.9, facecolor=face, edgecolor="none")


def _cell_text(row: Row) -> str:
    if not np.isfinite(row.threshold):
        return "no threshold"
    if row.statistic in RELATIVE:
        return f"{row.value:+.1%} / {row.threshold:.1%}"
    return f"{row.value:.2g} / {row.threshold:.2g}"


def _shown_range(samples: list[Sample], statistic: Statistic) -> tuple[float, float]:
    """Return the range that holds nearly all values of every population."""
    low, high = _SHOWN[statistic]
    filled = [sample for sample in samples if sample.n]
    if not filled:
        return 0.0, 1.0
    lowest = min(sample.quantile(low) for sample in filled)
    highest = max(sample.quantile(high) for sample in filled)
    return (lowest, highest) if highest > lowest else (lowest, lowest + 1.0)


def _edges(low: float, high: float, statistic: Statistic, population: PopulationStatistics) -> FloatArray:
    """Return about forty bins; those of rates hold equally many of the possible rates, multiples of 1 / duration."""
    if statistic != "rate":
        return np.linspace(low, high, 41)
    step = 1000.0 / population.duration_ms
    width = step * max(1, round((high - low) / 40 / step))
    return np.asarray(low - step / 2 + width * np.arange(int((high - low) / width) + 2), dtype=np.float64)


def _density(sample: Sample, edges: FloatArray) -> FloatArray:
    if not sample.n:
        return np.zeros(len(edges) - 1)
    counts = np.histogram(sample.values, bins=edges, weights=sample.counts.astype(np.float64))[0]
    return np.asarray(counts / sample.n / np.diff(edges), dtype=np.float64)


def _stairs(densities: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lowest and highest density of the seeds, with the last bin repeated as ``step="post"`` needs it."""
    low, high = densities.min(axis=0), densities.max(axis=0)
    return np.append(low, low[-1]), np.append(high, high[-1])


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
