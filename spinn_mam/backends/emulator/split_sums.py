"""Sums of the split layout: what a neuron core reads where several synapse cores and a Poisson core feed it.

Problem
    The time loop has one sum for each neuron and receptor. In the split layout each synapse core clips its own share of it
    at 65,535, and so does the Poisson core; the neuron core adds the shares as words with two neurons each, in which a sum
    beyond 65,535 wraps and carries into the odd neighbour.

Method
    While a sum is at most 65,535, no share is clipped and nothing wraps, so the sum is right as it is but for the carry of
    the even neighbour. Only when some sum of a part passes 65,535, the synapses that are due are walked once more and added
    up by synapse core; the rest of the sum is the Poisson core's. Which synapse core takes a spike depends on the slice
    that sends it: the source's own, or, for delays beyond the ring buffer, its delay extension's.

    Blocks of neurons are updated in their order, so the carry of a block's last neuron waits for the next block. The
    layout keeps the two neurons of a word in neighbouring blocks of one part.

Cost
    A maximum over each block of sums; a second walk in the steps, parts and receptors in which a sum passes 65,535.

Reference
    :func:`spinn_mam.fixed_point.specification.add_packed`, compared with the binaries; Rhodes et al. (2020),
    doi:10.1098/rsta.2019.0160, for the layout.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spinn_mam.backends.emulator import layout as L
from spinn_mam.compiled.borrowing import njit_borrowing
from spinn_mam.errors import UsageError
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.structures import DELAY_EXTENSION, Partition

#: Columns of ``SplitState.overflows``, the fields of ``Overflows``.
N_SATURATED, N_CLIPPED_SYNAPSE, N_CLIPPED_POISSON, N_WRAPPED, N_CARRIED, N_OVERFLOWS = range(6)
_SLOT_MAX = 0xFFFF


class SplitCores(NamedTuple):
    """What does not change during a run: the last fields of ``kernels.Network``.

    Attributes
    ----------
    n_synapse_cores : int
        Synapse cores of a neuron core; 0 for combined cores.
    synapse_core : ndarray of int16, shape (n_populations, n_slices)
        Which of a population's synapse cores takes the spikes of a slice; -1 for none.
    slice_of : ndarray of int32, shape (2, n_axons)
        Slice that sends an axon's spikes, and the slice of its delay extension or -1.
    core_segments : ndarray of int64, shape (n_segments, N_SEGMENT)
        Of each segment of the Layout: population, neurons a core, ring-buffer slots.
    segment_of : ndarray of int32, shape (n_state,)
        Segment of each neuron.
    """

    n_synapse_cores: int
    synapse_core: Any
    slice_of: Any
    core_segments: Any
    segment_of: Any


class SplitState(NamedTuple):
    """What changes during a run: the last fields of ``kernels.State``.

    Attributes
    ----------
    shares : ndarray of int32, shape (2, n_synapse_cores, n_state)
        Sums by receptor and synapse core, of the step ``walked``; untouched as long as no sum passes 65,535.
    walked : ndarray of int64, shape (n_parts, 2)
        Step of the last walk for each part and receptor.
    carry : ndarray of int32, shape (n_parts, 2)
        What the last neuron of the block before hands to the first of the next one.
    overflows : ndarray of int64, shape (n_parts, N_OVERFLOWS)
    """

    shares: Any
    walked: Any
    carry: Any
    overflows: Any


#: Columns of ``SplitCores.core_segments``.
POPULATION, PER_CORE, SLOTS, N_SEGMENT = range(4)


def combined_cores() -> SplitCores:
    """Give what the time loop takes where synapses and neurons share a core."""
    return SplitCores(0, np.zeros((0, 0), np.int16), np.zeros((2, 0), np.int32), np.zeros((0, N_SEGMENT), np.int64), np.zeros(0, np.int32))


def split_cores(spec: NetworkSpec, layout: L.Layout, partition: Partition) -> SplitCores:
    """Write down which synapse core takes which spikes.

    Parameters
    ----------
    spec : NetworkSpec
    layout : Layout
        Made with the partition's neurons a core.
    partition : Partition
        Of split cores.

    Raises
    ------
    UsageError
        If spikes of a projection have no synapse core.
    """
    slices, per_core, synapse_core = partition.slices, partition.neurons_per_core, partition.synapse_core
    slice_of = np.full((2, layout.n_axons), -1, np.int32)
    for p, population in enumerate(spec.populations):
        own = slices.population == p
        for row, sends in enumerate((own & (slices.serves < 0), own & (slices.kind == DELAY_EXTENSION))):
            of_neuron = np.repeat(np.flatnonzero(sends), (slices.hi - slices.lo)[sends])
            for base in layout.axon_base[p][layout.axon_base[p] >= 0] if len(of_neuron) else ():
                slice_of[row, base : base + population.size] = of_neuron
    for projection in spec.projections:
        if projection.n_synapses and (synapse_core[projection.target, (slices.population == projection.source) & (slices.serves < 0)] < 0).any():
            names = f"{spec.names[projection.source]} to {spec.names[projection.target]}"
            raise UsageError(f"{names}: the deployment has no synapse core for these spikes: map the network again")
    of = layout.population
    segments = np.stack([of, per_core[of], partition.delay_slots[of]], axis=1).astype(np.int64)
    segment_of = np.empty(layout.n_state, np.int32)
    for k in np.flatnonzero(layout.segments[:, L.IS_SOURCE] == 0):
        segment_of[layout.segments[k, L.LO] : layout.segments[k, L.HI]] = k
    return SplitCores(int(synapse_core.max(initial=0)) + 1, synapse_core, slice_of, segments, segment_of)


def split_state(cores: SplitCores, n_parts: int, n_state: int) -> SplitState:
    """Begin a run."""
    return SplitState(
        np.zeros((2, cores.n_synapse_cores, n_state), np.int32),
        np.full((n_parts, 2), -1, np.int64),
        np.zeros((n_parts, 2), np.int32),
        np.zeros((n_parts, N_OVERFLOWS), np.int64),
    )


@njit_borrowing
def add_cores(t: Any, part: Any, segment: Any, receptor: Any, a: Any, b: Any, synapses: Any, net: Any, state: Any) -> None:
    """Replace the sums [a, b) of a segment by what its neuron cores make of their cores' shares.

    Parameters
    ----------
    t, part, segment, receptor, a, b : int
    synapses : Stored
        Or any other form that :func:`walk` has.
    net : Network
    state : State
        Sums hold all that is due in step t, Poisson input included.
    """
    sums = state.sums[receptor, a:b]
    largest = np.int32(0)
    for i in range(len(sums)):
        largest = max(largest, sums[i])
    if largest > _SLOT_MAX or state.carry[part, receptor] != 0:
        _add_shares(t, part, segment, receptor, a, b, synapses, net, state)


@njit_borrowing
def _add_shares(t: Any, part: Any, segment: Any, receptor: Any, a: Any, b: Any, synapses: Any, net: Any, state: Any) -> None:
    """Clip the shares, add them, wrap and carry."""
    if state.walked[part, receptor] != t:
        walk(t, part, receptor, synapses, net, state)
        state.walked[part, receptor] = t
    counters = state.overflows[part]
    per_core = net.core_segments[segment, PER_CORE]
    first = net.segments[segment, L.LOCAL] - net.segments[segment, L.LO]
    carry: Any = np.int64(state.carry[part, receptor])
    for i in range(a, b):
        on_core = (first + i) % per_core
        total: Any = np.int64(state.sums[receptor, i])
        handed: Any = total
        if total > _SLOT_MAX:
            handed = np.int64(0)
            poisson: Any = total
            for core in range(net.n_synapse_cores):
                share: Any = np.int64(state.shares[receptor, core, i])
                poisson -= share
                handed += min(share, _SLOT_MAX)
                counters[N_CLIPPED_SYNAPSE] += share > _SLOT_MAX
            handed += min(poisson, _SLOT_MAX)
            counters[N_CLIPPED_POISSON] += poisson > _SLOT_MAX
            counters[N_SATURATED] += 1
        if on_core % 2 == 1:
            handed += carry
            counters[N_CARRIED] += carry > 0
        counters[N_WRAPPED] += handed > _SLOT_MAX
        carry = handed >> 16 if on_core % 2 == 0 else np.int64(0)  # the first neuron of a core is even and takes none
        state.sums[receptor, i] = np.int32(handed & _SLOT_MAX)
    state.carry[part, receptor] = np.int32(carry)


def walk(t: Any, part: Any, receptor: Any, synapses: Any, net: Any, state: Any) -> Any:
    """Add all synapses of one receptor onto one part that are due in step t, by synapse core; compiled by the type of ``synapses``."""
    raise NotImplementedError


@njit_borrowing
def core_of(axon: Any, target: Any, slots: Any, net: Any) -> Any:
    """Find the synapse core that adds a spike of an axon, with a delay, to a neuron (a state index)."""
    of_target = net.core_segments[net.segment_of[target]]
    late = slots > of_target[SLOTS] and net.slice_of[1, axon] >= 0
    return net.synapse_core[of_target[POPULATION], net.slice_of[int(late), axon]]
