"""A PyNN script on the emulator computes what the plain-integer specification says, bit by bit."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("pyNN")

import spinn_mam.pynn as sim
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.s1615 import ONE, to_s1615
from spinn_mam.fixed_point.specification import NeuronState, Synapse, add_saturating, simulate, update_neuron
from spinn_mam.network.spec import NeuronParameters

# weights of all sizes: some are rounded to zero or cut, in both
pytestmark = pytest.mark.filterwarnings("ignore::spinn_mam.pynn.execution.LostPrecisionWarning")

PARAMETERS = {
    "cm": st.sampled_from([0.1, 0.25, 1.0]),
    "tau_m": st.floats(2, 30),
    "tau_syn_E": st.floats(0.5, 8),
    "tau_syn_I": st.floats(0.5, 8),
    "v_rest": st.floats(-70, -60),
    "v_reset": st.floats(-75, -60),
    "v_thresh": st.floats(-58, -50),
    "tau_refrac": st.floats(0, 3),
    "i_offset": st.floats(-0.3, 0.9),
}


def equal_or_not(draw, values, size):
    """One value for all, one for each, or a few kinds."""
    some = draw(st.lists(values, min_size=1, max_size=3))
    return [draw(st.sampled_from(some)) for _ in range(size)]


@st.composite
def networks(draw):
    dt = draw(st.sampled_from([0.1, 0.25, 1.0]))
    groups = []
    for _ in range(draw(st.integers(1, 3))):
        size = draw(st.integers(1, 4))
        parameters = {name: equal_or_not(draw, values, size) for name, values in PARAMETERS.items()}
        groups.append((size, parameters, [draw(st.floats(-70, -50)) for _ in range(size)]))
    trains = draw(st.lists(st.lists(st.integers(0, 60), max_size=8), min_size=1, max_size=3))
    projections = []
    for _ in range(draw(st.integers(0, 6))):
        pre, post = draw(st.integers(0, len(groups))), draw(st.integers(0, len(groups) - 1))
        n_pre = len(trains) if pre == len(groups) else groups[pre][0]
        inhibitory = draw(st.booleans())
        weight = st.floats(0.001, 4) | st.floats(4, 60)
        one = st.tuples(st.integers(0, n_pre - 1), st.integers(0, groups[post][0] - 1), weight, st.integers(1, draw(st.sampled_from([2, 9, 40]))))
        projections.append((pre, post, inhibitory, draw(st.lists(one, max_size=8))))
    return dt, groups, trains, projections


def build(network, convention):
    dt, groups, trains, projections = network
    sim.setup(timestep=dt, delay_convention=convention)
    populations = [sim.Population(size, sim.IF_curr_exp(**parameters), initial_values={"v": v0}) for size, parameters, v0 in groups]
    source = sim.Population(len(trains), sim.SpikeSourceArray(spike_times=[sorted(t * dt for t in train) for train in trains]))
    made = []
    for pre, post, inhibitory, synapses in projections:
        rows = [(i, j, -w if inhibitory else w, d * dt) for i, j, w, d in synapses]
        kind = "inhibitory" if inhibitory else "excitatory"
        connector = sim.FromListConnector(rows) if rows else sim.FixedProbabilityConnector(0.0)
        made.append(sim.Projection([*populations, source][pre], populations[post], connector, sim.StaticSynapse(), receptor_type=kind))
    for population in populations:
        population.record(["spikes", "v"])
    source.record("spikes")
    return populations, source, made


def observed(populations, source, dt):
    spikes = []
    for population in [*populations, source]:
        for train in population.get_data("spikes").segments[-1].spiketrains:
            first = int(populations[0].first_id)
            spikes += [(round(float(t) / dt), int(train.annotations["channel_id"]) - first) for t in train]
    v = np.hstack([p.get_data("v").segments[-1].analogsignals[0].magnitude for p in populations])
    return sorted(spikes), v


def millivolts(bits):
    """As they are recorded: exact below 512 mV."""
    return (np.array(bits) / ONE).astype(np.float32).tolist()


def constants_of(network):
    dt, groups, _, _ = network
    out = []
    for size, p, _ in groups:
        for i in range(size):
            names = ("cm", "tau_m", "tau_syn_E", "tau_syn_I", "v_rest", "v_reset", "v_thresh", "tau_refrac")
            cm, *rest = (p[name][i] for name in names)
            out.append(lif_constants(NeuronParameters(cm * 1000, *rest), p["i_offset"][i] * 1000, dt))
    return out


@pytest.mark.parametrize("convention", ["machine", "nest"])
@settings(max_examples=60, deadline=None)
@given(network=networks(), pieces=st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_spikes_and_potentials_are_equal(convention, network, pieces):
    dt, groups, trains, projections = network
    populations, source, _ = build(network, convention)
    for n in pieces:
        sim.run(n * dt)
    spikes, v = observed(populations, source, dt)
    told = sim.provenance()
    shifts = [told["ring_buffer_shifts"][p.label] for p in populations]
    sim.end()

    offsets = np.cumsum([0, *(size for size, _, _ in groups)])
    n_neurons = int(offsets[-1])
    group_of = np.repeat(np.arange(len(groups)), np.diff(offsets))
    synapses = []
    for pre, post, inhibitory, rows in projections:
        for i, j, w, d in rows:
            units = min(65_535, round(w * 2 ** (15 - shifts[post][inhibitory])))
            late = convention == "nest" and pre < len(groups)
            synapses.append(Synapse(int(offsets[pre]) + i, int(offsets[post]) + j, int(inhibitory), units, d + late))
    v0 = [to_s1615(value) for _, _, values in groups for value in values]
    at = {t: sorted(n_neurons + k for k, train in enumerate(trains) for x in train if x == t) for t in range(61)}
    expected = simulate(constants_of(network), [tuple(shifts[g]) for g in group_of], synapses, v0, sum(pieces) + 1, sources=lambda t: at.get(t, []))
    assert v.tolist() == millivolts(expected.v)
    shift = convention == "nest"
    assert spikes == sorted((t + (shift and i < n_neurons), i) for t, i in expected.spikes if t < sum(pieces))


@settings(max_examples=60, deadline=None)
@given(network=networks(), data=st.data())
def test_changes_in_the_middle_of_a_run(network, data):
    """Against ring buffers: what was sent before a change of weights and delays arrives as it was sent."""
    dt, groups, trains, projections = network
    original = constants_of(network)
    populations, source, made = build(network, "machine")
    pieces = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 30), st.integers(1, 30)))
    sim.run(pieces[0] * dt)
    used = [k for k, (_, _, _, rows) in enumerate(projections) if rows]
    shifts = [[sim.provenance()["ring_buffer_shifts"][p.label] for p in populations]]
    delays, constants = {}, {}
    for at, n in ((pieces[0], pieces[1]), (pieces[0] + pieces[1], pieces[2])):
        if used:
            k, d = data.draw(st.sampled_from(used)), data.draw(st.integers(1, 12))
            made[k].set(delay=d * dt)
            delays[at] = k, d
        groups[0][1]["v_rest"][0] = data.draw(st.floats(-70, -60))
        populations[0][0:1].set(v_rest=groups[0][1]["v_rest"][0])
        constants[at] = constants_of(network)[0]
        sim.run(n * dt)
        shifts.append([sim.provenance()["ring_buffer_shifts"][p.label] for p in populations])
    spikes, v = observed(populations, source, dt)
    sim.end()
    # The rule looks at the spread of delays. Where it changes a shift, inputs under way have another unit than the new ones.
    assume(all(s == shifts[0] for s in shifts))
    offsets = np.cumsum([0, *(size for size, _, _ in groups)])
    rows = [
        [int(offsets[pre]) + i, int(offsets[post]) + j, int(inh), min(65_535, round(w * 2 ** (15 - shifts[0][post][inh]))), d, k]
        for k, (pre, post, inh, found) in enumerate(projections)
        for i, j, w, d in found
    ]
    v0 = [to_s1615(value) for _, _, values in groups for value in values]
    of_neuron = [tuple(pair) for pair, (size, _, _) in zip(shifts[0], groups, strict=True) for _ in range(size)]
    expected_spikes, expected_v = push(original, of_neuron, rows, v0, trains, sum(pieces), delays, constants)
    assert v.tolist() == millivolts(expected_v)
    assert spikes == sorted(expected_spikes)


def push(constants, shifts, rows, v0, trains, n_steps, delays, changed_constants):
    """Ring buffers that are written when a spike is sent."""
    n = len(v0)
    ring = [[[0, 0] for _ in range(n)] for _ in range(64)]
    states = [NeuronState(v) for v in v0]
    spikes, trace = [], []
    for t in range(n_steps + 1):
        if t in delays:
            rows = [[*row[:4], delays[t][1], row[5]] if row[5] == delays[t][0] else row for row in rows]
        constants = [changed_constants.get(t, constants[0]), *constants[1:]]
        trace.append([s.v for s in states])
        slots, ring[t % 64] = ring[t % 64], [[0, 0] for _ in range(n)]
        fired = [i for i in range(n) if update_neuron(states[i], constants[i], tuple(slots[i]), shifts[i])]
        fired += [n + k for k, train in enumerate(trains) for x in train if x == t]
        spikes += [(t, i) for i in fired if t < n_steps]
        for i in fired:
            for source, target, receptor, weight, delay, _ in rows:
                if source == i:
                    slot = ring[(t + delay) % 64][target]
                    slot[receptor] = add_saturating(slot[receptor], weight)
    return spikes, trace
