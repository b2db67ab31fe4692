"""Figures of what goes on between areas: spectra, time-scales, functional connectivity, order, communities, hierarchies, layers of pathways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from spinn_mam.models.mam.areas import POPULATIONS
from spinn_mam.multi_area.analysis import PAST_BIN_MS, PAST_BINS, MultiAreaAnalysis
from spinn_mam.multi_area.area_spectra import AreaSpectra
from spinn_mam.multi_area.granger import layer_interactions
from spinn_mam.multi_area.hierarchy import Ensemble, kendall
from spinn_mam.multi_area.measured import SampleStatistics
from spinn_mam.multi_area.paths import end_layers, n_areas_passed
from spinn_mam.multi_area.timescales import Timescales

FloatArray = npt.NDArray[np.float64]

#: Highest frequency of the spectra of areas (Hz).
HIGHEST_HZ = 150.0
#: Lags of autocorrelations that are drawn at least (ms), and five of the longest time constant.
LEAST_LAGS_MS = 60.0
#: Communities of one division in their colours; more repeat them.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#5b5b5b")


def area_spectra_figure(spectra: AreaSpectra) -> Figure:
    """Draw the power spectrum of each area as a row of a map."""
    shown = spectra.frequency_hz <= HIGHEST_HZ
    power = spectra.power[:, shown]
    positive = power[power > 0]
    figure = Figure(figsize=(7.4, 0.16 * len(spectra.names) + 1.1), layout="constrained")
    axes = figure.add_subplot()
    if len(positive):
        norm = LogNorm(float(np.quantile(positive, 0.01)), float(positive.max()))
        extent = (float(spectra.frequency_hz[0]), float(spectra.frequency_hz[shown][-1]), len(spectra.names), 0)
        image = axes.imshow(np.clip(power, norm.vmin, None), aspect="auto", interpolation="nearest", cmap="viridis", norm=norm, extent=extent)
        figure.colorbar(image, ax=axes, pad=0.01, label="power per neuron (spikes/s)")
    axes.set_yticks(np.arange(len(spectra.names)) + 0.5, spectra.names, fontsize=7.5)
    axes.set(xlabel="frequency (Hz)")
    axes.tick_params(axis="y", length=0)
    axes.set_title("power spectra of areas", fontsize=10)
    return figure


def timescales_figure(found: Timescales, levels: Mapping[str, FloatArray]) -> Figure:
    """Draw autocorrelations, and time constants over the level in the published hierarchy."""
    figure = Figure(figsize=(7.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for row in found.autocorrelation:
        left.plot(found.lag_ms, row, color="0.6", linewidth=0.7)
    left.plot(found.lag_ms, np.nanmean(found.autocorrelation, axis=0), color="black", linewidth=1.6, label="mean of areas")
    shown_ms = max(LEAST_LAGS_MS, 5.0 * float(np.nanmax(found.tau_ms, initial=0.0)))
    left.set(xlabel="lag (ms)", ylabel="autocorrelation of an area's rate")
    if len(found.lag_ms):
        left.set_xlim(0.0, min(shown_ms, float(found.lag_ms[-1])))
    left.legend(frameon=False, fontsize=8)
    if np.isfinite(found.tau_ms).any():
        _over_levels(right, found.names, found.tau_ms, levels, "time constant (ms)")
    else:
        _say_instead(right, "no time constants:\nautocorrelations swing below zero,\nor are lost in noise")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    n = int(np.isfinite(found.tau_ms).sum())
    figure.suptitle(f"intrinsic time-scales: {n} of {len(found.names)} areas have a decay that can be fitted", fontsize=10)
    return figure


def order_figure(analysis: MultiAreaAnalysis) -> Figure:
    """Draw the lags of all pairs, areas in the order of their times, and the times over the published hierarchy and over the areas' stability."""
    order, stability = analysis.order, analysis.stability
    figure = Figure(figsize=(8.6 if stability is None else 12.2, 4.2), layout="constrained")
    left, right, *more = figure.subplots(1, 2 if stability is None else 3, width_ratios=(1.15, 1) if stability is None else (1.15, 1, 1))
    ranked = np.argsort(order.time_ms, kind="stable")  # NaN last
    lags = order.lag_ms[np.ix_(ranked, ranked)]
    top = float(np.nanmax(np.abs(lags), initial=1.0))
    _matrix(left, lags, [order.names[i] for i in ranked], Normalize(-top, top), "PuOr")
    figure.colorbar(left.images[0], ax=left, pad=0.01, shrink=0.8, label="column after row by (ms)")
    n = np.isfinite(order.lag_ms).sum() // 2
    left.set_title(f"{n} of {len(lags) * (len(lags) - 1) // 2} pairs have an extremum above chance", fontsize=9)
    right.spines[["top", "right"]].set_visible(False)
    placed = int(np.isfinite(order.time_ms).sum())
    if placed:
        _over_levels(right, order.names, order.time_ms, analysis.levels, "time of the area (ms)")
        fit = (
            f"account for {order.explained:.0%} of the squared lags"
            if np.isfinite(order.explained)
            else "as many as the lags between them leave free"
        )
        right.set_title(f"times of {placed} areas {fit}\n{right.get_title()}", fontsize=9)
    else:
        _say_instead(right, "no order: fewer than three areas\nare connected by such pairs")
    for axes in more:
        assert stability is not None
        if not placed:
            _say_instead(axes, "nor one to compare\nwith theory's stability of areas")
            continue
        _scatter(axes, order.names, stability.alone, order.time_ms)
        axes.set(xlabel="largest eigenvalue of the area alone (theory)", ylabel="time of the area (ms)")
        axes.spines[["top", "right"]].set_visible(False)
        found = analysis.order_by_stability
        lines = [f"Spearman's ρ and Kendall's τ over {next(iter(found.values())).n} areas"] if found else ["too few areas have a time"]
        axes.set_title("\n".join([*lines, *(f"{name}: {ranks.text()}" for name, ranks in found.items())]), fontsize=7.5)
    return figure


