"""Hierarchies, paths and directed interactions against networkx, direct regressions and every possibility of small cases."""

import itertools

import networkx as nx
import numpy as np
import pytest
from scipy import special

from spinn_mam.errors import UsageError
from spinn_mam.models import load_model
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.structure import structure
from spinn_mam.multi_area.anatomy import find_anatomy
from spinn_mam.multi_area.areas import find_areas
from spinn_mam.multi_area.functional_connectivity import measured_connectivity
from spinn_mam.multi_area.granger import granger_causality, layer_interactions
from spinn_mam.multi_area.hierarchy import anatomical_levels, kendall, n_broken, optimal_hierarchies, relations, sln_levels
from spinn_mam.multi_area.map_equation import map_equation_modules
from spinn_mam.multi_area.paths import end_layers, n_areas_passed, scaled_gains, strongest_paths
from spinn_mam.multi_area.rate_series import RateSeries

RNG = np.random.default_rng


@pytest.mark.parametrize("seed", range(3))
def test_annealing_finds_every_optimal_hierarchy_of_five_areas(seed):
    rng = RNG(seed)
    sln = np.where(rng.random((5, 5)) < 0.8, rng.random((5, 5)), np.nan)
    relation = relations(sln)
    every = {tuple(np.unique(levels, return_inverse=True)[1].tolist()) for levels in itertools.product(range(5), repeat=5)}
    costs = {levels: n_broken(relation, levels) for levels in every}
    best = {levels for levels, cost in costs.items() if cost == min(costs.values())}
    found = optimal_hierarchies(tuple("abcde"), relation, rng, n_chains=400, n_steps=1500)
    assert found.n_broken == min(costs.values())
    assert found.n_relations == np.isfinite(relation).sum()
    assert {tuple(levels) for levels in found.levels.tolist()} <= best
    assert len(found.levels) > 0.7 * len(best)
    assert found.positions().max() == 1.0


def test_relations_by_share_of_upper_layers():
    relation = relations(np.array([[0.9, 0.7, np.nan], [0.3, 0.9, 0.5], [0.65, 0.35, 0.9]]))
    assert relation == pytest.approx(np.array([[np.nan, 1, np.nan], [-1, np.nan, 0], [0, 0, np.nan]]), nan_ok=True)
    # the first area gets feedforward input from the second, and gives it feedback: one level above fits both
    assert n_broken(relation[:2, :2], [1, 0]) == 0
    assert n_broken(relation[:2, :2], [0, 1]) == 2


def test_levels_by_sln_are_those_that_made_it():
    levels = np.array([0.0, 0.4, 1.1, 1.5, 0.7])
    sln = special.ndtr(levels[:, None] - levels[None, :])
    sln[0, 4] = sln[2, 3] = np.nan
    assert sln_levels(sln) == pytest.approx(levels, abs=1e-12)
    alone = np.full((6, 6), np.nan)
    alone[:5, :5] = sln
    assert np.isnan(sln_levels(alone)[5])


def test_kendalls_tau_counts_pairs_in_the_same_order():
    a, b = np.array([1.0, 2.0, 3.0, 4.0, np.nan]), np.array([1.0, 3.0, 2.0, 4.0, 5.0])
    assert kendall({"a": a, "b": b})["a", "b"][0] == pytest.approx((5 - 1) / 6)
    assert kendall({"a": a, "b": np.full(5, 2.0)}) == {}


def test_anatomical_hierarchies_rise_from_v1():
    anatomy = find_anatomy(AREAS)
    assert anatomy.connected.sum() == 571
    assert np.isfinite(anatomy.sln_completed).sum() == 571
    for name, levels in anatomical_levels(anatomy).items():
        # by SLN alone PO is a little lower, of which few pathways are measured
        assert (levels < levels[AREAS.index("V1")]).sum() <= (name == "SLN"), name
        assert levels[AREAS.index("7a")] > levels[AREAS.index("V4")] > levels[AREAS.index("V2")], name
    assert find_anatomy(("V2", "nowhere")).density == pytest.approx([anatomy.density[1], np.nan], nan_ok=True)
    assert find_anatomy(("nowhere",)) is None


