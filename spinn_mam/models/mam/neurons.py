"""Population sizes of every area, from densities of neurons and thicknesses of layers.

Problem: sizes of all populations, where densities are measured in 14 regions and layers in some areas only.
Method: measured values first, then the mean of the areas of the same architectural type, or a linear fit on the logarithm of the density.
Reference: Schmidt M, Bakker R, Hilgetag CC, Diesmann M, van Albada SJ (2018), doi:10.1007/s00429-017-1554-4, "Neuronal numbers" in its methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinn_mam.models.mam.areas import AREAS, LAYERS, SYNAPSE_LAYERS
from spinn_mam.models.mam.tables import Facts
from spinn_mam.network.spec import BoolArray, FloatArray, IntArray

#: Architectural type of the areas MIP and MDP, which have none of their own: that of their neighbours (Schmidt et al. 2018).
TYPE_OF_UNTYPED = 5


@dataclass(frozen=True, slots=True)
class Cytoarchitecture:
    """Densities, thicknesses and numbers of neurons.

    Attributes
    ----------
    types : ndarray of int, shape (areas,)
        Architectural types, 2 (no layer 4) to 8 (V1).
    densities : ndarray, shape (areas, 4)
        Neurons for each mm3 in layers 2/3, 4, 5, 6.
    overall : ndarray, shape (areas,)
        Neurons for each mm3 of all layers.
    measured_density, measured_thickness : ndarray of bool, shape (areas,)
        Whether the area itself was measured.
    thickness : ndarray, shape (areas,)
        Total thickness (mm).
    layers : ndarray, shape (areas, 5)
        Thickness of layers 1, 2/3, 4, 5, 6 (mm).
    measured_layers : ndarray of bool, shape (areas, 5)
    surface : ndarray, shape (areas,)
        Surface of the whole area (mm2).
    N_full : ndarray, shape (areas, 8)
        Neurons of the whole area.
    """

    types: IntArray
    densities: FloatArray
    overall: FloatArray
    measured_density: BoolArray
    thickness: FloatArray
    measured_thickness: BoolArray
    layers: FloatArray
    measured_layers: BoolArray
    surface: FloatArray
    N_full: FloatArray


def cytoarchitecture(facts: Facts) -> Cytoarchitecture:
    """Derive densities, thicknesses and population sizes of all areas."""
    types = architectural_types(facts)
    measured_overall, measured_layers = measured_densities(facts)
    overall = fill_by_type(measured_overall[:, None], types)[:, 0]
    densities = fill_by_type(measured_layers, types)
    measured_thickness = facts["thicknesses"].by_area("thickness_mm")
    thickness = total_thickness(measured_thickness, overall)
    relative = measured_relative_thickness(facts)
    layers = layer_thickness(relative, overall, thickness)
    surface = facts["surfaces"].by_area("surface_mm2")
    return Cytoarchitecture(
        types,
        densities,
        overall,
        np.isfinite(measured_overall),
        thickness,
        np.isfinite(measured_thickness),
        layers,
        np.isfinite(relative),
        surface,
        population_sizes(densities, layers, surface, excitatory_fraction(facts)),
    )


def architectural_types(facts: Facts) -> IntArray:
    """Architectural types of all areas: Hilgetag et al. (2016), doi:10.1016/j.neuroimage.2016.04.017, Table 4."""
    types = facts["architectural_types"].by_area("type")
    return np.where(np.isfinite(types), types, TYPE_OF_UNTYPED).astype(np.int64)


def nissl_over_neun(facts: Facts) -> tuple[float, float]:
    """Fit the density seen with Nissl stain as a line of the one seen with NeuN, which misses neurons.

    Returns
    -------
    slope, intercept : float
        The latter in neurons for each mm3.
    """
    nissl = dict(facts["densities_nissl"].rows)
    both = [(row[1], nissl[row[0]]) for row in facts["densities_neun"].rows if row[0] in nissl]
    return line(*np.array(both).T)


def measured_densities(facts: Facts) -> tuple[FloatArray, FloatArray]:
    """Densities of the areas that were measured, as if all were stained with Nissl; layers 5 and 6, measured as one, have the same.

    Returns
    -------
    overall : ndarray, shape (areas,)
    layers : ndarray, shape (areas, 4)
        Neurons for each mm3; NaN for areas that were not measured.
    """
    slope, intercept = nissl_over_neun(facts)
    areas_of = _areas_of_regions(facts)
    overall, layers = np.full(len(AREAS), np.nan), np.full((len(AREAS), len(LAYERS)), np.nan)
    for region, whole, *parts in facts["densities_neun"].rows:
        converted = [slope * part + intercept if part > 0 else 0.0 for part in parts]
        for a in areas_of(region):
            overall[a] = slope * whole + intercept
            layers[a] = converted[0], converted[1], converted[2], converted[2]
    for region, whole in facts["densities_nissl"].rows:
        for a in areas_of(region):
            overall[a] = whole
    return overall, layers


def fill_by_type(measured: FloatArray, types: IntArray) -> FloatArray:
    """Give each area without data the mean of the measured areas of its architectural type.

    Parameters
    ----------
    measured : ndarray, shape (areas, k)
        NaN where there is nothing.
    types : ndarray of int, shape (areas,)
    """
    filled = measured.copy()
    known = np.isfinite(measured[:, 0])
    for a in np.flatnonzero(~known):
        filled[a] = measured[known & (types == types[a])].mean(axis=0)
    return filled


def total_thickness(measured: FloatArray, overall: FloatArray) -> FloatArray:
    """Total thickness (mm): measured, or from a line over the logarithm of the density, denser areas being thinner."""
    known = np.isfinite(measured)
    slope, intercept = line(np.log10(overall[known]), measured[known])
    return np.where(known, measured, intercept + slope * np.log10(overall))


def measured_relative_thickness(facts: Facts) -> FloatArray:
    """Layers' share of the total thickness, the mean over studies; an explicit zero counts even without a total, shape (areas, 5), NaN for none."""
    shares: list[list[list[float]]] = [[[] for _ in SYNAPSE_LAYERS] for _ in AREAS]
    for area, _, *layers, total in facts["laminar_thicknesses"].rows:
        for v, layer in enumerate(layers):
            if layer == 0.0:
                shares[AREAS.index(area)][v].append(0.0)
            elif layer is not None and total is not None:
                shares[AREAS.index(area)][v].append(layer / total)
    return np.array([[np.mean(studies) if studies else np.nan for studies in area] for area in shares])


