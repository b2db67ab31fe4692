"""Communities against networkx, Infomap, and every division of small networks."""

import networkx as nx
import numpy as np
import pytest

from spinn_mam.multi_area.communities import adjusted_rand, chance_quality, louvain, modularity, modularity_matrix, shuffled, similarity
from spinn_mam.multi_area.divisions import in_order
from spinn_mam.multi_area.map_equation import description_length, map_equation_modules, walk

RNG = np.random.default_rng


def planted(seed, n, k):
    """A directed network of k planted communities; what Infomap got, below, is made in the same way."""
    rng = RNG(seed)
    truth = np.arange(n) % k
    weights = rng.gamma(0.5, 1, (n, n)) * (0.05 + 1.0 * (truth[:, None] == truth[None, :])) * (rng.random((n, n)) < 0.6)
    np.fill_diagonal(weights, 0)
    return weights, truth


def divisions(n):
    """Every division of n things."""
    if n == 0:
        yield ()
        return
    for rest in divisions(n - 1):
        for label in range(max(rest, default=-1) + 2):
            yield (*rest, label)


#: infomap 2.16.0 from the package index: Infomap(directed=True, two_level=True, num_trials=20, seed=1); networks as planted(*key):
#: code length, its one-level code length, modules.
INFOMAP = {
    (0, 8, 2): (1.8154101769275721, 2.093098074618459, [2, 2, 2, 1, 2, 1, 2, 1]),
    (1, 12, 3): (2.7676000493443564, 3.179186941249704, [2, 1, 2, 3, 1, 2, 3, 1, 1, 2, 1, 2]),
    (2, 16, 4): (2.669606290520587, 3.716196932242921, [1, 4, 3, 2] * 4),
    (3, 24, 4): (3.5236150337054086, 4.325591278525107, [3, 1, 2, 4, 3, 1, 2, 4, 4, 1, 2, 4] + [3, 1, 2, 4] * 3),
    (5, 32, 6): (
        4.315404291014622,
        4.787195234032039,
        [1, 3, 4, 5, 4, 2, 1, 3, 4, 5, 6, 2, 1, 3, 3, 1, 6, 2, 1, 3, 4, 5, 4, 2, 1, 3, 4, 5, 6, 2, 1, 3],
    ),
}


@pytest.mark.parametrize("key", INFOMAP)
def test_description_lengths_are_infomaps_and_the_search_finds_none_longer(key):
    weights, _ = planted(*key)
    length, one_level, modules = INFOMAP[key]
    flow = walk(weights)
    assert description_length(flow, np.array(modules)) == pytest.approx(length, rel=1e-12)
    assert description_length(flow, np.zeros(key[1], np.int64)) == pytest.approx(one_level, rel=1e-12)
    labels, found = map_equation_modules(weights, RNG(0))
    assert found <= length + 1e-9
    assert description_length(flow, labels) == pytest.approx(found)


@pytest.mark.parametrize("seed", range(4))
def test_searches_find_the_best_of_all_divisions(seed):
    weights, _ = planted(seed, 7, 2)
    everything = [np.array(division) for division in divisions(7)]
    assert len(everything) == 877
    flow = walk(weights)
    assert map_equation_modules(weights, RNG(1))[1] == pytest.approx(min(description_length(flow, labels) for labels in everything))
    signed = modularity_matrix(np.corrcoef(RNG(seed).normal(size=(7, 12))))
    for matrix in (modularity_matrix(weights), signed):
        assert louvain(matrix, RNG(1))[1] == pytest.approx(max(modularity(matrix, labels) for labels in everything))


def test_a_dead_end_and_an_area_without_links_do_not_break_the_walk():
    weights = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 0.0]])
    flow = walk(weights)
    assert flow.sum() == pytest.approx(1.0)
    assert flow[2, 0] == pytest.approx(flow[1, 0] / 2)


@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize("resolution", [0.7, 1.0, 1.6])
def test_modularity_is_networkxs(directed, resolution):
    weights, truth = planted(9, 20, 4)
    if not directed:
        weights = weights + weights.T
    graph = nx.from_numpy_array(weights.T, create_using=nx.DiGraph if directed else nx.Graph)
    sets = [set(np.flatnonzero(truth == label).tolist()) for label in range(4)]
    matrix = modularity_matrix(weights, resolution)
    assert modularity(matrix, truth) == pytest.approx(nx.community.modularity(graph, sets, resolution=resolution))
    found = [nx.community.louvain_communities(graph, resolution=resolution, seed=seed) for seed in range(5)]
    theirs = max(nx.community.modularity(graph, each, resolution=resolution) for each in found)
    assert louvain(matrix, RNG(2))[1] >= theirs - 1e-9


def test_modularity_of_signed_weights_follows_rubinov_and_sporns():
    w = np.array([[0, 2, -1, 0], [2, 0, 0, -1], [-1, 0, 0, 3], [0, -1, 3, 0.0]])
    labels = np.array([0, 0, 1, 1])
    up, down = np.maximum(w, 0), np.maximum(-w, 0)
    expected = 0.0
    for i in range(4):
        for j in range(4):
            if labels[i] == labels[j]:
                expected += (up[i, j] - up[i].sum() * up[j].sum() / up.sum()) / up.sum()
                expected -= (down[i, j] - down[i].sum() * down[j].sum() / down.sum()) / (up.sum() + down.sum())
    assert modularity(modularity_matrix(w), labels) == pytest.approx(expected)
    assert louvain(modularity_matrix(w), RNG(0))[0].tolist() == [0, 0, 1, 1]


def test_planted_communities_are_found_and_beat_shuffled_networks():
    weights, truth = planted(2, 16, 4)
    labels, quality = louvain(modularity_matrix(weights), RNG(0))
    assert similarity(labels, truth, RNG(1), 200).adjusted_rand == 1.0
    chance = chance_quality(weights, lambda w: louvain(modularity_matrix(w), RNG(3), 2)[1], RNG(2), n_networks=30)
    assert quality > chance.max() + 0.05
    mixed = shuffled(weights, RNG(4))
    assert mixed.sum(axis=0) == pytest.approx(weights.sum(axis=0))
    assert not np.diag(mixed).any()
    both = shuffled(weights + weights.T, RNG(4), symmetric=True)
    assert np.array_equal(both, both.T)
    assert np.sort(both, axis=None) == pytest.approx(np.sort(weights + weights.T, axis=None))


def test_similarity_of_divisions():
    a = np.array([0, 0, 1, 1, 2, 2])
    b = np.array([0, 0, 1, 2, 2, 2])
    same = [(a[i] == a[j], b[i] == b[j]) for i in range(6) for j in range(i)]
    both, one, other = sum(x and y for x, y in same), sum(x for x, _ in same), sum(y for _, y in same)
    expected = one * other / len(same)
    assert adjusted_rand(a, b) == pytest.approx((both - expected) / ((one + other) / 2 - expected))
    assert similarity(a, 5 - a, RNG(0), 500).mutual_information == pytest.approx(1.0)
    rng = RNG(8)
    assert abs(np.mean([adjusted_rand(*rng.integers(0, 4, (2, 32))) for _ in range(500)])) < 0.01
    # 15 divisions of six areas into pairs, one of them the same
    assert similarity(a, a, rng, 4000).p == pytest.approx(1 / 15, abs=0.015)


def test_labels_are_in_order():
    assert in_order([3, 3, 0, 7, 0]).tolist() == [0, 0, 1, 2, 1]