def shares(variant, axis):
    """Synapses between areas, [target, source], over their sum along an axis."""
    network = structure(load_model("mam", [f"anatomy.in_degrees={variant}"]).content)
    synapses = np.einsum("ai,aibj->ab", network.N, network.K)
    np.fill_diagonal(synapses, 0.0)
    total = synapses.sum(axis=axis, keepdims=True)
    return np.divide(synapses, total, out=np.zeros_like(synapses), where=total > 0)


@pytest.mark.parametrize("seed", range(3))
def test_the_published_methods_give_the_published_clusters(seed):
    published = find_anatomy(AREAS).clusters
    for name, variant, axis in (("structure", "unstabilised", 0), ("stabilised", "published", 1)):
        assert map_equation_modules(shares(variant, axis), RNG(seed))[0].tolist() == published[name].tolist(), name


def test_clusters_of_some_areas_and_of_unknown_ones():
    clusters = find_anatomy(AREAS).clusters
    assert {name: labels.max() + 1 for name, labels in clusters.items()} == {"structure": 6, "stabilised": 7, "simulated": 2, "fmri": 2}
    assert find_anatomy(("V2", "FEF", "V1", "nowhere")).clusters["structure"].tolist() == [0, 1, 0, -1]
    assert find_anatomy(("FEF", "V2", "V1")).clusters["structure"].tolist() == [0, 1, 1]


def test_fmri_connectivity_of_both_hemispheres():
    both = measured_connectivity(("V1", "V2", "TH", "elsewhere"))
    # the first pair of the table, and one from the file it was taken from
    assert both[:, 0, 1] == pytest.approx([0.762351, 0.805526])
    assert both[0, 1, 0] == both[0, 0, 1]
    assert np.isnan(both[:, 3, :]).all()
    upper = np.triu_indices(32, 1)
    first, second = measured_connectivity(AREAS)
    assert np.corrcoef(first[upper], second[upper])[0, 1] == pytest.approx(0.899, abs=0.001)


def some_gains(seed):
    names = [f"{area}-{population}" for area in ("V1", "V2", "MT") for population in ("23E", "4E", "6E")]
    rng = RNG(seed)
    gains = rng.lognormal(0, 2, (9, 9)) * (rng.random((9, 9)) < 0.4)
    return find_areas(names), gains


@pytest.mark.parametrize("seed", range(5))
def test_strongest_paths_are_networkxs_shortest(seed):
    areas, gains = some_gains(seed)
    scaled = gains / np.abs(np.linalg.eigvals(gains)).max()
    graph = nx.DiGraph()
    graph.add_nodes_from(range(9))
    graph.add_weighted_edges_from((s, t, -np.log10(scaled[t, s])) for t, s in zip(*np.nonzero(gains), strict=True))
    lengths = dict(nx.all_pairs_bellman_ford_path_length(graph))
    found = strongest_paths(gains, areas)
    for target, source in itertools.permutations(areas.names, 2):
        ends = [(lengths[s][t], s, t) for s in areas.populations(source) for t in areas.populations(target) if t in lengths[s]]
        if not ends:
            assert (target, source) not in found
            continue
        path = found[target, source]
        assert path.length == pytest.approx(min(ends)[0])
        product = np.prod([scaled[b, a] for a, b in itertools.pairwise(path.populations)])
        assert -np.log10(product) == pytest.approx(path.length)
    table = end_layers(found, areas, np.ones((3, 3), bool))
    assert table.sum() == len(found) == sum(n_areas_passed(found, areas).values())


def test_no_loop_of_scaled_gains_is_above_one():
    _, gains = some_gains(1)
    scaled = scaled_gains(gains)
    assert max((scaled[b, a] * scaled[a, b] for a in range(9) for b in range(9) if a != b), default=0) <= 1
    assert scaled_gains(np.triu(gains, 1)) == pytest.approx(np.triu(gains, 1))
    # single gains may be, which Dijkstra's algorithm alone cannot take
    assert any(scaled_gains(some_gains(seed)[1]).max() > 1 for seed in range(5))


