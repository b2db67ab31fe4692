"""The verb plan: what a network takes, and its mapping where routing takes seconds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from spinn_mam.deployment import Deployment
from spinn_mam.energy.constants import load_power_constants
from spinn_mam.errors import DoesNotFitError, UsageError
from spinn_mam.flow import engine
from spinn_mam.flow.folder import check_folder, held
from spinn_mam.flow.progress import Reporter
from spinn_mam.flow.settings import NEURONS_PER_CORE, NO_MACHINE, RunSettings, in_range
from spinn_mam.flow.stages import STAGES, build_stages, stage_folder
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import NetworkModel
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.planning.plan import SHOWN, LayoutPlan, Plan, make_plan
from spinn_mam.real_time.prediction import predict_expected
from spinn_mam.real_time.receivers import not_modelled
from spinn_mam.report import tables
from spinn_mam.report.plan_tables import plan_notes, plan_tables
from spinn_mam.report.run_report import mapping_picture

#: Most pairs of a net and a chip that are routed: some ten seconds.
MAX_ROUTED = 1_000_000


def plan_model(
    settings: RunSettings,
    folder: Path,
    console: Console,
    *,
    neurons_per_core: int | None,
    fixed_factor: bool,
    estimate: bool,
    host_power_W: float | None,
    as_json: bool,
) -> None:
    """Say what a model takes on a machine and on a computer; map it where that takes seconds.

    Parameters
    ----------
    settings : RunSettings
    folder : Path
        For the mapping.
    console : Console
    neurons_per_core : int or None
        As the user gave it: None for each layout's own number, 0 to leave it to the budgets.
    fixed_factor : bool
        Whether the user gave the time-scale factor; else a larger one is taken where it is needed.
    estimate : bool
        Do not map.
    host_power_W : float or None
        Power of a computer.
    as_json : bool

    Raises
    ------
    DoesNotFitError
        If it does not fit the machine in the layout that was asked for; all that is known is printed before.
    """
    model, spec = settings.load()
    if host_power_W is not None:
        in_range("--host-power", host_power_W, 0.0, 1e9, "above 0 (W)", open_low=True)
    if settings.board_config == NO_MACHINE:
        raise UsageError(f"--board-config {NO_MACHINE}: a plan is for a machine; 'spinn-mam machines' lists them")
    machine = load_board_config(settings.board_config)
    per_core = {layout: NEURONS_PER_CORE[layout] if neurons_per_core is None else neurons_per_core or None for layout in NEURONS_PER_CORE}
    factor = settings.time_scale_factor
    plan = make_plan(
        spec,
        machine,
        load_power_constants("spin5" if machine.n_chips > 4 else "spin3"),
        neurons_per_core=per_core,
        time_scale_factor=None if isinstance(factor, str) else factor,
        synapse_cores=settings.synapse_cores,
        t_sim_ms=settings.t_sim,
        placed=(settings.layout,),
        fixed_factor=fixed_factor,
        of_surface=any(setting.startswith("anatomy.surface=") for setting in settings.settings),
    )
    found: dict[str, Any] = {"plan": plan.to_json(host_power_W)}
    if not as_json:
        _print_plan(plan, console, host_power_W)
    violations = plan.violations(settings.layout)
    if violations:
        if as_json:
            console.print_json(json.dumps(found))
        raise DoesNotFitError(f"plan, {settings.layout} cores", violations, SHOWN)
    own = plan.layouts[settings.layout]
    if not estimate and own.chips.n_routed <= MAX_ROUTED:
        if not isinstance(factor, str):
            settings = dataclasses.replace(settings, time_scale_factor=own.counts.time_scale_factor)
        _map(settings, model, spec, folder, console, found, own, as_json=as_json)
    elif not as_json:
        why = "as you wish" if estimate else f"{own.chips.n_routed:,} branches of spikes' trees are too many for a few seconds"
        console.print(f"not routed: {why}", soft_wrap=True)
    if as_json:
        console.print_json(json.dumps(found))


def _print_plan(plan: Plan, console: Console, host_power_W: float | None) -> None:
    spec = plan.spec
    console.print(
        f"{spec.model}: {len(spec.populations)} populations, {int(spec.sizes.sum()):,} neurons, {spec.n_synapses:,} synapses", soft_wrap=True
    )
    for table in plan_tables(plan, host_power_W):
        console.print(table)
    for line in plan_notes(plan):
        console.print(line, markup=False, soft_wrap=not console.is_terminal)  # a terminal gets whole words, a file whole lines


def _map(
    settings: RunSettings,
    model: NetworkModel,
    spec: NetworkSpec,
    folder: Path,
    console: Console,
    found: dict[str, Any],
    own: LayoutPlan,
    *,
    as_json: bool,
) -> None:
    """Map the network, and print and keep what that gives."""
    quiet = Console(stderr=True, highlight=False) if as_json else console
    check_folder(folder, STAGES)

    def agree(steps: Sequence[engine.StagePlan]) -> None:
        simulated = stage_folder(folder, "simulation")
        if any(path.exists() for path in (simulated, engine.unfinished(simulated))):
            for step in steps:
                if step.action != "skip" and step.reason != engine.MISSING:
                    raise UsageError(f"--out {folder}: holds a run of another network or mapping ({step.name}: {step.reason}); name another folder")

    with held(folder):
        results = engine.execute(build_stages(settings, model, spec), folder, Reporter(quiet), last="mapping", agree=agree)
        deployment: Deployment = results["mapping"]
        mapping_picture(deployment, spec).savefig(folder / "machine.png", dpi=150)
    found["mapping"] = dict(deployment.metrics)
    why = not_modelled(spec, deployment)
    if not why:
        found["real_time"] = predict_expected(spec, deployment, rng=np.random.default_rng(settings.seed)).to_metrics(deployment, spec)
    if as_json:
        return
    console.print(tables.mapping_table(deployment))
    lines = [_beside(own, deployment)]
    lines += tables.real_time_lines(found) or [f"real time: not predicted, {why}"]
    lines += [f"picture: {folder / 'machine.png'}", f"PACMAN's JSON: {results.folders['mapping'] / 'pacman'}"]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _beside(own: LayoutPlan, deployment: Deployment) -> str:
    """Say how far the estimate is from the mapping."""
    m = deployment.metrics
    low, high = own.chips.link_traversals
    return (
        f"the estimate beside it: {int(own.counts.by_kind.sum()) - m['cores']:+d} cores, {own.chips.chips - m['chips']:+d} chips, "
        f"links a spike crosses {low:.1f} to {high:.1f} where it is {m['link_traversals_per_spike']:.1f}"
    )
