"""The computed Poisson stream: plain and compiled agree, the distributions are right, and what the machine cannot hold is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.poisson import (
    PoissonCore,
    RatePiece,
    constant_rates,
    core_seeds,
    effective_rate,
    rate_constants,
    synaptic_sums,
)
from spinn_mam.fixed_point.square_root import square_root

WORDS = st.integers(1, 2**32 - 1)
RATE = st.one_of(st.just(0.0), st.floats(0.01, 65000.0), st.sampled_from([99.9, 99.95, 100.0, 9999.9, 10_000.0]))
PIECES = st.lists(st.tuples(RATE, st.floats(0, 60), st.none() | st.floats(0, 60)), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.tuples(WORDS, WORDS, WORDS, st.integers(1, 698769068)), st.lists(PIECES, min_size=1, max_size=6), st.sampled_from([0.1, 0.25, 1.0]))
def test_compiled_equals_plain(seed, schedules, dt):
    sources = [[RatePiece(*piece) for piece in sorted(pieces, key=lambda p: p[1])] for pieces in schedules]
    plain, compiled = PoissonCore(seed, sources, dt), PoissonCore(seed, sources, dt)
    np.testing.assert_array_equal(compiled.advance(70), [plain.step() for _ in range(70)])
    assert plain.seed == compiled.seed
    # and each goes on where the other was
    np.testing.assert_array_equal([compiled.step() for _ in range(5)], plain.advance(5))
    for core in (plain, compiled):
        core.set_rates(sources[::-1])
    np.testing.assert_array_equal(compiled.advance(20), [plain.step() for _ in range(20)])


def test_a_core_without_sources_draws_nothing():
    core = PoissonCore((1, 2, 3, 4), [], 1.0)
    assert core.seed == (1, 2, 3, 4)
    assert core.step() == []
    assert core.advance(3).shape == (3, 0)


@pytest.mark.parametrize(
    ("rate", "dt"), [(8.0, 0.1), (50.0, 0.1), (90.0, 0.1), (9.9, 1.0), (150.0, 0.1), (2400.0, 0.1), (12_000.0, 0.1), (5000.0, 1.0)]
)
def test_distribution_of_slow_and_fast_sources(rate, dt):
    """Mean count and its variance in 4 million ticks; each fails by chance once in 1e5 runs, and a rate wrong by 9 % would fail at every rate."""
    core = PoissonCore(core_seeds(77, 1)[0], constant_rates([rate] * 400), dt)
    counts = core.advance(10_000).astype(np.int64)
    expected = effective_rate(rate, dt) * dt / 1000.0 * counts.size
    assert abs(effective_rate(rate, dt) / rate - 1) < 0.02
    assert abs(counts.sum() - expected) < 4.5 * math.sqrt(expected)
    assert 4.5 * math.sqrt(expected) < 0.09 * expected
    spread = counts.sum(axis=1)
    assert stats.chi2.ppf(5e-6, 9999) < spread.var() / spread.mean() * 9999 < stats.chi2.ppf(1 - 5e-6, 9999)


@pytest.mark.parametrize("rate", [1100.0, 5000.0, 9000.0])
def test_fast_counts_are_poisson(rate):
    counts = PoissonCore(core_seeds(5, 1)[0], constant_rates([rate]), 1.0).advance(100_000)[:, 0]
    law = stats.poisson(effective_rate(rate, 1.0) / 1000.0)
    last = int(law.ppf(0.999))
    seen = np.bincount(np.minimum(counts, last), minlength=last + 1)
    expected = np.append(law.pmf(np.arange(last)), law.sf(last - 1)) * len(counts)
    assert stats.chisquare(seen, expected).pvalue > 1e-5


def test_gaussian_counts_have_the_mean_and_variance_they_should():
    counts = PoissonCore(core_seeds(6, 1)[0], constant_rates([25_000.0]), 1.0).advance(200_000)[:, 0]
    assert abs(counts.mean() - 25.25) < 5 * 5 / math.sqrt(len(counts))
    assert counts.var() == pytest.approx(25 + 1 / 8, rel=0.02)
    # skewness 3 / (2 sqrt(lambda)), half as much again as that of a Poisson count
    assert stats.skew(counts) == pytest.approx(0.3, abs=0.03)


def test_inter_spike_intervals_of_slow_sources_are_exponential():
    """Kolmogorov-Smirnov against the exponential, with the tick's width inside the bound."""
    counts = PoissonCore(core_seeds(7, 1)[0], constant_rates([20.0] * 200), 0.1).advance(50_000)
    intervals = np.concatenate([np.diff(np.flatnonzero(column)) for column in counts.T])
    distance = stats.kstest(intervals - 0.5, stats.expon(scale=500).cdf).statistic
    assert distance < 0.5 / 500 + 2.5 / math.sqrt(len(intervals)) + 0.01


