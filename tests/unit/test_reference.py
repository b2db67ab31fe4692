"""The verb reference: an ensemble over seeds that goes on where it stopped, and what a run is told beside it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from spinn_mam.cli import main
from spinn_mam.comparison import ReferenceStatistics
from spinn_mam.errors import RunFailedError
from spinn_mam.flow.reference import read_seeds
from spinn_mam.models import load_model
from spinn_mam.nest_reference.ensemble import recording_path, run_ensemble
from spinn_mam.network.spec import NetworkSpec

NETWORK = ("mam", "--areas", "V1", "--n-scaling", "0.02", "--k-scaling", "0.1")
TIMES = ("--t-sim", "500", "--warm-up", "100", "--threads", "1")


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["spinn-mam", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), *capsys.readouterr()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reference")


def test_seeds_are_kept_more_extend_them_and_a_run_is_judged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "new" / "v1.json"
    seeds = folder / "of V1"
    make = ("reference", *NETWORK, *TIMES, "--backend", "emulator", "--out", seeds, "--write", file)
    code, out, _ = call(monkeypatch, capsys, *make, "--seeds", "1-3")
    assert code == 0
    first, *said, last = out.splitlines()
    assert first == f"recordings in {seeds}; reference statistics will be {file}, in the new folder {file.parent}"
    said = [line.partition(":")[2].strip() for line in said]
    assert [line.partition(",")[0] for line in said[::2]] == ["1 of 3", "2 of 3", "3 of 3"]  # each is announced before it runs
    assert all(line.endswith(" s") for line in said[1::2])
    assert last == f"reference statistics: {file}"
    code, out, _ = call(monkeypatch, capsys, *make, "--seeds", "1-4")
    assert code == 0
    assert [line.partition(":")[2].strip() for line in out.splitlines()[1:4]] == ["there already"] * 3
    reference = ReferenceStatistics.load(file)
    assert reference.seeds == (1, 2, 3, 4)
    assert reference.provenance["backend"] == "emulator"
    words = shlex.split(reference.provenance["command"])  # ready to be pasted, whatever has blanks
    assert words[:4] == ["spinn-mam", "reference", "mam", "--areas"]
    assert words[words.index("--out") + 1] == "of V1"
    before = file.read_bytes()
    code, _, err = call(monkeypatch, capsys, *make, "--seeds", "1-3", "--k-scaling", "0.2")
    assert code == 2
    assert f"--write {file}: holds the statistics of another network (mam, N_scaling 0.02, K_scaling 0.1); name another file" in err
    assert file.read_bytes() == before
    run = ("run", *NETWORK, *TIMES, "--board-config", "none", "--reference", file)
    code, out, _ = call(monkeypatch, capsys, *run, "--seed", 9, "--out", folder / "other")
    assert code == 0
    assert "accuracy (senk26):" in out
    [told] = [line.partition(" (")[0] for line in out.splitlines() if line.startswith("down-scaled: membrane potentials")]
    assert told in (folder / "other" / "report.html").read_text(encoding="utf-8")
    metrics = json.loads((folder / "other" / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["theory"]["populations"]) == set(reference.names)
    assert metrics["theory"]["populations"]["V1-6I"]["doubt"].startswith("few strong inputs: skewness -0.7")
    code, _, err = call(monkeypatch, capsys, *run, "--seed", 3, "--out", folder / "same")
    assert code == 2
    assert "--seed 3 is a seed of the reference itself, which says nothing: give another than 1, 2, 3, 4" in err
    assert not (folder / "same").exists()
    (seed,) = (folder / "of V1").glob("*-seed3")
    code, _, err = call(monkeypatch, capsys, "compare", seed / "recording", file)
    assert code == 2
    assert "the run is seed 3 of the reference itself" in err


def dies(spec: NetworkSpec, seed: int, t_sim: float, warm_up: float, threads: int, path: Path) -> None:
    del spec, seed, t_sim, warm_up, threads, path
    sys.exit(7)


def test_a_seed_that_leaves_no_recording_is_named(tmp_path: Path) -> None:
    spec = load_model("pd14").network(0.01, 0.01)
    with pytest.raises(RunFailedError, match="the emulator run of seed 2 ended with 7; finished seeds are kept"):
        run_ensemble(spec, [2], t_sim=10.0, warm_up=0.0, threads=1, folder=tmp_path, backend="emulator", simulate=dies)
    assert recording_path(tmp_path, spec, 2).parent == tmp_path
    assert recording_path(tmp_path, spec, 2, "emulator").name == "recording"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seeds", "1-2"), "2 give no spread, thresholds need at least 3"),
        (("--seeds", "3-1"), "--seeds 3-1: give different seeds"),
        (("--seeds", "1,1,2"), "--seeds 1,1,2: give different seeds"),
        (("--seeds", "a"), "--seeds a: give different seeds"),
        (("--backend", "spinnaker"), "--backend spinnaker: use one of nest, emulator"),
        (("--n-scaling", "2"), "--n-scaling 2 is out of range"),
        (("--seeds", "1-99999999"), "--seeds 1-99999999: at most 1,000 seeds"),
        (("--write", "x.npz"), "reference statistics are a .json document"),
    ],
)
def test_what_makes_no_reference_is_one_message(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(monkeypatch, capsys, "reference", *NETWORK, "--backend", "emulator", "--write", "x.json", *arguments)
    assert code == 2
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("write", "message"),
    [
        ("folder.json", "--write folder.json: is a folder; name a file"),
        ("file/below/x.json", "--write file/below/x.json: its folder cannot be made: file is a file"),
        ("notes.json", "--write notes.json: is there and holds no reference statistics; name another file"),
    ],
)
def test_statistics_that_could_not_be_written_are_refused_before_any_run(
    write: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.json").mkdir()
    for name in ("file", "notes.json"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    code, out, err = call(monkeypatch, capsys, "reference", *NETWORK, "--backend", "emulator", "--write", write)
    assert (code, out) == (2, "")
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.json", "notes.json"]
    assert (tmp_path / "notes.json").read_text(encoding="utf-8") == "mine"


def test_a_folder_for_recordings_that_cannot_be_is_refused_before_any_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for out, message in (("file", "--out file: is a file"), ("file/below", "--out file/below: cannot be made: file is a file")):
        code, said, err = call(monkeypatch, capsys, "reference", *NETWORK, "--backend", "emulator", "--write", "x.json", "--out", out)
        assert (code, said) == (2, "")
        assert message in err


def test_seeds_are_read() -> None:
    assert read_seeds("2-4") == [2, 3, 4]
    assert read_seeds("7,3") == [7, 3]
