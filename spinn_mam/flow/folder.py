"""The run folder as a place: whether it can be used, and that one process at a time does."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from spinn_mam.errors import UsageError

#: Held by the process that works in the folder; its content is for the message only, the operating system holds the lock.
LOCK = ".lock"
#: Files of a run folder outside its stages.
FILES = ("metrics.json", "manifest.json", "report.html", "machine.png")


def check_folder(folder: Path, stages: Sequence[str]) -> None:
    """Refuse a run folder that cannot be one, without touching it.

    Parameters
    ----------
    folder : Path
        It need not exist.
    stages : sequence of str
        Names of all stages that any run can have.

    Raises
    ------
    UsageError
        If it is a file, holds other people's things, or cannot be written.
    """
    if not check_place(folder):
        return
    found = sorted(entry.name for entry in folder.iterdir())
    ours = {LOCK, *FILES}
    if found and not any(name in ours or name[3:].removesuffix(".part") in stages for name in found):
        raise UsageError(
            f"--out {folder}: not empty and no run folder (it holds {', '.join(found[:3])}{' ...' if len(found) > 3 else ''}); "
            "name a new or empty folder, or one that an earlier run made"
        )


def check_place(folder: Path) -> bool:
    """Refuse a folder that could not be written, without touching it, and return whether it is there.

    Raises
    ------
    UsageError
        If it is a file, cannot be made or cannot be written.
    """
    there = _nearest(folder)
    if not there.is_dir():
        what = "is a file" if there == folder else f"cannot be made: {there} is a file"
        raise UsageError(f"--out {folder}: {what}; name a new folder, or one that an earlier run made")
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"--out {folder}: no permission to write in {there}; name another folder")
    return there == folder


def check_file(flag: str, path: Path) -> None:
    """Refuse a file that could not be written, without touching anything; its folder need not exist.

    Parameters
    ----------
    flag : str
        That names it.
    path : Path

    Raises
    ------
    UsageError
        If it is a folder, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise UsageError(f"{flag} {path}: is a folder; name a file")
    there = _nearest(path.parent)
    if not there.is_dir():
        raise UsageError(f"{flag} {path}: its folder cannot be made: {there} is a file; name another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{flag} {path}: no permission to write in {there}; name another folder")


def _nearest(path: Path) -> Path:
    """Return what is there of a path: itself, or the nearest folder above it."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder if needed and hold it for this process; the lock of a process that died is none.

    Raises
    ------
    UsageError
        If another process holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _lock(folder)
    except OSError as error:
        raise UsageError(f"--out {folder}: cannot be written ({error.strerror}); name another folder") from None
    try:
        yield
    finally:
        # removed while it is held: whoever waits for this file finds that it is gone, and makes a new one
        (folder / LOCK).unlink(missing_ok=True)
        file.close()


def _lock(folder: Path) -> IO[str]:
    import fcntl

    path = folder / LOCK
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file)
            file.close()
            raise UsageError(f"{folder} is in use by {holder}: wait until it has finished, or name another folder with --out") from None
        except OSError:
            pass  # a file system without locks: go on without one
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()
    file.truncate(0)
    json.dump({"pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"}, file)
    file.flush()
    return file


def _holder(file: IO[str]) -> str:
    file.seek(0)
    try:
        content: dict[str, Any] = json.load(file)
        return f"process {content['pid']} since {content['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
