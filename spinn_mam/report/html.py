"""The report of a run as one HTML file that needs nothing beside it: no script, no font, no file from elsewhere.

The first screen answers what was run, whether it is right, and what it costs; all else is below it. A part that is missing says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from spinn_mam.energy.literature import NEIGHBOURS, LiteratureRow
from spinn_mam.energy.model import EVENTS_COUNTED, METHOD, EnergyEstimate
from spinn_mam.report.content import Absent, Cell, Citation, KeyNumber, Override, Picture, ReportContent, Table, Value, Verdict
from spinn_mam.report.inline import figure_markup
from spinn_mam.report.tables import amount

__all__ = ["Absent", "Cell", "Citation", "KeyNumber", "Override", "Picture", "ReportContent", "Table", "Verdict", "render_report", "write_report"]


#: Width over height above which a picture takes a whole row.
WIDE = 2.5


@dataclass(frozen=True, slots=True)
class _Figure:
    """A picture, converted; ``shape`` is ``wide`` or ``tall``, or empty for one that fits beside others."""

    markup: Markup
    caption: str
    shape: str


@dataclass(frozen=True, slots=True)
class _Dot:
    """A row of the energy chart: positions in per cent of its width."""

    label: str
    text: str
    at: float
    low: float
    high: float
    other: float | None
    ours: bool
    flag: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Chart:
    dots: tuple[_Dot, ...]
    ticks: tuple[tuple[float, str], ...]


def write_report(path: Path, content: ReportContent) -> Path:
    """Write the report, whole or not at all.

    Parameters
    ----------
    path : Path
        Such as ``report.html`` in the run's folder.
    content : ReportContent

    Returns
    -------
    Path
        The file.
    """
    text = render_report(content)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def render_report(content: ReportContent) -> str:
    """Return the report as the text of an HTML document."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = format_number
    environment.filters["amount"] = amount
    environment.filters["cell"] = _cell
    environment.filters["per_cent"] = _per_cent
    environment.filters["numeric_columns"] = _numeric_columns
    environment.tests["absent"] = lambda part: isinstance(part, Absent)
    environment.tests["figure"] = lambda part: isinstance(part, _Figure)
    template = environment.from_string(files("spinn_mam.report").joinpath("template.html").read_text(encoding="utf-8"))
    energy = None if isinstance(content.energy, Absent) else content.energy
    return template.render(
        c=content,
        raster=_convert(content.raster, "raster"),
        rates=_convert(content.rates, "rates"),
        machine=_convert(content.machine, "machine"),
        mapping_pictures=[_convert(p, f"mapping{i}") for i, p in enumerate(content.mapping_pictures)],
        analysis=_convert_all(content.analysis, "analysis"),
        real_time=_convert_all(content.real_time, "realtime"),
        energy=energy,
        chart=_chart(energy, content.literature),
        neighbours=NEIGHBOURS,
        method=METHOD,
        events_counted=EVENTS_COUNTED,
        provenance=content.provenance if isinstance(content.provenance, Absent) else _flatten(content.provenance),
    )


def format_number(value: float | int | None, digits: int = 3) -> str:
    """Return a number for reading: grouped thousands, a few digits, powers of ten only when they help.

    Parameters
    ----------
    value : float, int or None
        None and numbers that are not finite give a dash.
    digits : int
        Significant digits of a float; integers are given whole.

    Examples
    --------
    >>> format_number(61234.5), format_number(0.0123456), format_number(938037605), format_number(2.5e-11), format_number(None)
    ('61\u202f200', '0.0123', '938\u202f037\u202f605', '2.5×10⁻¹¹', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}".replace(",", "\u202f")
    value = float(f"{value:.{digits - 1}e}")
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent >= 9 or exponent < -4:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}×10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return f"{value:,.{max(0, digits - 1 - exponent)}f}".replace(",", "\u202f")


def _cell(value: Value) -> dict[str, Any]:
    """Make a cell of whatever a table holds."""
    cell = value if isinstance(value, Cell) else Cell(value)
    shown = cell.value
    numeric = not isinstance(shown, str | bool)
    text = str(shown) if isinstance(shown, str | bool) else format_number(shown)
    return {"text": text, "mark": cell.mark, "doi": cell.doi, "title": cell.title, "numeric": numeric}


def _numeric_columns(table: Table) -> list[bool]:
    """Tell which columns hold numbers only, so that their headings stand above them."""
    return [bool(table.rows) and i > 0 and all(_cell(row[i])["numeric"] for row in table.rows) for i in range(len(table.columns))]


def _per_cent(share: float) -> str:
    """Return a deviation in per cent with its sign; none for zero."""
    text = f"{100 * share:+.1f}".replace("-", "−")
    return f"{'0.0' if text in ('+0.0', '−0.0') else text} %"


def _convert_all(parts: tuple[Picture | Table, ...] | Absent, name: str) -> Any:
    """Draw the pictures of a section."""
    return parts if isinstance(parts, Absent) else [_convert(part, f"{name}{i}") for i, part in enumerate(parts)]


def _convert(part: Any, prefix: str) -> Any:
    """Convert a picture; leave everything else."""
    if isinstance(part, Picture):
        width, height = part.figure.get_size_inches()
        shape = "wide" if width > WIDE * height else "tall" if height > width else ""
        return _Figure(Markup(figure_markup(part.figure, alt=part.alt, prefix=prefix, png=part.png)), part.caption, shape)
    return part


def _flatten(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested plain data to rows of a dotted key and a text."""
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{name}.")
        elif isinstance(value, float):
            rows.append((name, f"{value:.6g}"))
        elif isinstance(value, list | tuple):
            rows.append((name, ", ".join(str(v) for v in value)))
        elif value is not None:
            rows.append((name, str(value)))
    return rows


def _chart(energy: EnergyEstimate | None, literature: tuple[LiteratureRow, ...]) -> _Chart | None:
    """Place a run and its neighbours on a logarithmic axis of energy per synaptic event."""
    if energy is None or energy.per_synaptic_event_uJ is None or energy.interval_uJ is None:
        return None
    near = [row for row in literature if row.short in NEIGHBOURS and row.energy_uJ is not None]
    published = [v for row in near for v in (row.energy_uJ, row.energy_other_uJ) if v is not None]
    values = [energy.per_synaptic_event_uJ, *energy.interval_uJ, *published]
    least, most = math.log10(min(v for v in values if v > 0)), math.log10(max(values))
    first, last = math.floor(least - 0.01), math.ceil(most + 0.01)

    def at(value: float) -> float:
        return round(100.0 * (math.log10(value) - first) / (last - first), 2)

    e = energy.per_synaptic_event_uJ
    low, high = energy.interval_uJ
    text = f"{format_number(e)} ({format_number(low)}–{format_number(high)})"
    dots = [_Dot("This run", text, at(e), at(low), at(high), None, True, "", energy.kind)]
    for row in near:
        value, other = row.energy_uJ, row.energy_other_uJ
        if value is not None:
            shown = format_number(value, 2) if other is None else f"{format_number(value, 2)} or {format_number(other, 2)}"
            dots.append(_Dot(row.short, shown, at(value), at(value), at(value), None if other is None else at(other), False, row.flag, row.kind))
    ticks = tuple((at(10.0**k), f"{10.0**k:g}") for k in range(first, last + 1))
    return _Chart(tuple(dots), ticks)
