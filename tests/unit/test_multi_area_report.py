"""Figures and numbers of networks of several areas, from a made-up run of a small network."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from multi_area_run import make_run
from rich.console import Console

from spinn_mam.comparison import check_mean_field
from spinn_mam.errors import UsageError
from spinn_mam.flow.results import plot_run
from spinn_mam.flow.stages import stage_folder
from spinn_mam.models.mam.areas import POPULATIONS
from spinn_mam.multi_area.analysis import MultiAreaAnalysis, possible_sources
from spinn_mam.multi_area.area_spectra import area_spectra
from spinn_mam.multi_area.areas import find_areas
from spinn_mam.multi_area.functional_connectivity import Agreement
from spinn_mam.multi_area.numbers import area_numbers
from spinn_mam.multi_area.rate_series import RateSeries, area_rates, rate_series
from spinn_mam.multi_area.temporal_order import temporal_order
from spinn_mam.multi_area.timescales import timescales
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, Population, Projection
from spinn_mam.recording import Recording
from spinn_mam.report import run_figures
from spinn_mam.report.area_interaction_figures import connectivity_figure, order_figure, timescales_figure
from spinn_mam.report.multi_area_figures import raster_areas, rates_map_figure
from spinn_mam.report.run_figures import AREA_FIGURES, Shown, unavailable
from spinn_mam.report.run_report import figures_missing
from spinn_mam.report.tables import rates_table


def network_of(run):
    """A network of these populations: 23E of each area projects to 4E and 6E of the next."""
    neuron = NeuronParameters(250.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)
    populations = tuple(Population(name, size, neuron) for name, size in zip(run.names, run.sizes, strict=True))
    sources = [i for i, name in enumerate(run.names) if name.endswith("-23E")]
    targets = [i for i, name in enumerate(run.names) if name.endswith(("-4E", "-6E"))]
    pairs = [(s, t) for s in sources for t in targets if run.names[s].split("-")[0] != run.names[t].split("-")[0]]
    weight, delay = Distribution(80.0, 8.0), Distribution(3.0, 1.0)
    projections = tuple(Projection(s, t, 200 + 10 * k, weight, delay) for k, (s, t) in enumerate(pairs))
    return NetworkSpec("mam", 0.1, populations, projections, (1.0,) * len(populations), "none")


@pytest.fixture(scope="module")
def run():
    noise = np.random.default_rng(3).normal(size=1600)
    wave = 0.9 * np.tanh(3 * np.convolve(noise, np.ones(15) / 15, mode="same"))
    common = 1 + np.array([wave[50:1550], wave[40:1540], np.zeros(1500), -wave[50:1550]])
    return make_run(common=common, duration_ms=1500.0, size=30, rate=12.0)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """A run folder as far as figures look into it."""
    path = tmp_path_factory.mktemp("run")
    run.save(path / "recording")
    return path


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_map_shows_the_rate_of_each_population_and_area():
    run = make_run(rate=5.0, duration_ms=500.0)
    analysis = MultiAreaAnalysis(run, find_areas(run.names))
    figure = rates_map_figure(*analysis.spiking, analysis.areas)
    rates = run.rates()
    expected = [rates[f"{area}-{p}"] for area in ("V1", "V2", "FEF", "TH") for p in POPULATIONS if area != "TH" or p[0] != "4"]
    means = [np.mean([rates[name] for name in run.names if name.startswith(f"{area}-")]) for area in ("V1", "V2", "FEF", "TH")]
    shown = sorted(float(text) for text in texts(figure.axes[0]))
    assert shown == pytest.approx(sorted(expected + means), abs=0.06)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [*POPULATIONS, "area"]


def test_rasters_are_of_v1_v2_and_fef_or_of_what_there_is():
    assert raster_areas(find_areas([f"{a}-23E" for a in ("MT", "FEF", "V2", "V1")])) == ("V1", "V2", "FEF")
    assert raster_areas(find_areas([f"{a}-23E" for a in ("MT", "FEF", "46", "7a")])) == ("FEF", "MT", "46")
    assert raster_areas(find_areas(["MT-23E", "V1-23E"])) == ("V1", "MT")


def test_every_figure_can_be_drawn(run):
    of = Shown(run, 0.0, run.duration_ms, 500.0, "senk26", None, network_of(run))
    figures = run_figures.run_figures(of)
    assert set(figures) == set(AREA_FIGURES) - {"potentials", "measured"}
    for name, figure in figures.items():
        file = io.StringIO()
        figure.savefig(file, format="svg")
        assert "<svg" in file.getvalue(), name


@pytest.mark.parametrize("rate", [0.0, 0.05])
def test_a_run_that_is_nearly_silent_can_be_drawn(rate):
    quiet = make_run(rate=rate, duration_ms=1200.0, size=10)
    of = Shown(quiet, 0.0, quiet.duration_ms, 500.0, "senk26", None, network_of(quiet))
    figures = run_figures.run_figures(of)
    assert {"raster", "rates", "activity", "statistics", "hierarchies", "paths"} <= set(figures)
    assert all(figure.axes for figure in figures.values())


def test_a_run_of_which_few_neurons_are_recorded_can_be_analysed(run):
    recorded = [0 if name.startswith("FEF") else 10 for name in run.names]
    population = run.neuron // 30
    kept = run.neuron % 30 < np.array(recorded)[population]
    counts = np.bincount(population, minlength=len(recorded))
    steps = (run.dt, run.start_step, run.stop_step)
    part = Recording(run.names, run.sizes, *steps, run.step[kept], run.neuron[kept], recorded=recorded, population_spikes=counts.tolist())
    of = Shown(part, 0.0, run.duration_ms, 500.0, "senk26", None, network_of(run))
    assert "order" in run_figures.run_figures(of)
    populations, areas = run_figures.analysis_of(of).spiking
    assert populations.rate == pytest.approx(list(run.rates().values()))
    assert np.isnan(areas.lvr_all).tolist() == [False, False, True, False]
    assert np.isnan(areas.synchrony).all()


def test_what_cannot_be_drawn_says_why(run, folder):
    short = Shown(run, 0.0, 300.0, 500.0, "senk26", None, network_of(run))
    assert unavailable(short)["order"] == "the window has 300 ms, this needs 1000 ms"
    two = make_run(("V1", "V2"), duration_ms=1000.0, size=5)
    assert "needs three areas" in unavailable(Shown(two, 0.0, 1000.0, 500.0, "senk26", None, network_of(two)))["connectivity"]
    with pytest.raises(UsageError, match="the network is not known; give a run folder"):
        plot_run(folder / "recording", folder / "out", figures=["connectivity"])
    with pytest.raises(UsageError, match="use one or more of raster, rates, activity, statistics"):
        plot_run(folder / "recording", folder / "out", figures=["distributions"])
    with pytest.raises(UsageError, match="300 bins of 5 ms"):
        run_figures.run_figures(Shown(run, 0.0, 1500.0, 500.0, "senk26", None, dense(run)), ["interactions"])


def dense(run):
    """A network in which everyone projects to everyone: too many regressors for a short run."""
    spec = network_of(run)
    n = len(run.names)
    weight, delay = Distribution(80.0, 8.0), Distribution(3.0, 1.0)
    projections = tuple(Projection(s, t, 100, weight, delay) for s in range(n) for t in range(n))
    return NetworkSpec("mam", 0.1, spec.populations, projections, spec.expected_rates, "none")


def test_the_page_says_which_figures_it_does_not_have(run):
    of = Shown(run, 0.0, 300.0, 500.0, "senk26", None, network_of(run))
    [table] = figures_missing(of)
    why = dict(table.rows)
    assert why["order"] == "the window has 300 ms, this needs 1000 ms"
    assert "--record-v" in why["potentials"]
    whole = dict(figures_missing(Shown(run, 0.0, run.duration_ms, 500.0, "senk26", None, network_of(run)))[0].rows)
    assert set(whole) == {"potentials"}


def test_no_panel_is_empty_without_time_constants_or_order():
    rates = RateSeries(("V1", "V2", "FEF"), 1.0, np.random.default_rng(2).random((3, 4000)))
    found, order = timescales(rates), temporal_order(rates)
    assert np.isnan(found.tau_ms).all()
    assert np.isnan(order.time_ms).all()
    quiet = make_run(("V1", "V2", "FEF"), rate=0.0, duration_ms=1200.0, size=5)
    analysis = MultiAreaAnalysis(quiet, find_areas(quiet.names))
    analysis.order = order
    for figure, text in ((timescales_figure(found, {}), "no time constants"), (order_figure(analysis), "no order")):
        right = figure.axes[1]
        assert right.texts[0].get_text().startswith(text)
        assert not right.axison


def test_agreement_is_drawn_without_an_empty_row_or_column(run):
    figures = run_figures.run_figures(Shown(run, 0.0, run.duration_ms, 500.0, "senk26", None, network_of(run)), ["communities", "hierarchies"])
    for name, first in (("communities", 0), ("hierarchies", 1)):
        axes = figures[name].axes[1]
        n = len(axes.get_images()[0].get_array())
        assert len(axes.get_xticks()) == n - 1
        assert axes.get_xlim() == (-0.5, n - 1.5)
        assert axes.get_ylim() == (n - 0.5, first - 0.5)


def test_directed_interactions_are_counted_within_and_between_areas(run):
    of = Shown(run, 0.0, run.duration_ms, 500.0, "senk26", None, network_of(run))
    analysis = run_figures.analysis_of(of)
    found = area_numbers(analysis, {"interactions"})["interactions"]
    assert found["n_tested"] == int((possible_sources(of.network) & ~np.eye(len(run.names), dtype=bool)).sum()) > 0
    assert 0 <= found["n_within_areas"] <= found["n_significant"] <= found["n_tested"]
    assert "interactions" in unavailable(Shown(run, 0.0, run.duration_ms, 500.0, "senk26", None, dense(run)))


def test_an_area_beside_recorded_spikes(run, folder, tmp_path):
    spikes = tmp_path / "spikes.csv"
    times = np.random.default_rng(2).uniform(0, 2000, 400)
    lines = [f"{i % 20},{time:.1f}" for i, time in enumerate(times)]
    spikes.write_text("\n".join(["neuron,time_ms", *lines]), encoding="utf-8")
    shown = plot_run(folder / "recording", tmp_path / "out", figures=["measured"], measured=f"V2={spikes}", picture="svg")
    drawn = (tmp_path / "out" / "measured.svg").read_text(encoding="utf-8")
    assert shown["figures"] == {"measured": str(tmp_path / "out" / "measured.svg")}
    assert "V2 beside recorded neurons" in drawn
    with pytest.raises(UsageError, match="no area V4 in the recording"):
        plot_run(folder / "recording", tmp_path / "out", figures=["measured"], measured=f"V4={spikes}")
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    for file in (tmp_path / "missing.csv", tmp_path / "wrong.csv"):
        # the area is heard of first, with those that there are
        with pytest.raises(UsageError, match=r"--measured V9=.*csv: no area V9 in the recording: it has V1, V2, FEF, TH$"):
            plot_run(folder / "recording", tmp_path / "out", figures=["measured"], measured=f"V9={file}")
        with pytest.raises(UsageError, match=rf"{file.name}: (cannot be read|no table of spikes)"):
            plot_run(folder / "recording", tmp_path / "out", figures=["measured"], measured=f"V2={file}")
    make_run(("V1",), size=5, duration_ms=500.0).save(tmp_path / "one")
    with pytest.raises(UsageError, match=r"--measured V1=.*: the recording is not of several areas"):
        plot_run(tmp_path / "one", tmp_path / "out", measured=f"V1={spikes}")
    with pytest.raises(UsageError, match="--measured V2: name an area and a table"):
        plot_run(folder / "recording", tmp_path / "out", measured="V2")
    with pytest.raises(UsageError, match="use --measured AREA=FILE"):
        plot_run(folder / "recording", tmp_path / "out", figures=["measured"])


def test_the_table_of_areas_has_their_mean_rates_beside_theory(run):
    rates = run.rates()
    theory = check_mean_field(run.names, np.array([*rates.values()]), 2 * np.array([*rates.values()]), [""] * len(rates), run.duration_ms)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(rates_table(run, network_of(run), None, theory))
    shown = console.export_text()
    assert "theory" in shown
    *_, mean, expected = next(line for line in shown.splitlines() if line.strip().startswith("V2 ")).split()
    assert float(mean) == pytest.approx(np.mean([rate for name, rate in rates.items() if name.startswith("V2-")]), abs=0.005)
    assert float(expected) == pytest.approx(2 * float(mean), abs=0.02)


def test_numbers_of_a_run_as_json(run, folder, monkeypatch):
    monkeypatch.setattr("spinn_mam.flow.results._network", lambda path: network_of(run))
    shown = plot_run(folder / "recording", folder / "out", figures=["rates"], numbers=True)
    json.dumps(shown, allow_nan=False)
    assert shown["areas"]["V2"]["rate"] == pytest.approx(np.mean([rate for name, rate in run.rates().items() if name.startswith("V2-")]))
    assert shown["populations"]["TH-23I"]["rate"] == pytest.approx(run.rates()["TH-23I"])
    # V2 follows V1 by 10 ms; FEF has no part in the waves
    assert shown["areas"]["V2"]["time_ms"] - shown["areas"]["V1"]["time_ms"] == pytest.approx(10, abs=5)
    assert "time_ms" not in shown["areas"]["FEF"]
    assert shown["communities"]["divisions"]["fMRI"]["V1"] == 0
    assert {"synaptic_input", "structure"} == set(shown["connectivity"])
    assert {pair["first"] for pair in shown["hierarchies"]["kendall"]} <= {"Reid 2009", "SLN", "type", "density", "ensemble"}


def test_a_run_of_35_s_has_bold_signals():
    noise = np.random.default_rng(4).normal(size=36_000)
    slow = 0.9 * np.tanh(4 * np.convolve(noise, np.ones(1000) / 1000**0.5, mode="same"))
    long = make_run(common=1 + np.array([slow, slow, slow * 0, -slow]), duration_ms=36_000.0, size=4)
    analysis = MultiAreaAnalysis(long, find_areas(long.names), network_of(long))
    assert analysis.bold_connectivity.shape == (4, 4)
    assert "BOLD" in analysis.communities
    # FEF and TH both get the input of V1 and V2
    assert analysis.bold_connectivity[2, 3] > 0.4
    assert np.diag(analysis.bold_connectivity) == pytest.approx(1.0)
    short = MultiAreaAnalysis(long.window(0.0, 34_000.0), analysis.areas, network_of(long))
    assert short.bold_connectivity is None


def test_the_network_of_a_run_folder_is_read(run, folder):
    stage = stage_folder(folder, "network")
    stage.mkdir()
    (stage / "network.json").write_text(json.dumps({"network": network_of(run).to_dict()}), encoding="utf-8")
    from spinn_mam.flow.results import _network

    assert _network(folder).digest() == network_of(run).digest()
    assert _network(folder / "recording") is None


def test_spectra_of_independent_neurons_are_flat_at_their_rate():
    run = make_run(rate=8.0, duration_ms=8000.0)
    areas = find_areas(run.names)
    series = area_rates(rate_series(run), areas, run.sizes)
    spectra = area_spectra(series, [8 * 40, 8 * 40, 8 * 40, 6 * 40])
    assert spectra.power.mean(axis=1) == pytest.approx(series.rates.mean(axis=1), rel=0.05)
    assert spectra.frequency_hz[0] == pytest.approx(1.0)


def test_a_recording_of_very_many_spikes_is_analysed_in_part():
    n = 1000
    full = Recording(("V1-23E",), (n,), 1.0, 0, 1000, np.repeat(np.arange(1000), n), np.tile(np.arange(n, dtype=np.int32), 1000))
    assert run_figures.analysed_ms(full) == 1000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_figures, "MOST_ANALYSED_SPIKES", 250_000)
        assert run_figures.analysed_ms(full) == 200.0
        patch.setattr(run_figures, "MOST_ANALYSED_SPIKES", 7_000)
        assert run_figures.analysed_ms(full) == 7.0


@pytest.mark.parametrize("bold", [False, True])
def test_titles_of_connectivity_are_inside_the_figure(bold):
    names = [f"A{k}" for k in range(32)]
    matrix = np.eye(32)
    agreement = Agreement(0.2, 0.01, 496)
    analysis = SimpleNamespace(
        connectivity=matrix,
        bold_connectivity=matrix if bold else None,
        measured_connectivity=matrix,
        communities={},
        areas=SimpleNamespace(n=32, names=names),
        agreements={"synaptic input": agreement, "BOLD": agreement, "structure": agreement},
    )
    figure = connectivity_figure(analysis)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == 2 + bold
    for axes in panels:
        assert axes.title.get_window_extent().y1 <= figure.bbox.y1
