"""Stability of areas beside their temporal order: networks and runs whose answer is known."""

import json

import numpy as np
import pytest
from multi_area_run import make_run
from scipy import stats

from spinn_mam.models.theory import MeanField, stationary_state
from spinn_mam.multi_area.analysis import MultiAreaAnalysis
from spinn_mam.multi_area.areas import find_areas
from spinn_mam.multi_area.numbers import area_numbers
from spinn_mam.multi_area.stability import area_stability, rank_agreement
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.report.area_interaction_figures import order_figure

AREAS = ("V1", "V2", "V3", "V4", "MT", "FEF")
NEURON = NeuronParameters(250.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)


def network(excitation: tuple[int, ...], between: int = 20) -> NetworkSpec:
    """Areas of an excitatory and an inhibitory population, the first with so many synapses from itself onto each neuron; a chain of areas."""
    names = [f"{area}-{p}" for area in AREAS for p in ("23E", "23I")]
    populations = tuple(Population(name, 40, NEURON, drive=PoissonDrive(16_000.0, 87.8, 1.5)) for name in names)
    weight, inhibition, delay = Distribution(87.8, 0.0), Distribution(-700.0, 0.0), Distribution(1.5, 0.0)
    projections = []
    for k, n in enumerate(excitation):
        e, i = 2 * k, 2 * k + 1
        projections += [Projection(e, e, 40 * n, weight, delay), Projection(i, e, 40 * 60, inhibition, delay)]
        projections.append(Projection(e, (e + 2) % (2 * len(AREAS)), 40 * between, weight, delay))
    return NetworkSpec("mam", 0.1, populations, tuple(projections), (1.0,) * len(names), "none")


def test_the_stability_of_an_area_is_that_of_its_block_of_the_gain_matrix() -> None:
    spec = network((10, 60, 20, 50, 30, 40))
    found = area_stability(spec, AREAS[::-1])
    assert found is not None
    assert found.names == AREAS[::-1]
    field = MeanField.of(spec)
    gain = field.gain(stationary_state(field).rates)
    for k, area in enumerate(AREAS):
        block = gain[2 * k : 2 * k + 2, 2 * k : 2 * k + 2]
        assert found.alone[AREAS[::-1].index(area)] == pytest.approx(np.linalg.eigvals(block).real.max())
    assert stats.spearmanr(found.alone[::-1], (10, 60, 20, 50, 30, 40)).statistic == pytest.approx(1.0)
    assert found.participation.sum() == pytest.approx(1.0)
    assert found.eigenvalue == pytest.approx(np.linalg.eigvals(gain).real.max())


def waves(delay_ms: tuple[int, ...]) -> np.ndarray:
    """One slow fluctuation that each area takes part in after its delay."""
    noise = np.random.default_rng(3).normal(size=3200)
    wave = 0.9 * np.tanh(3 * np.convolve(noise, np.ones(15) / 15, mode="same"))
    return 1 + np.array([wave[100 - d : 3100 - d] for d in delay_ms])


@pytest.mark.parametrize(("sign", "delays"), [(1.0, (10, 60, 20, 50, 30, 40)), (-1.0, (60, 10, 50, 20, 40, 30))])
def test_less_stable_areas_that_come_later_are_found_to(sign: float, delays: tuple[int, ...]) -> None:
    """Recurrent excitation makes an area less stable; activity reaches the areas in that order, or in the opposite one."""
    run = make_run(AREAS, common=waves(delays), duration_ms=3000.0, size=40, rate=12.0)
    analysis = MultiAreaAnalysis(run, find_areas(run.names), network((10, 60, 20, 50, 30, 40)))
    assert stats.spearmanr(analysis.order.time_ms, delays).statistic == pytest.approx(1.0)
    found = analysis.order_by_stability["areas alone"]
    assert (found.spearman, found.kendall, found.n) == (pytest.approx(sign), pytest.approx(sign), 6)
    assert found.spearman_p == pytest.approx(2 / 720)  # of all orders of six areas two agree perfectly, one in each direction
    assert found.kendall_p == pytest.approx(2 / 720)
    numbers = area_numbers(analysis, {"order"})
    json.dumps(numbers, allow_nan=False)
    assert numbers["order"]["stability"]["areas alone"]["n"] == 6
    assert numbers["areas"]["V2"]["eigenvalue_alone"] > numbers["areas"]["V1"]["eigenvalue_alone"]
    figure = order_figure(analysis)
    title = figure.axes[2].get_title()
    assert "Spearman's ρ and Kendall's τ over 6 areas" in title
    assert f"areas alone: ρ = {sign:+.2f} (p = 0.0028), τ = {sign:+.2f} (p = 0.0028)" in title


def test_independent_values_have_uniform_p_values() -> None:
    rng = np.random.default_rng(2)
    p = np.array([rank_agreement(rng.normal(size=20), rng.normal(size=20), rng).spearman_p for _ in range(60)])  # type: ignore[union-attr]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_what_cannot_be_ranked_is_left_out() -> None:
    rng = np.random.default_rng(1)
    some = np.array([1.0, 2.0, np.nan, np.nan, 3.0])
    assert rank_agreement(some, np.arange(5.0), rng) is None
    assert rank_agreement(np.zeros(5), np.arange(5.0), rng) is None
    quiet = make_run(AREAS, rate=0.0, duration_ms=1200.0, size=5)
    analysis = MultiAreaAnalysis(quiet, find_areas(quiet.names), network((10, 60, 20, 50, 30, 40)))
    assert analysis.order_by_stability == {}
    assert [text.get_text() for text in order_figure(analysis).axes[2].texts] == ["nor one to compare\nwith theory's stability of areas"]
    alone = MultiAreaAnalysis(quiet, find_areas(quiet.names))
    assert (alone.stability, alone.order_by_stability) == (None, {})
