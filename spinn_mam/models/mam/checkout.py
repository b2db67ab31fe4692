"""The anatomical tables of a checkout of INM-6/multi-area-model, read as the tables of this package, and compared with those.

The layout is that of its releases: tables of tabs, commas and JSON in ``multiarea_model/data_multiarea/raw_data``, stabilised in-degrees in
``figures/SchueckerSchmidt2017/K_prime_original.npy``. Only what the derivation needs is read.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.in_degrees import read_in_degrees
from spinn_mam.models.mam.tables import COLUMNS, WORDS, Facts, Table, load_facts

#: Names of regions in the tables of densities that stand for one region: that table's name, and the other's.
STAINED_REGIONS = MappingProxyType({"V5/MT": "MT", "A46v": "area 46v", "A7a": "7a", "LIPv": "LIP", "TEr": "Te1"})
#: Regions in the tracer tables, and their names in the table of overlaps.
OVERLAP_NAMES = MappingProxyType(
    {
        "ENTO": "Entorhinal",
        "POLE": "Temporal-pole",
        "Parainsula": "Insula",
        "SUB": "Subiculum",
        "PIRI": "Piriform",
        "PERI": "Perirhinal",
        "Pro.St.": "Prostriate",
        "INSULA": "Insula",
        "CORE": "Aud-core",
        "29/30": "29_30",
        "TEa/mp": "TEam-p",
        "TH/TF": "TH_TF",
        "TEa/ma": "TEam-a",
        "9/46v": "9_46v",
        "9/46d": "9_46d",
        "SII": "S2",
    }
)
#: A row as text, None where there is nothing.
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What sets a table of a checkout apart from the one of this package.

    Attributes
    ----------
    table : str
    n_rows : int
        Rows here.
    missing, added : tuple of str
        Rows that are here alone, and there alone.
    changed : tuple of str
        Values that differ, as text: row, column, here, there.
    """

    table: str
    n_rows: int
    missing: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the tables hold the same."""
        return not (self.missing or self.added or self.changed)


def compare_checkout(folder: Path) -> list[Difference]:
    """Compare all tables of a checkout, and its stabilised in-degrees if it has them, with those of this package.

    Raises
    ------
    UsageError
        If the folder is no checkout.
    DocumentError
        If one of its tables cannot be read.
    """
    ours, theirs = load_facts(), read_checkout(folder)
    found = [_difference(ours[table.name], table) for table in theirs]  # a checkout has not all that is here
    matrix = _in_degrees(folder)
    if matrix is not None:
        n = matrix.shape[0]
        here, there = read_in_degrees("published", n), np.where(matrix > 1e-8, matrix, 0.0)
        at = np.argwhere(here != there)
        changed = tuple(f"[{t}, {s}]: {here[t, s]:.10g} here, {there[t, s]:.10g} there" for t, s in at.tolist())
        found.append(Difference("published_in_degrees", int((here > 0).sum()), (), (), changed))
    return found


def read_checkout(folder: Path) -> Facts:
    """Read the tables of a checkout.

    Parameters
    ----------
    folder : Path
        The checkout, or its folder of raw tables.

    Raises
    ------
    UsageError
        If the folder is no checkout.
    DocumentError
        If a table is missing or cannot be read.
    """
    raw = next((place for place in (folder / "multiarea_model" / "data_multiarea" / "raw_data", folder / "raw", folder) if _is_raw(place)), None)
    if raw is None:
        raise UsageError(f"{folder}: no checkout of INM-6/multi-area-model: it has no multiarea_model/data_multiarea/raw_data/cortical_surface.csv")
    tables: dict[str, tuple[Row, ...]] = {}
    for name, read in READERS.items():
        try:
            tables[name] = tuple(read(raw, tables))
        except (OSError, UnicodeDecodeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise DocumentError(str(raw), name, f"the table cannot be read from this checkout ({error!r})") from None
    source = MappingProxyType({"title": "as in the checkout", "source": str(raw)})
    return Facts(MappingProxyType({name: Table(name, source, COLUMNS[name][0], _typed(name, tables[name])) for name in COLUMNS if name in tables}))


def _is_raw(place: Path) -> bool:
    return (place / "cortical_surface.csv").is_file()


def _in_degrees(folder: Path) -> Any:
    for place in (folder / "figures" / "SchueckerSchmidt2017", folder):
        file = place / "K_prime_original.npy"
        if file.is_file():
            return np.load(file, allow_pickle=False)
    return None


def _typed(name: str, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    columns = COLUMNS[name][0]
    return tuple(tuple(str(v) if c in WORDS else None if v in ("", None) else float(v) for c, v in zip(columns, row, strict=True)) for row in rows)


def _difference(ours: Table, theirs: Table) -> Difference:
    width = COLUMNS[ours.name][1]
    here, there = ({row[:width]: row[width:] for row in table.rows} for table in (ours, theirs))
    changed = [
        f"{' '.join(key)} {column}: {a} here, {b} there"
        for key, values in here.items()
        if key in there
        for column, a, b in zip(ours.columns[width:], values, there[key], strict=True)
        if a != b
    ]
    missing, added = (tuple(" ".join(key) for key in first if key not in second) for first, second in ((here, there), (there, here)))
    return Difference(ours.name, len(ours.rows), missing, added, tuple(changed))


def _tabs(file: Path, skip: int = 2) -> Iterator[list[str]]:
    """Yield the rows of a table with tabs, without those that hold nothing."""
    for line in file.read_text(encoding="utf-8").splitlines()[skip:]:
        if line.strip():
            yield [cell.strip() for cell in line.split("\t")]


def _known_pairs(file: str, skip: int = 2) -> Callable[[Path, Mapping[str, Any]], Iterator[Row]]:
    def read(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
        del tables
        return ((row[0], row[1]) for row in _tabs(raw / file, skip) if len(row) > 1 and row[1] not in ("", "?"))

    return read


def _thicknesses(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    return ((row[0], row[4]) for row in _tabs(raw / "CorticalThickness.csv", 3) if len(row) > 4 and row[4])


def _neun(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    return ((row[0], row[1], row[3], row[5], row[7]) for row in _tabs(raw / "NeuronalDensities_NeuN.csv"))


def _nissl(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    for row in csv.reader((raw / "NeuronalDensities_Nissl.csv").read_text(encoding="utf-8").splitlines()[2:]):
        if len(row) > 2 and row[2].strip().replace(".", "", 1).isdigit():
            yield STAINED_REGIONS.get(row[0], row[0]), row[2]


def _regions(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    return ((row[0], row[1]) for row in _tabs(raw / "SchemeTranslation.csv") if row[1] in AREAS)


def _layers(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    rows = _tabs(raw / "laminar_thicknesses_macaque.csv")
    head = next(rows)
    at, study = [head.index(name) for name in ("L1", "L2/3", "L4", "L5", "L6", "total")], head.index("source")
    for row in rows:
        values = [row[k] if k < len(row) else "" for k in at]
        if row[0] in AREAS and any(values) and (values[-1] or any(v and float(v) == 0.0 for v in values)):
            cited = re.match(r".+?\(\d{4}\)", row[study])
            yield row[0], cited.group() if cited else row[study], *values


def _microcircuit(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    sizes = {row[0]: row[1] for row in _tabs(raw / "Numbers_V1.csv")}
    for row in list(_tabs(raw / "Intrinsic_Connectivity.csv"))[1:]:
        yield row[0], sizes[row[0]], *row[1:9]


def _injections(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    return ((row[2], row[0], row[8]) for row in _tabs(raw / "Markov2014_InjectionSites.csv", 3) if len(row) > 8 and row[8] in AREAS)


def _tracer_counts(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    inside = {row[0] for row in tables["injections"]}
    last = {(row[1], row[2]): row[4] for row in _tabs(raw / "Markov2014_FLN_rawdata.csv") if row[1] in inside}
    return ((injection, source, fraction) for (injection, source), fraction in last.items())


def _layer_counts(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    inside = {row[0] for row in tables["injections"]}
    rows = [line.split() for line in (raw / "SLN_Data.csv").read_text(encoding="utf-8").splitlines()[3:] if line.strip()]
    last = {(row[8], row[2]): (row[3], row[4]) for row in rows if row[8] in inside}
    return ((injection, source, *counts) for (injection, source), counts in last.items())


def _overlaps(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    parts = json.loads((raw / "overlap.json").read_text(encoding="utf-8"))["all"]
    for region in sorted({row[1] for row in tables["tracer_counts"]}):
        shares: dict[str, float] = {}
        for name, percent in parts[f"{OVERLAP_NAMES.get(region, region)}_M132"].items():
            area = name.partition(".")[2]
            if area in AREAS:
                shares[area] = shares.get(area, 0.0) + percent
        yield from ((region, area, f"{shares[area]:.10g}") for area in AREAS if area in shares)


def _existence(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    patterns = json.loads((raw / "CoCoMac_complete_81.json").read_text(encoding="utf-8"))
    studies = json.loads((raw / "cocomac_confirmative_studies.json").read_text(encoding="utf-8"))
    for source, targets in patterns.items():
        for target, (at_source, at_target) in targets.items():
            area = target.partition("-")[2]
            if area in AREAS and (at_source or at_target or studies[source][target] > 0):
                yield area, source.partition("-")[2], studies[source][target], at_source or "", at_target or ""


def _distances(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    rows = list(_tabs(raw / "Median_Distances_81areas.csv"))
    others = [name for name in rows[0] if name]
    table = {row[0]: dict(zip(others, row[1:], strict=True)) for row in rows[1:]}
    for a, area in enumerate(AREAS):
        outside = {source for target, source, *_ in tables["existence"] if target == area and source not in AREAS and source in table}
        yield from ((area, other, table[area][other]) for other in (*AREAS[a + 1 :], *sorted(outside)))


def _cell_types(raw: Path, tables: Mapping[str, Any]) -> Iterator[Row]:
    del tables
    rows = _tabs(raw / "BinzeggerData.csv")
    head = next(rows)
    at = [next(k for k, name in enumerate(head) if name.startswith(start)) for start in ("percent of cells", "number of synapses", "corticocortical")]
    percent: dict[str, str] = {}
    for row in rows:
        if row[0] and not row[0].startswith("T"):  # thalamic cells come last
            percent.setdefault(row[0], row[at[0]])
            layer = re.sub(r"\D", "", row[1] or row[0].rpartition("(")[2])
            yield row[0], layer, percent[row[0]], row[at[1]], row[at[2]]


#: How each table is read, those that need others after them.
READERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Iterator[Row]]] = MappingProxyType(
    {
        "architectural_types": _known_pairs("ArchitecturalTypes.csv"),
        "hierarchy": _known_pairs("hierarchy_Reid.csv"),
        "surfaces": _known_pairs("cortical_surface.csv"),
        "thicknesses": _thicknesses,
        "densities_neun": _neun,
        "densities_nissl": _nissl,
        "regions": _regions,
        "laminar_thicknesses": _layers,
        "microcircuit": _microcircuit,
        "existence": _existence,
        "distances": _distances,
        "injections": _injections,
        "tracer_counts": _tracer_counts,
        "layer_counts": _layer_counts,
        "overlaps": _overlaps,
        "cell_types": _cell_types,
    }
)
