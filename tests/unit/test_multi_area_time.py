"""Time-scales, temporal order, synaptic input, BOLD and functional connectivity, each with an answer that is known."""

import numpy as np
import pytest
from multi_area_run import make_run
from scipy import integrate, signal, stats

from spinn_mam.errors import UsageError
from spinn_mam.multi_area import bold
from spinn_mam.multi_area.areas import find_areas
from spinn_mam.multi_area.functional_connectivity import compare_matrices, functional_connectivity
from spinn_mam.multi_area.hierarchy import fit_differences
from spinn_mam.multi_area.rate_series import RateSeries, area_rates, rate_series
from spinn_mam.multi_area.synaptic_input import absolute_weights, area_in_degrees, exponential_current, in_degrees, synaptic_input
from spinn_mam.multi_area.temporal_order import temporal_order
from spinn_mam.multi_area.timescales import autocorrelation, timescales
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, Population, Projection

RNG = np.random.default_rng


def fluctuations(tau_ms, n, rng):
    """An Ornstein-Uhlenbeck process of variance 1 at each ms."""
    a = np.exp(-1 / tau_ms)
    return signal.lfilter([np.sqrt(1 - a**2)], [1, -a], rng.normal(size=n + 2000))[2000:]


def test_autocorrelation_is_the_mean_over_pairs():
    x = RNG(0).normal(size=200).cumsum()
    c = x - x.mean()
    expected = [np.mean(c[: 200 - k] * c[k:]) / np.mean(c * c) for k in range(30)]
    assert autocorrelation(x, 29) == pytest.approx(expected, abs=1e-10)


def test_time_constants_are_found_under_the_noise_of_spikes():
    rng = RNG(1)
    taus = (8.0, 30.0, 90.0)
    rates = np.array([rng.poisson(2.0 * np.exp(0.5 * fluctuations(tau, 100_000, rng))) for tau in taus] + [rng.poisson(2.0, 100_000)])
    found = timescales(RateSeries(("a", "b", "c", "flat"), 1.0, rates.astype(float)))
    # a lognormal rate has a slightly faster autocorrelation than its logarithm
    assert found.tau_ms[:3] == pytest.approx(taus, rel=0.15)
    assert np.isnan(found.tau_ms[3])


def test_what_oscillates_has_no_time_constant():
    rng = RNG(8)
    rhythm = 2.0 + np.sin(np.arange(20_000) / 6 + np.cumsum(rng.normal(0, 0.05, 20_000)))
    found = timescales(RateSeries(("a",), 1.0, rng.poisson(rhythm)[None, :].astype(float)))
    assert found.autocorrelation[0].min() < -0.05
    assert np.isnan(found.tau_ms[0])


def test_too_short_or_silent_rates_have_no_time_constant():
    assert np.isnan(timescales(RateSeries(("a", "b"), 1.0, np.zeros((2, 5000)))).tau_ms).all()
    assert np.isnan(timescales(RateSeries(("a",), 1.0, RNG(0).random((1, 100)))).tau_ms).all()


def test_areas_that_follow_each_other_are_ordered():
    rng = RNG(2)
    shifts = np.array([0, 12, 5, 30, 21])
    source = fluctuations(15.0, 20_000 + 100, rng)
    rates = np.array([source[100 - shift : 20_100 - shift] for shift in shifts]) + rng.normal(size=(5, 20_000))
    rates = np.vstack([rates, rng.normal(size=20_000)])
    order = temporal_order(RateSeries(tuple("abcdef"), 1.0, rates))
    assert order.time_ms[:5] == pytest.approx(shifts, abs=1.0)
    assert np.isnan(order.time_ms[5])
    assert order.lag_ms[0, 3] == pytest.approx(30, abs=1)
    assert order.lag_ms[:5, :5] == pytest.approx(-order.lag_ms[:5, :5].T, nan_ok=True)
    assert order.explained > 0.99


def test_independent_slow_series_have_no_order():
    rng = RNG(3)
    rates = np.array([fluctuations(tau, 10_000, rng) for tau in (5, 20, 60, 60, 60, 20, 5, 40)])
    assert np.isnan(temporal_order(RateSeries(tuple("abcdefgh"), 1.0, rates)).lag_ms).all()


