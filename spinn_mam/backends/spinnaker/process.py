"""The child process from the parent's side: start it in a home of its own, follow its log, end it, and turn its end into one error."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spinn_mam.backends.spinnaker.job import ERROR, RESULT
from spinn_mam.errors import RunFailedError

LOG = "spynnaker.log"
CONFIGURATION = ".spynnaker.cfg"
#: How often the log is looked at (s).
POLL_S = 0.2
#: What the child gets to give its machine back before it is killed (s).
GRACE_S = 15.0
#: A bar of sPyNNaker's log: a title, a scale, and a growing line of this many signs.
BAR_LENGTH = 60
_SCALE = re.compile(r"^\|0%\s+50%\s+100%\|\s*$")
#: Text of the log that is looked at for its bars (bytes from the end).
TAIL = 20_000


@dataclass(frozen=True, slots=True)
class Phase:
    """Where sPyNNaker is.

    Attributes
    ----------
    title : str
        Of the last progress bar.
    done : float
        Share of it, 0 to 1.
    """

    title: str
    done: float


def last_phase(log: str) -> Phase:
    r"""Find the last progress bar in the text of a log.

    Examples
    --------
    >>> last_phase("Routing\n|0%      50%       100%|\n " + 30 * "=")
    Phase(title='Routing', done=0.5)
    """
    lines = log.splitlines()
    for i in range(len(lines) - 1, 0, -1):
        if _SCALE.match(lines[i].strip()):
            bar = lines[i + 1].strip() if i + 1 < len(lines) else ""
            return Phase(lines[i - 1].strip(), min(1.0, bar.count("=") / BAR_LENGTH))
    return Phase("start sPyNNaker", 0.0)


def run_child(
    folder: Path,
    configuration: str,
    kept_log: Path,
    progress: Callable[[Phase], None],
    watch: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run the job in a folder and wait for its end.

    Parameters
    ----------
    folder : Path
        Holds ``job.json``; gets a home, a log and the results.
    configuration : str
        What becomes ``.spynnaker.cfg``.
    kept_log : Path
        Where the log goes if the run fails, since the folder goes away.
    progress : callable
        Told the phase when it changes.
    watch : callable
        Called between looks; what it raises ends the child.
    environment : mapping, optional
        Of the parent; what says where a home or a configuration is, is replaced.

    Raises
    ------
    RunFailedError
        If the child failed.
    """
    folder = folder.resolve()  # the child has another working directory
    home = folder / "home"
    home.mkdir()
    kept_log.unlink(missing_ok=True)  # of an earlier run
    (home / CONFIGURATION).write_text(configuration, encoding="utf-8")
    own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_CONFIG_DIRS": str(home / "config-dirs"), "PYTHONUNBUFFERED": "1"}
    with (folder / LOG).open("wb") as log:
        child = subprocess.Popen(
            # -P: nothing in the working directory is taken for a module
            [sys.executable, "-P", "-m", "spinn_mam.backends.spinnaker.child", str(folder)],
            cwd=folder,
            env={**(os.environ if environment is None else environment), **own},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to this process alone, which then ends the child and its board in order
        )
    try:
        shown: Phase | None = None
        while child.poll() is None:
            watch()
            phase = last_phase(_tail(folder / LOG))
            if phase != shown:
                shown = phase
                progress(phase)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(POLL_S)
    except BaseException:
        end(child)
        _keep(folder / LOG, kept_log)
        raise
    finally:
        if child.stdin is not None:
            child.stdin.close()
    if child.returncode != 0 or not (folder / RESULT).is_file():
        _keep(folder / LOG, kept_log)
        raise failure(folder, child.returncode, kept_log)


def end(child: subprocess.Popen[bytes], grace_s: float = GRACE_S) -> None:
    """End a child: interrupt it so that it gives its machine back, then kill it with all it started."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def failure(folder: Path, returncode: int, kept_log: Path) -> RunFailedError:
    """Make the one error of a child that failed.

    Parameters
    ----------
    folder : Path
    returncode : int
    kept_log : Path
        Named in the message.
    """
    title = last_phase(_tail(folder / LOG)).title
    try:
        content = json.loads((folder / ERROR).read_text(encoding="utf-8"))
        what = f"{content['type']}: {_short(content['message'])}"
    except (OSError, ValueError, KeyError, TypeError):
        how = f"was killed by signal {-returncode}" if returncode < 0 else f"ended with exit code {returncode}"
        what = f"the process {how} and left no message"
    return RunFailedError(f"sPyNNaker stopped at '{title}': {what}. Its log is {kept_log}")


def _short(message: str, limit: int = 600) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text if len(text) <= limit else text[:limit] + " ..."


def _keep(log: Path, kept: Path) -> None:
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(log.read_bytes())


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - TAIL))
        return file.read().decode("utf-8", errors="replace")
