"""Anatomical facts that analyses compare with, for the areas of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.models import load_model
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.neurons import cytoarchitecture
from spinn_mam.models.mam.schema import MultiAreaDocument
from spinn_mam.models.mam.structure import structure
from spinn_mam.models.mam.tables import load_facts
from spinn_mam.models.mam.tracing import existence, measured_strengths, supragranular_fractions
from spinn_mam.multi_area.divisions import in_order

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Facts about areas and the pathways between them.

    Attributes
    ----------
    names : tuple of str
        Areas.
    sln : ndarray of float64, shape (n, n)
        Measured share of projecting neurons in the upper layers (SLN), [target, source]; NaN where not measured.
    sln_completed : ndarray of float64, shape (n, n)
        SLN of all pathways: measured, or from the ratio of densities as in the derivation of the network.
    connected : ndarray of bool, shape (n, n)
        Whether there is a pathway, [target, source].
    types, density : ndarray of float64, shape (n,)
        Architectural type (2 to 8, V1), and neurons for each mm3, measured or of the type's mean.
    clusters : dict of str to ndarray of int64, shape (n,)
        Published divisions, 0, 1, ... in the order of their first areas, -1 for areas that are not known. ``structure``: of the unstabilised network,
        the share of each target in the synapses that an area makes in others, by the map equation (Schmidt et al. 2018, Fig. 7, doi
        10.1007/s00429-017-1554-4); ``stabilised``: of the stabilised network, shares of sources; ``simulated`` and ``fmri``: of functional
        connectivity in the metastable state and in fMRI, by modularity (Schmidt et al. 2018, Fig. 8, doi 10.1371/journal.pcbi.1006359).
    published_level : ndarray of float64, shape (n,)
        Level in the hierarchy of Reid et al. (2009), doi 10.1016/j.neuroimage.2009.04.061, 0 to 1; NaN where they have none.
    """

    names: tuple[str, ...]
    sln: FloatArray
    sln_completed: FloatArray
    connected: npt.NDArray[np.bool_]
    types: FloatArray
    density: FloatArray
    clusters: Mapping[str, IntArray]
    published_level: FloatArray


def find_anatomy(names: Sequence[str]) -> Anatomy | None:
    """Return the facts about areas; None if they are not installed, or know none of these areas.

    Parameters
    ----------
    names : sequence of str
        Areas. Of one that the facts do not know, nothing is known.
    """
    at = [AREAS.index(name) if name in AREAS else -1 for name in names]
    try:
        facts = load_facts()
    except UsageError:
        return None
    if max(at, default=-1) < 0:
        return None
    cells = cytoarchitecture(facts)
    known = np.array(at) >= 0

    def of_areas(values: npt.ArrayLike) -> FloatArray:
        return np.where(known, np.asarray(values, dtype=np.float64)[at], np.nan)

    def of_pairs(values: FloatArray) -> FloatArray:
        return np.where(known[:, None] & known[None, :], np.asarray(values, dtype=np.float64)[np.ix_(at, at)], np.nan)

    def of_division(numbers: FloatArray) -> IntArray:
        labels = np.full(len(at), -1, np.int64)
        labels[known] = in_order(numbers[at][known])
        return labels

    measured = supragranular_fractions(facts)
    connected = of_pairs(existence(facts, measured_strengths(facts)).astype(np.float64)) == 1
    document = load_model("mam").content
    assert isinstance(document, MultiAreaDocument)
    return Anatomy(
        names=tuple(names),
        sln=of_pairs(measured),
        sln_completed=np.where(connected, of_pairs(structure(document).upper), np.nan),
        connected=connected,
        types=of_areas(cells.types),
        density=of_areas(cells.overall),
        clusters={name: of_division(facts["clusters"].by_area(name)) for name in facts["clusters"].columns[1:]},
        published_level=of_areas(facts["hierarchy"].by_area("level")),
    )
