"""Quantities as people write them: converted, or refused with what would be right."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_mam.errors import UnitError
from spinn_mam.units import CANONICAL, parse


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("0.01 s", "ms", 10.0),
        ("10ms", "ms", 10.0),
        (" 1e1  ms ", "ms", 10.0),
        ("10000 us", "ms", 10.0),
        ("0.25 nF", "pF", 250.0),
        ("-0.065 V", "mV", -65.0),
        ("8 Hz", "spikes/s", 8.0),
        ("8 spikes/s", "spikes/s", 8.0),
        ("0.008 1/ms", "spikes/s", 8.0),
        ("1 nA", "pA", 1000.0),
        ("3", "", 3.0),
        (7, "mV", 7.0),
    ],
)
def test_spellings(value: object, unit: str, expected: float) -> None:
    assert parse(value, unit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "unit", "message"),
    [
        ("10 mV", "ms", "wrong dimension: a quantity in ms is needed"),
        ("10 ms", "", "wrong dimension"),
        ("10 furlong_x", "ms", "unknown unit 'furlong_x': use ms"),
        ("ten ms", "ms", "is not a quantity: write a number and a unit, such as '10 ms'"),
        ("", "ms", "is not a quantity"),
        ("10", "ms", "has no unit: write '10 ms' or a bare number in ms"),
        (True, "ms", "expected a quantity in ms, got True"),
        (None, "mV", "expected a quantity in mV, got None"),
        ([1], "pF", "expected a quantity in pF"),
        ("10 ms; import os", "ms", "unknown unit"),
        ("10 __import__('os')", "ms", "unknown unit"),
        ("10 9**9**9**9", "ms", "unknown unit"),
        ("10 ms/0", "ms", "unknown unit"),
    ],
)
def test_what_is_refused(value: object, unit: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(value, unit)
    assert message in str(caught.value)


@given(st.floats(-1e12, 1e12), st.sampled_from([u for u in CANONICAL if u]))
def test_a_printed_quantity_is_read_back(value: float, unit: str) -> None:
    assert parse(f"{value!r} {unit}", unit) == value


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnitError):
        assert not math.isnan(parse(text, "ms"))
