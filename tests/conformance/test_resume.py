"""A run that is stopped at any stage, by a signal or by being killed, resumes to the very result of one that was not."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from spinn_mam.cli import app
from spinn_mam.recording import Recording

ARGUMENTS = ("run", "pd14", "--n-scaling", "0.05", "--k-scaling", "0.05", "--t-sim", "300", "--warm-up", "200")
STAGES = ["01-network", "02-mapping", "03-simulation", "04-comparison", "05-energy", "06-real-time"]
PATIENCE_S = 120.0

#: The program, except that one stage stands still when it reports a phase the second time it is told, and says that it does.
STANDING_STILL = """
import dataclasses, pathlib, signal, sys, time

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it, which children inherit
from spinn_mam import cli
from spinn_mam.flow import engine

here, stage_name, phase_name = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
run = engine._run

def stand_still():
    pathlib.Path(here).touch()
    for _ in range(2400):  # in short naps: a signal just before a long sleep would wait for its end
        time.sleep(0.05)

def slowed(stage, *rest):
    def make(folder, results, report):
        (folder / "half").write_text("half")
        if phase_name == "start":
            stand_still()
        def reported(phase, done, total):
            report(phase, done, total)
            if phase == phase_name and (done > 0 or total == 0):
                stand_still()
        return stage.make(folder, results, reported)
    run(dataclasses.replace(stage, make=make) if stage.name == stage_name else stage, *rest)

engine._run = slowed
cli.main()
"""


def start(*arguments: str, still_in: tuple[Path, str, str] | None = None) -> subprocess.Popen[str]:
    words = ["-m", "spinn_mam.cli"] if still_in is None else ["-c", STANDING_STILL, *map(str, still_in)]
    return subprocess.Popen(
        [sys.executable, *words, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "80"}
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise AssertionError(f"it did not come to {path.name}: {process.communicate()}")
        time.sleep(0.01)


def stopped(
    arguments: tuple[str, ...], mark: Path, stage: str, phase: str, number: int, meanwhile: Callable[[int], None] = lambda pid: None
) -> tuple[int, str, str]:
    """Run until a stage is in a phase, do something, send a signal, and return exit code, output and errors."""
    process = start(*arguments, still_in=(mark, stage, phase))
    try:
        wait_for(mark, process)
        meanwhile(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    mark.unlink()
    return process.returncode, out, err


def finish(arguments: tuple[str, ...]) -> str:
    """Run to the end, in this process."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    finish((*ARGUMENTS, "--out", str(folder)))
    return folder


def test_stopped_at_every_stage_it_keeps_what_is_done_and_ends_the_same(uninterrupted: Path, tmp_path: Path) -> None:
    folder, mark = tmp_path / "run", tmp_path / "mark"
    arguments = (*ARGUMENTS, "--out", str(folder))
    first_seen: dict[str, int] = {}

    def second_process_is_refused(pid: int) -> None:
        second = start(*arguments)
        _, err = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 2
        assert f"in use by process {pid} since" in err
        assert (folder / "01-network.part" / "half").exists()  # the first one's work is left alone

    for stage, phase, number, code, kept in (
        ("network", "start", signal.SIGINT, 130, 0),
        ("mapping", "check", signal.SIGTERM, 143, 1),
        ("simulation", "warm-up", signal.SIGINT, 130, 2),
        ("simulation", "simulate", signal.SIGKILL, -9, 2),
        ("comparison", "compare", signal.SIGHUP, 129, 3),
    ):
        meanwhile = second_process_is_refused if stage == "network" else lambda pid: None
        returned, out, err = stopped(arguments, mark, stage, phase, number, meanwhile)
        there = sorted(p.name for p in folder.iterdir())
        assert returned == code, (stage, err)
        if number == signal.SIGKILL:
            assert there == sorted([".lock", *STAGES[:kept], f"{STAGES[kept]}.part"])
        else:
            begun = ["03-simulation.part"] if stage == "simulation" else []  # the one that goes on with what it has
            assert there == sorted([*STAGES[:kept], *begun]), stage
            assert err == "interrupted: nothing that was finished is lost; to go on, give the same command with the run folder as --out\n"
        for name in STAGES[:kept]:
            changed = (folder / name / "stage.json").stat().st_mtime_ns
            assert first_seen.setdefault(name, changed) == changed, f"{name} was made anew"
        assert out.count("unchanged, skipped") >= min(kept, len(first_seen)) - 1
    out = finish(arguments)
    assert out.count("unchanged, skipped") == 3
    assert not list(folder.glob("*.part"))
    assert not (folder / ".lock").exists()

    whole, resumed = (Recording.load(run / "03-simulation" / "recording") for run in (uninterrupted, folder))
    assert len(whole.step) > 500
    assert whole.step.tobytes() == resumed.step.tobytes()
    assert whole.neuron.tobytes() == resumed.neuron.tobytes()
    assert whole.activity == resumed.activity
    rates = [json.loads((run / "metrics.json").read_text())["run"]["rates"] for run in (uninterrupted, folder)]
    assert rates[0] == rates[1]
    assert resumed.provenance["n_resumed"] == 2  # after the signal and after it was killed
    with np.load(uninterrupted / "02-mapping" / "deployment.npz") as a, np.load(folder / "02-mapping" / "deployment.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)


@pytest.mark.skipif(importlib.util.find_spec("nest") is None, reason="needs NEST")
def test_nest_is_stopped_cleanly(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start("run", "pd14", "--n-scaling", "0.02", "--k-scaling", "0.02", "--t-sim", "1000000", "--backend", "nest", "--out", str(folder))
    try:
        wait_for(folder / "03-simulation.part", process)
        time.sleep(1.0)  # somewhere in NEST: building or simulating
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.startswith("interrupted: ")
    assert [p.name for p in folder.iterdir()] == ["01-network"]
