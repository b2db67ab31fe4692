"""The figures show the numbers they are given."""

import io

import numpy as np
import pytest

from spinn_mam.comparison import PROTOCOLS, build_reference_statistics, compare
from spinn_mam.comparison.verdict import RELATIVE
from spinn_mam.recording import Recording
from spinn_mam.report.statistics_figures import distributions_figure, population_colours, raster_figure, rates_figure, verdict_figure

NAMES, SIZES = ("L23E", "L23I", "L4E"), (300, 100, 200)


def make_run(seed, gain=1.0):
    rng = np.random.default_rng(seed)
    rate = np.repeat([4.0, 6.0, 8.0], SIZES) * gain
    neuron = np.repeat(np.arange(600), rng.poisson(rate * 1.0))
    spikes = np.unique(rng.integers(0, 10_000, len(neuron)) * 1000 + neuron)
    return Recording(NAMES, SIZES, 0.1, 5000, 15000, spikes // 1000 + 5000, (spikes % 1000).astype(np.int32))


@pytest.fixture(scope="module")
def reference():
    return build_reference_statistics([make_run(seed) for seed in range(4)], range(4))


def svg(figure):
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


def test_raster_shows_each_spike_of_the_window_when_all_neurons_fit():
    run = make_run(9)
    figure = raster_figure(run, start_ms=200.0, duration_ms=300.0)
    [axes] = figure.axes
    steps = run.step - run.start_step
    expected = np.sort(steps[(steps >= 2000) & (steps < 5000)] * 0.1)
    drawn = np.sort(np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "."]))
    assert drawn == pytest.approx(expected)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert "600 of 600 neurons" in axes.get_title()


def test_raster_takes_a_share_of_each_population():
    figure = raster_figure(make_run(9), n_rows=60, least=20)
    heights = np.diff([0, *[line.get_ydata()[0] for line in figure.axes[0].lines if line.get_marker() == "None"], 70])
    assert heights.tolist() == [30, 20, 20]


def test_few_spikes_have_dots_that_can_be_seen_and_none_a_word():
    busy, quiet = (raster_figure(make_run(9, gain=gain)).axes[0] for gain in (1.0, 0.01))
    sizes = [max(line.get_markersize() for line in axes.lines if line.get_marker() == ".") for axes in (busy, quiet)]
    assert 1.5 < sizes[0] < sizes[1] < 10.0
    assert not busy.texts
    assert not quiet.texts
    silent = raster_figure(make_run(9, gain=0.0)).axes[0]
    assert [text.get_text() for text in silent.texts] == ["no spike of these neurons"]


def test_rates_have_bars_dots_and_differences(reference):
    comparison = compare(make_run(9, gain=1.3), reference)
    figure = rates_figure({}, 0.0, {"L23E": 4.0, "L4E": 8.0}, comparison)
    [axes] = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([p.mean_rate for p in comparison.candidate])
    assert len([line for line in axes.lines if line.get_marker() == "o"]) == 4
    [diamonds] = [line for line in axes.lines if line.get_marker() == "D"]
    assert diamonds.get_ydata() == pytest.approx([4.0, 8.0])
    assert axes.texts[0].get_text() == f"{comparison.rows[0].value:+.1%}"


@pytest.mark.parametrize("protocol", ["va18", "senk26"])
def test_verdict_and_distributions_name_every_row(reference, protocol):
    comparison = compare(make_run(9, gain=1.3), reference, protocol)
    grid = verdict_figure(comparison)
    assert len(grid.axes[0].texts) == len(comparison.rows)
    assert svg(grid).count("<svg") == 1
    assert comparison.verdict == "fail"
    figure = distributions_figure(comparison.candidate, PROTOCOLS[protocol], comparison.seeds, comparison.rows)
    words = [axes.texts[0].get_text() for axes in figure.axes]
    assert words.count("FAIL") == sum(not r.passed and not r.weak for r in comparison.rows if r.statistic not in RELATIVE) > 0
    assert words.count("weak") == sum(r.weak for r in comparison.rows if r.statistic not in RELATIVE)


@pytest.mark.parametrize("protocol", ["va18", "senk26"])
def test_a_silent_run_can_be_drawn(reference, protocol):
    silent = make_run(9, gain=0.0)
    comparison = compare(silent, reference, protocol)
    for figure in (
        raster_figure(silent),
        rates_figure({}, 0.0, {}, comparison),
        rates_figure({"E": 0.0}, 1000.0, {}),
        distributions_figure(comparison.candidate, PROTOCOLS[protocol], comparison.seeds, comparison.rows),
        distributions_figure(comparison.candidate, PROTOCOLS[protocol]),
        verdict_figure(comparison),
    ):
        assert "<svg" in svg(figure)


def test_layers_share_a_hue_and_inhibition_is_lighter():
    colours = population_colours(["L23E", "L23I", "L4E", "L4I"])
    assert len(set(colours)) == 4
    assert sum(colours[1]) > sum(colours[0])
    assert sum(colours[3]) > sum(colours[2])