def connectivity_figure(analysis: MultiAreaAnalysis) -> Figure:
    """Draw functional connectivity by synaptic input, by BOLD if the run is long enough, and in fMRI, areas by their communities."""
    matrices: dict[str, FloatArray | None] = {
        "synaptic input": analysis.connectivity,
        "BOLD": analysis.bold_connectivity,
        "fMRI": analysis.measured_connectivity,
    }
    there = {name: matrix for name, matrix in matrices.items() if matrix is not None}
    labels = analysis.communities.get("synaptic input", np.zeros(analysis.areas.n, np.int64))
    ranked = np.argsort(labels, kind="stable")
    names = [analysis.areas.names[i] for i in ranked]
    figure = Figure(figsize=(4.1 * len(there) + 0.4, 5.4), layout="constrained")
    grid = figure.subplots(1, len(there), squeeze=False)[0]
    for axes, (name, matrix) in zip(grid, there.items(), strict=True):
        shown = matrix[np.ix_(ranked, ranked)].copy()
        np.fill_diagonal(shown, np.nan)
        top = float(np.nanmax(np.abs(shown), initial=0.02))
        _matrix(axes, shown, names, Normalize(-top, top), "RdBu_r")
        figure.colorbar(axes.images[0], ax=axes, pad=0.01, shrink=0.7, location="bottom", label="correlation")
        title = name
        if name == "fMRI":
            title += f"\nstructure without activity agrees with r = {analysis.agreements['structure'].r:.2f}"
        elif name in analysis.agreements:
            agreement = analysis.agreements[name]
            title += f"\nagreement with fMRI r = {agreement.r:.2f} (p = {agreement.p:.2g}, {agreement.n_pairs} pairs)"
        axes.set_title(title, fontsize=9)
    return figure