def autoregressive(coefficients, n, rng):
    """Two bins of memory: x_t = sum_k coefficients[k] x_{t-1-k} + noise."""
    x = np.zeros((coefficients.shape[1], n + 200))
    noise = rng.normal(size=x.shape)
    for t in range(2, n + 200):
        x[:, t] = coefficients[0] @ x[:, t - 1] + coefficients[1] @ x[:, t - 2] + noise[:, t]
    return x[:, 200:]


def test_causality_equals_regressions_with_and_without_the_source():
    rng = RNG(0)
    x = autoregressive(rng.normal(0, 0.15, (2, 4, 4)), 600, rng)
    found = granger_causality(RateSeries(tuple("abcd"), 1.0, x), np.ones((4, 4), bool), order=3)
    z = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)

    def residual(target, sources):
        past = np.array([z[s, 3 - k : 600 - k] for s in sources for k in (1, 2, 3)] + [np.ones(597)]).T
        y = z[target, 3:]
        return ((y - past @ np.linalg.lstsq(past, y, rcond=None)[0]) ** 2).sum()

    for target, source in itertools.permutations(range(4), 2):
        with_it, without = residual(target, range(4)), residual(target, [s for s in range(4) if s != source])
        assert found.strength[target, source] == pytest.approx(np.log(without / with_it), rel=1e-8)
        free = 597 - 12 - 1
        assert found.p[target, source] == pytest.approx(special.fdtrc(3, free, (without - with_it) / 3 / (with_it / free)), rel=1e-7)


def test_direct_interactions_are_told_from_indirect_ones():
    rng = RNG(1)
    chain = np.zeros((2, 3, 3))
    chain[0] = [[0, 0, 0], [0.4, 0.3, 0], [0, 0.4, 0.3]]
    found = granger_causality(RateSeries(tuple("abc"), 1.0, autoregressive(chain, 5000, rng)), np.ones((3, 3), bool), order=2)
    assert np.argwhere(found.significant).tolist() == [[1, 0], [2, 1]]
    # of white noise seen with coefficient c through noise of the same variance: log(1 + c^2)
    assert found.strength[1, 0] == pytest.approx(np.log1p(0.4**2), rel=0.15)


def test_p_values_of_independent_rates_are_uniform_and_few_are_significant():
    rng = RNG(2)
    p, significant = [], 0
    for _ in range(20):
        rates = rng.poisson(3.0, (5, 800)).astype(float)
        found = granger_causality(RateSeries(tuple("abcde"), 1.0, rates), np.ones((5, 5), bool), order=4)
        p += found.p[np.isfinite(found.p)].tolist()
        significant += int(found.significant.any())
    assert len(p) == 400
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert significant <= 4


def test_silent_and_unconnected_populations_are_not_tested():
    rates = RNG(3).poisson(3.0, (3, 500)).astype(float)
    rates[1] = 0.0
    candidates = np.array([[0, 1, 0], [1, 0, 1], [1, 0, 0]], dtype=bool)
    found = granger_causality(RateSeries(tuple("abc"), 1.0, rates), candidates, order=2)
    assert np.argwhere(np.isfinite(found.p)).tolist() == [[2, 0]]
    with pytest.raises(UsageError, match="500 bins of 1 ms for up to 400 regressors"):
        granger_causality(RateSeries(tuple("abc"), 1.0, rates), candidates, order=200)


def test_interactions_between_areas_are_counted_by_layer():
    areas = find_areas(["V1-23E", "V1-5E", "V2-23E", "V2-6E"])
    significant = np.zeros((4, 4), bool)
    significant[3, 0] = significant[2, 0] = significant[1, 0] = significant[0, 3] = True
    table = layer_interactions(significant, areas, np.array([[False, True], [True, False]]))
    assert (table[6, 0], table[0, 0], table[0, 6], table.sum()) == (1, 1, 1, 3)
    only = layer_interactions(significant, areas, np.array([[False, False], [True, False]]))
    assert only.sum() == 2
