"""The shipped ARM binaries, run on the virtual board, give what the plain-integer specification says: spikes and potentials, bit by bit.

Networks go straight to bare cores; ``test_core_regions_equal_spynnaker.py`` shows that the data they get is what the host tools would write. The
thousand networks that the documentation speaks of are marked slow; ``make exactness`` prints their counts.
"""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

import random_networks
from bare_cores import BareBoard
from binary_exactness import Tally, compare, compare_random
from core_regions import Neuron
from random_networks import KINDS, RandomNetwork, deploy, make_network

from spinn_mam.fixed_point import specification as rules
from spinn_mam.fixed_point.ring_buffer import weight_scales
from spinn_mam.fixed_point.s1615 import ONE, exp_s1615, exp_u032, wrap32
from spinn_mam.network.spec import NeuronParameters
from spinn_mam.virtual_board.faults import Faults

PD14 = NeuronParameters(C_m=250, tau_m=10, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65, V_reset=-65, V_th=-50, t_ref=2)


@pytest.fixture(scope="module")
def board():
    one = BareBoard(threads=1)
    yield one
    one.close()


def test_a_hundred_random_networks():
    tally = compare_random(100, seed=1)
    print(tally)
    assert not tally.different, str(tally)
    assert tally.n_networks == 100
    assert tally.n_spikes > 1000
    assert tally.n_saturated > 100
    assert {kind for kind, _, _ in tally.groups} == set(KINDS)
    assert {layout for _, layout, _ in tally.groups} == {"combined", "split"}


@pytest.mark.slow
def test_a_thousand_random_networks():
    tally = compare_random(1500, seed=1000)
    print(tally)
    assert not tally.different, str(tally)
    assert tally.n_networks == 1500


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rng=st.randoms(use_true_random=False), dt=st.sampled_from([0.1, 1.0]), kind=st.sampled_from(KINDS))
def test_networks_that_hypothesis_looks_for(board, rng, dt, kind):
    tally = Tally()
    compare(board, [make_network(rng, dt, 30, kind)], tally, "this example")
    assert not tally.different


#: Where ``IF_curr_exp`` has its exponentials: s16.15, and the lower 32 bits of the same with 32 fractional bits.
EXP_S1615, EXP_U032 = 0x4DD8, 0x4E1C


def test_exponentials_are_those_of_the_binary(board):
    from unicorn import UC_ARCH_ARM, UC_MODE_ARM, Uc
    from unicorn.arm_const import UC_ARM_REG_LR, UC_ARM_REG_R0, UC_ARM_REG_SP

    board.clear()
    (one,) = deploy(board, [one_slice([Neuron(PD14)], [], [], split=False)])
    code = board.engine.read_core(one.chip, one.cores[0], 0, 0x8000)
    cpu = Uc(UC_ARCH_ARM, UC_MODE_ARM)
    cpu.mem_map(0, 0x8000)
    cpu.mem_write(0, code)
    cpu.mem_map(0x400000, 0x10000)
    back = 0x7FFC

    def call(function, x):
        for register, value in ((UC_ARM_REG_R0, x & 0xFFFFFFFF), (UC_ARM_REG_SP, 0x40F000), (UC_ARM_REG_LR, back)):
            cpu.reg_write(register, value)
        cpu.emu_start(function, back)
        return cpu.reg_read(UC_ARM_REG_R0)

    # every argument up to -1 in steps that share no factor with the tables, all small ones, and the bounds
    negative = [*range(-340_700, -340_690), *range(-340_690, -ONE, 37), *range(-4000, 0)]
    for x in negative:
        assert call(EXP_S1615, x) == exp_s1615(x), x
        assert call(EXP_U032, x) == exp_u032(x), x
    for x in [*range(0, 363_408, 173), 363_408, 363_409]:
        assert call(EXP_S1615, x) == exp_s1615(x), x


#: Where the two binaries keep the pointers to their arrays, neurons before synapses; read from their code.
ARRAYS = {False: 0x400168 + 0x50, True: 0x400120 + 0x50}


