"""The verb ``theory`` of the command line: what mean-field theory says of a model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Model = Annotated[str, typer.Argument(help="Name of a model (pd14) or path of a model document (.toml).", metavar="MODEL")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value: KEY=VALUE, such as neuron.tau_m='12 ms'. May be repeated.", metavar="KEY=VALUE")
]


def theory(
    model: Model,
    settings: Set = None,
    areas: Annotated[
        str | None, typer.Option("--areas", help="Areas of a multi-area model to simulate, such as V1,V2; Poisson input stands for the others.")
    ] = None,
    surface: Annotated[str | None, typer.Option("--surface", help="Modelled surface of each area of a multi-area model (mm2), or whole.")] = None,
    drive: Annotated[str | None, typer.Option("--drive", help="Background input: poisson or dc.")] = None,
    n_scaling: Annotated[float, typer.Option("--n-scaling", help="Scale of the population sizes, above 0, at most 1.")] = 1.0,
    k_scaling: Annotated[float, typer.Option("--k-scaling", help="Scale of the in-degrees, above 0, at most 1.")] = 1.0,
    starts: Annotated[int, typer.Option("--starts", help="Starts of a search for all fixed points; 0: only the state that silence leads to.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the starts.")] = 1,
    parts: Annotated[str, typer.Option("--parts", help="With commas: rates, modes, spectra, jump, stabilise, chi.")] = "rates",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for figures, numbers and stabilised in-degrees.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print the stationary rates of a model by mean-field theory.

    And with --parts its stability, spectra, the jump to a high state, in-degrees
    that prevent it, and states over the strength of synapses between areas.
    """
    # threads of the linear algebra gain nothing on matrices of this size, and lose much where others use the processor; set before NumPy is loaded
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from spinn_mam.flow.theory_parts import show_theory
    from spinn_mam.models import load_model, model_settings
    from spinn_mam.models.theory import MeanField

    names = [name.strip() for name in parts.split(",")]
    loaded = load_model(model, model_settings(model, settings, areas, surface), {} if drive is None else {"drive": drive})
    spec = loaded.network(n_scaling, k_scaling)
    reference = None
    if "stabilise" in names and model == "mam":  # what the published in-degrees are, as this network's areas and sizes have them
        published = MeanField.of(load_model(model, model_settings(model, None, areas, surface)).network())
        reference = published.in_degrees
    shown = show_theory(
        spec, names, starts=starts, seed=seed, reference=reference, progress=lambda text: typer.echo(text, err=True), out=out, command=sys.argv
    )
    if as_json:
        typer.echo(json.dumps(shown.data, indent=1, allow_nan=False))
        return
    console = Console(highlight=False)
    console.width = max(console.width, 80)  # no number is cut off
    for part in shown.said:
        console.print(part)
    if out is not None:
        console.print(f"written to {out}: {', '.join(shown.written)}")
