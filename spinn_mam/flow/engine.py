"""Stages in a run folder: each arrow of the data flow is one, done once, kept, and skipped while its inputs are the same.

A stage writes into ``NN-name.part`` and the folder gets its name only when everything is in it, with a ``stage.json``
that holds the digest of what it was made from and of each file. So a run that was killed resumes at the first stage
that is not there, and a file that was changed afterwards is noticed. ``stage.json`` comes last: a ``.part`` folder that
has one is whole, and only waits for its name.

A stage that can go on with its own unfinished work declares so. Its ``.part`` folder is kept, with a ``begun.json`` that holds
the digest of everything but how far the stage goes, and given to it again while that digest is the same. A finished one that is to go
further becomes unfinished again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from spinn_mam import __version__
from spinn_mam.errors import DocumentError, RunFailedError, UsageError
from spinn_mam.flow.progress import Reporter

FORMAT = "spinn_mam.stage/1"
MISSING = "not there yet"
#: Begin of the reason of a stage that the user wants to be done again.
ASKED = "asked for with --from"
BEGUN = "begun.json"


@dataclass(frozen=True, slots=True)
class Stage:
    """One arrow of the data flow.

    Attributes
    ----------
    name : str
    needs : tuple of str
        Stages whose results it uses.
    parameters : mapping
        Everything else that its result depends on, as JSON takes it.
    make : callable
        ``make(folder, results, report)`` writes the result into a folder and returns it; ``report(phase, done, total)`` shows progress.
    load : callable
        ``load(folder)`` reads the result back.
    number : int, optional
        Of its folder; by default its place among the stages.
    check : callable, optional
        ``check(folder)`` raises what can be told before the stage is run, writes nothing, and returns a line for the user.
    extent : str, optional
        The parameter, a number, that says how far the stage goes, if it can go on with what an interrupted or a shorter one left in its
        folder.
    """

    name: str
    needs: tuple[str, ...]
    parameters: Mapping[str, Any]
    make: Callable[[Path, Results, Callable[[str, float, float], None]], Any]
    load: Callable[[Path], Any]
    number: int = 0
    check: Callable[[Path], str] | None = None
    extent: str | None = None


@dataclass(slots=True)
class Results:
    """Results of finished stages, read when first asked for."""

    folders: dict[str, Path] = field(default_factory=dict)
    loaders: dict[str, Callable[[Path], Any]] = field(default_factory=dict)
    _loaded: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self.loaders[name](self.folders[name])
        return self._loaded[name]

    def get(self, name: str) -> Any:
        """Return a result, or None if its stage was not run."""
        if name not in self.folders:
            return None
        return self[name]

    def keep(self, name: str, result: Any) -> None:
        """Keep a result that was just made, so that it need not be read."""
        self._loaded[name] = result


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What will happen to a stage, and why.

    Attributes
    ----------
    number : int
    name : str
    action : str
        ``"skip"``; ``"run"`` from its beginning; ``"resume"`` what was interrupted; ``"extend"`` what is finished.
    reason : str
    """

    number: int
    name: str
    action: Literal["skip", "run", "resume", "extend"]
    reason: str


def digests(stages: Sequence[Stage]) -> dict[str, str]:
    """Digest of everything each stage's result depends on, through all stages it needs."""
    out: dict[str, str] = {}
    for stage in stages:
        out[stage.name] = _digest(stage, out, dict(stage.parameters))
    return out


