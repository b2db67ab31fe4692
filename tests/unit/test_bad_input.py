"""What users get wrong: one clear error, the right exit code, nothing computed lost.

Each message is looked at for what, where, need against have, and what to do.
"""

import copy
import importlib.util
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from spinn_mam import cli
from spinn_mam.comparison import build_reference_statistics
from spinn_mam.errors import SpinnMamError, UsageError
from spinn_mam.flow import folder as run_folder
from spinn_mam.models import load_model
from spinn_mam.recording import Recording

SCALE = ("--n-scaling", "0.02", "--k-scaling", "0.05")
SMALL = ("pd14", *SCALE, "--t-sim", "20", "--warm-up", "10")
STAGES = ["01-network", "02-mapping", "03-simulation", "04-comparison", "05-energy", "06-real-time"]
FILES = ["manifest.json", "metrics.json", "report.html"]
Invoke = Callable[..., tuple[int, str, str]]


def command_line(arguments: tuple[object, ...]) -> int:
    words = [str(a) for a in arguments]
    return cli._guarded(lambda: cli.app(words, standalone_mode=False, prog_name="spinn-mam"), Console(stderr=True, highlight=False, width=80))


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run the command line in this process, in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["spinn-mam", *map(str, arguments)])
        code = command_line(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert command_line(("run", *SMALL, "--out", folder)) == 0
    return folder


@pytest.fixture(autouse=True)
def _short_report(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first run a report is a word: drawing one takes longer than the run."""
    monkeypatch.setattr("spinn_mam.flow.run.report_content", lambda result, record: None)
    monkeypatch.setattr("spinn_mam.flow.run.write_report", lambda path, content: path.write_text("report"))


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


# ---- settings ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pd15",), "no model called 'pd15': known are mam, pd14"),
        (("",), "no model called ''"),
        ((".",), ". is no .toml file: known are mam, pd14"),
        (("nowhere.toml",), "no model document at nowhere.toml"),
        (("pd14", "--backend", "spinaker"), "--backend spinaker: use one of emulator, nest"),
        (("pd14", "--drive", "ac"), "--drive ac: use one of poisson, dc"),
        (("pd14", "--layout", "square"), "--layout square: use one of combined"),
        (("pd14", "--protocol", "va17"), "--protocol va17: use one of"),
        (("pd14", "--connectivity", "laws"), "--connectivity laws: use one of shared"),
        (("pd14", "--backend", "nest", "--connectivity", "laws"), "--connectivity laws: use one of shared, law"),
        (("pd14", "--board-config", "spin4"), "there is no such machine; use one of spin3, spin5"),
        (("pd14", "--board-config", "nowhere.toml"), "nowhere.toml: there is no such file"),
        (("pd14", "--from", "map"), "--from map: no such stage; the stages are network, mapping, simulation, comparison, energy"),
        (("pd14", "--to", "map"), "--to map: no such stage"),
        (("pd14", "--backend", "nest", "--to", "mapping"), "--to mapping: no such stage; the stages are network, simulation, comparison"),
        (("pd14", "--from", "energy", "--to", "mapping"), "--from energy comes after --to mapping"),
        (("pd14", "--t-sim", "0"), "--t-sim 0 is out of range: it must be above 0 (ms)"),
        (("pd14", "--t-sim", "-1"), "--t-sim -1 is out of range"),
        (("pd14", "--t-sim", "nan"), "--t-sim nan is out of range"),
        (("pd14", "--t-sim", "inf"), "--t-sim inf is out of range"),
        (("pd14", "--t-sim", "10.03"), "--t-sim 10.03 ms is not a whole number of time steps of 0.1 ms: use 10"),
        (("pd14", "--t-sim", "1e12"), "time steps of 0.1 ms, at most 2.15e+09 are possible"),
        (("pd14", "--record", "L9E:5"), "--record L9E:5: no population 'L9E'; use all, none, a number, or POPULATION:NUMBER of L23E"),
        (("pd14", "--record", "L4E:30000"), "--record L4E:30000: 30000 neurons of L4E, it has 21915 to record"),
        (("pd14", "--record-v", "5,L5"), "--record-v 5,L5: no population 'L5'"),
        (("pd14", "--record-v", "5", "--record-v-interval", "0.25"), "--record-v-interval 0.25 ms is not a whole number of time steps of 0.1 ms"),
        (("pd14", "--record-v-interval", "0"), "--record-v-interval 0 is out of range"),
        (("pd14", "--checkpoint-every", "-1"), "--checkpoint-every -1 is out of range: it must be above 0 (s)"),
        (("pd14", "--backend", "nest", "--record", "5"), "are for --backend emulator; nest records all spikes"),
        (("pd14", "--warm-up", "-1"), "--warm-up -1 is out of range: it must be at least 0 (ms)"),
        (("pd14", "--warm-up", "0.05"), "--warm-up 0.05 ms is not a whole number"),
        (("pd14", "--n-scaling", "0"), "--n-scaling 0 is out of range: it must be above 0 and at most 1"),
        (("pd14", "--n-scaling", "1.1"), "--n-scaling 1.1 is out of range"),
        (("pd14", "--k-scaling", "nan"), "--k-scaling nan is out of range"),
        (("pd14", "--k-scaling", "1e-12"), "leave none of 298,880,970 synapses: use larger scales"),
        (("pd14", "--seed", "-1"), "--seed -1 is out of range: it must be 0 to 2^63 - 1"),
        (("pd14", "--threads", "-1"), "--threads -1 is out of range: it must be 1 to 1024"),
        (("pd14", "--neurons-per-core", "-1"), "--neurons-per-core -1 is out of range: it must be 1 to 256"),
        (("pd14", "--time-scale-factor", "0"), "--time-scale-factor 0 is out of range: it must be above 0"),
        (("pd14", "--reference", "nowhere.json"), "nowhere.json: no readable reference statistics (No such file or directory: nowhere.json); fetch"),
    ],
)
@pytest.mark.parametrize("dry", [False, True], ids=["run", "dry"])
def test_a_wrong_setting_is_refused_before_anything_is_done(
    invoke: Invoke, tmp_path: Path, arguments: tuple[str, ...], message: str, dry: bool
) -> None:
    code, out, err = invoke("run", *arguments, *(["--dry-run"] if dry else []))
    assert code == 2
    assert message in err
    assert out.count("\n") <= 2  # at most the network and the folder
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("neuron.tau_mm=10", "no such value: did you mean neuron.tau_m"),
        ("tau_m=10", "no such value: did you mean neuron.tau_m"),
        ("nonsense=10", "no such value: see 'spinn-mam show pd14' for all keys"),
        ("neuron=3", "no such value"),
        ("neuron.tau_m", "write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("neuron.tau_m=", "write KEY=VALUE"),
        ("neuron.tau_m=12 mV", "at 'neuron.tau_m': '12 mV' has the wrong dimension: a quantity in ms is needed"),
        ("neuron.tau_m=12 bananas", "unknown unit 'bananas': use ms"),
        ("neuron.tau_m='12'", "'12' has no unit: write '12 ms'"),
        ("neuron.tau_m=-12", "must be positive, found -12"),
        ("neuron.tau_m=nan", "must be a finite number, found nan"),
        ("neuron.C_m=1e400", "must be a finite number, found inf"),
        ("neuron.tau_m=[1, 2]", "must be a single number"),
        ("neuron.tau_m=true", "expected a quantity in ms, got True"),
        ("neuron.tau_m=0.5", "must differ from tau_syn, both are 0.5 ms"),
        ("neuron.V_th=-70", "must lie above V_reset (-65 mV) and E_L (-65 mV), found -70 mV"),
        ("neuron.E_L=inf", "must be a finite number"),
        ("neuron.V_th='5 V'", "must lie between -1000 and 1000 mV, found 5000"),
        ("neuron.t_ref=0.05", "must be a whole number of time steps of 0.1 ms, found 0.05 ms"),
        ("simulation.dt=0", "at 'simulation.dt': must be positive"),
        ("simulation.dt=10", "at 'simulation.dt': must be at most tau_m and 5 tau_syn, here 2.5 ms, found 10 ms"),
        ("simulation.dt=1e-9", "must be at least 0.001 ms"),
        ("populations.N_full=[1, 2]", "2 values for 8 populations"),
        ("populations.N_full=[-1, 1, 1, 1, 1, 1, 1, 1]", "sizes must be whole numbers of at least 1, found -1"),
        ("populations.N_full=[1.5, 1, 1, 1, 1, 1, 1, 1]", "sizes must be whole numbers of at least 1, found 1.5"),
        ("populations.N_full=[1e18, 1, 1, 1, 1, 1, 1, 1]", "neurons in all, at most 2.15e+09"),
        ("populations.names=['A','A','B','C','D','E','F','G']", "needs names that differ, found twice: A"),
        ("synapses.probabilities=0.1", "must be a list"),
        ("synapses.probabilities=[[0.1]]", "needs 8 rows of 8 values"),
        ("synapses.g=4", "must not be positive: write -4 for 4"),
        ("synapses.PSP=-1", "must not be negative, found -1"),
        ("synapses.delay_exc=inf", "must be a finite number"),
        ("synapses.delay_exc=1 min", "must be at most 1000 ms, found 60000"),
        ("synapses.delay_rel_sd=-1", "must not be negative"),
        ("external.K_ext=[nan, 1, 1, 1, 1, 1, 1, 1]", "at 'external.K_ext': must be a finite number"),
        ("external.rate='8 ms'", "a quantity in spikes/s is needed"),
        ("external.drive=laser", "must be 'poisson' or 'dc'"),
        ("initial.V0_mean=[1e6, 1, 1, 1, 1, 1, 1, 1]", "must lie between -1000 and 1000 mV, found 1e+06"),
        ("thalamus.enabled=maybe", "must be true or false"),
        ("thalamus.size=1.5", "must be a whole number of at least 1, found 1.5"),
        ("variants.drive=laser", "variant 'drive' has no choice 'laser': use one of dc, poisson"),
        ("variants.drives=dc", "no variant 'drives': did you mean 'drive'?"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(invoke: Invoke, tmp_path: Path, setting: str, message: str) -> None:
    code, out, err = invoke("run", *SMALL, "--set", setting)
    assert (code, out) == (2, "")
    assert message in err
    assert not list(tmp_path.iterdir())


def test_all_wrong_values_are_listed(invoke: Invoke) -> None:
    _, _, err = invoke("show", "pd14", "--set", "neuron.C_m=-1", "--set", "synapses.g=4", "--set", "thalamus.size=0.5")
    assert [key in err for key in ("'neuron.C_m'", "'synapses.g'", "'thalamus.size'")] == [True] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[neuron]", "[neuron]\ntau_sin = 3"), "at 'neuron.tau_sin': unknown key: did you mean 'tau_syn'?"),
        (("[neuron]", "[neuron]\nqqq = 3"), "at 'neuron.qqq': unknown key; remove it or check its spelling"),
        (("[neuron]", "[neurons]"), "at 'neuron': is missing\n  at 'neurons': unknown key: did you mean 'neuron'?"),
        (('name = "pd14"', ""), "at 'name': is missing"),
        (("[neuron]", "[neuron"), "not valid TOML"),
        (("spinn_mam.model/1", "spinn_mam.model/7"), "expected 'spinn_mam.model/1', found 'spinn_mam.model/7'"),
        (('family = "microcircuit"', 'family = "cortex"'), "unknown model family 'cortex': known are 'microcircuit' and 'multi-area'"),
        (('default = "poisson"', 'default = "laser"'), "at 'variants.drive': needs a default that is one of its choices"),
    ],
)
def test_a_wrong_document_of_a_user(invoke: Invoke, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = (resources.files("spinn_mam.models") / "pd14.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "mine.toml").write_text(text.replace(*change), encoding="utf-8")
    code, out, err = invoke("show", "mine.toml")
    assert (code, out) == (2, "")
    assert "mine.toml" in err
    assert message in err


def test_a_document_that_is_no_text_or_no_file(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00\x80")
    code, _, err = invoke("show", "bytes.toml")
    assert (code, "cannot be read as a text file" in err) == (2, True)
    (tmp_path / "folder.toml").mkdir()
    assert invoke("show", "folder.toml")[::2] == (2, "error: no model document at folder.toml\n")


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in node if isinstance(node, dict) else range(len(node)):
        yield (*path, key)
        if isinstance(node[key], dict | list) and not (isinstance(node[key], list) and len(path) > 2):
            yield from places(node[key], (*path, key))


def test_whatever_stands_at_any_place_of_a_document_is_taken_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (resources.files("spinn_mam.models") / "pd14.toml").read_text(encoding="utf-8")
    base = tomllib.loads(text)
    wrong = (3, -1, "x", [], {}, math.nan, True, [[]], {"value": 3}, {"value": [], "source": "x"}, {"value": math.inf, "source": "x"}, None)
    refused = 0
    for i, place in enumerate(places(base)):
        for value in itertools.islice(wrong, i % 3, None, 3):
            data = copy.deepcopy(base)
            node: Any = data
            for key in place[:-1]:
                node = node[key]
            if value is None:
                del node[place[-1]]
            else:
                node[place[-1]] = value
            monkeypatch.setattr(tomllib, "loads", lambda text, data=data: data if text.startswith("#") else {})
            try:
                load_model("pd14").network(0.02, 0.05)
            except SpinnMamError:
                refused += 1
    assert refused > 500


# ---- machines, backends, references ----


def test_a_machine_too_small_says_what_is_missing_and_what_would_do(invoke: Invoke, tmp_path: Path) -> None:
    for arguments, boards in ((("--board-config", "spin3"), 31), (("--board-config", "spin5", "--neurons-per-core", "10"), 21)):
        for flags in (("--dry-run",), ("--out", "kept")):
            code, out, err = invoke("run", "pd14", *arguments, *flags)
            assert code == 3
            assert "cores" in err
            assert re.search(r"\d,\d{3} cores and \d{1,3}(,\d{3})*\.\d MiB of SDRAM needed", err)
            assert f"Use at least {boards} boards (now 1)" in err
            assert "03 simulation" not in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept"]
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["01-network"]


@pytest.mark.parametrize(
    ("flags", "advice"), [((), ""), (("--surface", "20"), " or a smaller --surface"), (("--set", "anatomy.surface=20"), " or a ")]
)
def test_who_chose_a_surface_is_told_of_it(invoke: Invoke, flags: tuple[str, ...], advice: str) -> None:
    code, _, err = invoke("plan", "mam", "--areas", "V1", *flags, "--board-config", "spin5")
    assert code == 3
    assert f"(1) there: use a larger machine{advice}" in err
    assert err.rstrip().endswith("use a larger machine") is (not advice)


def test_too_little_time_on_a_core_says_so(invoke: Invoke) -> None:
    code, _, err = invoke("plan", "pd14", "--time-scale-factor", "0.1", "--neurons-per-core", "0")
    assert code == 3
    assert "a time-scale factor of 15 at least needed for the mean load, 0.1 asked for" in err


def test_without_a_machine_only_the_emulator_runs(invoke: Invoke, tmp_path: Path) -> None:
    code, out, _ = invoke("run", *SMALL, "--board-config", "none", "--dry-run", "--out", str(tmp_path / "run"))
    assert code == 0
    assert "mapping" not in out
    assert "simulation" in out
    for more in (("--backend", "spinnaker"), ("--layout", "split"), ("--connectivity", "expander")):
        code, _, err = invoke("run", *SMALL, "--board-config", "none", "--dry-run", *more)
        assert code == 2, more
        assert "--board-config none" in err
    code, _, err = invoke("plan", "pd14", "--n-scaling", "0.02", "--board-config", "none")
    assert code == 2
    assert "a plan is for a machine" in err


def test_what_the_number_format_cannot_hold_is_known_beforehand(invoke: Invoke, tmp_path: Path) -> None:
    code, _, err = invoke("run", *SMALL, "--set", "neuron.t_ref=1e9", "--dry-run")
    assert code == 2
    assert "does not fit the machine's number format" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [(), ("--dry-run",)], ids=["run", "dry"])
def test_a_missing_extra_says_what_to_install(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]) -> None:
    monkeypatch.setitem(sys.modules, "nest", None)
    code, _, err = invoke("run", *SMALL, "--backend", "nest", "--out", "x", *flags)
    assert code == 4
    assert err == "error: the nest backend needs the package 'nest-simulator', which is not installed: run pip install 'spinn-mam[nest]'\n"
    assert invoke("run", *SMALL, "--to", "mapping")[0] == 0  # all else works without


@pytest.fixture(scope="module")
def references(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reference statistics of four runs like the finished one, but for their first spikes; of that run itself; and of another scale."""
    folder = tmp_path_factory.mktemp("references")
    recording = Recording.load(finished / "03-simulation" / "recording")
    steps = (recording.dt, recording.start_step, recording.stop_step)
    like = [Recording(recording.names, recording.sizes, *steps, recording.step[k:], recording.neuron[k:]) for k in (1, 2, 3, 4)]
    build_reference_statistics(like, [1, 2, 3, 4], windows_ms=(20.0,)).save(folder / "same.json")
    build_reference_statistics([*like[:3], recording], [1, 2, 3, 4], windows_ms=(20.0,)).save(folder / "itself.json")
    other = Recording(
        recording.names, tuple(s + 1 for s in recording.sizes), *(getattr(recording, f) for f in ("dt", "start_step", "stop_step", "step", "neuron"))
    )
    build_reference_statistics([other] * 4, [1, 2, 3, 4], windows_ms=(20.0,)).save(folder / "other.json")
    return folder


def test_a_reference_that_cannot_be_compared_with_is_refused_beforehand(invoke: Invoke, references: Path, tmp_path: Path) -> None:
    code, out, err = invoke("run", *SMALL, "--reference", references / "other.json")
    assert (code, out) == (2, "")
    assert "it has 415 neurons in L23E, this network has 414: give a reference of the same model and scale, or none" in err
    code, out, err = invoke("run", "pd14", *SCALE, "--t-sim", "10", "--reference", references / "same.json")
    assert (code, out) == (2, "")
    assert "the run has 10 ms after its warm-up; the reference has windows of at least 20 ms" in err
    shutil.copy(references / "same.json", tmp_path)
    (tmp_path / "same.npz").write_bytes(b"damaged")
    code, _, err = invoke("run", *SMALL, "--reference", tmp_path / "same.json")
    assert (code, "its digest is not the one in same.json" in err) == (2, True)


def test_compare_with_wrong_arguments(invoke: Invoke, references: Path, finished: Path, tmp_path: Path) -> None:
    cases = (
        ((tmp_path / "nowhere", references / "same.json"), "there is no"),
        ((tmp_path, references / "same.json"), "is no run folder with a recording"),
        ((finished, tmp_path / "nowhere.json"), "no such file; give reference statistics (.json)"),
        ((finished, finished), "no such file; give reference statistics (.json)"),
        ((finished / "metrics.json", references / "same.json"), "there is no folder"),
        ((finished, finished / "metrics.json"), "metrics.json at 'names'"),
        ((finished, references / "other.json"), "compare with a reference of the same scale"),
        ((finished, references / "itself.json"), "the run is seed 4 of the reference itself"),
        ((finished, references / "same.json", "--protocol", "x"), "--protocol x: use one of"),
    )
    for arguments, message in cases:
        code, out, err = invoke("compare", *arguments)
        assert (code, out) == (2, ""), arguments
        assert message in err, arguments
    code, out, _ = invoke("compare", finished, references / "same.json", "--json")
    assert code == 0
    assert json.loads(out)["protocol"] == "senk26"


@pytest.mark.parametrize("verb", ["plot", "cite"])
def test_plot_and_cite_of_what_is_no_run(invoke: Invoke, tmp_path: Path, verb: str) -> None:
    (tmp_path / "file").write_text("hello")
    for path in ("nowhere", ".", "file"):
        code, out, err = invoke(verb, path)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_plot_into_a_file_is_refused_and_a_damaged_manifest_named(invoke: Invoke, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    code, _, err = invoke("plot", run, "--out", tmp_path / "file")
    assert (code, "cannot be made" in err) == (2, True)
    for content in ("{", "[]", "{}", '{"sources": 3}', '{"sources": {"a": {}}}'):
        (run / "manifest.json").write_text(content)
        code, _, err = invoke("cite", run)
        assert code == 2
        assert "manifest.json: no readable manifest" in err
        assert "finished stages are kept" in err


# ---- run folders ----


def test_a_dry_run_writes_nothing(invoke: Invoke, tmp_path: Path, run: Path) -> None:
    code, out, err = invoke("run", *SMALL, "--dry-run", "--out", tmp_path / "new" / "deep")
    assert (code, err) == (0, "")
    stages = [line.split(":")[0] for line in out.splitlines() if line[:2].isdigit()]
    assert stages == [f"{s[:2]} {s[3:]}" for s in STAGES]
    assert "fits: " in out
    assert not (tmp_path / "new").exists()
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    code, out, _ = invoke("run", *SMALL, "--dry-run", "--out", run, "--neurons-per-core", "60")
    assert code == 0
    assert "01 network: skip (unchanged)" in out
    assert "02 mapping: run (its inputs have changed: neurons_per_core 80 -> 60): fits" in out
    assert "03 simulation: run ('mapping' is made anew)" in out
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


def test_a_finished_run_is_skipped_and_its_report_mended(invoke: Invoke, run: Path) -> None:
    for name in FILES:
        (run / name).unlink()
    (run / "99-notes").mkdir()  # a user's own
    code, out, err = invoke("run", *SMALL, "--out", run)
    assert (code, err) == (0, "")
    assert out.count("unchanged, skipped") == len(STAGES)
    assert all((run / name).stat().st_size > 0 for name in FILES)
    assert (run / "99-notes").is_dir()


def test_each_damaged_file_of_a_stage_is_named_with_what_to_do(invoke: Invoke, finished: Path, run: Path) -> None:
    def truncate(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def edit(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    files = [p.relative_to(finished) for stage in STAGES for p in sorted((finished / stage).rglob("*")) if p.is_file()]
    assert len(files) >= 13
    for file, damage in itertools.product(files, (truncate, edit, Path.unlink)):
        if file.name == "stage.json" and damage is edit:
            continue  # an edit may leave it valid
        damage(run / file)
        code, _, err = invoke("run", *SMALL, "--out", run)
        assert code == 2, file
        assert str(file) in err
        assert f"use --from {file.parts[0][3:]}" in err
        shutil.copy(finished / file, run / file)


def test_a_stage_that_is_a_file_or_a_record_of_something_else(invoke: Invoke, run: Path) -> None:
    record = run / "02-mapping" / "stage.json"
    good = record.read_text()
    for bad in (
        "",
        "[]",
        "3",
        "{}",
        '{"format": "spinn_mam.stage/1", "files": {}}',
        good.replace('"wall_time_s"', '"wall"'),
        good.replace("stage/1", "stage/2"),
    ):
        record.write_text(bad)
        code, _, err = invoke("run", *SMALL, "--out", run, "--dry-run")
        assert code == 2, bad
        assert "use --from mapping" in err
    shutil.rmtree(run / "02-mapping")
    (run / "02-mapping").write_text("a file")
    assert invoke("run", *SMALL, "--out", run)[0] == 2
    code, out, _ = invoke("run", *SMALL, "--out", run, "--from", "mapping")
    assert code == 0
    assert "[1/6] network: unchanged, skipped" in out
    assert "[2/6] mapping: made anew, asked for with --from mapping" in out


def test_a_damaged_recording_is_refused_by_plot_and_compare(invoke: Invoke, run: Path, references: Path) -> None:
    (run / "03-simulation" / "recording" / "neurons.i4").write_bytes(b"\x03\x04")
    for arguments in (("plot", run), ("compare", run, references / "same.json")):
        code, _, err = invoke(*arguments)
        assert code == 2
        assert "neurons.i4: has changed since the run wrote it" in err


def test_an_interrupted_run_is_plotted_and_goes_on(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("run", "pd14", *SCALE, "--t-sim", "400", "--warm-up", "10", "--record", "50", "--out", "r")

    def stop(self: object, phase: str, done: float, total: float) -> None:
        if (phase, done) == ("simulate", 200.0):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("spinn_mam.flow.progress.Reporter.progress", stop)
        assert invoke(*command)[0] == 130
    assert "03 simulation: resume (goes on with what was begun)" in invoke(*command, "--dry-run")[1]
    code, out, err = invoke("plot", "r")
    assert (code, "raster.png" in out) == (0, True)
    assert "r: the run is not finished; this is of its first 0.2 s" in err
    code, out, _ = invoke(*command)
    assert (code, "simulation: goes on with what was begun" in out) == (0, True)
    code, _, err = invoke("plot", "r")
    assert (code, err) == (0, "")
    longer = [{"400": "600"}.get(word, word) for word in command]
    assert "simulation: goes on, t_sim 400 -> 600" in invoke(*longer)[1]
    assert Recording.load(tmp_path / "r" / "03-simulation" / "recording").duration_ms == 600.0


def test_an_unfinished_simulation_of_other_settings_is_not_given_up_silently(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("run", "pd14", *SCALE, "--t-sim", "400", "--warm-up", "10", "--record", "50", "--board-config", "none", "--out", "r")

    def stop(self: object, phase: str, done: float, total: float) -> None:
        if (phase, done) == ("simulate", 200.0):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("spinn_mam.flow.progress.Reporter.progress", stop)
        assert invoke(*command)[0] == 130
    before = sorted(tmp_path.rglob("*"))
    for other in (("--seed", "2"), ("--warm-up", "20"), ("--seed", "2", "--dry-run")):
        code, _, err = invoke(*command, *other)
        assert code == 2
        assert err == (
            "error: --out r: holds 0.2 s of an unfinished simulation of other settings, which the command that began it goes on with; "
            "name another folder, or give it up with --from simulation\n"
        )
    code, _, err = invoke("plan", "pd14", *SCALE, "--seed", "2", "--out", "r")
    assert code == 2
    assert "--out r: holds a run of another network or mapping (network: its inputs have changed: connectivity); name another folder" in err
    assert sorted(tmp_path.rglob("*")) == before
    assert "simulation: goes on with what was begun" in invoke(*command)[1]
    code, out, _ = invoke(*command, "--seed", "2", "--from", "simulation")
    assert (code, "holds a finished" in out) == (0, False)


def test_a_finished_simulation_is_replaced_only_after_a_word(invoke: Invoke, run: Path) -> None:
    code, out, err = invoke("plan", *SMALL[:5], "--seed", "2", "--out", run)
    assert (code, f"--out {run}: holds a run of another network or mapping" in err) == (2, True)
    assert invoke("plan", *SMALL[:5], "--out", run)[0] == 0  # of the same network
    other = ("--set", "neuron.tau_m=11")
    for change, why in ((other, "another network or mapping, or by another version"), ((*other, "--t-sim", "15"), "t_sim 20.0 -> 15.0")):
        for more in (("--dry-run",), ("--to", "simulation")):
            code, out, _ = invoke("run", *SMALL, *change, "--out", run, *more)
            assert code == 0
            said = f"{run} holds a finished simulation of other settings ({why}), which is replaced when the new one is finished"
            assert said in out
            assert out.index(said) < out.index("network: ")
    assert "holds a finished" not in invoke("run", *SMALL, "--set", "neuron.tau_m=11", "--out", run, "--t-sim", "30", "--to", "simulation")[1]


def test_another_model_or_other_settings_redo_what_depends_on_them_and_say_so(invoke: Invoke, run: Path) -> None:
    (run / "02-mapping" / "stage.json").write_text("damaged, but not needed any more")
    code, out, _ = invoke("run", *SMALL, "--seed", "2", "--out", run, "--to", "mapping")
    assert code == 0
    assert "[1/2] network: made anew, its inputs have changed: connectivity" in out
    assert "[2/2] mapping: made anew, 'network' is made anew" in out
    code, out, _ = invoke("run", *SMALL, "--set", "neuron.tau_m=11", "--out", run, "--to", "network")
    assert "[1/1] network: made anew, its inputs have changed: connectivity, document" in out


@pytest.mark.parametrize("stage", ["network", "mapping", "simulation", "energy", "real-time"])
def test_to_stops_after_each_stage(invoke: Invoke, tmp_path: Path, stage: str) -> None:
    code, out, err = invoke("run", *SMALL, "--to", stage, "--out", "r")
    assert (code, err) == (0, "")
    done = next(i for i, s in enumerate(STAGES, 1) if s[3:] == stage)
    report = FILES if done >= 3 else []
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == sorted(STAGES[:done] + report)
    assert (f"stopped after {stage}" in out) is (done < 3)


def test_out_that_is_no_run_folder_is_left_alone(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    mine = tmp_path / "thesis"
    (mine / "01-introduction.part").mkdir(parents=True)
    (mine / "chapter.tex").write_text("hello")
    for out, message in (
        ("file", "--out file: is a file"),
        ("file/deep", "--out file/deep: cannot be made: file is a file"),
        ("thesis", "--out thesis: not empty and no run folder (it holds 01-introduction.part, chapter.tex)"),
    ):
        for verb in (("run", *SMALL), ("run", *SMALL, "--dry-run"), ("plan", *SMALL[:5])):
            code, _, err = invoke(*verb, "--out", out)
            assert code == 2
            assert message in err
    assert (mine / "01-introduction.part").is_dir()
    (tmp_path / "empty").mkdir()
    assert invoke("run", *SMALL, "--to", "network", "--out", "empty")[0] == 0


def test_out_without_permission(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        code, _, err = invoke("run", *SMALL, "--out", "locked/r", "--dry-run")
    assert (code, "no permission to write in locked; name another folder" in err) == (2, True)

    def refuse(self: Path, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, _, err = invoke("run", *SMALL, "--out", "locked/r")
    assert (code, "cannot be written (Permission denied); name another folder" in err) == (2, True)


def test_a_full_disk_in_a_stage_keeps_the_stages_before(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device", "neurons.i4")

    with monkeypatch.context() as patch:
        patch.setattr("spinn_mam.recording.files.os.pwrite", full)
        code, _, err = invoke("run", *SMALL, "--out", "r")
    assert code == 5
    assert "stage simulation: No space left on device (neurons.i4): the finished stages in r are kept" in err
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == [*STAGES[:2], f"{STAGES[2]}.part"]
    with monkeypatch.context() as patch:
        patch.setattr("spinn_mam.flow.run.write_report", full)
        code, _, err = invoke("run", *SMALL, "--out", "r")
    assert (code, "No space left on device" in err) == (5, True)
    code, out, _ = invoke("run", *SMALL, "--out", "r")
    assert (code, out.count("unchanged, skipped")) == (0, len(STAGES))


def test_a_run_folder_belongs_to_one_process_at_a_time(invoke: Invoke, run: Path) -> None:
    with run_folder.held(run):
        for arguments in (("run", *SMALL, "--from", "network"), ("plan", *SMALL[:5])):
            code, _, err = invoke(*arguments, "--out", run)
            assert code == 2
            assert f"is in use by process {os.getpid()} since 20" in err
            assert "wait until it has finished, or name another folder with --out" in err
    assert not (run / run_folder.LOCK).exists()
    (run / run_folder.LOCK).write_text('{"pid": 1, "since": "long ago"}')  # its process was killed
    assert invoke("run", *SMALL, "--out", run)[0] == 0
    assert not (run / run_folder.LOCK).exists()


def test_a_lock_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mine"), run_folder.held(tmp_path):
        raise UsageError("mine")
    with run_folder.held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_what_was_finished_but_not_named_is_kept(invoke: Invoke, run: Path) -> None:
    (run / "03-simulation").rename(run / "03-simulation.part")  # killed between the last two steps
    assert "03 simulation: skip (unchanged)" in invoke("run", *SMALL, "--out", run, "--dry-run")[1]
    code, out, _ = invoke("run", *SMALL, "--out", run)
    assert (code, out.count("unchanged, skipped")) == (0, len(STAGES))
    assert sorted(p.name for p in run.iterdir()) == sorted(STAGES + FILES)


@pytest.mark.skipif(importlib.util.find_spec("nest") is None, reason="needs NEST")
def test_another_backend_in_the_same_folder_leaves_no_stage_of_the_first(run: Path) -> None:
    # in a process of its own: NEST may have been imported before the emulator's threads were made, which it does not survive
    command = [sys.executable, "-m", "spinn_mam.cli", "run", *SMALL, "--backend", "nest", "--out", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "backend emulator -> nest" in done.stdout
    assert "02-mapping: removed, it is of an earlier run with another backend" in done.stdout
    assert sorted(p.name for p in run.iterdir()) == sorted([STAGES[0], *STAGES[2:4], *FILES])
    assert json.loads((run / "metrics.json").read_text())["run"]["backend"] == "nest"
    assert "nest" in Recording.load(run / "03-simulation" / "recording").provenance["backend"]
