"""The verbs run, plan, plot and cite: stages, then what a user sees of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from spinn_mam.comparison import Comparison, comparison_table
from spinn_mam.errors import AccuracyError, DocumentError, UsageError
from spinn_mam.flow import engine
from spinn_mam.flow.engine import Results
from spinn_mam.flow.progress import Reporter
from spinn_mam.flow.settings import RunSettings
from spinn_mam.flow.stages import build_stages, write_json
from spinn_mam.models import NetworkModel
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.provenance import manifest
from spinn_mam.recording import Recording
from spinn_mam.report import tables
from spinn_mam.report.html import write_report
from spinn_mam.report.run_report import RunResult, mapping_picture, report_content, run_figures


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
    """
    model, spec = settings.load()
    stages = build_stages(settings, model, spec)
    if dry_run:
        for step in engine.plan(stages, folder, first, last):
            console.print(f"{step.number:02d} {step.name}: {step.action} ({step.reason})", markup=False)
        return
    console.print(f"{model.content.title}: {int(spec.sizes.sum()):,} neurons, {spec.n_synapses:,} synapses, {spec.drive} drive", markup=False)
    console.print(f"run folder: {folder}", markup=False, style="dim")
    results = engine.execute(stages, folder, Reporter(console), first, last)
    if results.get("simulation") is None:
        return
    result = _result(settings, model, spec, results)
    metrics = _metrics(result, settings)
    write_json(folder / "metrics.json", metrics)
    record = _manifest(result, command, folder)
    write_json(folder / "manifest.json", record)
    write_report(folder / "report.html", report_content(result, record))
    console.print(tables.rates_table(result.recording, spec, result.comparison))
    if isinstance(result.comparison, Comparison):
        console.print(comparison_table(result.comparison))
    elif result.comparison is not None:
        console.print(f"no comparison: {result.comparison}", markup=False)
    for line in tables.summary_lines(metrics):
        console.print(line, markup=False)
    console.print(f"report: {folder / 'report.html'}", markup=False, style="bold")
    if isinstance(result.comparison, Comparison) and result.comparison.verdict == "fail":
        raise AccuracyError(f"the run does not agree with its reference ({result.comparison.protocol}); see {folder / 'report.html'}")


def plan_model(settings: RunSettings, folder: Path, console: Console, *, as_json: bool) -> None:
    """Map a model and print what it takes."""
    model, spec = settings.load()
    quiet = Console(stderr=True, highlight=False) if as_json else console
    results = engine.execute(build_stages(settings, model, spec), folder, Reporter(quiet), last="mapping")
    deployment = results["mapping"]
    mapping_picture(deployment, spec).savefig(folder / "machine.png", dpi=150)
    if as_json:
        console.print_json(json.dumps({"mapping": dict(deployment.metrics)}))
        return
    console.print(tables.mapping_table(deployment))
    console.print(f"picture: {folder / 'machine.png'}", markup=False)
    console.print(f"PACMAN's JSON: {results.folders['mapping'] / 'pacman'}", markup=False)


def find_recording(path: Path) -> Recording:
    """Load the recording of a run folder, or of a file.

    Raises
    ------
    UsageError
        If there is none.
    """
    if path.is_file():
        return Recording.load(path)
    found = sorted(path.glob("[0-9][0-9]-simulation/recording.npz"))
    if not found:
        raise UsageError(f"{path} is no run folder with a finished simulation: give the folder that 'spinn-mam run' named")
    return Recording.load(found[0])


def plot_run(run: Path, out: Path) -> list[Path]:
    """Draw the figures of a run folder."""
    recording = find_recording(run)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in run_figures(recording).items():
        paths.append(out / f"{name}.png")
        figure.savefig(paths[-1], dpi=150)
    return paths


def cite_run(run: Path) -> str:
    """Return BibTeX of the sources of a run.

    Raises
    ------
    DocumentError
        If the manifest is missing or damaged.
    """
    path = run / "manifest.json"
    try:
        sources = json.loads(path.read_text(encoding="utf-8"))["sources"]
    except (OSError, ValueError, KeyError) as error:
        raise DocumentError(str(path), "", f"no readable manifest ({error}); run the model again with --out {run}") from None
    entries = [tables.bibtex(key, source["citation"], source["doi"]) for key, source in sources.items()]
    return "\n\n".join(entries)


def _result(settings: RunSettings, model: NetworkModel, spec: NetworkSpec, results: Results) -> RunResult:
    times = {name: float((engine.read_record(path) or {})["wall_time_s"]) for name, path in results.folders.items()}
    return RunResult(
        backend=settings.backend,
        settings=dataclasses.asdict(settings),
        model=model,
        spec=spec,
        recording=results["simulation"],
        deployment=results.get("mapping"),
        comparison=results.get("comparison"),
        energy=results.get("energy"),
        stage_times_s=times,
    )


def _metrics(result: RunResult, settings: RunSettings) -> dict[str, Any]:
    recording = result.recording
    provenance = recording.provenance
    run: dict[str, Any] = {
        "backend": result.backend,
        "rtf": provenance.get("rtf"),
        "wall_time_s": provenance.get("simulate_s"),
        "n_spikes": len(recording.step),
        "n_synaptic_events": recording.activity.n_synaptic_events if recording.activity else None,
        "peak_rss_bytes": provenance.get("peak_rss_bytes", psutil.Process().memory_info().rss),
        "connectivity": settings.degree(result.spec),
    }
    metrics: dict[str, Any] = {
        "format": "spinn_mam.metrics/1",
        "run": {key: value for key, value in run.items() if value is not None} | {"rates": recording.rates()},
    }
    if result.deployment is not None:
        metrics["mapping"] = dict(result.deployment.metrics)
    if isinstance(result.comparison, Comparison):
        metrics["accuracy"] = result.comparison.to_metrics()
    if result.energy is not None:
        metrics["energy"] = result.energy.to_metrics()
    return metrics


def _manifest(result: RunResult, command: Sequence[str], folder: Path) -> dict[str, Any]:
    stages = {path.name[3:]: engine.read_record(path) or {} for path in sorted(folder.glob("[0-9][0-9]-*")) if path.is_dir()}
    return manifest(
        command=command,
        seeds={"network": result.settings["seed"], "run": result.settings["seed"]},
        digests={"network": result.spec.digest()} | {f"stage {name}": str(record.get("digest", "")) for name, record in stages.items()},
        wall_times_s=result.stage_times_s,
        packages=("nest-simulator",) if result.backend == "nest" else (),
        extra={
            "provenance": dict(result.recording.provenance),
            "sources": {key: source.model_dump() for key, source in result.model.content.sources.items()},
            "variants": result.model.document.chosen,
            "overrides": [{"key": o.key, "default": o.default, "value": o.value} for o in result.model.document.overrides],
        },
    )
