"""Model documents: TOML in which every value has its source and every public disagreement is a named variant.

Reading one takes four steps: the TOML is parsed; the choice of each variant is laid over it; the user's ``--set``
values are laid over that; the result is validated and converted to the package's units by the schema of its family.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from spinn_mam.errors import DocumentError, UsageError

FORMAT = "spinn_mam.model/1"
BY_USER = "set by the user"


@dataclass(frozen=True, slots=True)
class Override:
    """A value that differs from the document's default.

    Attributes
    ----------
    key : str
        Dotted path.
    default, value : str
        As text with units.
    """

    key: str
    default: str
    value: str


@dataclass(frozen=True, slots=True)
class Document:
    """A model document with its variants chosen and the user's values laid over it.

    Attributes
    ----------
    name : str
        File the document was read from, or the model's name.
    data : dict
        The whole tree; leaves with a source are ``{"value": ..., "source": ..., "note": ...}``.
    chosen : dict of str to str
        Variant to choice.
    overrides : tuple of Override
        Everything that differs from the default document.
    """

    name: str
    data: dict[str, Any]
    chosen: dict[str, str]
    overrides: tuple[Override, ...]


def model_names() -> list[str]:
    """Names of the model documents that ship with the package."""
    folder = resources.files("spinn_mam.models")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read(name_or_path: str) -> tuple[str, dict[str, Any]]:
    """Read the TOML of a shipped model or of a file.

    Raises
    ------
    UsageError
        If there is no such model or file.
    DocumentError
        If it is no TOML or no model document.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        if not path.is_file():
            raise UsageError(f"no model document at {name_or_path}")
        try:
            text, shown = path.read_text(encoding="utf-8"), name_or_path
        except (OSError, UnicodeDecodeError) as error:
            raise DocumentError(name_or_path, "", f"cannot be read as a text file ({error}): give a model document (.toml)") from None
    else:
        file = resources.files("spinn_mam.models") / f"{name_or_path}.toml"
        if not file.is_file():
            there = f"{name_or_path} is no .toml file" if name_or_path and Path(name_or_path).exists() else f"no model called '{name_or_path}'"
            raise UsageError(f"{there}: known are {', '.join(model_names())}, or give the path of a .toml document")
        text, shown = file.read_text(encoding="utf-8"), f"{name_or_path}.toml"
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(shown, "", f"not valid TOML: {error}") from error
    if data.get("format") != FORMAT:
        raise DocumentError(shown, "format", f"expected '{FORMAT}', found {data.get('format')!r}")
    if not isinstance(data.get("variants", {}), dict):
        raise DocumentError(shown, "variants", "must be a table")
    return shown, data


def resolve(name_or_path: str, settings: Sequence[str] = (), variants: Mapping[str, str] | None = None) -> Document:
    """Read a document, choose its variants and lay the user's values over it.

    Parameters
    ----------
    name_or_path : str
        ``"pd14"``, or the path of a ``.toml`` document.
    settings : sequence of str
        ``KEY=VALUE`` each, as on the command line: a dotted path, or ``variants.NAME``.
    variants : mapping of str to str, optional
        Choices by variant name; a setting of the same variant wins.

    Raises
    ------
    UsageError
        If a setting names no value of the model.
    """
    shown, data = read(name_or_path)
    pairs = [_split(s) for s in settings]
    chosen = {name: _variant(shown, data, name)["default"] for name in data.get("variants", {})}
    wanted = dict(variants or {}) | {key.removeprefix("variants."): str(value) for key, value in pairs if key.startswith("variants.")}
    for name, choice in wanted.items():
        options = sorted(_variant(shown, data, name)["choices"])
        if choice not in options:
            raise UsageError(f"variant '{name}' has no choice '{choice}': use one of {', '.join(options)}")
    default = _with_choices(shown, data, chosen)
    result = _with_choices(shown, data, chosen | wanted)
    paths = leaves(result)
    for key, value in pairs:
        if key.startswith("variants."):
            continue
        if key not in paths:
            near = [path for path in paths if path.rpartition(".")[2] == key] or difflib.get_close_matches(key, paths, n=3)
            hint = f": did you mean {' or '.join(near)}?" if near else f": see 'spinn-mam show {name_or_path}' for all keys"
            raise UsageError(f"--set {key}: the model {name_or_path} has no such value{hint}")
        _put(result, key, {"value": value, "source": BY_USER} if isinstance(_get(result, key), dict) else value)
    before, after = leaves(default), leaves(result)
    changed = tuple(Override(k, _text(before.get(k)), _text(v)) for k, v in after.items() if _text(before.get(k)) != _text(v))
    result.pop("variants", None)
    return Document(shown, result, chosen | wanted, changed)


def leaves(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten to dotted paths; a table with ``value`` and ``source`` is one leaf.

    Examples
    --------
    >>> leaves({"a": {"b": {"value": 1, "source": "x"}, "c": True}})
    {'a.b': {'value': 1, 'source': 'x'}, 'a.c': True}
    """
    out: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{prefix}{key}"
        if not prefix and key in ("variants", "sources", "format", "name", "family", "title"):
            continue
        if isinstance(value, dict) and not ("value" in value and "source" in value):
            out |= leaves(value, f"{path}.")
        else:
            out[path] = value
    return out


def _split(setting: str) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or not key.strip() or not text.strip():
        raise UsageError(f"--set {setting}: write KEY=VALUE, such as --set neuron.tau_m='12 ms'")
    value: Any = text.strip()
    with contextlib.suppress(tomllib.TOMLDecodeError):
        table = tomllib.loads(f"v = {text}")
        value = table["v"] if len(table) == 1 else value
    return key.strip(), value


def _variant(shown: str, data: Mapping[str, Any], name: str) -> dict[str, Any]:
    variants = data.get("variants", {})
    if name not in variants:
        near = difflib.get_close_matches(name, variants, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"{shown} has no variant '{name}': {hint}it has {', '.join(sorted(variants)) or 'none'}")
    variant: Any = variants[name]
    choices = variant.get("choices") if isinstance(variant, dict) else None
    if not isinstance(choices, dict) or not all(isinstance(choice, dict) for choice in choices.values()):
        raise DocumentError(shown, f"variants.{name}", "needs a table of choices, each of them a table of values by their keys")
    if variant.get("default") not in list(choices):
        raise DocumentError(
            shown, f"variants.{name}", f"needs a default that is one of its choices, {', '.join(choices) or 'of which there are none'}"
        )
    return dict(variant)


def _with_choices(shown: str, data: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Any]:
    result = copy.deepcopy(dict(data))
    for name, choice in chosen.items():
        for key, leaf in _variant(shown, data, name)["choices"][choice].items():
            try:
                _put(result, key, copy.deepcopy(leaf))
            except (TypeError, AttributeError):
                raise DocumentError(shown, f"variants.{name}.choices.{choice}", f"sets '{key}', which is inside a value that is no table") from None
    return result


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *folders, last = key.split(".")
    for folder in folders:
        tree = tree.setdefault(folder, {})
    tree[last] = value


def _get(tree: Mapping[str, Any], key: str) -> Any:
    node: Any = tree
    for part in key.split("."):
        node = node[part]
    return node


def _text(leaf: Any) -> str:
    value = leaf["value"] if isinstance(leaf, dict) else leaf
    return "(absent)" if value is None else str(value)
