"""Where the time loop keeps PyNN's cells: neurons of a kind together, spike sources after all neurons.

Problem
    The loop works on segments: neurons with the same constants, consecutive in its arrays. In PyNN each neuron of a population may
    differ from the others.

Method
    Neurons of a population are put in the order of their kind (equal constants, equal current sources), so that each kind is one
    segment, or two where a part ends.

Cost
    A row of a table for each kind. Where all neurons differ, the loop takes about 0.1 µs for a neuron and step, thirty times as
    long as for equal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator import layout as L
from spinn_mam.backends.emulator.layout import Layout
from spinn_mam.pynn.pending import IntArray
from spinn_mam.pynn.sources import Sources

#: From this number of neurons on the network has two parts, so that two threads can work on it.
_TWO_PARTS = 2_000


@dataclass(frozen=True, slots=True)
class Places:
    """Where cells are.

    Attributes
    ----------
    place_of : ndarray of int64, shape (n_cells,)
        Global index of each cell in the loop; for neurons that is the state index.
    cell_of : ndarray of int64, shape (n_cells,)
        Cell at each global index.
    population_of : ndarray of int64, shape (n_cells,)
    is_neuron : ndarray of bool, shape (n_cells,)
    first : ndarray of int64, shape (n_populations,)
        Lowest global index of each population.
    n_neurons : int
    """

    place_of: IntArray
    cell_of: IntArray
    population_of: IntArray
    is_neuron: npt.NDArray[np.bool_]
    first: IntArray
    n_neurons: int


def number_kinds(population: Any) -> IntArray:
    """Give neurons with equal constants and equal current sources the same number; shape (size,)."""
    kind: IntArray = population.kind.copy()
    seen: dict[tuple[int, tuple[int, ...]], int] = {}
    for index, currents in sorted(population.currents.items()):
        address = int(kind[index]), tuple(id(current) for current in currents)
        kind[index] = len(population.constants) + seen.setdefault(address, len(seen))
    return kind


def place(populations: Sequence[Any], sources: Sources, n_neurons: int) -> Places:
    """Give each cell its place.

    Parameters
    ----------
    populations : sequence of Population
        All of the network; cells are numbered in their order.
    sources : Sources
        Of those that are no neurons, in the same order.
    n_neurons : int
    """
    sizes = [p.size for p in populations]
    cell_of = np.zeros(sum(sizes), np.int64)
    first, at, source_first = np.zeros(len(populations), np.int64), 0, iter(sources.first)
    for p, population in enumerate(populations):
        cells = np.arange(population.size) + int(population.first_id)
        if population.is_neuron:
            first[p] = at
            at += population.size
            cells = cells[np.argsort(number_kinds(population), kind="stable")]
        else:
            first[p] = next(source_first)
        cell_of[first[p] : first[p] + population.size] = cells
    is_neuron = np.repeat([p.is_neuron for p in populations], sizes)
    place_of = np.empty_like(cell_of)
    place_of[cell_of] = np.arange(len(cell_of))
    return Places(place_of, cell_of, np.repeat(np.arange(len(sizes)), sizes), is_neuron, first, n_neurons)


def make_segments(
    populations: Sequence[Any], places: Places, sources: Sources, shifts: IntArray, axon_base: IntArray, n_axons: int
) -> tuple[Layout, list[tuple[int, Sequence[Any]]]]:
    """Write down the segments.

    Parameters
    ----------
    populations : sequence of Population
    places : Places
    sources : Sources
    shifts, axon_base : ndarray of int64, shape (n_populations, 2)
        Ring-buffer shifts, and first axons or -1.
    n_axons : int

    Returns
    -------
    layout : Layout
    currents : list of (int, sequence)
        Segments with current sources, and these.
    """
    n = places.n_neurons
    n_parts = max(2 if n >= _TWO_PARTS else 1, -(-n // L.PART_SIZE))
    part_bounds = np.array([i * n // n_parts for i in range(n_parts + 1)], np.int64)
    parts: list[list[tuple[list[int], int, Sequence[Any]]]] = [[] for _ in range(n_parts)]
    most = iter(sources.most)
    for p, population in enumerate(populations):
        first, size = int(places.first[p]), population.size
        if not population.is_neuron:
            row = [0] * L.N_COLUMNS
            row[L.HI], row[L.GLOBAL], row[L.IS_SOURCE], row[L.N_THRESHOLDS] = size, first, 1, next(most)
            row[L.AXON_EXC], row[L.AXON_INH] = axon_base[p].tolist()
            parts[p % n_parts].append((row, p, ()))
            continue
        cells = places.cell_of[first : first + size] - int(population.first_id)
        ends = np.flatnonzero(np.diff(number_kinds(population)[cells])) + 1
        cuts = part_bounds[(part_bounds > first) & (part_bounds < first + size)] - first
        for lo, hi in pairwise(np.unique([0, *ends, *cuts, size]).tolist()):
            index = int(cells[lo])
            row = [0] * L.N_COLUMNS
            row[L.LO], row[L.HI], row[L.GLOBAL] = first + lo, first + hi, first + lo
            row[L.AXON_EXC], row[L.AXON_INH] = (int(base) + lo if base >= 0 else -1 for base in axon_base[p])
            row[L.V_REST : L.INIT_INH + 1] = astuple(population.constants[population.kind[index]])
            row[L.SHIFT_EXC], row[L.SHIFT_INH] = shifts[p].tolist()
            part = int(np.searchsorted(part_bounds, first + lo, "right")) - 1
            parts[part].append((row, p, population.currents.get(index, ())))
    entries = [entry for part in parts for entry in part]
    layout = Layout(
        n,
        part_bounds,
        np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64),
        np.array([row for row, _, _ in entries], np.int64).reshape(-1, L.N_COLUMNS),
        np.zeros(len(entries), np.uint64),
        np.zeros((len(entries), 1), np.uint32),
        np.array([p for _, p, _ in entries], np.int64),
        axon_base,
        n_axons,
    )
    return layout, [(k, currents) for k, (_, _, currents) in enumerate(entries) if currents]
