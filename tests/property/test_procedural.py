"""Synapses that are drawn again are the stored ones: same spikes, same potentials, same counts, bit for bit."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import EmulatorBackend, simulate
from spinn_mam.backends.emulator.build import build_synapses
from spinn_mam.backends.emulator.drive import poisson_count, poisson_thresholds
from spinn_mam.backends.emulator.emulation import initial_potentials, prepare
from spinn_mam.backends.emulator.layout import DRIVE_WEIGHT, make_layout
from spinn_mam.backends.emulator.loop import Loop
from spinn_mam.backends.emulator.procedural import count_synapses
from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.ring_buffer import quantise_weights, ring_buffer_shifts, weight_scales
from spinn_mam.fixed_point.specification import Synapse
from spinn_mam.fixed_point.specification import simulate as specified
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import load_model
from spinn_mam.network.connectivity import Connectivity
from spinn_mam.network.kernels import draw
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.network.streams import stream_key
from spinn_mam.partitioning.pipeline import map_network

DT = 0.1
NEURON = NeuronParameters(250.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)


def loops(spec, shifts, seed, n_parts, threads=1, offset=1, chunk=100):
    """A loop with stored and one with procedural synapses, and their stores."""
    layout = make_layout(spec, shifts, seed, n_parts)
    stores = [make(Connectivity(spec, seed), layout, shifts, offset) for make in (build_synapses, count_synapses)]
    return layout, stores, [Loop(layout, store, initial_potentials(spec, layout, seed), chunk, threads) for store in stores]


def run_both(both, n_steps, piece):
    """Advance both loops in pieces, compare them after each, and return the spikes."""
    spikes = []
    while both[0].step < n_steps:
        found = [loop.advance(min(piece, n_steps - loop.step)) for loop in both]
        assert np.array_equal(*found)
        assert np.array_equal(both[0].v, both[1].v)
        assert both[0].counters() == both[1].counters()
        spikes += found[0].tolist()
    return spikes


populations = st.builds(
    Population,
    name=st.just(""),
    size=st.integers(1, 40),
    neuron=st.builds(replace, st.just(NEURON), t_ref=st.floats(0, 3), tau_m=st.floats(2, 20)),
    I_e=st.floats(-100, 700),
    V0_mean=st.floats(-66, -51),
    V0_sd=st.floats(0, 4),
    drive=st.none() | st.builds(PoissonDrive, rate=st.floats(10, 80_000), weight=st.floats(-15, 30), delay=st.just(DT)),
)
sources = st.builds(Population, name=st.just(""), size=st.integers(1, 20), neuron=st.none(), source_rate=st.floats(0, 20_000))
# from constant to far beyond a sign change, and so large that some do not fit 16 bits
weights = st.tuples(st.sampled_from([0.02, 1.0, 87.8, 4000.0]), st.sampled_from([0.0, 0.1, 0.6, 3.0]), st.sampled_from([0.0, -np.inf]))
delays = st.tuples(st.sampled_from([0.1, 0.75, 1.5, 6.0, 18.0]), st.sampled_from([0.0, 0.5]))


@st.composite
def networks(draw_value):
    pops = draw_value(st.lists(populations, min_size=1, max_size=3)) + draw_value(st.lists(sources, max_size=1))
    pops = tuple(replace(p, name=f"p{i}") for i, p in enumerate(pops))
    n = sum(not p.is_source for p in pops)
    projections = []
    for _ in range(draw_value(st.integers(1, 5))):
        (mean, rel, lower), (delay, rel_delay) = draw_value(weights), draw_value(delays)
        weight = Distribution(mean, rel * mean, lower, np.inf)
        if draw_value(st.booleans()):
            weight = Distribution(-mean, rel * mean, -np.inf, -lower)
        count = draw_value(st.integers(0, 4000) | st.integers(0, 30_000))
        pair = draw_value(st.integers(0, len(pops) - 1)), draw_value(st.integers(0, n - 1))
        projections.append(Projection(*pair, count, weight, Distribution(delay, rel_delay * delay, DT / 2, np.inf)))
    return NetworkSpec("test", DT, pops, tuple(projections), (1.0,) * len(pops), "")


@pytest.mark.parametrize("threads", [1, 2])
@settings(max_examples=60, deadline=None)
@given(spec=networks(), data=st.data())
def test_procedural_equals_stored(threads, spec, data):
    shifts = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=len(spec.populations), max_size=len(spec.populations)))
    seed, n_parts, offset = data.draw(st.integers(0, 999)), data.draw(st.integers(1, 3)), data.draw(st.sampled_from([1, 0, -4]))
    _, stores, both = loops(spec, np.array(shifts), seed, n_parts, threads, offset)
    for name in ("min_slots", "max_slots", "n_zero", "n_saturated", "n_uncompensated"):
        assert getattr(stores[0], name) == getattr(stores[1], name), name
    run_both(both, data.draw(st.integers(1, 400)), data.draw(st.integers(1, 100)))


@pytest.mark.parametrize("sd", [0.0, 0.75])
def test_rows_of_more_synapses_than_16_bits_count(sd):
    pops = (Population("S", 2, None, source_rate=3000.0), Population("T", 9, NEURON, I_e=300.0, V0_mean=-60.0))
    projection = Projection(0, 1, 250_000, Distribution(0.02, 0.002, 0.0), Distribution(1.5, sd, DT / 2))
    spec = NetworkSpec("test", DT, pops, (projection,), (1.0, 1.0), "")
    _, stores, both = loops(spec, np.full((2, 2), 0), 3, 1)
    assert len(stores[0].words) == 250_000
    assert stores[0].cumulative.dtype == np.uint32
    assert stores[1].widths[0, 0] == (4 if sd == 0 else 2)
    assert len(run_both(both, 300, 70)) > 100
    assert both[0].counters().n_events > 1_000_000


def areas():
    """Three small areas, sources and targets far apart: delays of up to hundreds of steps, drive of 8 spikes a step."""
    drive = PoissonDrive(rate=80_000.0, weight=6.0, delay=DT)
    pops = tuple(Population(f"A{a}-{kind}", n, NEURON, 150.0, -58.0, 5.0, drive) for a in range(3) for kind, n in (("E", 9), ("I", 4)))
    projections = []
    for s in range(6):
        for t in range(6):
            distance = abs(s // 2 - t // 2)
            if distance and s % 2:
                continue
            weight = Distribution(80.0, 8.0, 0.0) if s % 2 == 0 else Distribution(-300.0, 30.0, -np.inf, 0.0)
            delay = (1.5 if s % 2 == 0 else 0.75) if not distance else 10.0 * distance
            projections.append(Projection(s, t, 40, weight, Distribution(delay, delay / 2, DT / 2)))
    return NetworkSpec("areas", DT, pops, tuple(projections), (1.0,) * 6, "")


def test_long_delays_equal_the_specification():
    spec, seed, n_steps = areas(), 4, 900
    shifts = ring_buffer_shifts(spec)
    layout, stores, both = loops(spec, shifts, seed, 3)
    assert stores[0].max_slots > 400
    # headers have places for the slots of their own delays only
    assert len(stores[0].cumulative) < 0.7 * layout.n_parts * layout.n_axons * stores[0].max_slots
    spikes = run_both(both, n_steps, 100)

    c, synapses = Connectivity(spec, seed), []
    for k, p in enumerate(spec.projections):
        rows = c.rows(k, (0, spec.populations[p.source].size), (0, spec.populations[p.target].size))
        receptor = int(p.receptor == "inhibitory")
        source = np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets)) + spec.offsets[p.source]
        weight = quantise_weights(rows.weight, float(weight_scales(shifts)[p.target, receptor]))[0]
        columns = (source, rows.target + spec.offsets[p.target], weight, rows.delay.astype(int) + 1)
        synapses += [Synapse(int(s), int(t), receptor, int(w), int(d)) for s, t, w, d in zip(*columns, strict=True)]
    population = np.repeat(np.arange(6), spec.sizes)
    drive_weight = {int(p): int(s[DRIVE_WEIGHT]) for p, s in zip(layout.population, layout.segments, strict=True)}
    thresholds = poisson_thresholds(8.0)
    keys = [stream_key(seed, "drive", p.name) for p in spec.populations]

    def drive(step, i):
        p = population[i]
        return poisson_count(thresholds, int(draw(keys[p], step)), int(i - spec.offsets[p])) * drive_weight[p]

    constants = [lif_constants(NEURON, 150.0, DT)] * len(population)
    start = initial_potentials(spec, layout, seed)[layout.state_of].tolist()
    expected = specified(constants, [tuple(shifts[p]) for p in population], synapses, start, n_steps, drive=drive)
    assert [tuple(s) for s in spikes] == expected.spikes
    assert len(spikes) > 50
    assert both[1].counters().n_events == sum(step + s.delay < n_steps for step, i in spikes for s in synapses if s.source == i)


def test_a_stored_run_continues_procedurally():
    spec = load_model("pd14").network(0.02, 0.03)
    network, shifts = Network.from_seed(spec, 1), ring_buffer_shifts(spec)
    stored = prepare(network, shifts, 3)
    stored.advance(311)
    state = stored.state()
    expected = stored.advance(400)
    procedural = prepare(network, shifts, 3, threads=2, procedural=True)
    procedural.advance(47)
    procedural.restore(state)
    assert all(np.array_equal(a, b) for a, b in zip(procedural.advance(400), expected, strict=True))
    assert procedural.counters == stored.counters
    assert len(expected[0]) > 20


def test_a_run_says_how_its_synapses_are_kept():
    network = Network.from_seed(load_model("pd14").network(0.03, 0.1), 1)
    runs = {
        mode: EmulatorBackend(synapses=mode).start(network, RunConfig(20.0, 0.0, 1, 1, "shared"), None).result() for mode in ("stored", "procedural")
    }
    assert all(run.provenance["synapses"] == mode for mode, run in runs.items())
    stored, procedural = (run.provenance["network_bytes"] for run in runs.values())
    assert stored > 4 * network.spec.n_synapses
    assert procedural < stored
    assert np.array_equal(runs["stored"].neuron, runs["procedural"].neuron)


def test_sums_of_split_cores_are_equal():
    spec = load_model("pd14").network(0.02, 0.1)
    shifts = np.maximum(ring_buffer_shifts(spec) - 3, 0)  # so that sums pass 16 bits
    mapped = map_network(
        spec,
        load_board_config("spin5-3"),
        neurons_per_core=33,
        time_scale_factor=20.0,
        ring_buffer_shifts=shifts,
        rng=np.random.default_rng(1),
        layout="split",
        synapse_cores=2,
    )
    network = Network.from_seed(spec, 1)
    both = [prepare(network, shifts, 1, threads=2, split=mapped.partition, procedural=procedural) for procedural in (False, True)]
    spikes = [np.stack(emulation.advance(400)) for emulation in both]
    assert np.array_equal(*spikes)
    overflows = [emulation.counters.overflows for emulation in both]
    assert overflows[0] == overflows[1]
    assert overflows[0].n_clipped_synapse > 0
    assert overflows[0].n_wrapped > 0


def test_the_machines_synapses_are_not_procedural():
    network = Network.from_seed(load_model("pd14").network(0.02, 0.03), 1)
    found = EmulatorBackend(synapses="procedural").check(network, RunConfig(20.0, 0.0, 1, 1, "expander"), None)
    assert [v.rule for v in found] == ["synapses"]
    with pytest.raises(UsageError, match="can only be stored"):
        simulate(network, None, 20.0, 0.0, 1, plans=(), procedural=True)


def test_the_microcircuits_synapses_stay_as_they_are():
    # drawn before delay tables held more than 255 steps
    spec = load_model("pd14").network(0.1, 0.1)
    shifts = ring_buffer_shifts(spec)
    store = build_synapses(Connectivity(spec, 1), make_layout(spec, shifts, 1), shifts)
    assert (len(store.words), zlib.crc32(store.words), int(store.words.astype(np.uint64).sum())) == (2_988_807, 2_847_272_742, 355_670_082_143_656)


@pytest.mark.slow
def test_full_scale_is_equal_and_small():
    spec = load_model("pd14").network()
    shifts = ring_buffer_shifts(spec)
    _, stores, both = loops(spec, shifts, 1, None, 2, chunk=1000)
    assert (zlib.crc32(stores[0].words), int(stores[0].words.astype(np.uint64).sum())) == (2_563_162_943, 339_811_548_467_357_090)
    assert len(run_both(both, 1000, 500)) > 10_000
    memory = both[1].memory()
    assert memory.network_bytes + memory.state_bytes < 200e6
