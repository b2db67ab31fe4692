"""Distances against scipy, the reference file, and what the verdict is made of."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy import special, stats

from spinn_mam.analysis import PopulationStatistics, Sample, analyse
from spinn_mam.comparison import ReferenceStatistics, build_reference_statistics, compare, comparison_table
from spinn_mam.comparison.protocols import freedman_diaconis, gaussian_kde, kl_divergence, ks_distance
from spinn_mam.comparison.thresholds import critical_ratio, distance_thresholds, moderate, relative_thresholds
from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.recording import Recording

numbers = st.lists(st.sampled_from([0.0, 0.4, 0.8, 1.2, 3.0]) | st.floats(-5, 5), min_size=1, max_size=60)


def make_run(seed, gain=1.0, duration_ms=2500.0, sizes=(400, 300)):
    rng = np.random.default_rng(seed)
    n_steps = int(duration_ms * 10)
    rate = np.repeat([5.0, 9.0], sizes) * rng.gamma(4.0, 0.25, sum(sizes)) * gain
    neuron = np.repeat(np.arange(sum(sizes)), rng.poisson(rate * duration_ms / 1000.0))
    spikes = np.unique(rng.integers(0, n_steps, len(neuron)) * 10_000 + neuron)
    return Recording(("E", "I"), sizes, 0.1, 5000, 5000 + n_steps, spikes // 10_000 + 5000, (spikes % 10_000).astype(np.int32))


@pytest.fixture(scope="module")
def reference():
    return build_reference_statistics([make_run(seed) for seed in range(5)], range(5), provenance={"command": "made for this test"})


@settings(max_examples=60, deadline=None)
@given(numbers, numbers)
def test_ks_distance_is_scipys(a, b):
    with np.errstate(divide="ignore"):
        expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert ks_distance(Sample.of(a), Sample.of(b)) == pytest.approx(expected)


@pytest.mark.parametrize("factor", [0.3, 0.04, 0.002])
def test_kernel_density_is_scipys(factor):
    data = np.round(np.random.default_rng(1).gamma(3.0, 0.3, 3000), 3)
    sample = Sample.of(data)
    grid = freedman_diaconis(sample)
    expected = stats.gaussian_kde(data, factor)(grid)
    assert gaussian_kde(sample, factor, grid) == pytest.approx(expected, rel=1e-9, abs=1e-18)


def test_bins_are_those_of_freedman_and_diaconis():
    data = np.random.default_rng(1).normal(size=1000)
    grid = freedman_diaconis(Sample.of(data))
    assert grid[0] == data.min()
    assert np.diff(grid) == pytest.approx(2 * stats.iqr(data) / 10)
    assert data.max() - np.diff(grid)[0] <= grid[-1] <= data.max()
    assert freedman_diaconis(Sample.of(np.ones(10))) is None


def test_kl_divergence_is_scipys_and_zero_for_equals():
    rng = np.random.default_rng(2)
    p, q = rng.random(50), rng.random(50)
    assert kl_divergence(p, q) == pytest.approx(stats.entropy(p, q))
    assert kl_divergence(p, p) == 0.0
    q[:10] = 0.0
    assert kl_divergence(p, q) == pytest.approx(stats.entropy(p[10:], q[10:]))


def test_kl_divergence_of_samples_that_hardly_overlap_is_not_small():
    p, q = np.zeros(50), np.zeros(50)
    p[:30], q[29:] = 1.0, 1.0
    assert kl_divergence(p, q) == float("inf")
    assert kl_divergence(p, None) == float("inf")


def test_equal_variances_are_pooled_and_unequal_ones_kept():
    rng = np.random.default_rng(0)
    equal = rng.chisquare(4, 400) / 4
    moderated, dof = moderate(equal, 4, 1e6)
    assert moderated == pytest.approx(np.ones(400), rel=0.15)
    assert dof > 100
    unequal = equal * np.exp(3 * rng.standard_normal(400))
    moderated, dof = moderate(unequal, 4, 1e6)
    assert dof < 5
    assert np.corrcoef(np.log(moderated), np.log(unequal))[0, 1] > 0.95


def test_moderation_recovers_a_prior():
    # Smyth's model with d0 = 10: true variances are 10 / chi2(10).
    rng = np.random.default_rng(0)
    true = 10 / rng.chisquare(10, 20_000)
    _, dof = moderate(true * rng.chisquare(4, 20_000) / 4, 4, 1e6)
    assert dof - 4 == pytest.approx(10, rel=0.15)
    assert special.polygamma(1, 5) == pytest.approx(np.var(np.log(true)), rel=0.05)


def test_one_dimension_has_the_ratio_of_its_integral():
    # Four seeds and a candidate on a line: P(ratio > c) by another simulation, at a level with many exceedances.
    x = np.random.default_rng(5).standard_normal((200_000, 5))
    pairs = np.abs(x[:, [0, 0, 0, 1, 1, 2]] - x[:, [1, 2, 3, 2, 3, 3]])
    ratio = np.abs(x[:, :4] - x[:, 4:]).mean(axis=1) / pairs.mean(axis=1)
    assert np.mean(ratio > critical_ratio(4, 100.0, 0.05, power=1)) == pytest.approx(0.05, rel=0.05)


def test_critical_ratios_order():
    assert critical_ratio(5, 0.05, 0.01, power=1) < critical_ratio(5, 0.2, 0.01, power=1) < critical_ratio(5, 0.2, 0.001, power=1)
    assert critical_ratio(10, 0.2, 0.001, power=1) < critical_ratio(5, 0.2, 0.001, power=1)


def test_thresholds_scale_with_distances_and_ignore_the_diagonal():
    distances = np.random.default_rng(0).uniform(1.0, 2.0, (3, 4, 4))
    distances[:, range(4), range(4)] = np.nan
    distances[2, 0, 1] = np.inf
    first, second, third = distance_thresholds(distances, 0.01, power=1)
    assert first > distances[0, 0, 1]
    assert distance_thresholds(7 * distances, 0.01, power=1)[:2] == pytest.approx([7 * first, 7 * second])
    assert np.isnan(third)


def test_rates_of_one_population_have_students_threshold():
    relative = np.array([[-0.02, 0.0, 0.01, 0.01]])
    threshold, sd = relative_thresholds(relative, 0.05)
    assert sd == pytest.approx(relative.std(ddof=1))
    assert threshold == pytest.approx(3.182446 * relative.std(ddof=1) * np.sqrt(5 / 4))
    assert np.isnan(relative_thresholds(np.zeros((1, 4)), 0.05)[0]).all()


def test_reference_statistics_survive_the_file(reference, tmp_path):
    reference.save(tmp_path / "small.json")
    again = ReferenceStatistics.load(tmp_path / "small.json")
    assert (again.names, again.sizes, again.seeds, again.windows_ms) == (("E", "I"), (400, 300), (0, 1, 2, 3, 4), (500.0, 1000.0, 2000.0, 2500.0))
    assert again.provenance == {"command": "made for this test"}
    for ours, theirs in zip(again.statistics, reference.statistics, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            for p, q in zip(a, b, strict=True):
                for field in dataclasses.fields(p):
                    assert np.array_equal(getattr(p, field.name), getattr(q, field.name)), field.name


def test_the_same_statistics_give_the_same_bytes(reference, tmp_path):
    reference.save(tmp_path / "a.json")
    reference.save(tmp_path / "b.json")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text())["format"] == "spinn_mam.reference_statistics/1"


def test_a_damaged_table_is_named(reference, tmp_path):
    reference.save(tmp_path / "small.json")
    table = tmp_path / "small.npz"
    table.write_bytes(table.read_bytes()[:-10])
    with pytest.raises(DocumentError, match=r"small\.npz.*digest"):
        ReferenceStatistics.load(tmp_path / "small.json")
    table.unlink()
    with pytest.raises(DocumentError, match=r"small\.npz"):
        ReferenceStatistics.load(tmp_path / "small.json")


@pytest.mark.parametrize(
    ("change", "problem"), [({"format": "other/1"}, "expected 'spinn_mam.ref"), ({"extra": 1}, "extra"), ({"sizes": "x"}, "sizes")]
)
def test_a_wrong_document_is_named(reference, tmp_path, change, problem):
    path = tmp_path / "small.json"
    reference.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DocumentError, match=problem):
        ReferenceStatistics.load(path)


@pytest.mark.parametrize("protocol", ["va18", "senk26"])
def test_another_seed_passes_and_a_slower_network_fails(reference, protocol):
    good = compare(make_run(77), reference, protocol)
    assert good.verdict == "pass"
    bad = compare(make_run(77, gain=0.8), reference, protocol)
    assert bad.verdict == "fail"
    failing = {row.statistic for row in bad.rows if not row.weak and not row.passed}
    assert {"mean_rate", "rate"} <= failing


@pytest.mark.parametrize("protocol", ["va18", "senk26"])
def test_a_silent_run_fails(reference, protocol):
    silent = make_run(77, gain=0.0)
    comparison = compare(silent, reference, protocol)
    assert comparison.verdict == "fail"
    json.dumps(comparison.to_metrics(), allow_nan=False)


def test_a_longer_run_is_cut_and_a_shorter_one_meets_shorter_windows(reference):
    long = make_run(77, duration_ms=4000.0)
    assert compare(long, reference).window_ms == 2500.0
    assert compare(long, reference).rows == compare(long.window(0.0, 2500.0), reference).rows
    assert compare(long.window(0.0, 1900.0), reference).window_ms == 1000.0
    with pytest.raises(UsageError, match="300 ms after its warm-up"):
        compare(long.window(0.0, 300.0), reference)


def test_correlations_of_seconds_are_weak_with_a_reason(reference):
    rows = [row for row in compare(make_run(77), reference).rows if row.statistic == "correlation"]
    assert len(rows) == 2
    assert all(row.weak and "sampling noise" in row.note for row in rows)


def correlated_run(seed, shared):
    """Sixty neurons of 10 spikes/s for 20 s; a share of spikes, which differs between neurons, is taken from one common train."""
    rng = np.random.default_rng(seed)
    common = rng.choice(10_000, 400, replace=False)
    keys = []
    for i in range(60):
        n_shared = int(200 * shared * i / 60)
        bins = np.concatenate([rng.choice(common, n_shared, replace=False), rng.choice(10_000, 200 - n_shared, replace=False)])
        keys.append((bins * 20 + rng.integers(0, 20, 200)) * 100 + i)
    spikes = np.unique(np.concatenate(keys))
    return Recording(("E",), (60,), 0.1, 0, 200_000, spikes // 100, (spikes % 100).astype(np.int32))


def test_correlations_decide_when_they_stand_out_of_the_noise():
    strong = build_reference_statistics([correlated_run(seed, 0.9) for seed in range(5)], range(5))

    def row(shared):
        [found] = [row for row in compare(correlated_run(9, shared), strong).rows if row.statistic == "correlation"]
        return found

    assert not row(0.9).weak
    assert row(0.9).passed
    assert not row(0.6).passed


def test_nothing_to_decide_is_undecided(reference):
    runs = [make_run(seed, gain=0.0) for seed in range(6)]
    comparison = compare(runs[5], build_reference_statistics(runs[:5], range(5)))
    assert all(row.weak and row.note for row in comparison.rows)
    assert comparison.verdict == "undecided"


def test_the_scale_must_match(reference):
    with pytest.raises(UsageError, match="population E: the reference has 400 neurons, the run has 40 neurons"):
        compare(make_run(1, sizes=(40, 300)), reference)
    with pytest.raises(UsageError, match="unknown accuracy protocol 'ks'"):
        compare(make_run(1), reference, "ks")


def test_a_reference_needs_equal_networks_and_three_seeds():
    with pytest.raises(UsageError, match="seed 1 has other populations"):
        build_reference_statistics([make_run(0), make_run(1, sizes=(40, 300))], [0, 1])
    with pytest.raises(UsageError, match="different seeds"):
        build_reference_statistics([make_run(0), make_run(1)], [0, 0])
    with pytest.raises(UsageError, match="at least 3"):
        compare(make_run(2), build_reference_statistics([make_run(0), make_run(1)], [0, 1]))


def test_metrics_have_the_form_of_the_file(reference):
    metrics = compare(make_run(77), reference, "va18").to_metrics()
    assert metrics["protocol"] == "va18"
    assert metrics["verdict"] == "pass"
    assert set(metrics["rate"]) == {"E", "I"}
    entry = metrics["rate"]["E"]
    assert entry["pass"] is (entry["value"] <= entry["threshold"])
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_the_table_names_verdict_and_every_population(reference):
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(comparison_table(compare(make_run(77), reference)))
    text = console.export_text()
    assert "pass" in text
    assert "5 reference seeds" in text
    assert all(name in text for name in ("E", "I", "mean rate", "CV of ISI"))


def test_extra_populations_of_the_run_are_ignored(reference):
    run = make_run(77)
    more = Recording(("E", "I", "source"), (400, 300, 10), run.dt, run.start_step, run.stop_step, run.step, run.neuron)
    assert compare(more, reference).rows == compare(run, reference).rows
    assert len(analyse(more)[0]) == 3


def of_many(seed: int, factors: float | np.ndarray = 1.0) -> Recording:
    """Sixty populations of 100 neurons, which fire independently at rates that differ between populations and, by 3 %, between runs."""
    rng = np.random.default_rng(seed)
    names = [f"V{k // 8}-{k % 8}" for k in range(60)]
    rate = np.linspace(1.0, 9.0, 60) * rng.normal(1.0, 0.03, 60) * factors
    neuron = np.repeat(np.arange(6000), rng.poisson(np.repeat(rate, 100)))
    spikes = np.unique(rng.integers(0, 10_000, len(neuron)) * 10_000 + neuron)
    return Recording(names, [100] * 60, 0.1, 1, 10_001, spikes // 10_000 + 1, (spikes % 10_000).astype(np.int32))


def of_many_with(seed: int, jitter: float, common: float, n_common: int = 60) -> Recording:
    """Of sixty populations at 10 spikes/s: trains that lose their clock by ``jitter`` (1: Poisson), with a share of spikes in common in some."""
    rng = np.random.default_rng(seed)
    spikes = []
    for k in range(60):
        at = np.cumsum(100.0 * ((1.0 - jitter) + jitter * rng.exponential(size=(100, 25))), axis=1) + rng.uniform(-200.0, 0.0, (100, 1))
        shared = rng.random(at.shape) < common * (k < n_common)
        at[shared] = rng.choice(rng.uniform(0.0, 1000.0, 10), at.shape)[shared]
        neuron, column = np.nonzero((at >= 0.0) & (at < 1000.0))
        spikes.append(np.unique(np.floor(at[neuron, column] * 10).astype(np.int64) * 10_000 + 100 * k + neuron))
    every = np.sort(np.concatenate(spikes))
    return Recording([f"V{k // 8}-{k % 8}" for k in range(60)], [100] * 60, 0.1, 1, 10_001, every // 10_000 + 1, (every % 10_000).astype(np.int32))


@pytest.mark.parametrize(("jitter", "common", "failing"), [(1.0, 0.0, set()), (0.85, 0.0, {"rms_lvr"}), (1.0, 0.12, {"median_correlation"})])
def test_irregularity_and_correlations_of_many_populations_are_judged(jitter: float, common: float, failing: set[str], tmp_path: Path) -> None:
    reference = build_reference_statistics([of_many_with(seed, 1.0, 0.0) for seed in range(4)], range(4))
    run = of_many_with(9, jitter, common)
    rows = {row.statistic: row for row in compare(run, reference).rows if row.population == "all"}
    assert {name for name in ("rms_lvr", "median_correlation") if not rows[name].passed} == failing
    assert {name for name, row in rows.items() if row.weak} == {"rms_correlation"}
    reference.save(tmp_path / "r.json")
    again = ReferenceStatistics.load(tmp_path / "r.json")
    assert compare(run, again).rows == compare(run, reference).rows


def test_a_few_populations_that_leave_their_state_for_a_moment_do_not_fail_the_run() -> None:
    reference = build_reference_statistics([of_many_with(seed, 1.0, 0.0) for seed in range(4)], range(4))
    rows = {row.statistic: row for row in compare(of_many_with(9, 1.0, 0.12, n_common=6), reference).rows if row.population == "all"}
    assert rows["median_correlation"].passed
    assert not rows["rms_correlation"].passed
    assert "a few areas leave their state" in rows["rms_correlation"].note


def test_a_reference_without_irregularity_and_correlations_says_so() -> None:
    def without(statistics: PopulationStatistics) -> PopulationStatistics:
        return dataclasses.replace(statistics, lvr=np.nan, correlation=np.nan)

    made = build_reference_statistics([of_many(seed) for seed in range(3)], range(3))
    old = dataclasses.replace(made, statistics=tuple(tuple(tuple(map(without, w)) for w in seed) for seed in made.statistics))
    rows = {row.statistic: row for row in compare(of_many(9), old).rows if row.population == "all"}
    assert {name for name, row in rows.items() if row.weak and "made without" in row.note} == {"rms_lvr", "median_correlation", "rms_correlation"}


def test_many_populations_are_judged_together_where_each_alone_says_little() -> None:
    reference = build_reference_statistics([of_many(seed) for seed in range(5)], range(5))
    verdicts = []
    for seed in range(10, 16):
        right = compare(of_many(seed), reference)
        verdicts.append(right.verdict)
        (row,) = [row for row in right.rows if row.statistic == "rms_rate"]
        assert not row.weak
        assert row.typical < row.threshold < 1.6 * row.typical
    assert verdicts == ["pass"] * 6
    # every other population 12 % up, the others 12 % down: no mean rate tells
    wrong = compare(of_many(20, np.where(np.arange(60) % 2, 1.12, 0.88)), reference)
    (row,) = [row for row in wrong.rows if row.statistic == "rms_rate"]
    assert not row.passed
    assert wrong.verdict == "fail"
    assert "rms_rate" in wrong.to_metrics()
    file = io.StringIO()
    Console(file=file, width=120).print(comparison_table(wrong))
    shown = file.getvalue()
    assert "all populations together, mean rates, root mean square" in shown
    assert len([line for line in shown.splitlines() if line.strip().startswith("V")]) == 8  # an area a line