def layer_thickness(relative: FloatArray, overall: FloatArray, thickness: FloatArray) -> FloatArray:
    """Thickness of the layers (mm), shape (areas, 5).

    Missing shares of layers 1, 2/3, 5 and 6 are the mean over areas; of layer 4 a line over the logarithm of the density. Shares are then made to add
    up to 1.
    """
    filled = np.where(np.isfinite(relative), relative, np.nanmean(relative, axis=0))
    four, log_density = SYNAPSE_LAYERS.index("4"), np.log10(overall)
    known = np.isfinite(relative[:, four])
    slope, intercept = line(log_density[known], relative[known, four])
    filled[~known, four] = intercept + slope * log_density[~known]
    return np.asarray(filled / filled.sum(axis=1, keepdims=True) * thickness[:, None])


def excitatory_fraction(facts: Facts) -> FloatArray:
    """Fraction of excitatory neurons in each layer, that of the microcircuit, in all areas, shape (4,)."""
    sizes = np.array([row[1] for row in facts["microcircuit"].rows])
    return np.asarray(sizes[0::2] / (sizes[0::2] + sizes[1::2]))


def population_sizes(densities: FloatArray, layers: FloatArray, surface: FloatArray, excitatory: FloatArray) -> FloatArray:
    """Neurons of whole areas: density times surface times thickness of the layer, shape (areas, 8)."""
    by_layer = densities * layers[:, 1:] * surface[:, None]
    return np.stack([by_layer * excitatory, by_layer * (1.0 - excitatory)], axis=2).reshape(len(AREAS), -1)


def line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Fit y = intercept + slope x by least squares; return slope and intercept."""
    deviation = x - x.mean()
    slope = float(deviation @ (y - y.mean()) / (deviation @ deviation))
    return slope, float(y.mean() - slope * x.mean())


def _areas_of_regions(facts: Facts) -> Callable[[str], list[int]]:
    several: dict[str, list[int]] = {}
    for region, area in facts["regions"].rows:
        several.setdefault(region, []).append(AREAS.index(area))
    return lambda region: [AREAS.index(region)] if region in AREAS else several.get(region, [])
