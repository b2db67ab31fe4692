"""The model of the cores' time: loads against a count by hand, overloads that are planted, and a floor that is never above its ceiling."""

import dataclasses
import json
import tomllib
from importlib.resources import files

import numpy as np
import pytest

from spinn_mam.errors import DocumentError
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.machine.core_costs import COMBINED, NEURONS, POISSON, SYNAPSES, calibration, core_costs, timing
from spinn_mam.models import load_model
from spinn_mam.network.connectivity import Connectivity
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.structures import NEURON, POISSON_SOURCE, SYNAPSE
from spinn_mam.real_time.kernels import fill_buffer, keep_up
from spinn_mam.real_time.loads import count_loads, draw_loads
from spinn_mam.real_time.prediction import RealTime, predict_expected, predict_loads, predict_run
from spinn_mam.real_time.receivers import receivers
from spinn_mam.recording import Recording
from spinn_mam.report.real_time_section import load_figure

#: Studies that the prediction is compared with afterwards: nothing of theirs may be in its numbers.
HELD_OUT = ("10.3389/fnins.2018.00291", "10.1098/rsta.2019.0160", "10.3389/fnins.2022.867027")


@pytest.fixture(scope="module")
def spec():
    return load_model("pd14").network(0.05, 0.05)


def deploy(spec, layout="combined"):
    return map_network(
        spec,
        load_board_config("spin5"),
        neurons_per_core=40,
        time_scale_factor=20.0,
        layout=layout,
        synapse_cores=2 if layout == "split" else None,
        ring_buffer_shifts=ring_buffer_shifts(spec),
        rng=np.random.default_rng(1),
    )


def recording(spec, n_steps=40, n_spikes=300, seed=3):
    rng = np.random.default_rng(seed)
    step = np.sort(rng.integers(0, n_steps, n_spikes)).astype(np.int64)
    neuron = rng.integers(0, int(spec.sizes.sum()), n_spikes).astype(np.int32)
    return Recording(spec.names, tuple(spec.sizes.tolist()), spec.dt, 0, n_steps, step, neuron)


@pytest.mark.parametrize("layout", ["combined", "split"])
def test_loads_are_those_of_the_synapses_themselves(spec, layout):
    deployment, run = deploy(spec, layout), recording(spec)
    connectivity, cores = Connectivity(spec, 1), receivers(spec, deployment)
    loads = count_loads(run, connectivity, deployment, cores)
    slices, parts = deployment.slices, deployment.partition
    if layout == "split":
        assert parts.synapse_cores.max() > 1
    events = np.zeros(loads.events.shape, np.int64)
    rows = np.zeros(loads.rows.shape, np.int64)
    column_of = {}
    for c, core in enumerate(cores.core.tolist()):
        serves = core if slices.kind[core] == NEURON else int(slices.serves[core])
        column_of[serves, int(parts.vertices.ordinal[slices.vertex[core]])] = c
    neuron_slices = np.flatnonzero(slices.kind == NEURON)
    for k, projection in enumerate(spec.projections):
        if projection.n_synapses == 0:
            continue
        tile = connectivity.rows(k, (0, spec.sizes[projection.source]), (0, spec.sizes[projection.target]))
        lo, hi = spec.offsets[projection.source], spec.offsets[projection.source + 1]
        for step, neuron in zip(run.step.tolist(), run.neuron.tolist(), strict=True):
            if not lo <= neuron < hi:
                continue
            source = next(s for s in neuron_slices if slices.population[s] == projection.source and slices.lo[s] <= neuron - lo < slices.hi[s])
            targets = tile.target[tile.offsets[neuron - lo] : tile.offsets[neuron - lo + 1]]
            for s in neuron_slices[slices.population[neuron_slices] == projection.target].tolist():
                n = int(np.sum((targets >= slices.lo[s]) & (targets < slices.hi[s])))
                column = column_of[s, max(int(parts.synapse_core[projection.target, source]), 0)]
                events[step, column] += n
                rows[step, column] += n > 0
    assert events.sum() > 1000
    np.testing.assert_array_equal(loads.events, events)
    np.testing.assert_array_equal(loads.rows, rows)
    assert loads.sent.sum() == len(run.step)


