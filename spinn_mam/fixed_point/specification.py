"""What SpiNNaker's neuron and synapse cores compute, in plain integers: the specification that the fast kernels must equal.

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
       ``V = alpha - exp_TC (alpha - V)`` with ``I = I_exc - I_inh + I_offset``; inside it, the refractory counter goes
       down by one.
    3. A potential at or above threshold is a spike, in the refractory period too: reset, refractory counter set.
    4. The synaptic currents decay.
    5. The spikes of this step, of neurons and of sources, enter the ring buffers.

    So an input with a delay of d slots, sent in step t, acts on V in step t + d. Products and decays truncate towards minus
    infinity; sums, products and shifts wrap to 32 bits.

    In the *combined* layout one core holds synapses and neurons together. In the *split* layout, sPyNNaker's default at
    0.1 ms, several cores work for a neuron core: each synapse core has ring buffers of its own, and each Poisson core a
    sum of its own, which stop at 65,535 by themselves. The neuron core adds what they hand over as 32-bit words with two
    neurons each, neuron 2k in the lower half: a sum that passes 65,535 does **not** stop there. It wraps, and the carry
    raises the slot of neuron 2k + 1 by one. As long as the sums of a receptor stay within 16 bits, both layouts give the
    same; :class:`Overflows` counts where they don't.

Cost
    Python integers: about 10 microseconds a neuron and step. For small networks.

Reference
    The binaries that ship with sPyNNaker 1!7.4.1: ``tests/conformance/test_binary_exactness.py`` runs random networks on
    both and finds no difference in spikes and potentials. Rhodes et al. (2018), doi:10.3389/fnins.2018.00816, describe
    the software.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

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
    core : int
        Synapse core that holds it, in the split layout.
    """

    source: int
    target: int
    receptor: int
    weight: int
    delay: int
    core: int = 0


@dataclass(slots=True)
class Overflows:
    """How often 16 bits were too few, counted in slots: one for each step, neuron and receptor.

    Attributes
    ----------
    n_saturated : int
        Slots whose inputs from everywhere sum to more than 65,535.
    n_clipped_synapse, n_clipped_poisson : int
        In the split layout: slots of synapse cores, and sums of Poisson cores, that stopped at 65,535.
    n_wrapped : int
        In the split layout: sums of neuron cores, carry included, of which only the lower 16 bits were kept.
    n_carried : int
        In the split layout: slots that a neighbour's carry raised.
    """

    n_saturated: int = 0
    n_clipped_synapse: int = 0
    n_clipped_poisson: int = 0
    n_wrapped: int = 0
    n_carried: int = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """Result of :func:`simulate`.

    Attributes
    ----------
    spikes : list of (int, int)
        Step and index of each spike of neurons and sources, in order.
    v : list of list of int
        Membrane potential (mV, s16.15) of each neuron at the beginning of each step, as the machine records it.
    overflows : Overflows
    n_events : int
        Synapses passed by spikes.
    """

    spikes: list[tuple[int, int]]
    v: list[list[int]]
    overflows: Overflows
    n_events: int


def add_saturating(slot: int, weight: int) -> int:
    """Add a weight to a ring-buffer slot; the result stays at the limit of 16 bits.

    All summands are at least zero, so any order of additions ends at min(sum, 65,535).
    """
    return min(slot + weight, SLOT_MAX)


