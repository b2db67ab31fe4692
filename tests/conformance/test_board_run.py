"""sPyNNaker as it is installed, in a process of its own, on a virtual board: what `board run` promises."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from spinn_mam.errors import BackendUnavailableError, MissingExtraError, UsageError
from spinn_mam.virtual_board import session
from spinn_mam.virtual_board.events import Event, Ready
from spinn_mam.virtual_board.faults import Faults
from spinn_mam.virtual_board.session import VirtualBoard

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
RING = ROOT / "experiments" / "ring_on_board.py"

#: A spike arrives 1 ms after it was sent, acts on the potential a step later, and takes 7 ms more to lift the next group: 9 ms a group.
VOLLEYS = "\n".join(
    f"group {i} fired at {', '.join(str(14 + 9 * i + 54 * turn) for turn in range(2) if 14 + 9 * i + 54 * turn < 80)} ms" for i in range(6)
)

REFUSED = """
import pyNN.spiNNaker as sim
sim.setup(timestep=1.0)
sim.Population(20, sim.IF_curr_alpha())
sim.run(10)
print("not reached")
"""
CRASHES = """
import pyNN.spiNNaker as sim
from spinn_front_end_common.data import FecDataView
sim.setup(timestep=1.0)
sim.Population(20, sim.IF_curr_exp()).record("spikes")
sim.run(5)
place = next(iter(FecDataView.iterate_placemements()))
FecDataView.get_transceiver().write_memory(place.x, place.y, 0x5000, b"\\xff" * 8192, cpu=place.p)
sim.run(5)
"""


def board_run(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spinn_mam.cli", "board", "run", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, env=os.environ | environment, check=False)


def lines(text: str, beginning: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginning)]


def test_a_script_as_it_stands_and_nothing_of_the_user_is_touched(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    mine = {home / ".spynnaker.cfg": "[Machine]\nspalloc_server = nowhere.example\n[Reports]\nmax_reports_kept = 3\n"}
    mine[work / "spynnaker.cfg"] = "[Machine]\nmachine_name = nowhere.example\nversion = 3\n"
    for path, text in mine.items():
        path.write_text(text)
    result = board_run(work, RING, "80", HOME=str(home))
    assert result.returncode == 0, result.stderr
    assert "\n".join(lines(result.stdout, "group ")) == VOLLEYS
    assert {path: path.read_text() for path in mine} == mine
    assert {path.name for path in home.iterdir()} - {".cache", ".config"} == {".spynnaker.cfg"}  # the others are the drawing library's
    assert sorted(path.name for path in work.iterdir()) == ["reports", "spynnaker.cfg"]
    said = result.stderr
    assert "virtual board: functionally executed, timing not modelled\n  spin5: 1 board, 48 chips" in said
    assert "board: 1 virtual board at 127." in said
    (loaded,) = lines(said, "  IF_curr_exp ")
    assert loaded.split()[1:3] == ["6", "486"]  # six cores, 81 ticks each: the last one ends the run
    assert "multicast packets: 360 sent" in said


def test_losses_are_injected_and_counted(tmp_path: Path) -> None:
    result = board_run(tmp_path, "--drop", "1", "--boards", "1", RING, "30", HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert lines(result.stdout, "group 0") == ["group 0 fired at  ms"]
    assert "40 sent, 0 delivered, 40 dropped on request" in result.stderr
    assert "injected: drop 1" in result.stderr


def test_a_binary_that_is_not_tested_is_refused_before_it_runs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(REFUSED)
    result = board_run(tmp_path, "script.py", HOME=str(tmp_path))
    assert result.returncode == 2
    assert "not reached" not in result.stdout
    (error,) = lines(result.stderr, "error: ")
    assert "is to run 'IF_curr_alpha', which the virtual board is not tested with" in error
    assert "--any-binary" in error


def test_a_crash_shows_the_core_and_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(CRASHES)
    result = board_run(tmp_path, "script.py", HOME=str(tmp_path))
    assert result.returncode == 1  # sPyNNaker noticed by itself
    (told,) = lines(result.stderr, "board: chip (0, 0), core ")
    assert told.endswith("IF_curr_exp stopped: data abort")
    registers = result.stderr[result.stderr.index(told) :]
    assert registers.splitlines()[1].split()[0] == "r0"
    assert " pc " in registers


def test_boards_side_by_side_report_and_end(capfd: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = []
    with VirtualBoard("spin3", progress=events.append) as one, VirtualBoard(3, threads=1, faults=Faults(late=0.5)) as three:
        assert isinstance(events[0], Ready)
        assert len(set(one.addresses + three.addresses)) == 4
        assert (one.version, three.version) == (3, 5)
        assert f"machine_name = {three.address}\nversion = 5\n" in three.config
        assert (one.report().n_chips, three.report().n_boards) == (4, 3)
        assert three.report().injected.startswith("late 0.5")
        with pytest.raises(BackendUnavailableError, match=rf"{one.address}: something else listens there"):
            VirtualBoard("spin3", host=one.address).start()
    assert not one.running
    assert one.report().packets_sent == 0
    one.stop()
    assert not capfd.readouterr().err


def test_a_board_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = "import sys, time; from spinn_mam.virtual_board.session import VirtualBoard; b = VirtualBoard('spin3').start(); "
    program += "print(b._process.process.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        board = int(owner.stdout.readline())
        os.kill(board, 0)
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{board}").exists() and "\tZ" not in Path(f"/proc/{board}/status").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert time.monotonic() < deadline


def test_serving_prints_the_configuration_and_ends_with_ctrl_c() -> None:
    command = [sys.executable, "-m", "spinn_mam.cli", "board", "serve", "--board-config", "spin3", "--host", "127.93.7.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        said = [server.stdout.readline() for _ in range(4)]
        assert said[1:] == ["[Machine]\n", "machine_name = 127.93.7.5\n", "version = 3\n"]
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert "spin3: 1 board, 4 chips" in server.stderr.read()


@pytest.mark.parametrize(("host", "message"), [("127.0.0.1", "own virtual mode"), ("no address", "not an IPv4 address"), ("::1", "not an IPv4")])
def test_addresses_that_are_none(host: str, message: str) -> None:
    command = [sys.executable, "-m", "spinn_mam.cli", "board", "serve", "--host", host]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert message in result.stderr


def test_wrong_arguments_are_errors_before_a_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such machine"):
        VirtualBoard("spin6")
    with pytest.raises(UsageError, match="0 threads"):
        VirtualBoard(threads=0)
    monkeypatch.setattr(session, "check_unicorn", lambda: (_ for _ in ()).throw(MissingExtraError("the virtual board", "board", "unicorn")))
    with pytest.raises(MissingExtraError):
        VirtualBoard()


def test_the_fixtures_in_another_project(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["spinn_mam.virtual_board.pytest_plugin"]')
    pytester.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.spinnaker_board("spin3", threads=1)
        def test_spikes(spynnaker_on_board):
            import pyNN.spiNNaker as sim

            sim.setup(timestep=1.0)
            source = sim.Population(1, sim.SpikeSourceArray(spike_times=[3.0]))
            target = sim.Population(2, sim.IF_curr_exp())
            sim.Projection(source, target, sim.AllToAllConnector(), sim.StaticSynapse(weight=50.0))
            target.record("spikes")
            sim.run(10.0)
            trains = target.get_data("spikes").segments[0].spiketrains
            sim.end()
            assert [list(map(float, train)) for train in trains] == [[4.0, 6.0, 8.0]] * 2
            assert spynnaker_on_board.report().n_chips == 4
            assert spynnaker_on_board.report().binaries["IF_curr_exp"].ticks == 11

        def test_board(spinnaker_board):
            assert spinnaker_board.report().n_chips == 48
        """
    )
    pytester.runpytest_subprocess("--strict-markers", "-p", "no:cacheprovider").assert_outcomes(passed=2)
