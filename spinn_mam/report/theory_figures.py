"""Figures of mean-field theory: spectra, the jump between states, stabilised in-degrees, states over chi."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinn_mam.models.theory import Branch, Jump, MeanField, Regime, Response, Stabilisation
from spinn_mam.models.theory.eigenmodes import area_of
from spinn_mam.network.spec import FloatArray
from spinn_mam.report.statistics_figures import population_colours

_LOW, _BORDER, _HIGH = "#0072B2", "#D55E00", "#6b6b6b"


def spectra_figure(field: MeanField, response: Response) -> Figure:
    """Draw the power spectra of the populations, or of the areas' means if there are several areas."""
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    areas = list(dict.fromkeys(area_of(name) for name in field.names))
    if len(areas) == 1:
        for name, colour, power in zip(field.names, population_colours(field.names), response.power.T, strict=True):
            axes.semilogy(response.frequency_hz, power, color=colour, label=name, linewidth=1.2)
    else:
        for k, area in enumerate(areas):
            of = np.array([area_of(name) == area for name in field.names])
            shade = k / max(1, len(areas) - 1)
            mean = response.power[:, of] @ field.sizes[of] / field.sizes[of].sum()
            axes.semilogy(response.frequency_hz, mean, color=(0.9 * shade, 0.45, 0.75 - 0.5 * shade), label=area, linewidth=0.9)
    axes.set(xlabel="frequency (Hz)", ylabel="power over neurons (spikes/s)", xlim=(0, 500))
    axes.legend(ncols=2 if len(areas) > 1 else 1, fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _plain(axes)
    return figure


def jump_figure(field: MeanField, branch: Branch, jump: Jump, high: Sequence[tuple[float, float]], moved: Branch | None) -> Figure:
    """Draw the branch of the low state and its border over kappa, and trajectories just below and above the jump.

    Parameters
    ----------
    field : MeanField
    branch : Branch
        Of the low state through its fold.
    jump : Jump
    high : sequence of (float, float)
        Kappa and mean rate of the high state.
    moved : Branch or None
        The same after a step of the stabilisation.
    """
    weights = field.sizes / field.sizes.sum()
    figure = Figure(figsize=(9.5, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for shown, style, label in ((branch, 1.0, ""), (moved, 0.45, ", in-degrees changed")):
        if shown is None:
            continue
        rates, fold = shown.rates @ weights, shown.folds[0] if shown.folds else len(shown.parameter) - 1
        left.plot(shown.parameter[: fold + 1], rates[: fold + 1], color=_LOW, alpha=style, label=f"low state{label}")
        left.plot(shown.parameter[fold:], rates[fold:], color=_BORDER, linestyle="--", alpha=style, label=f"unstable{label}")
    left.plot([jump.parameter], [jump.saddle @ weights], marker="o", color=_BORDER, linestyle="", label="passed by the jump from silence")
    if high:
        left.plot(*zip(*high, strict=True), color=_HIGH, marker=".", label="high state")
    left.set(xlabel="kappa", ylabel="mean rate (spikes/s)", yscale="log")
    left.legend(fontsize=7, frameon=False)
    for path, colour, label in ((jump.below, _LOW, "just below"), (jump.above, _HIGH, "just above")):
        right.plot(path.time, path.rates @ weights, color=colour, label=label)
    right.axhline(jump.saddle @ weights, color=_BORDER, linestyle="--", label="unstable fixed point")
    right.set(
        xlabel="pseudo-time (time constants)", ylabel="mean rate (spikes/s)", yscale="log", title=f"from silence at kappa = {jump.parameter:.4f}"
    )
    right.legend(fontsize=7, frameon=False)
    for axes in (left, right):
        _plain(axes)
    return figure


def stabilisation_figure(result: Stabilisation, reference: FloatArray | None) -> Figure:
    """Draw the relative change of in-degrees between areas, beside a reference's change if there is one."""
    before = _area_matrix(result.before, result.before.in_degrees)
    matrices = [("this procedure", _area_matrix(result.after, result.after.in_degrees))]
    if reference is not None:
        matrices.append(("reference", _area_matrix(result.before, reference)))
    areas = list(dict.fromkeys(area_of(name) for name in result.before.names))
    figure = Figure(figsize=(5.2 * len(matrices) + 0.6, 5.0), layout="constrained")
    columns = figure.subplots(1, len(matrices), squeeze=False)[0]
    change = [after - before for _, after in matrices]
    limit = max(float(np.percentile(np.abs(c), 98)) for c in change) or 1.0
    image = None
    for axes, (title, _), values in zip(columns, matrices, change, strict=True):
        image = axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_xticks(range(len(areas)), areas, rotation=90, fontsize=6)
        axes.set_yticks(range(len(areas)), areas, fontsize=6)
        axes.set(xlabel="source area", ylabel="target area", title=title)
    assert image is not None  # there is at least one matrix
    figure.colorbar(image, ax=list(columns), shrink=0.8, label="change of the in-degree of a neuron of the target area")
    return figure


def chi_figure(field: MeanField, regimes: Sequence[Regime]) -> Figure:
    """Draw the mean rates of all stable states over chi, and the share of starts that lead to each."""
    weights = field.sizes / field.sizes.sum()
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    chi, rate, share = [], [], []
    for regime in regimes:
        for point in regime.search.points:
            chi.append(regime.chi)
            rate.append(float(point.rates @ weights))
            share.append(point.starts[0] / regime.search.n_starts)
    left.scatter(chi, rate, s=[10 + 110 * s for s in share], color=_LOW, alpha=0.7)
    left.set(xlabel="chi", ylabel="mean rate of stable states (spikes/s)", yscale="log", title=f"chi_I = {regimes[0].chi_I:g}; size: share of starts")
    known = [r for r in regimes if r.silent is not None]
    right.plot(
        [r.chi for r in known], [r.silent.eigenvalue.real for r in known if r.silent is not None], color=_LOW, marker=".", label="from silence"
    )
    right.axhline(1.0, color=_BORDER, linestyle="--", label="bound of stability")
    right.set(xlabel="chi", ylabel="largest eigenvalue of the gain matrix")
    right.legend(fontsize=8, frameon=False)
    for axes in (left, right):
        _plain(axes)
    return figure


def _area_matrix(field: MeanField, in_degrees: FloatArray) -> FloatArray:
    """Mean in-degree of a neuron of each area from each area."""
    areas = [area_of(name) for name in field.names]
    names = list(dict.fromkeys(areas))
    belongs = np.array([[area == name for area in areas] for name in names], dtype=float)
    neurons = belongs * field.sizes
    return np.asarray((neurons @ in_degrees @ belongs.T) / neurons.sum(axis=1)[:, None])


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
