"""The anatomical facts: tables in the package's own format, each with its source, what was changed, and its licence.

A table is a CSV file with a head of ``# key: value`` lines. The folder has a licence of its own (CC BY-NC-SA 4.0), apart from the code's, and may be
taken out: then only the multi-area model is not there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

import numpy as np

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.network.spec import FloatArray

FORMAT = "spinn_mam.facts/1"
LICENSE = "CC-BY-NC-SA-4.0"
#: Columns of each table, the ones that identify a row first, and how many those are.
COLUMNS: Mapping[str, tuple[tuple[str, ...], int]] = MappingProxyType(
    {
        "architectural_types": (("area", "type"), 1),
        "hierarchy": (("area", "level"), 1),
        "surfaces": (("area", "surface_mm2"), 1),
        "thicknesses": (("area", "thickness_mm"), 1),
        "densities_neun": (("region", "overall", "L23", "L4", "L56"), 1),
        "densities_nissl": (("region", "overall"), 1),
        "regions": (("region", "area"), 2),
        "laminar_thicknesses": (("area", "study", "L1", "L23", "L4", "L5", "L6", "total"), 2),
        "microcircuit": (("population", "neurons", *(f"from_{p}" for p in ("23E", "23I", "4E", "4I", "5E", "5I", "6E", "6I"))), 1),
        "distances": (("area", "other", "distance_mm"), 2),
        "injections": (("injection", "region", "area"), 1),
        "tracer_counts": (("injection", "source", "fln"), 2),
        "layer_counts": (("injection", "source", "supragranular", "infragranular"), 2),
        "overlaps": (("region", "area", "percent"), 2),
        "existence": (("target", "source", "studies", "source_pattern", "target_pattern"), 2),
        "functional_connectivity": (("area", "other", "first_hemisphere", "second_hemisphere"), 2),
        "clusters": (("area", "structure", "stabilised", "simulated", "fmri"), 1),
        "cell_types": (("cell_type", "synapse_layer", "percent_of_cells", "synapses_per_neuron", "corticocortical_percent"), 2),
    }
)
#: Columns that hold words; all others hold numbers.
WORDS = frozenset(
    {
        "area",
        "region",
        "other",
        "study",
        "population",
        "injection",
        "source",
        "target",
        "source_pattern",
        "target_pattern",
        "cell_type",
        "synapse_layer",
    }
)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of facts.

    Attributes
    ----------
    name : str
    head : dict of str to str
        Title, source, DOI, what was modified, licence.
    columns : tuple of str
    rows : tuple of tuple
        Words and numbers; None where a number is absent.
    """

    name: str
    head: Mapping[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def by_area(self, column: str) -> FloatArray:
        """Return a column of a table with one row for each area, NaN where there is none, shape (areas,)."""
        at = self.columns.index(column)
        found = {row[0]: row[at] for row in self.rows}
        return np.array([np.nan if found.get(area) is None else found[area] for area in AREAS], dtype=float)


@dataclass(frozen=True, slots=True)
class Facts:
    """All tables.

    Attributes
    ----------
    tables : mapping of str to Table
    """

    tables: Mapping[str, Table]

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables.values())


def folder() -> Traversable:
    """Return the folder of the facts.

    Raises
    ------
    UsageError
        If it is not there.
    """
    there = resources.files("spinn_mam.models.mam") / "facts"
    if not there.is_dir():
        raise UsageError(
            "the multi-area model needs its anatomical facts, spinn_mam/models/mam/facts, and this installation has none (they have a licence of "
            "their own, CC BY-NC-SA 4.0, and can be left out): install a release that has them; all other models work without"
        )
    return there


@cache
def load_facts() -> Facts:
    """Read all tables that ship with the package.

    Raises
    ------
    UsageError
        If the folder is not there.
    DocumentError
        If a table is missing or not of the format.
    """
    where = folder()
    return Facts(MappingProxyType({name: read_table(where / f"{name}.csv", name) for name in COLUMNS}))


def read_table(file: Traversable, name: str) -> Table:
    """Read one table.

    Raises
    ------
    DocumentError
        If it is missing or not of the format.
    """
    shown = f"facts/{name}.csv"
    if not file.is_file():
        raise DocumentError(shown, "", "is missing from the folder of facts")
    head: dict[str, str] = {}
    lines = file.read_text(encoding="utf-8").splitlines()
    body = [line for line in lines if not line.startswith("#")]
    for line in lines:
        key, colon, value = line.removeprefix("#").partition(":")
        if line.startswith("#") and colon:
            head[key.strip()] = value.strip()
    if head.get("format") != FORMAT:
        raise DocumentError(shown, "format", f"expected '{FORMAT}', found {head.get('format')!r}")
    rows = csv.reader(body)
    columns = tuple(next(rows, ()))
    if columns != COLUMNS[name][0]:
        raise DocumentError(shown, "columns", f"expected {', '.join(COLUMNS[name][0])}, found {', '.join(columns)}")
    try:
        return Table(name, MappingProxyType(head), columns, tuple(_row(columns, row) for row in rows))
    except ValueError as error:
        raise DocumentError(shown, "", str(error)) from None


def _row(columns: tuple[str, ...], row: list[str]) -> tuple[Any, ...]:
    if len(row) != len(columns):
        raise ValueError(f"{len(row)} values for {len(columns)} columns: {','.join(row)}")
    return tuple(text if column in WORDS else float(text) if text else None for column, text in zip(columns, row, strict=True))
