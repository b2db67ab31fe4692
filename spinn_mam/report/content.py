"""What a report says, as data: every part is there or says why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from matplotlib.figure import Figure

from spinn_mam.energy.literature import LiteratureRow
from spinn_mam.energy.metered_run import PhaseCheck
from spinn_mam.energy.model import EnergyEstimate

Mark = Literal["", "pass", "fail", "weak", "flag"]


@dataclass(frozen=True, slots=True)
class Absent:
    """A part that is not there.

    Attributes
    ----------
    why : str
        Why not, and what would bring it; completes "not shown: ..." and ends with a full stop.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of the accuracy check.

    Attributes
    ----------
    outcome : str
        ``"pass"``, ``"fail"`` or ``"undecided"``.
    sentence : str
        What was compared with what, in one line.
    """

    outcome: Literal["pass", "fail", "undecided"]
    sentence: str


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """A number of the first screen.

    Attributes
    ----------
    label, value : str
        Such as ``"Real-time factor"`` and ``"5.2"``.
    detail : str
        A few words below it.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell with more than a value.

    Attributes
    ----------
    value : str, int, float or None
        None is shown as a dash.
    mark : str
        ``"pass"``, ``"fail"``, ``"weak"``, ``"flag"`` or empty.
    doi : str
        Link of the cell; empty for none.
    title : str
        Longer text shown on hovering, such as value and threshold.
    """

    value: str | int | float | None
    mark: Mark = ""
    doi: str = ""
    title: str = ""


Value = Cell | str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings.

    Attributes
    ----------
    columns : tuple of str
    rows : tuple of tuple of Cell, str, int, float or None
        As long as ``columns``; the first cell heads its row.
    caption, note : str
        Above and below it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    caption: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with words for those who cannot see it.

    Attributes
    ----------
    figure : Figure
        About 5.6 x 3.7 inches for the raster, 4.6 x 3.7 for the rates, 4.6 x 3.2 for the machine. Text and thin lines in black or
        dark grey follow the reader's colour scheme.
    alt : str
        What it shows.
    caption : str
    png : bool
        Embed as pixels instead of as SVG with its heavy parts as pixels.
    """

    figure: Figure
    alt: str
    caption: str = ""
    png: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """A parameter that differs from the model document.

    Attributes
    ----------
    key : str
    default, value : str
        With units.
    """

    key: str
    default: str
    value: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A source.

    Attributes
    ----------
    text : str
    doi : str
        Empty if it has none.
    """

    text: str
    doi: str = ""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything on the page. What is left out is said to be left out.

    Attributes
    ----------
    title, subtitle : str
    created : str
        When, in UTC, as text.
    numbers : tuple of KeyNumber
        At most eight fit the first screen: real-time factor, memory, spikes and so on.
    verdict : Verdict or Absent
    raster, rates, machine : Picture or Absent
    accuracy : Table or Absent
        Rows are populations, columns statistics, cells marked.
    energy : EnergyEstimate or Absent
    energy_checks : tuple of PhaseCheck
        What the energy model was checked against.
    literature : tuple of LiteratureRow
        Published results; a few of them also stand on the first screen.
    drive : str
        External drive of the run, for the comparison.
    warnings : tuple of str
        Lost packets, saturated weights, delays that could not be kept: whatever taints the run.
    overrides : tuple of Override
        Parameters that differ from the model document.
    parameters, mapping, stages : Table or Absent
    mapping_pictures : tuple of Picture
    analysis, real_time : tuple of Picture or Table, or Absent
    provenance : mapping or Absent
        Plain data, as in manifest.json.
    citations : tuple of Citation
    command : str
        What to type to get the same run.
    """

    title: str
    subtitle: str = ""
    created: str = ""
    numbers: tuple[KeyNumber, ...] = ()
    verdict: Verdict | Absent = Absent("the run was not compared with a reference.")
    raster: Picture | Absent = Absent("no spikes were recorded.")
    rates: Picture | Absent = Absent("no spikes were recorded.")
    accuracy: Table | Absent = Absent("there is no reference for this model at this scale.")
    machine: Picture | Absent = Absent("the run has no deployment.")
    energy: EnergyEstimate | Absent = Absent("the run has no deployment, or its backend does not count synaptic events.")
    energy_checks: tuple[PhaseCheck, ...] = ()
    literature: tuple[LiteratureRow, ...] = ()
    drive: str = ""
    warnings: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    parameters: Table | Absent = Absent("no parameters were passed to the report.")
    mapping: Table | Absent = Absent("this run has no mapping.")
    mapping_pictures: tuple[Picture, ...] = ()
    real_time: tuple[Picture | Table, ...] | Absent = Absent("this run has no mapping.")
    stages: Table | Absent = Absent("no stage times were recorded.")
    analysis: tuple[Picture | Table, ...] | Absent = Absent("no further analysis was made.")
    provenance: Mapping[str, Any] | Absent = field(default_factory=lambda: Absent("no manifest was written."))
    citations: tuple[Citation, ...] = ()
    command: str = ""