def add_packed(contributions: Iterable[Sequence[int]]) -> list[int]:
    """Add the slots that synapse and Poisson cores hand to a neuron core, for one receptor, as the neuron core does.

    Parameters
    ----------
    contributions : iterable of sequence of int
        For each core that hands over, the slots of all neurons of the neuron core in their order, 0 to 65,535 each.

    Returns
    -------
    list of int
        The sums' lower 16 bits; neurons 2k + 1 with the carry of neuron 2k.

    Examples
    --------
    >>> add_packed([[65535, 10, 65535, 10], [2, 20, 0, 65535]])
    [1, 31, 65535, 9]
    """
    totals = [sum(slots) for slots in zip(*contributions, strict=True)]
    return [(total + (totals[i - 1] >> 16 if i % 2 else 0)) & SLOT_MAX for i, total in enumerate(totals)]


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
    layout: Literal["combined", "split"] = "combined",
    slices: Sequence[int] | None = None,
    i_init: Sequence[tuple[int, int]] | None = None,
    drive_receptors: Sequence[int] | None = None,
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
        Further input of a neuron that is due in a step, in units of the ring buffer (at least 0). In the combined layout
        it enters the slot by one saturating addition; in the split layout a Poisson core hands it over.
    sources : callable(step) -> sequence of int
        Indices (from n_neurons on) of the sources that spike in a step, in order, once for each spike.
    layout : str
        Whether synapses and neurons share a core or several synapse cores feed a neuron core.
    slices : sequence of int, optional
        Neurons of each neuron core, in their order (default: all on one). Matters for carries of the split layout.
    i_init : sequence of (int, int), optional
        Initial excitatory and inhibitory currents (nA, s16.15; default 0).
    drive_receptors : sequence of int, optional
        Receptor of each neuron that ``drive`` goes to (default: all EXCITATORY).

    Returns
    -------
    Trace
    """
    n = len(constants)
    depth = 1 + max((s.delay for s in synapses), default=1)
    n_cores = 1 + max((s.core for s in synapses), default=0) if layout == "split" else 1
    bounds = _bounds(slices or [n])
    driven = drive_receptors or [EXCITATORY] * n
    # ring[slot][core][receptor][neuron]; the 16-bit slots cannot tell 65,535 reached from 65,535 passed, so the true sums are kept beside them
    ring = [[[[0] * n for _ in range(2)] for _ in range(n_cores)] for _ in range(depth)]
    sums = [[[[0] * n for _ in range(2)] for _ in range(n_cores)] for _ in range(depth)]
    outgoing: dict[int, list[Synapse]] = {}
    for synapse in synapses:
        outgoing.setdefault(synapse.source, []).append(synapse)
    states = [NeuronState(v, *i) for v, i in zip(v_init, i_init or [(0, 0)] * n, strict=True)]
    trace_v: list[list[int]] = []
    spikes: list[tuple[int, int]] = []
    overflows = Overflows()
    n_events = 0
    for step in range(n_steps):
        now = step % depth
        trace_v.append([state.v for state in states])
        extra = [[0] * n, [0] * n]
        for i, r in enumerate(driven):
            extra[r][i] = drive(step, i)
        slots = [_due([core[r] for core in ring[now]], extra[r], layout, bounds) for r in range(2)]
        for r in range(2):
            _count([core[r] for core in sums[now]], extra[r], layout, bounds, overflows)
        ring[now] = [[[0] * n for _ in range(2)] for _ in range(n_cores)]
        sums[now] = [[[0] * n for _ in range(2)] for _ in range(n_cores)]
        fired = [i for i in range(n) if update_neuron(states[i], constants[i], (slots[0][i], slots[1][i]), shifts[i])]
        fired.extend(sources(step))
        spikes.extend((step, i) for i in fired)
        for i in fired:
            for s in outgoing.get(i, ()):
                due, core = (step + s.delay) % depth, s.core if layout == "split" else 0
                slot = ring[due][core][s.receptor]
                slot[s.target] = add_saturating(slot[s.target], s.weight)
                sums[due][core][s.receptor][s.target] += s.weight
                n_events += 1
    return Trace(spikes, trace_v, overflows, n_events)


def _bounds(slices: Sequence[int]) -> list[tuple[int, int]]:
    """First and last + 1 neuron of each neuron core."""
    ends = list(accumulate(slices))
    return list(zip([0, *ends], ends, strict=False))


def _due(cores: list[list[int]], extra: list[int], layout: str, bounds: list[tuple[int, int]]) -> list[int]:
    """Combine what synapse cores and the drive hold of one receptor for one step."""
    if layout == "combined":
        return [add_saturating(slot, more) for slot, more in zip(cores[0], extra, strict=True)]
    handed = [*cores, [min(more, SLOT_MAX) for more in extra]]
    return [slot for lo, hi in bounds for slot in add_packed(core[lo:hi] for core in handed)]


def _count(cores: list[list[int]], extra: list[int], layout: str, bounds: list[tuple[int, int]], overflows: Overflows) -> None:
    """Count overflows of one receptor in one step, from sums that no 16 bits have cut."""
    overflows.n_saturated += sum(sum(parts) > SLOT_MAX for parts in zip(*cores, extra, strict=True))
    if layout == "combined":
        return
    overflows.n_clipped_synapse += sum(total > SLOT_MAX for core in cores for total in core)
    overflows.n_clipped_poisson += sum(total > SLOT_MAX for total in extra)
    handed = [sum(min(part, SLOT_MAX) for part in parts) for parts in zip(*cores, extra, strict=True)]
    for lo, hi in bounds:
        carries = [handed[i - 1] >> 16 if (i - lo) % 2 else 0 for i in range(lo, hi)]
        overflows.n_carried += sum(carry > 0 for carry in carries)
        overflows.n_wrapped += sum(total + carry > SLOT_MAX for total, carry in zip(handed[lo:hi], carries, strict=True))
