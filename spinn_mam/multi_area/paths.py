"""Strongest paths between areas through all their populations, and the layers they begin and end in.

Problem
    Which chain of populations carries activity from one area to another most strongly, and does it depend on the direction in the hierarchy?
Method
    The gain of a connection is its in-degree times its absolute weight. Gains are scaled by the largest eigenvalue of their matrix, so that no
    closed loop has a product above 1. The length of a connection is -log10 of its scaled gain and lengths add up along a path, so the shortest
    path has the largest product. Single lengths may be below 0, loops never: Johnson's algorithm reweights, then takes Dijkstra's.
    Of all pairs of a population of one area and one of another the strongest path is that between the areas.
Cost
    O(p^2 log p + p e) for p populations, e connections; a second for 254 populations.
Sources
    Schmidt et al. (2018), doi 10.1007/s00429-017-1554-4; Johnson (1977), doi 10.1145/321992.321993.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from spinn_mam.models.mam.areas import POPULATIONS
from spinn_mam.multi_area.areas import Areas

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Path:
    """The strongest path from one area to another.

    Attributes
    ----------
    populations : tuple of int
        From the source to the target, as indices.
    length : float
        -log10 of the product of its scaled gains.
    """

    populations: tuple[int, ...]
    length: float


def scaled_gains(gains: FloatArray) -> FloatArray:
    """Divide by the largest eigenvalue.

    Parameters
    ----------
    gains : ndarray of float64, shape (n, n)
        In-degree times absolute weight, [target, source].
    """
    largest = np.abs(np.linalg.eigvals(gains)).max()
    return gains / largest if largest > 0 else gains


def strongest_paths(gains: FloatArray, areas: Areas) -> dict[tuple[str, str], Path]:
    """Return the strongest path between each pair of areas that are connected, by (target, source).

    Parameters
    ----------
    gains : ndarray of float64, shape (n_populations, n_populations)
        In-degree times absolute weight, [target, source].
    areas : Areas
    """
    scaled = scaled_gains(gains).T
    source, target = np.nonzero(scaled)
    lengths = -np.log10(scaled[source, target])
    lengths[lengths == 0.0] = 1e-15  # a stored zero is no connection
    graph = sparse.csr_array((lengths, (source, target)), shape=scaled.shape)
    distance, before = csgraph.johnson(graph, directed=True, return_predecessors=True)
    found = {}
    members = {area: areas.populations(area) for area in areas.names}
    for first, sources in members.items():
        for last, targets in members.items():
            block = distance[np.ix_(sources, targets)]
            if first != last and np.isfinite(block).any():
                i, j = np.unravel_index(block.argmin(), block.shape)
                found[last, first] = Path(_walk_back(before[sources[i]], int(sources[i]), int(targets[j])), float(block[i, j]))
    return found


def end_layers(paths: dict[tuple[str, str], Path], areas: Areas, pairs: npt.NDArray[np.bool_]) -> FloatArray:
    """Count paths by the populations they begin and end in.

    Parameters
    ----------
    paths : dict
        As :func:`strongest_paths` gives them.
    areas : Areas
    pairs : ndarray of bool, shape (n_areas, n_areas)
        Which pairs count, [target, source].

    Returns
    -------
    ndarray of float64, shape (8, 8)
        [target, source] population.
    """
    table = np.zeros((len(POPULATIONS), len(POPULATIONS)))
    for (target, source), path in paths.items():
        if pairs[areas.names.index(target), areas.names.index(source)]:
            table[areas.place[path.populations[-1]], areas.place[path.populations[0]]] += 1
    return table


def n_areas_passed(paths: dict[tuple[str, str], Path], areas: Areas) -> Counter[int]:
    """Count paths by the number of areas they pass through, first and last included."""
    return Counter(len(set(areas.area[list(path.populations)])) for path in paths.values())


def _walk_back(before: npt.NDArray[np.int32], source: int, target: int) -> tuple[int, ...]:
    path = [target]
    while path[-1] != source:
        path.append(int(before[path[-1]]))
    return tuple(path[::-1])
