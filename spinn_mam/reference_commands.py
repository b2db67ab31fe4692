"""The verb ``reference`` of the command line: the spread between seeds of a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from spinn_mam.options import Areas, Drive, Kept, KScaling, Model, NScaling, Set, Surface, WarmUp


def reference(
    model: Model,
    write: Annotated[Path, typer.Option("--write", help="Reference statistics to write; their table lies beside it.", metavar="FILE.json")],
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds, such as 1-5 or 1,4,7; more extend the ensemble.")] = "1-5",
    backend: Annotated[str, typer.Option("--backend", help="What runs the network: nest or emulator.")] = "nest",
    t_sim: Kept = 2500.0,
    warm_up: WarmUp = 500.0,
    threads: Annotated[int, typer.Option("--threads", help="Threads of a run; 0: two, or what the computer has.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder that keeps the recordings; those that are there are not made again.")] = Path(
        "runs/reference"
    ),
    settings: Set = None,
    areas: Areas = None,
    surface: Surface = None,
    drive: Drive = None,
    n_scaling: NScaling = 1.0,
    k_scaling: KScaling = 1.0,
) -> None:
    """Run a network over several seeds and keep their statistics.

    Each seed is a process of its own; the same command goes on after an
    interruption, and with more seeds or a longer time extends the ensemble.
    """
    from spinn_mam.flow.reference import make_reference, read_seeds
    from spinn_mam.flow.settings import NO_MACHINE, RunSettings
    from spinn_mam.models import model_settings

    make_reference(
        RunSettings(
            model=model,
            settings=model_settings(model, settings, areas, surface),
            drive=drive,
            n_scaling=n_scaling,
            k_scaling=k_scaling,
            backend=backend,
            t_sim=t_sim,
            warm_up=warm_up,
            threads=threads or min(2, os.cpu_count() or 1),
            board_config=NO_MACHINE,
        ),
        read_seeds(seeds),
        out,
        write,
        sys.argv,
        lambda line: typer.echo(line),
    )
