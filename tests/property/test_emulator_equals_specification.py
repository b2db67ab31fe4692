"""The compiled time loop computes what the plain-integer specification says, bit by bit."""

from dataclasses import dataclass, fields, replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from spinn_mam.backends.emulator import layout as emulator_layout
from spinn_mam.backends.emulator.build import store_from_synapses
from spinn_mam.backends.emulator.drive import MAX_MEAN, poisson_count, poisson_thresholds
from spinn_mam.backends.emulator.layout import DRIVE_WEIGHT, IS_SOURCE, make_layout
from spinn_mam.backends.emulator.loop import Loop
from spinn_mam.backends.emulator.split_sums import PER_CORE, SLOTS, combined_cores, split_cores
from spinn_mam.fixed_point import specification
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.fixed_point.specification import Synapse
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.network.streams import stream_key
from spinn_mam.partitioning.structures import DELAY_EXTENSION, NEURON, POISSON_SOURCE, Partition, Slices

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
drives = st.none() | st.builds(PoissonDrive, rate=st.floats(1, MAX_MEAN * 9_999), weight=st.floats(-3000, 3000), delay=st.just(DT))
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


@dataclass(frozen=True)
class Cores:
    """Cores of a split layout: neurons a core, ring-buffer slots, and which synapse core takes which slice's spikes."""

    partition: Partition

    @property
    def sizes(self):
        """Neurons of each neuron core."""
        slices = self.partition.slices
        return (slices.hi - slices.lo)[slices.kind == NEURON].tolist()

    def core_of(self, spec, population, local, synapse):
        """Synapse core of a synapse: that of its source's slice, or of the delay extension if the ring buffer is too short."""
        p, slices = population[synapse.target], self.partition.slices
        source = population[synapse.source]
        late = synapse.delay > self.partition.delay_slots[p]
        kind = DELAY_EXTENSION if late else POISSON_SOURCE if spec.populations[source].is_source else NEURON
        at = local[synapse.source]
        (row,) = np.flatnonzero((slices.population == source) & (slices.kind == kind) & (slices.lo <= at) & (slices.hi > at))
        return int(self.partition.synapse_core[p, row])


def unused(kind):
    return dict.fromkeys(field.name for field in fields(kind))


@st.composite
def split_layouts(draw, spec, synapses):
    """Any number of neurons a core, one to four synapse cores for each, ring buffers of any length, often one slot short of a delay."""
    n = len(spec.populations)
    per_core = [draw(st.integers(1, p.size)) for p in spec.populations]
    rows = []
    for p, population in enumerate(spec.populations):
        own = [(p, lo, min(lo + per_core[p], population.size)) for lo in range(0, population.size, per_core[p])]
        first = len(rows)
        rows += [(*row, POISSON_SOURCE if population.is_source else NEURON, -1) for row in own]
        if population.drive is not None:  # sends over shared memory, to no synapse core
            rows += [(*row, POISSON_SOURCE, first + i) for i, row in enumerate(own)]
        rows += [(*row, DELAY_EXTENSION, first + i) for i, row in enumerate(own)]
    population, lo, hi, kind, serves = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    drive = (kind == POISSON_SOURCE) & (serves >= 0)
    slices = Slices(**unused(Slices) | {"population": population, "kind": kind, "lo": lo, "hi": hi, "serves": serves})
    k = draw(st.integers(1, 4))
    table = np.array(draw(st.lists(st.lists(st.integers(0, k - 1), min_size=len(rows), max_size=len(rows)), min_size=n, max_size=n)), np.int16)
    table[:, drive] = -1
    short = st.sampled_from(sorted({max(1, s.delay - 1) for s in synapses} or {1}))
    slots = np.array(draw(st.lists(short | st.integers(1, 20), min_size=n, max_size=n)))
    return Cores(
        Partition(**unused(Partition) | {"slices": slices, "neurons_per_core": np.array(per_core), "delay_slots": slots, "synapse_core": table})
    )


