"""Layers of the synapses between areas: where their sources lie, where they end, and which neurons they reach there.

Problem: how the synapses of an area pair divide over pairs of populations, where layers were studied for some pairs only.
Method: what CoCoMac lists of layers where it does; else measured shares of projecting neurons in the upper layers, or their sigmoidal dependence on
the ratio of densities, with the layers of feedforward, lateral and feedback connections; then the dendrites of cat V1, from layers of synapses to
cell bodies.
Reference: Schmidt et al. (2018), doi:10.1007/s00429-017-1554-4; Felleman and Van Essen (1991), doi:10.1093/cercor/1.1.1; Binzegger et al. (2004),
doi:10.1523/JNEUROSCI.1400-04.2004.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from spinn_mam.models.mam.areas import AREAS, LAYERS, POPULATIONS, SYNAPSE_LAYERS
from spinn_mam.models.mam.tables import Facts
from spinn_mam.network.spec import FloatArray

#: Connections with a share of projecting neurons in the upper layers above (below) these are feedforward (feedback).
FEEDFORWARD, FEEDBACK = 0.65, 0.35
#: Exponent of ten that stands for a connection of unknown strength in CoCoMac's patterns, written X.
UNKNOWN_STRENGTH = 2.0
#: Layers of CoCoMac's six-letter patterns.
PATTERN_LAYERS = ("1", "23", "23", "4", "5", "6")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Layers of a connection as CoCoMac lists them: exponents of ten by layer, 0 for none, NaN for not studied."""

    source: FloatArray | None
    target: FloatArray | None


def patterns(facts: Facts) -> dict[tuple[int, int], Pattern]:
    """Return CoCoMac's patterns by target and source area."""
    found = {}
    for target, source, _, source_pattern, target_pattern in facts["existence"].rows:
        if source in AREAS:
            found[AREAS.index(target), AREAS.index(source)] = Pattern(_exponents(source_pattern), _exponents(target_pattern))
    return found


def completed_supragranular_fractions(measured: FloatArray, overall: FloatArray, offset: float, slope: float) -> FloatArray:
    """Share of projecting neurons in the upper layers for all pairs: measured, or Phi(offset + slope ln(density of target / density of source)).

    Schmidt et al. (2018), equation 1; Phi is the cumulative normal distribution.
    """
    log_ratio = np.log(overall)[:, None] - np.log(overall)[None, :]
    return np.where(np.isfinite(measured), measured, ndtr(offset + slope * log_ratio))


def source_shares(upper: float, pattern: FloatArray | None, sizes: FloatArray) -> FloatArray:
    """Shares of 23E, 5E and 6E in the synapses of an area pair, shape (8,).

    Parameters
    ----------
    upper : float
        Share of projecting neurons in the upper layers.
    pattern : ndarray, shape (6,), or None
        Exponents by layer; layers 1 and 4 that were not studied have none.
    sizes : ndarray, shape (8,)
        Neurons of the source area: they divide what comes from layers 5 and 6 where there is no pattern.
    """
    shares = np.zeros(len(POPULATIONS))
    five, six = POPULATIONS.index("5E"), POPULATIONS.index("6E")
    if pattern is None:
        lower = sizes[[five, six]] / sizes[[five, six]].sum()
    else:
        known = np.where(np.isnan(pattern), [0.0, -1.0, -1.0, 0.0, -1.0, -1.0], pattern)
        if not known[:3].any():
            upper = 0.0
        elif not known[4:].any():
            upper = 1.0
        strength = np.where(known[4:] != 0, 10.0 ** known[4:], 0.0)
        lower = strength / strength.sum() if strength.any() else strength
    shares[0] = upper
    shares[[five, six]] = (1.0 - upper) * lower
    return shares


def target_shares(upper: float, pattern: FloatArray | None, thickness: FloatArray) -> FloatArray:
    """Shares of the layers in the synapses of an area pair, shape (5,).

    Parameters
    ----------
    upper : float
        Share of projecting neurons in the upper layers: feedforward connections end in layer 4, feedback ones in all others, lateral ones in all.
    pattern : ndarray, shape (6,), or None
        Exponents by layer; a layer that was not studied counts as X if it belongs to that scheme.
    thickness : ndarray, shape (5,)
        Of the target area's layers: they divide the synapses where there is no pattern; layer 1, where it takes part, has half of them.
    """
    scheme = ("4",) if upper > FEEDFORWARD else tuple(v for v in SYNAPSE_LAYERS if v != "4") if upper < FEEDBACK else SYNAPSE_LAYERS
    shares = np.zeros(len(SYNAPSE_LAYERS))
    if pattern is not None:
        known = np.where(np.isnan(pattern), [UNKNOWN_STRENGTH if v in scheme else 0.0 for v in PATTERN_LAYERS], pattern)
        for layer, exponent in zip(PATTERN_LAYERS, known, strict=True):
            shares[SYNAPSE_LAYERS.index(layer)] += 10.0**exponent if exponent > 0 else 0.0
        return shares / shares.sum() if shares.any() else shares
    below = [SYNAPSE_LAYERS.index(v) for v in scheme if v != "1"]
    shares[below] = thickness[below] / thickness[below].sum()
    if "1" in scheme:
        shares *= 0.5
        shares[0] = 0.5
    return shares


def cell_bodies(facts: Facts, sizes: FloatArray) -> FloatArray:
    """Probability that a synapse in a layer is on a neuron of a population, shape (5, 8).

    Binzegger et al. (2004) give synapses and the part of them from other cortical areas for each cell type and layer of cat V1. Types are weighted so
    that populations have V1's relative sizes; interneurons of layer 1 are left out.

    Parameters
    ----------
    facts : Facts
    sizes : ndarray, shape (8,)
        Neurons of V1.
    """
    occurrence: dict[str, tuple[int, float]] = {}
    for cell_type, _, percent, *_ in facts["cell_types"].rows:
        layer = re.sub(r"\D", "", cell_type.partition("(")[0])
        if layer in LAYERS:
            occurrence[cell_type] = POPULATIONS.index(layer + ("I" if "b" in cell_type else "E")), percent
    in_cat = np.zeros(len(POPULATIONS))
    for population, percent in occurrence.values():
        in_cat[population] += percent
    weight = sizes / sizes.sum() / (in_cat / in_cat.sum())
    synapses = np.zeros((len(SYNAPSE_LAYERS), len(POPULATIONS)))
    for cell_type, layer, _, each, corticocortical in facts["cell_types"].rows:
        if cell_type in occurrence:
            population, percent = occurrence[cell_type]
            synapses[SYNAPSE_LAYERS.index(layer), population] += percent * each * corticocortical * weight[population]
    return np.asarray(synapses / synapses.sum(axis=1, keepdims=True))


def cell_bodies_without_layer_4(probabilities: FloatArray, thickness: FloatArray) -> FloatArray:
    """Give what would reach neurons of layer 4 to the other layers, by their thickness, for an area that has none, shape (5, 8)."""
    four = LAYERS.index("4")
    part = np.delete(thickness[1:], four)
    part = np.insert(part / part.sum(), four, 0.0)
    out = probabilities.copy()
    for kind in (0, 1):
        lost = out[:, 2 * four + kind].copy()
        out[:, 2 * four + kind] = 0.0
        out[:, kind::2] += lost[:, None] * part
    return out


def _exponents(pattern: str) -> FloatArray | None:
    values = {"X": UNKNOWN_STRENGTH, "?": np.nan}
    return np.array([values[letter] if letter in values else float(letter) for letter in pattern]) if pattern else None
