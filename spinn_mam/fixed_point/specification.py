"""What an emulated SpiNNaker core computes, in plain integers: the specification that the fast kernels must equal.

Problem
    Say without room for interpretation what sPyNNaker's ``IF_curr_exp`` does in a time step, spike by spike and bit by
    bit, so that a compiled kernel can be proven equal to it.

Method
    One function for each operation of the machine, and :func:`simulate` with ring buffers as the hardware has them:
    a slot of 16 bits for each coming step, receptor and neuron; every synapse of a spike adds its weight to the slot that
    is ``delay`` steps ahead, and an addition that would pass 65,535 leaves 65,535. A time step is:

    1. The slot due now is shifted left into s16.15, multiplied by ``init`` and added to the synaptic current; it is
       cleared.
    2. Outside the refractory period the membrane potential moves towards ``alpha = I R + V_rest`` by the closed form
       ``V = alpha - exp_TC (alpha - V)``; inside it, the refractory counter goes down by one.
    3. A potential at or above threshold is a spike: reset, refractory counter set.
    4. The synaptic currents decay.
    5. The spikes of this step, of neurons and of sources, enter the ring buffers.

    So an input with a delay of d slots, sent in step t, acts on V in step t + d. Products and decays truncate. The order
    is that of a core which holds synapses and neurons together.

Cost
    Python integers: about 10 microseconds a neuron and step. For small networks.

Reference
    The comparison of 32,000 potentials and 280 spikes of the shipped binary (sPyNNaker 1!7.4.1) with an integer model
    in this order found no difference. Rhodes et al. (2018), doi:10.3389/fnins.2018.00816, describe the software.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spinn_mam.fixed_point.parameters import LifConstants
from spinn_mam.fixed_point.s1615 import decay, multiply, wrap32

#: Largest value of a ring-buffer slot.
SLOT_MAX = 0xFFFF
EXCITATORY, INHIBITORY = 0, 1


@dataclass(slots=True)
class NeuronState:
    """State of one neuron: potential and currents in s16.15, refractory counter in steps."""

    v: int
    i_exc: int = 0
    i_inh: int = 0
    refract: int = 0


@dataclass(frozen=True, slots=True)
class Synapse:
    """One synapse.

    Attributes
    ----------
    source, target : int
        Indices; sources of spikes without a neuron come after the neurons.
    receptor : int
        EXCITATORY or INHIBITORY.
    weight : int
        Magnitude in units of the ring buffer, 0 to 65,535.
    delay : int
        Slots, at least 1.
    """

    source: int
    target: int
    receptor: int
    weight: int
    delay: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Result of :func:`simulate`.

    Attributes
    ----------
    spikes : list of (int, int)
        Step and index of each spike of neurons and sources, in order.
    v : list of list of int
        Membrane potential (mV, s16.15) of each neuron at the beginning of each step, as the machine records it.
    n_saturated : int
        Ring-buffer slots that reached their limit.
    n_events : int
        Synapses passed by spikes.
    """

    spikes: list[tuple[int, int]]
    v: list[list[int]]
    n_saturated: int
    n_events: int


def add_saturating(slot: int, weight: int) -> int:
    """Add a weight to a ring-buffer slot; the result stays at the limit of 16 bits.

    All summands are at least zero, so any order of additions ends at min(sum, 65,535).
    """
    return min(slot + weight, SLOT_MAX)


def slot_to_input(slot: int, shift: int) -> int:
    """Turn a ring-buffer slot into a current (nA, s16.15)."""
    return wrap32(slot << shift)


def receive(current: int, slot: int, shift: int, init: int) -> int:
    """Add a ring-buffer slot to a synaptic current."""
    return wrap32(current + decay(slot_to_input(slot, shift), init))


def update_membrane(v: int, current: int, constants: LifConstants) -> int:
    """Move the membrane potential one step by the closed form."""
    alpha = wrap32(multiply(current, constants.r_membrane) + constants.v_rest)
    return wrap32(alpha - multiply(constants.exp_tc, wrap32(alpha - v)))