def test_effective_rates_show_what_rounding_does():
    rates = np.geomspace(0.05, 60_000, 300)
    error = {dt: np.array([effective_rate(r, dt) / r - 1 for r in rates]) for dt in (0.1, 1.0)}
    # a whole number of ticks between spikes, and 16 bits of exp(-lambda)
    assert np.abs(error[0.1]).max() < 0.011
    assert np.abs(error[1.0]).max() < 0.03
    assert effective_rate(0.0, 0.1) == 0.0


def test_slow_rates_whose_interval_passes_32_bits_come_too_often():
    """The machine's interval wraps at 2^32 thousandths of a tick: at 0.01 spikes/s and 0.1 ms every interval beyond 4.3 times the mean."""
    rate, dt = 0.01, 0.1
    core = PoissonCore(core_seeds(8, 1)[0], constant_rates([rate] * 2000), dt)
    firsts = np.array(core._isi) / 1000
    mean = rate_constants(rate, dt).mean_isi
    assert firsts.max() < 2**32 / 1000 < 4.5 * mean
    assert firsts.mean() * dt / 1000 == pytest.approx(1 / effective_rate(rate, dt), rel=0.08)
    assert effective_rate(rate, dt) == pytest.approx(1.063 * rate, rel=0.001)
    assert effective_rate(0.1, dt) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("rate", [-1.0, 65_536.0, 1e6])
def test_rates_that_wrap_are_refused(rate):
    with pytest.raises(UsageError, match=r"spikes/s: the machine holds rates from 0 to 65536 .*several sources"):
        rate_constants(rate, 0.1)


def test_a_source_without_a_rate_is_refused():
    with pytest.raises(UsageError, match="no rate at all"):
        PoissonCore((1, 2, 3, 4), [[]], 0.1)


@given(st.integers(10 << 16, 2**32 - 1))
def test_square_root_is_within_a_unit_of_the_true_one(x):
    true = math.isqrt((x >> 1) << 15) << 1
    assert square_root(x) - true in (0, 2, -2)


@pytest.mark.parametrize(("x", "root"), [(1537600, 317438), (386884, 159232), (2774359336, 13484080), (16 << 16, 4 << 16), (1677066305, 10483710)])
def test_square_roots_of_the_binary(x, root):
    """Values that the function inside the binary returned, on both sides of a step."""
    assert square_root(x) == root


def test_seeds_of_cores_come_from_one_generator_in_order():
    seeds = core_seeds(42, 5)
    assert core_seeds(42, 3) == seeds[:3]
    assert len(set(seeds)) == 5
    assert all(0 < c <= 698769068 and y for _, y, _, c in seeds)


def test_sums_saturate_and_are_counted():
    sums, n = synaptic_sums(np.array([[2, 3], [0, 65535]], np.uint16), np.array([30_000, 30_000], np.uint16))
    assert sums.tolist() == [[60_000, 65_535], [0, 65_535]]
    assert n == 2
