"""Run a sPyNNaker script, as it stands, on a virtual board.

The script runs in an interpreter of its own with its working directory, arguments and input and output as ever. What is the board's
business is put over whatever the user's configuration files say (``child.py``), and none of them is written. Only if there is none at all,
which sPyNNaker refuses, an empty one is provided in a folder of the run. ``import pyNN.spiNNaker`` works as it is: PyNN 0.13 brings the module.

The size of the machine is what sPyNNaker asks for when it has split the network (``allocation.py``), or one that the user names.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from spinn_mam.errors import RunFailedError, SpinnMamError, UsageError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.virtual_board import child
from spinn_mam.virtual_board.allocation import Allocator, Granted
from spinn_mam.virtual_board.binaries import check_installation, check_unicorn
from spinn_mam.virtual_board.events import BoardReport, Crashed, Event, Failed, Refused
from spinn_mam.virtual_board.faults import Faults
from spinn_mam.virtual_board.session import SETTINGS, BoardProcess, VirtualBoard, config_text

CONFIG = ".spynnaker.cfg"
#: Time that a script has to end by itself after a core crashed, and after it was asked to end (s).
AFTER_CRASH, AFTER_SIGNAL = 60.0, 5.0
POLL = 0.1


class ScriptResult(NamedTuple):
    """How a script ended.

    Attributes
    ----------
    exit_code : int
        The script's own; 128 + n if signal n ended it.
    reports : tuple of BoardReport
        One for each board that it used, in that order.
    """

    exit_code: int
    reports: tuple[BoardReport, ...]


@dataclass
class _Boards:
    """The boards of one script: at most one at a time, started when asked for; the process of the first gets ready before that."""

    threads: int
    faults: Faults
    any_binary: bool
    told: Callable[[Event], None]
    spare: BoardProcess | None = field(default_factory=lambda: BoardProcess())  # the name is looked up late, for tests
    running: dict[str, VirtualBoard] = field(default_factory=dict)
    reports: list[BoardReport] = field(default_factory=list)
    error: SpinnMamError | None = None
    crash: tuple[float, Crashed] | None = None

    def start(self, machine: str | Path) -> Granted:
        board = VirtualBoard(machine, threads=self.threads, faults=self.faults, progress=self._hear, any_binary=self.any_binary)
        spare, self.spare = self.spare, None
        board.start(spare)
        self.running[board.address] = board
        return Granted(board.address, board.version)

    def stop(self, address: str) -> None:
        board = self.running.pop(address, None)
        if board is not None:
            board.stop()
            self.reports.append(board.report())

    def close(self) -> None:
        for address in list(self.running):
            try:
                self.stop(address)
            except SpinnMamError as error:
                self.fail(error)
        if self.spare is not None:
            self.spare.stop()
            self.spare = None

    def fail(self, error: SpinnMamError) -> None:
        self.error = self.error or error

    def _hear(self, event: Event) -> None:
        self.told(event)
        if isinstance(event, Refused):
            self.fail(UsageError(event.message))
        elif isinstance(event, Failed):
            self.fail(RunFailedError(event.message))
        elif isinstance(event, Crashed) and self.crash is None:
            self.crash = (time.monotonic(), event)


def run_script(
    script: Path,
    arguments: Sequence[str] = (),
    *,
    machine: str | Path | None = None,
    threads: int = 2,
    faults: Faults | None = None,
    any_binary: bool = False,
    told: Callable[[Event], None] = lambda event: None,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> ScriptResult:
    """Run a script on a board of the size it needs.

    Parameters
    ----------
    script : Path
    arguments : sequence of str
        The script's.
    machine : str or Path, optional
        Board configuration; default the smallest machine that sPyNNaker asks for.
    threads : int
        Threads that run cores.
    faults : Faults, optional
        What is to go wrong; default nothing.
    any_binary : bool
        Start binaries that the board is not tested with, too.
    told : callable
        Called with each event of the board, from other threads.
    environment : mapping of str to str, optional
        Environment of the script; default that of this process.
    log : Path, optional
        File for what the script prints, in a folder in which it then runs; default it prints here and runs here.

    Raises
    ------
    UsageError
        If there is no such script or machine, or it runs a binary that the board is not tested with.
    MissingExtraError, BackendUnavailableError
        If sPyNNaker or the CPU emulator is missing or another release is installed.
    DoesNotFitError
        If it asks for a larger machine than there is.
    RunFailedError
        If a core crashes and the script does not end by itself with an error, or the board fails.
    """
    if not script.is_file():
        raise UsageError(f"SCRIPT {script}: no such file")
    check_unicorn()
    check_installation()
    if machine is not None:
        load_board_config(machine)  # a wrong name is said before anything starts
    boards = _Boards(threads, faults or Faults(), any_binary, told)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spinn-mam-board-")))
        stack.callback(boards.close)
        if machine is None:
            allocator = stack.enter_context(Allocator(boards.start, boards.stop, boards.fail))
            forced = {"machine_name": "None", "remote_spinnaker_url": allocator.url, "version": "5"}
        else:
            granted = boards.start(machine)
            forced = {"machine_name": granted.address, "remote_spinnaker_url": "None", "version": str(granted.version)}
        variables = script_environment(folder, forced, dict(os.environ if environment is None else environment))
        code = _run([sys.executable, str(script), *arguments], variables, boards, log)
        boards.close()
    if boards.error is not None:
        raise boards.error
    if boards.crash is not None and code == 0:
        raise RunFailedError(f"the script ended as if all were well, but a core crashed: {boards.crash[1]}")
    return ScriptResult(code if code >= 0 else 128 - code, tuple(boards.reports))


def script_environment(folder: Path, forced: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Write the files of a run into a folder and return the environment that makes a script read them.

    Parameters
    ----------
    folder : Path
        An empty folder that is there as long as the script runs.
    forced : mapping of str to str
        Keys of the section ``[Machine]`` that win over the user's, beside ``session.SETTINGS``.
    environment : mapping of str to str
        What it is based on.
    """
    defaults, over = folder / "defaults.cfg", folder / "board.cfg"
    defaults.write_text(config_text({"time_scale_factor": "1"}))
    over.write_text(config_text({**SETTINGS, **forced}) + "\n[Java]\nuse_java = False\n")
    start_up = folder / "start-up"
    start_up.mkdir()
    shutil.copyfile(child.__file__, start_up / "sitecustomize.py")
    changed = {child.DEFAULTS: str(defaults), child.FORCED: str(over)}
    changed["PYTHONPATH"] = os.pathsep.join([str(start_up), *filter(None, [environment.get("PYTHONPATH")])])
    for name in ("NO_PROXY", "no_proxy"):  # the request for a machine stays on this computer
        changed[name] = ",".join([*filter(None, [environment.get(name)]), "127.0.0.1"])
    if not _has_config(environment):
        site = folder / "site"
        site.mkdir()
        (site / CONFIG).write_text("")
        changed["XDG_CONFIG_DIRS"] = os.pathsep.join([str(site), environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"])
    return {**environment, **changed}


def _has_config(environment: Mapping[str, str]) -> bool:
    """Whether sPyNNaker finds a configuration of the user in one of the three folders where it looks."""
    home = Path(environment.get("HOME") or Path.home())
    folders = [(environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)[0], environment.get("XDG_CONFIG_HOME") or home / ".config", home]
    return any((Path(folder) / CONFIG).is_file() for folder in folders)


def _run(command: Sequence[str], environment: Mapping[str, str], boards: _Boards, log: Path | None) -> int:
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb")) if log is not None else None
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            cwd=log.parent if log is not None else None,
        )
    try:
        while True:
            try:
                return process.wait(POLL)
            except subprocess.TimeoutExpired:
                pass
            if boards.error is not None:
                _end(process, signal.SIGTERM)
            elif boards.crash is not None and time.monotonic() - boards.crash[0] > AFTER_CRASH:
                boards.fail(
                    RunFailedError(f"the script did not notice within {AFTER_CRASH:.0f} s that a core crashed, and was ended: {boards.crash[1]}")
                )
    except BaseException as error:
        # Ctrl-C reaches the script by itself; other signals come to this process alone
        number = getattr(error, "signal_number", signal.SIGINT)
        _end(process, None if number == signal.SIGINT else number)
        raise


def _end(process: subprocess.Popen[bytes], number: int | None) -> None:
    """End a process: by the signal, if any; then as it must be."""
    for step in (number, signal.SIGTERM, signal.SIGKILL):
        if step is not None:
            process.send_signal(step)
        try:
            process.wait(AFTER_SIGNAL)
            return
        except subprocess.TimeoutExpired:
            continue
