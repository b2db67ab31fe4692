"""The report's section on real time: cycles of the cores against the step, and the busiest cores by name."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from spinn_mam.deployment import Deployment
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.structures import KIND_NAMES
from spinn_mam.real_time.prediction import RealTime, describe_core
from spinn_mam.report.content import Picture, Table
from spinn_mam.report.statistics_figures import population_colours

_SHOWN = 10


def real_time_parts(real_time: RealTime, deployment: Deployment, spec: NetworkSpec) -> tuple[Picture | Table, ...]:
    """Make the figure and the tables.

    Parameters
    ----------
    real_time : RealTime
    deployment : Deployment
    spec : NetworkSpec
    """
    return (
        Picture(load_figure(real_time, deployment, spec), "Cycles of each core in its worst step, from floor to ceiling, by kind and population"),
        _summary(real_time, deployment, spec),
        _worst(real_time, deployment, spec),
    )


def load_figure(real_time: RealTime, deployment: Deployment, spec: NetworkSpec) -> Figure:
    """Draw each core's worst step from floor to ceiling, sorted within its population, against the cycles there are; one panel a kind."""
    slices, unit = deployment.slices, real_time.step_cycles
    kinds = np.unique(slices.kind).tolist()
    figure = Figure(figsize=(11.4, 3.6), layout="constrained")
    axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False, width_ratios=[3, *[2] * (len(kinds) - 1)])[0]
    colours = population_colours(spec.names)
    for axis, kind in zip(axes, kinds, strict=True):
        at, ticks = 0, []
        for population, name in enumerate(spec.names):
            mine = np.flatnonzero((slices.kind == kind) & (slices.population == population))
            if len(mine) == 0:
                continue
            x = at + np.arange(len(mine))
            order = mine[np.argsort(real_time.most_high[mine], kind="stable")]
            axis.fill_between(
                x, real_time.most_low[order] / unit, real_time.most_high[order] / unit, step="mid", color=colours[population], alpha=0.55, linewidth=0
            )
            for side in ("low", "high"):
                axis.plot(x, getattr(real_time, f"mean_{side}")[order] / unit, color=colours[population], linewidth=1.2)
            ticks.append((at + len(mine) / 2, name))
            at += len(mine) + 6
        axis.axhline(real_time.time_scale_factor, color="#444444", linewidth=1, linestyle="--")
        axis.set_xticks([t for t, _ in ticks], [name for _, name in ticks], rotation=90, fontsize=8)
        axis.set_title(f"{KIND_NAMES[kind].replace('_', ' ')} cores", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    # shared by all panels, so only now
    axes[0].set_ylim(0, 1.05 * max(real_time.factors[1], real_time.time_scale_factor))
    axes[0].set_ylabel("time-scale factor needed")
    return figure


def _summary(real_time: RealTime, deployment: Deployment, spec: NetworkSpec) -> Table:
    m = real_time.to_metrics(deployment, spec)
    rows = [
        ("smallest time-scale factor without an overrun", *(f"{f:.2f}" for f in real_time.factors)),
        (f"steps of cores that overrun at {real_time.time_scale_factor:g}", *(f"{m['overruns'][side]:,}" for side in ("low", "high"))),
        ("cores that overrun", *(f"{m['cores_that_overrun'][side]:,}" for side in ("low", "high"))),
        ("most work carried over (steps)", *(f"{m['most_steps_late'][side]:.2f}" for side in ("low", "high"))),
        ("spikes lost at full input buffers", *(f"{m['lost_spikes'][side]:,}" for side in ("low", "high"))),
    ]
    note = (
        f"{real_time.n_steps:,} steps. Shaded: each core's worst step; lines: its mean. A core keeps up where it is below the dashed line. "
        "Losses in routers are not modelled."
    )
    return Table(("quantity", "floor", "ceiling"), tuple(rows), note=note)


def _worst(real_time: RealTime, deployment: Deployment, spec: NetworkSpec) -> Table:
    rows = []
    for row in real_time.worst(_SHOWN).tolist():
        core = describe_core(real_time, deployment, spec, row)
        lo, hi = core["neurons"]
        cycles = core["cycles"]
        place = f"({core['chip'][0]}, {core['chip'][1]}), core {core['core']}"
        rows.append((place, core["kind"].replace("_", " "), f"{core['population']}[{lo}:{hi}]", f"{cycles['low']:,.0f}", f"{cycles['high']:,.0f}"))
    return Table(("chip and core", "kind", "neurons", "cycles, floor", "cycles, ceiling"), tuple(rows), "Busiest cores, in their worst step")
