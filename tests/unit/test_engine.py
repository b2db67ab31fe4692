"""Stages are done once, resumed, and damage is noticed."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.flow import engine
from spinn_mam.flow.engine import Results, Stage
from spinn_mam.flow.progress import Reporter


def chain(log: list[str], factor: int = 2, fail: str = "") -> list[Stage]:
    def stage(name: str, needs: tuple[str, ...], parameters: dict[str, int]) -> Stage:
        def make(folder: Path, results: Results, report: object) -> int:
            log.append(name)
            (folder / "half").write_text("half")
            if name == fail:
                raise KeyboardInterrupt
            value = sum(results[n] for n in needs) * parameters.get("factor", 1) + 1
            (folder / "value.json").write_text(json.dumps(value))
            return value

        return Stage(name, needs, parameters, make, lambda folder: json.loads((folder / "value.json").read_text()))

    return [stage("a", (), {}), stage("b", ("a",), {"factor": factor}), stage("c", ("a",), {}), stage("d", ("b", "c"), {})]


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(Console(quiet=True))


def run(folder: Path, reporter: Reporter, **options: object) -> tuple[list[str], Results]:
    log: list[str] = []
    selection = {k: options.pop(k) for k in ("first", "last") if k in options}
    results = engine.execute(chain(log, **options), folder, reporter, **selection)  # type: ignore[arg-type]
    return log, results


def test_a_second_run_does_nothing(tmp_path: Path, reporter: Reporter) -> None:
    log, results = run(tmp_path, reporter)
    assert log == ["a", "b", "c", "d"]
    assert results["d"] == 6
    log, results = run(tmp_path, reporter)
    assert log == []
    assert results["d"] == 6


def test_only_what_depends_on_a_change_is_made_anew(tmp_path: Path, reporter: Reporter) -> None:
    run(tmp_path, reporter)
    log, results = run(tmp_path, reporter, factor=3)
    assert log == ["b", "d"]
    assert results["d"] == 7


def test_from_and_to(tmp_path: Path, reporter: Reporter) -> None:
    log, results = run(tmp_path, reporter, last="b")
    assert log == ["a", "b"]
    assert results.get("d") is None
    run(tmp_path, reporter)
    assert run(tmp_path, reporter, first="c")[0] == ["c", "d"]
    with pytest.raises(UsageError, match="--from x: no such stage; the stages are a, b, c, d"):
        run(tmp_path, reporter, first="x")


def test_an_interrupt_keeps_what_is_done_and_leaves_nothing_half(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, reporter, fail="c")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["01-a", "02-b"]
    assert run(tmp_path, reporter)[0] == ["c", "d"]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path, reporter: Reporter) -> None:
    run(tmp_path, reporter, last="b")
    (tmp_path / "03-c.part").mkdir()
    (tmp_path / "03-c.part" / "half").write_text("half")
    assert run(tmp_path, reporter)[0] == ["c", "d"]
    assert not (tmp_path / "03-c.part").exists()


def test_a_failed_remake_keeps_the_old_result(tmp_path: Path, reporter: Reporter) -> None:
    run(tmp_path, reporter)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, reporter, factor=3, fail="d")
    assert json.loads((tmp_path / "04-d" / "value.json").read_text()) == 6


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "value.json").write_text("99"), "has changed since the run wrote it"),
        (lambda p: (p / "value.json").unlink(), "is missing from the run folder"),
        (lambda p: (p / "stage.json").write_text("{"), "damaged"),
        (lambda p: (p / "stage.json").unlink(), "damaged"),
        (lambda p: (p / "stage.json").write_text('{"format": "x", "files": {}}'), "expected 'spinn_mam.stage/1', found 'x'"),
    ],
)
def test_a_damaged_folder_is_named_with_what_to_do(tmp_path: Path, reporter: Reporter, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    run(tmp_path, reporter)
    damage(tmp_path / "02-b")
    with pytest.raises(DocumentError, match=message) as caught:
        run(tmp_path, reporter)
    assert "--from b" in str(caught.value)
    assert run(tmp_path, reporter, first="b")[0] == ["b", "c", "d"]


def test_the_plan_says_why(tmp_path: Path, reporter: Reporter) -> None:
    run(tmp_path, reporter)
    plan = engine.plan(chain([], factor=5), tmp_path, None, None)
    assert [(p.name, p.action, p.reason) for p in plan] == [
        ("a", "skip", "unchanged"),
        ("b", "run", "its inputs have changed: factor 2 -> 5"),
        ("c", "skip", "unchanged"),
        ("d", "run", "'b' is made anew"),
    ]
    assert not (tmp_path / "nowhere").exists()
    assert {p.reason for p in engine.plan(chain([]), tmp_path / "nowhere", None, None)} == {"not there yet"}
    assert not (tmp_path / "nowhere").exists()


def counting(until: int, seed: int = 1, stop: int | None = None, log: list[int] | None = None) -> list[Stage]:
    """A stage that counts in a file, and goes on with what it finds there; ``stop`` interrupts it."""

    def make(folder: Path, results: Results, report: object) -> int:
        path = folder / "count"
        for n in range(int(path.read_text()) if path.exists() else 0, until):
            if n == stop:
                raise KeyboardInterrupt
            (log if log is not None else []).append(n)
            path.write_text(str(n + 1))
        return until

    return [Stage("count", (), {"until": until, "seed": seed}, make, lambda folder: int((folder / "count").read_text()), extent="until")]


def count(folder: Path, reporter: Reporter, *arguments: int, **options: object) -> list[int]:
    log: list[int] = []
    first = options.pop("first", None)
    engine.execute(counting(*arguments, log=log, **options), folder, reporter, first=first)  # type: ignore[arg-type]
    return log


def interrupted(folder: Path, reporter: Reporter, until: int, stop: int, **options: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        engine.execute(counting(until, stop=stop, **options), folder, reporter)
    assert [p.name for p in folder.iterdir() if p.name.endswith(".part")] == ["01-count.part"]


def test_unfinished_work_is_gone_on_with(tmp_path: Path, reporter: Reporter) -> None:
    interrupted(tmp_path, reporter, 5, 2)
    interrupted(tmp_path, reporter, 7, 4)
    [step] = engine.plan(counting(5), tmp_path, None, None)
    assert (step.action, step.reason) == ("resume", "goes on with what was begun")
    assert count(tmp_path, reporter, 5) == [4]
    assert [p.name for p in tmp_path.iterdir()] == ["01-count"]
    assert count(tmp_path, reporter, 5) == []


def test_unfinished_work_of_other_inputs_or_that_is_not_wanted_is_not(tmp_path: Path, reporter: Reporter) -> None:
    interrupted(tmp_path, reporter, 5, 3)
    assert engine.plan(counting(5, seed=2), tmp_path, None, None)[0].action == "run"
    assert count(tmp_path, reporter, 5, seed=2) == [0, 1, 2, 3, 4]
    interrupted(tmp_path, reporter, 5, 3)  # beside the finished one of another seed, which stays until this one is finished
    assert count(tmp_path, reporter, 5, first="count") == [0, 1, 2, 3, 4]
    interrupted(tmp_path, reporter, 5, 3, seed=2)
    assert count(tmp_path, reporter, 5, seed=2) == [3, 4]


def test_a_finished_stage_goes_further(tmp_path: Path, reporter: Reporter) -> None:
    count(tmp_path, reporter, 3)
    [step] = engine.plan(counting(5), tmp_path, None, None)
    assert (step.action, step.reason) == ("extend", "goes on, until 3 -> 5")
    assert count(tmp_path, reporter, 5) == [3, 4]
    interrupted(tmp_path, reporter, 9, 7)
    assert not (tmp_path / "01-count").exists()
    assert not (tmp_path / "01-count.part" / "stage.json").exists()
    assert count(tmp_path, reporter, 9) == [7, 8]
    assert engine.plan(counting(4), tmp_path, None, None)[0].action == "run"  # no stage goes back


def test_killed_while_a_finished_stage_becomes_unfinished_nothing_is_lost(tmp_path: Path, reporter: Reporter) -> None:
    count(tmp_path, reporter, 3)
    (tmp_path / "01-count").rename(tmp_path / "01-count.part")
    assert engine.plan(counting(5), tmp_path, None, None)[0].action == "extend"
    assert count(tmp_path, reporter, 5) == [3, 4]
    (tmp_path / "01-count").rename(tmp_path / "01-count.part")
    (tmp_path / "01-count.part" / "stage.json").unlink()
    assert count(tmp_path, reporter, 6) == [5]
