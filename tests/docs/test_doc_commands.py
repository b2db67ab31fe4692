"""What README and docs tell people to type exists, and what is quick does what they say."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from spinn_mam.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
GROUP = typer.main.get_command(app)

#: Pages whose commands are also run, one after the other in one folder; what takes longer is only tried with --dry-run.
RUN_PAGES = ("cli.md", "README.md")


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and content of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page: Path, program: str) -> list[list[str]]:
    lines = [line for language, block in blocks(TEXT[page]) if language in ("", "bash") for line in block.split("\n")]
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", TEXT[page])
    return [shlex.split(line, comments=True)[1:] for line in (*lines, *inline) if line.startswith(program + " ")]


ALL = [(page, args) for page in PAGES for args in commands(page, "spinn-mam") if args[0].islower()]


def parse(args: list[str]) -> None:
    """Parse a command line as the program would, without running it."""
    top = GROUP.make_context("spinn-mam", list(args), resilient_parsing=False)
    name, command, rest = GROUP.resolve_command(top, [*top._protected_args, *top.args])
    context = command.make_context(name, rest, parent=top)
    if hasattr(command, "commands"):  # board serve, board run
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(name, rest, parent=context)


def all_commands() -> list[Any]:
    """Return the verbs, those of two words too."""
    return [inner for command in GROUP.commands.values() for inner in getattr(command, "commands", {"": command}).values()]


def is_small(args: list[str]) -> bool:
    if args[0] in ("board", "bench"):  # one serves until it is stopped, the other needs a script; a benchmark takes minutes
        return False
    scale = args[args.index("--n-scaling") + 1] if "--n-scaling" in args else "1"
    # a run with --set is as long as the one without
    return args[0] != "run" or (float(scale) <= 0.1 and not {"nest", "spinnaker", "--set"} & set(args))


def invoke(args: list[str]) -> None:
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, f"{args}: {result.output}"


def test_there_are_commands() -> None:
    assert len(ALL) > 25
    assert {args[0] for _, args in ALL} == {
        "run",
        "plan",
        "show",
        "theory",
        "reference",
        "machines",
        "compare",
        "plot",
        "export",
        "cite",
        "board",
        "bench",
    }


@pytest.mark.parametrize("args", [args for _, args in ALL], ids=[f"{page.stem}: {' '.join(args)}"[:80] for page, args in ALL])
def test_a_command_line_is_one(args: list[str]) -> None:
    parse(args)


def test_a_wrong_command_line_is_found() -> None:
    with pytest.raises(Exception, match=r"[Nn]o such option"):
        parse(["run", "pd14", "--scale", "0.1"])


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_runs_pass_their_checks(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for args in commands(page, "spinn-mam"):
        if args[0] == "run" and "pd14" in args and "--reference" not in args:
            invoke([*args, "--dry-run"])


@pytest.mark.parametrize("name", RUN_PAGES)
def test_quick_commands_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = next(page for page in PAGES if page.name == name)
    lines = [line for _, block in blocks(TEXT[page]) for line in block.split("\n") if line.startswith("spinn-mam ")]
    quick = [args for line in lines if is_small(args := shlex.split(line)[1:])]
    assert len(quick) > 3
    for args in quick:
        invoke(args)
    assert list(tmp_path.glob("runs/*/report.html"))


def test_all_flags_are_documented_and_no_others() -> None:
    page = TEXT[ROOT / "docs" / "cli.md"]
    mine = {option for command in all_commands() for p in command.params for option in p.opts if option.startswith("--")} - {"--help"}
    table = page[page.index("## Flags") : page.index("## A run folder")]
    assert set(re.findall(r"`(--[a-z-]+)", table)) == mine
    verbs = page[: page.index("## Flags")]
    assert set(re.findall(r"^\| `(\w+)", verbs, re.MULTILINE)) == set(GROUP.commands)


def test_the_defaults_in_the_table_are_the_programs() -> None:
    page = TEXT[ROOT / "docs" / "cli.md"]
    shown = dict(re.findall(r"^\| `(--[a-z-]+)`[^|]*\|[^|]*\|[^|]*\(`?([^()`]+)`?\)[^()|]*\|$", page, re.MULTILINE))
    defaults = {p.opts[0]: p.default for p in GROUP.commands["run"].params}
    assert len(shown) > 5
    for flag in ("--seed", "--board-config", "--neurons-per-core", "--time-scale-factor", "--protocol", "--backend", "--n-scaling"):
        if flag in shown:
            assert shown[flag] == str(defaults[flag]).removesuffix(".0"), flag
    assert shown["--seed"] == "1"


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {args[0] for page in PAGES for args in commands(page, "make")}
    assert {"run", "test", "docs", "reference", "test-slow"} <= told
    assert told <= targets


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_files_that_are_named_exist(page: Path) -> None:
    folders = ("spinn_mam", "tests", "docs", "experiments", "board_configs", "partitioning", "energy", "nest_reference")
    named = re.findall(rf"`((?:{'|'.join(folders)})/[\w./-]*)`", TEXT[page])
    made = {"spinn_mam/nest_reference/data/pd14-poisson.json"}
    assert not [name for name in named if not (ROOT / name).exists() and name not in made]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in blocks(TEXT[page]):
        if language == "python":
            program = compile(block, str(page), "exec")
            if block.startswith(("from ", "import ")):
                exec(program, {})
