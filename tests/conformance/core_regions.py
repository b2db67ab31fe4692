"""Data regions of sPyNNaker's cores, written from our own numbers: what a binary reads from SDRAM before it runs.

Layouts are those of sPyNNaker 1!7.4.1; ``test_core_regions_equal_spynnaker.py`` compares them, word by word, with what the host tools write.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.network.spec import NeuronParameters

DATA_MAGIC, DATA_VERSION, MAX_REGIONS = 0xAD130AD6, 0x00010000, 32
TABLE_WORDS = 2 + 3 * MAX_REGIONS
RUNNING_COMMAND_PORT = 3
COLOUR_BITS = 4
N_RECEPTORS = 2
#: Words of a record of provenance that each binary writes, at least.
PROVENANCE_WORDS = 32
#: ``transfer_overhead_clocks`` of sPyNNaker's configuration.
TRANSFER_CLOCKS = 200
#: Spikes that wait in a core; sPyNNaker's default is 256.
SPIKE_BUFFER = 256

Words = np.ndarray[tuple[int], np.dtype[np.uint32]]


@dataclass(frozen=True)
class Region:
    """Content of a region and the words that are kept for it."""

    words: Words
    n_words: int

    @classmethod
    def of(cls, *words: int, n_words: int = 0) -> "Region":
        content = np.array([w & 0xFFFFFFFF for w in words], np.uint32)
        return cls(content, max(n_words, len(content)))


@dataclass(frozen=True)
class Core:
    """A binary and its regions."""

    binary: str
    regions: dict[int, Region]


@dataclass(frozen=True)
class Neuron:
    """A neuron with its bias (pA) and what it starts from (mV, nA)."""

    parameters: NeuronParameters
    I_e: float = 0.0
    v: float = -65.0
    i_exc: float = 0.0
    i_inh: float = 0.0


@dataclass(frozen=True)
class Matrix:
    """Synapses from the neurons of one source core, whose keys end with ``key_bits``: rows of (weight, delay, receptor, target)."""

    key: int
    key_bits: int
    n_sources: int
    rows: Sequence[Sequence[tuple[int, int, int, int]]]


@dataclass(frozen=True)
class Slice:
    """What a neuron core and its synapse cores share.

    ``delay_bits`` gives 2 ** delay_bits slots.
    """

    neurons: Sequence[Neuron]
    dt: float
    shifts: tuple[int, int]
    key: int
    n_steps: int
    delay_bits: int = 4
    max_neurons: int = field(default=0)
    spike_buffer: int = SPIKE_BUFFER

    @property
    def n(self) -> int:
        return len(self.neurons)

    @property
    def index_bits(self) -> int:
        return n_bits(self.max_neurons or self.n)


def n_bits(n_values: int) -> int:
    """Bits for an index; one at least."""
    return max(1, (n_values - 1).bit_length())


def key_mask(key_bits: int) -> int:
    """Mask of the keys of a core: neuron index and colour take the last bits."""
    return 0xFFFFFFFF << key_bits & 0xFFFFFFFF


def combined_core(core: Slice, matrices: Sequence[Matrix]) -> Core:
    """``IF_curr_exp``: synapses and neurons."""
    table, blocks = _synapses(core, matrices)
    neurons = _neuron_parameters(core)
    regions = {
        0: _system("IF_curr_exp", core.dt),
        1: _core_parameters(core),
        2: neurons,
        3: Region.of(0),
        4: _synapse_parameters(core),
        5: table,
        6: blocks,
        9: _neuron_recording(core.n),
        10: Region.of(n_words=PROVENANCE_WORDS),
        11: Region.of(0),
        14: Region.of(0, n_words=16),
        15: _recording([_v_bytes(core), 0, 0, _spike_bytes(core), 0, 0]),
        16: Region.of(n_words=neurons.n_words),
    }
    return Core("IF_curr_exp.aplx", regions)


def neuron_core(core: Slice, sdram: int, n_inputs: int) -> Core:
    """``IF_curr_exp_neuron``: neurons whose input ``n_inputs`` cores leave at ``sdram``, one after another."""
    neurons = _neuron_parameters(core)
    regions = {
        0: _system("IF_curr_exp_neuron", core.dt),
        1: _core_parameters(core),
        2: Region.of(n_words=PROVENANCE_WORDS),
        3: Region.of(0),
        4: _recording([_v_bytes(core), 0, 0, _spike_bytes(core)]),
        5: neurons,
        6: Region.of(0),
        7: _neuron_recording(core.n),
        8: Region.of(sdram, transfer_bytes(core), n_inputs),
        10: Region.of(n_words=neurons.n_words),
    }
    return Core("IF_curr_exp_neuron.aplx", regions)


def synapse_core(core: Slice, matrices: Sequence[Matrix], sdram: int) -> Core:
    """``synapses``: ring buffers whose slots of each step go to ``sdram``."""
    table, blocks = _synapses(core, matrices)
    regions = {
        0: _system("synapses", core.dt),
        1: Region.of(n_words=PROVENANCE_WORDS),
        2: Region.of(0),
        3: _recording([0, 0]),
        4: _synapse_parameters(core),
        5: blocks,
        6: table,
        7: Region.of(n_words=1),
        8: Region.of(n_words=1),
        9: Region.of(0, n_words=16),
        10: Region.of(sdram, transfer_bytes(core), TRANSFER_CLOCKS),
        # no neurons of its own whose spikes it must know: a key that no packet matches
        11: Region.of(1, 0, 0, 0, 0),
    }
    return Core("synapses.aplx", regions)


def array_core(events: Sequence[tuple[int, int]], dt: float, key: int | None = None, mask: int = 0) -> Core:
    """``reverse_iptag_multicast_source``: sends keys in given steps; with a key and mask of its own, as sPyNNaker sets it up, only those."""
    steps: dict[int, list[int]] = {}
    for step, spike in events:
        steps.setdefault(step, []).append(spike)
    data = b""
    for step in sorted(steps):
        for at in range(0, len(steps[step]), 60):
            keys = steps[step][at : at + 60]
            # 32-bit keys, and before them a time stamp
            data += bytes([len(keys), 0x38]) + np.array([step, *keys], "<u4").tobytes()
    data += b"\x03\x40"  # stop
    data += b"\x00" * (-len(data) % 4)
    buffer = np.frombuffer(data, "<u4").astype(np.uint32)
    own = (0, 0, 0, 0, 1, 0, 0) if key is None else (1, key, 1, 0, 1, key, mask)
    regions = {
        0: _system("reverse_iptag_multicast_source", dt),
        1: Region.of(*own, 4 * len(buffer), 4 * len(buffer) + 256, 0, 0, 1, 5),
        2: Region.of(1, 0, 0, 0),
        3: Region(buffer, len(buffer)),
        4: Region.of(n_words=PROVENANCE_WORDS),
    }
    return Core("reverse_iptag_multicast_source.aplx", regions)


def spike_key(key: int, neuron: int, step: int) -> int:
    """Key of a spike: neuron and, to tell late packets, the last bits of the step."""
    return key + (neuron << COLOUR_BITS) + (step & (1 << COLOUR_BITS) - 1)


def transfer_bytes(core: Slice) -> int:
    """Bytes of all slots of one step."""
    return 2 * N_RECEPTORS << core.index_bits


def table_words(addresses: dict[int, int], regions: dict[int, Region]) -> Words:
    """Pointer table of a core: where each region is, the sum of its words and their number."""
    table = np.zeros(TABLE_WORDS, np.uint32)
    table[:2] = DATA_MAGIC, DATA_VERSION
    for number, region in regions.items():
        total = int(region.words.sum(dtype=np.uint64)) & 0xFFFFFFFF
        table[2 + 3 * number : 5 + 3 * number] = addresses[number], total, len(region.words)
    return table


def _system(name: str, dt: float) -> Region:
    magic = int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:8], 16)
    return Region.of(magic, round(dt * 1000), RUNNING_COMMAND_PORT)


def _core_parameters(core: Slice) -> Region:
    keys = [core.key + (i << COLOUR_BITS) for i in range(core.n)]
    return Region.of(1, core.n, 1 << core.index_bits, COLOUR_BITS, N_RECEPTORS, *core.shifts, *keys)


def _neuron_parameters(core: Slice) -> Region:
    dt = to_s1615(core.dt)
    words = [1]  # updates in a step
    for neuron in core.neurons:
        p = neuron.parameters
        values = (neuron.v, p.E_L, p.C_m / 1000.0, p.tau_m, neuron.I_e / 1000.0, p.V_reset, p.t_ref)
        words += [*map(to_s1615, values), 0, dt]
    words += [to_s1615(neuron.parameters.V_th) for neuron in core.neurons]
    for neuron in core.neurons:
        p = neuron.parameters
        words += [*map(to_s1615, (p.tau_syn_ex, neuron.i_exc, p.tau_syn_in, neuron.i_inh)), dt]
    return Region.of(*words)


def _synapse_parameters(core: Slice) -> Region:
    n = core.max_neurons or core.n
    return Region.of(n, N_RECEPTORS, core.index_bits, n_bits(N_RECEPTORS), core.delay_bits, 0, core.spike_buffer, *core.shifts)


def _synapses(core: Slice, matrices: Sequence[Matrix]) -> tuple[Region, Region]:
    """Population table and rows, in the order of the matrices; the table is sorted by key."""
    blocks: list[int] = []
    entries: dict[int, tuple[Matrix, list[int]]] = {}
    for matrix in matrices:
        length = max(1, *(len(row) for row in matrix.rows))
        blocks += [0] * (-len(blocks) % 4)
        entries.setdefault(matrix.key, (matrix, []))[1].append(length - 1 | len(blocks) // 4 << 8)
        for row in matrix.rows:
            words = [weight << 16 | ((delay << 1 | receptor) << core.index_bits) | target for weight, delay, receptor, target in row]
            blocks += [0, len(row), 0, *words, *[0] * (length - len(row))]
    table = [len(entries), sum(len(addresses) for _, addresses in entries.values())]
    listed: list[int] = []
    for key, (matrix, addresses) in sorted(entries.items()):
        start = len(listed) | COLOUR_BITS << 13 | len(addresses) << 16
        n = matrix.n_sources
        table += [key, key_mask(matrix.key_bits), start, (n_bits(n) + COLOUR_BITS) << 16, n | -(-n // 32) << 16]
        listed += addresses
    return Region.of(*table, *listed), Region.of(*blocks, n_words=len(blocks) + 4)


def _neuron_recording(n: int) -> Region:
    """Potential and spikes of all neurons; currents of none."""
    half = (n + 1) // 2
    indices = [2 * i | 2 * i + 1 << 16 for i in range(half)]
    silent = [0, 0, 4, *[0] * half]
    return Region.of(3, 1, 1, n, 4, *indices, *silent, *silent, 1, n, *indices)


def _recording(sizes: Sequence[int]) -> Region:
    return Region.of(len(sizes), *(word for size in sizes for word in (size, 0, 0)))


def _v_bytes(core: Slice) -> int:
    return (core.n_steps + 1) * 4 * (1 + core.n)


def _spike_bytes(core: Slice) -> int:
    return (core.n_steps + 1) * 4 * (1 + -(-core.n // 32))
