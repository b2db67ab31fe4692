"""Where a run comes from: versions, host, seeds and times as plain data for ``manifest.json``.

Nothing that is returned names a person or a home directory: paths below the home directory begin with ``~``, other absolute paths keep
their last part only, and the user's and the host's names do not occur.
"""

from __future__ import annotations

import getpass
import platform
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

import spinn_mam

FORMAT = "spinn_mam.manifest/1"
PACKAGES = ("numpy", "scipy", "numba", "pydantic", "neo", "elephant", "matplotlib")
GIB = 1 << 30

_ABSOLUTE = re.compile(r"(?<![\w.~:/\\-])(?:/[^\s:,;\"'()<>|]+|[A-Za-z]:\\[^\s:,;\"'()<>|]+)")


def versions(also: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions of the package, of Python and of the packages that results depend on.

    Parameters
    ----------
    also : sequence of str
        More distributions, such as ``"nest-simulator"`` or ``"sPyNNaker"``; what is not installed is absent.

    Examples
    --------
    >>> "numpy" in versions()
    True
    """
    found = {"spinn_mam": spinn_mam.__version__, "python": platform.python_version()}
    for name in (*PACKAGES, *also):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def source_revision() -> dict[str, Any]:
    """Return commit and state of the checkout that the package runs from; empty if it is installed.

    Returns
    -------
    dict
        ``commit`` (hexadecimal) and ``modified`` (whether tracked files differ from it).
    """
    root = Path(spinn_mam.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {}
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit} if changes is None else {"commit": commit, "modified": bool(changes)}


def host() -> dict[str, Any]:
    """Return processor, cores, memory, load and operating system of this computer, without its name."""
    memory = psutil.virtual_memory()
    load = psutil.getloadavg()
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_logical": psutil.cpu_count(),
        "memory_GiB": round(memory.total / GIB, 1),
        "memory_available_GiB": round(memory.available / GIB, 1),
        "load_average": [round(x, 2) for x in load],
        "os": f"{platform.system()} {platform.release()}",
    }


def command_line(arguments: Sequence[str], *, home: Path | None = None, user: str | None = None) -> str:
    """Return the command as it was given, ready to be pasted into a shell, without private paths.

    Parameters
    ----------
    arguments : sequence of str
        As ``sys.argv``: the program first, of which only the name is kept.
    home, user : Path and str, optional
        Taken from the system by default.

    Examples
    --------
    >>> command_line(["/usr/bin/spinn-mam", "run", "pd14", "--set", "neuron.tau_m=12 ms"], home=Path("/home/ada"), user="ada")
    "spinn-mam run pd14 --set 'neuron.tau_m=12 ms'"
    """
    if not arguments:
        return ""
    program = re.split(r"[/\\]", arguments[0])[-1]
    if program in ("__main__.py", "cli.py"):
        program = "spinn-mam"
    kept = [program, *(scrub(a, home=home, user=user) for a in arguments[1:])]
    # A leading ~/ must stay outside quotation marks, or the shell does not expand it.
    return " ".join("~/" + shlex.quote(a[2:]) if a.startswith("~/") and len(a) > 2 else shlex.quote(a) for a in kept)


def scrub(value: Any, *, home: Path | None = None, user: str | None = None) -> Any:
    """Take private names out of plain data, recursively.

    Parameters
    ----------
    value : dict, list, tuple, str, Path, number, bool or None
        Keys of dictionaries are treated like values.
    home, user : Path and str, optional
        Home directory and user name; taken from the system by default.

    Returns
    -------
    Any
        The same data: home directory as ``~``, other absolute paths as their last part, the user's name in paths as ``USER``.

    Examples
    --------
    >>> scrub({"out": Path("/home/ada/runs/a"), "n": 3, "why": "no file /srv/x/y.npz"}, home=Path("/home/ada"), user="ada")
    {'out': '~/runs/a', 'n': 3, 'why': 'no file y.npz'}
    """
    home = Path.home() if home is None else home
    user = _user() if user is None else user
    if isinstance(value, Mapping):
        return {scrub(k, home=home, user=user): scrub(v, home=home, user=user) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(v, home=home, user=user) for v in value]
    if isinstance(value, str | Path):
        return _scrub_text(str(value), home, user)
    return value


def manifest(
    *,
    command: Sequence[str],
    seeds: Mapping[str, int],
    digests: Mapping[str, str],
    wall_times_s: Mapping[str, float],
    packages: Sequence[str] = (),
    started: datetime | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return everything that a run's ``manifest.json`` holds.

    Parameters
    ----------
    command : sequence of str
        As ``sys.argv``.
    seeds : mapping
        All seeds of the run.
    digests : mapping
        Digest of each input and stage.
    wall_times_s : mapping
        Seconds that each stage took.
    packages : sequence of str
        Distributions whose version matters to this run besides the usual ones.
    started : datetime, optional
        When the run began, with its time zone; now by default.
    extra : mapping, optional
        More keys of the top level; none of the above.

    Raises
    ------
    ValueError
        If ``extra`` repeats a key.
    """
    at = datetime.now(UTC) if started is None else started.astimezone(UTC)
    content: dict[str, Any] = {
        "format": FORMAT,
        "started": at.isoformat(timespec="seconds"),
        "command": command_line(command),
        "versions": versions(packages),
        "source": source_revision(),
        "host": host(),
        "seeds": dict(seeds),
        "digests": dict(digests),
        "wall_times_s": dict(wall_times_s),
    }
    if extra:
        twice = sorted(set(extra) & set(content))
        if twice:
            raise ValueError(f"manifest: {', '.join(twice)} given twice")
        content |= extra
    # The command is clean already; once more would shorten paths that begin with ~.
    return {k: v if k in ("command", "format") else scrub(v) for k, v in content.items()}


def _scrub_text(text: str, home: Path, user: str) -> str:
    h = str(home)
    if len(h) > 1:
        text = re.sub(rf"{re.escape(h)}(?=[/\\]|$|[\s:,;\"'()<>|])", "~", text)
    if user:
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\]|$)", "USER", text)
        text = re.sub(rf"~{re.escape(user)}(?=/|$)", "~", text)
    return _ABSOLUTE.sub(lambda m: re.split(r"[/\\]", m.group().rstrip("/\\"))[-1], text)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no entry of this user id, as in some containers
        return ""


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    """Return the processor's name; psutil does not know it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
