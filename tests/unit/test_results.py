"""The verbs plot and export on a finished run: what is drawn and written, and what is refused."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from spinn_mam import cli
from spinn_mam.comparison import build_reference_statistics
from spinn_mam.flow.results import activity_statistics
from spinn_mam.recording import Potentials, Recording
from spinn_mam.report import run_figures
from spinn_mam.report.activity_figures import activity_figure, potentials_figure, spectra_figure
from spinn_mam.spectra import spectra

NAMES, SIZES, RATES = ("L4E", "L4I"), (300, 100), (6.0, 12.0)
Invoke = Callable[..., tuple[int, str, str]]


def make_run(seed: int, duration_ms: float = 2000.0) -> Recording:
    """Poisson neurons; all of L4I fire together now and then."""
    rng = np.random.default_rng(seed)
    n_steps = round(duration_ms / 0.1)
    neuron = np.repeat(np.arange(400), rng.poisson(np.repeat(RATES, SIZES) * duration_ms / 1000))
    spikes = rng.integers(0, n_steps, len(neuron)) * 1000 + neuron
    together = np.repeat(rng.choice(n_steps, 4, replace=False), 100) * 1000 + np.tile(np.arange(300, 400), 4)
    spikes = np.unique(np.concatenate([spikes, together]))
    return Recording(NAMES, SIZES, 0.1, 5000, 5000 + n_steps, spikes // 1000 + 5000, (spikes % 1000).astype(np.int32))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording without a run folder."""
    path = tmp_path_factory.mktemp("run") / "recording"
    make_run(9).save(path)
    return path


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "reference.json"
    build_reference_statistics([make_run(seed) for seed in range(4)], range(4)).save(path)
    return path


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        words = [str(a) for a in arguments]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)  # of Neo
            code = cli._guarded(lambda: cli.app(words, standalone_mode=False, prog_name="spinn-mam"), Console(stderr=True, highlight=False, width=80))
        return code, *capsys.readouterr()

    return run


def test_all_figures_that_there_can_be(invoke: Invoke, file: Path, reference: Path, tmp_path: Path) -> None:
    code, out, err = invoke("plot", file, "--out", "a", "--format", "svg")
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"a/{name}.svg" for name in ("raster", "activity", "rates", "distributions", "spectra")]
    assert all((tmp_path / line).read_text().startswith("<?xml") for line in out.splitlines())
    code, out, _ = invoke("plot", file, "--out", "b", "--reference", reference, "--figures", "verdict, distributions")
    assert (code, out.splitlines()) == (0, ["b/verdict.png", "b/distributions.png"])
    assert all((tmp_path / line).read_bytes().startswith(b"\x89PNG") for line in out.splitlines())


