"""Eigenmodes of the gain matrix: which populations and areas carry the critical one, and how stable each area is alone.

Problem
    Where would activity rise first if the stationary state lost its stability, and is that a property of single areas or of their interplay?
Method
    The mode with the largest real part of its eigenvalue has a right eigenvector u (how much of a deviation each population shows), a left one v
    (how much a deviation of each counts) and participations v_i u_i, which add up to 1. An area alone is the block of its own populations, the
    input from all others held constant.
Cost
    n^3.
Reference
    Schuecker et al. (2017), doi 10.1371/journal.pcbi.1005179; participation: Perez-Arriaga et al. (1982), doi 10.1109/TPAS.1982.317524.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.network.spec import FloatArray


@dataclass(frozen=True, slots=True)
class Modes:
    """Eigenmodes of a gain matrix.

    Attributes
    ----------
    eigenvalues : ndarray of complex, shape (n,)
        By falling real part.
    share : ndarray, shape (n,)
        Of each population in the right eigenvector of the first: absolute values that add up to 1.
    participation : ndarray, shape (n,)
        Real part of v_i u_i; adds up to 1.
    alone : dict of str to float
        Largest real part of the eigenvalues of each area alone.
    """

    eigenvalues: npt.NDArray[np.complex128]
    share: FloatArray
    participation: FloatArray
    alone: dict[str, float]


def area_of(name: str) -> str:
    """Area of a population, such as ``V1`` of ``V1-23E``; empty where there is only one area.

    Examples
    --------
    >>> area_of("V1-23E"), area_of("L4E")
    ('V1', '')
    """
    return name.rpartition("-")[0]


def by_area(names: tuple[str, ...], values: FloatArray) -> dict[str, float]:
    """Sum of values of the populations of each area."""
    total: dict[str, float] = {}
    for name, value in zip(names, values.tolist(), strict=True):
        total[area_of(name)] = total.get(area_of(name), 0.0) + value
    return total


def eigenmodes(field: MeanField, rates: FloatArray) -> Modes:
    """Analyse the gain matrix at a fixed point."""
    gain = field.gain(rates)
    values, right = np.linalg.eig(gain)
    order = np.argsort(-values.real, kind="stable")
    u, v = right[:, order[0]], np.linalg.inv(right)[order[0]]
    areas = np.array([area_of(name) for name in field.names])
    alone = {area: float(np.linalg.eigvals(gain[np.ix_(areas == area, areas == area)]).real.max()) for area in dict.fromkeys(areas.tolist())}
    return Modes(values[order].astype(np.complex128), np.abs(u) / np.abs(u).sum(), (v * u / (v @ u)).real, alone)
