"""The structure of the multi-area network: sizes, in-degrees, external in-degrees and distances, derived step by step from the facts.

Reference: Schmidt et al. (2018), doi:10.1007/s00429-017-1554-4; Schuecker et al. (2017), doi:10.1371/journal.pcbi.1005179, for stabilised in-degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spinn_mam.models.mam.areas import AREAS, POPULATIONS, population_name
from spinn_mam.models.mam.checkout import read_checkout
from spinn_mam.models.mam.cortico_cortical import cortico_cortical_synapses, excitatory_targets_of_feedback, external_in_degrees, with_factors
from spinn_mam.models.mam.in_degrees import UNSTABILISED, read_in_degrees
from spinn_mam.models.mam.intrinsic import intrinsic, synapse_density
from spinn_mam.models.mam.laminar import cell_bodies, completed_supragranular_fractions, patterns
from spinn_mam.models.mam.neurons import Cytoarchitecture, cytoarchitecture
from spinn_mam.models.mam.schema import MultiAreaDocument
from spinn_mam.models.mam.tables import load_facts
from spinn_mam.models.mam.tracing import completed_strengths, distances, supragranular_fractions
from spinn_mam.network.spec import BoolArray, FloatArray

#: In a document: the facts are those of the package.
PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Structure:
    """A multi-area network of full density.

    Attributes
    ----------
    architecture : Cytoarchitecture
    N : ndarray, shape (areas, 8)
        Neurons; 0 for populations that an area does not have.
    K : ndarray, shape (areas, 8, areas, 8)
        In-degrees, [target, source].
    K_ext : ndarray, shape (areas, 8)
        In-degrees from outside.
    distances : ndarray, shape (areas, areas)
        Median distances (mm).
    upper : ndarray, shape (areas, areas)
        Share of projecting neurons in the upper layers, [target, source].
    """

    architecture: Cytoarchitecture
    N: FloatArray
    K: FloatArray
    K_ext: FloatArray
    distances: FloatArray
    upper: FloatArray

    @property
    def there(self) -> BoolArray:
        """Whether a population has neurons, shape (areas * 8,)."""
        return np.asarray(self.N.ravel() > 0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the populations that have neurons."""
        every = [population_name(area, population) for area in AREAS for population in POPULATIONS]
        return tuple(name for name, there in zip(every, self.there, strict=True) if there)

    @property
    def K_matrix(self) -> FloatArray:
        """In-degrees between the populations that have neurons, shape (254, 254)."""
        size = len(AREAS) * len(POPULATIONS)
        return self.K.reshape(size, size)[np.ix_(self.there, self.there)]

    def with_K_matrix(self, matrix: FloatArray) -> Structure:
        """Return the same network with these in-degrees between the populations that have neurons."""
        size = len(AREAS) * len(POPULATIONS)
        full = np.zeros((size, size))
        full[np.ix_(self.there, self.there)] = matrix
        return replace(self, K=full.reshape(self.K.shape))


def structure(model: MultiAreaDocument) -> Structure:
    """Derive the structure that a document describes.

    Stabilised in-degrees are for 1 mm2. At another surface the factor by which stabilisation changes each in-degree is carried over: an estimate.
    """
    derived = _derived(model)
    kappa = model.external.kappa.value
    derived = replace(derived, K_ext=with_factors(derived.K_ext, kappa, model.factor_6E, model.external.fac_nu_ext_TH.value))
    which = model.anatomy.in_degrees.value
    if which == UNSTABILISED:
        return derived
    matrix = read_in_degrees(which, len(derived.names))
    if model.anatomy.surface.value != 1.0:
        before = _derived(model, 1.0).K_matrix
        matrix = matrix * np.divide(derived.K_matrix, before, out=np.ones_like(before), where=before > 0)
    return derived.with_K_matrix(matrix)


def _derived(model: MultiAreaDocument, surface: float | None = None) -> Structure:
    anatomy = model.anatomy
    modelled = anatomy.surface.value if surface is None else surface
    return derived_structure(
        anatomy.facts.value,
        modelled if isinstance(modelled, float) else None,
        anatomy.synapses_per_neuron.value,
        anatomy.intrinsic_fraction.value,
        anatomy.subcortical_fraction.value,
        (anatomy.sln_offset.value, anatomy.sln_slope.value),
        anatomy.feedback_onto_E.value,
        anatomy.large_area_logarithm.value == "published",
    )


@lru_cache(maxsize=8)
def derived_structure(
    facts_of: str,
    surface: float | None,
    synapses_per_neuron: float,
    intrinsic_fraction: float,
    subcortical_fraction: float,
    sln: tuple[float, float],
    feedback_onto_E: float,
    published_logarithm: bool,
) -> Structure:
    """Derive the unstabilised network, with equal external in-degrees in each area.

    Parameters
    ----------
    facts_of : str
        PACKAGE, or the folder of a checkout.
    surface : float or None
        Modelled surface of each area (mm2); None for the whole of each.
    synapses_per_neuron : float
        In V1.
    intrinsic_fraction, subcortical_fraction : float
        Shares of labelled neurons within the injected area and below cortex.
    sln : (float, float)
        Offset and slope of the share of upper layers.
    feedback_onto_E : float
        Share of feedback synapses on excitatory neurons.
    published_logarithm : bool
        Whether large areas have the published network's sign slip.
    """
    facts = load_facts() if facts_of == PACKAGE else read_checkout(Path(facts_of))
    architecture = cytoarchitecture(facts)
    surfaces = architecture.surface if surface is None else np.full(len(AREAS), surface)
    N = architecture.N_full / architecture.surface[:, None] * surfaces[:, None]
    totals = synapse_density(architecture, synapses_per_neuron) * surfaces * architecture.thickness
    inside = intrinsic(facts, architecture, N, totals, surfaces, intrinsic_fraction, published_logarithm)
    strengths = completed_strengths(facts, 1.0 - intrinsic_fraction - subcortical_fraction)
    upper = completed_supragranular_fractions(supragranular_fractions(facts), architecture.overall, *sln)
    bodies = cell_bodies(facts, architecture.N_full[0])
    between = cortico_cortical_synapses(strengths, upper, patterns(facts), bodies, architecture, totals)
    between = excitatory_targets_of_feedback(between, upper, feedback_onto_E)
    synapses = between.copy()
    synapses[np.arange(len(AREAS)), :, np.arange(len(AREAS)), :] = inside.synapses
    return Structure(
        architecture,
        N,
        synapses / np.where(N > 0, N, 1.0)[:, :, None, None],
        external_in_degrees(N, totals, inside.fraction, between),
        distances(facts),
        upper,
    )