def _digest(stage: Stage, others: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
    inputs = {"version": __version__, "name": stage.name, "parameters": parameters, "needs": {n: others[n] for n in stage.needs}}
    return hashlib.blake2b(json.dumps(inputs, sort_keys=True).encode(), digest_size=16).hexdigest()


def _work_digest(stage: Stage, others: Mapping[str, str]) -> str:
    """Digest of what a stage's work depends on, however far it goes."""
    return _digest(stage, others, {key: value for key, value in stage.parameters.items() if key != stage.extent})


def check_selection(stages: Sequence[Stage], first: str | None, last: str | None) -> None:
    """Refuse a first or last stage that is none, or in the wrong order.

    Raises
    ------
    UsageError
        If so.
    """
    names = [s.name for s in stages]
    for flag, name in (("--from", first), ("--to", last)):
        if name is not None and name not in names:
            raise UsageError(f"{flag} {name}: no such stage; the stages are {', '.join(names)}")
    if first is not None and last is not None and names.index(first) > names.index(last):
        raise UsageError(f"--from {first} comes after --to {last}: the stages are {', '.join(names)}")


def plan(stages: Sequence[Stage], folder: Path, first: str | None, last: str | None) -> list[StagePlan]:
    """Decide what to do with each stage.

    Parameters
    ----------
    stages : sequence of Stage
        In order.
    folder : Path
        The run folder; it need not exist.
    first : str or None
        Do this stage and those after it again (``--from``).
    last : str or None
        Stop after this stage (``--to``).

    Raises
    ------
    UsageError
        If ``first`` or ``last`` is no stage.
    DocumentError
        If the folder of a stage is damaged.
    """
    check_selection(stages, first, last)
    wanted = digests(stages)
    plans: list[StagePlan] = []
    redone: set[str] = set()
    again = False
    for number, stage in enumerate(stages, 1):
        number = stage.number or number
        again = again or stage.name == first
        path = folder / f"{number:02d}-{stage.name}"
        anew = next((n for n in stage.needs if n in redone), None)
        # what will be made anew whatever it holds is not read: it may be damaged
        record = None if again or anew else _unnamed(path) or read_record(path)
        action: Literal["skip", "run", "resume", "extend"] = "run"
        if again:
            reason = f"{ASKED} {first}"
        elif anew and path.exists():
            reason = f"'{anew}' is made anew"
        elif record is not None and record["digest"] == wanted[stage.name]:
            action, reason = "skip", "unchanged"
        elif record is not None and (further := _further(stage, record, path, wanted)):
            action, reason = "extend", further
        elif stage.extent is not None and _begun(unfinished(path)) == _work_digest(stage, wanted):
            action, reason = "resume", "goes on with what was begun"
        elif record is None:
            reason = MISSING
        else:
            reason = _change(record["parameters"], stage.parameters)
        if action != "skip":
            redone.add(stage.name)
        plans.append(StagePlan(number, stage.name, action, reason))
        if stage.name == last:
            break
    return plans


def execute(
    stages: Sequence[Stage],
    folder: Path,
    reporter: Reporter,
    first: str | None = None,
    last: str | None = None,
    agree: Callable[[Sequence[StagePlan]], None] | None = None,
) -> Results:
    """Run the stages that need it and return all results.

    A stage that fails or is interrupted leaves nothing behind, unless it can go on with it; the stages before it stay. ``agree`` is told of the plan
    before anything is touched, and may raise.

    Raises
    ------
    RunFailedError
        If the operating system fails a stage, such as with a full disk.
    """
    plans = plan(stages, folder, first, last)
    if agree is not None:
        agree(plans)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = digests(stages)
    results = Results()
    for step in plans:
        path = folder / f"{step.number:02d}-{step.name}"
        if _unnamed(path):
            _name(path)
        if step.action == "extend":
            shutil.rmtree(unfinished(path), ignore_errors=True)
            path.rename(unfinished(path))  # killed here it is whole and unnamed
        if step.action in ("resume", "extend"):
            (unfinished(path) / "stage.json").unlink(missing_ok=True)
        else:
            shutil.rmtree(unfinished(path), ignore_errors=True)
    for i, (step, stage) in enumerate(zip(plans, stages, strict=False), 1):
        path = folder / f"{step.number:02d}-{stage.name}"
        if step.action == "skip":
            reporter.skipped(i, len(plans), stage.name)
        else:
            how = "made anew, " if step.action == "run" else ""
            reporter.started(i, len(plans), stage.name, "" if step.reason == MISSING else how + step.reason)
            _run(stage, path, wanted, results, reporter)
        results.folders[stage.name] = path
        results.loaders[stage.name] = stage.load
    return results


def _run(stage: Stage, path: Path, wanted: Mapping[str, str], results: Results, reporter: Reporter) -> None:
    part = unfinished(path)
    started = time.perf_counter()
    try:
        part.mkdir(exist_ok=stage.extent is not None)
        if stage.extent is not None:
            _write_json(part / BEGUN, {"digest": _work_digest(stage, wanted)})
        result = stage.make(part, results, reporter.progress)
        wall_time_s = time.perf_counter() - started
        record = {
            "format": FORMAT,
            "name": stage.name,
            "digest": wanted[stage.name],
            "parameters": dict(stage.parameters),
            "needs": list(stage.needs),
            "wall_time_s": wall_time_s,
            "files": {str(f.relative_to(part)): file_digest(f) for f in sorted(part.rglob("*")) if f.is_file()},
        }
        _write_json(part / "stage.json", record)
        _name(path)
    except BaseException as error:
        if stage.extent is None and not _unnamed(path):
            shutil.rmtree(part, ignore_errors=True)
        reporter.stopped(stage.name)
        if isinstance(error, OSError):
            where = f" ({error.filename})" if error.filename else ""
            raise RunFailedError(
                f"stage {stage.name}: {error.strerror or error}{where}: the finished stages in {path.parent} are kept; "
                "put it right and give the same command again"
            ) from error
        raise
    results.keep(stage.name, result)
    reporter.finished(stage.name, wall_time_s)


def changed(stage: Stage, record: Mapping[str, Any]) -> str:
    """Say which of a stage's own parameters are others than in a record; empty if none."""
    return ", ".join(_changes(record["parameters"], stage.parameters))


def unfinished(path: Path) -> Path:
    """Return the folder that an unfinished stage has in place of ``path``; it need not exist."""
    return path.with_name(path.name + ".part")


def _further(stage: Stage, record: Mapping[str, Any], path: Path, wanted: Mapping[str, str]) -> str:
    """Say how much further a finished stage is to go, if that is all that has changed."""
    if stage.extent is None or _begun(unfinished(path) if _unnamed(path) else path) != _work_digest(stage, wanted):
        return ""
    old, new = record["parameters"].get(stage.extent), stage.parameters[stage.extent]
    return f"goes on, {stage.extent} {old:g} -> {new:g}" if isinstance(old, int | float) and old < new else ""


def _begun(folder: Path) -> str | None:
    """Return the digest of the work that a folder holds, if a stage could go on with it."""
    try:
        return str(json.loads((folder / BEGUN).read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    written = path.with_name(path.name + ".part")
    written.write_text(json.dumps(content, indent=1), encoding="utf-8")
    written.replace(path)


def _unnamed(path: Path) -> dict[str, Any] | None:
    """Return the record of a stage that was finished but did not get its name, if there is one."""
    try:
        return read_record(unfinished(path)) if (unfinished(path) / "stage.json").is_file() else None
    except DocumentError:
        return None


def _name(path: Path) -> None:
    """Give a finished stage its name, in place of what is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    unfinished(path).rename(path)


def _change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say which parameters of a stage changed."""
    changed = _changes(old, new)
    return f"its inputs have changed: {', '.join(changed)}" if changed else "its inputs have changed"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    new = json.loads(json.dumps(dict(new)))
    changed = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before != after:
            short = all(isinstance(v, int | float | None) or (isinstance(v, str) and len(v) < 16) for v in (before, after))
            changed.append(f"{key} {before} -> {after}" if short else key)
    return changed


def read_record(path: Path, *, verify: bool = True) -> dict[str, Any] | None:
    """Read a stage folder's record and check its files.

    Parameters
    ----------
    path : Path
    verify : bool
        False if its files were checked before: that reads them all.

    Returns
    -------
    dict or None
        None if the stage is not there.

    Raises
    ------
    DocumentError
        If the record is unreadable, or a file is missing or changed.
    """
    if not path.exists():
        return None
    mend = f"delete {path} to make it anew, or use --from {path.name[3:]}"
    try:
        record = json.loads((path / "stage.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DocumentError(str(path / "stage.json"), "", f"damaged ({error}): {mend}") from None
    if not isinstance(record, dict):
        raise DocumentError(str(path / "stage.json"), "", f"damaged (no record): {mend}")
    if record.get("format") != FORMAT:
        raise DocumentError(str(path / "stage.json"), "format", f"expected '{FORMAT}', found {record.get('format')!r}; {mend}")
    for key, kind in (("digest", str), ("parameters", dict), ("wall_time_s", int | float), ("files", dict)):
        if not isinstance(record.get(key), kind):
            raise DocumentError(str(path / "stage.json"), key, f"damaged (missing or of the wrong kind): {mend}")
    for name, digest in record["files"].items() if verify else ():
        file = path / name
        if not file.is_file():
            raise DocumentError(str(file), "", f"is missing from the run folder: {mend}")
        try:
            same = file_digest(file) == digest
        except OSError as error:
            raise DocumentError(str(file), "", f"cannot be read ({error.strerror}): {mend}") from None
        if not same:
            raise DocumentError(str(file), "", f"has changed since the run wrote it: {mend}")
    return record


def file_digest(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