@pytest.mark.parametrize("dt", [0.1, 1.0, 0.25])
def test_constants_are_those_that_the_cores_compute(board, dt):
    board.clear()
    deployed = []
    for split in (False, True):
        rng = random.Random(split)
        for kind in KINDS * 2:
            neurons = [random_networks.make_neuron(rng, kind, dt) for _ in range(60)]
            deployed += deploy_one(board, one_slice(neurons, [], [], split=split, dt=dt), len(deployed))
    board.run(1)
    for one in deployed:
        chip, core, split = one.chip, one.cores[0], one.network.split
        pointers = np.frombuffer(board.engine.read_core(chip, core, ARRAYS[split], 8), np.uint32)
        n = len(one.network.neurons)
        neurons = np.frombuffer(board.engine.read_core(chip, core, int(pointers[0]), 32 * n), np.int32).reshape(n, 8)
        synapses = np.frombuffer(board.engine.read_core(chip, core, int(pointers[1]), 24 * n), np.uint32).reshape(n, 6)
        for i, neuron in enumerate(one.network.neurons):
            c = random_networks.lif_constants(neuron.parameters, neuron.I_e, dt)
            assert neurons[i, [1, 2, 3, 4, 6, 7]].tolist() == [c.v_rest, c.r_membrane, c.exp_tc, c.i_offset, c.v_reset, c.t_refract]
            assert synapses[i, [0, 1, 3, 4]].tolist() == [c.decay_exc, c.init_exc, c.decay_inh, c.init_inh]


