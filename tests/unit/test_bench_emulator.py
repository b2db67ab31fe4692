"""The benchmark of the emulator, tiny: what it runs is what a run computes, whoever is missing is named, no process is left. No time is asserted."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.backend import simulate
from spinn_mam.bench.child import Child, LeftOutError
from spinn_mam.bench.contender import CONTENDERS, Contender
from spinn_mam.bench.emulator import Settings, choose, group
from spinn_mam.bench.host import ForeignLoad, describe_host, peak_rss_bytes
from spinn_mam.bench.results import Measured, Segment, ratios
from spinn_mam.bench.tables import report
from spinn_mam.cli import app
from spinn_mam.errors import UsageError
from spinn_mam.models import load_model
from spinn_mam.nest_reference.simulation import expected_out_degrees

TINY = ("--n-scaling", "0.01", "--k-scaling", "0.01", "--segment", "30", "--simulator-segment", "10", "--warm-up", "20")
SPEC = load_model("pd14").network(0.01, 0.01)


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    arguments = ["bench", "emulator", *TINY, "--contenders", "one-thread", "--repeats", "2", "--seed", "3", "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "one-thread: segment 2 of 2" in done.stderr
    return dict(json.loads(done.stdout))


def test_segments_are_those_of_a_run(results: dict[str, Any]) -> None:
    recording = simulate(Network.from_seed(SPEC, 3), None, 60.0, 20.0, 3)
    for name in ("emulator", "one-thread"):
        for k, segment in enumerate(results["contenders"][name]["segments"]):
            neuron = recording.window(30.0 * k, 30.0 * (k + 1)).neuron
            assert segment["spikes"] == np.histogram(neuron, SPEC.offsets)[0].tolist()
            assert segment["n_events"] == pytest.approx(np.dot(segment["spikes"], expected_out_degrees(SPEC)))
        assert results["contenders"][name]["rates"] == pytest.approx(recording.rates())


def test_contenders_take_turns(results: dict[str, Any]) -> None:
    segments = [(s["start_s"], s["start_s"] + s["wall_s"], name, s["turn"]) for name, c in results["contenders"].items() for s in c["segments"]]
    segments.sort()
    assert [(name, turn) for _, _, name, turn in segments] == [(name, turn) for turn in (1, 2) for name in ("emulator", "one-thread")]
    assert all(end <= following[0] for (_, end, _, _), following in pairwise(segments))


def test_the_json_says_what_was_measured_on_what(results: dict[str, Any]) -> None:
    assert results["format"] == "spinn_mam.bench_emulator/1"
    keys = {"started", "wall_time_s", "network", "host", "versions", "source", "load_average", "quiet_below", "contenders", "ratios", "left_out"}
    assert set(results) - {"reference"} == keys | {"format"}
    assert results["network"] | {"seed": 0} == {
        "model": "pd14",
        "drive": "poisson",
        "N_scaling": 0.01,
        "K_scaling": 0.01,
        "dt_ms": 0.1,
        "n_neurons": int(SPEC.sizes.sum()),
        "n_synapses": SPEC.n_synapses,
        "seed": 0,
    }
    contender = results["contenders"]["one-thread"]
    assert contender["threads"] == 1
    assert contender["network_bytes"] > 4 * SPEC.n_synapses
    for segment in contender["segments"]:
        assert segment["rtf"] == pytest.approx(segment["wall_s"] / 0.03)
        assert segment["cpu_s_per_s"] == pytest.approx(segment["cpu_s"] / 0.03)
        assert 0.0 <= segment["foreign_share"] <= 1.0
        assert segment["quiet"] == (segment["foreign_share"] < results["quiet_below"])
    assert contender["rtf"]["all"]["n"] == 2
    assert results["ratios"]["one-thread"]["rtf"]["all"]["pairs"]["n"] == 2
    assert {"cpu", "cores_logical", "memory_GiB", "numba_cpu"} <= set(results["host"])


def test_the_table_is_readable_at_80_columns(results: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=80, highlight=False)
    for part in report(results):
        console.print(part, markup=False) if isinstance(part, str) else console.print(part)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    assert "one-thread" in out


def segment(turn: int, rtf: float, cpu: float, foreign: float) -> Segment:
    return Segment(turn, 0.0, 2.0, 2.0 * rtf, 2.0 * cpu, foreign, 1.0, [1], 10.0)


def test_ratios_are_of_neighbours_and_of_quiet_segments() -> None:
    base, other = (Measured("", "", 2, 1.0, 0.0) for _ in range(2))
    base.segments = [segment(0, 9.0, 9.0, 0.0), segment(1, 1.0, 2.0, 0.0), segment(2, 2.0, 2.0, 0.5), segment(3, 4.0, 2.0, 0.0)]
    other.segments = [segment(1, 10.0, 20.0, 0.0), segment(2, 40.0, 20.0, 0.0), segment(3, 120.0, 20.0, 0.0)]
    found = ratios(other, base)
    assert found["rtf"]["all"] == {"of_medians": 20.0, "pairs": {"n": 3, "min": 10.0, "median": 20.0, "max": 30.0}}
    assert found["rtf"]["quiet"] == {"of_medians": 65.0 / 2.5, "pairs": {"n": 2, "min": 10.0, "median": 20.0, "max": 30.0}}
    assert found["cpu_s_per_s"]["all"]["of_medians"] == 10.0
    other.segments = [segment(1, 10.0, 20.0, 0.2)]
    assert "quiet" not in ratios(other, base)["rtf"]


def test_groups_fit_the_memory() -> None:
    base, small, large, huge = (Contender(f"c{i}", "", "", bytes_per_synapse=b) for i, b in enumerate((10.0, 20.0, 60.0, 200.0)))
    own = [c.bytes_needed(SPEC) for c in (base, small, large, huge)]
    assert group([base, small, large, huge], SPEC, sum(own)) == (base, [[small, large, huge]], {})
    assert group([base, small, large, huge], SPEC, own[0] + own[3]) == (base, [[small], [large], [huge]], {}) or own[0] + own[3] >= sum(own[:3])
    _, groups, left_out = group([base, small, large, huge], SPEC, own[0] + own[2] + 1.0)
    assert groups == [[small], [large]]
    assert set(left_out) == {"c3"}
    assert "--n-scaling" in left_out["c3"]
    assert group([base], SPEC, 0.0) == (base, [[]], {})


def test_who_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    none = (("no_such_module", "nest", "no-such-package"),)
    absent = tuple(Contender(c.name, c.title, c.module, packages=none if c.name == "nest" else ()) for c in CONTENDERS)
    monkeypatch.setattr("spinn_mam.bench.emulator.CONTENDERS", absent)
    chosen, left_out = choose(Settings(contenders=("nest", "one-thread")))
    assert [c.name for c in chosen] == ["emulator", "one-thread"]
    assert "no-such-package" in left_out["nest"]
    assert "spinn-mam[nest]" in left_out["nest"]


@pytest.mark.parametrize("settings", [Settings(contenders=("neuron",)), Settings(segment_ms=0.5), Settings(simulator_segment_ms=float("nan"))])
def test_wrong_settings_are_refused(settings: Settings) -> None:
    with pytest.raises(UsageError):
        choose(settings)


def test_without_a_compiler_brian2_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    contender = next(c for c in CONTENDERS if c.name == "brian2")
    monkeypatch.setenv("PATH", "")
    with Child(contender, SPEC, 1, 2) as child, pytest.raises(LeftOutError, match="there is no 'make'"):
        child.build()


def test_a_contender_that_is_killed_is_left_out() -> None:
    with Child(CONTENDERS[0], SPEC, 1, 1) as child:
        child.build()
        assert child._process.pid is not None
        os.kill(child._process.pid, signal.SIGKILL)
        with pytest.raises(LeftOutError, match="killed by signal 9"):
            child.run(10.0)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A benchmark in the middle of its turns, and its processes; its code is that of ``results``, compiled by then."""
    command = [sys.executable, "-m", "spinn_mam.cli", "bench", "emulator", *TINY, "--contenders", "one-thread", "--repeats", "100000"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}, start_new_session=True
    )
    assert process.stderr is not None
    assert any("one-thread: segment 1" in line for line in process.stderr)
    # pytest's own coverage of the pipe ends here; what follows is read by nobody
    os.set_blocking(process.stderr.fileno(), False)
    yield process, psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL])
def test_an_interrupted_benchmark_leaves_no_process(
    running: tuple[subprocess.Popen[str], list[psutil.Process]], number: signal.Signals, tmp_path: Path
) -> None:
    process, children = running
    assert len(children) >= 2
    process.send_signal(number)
    assert process.wait(60) == (128 + number if number != signal.SIGKILL else -number)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    if number != signal.SIGKILL:
        assert not list(tmp_path.glob("spinn-mam-bench-*"))


def test_foreign_load_is_what_others_used() -> None:
    program = "import time\nwhile time.process_time() < 0.4: pass"
    load, started = ForeignLoad(), time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    used = load.share(0.0) * (time.perf_counter() - started) * (psutil.cpu_count() or 1)
    assert used > 0.35  # the system counts in steps of 10 ms
    assert load.share(1e6) == 0.0


def test_the_host_is_described() -> None:
    host = describe_host()
    assert host["vector_bits"] in (128, 256, 512)
    if Path("/proc/self/status").exists():
        block = np.ones(50_000_000)
        peak = peak_rss_bytes()
        assert peak is not None
        assert peak > block.nbytes
        assert peak_rss_bytes(2**30) is None
