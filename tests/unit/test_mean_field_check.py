"""A run beside mean-field theory: the full-scale ground state by its tolerances, others by the spread between seeds."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from spinn_mam.comparison import Comparison, Row, check_mean_field
from spinn_mam.comparison.mean_field import LEAST_CORRELATION, MOST_RMS, MeanFieldCheck
from spinn_mam.models import load_model
from spinn_mam.models.mam.network import is_published_ground_state
from spinn_mam.models.theory import MeanField, stationary_state
from spinn_mam.models.theory.regime import Prediction, predict
from spinn_mam.network.spec import NetworkSpec


@pytest.fixture(scope="module")
def ground() -> tuple[NetworkSpec, Prediction]:
    spec = load_model("mam").network()
    predicted = predict(spec)
    assert predicted is not None
    return spec, predicted


def counted(predicted: Prediction, sizes: list[int], rates: np.ndarray, seed: int, duration_ms: float = 1000.0) -> MeanFieldCheck:
    """A run whose neurons fire independently at these rates, beside theory."""
    seconds = duration_ms / 1000.0
    found = np.random.default_rng(seed).poisson(rates * np.array(sizes) * seconds) / (np.array(sizes) * seconds)
    return check_mean_field(predicted.names, found, predicted.rates, predicted.doubts, duration_ms, ground_state=True)


def test_a_run_of_the_full_scale_ground_state_passes_and_a_wrong_one_fails(ground: tuple[NetworkSpec, Prediction]) -> None:
    """Correct: theory's rates, an error of its own of 0.07 spikes/s rms, and one second of spikes. Wrong: weights 10 % larger, g = -10."""
    spec, predicted = ground
    sizes = [p.size for p in spec.populations]
    own_error = np.random.default_rng(5).normal(scale=0.07, size=len(sizes))
    correct = counted(predicted, sizes, np.maximum(predicted.rates + own_error, 0.0), 1)
    assert (correct.by, correct.verdict) == ("tolerances", "pass")
    assert "full-scale ground state: pass" in correct.lines()[1]
    field = MeanField.of(spec)
    stronger = dataclasses.replace(field, J=1.1 * field.J, J_square=1.21 * field.J_square)
    less_inhibition = MeanField.of(load_model("mam", ["synapses.g=-10"]).network())
    for wrong in (stronger, less_inhibition):
        check = counted(predicted, sizes, stationary_state(wrong).rates, 1)
        assert check.verdict == "fail"
        assert check.at_odds_with == "mean-field theory, which holds for this network"
        assert check.rms > MOST_RMS or (check.correlation or 0.0) < LEAST_CORRELATION
        assert "by more than the 0.41 spikes/s" in check.lines()[1]
    assert counted(predicted, sizes, predicted.rates, 1, duration_ms=100.0).verdict == "undecided"


@pytest.mark.parametrize(
    ("off", "verdict"), [({}, "pass"), ({"rms_lvr": 0.06}, "fail"), ({"rms_correlation": 3e-4}, "fail"), ({"rms_rate": 0.13}, "fail")]
)
def test_a_full_scale_run_is_judged_beside_a_reference_too(off: dict[str, float], verdict: str, ground: tuple[NetworkSpec, Prediction]) -> None:
    """Bounds of correct simulators, whatever the spread between seeds would allow."""
    _, predicted = ground
    values = {"rms_rate": 0.07, "rms_lvr": 0.03, "rms_correlation": 1e-4} | off
    rows = tuple(Row(name, "all", value, np.inf, value, True, False) for name, value in values.items())
    comparison = Comparison("senk26", 1000.0, 0.05, rows, (), ())
    check = check_mean_field(predicted.names, predicted.rates, predicted.rates, predicted.doubts, 2000.0, ground_state=True, comparison=comparison)
    assert check.verdict == verdict
    assert f"mean LvR {values['rms_lvr']:g} of at most 0.05" in check.lines()[2]
    assert check.to_metrics()["to_seeds"] == values
    assert check.at_odds_with == "the seeds of its reference"


@pytest.mark.parametrize(("value", "verdict"), [(np.inf, "fail"), (np.nan, "pass")])
def test_what_the_run_lacks_fails_and_what_the_reference_lacks_does_not_count(
    value: float, verdict: str, ground: tuple[NetworkSpec, Prediction]
) -> None:
    """A population that is silent in the run has no LvR; a reference that was made without LvR gives no number."""
    _, predicted = ground
    rows = (Row("rms_rate", "all", 0.07, np.inf, 0.07, True, False), Row("rms_lvr", "all", value, np.inf, 0.03, False, False))
    comparison = Comparison("senk26", 1000.0, 0.05, rows, (), ())
    check = check_mean_field(predicted.names, predicted.rates, predicted.rates, predicted.doubts, 2000.0, ground_state=True, comparison=comparison)
    assert check.verdict == verdict
    assert json.loads(json.dumps(check.to_metrics(), allow_nan=False))["to_seeds"] == {"rms_rate": 0.07}