def deploy_one(board, network, number):
    """Put a network on a chip of its own share of cores."""
    chip, first = board.hardware.chips[number // 5], 2 + 3 * (number % 5)
    return [random_networks.deploy_at(board, chip, first, number + 1 << 16, network)]


def one_slice(neurons, synapses, spikes, *, split, n_synapse_cores=1, delay_bits=4, shifts=(2, 2), n_steps=40, dt=0.1):
    return RandomNetwork(
        "by hand", dt, n_steps, split, (tuple(neurons),), shifts, delay_bits, n_synapse_cores, tuple(synapses), tuple(map(tuple, spikes))
    )


@pytest.mark.parametrize("split", [False, True], ids=["combined", "split"])
def test_a_spike_of_step_t_acts_on_v_in_step_t_plus_delay(board, split):
    # recorded at the beginning of a step, so what step t + d changes shows at t + d + 1; the longest delay is the number of slots
    quiet, restless = Neuron(PD14), Neuron(replace(PD14, V_th=-66.0, t_ref=5.0))
    delays = (1, 2, 7, 15, 16)
    by_source = one_slice([quiet] * 5, [(5, i, 100.0, d) for i, d in enumerate(delays)], [[3]], split=split)
    by_neuron = one_slice([quiet] * 5 + [restless], [(5, i, 100.0, d) for i, d in enumerate(delays)], [], split=split)
    board.clear()
    deployed = deploy(board, [by_source, by_neuron])
    board.run(40)
    for one, step in zip(deployed, (3, 0), strict=True):
        v = one.recorded(board).v[:, :5]
        assert np.argmax(v != -65 * ONE, axis=0).tolist() == [step + d + 1 for d in delays]
    assert deployed[1].recorded(board).spikes[0] == (0, 5)


def test_synapse_cores_clip_alone_and_their_sums_carry_into_the_neighbour(board):
    # neurons 0 and 4 get 65,535 + 65,535 from two synapse cores, the others 1,000 from one
    largest = 65_535 / float(weight_scales(np.array([2]))[0])
    unit = largest / 65_535
    source = Neuron(replace(PD14, V_th=-66.0, t_ref=100.0))  # spikes in step 0 only
    neurons = [Neuron(PD14)] * 6 + [source, Neuron(PD14)]
    big = [(pre, post, largest, 3) for pre in (6, 8) for post in (0, 4)]
    clipped = [(8, 2, largest, 3)] * 3
    small = [(6, post, 1000 * unit, 3) for post in (1, 3, 5)]
    network = one_slice(neurons, big + clipped + small, [[0]], split=True, n_synapse_cores=2, n_steps=6)
    board.clear()
    (deployed,) = deploy(board, [network])
    board.run(6)
    v = deployed.recorded(board).v[4]
    assert v.tolist() == network.expected().v[4]
    # 131,070 wraps to 65,534; its neighbour gets 1,001 instead of 1,000; one synapse core alone stops at 65,535
    constants = random_networks.lif_constants(PD14, 0.0, 0.1)
    alone = {
        slot: rules.update_membrane(-65 * ONE, rules.receive(0, slot, 2, constants.init_exc), constants) for slot in (65_534, 65_535, 1000, 1001)
    }
    assert v[:6].tolist() == [alone[slot] for slot in (65_534, 1001, 65_535, 1000, 65_534, 1001)]


@pytest.mark.parametrize("seed", range(3))
def test_sums_do_not_depend_on_the_order_of_packets(seed):
    rng = random.Random(seed)
    networks = [make_network(rng, 0.1, 60, kind) for kind in ["saturating", "strong"] * 20]
    shuffled = BareBoard(threads=1, faults=Faults(shuffle=True, seed=seed))
    tally = Tally()
    compare(shuffled, networks, tally, f"shuffled, seed {seed}")
    shuffled.close()
    assert not tally.different, str(tally)
    assert tally.n_saturated > 100


def _with(**changes):
    """Change the constants of all neurons."""
    original = random_networks.lif_constants

    def changed(*args):
        constants = original(*args)
        return replace(constants, **{name: (getattr(constants, name) + step) for name, step in changes.items()})

    return "lif_constants", changed


def _late(*args):
    return rules.Synapse(*args[:4], args[4] + 1, *args[5:])


def _decayed_first(update):
    """Let the membrane see the currents after their decay."""

    def changed(state, constants, slots, shifts):
        seen = replace(
            state,
            i_exc=rules.decay(rules.receive(state.i_exc, slots[0], shifts[0], constants.init_exc), constants.decay_exc),
            i_inh=rules.decay(rules.receive(state.i_inh, slots[1], shifts[1], constants.init_inh), constants.decay_inh),
        )
        currents = seen.i_exc, seen.i_inh
        fired = update(seen, constants, (0, 0), shifts)
        state.v, state.refract, (state.i_exc, state.i_inh) = seen.v, seen.refract, currents
        return fired

    return changed


#: Specifications that are wrong in one point.
MUTANTS = {
    "products round to nearest": (rules, "multiply", lambda a, b: wrap32((a * b + (1 << 14)) >> 15)),
    "decays round to nearest": (rules, "decay", lambda x, f: wrap32((x * f + (1 << 31)) >> 32)),
    "spike only above threshold": (random_networks, *_with(v_th=1)),
    "refractory one step longer": (random_networks, *_with(t_refract=1)),
    "membrane decay one unit more": (random_networks, *_with(exp_tc=1)),
    "synaptic decay one unit of 2^-32 more": (random_networks, *_with(decay_exc=1)),
    "first step's mean 64 units of 2^-32 more": (random_networks, *_with(init_inh=64)),
    "delays one step longer": (random_networks, "Synapse", _late),
    "currents decay before the membrane sees them": (rules, "update_neuron", _decayed_first(rules.update_neuron)),
    "slots wrap": (rules, "add_saturating", lambda slot, weight: (slot + weight) & 0xFFFF),
    "sums of synapse cores stop at the limit": (rules, "add_packed", lambda cores: [min(sum(slots), 0xFFFF) for slots in zip(*cores, strict=True)]),
    "sums of synapse cores don't carry": (rules, "add_packed", lambda cores: [sum(slots) & 0xFFFF for slots in zip(*cores, strict=True)]),
}


@pytest.fixture(scope="module")
def recordings(board):
    """A board full of networks of all kinds, with what the binaries recorded."""
    out = []
    for seed in range(3):
        rng = random.Random(seed)
        board.clear()
        networks = [make_network(rng, 0.1, 60, KINDS[i % len(KINDS)]) for i in range(40)]
        deployed = deploy(board, networks)
        board.run(60)
        out += [(one.network, one.recorded(board)) for one in deployed]
    return out


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_specification_is_found(name, recordings, monkeypatch):
    right = Tally()
    for network, recorded in recordings:
        right.add(network, recorded, network.expected(), "here")
    assert not right.different
    module, attribute, function = MUTANTS[name]
    monkeypatch.setattr(module, attribute, function)
    wrong = Tally()
    for network, recorded in recordings:
        wrong.add(network, recorded, network.expected(), "here")
    assert wrong.different
