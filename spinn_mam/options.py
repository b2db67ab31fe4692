"""Options that several verbs share: the same flag means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(help="Name of a model (pd14, mam) or path of a model document (.toml).", metavar="MODEL")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value: KEY=VALUE, such as neuron.tau_m='12 ms'. May be repeated.", metavar="KEY=VALUE")
]
Areas = Annotated[
    str | None, typer.Option("--areas", help="Areas of a multi-area model to simulate, such as V1,V2; Poisson input stands for the others.")
]
Surface = Annotated[str | None, typer.Option("--surface", help="Modelled surface of each area of a multi-area model (mm2), or whole.")]
Drive = Annotated[str | None, typer.Option("--drive", help="Background input: poisson or dc.")]
NScaling = Annotated[float, typer.Option("--n-scaling", help="Scale of the population sizes, above 0, at most 1.")]
KScaling = Annotated[float, typer.Option("--k-scaling", help="Scale of the in-degrees, above 0, at most 1.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of synapses, sources and initial potentials.")]
WarmUp = Annotated[float, typer.Option("--warm-up", help="Biological time before it, discarded (ms).")]
Kept = Annotated[float, typer.Option("--t-sim", help="Biological time that is kept (ms).")]
BoardConfig = Annotated[str, typer.Option("--board-config", help="Machine: a name that 'spinn-mam machines' lists, or a .toml file; run: none.")]
Layout = Annotated[str, typer.Option("--layout", help="How neurons and synapses share cores: combined or split.")]
NeuronsPerCore = Annotated[
    int | None, typer.Option("--neurons-per-core", help="Most neurons a core; 0 leaves it to the budgets; default 80, or 64 in the split layout.")
]
SynapseCores = Annotated[int, typer.Option("--synapse-cores", help="Synapse cores a neuron core, in the split layout; 0 leaves it to the budgets.")]
TimeScale = Annotated[str, typer.Option("--time-scale-factor", help="Wall-clock time over biological time on the machine: a number, or auto.")]
Protocol = Annotated[str, typer.Option("--protocol", help="Accuracy protocol: senk26 or va18.")]
Run = Annotated[Path, typer.Argument(help="Run folder, finished or not, or the folder of a recording.", metavar="RUN")]
Start = Annotated[float | None, typer.Option("--start", help="Begin of the window, after the warm-up (ms).")]
Stop = Annotated[float | None, typer.Option("--stop", help="End of the window, after the warm-up (ms).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
