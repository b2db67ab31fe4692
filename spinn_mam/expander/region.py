"""What a core's synapse expander is told: the words of its ConnectorBuilder region, read and written.

The host writes one such region for each slice of a target population: the slice, the seeds of two random streams (one
that all cores of the population share, one of the core's own), the weight scales, and for each incoming projection what
connects whom (an *edge*). The layout is that of sPyNNaker 1!7.4.1 (``synaptic_matrices.py``, ``generator_data.py``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.random_streams import N_PARAMETERS
from spinn_mam.fixed_point.s1615 import wrap32

#: Connectors, by the number the host writes for them.
ONE_TO_ONE, ALL_TO_ALL, FIXED_PROBABILITY, FIXED_TOTAL, FIXED_PRE, FIXED_POST = range(6)
CONNECTOR_NAMES = (
    "OneToOneConnector",
    "AllToAllConnector",
    "FixedProbabilityConnector",
    "FixedTotalNumberConnector",
    "FixedNumberPreConnector",
    "FixedNumberPostConnector",
)
#: Parameters of each: none; allow_self; allow_self, probability (u0.32); allow_self, with_replacement, n (three times).
N_CONNECTOR_PARAMETERS = (0, 1, 2, 3, 3, 3)
#: The only synaptic matrix that is reproduced; others hold plastic synapses.
STATIC_MATRIX = 0
#: Instead of an address or a region that does not exist.
NONE = 0xFFFFFFFF
#: Words before the data of a synaptic row.
ROW_HEADER = 3


@dataclass(frozen=True, slots=True)
class ParameterGenerator:
    """A constant or a distribution that the machine draws from.

    Attributes
    ----------
    kind : int
        Of :mod:`spinn_mam.fixed_point.random_streams`.
    parameters : tuple of int
        s16.15 numbers.
    """

    kind: int
    parameters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MatrixLayout:
    """Where an edge's synapses go and how a synaptic word is made.

    Attributes
    ----------
    offset, delayed_offset : int
        First word of the matrix, and of that for delay extensions, in the region of synaptic matrices; NONE without one.
    row_words, delayed_row_words : int
        Longest row (words without header): a row that is full takes no more.
    synapse_type, type_bits, index_bits : int
        Receptor; bits of it and of the target's index in a word.
    n_stages : int
        Delay stages, the one without extension included.
    stage_steps, delay_bits : int
        Longest delay of a stage (steps), bits of a delay.
    n_sources, sources_per_core : int
        Neurons of the source population, and on each of its cores but the last.
    """

    offset: int
    delayed_offset: int
    row_words: int
    delayed_row_words: int
    synapse_type: int
    type_bits: int
    index_bits: int
    n_stages: int
    stage_steps: int
    delay_bits: int
    n_sources: int
    sources_per_core: int


@dataclass(frozen=True, slots=True)
class Edge:
    """One incoming projection.

    Attributes
    ----------
    sources, targets : (int, int)
        First and last neuron of source and target (a population or a view of it).
    synapse_type : int
        Receptor: index of the weight scale.
    matrix : MatrixLayout
    connector : int
        ``ONE_TO_ONE`` to ``FIXED_POST``.
    connector_parameters : tuple of int
    weight, delay : ParameterGenerator
        In nA (or uS) and ms.
    """

    sources: tuple[int, int]
    targets: tuple[int, int]
    synapse_type: int
    matrix: MatrixLayout
    connector: int
    connector_parameters: tuple[int, ...]
    weight: ParameterGenerator
    delay: ParameterGenerator


@dataclass(frozen=True, slots=True)
class ExpanderRegion:
    """All a core's synapse expander reads.

    Attributes
    ----------
    matrix_region, table_region, filter_region, structural_region : int
        Numbers of the core's regions with synaptic matrices, population table, bit fields and rewiring (or NONE).
    slice_start, slice_size : int
        The core's neurons in the target population.
    steps_per_ms : int
        Steps for each ms of delay (s16.15).
    population_seed, core_seed : tuple of int
        4 words each.
    weight_scales : tuple of int
        Of each receptor (u32.32).
    edges : tuple of Edge
    n_keyed : tuple of int
        Neurons of each incoming source, by routing key; for the bit fields.
    """

    matrix_region: int
    table_region: int
    filter_region: int
    structural_region: int
    slice_start: int
    slice_size: int
    steps_per_ms: int
    population_seed: tuple[int, ...]
    core_seed: tuple[int, ...]
    weight_scales: tuple[int, ...]
    edges: tuple[Edge, ...]
    n_keyed: tuple[int, ...] = ()


class Reader:
    """Takes words of a region in turn.

    Parameters
    ----------
    data : bytes or ndarray of uint32
        The region, little-endian.
    what : str
        What it is called in errors.
    """

    def __init__(self, data: bytes | npt.NDArray[np.uint32], what: str) -> None:
        if isinstance(data, bytes | bytearray | memoryview):
            data = np.frombuffer(data, "<u4", count=len(data) // 4)
        self.words, self.what, self.at = data.tolist(), what, 0

    def take(self, n: int, where: str) -> tuple[int, ...]:
        """Take the next n words."""
        if self.at + n > len(self.words):
            raise UsageError(
                f"{self.what}: {where} needs words {self.at} to {self.at + n - 1}, there are {len(self.words)}: it is truncated or not such a region"
            )
        self.at += n
        return tuple(self.words[self.at - n : self.at])

    def rest(self) -> tuple[int, ...]:
        """Take all that is left."""
        return self.take(len(self.words) - self.at, "the rest")


def read_region(data: bytes | npt.NDArray[np.uint32]) -> ExpanderRegion:
    """Read a ConnectorBuilder region.

    Parameters
    ----------
    data : bytes or ndarray of uint32
        The region, little-endian.

    Returns
    -------
    ExpanderRegion

    Raises
    ------
    UsageError
        If it is truncated, or holds a connector, distribution or plastic matrix that is not reproduced.
    """
    reader = Reader(data, "ConnectorBuilder region")
    matrices, table, filters, structural = reader.take(4, "the header")
    n_edges, slice_start, slice_size, _index, n_types, steps_per_ms = reader.take(6, "the header")
    population_seed, core_seed = reader.take(4, "the seeds"), reader.take(4, "the seeds")
    scales = reader.take(2 * n_types, "the weight scales")
    edges = tuple(_read_edge(reader, k) for k in range(n_edges))
    return ExpanderRegion(
        matrices,
        table,
        filters,
        structural,
        slice_start,
        slice_size,
        wrap32(steps_per_ms),
        population_seed,
        core_seed,
        tuple(low | high << 32 for low, high in zip(scales[::2], scales[1::2], strict=True)),
        edges,
        reader.rest(),
    )


def _read_edge(reader: Reader, k: int) -> Edge:
    where = f"edge {k}"
    pre_lo, pre_hi, post_lo, post_hi, synapse_type, matrix, connector, weight, delay = reader.take(9, where)
    if matrix != STATIC_MATRIX:
        raise UsageError(f"ConnectorBuilder region, {where}: synaptic matrix {matrix} is plastic; only static synapses are reproduced")
    if connector >= len(N_CONNECTOR_PARAMETERS):
        raise UsageError(f"ConnectorBuilder region, {where}: connector {connector} is not reproduced; those that are: {', '.join(CONNECTOR_NAMES)}")
    layout = MatrixLayout(*reader.take(len(dataclasses.fields(MatrixLayout)), where))
    parameters = reader.take(N_CONNECTOR_PARAMETERS[connector], where)
    generators = []
    for kind in (weight, delay):
        if kind >= len(N_PARAMETERS):
            raise UsageError(f"ConnectorBuilder region, {where}: parameter generator {kind} is not reproduced")
        generators.append(ParameterGenerator(kind, tuple(wrap32(w) for w in reader.take(N_PARAMETERS[kind], where))))
    return Edge((pre_lo, pre_hi), (post_lo, post_hi), synapse_type, layout, connector, parameters, *generators)


def region_words(region: ExpanderRegion) -> npt.NDArray[np.uint32]:
    """Write a ConnectorBuilder region: what :func:`read_region` reads.

    Returns
    -------
    ndarray of uint32
    """
    words = [region.matrix_region, region.table_region, region.filter_region, region.structural_region]
    words += [len(region.edges), region.slice_start, region.slice_size, 0, len(region.weight_scales), region.steps_per_ms]
    words += [*region.population_seed, *region.core_seed]
    for scale in region.weight_scales:
        words += [scale & 0xFFFFFFFF, scale >> 32]
    for e in region.edges:
        words += [*e.sources, *e.targets, e.synapse_type, STATIC_MATRIX, e.connector, e.weight.kind, e.delay.kind]
        words += dataclasses.astuple(e.matrix)
        words += [*e.connector_parameters, *e.weight.parameters, *e.delay.parameters]
    words += region.n_keyed
    return np.array([w & 0xFFFFFFFF for w in words], np.uint32)
