"""PyNN on the emulator: runs in pieces, reset, data, connectors, changes of synapses, refusals."""

import warnings

import numpy as np
import pytest

pytest.importorskip("pyNN")

import spinn_mam.pynn as sim
from spinn_mam.pynn.execution import LostPrecisionWarning
from spinn_mam.pynn.not_there import NotThereError


def noisy(n=20, **options):
    sim.setup(timestep=0.1, **options)
    noise = sim.Population(n, sim.SpikeSourcePoisson(rate=8000.0, start=5.0), label="noise")
    cells = sim.Population(n, sim.IF_curr_exp(tau_m=[10.0 + i % 3 for i in range(n)]), label="cells")
    sim.Projection(noise, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=0.06))
    inhibition = sim.Projection(cells, cells, sim.FixedProbabilityConnector(0.3), sim.StaticSynapse(weight=-0.05, delay=1.5))
    cells.record(["spikes", "v"])
    noise.record("spikes")
    return noise, cells, inhibition


def seen(population, segment=-1):
    found = population.get_data().segments[segment]
    trains = [train.magnitude.tolist() for train in found.spiketrains]
    return trains, [signal.magnitude.tolist() for signal in found.analogsignals]


def test_pieces_reset_and_threads_change_nothing() -> None:
    _, cells, _ = noisy()
    sim.run(60.0)
    whole = seen(cells)
    assert sum(map(len, whole[0])) > 50
    sim.reset()
    sim.run(25.0)
    sim.run_until(60.0)
    assert seen(cells) == seen(cells, 0) == whole
    assert sim.get_current_time() == 60.0
    _, cells, _ = noisy(threads=2)
    sim.run(60.0)
    assert seen(cells) == whole
    _, cells, _ = noisy(rng_seed=1)
    sim.run(60.0)
    assert seen(cells) != whole


def test_rate_and_window_of_poisson_sources() -> None:
    sim.setup(timestep=0.1, rng_seed=3)
    rates = [20.0, 500.0, 30_000.0]
    sources = sim.Population(3, sim.SpikeSourcePoisson(rate=rates, start=100.0, duration=800.0))
    sources.record("spikes")
    sim.run(1000.0)
    for rate, train in zip(rates, sources.get_data().segments[0].spiketrains, strict=True):
        mean = rate * 0.8
        assert abs(len(train) - mean) < 5 * np.sqrt(mean)
        assert float(train.min()) >= 100.0
        assert float(train.max()) < 900.0


def test_weights_and_delays_are_read_and_set() -> None:
    sim.setup(timestep=0.1)
    a, b = sim.Population(3, sim.IF_curr_exp()), sim.Population(2, sim.IF_curr_exp())
    rows = [(0, 0, 0.5, 0.3), (0, 0, 0.25, 0.5), (2, 1, 1.0, 0.42)]
    projection = sim.Projection(a, b, sim.FromListConnector(rows), sim.StaticSynapse())
    assert sorted(projection.get(["weight", "delay"], "list")) == [
        (0, 0, 0.25, 0.5),
        (0, 0, 0.5, pytest.approx(0.3)),
        (2, 1, 1.0, pytest.approx(0.4)),
    ]
    for how, value in (("sum", 0.75), ("min", 0.25), ("max", 0.5)):
        weights = projection.get("weight", "array", multiple_synapses=how)
        assert weights[0, 0] == value
        assert np.isnan(weights[1]).all()
    projection.set(weight=2.0)
    assert projection.get("weight", "list", with_address=False) == [2.0] * 3
    projection[0].weight = 3.0
    assert sorted(projection.get("weight", "list", with_address=False)) == [2.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("connector", "n"),
    [
        (lambda: sim.AllToAllConnector(allow_self_connections=False), 90),
        (lambda: sim.OneToOneConnector(), 10),
        (lambda: sim.FixedNumberPreConnector(4), 40),
        (lambda: sim.FixedNumberPostConnector(4, with_replacement=True), 40),
        (lambda: sim.FixedTotalNumberConnector(33), 33),
        (lambda: sim.ArrayConnector(np.eye(10, dtype=bool)), 10),
        (lambda: sim.DistanceDependentProbabilityConnector("d < 1.5"), 28),
        (lambda: sim.FixedProbabilityConnector(0.0), 0),
    ],
)
def test_connectors(connector, n) -> None:
    sim.setup(timestep=1.0)
    cells = sim.Population(10, sim.IF_curr_exp())
    assert len(sim.Projection(cells, cells, connector(), sim.StaticSynapse(weight=0.1))) == n
    sim.run(3.0)


