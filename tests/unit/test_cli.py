"""The command line: help, output for programs, narrow terminals, exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from rich.console import Console

from spinn_mam import __version__, cli
from spinn_mam.errors import AccuracyError, BackendUnavailableError, DoesNotFitError, RunFailedError, UsageError, Violation

VERBS = ("run", "plan", "show", "machines", "compare", "theory", "reference", "plot", "export", "cite", "board", "bench")
TWO_WORDS = ("board serve", "board run", "bench board", "bench emulator")
SMALL = ("pd14", "--n-scaling", "0.02", "--k-scaling", "0.05")
Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run the command line in this process, in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["spinn-mam", *map(str, arguments)])
        code = cli._guarded(
            lambda: cli.app(list(map(str, arguments)), standalone_mode=False, prog_name="spinn-mam"), Console(stderr=True, highlight=False)
        )
        return code, *capsys.readouterr()

    return run


def program(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "80"} | options.pop("env", {})  # type: ignore[operator]
    command = [sys.executable, "-m", "spinn_mam.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_version(invoke: Invoke) -> None:
    assert invoke("--version") == (0, f"spinn-mam {__version__}\n", "")


def test_the_list_of_verbs_is_readable_at_80_columns(invoke: Invoke) -> None:
    code, out, _ = invoke("--help")
    assert code == 0
    listed = dict(re.findall(r"^  (\w+) {2,}(.+)$", out.partition("Commands:")[2], re.MULTILINE))
    assert tuple(listed) == VERBS
    for line in listed.values():
        assert line.endswith("."), line
        assert not line.endswith("..."), line
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("verb", [*VERBS, *TWO_WORDS])
def test_help_of_each_verb_is_readable_at_80_columns(invoke: Invoke, verb: str) -> None:
    code, out, _ = invoke(*verb.split(), "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "..." not in out.replace("]...", "]")
    for option in re.findall(r"^  (--[\w-]+)(?: \S+)? *$", out, re.MULTILINE):
        raise AssertionError(f"{option} of {verb} has no help")


def test_the_same_flag_means_the_same_everywhere() -> None:
    shared = {"MODEL", "--set", "--areas", "--surface", "--drive", "--n-scaling", "--k-scaling", "--start", "--stop", "--board-config", "--layout"}
    said: dict[str, dict[str, str]] = {}
    group = typer.main.get_command(cli.app)
    for verb in ("run", "plan", "show", "theory", "reference", "plot", "export"):
        for parameter in group.commands[verb].params:  # type: ignore[attr-defined]
            name = parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[0]
            if name in shared:
                said.setdefault(name, {})[verb] = parameter.help
    assert set(said) == shared
    assert {name: texts for name, texts in said.items() if len(set(texts.values())) > 1} == {}


def test_without_arguments_it_shows_its_help_and_is_no_success(invoke: Invoke) -> None:
    code, out, err = invoke()
    assert code == 2
    assert "Usage: spinn-mam" in out + err
    assert "error" not in out + err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bogus",), "No such command 'bogus'. (spinn-mam --help lists what there is)"),
        (("run",), "Missing argument 'MODEL'. (spinn-mam run --help"),
        (("run", "pd14", "--t-sin", "3"), "No such option: --t-sin (Possible options: "),
        (("run", "pd14", "--t-sim", "long"), "Invalid value for '--t-sim'"),
        (("run", "pd14", "--seed", "1.5"), "Invalid value for '--seed'"),
        (("run", "pd14", "pd14"), "unexpected extra argument"),
        (("compare", "a"), "Missing argument 'REFERENCE'"),
    ],
)
def test_wrong_usage_is_one_line_and_2(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = invoke(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("run", "nothing that was finished is lost; to go on, give the same command with the run folder as --out"),
        ("reference", "nothing that was finished is lost; to go on, give the same command"),
        ("theory", "what was not written yet is lost"),
    ],
)
def test_an_interruption_says_what_is_kept(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str, said: str) -> None:
    def command() -> None:
        raise cli.Stopped(signal.SIGINT)

    monkeypatch.setattr(sys, "argv", ["spinn-mam", verb, "mam"])
    assert cli._guarded(command, Console(stderr=True, highlight=False, width=200)) == 130
    assert capsys.readouterr().err == f"interrupted: {said}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (DoesNotFitError("mapping", [Violation("sdram", "chip (0, 0)", "too much")]), 3),
        (BackendUnavailableError("x"), 4),
        (RunFailedError("x"), 5),
        (AccuracyError("x"), 6),
        (OSError(2, "No such file or directory", "x"), 2),
        (OSError(28, "No space left on device", "x"), 5),
        (MemoryError("x"), 5),
        (KeyboardInterrupt(), 130),
        (cli.Stopped(signal.SIGTERM), 143),
        (cli.Stopped(signal.SIGINT), 130),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, BaseException) else str(v),
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], error: BaseException, code: int) -> None:
    def command() -> None:
        raise error

    assert cli._guarded(command, Console(stderr=True, highlight=False, width=200)) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert str(error) in err or code in (2, 5, 130, 143)
    assert err.strip()


def test_a_bug_keeps_its_traceback() -> None:
    def command() -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        cli._guarded(command, Console(stderr=True))
    code = "import spinn_mam.cli as c\nimport spinn_mam.machine.board_config as b\nb.machine_rows = lambda: 1 / 0\nc.main()"
    done = subprocess.run([sys.executable, "-c", code, "machines"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "ZeroDivisionError" in done.stderr


def test_json_is_nothing_but_json(invoke: Invoke) -> None:
    code, out, err = invoke("machines", "--json")
    assert (code, err) == (0, "")
    assert {"spin3", "spin5", "million-core"} <= {row["name"] for row in json.loads(out)}
    code, out, err = invoke("show", *SMALL, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)
    code, out, err = invoke("plan", *SMALL, "--json", "--out", "p")
    assert code == 0
    assert json.loads(out)["mapping"]["cores"] > 0
    assert "[2/2] mapping" in err


def test_a_file_gets_whole_lines_without_colours(invoke: Invoke) -> None:
    code, out, err = invoke("run", *SMALL, "--to", "mapping", "--out", "a-folder-with-a-long-name-that-no-terminal-line-of-eighty-columns-can-hold")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert out.startswith("run folder: a-folder-with-a-long-name-that-no-terminal-line-of-eighty-columns-can-hold\n")
    assert "[2/2] mapping: " in out
    assert out.endswith("stopped after mapping: without --to the same command goes on from there\n")


@pytest.mark.parametrize("columns", ["1", "20", "60"])
def test_a_narrow_terminal_cuts_off_no_number(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    code, out, err = invoke("machines")
    assert (code, err) == (0, "")
    assert "million-core" in out
    assert "57,600" in out
    assert "…" not in out


def test_colours_on_a_terminal_unless_told_not_to(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for variable, coloured in (("", True), ("NO_COLOR", False)):
        monkeypatch.setenv("TERM", "xterm-256color")
        if variable:
            monkeypatch.setenv(variable, "1")

        def command() -> None:
            raise UsageError("no")

        assert cli._guarded(command, Console(stderr=True, force_terminal=True, highlight=False)) == 2
        assert ("\x1b[31m" in capsys.readouterr().err) is coloured


def test_whoever_reads_the_output_may_stop_reading() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "spinn_mam.cli", "show", "pd14"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_warnings_of_libraries_stay_off_the_terminal() -> None:
    code = (
        "import warnings, spinn_mam.cli as c\nimport spinn_mam.machine.board_config as b\n"
        "def rows():\n    warnings.warn('a library warns', DeprecationWarning)\n    warnings.warn('and again', RuntimeWarning)\n    return []\n"
        "b.machine_rows = rows\nc.main()"
    )
    quiet = subprocess.run([sys.executable, "-c", code, "machines"], capture_output=True, text=True, timeout=60, check=False)
    assert (quiet.returncode, quiet.stderr) == (0, "")
    asked = subprocess.run([sys.executable, "-W", "default", "-c", code, "machines"], capture_output=True, text=True, timeout=60, check=False)
    assert "a library warns" in asked.stderr


def test_the_installed_program_runs() -> None:
    done = program("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"spinn-mam {__version__}\n", "")
