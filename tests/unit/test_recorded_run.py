"""A run that records as it goes: however it is stopped, what it left is right, and the rest comes out as if nothing had been."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator import backend as emulator
from spinn_mam.backends.emulator import recorded
from spinn_mam.backends.emulator.backend import EmulatorBackend, simulate
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.models import load_model
from spinn_mam.recording import Recording, files

SPEC = load_model("pd14", ("thalamus.enabled=true",)).network(0.02, 0.05)
NETWORK = Network.from_seed(SPEC, 1)
SIZES = tuple(int(n) for n in SPEC.sizes)
SOME = (10, 0, 400, 0, 0, 5, 0, 0, 7)
SAMPLED = (3, 0, 0, 2, 0, 0, 0, 1, 0)
Report = Callable[[str, float, float], None]


def run(folder: Path | None, report: Report | None = None, **options: Any) -> Recording:
    """Warm up for 0.15 s and record 0.5 s."""
    settings: dict[str, Any] = {"t_sim": 500.0, "warm_up": 150.0, "seed": 3, "threads": 1, "record_v": SAMPLED, "record_v_interval": 0.7}
    return simulate(NETWORK, None, progress=report, folder=folder, **(settings | options))


def stop_at(phase: str, when: float) -> Report:
    def report(name: str, done: float, total: float) -> None:
        if (name, done) == (phase, when):
            raise KeyboardInterrupt

    return report


def columns(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "recording" / name).read_bytes() for name in files.COLUMNS.values()}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    run(folder)
    return folder


def assert_same(folder: Path, straight: Path) -> None:
    assert columns(folder) == columns(straight)
    a, b = (Recording.load(path / "recording") for path in (folder, straight))
    assert (a.activity, a.population_spikes, a.complete) == (b.activity, b.population_spikes, True)
    assert a.provenance["n_saturated_slots"] == b.provenance["n_saturated_slots"]


def test_the_run_is_long_enough_to_tell(straight: Path) -> None:
    recording = Recording.load(straight / "recording")
    assert recording.n_spikes > 300
    assert recording.activity is not None
    assert recording.activity.n_spikes == recording.n_spikes == sum(recording.population_spikes or ())
    assert recording.provenance["n_resumed"] == 0


@pytest.mark.parametrize(("phase", "when"), [("warm-up", 0.0), ("warm-up", 100.0), ("simulate", 0.0), ("simulate", 200.0), ("simulate", 500.0)])
def test_an_interrupted_run_can_be_read_and_goes_on_identically(straight: Path, tmp_path: Path, phase: str, when: float) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at(phase, when))
    if phase == "simulate" and when > 0:
        left, whole = Recording.load(tmp_path / "recording"), Recording.load(straight / "recording")
        assert (left.complete, left.duration_ms) == (False, when)
        part = whole.window(0.0, when)
        assert np.array_equal(left.step, part.step)
        assert np.array_equal(left.neuron, part.neuron)
        assert left.population_spikes == part.population_spikes
        assert left.potentials is not None
        assert part.potentials is not None
        assert np.array_equal(left.potentials.v, part.potentials.v)
    else:
        assert not (tmp_path / "recording" / files.HEADER).exists()
    seen: list[tuple[str, float]] = []
    run(tmp_path, lambda name, done, total: seen.append((name, done)), threads=2)
    assert next((done for name, done in seen if name == phase), 500.0) == when  # nothing is left to do of a run that was done
    assert_same(tmp_path, straight)
    assert Recording.load(tmp_path / "recording").provenance["n_resumed"] == 1


def test_the_machines_sources_go_on_identically(tmp_path: Path) -> None:
    def with_sources(folder: Path, report: Report | None = None) -> Recording:
        return run(folder, report, t_sim=150.0, sources=MachineSources(SPEC, [50] * len(SIZES), 3))

    with_sources(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        with_sources(tmp_path / "stopped", stop_at("simulate", 100.0))
    with_sources(tmp_path / "stopped")
    assert Recording.load(tmp_path / "straight" / "recording").n_spikes > 100
    assert_same(tmp_path / "stopped", tmp_path / "straight")


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_recorded_run as t

def report(name, done, total):
    if (name, done) == ("simulate", 400.0):
        os.kill(os.getpid(), signal.SIGKILL)

t.run(Path({folder!r}), report, checkpoint_every=0.45)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is left of a run with a checkpoint at 300 ms that was killed at 400 ms."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
    assert subprocess.run([sys.executable, "-c", script], env=os.environ, check=False).returncode == -signal.SIGKILL
    return folder


def test_a_killed_run_goes_on_from_its_checkpoint(straight: Path, killed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(killed, tmp_path / "run")
    left = Recording.load(folder / "recording")
    assert (left.complete, left.duration_ms) == (False, 300.0)
    at = len(columns(folder)["counts.u4"])
    assert at > 3000 * 4  # more than the checkpoint knows of, and cut somewhere
    with (folder / "recording" / "counts.u4").open("r+b") as file:
        file.truncate(at - 3)
    seen: list[tuple[str, float]] = []
    run(folder, lambda name, done, total: seen.append((name, done)))
    assert next(done for name, done in seen if name == "simulate") == 300.0
    assert_same(folder, straight)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("recording/neurons.i4", r"neurons\.i4: damaged: \d+ bytes expected"),
        ("recording/potentials.f4", r"potentials\.f4: damaged"),
        ("checkpoint.npz", r"checkpoint\.npz: damaged"),
    ],
)
def test_a_file_cut_before_the_checkpoint_is_named(killed: Path, tmp_path: Path, file: str, message: str) -> None:
    folder = shutil.copytree(killed, tmp_path / "run")
    with (folder / file).open("r+b") as opened:
        opened.truncate(100)
    with pytest.raises(DocumentError, match=message):
        run(folder)


def test_a_finished_run_is_extended_and_not_shortened(straight: Path, tmp_path: Path) -> None:
    run(tmp_path, t_sim=200.0)
    run(tmp_path)
    assert_same(tmp_path, straight)
    with pytest.raises(UsageError, match=r"holds 500 ms already, 400 ms are asked for"):
        run(tmp_path, t_sim=400.0)
    assert_same(tmp_path, straight)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"seed": 4}, "another seed"),
        ({"warm_up": 100.0}, "another warm-up"),
        ({"record": SOME}, "another selection of neurons"),
        ({"delay_offset_steps": 2}, "another delay_offset_steps"),
    ],
)
def test_another_run_is_not_taken_up(killed: Path, tmp_path: Path, change: dict[str, Any], what: str) -> None:
    folder = shutil.copytree(killed, tmp_path / "run")
    with pytest.raises(UsageError, match=what):
        run(folder, **change)
    assert columns(folder) == columns(killed)


def test_a_full_disk_leaves_what_was_recorded(straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, calls = os.pwrite, []

    def full(descriptor: int, data: Any, at: int) -> int:
        calls.append(at)
        if len(calls) > 8:  # in the third chunk of the recording
            raise OSError(28, "No space left on device")
        return pwrite(descriptor, data[: max(1, len(data) // 2)], at) if len(calls) > 6 else pwrite(descriptor, data, at)

    monkeypatch.setattr(files.os, "pwrite", full)
    with pytest.raises(OSError, match="No space left on device"):
        run(tmp_path)
    monkeypatch.undo()
    assert Recording.load(tmp_path / "recording").duration_ms == 200.0
    run(tmp_path)
    assert_same(tmp_path, straight)


def test_a_subset_is_what_its_neurons_do_in_the_whole_run(straight: Path) -> None:
    whole, some = Recording.load(straight / "recording"), run(None, record=SOME)
    chosen = np.isin(whole.neuron, np.concatenate([np.arange(o, o + n) for o, n in zip(whole.offsets, SOME, strict=False)]))
    assert 20 < np.count_nonzero(chosen) < 0.9 * whole.n_spikes
    assert np.array_equal(some.step, whole.step[chosen])
    assert np.array_equal(some.neuron, whole.neuron[chosen])
    assert some.population_spikes == whole.population_spikes
    assert some.rates() == whole.rates()
    assert some.activity == whole.activity
    assert run(None, record=(0,) * len(SIZES)).rates() == whole.rates()


def test_potentials_are_those_after_so_many_steps(straight: Path) -> None:
    potentials = Recording.load(straight / "recording").potentials
    assert potentials is not None
    assert potentials.neuron.tolist() == [0, 1, 2, *(SPEC.offsets[3] + [0, 1]), SPEC.offsets[7]]
    assert (potentials.first_step, potentials.interval_steps, len(potentials.v)) == (1507, 7, 5000 // 7)
    every = run(None, t_sim=10.0, record_v_interval=0.1).potentials
    assert every is not None
    assert np.array_equal(every.step, np.arange(1501, 1601))
    assert np.array_equal(every.v[6::7], potentials.v[: len(every.v[6::7])])
    assert np.array_equal(np.rint(every.v * ONE) / ONE, every.v)
    assert len(np.unique(every.v)) > 100


def test_memory_held_for_potentials_is_bounded(straight: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "MAX_POTENTIALS", 60)
    found = run(None).potentials
    expected = Recording.load(straight / "recording").potentials
    assert found is not None
    assert expected is not None
    assert np.array_equal(found.v, expected.v)


def test_a_recording_that_does_not_fit_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig(3.6e6, 0.0, 1, 1, "shared")
    backend = EmulatorBackend(folder=tmp_path / "not" / "yet")
    rate = sum(n * (p.source_rate if p.is_source else r) for n, p, r in zip(SIZES, SPEC.populations, SPEC.expected_rates, strict=True))
    need = 1.25 * rate * 3600 * 4 + 3.6e7 * 4
    free = [need * 1.01]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(emulator.shutil, "disk_usage", lambda path: usage._replace(free=int(free[0])))
    assert backend.check(NETWORK, config, None) == []
    free[0] = need * 0.99
    [violation] = backend.check(NETWORK, config, None)
    assert "GB needed to record 3600 s of" in str(violation)
    assert "record fewer neurons with --record, or name another disk with --out" in str(violation)
    fewer = RunConfig(3.6e6, 0.0, 1, 1, "shared", record=SOME)
    assert backend.check(NETWORK, fewer, None) == []
    potentials = RunConfig(3.6e6, 0.0, 1, 1, "shared", record=SOME, record_v=(*SIZES[:-1], 0), record_v_interval=0.1)
    assert len(backend.check(NETWORK, potentials, None)) == 1
    assert not (tmp_path / "not").exists()