def test_views_assemblies_and_cells() -> None:
    sim.setup(timestep=1.0)
    a, b = sim.Population(4, sim.IF_curr_exp(), label="a"), sim.Population(3, sim.IF_curr_exp(), label="b")
    source = sim.Population(2, sim.SpikeSourceArray(spike_times=[[1.0], [2.0]]))
    a[1:4][0:2].set(tau_m=7.0)
    a[3].tau_m = 9.0
    assert a.get("tau_m").tolist() == [20.0, 7.0, 7.0, 9.0]
    a[2:4].initialize(v=-51.0)
    both = a[0:2] + b
    both.record(["spikes", "v"])
    projection = sim.Projection(source, both, sim.AllToAllConnector(), sim.StaticSynapse(weight=60.0))
    assert both.receptor_types == ["excitatory", "inhibitory"]
    assert projection.receptor_type == "excitatory"
    sim.run(6.0)
    counts = both.get_spike_counts()
    assert set(counts) == {0, 1, 4, 5, 6}
    assert all(count > 0 for count in counts.values())
    segment = b.get_data().segments[0]
    assert segment.analogsignals[0].shape == (7, 3)
    assert float(a.get_data("v").segments[0].analogsignals[0][0, 0]) == -65.0


def test_sampling_clearing_and_callbacks() -> None:
    sim.setup(timestep=0.1)
    cells = sim.Population(2, sim.IF_curr_exp(i_offset=1.0))
    cells.record("v", sampling_interval=0.5)
    cells.record("spikes")
    called = []
    sim.run(10.0, callbacks=[lambda t: called.append(t) or t + 2.0])
    assert called == pytest.approx([0, 2, 4, 6, 8, 10])
    first = cells.get_data(clear=True).segments[0]
    assert first.analogsignals[0].shape == (21, 2)
    sim.run(5.0)
    second = cells.get_data().segments[0].analogsignals[0]
    assert second.shape == (11, 2)
    assert float(second.t_start) == 10.0
    assert np.array_equal(first.analogsignals[0].magnitude[-1], second.magnitude[0])


def test_losses_are_told_once() -> None:
    sim.setup(timestep=1.0)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0]))
    cells = sim.Population(1, sim.IF_curr_exp())
    sim.Projection(source, cells, sim.FromListConnector([(0, 0, 1e-7, 1.0), (0, 0, 1.0, 0.0)]), sim.StaticSynapse())
    with pytest.warns(LostPrecisionWarning) as told:
        sim.run(2.0)
    assert len(told) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim.run(2.0)
    assert sim.provenance()["n_zero_weights"] == 1
    assert sim.provenance()["n_raised_delays"] == 1


def population(**parameters):
    return sim.Population(2, sim.IF_curr_exp(**parameters))


def project(weight, receptor):
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0]))
    return sim.Projection(source, population(), sim.FromListConnector([(0, 0, weight, 1.0)]), sim.StaticSynapse(), receptor_type=receptor)


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda: sim.IF_cond_exp(), NotThereError, "IF_cond_exp is not there: .* there is IF_curr_exp"),
        (lambda: sim.TsodyksMarkramSynapse(), NotThereError, "there is StaticSynapse"),
        (lambda: sim.NoisyCurrentSource(), NotThereError, "DCSource"),
        (lambda: sim.IF_cur_exp, AttributeError, "PyNN's names"),
        (lambda: population(tau_m=[1.0, 2.0, 3.0]), ValueError, "has 2 cells"),
        (lambda: population(tau_m=0.0), Exception, "neuron 0: tau_m = 0"),
        (lambda: population().record("gsyn_exc"), sim.errors.RecordingError, "gsyn_exc"),
        (lambda: population().initialize(u=1.0), sim.errors.InvalidParameterValueError, "isyn_exc"),
        (lambda: population().get_data(), sim.errors.NothingToWriteError, "call run"),
        (lambda: project(-1.0, "excitatory"), sim.errors.ConnectionError, "receptor_type='inhibitory'"),
        (lambda: sim.setup(timestep=0.1, seed=3), Exception, "no option seed"),
        (lambda: sim.setup(timestep=0.0001), Exception, "whole microseconds"),
        (lambda: sim.run(1.0), Exception, "nothing to run"),
    ],
)
def test_mistakes_have_one_clear_error(mistake, error, message) -> None:
    sim.setup(timestep=1.0)
    with pytest.raises(error, match=message):
        mistake()


def test_the_inhibitory_receptor_takes_weights_of_either_sign() -> None:
    potentials = []
    for weight in (-1.0, 1.0):
        sim.setup(timestep=1.0)
        cells = project(weight, "inhibitory").post
        cells.record("v")
        sim.run(5.0)
        potentials.append(cells.get_data().segments[0].analogsignals[0].magnitude.tolist())
    assert potentials[0] == potentials[1]
    assert min(row[0] for row in potentials[0]) < -65.0
