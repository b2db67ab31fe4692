"""Running a script: what it sees, how it ends, the machine it asks for; with a board that only says what it is told."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from json import loads
from pathlib import Path
from typing import Any, ClassVar

import pytest

from spinn_mam.errors import DoesNotFitError, RunFailedError, SpinnMamError, UsageError
from spinn_mam.virtual_board import script
from spinn_mam.virtual_board.allocation import Allocator, Granted, machine_for
from spinn_mam.virtual_board.events import BoardReport, Crashed, Event, Refused
from spinn_mam.virtual_board.faults import Faults
from spinn_mam.virtual_board.script import ScriptResult, run_script, script_environment

REPORT = BoardReport("spin5", 1, 48, 1.0, 2.0, 20000, 0, 0, 0, 0, 0, 0, 0)
CRASH = Crashed(1, 2, 3, "IF_curr_exp", "SWERR", {"r0": 1, "pc": 0x1234}, "one\ntwo")

#: Stands for the configuration loader of the tools: it reads defaults, the user's file, and the one in the working directory.
LOADER = """
import configparser, os
def load_config(local_name, user_cfg, defaults):
    configs = configparser.RawConfigParser()
    for path in (*defaults, user_cfg, os.path.join(os.curdir, local_name)):
        if path: configs.read(path)
    return configs
"""
ASKS = """
import json, os, sys
from spinn_utilities import conf_loader
configs = conf_loader.load_config("spynnaker.cfg", sys.argv[1] or None, [])
print(json.dumps({"machine": dict(configs["Machine"]), "java": dict(configs["Java"]), "argv": sys.argv[1:], "home": os.environ["HOME"],
    "cwd": os.getcwd(), "name": __name__, "marks": os.environ.get("MARK"), "xdg": os.environ.get("XDG_CONFIG_DIRS")}))
