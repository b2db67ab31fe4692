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

from spinn_mam.errors import DocumentError, RunFailedError, UsageError
from spinn_mam.models.theory import stationary_rates
from spinn_mam.network.spec import FloatArray, NetworkSpec

#: Time between two values of recorded series (ms).
SERIES_INTERVAL = 1.0
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
        why = error.strerror if isinstance(error, OSError) else error
        raise DocumentError(file, "", f"no file of rates ({why}): rates.full_scale is '{THEORY}', or a JSON file of rates by population") from None
    found = _by_population(data)
    missing = [name for name in names if name not in found]
    if missing:
        some = ", ".join(missing[:3]) + f" and {len(missing) - 3} more" * (len(missing) > 3)
        raise DocumentError(file, "", f"has no rate of {some}: each of the {len(names)} populations needs one (spikes/s)")
    rates = np.array([found[name] for name in names])
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise DocumentError(file, "", "rates must be numbers of spikes/s that are not negative")
    return rates


def recorded_series(base: str, names: tuple[str, ...]) -> FloatArray:
    """Read recorded rates that change in time (spikes/s), shape (populations, n), one value for each SERIES_INTERVAL.

    Parameters
    ----------
    base : str
        Start of the files' names, ``BASE-V1-23E.npy`` and so on.
    names : tuple of str
        Populations that must be there; series are cut to the shortest.

    Raises
    ------
    UsageError
        If no base is given.
    DocumentError
        If a file is missing or holds no such series.
    """
    if base == "none":
        raise UsageError(
            "het_current_nonstat needs recorded rates that change in time: --set areas.rate_series=BASE for files BASE-AREA-POPULATION.npy"
        )
    series = []
    for name in names:
        file = f"{base}-{name}.npy"
        try:
            values = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DocumentError(file, "", f"no series of rates of {name} ({error})") from None
        if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "fiu" or not len(values):
            raise DocumentError(file, "", "needs a vector of rates (spikes/s), one for each millisecond")
        if not np.isfinite(values).all() or (values < 0).any():
            raise DocumentError(file, "", "rates must be numbers of spikes/s that are not negative")
        series.append(values.astype(float))
    shortest = min(map(len, series))
    return np.array([values[:shortest] for values in series])


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
