"""Rates, CVs and correlations against elephant, scipy and values worked out by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.analysis import CV_RESOLUTION, Sample, analyse
from spinn_mam.recording import Recording
from spinn_mam.spike_trains import cv_isi


def poisson_recording(seed=3, sizes=(400, 300), rates=(4.0, 9.0), duration_ms=2000.0):
    rng = np.random.default_rng(seed)
    n_steps = int(duration_ms * 10)
    rate = np.repeat(rates, sizes) * rng.gamma(2.0, 0.5, sum(sizes))
    neuron = np.repeat(np.arange(sum(sizes)), rng.poisson(rate * duration_ms / 1000.0))
    spikes = np.unique(rng.integers(0, n_steps, len(neuron)) * 10_000 + neuron)
    return Recording(("A", "B"), sizes, 0.1, 5000, 5000 + n_steps, spikes // 10_000 + 5000, (spikes % 10_000).astype(np.int32))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([-1.5, 0.0, 0.25, 2.0, 7.0]), min_size=2, max_size=40), st.floats(0, 1))
def test_a_sample_has_the_moments_and_quantiles_of_its_data(data, q):
    sample = Sample.of([*data, np.nan])
    assert sample.n == len(data)
    assert sample.mean() == pytest.approx(np.mean(data))
    assert sample.sd() == pytest.approx(np.std(data, ddof=1))
    assert sample.quantile(q) == pytest.approx(np.quantile(data, q))
    assert sample.cdf(np.array([0.0])) == pytest.approx(np.mean(np.array(data) <= 0))


def test_rates_are_spikes_over_time_with_silent_neurons():
    run = Recording(("E",), (4,), 0.1, 100, 20100, np.array([100, 200, 20099]), np.array([0, 0, 2], dtype=np.int32))
    [population] = analyse(run)[0]
    assert population.neurons_by_count.tolist() == [2, 1, 1]
    assert population.rates().values.tolist() == [0.0, 0.5, 1.0]
    assert population.mean_rate == pytest.approx(3 / 4 / 2.0)


def test_cvs_equal_elephants():
    run = poisson_recording()
    order = np.argsort(run.neuron, kind="stable")
    neuron, times = run.neuron[order].astype(np.int64), run.step[order] * run.dt
    ours = cv_isi(times, neuron, 700)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantities", category=DeprecationWarning)
        from elephant.statistics import cv, isi

        for i in range(0, 700, 7):
            train = times[neuron == i]
            if len(train) < 2:
                assert np.isnan(ours[i])
            else:
                assert ours[i] == pytest.approx(cv(isi(train)), rel=1e-12)


def test_cvs_by_number_of_spikes():
    # Intervals 100, 300 steps: CV 0.5; neuron 1 has one interval, neuron 2 none.
    run = Recording(("E",), (3,), 0.1, 0, 10000, np.array([0, 0, 5, 100, 400, 700]), np.array([0, 1, 2, 0, 0, 1], dtype=np.int32))
    [population] = analyse(run)[0]
    assert population.cvs(2).values == pytest.approx([0.5], abs=CV_RESOLUTION)
    assert population.cvs(1).values == pytest.approx([0.0, 0.5], abs=CV_RESOLUTION)
    assert population.cvs(1).n == 2
    assert population.median_intervals() == 2.0


@pytest.mark.parametrize("active_only", [True, False])
def test_correlations_equal_numpys_on_the_same_neurons(active_only):
    run = poisson_recording()
    population = analyse(run, seed=5)[0][1]
    steps, neuron = run.population("B")
    order = np.random.default_rng([5, 1]).permutation(300)
    counts = np.zeros((300, 1000))
    np.add.at(counts, (neuron, (steps - run.start_step) // 20), 1)
    active = [i for i in order if counts[i].any()][:200] if active_only else [i for i in order[:250] if counts[i].any()]
    expected = np.corrcoef(counts[active])[np.triu_indices(len(active), k=1)]
    ours = population.correlations(200 if active_only else 250, active_only=active_only)
    assert ours == pytest.approx(expected, abs=1e-12)


def test_a_common_input_shows_as_correlation():
    rng = np.random.default_rng(0)
    shared = np.sort(rng.choice(10_000, 40, replace=False)) * 20
    neuron = np.tile(np.arange(50), 40)
    run = Recording(("E",), (50,), 0.1, 0, 200_000, np.repeat(shared, 50), neuron.astype(np.int32))
    assert analyse(run)[0][0].correlations(50, active_only=True) == pytest.approx(np.ones(50 * 49 // 2))


def test_synchrony_is_variance_over_mean_of_the_population_count():
    steps = np.sort(np.random.default_rng(4).integers(0, 10_000, 5000))
    neuron = np.arange(5000, dtype=np.int32) % 50
    [independent] = analyse(Recording(("E",), (50,), 0.1, 0, 10_000, steps, neuron))[0]
    counts = np.histogram(steps, np.arange(0, 10_000, 30) - 0.5)[0]
    assert independent.synchrony == pytest.approx(counts.var() / counts.mean())
    [together] = analyse(Recording(("E",), (50,), 0.1, 0, 10_000, np.repeat(steps[::50], 50), neuron))[0]
    assert together.synchrony > 20


def test_windows_begin_together_and_equal_the_cut_recording():
    run = poisson_recording()
    short, whole = analyse(run, [500.0, 2000.0])
    for window, length in ((short, 500.0), (whole, 2000.0)):
        for ours, cut in zip(window, analyse(run.window(0.0, length))[0], strict=True):
            assert ours.duration_ms == length
            assert np.array_equal(ours.neurons_by_count, cut.neurons_by_count)
            assert np.array_equal(ours.neurons_by_cv, cut.neurons_by_cv)
            assert ours.correlations(200, active_only=True) == pytest.approx(cut.correlations(200, active_only=True))


def test_a_silent_population_has_statistics():
    run = Recording(("E",), (5,), 0.1, 0, 10000, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32))
    [population] = analyse(run)[0]
    assert population.mean_rate == 0.0
    assert np.isnan(population.synchrony)
    assert population.rates().counts.tolist() == [5]
    assert population.cvs(1).n == 0
    assert len(population.correlations(200, active_only=True)) == 0
