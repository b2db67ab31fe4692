"""The verbs run and cite: stages, then what a user sees of them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console

from spinn_mam.comparison import Comparison, MeanFieldCheck, check_mean_field, comparison_table
from spinn_mam.errors import AccuracyError, DocumentError, UsageError
from spinn_mam.flow import engine
from spinn_mam.flow.engine import Results, Stage, StagePlan
from spinn_mam.flow.folder import check_folder, held
from spinn_mam.flow.progress import Reporter
from spinn_mam.flow.settings import RunSettings
from spinn_mam.flow.stages import RECORDING, STAGES, build_stages, stage_folder, write_json
from spinn_mam.models import NetworkModel
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.network import is_published_ground_state
from spinn_mam.models.theory.regime import predict, regime_lines
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.provenance import manifest
from spinn_mam.real_time.prediction import RealTime
from spinn_mam.recording import Recording
from spinn_mam.recording.files import HEADER
from spinn_mam.report import tables
from spinn_mam.report.html import write_report
from spinn_mam.report.run_report import RunResult, report_content

#: Packages that a backend's results depend on.
PACKAGES = {"nest": ("nest-simulator",), "spinnaker": ("sPyNNaker", "unicorn")}


def run_model(
    settings: RunSettings,
    folder: Path,
    console: Console,
    command: Sequence[str],
    *,
    first: str | None = None,
    last: str | None = None,
    dry_run: bool = False,
) -> None:
    """Run a model's stages in a run folder and report.

    Raises
    ------
    AccuracyError
        If the run fails the comparison with its reference; the report is there.
    UsageError
        If the folder holds an unfinished simulation of other settings.
    """
    model, spec = settings.load()
    stages = build_stages(settings, model, spec)
    engine.check_selection(stages, first, last)
    check_folder(folder, STAGES)
    _say(console, f"run folder: {folder}", "dim")
    areas = getattr(model.content, "simulated", AREAS)
    some = f", of them {', '.join(areas)} alone" if areas != AREAS else ""
    _say(console, f"{model.content.title}{some}: {int(spec.sizes.sum()):,} neurons, {spec.n_synapses:,} synapses, {spec.drive} drive")
    regime = tuple(regime_lines(spec))
    for line in regime:
        _say(console, line)

    def agree(steps: Sequence[StagePlan]) -> None:
        if replaced := _replaced(steps, stages, folder):
            _say(console, replaced, "yellow")

    if dry_run:
        steps = engine.plan(stages, folder, first, last)
        agree(steps)
        for step, stage in zip(steps, stages, strict=False):
            path = stage_folder(folder, step.name)
            found = stage.check(engine.unfinished(path)) if stage.check is not None and step.action != "skip" else ""
            _say(console, f"{step.number:02d} {step.name}: {step.action} ({step.reason}){found and ': '}{found}")
        _say(console, "dry run: nothing was written")
        return
    with held(folder):
        results = engine.execute(stages, folder, Reporter(console), first, last, agree)
        if "simulation" not in results.folders:
            _say(console, f"stopped after {list(results.folders)[-1]}: without --to the same command goes on from there")
            return
        _clear(folder, [stage.name for stage in stages], console)
        _finish(_result(settings, model, spec, regime, results), settings, results, folder, console, command)


def _replaced(steps: Sequence[StagePlan], stages: Sequence[Stage], folder: Path) -> str:
    """Say that a finished simulation will be replaced by one of other settings; refuse to give up an unfinished one that nobody gave up.

    Raises
    ------
    UsageError
        If so.
    """
    step = next((step for step in steps if step.name == "simulation"), None)
    if step is None or step.action == "resume" or step.reason.startswith(engine.ASKED):
        return ""
    path = stage_folder(folder, step.name)
    if begun_ms := _begun_ms(path):
        raise UsageError(
            f"--out {folder}: holds {begun_ms / 1000:g} s of an unfinished simulation of other settings, "
            "which the command that began it goes on with; name another folder, or give it up with --from simulation"
        )
    try:
        record = engine.read_record(path, verify=False) if step.action == "run" else None
    except DocumentError:  # damaged, and made anew whatever it holds
        return ""
    if record is None:
        return ""
    stage = next(stage for stage in stages if stage.name == step.name)
    why = engine.changed(stage, record) or "another network or mapping, or by another version"
    return (
        f"{folder} holds a finished simulation of other settings ({why}), which is replaced when the new one is finished: "
        "to keep it, stop now and name another folder with --out"
    )


def _begun_ms(path: Path) -> float:
    """Return how much an unfinished simulation has recorded (ms); 0 if there is none that could go on."""
    begun = engine.unfinished(path)
    if not (begun / RECORDING / HEADER).is_file() or (begun / "stage.json").is_file():
        return 0.0
    try:
        return Recording.load(begun / RECORDING, verify=False).duration_ms
    except DocumentError:
        return 0.0


def _finish(result: RunResult, settings: RunSettings, results: Results, folder: Path, console: Console, command: Sequence[str]) -> None:
    """Write metrics, manifest and report of a run, and show its results."""
    metrics = _metrics(result, settings)
    write_json(folder / "metrics.json", metrics)
    record = _manifest(result, command, results)
    write_json(folder / "manifest.json", record)
    write_report(folder / "report.html", report_content(result, record))
    console.print(tables.rates_table(result.recording, result.spec, result.comparison, result.theory))
    if isinstance(result.comparison, Comparison):
        console.print(comparison_table(result.comparison))
    elif result.comparison is not None:
        _say(console, f"no comparison: {result.comparison}")
    for line in tables.summary_lines(metrics):
        _say(console, line)
    if result.theory is not None:
        for line in result.theory.lines():
            _say(console, line)
    _say(console, f"report: {folder / 'report.html'}", "bold")
    if isinstance(result.comparison, Comparison) and result.comparison.verdict == "fail":
        raise AccuracyError(f"the run does not agree with its reference ({result.comparison.protocol}); see {folder / 'report.html'}")
    if result.theory is not None and result.theory.verdict == "fail":
        raise AccuracyError(f"the run does not agree with {result.theory.at_odds_with}; see {folder / 'report.html'}")


def _say(console: Console, line: str, style: str | None = None) -> None:
    """Print a line that a terminal may wrap and a file gets whole."""
    console.print(line, markup=False, style=style, soft_wrap=True)


def _clear(folder: Path, stages: Sequence[str], console: Console) -> None:
    """Remove stages that an earlier run with another backend left and this one does not have: nothing here belongs to them any more."""
    for name in STAGES:
        old = stage_folder(folder, name)
        if name not in stages and old.is_dir():
            shutil.rmtree(old)
            _say(console, f"{old.name}: removed, it is of an earlier run with another backend", "dim")


def find_recording(path: Path) -> Recording:
    """Open the recording of a run folder, finished or not, or a recording's own folder.

    Raises
    ------
    UsageError
        If there is none.
    DocumentError
        If it is damaged.
    """
    if (path / HEADER).is_file():
        return Recording.load(path)
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}: give a run folder, as 'spinn-mam run' named it")
    stage = stage_folder(path, "simulation")
    if engine.read_record(stage) is not None:
        return Recording.load(stage / RECORDING, verify=False)
    begun = engine.unfinished(stage) / RECORDING
    if (begun / HEADER).is_file():
        recording = Recording.load(begun)
        if not recording.complete:
            line = f"{path}: the run is not finished; this is of its first {recording.duration_ms / 1000:g} s"
            _say(Console(stderr=True, highlight=False), line, "yellow")
        return recording
    raise UsageError(f"{path} is no run folder with a recording: give the folder that 'spinn-mam run' named")


def cite_run(run: Path) -> str:
    """Return BibTeX of the sources of a run.

    Raises
    ------
    DocumentError
        If the manifest is missing or damaged.
    """
    path = run / "manifest.json"
    if not path.is_file():
        raise UsageError(f"{run} is no run folder with a finished run: it has no manifest.json")
    try:
        sources = json.loads(path.read_text(encoding="utf-8"))["sources"]
        entries = [tables.bibtex(key, source["citation"], source["doi"]) for key, source in sources.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DocumentError(
            str(path), "", f"no readable manifest ({error!r}); give the run's command with --out {run} again, finished stages are kept"
        ) from None
    return "\n\n".join(entries)


def _result(settings: RunSettings, model: NetworkModel, spec: NetworkSpec, regime: tuple[str, ...], results: Results) -> RunResult:
    times = {name: float((engine.read_record(path, verify=False) or {})["wall_time_s"]) for name, path in results.folders.items()}
    return RunResult(
        backend=settings.backend,
        settings=dataclasses.asdict(settings),
        model=model,
        spec=spec,
        recording=results["simulation"],
        deployment=results.get("mapping"),
        comparison=results.get("comparison"),
        energy=results.get("energy"),
        real_time=results.get("real-time"),
        theory=_beside_theory(spec, results["simulation"], results.get("comparison")),
        regime=regime,
        stage_times_s=times,
    )


def _beside_theory(spec: NetworkSpec, recording: Recording, comparison: Comparison | str | None) -> MeanFieldCheck | None:
    """Put a run beside mean-field theory; None where that has nothing to say."""
    predicted = predict(spec)
    if predicted is None:
        return None
    rates = recording.rates()
    return check_mean_field(
        predicted.names,
        np.array([rates[name] for name in predicted.names]),
        predicted.rates,
        predicted.doubts,
        recording.duration_ms,
        ground_state=is_published_ground_state(spec),
        comparison=comparison if isinstance(comparison, Comparison) else None,
    )


def _metrics(result: RunResult, settings: RunSettings) -> dict[str, Any]:
    recording = result.recording
    provenance = recording.provenance
    run: dict[str, Any] = {
        "backend": result.backend,
        "rtf": provenance.get("rtf"),
        "wall_time_s": provenance.get("simulate_s"),
        "n_spikes": sum(recording.population_spikes or ()),
        "n_synaptic_events": recording.activity.n_synaptic_events if recording.activity else None,
        "peak_rss_bytes": provenance.get("peak_rss_bytes", psutil.Process().memory_info().rss),
        **{key: provenance.get(key) for key in ("synapses", "network_bytes", "state_bytes")},
        "connectivity": settings.degree(result.spec),
        "target": provenance.get("target"),
        "timing": provenance.get("timing"),
        "losses": provenance.get("losses"),
        "faults": provenance.get("faults"),
    }
    metrics: dict[str, Any] = {
        "format": "spinn_mam.metrics/1",
        "run": {key: value for key, value in run.items() if value is not None} | {"rates": recording.rates()},
    }
    if result.theory is not None:
        metrics["theory"] = result.theory.to_metrics()
    if result.deployment is not None:
        metrics["mapping"] = dict(result.deployment.metrics)
    if isinstance(result.comparison, Comparison):
        metrics["accuracy"] = result.comparison.to_metrics()
    if result.energy is not None:
        metrics["energy"] = result.energy.to_metrics()
    if isinstance(result.real_time, RealTime) and result.deployment is not None:
        metrics["real_time"] = result.real_time.to_metrics(result.deployment, result.spec)
    return metrics


def _manifest(result: RunResult, command: Sequence[str], results: Results) -> dict[str, Any]:
    records = {name: engine.read_record(path, verify=False) or {} for name, path in results.folders.items()}
    digests = {f"stage {name}": str(record.get("digest", "")) for name, record in records.items()}
    return manifest(
        command=command,
        seeds={"network": result.settings["seed"], "run": result.settings["seed"]},
        digests={"network": result.spec.digest()} | digests,
        wall_times_s=result.stage_times_s,
        packages=PACKAGES.get(result.backend, ()),
        extra={
            "provenance": dict(result.recording.provenance),
            "sources": {key: source.model_dump() for key, source in result.model.content.sources.items()},
            "variants": result.model.document.chosen,
            "overrides": [{"key": o.key, "default": o.default, "value": o.value} for o in result.model.document.overrides],
        },
    )