@pytest.mark.parametrize("layout", ["combined", "split"])
def test_the_floor_is_never_above_the_ceiling(spec, layout):
    deployment = deploy(spec, layout)
    found = predict_run(recording(spec), Connectivity(spec, 1), deployment, rng=np.random.default_rng(1))
    assert np.all(found.mean_low > 0)
    for kind in ("mean", "most", "overruns", "carried", "lost"):
        assert np.all(getattr(found, f"{kind}_low") <= getattr(found, f"{kind}_high")), kind
    assert found.factors[0] < found.factors[1] <= found.safe_factor
    kinds = {NEURON, POISSON_SOURCE} | ({SYNAPSE} if layout == "split" else set())
    assert set(np.unique(deployment.slices.kind)) == kinds
    for binary in (COMBINED, SYNAPSES, NEURONS, POISSON):
        assert all(cost.low <= cost.high for cost in core_costs(binary).values()), binary


def test_a_planted_overload_is_found_and_named(spec):
    """One core gets 500,000 events in one step, which no core has time for; all the others stay quiet."""
    deployment = deploy(spec)
    cores = receivers(spec, deployment)
    loads = draw_loads(spec, deployment, cores, n_steps=50, rng=np.random.default_rng(1))
    loads.sent[:], loads.events[:], loads.rows[:] = 0, 0, 0
    quiet = predict_loads(loads, spec, deployment, cores, kind="expected", rng=np.random.default_rng(1))
    assert quiet.overruns_low.sum() == 0
    loads.events[7, 5] = 500_000
    found = predict_loads(loads, spec, deployment, cores, kind="expected", rng=np.random.default_rng(1))
    row = int(cores.core[5])
    assert np.flatnonzero(found.overruns_low).tolist() == [row] == found.worst(1).tolist()
    # 25 instructions an event against 400,000 cycles a step: the work lasts over 31 steps
    event = core_costs(COMBINED)["event"].low
    assert found.most_low[row] - quiet.most_low[row] < 500_000 * event
    assert found.most_low[row] > 500_000 * event
    assert found.overruns_low[row] == pytest.approx(500_000 * event / 400_000, abs=3)
    metrics = found.to_metrics(deployment, spec)
    chip = deployment.placement.chip[row]
    worst = metrics["worst_cores"][0]
    assert worst["chip"] == [deployment.machine.x[chip], deployment.machine.y[chip]]
    assert worst["core"] == deployment.placement.core[row]
    assert worst["neurons"] == [deployment.slices.lo[row], deployment.slices.hi[row]]
    assert metrics["cores_that_overrun"]["low"] == 1
    json.dumps(metrics, allow_nan=False)


def test_the_smallest_factor_is_the_one_without_an_overrun(spec):
    run, connectivity, deployment = recording(spec), Connectivity(spec, 1), deploy(spec)
    first = predict_run(run, connectivity, deployment, rng=np.random.default_rng(1))
    for side, factor in zip(("low", "high"), first.factors, strict=True):
        for stretch, overruns in ((1.001, False), (0.999, True)):
            found = predict_run(run, connectivity, dataclasses.replace(deployment, time_scale_factor=factor * stretch), rng=np.random.default_rng(1))
            assert bool(getattr(found, f"overruns_{side}").sum()) == overruns


def test_late_work_is_carried_over():
    cycles = np.array([[150.0], [20.0], [90.0], [10.0]], np.float32)
    carried, overruns, most = np.zeros(1), np.zeros(1, np.int64), np.zeros(1)
    keep_up(cycles, 100.0, carried, overruns, most)
    # 50 left; 70 in the second step fit; 90; 10
    assert (carried[0], overruns[0], most[0]) == (0.0, 1, 50.0)
    keep_up(np.array([[150.0], [60.0], [10.0]], np.float32), 100.0, carried, overruns, most)
    assert (overruns[0], most[0]) == (3, 50.0)


