"""The integers a neuron core computes from its parameters before the first time step.

Problem
    The host writes membrane and synapse parameters in s16.15 (nA, nF, MOhm, mV, ms); the core derives from them, in its own
    arithmetic, what the time step needs. One unit in the last place of a decay constant is enough to move a spike.

Method
    As the code of sPyNNaker 1!7.4.1's ``IF_curr_exp`` and ``IF_curr_exp_neuron`` does it: quotients of two s16.15 numbers are
    ``(a << 15) / b``, truncated; R = tau_m / C_m; exp_TC = exp(-(dt / tau_m)) in s16.15; decay = exp(-(dt / tau_syn)) in u0.32;
    init = (tau_syn / dt) (1 - decay), with 1 as the largest u0.32; the refractory period is t_ref / dt, rounded up. A time
    step of 0.1 ms is stored as 3277 / 32768 = 0.100006 ms, so the constants are those of a step 6e-5 longer: with
    tau_m = 10 ms and tau_syn = 0.5 ms exp_TC is 32442, decay 0xd197bf1c and init 0xe805a449 (ideal: 0xd19856b0, 0xe8064e8c).

Cost
    A few integer operations a neuron.

Reference
    The two binaries: ``tests/conformance/test_binary_exactness.py`` reads from the memory of running cores what they computed from
    thousands of random parameters, and finds these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.s1615 import ceil_s1615, divide, exp_s1615, exp_u032, from_s1615, to_s1615, wrap32
from spinn_mam.network.spec import NeuronParameters


@dataclass(frozen=True, slots=True)
class LifConstants:
    """One leaky integrate-and-fire neuron with exponential currents, as a core holds it.

    Attributes
    ----------
    v_rest, v_reset, v_th : int
        Potentials (mV, s16.15).
    r_membrane : int
        Membrane resistance tau_m / C_m (MOhm, s16.15).
    exp_tc : int
        Decay of the membrane potential over a step (s16.15).
    i_offset : int
        Constant current (nA, s16.15).
    t_refract : int
        Refractory period (steps).
    decay_exc, decay_inh : int
        Decay of the synaptic currents over a step (u0.32).
    init_exc, init_inh : int
        Mean over the first step of a current that starts at one (u0.32).
    """

    v_rest: int
    v_reset: int
    v_th: int
    r_membrane: int
    exp_tc: int
    i_offset: int
    t_refract: int
    decay_exc: int
    init_exc: int
    decay_inh: int
    init_inh: int


def synapse_constants(tau_syn: float, dt: float) -> tuple[int, int]:
    """Compute decay and init of one exponential synapse as the core does.

    decay = exp(-dt / tau), init = (tau / dt) (1 - decay): the mean over a step of a current that starts at one and decays.

    Parameters
    ----------
    tau_syn : float
        Time constant (ms).
    dt : float
        Time step (ms).

    Returns
    -------
    decay, init : int
        u0.32.

    Examples
    --------
    >>> [hex(k) for k in synapse_constants(0.5, 0.1)]
    ['0xd197bf1c', '0xe805a449']
    """
    step, tau = to_s1615(dt), to_s1615(tau_syn)
    decay = exp_u032(-divide(step, tau))
    # The core's constant "one" is the largest u0.32, one unit below 2^32.
    init = (divide(tau, step) * (0xFFFFFFFF - decay)) >> 15
    return decay, init & 0xFFFFFFFF


def lif_constants(neuron: NeuronParameters, I_e: float, dt: float) -> LifConstants:
    """Derive a core's integers from a neuron's parameters.

    Parameters
    ----------
    neuron : NeuronParameters
        In NEST's units.
    I_e : float
        Constant current (pA).
    dt : float
        Time step (ms).

    Returns
    -------
    LifConstants

    Raises
    ------
    UsageError
        If a time constant or the capacitance is too small for s16.15, or a value is out of its range.
    """
    step = to_s1615(dt)
    tau_m, c_m = to_s1615(neuron.tau_m), to_s1615(neuron.C_m / 1000.0)
    for name, value, bits in (
        ("dt", dt, step),
        ("tau_m", neuron.tau_m, tau_m),
        ("C_m", neuron.C_m, c_m),
        ("tau_syn_ex", neuron.tau_syn_ex, to_s1615(neuron.tau_syn_ex)),
        ("tau_syn_in", neuron.tau_syn_in, to_s1615(neuron.tau_syn_in)),
    ):
        if bits <= 0 or (name.startswith("tau") and divide(step, bits) == 0):
            raise UsageError(f"{name} = {value:g} cannot be represented in s16.15 with a time step of {dt:g} ms: use a value nearer to the step")
    r_membrane = (tau_m << 15) // c_m
    if r_membrane != wrap32(r_membrane):
        raise UsageError(f"membrane resistance tau_m / C_m = {from_s1615(r_membrane):g} MOhm is beyond s16.15: C_m of {neuron.C_m:g} pF is too small")
    decay_exc, init_exc = synapse_constants(neuron.tau_syn_ex, dt)
    decay_inh, init_inh = synapse_constants(neuron.tau_syn_in, dt)
    return LifConstants(
        v_rest=to_s1615(neuron.E_L),
        v_reset=to_s1615(neuron.V_reset),
        v_th=to_s1615(neuron.V_th),
        r_membrane=r_membrane,
        exp_tc=exp_s1615(-divide(step, tau_m)),
        i_offset=to_s1615(I_e / 1000.0),
        t_refract=ceil_s1615(divide(to_s1615(neuron.t_ref), step)),
        decay_exc=decay_exc,
        init_exc=init_exc,
        decay_inh=decay_inh,
        init_inh=init_inh,
    )
