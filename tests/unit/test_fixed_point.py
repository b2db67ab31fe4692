"""Numbers, parameters and ring buffers as a SpiNNaker core has them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point import s1615
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.ring_buffer import quantise_weights, ring_buffer_shifts, weight_scales
from spinn_mam.fixed_point.specification import NeuronState, Overflows, Synapse, add_packed, add_saturating, simulate, update_neuron
from spinn_mam.models import load_model
from spinn_mam.network.spec import NeuronParameters

PD14 = NeuronParameters(C_m=250, tau_m=10, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65, V_reset=-65, V_th=-50, t_ref=2)


def test_constants_are_those_read_from_the_running_binary():
    c = lif_constants(PD14, I_e=0.0, dt=0.1)
    assert (c.exp_tc, c.decay_exc, c.init_exc) == (32442, 0xD197BF1C, 0xE805A449)
    assert (c.decay_inh, c.init_inh) == (c.decay_exc, c.init_exc)
    assert c.r_membrane == 40 * s1615.ONE
    assert c.t_refract == 20
    assert (c.v_rest, c.v_th) == (-65 * s1615.ONE, -50 * s1615.ONE)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_products_truncate_towards_minus_infinity_and_wrap(a, b):
    exact = math.floor(a * b / 2**15) if abs(a * b) < 2**52 else (a * b) >> 15
    assert (s1615.multiply(a, b) - exact) % 2**32 == 0
    assert -(2**31) <= s1615.multiply(a, b) < 2**31


@given(st.floats(-10, -0.0001))
def test_exponential_is_close_to_the_true_one(x):
    bits = s1615.to_s1615(x)
    true = math.exp(bits / s1615.ONE)
    assert abs(s1615.exp_s1615(bits) - true * s1615.ONE) <= 1.5
    if bits < 0:
        assert abs(s1615.exp_u032(bits) / 2**32 - true) < 1e-5


@given(st.integers(-65535 * 8, 65535 * 8))
def test_conversion_is_exact_on_the_grid(eighths):
    assert s1615.from_s1615(s1615.to_s1615(eighths / 8)) == eighths / 8


def test_out_of_range_names_the_format():
    with pytest.raises(UsageError, match=r"65536 does not fit .* s16\.15"):
        s1615.to_s1615(65536.0)


@given(st.lists(st.integers(0, 0xFFFF), max_size=20), st.randoms())
def test_saturating_additions_in_any_order_equal_one_cut(weights, random):
    random.shuffle(weights)
    slot = 0
    for weight in weights:
        slot = add_saturating(slot, weight)
    assert slot == min(sum(weights), 0xFFFF)


@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(st.integers(0, 0xFFFF), min_size=n, max_size=n), min_size=1, max_size=5)))
def test_packed_sums_are_those_of_words_with_two_neurons(cores):
    n = len(cores[0])
    words = [sum(core[i] | (core[i + 1] if i + 1 < n else 0) << 16 for core in cores) & 0xFFFFFFFF for i in range(0, n, 2)]
    assert add_packed(cores) == [word >> shift & 0xFFFF for word in words for shift in (0, 16)][:n]


@given(st.data())
def test_layouts_agree_while_sums_fit(data):
    n, n_cores, n_steps = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3)), 30
    synapse = st.builds(
        Synapse, st.integers(0, n + 1), st.integers(0, n - 1), st.integers(0, 1), st.integers(0, 3000), st.integers(1, 4), st.integers(0, n_cores - 1)
    )
    synapses = data.draw(st.lists(synapse, max_size=15))
    c = lif_constants(PD14, I_e=data.draw(st.floats(0, 900)), dt=0.1)
    arguments = ([c] * n, [(2, 3)] * n, synapses, [c.v_rest] * n, n_steps)
    inputs = {"drive": lambda step, i: 977 * (step + i) % 4001, "sources": lambda step: [n, n + 1] if step % 3 else []}
    combined = simulate(*arguments, **inputs)
    slices = [1] * (n - 1) + [1]
    assert simulate(*arguments, **inputs, layout="split") == combined
    assert simulate(*arguments, **inputs, layout="split", slices=slices) == combined
    assert combined.overflows == Overflows()


def test_a_full_slot_stops_in_one_core_and_carries_between_cores():
    c = lif_constants(PD14, I_e=0.0, dt=0.1)

    def first_step(layout, cores):
        synapses = [Synapse(2, 0, 0, 0xFFFF, 1, core) for core in cores]
        return simulate([c] * 2, [(2, 2)] * 2, synapses, [c.v_rest] * 2, 3, sources=lambda step: [2], layout=layout)

    full, neighbour = first_step("combined", [0, 0]).v[2]
    assert first_step("split", [0, 0]).v[2] == [full, neighbour]
    wrapped, carried = first_step("split", [0, 1]).v[2]
    assert neighbour == c.v_rest
    assert wrapped < full  # 65,534 instead of 65,535
    assert carried > neighbour  # 1 instead of 0
    # in each of two steps, the slot wraps and its neighbour's is raised
    assert first_step("split", [0, 1]).overflows == Overflows(n_saturated=2, n_wrapped=2, n_carried=2)
    assert first_step("split", [0, 0]).overflows == Overflows(n_saturated=2, n_clipped_synapse=2)
    assert first_step("combined", [0, 0]).overflows == Overflows(n_saturated=2)


def test_a_neuron_spikes_resets_and_rests():
    c = lif_constants(PD14, I_e=1000.0, dt=0.1)
    state = NeuronState(c.v_rest)
    spiked = [update_neuron(state, c, (0, 0), (0, 0)) for _ in range(400)]
    intervals = np.diff(np.flatnonzero(spiked))
    # mean interval of the exact model: t_ref + tau ln(RI / (RI - 15 mV)), RI = 40 mV
    assert set(intervals) <= {math.ceil(20 + 100 * math.log(40 / 25)) + k for k in (0, 1)}
    assert state.v >= c.v_rest


def test_a_spike_acts_after_its_delay_in_slots():
    c = lif_constants(PD14, I_e=0.0, dt=0.1)
    for delay in (1, 2, 15):
        trace = simulate([c], [(0, 0)], [Synapse(1, 0, 0, 3000, delay)], [c.v_rest], 30, sources=lambda step: [1] if step == 3 else [])
        v = np.array(trace.v)[:, 0]
        # recorded at the beginning of a step, so the change made in step 3 + delay shows in the next
        assert np.flatnonzero(v != c.v_rest)[0] == 3 + delay + 1


def test_full_scale_microcircuit_shifts():
    spec = load_model("pd14").network(1.0, 1.0)
    shifts = ring_buffer_shifts(spec)
    assert shifts.shape == (8, 2)
    assert set(shifts.ravel().tolist()) <= {2, 3}
    # the rule leaves room for the largest weight
    for p in spec.projections:
        assert abs(p.weight.mean) + 5 * p.weight.sd < 65536 / weight_scales(shifts)[p.target, int(p.receptor == "inhibitory")]


def test_shift_grows_with_the_weights():
    spec = load_model("pd14").network(0.1, 0.1)
    strong = replace(
        spec, projections=tuple(replace(p, weight=replace(p.weight, mean=8 * p.weight.mean, sd=8 * p.weight.sd)) for p in spec.projections)
    )
    difference = ring_buffer_shifts(strong) - ring_buffer_shifts(spec)
    assert difference.min() >= 1
    assert difference.max() == 3


def test_weights_beyond_the_format_are_refused():
    spec = load_model("pd14").network(0.02, 0.02)
    strong = replace(spec, projections=tuple(replace(p, weight=replace(p.weight, mean=1e9 * p.weight.mean)) for p in spec.projections))
    with pytest.raises(UsageError, match=r"population L23E: .* at most 15 fit"):
        ring_buffer_shifts(strong)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(0, 15))
def test_quantised_weights_round_and_saturate(weights, shift):
    scale = float(weight_scales(np.array([shift]))[0])
    w = np.array(weights)
    quantised, n_zero, n_saturated = quantise_weights(w, scale)
    inside = np.abs(w) * scale < 65535.5
    assert (np.abs(quantised[inside] - np.abs(w[inside]) * scale) <= 0.5).all()
    assert (quantised[~inside] == 65535).all()
    assert n_saturated <= np.count_nonzero(~inside) or not inside.all()
    assert n_zero == np.count_nonzero((quantised == 0) & (w != 0))
