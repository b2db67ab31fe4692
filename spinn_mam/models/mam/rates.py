"""Full-scale rates of the populations: by mean-field theory, or recorded ones from a file.

Down-scaling compensates the input that in-degrees lose (van Albada et al. 2015, doi:10.1371/journal.pcbi.1004490), replaced areas fire at these
rates, and the mapping expects them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spinn_mam.errors import DocumentError, RunFailedError
from spinn_mam.models.theory import stationary_rates
from spinn_mam.network.spec import FloatArray, NetworkSpec

#: In a document: rates come from theory.
THEORY = "theory"


@lru_cache(maxsize=8)
def rates_by_theory(spec: NetworkSpec) -> tuple[float, ...] | None:
    """Return the rates of the stationary state that silence leads to (spikes/s), or None if there is none."""
    try:
        return tuple(stationary_rates(spec).tolist())
    except RunFailedError:
        return None


def recorded_rates(file: str, names: tuple[str, ...]) -> FloatArray:
    """Read recorded rates (spikes/s) of all populations.

    Parameters
    ----------
    file : str
        JSON: rates by population, such as ``{"V1-23E": 0.4, ...}``, by area and population, ``{"V1": {"23E": 0.4, ...}, ...}``, or ``metrics.json``
        of a run.
    names : tuple of str
        Populations that must be there.

    Raises
    ------
    DocumentError
        If the file is no such file, or a population is missing.
    """
    try:
        data = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DocumentError(file, "", f"no file of rates ({error}): rates.full_scale is '{THEORY}', or a JSON file of rates by population") from None
    found = _by_population(data)
    missing = [name for name in names if name not in found]
    if missing:
        raise DocumentError(file, missing[0], f"no rate for it{f' and {len(missing) - 1} more populations' if len(missing) > 1 else ''}")
    rates = np.array([found[name] for name in names])
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise DocumentError(file, "", "rates must be numbers of spikes/s that are not negative")
    return rates


def _by_population(data: Any) -> dict[str, float]:
    if not isinstance(data, dict):
        return {}
    if isinstance(data.get("run"), dict):
        return _by_population(data["run"].get("rates"))
    found: dict[str, float] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found |= {f"{key}-{name}": float(rate) for name, rate in value.items() if isinstance(rate, int | float)}
        elif isinstance(value, int | float):
            found[key] = float(value)
    return found