def test_the_numbers_behind_the_figures(invoke: Invoke, file: Path) -> None:
    code, out, err = invoke("plot", file, "--figures", "rates", "--start", "500", "--stop", "1500", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["window_ms"] == [500.0, 1500.0]
    cut = make_run(9).window(500.0, 1500.0)
    for name, size in zip(NAMES, SIZES, strict=True):
        steps, neuron = cut.population(name)
        numbers = found["statistics"][name]
        assert numbers["rate"]["mean"] == pytest.approx(len(steps) / size)
        assert numbers["rate"]["sd"] == pytest.approx(np.bincount(neuron, minlength=size).std(ddof=1))
        counts = np.histogram(steps, np.arange(10_000, 20_001 - 10, 30) - 0.5)[0]
        assert numbers["synchrony"] == pytest.approx(counts.var() / counts.mean())


def test_statistics_of_known_processes() -> None:
    """Gamma neurons of shape 4 have a CV of 1/2; neurons that share half of their Poisson spikes are correlated by 1/2."""
    rng = np.random.default_rng(7)
    n_steps, n = 600_000, 40
    gamma = [np.cumsum(rng.gamma(4, 250, 800)).astype(int) for _ in range(n)]  # 10 spikes/s at 0.1 ms
    shared = rng.choice(n_steps // 20, 600, replace=False) * 20
    # own spikes in own bins of 2 ms, so that counts add up without two in a bin too often to matter
    common = [np.concatenate([shared, rng.integers(0, n_steps, 600)]) for _ in range(n)]
    trains = [t[t < n_steps] for t in (*gamma, *common)]
    step, neuron = np.concatenate(trains), np.repeat(np.arange(2 * n), [len(t) for t in trains])
    order = np.argsort(step, kind="stable")
    run = Recording(("GE", "CE"), (n, n), 0.1, 0, n_steps, step[order].astype(np.int64), neuron[order].astype(np.int32))
    found = activity_statistics(run, "senk26")
    assert found["GE"]["cv_isi"]["mean"] == pytest.approx(0.5, abs=0.01)
    assert found["CE"]["correlation"]["mean"] == pytest.approx(0.5, abs=0.01)
    assert found["CE"]["correlation"]["n"] == n * (n - 1) // 2
    assert found["GE"]["correlation"]["mean"] == pytest.approx(0.0, abs=0.005)


def test_long_recordings_are_not_analysed_whole(invoke: Invoke, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spinn_mam.report.run_figures.MOST_ANALYSED_MS", 800.0)
    code, out, err = invoke("plot", file, "--out", "a", "--figures", "raster")
    assert (code, out, err) == (0, "a/raster.png\n", "of 0 to 800 ms; for other parts give --start and --stop\n")
    code, out, _ = invoke("plot", file, "--out", "a", "--figures", "raster", "--start", "1500", "--json")
    assert (code, json.loads(out)["window_ms"]) == (0, [1500.0, 2000.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--figures", "rasters"), "--figures rasters: use one or more of raster, activity, rates, distributions, spectra, potentials, verdict"),
        (("--figures", ""), "--figures : use one or more of raster"),
        (("--figures", "verdict"), "--figures verdict: there is no reference for this run, or a window was given"),
        (("--figures", "spectra", "--stop", "100"), "--figures spectra: the window has 100 ms, a spectrum needs 250 ms"),
        (("--figures", "potentials"), "--figures potentials: no potentials are recorded in the window; give --record-v to run"),
        (("--format", "gif"), "--format gif: use one of png, svg, pdf"),
        (("--protocol", "va17"), "--protocol va17: use one of"),
        (("--start", "3000"), "--start 3000 is out of range: it must be within the 2000 ms of the recording"),
        (("--start", "-5"), "--start -5 is out of range"),
        (("--start", "500", "--stop", "500"), "no window from 500 to 500 ms"),
        (("--stop", "nan"), "--stop nan is out of range"),
        (("--stop", "100", "--reference", "x.json"), "--reference: references are of windows that begin with the kept phase"),
        (("--reference", "x.json"), "x.json: no readable reference statistics"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(
    invoke: Invoke, file: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = invoke("plot", file, "--out", "a", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--format'"),
        (("--format", "gdf"), "--format gdf: use one of nix, nest, parquet, pickle"),
        (("--format", "nest", "--neurons", "L6E"), "--neurons L6E: no population 'L6E'; use all, none, a number, or POPULATION:NUMBER of L4E, L4I"),
        (("--format", "nest", "--start", "2000"), "no window from 2000 to 2000 ms"),
        (("--format", "nest", "--stop", "inf"), "--stop inf is out of range"),
    ],
)
def test_what_cannot_be_exported_is_refused(invoke: Invoke, file: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = invoke("export", file, "--out", "a", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not list(tmp_path.iterdir())
    assert invoke("export", tmp_path, "--format", "nest")[0] == 2  # no run folder


def test_an_export_lies_in_the_run_folder_and_has_the_window(invoke: Invoke, file: Path) -> None:
    code, out, err = invoke("export", file, "--format", "nest", "--neurons", "L4E:5", "--start", "100", "--stop", "700")
    assert (code, err) == (0, "")
    folder = Path(out.strip())
    assert folder == file / "exports" / "nest"
    [text] = folder.glob("spike_recorder-*.dat")
    sender, time = np.loadtxt(text, skiprows=3, unpack=True)
    cut = make_run(9).window(100.0, 700.0)
    kept = cut.neuron < 5
    assert sender.tolist() == (cut.neuron[kept] + 1).tolist()
    assert time == pytest.approx(cut.step[kept] * 0.1)


def test_rates_in_time_are_counts_over_neurons_and_bins() -> None:
    run = make_run(3)
    figure = activity_figure(run, 200.0, 300.0)
    for axes, name, size in zip(figure.axes, NAMES, SIZES, strict=True):
        [stairs] = axes.patches
        values, edges, _ = stairs.get_data()
        steps = run.population(name)[0] - run.start_step
        expected = np.histogram(steps, np.arange(2000, 5001, 10) - 0.5)[0] / size / 0.001
        assert values == pytest.approx(expected)
        assert (edges[0], edges[-1], len(values)) == pytest.approx((200.0, 500.0, 300))
    assert activity_figure(run).axes[0].patches[0].get_data().values.shape == (500,)
    assert activity_figure(run, 0.0, 2000.0).axes[0].patches[0].get_data().values.shape == (1000,)  # wider bins


def test_potentials_are_drawn_with_their_neurons_spikes() -> None:
    run = make_run(3)
    v = np.random.default_rng(1).uniform(-70, -50, (200, 4)).astype(np.float32)
    sampled = Potentials(np.array([0, 1, 2, 301], np.int32), 5100, 100, v)
    with_v = Recording(NAMES, SIZES, 0.1, 5000, 25_000, run.step, run.neuron, potentials=sampled)
    figure = potentials_figure(with_v, 500.0, 1000.0)
    assert [axes.get_ylabel() for axes in figure.axes] == ["L4E 0", "L4E 1", "L4I 1"]
    for axes, column, neuron in zip(figure.axes, (0, 1, 3), (0, 1, 301), strict=True):
        trace, ticks = axes.lines
        shown = (sampled.step >= 10_000) & (sampled.step < 20_000)
        assert trace.get_xdata() == pytest.approx((sampled.step[shown] - 5000) * 0.1)
        assert trace.get_ydata() == pytest.approx(v[shown, column])
        spikes = (run.step[run.neuron == neuron] - 5000) * 0.1
        assert ticks.get_xdata() == pytest.approx(spikes[(spikes >= 500) & (spikes < 1500)])


def test_spectra_are_drawn_over_the_mean_rates() -> None:
    found = list(spectra(make_run(3)))
    figure = spectra_figure(found)
    [panel] = figure.axes
    curves = [line for line in panel.lines if len(line.get_xdata()) > 2]
    dotted = [line.get_ydata()[0] for line in panel.lines if line.get_linestyle() == ":"]
    assert [c.get_ydata().tolist() for c in curves] == [s.power.tolist() for s in found]
    assert dotted == pytest.approx([s.rate for s in found])


def test_figures_of_silence() -> None:
    silent = Recording(NAMES, SIZES, 0.1, 0, 5000, np.zeros(0, np.int64), np.zeros(0, np.int32))
    of = run_figures.Shown(silent, 0.0, 500.0, 500.0, "senk26", None)
    for figure in run_figures.run_figures(of).values():
        assert isinstance(figure, Figure)
        figure.canvas.draw()
    assert activity_statistics(silent, "senk26")["L4E"] == {
        "rate": {"mean": 0.0, "sd": 0.0, "n": 300},
        "cv_isi": {"n": 0},
        "correlation": {"n": 0},
        "peaks": [],
    }
