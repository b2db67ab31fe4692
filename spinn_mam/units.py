"""Quantities as people write them, turned into floats in NEST's units.

Inside the package every quantity is a plain float or array in NEST's unit for it: ms, mV, pF, pA, spikes/s. A document
may say ``"10 ms"`` or ``"0.01 s"``; :func:`parse` converts it and checks the dimension.
"""

from __future__ import annotations

import re
from typing import Any

from spinn_mam.errors import UnitError

#: Canonical units of the package, and how the unit library spells them.
CANONICAL = {"ms": "ms", "mV": "mV", "pF": "pF", "pA": "pA", "spikes/s": "1/s", "mm2": "mm**2", "mm/ms": "mm/ms", "": "dimensionless"}

_SPELLINGS = {"spikes/s": "1/s", "spike/s": "1/s", "/s": "1/s", "mm2": "mm**2"}
_POWER_OF_NUMBER = re.compile(r"\d\s*\*\*")
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


def parse(value: Any, unit: str) -> float:
    """Convert a number or a text such as ``"10 ms"`` to a float in ``unit``.

    Parameters
    ----------
    value : int, float or str
        A bare number is taken to be in ``unit`` already.
    unit : str
        One of :data:`CANONICAL`.

    Returns
    -------
    float
        The value in ``unit``.

    Raises
    ------
    UnitError
        If the text is no quantity, the unit is unknown, or its dimension is not that of ``unit``.

    Examples
    --------
    >>> parse("0.01 s", "ms")
    10.0
    >>> parse(250, "pF")
    250.0
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnitError(f"expected a quantity in {unit or 'no unit'}, got {value!r}")
    if isinstance(value, int | float):
        return float(value)
    match = _QUANTITY.match(value)
    if match is None:
        raise UnitError(f"{value!r} is not a quantity: write a number and a unit, such as '10 {unit}'")
    magnitude, name = float(match.group(1)), match.group(2)
    if name == unit:
        return magnitude
    if not name:
        if unit:
            raise UnitError(f"{value!r} has no unit: write '{magnitude:g} {unit}' or a bare number in {unit}")
        return magnitude
    import numpy as np
    import quantities as pq  # slow to import, and only needed for other spellings

    try:
        if _POWER_OF_NUMBER.search(name):  # the unit library would work it out, however long that takes
            raise ValueError(name)
        with np.errstate(all="raise"):
            quantity = pq.Quantity(magnitude, _SPELLINGS.get(name, name))
    except (LookupError, SyntaxError, TypeError, ValueError, ArithmeticError, AttributeError, MemoryError, RecursionError):
        raise UnitError(f"{value!r} has the unknown unit {name!r}: use {unit or 'a bare number'}") from None
    try:
        return float(quantity.rescale(CANONICAL[unit]).magnitude)
    except ValueError:
        raise UnitError(f"{value!r} has the wrong dimension: a quantity in {unit or 'no unit'} is needed") from None


def counted(n: int, noun: str) -> str:
    """Write a number of things, one of them in the singular.

    Examples
    --------
    >>> counted(1, "board"), counted(1200, "board")
    ('1 board', '1,200 boards')
    """
    return f"{n:,} {noun}{'s' if n != 1 else ''}"
