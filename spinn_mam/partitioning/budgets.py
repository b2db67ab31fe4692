"""What a core needs: DTCM, SDRAM and cycles of sPyNNaker 7.4.1's combined IF_curr_exp core, Poisson source core and delay extension core.

Sizes follow the installed tools, whose files are named beside each constant (paths below ``spynnaker/pyNN/`` unless they say otherwise).
A combined core holds ring buffers of 2^14 16-bit counters at most, shared out as synapse type | delay slot | neuron, each a power of two:
with up to 128 neurons 64 slots (6.4 ms at 0.1 ms) are left, so that the microcircuit needs no delay extension.

Synaptic matrices have one row for each source neuron, target core and delay stage class: 3 words of header and one for each synapse, padded to
the longest row to be expected; that is far more than 4 bytes a synapse where rows are short.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtrik, ndtr

from spinn_mam.machine.core_costs import COMBINED, core_costs
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.afferents import Afferents, afferents
from spinn_mam.partitioning.delays import ROW_CHANCE
from spinn_mam.partitioning.keys import bits_for
from spinn_mam.partitioning.structures import FloatArray, IntArray
from spinn_mam.partitioning.synapse_cores import asking_order

WORD_BYTES = 4
#: ``utilities/constants.py`` MAX_RING_BUFFER_BITS: index bits of a core's ring buffers.
RING_BUFFER_BITS = 14
#: Synapse types of IF_curr_exp: excitatory and inhibitory; and bytes of a ring-buffer counter.
SYNAPSE_TYPES, RING_BUFFER_BYTES = 2, 2
#: ``models/utility_models/delays/delay_extension_vertex.py`` MAX_SLOTS: stages of a delay extension.
MAX_DELAY_STAGES = 8
#: Same file, MAX_DTCM_AVAILABLE: DTCM left to a program beside stacks and SARK, of 65,536 bytes.
DTCM_RESERVED_BYTES = 65_536 - 59_756
#: Initialised and zero data of the shipped binaries (headers of ``model_binaries/*.aplx``): 0xf0 + 0x97c, 0xec + 0x84c, 0x14 + 0x830.
DTCM_STATIC_BYTES = {"IF_curr_exp": 2_668, "spike_source_poisson": 2_360, "delay_extension": 2_116}
#: ``models/neuron/synapse_io.py`` _N_HEADER_WORDS.
ROW_HEADER_WORDS = 3
#: ``utilities/constants.py`` POP_TABLE_MAX_ROW_LENGTH: the longest row (synapses).
MAX_ROW_SYNAPSES = 256
#: ``models/neuron/master_pop_table.py``: address scale, base, entry and address sizes.
ADDRESS_BYTES, POP_TABLE_BASE_BYTES, POP_TABLE_ENTRY_BYTES, POP_TABLE_ADDRESS_BYTES = 16, 8, 20, 4
#: ``spinn_front_end_common/utilities/constants.py`` SYSTEM_BYTES_REQUIREMENT (configuration header and region table).
SYSTEM_BYTES = 412
#: Words of a neuron: 9 of LeakyIntegrateAndFire, 5 of the exponential synapses, 1 threshold (``neuron_models``, ``synapse_types``), 1 key.
NEURON_WORDS = 16
#: ``models/neuron/population_vertex.py``: parameters kept twice (initial values) and as a recipe of 2 words + 4 words for each of 15 fields.
NEURON_RECIPE_WORDS = 15 * 6
#: ``spynnaker.cfg`` incoming_spike_buffer_size (words), and the two DMA buffers of rows.
SPIKE_BUFFER_WORDS, ROW_BUFFERS = 256, 2
#: ``spinn_front_end_common/interface/spinnaker.cfg`` minimum_auto_time_steps: steps that recording memory must hold between pauses.
RECORDED_STEPS = 1_000
#: Bytes of provenance, recording headers, profile and other small regions; an upper estimate of this package.
SMALL_REGIONS_BYTES = 4_096
#: ``models/spike_source/spike_source_poisson_machine_vertex.py``: base words, words a source (parameters, rates, expander, weight).
POISSON_BASE_WORDS, POISSON_WORDS = 20, 19
#: ``models/spike_source/spike_source_poisson_vertex.py``: recording of sources is off, so only parameters count.

_COSTS = core_costs(COMBINED)
#: Cycles of a combined core for one neuron and its slot in the ring buffers in a step, for one synaptic event, and for one arriving spike
#: with its packet: instructions of the shipped IF_curr_exp, measured, as one cycle each.
CYCLES_PER_NEURON = _COSTS["neuron"].low + _COSTS["slot"].low
CYCLES_PER_EVENT = _COSTS["event"].low
CYCLES_PER_SPIKE = _COSTS["packet"].low + _COSTS["spike"].low
#: Share of a time step that the estimate may fill, since instructions are counted as single cycles.
CYCLE_SHARE = 0.7
#: Neurons a core at most: the tools' population table addresses more, the ring buffers leave too few slots.
MAX_NEURONS_PER_CORE = 256


@dataclass(frozen=True, slots=True)
class CoreBudget:
    """What the cores of one full slice of a population need.

    Attributes
    ----------
    neurons : int
        Neurons a slice.
    delay_slots : int
        Ring-buffer slots, which is the longest delay (steps) without a delay extension.
    delay_stages : int
        Stages the delay extensions of its sources need for it; 0 if none.
    sdram_bytes, dtcm_bytes : int
        Of the core that has the neurons.
    matrix_bytes : int
        The synaptic matrix.
    longest_row : int
        Synapses in the longest row reserved.
    blocks : int
        Matrices, each with an address in the population table.
    cycles : float
        Estimated cycles a time step, of the busiest core.
    cores : int
        Cores of the slice and its Poisson drive, all on one chip.
    synapse_sdram_bytes : tuple of int
        Of each synapse core; none with combined cores.
    synapse_dtcm_bytes : int
        Of each synapse core.
    hand_over_bytes : int
        What each synapse core and Poisson core writes for the neuron core in a time step.
    """

    neurons: int
    delay_slots: int
    delay_stages: int
    sdram_bytes: int
    dtcm_bytes: int
    matrix_bytes: int
    longest_row: int
    blocks: int
    cycles: float
    cores: int
    synapse_sdram_bytes: tuple[int, ...] = ()
    synapse_dtcm_bytes: int = 0
    hand_over_bytes: int = 0

    @property
    def synapse_cores(self) -> int:
        """Number of synapse cores; 0 of a combined core."""
        return len(self.synapse_sdram_bytes)


def delay_slots(neurons: int) -> int:
    """Return the ring-buffer slots that ``neurons`` a core leave.

    Examples
    --------
    >>> delay_slots(80), delay_slots(128), delay_slots(256)
    (64, 64, 32)
    """
    return int(2 ** (RING_BUFFER_BITS - bits_for(SYNAPSE_TYPES) - bits_for(neurons)))


def most_selected(n_total: IntArray, n: FloatArray, p: FloatArray) -> FloatArray:
    """Return the largest of ``n_total`` binomial counts (n, p), exceeded with chance 0.01; at least 1.

    It is the rule of ``utilities/utility_calls.py`` get_probable_maximum_selected.
    """
    certain = p >= 1.0
    count = np.ceil(bdtrik(1.0 - ROW_CHANCE / n_total, n, np.where(certain, 0.5, p)))
    # fmax: for chances below 1e-17 the inverse is not a number, and the count 0.
    return np.fmax(np.where(certain, n, count), 1.0)


def _split_rows(into: Afferents, rows: IntArray, n_targets: int, reach: float, stages: IntArray) -> tuple[IntArray, IntArray]:
    """Return the longest rows (synapses) of delays up to ``reach`` (ms) and beyond, of rows of ``rows`` synapses."""
    mean, sd, lower, upper = into.delay.T
    early, late = rows.copy(), np.zeros_like(rows)
    fixed = (stages > 0) & (sd == 0.0) & (mean > reach)
    early[fixed], late[fixed] = 0, rows[fixed]
    drawn = np.flatnonzero((stages > 0) & (sd > 0.0))
    if len(drawn):
        mean, sd = mean[drawn], sd[drawn]
        below, at, above = ndtr((lower[drawn] - mean) / sd), ndtr((reach - mean) / sd), ndtr((upper[drawn] - mean) / sd)
        share = (at - below) / (above - below)
        n_pairs, selected = into.sizes[drawn] * n_targets, rows[drawn].astype(np.float64)
        early[drawn] = most_selected(n_pairs, selected, share)
        late[drawn] = most_selected(n_pairs, selected, 1.0 - share)
    return early, late


@dataclass(frozen=True, slots=True)
class Sources:
    """What rows and delay stages onto a population depend on of those that it gets spikes from.

    Attributes
    ----------
    neurons_per_core : ndarray, shape (n_populations,)
        Rows are reserved for full source cores.
    longest_steps : ndarray, shape (n_populations,)
        Longest delay of all synapses of each source (steps): its delay extension has the stages of this one for all targets.
    onto : tuple of Afferents
        What each population gets from them.
    order : tuple of int
        That of :func:`~spinn_mam.partitioning.synapse_cores.asking_order`.
    """

    neurons_per_core: IntArray
    longest_steps: IntArray
    onto: tuple[Afferents, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, spec: NetworkSpec, neurons_per_core: IntArray) -> Sources:
        """Collect them for a network."""
        longest = np.zeros(len(spec.populations), dtype=np.int64)
        onto = afferents(spec)
        for into in onto:
            np.maximum.at(longest, into.source, into.longest_steps)
        return cls(neurons_per_core, longest, onto, tuple(asking_order(spec)))


@dataclass(frozen=True, slots=True)
class Incoming:
    """What one slice of a population gets from its projections.

    Attributes
    ----------
    delay_slots, used_slots : int
        Ring-buffer slots there are and that delays reach.
    delay_stages : int
        Stages the delay extensions of its sources need for it; 0 if none.
    matrix_bytes : int
        Of the synaptic matrix.
    blocks : int
        Matrices in it, each with an entry of the population table.
    filter_words : int
        Of bit fields that say which source neurons have synapses here.
    longest_row : int
        Synapses in the longest row reserved.
    source : ndarray, shape (n_incoming,)
        Population that each incoming projection is from.
    rows : ndarray, shape (n_incoming,)
        Synapses of its longest row, early and late delays together.
    spikes, events : ndarray, shape (n_incoming,)
        Spikes and synaptic events a second that each brings.
    """

    delay_slots: int
    used_slots: int
    delay_stages: int
    matrix_bytes: int
    blocks: int
    filter_words: int
    longest_row: int
    source: IntArray
    rows: IntArray
    spikes: FloatArray
    events: FloatArray

    @property
    def pop_table_bytes(self) -> int:
        """Size of the population table."""
        return POP_TABLE_BASE_BYTES + self.blocks * (POP_TABLE_ENTRY_BYTES + POP_TABLE_ADDRESS_BYTES)


def incoming_synapses(spec: NetworkSpec, population: int, neurons: int, sources: Sources) -> Incoming:
    """Estimate the synapses of a slice of ``neurons`` neurons of a population, without its Poisson drive.

    Parameters
    ----------
    spec : NetworkSpec
    population : int
    neurons : int
        At most the population's size.
    sources : Sources
        Of all populations.
    """
    size, into = spec.populations[population].size, sources.onto[population]
    slots = delay_slots(neurons)
    on_core = most_selected(into.n_synapses, into.n_synapses.astype(float), np.full(len(into.source), neurons / size))
    rows = most_selected(into.n_synapses, on_core, 1.0 / into.sizes).astype(np.int64)
    # the tools refuse targets of unequal slots, so the source's stages follow from these
    stages = np.where(into.longest_steps > slots, -(-sources.longest_steps[into.source] // slots) - 1, 0)
    per_core = np.minimum(sources.neurons_per_core[into.source], into.sizes)
    padded = -(-into.sizes // per_core) * per_core
    early, late = _split_rows(into, rows, size, slots * spec.dt, stages)
    # Synapses with late delays have rows of their own, one for each stage of the delay extension.
    words = (ROW_HEADER_WORDS + early) * (early > 0) + (ROW_HEADER_WORDS + late) * (late > 0) * stages
    blocks = int(np.count_nonzero(early) + np.count_nonzero(late))
    return Incoming(
        delay_slots=slots,
        used_slots=max(2, int(np.minimum(into.longest_steps, slots).max(initial=0))),
        delay_stages=int(stages.max(initial=0)),
        matrix_bytes=2 * WORD_BYTES + int((padded * words).sum()) * WORD_BYTES + blocks * ADDRESS_BYTES,
        blocks=blocks,
        filter_words=2 + int((8 + -(-into.sizes // 32) * (1 + stages)).sum()),
        longest_row=max(1, int(early.max(initial=0)), int(late.max(initial=0))),
        source=into.source,
        rows=rows,
        spikes=into.sizes * into.rates,
        events=into.n_synapses * into.rates * (neurons / size),
    )


def with_drive(incoming: Incoming, size: int, neurons: int) -> Incoming:
    """Add the rows of one-to-one drive: there is one for each of the population's sources in every slice."""
    padded = -(-size // neurons) * neurons
    return replace(
        incoming,
        matrix_bytes=incoming.matrix_bytes + padded * WORD_BYTES * (ROW_HEADER_WORDS + 1) + ADDRESS_BYTES,
        blocks=incoming.blocks + 1,
        filter_words=incoming.filter_words + 8 + -(-size // 32),
    )


def combined_core(spec: NetworkSpec, population: int, neurons: int, sources: Sources) -> CoreBudget:
    """Estimate one core with ``neurons`` neurons of a population, their synapses and their Poisson drive.

    Parameters
    ----------
    spec : NetworkSpec
    population : int
    neurons : int
        Neurons a core, at most the population's size.
    sources : Sources
        Of all populations.

    Returns
    -------
    CoreBudget
    """
    target = spec.populations[population]
    neurons = min(neurons, target.size)
    incoming = incoming_synapses(spec, population, neurons, sources)
    spikes, events = float(np.sum(incoming.spikes)), float(np.sum(incoming.events))
    driven = target.drive is not None and target.drive.rate > 0
    if target.drive is not None and driven:
        incoming = with_drive(incoming, target.size, neurons)
        spikes += neurons * target.drive.rate
        events += neurons * target.drive.rate
    state = neurons * NEURON_WORDS * WORD_BYTES
    inputs = neurons * SYNAPSE_TYPES * WORD_BYTES
    steps_per_second = 1000.0 / spec.dt
    cycles = neurons * CYCLES_PER_NEURON + (spikes * CYCLES_PER_SPIKE + events * CYCLES_PER_EVENT) / steps_per_second
    return CoreBudget(
        neurons=neurons,
        delay_slots=incoming.delay_slots,
        delay_stages=incoming.delay_stages,
        sdram_bytes=synapse_sdram(incoming) + neuron_sdram(neurons) + SYSTEM_BYTES + SMALL_REGIONS_BYTES,
        dtcm_bytes=DTCM_RESERVED_BYTES + DTCM_STATIC_BYTES["IF_curr_exp"] + synapse_dtcm(incoming, neurons) + state + inputs,
        matrix_bytes=incoming.matrix_bytes,
        longest_row=incoming.longest_row,
        blocks=incoming.blocks,
        cycles=float(cycles),
        cores=1 + int(driven),
    )


def synapse_sdram(incoming: Incoming) -> int:
    """Return bytes of the synaptic matrix and what finds its rows."""
    return incoming.matrix_bytes + incoming.pop_table_bytes + incoming.filter_words * WORD_BYTES


def synapse_dtcm(incoming: Incoming, neurons: int) -> int:
    """Return bytes of ring buffers, row buffers, population table and spike buffer."""
    ring = RING_BUFFER_BYTES * 2 ** (bits_for(SYNAPSE_TYPES) + bits_for(neurons) + bits_for(incoming.used_slots))
    row_buffers = ROW_BUFFERS * WORD_BYTES * (ROW_HEADER_WORDS + incoming.longest_row)
    return int(ring + row_buffers + incoming.pop_table_bytes + SPIKE_BUFFER_WORDS * WORD_BYTES)


def neuron_sdram(neurons: int) -> int:
    """Return bytes of parameters, their recipe and recorded spikes."""
    state = neurons * NEURON_WORDS * WORD_BYTES
    recording = (1 + -(-neurons // 32)) * WORD_BYTES * RECORDED_STEPS
    return 2 * state + neurons * NEURON_RECIPE_WORDS * WORD_BYTES + recording


def poisson_core(neurons: int) -> tuple[int, int]:
    """Return SDRAM and DTCM bytes of a core of ``neurons`` Poisson sources."""
    words = POISSON_BASE_WORDS + neurons * POISSON_WORDS
    sdram = SYSTEM_BYTES + SMALL_REGIONS_BYTES + words * WORD_BYTES
    return sdram, DTCM_RESERVED_BYTES + DTCM_STATIC_BYTES["spike_source_poisson"] + words * WORD_BYTES


def delay_core(neurons: int, stages: int, slots: int) -> tuple[int, int]:
    """Return SDRAM and DTCM bytes of a delay extension core: a counter of a byte for each neuron and slot, and a bit for each neuron and stage."""
    sdram = SYSTEM_BYTES + SMALL_REGIONS_BYTES + 9 * WORD_BYTES
    counters = neurons * 2 ** bits_for(slots * stages)
    bits = stages * -(-neurons // 32) * WORD_BYTES
    return sdram, DTCM_RESERVED_BYTES + DTCM_STATIC_BYTES["delay_extension"] + counters + bits + SPIKE_BUFFER_WORDS * WORD_BYTES


def cycles_per_step(spec: NetworkSpec, clock_hz: float, time_scale_factor: float) -> float:
    """Return the cycles a core may spend on one time step."""
    return CYCLE_SHARE * clock_hz * spec.dt * 1e-3 * time_scale_factor