def check(data, threads, spec, synapses, cores=None, seen=lambda split: split):
    """Compare a network on the emulator, for which it has the cores ``seen``, with the specification."""
    seed = data.draw(st.integers(0, 1000))
    n_parts = data.draw(st.integers(1, 3))
    shifts = np.array(
        data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=len(spec.populations), max_size=len(spec.populations)))
    )
    n_steps = data.draw(st.integers(1, 70))
    # populations of several blocks, as large ones are
    with mock.patch.object(emulator_layout, "MAX_BLOCK", data.draw(st.sampled_from([2, 3, 8192]))):
        layout = make_layout(spec, shifts, seed, n_parts, None if cores is None else cores.partition.neurons_per_core.tolist())

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

    receptors = [int(p.drive is not None and p.drive.weight < 0) for p in spec.populations]
    arguments = {"layout": "combined", "drive_receptors": [receptors[p] for p in population[:n_neurons]]}
    if cores is not None:
        synapses = [replace(s, core=cores.core_of(spec, population, local, s)) for s in synapses]
        arguments |= {"layout": "split", "slices": cores.sizes}
    own_shifts = [tuple(shifts[p]) for p in population[:n_neurons]]
    expected = specification.simulate(constants, own_shifts, synapses, v0, n_steps, drive=drive, sources=source, **arguments)

    axon = np.array([layout.axon_base[population[s.source], s.receptor] + local[s.source] for s in synapses], np.int64)
    target = np.array([state_of[s.target] for s in synapses], np.int64)
    weight = np.array([s.weight for s in synapses], np.int64)
    slots = np.array([s.delay for s in synapses], np.int64)
    store = store_from_synapses(layout, axon, target, weight, slots)
    v = np.zeros(layout.n_state, np.int32)
    v[state_of[:n_neurons]] = v0
    split = None if cores is None else seen(split_cores(spec, layout, cores.partition))
    loop = Loop(layout, store, v, n_steps, threads, split=split)
    spikes = []
    while loop.step < n_steps:
        assert loop.v[state_of[:n_neurons]].tolist() == expected.v[loop.step]
        spikes += loop.advance(data.draw(st.integers(1, n_steps - loop.step))).tolist()
    assert [tuple(s) for s in spikes] == expected.spikes
    delivered = sum(step + s.delay < n_steps for step, i in expected.spikes for s in synapses if s.source == i)
    assert loop.counters().n_events == delivered
    assert loop.counters().overflows == expected.overflows
    assert not layout.segments[:, IS_SOURCE].all()


@pytest.mark.parametrize("threads", [1, 2])
@settings(max_examples=200, deadline=None)
@given(network=networks(), data=st.data())
def test_spikes_and_potentials_are_equal(threads, network, data):
    check(data, threads, *network)


@pytest.mark.parametrize("threads", [1, 2])
@settings(max_examples=200, deadline=None)
@given(network=networks(), data=st.data())
def test_they_are_equal_in_the_split_layout(threads, network, data):
    check(data, threads, *network, data.draw(split_layouts(*network)))


def _changed(field, change):
    return lambda cores: cores._replace(**{field: change(getattr(cores, field).copy())})


def _column(column, by):
    def change(table):
        table[:, column] += by
        return table

    return change


WRONG = {
    "sums are clipped once": lambda cores: combined_cores(),
    "synapse cores take other slices": _changed("synapse_core", lambda table: np.where(table < 0, table, np.roll(table, 1, axis=1).clip(0))),
    "delay extensions send to their source's core": _changed("slice_of", lambda rows: np.stack([rows[0], np.full_like(rows[1], -1)])),
    "delay extensions from one slot more on": _changed("core_segments", _column(SLOTS, 1)),
    "one neuron a core more": _changed("core_segments", _column(PER_CORE, 1)),
}


@pytest.mark.parametrize("fault", [*WRONG, "no carry", "sums stop at the limit"])
def test_a_wrong_sum_is_found(fault, monkeypatch):
    if fault == "no carry":
        monkeypatch.setattr(specification, "add_packed", lambda cores: [sum(slots) & 0xFFFF for slots in zip(*cores, strict=True)])
    elif fault == "sums stop at the limit":
        monkeypatch.setattr(specification, "add_packed", lambda cores: [min(sum(slots), 0xFFFF) for slots in zip(*cores, strict=True)])

    @settings(max_examples=300, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(network=networks(), data=st.data())
    def compare(network, data):
        check(data, 1, *network, data.draw(split_layouts(*network)), WRONG.get(fault, lambda cores: cores))

    with pytest.raises((AssertionError, ExceptionGroup)):
        compare()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9)), min_size=1, max_size=4), st.integers(1, 4))
def test_two_neurons_of_a_word_stay_together(populations, n_parts):
    neuron = NeuronParameters(250, 10, 0.5, 0.5, -65, -65, -50, 2.0)
    pops = tuple(Population(f"p{i}", size, neuron) for i, (size, _) in enumerate(populations))
    spec = NetworkSpec("test", DT, pops, (), (1.0,) * len(pops), "")
    per_core = [n for _, n in populations]
    with mock.patch.object(emulator_layout, "MAX_BLOCK", 4):
        layout = make_layout(spec, np.zeros((len(pops), 2), np.int64), 1, n_parts, per_core)
    state_of, part_of = layout.state_of, np.repeat(np.arange(layout.n_parts), np.diff(layout.part_bounds))
    local = np.concatenate([np.arange(size) % n for size, n in populations])
    odd = np.flatnonzero(local % 2)
    assert np.array_equal(state_of[odd], state_of[odd - 1] + 1)
    assert np.array_equal(part_of[state_of[odd]], part_of[state_of[odd - 1]])
    assert sorted(state_of.tolist()) == list(range(layout.n_state))
