"""The recipe gives every tile its exact synapses, whatever else is asked, and the law it states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spinn_mam.errors import UsageError
from spinn_mam.network import connectivity, kernels
from spinn_mam.network.connectivity import Connectivity, delay_table, quantile_table
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, Population, Projection
from spinn_mam.network.streams import child_key, stream_key

NEURON = NeuronParameters(250.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)
WEIGHT = Distribution(87.8, 8.78, 0.0, np.inf)
DELAY = Distribution(1.5, 0.75, 0.05, np.inf)


def network(n_sources: int, n_targets: int, n_synapses: int, weight: Distribution = WEIGHT, delay: Distribution = DELAY) -> NetworkSpec:
    populations = (Population("S", n_sources, NEURON), Population("T", n_targets, NEURON))
    return NetworkSpec("test", 0.1, populations, (Projection(0, 1, n_synapses, weight, delay),), (1.0, 1.0), "none")


def synapses(rows: connectivity.Rows, first: int) -> list[tuple[int, int, int, float]]:
    source = np.repeat(np.arange(len(rows.offsets) - 1) + first, np.diff(rows.offsets))
    return sorted(zip(source.tolist(), rows.target.tolist(), rows.delay.tolist(), rows.weight.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_tiles_are_cut_from_one_network(data: st.DataObject) -> None:
    n_sources, n_targets = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 90))
    spec = network(n_sources, n_targets, data.draw(st.integers(0, 3000)))
    c = Connectivity(spec, data.draw(st.integers(0, 2**63 - 1)))
    whole = synapses(c.rows(0, (0, n_sources), (0, n_targets)), 0)
    assert len(whole) == spec.n_synapses
    a, b = sorted(data.draw(st.tuples(st.integers(0, n_sources), st.integers(0, n_sources))))
    lo, hi = sorted(data.draw(st.tuples(st.integers(0, n_targets), st.integers(0, n_targets))))
    tile = c.rows(0, (a, b), (lo, hi))
    assert synapses(tile, a) == [s for s in whole if a <= s[0] < b and lo <= s[1] < hi]
    assert np.array_equal(np.diff(tile.offsets), c.counts(0, (a, b), (lo, hi)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**62), st.integers(1, 30))
def test_blocks_hold_the_total(seed: int, block: int) -> None:
    spec = network(20, 97, 1500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectivity, "MAX_BLOCK", block)
        c = Connectivity(spec, seed)
        assert c.blocks[0].totals.sum() == 1500
        whole = synapses(c.rows(0, (0, 20), (0, 97)), 0)
        parts = [s for lo in range(0, 97, 13) for s in synapses(c.rows(0, (0, 20), (lo, min(lo + 13, 97))), 0)]
        assert sorted(parts) == whole
        assert len(whole) == 1500


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_child_keys_are_the_kernels_child_keys(seed: int, index: int) -> None:
    key = stream_key(seed, "a")
    assert int(child_key(key, index)) == int(kernels.subkey(key, np.uint64(index)))


@pytest.mark.parametrize(("n", "p", "q"), [(1, 1, 3), (63, 1, 2), (64, 2, 3), (1000, 7, 1000), (5000, 999, 1000)])
def test_binomial_has_its_distribution(n: int, p: int, q: int) -> None:
    # chi-square over 4,000 draws at a false-alarm rate of 1e-4, one seed
    draws = np.array([kernels.binomial(n, p, q, np.uint64(k * 2654435761 + 99)) for k in range(4000)])
    support = np.arange(n + 1)
    expected = stats.binom.pmf(support, n, p / q) * len(draws)
    observed = np.bincount(draws, minlength=n + 1)
    groups = np.minimum((np.cumsum(expected) / 25).astype(int), 150)
    e, o = np.bincount(groups, expected), np.bincount(groups, observed)
    keep = e > 5
    statistic = float((((o - e) ** 2) / np.where(keep, e, np.inf)).sum())
    assert statistic < stats.chi2.isf(1e-4, keep.sum())


def test_out_degrees_in_degrees_and_pairs_are_multinomial() -> None:
    spec = network(300, 400, 300 * 400)
    rows = Connectivity(spec, 5).rows(0, (0, 300), (0, 400))
    source = np.repeat(np.arange(300), np.diff(rows.offsets))
    for counts, n in ((np.bincount(source, minlength=300), 300), (np.bincount(rows.target, minlength=400), 400)):
        chi2 = ((counts - spec.n_synapses / n) ** 2 / (spec.n_synapses / n)).sum()
        assert stats.chi2.isf(0.9999, n - 1) < chi2 < stats.chi2.isf(1e-4, n - 1)
    pairs = np.bincount(np.bincount(source * 400 + rows.target, minlength=300 * 400), minlength=8)[:8]
    expected = stats.poisson.pmf(np.arange(8), 1.0) * 300 * 400
    assert ((pairs - expected) ** 2 / expected).sum() < stats.chi2.isf(1e-4, 7)


def test_weights_and_delays_follow_their_clipped_normals() -> None:
    weight, delay = Distribution(10.0, 8.0, 0.0, np.inf), Distribution(0.5, 0.4, 0.05, np.inf)
    rows = Connectivity(network(200, 200, 200_000, weight, delay), 11).rows(0, (0, 200), (0, 200))
    truth = stats.truncnorm(-10.0 / 8.0, np.inf, 10.0, 8.0)
    assert stats.kstest(rows.weight, truth.cdf).pvalue > 1e-4
    assert rows.weight.min() >= 0.0
    law = stats.truncnorm((0.05 - 0.5) / 0.4, np.inf, 0.5, 0.4)
    steps = np.arange(1, 18)
    expected = (law.cdf((steps + 0.5) * 0.1) - law.cdf((steps - 0.5) * 0.1)) * 200_000
    observed = np.bincount(rows.delay, minlength=19)[1:18]
    assert ((observed - expected) ** 2 / expected).sum() < stats.chi2.isf(1e-4, 16)


def test_delays_of_hundreds_of_steps_follow_their_law() -> None:
    delay = Distribution(18.0, 9.0, 0.05, np.inf)
    rows = Connectivity(network(200, 200, 200_000, delay=delay), 5).rows(0, (0, 200), (0, 200))
    law = stats.truncnorm(-17.95 / 9.0, np.inf, 18.0, 9.0)
    assert rows.delay.max() > 500
    groups = np.arange(0, 601, 12) + 0.5
    expected = np.diff(law.cdf(groups * 0.1), append=1.0) * 200_000
    expected[0] += law.cdf(0.05) * 200_000
    observed = np.histogram(rows.delay, [*groups, np.inf])[0]
    keep = expected > 5
    assert ((observed - expected)[keep] ** 2 / expected[keep]).sum() < stats.chi2.isf(1e-4, keep.sum() - 1)


def test_weight_and_delay_are_independent_of_each_other_and_of_the_target() -> None:
    rows = Connectivity(network(300, 300, 300_000), 3).rows(0, (0, 300), (0, 300))
    columns = np.array([rows.weight, rows.delay, rows.target], float)
    off = np.corrcoef(columns)[np.triu_indices(3, 1)]
    assert np.abs(off).max() < 4.5 / np.sqrt(300_000)


def test_fixed_values_without_spread() -> None:
    rows = Connectivity(network(5, 5, 100, Distribution(-3.0, 0.0), Distribution(2.0, 0.0)), 1).rows(0, (0, 5), (0, 5))
    assert set(rows.weight) == {-3.0}
    assert set(rows.delay) == {20}


def test_tables_match_the_moments() -> None:
    z = quantile_table(WEIGHT).astype(float) / 2**20
    mean = (z[:-1] + z[1:]).sum() / 2 / 4096
    variance = ((z[1:] ** 2 + z[1:] * z[:-1] + z[:-1] ** 2) / 3).sum() / 4096 - mean**2
    assert abs(mean) < 1e-6
    assert abs(variance - 1.0) < 1e-3
    assert delay_table(DELAY, 0.1).first == 1


def test_a_recipe_is_a_function_of_spec_and_seed() -> None:
    one, other = Connectivity(network(9, 9, 50), 1), Connectivity(network(9, 9, 50), 2)
    assert one.digest() == Connectivity(network(9, 9, 50), 1).digest()
    assert one.digest() != other.digest()
    assert synapses(one.rows(0, (0, 9), (0, 9)), 0) != synapses(other.rows(0, (0, 9), (0, 9)), 0)


def test_a_tile_beyond_its_population_is_refused() -> None:
    with pytest.raises(UsageError, match=r"targets \[0, 10\) of projection 0 reach beyond T \(0 to 9\)"):
        Connectivity(network(9, 9, 50), 1).counts(0, (0, 9), (0, 10))
    with pytest.raises(UsageError, match="at most 65535 steps"):
        delay_table(Distribution(5000.0, 2500.0, 0.05, np.inf), 0.1)


def test_the_largest_draw_stays_within_the_delay_table() -> None:
    for delay in (DELAY, Distribution(0.75, 0.375, 0.05, np.inf), Distribution(2.0, 0.0), Distribution(20.0, 10.0, 0.05, np.inf)):
        table = delay_table(delay, 0.1)
        assert table.cumulative[-1] == 2**32
        assert (np.diff(table.cumulative.astype(object)) >= 0).all()
        assert np.searchsorted(table.cumulative, np.uint64(2**32 - 1), side="right") < len(table.cumulative)
