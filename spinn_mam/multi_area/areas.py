"""Which population belongs to which area: names such as ``V1-23E``, areas in the order of the network.

An area has the populations of :data:`spinn_mam.models.mam.areas.POPULATIONS`, or some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.models.mam.areas import POPULATIONS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Areas:
    """The areas of a network.

    Attributes
    ----------
    names : tuple of str
        Areas, in the order in which their first populations come.
    area : ndarray of int64, shape (n_populations,)
        Area of each population, as an index into ``names``; -1 for one that belongs to none, such as a stimulus.
    place : ndarray of int64, shape (n_populations,)
        Place of each population in ``POPULATIONS``; -1 for one that belongs to no area.
    """

    names: tuple[str, ...]
    area: IntArray
    place: IntArray

    @property
    def n(self) -> int:
        """Number of areas."""
        return len(self.names)

    @property
    def member(self) -> FloatArray:
        """1 for the populations of each area, else 0; shape (n_areas, n_populations)."""
        return np.asarray(self.area[None, :] == np.arange(self.n)[:, None], dtype=np.float64)

    def populations(self, area: str) -> IntArray:
        """Return the indices of an area's populations."""
        return np.flatnonzero(self.area == self.names.index(area))

    def grid(self, values: npt.ArrayLike) -> FloatArray:
        """Lay values of populations out as a table of areas.

        Parameters
        ----------
        values : array_like, shape (n_populations,)

        Returns
        -------
        ndarray of float64, shape (n_areas, 8)
            NaN where an area has no such population.
        """
        table = np.full((self.n, len(POPULATIONS)), np.nan)
        mine = self.area >= 0
        table[self.area[mine], self.place[mine]] = np.asarray(values, dtype=np.float64)[mine]
        return table

    def mean(self, values: npt.ArrayLike, weights: npt.ArrayLike) -> FloatArray:
        """Average values of populations over each area.

        Parameters
        ----------
        values : array_like, shape (n_populations, ...)
            NaN is left out.
        weights : array_like, shape (n_populations,)
            Such as sizes.

        Returns
        -------
        ndarray of float64, shape (n_areas, ...)
            NaN for an area without a value.
        """
        data = np.asarray(values, dtype=np.float64)
        weight = np.asarray(weights, dtype=np.float64).reshape(-1, *[1] * (data.ndim - 1))
        there = np.isfinite(data)
        total = np.tensordot(self.member, np.where(there, data, 0.0) * weight, axes=1)
        share = np.tensordot(self.member, there * weight, axes=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / share, dtype=np.float64)


def find_areas(names: Sequence[str]) -> Areas | None:
    """Find the areas of a network by the names of its populations; None if it has none.

    Parameters
    ----------
    names : sequence of str
        Names of populations.

    Examples
    --------
    >>> areas = find_areas(["V1-23E", "V1-23I", "TH-6E", "stimulus"])
    >>> areas.names, areas.area.tolist(), areas.place.tolist()
    (('V1', 'TH'), [0, 0, 1, -1], [0, 1, 6, -1])
    >>> find_areas(["L23E", "L23I"]) is None
    True
    """
    split = [name.rpartition("-") for name in names]
    known = [bool(area) and population in POPULATIONS for area, _, population in split]
    found = tuple(dict.fromkeys(area for (area, _, _), is_known in zip(split, known, strict=True) if is_known))
    if not found:
        return None
    area_of = [found.index(area) if is_known else -1 for (area, _, _), is_known in zip(split, known, strict=True)]
    place = [POPULATIONS.index(population) if is_known else -1 for (_, _, population), is_known in zip(split, known, strict=True)]
    return Areas(found, np.array(area_of, dtype=np.int64), np.array(place, dtype=np.int64))