def update_neuron(state: NeuronState, constants: LifConstants, slots: tuple[int, int], shifts: tuple[int, int]) -> bool:
    """Do the time step of one neuron and say whether it spiked.

    Parameters
    ----------
    state : NeuronState
        Changed in place.
    constants : LifConstants
    slots : tuple of int
        The excitatory and the inhibitory ring-buffer slot due now.
    shifts : tuple of int
        Their left shifts into s16.15.
    """
    state.i_exc = receive(state.i_exc, slots[EXCITATORY], shifts[EXCITATORY], constants.init_exc)
    state.i_inh = receive(state.i_inh, slots[INHIBITORY], shifts[INHIBITORY], constants.init_inh)
    if state.refract <= 0:
        current = wrap32(state.i_exc - state.i_inh + constants.i_offset)
        state.v = update_membrane(state.v, current, constants)
    else:
        state.refract -= 1
    spiked = state.v >= constants.v_th
    if spiked:
        state.v = constants.v_reset
        state.refract = constants.t_refract
    state.i_exc = decay(state.i_exc, constants.decay_exc)
    state.i_inh = decay(state.i_inh, constants.decay_inh)
    return spiked


def simulate(
    constants: Sequence[LifConstants],
    shifts: Sequence[tuple[int, int]],
    synapses: Sequence[Synapse],
    v_init: Sequence[int],
    n_steps: int,
    *,
    drive: Callable[[int, int], int] = lambda step, neuron: 0,
    sources: Callable[[int], Sequence[int]] = lambda step: (),
) -> Trace:
    """Simulate a small network.

    Parameters
    ----------
    constants : sequence of LifConstants, length n_neurons
    shifts : sequence of (int, int), length n_neurons
        Left shifts of the excitatory and inhibitory ring buffers.
    synapses : sequence of Synapse
    v_init : sequence of int, length n_neurons
        Initial potentials (mV, s16.15).
    n_steps : int
    drive : callable(step, neuron) -> int
        Further excitatory input of a neuron that is due in a step, in units of the ring buffer (at least 0); it enters
        the slot by one saturating addition.
    sources : callable(step) -> sequence of int
        Indices (from n_neurons on) of the sources that spike in a step, in order, once for each spike.

    Returns
    -------
    Trace
    """
    n = len(constants)
    depth = 1 + max((s.delay for s in synapses), default=1)
    ring = [[[0, 0] for _ in range(n)] for _ in range(depth)]
    outgoing: dict[int, list[Synapse]] = {}
    for synapse in synapses:
        outgoing.setdefault(synapse.source, []).append(synapse)
    states = [NeuronState(v) for v in v_init]
    trace_v: list[list[int]] = []
    spikes: list[tuple[int, int]] = []
    n_saturated = n_events = 0
    # The 16-bit slots cannot tell 65,535 reached from 65,535 passed, so the true sums are kept beside them.
    sums = [[[0, 0] for _ in range(n)] for _ in range(depth)]
    for step in range(n_steps):
        now = step % depth
        trace_v.append([state.v for state in states])
        fired: list[int] = []
        for i, state in enumerate(states):
            extra = drive(step, i)
            ring[now][i][EXCITATORY] = add_saturating(ring[now][i][EXCITATORY], extra)
            sums[now][i][EXCITATORY] += extra
            if update_neuron(state, constants[i], (ring[now][i][0], ring[now][i][1]), shifts[i]):
                fired.append(i)
            n_saturated += sum(total > SLOT_MAX for total in sums[now][i])
            ring[now][i] = [0, 0]
            sums[now][i] = [0, 0]
        fired.extend(sources(step))
        spikes.extend((step, i) for i in fired)
        for i in fired:
            for s in outgoing.get(i, ()):
                slot = ring[(step + s.delay) % depth][s.target]
                slot[s.receptor] = add_saturating(slot[s.receptor], s.weight)
                sums[(step + s.delay) % depth][s.target][s.receptor] += s.weight
                n_events += 1
    return Trace(spikes, trace_v, n_saturated, n_events)