def test_a_common_factor_fails_though_the_correlation_is_one(ground: tuple[NetworkSpec, Prediction]) -> None:
    _, predicted = ground
    check = check_mean_field(predicted.names, 1.1 * predicted.rates, predicted.rates, predicted.doubts, 2000.0, ground_state=True)
    assert check.correlation == pytest.approx(1.0)
    assert check.verdict == "fail"


@pytest.mark.parametrize(
    "settings",
    [("synapses.g=-10",), ("areas.simulated=V1",), ("variants.state=metastable",), ("variants.connectivity=unstabilised",)],
)
def test_the_tolerances_are_of_the_published_ground_state_alone(settings: tuple[str, ...], ground: tuple[NetworkSpec, Prediction]) -> None:
    assert is_published_ground_state(ground[0])
    assert not is_published_ground_state(load_model("mam", list(settings)).network())
    assert not is_published_ground_state(load_model("mam").network(0.5, 1.0))


def row(population: str, value: float, threshold: float, *, weak: bool = False) -> Row:
    return Row("mean_rate", population, value, threshold, threshold / 4, abs(value) <= threshold, weak)


class _Seed:
    def __init__(self, name: str, mean_rate: float) -> None:
        self.name, self.mean_rate = name, mean_rate


def beside_seeds(values: tuple[float, float, float]) -> MeanFieldCheck:
    """Seeds at 5, 2 and 0.01 spikes/s, of which the last says nothing; theory is right in A and off in B, where it is in doubt."""
    names = ("A", "B", "C")
    rows = (row("A", values[0], 0.1), row("B", values[1], 0.1), row("C", values[2], 3.0, weak=True))
    seeds = tuple(tuple(_Seed(n, r * f) for n, r in zip(names, (5.0, 2.0, 0.01), strict=True)) for f in (0.99, 1.0, 1.01))
    run = np.array([5.0, 2.0, 0.01]) * (1.0 + np.array(values))
    candidate = tuple(map(_Seed, names, run.tolist()))
    comparison = Comparison("senk26", 1000.0, 0.05, rows, candidate, seeds)  # type: ignore[arg-type]
    theory, doubts = np.array([5.2, 3.0, 0.02]), ("", "shared inputs: 4.0", "near silence: 0.02")
    return check_mean_field(names, 0.9 * run, theory, doubts, 4000.0, comparison=comparison)  # the whole run is longer than what is compared


def test_seeds_tell_a_wrong_run_from_theorys_own_error() -> None:
    right = beside_seeds((0.02, -0.05, 2.0))
    assert (right.by, right.verdict) == ("seeds", "pass")
    assert [(r.run_agrees, r.theory_agrees) for r in right.rows] == [(True, True), (True, False), (None, None)]
    assert ([r.run for r in right.rows], right.duration_ms) == (pytest.approx([5.1, 1.9, 0.03]), 1000.0)
    said = " ".join(right.lines())
    assert "the run is within it in all" in said
    assert "theory itself is within it in 1, off in 1, most B +1.00 (shared inputs: 4.0)" in said
    assert "not expected to hold in 2 of 3 populations: shared inputs (1), near silence (1)" in said
    wrong = beside_seeds((0.02, 0.2, 2.0))
    assert wrong.verdict == "fail"
    assert "the run is off in 1: B +0.40" in " ".join(wrong.lines())
    data = json.loads(json.dumps(wrong.to_metrics(), allow_nan=False))
    assert data["populations"]["B"] == {
        "run": pytest.approx(2.4),
        "theory": 3.0,
        "seeds": pytest.approx(2.0),
        "tolerance": pytest.approx(0.2),
        "run_agrees": False,
        "theory_agrees": False,
        "doubt": "shared inputs: 4.0",
    }


def test_theory_is_measured_over_the_populations_that_the_run_is_measured_over() -> None:
    """Populations of a few neurons do not count, however far theory is off there."""
    windows = tuple(tuple(SimpleNamespace(name=n, size=s, mean_rate=r * f) for n, s, r in (("A", 50, 5.0), ("B", 5, 1.0))) for f in (0.9, 1.1))
    rows = (Row("rms_rate", "all", 0.6, 1.0, 0.5, True, False),)
    comparison = Comparison("senk26", 1000.0, 0.05, rows, windows[0], windows)  # type: ignore[arg-type]
    check = check_mean_field(("A", "B"), np.array([4.5, 0.9]), np.array([5.0, 40.0]), ("", ""), 1000.0, comparison=comparison)
    assert check.overall is not None
    assert (check.overall.run, check.overall.theory) == (0.6, pytest.approx(0.5))


def test_without_seeds_nothing_is_judged() -> None:
    check = check_mean_field(("A", "B"), np.array([1.0, 2.0]), np.array([1.5, 2.0]), ("", ""), 1000.0)
    assert (check.by, check.verdict, check.rms) == ("nothing", "undecided", pytest.approx(0.125**0.5))
    assert "rms 0.354 spikes/s, most -0.500 (A)" in check.lines()[0]
    assert "spinn-mam reference" in check.lines()[1]
