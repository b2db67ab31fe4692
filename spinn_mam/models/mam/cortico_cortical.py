"""Synapses between areas, and from outside: strengths, layers and cell bodies put together.

Reference: Schmidt et al. (2018), doi:10.1007/s00429-017-1554-4, "Cortico-cortical connectivity" and "External inputs";
Schuecker et al. (2017), doi:10.1371/journal.pcbi.1005179, for the factors of external input.
"""

from __future__ import annotations

import numpy as np

from spinn_mam.models.mam.areas import AREAS, EXCITATORY, INHIBITORY, POPULATIONS
from spinn_mam.models.mam.laminar import (
    FEEDBACK,
    Pattern,
    cell_bodies_without_layer_4,
    source_shares,
    target_shares,
)
from spinn_mam.models.mam.neurons import Cytoarchitecture
from spinn_mam.network.spec import FloatArray


def cortico_cortical_synapses(
    strengths: FloatArray,
    upper: FloatArray,
    patterns: dict[tuple[int, int], Pattern],
    bodies: FloatArray,
    architecture: Cytoarchitecture,
    totals: FloatArray,
) -> FloatArray:
    """Count the synapses between areas, shape (areas, 8, areas, 8), [target, source]: Schmidt et al. (2018), "Cortico-cortical connectivity".

    Parameters
    ----------
    strengths : ndarray, shape (areas, areas)
        Share of a target's synapses that come from a source area.
    upper : ndarray, shape (areas, areas)
        Share of projecting neurons in the upper layers.
    patterns : dict
        CoCoMac's, by target and source.
    bodies : ndarray, shape (5, 8)
        Populations that synapses in a layer are on.
    architecture : Cytoarchitecture
    totals : ndarray, shape (areas,)
        All synapses onto the model's neurons.
    """
    synapses = np.zeros((len(AREAS), len(POPULATIONS), len(AREAS), len(POPULATIONS)))
    for a in range(len(AREAS)):
        thickness, there = architecture.layers[a], architecture.N_full[a] > 0
        reached = bodies if there.all() else cell_bodies_without_layer_4(bodies, thickness)
        for b in np.flatnonzero(strengths[a] > 0):
            pattern = patterns.get((a, int(b)), Pattern(None, None))
            sources = source_shares(float(upper[a, b]), pattern.source, architecture.N_full[b])
            targets = target_shares(float(upper[a, b]), pattern.target, thickness) @ reached
            synapses[a, :, b, :] = totals[a] * strengths[a, b] * np.outer(np.where(there, targets, 0.0), sources)
    return synapses


def excitatory_targets_of_feedback(synapses: FloatArray, upper: FloatArray, share: float) -> FloatArray:
    """Divide the synapses of each feedback connection so that this share is on excitatory neurons (Schmidt et al. 2018)."""
    out = synapses.copy()
    for a, b in zip(*np.nonzero(upper < FEEDBACK), strict=True):
        block = out[a, :, b, :]
        onto_e, onto_i = block[list(EXCITATORY)].sum(), block[list(INHIBITORY)].sum()
        if onto_e > 0 and onto_i > 0:
            block[list(EXCITATORY)] *= share * (onto_e + onto_i) / onto_e
            block[list(INHIBITORY)] *= (1.0 - share) * (onto_e + onto_i) / onto_i
    return out


def external_in_degrees(N: FloatArray, totals: FloatArray, intrinsic_fraction: FloatArray, between: FloatArray) -> FloatArray:
    """In-degrees from outside, the same for all populations of an area, shape (areas, 8): what no other synapse accounts for."""
    left = totals * (1.0 - intrinsic_fraction) - between.sum(axis=(1, 2, 3))
    return np.where(N > 0, (left / N.sum(axis=1))[:, None], 0.0)


def with_factors(K_ext: FloatArray, factor_5E: float, factor_6E: float, factor_TH: float) -> FloatArray:
    """Raise the external in-degrees of 5E and 6E, and of 23E and 5E in TH: Schuecker et al. (2017), Schmidt et al. (2018)."""
    out = K_ext.copy()
    out[:, POPULATIONS.index("5E")] *= factor_5E
    out[:, POPULATIONS.index("6E")] *= factor_6E
    out[AREAS.index("TH"), [POPULATIONS.index("23E"), POPULATIONS.index("5E")]] *= factor_TH
    return out
