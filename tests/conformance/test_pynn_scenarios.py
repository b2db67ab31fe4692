"""What PyNN's own system tests try on each of its backends, tried on this one; what it has not refuses with one clear error.

The scenarios are those of ``test/system/scenarios`` of NeuralEnsemble/PyNN, written anew for ``IF_curr_exp`` and static synapses.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest

pytest.importorskip("pyNN")

from neo.io import get_io
from pyNN.random import NumpyRNG, RandomDistribution
from pyNN.space import Cuboid, Grid3D, RandomStructure, Space

import spinn_mam.pynn as sim
from spinn_mam.pynn.not_there import NotThereError

# functions of PyNN's older form
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

DT = 0.1


def signal(cells, name="v"):
    """The recorded signal of the last segment, mV; shape (samples, cells)."""
    return cells.get_data().segments[-1].filter(name=name)[0]


def at(v, time):
    """Row of a time (ms)."""
    return v.magnitude[round((time - float(v.t_start)) / float(v.sampling_period))]


# ---- networks


def balanced(seed):
    sim.setup(timestep=DT, min_delay=DT, threads=1)
    cells = sim.Population(50, sim.IF_curr_exp(tau_m=20.0, tau_syn_E=5.0, tau_syn_I=10.0, v_rest=-60.0, v_reset=-60.0, tau_refrac=5.0), label="All")
    groups = {"excitatory": cells[:40], "inhibitory": cells[40:]}
    noise = sim.Population(20, sim.SpikeSourcePoisson(rate=100.0, duration=50.0), label="Input")
    rng = NumpyRNG(seed=seed, parallel_safe=True)
    cells.initialize(v=RandomDistribution("uniform", low=-60.0, high=-50.0, rng=rng))
    for name, source, weight, receptor in (
        ("excitatory", groups["excitatory"], 0.2, "excitatory"),
        ("inhibitory", groups["inhibitory"], -0.5, "inhibitory"),
        ("input", noise, 2.0, "excitatory"),
    ):
        connector = sim.FixedProbabilityConnector(0.1, rng=rng)
        sim.Projection(source, cells, connector, sim.StaticSynapse(weight=weight, delay=0.2), receptor_type=receptor, label=name)
    cells.record("spikes")
    groups["excitatory"][0:2].record("v")
    assert groups["excitatory"][0:2].grandparent is cells
    sim.run(100.0)
    data = cells.get_data().segments[0]
    assert data.analogsignals[0].shape == (1001, 2)
    counts = [group.mean_spike_count() for group in groups.values()]
    trains = [train.magnitude.tolist() for train in data.spiketrains]
    assert counts == [np.mean([len(train) for train in part]) for part in (trains[:40], trains[40:])]
    sim.end()
    return trains


def test_a_balanced_network_of_views_is_the_same_for_the_same_seed() -> None:
    trains = balanced(98765)
    assert sum(map(len, trains)) > 30
    assert balanced(98765) == trains
    assert balanced(98766) != trains


def test_the_same_by_functions(tmp_path: Path) -> None:
    sim.setup(timestep=DT, min_delay=DT)
    cell = sim.IF_curr_exp(tau_m=10.0, v_rest=-60.0, v_reset=-65.0, v_thresh=-55.0, cm=0.5)
    excitatory, inhibitory = sim.create(cell, n=80), sim.create(cell, n=20)
    inputs = sim.create(sim.SpikeSourcePoisson(rate=80.0, duration=50.0), n=20)
    everybody = excitatory + inhibitory
    sim.initialize(everybody, v=-60.0)
    sim.connect(excitatory, everybody, weight=0.1, delay=1, receptor_type="excitatory", p=0.1)
    sim.connect(inhibitory, everybody, weight=-0.5, delay=1, receptor_type="inhibitory", p=0.1)
    sim.connect(inputs, everybody, weight=6.0, delay=1, receptor_type="excitatory", p=0.2)
    spikes, v = tmp_path / "spikes.pkl", tmp_path / "v.pkl"
    sim.record("spikes", everybody, str(spikes))
    sim.record("v", excitatory[0:2], str(v))
    sim.run(100.0)
    counts = excitatory.mean_spike_count(), inhibitory.mean_spike_count()
    assert min(counts) > 0
    sim.end()
    (segment,) = get_io(str(spikes)).read()[0].segments
    assert len(segment.spiketrains) == 100
    assert sum(map(len, segment.spiketrains)) == round(80 * counts[0] + 20 * counts[1])
    assert get_io(str(v)).read()[0].segments[0].analogsignals[0].shape == (1001, 2)


def test_neurons_with_a_current_each_fire_when_theory_says() -> None:
    n, start, tau_m, v_thresh = 83, 25.0, 20.0, 10.0
    current = v_thresh / tau_m + np.arange(n) / n
    sim.setup(timestep=DT, min_delay=DT)
    cells = sim.Population(n, sim.IF_curr_exp(tau_m=tau_m, v_rest=0.0, v_reset=0.0, tau_refrac=100.0, v_thresh=v_thresh, cm=1.0))
    cells.initialize(v=0.0)
    for k, (cell, amplitude) in enumerate(zip(cells, current, strict=True)):
        source = sim.DCSource(start=start, stop=start + 100.0, amplitude=amplitude)
        if k % 2:
            source.inject_into([cell])
        else:
            cell.inject(source)
    cells.record(["spikes", "v"])
    sim.run(150.0)
    trains = cells.get_data().segments[0].spiketrains
    assert [len(train) for train in trains] == [0] + [1] * (n - 1)
    # it crosses within the step after its time stamp; the decay in a step is exact to 2^-16 of 0.005
    theory = start + tau_m * np.log(current[1:] * tau_m / (current[1:] * tau_m - v_thresh))
    found = np.array([float(train[0]) for train in trains[1:]])
    assert (np.abs(found + DT / 2 - theory) <= DT / 2 + 0.004 * (theory - start)).all()


def test_a_network_in_space() -> None:
    sim.setup()
    rng = NumpyRNG(seed=76454, parallel_safe=False)
    inputs = sim.Population(
        50,
        sim.SpikeSourcePoisson(rate=RandomDistribution("uniform", low=300.0, high=700.0, rng=rng)),
        structure=RandomStructure(boundary=Cuboid(width=500.0, height=500.0, depth=100.0), origin=(0, 0, 0), rng=rng),
    )
    v0 = RandomDistribution("normal", mu=-65.0, sigma=5.0, rng=rng)
    grid = Grid3D(aspect_ratioXY=1.0, aspect_ratioXZ=5.0, dx=10.0, dy=10.0, dz=10.0, z0=200.0)
    outputs = sim.Population(200, sim.IF_curr_exp(), initial_values={"v": v0}, structure=grid)
    near = sim.Projection(
        inputs,
        outputs,
        sim.DistanceDependentProbabilityConnector("0.5*exp(-d/100.0)", rng=rng),
        sim.StaticSynapse(weight=RandomDistribution("uniform", low=0.4, high=0.8, rng=rng), delay="0.5 + d/100.0"),
        space=Space(axes="xy"),
    )
    ring = Space(periodic_boundaries=((-100.0, 100.0), (-100.0, 100.0), None))
    loop = sim.Projection(
        outputs,
        outputs,
        sim.DistanceDependentProbabilityConnector("0.2*exp(-d/30.0)", rng=rng),
        sim.StaticSynapse(weight=-0.05, delay="0.2 + d/100.0"),
        receptor_type="inhibitory",
        space=ring,
    )
    i, j, delay = np.array(near.get("delay", "list")).T
    apart = np.linalg.norm(inputs.positions[:2, i.astype(int)] - outputs.positions[:2, j.astype(int)], axis=0)
    assert np.abs(delay - (0.5 + apart / 100.0)).max() <= DT / 2 + 1e-9
    i, j, delay = np.array(loop.get("delay", "list")).T
    offset = np.abs(outputs.positions[:, i.astype(int)] - outputs.positions[:, j.astype(int)])
    offset[:2] = np.minimum(offset[:2], 200.0 - offset[:2])
    assert np.abs(delay - (0.2 + np.linalg.norm(offset, axis=0) / 100.0)).max() <= DT / 2 + 1e-9
    outputs.record("spikes")
    outputs.sample(10, rng=rng).record("v")
    sim.run(100.0)
    segment = outputs.get_data().segments[0]
    assert segment.analogsignals[0].shape == (1001, 10)
    assert sum(map(len, segment.spiketrains)) > 20


# ---- control


def test_runs_resets_and_setups_repeat_themselves() -> None:
    blocks = []
    for _ in range(2):
        sim.setup(timestep=DT, min_delay=DT, t_flush=200.0)
        source = sim.Population(2, sim.SpikeSourceArray(spike_times=[[1.2, 3.8, 9.2], [1.5, 1.9, 2.7, 4.8, 6.8]]))
        cells = sim.Population(2, sim.IF_curr_exp(i_offset=0.1))
        cells.record("v")
        sim.Projection(source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.5, delay=0.5))
        for _ in range(3):
            sim.run(10.0)
            sim.reset()
        blocks.append(cells.get_data(clear=False))
        for _ in range(2):
            sim.run(10.0)
            blocks.append(cells.get_data(clear=True))
            sim.reset()
        sim.end()
    assert [len(block.segments) for block in blocks] == [3, 4, 1] * 2
    found = [segment.analogsignals[0].magnitude for block in blocks for segment in block.segments if segment.analogsignals]
    assert all(np.array_equal(v, found[0]) for v in found)
    assert np.ptp(found[0]) > 1


def test_run_until_does_not_go_back() -> None:
    sim.setup(timestep=DT)
    sim.Population(1, sim.IF_curr_exp())
    for time in (12.7, 12.7, 99.9):
        sim.run_until(time)
        assert sim.get_current_time() == pytest.approx(time, abs=1e-10)
    with pytest.raises(ValueError, match=r"88\.8"):
        sim.run_until(88.8)


def test_the_shortest_delay_is_found() -> None:
    sim.setup(min_delay="auto")
    cells = sim.Population(13, sim.IF_curr_exp())
    sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(delay=0.5))
    sim.run(10.0)
    assert sim.get_min_delay() == 0.5


def test_spike_times_change_in_a_run() -> None:
    sim.setup(timestep=DT, min_delay=DT)
    sources = sim.Population(2, sim.SpikeSourceArray())
    cells = sim.Population(2, sim.IF_curr_exp())
    sim.Projection(sources, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=0.5))
    cells.record("v")
    times = np.arange(2.0, 100.0, 100.0 / 13)
    sources[0].spike_times = times
    sources[1].spike_times = times + 3.0
    sim.run(100.0)
    sim.run(100.0)
    sources[0].spike_times = times + 200.0
    sim.run(100.0)
    v = signal(cells)
    assert (at(v, 95.0) > -64.5).all()
    assert (at(v, 199.0) < -64.9).all()
    assert at(v, 299.0)[0] > -64.5
    assert at(v, 299.0)[1] < -64.99


# ---- recording


def test_what_is_recorded_can_change_after_a_reset() -> None:
    sim.setup()
    cells = sim.Population(7, sim.IF_curr_exp())
    cells[3].i_offset, cells[4].i_offset = 0.1, 0.2
    cells[3:4].record("v")
    sim.run(10.0)
    sim.reset()
    cells.record(None)
    cells[4:5].record("v")
    sim.run(10.0)
    first, second = (segment.analogsignals[0] for segment in cells.get_data().segments)
    assert np.array_equal(first.times, second.times)
    assert [v.array_annotations["channel_index"].tolist() for v in (first, second)] == [[3], [4]]
    assert first.shape == second.shape == (101, 1)
    assert first[0, 0] == second[0, 0]
    assert (first[1:, 0] < second[1:, 0]).all()


def test_an_assembly_records_what_its_populations_do() -> None:
    sim.setup(timestep=DT, min_delay=DT)
    cells = sim.Population(5, sim.IF_curr_exp()) + sim.Population(6, sim.IF_curr_exp(tau_m=10.0))
    inputs = sim.Population(5, sim.SpikeSourcePoisson(rate=500.0))
    sim.connect(inputs, cells, weight=0.1, delay=0.3, receptor_type="excitatory")
    sim.connect(inputs, cells, weight=-0.05, delay=0.5, receptor_type="inhibitory")
    cells.record("v")
    cells[2:9].record("spikes")
    sim.run(50.0)
    whole, *parts = (each.get_data().segments[0] for each in (cells, *cells.populations))
    assert [segment.analogsignals[0].shape for segment in (whole, *parts)] == [(501, 11), (501, 5), (501, 6)]
    assert np.array_equal(np.hstack([part.analogsignals[0].magnitude for part in parts]), whole.analogsignals[0].magnitude)
    assert [len(segment.spiketrains) for segment in (whole, *parts)] == [7, 3, 4]
    assert parts[0].analogsignals[0].array_annotations["channel_index"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(sim.errors.RecordingError, match="gsyn_exc"):
        cells.record("gsyn_exc")


def test_spikes_between_steps_come_in_the_piece_that_has_their_step() -> None:
    sim.setup(timestep=0.05, spike_precision="off_grid")
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[0.075, 10.025, 12.34, 1000.025]))
    source.record("spikes")
    found = []
    for _ in range(3):
        sim.run(10.0)
        found.append(source.get_data("spikes", clear=True).segments[0].spiketrains[0].magnitude.tolist())
    # the emulator has no spikes between steps: they move to the later one
    assert found == [[0.1], [10.05, 12.35], []]


def test_sampling_intervals() -> None:
    sim.setup(DT)
    for size, interval, n in ((3, 1.0, 11), (4, 0.5, 21)):
        sim.Population(size, sim.IF_curr_exp()).record("v", sampling_interval=interval)
        cells = sim.simulator.state.populations[-1]
        cells.expected = interval, (n, size)
    sim.run(10.0)
    for cells in sim.simulator.state.populations:
        v = signal(cells)
        assert (float(v.sampling_period), v.shape) == cells.expected


def test_files_hold_what_each_call_asked_for(tmp_path: Path) -> None:
    sim.setup(min_delay=1.0, timestep=DT)
    cells = sim.Population(2, sim.IF_curr_exp(v_thresh=-55.0, tau_refrac=5.0))
    cells[0].inject(sim.DCSource(amplitude=2.5, start=25.0, stop=75.0))
    targets = {"first": cells[0], "second": cells[1], "all": cells}
    variables = {"both": ["spikes", "v"], "spikes": ["spikes"], "v": ["v"]}
    for target, what in targets.items():
        for kind, names in variables.items():
            sim.record(names, what, str(tmp_path / f"{target}-{kind}.pkl"), annotations={"script_name": "this"})
    for kind, names in variables.items():
        cells.record(names, to_file=str(tmp_path / f"method-{kind}.pkl"))
    sim.run(100.0)
    cells.write_data(str(tmp_path / "now.pkl"))
    sim.end()
    counts = {}
    for file in tmp_path.iterdir():
        block = get_io(str(file)).read()[0]
        (segment,) = block.segments
        counts[file.stem] = [v.shape for v in segment.analogsignals], [len(train) > 0 for train in segment.spiketrains]
        assert block.annotations["script_name"] == "this", file.stem
    fired = {"first": [True], "second": [False], "all": [True, False], "method": [True, False]}
    expected = {
        f"{name}-{kind}": ([(1001, len(f))] * ("v" in names), f * ("spikes" in names))
        for name, f in fired.items()
        for kind, names in variables.items()
    }
    assert counts == expected | {"now": expected["all-both"]}


def test_data_are_there_after_the_end() -> None:
    sim.setup(timestep=DT)
    cells = sim.Population(1, sim.IF_curr_exp())
    cells[0].inject(sim.DCSource(amplitude=0.5, start=20, stop=80))
    cells.record("v")
    sim.run(50.0)
    sim.end()
    v = signal(cells)
    assert v.shape == (501, 1)
    assert v[-1, 0] > v[0, 0]


# ---- parameters and synapses


def test_parameters_of_sources_may_be_left_out_or_lists() -> None:
    sim.setup()
    both = sim.Population(2, sim.SpikeSourcePoisson, {"rate": [5, 6], "start": [1000, 1001], "duration": [1234, 2345]})
    one = sim.Population(1, sim.SpikeSourcePoisson, {"rate": [5], "start": [1000], "duration": 1234})
    sim.Population(2, sim.SpikeSourcePoisson, {"rate": [5, 6], "start": [1000, 1001]})
    assert both.get("duration").tolist() == [1234, 2345]
    assert one.get(["rate", "start", "duration"]) == [5, 1000, 1234]


def test_synapses_onto_and_from_a_single_neuron_are_set() -> None:
    sim.setup()
    one, five = sim.Population(1, sim.IF_curr_exp()), sim.Population(5, sim.IF_curr_exp())
    for pre, post in ((one, five), (five, one), (five, five)):
        projection = sim.Projection(pre, post, sim.AllToAllConnector())
        projection.set(weight=0.123)
        assert projection.get("weight", "list", with_address=False) == [0.123] * (pre.size * post.size)


PAIRS = {
    "all": [(i, j) for i in range(4) for j in range(2)],
    "some": [(0, 0), (3, 0), (1, 1), (1, 0), (2, 1)],
    "twice": [(0, 0), (1, 0), (3, 0), (1, 1), (1, 0), (2, 1)],
}


@pytest.mark.parametrize("pairs", PAIRS.values(), ids=PAIRS)
def test_synaptic_parameters_by_array_list_and_distance(pairs) -> None:
    sim.setup()
    pre, post = sim.Population(4, sim.IF_curr_exp()), sim.Population(2, sim.IF_curr_exp())
    projection = sim.Projection(pre, post, sim.FromListConnector(pairs), sim.StaticSynapse(weight=0.123, delay=0.1))
    assert sorted(projection.get(["weight", "delay"], "list")) == [(i, j, 0.123, pytest.approx(0.1)) for i, j in sorted(pairs)]
    projection.set(weight=np.arange(8.0).reshape(4, 2), delay=lambda d: 0.5 + d)
    assert sorted(projection.get(["weight", "delay"], "list")) == [(i, j, 2.0 * i + j, pytest.approx(0.5 + abs(i - j))) for i, j in sorted(pairs)]
    matrix = projection.get("weight", "array", multiple_synapses="max")
    there = np.zeros((4, 2), bool)
    there[tuple(np.array(pairs).T)] = True
    assert np.array_equal(matrix, np.where(there, np.arange(8.0).reshape(4, 2), np.nan), equal_nan=True)
    values = np.linspace(0.9, 0.2, len(pairs)).tolist()
    if len(set(pairs)) == len(pairs):
        projection.set(weight=values)
        assert [w for *_, w in sorted(projection.get("weight", "list"))] == values


def test_random_values_are_set_on_random_synapses() -> None:
    sim.setup(min_delay=0.5)
    pre, post = sim.Population(300, sim.IF_curr_exp()), sim.Population(52, sim.IF_curr_exp())
    projection = sim.Projection(pre, post, sim.DistanceDependentProbabilityConnector("exp(-d/100)"))
    uniform = [RandomDistribution("uniform", low=low, high=2 * low) for low in (1e-3, 0.5)]
    projection.set(weight=uniform[0], delay=uniform[1])
    weight, delay = np.array(projection.get(["weight", "delay"], "list", with_address=False)).T
    assert len(weight) > 3000
    assert 1e-3 <= weight.min() < 1.1e-3 < 1.9e-3 < weight.max() <= 2e-3
    assert np.allclose(np.unique(delay), np.arange(5, 11) * DT)


def test_synapses_one_by_one() -> None:
    sim.setup()
    pre, post = sim.Population(4, sim.SpikeSourceArray()), sim.Population(3, sim.IF_curr_exp())
    projection = sim.Projection(pre, post, sim.FixedProbabilityConnector(0.8), sim.StaticSynapse(weight=0.05, delay=0.5))
    connections = list(projection.connections)
    assert len(connections) == len(projection) == projection.size()
    connections[2].weight, connections[2].delay = 0.0123, 1.0
    expected = [(0.05, pytest.approx(0.5))] * len(projection)
    expected[2] = (0.0123, pytest.approx(1.0))
    assert projection.get(("weight", "delay"), "list", with_address=False) == expected
    before = projection.get("weight", "array")
    sim.Projection(pre, post, sim.AllToAllConnector(), sim.StaticSynapse(weight=lambda d: d))
    assert np.array_equal(before, projection.get("weight", "array"), equal_nan=True)


@pytest.mark.parametrize("with_replacement", [False, True])
@pytest.mark.parametrize("side", ["pre", "post"])
def test_fixed_numbers_of_partners(side, with_replacement) -> None:
    sim.setup()
    a, b = sim.Population(5, sim.IF_curr_exp()), sim.Population(7, sim.IF_curr_exp())
    kind = sim.FixedNumberPreConnector if side == "pre" else sim.FixedNumberPostConnector
    n = 9 if with_replacement else 3
    connector = kind(n=n, with_replacement=with_replacement, rng=NumpyRNG(seed=3))
    synapse = sim.StaticSynapse(weight=RandomDistribution("gamma", k=2, theta=0.5), delay="0.2+0.3*d")
    for _ in range(2):
        i, j, weight, delay = np.array(sim.Projection(a, b, connector, synapse).get(["weight", "delay"], "list")).T
        assert np.allclose(delay, np.rint((0.2 + 0.3 * np.abs(i - j)) / DT) * DT)
        own, others = (j, i) if side == "pre" else (i, j)
        assert np.bincount(own.astype(int)).tolist() == [n] * (7 if side == "pre" else 5)
        assert (len(set(zip(own, others, strict=True))) == len(own)) != with_replacement
        assert len(set(weight)) == len(weight)


def test_probability_one_is_all_to_all_and_views_know_themselves() -> None:
    sim.setup()
    cells = sim.Population(10, sim.IF_curr_exp(), label="cells")
    synapse = sim.StaticSynapse(weight=0.1, delay="0.2+0.3*d")
    connectors = sim.AllToAllConnector(allow_self_connections=False), sim.FixedProbabilityConnector(1, allow_self_connections=False)
    every, each = (sorted(sim.Projection(cells, cells, c, synapse).get(["weight", "delay"], "list")) for c in connectors)
    assert every == each
    assert len(every) == 90
    view, same, overlapping = (sim.PopulationView(cells, which) for which in ([2, 3, 4], [2, 3, 4], [3, 4, 5, 6]))
    for post, ids in ((same, [2, 3, 4]), (view, [2, 3, 4]), (overlapping, [3, 4, 5, 6])):
        found = sim.Projection(view, post, connectors[0], synapse).get("weight", "list")
        assert {(i, j) for i, j, _ in found} == {(i, j) for i in range(3) for j in range(len(ids)) if ids[j] != i + 2}


def test_connect_takes_a_single_cell() -> None:
    sim.setup(timestep=DT)
    pre = sim.Population(10, sim.SpikeSourceArray(spike_times=list(range(1, 10))))
    post = sim.Population(10, sim.IF_curr_exp())
    sim.connect(pre[0:1], post[0:1], weight=9.0, delay=0.1, p=1)
    sim.connect(pre[1], post[1], weight=9.0, delay=0.1, p=1)
    post.record("spikes")
    sim.run(20.0)
    counts = [len(train) for train in post.get_data().segments[0].spiketrains]
    assert counts[0] == counts[1] > 0
    assert counts[2:] == [0] * 8


# ---- currents and sources


def test_currents_begin_change_and_end() -> None:
    sim.setup(timestep=DT, min_delay=DT)
    cells = sim.Population(6, sim.IF_curr_exp(v_rest=-60.0, v_reset=-60.0, cm=1.0, v_thresh=0.0))
    cells.initialize(v=-60.0)
    cells[0].i_offset = 1.0
    cells[1].inject(sim.DCSource(amplitude=1.0, start=0.0))
    cells[2:3].inject(sim.StepCurrentSource(times=[0.0], amplitudes=[1.0]))
    cells[3].inject(sim.DCSource(amplitude=1.0, start=10.0, stop=20.0))
    steps = sim.StepCurrentSource(times=[10.0, 20.0], amplitudes=[1.0, 0.0])
    steps.inject_into(cells[4:5])
    late = sim.DCSource(amplitude=0.0, start=25.0, stop=35.0)
    cells[5].inject(late)
    cells.record("v")
    sim.run(15.0)
    late.amplitude += 0.5
    sim.run(15.0)
    v = signal(cells)
    assert len(v) == 301
    assert np.array_equal(v.magnitude[:, 0], v.magnitude[:, 1])
    assert np.array_equal(v.magnitude[:, 1], v.magnitude[:, 2])
    assert np.array_equal(v.magnitude[:, 3], v.magnitude[:, 4])
    assert at(v, 10.0)[3] == pytest.approx(-60.0, abs=2e-3)
    assert at(v, 10.1)[3] > -59.99
    assert at(v, 15.1)[3] > at(v, 15.0)[3]
    assert at(v, 20.1)[3] < at(v, 20.0)[3]
    assert at(v, 25.0)[5] == pytest.approx(-60.0, abs=2e-3)
    assert at(v, 30.0)[5] > -58.0


def test_a_pulse_that_is_over_does_not_come_back_with_a_new_amplitude() -> None:
    sim.setup(timestep=DT)
    cells = sim.Population(1, sim.IF_curr_exp(v_rest=-60.0))
    cells.initialize(v=-60.0)
    pulse = sim.DCSource(amplitude=0.0, start=25.0, stop=50.0)
    pulse.inject_into(cells)
    cells.record("v")
    for _ in range(2):
        sim.run(60.0)
        pulse.amplitude += 0.1
    assert np.abs(signal(cells).magnitude + 60.0).max() < 2e-2


def test_intervals_of_poisson_sources_are_exponential() -> None:
    sim.setup()
    rates = [100, 200, 1000.0]
    sources = sim.Population(3, sim.SpikeSourcePoisson(rate=rates))
    sources.record("spikes")
    sim.run(20_000.0)
    for rate, train in zip(rates, sources.get_data().segments[0].spiketrains, strict=True):
        distance, _ = kstest(np.diff(train.magnitude), "expon", args=(0, 1000.0 / rate))
        assert distance < 0.1


# ---- what is not there


REFUSED = {
    "STDP": lambda: sim.STDPMechanism(sim.SpikePairRule(), sim.AdditiveWeightDependence()),
    "short-term plasticity": lambda: sim.TsodyksMarkramSynapse(U=0.5),
    "stochastic synapses": lambda: sim.SimpleStochasticSynapse(p=0.5),
    "gap junctions": lambda: sim.ElectricalSynapse(),
    "noisy currents": lambda: sim.NoisyCurrentSource(mean=0.5, stdev=0.25),
    "oscillating currents": lambda: sim.ACSource(amplitude=0.5),
    "adaptive neurons": lambda: sim.EIF_cond_exp_isfa_ista(),
    "Hodgkin-Huxley neurons": lambda: sim.HH_cond_exp(),
    "alpha synapses": lambda: sim.IF_curr_alpha(),
    "gamma sources": lambda: sim.SpikeSourceGamma(),
    "several compartments": lambda: sim.MultiCompartmentNeuron(),
    "recorded conductances": lambda: sim.record_gsyn(None, "file"),
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED)
def test_what_is_not_there_says_so(attempt) -> None:
    sim.setup()
    with pytest.raises((NotThereError, AttributeError), match=r"not there|PyNN's names"):
        attempt()
