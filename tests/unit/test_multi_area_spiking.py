"""Statistics by population and area against elephant, numpy and values worked out by hand."""

import itertools
import warnings

import numpy as np
import pytest
from multi_area_run import make_run

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.multi_area.areas import find_areas
from spinn_mam.multi_area.measured import read_spikes, sample_of_area, sample_statistics
from spinn_mam.multi_area.rate_series import RateSeries, area_rates, rate_series
from spinn_mam.multi_area.spiking import spiking_statistics
from spinn_mam.recording import Recording
from spinn_mam.spike_trains import N_CORRELATED, lvr, mean_correlation


def test_areas_are_found_by_name_and_laid_out_as_a_table():
    areas = find_areas(["V1-23E", "V1-6I", "7a-4E", "stimulus"])
    assert areas.names == ("V1", "7a")
    table = areas.grid([1.0, 2.0, 3.0, 4.0])
    assert table.shape == (2, 8)
    assert [table[0, 0], table[0, 7], table[1, 2]] == [1.0, 2.0, 3.0]
    assert np.isfinite(table).sum() == 3
    assert areas.populations("V1").tolist() == [0, 1]
    assert areas.mean([1.0, 4.0, np.nan, 9.0], [1, 2, 5, 1]) == pytest.approx([3.0, np.nan], nan_ok=True)
    assert find_areas(["L23E", "L6I"]) is None


