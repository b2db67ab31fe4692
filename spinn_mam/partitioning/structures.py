"""The data types of the mapping stages: frozen, arrays only, one row an item.

*Vertices* are what sPyNNaker calls application vertices: the neurons of a population, its Poisson drive, its delay extension, or a
population of sources. A vertex is cut into *slices*, one a core. Rows of the slices of one vertex follow each other, in neuron order.

Cores are *combined* (neurons and their synapses together) or *split*: a neuron slice then has synapse cores, which take the spikes of
different sources, and hands nothing to the network but its own spikes. The j-th synapse cores of a population's slices are a vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.machine.description import MachineDescription

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
KeyArray = npt.NDArray[np.uint32]
BoolArray = npt.NDArray[np.bool_]

#: Kinds of vertices and slices.
NEURON, DELAY_EXTENSION, POISSON_SOURCE, SYNAPSE = 0, 1, 2, 3
KIND_NAMES = ("neuron", "delay_extension", "poisson_source", "synapse")


@dataclass(frozen=True, slots=True)
class Vertices:
    """Groups of cores that share a block of keys.

    Attributes
    ----------
    population : ndarray, shape (n_vertices,)
        Index of the population each belongs to.
    kind : ndarray, shape (n_vertices,)
        ``NEURON``, ``DELAY_EXTENSION``, ``POISSON_SOURCE`` or ``SYNAPSE``.
    ordinal : ndarray, shape (n_vertices,)
        Of synapse cores: which of those of a neuron slice, from 0. Else 0.
    ids_per_core : ndarray, shape (n_vertices,)
        Largest number of spike identities one core of it sends (neurons, times the stages of a delay extension); 0 of synapse cores.
    rate : ndarray, shape (n_vertices,)
        Expected rate of each identity (spikes/s, biological time).
    first_slice : ndarray, shape (n_vertices + 1,)
        Slices of vertex v are rows ``first_slice[v]:first_slice[v + 1]``.
    """

    population: IntArray
    kind: IntArray
    ordinal: IntArray
    ids_per_core: IntArray
    rate: FloatArray
    first_slice: IntArray


@dataclass(frozen=True, slots=True)
class Slices:
    """What each core runs.

    Attributes
    ----------
    population, kind, vertex : ndarray, shape (n_slices,)
    lo, hi : ndarray, shape (n_slices,)
        Neurons [lo, hi) of the population.
    serves : ndarray, shape (n_slices,)
        For all but neurons and populations of sources: row of the neuron slice it belongs to, which must be on its chip. Else -1.
    sdram_bytes, dtcm_bytes : ndarray, shape (n_slices,)
    hand_over_bytes : ndarray, shape (n_slices,)
        What it writes to SDRAM in each step for the neuron slice it serves, which reads it in the next; 0 for cores that send packets only.
        Room for all of them is part of the neuron slice's ``sdram_bytes``.
    """

    population: IntArray
    kind: IntArray
    vertex: IntArray
    lo: IntArray
    hi: IntArray
    serves: IntArray
    sdram_bytes: IntArray
    dtcm_bytes: IntArray
    hand_over_bytes: IntArray

    @property
    def n_slices(self) -> int:
        """Number of slices, which is the number of cores."""
        return len(self.lo)


@dataclass(frozen=True, slots=True)
class Connections:
    """Which vertex sends to which.

    Attributes
    ----------
    source, target : ndarray, shape (n_connections,)
        Vertices.
    lo, hi : ndarray, shape (n_connections,)
        Slices [lo, hi) of ``source``, counted from its first: each reaches every slice of ``target``, unless
    one_to_one : ndarray of bool, shape (n_connections,)
        is set: then only the slice with the same neurons.
    """

    source: IntArray
    target: IntArray
    lo: IntArray
    hi: IntArray
    one_to_one: BoolArray


@dataclass(frozen=True, slots=True)
class Partition:
    """The result of slicing: what goes on cores, and who talks to whom.

    Attributes
    ----------
    vertices : Vertices
    slices : Slices
    connections : Connections
    neurons_per_core : ndarray, shape (n_populations,)
    delay_slots : ndarray, shape (n_populations,)
        Ring-buffer slots of each population's cores: the longest delay (steps) without a delay extension.
    delay_stages : ndarray, shape (n_populations,)
        Stages of each population's delay extension; 0 without one.
    stage_slots : ndarray, shape (n_populations,)
        Steps of one stage of it: the fewest delay slots among the targets that need it; 0 without one.
    synapse_cores : ndarray, shape (n_populations,)
        Synapse cores of each neuron slice; 0 of combined cores and of sources.
    synapse_core : ndarray of int16, shape (n_populations, n_slices)
        Which core of every neuron slice of a target population takes the spikes of a source slice: 0 to ``synapse_cores - 1``, or 0 of
        combined cores; -1 where it sends nothing to them, or hands its sums over.
    cycles_per_step : ndarray, shape (n_populations,)
        Estimated cycles of the busiest core of a full neuron slice in one time step; 0 for sources.
    """

    vertices: Vertices
    slices: Slices
    connections: Connections
    neurons_per_core: IntArray
    delay_slots: IntArray
    delay_stages: IntArray
    stage_slots: IntArray
    synapse_cores: IntArray
    synapse_core: npt.NDArray[np.int16]
    cycles_per_step: FloatArray


@dataclass(frozen=True, slots=True)
class PlacementProblem:
    """What a placer is given.

    Attributes
    ----------
    machine : MachineDescription
    group : ndarray, shape (n_slices,)
        Slices of the same group (numbered from 0) must share a chip.
    sdram_bytes : ndarray, shape (n_slices,)
    """

    machine: MachineDescription
    group: IntArray
    sdram_bytes: IntArray


@dataclass(frozen=True, slots=True)
class Placement:
    """Where each slice runs.

    Attributes
    ----------
    chip : ndarray, shape (n_slices,)
        Row of the chip in the MachineDescription.
    core : ndarray, shape (n_slices,)
        Virtual core number p.
    """

    chip: IntArray
    core: IntArray


@dataclass(frozen=True, slots=True)
class Keys:
    """Spike keys: vertex | core | identity | colour, from the high bits down.

    Attributes
    ----------
    vertex_key, vertex_mask : ndarray of uint32, shape (n_vertices,)
        Block of each vertex.
    core_shift : ndarray, shape (n_vertices,)
        Bit at which the core index begins.
    colour_bits : int
        Lowest bits, which a sender sets freely.
    slice_key, slice_mask : ndarray of uint32, shape (n_slices,)
        Block of each slice: the vertex's, with the core index in slice order.
    """

    vertex_key: KeyArray
    vertex_mask: KeyArray
    core_shift: IntArray
    colour_bits: int
    slice_key: KeyArray
    slice_mask: KeyArray


@dataclass(frozen=True, slots=True)
class RoutingProblem:
    """What a router is given: nets, each from one chip to several.

    Attributes
    ----------
    neighbour : ndarray of int32, shape (n_chips, 6)
    vertex, chip : ndarray, shape (n_nets,)
        Source vertex and source chip: all its slices on that chip share the tree.
    rate : ndarray, shape (n_nets,)
        Spikes/s (biological time) that the net carries.
    target_first : ndarray, shape (n_vertices + 1,)
    target_chips : ndarray
        Chips that vertex v sends to: ``target_chips[target_first[v]:target_first[v + 1]]``, without repeats.
    """

    neighbour: npt.NDArray[np.int32]
    vertex: IntArray
    chip: IntArray
    rate: FloatArray
    target_first: IntArray
    target_chips: IntArray


@dataclass(frozen=True, slots=True)
class RoutingTrees:
    """One tree a net.

    Attributes
    ----------
    vertex, chip, rate : ndarray, shape (n_nets,)
        As in the RoutingProblem.
    first : ndarray, shape (n_nets + 1,)
        Edges of net i are rows ``first[i]:first[i + 1]``.
    from_chip, link : ndarray, shape (n_edges,)
        Each edge leaves ``from_chip`` by ``link`` (0-5).
    """

    vertex: IntArray
    chip: IntArray
    rate: FloatArray
    first: IntArray
    from_chip: IntArray
    link: IntArray


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The multicast table of one chip; the first entry that matches decides.

    Attributes
    ----------
    key, mask : ndarray of uint32, shape (n_entries,)
        An entry matches a packet if ``packet & mask == key``.
    route : ndarray of uint32, shape (n_entries,)
        Bits 0-5: links; bit 6 + p: core p.
    defaultable : ndarray of bool, shape (n_entries,)
        Whether all packets of the entry would go the same way without it, straight through.
    """

    key: KeyArray
    mask: KeyArray
    route: KeyArray
    defaultable: BoolArray

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.key)


@dataclass(frozen=True, slots=True)
class RoutingTables:
    """The tables of all chips; those of chip i are rows ``first[i]:first[i + 1]``.

    Attributes
    ----------
    first : ndarray, shape (n_chips + 1,)
    key, mask, route : ndarray of uint32, shape (n_entries,)
    defaultable : ndarray of bool, shape (n_entries,)
    """

    first: IntArray
    key: KeyArray
    mask: KeyArray
    route: KeyArray
    defaultable: BoolArray

    def of(self, chip: int) -> RoutingTable:
        """Return the table of one chip."""
        rows = slice(int(self.first[chip]), int(self.first[chip + 1]))
        return RoutingTable(self.key[rows], self.mask[rows], self.route[rows], self.defaultable[rows])

    @property
    def sizes(self) -> IntArray:
        """Entries of each chip, shape (n_chips,)."""
        return np.diff(self.first)