def test_the_longest_lags_are_no_more_often_significant_by_chance_than_others():
    # without smoothing from beyond the longest lag, some ten of 1,770 pairs of independent series had a lag of about 100 ms
    rates = RNG(4).normal(size=(60, 5_000))
    lags = temporal_order(RateSeries(tuple(f"A{i}" for i in range(60)), 1.0, rates)).lag_ms
    assert np.isfinite(lags).sum() // 2 <= 5  # expected 1.8
    assert not (np.abs(lags) > 95.0).any()


def test_as_many_lags_as_times_explain_nothing():
    rng = RNG(5)
    source = fluctuations(15.0, 20_100, rng)
    series = np.array([source[100 - shift : 20_100 - shift] for shift in (0, 12, 30)])
    noise = rng.normal(size=(3, 20_000))
    order = temporal_order(RateSeries(tuple("abc"), 1.0, series + noise))
    assert np.isfinite(order.explained)
    halves = rng.normal(size=(2, 20_100))
    chain = np.array([halves[0][100:], halves[0][88:-12] + halves[1][100:], halves[1][70:-30]])
    order = temporal_order(RateSeries(tuple("abc"), 1.0, chain))
    assert order.time_ms == pytest.approx([0.0, 12.0, 42.0], abs=1.0)
    assert np.isnan(order.explained)


def test_areas_that_hardly_fire_have_no_order():
    run = make_run(rate=0.02, duration_ms=2000.0, seed=5)
    areas = find_areas(run.names)
    assert 20 < run.n_spikes < 80
    series = area_rates(rate_series(run), areas, run.sizes)
    assert np.isnan(temporal_order(series).lag_ms).all()


def test_times_of_lags_that_disagree_are_a_compromise():
    lags = np.array([[np.nan, 1.0, 4.0], [-1.0, np.nan, 1.0], [-4.0, -1.0, np.nan]])
    times, explained = fit_differences(lags)
    # from d/dt of (t1 - 1)^2 + (t2 - 4)^2 + (t2 - t1 - 1)^2
    assert times == pytest.approx([0.0, 5 / 3, 10 / 3])
    assert explained == pytest.approx(1 - ((2 / 3) ** 2 * 3) / 18)


def neuron(tau_ex=0.5, tau_in=0.5):
    return NeuronParameters(250.0, 10.0, tau_ex, tau_in, -65.0, -65.0, -50.0, 2.0)


def network(tau_in=0.5):
    populations = tuple(Population(name, n, neuron(tau_in=tau_in)) for name, n in (("V1-23E", 40), ("V1-23I", 10), ("V2-23E", 30)))
    delay = Distribution(1.5, 0.0)
    projections = (
        Projection(0, 0, 400, Distribution(10.0, 1.0), delay),
        Projection(1, 0, 80, Distribution(-40.0, 4.0), delay),
        Projection(0, 2, 90, Distribution(20.0, 2.0), delay),
        Projection(2, 1, 50, Distribution(15.0, 2.0), delay),
    )
    return NetworkSpec("mam", 0.1, populations, projections, (1.0, 1.0, 1.0), "none")


def test_in_degrees_and_weights_of_a_network():
    spec = network()
    assert in_degrees(spec).tolist() == [[10.0, 2.0, 0.0], [0.0, 0.0, 5.0], [3.0, 0.0, 0.0]]
    assert absolute_weights(spec)[0].tolist() == [10.0, 40.0, 0.0]
    areas = find_areas(spec.names)
    assert area_in_degrees(spec, areas) == pytest.approx(np.array([[480 / 50, 50 / 50], [90 / 30, 0.0]]))


def test_constant_rates_give_in_degree_times_weight_times_rate():
    spec = network(tau_in=4.0)
    areas = find_areas(spec.names)
    rates = np.array([5.0, 20.0, 8.0])
    current = synaptic_input(RateSeries(spec.names, 1.0, np.repeat(rates[:, None], 200, axis=1)), spec, areas)
    onto_e = 10 * 10.0 * 0.005 * 0.5 + 2 * 40.0 * 0.020 * 4.0
    onto_i = 5 * 15.0 * 0.008 * 0.5
    assert current.rates[:, -1] == pytest.approx([0.8 * onto_e + 0.2 * onto_i, 3 * 20.0 * 0.005 * 0.5])
    with pytest.raises(UsageError, match="names"):
        synaptic_input(RateSeries(("a",), 1.0, np.zeros((1, 10))), spec, areas)