"""


class FakeBoard:
    """In place of a board."""

    version = 5
    made: ClassVar[list["FakeBoard"]] = []
    say: ClassVar[list[Event]] = []

    def __init__(self, machine: object, *, threads: int, faults: Faults, progress: Callable[[Event], None], any_binary: bool) -> None:
        self.machine, self.progress, self.stopped = machine, progress, 0
        self.address = f"127.9.9.{len(self.made) + 1}"
        self.made.append(self)

    def start(self, process: object) -> "FakeBoard":
        for event in self.say:
            self.progress(event)
        return self

    def stop(self) -> None:
        self.stopped += 1

    def report(self) -> BoardReport:
        return REPORT


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptResult]:
    monkeypatch.setattr(script, "VirtualBoard", FakeBoard)
    monkeypatch.setattr(script, "check_installation", lambda: None)
    monkeypatch.setattr(script, "check_unicorn", lambda: None)
    monkeypatch.setattr(script, "BoardProcess", lambda: None)
    monkeypatch.setattr(FakeBoard, "made", [])
    monkeypatch.setattr(FakeBoard, "say", [])

    def run(text: str, *arguments: str, **options: Any) -> ScriptResult:
        (tmp_path / "a_script.py").write_text(text)
        return run_script(tmp_path / "a_script.py", arguments, **{"machine": "spin5", **options})

    return run


def environment_of(folder: Path, home: Path, **more: str) -> dict[str, str]:
    folder.mkdir()
    base = {"HOME": str(home), "PATH": os.environ["PATH"], **more}
    return script_environment(folder, {"machine_name": "127.9.9.9", "version": "5"}, base)


def test_the_boards_keys_win_over_all_files_and_none_is_touched(tmp_path: Path) -> None:
    home, work, packages = (tmp_path / name for name in ("home", "work", "packages"))
    (packages / "spinn_utilities").mkdir(parents=True)
    for folder in (home, work):
        folder.mkdir()
    (packages / "spinn_utilities" / "__init__.py").write_text("")
    (packages / "spinn_utilities" / "conf_loader.py").write_text(LOADER)
    (packages / "sitecustomize.py").write_text("import os; os.environ['MARK'] = 'shadowed module ran'\n")
    mine = {home / ".spynnaker.cfg": "[Machine]\nmachine_name = mine\ntime_scale_factor = 7\nspalloc_user = me\n[Java]\nuse_java = True\n"}
    mine[work / "spynnaker.cfg"] = "[Machine]\nmachine_name = other\nversion = 3\nvirtual_board = True\n"
    for path, text in mine.items():
        path.write_text(text)
    (tmp_path / "ask.py").write_text(ASKS)
    environment = environment_of(tmp_path / "run", home, PYTHONPATH=str(packages))
    command = [sys.executable, str(tmp_path / "ask.py"), str(home / ".spynnaker.cfg"), "--flag"]
    said = loads(subprocess.run(command, env=environment, cwd=work, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert said["machine"]["machine_name"] == "127.9.9.9"
    assert said["machine"]["version"] == "5"
    assert said["machine"]["virtual_board"] == "False"
    assert said["machine"]["time_scale_factor"] == "7"  # the user's choice stays
    assert said["machine"]["spalloc_user"] == "me"
    assert said["java"]["use_java"] == "False"
    assert said["argv"] == [str(home / ".spynnaker.cfg"), "--flag"]
    assert (said["home"], said["cwd"], said["name"]) == (str(home), str(work), "__main__")
    assert said["marks"] == "shadowed module ran"
    assert said["xdg"] is None
    assert {path: path.read_text() for path in mine} == mine
    assert sorted(path.name for path in (*home.iterdir(), *work.iterdir())) == [".spynnaker.cfg", "spynnaker.cfg"]


def test_without_any_configuration_an_empty_one_is_provided(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = environment_of(tmp_path / "run", home, XDG_CONFIG_DIRS="/etc/none")
    first, second = environment["XDG_CONFIG_DIRS"].split(os.pathsep)
    assert (Path(first) / ".spynnaker.cfg").read_text() == ""
    assert second == "/etc/none"
    assert "127.0.0.1" in environment["NO_PROXY"]
    for place in (home / ".config", home):
        place.mkdir(exist_ok=True)
        (place / ".spynnaker.cfg").write_text("")
        assert "XDG_CONFIG_DIRS" not in environment_of(tmp_path / f"run-{place.name}", home)
        (place / ".spynnaker.cfg").unlink()


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_the_scripts(run: Callable[..., ScriptResult], code: int) -> None:
    result = run(f"import sys; sys.exit({code})")
    assert result == ScriptResult(code, (REPORT,))
    assert [board.stopped for board in FakeBoard.made] == [1]


def test_a_signal_is_told_as_shells_do(run: Callable[..., ScriptResult]) -> None:
    assert run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").exit_code == 128 + signal.SIGKILL


def test_a_refused_binary_ends_the_script(run: Callable[..., ScriptResult], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBoard, "say", [Refused("core 3 is to run 'other'")])
    began = time.monotonic()
    with pytest.raises(UsageError, match="core 3 is to run 'other'"):
        run("import time; time.sleep(60)")
    assert time.monotonic() - began < 10
    assert FakeBoard.made[0].stopped == 1


def test_a_crash_ends_a_script_that_does_not_notice(run: Callable[..., ScriptResult], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBoard, "say", [CRASH])
    monkeypatch.setattr(script, "AFTER_CRASH", 0.5)
    with pytest.raises(RunFailedError, match=r"did not notice .* a core crashed.*\n.*00000001.*00001234\n.*\n +one\n +two"):
        run("import time; time.sleep(60)")
    with pytest.raises(RunFailedError, match="as if all were well"):
        run("")
    assert run("raise SystemExit(3)").exit_code == 3


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        run_script(tmp_path / "none.py")


def test_an_exception_here_ends_the_script_and_the_board(run: Callable[..., ScriptResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stopped(BaseException):
        signal_number = signal.SIGTERM

    def stop(number: int, frame: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        with pytest.raises(Stopped):
            run(f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    finally:
        signal.signal(signal.SIGTERM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert FakeBoard.made[0].stopped == 1


def ask(url: str, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as reply:
        return loads(reply.read())


def test_the_machine_is_as_large_as_asked_for() -> None:
    started, stopped = [], []

    def start(machine: str) -> Granted:
        started.append(machine)
        return Granted(f"127.9.9.{len(started)}", 5)

    errors: list[SpinnMamError] = []
    with Allocator(start, stopped.append, errors.append) as allocator:
        assert ask(f"{allocator.url}?nChips=2&runTime=10.0") == {"machineName": "127.9.9.1", "version": 5, "bmpDetails": None}
        assert ask(f"{allocator.url}/extendLease?runTime=20") == {}
        assert ask(f"{allocator.url}/chipCoordinates?machineName=127.9.9.1&chipX=0&chipY=0") == [0, 0, 0]
        threading.Timer(0.3, lambda: ask(f"{allocator.url}?machineName=127.9.9.1", "DELETE")).start()
        assert ask(f"{allocator.url}/checkLease?waitTime=10000") == {"allocated": False}
        assert ask(f"{allocator.url}?nBoards=2&runTime=None")["machineName"] == "127.9.9.2"
        ask(f"{allocator.url}?machineName=127.9.9.1", "DELETE")  # given back twice: the tools do that
        assert (started, stopped, errors) == (["spin5", "spin5-3"], ["127.9.9.1"], [])
        assert "1000 boards needed" in ask(f"{allocator.url}?nBoards=1000")["error"]
        assert isinstance(errors[0], DoesNotFitError)
        for wrong in (allocator.url[:-1], allocator.url.rpartition("/")[0], f"{allocator.url}x?nChips=1"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                ask(wrong)
        assert "a number of chips or boards is needed" in ask(f"{allocator.url}?nChips=many")["error"]
    assert len(started) == 2


def test_sizes() -> None:
    assert [machine_for(n_chips=n) for n in (1, 43, 44, 130, 500, 1000)] == ["spin5", "spin5", "spin5-3", "spin5-3", "spin5-12", "spin5-24"]
    assert [machine_for(n_boards=n) for n in (1, 3, 4, 12, 13)] == ["spin5", "spin5-3", "spin5-6", "spin5-12", "spin5-24"]
    with pytest.raises(DoesNotFitError, match="25 boards needed, at most 24 there"):
        machine_for(n_boards=25)
