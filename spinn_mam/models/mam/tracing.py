"""Which areas are connected and how strongly, from tracing studies.

Problem: the share of an area's inputs that comes from each other area, where tracers were injected in 11 of the 32 areas only.
Method: fractions of labelled neurons, carried over from one parcellation to the other by the overlap of areas; connections that exist without a
measured strength follow an exponential rule of distance.
Reference: Schmidt et al. (2018), doi:10.1007/s00429-017-1554-4, "Cortico-cortical connectivity"; Markov et al. (2014), doi:10.1093/cercor/bhs270;
Ercsey-Ravasz et al. (2013), doi:10.1016/j.neuron.2013.07.036, for the rule.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.neurons import line
from spinn_mam.models.mam.tables import Facts
from spinn_mam.network.spec import BoolArray, FloatArray


def mean_over_injections(facts: Facts) -> dict[str, dict[str, float]]:
    """Average labelled fractions over the injections into an area, by target area and source region; a region that is absent counts as zero."""
    area_of = {injection: area for injection, _, area in facts["injections"].rows}
    found: dict[str, dict[str, list[float]]] = {}
    for injection, source, fraction in facts["tracer_counts"].rows:
        found.setdefault(area_of[injection], {}).setdefault(source, []).append(fraction)
    return {target: _padded_means(sources) for target, sources in found.items()}


def supragranular_fractions(facts: Facts) -> FloatArray:
    """Measured share of projecting neurons in the upper layers, shape (areas, areas), NaN where there is none.

    Markov et al. (2014), doi:10.1002/cne.23458. Regions are weighted with their overlap with the source area and their fraction of labelled neurons.
    """
    area_of = {injection: area for injection, _, area in facts["injections"].rows}
    found: dict[str, dict[str, list[float]]] = {}
    for injection, source, upper, lower in facts["layer_counts"].rows:
        found.setdefault(area_of[injection], {}).setdefault(source, []).append(upper / (upper + lower))
    labelled = mean_over_injections(facts)
    upper_sum, whole = np.zeros((len(AREAS), len(AREAS))), np.zeros((len(AREAS), len(AREAS)))
    for target, sources in found.items():
        for source, upper in _padded_means(sources).items():
            for b, weight in _overlaps(facts, source):
                upper_sum[AREAS.index(target), b] += weight * labelled[target][source] * upper
                whole[AREAS.index(target), b] += weight * labelled[target][source]
    with np.errstate(invalid="ignore"):
        return np.asarray(upper_sum / whole)


def measured_strengths(facts: Facts) -> FloatArray:
    """Carry the labelled fractions over to areas, shape (areas, areas), [target, source]; NaN where no region overlaps or nothing was injected."""
    strengths = np.full((len(AREAS), len(AREAS)), np.nan)
    for target, sources in mean_over_injections(facts).items():
        a = AREAS.index(target)
        for source, fraction in sources.items():
            for b, weight in _overlaps(facts, source):
                strengths[a, b] = np.nan_to_num(strengths[a, b]) + weight * fraction
    np.fill_diagonal(strengths, np.nan)
    return strengths


def existence(facts: Facts, strengths: FloatArray) -> BoolArray:
    """Say which areas project to which, shape (areas, areas): in a study that CoCoMac lists (doi:10.3389/fninf.2012.00030), or measured."""
    exists = np.nan_to_num(strengths) > 0
    for target, source, *_ in facts["existence"].rows:
        if source in AREAS:
            exists[AREAS.index(target), AREAS.index(source)] = True
    np.fill_diagonal(exists, False)
    return exists


def distances(facts: Facts) -> FloatArray:
    """Median distances between areas (mm), shape (areas, areas)."""
    table = np.zeros((len(AREAS), len(AREAS)))
    for area, other, distance in facts["distances"].rows:
        if other in AREAS:
            table[AREAS.index(area), AREAS.index(other)] = table[AREAS.index(other), AREAS.index(area)] = distance
    return table


def distance_rule(strengths: FloatArray, distance: FloatArray) -> tuple[float, float]:
    """Fit FLN = c exp(-decay d) to the measured connections; return c and decay (1/mm): Schmidt et al. (2018), equation 10."""
    known = np.nan_to_num(strengths) > 0
    slope, intercept = line(distance[known], np.log(strengths[known]))
    return float(np.exp(intercept)), -slope


def completed_strengths(facts: Facts, cortical_fraction: float) -> FloatArray:
    """Share of an area's synapses that come from each other area, shape (areas, areas).

    Measured, or by the distance rule where a connection is known to exist; the sum over all sources, those outside the 32 areas among them, is
    ``cortical_fraction``.
    """
    strengths, distance = measured_strengths(facts), distances(facts)
    c, decay = distance_rule(strengths, distance)
    exists = existence(facts, strengths)
    inside = np.where(np.isfinite(strengths), strengths, np.where(exists, c * np.exp(-decay * distance), 0.0))
    far = {(area, other): value for area, other, value in facts["distances"].rows}
    outside = np.zeros(len(AREAS))
    for target, source, *_ in facts["existence"].rows:
        if source not in AREAS and (target, source) in far:
            outside[AREAS.index(target)] += c * np.exp(-decay * far[target, source])
    return np.asarray(np.where(exists, inside, 0.0) * (cortical_fraction / (inside.sum(axis=1) + outside))[:, None])


def _padded_means(sources: dict[str, list[float]]) -> dict[str, float]:
    """Mean over as many injections as the best-studied source has: a source that an injection did not label counts as zero."""
    n = max(len(values) for values in sources.values())
    return {source: sum(values) / n for source, values in sources.items()}


def _overlaps(facts: Facts, region: str) -> Iterator[tuple[int, float]]:
    """Yield the areas that a region overlaps with, by index, and which part of the region lies in each."""
    for name, area, percent in facts["overlaps"].rows:
        if name == region:
            yield AREAS.index(area), percent / 100.0
