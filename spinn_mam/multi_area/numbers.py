"""The numbers behind the figures of several areas, as plain data; what is not known is absent."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.multi_area.analysis import MultiAreaAnalysis
from spinn_mam.multi_area.hierarchy import kendall
from spinn_mam.multi_area.spiking import STATISTICS


def area_numbers(analysis: MultiAreaAnalysis, figures: Collection[str]) -> dict[str, Any]:
    """Return the numbers behind figures.

    Parameters
    ----------
    analysis : MultiAreaAnalysis
    figures : collection of str
        Names of the figures that there can be.

    Returns
    -------
    dict
        ``areas`` and ``populations`` (statistics by name), ``connectivity``, ``order``, ``communities``, ``hierarchies`` and ``interactions``.
    """
    found: dict[str, Any] = {}
    if "statistics" in figures:
        found["populations"], found["areas"] = (
            {name: _known({key: getattr(each, key)[i] for key in STATISTICS}) for i, name in enumerate(each.names)} for each in analysis.spiking
        )
    else:
        found["areas"] = {name: {} for name in analysis.areas.names}
    if "timescales" in figures:
        _add(found["areas"], "tau_ms", analysis.timescales.tau_ms)
    if "order" in figures:
        _add(found["areas"], "time_ms", analysis.order.time_ms)
        found["order"] = _known({"explained": analysis.order.explained}) | {"n_pairs": int(np.isfinite(analysis.order.lag_ms).sum()) // 2}
        if analysis.stability is not None:
            _add(found["areas"], "eigenvalue_alone", analysis.stability.alone)
            _add(found["areas"], "critical_participation", analysis.stability.participation)
            found["order"]["stability"] = {name: asdict(agreement) for name, agreement in analysis.order_by_stability.items()}
    if "connectivity" in figures:
        found["connectivity"] = _connectivity(analysis)
    if "communities" in figures:
        found["communities"] = _communities(analysis)
    if "hierarchies" in figures:
        found["hierarchies"] = _hierarchies(analysis)
    if "interactions" in figures:
        significant = analysis.interactions.significant
        found["interactions"] = {
            "n_tested": int(np.isfinite(analysis.interactions.p).sum()),
            "n_significant": int(significant.sum()),
            "n_within_areas": int(significant[analysis.areas.area[:, None] == analysis.areas.area].sum()),
        }
    return found


def _known(values: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items() if math.isfinite(value)}


def _add(entries: Mapping[str, dict[str, float]], key: str, values: npt.NDArray[np.float64]) -> None:
    """Add a value to each entry, in order."""
    for entry, value in zip(entries.values(), values, strict=True):
        entry.update(_known({key: value}))


def _connectivity(analysis: MultiAreaAnalysis) -> dict[str, Any]:
    """Return how far simulated functional connectivity agrees with fMRI."""
    return {name.replace(" ", "_"): _known({"r": a.r, "p": a.p}) | {"n_pairs": a.n_pairs} for name, a in analysis.agreements.items()}


def _communities(analysis: MultiAreaAnalysis) -> dict[str, Any]:
    """Return the community of each area in each division, and how far divisions agree."""
    return {
        "divisions": {key: dict(zip(analysis.areas.names, labels.tolist(), strict=True)) for key, labels in analysis.communities.items()},
        "agreement": [{"first": first, "second": second} | asdict(like) for (first, second), like in analysis.similarities.items()],
    }


def _hierarchies(analysis: MultiAreaAnalysis) -> dict[str, Any]:
    """Return the levels of each hierarchy, Kendall's tau of all pairs, and what the ensemble is."""
    levels = analysis.levels
    found: dict[str, Any] = {
        "levels": {key: _known(dict(zip(analysis.areas.names, values, strict=True))) for key, values in levels.items()},
        "kendall": [{"first": a, "second": b, "tau": tau, "p": p} for (a, b), (tau, p) in kendall(levels).items()],
    }
    if analysis.ensemble is not None:
        e = analysis.ensemble
        found["ensemble"] = {"n_hierarchies": len(e.levels), "n_broken": e.n_broken, "n_relations": e.n_relations, "n_chains": e.n_chains}
    return found
