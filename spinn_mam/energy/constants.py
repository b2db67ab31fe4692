"""What an action costs: power constants with their intervals and sources, read from TOML documents."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spinn_mam.errors import DocumentError, UsageError

FORMAT = "spinn_mam.power/1"
BOARDS = ("spin5", "spin3")


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another published value of a constant.

    Attributes
    ----------
    value : float
        In the unit of the constant.
    source, note : str
    """

    value: float
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Constant:
    """A number with an interval and its origin.

    Attributes
    ----------
    name : str
    value, lower, upper : float
        Value used and the interval it may lie in, in ``unit``.
    unit : str
    source : str
        Where the value comes from.
    doi : str
        Empty if the source has none.
    note : str
        Where the interval comes from.
    alternatives : tuple of Alternative
        Other published values.
    """

    name: str
    value: float
    lower: float
    upper: float
    unit: str
    source: str
    doi: str = ""
    note: str = ""
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class PowerConstants:
    """The energy table of one kind of board.

    Attributes
    ----------
    board : str
        ``"spin5"`` (48 chips) or ``"spin3"`` (4 chips).
    board_idle : Constant
        An idle board (W).
    awake_core : Constant
        A core that is awake, over one that sleeps (W).
    awake_fraction : Constant
        Mean part of the time for which application cores are awake during a run.
    router_bit : Constant
        A bit through one router (J).
    packet_bits : Constant
        Bits of a multicast packet.
    frame, box : Constant or None
        What surrounds several boards, or one (W); None where the board's figure holds it.
    boards_per_frame : Constant or None
    """

    board: str
    board_idle: Constant
    awake_core: Constant
    awake_fraction: Constant
    router_bit: Constant
    packet_bits: Constant
    frame: Constant | None = None
    box: Constant | None = None
    boards_per_frame: Constant | None = None

    def all(self) -> tuple[Constant, ...]:
        """Return every constant of the table."""
        every = (
            self.board_idle,
            self.awake_core,
            self.awake_fraction,
            self.router_bit,
            self.packet_bits,
            self.frame,
            self.box,
            self.boards_per_frame,
        )
        return tuple(c for c in every if c is not None)

    def with_value(self, name: str, value: float) -> PowerConstants:
        """Return a table in which one constant has another value; its interval is kept.

        Raises
        ------
        UsageError
            If there is no constant of this name.
        """
        old = {c.name: c for c in self.all()}.get(name)
        if old is None:
            raise UsageError(f"power constants of {self.board}: there is no '{name}'; there are {', '.join(c.name for c in self.all())}")
        return replace(self, **{name: replace(old, value=value)})  # type: ignore[arg-type]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _AlternativeDocument(_Document):
    value: float
    source: str = Field(min_length=1)
    note: str = ""


class _ConstantDocument(_Document):
    value: float = Field(ge=0)
    lower: float = Field(ge=0)
    upper: float = Field(ge=0)
    unit: str
    source: str = Field(min_length=1)
    doi: str = ""
    note: str = ""
    alternatives: tuple[_AlternativeDocument, ...] = ()

    @model_validator(mode="after")
    def _value_in_interval(self) -> _ConstantDocument:
        if not self.lower <= self.value <= self.upper:
            raise ValueError(f"value {self.value:g} is outside its interval [{self.lower:g}, {self.upper:g}]")
        return self


class _ConstantsDocument(_Document):
    board_idle: _ConstantDocument
    awake_core: _ConstantDocument
    awake_fraction: _ConstantDocument
    router_bit: _ConstantDocument
    packet_bits: _ConstantDocument
    frame: _ConstantDocument | None = None
    box: _ConstantDocument | None = None
    boards_per_frame: _ConstantDocument | None = None

    @model_validator(mode="after")
    def _units(self) -> _ConstantsDocument:
        units = {"board_idle": "W", "awake_core": "W", "awake_fraction": "", "router_bit": "J", "packet_bits": "bit", "frame": "W", "box": "W"}
        for name, unit in units.items():
            constant = getattr(self, name)
            if constant is not None and constant.unit != unit:
                raise ValueError(f"{name} is in '{constant.unit}'; '{unit}' is needed")
        if self.awake_fraction.upper > 1:
            raise ValueError(f"awake_fraction reaches {self.awake_fraction.upper:g}; at most 1 is possible")
        if (self.frame is None) != (self.boards_per_frame is None):
            raise ValueError("frame and boards_per_frame go together")
        return self


class _PowerDocument(_Document):
    format: Literal["spinn_mam.power/1"]
    board: str
    description: str
    constants: _ConstantsDocument


def load_power_constants(board: str = "spin5", path: Path | None = None) -> PowerConstants:
    """Read the energy table of a kind of board, the package's own or a document of yours.

    Parameters
    ----------
    board : str
        ``"spin5"`` or ``"spin3"``; not used if there is a ``path``.
    path : Path or None
        A TOML document with ``format = "spinn_mam.power/1"``.

    Raises
    ------
    UsageError
        If the package has no table for the board.
    DocumentError
        If the document cannot be read or is not valid.

    Examples
    --------
    >>> load_power_constants("spin5").board_idle.value
    26.84
    """
    if path is None:
        if board not in BOARDS:
            raise UsageError(f"power constants: none for the board '{board}'; there are some for {', '.join(BOARDS)}")
        name = f"power_{board}.toml"
        text = files("spinn_mam.energy").joinpath(name).read_text(encoding="utf-8")
    else:
        name = path.name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DocumentError(name, "", f"cannot be read ({error.__class__.__name__}): give the path of a TOML document") from error
    try:
        document = _PowerDocument.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(name, "", f"no valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise DocumentError(name, ".".join(str(p) for p in first["loc"]), first["msg"]) from error
    constants = {k: _constant(k, v) for k, v in document.constants if v is not None}
    return PowerConstants(board=document.board, **constants)


def _constant(name: str, document: _ConstantDocument) -> Constant:
    d = document
    alternatives = tuple(Alternative(a.value, a.source, a.note) for a in d.alternatives)
    return Constant(name, d.value, d.lower, d.upper, d.unit, d.source, d.doi, d.note, alternatives)
