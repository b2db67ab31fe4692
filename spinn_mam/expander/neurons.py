"""The neuron parameters and initial potentials that a core makes for itself: ``neuron_expander.aplx`` in plain integers.

Problem
    sPyNNaker does not load parameters neuron by neuron: it writes a recipe, and each core draws what is random.

Method
    A recipe is a list of structures, each with its fields in order, each field with the runs of neurons that share a
    constant or a distribution. The core fills field after field, in each neuron after neuron. It draws from the same core
    stream that its synapses start from anew, so the first initial potential and the first weight come from the same word.

Cost
    A draw for each neuron and random field: no compiled path is needed.

Reference
    ``neuron_data.py`` and ``struct.py`` of sPyNNaker 1!7.4.1, and the behaviour of its ``neuron_expander.aplx``, compared
    word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.expander.region import ParameterGenerator, Reader
from spinn_mam.fixed_point.poisson import core_seeds
from spinn_mam.fixed_point.random_streams import N_PARAMETERS, Stream, draw
from spinn_mam.fixed_point.s1615 import FRACTION_BITS, wrap32

#: How a field is stored: s16.15, whole number without or with sign, u0.32.
S1615, UINT32, INT32, U032 = range(4)
#: Number of neurons that stands for all of the core.
ALL_NEURONS = 0xFFFFFFFF
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or state variable.

    Attributes
    ----------
    kind : int
        ``S1615`` to ``U032``.
    runs : tuple of (int, ParameterGenerator)
        Numbers of successive neurons and what they get; ALL_NEURONS for the whole core.
    """

    kind: int
    runs: tuple[tuple[int, ParameterGenerator], ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """Fields that lie together in a core's memory.

    Attributes
    ----------
    n_bytes : int
        Size of one.
    n_repeats : int
        Copies: 1, the core's neurons, or ALL_NEURONS.
    fields : tuple of Field
    """

    n_bytes: int
    n_repeats: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class NeuronRegion:
    """All that a core's neuron expander reads of its neurons.

    Attributes
    ----------
    parameter_region, recording_region : int
        Numbers of the core's regions.
    population_seed, core_seed : tuple of int
        4 words each.
    n_neurons : int
    structures : tuple of Structure
    recording : tuple of int
        Words about what is recorded, as they are.
    """

    parameter_region: int
    recording_region: int
    population_seed: tuple[int, ...]
    core_seed: tuple[int, ...]
    n_neurons: int
    structures: tuple[Structure, ...]
    recording: tuple[int, ...] = ()


def read_neuron_region(data: bytes | npt.NDArray[np.uint32]) -> NeuronRegion:
    """Read a neuron_builder region.

    Raises
    ------
    UsageError
        If it is truncated or holds an unknown kind of field or distribution.
    """
    reader = Reader(data, "neuron_builder region")
    parameters, recording = reader.take(2, "the header")
    population_seed, core_seed = reader.take(4, "the seeds"), reader.take(4, "the seeds")
    n_structures, n_neurons = reader.take(2, "the header")
    structures = tuple(_read_structure(reader, f"structure {k}") for k in range(n_structures))
    return NeuronRegion(parameters, recording, population_seed, core_seed, n_neurons, structures, reader.rest())


def _read_structure(reader: Reader, where: str) -> Structure:
    n_bytes, n_repeats, _size, n_fields = reader.take(4, where)
    kinds: list[int] = []
    runs: list[list[tuple[int, int]]] = []
    for _ in range(n_fields):
        kind, n_runs = reader.take(2, where)
        if kind > U032:
            raise UsageError(f"{reader.what}, {where}: a field of kind {kind} is unknown, there are 0 to {U032}")
        kinds.append(kind)
        pairs = reader.take(2 * n_runs, where)
        runs.append(list(zip(pairs[::2], pairs[1::2], strict=True)))
    fields = []
    for kind, own in zip(kinds, runs, strict=True):
        generators = []
        for n, generator in own:
            if generator >= len(N_PARAMETERS):
                raise UsageError(f"{reader.what}, {where}: parameter generator {generator} is not reproduced")
            parameters = tuple(wrap32(w) for w in reader.take(N_PARAMETERS[generator], where))
            generators.append((n, ParameterGenerator(generator, parameters)))
        fields.append(Field(kind, tuple(generators)))
    return Structure(n_bytes, n_repeats, tuple(fields))


def neuron_region_words(region: NeuronRegion) -> npt.NDArray[np.uint32]:
    """Write a neuron_builder region: what :func:`read_neuron_region` reads."""
    words = [region.parameter_region, region.recording_region, *region.population_seed, *region.core_seed]
    words += [len(region.structures), region.n_neurons]
    for structure in region.structures:
        head = [structure.n_bytes, structure.n_repeats, 0, len(structure.fields)]
        values: list[int] = []
        for field in structure.fields:
            head += [field.kind, len(field.runs)]
            for n, generator in field.runs:
                head += [n, generator.kind]
                values += generator.parameters
        head[2] = 4 * len(head)
        words += head + values
    words += region.recording
    return np.array([w & _WORD for w in words], np.uint32)


def expand_neurons(region: NeuronRegion) -> npt.NDArray[np.uint32]:
    """Make a core's neuron parameters.

    Parameters
    ----------
    region : NeuronRegion

    Returns
    -------
    ndarray of uint32
        Content of the parameter region: the structures one after the other, copy by copy. All fields have 4 bytes.

    Raises
    ------
    UsageError
        If a clipped distribution never hits its bounds: the machine stops there.
    """
    stream = Stream(region.core_seed)
    parts = []
    for structure in region.structures:
        n = region.n_neurons if structure.n_repeats == ALL_NEURONS else structure.n_repeats
        table = np.zeros((n, structure.n_bytes // 4), np.uint32)
        for column, field in enumerate(structure.fields):
            row = 0
            for run, generator in field.runs:
                for _ in range(region.n_neurons if run == ALL_NEURONS else run):
                    table[row, column] = stored(draw(stream, generator.kind, generator.parameters), field.kind)
                    row += 1
        parts.append(table.ravel())
    return np.concatenate(parts) if parts else np.zeros(0, np.uint32)


def stored(value: int, kind: int) -> int:
    """Turn a value (s16.15) into the word of a field."""
    if kind == S1615:
        return value & _WORD
    if kind == U032:
        return value << (32 - FRACTION_BITS) & _WORD
    whole = -(-value >> FRACTION_BITS) if value < 0 else value >> FRACTION_BITS
    return whole & _WORD


def initial_values(seed: int, bounds: Sequence[int], generator: ParameterGenerator) -> npt.NDArray[np.int32]:
    """Draw a state variable of a whole population, if nothing else of its neurons is random.

    Parameters
    ----------
    seed : int
        sPyNNaker's ``seed`` of the population.
    bounds : sequence of int
        Slice k holds neurons [bounds[k], bounds[k + 1]).
    generator : ParameterGenerator

    Returns
    -------
    ndarray of int32, shape (size,)
        s16.15.
    """
    _, *seeds = core_seeds(seed, len(bounds))
    values = []
    for core, lo, hi in zip(seeds, bounds[:-1], bounds[1:], strict=True):
        stream = Stream(core)
        values += [draw(stream, generator.kind, generator.parameters) for _ in range(hi - lo)]
    return np.array(values, np.int32)
