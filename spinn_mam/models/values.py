"""Sourced values: what the leaves of every model document are, and how a document is checked against the schema of its family."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from spinn_mam.errors import DocumentError, UnitError
from spinn_mam.models.document import Document
from spinn_mam.network.spec import NeuronParameters
from spinn_mam.units import parse

M = TypeVar("M", bound=BaseModel)


class Frozen(BaseModel):
    """Base of all parts of a document: no key that it does not know, nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Frozen):
    """A publication or public code that values come from."""

    citation: str
    doi: str


def _convert(unit: str) -> Callable[[Any], Any]:
    def convert(leaf: Any) -> Any:
        if not isinstance(leaf, dict) or "value" not in leaf or "source" not in leaf:
            raise ValueError('needs { value = ..., source = "..." }')
        value = leaf["value"]
        if not value and isinstance(value, list):
            raise ValueError("must not be empty")
        try:
            return {**leaf, "value": [_row(v, unit) for v in value] if isinstance(value, list) else _finite(value, unit)}
        except UnitError as error:
            raise ValueError(str(error)) from error

    return convert


def _row(value: Any, unit: str) -> Any:
    return [_finite(v, unit) for v in value] if isinstance(value, list) else _finite(value, unit)


def _finite(value: Any, unit: str) -> float:
    number = parse(value, unit)
    if not math.isfinite(number):
        raise UnitError(f"must be a finite number, found {number:g}")
    return number


class Scalar(Frozen):
    """One sourced number, in the unit of its field."""

    value: float
    source: str
    note: str = ""


class Vector(Frozen):
    """A sourced number for each population."""

    value: tuple[float, ...]
    source: str
    note: str = ""


class Matrix(Frozen):
    """A sourced number for each pair of populations, [target][source]."""

    value: tuple[tuple[float, ...], ...]
    source: str
    note: str = ""


class Word(Frozen):
    """A sourced word, or words with commas."""

    value: str
    source: str
    note: str = ""


class Choice(Frozen):
    """A sourced word."""

    value: Literal["poisson", "dc"]
    source: str
    note: str = ""


def unit_field(unit: str) -> Any:
    """Name the unit of a field, for ``show``."""
    return Field(json_schema_extra={"unit": unit})


Ms = Annotated[Scalar, BeforeValidator(_convert("ms")), unit_field("ms")]
MV = Annotated[Scalar, BeforeValidator(_convert("mV")), unit_field("mV")]
PF = Annotated[Scalar, BeforeValidator(_convert("pF")), unit_field("pF")]
Rate = Annotated[Scalar, BeforeValidator(_convert("spikes/s")), unit_field("spikes/s")]
Number = Annotated[Scalar, BeforeValidator(_convert("")), unit_field("")]
Numbers = Annotated[Vector, BeforeValidator(_convert("")), unit_field("")]
Speed = Annotated[Scalar, BeforeValidator(_convert("mm/ms")), unit_field("mm/ms")]
MVs = Annotated[Vector, BeforeValidator(_convert("mV")), unit_field("mV")]
Rates = Annotated[Vector, BeforeValidator(_convert("spikes/s")), unit_field("spikes/s")]
Table = Annotated[Matrix, BeforeValidator(_convert("")), unit_field("")]


class Simulation(Frozen):
    """Time step."""

    dt: Ms


class Neuron(Frozen):
    """Parameters of all neurons."""

    C_m: PF
    tau_m: Ms
    tau_syn: Ms
    E_L: MV
    V_reset: MV
    V_th: MV
    t_ref: Ms

    def parameters(self) -> NeuronParameters:
        """Return them as a network has them."""
        return NeuronParameters(
            C_m=self.C_m.value,
            tau_m=self.tau_m.value,
            tau_syn_ex=self.tau_syn.value,
            tau_syn_in=self.tau_syn.value,
            E_L=self.E_L.value,
            V_reset=self.V_reset.value,
            V_th=self.V_th.value,
            t_ref=self.t_ref.value,
        )


def validate_as(schema: type[M], document: Document, problems: Callable[[M], Iterator[tuple[str, str]]]) -> M:
    """Check a resolved document against a schema and convert its units.

    Parameters
    ----------
    schema : type
        Of the document's family.
    document : Document
    problems : callable
        Yields key and problem of everything that is wrong beyond types and units.

    Raises
    ------
    DocumentError
        With the keys of everything that is wrong.
    """
    try:
        model = schema.model_validate(document.data)
    except ValidationError as error:
        found = [_plain(schema, dict(e)) for e in error.errors(include_url=False, include_input=False)]
    else:
        found = list(problems(model))
        if not found:
            return model
    (where, problem), *others = found
    more = "".join(f"\n  at '{key}': {text}" for key, text in others[:10]) + (f"\n  ... and {len(others) - 10} more" if len(others) > 10 else "")
    raise DocumentError(document.name, where, problem + more)


def _plain(schema: type[BaseModel], error: dict[str, Any]) -> tuple[str, str]:
    """Say what pydantic found in the document's words: key and problem."""
    path = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _fields(schema, path[:-1]), n=1)
        return ".".join(path), "unknown key" + (f": did you mean '{near[0]}'?" if near else "; remove it or check its spelling")
    if error["type"] == "missing":
        return ".".join(path), "is missing"
    if "value" in path:  # "neuron.tau_m.value" is what people know as neuron.tau_m
        path = [part for part in path if part != "value"]
    kind = {"float_type": "a single number", "tuple_type": "a list", "model_type": "a table", "dict_type": "a table", "bool_parsing": "true or false"}
    text = f"must be {kind[error['type']]}" if error["type"] in kind else error["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return ".".join(path), text


def _fields(schema: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the keys that a table of the document can have."""
    model: Any = schema
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field is not None else None
    return list(getattr(model, "model_fields", {}))
