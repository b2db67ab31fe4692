"""The numbers of a model and where each comes from, as tables and as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from spinn_mam.models import NetworkModel
from spinn_mam.models.document import leaves, read
from spinn_mam.models.mam.schema import MultiAreaDocument
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.report.area_tables import area_rows, area_tables, fact_rows, population_matrices


def value_rows(model: NetworkModel) -> list[dict[str, Any]]:
    """Return one row for each value of a model: key, value, unit, source, note, and whether the user set it."""
    changed = {o.key for o in model.document.overrides}
    rows: list[dict[str, Any]] = []
    for key in leaves(model.document.data):
        section, _, name = key.partition(".")
        field = type(getattr(model.content, section)).model_fields[name]
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        content = getattr(getattr(model.content, section), name)
        rows.append(
            {
                "key": key,
                "value": getattr(content, "value", content),
                "unit": str(extra.get("unit", "")),
                "source": getattr(content, "source", ""),
                "note": getattr(content, "note", ""),
                "changed": key in changed,
            }
        )
    return rows


def variant_rows(model: NetworkModel) -> list[dict[str, Any]]:
    """Return one row for each variant: name, choice, default, all choices, and why the default is the default."""
    _, raw = read(model.document.name if model.document.name.endswith(".toml") and "/" in model.document.name else model.name)
    return [
        {"variant": name, "choice": model.document.chosen[name], "default": v["default"], "choices": sorted(v["choices"]), "why": v.get("why", "")}
        for name, v in raw.get("variants", {}).items()
    ]


def population_rows(spec: NetworkSpec) -> list[dict[str, Any]]:
    """Return one row for each population: size, recurrent in-degree, drive (spikes/s), constant current (pA), expected rate (spikes/s)."""
    incoming = np.zeros(len(spec.populations))
    for projection in spec.projections:
        incoming[projection.target] += projection.n_synapses
    return [
        {
            "population": p.name,
            "size": p.size,
            "in_degree": float(incoming[i] / p.size),
            "drive_rate": p.drive.rate if p.drive else 0.0,
            "I_e_pA": p.I_e,
            "expected_rate": spec.expected_rates[i],
        }
        for i, p in enumerate(spec.populations)
    ]


def show_json(model: NetworkModel, spec: NetworkSpec) -> dict[str, Any]:
    """Return everything that ``show`` prints, as plain data.

    Of a multi-area model, areas and populations with their in-degrees, weights and delays stand for the list of projections.
    """
    network = {**spec.to_dict(), "n_synapses": spec.n_synapses, "digest": spec.digest()}
    parts: dict[str, Any] = {}
    if isinstance(model.content, MultiAreaDocument):
        del network["projections"], network["populations"]
        parts = {"areas": area_rows(model.content, spec), "populations": population_matrices(spec), "facts": fact_rows()}
    return {
        "format": "spinn_mam.show/1",
        "model": model.name,
        "values": value_rows(model),
        "variants": variant_rows(model),
        "sources": {k: s.model_dump() for k, s in model.content.sources.items()},
        **parts,
        "network": network,
    }


def show_tables(model: NetworkModel, spec: NetworkSpec) -> list[Table]:
    """Return the tables that ``show`` prints."""
    values = Table(title=model.content.title, title_justify="left", title_style="bold")
    for column in ("value", "", "unit", "source"):
        values.add_column(column, overflow="fold")
    for row in value_rows(model):
        source = Text(row["source"])
        if row["note"]:
            source.append(f"\n{row['note']}", style="dim")
        style = "bold yellow" if row["changed"] else ""
        values.add_row(Text(row["key"]), Text(format_value(row["value"])), row["unit"], source, style=style)
    variants = Table(title="Variants: where public versions disagree", title_justify="left", title_style="bold")
    for column in ("variant", "choice", "others", "why this default"):
        variants.add_column(column, overflow="fold")
    for row in variant_rows(model):
        style = "bold yellow" if row["choice"] != row["default"] else ""
        others = ", ".join(c for c in row["choices"] if c != row["choice"])
        variants.add_row(Text(row["variant"]), row["choice"], others, row["why"], style=style)
    parts = [network_table(spec)] if not isinstance(model.content, MultiAreaDocument) else area_tables(model.content, spec)
    sources = Table(title="Sources", title_justify="left", title_style="bold")
    for column in ("key", "citation", "DOI"):
        sources.add_column(column, overflow="fold")
    for key, source_ in model.content.sources.items():
        sources.add_row(key, source_.citation, source_.doi)
    return [values, variants, *parts, sources]


def network_table(spec: NetworkSpec) -> Table:
    """Return the table of the populations of a network."""
    network = Table(
        title=f"Network at N_scaling {spec.N_scaling:g}, K_scaling {spec.K_scaling:g}: "
        f"{int(spec.sizes.sum()):,} neurons, {spec.n_synapses:,} synapses in {len(spec.projections)} projections",
        title_justify="left",
        title_style="bold",
    )
    for column in ("population", "neurons", "in-degree", "drive (spikes/s)", "I_e (pA)", "expected rate (spikes/s)"):
        network.add_column(column, justify="left" if column == "population" else "right")
    for row in population_rows(spec):
        cells = (f"{row['size']:,}", f"{row['in_degree']:,.0f}", f"{row['drive_rate']:,.0f}", f"{row['I_e_pA']:.2f}", f"{row['expected_rate']:.3f}")
        network.add_row(row["population"], *cells)
    return network


def format_value(value: Any) -> str:
    """Write a value as people read it: rows of a matrix on lines, numbers without needless digits."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return "\n".join(format_value(row) for row in value)
    if isinstance(value, tuple | list):
        return " ".join(format_value(v) for v in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
