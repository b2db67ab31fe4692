"""The verbs ``bench NAME`` of the command line."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from spinn_mam.options import AsJson, KScaling, NScaling, Seed
from spinn_mam.terminal import console

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
    as_json: AsJson = False,
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


@app.command()
def emulator(
    contenders: Annotated[
        str, typer.Option("--contenders", help="Names with commas between, beside the emulator; default: all that are installed.", metavar="NAMES")
    ] = "",
    repeats: Annotated[int, typer.Option("--repeats", help="Segments of each, in turn.", min=1)] = 5,
    segment: Annotated[float, typer.Option("--segment", help="Biological time of a segment of the emulator (ms).")] = 1000.0,
    simulator_segment: Annotated[float, typer.Option("--simulator-segment", help="Biological time of a segment of the simulators (ms).")] = 150.0,
    warm_up: Annotated[float, typer.Option("--warm-up", help="Biological time before the first segment (ms).")] = 200.0,
    threads: Annotated[int, typer.Option("--threads", help="Threads of each.", min=1)] = 2,
    seed: Seed = 1,
    n_scaling: NScaling = 1.0,
    k_scaling: KScaling = 1.0,
    as_json: AsJson = False,
) -> None:
    """Time the emulator beside NEST and Brian 2.

    PD14 with Poisson drive. Each contender has a process of its own, and one
    runs while the others sleep. At full scale it takes some minutes and, for
    NEST, 15 GB.
    """
    from spinn_mam.bench.emulator import Settings, measure_emulator
    from spinn_mam.bench.tables import report
    from spinn_mam.models import load_model

    settings = Settings(tuple(name for name in contenders.split(",") if name), repeats, segment, simulator_segment, warm_up, threads, seed)
    spec = load_model("pd14").network(n_scaling, k_scaling)
    results = measure_emulator(spec, settings, lambda text: typer.echo(text, err=True))
    if as_json:
        typer.echo(json.dumps(results, indent=1, allow_nan=False))
        return
    out = console()
    for part in report(results):
        out.print(part, markup=False) if isinstance(part, str) else out.print(part)
