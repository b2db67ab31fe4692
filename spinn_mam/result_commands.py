"""The verbs that look at a finished run: plot, export and cite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from spinn_mam.options import Run, Start, Stop


def plot(
    run_folder: Run,
    figures: Annotated[
        str,
        typer.Option(
            "--figures",
            help="With commas: raster, activity, rates, distributions, spectra, potentials, verdict; of several areas others; or all there can be.",
        ),
    ] = "all",
    format_: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
    start: Start = None,
    stop: Stop = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the pictures; default figures, in the run folder.")] = None,
    protocol: Annotated[str, typer.Option("--protocol", help="Accuracy protocol, which chooses neurons and pairs: senk26 or va18.")] = "senk26",
    reference: Annotated[Path | None, typer.Option("--reference", help="Reference statistics (.json); default: those that ship.")] = None,
    measured: Annotated[
        str | None, typer.Option("--measured", help="Spikes recorded in an area, to stand beside it: AREA=FILE, CSV with columns neuron and time_ms.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers behind the figures as JSON.")] = False,
) -> None:
    """Draw a run's figures."""
    from spinn_mam.flow.results import plot_run

    names = [] if figures == "all" else [name.strip() for name in figures.split(",")]
    shown = plot_run(
        run_folder,
        out,
        figures=names,
        picture=format_,
        start_ms=start,
        stop_ms=stop,
        protocol=protocol,
        reference=reference,
        measured=measured,
        numbers=as_json,
    )
    if as_json:
        typer.echo(json.dumps(shown, indent=1, allow_nan=False))
        return
    for path in shown["figures"].values():
        typer.echo(path)
    if shown["left_out_ms"]:
        first, last = shown["window_ms"]
        typer.echo(f"of {first:g} to {last:g} ms; for other parts give --start and --stop", err=True)


def export(
    run_folder: Run,
    format_: Annotated[str, typer.Option("--format", help="nix, nest (a folder of text files), parquet or pickle (a Neo block).")],
    out: Annotated[Path | None, typer.Option("--out", help="File, or folder for nest; default in exports, in the run folder.")] = None,
    neurons: Annotated[
        str, typer.Option("--neurons", help="With commas: a number for each population, POPULATION or POPULATION:NUMBER; or all.")
    ] = "all",
    start: Start = None,
    stop: Stop = None,
) -> None:
    """Write a run's spikes in a format of others."""
    from spinn_mam.flow.results import export_run

    typer.echo(str(export_run(run_folder, out, format_, neurons=neurons, start_ms=start, stop_ms=stop)))


def cite(run_folder: Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")]) -> None:
    """Print BibTeX of what a run used."""
    from spinn_mam.flow.run import cite_run

    typer.echo(cite_run(run_folder))
