"""The verb ``theory`` of the command line: what mean-field theory says of a model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from spinn_mam.options import Areas, AsJson, Drive, KScaling, Model, NScaling, Set, Surface
from spinn_mam.terminal import console


def theory(
    model: Model,
    settings: Set = None,
    areas: Areas = None,
    surface: Surface = None,
    drive: Drive = None,
    n_scaling: NScaling = 1.0,
    k_scaling: KScaling = 1.0,
    starts: Annotated[int, typer.Option("--starts", help="Starts of a search for all fixed points; 0: only the state that silence leads to.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the starts.")] = 1,
    parts: Annotated[str, typer.Option("--parts", help="With commas: rates, modes, spectra, jump, stabilise, chi.")] = "rates",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for figures, numbers and stabilised in-degrees.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the stationary rates of a model by mean-field theory.

    And with --parts its stability, spectra, the jump to a high state, in-degrees
    that prevent it, and states over the strength of synapses between areas.
    """
    # threads of the linear algebra gain nothing on matrices of this size, and lose much where others use the processor; set before NumPy is loaded
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from spinn_mam.flow.progress import Reporter
    from spinn_mam.flow.theory_parts import show_theory
    from spinn_mam.models import load_model, model_settings
    from spinn_mam.models.theory import MeanField

    names = list(dict.fromkeys(name.strip() for name in parts.split(",")))
    loaded = load_model(model, model_settings(model, settings, areas, surface), {} if drive is None else {"drive": drive})
    spec = loaded.network(n_scaling, k_scaling)
    reference = None
    if "stabilise" in names and model == "mam":  # what the published in-degrees are, as this network's areas and sizes have them
        published = MeanField.of(load_model(model, model_settings(model, None, areas, surface)).network())
        reference = published.in_degrees
    reporter = Reporter(Console(stderr=True, highlight=False))
    shown = show_theory(spec, names, starts=starts, seed=seed, reference=reference, reporter=reporter, out=out, command=sys.argv)
    if as_json:
        typer.echo(json.dumps(shown.data, indent=1, allow_nan=False))
        return
    output = console()
    for part in shown.said:
        output.print(part)
    if out is not None:
        output.print(f"written to {out}: {', '.join(shown.written)}")