def test_spikes_beyond_the_buffer_are_lost():
    def lost(arrivals, at_once, each=1.0):
        out = np.zeros(1)
        shape = (len(arrivals), 1)
        fill_buffer(
            np.array(arrivals, np.float32).reshape(shape),
            np.array(at_once, np.float32).reshape(shape),
            np.full(shape, each, np.float32),
            100.0,
            255.0,
            np.zeros(1),
            out,
        )
        return out[0]

    assert lost([90, 90, 90], [0, 0, 0]) == 0
    assert lost([90, 90, 90], [90, 90, 90]) == 0
    assert lost([300, 0], [300, 0]) == 45  # 300 together, 255 have room
    assert lost([200, 200, 200, 200], [0, 0, 0, 0]) == 145  # 100 more wait after each step, 255 can
    assert lost([100, 100, 100, 100], [0, 0, 0, 0], each=2.0) == 0  # 50 more after each step


def test_expected_loads_are_the_mean_of_the_network(spec):
    deployment = deploy(spec)
    cores = receivers(spec, deployment)
    loads = draw_loads(spec, deployment, cores, n_steps=4000, rng=np.random.default_rng(1))
    rates = np.array(spec.expected_rates)
    spikes = float(np.sum(rates * spec.sizes)) * spec.dt * 1e-3
    events = sum(p.n_synapses * rates[p.source] for p in spec.projections) * spec.dt * 1e-3
    assert loads.sent.sum() / 4000 == pytest.approx(spikes, rel=0.05)
    assert loads.events.sum() / 4000 == pytest.approx(events, rel=0.05)


def test_nothing_of_the_studies_it_is_compared_with_is_in_its_numbers():
    for name in ("core_costs.toml", "core_timing.toml"):
        text = (files("spinn_mam.machine") / name).read_text(encoding="utf-8")
        assert not [doi for doi in HELD_OUT if doi in text]
        document = tomllib.loads(text)
        sources = " ".join(str(entry.get("source", "")) for entry in document.values() if isinstance(entry, dict)).lower()
        assert not [name for name in ("albada", "rhodes et al. 2020", "peres") if name in sources]
    published = [constant for constant in timing().values() if constant.kind == "published"]
    assert {constant.doi for constant in published} == {"10.3389/fnins.2018.00816"}


def test_the_ceiling_just_reaches_the_published_throughput():
    spike = sum(core_costs(COMBINED)[kind].high for kind in ("wake", "packet", "spike")) + 4 * core_costs(COMBINED)["search"].high
    row = timing()["longest_row"].value
    assert calibration() >= 1
    best = 200_000 / (core_costs(COMBINED)["event"].high + spike / row)  # of 200,000 cycles in a millisecond
    assert best == pytest.approx(timing()["peak_events_per_ms"].value, rel=1e-6)
    floor = 200_000 / (core_costs(COMBINED)["event"].low + sum(core_costs(COMBINED)[kind].low for kind in ("packet", "spike")) / row)
    assert best < floor < timing()["target_events_per_ms"].value


def test_a_prediction_is_saved_and_read(spec, tmp_path):
    found = predict_expected(spec, deploy(spec), rng=np.random.default_rng(1))
    found.save(tmp_path / "p.npz")
    again = RealTime.load(tmp_path / "p.npz")
    assert again.loads == "expected"
    for field in dataclasses.fields(RealTime):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(found, field.name))
    (tmp_path / "p.npz").write_bytes(b"no")
    with pytest.raises(DocumentError, match="run the real-time stage again"):
        RealTime.load(tmp_path / "p.npz")


@pytest.mark.parametrize("layout", ["combined", "split"])
def test_the_figure_shows_every_core_whole(spec, layout):
    deployment = deploy(spec, layout)
    found = predict_expected(spec, deployment, rng=np.random.default_rng(1))
    figure = load_figure(found, deployment, spec)
    assert len(figure.axes) == len(np.unique(deployment.slices.kind))
    for axis in figure.axes:
        assert axis.get_ylim()[1] > max(found.factors[1], found.time_scale_factor)