def test_lvr_equals_elephants():
    rng = np.random.default_rng(1)
    trains = [np.sort(rng.uniform(0, 1000, n)) for n in (0, 1, 2, 3, 4, 40, 300)]
    neuron = np.repeat(np.arange(7), [len(t) for t in trains])
    ours = lvr(np.concatenate(trains), neuron, 7, 2.0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantities", category=DeprecationWarning)
        import quantities as pq
        from elephant.statistics import isi
        from elephant.statistics import lvr as elephants

        theirs = [elephants(isi(train * pq.ms), R=2.0 * pq.ms) if len(train) > 2 else np.nan for train in trains]
    assert ours == pytest.approx(theirs, rel=1e-12, nan_ok=True)


def test_spikes_at_one_time_have_no_part_in_lvr():
    # of the first neuron the intervals 0 0 5 5: of three pairs the first says nothing, the others 1 and 0
    found = lvr([0, 0, 0, 5, 10, 3, 3, 3], np.array([0] * 5 + [1] * 3), 2, 0.0)
    assert found[0] == pytest.approx(3.0 / 2.0 * (1.0 + 0.0))
    assert np.isnan(found[1])


def test_ways_to_average_lvr():
    # Neuron 0: intervals 10, 10, 20 ms. Neuron 1: two spikes. Neurons 2 and 3: none.
    step = np.array([0, 5, 10, 20, 30, 40]) * 10
    run = Recording(("V1-23E",), (4,), 0.1, 0, 10_000, step, np.array([0, 1, 0, 1, 0, 0], dtype=np.int32))
    intervals = np.diff(step[[0, 2, 4, 5]]) / 10.0
    pairs = list(itertools.pairwise(intervals))
    expected = 3 / 2 * sum((1 - 4 * a * b / (a + b) ** 2) * (1 + 4 * 2.0 / (a + b)) for a, b in pairs)
    populations, areas = spiking_statistics(run, find_areas(run.names))
    assert populations.lvr_defined == pytest.approx([expected])
    assert populations.lvr_fired == pytest.approx([expected / 2])
    assert populations.lvr_all == pytest.approx([expected / 4])
    assert populations.cv == pytest.approx([intervals.std() / intervals.mean()])
    assert [areas.lvr_defined[0], areas.lvr_fired[0], areas.lvr_all[0]] == pytest.approx([expected, expected / 2, expected / 4])


def test_mean_correlation_is_the_mean_of_numpys_matrix():
    rng = np.random.default_rng(2)
    common = rng.random(500) < 0.05
    counts = rng.poisson(0.03, (60, 500)) + (rng.random((60, 500)) < 0.3) * common
    counts[7] = 0
    neuron, bins = (np.repeat(index, counts[counts > 0]) for index in np.nonzero(counts))
    matrix = np.corrcoef(counts[counts.any(axis=1)])
    assert mean_correlation(bins, neuron, 500) == pytest.approx(matrix[~np.eye(len(matrix), dtype=bool)].mean(), rel=1e-10)


def test_statistics_of_an_area_are_those_of_its_neurons_together():
    run = make_run(common=1 + 0.9 * np.sin(np.arange(1000) / 20)[None, :] * np.array([1.0, 0.0, 1.0, 0.0])[:, None])
    areas = find_areas(run.names)
    populations, by_area = spiking_statistics(run, areas)
    for a, area in enumerate(areas.names):
        of = areas.populations(area)
        lo, hi = run.offsets[of[0]], run.offsets[of[-1] + 1]
        mine = (run.neuron >= lo) & (run.neuron < hi)
        whole = Recording((f"{area}-23E",), (hi - lo,), run.dt, run.start_step, run.stop_step, run.step[mine], run.neuron[mine] - lo)
        [alone], _ = ([s] for s in spiking_statistics(whole, find_areas(whole.names)))
        for name in ("rate", "lvr_fired", "lvr_all", "lvr_defined", "cv", "synchrony", "correlation"):
            assert getattr(by_area, name)[a] == pytest.approx(getattr(alone, name)[0], rel=1e-9), name
        counts = np.bincount((run.step[mine] - run.start_step) // 10, minlength=1000)
        assert by_area.synchrony[a] == pytest.approx(counts.std() / counts.mean())
    assert by_area.correlation[0] > 5 * abs(by_area.correlation[1])
    assert populations.rate == pytest.approx(list(run.rates().values()))


def test_no_more_neurons_than_said_are_correlated():
    rng = np.random.default_rng(3)
    n = N_CORRELATED + 500
    run = Recording(("V1-23E",), (n,), 1.0, 0, 200, np.sort(rng.integers(0, 200, 3 * n)), rng.integers(0, n, 3 * n).astype(np.int32))
    [first], [second] = (spiking_statistics(run, find_areas(run.names), seed=seed)[0].correlation for seed in (0, 1))
    assert first != second
    assert abs(first - second) < 1e-3


def test_rates_in_time():
    run = make_run(size=10, duration_ms=200.0)
    series = rate_series(run, 5.0)
    steps, _ = run.population("V2-5E")
    expected = np.histogram(steps - run.start_step, np.arange(0, 2001, 50) - 0.5)[0] / 10 / 0.005
    assert series.rates[run.names.index("V2-5E")] == pytest.approx(expected)
    areas = find_areas(run.names)
    of_area = area_rates(series, areas, run.sizes)
    assert of_area.rates[1] == pytest.approx(series.rates[areas.populations("V2")].mean(axis=0))


@pytest.mark.parametrize(("kernel", "mean", "spread"), [("gauss", 0.0, 10.0), ("alpha", 20.0, 200**0.5), ("rect", 0.0, 10 / 12**0.5)])
def test_kernels_keep_the_area_and_have_their_moments(kernel, mean, spread):
    impulse = np.zeros((1, 1001))
    impulse[0, 500] = 1.0
    [shape] = RateSeries(("V1",), 1.0, impulse).smoothed(kernel, 10.0).rates
    t = np.arange(-500, 501)
    assert shape.sum() == pytest.approx(1.0)
    assert shape @ t == pytest.approx(mean, abs=0.6)
    assert np.sqrt(shape @ (t - shape @ t) ** 2) == pytest.approx(spread, rel=0.02)


def test_spikes_of_others_are_read_and_compared_with_as_many_neurons(tmp_path):
    table = tmp_path / "v1.csv"
    table.write_text("# a recording\nneuron,time_ms\nb,1500.0\na,100.0\na,120.0\nb,200.0\na,150.0\n", encoding="utf-8")
    measured = read_spikes(table)
    assert (measured.sizes, measured.duration_ms) == ((2,), pytest.approx(1400.1))
    found = sample_statistics(measured)
    assert found.rates == pytest.approx([3 / 1.4001, 2 / 1.4001])
    assert found.lvr == pytest.approx([3 * (1 - 4 * 20 * 30 / 50**2) * (1 + 4 * 2 / 50), np.nan], nan_ok=True)
    run = make_run(duration_ms=2000.0)
    sample = sample_of_area(run, find_areas(run.names), "V2", 100, np.random.default_rng(0))
    assert sample.n_spikes == pytest.approx(100 * 6.0 * 2.0, rel=0.15)
    assert sample_statistics(sample).spectrum.power.mean() == pytest.approx(6.0, rel=0.2)
    assert len(sample_statistics(sample).rates) == 100


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cell,time\n1,2\n", "columns neuron and time_ms"),
        ("neuron,time_ms\n1,soon\n", "soon"),
        ("neuron,time_ms\n", "no spikes"),
        (None, "cannot be read"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, text, problem):
    path = tmp_path / "v1.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=problem):
        read_spikes(path)


def test_samples_that_cannot_be_taken_are_refused():
    run = make_run(duration_ms=100.0)
    areas = find_areas(run.names)
    with pytest.raises(UsageError, match="no area MT"):
        sample_of_area(run, areas, "MT", 10, np.random.default_rng(0))
    with pytest.raises(UsageError, match="321 neurons of V1 are to be compared, 320 are recorded"):
        sample_of_area(run, areas, "V1", 321, np.random.default_rng(0))
