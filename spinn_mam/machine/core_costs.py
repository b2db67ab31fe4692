r"""What work costs a core: counts of the shipped binaries, and the numbers that turn them into cycles.

``core_costs.toml`` holds, for each binary and kind of work, how many instructions it takes, how many cycles these last at most by the
processor's table, and how often they leave the core's own memories; it is measured, the command is in it. ``core_timing.toml`` holds published
and assumed numbers, each with its source.

The floor counts each instruction as one cycle and memory as free. The ceiling is

.. math:: c = k (\text{cycles} + d \, \text{device accesses} + m \, \text{memory accesses})

with the calibration :math:`k \ge 1`: the core's best throughput, rows of the greatest length and nothing else, is that of Rhodes et al. 2018 in the
slowest reading, if the table alone does not make it slower.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from spinn_mam.errors import DocumentError

FORMAT, TIMING_FORMAT = "spinn_mam.core_costs/1", "spinn_mam.core_timing/1"
COMBINED, SYNAPSES, NEURONS, POISSON = "IF_curr_exp", "synapses", "IF_curr_exp_neuron", "spike_source_poisson"
#: Where a timing constant comes from.
ORIGINS = ("published", "tools", "emulated", "assumption")
#: Clock of the machine on which the calibration was measured (Hz).
_CLOCK_HZ = 200e6
#: Population-table steps of a spike that the calibration assumes, as for 9 to 16 source vertices.
_SEARCHES = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """Cycles of one unit of work.

    Attributes
    ----------
    low, high : float
        Floor and ceiling.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TimingConstant:
    """A number with its origin.

    Attributes
    ----------
    value : float
    unit : str
    kind : str
        One of ``ORIGINS``.
    source, doi, note : str
    """

    value: float
    unit: str
    kind: str
    source: str
    doi: str = ""
    note: str = ""


@cache
def timing() -> Mapping[str, TimingConstant]:
    """Return the constants by name.

    Raises
    ------
    DocumentError
        If the document is not what it should be.
    """
    document = _load("core_timing.toml", TIMING_FORMAT)
    constants = {name: TimingConstant(**entry) for name, entry in document.items()}
    for name, constant in constants.items():
        if constant.kind not in ORIGINS or not constant.source or not constant.value > 0:
            raise DocumentError("core_timing.toml", name, f"needs a positive value, a source and one of {', '.join(ORIGINS)} as kind")
    return constants


@cache
def calibration() -> float:
    """Return the factor of the ceiling, at least 1."""
    row = timing()["longest_row"].value
    spike = sum(_table_cycles(COMBINED, kind) for kind in ("wake", "packet", "spike")) + _SEARCHES * _table_cycles(COMBINED, "search")
    published = _CLOCK_HZ / 1000.0 / timing()["peak_events_per_ms"].value
    return max(1.0, published / (_table_cycles(COMBINED, "event") + spike / row))


@cache
def core_costs(binary: str) -> Mapping[str, Cost]:
    """Return the cost of each kind of work of a binary.

    Examples
    --------
    >>> event = core_costs("IF_curr_exp")["event"]
    >>> event.low < event.high
    True
    """
    k = calibration()
    out = {}
    for kind, counts in _counts(binary).items():
        low, high = float(counts[0]), k * _table_cycles(binary, kind)
        # A refractory neuron saves cycles: the ceiling does not count on more than the floor does.
        out[kind] = Cost(min(low, high), max(low, high))
    return out


def _table_cycles(binary: str, kind: str) -> float:
    _, cycles, device, memory = _counts(binary)[kind]
    constants = timing()
    return float(cycles + max(device, 0.0) * constants["device_access_cycles"].value + max(memory, 0.0) * constants["memory_access_cycles"].value)


@cache
def _counts(binary: str) -> Mapping[str, tuple[float, float, float, float]]:
    document = _load("core_costs.toml", FORMAT)
    out = {}
    for kind, counts in document[binary].items():
        if isinstance(counts, list):
            if len(counts) != len(document["counts"]) or not all(math.isfinite(c) for c in counts):
                raise DocumentError("core_costs.toml", f"{binary}.{kind}", f"needs {len(document['counts'])} numbers")
            out[kind] = tuple(float(c) for c in counts)
    return out  # type: ignore[return-value]


def _load(name: str, kind: str) -> dict[str, Any]:
    document = tomllib.loads((files("spinn_mam.machine") / name).read_text(encoding="utf-8"))
    if document.pop("format", None) != kind:
        raise DocumentError(name, "format", f"expected '{kind}'")
    return document
