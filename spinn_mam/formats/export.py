"""Write a recording in a format of others, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from spinn_mam.errors import UsageError
from spinn_mam.formats.excerpt import Excerpt
from spinn_mam.formats.neo_files import write_nix, write_pickle
from spinn_mam.formats.nest_text import write_nest_text
from spinn_mam.formats.parquet import write_parquet

#: What writes each format of one file, and the ending of its name.
FILES: dict[str, tuple[str, Callable[[Path, Excerpt], None]]] = {
    "nix": (".nix", write_nix),
    "pickle": (".pkl", write_pickle),
    "parquet": (".parquet", write_parquet),
}
#: Formats, ``nest`` being a folder.
FORMATS = ("nix", "nest", "parquet", "pickle")
#: What a folder of NEST's text has; a folder with anything else is not replaced.
NEST_FILES = ("spike_recorder-*.dat", "voltmeter-*.dat", "population_nodeids.dat", "nodes.json", "spikes.json")


def default_name(format_: str) -> str:
    """Return the name of a format's file or folder."""
    return "nest" if format_ == "nest" else f"spikes{FILES[format_][0]}"


def export_recording(excerpt: Excerpt, path: Path, format_: str) -> Path:
    """Write an excerpt of a recording.

    Parameters
    ----------
    excerpt : Excerpt
    path : Path
        File, or for ``nest`` folder; an earlier export there is replaced.
    format_ : str
        One of ``FORMATS``.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    UsageError
        If the place cannot be used, or the format cannot hold as much.
    MissingExtraError
        If a package is missing.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {path}: its folder cannot be made ({error.strerror}); name another") from None
    if format_ == "nest":
        return _write_folder(path, excerpt)
    suffix, write = FILES[format_]
    if path.is_dir():
        raise UsageError(f"--out {path}: is a folder; name a file, such as {path / default_name(format_)}")
    if path.exists() and path.suffix not in ("", suffix):  # an earlier export is replaced, nothing of another kind
        raise UsageError(f"--out {path}: is there, and no earlier export by its name (*{suffix}); name another file")
    # the readers and writers of Neo tell formats by the end of the name
    part = path.with_name(f"{path.name}.part{suffix}")
    try:
        write(part, excerpt)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def _write_folder(path: Path, excerpt: Excerpt) -> Path:
    """Write NEST's text into a folder that takes its name when it is complete."""
    if path.exists():
        foreign = [path] if not path.is_dir() else [p for p in path.iterdir() if not any(p.match(pattern) for pattern in NEST_FILES)]
        if foreign:
            raise UsageError(f"--out {path}: there is {foreign[0].name}, which is of no export; name another folder")
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        write_nest_text(part, excerpt)
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return path
