"""The areas of a multi-area model, where their numbers come from, and the facts behind them, as tables and as plain data."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from spinn_mam.errors import UsageError
from spinn_mam.models import NetworkModel
from spinn_mam.models.mam.areas import AREAS, LAYERS, SYNAPSE_LAYERS
from spinn_mam.models.mam.checkout import Difference, compare_checkout
from spinn_mam.models.mam.schema import MultiAreaDocument
from spinn_mam.models.mam.structure import structure
from spinn_mam.models.mam.tables import load_facts
from spinn_mam.network.spec import NetworkSpec

LICENCE = (
    "The anatomical facts (spinn_mam/models/mam/facts) are under CC BY-NC-SA 4.0, apart from the code: attribution, no commercial use, and the same "
    "licence for what is derived from them. They were compiled by the authors of the repository INM-6/multi-area-model, release 1.2.0, and modified."
)
#: Under the table of areas.
CAPTION = (
    "m measured, t mean of the architectural type, f fit on the density, n as its neighbours; level: in the hierarchy, Reid et al. (2009); "
    "1000/mm3: density of neurons; layers: those measured"
)


def area_rows(model: MultiAreaDocument, spec: NetworkSpec) -> list[dict[str, Any]]:
    """Return one row for each simulated area: its anatomy, where each number comes from, and its part of the network at the scale of ``spec``."""
    facts, whole = load_facts(), structure(model)
    architecture = whole.architecture
    levels = facts["hierarchy"].by_area("level")
    typed = np.isfinite(facts["architectural_types"].by_area("type"))
    injections = Counter(area for _, _, area in facts["injections"].rows)
    sizes, recurrent, within = (Counter[str]() for _ in range(3))
    sources: dict[str, set[str]] = {}
    area_of = [name.partition("-")[0] for name in spec.names]
    for population, area in zip(spec.populations, area_of, strict=True):
        sizes[area] += population.size
    for p in spec.projections:
        target, source = area_of[p.target], area_of[p.source]
        recurrent[target] += p.n_synapses
        if target == source:
            within[target] += p.n_synapses
        else:
            sources.setdefault(target, set()).add(source)
    rows = []
    for a, area in enumerate(AREAS):
        if area not in sizes:
            continue
        layers = [layer for v, layer in enumerate(SYNAPSE_LAYERS) if architecture.measured_layers[a, v]]
        kind = int(architecture.types[a])
        rows.append(
            {
                "area": area,
                "type": kind,
                "type_source": "measured" if typed[a] else "as its neighbours",
                "level": float(levels[a]) if np.isfinite(levels[a]) else None,
                "surface_mm2": float(architecture.surface[a]),
                "density_per_mm3": float(architecture.overall[a]),
                "density_by_layer_per_mm3": dict(zip(LAYERS, architecture.densities[a].tolist(), strict=True)),
                "density_source": "measured" if architecture.measured_density[a] else f"mean of type {kind}",
                "thickness_mm": float(architecture.thickness[a]),
                "thickness_source": "measured" if architecture.measured_thickness[a] else "fit on density",
                "layers_mm": dict(zip(SYNAPSE_LAYERS, architecture.layers[a].tolist(), strict=True)),
                "layers_measured": layers,
                "injections": injections[area],
                "neurons": sizes[area],
                "in_degree": recurrent[area] / sizes[area],
                "in_degree_within": within[area] / sizes[area],
                "external_in_degree": float((whole.K_ext[a] * whole.N[a]).sum() / whole.N[a].sum()) * spec.K_scaling,
                "source_areas": sorted(sources.get(area, ()), key=AREAS.index),
            }
        )
    return rows


def population_matrices(spec: NetworkSpec) -> dict[str, dict[str, Any]]:
    """Return size, drive and, by source population, in-degree, mean weight (pA) and mean delay (ms) of each population at the scale of ``spec``."""
    found: dict[str, dict[str, Any]] = {
        p.name: {
            "size": p.size,
            "external_rate": p.drive.rate if p.drive else 0.0,
            "external_weight_pA": p.drive.weight if p.drive else 0.0,
            "I_e_pA": p.I_e,
            "expected_rate": rate,
            "in_degree": {},
            "weight_pA": {},
            "delay_ms": {},
        }
        for p, rate in zip(spec.populations, spec.expected_rates, strict=True)
    }
    for projection in spec.projections:
        target, source = found[spec.names[projection.target]], spec.names[projection.source]
        target["in_degree"][source] = projection.n_synapses / target["size"]
        target["weight_pA"][source] = projection.weight.mean
        target["delay_ms"][source] = projection.delay.mean
    return found


def fact_rows() -> list[dict[str, str]]:
    """Return one row for each table of facts: name, what it holds, source, what was modified, licence."""
    return [
        {"table": table.name, **{key: table.head.get(key, "") for key in ("title", "source", "attribution", "modified", "license")}}
        for table in load_facts()
    ]


def area_tables(model: MultiAreaDocument, spec: NetworkSpec) -> list[Table]:
    """Return the tables that ``show`` prints of a multi-area model beside its values."""
    rows = area_rows(model, spec)
    anatomy = Table(
        title=f"Areas at N_scaling {spec.N_scaling:g}, K_scaling {spec.K_scaling:g}: {len(rows)} areas, {len(spec.populations)} populations, "
        f"{int(spec.sizes.sum()):,} neurons, {spec.n_synapses:,} synapses in {len(spec.projections):,} projections",
        title_justify="left",
        title_style="bold",
        caption=CAPTION,
        caption_justify="left",
    )
    for column in ("area", "type", "level", "neurons", "1000/mm3", "mm thick", "layers"):
        anatomy.add_column(column, justify="left" if column in ("area", "layers") else "right", no_wrap=True)
    synapses = Table(title="In-degrees of each area, mean over its neurons", title_justify="left", title_style="bold")
    for column in ("area", "recurrent", "of it within", "external", "source areas", "injections"):
        synapses.add_column(column, justify="left" if column == "area" else "right", no_wrap=True)
    for row in rows:
        anatomy.add_row(
            row["area"],
            f"{row['type']} {'m' if row['type_source'] == 'measured' else 'n'}",
            "" if row["level"] is None else f"{row['level']:.2f}",
            f"{row['neurons']:,}",
            f"{row['density_per_mm3'] / 1000:.1f} {'m' if row['density_source'] == 'measured' else 't'}",
            f"{row['thickness_mm']:.2f} {'m' if row['thickness_source'] == 'measured' else 'f'}",
            " ".join("2/3" if layer == "23" else layer for layer in row["layers_measured"]),
        )
        synapses.add_row(
            row["area"],
            f"{row['in_degree']:,.0f}",
            f"{row['in_degree_within']:,.0f}",
            f"{row['external_in_degree']:,.0f}",
            str(len(row["source_areas"])),
            str(row["injections"] or ""),
        )
    facts = Table(title="Anatomical facts", title_justify="left", title_style="bold", caption=LICENCE, caption_justify="left")
    for column in ("table", "holds", "source"):
        facts.add_column(column, overflow="fold")
    for fact in fact_rows():
        facts.add_row(fact["table"], Text(fact["title"]), Text(fact["source"]))
    return [anatomy, synapses, facts]


def checkout_json(model: NetworkModel, folder: Path) -> dict[str, Any]:
    """Return how the tables of a checkout differ from the package's, as plain data."""
    return {
        "format": "spinn_mam.checkout/1",
        "tables": [dataclasses.asdict(difference) | {"equal": difference.equal} for difference in _differences(model, folder)],
    }


def checkout_table(model: NetworkModel, folder: Path) -> Table:
    """Return how the tables of a checkout differ from the package's, the first differences of each in words."""
    table = Table(title=f"Tables of {folder} beside the package's", title_justify="left", title_style="bold")
    for column in ("table", "rows", "here alone", "there alone", "values differ", "first differences"):
        table.add_column(column, justify="right" if column in ("rows", "here alone", "there alone", "values differ") else "left", overflow="fold")
    for d in _differences(model, folder):
        first = [*(f"- {row}" for row in d.missing[:3]), *(f"+ {row}" for row in d.added[:3]), *d.changed[:3]]
        counts = (str(d.n_rows), str(len(d.missing)), str(len(d.added)), str(len(d.changed)))
        table.add_row(d.table, *counts, Text("\n".join(first)), style="" if d.equal else "bold yellow")
    return table


def _differences(model: NetworkModel, folder: Path) -> list[Difference]:
    if not isinstance(model.content, MultiAreaDocument):
        raise UsageError(f"--compare-with: {model.name} is no multi-area model; use it with show mam")
    return compare_checkout(folder)
