"""The compiled time loop computes what the plain-integer specification says, bit by bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.backends.emulator.build import store_from_synapses
from spinn_mam.backends.emulator.drive import MAX_MEAN, poisson_count, poisson_thresholds
from spinn_mam.backends.emulator.layout import DRIVE_WEIGHT, IS_SOURCE, make_layout
from spinn_mam.backends.emulator.loop import Loop
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.fixed_point.specification import Synapse, simulate
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.network.streams import stream_key

DT = 0.1
MASK = (1 << 64) - 1


def number(key: np.uint64, index: int) -> int:
    x = (int(key) + 0x9E3779B97F4A7C15 * (index + 1)) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


neurons = st.builds(
    NeuronParameters,
    C_m=st.floats(50, 500),
    tau_m=st.floats(2, 30),
    tau_syn_ex=st.floats(0.3, 5),
    tau_syn_in=st.floats(0.3, 5),
    E_L=st.floats(-70, -60),
    V_reset=st.floats(-75, -60),
    V_th=st.floats(-58, -50),
    t_ref=st.floats(0, 3),
)
drives = st.none() | st.builds(PoissonDrive, rate=st.floats(1, MAX_MEAN * 9_999), weight=st.floats(0, 3000), delay=st.just(DT))
populations = st.builds(
    Population, name=st.just(""), size=st.integers(1, 5), neuron=neurons, I_e=st.floats(-300, 900), V0_mean=st.floats(-70, -50), drive=drives
)
# rests exactly at its threshold, where "at" and "above" differ
edge = Population("", 2, NeuronParameters(250, 10, 0.5, 0.5, -60, -61, -60, 0.3), V0_mean=-60)
populations |= st.just(edge)
sources = st.builds(
    Population,
    name=st.just(""),
    size=st.integers(1, 4),
    neuron=st.none(),
    source_rate=st.floats(0, 20_000),
    source_start=st.floats(0, 2),
    source_stop=st.floats(2, 9) | st.just(np.inf),
)


@st.composite
def networks(draw):
    pops = draw(st.lists(populations, min_size=1, max_size=4)) + draw(st.lists(sources, max_size=2))
    pops = tuple(replace(p, name=f"p{i}") for i, p in enumerate(pops))
    n_neuron_pops = sum(not p.is_source for p in pops)
    pairs = draw(st.lists(st.tuples(st.integers(0, len(pops) - 1), st.integers(0, n_neuron_pops - 1), st.booleans()), max_size=8))
    projections = tuple(Projection(s, t, 1, Distribution(-1.0 if inh else 1.0, 0), Distribution(1, 0)) for s, t, inh in pairs)
    spec = NetworkSpec("test", DT, pops, projections, (1.0,) * len(pops), "")
    synapses = []
    longest = draw(st.integers(1, 20))
    shortest = draw(st.integers(1, longest))
    weights = st.integers(0, 3000) | st.integers(30_000, 65_535)
    for s, t, inh in pairs:
        for _ in range(draw(st.integers(0, 12))):
            i, j = draw(st.integers(0, pops[s].size - 1)), draw(st.integers(0, pops[t].size - 1))
            w, d = draw(weights), draw(st.sampled_from([shortest, longest]) | st.integers(shortest, longest))
            synapses.append(Synapse(int(spec.offsets[s]) + i, int(spec.offsets[t]) + j, int(inh), w, d))
    return spec, synapses


@pytest.mark.parametrize("threads", [1, 2])
@settings(max_examples=200, deadline=None)
@given(network=networks(), data=st.data())
def test_spikes_and_potentials_are_equal(threads, network, data):
    spec, synapses = network
    seed = data.draw(st.integers(0, 1000))
    n_parts = data.draw(st.integers(1, 3))
    shifts = np.array(
        data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=len(spec.populations), max_size=len(spec.populations)))
    )
    n_steps = data.draw(st.integers(1, 70))
    layout = make_layout(spec, shifts, seed, n_parts)

    population = np.repeat(np.arange(len(spec.populations)), spec.sizes)
    local = np.arange(len(population)) - spec.offsets[population]
    n_neurons = sum(p.size for p in spec.populations if not p.is_source)
    state_of = layout.state_of
    constants = [lif_constants(spec.populations[p].neuron, spec.populations[p].I_e, DT) for p in population[:n_neurons]]
    v0 = [to_s1615(spec.populations[p].V0_mean) for p in population[:n_neurons]]
    drive_weight = {int(p): int(s[DRIVE_WEIGHT]) for p, s in zip(layout.population, layout.segments, strict=True)}
    tables = [poisson_thresholds((p.source_rate if p.is_source else p.drive.rate if p.drive else 0) * DT / 1000) for p in spec.populations]
    keys = [stream_key(seed, "source" if p.is_source else "drive", p.name) for p in spec.populations]

    def drive(step, i):
        p = population[i]
        return poisson_count(tables[p], number(keys[p], step), int(local[i])) * drive_weight[p] if spec.populations[p].drive else 0

    def source(step):
        out = []
        for i in range(n_neurons, len(population)):
            p = spec.populations[population[i]]
            if round(p.source_start / DT) <= step and (p.source_stop == np.inf or step < round(p.source_stop / DT)):
                count = poisson_count(tables[population[i]], number(keys[population[i]], step), int(local[i]))
                out += [i] * count
        return out

    expected = simulate(constants, [tuple(shifts[p]) for p in population[:n_neurons]], synapses, v0, n_steps, drive=drive, sources=source)

    axon = np.array([layout.axon_base[population[s.source], s.receptor] + local[s.source] for s in synapses], np.int64)
    target = np.array([state_of[s.target] for s in synapses], np.int64)
    weight = np.array([s.weight for s in synapses], np.int64)
    slots = np.array([s.delay for s in synapses], np.int64)
    store = store_from_synapses(layout, axon, target, weight, slots)
    v = np.zeros(layout.n_state, np.int32)
    v[state_of[:n_neurons]] = v0
    loop = Loop(layout, store, v, n_steps, threads)
    spikes = []
    while loop.step < n_steps:
        assert loop.v[state_of[:n_neurons]].tolist() == expected.v[loop.step]
        spikes += loop.advance(data.draw(st.integers(1, n_steps - loop.step))).tolist()
    assert [tuple(s) for s in spikes] == expected.spikes
    delivered = sum(step + s.delay < n_steps for step, i in expected.spikes for s in synapses if s.source == i)
    assert loop.counters().n_events == delivered
    assert loop.counters().n_saturated == expected.n_saturated
    assert not layout.segments[:, IS_SOURCE].all()
