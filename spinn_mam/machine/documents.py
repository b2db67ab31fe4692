"""Documents of boards and machines: their schemas, and reading them from the package or from a user's file.

A machine's document (``NAME.toml``) names its board's document (``board-NAME.toml``), the rectangle of triads, whether its edges wrap,
the cores that monitors take and what is dead. The installed ones are in ``spinn_mam.board_configs``.
"""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spinn_mam.errors import DocumentError

PACKAGE = "spinn_mam.board_configs"
FORMAT = "spinn_mam.board_config/1"

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Link = Annotated[int, Field(ge=0, le=5)]
Core = Annotated[int, Field(ge=1, le=17)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Constant(_Document):
    """A positive number with its unit and where it is from."""

    value: Positive
    unit: Literal["", "B", "Hz"]
    source: Annotated[str, Field(min_length=1)]


class Constants(_Document):
    """Constants of a chip and its cores."""

    sdram_bytes: Constant
    router_entries: Constant
    dtcm_bytes: Constant
    itcm_bytes: Constant
    clock_hz: Constant


class ConstantOverrides(_Document):
    """Constants in which a machine differs from its board's document."""

    sdram_bytes: Constant | None = None
    router_entries: Constant | None = None
    dtcm_bytes: Constant | None = None
    itcm_bytes: Constant | None = None
    clock_hz: Constant | None = None


class BoardDocument(_Document):
    """A kind of board: its outline, cores and constants."""

    format: Literal["spinn_mam.board/1"]
    name: str
    version: Literal[3, 5]
    outline: Literal["square-4", "hexagon-48"]
    cores_per_chip: Annotated[int, Field(ge=2, le=18)]
    chips_with_fewer_cores: tuple[tuple[Count, Count, Annotated[int, Field(ge=2, le=18)]], ...]
    cores_source: Annotated[str, Field(min_length=1)]
    constants: Constants


class WrapDocument(_Document):
    """Whether links lead around the edges."""

    x: bool
    y: bool


class BoardConfigDocument(_Document):
    """A machine: boards, edges, monitors and what is dead."""

    format: Literal["spinn_mam.board_config/1"]
    name: Annotated[str, Field(min_length=1)]
    title: str
    board: str
    triads: tuple[Positive, Positive] | None = None
    wrap: WrapDocument
    monitors_per_chip: Annotated[int, Field(ge=0, le=17)]
    monitors_per_ethernet_chip: Annotated[int, Field(ge=0, le=17)]
    dead_boards: tuple[tuple[Count, Count], ...] = ()
    dead_chips: tuple[tuple[Count, Count], ...] = ()
    dead_cores: tuple[tuple[Count, Count, Core], ...] = ()
    dead_links: tuple[tuple[Count, Count, Link], ...] = ()
    constants: ConstantOverrides = ConstantOverrides()


def _installed() -> Traversable:
    """Return the folder of the installed documents."""
    try:
        return resources.files(PACKAGE)
    except ModuleNotFoundError:  # a source tree that is not installed has the folder beside the package
        return Path(__file__).parents[2] / "board_configs"


def board_config_names() -> list[str]:
    """Return the names of the installed machines, smallest first."""
    found = []
    for entry in _installed().iterdir():
        if not entry.name.endswith(".toml"):
            continue
        table = _read_toml(entry, entry.name)
        if table.get("format") == FORMAT:
            x, y = table.get("triads", (0, 0))
            found.append((x * y, table.get("board", ""), entry.name.removesuffix(".toml")))
    return [name for _, _, name in sorted(found)]


def read_board_config(name_or_path: str | Path) -> BoardConfigDocument:
    """Read and check a machine's document without building the machine; errors as ``load_board_config``."""
    text = str(name_or_path)
    source: Traversable
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        source = Path(name_or_path)
        if not source.is_file():
            raise DocumentError(text, "", f"there is no such file; a path to a TOML document or one of {', '.join(board_config_names())} is needed")
    else:
        source = _installed() / f"{text}.toml"
        if not source.is_file() or _read_toml(source, text).get("format") != FORMAT:
            raise DocumentError(text, "", f"there is no such machine; use one of {', '.join(board_config_names())}, or a path to a TOML document")
    return validated(BoardConfigDocument, _read_toml(source, text), text)


def read_board(name: str, where: str) -> BoardDocument:
    """Read a board's document that the document ``where`` names.

    Raises
    ------
    DocumentError
        If there is no such board or its document does not follow the schema.
    """
    source = _installed() / f"board-{name}.toml"
    if not source.is_file():
        known = sorted(e.name[6:-5] for e in _installed().iterdir() if e.name.startswith("board-") and e.name.endswith(".toml"))
        raise DocumentError(where, "board", f"there is no board {name!r}; use one of {', '.join(known)}")
    return validated(BoardDocument, _read_toml(source, source.name), source.name)


def _read_toml(source: Traversable, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DocumentError(where, "", f"is not valid TOML: {error}") from None


_Model = TypeVar("_Model", bound=_Document)


def validated(model: type[_Model], table: dict[str, Any], where: str) -> _Model:
    """Validate strictly; by way of JSON, whose arrays pydantic takes for tuples."""
    try:
        return model.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        message = first["msg"]
        if first["type"] == "extra_forbidden":
            message = "unknown key; remove it or check its spelling"
        elif first["type"] == "missing":
            message = "this key is missing"
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise DocumentError(where, key, message + more) from None