@pytest.mark.parametrize("tau", [0.5, 2.0, 7.0])
def test_current_in_bins_is_the_mean_of_the_current_in_time(tau):
    drive = RNG(4).random((2, 30))
    fine = 200
    t = (np.arange(30 * fine) + 0.5) / fine
    kernel = np.exp(-t / tau)
    exact = [signal.fftconvolve(np.repeat(row, fine), kernel)[: 30 * fine].reshape(30, fine).mean(axis=1) / fine for row in drive]
    assert exponential_current(drive, tau, 1.0) == pytest.approx(np.array(exact), rel=5e-3)


def test_balloon_equals_scipys_integration_of_the_published_equations():
    z = np.repeat(RNG(5).random(6) * 0.8, 200)[None, :]

    def slope(t, y):
        s, f, v, q = y
        now = z[0, min(int(t / 0.01), 1199)]
        extraction = 1 - (1 - 0.34) ** (1 / f)
        return [now - 0.65 * s - 0.41 * (f - 1), s, (f - v ** (1 / 0.32)) / 0.98, (f * extraction / 0.34 - v ** (1 / 0.32) * q / v) / 0.98]

    start = bold.steady_state(z.mean(axis=1))[:, 0]
    solution = integrate.solve_ivp(slope, (0, 12), start, rtol=1e-9, atol=1e-10, max_step=0.01, t_eval=np.arange(1, 1201) * 0.01)
    _, _, v, q = solution.y
    expected = 0.02 * (7 * 0.34 * (1 - q) + 2 * (1 - q / v) + (2 * 0.34 - 0.2) * (1 - v))
    assert bold.balloon(z, 0.01)[0] == pytest.approx(expected, abs=1e-7)
    assert np.ptp(expected) > 0.002


def test_constant_activity_stays_in_the_steady_state():
    z = np.full((1, 500), 0.4)
    [found] = bold.balloon(z, 0.01)
    assert found == pytest.approx(found[0])
    assert found[0] > 0.01
    assert bold.balloon(np.zeros((1, 5)), 0.01) == pytest.approx(0.0)


def test_bold_of_a_short_run_is_refused():
    with pytest.raises(UsageError, match="35 s of activity, there are 1 s"):
        bold.bold_signal(RateSeries(("V1",), 1.0, np.ones((1, 1000))))
    found = bold.bold_signal(RateSeries(("V1", "V2"), 1.0, np.array([np.ones(40_000), np.zeros(40_000)])))
    assert found.rates.shape == (2, 3500)


def test_functional_connectivity_is_numpys():
    rates = RNG(6).normal(size=(4, 500))
    rates[2] += rates[0]
    rates[3] = 1.0
    matrix = functional_connectivity(RateSeries(tuple("abcd"), 1.0, rates))
    assert matrix[:3, :3] == pytest.approx(np.corrcoef(rates[:3]))
    assert np.isnan(matrix[3]).all()


def test_common_fluctuations_of_areas_show_in_a_recording():
    t = np.arange(4000)
    slow = 0.8 * np.sin(t / 60)
    common = 1 + np.array([slow, slow, -slow, 0 * slow])
    run = make_run(common=common, duration_ms=4000.0)
    areas = find_areas(run.names)
    series = rate_series(run, 20.0)
    by_area = RateSeries(areas.names, 20.0, areas.mean(series.rates, run.sizes))
    matrix = functional_connectivity(by_area)
    assert matrix[0, 1] > 0.8
    assert matrix[0, 2] < -0.8
    assert abs(matrix[0, 3]) < 0.3


def test_agreement_of_matrices_and_its_significance():
    rng = RNG(7)
    loads = rng.normal(size=(12, 3))
    truth = loads @ loads.T
    noise = rng.normal(size=(12, 12))
    similar = truth + 0.5 * (noise + noise.T)
    upper = np.triu_indices(12, 1)
    found = compare_matrices(similar, truth, rng, 500)
    assert found.r == pytest.approx(stats.pearsonr(similar[upper], truth[upper]).statistic)
    assert (found.p, found.n_pairs) == (pytest.approx(1 / 501), 66)
    p = [compare_matrices(m + m.T, truth, rng, 100).p for m in rng.normal(size=(60, 12, 12))]
    assert stats.kstest(p, "uniform").pvalue > 0.001
    similar[0, :] = similar[:, 0] = np.nan
    assert compare_matrices(similar, truth, rng, 10).n_pairs == 55
