"""Published speed and energy of the microcircuit, each row with its boundary and its flag."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: Rows whose energy stands beside that of a run on the first screen, oldest first; all rows are in the full table.
NEIGHBOURS = ("SpiNNaker 2018", "NEST 2018", "SpiNNaker 2019", "NEST 2022", "NEST GPU 2023")


@dataclass(frozen=True, slots=True)
class LiteratureRow:
    """One published result.

    Attributes
    ----------
    system, short : str
        Its name, and a shorter one.
    year : int
    rtf : float
        Wall-clock over biological time.
    energy_uJ : float or None
        Energy of a synaptic event, recurrent events only (uJ).
    energy_other_uJ : float or None
        A conflicting published figure for the same run (uJ).
    hardware, drive : str
    kind : str
        ``"measured"`` or ``"estimated"``.
    boundary : str
        What the energy holds.
    study, doi : str
    flag : str
        What to know before comparing; empty if nothing.
    """

    system: str
    short: str
    year: int
    rtf: float
    energy_uJ: float | None
    energy_other_uJ: float | None
    hardware: str
    drive: str
    kind: str
    boundary: str
    study: str
    doi: str
    flag: str


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    system: str = Field(min_length=1)
    short: str = Field(min_length=1)
    year: int
    rtf: float = Field(gt=0)
    energy_uJ: float | None = Field(default=None, gt=0)
    energy_other_uJ: float | None = Field(default=None, gt=0)
    hardware: str = Field(min_length=1)
    drive: Literal["DC", "Poisson"]
    kind: Literal["measured", "estimated"]
    boundary: str = Field(min_length=1)
    study: str = Field(min_length=1)
    doi: str = Field(pattern=r"^10\.\d{4,}/\S+$")
    flag: str


class _LiteratureDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["spinn_mam.literature/1"]
    model: str
    table_source: str
    table_doi: str
    rows: tuple[_Row, ...]


def literature_rows() -> tuple[LiteratureRow, ...]:
    """Return all published results, oldest first.

    Examples
    --------
    >>> disputed = literature_rows()[0]
    >>> disputed.short, disputed.energy_uJ, disputed.energy_other_uJ
    ('SpiNNaker 2018', 5.9, 4.4)
    """
    text = files("spinn_mam.energy").joinpath("literature.toml").read_text(encoding="utf-8")
    document = _LiteratureDocument.model_validate(tomllib.loads(text))
    return tuple(LiteratureRow(**row.model_dump()) for row in sorted(document.rows, key=lambda r: r.year))


def neighbours() -> tuple[LiteratureRow, ...]:
    """Return the few rows to show beside a run of ours."""
    by_name = {row.short: row for row in literature_rows()}
    return tuple(by_name[name] for name in NEIGHBOURS)
