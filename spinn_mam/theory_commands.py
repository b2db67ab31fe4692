"""The verb ``theory`` of the command line: what mean-field theory says of a model."""

from __future__ import annotations

import json
import os
import time
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print the stationary rates of a model by mean-field theory."""
    # threads of the linear algebra gain nothing on matrices of this size, and lose much where others use the processor; set before NumPy is loaded
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from spinn_mam.models import load_model, model_settings
    from spinn_mam.models.theory import MeanField, find_fixed_points, stationary_state
    from spinn_mam.report.theory_tables import rates_table, search_table, theory_json

    spec = load_model(model, model_settings(model, settings, areas, surface), {} if drive is None else {"drive": drive}).network(n_scaling, k_scaling)
    began = time.perf_counter()
    field = MeanField.of(spec)
    state = stationary_state(field)
    took_s = time.perf_counter() - began
    search = find_fixed_points(field, starts, seed) if starts else None
    if as_json:
        typer.echo(json.dumps(theory_json(spec, field, state, took_s, search), indent=1, allow_nan=False))
        return
    out = Console(highlight=False)
    out.width = max(out.width, 80)  # no number is cut off
    out.print(rates_table(spec, field, state))
    kind = "stable" if state.stable else "unstable"
    value = f"{state.eigenvalue.real:.4f}" + (f" ± {state.eigenvalue.imag:.4f}i" if state.eigenvalue.imag else "")
    out.print(f"largest eigenvalue of the gain matrix: {value} ({kind} without delays; the bound is 1)")
    out.print(f"took {took_s:.3f} s")
    if search is not None:
        out.print(search_table(field, search))