def communities_figure(analysis: MultiAreaAnalysis) -> Figure:
    """Draw the communities of structure and activity, a division a row, and how far the divisions agree."""
    divisions = analysis.communities
    names = analysis.areas.names
    ranked = np.lexsort(list(divisions.values())[::-1])
    figure = Figure(figsize=(max(6.0, 0.26 * len(names) + 4.8), 0.42 * len(divisions) + 1.7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(max(2.0, 0.26 * len(names)), 0.62 * len(divisions)))
    table = np.array(list(divisions.values()))[:, ranked]
    left.imshow(table % len(COLOURS), aspect="auto", interpolation="nearest", cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=len(COLOURS) - 0.5)
    for (y, x), label in np.ndenumerate(table):
        left.text(x, y, str(label + 1), ha="center", va="center", fontsize=7, color="white")
    left.set_xticks(range(len(names)), [names[i] for i in ranked], rotation=90, fontsize=8)
    left.set_yticks(range(len(divisions)), [f"{name} ({labels.max() + 1})" for name, labels in divisions.items()], fontsize=8)
    left.set_title("communities", fontsize=10)
    agreement = np.full((len(divisions), len(divisions)), np.nan)
    keys = list(divisions)
    for (first, second), found in analysis.similarities.items():
        i, j = keys.index(first), keys.index(second)
        agreement[i, j] = found.adjusted_rand
        right.text(j, i, f"{found.adjusted_rand:.2f}\np={found.p:.2g}", ha="center", va="center", fontsize=7)
    right.imshow(agreement, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    right.set_xlim(-0.5, max(1, len(divisions) - 1) - 0.5)
    right.set_xticks(range(len(divisions) - 1), list(divisions)[:-1], rotation=90, fontsize=7)
    right.set_yticks([])
    right.set_title("adjusted Rand index", fontsize=10)
    for axes in (left, right):
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def hierarchies_figure(names: Sequence[str], levels: Mapping[str, FloatArray], ensemble: Ensemble | None) -> Figure:
    """Draw each hierarchy as a row of dots from the lowest to the highest area, and Kendall's tau of all pairs."""
    figure = Figure(figsize=(max(6.0, 0.24 * len(names) + 3.6), 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(max(2.0, 0.24 * len(names)), 3.0))
    first = next((values for values in levels.values() if np.isfinite(values).any()), np.zeros(len(names)))
    ranked = np.argsort(first)
    for k, (name, values) in enumerate(levels.items()):
        low, high = np.nanmin(values, initial=np.inf), np.nanmax(values, initial=-np.inf)
        scaled = (values - low) / (high - low) if high > low else np.full(len(values), np.nan)
        at, colour = np.arange(len(names)) + 0.08 * (k - 2), COLOURS[k % len(COLOURS)]
        left.plot(at, scaled[ranked], "o", markersize=4, color=colour, label=name)
        if name == "ensemble" and ensemble is not None and high > low:
            spread = ensemble.positions().std(axis=0) / (high - low)
            left.errorbar(at, scaled[ranked], spread[ranked], fmt="none", ecolor=colour, elinewidth=0.8)
    left.set_xticks(range(len(names)), [names[i] for i in ranked], rotation=90, fontsize=8)
    left.set(ylabel="level, lowest 0, highest 1")
    left.set_ylim(top=1.45)
    left.set_yticks(np.linspace(0.0, 1.0, 6))
    left.legend(frameon=False, fontsize=8, ncols=len(levels), loc="upper left", handletextpad=0.1, columnspacing=1.0)
    left.spines[["top", "right"]].set_visible(False)
    table = np.full((len(levels), len(levels)), np.nan)
    keys = list(levels)
    for (a, b), (tau, p) in kendall(levels).items():
        i, j = keys.index(b), keys.index(a)
        table[i, j] = tau
        right.text(j, i, f"{tau:.2f}\np={p:.1g}", ha="center", va="center", fontsize=7)
    right.imshow(table, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    right.set_xlim(-0.5, max(1, len(keys) - 1) - 0.5)
    right.set_ylim(len(keys) - 0.5, min(1, len(keys) - 1) - 0.5)
    right.set_xticks(range(len(keys) - 1), keys[:-1], rotation=90, fontsize=8)
    right.set_yticks(range(1, len(keys)), keys[1:], fontsize=8)
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    right.set_title("Kendall's tau", fontsize=10)
    if ensemble is not None:
        n = len(ensemble.levels)
        text = f"ensemble: {n} hierarchies that break {ensemble.n_broken} of {ensemble.n_relations} relations; bars: their standard deviation"
        left.set_title(text, fontsize=9)
    return figure


def paths_figure(analysis: MultiAreaAnalysis) -> Figure:
    """Draw in which populations the strongest paths begin and end, by the direction of the pathway between the areas."""
    tables = {name: end_layers(analysis.paths, analysis.areas, pairs) for name, pairs in analysis.directions.items()}
    figure = _layers_figure(tables, "first population", "last population", "paths")
    passed = n_areas_passed(analysis.paths, analysis.areas)
    steps = ", ".join(f"{count} of {n - 1} step{'s' * (n > 2)}" for n, count in sorted(passed.items()))
    figure.suptitle(f"strongest paths between {sum(passed.values())} pairs of areas: {steps}", fontsize=10)
    return figure


def interactions_figure(analysis: MultiAreaAnalysis) -> Figure:
    """Draw between which populations directed interactions are significant, by the direction of the pathway between the areas."""
    causality = analysis.interactions
    tables = {name: layer_interactions(causality.significant, analysis.areas, pairs) for name, pairs in analysis.directions.items()}
    figure = _layers_figure(tables, "source", "target", "interactions")
    tested = int(np.isfinite(causality.p).sum())
    within = int(causality.significant[analysis.areas.area[:, None] == analysis.areas.area].sum())
    pairs = f"{int(causality.significant.sum()):,} of {tested:,} pairs of populations ({within:,} within areas)"
    text = f"{pairs}, past of {PAST_BINS} bins of {PAST_BIN_MS:g} ms"
    figure.suptitle(f"directed interactions (conditional Granger causality): {text}", fontsize=10)
    return figure


def measured_figure(simulated: SampleStatistics, measured: SampleStatistics, area: str) -> Figure:
    """Draw rates, LvR and spectrum of as many neurons of a simulated area as were recorded there, beside those."""
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    rates, irregularity, spectrum = figure.subplots(1, 3)
    both = (("simulated", simulated, "#0072B2"), ("measured", measured, "#D55E00"))
    for axes, what, values, label in (
        (rates, "rates", [s.rates for _, s, _ in both], "rate (spikes/s)"),
        (irregularity, "LvR", [s.lvr[np.isfinite(s.lvr)] for _, s, _ in both], "LvR"),
    ):
        top = max((float(np.quantile(each, 0.99)) for each in values if len(each)), default=1.0)
        edges = np.linspace(0.0, top if top > 0 else 1.0, 25)
        for (name, _, colour), each in zip(both, values, strict=True):
            share = np.histogram(each, edges)[0] / max(1, len(each))
            mean = f", mean {each.mean():.2f}" if len(each) else ""
            axes.stairs(share, edges, color=colour, linewidth=1.4, label=f"{name}: {len(each)} neurons{mean}")
        axes.set(xlabel=label, ylabel="share of neurons")
        axes.set_title(what, fontsize=9)
        axes.legend(frameon=False, fontsize=7)
    for name, sample, colour in both:
        if sample.spectrum is not None:
            shown = sample.spectrum.frequency_hz <= HIGHEST_HZ
            spectrum.semilogy(sample.spectrum.frequency_hz[shown], sample.spectrum.power[0, shown], color=colour, linewidth=1.0, label=name)
    spectrum.set(xlabel="frequency (Hz)", ylabel="power per neuron (spikes/s)")
    spectrum.set_title("spectrum of the summed spikes", fontsize=9)
    for axes in (rates, irregularity, spectrum):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{area} beside recorded neurons", fontsize=10)
    return figure


def _layers_figure(tables: Mapping[str, FloatArray], x_label: str, y_label: str, what: str) -> Figure:
    figure = Figure(figsize=(3.6 * len(tables) + 0.6, 4.2), layout="constrained")
    for axes, (name, table) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        axes.imshow(table, cmap="Blues", vmin=0, vmax=max(1.0, 1.3 * table.max()))
        for (y, x), count in np.ndenumerate(table):
            if count:
                axes.text(x, y, f"{count:.0f}", ha="center", va="center", fontsize=7.5)
        axes.set_xticks(range(len(POPULATIONS)), POPULATIONS, fontsize=7.5)
        axes.set_yticks(range(len(POPULATIONS)), POPULATIONS, fontsize=7.5)
        axes.tick_params(length=0)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.set_title(f"{name}: {table.sum():.0f} {what}", fontsize=9)
    return figure


def _say_instead(axes: Axes, text: str) -> None:
    """Write why there is nothing to draw where it would be."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color="0.35")


def _matrix(axes: Axes, table: FloatArray, names: Sequence[str], norm: Normalize, colours: str) -> None:
    axes.set_facecolor("0.9")
    axes.imshow(table, interpolation="nearest", cmap=colours, norm=norm)
    size = 6.5 if len(names) > 16 else 8
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(length=0)


def _over_levels(axes: Axes, names: Sequence[str], values: FloatArray, levels: Mapping[str, FloatArray], label: str) -> None:
    """Draw values over the published level, each area by name; in the order of the areas if there is none."""
    published = levels.get("Reid 2009", np.full(len(names), np.nan))
    both = np.isfinite(published) & np.isfinite(values)
    at, x_label = (published, "level in the hierarchy of Reid et al. (2009)") if both.any() else (np.arange(len(names), dtype=np.float64), "area")
    _scatter(axes, names, at, values)
    axes.set(xlabel=x_label, ylabel=label)
    rank = kendall({"level": published, "value": values}).get(("level", "value"))
    if rank is not None:
        axes.set_title(f"Kendall's tau {rank[0]:.2f} (p = {rank[1]:.2g}, {int(both.sum())} areas)", fontsize=9)


def _scatter(axes: Axes, names: Sequence[str], at: FloatArray, values: FloatArray) -> None:
    """Draw a point for each area that has both, with its name."""
    shown = np.isfinite(at) & np.isfinite(values)
    axes.plot(at[shown], values[shown], "o", color="#0072B2", markersize=3.5)
    for i in np.flatnonzero(shown).tolist():
        axes.annotate(names[i], (at[i], values[i]), xytext=(2, 2), textcoords="offset points", fontsize=6.5)
