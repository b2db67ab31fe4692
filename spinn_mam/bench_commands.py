"""The verbs ``bench NAME`` of the command line."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

app = typer.Typer(
    help="Benchmarks, as ratios measured in one run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def bench() -> None:
    """Benchmarks, as ratios measured in one run."""


@app.command()
def board(
    cores: Annotated[int, typer.Option("--cores", help="Cores that run.", min=1)] = 48,
    steps: Annotated[int, typer.Option("--steps", help="Time steps of 0.1 ms.", min=1)] = 1000,
    repeats: Annotated[int, typer.Option("--repeats", help="Boards of each kind, in turn.", min=1)] = 3,
    threads: Annotated[int, typer.Option("--threads", help="Threads that run cores.", min=2)] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time the virtual board: threads against one thread.

    Wall time for each core and time step of quiet cores of 64 IF_curr_exp neurons, run by sPyNNaker.
    """
    from spinn_mam.bench.board import measure_board

    speed = measure_board(cores, steps=steps, repeats=repeats, threads=threads, progress=lambda text: typer.echo(text, err=True))
    if as_json:
        typer.echo(json.dumps({**asdict(speed), "ratio": speed.ratio}))
        return
    typer.echo(f"{speed.cores} quiet cores of {speed.neurons_per_core} IF_curr_exp neurons, {speed.steps} time steps of 0.1 ms, {repeats} rounds")
    for n, median in speed.medians.items():
        values = speed.ms[n]
        typer.echo(
            f"  {n} thread{'s' * (n > 1)}: {median:.3f} ms a core and time step (median; {min(values):.3f} to {max(values):.3f}), "
            f"{speed.instructions / median / 1e3:.0f} million instructions a second"
        )
    typer.echo(f"  ratio: {speed.ratio:.2f} times as fast as one thread")
