"""The command line: one verb, one meaning; the same flag means the same everywhere."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

# threads of a kernel wait asleep: spinning collapses when another program wants the processor; set before any import
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("NUMBA_NUM_THREADS", str(max(os.cpu_count() or 1, 2)))

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from spinn_mam import __version__, bench_commands, board_commands, reference_commands, result_commands, theory_commands
from spinn_mam.errors import AccuracyError, RunFailedError, SpinnMamError, UsageError, interrupted
from spinn_mam.options import (
    Areas,
    AsJson,
    BoardConfig,
    Drive,
    Kept,
    KScaling,
    Layout,
    Model,
    NeuronsPerCore,
    NScaling,
    Protocol,
    Run,
    Seed,
    Set,
    Surface,
    SynapseCores,
    TimeScale,
    WarmUp,
)
from spinn_mam.terminal import Stopped, console

app = typer.Typer(
    name="spinn-mam",
    help="Cortical models on SpiNNaker: mapped, run, checked and reported, with or without the machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(board_commands.app, name="board")
app.add_typer(bench_commands.app, name="bench")

#: What the operating system says when it fails a run, not the user.
SYSTEM_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"spinn-mam {__version__}")
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False) -> None:
    """Take the options of the program itself."""
    del version


@app.command()
def run(
    model: Model,
    backend: Annotated[str, typer.Option(help="What runs the network: emulator, nest or spinnaker.")] = "emulator",
    t_sim: Kept = 10_000.0,
    warm_up: WarmUp = 500.0,
    seed: Seed = 1,
    threads: Annotated[int, typer.Option(help="Threads of the backend; 0: two, or what the computer has.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; default runs/MODEL-TIME. Naming an existing one resumes it.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Do this stage and those after it again.", metavar="STAGE")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Stop after this stage.", metavar="STAGE")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, check it, and do nothing.")] = False,
    settings: Set = None,
    areas: Areas = None,
    surface: Surface = None,
    drive: Drive = None,
    n_scaling: NScaling = 1.0,
    k_scaling: KScaling = 1.0,
    connectivity: Annotated[
        str | None,
        typer.Option(help="shared: the recipe's synapses everywhere; law: the backend draws its own; expander: what the machine's generators make."),
    ] = None,
    synapses: Annotated[
        str, typer.Option(help="Of the emulator: stored, or procedural: only counted, drawn again when spikes pass; smaller, slower, the same.")
    ] = "stored",
    board_config: BoardConfig = "spin5-6",
    layout: Layout = "combined",
    neurons_per_core: NeuronsPerCore = None,
    synapse_cores: SynapseCores = 0,
    time_scale_factor: TimeScale = "20",
    protocol: Protocol = "senk26",
    reference: Annotated[str | None, typer.Option(help="Reference statistics (.json); default: those that ship, if there are any.")] = None,
    target: Annotated[str, typer.Option(help="Where sPyNNaker runs: virtual, a board's name or address, spalloc or ebrains.")] = "virtual",
    drop: Annotated[float, typer.Option(help="Probability that the virtual board loses a packet.")] = 0.0,
    late: Annotated[float, typer.Option(help="Probability that the virtual board delivers a packet a tick late.")] = 0.0,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="The virtual board delivers packets of a tick in random order.")] = False,
    record: Annotated[
        str, typer.Option(help="Neurons whose spikes the emulator records: all, none, or such as 1000 (of each population), L4E, L4E:2000,L4I:500.")
    ] = "all",
    record_v: Annotated[str, typer.Option("--record-v", help="Neurons whose membrane potentials it samples, said in the same way.")] = "none",
    record_v_interval: Annotated[float, typer.Option("--record-v-interval", help="Time between two samples (ms).")] = 1.0,
    checkpoint_every: Annotated[
        float | None, typer.Option("--checkpoint-every", help="Biological seconds between two checkpoints; default: each minute of the clock.")
    ] = None,
) -> None:
    """Run a model, from its document to the report.

    The stages are network, mapping, simulation, comparison with NEST, energy and real-time.
    """
    from spinn_mam.flow.run import run_model
    from spinn_mam.flow.settings import NEURONS_PER_CORE, RunSettings, factor_of
    from spinn_mam.models import model_settings

    run_model(
        RunSettings(
            model=model,
            settings=model_settings(model, settings, areas, surface),
            drive=drive,
            n_scaling=n_scaling,
            k_scaling=k_scaling,
            backend=backend,
            t_sim=t_sim,
            warm_up=warm_up,
            seed=seed,
            threads=threads or min(2, os.cpu_count() or 1),
            board_config=board_config,
            layout=layout,
            neurons_per_core=NEURONS_PER_CORE.get(layout) if neurons_per_core is None else neurons_per_core or None,
            synapse_cores=synapse_cores or None,
            time_scale_factor=factor_of(time_scale_factor),
            connectivity=connectivity,
            protocol=protocol,
            reference=reference,
            target=target,
            # as sPyNNaker reads them: one at home, one where it is started
            configurations=(str(Path.home() / ".spynnaker.cfg"), str(Path.cwd() / "spynnaker.cfg")),
            drop=drop,
            late=late,
            shuffle=shuffle,
            record=record,
            record_v=record_v,
            record_v_interval=record_v_interval,
            checkpoint_every=checkpoint_every,
            synapses=synapses,
        ),
        out or Path("runs") / f"{Path(model).stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        console(),
        sys.argv,
        first=from_,
        last=to,
        dry_run=dry_run,
    )


@app.command()
def plan(
    model: Model,
    board_config: BoardConfig = "spin5-6",
    layout: Layout = "combined",
    neurons_per_core: NeuronsPerCore = None,
    synapse_cores: SynapseCores = 0,
    time_scale_factor: Annotated[
        str | None, typer.Option(help="Wall-clock time over biological time: a number, or auto, the smallest; default 20, or more where needed.")
    ] = None,
    t_sim: Annotated[float, typer.Option("--t-sim", help="Biological time that times and energies are told for (ms).")] = 1000.0,
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the mapping, its picture and PACMAN's JSON; default runs/MODEL-plan.")] = None,
    settings: Set = None,
    areas: Areas = None,
    surface: Surface = None,
    drive: Drive = None,
    n_scaling: NScaling = 1.0,
    k_scaling: KScaling = 1.0,
    estimate: Annotated[bool, typer.Option("--estimate", help="Do not map, which is left out anyway where it takes long.")] = False,
    host_power: Annotated[float | None, typer.Option("--host-power", help="Power of a computer (W), to estimate its energy from.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a model takes before anything runs, and map it.

    The mapping is left out where it takes more than seconds.

    Boards, cores, memory, tables, traffic, time and energy in both layouts; exits with 3 if it does not fit in the layout asked for.
    """
    from spinn_mam.flow.plan import plan_model
    from spinn_mam.flow.settings import NEURONS_PER_CORE, RunSettings, factor_of
    from spinn_mam.models import model_settings

    plan_model(
        RunSettings(
            model=model,
            settings=model_settings(model, settings, areas, surface),
            drive=drive,
            n_scaling=n_scaling,
            k_scaling=k_scaling,
            t_sim=t_sim,
            seed=seed,
            board_config=board_config,
            layout=layout,
            neurons_per_core=NEURONS_PER_CORE.get(layout) if neurons_per_core is None else neurons_per_core or None,
            synapse_cores=synapse_cores or None,
            time_scale_factor=factor_of(time_scale_factor or "20"),
        ),
        out or Path("runs") / f"{Path(model).stem}-plan",
        console(),
        neurons_per_core=neurons_per_core,
        fixed_factor=time_scale_factor is not None,
        estimate=estimate,
        host_power_W=host_power,
        as_json=as_json,
    )


@app.command()
def show(
    model: Model,
    settings: Set = None,
    areas: Areas = None,
    surface: Surface = None,
    drive: Drive = None,
    n_scaling: NScaling = 1.0,
    k_scaling: KScaling = 1.0,
    compare_with: Annotated[
        Path | None,
        typer.Option("--compare-with", help="Compare the anatomical tables with those of a checkout of INM-6/multi-area-model.", metavar="DIR"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's numbers and where each comes from."""
    from spinn_mam.models import load_model, model_settings
    from spinn_mam.report.model_tables import show_json, show_tables

    loaded = load_model(model, model_settings(model, settings, areas, surface), {} if drive is None else {"drive": drive})
    if compare_with is not None:
        from spinn_mam.report.area_tables import checkout_json, checkout_table

        if as_json:
            typer.echo(json.dumps(checkout_json(loaded, compare_with), indent=1))
        else:
            console().print(checkout_table(loaded, compare_with))
        return
    spec = loaded.network(n_scaling, k_scaling)
    if as_json:
        typer.echo(json.dumps(show_json(loaded, spec), indent=1, allow_nan=False))
        return
    for table in show_tables(loaded, spec):
        console().print(table)


@app.command()
def machines(as_json: AsJson = False) -> None:
    """List the board configurations."""
    from spinn_mam.machine.board_config import machine_rows

    rows = machine_rows()
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    headings = ("name", "boards", "chips", "cores", "SDRAM (GB)", "size", "wraps")
    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in headings[1:5] else "left", no_wrap=True)
    for row in rows:
        numbers = (f"{row['boards']:,}", f"{row['chips']:,}", f"{row['application_cores']:,}", f"{row['sdram_bytes'] / 1e9:,.1f}")
        table.add_row(row["name"], *numbers, f"{row['width']} x {row['height']}", row["wrap"])
    console().print(table)


@app.command()
def compare(
    run_folder: Run,
    reference: Annotated[Path, typer.Argument(help="Reference statistics (.json).", metavar="REFERENCE")],
    protocol: Protocol = "senk26",
    as_json: AsJson = False,
) -> None:
    """Compare a run with a reference; exits with 6 if it fails."""
    from spinn_mam.comparison import PROTOCOLS, ReferenceStatistics, comparison_table
    from spinn_mam.comparison import compare as compare_statistics
    from spinn_mam.comparison.mean_field import some
    from spinn_mam.flow.run import find_recording
    from spinn_mam.flow.settings import one_of

    one_of("--protocol", protocol, tuple(PROTOCOLS))
    recording = find_recording(run_folder)
    if not reference.is_file():
        raise UsageError(f"REFERENCE {reference}: no such file; give reference statistics (.json), as 'spinn-mam reference' makes them")
    comparison = compare_statistics(recording, ReferenceStatistics.load(reference), protocol)
    if as_json:
        typer.echo(json.dumps(comparison.to_metrics(), indent=1, allow_nan=False))
    else:
        console().print(comparison_table(comparison))
        console().print(f"verdict: {comparison.verdict}")
    if comparison.verdict == "fail":
        failed = [f"{r.statistic} of {r.population}" for r in comparison.rows if not r.passed and not r.weak]
        raise AccuracyError(f"the run does not agree with the reference: {some(failed, 12)}")


for verb in (theory_commands.theory, reference_commands.reference, result_commands.plot, result_commands.export, result_commands.cite):
    app.command()(verb)


def main() -> None:
    """Run the command line; a user's mistake is one message and an exit code, never a traceback."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries: nothing a user can act on; python -W shows them
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays in force
            signal.signal(number, _stop)
    errors = Console(stderr=True, highlight=False)
    sys.exit(_guarded(lambda: app(standalone_mode=False), errors))


def _stop(signal_number: int, _frame: object) -> None:
    raise Stopped(signal_number)


def _guarded(command: Callable[[], Any], errors: Console) -> int:
    """Run a command and turn what it raises into an exit code; a bug goes through, with its traceback."""

    def say(text: str, style: str = "red") -> None:
        errors.print(text, style=style, markup=False, soft_wrap=True)

    try:
        result = command()
        sys.stdout.flush()
    except SpinnMamError as error:
        say(f"error: {error}")
        return error.exit_code
    except (Stopped, KeyboardInterrupt, typer.Abort) as error:
        if isinstance(error, Stopped) and error.signal_number == signal.SIGPIPE:  # whoever read the output, such as 'head', has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it flushes at its end
            return 128 + signal.SIGPIPE
        say(interrupted("".join(sys.argv[1:2])), "yellow")
        return 128 + (error.signal_number if isinstance(error, Stopped) else signal.SIGINT)
    except MemoryError as error:
        say(f"error: not enough memory ({error}): finished stages are kept; use --n-scaling or --k-scaling, or a computer with more")
        return RunFailedError.exit_code
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        say(f"error: {error.strerror or error}{where}")
        return RunFailedError.exit_code if error.errno in SYSTEM_FAILED else UsageError.exit_code
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)  # a usage error of the command line's own parser
        if not context or type(error).__name__ == "NoArgsIsHelpError":
            errors.print(error.format_message(), markup=False, soft_wrap=True)
        else:
            say(f"error: {error.format_message()} ({context.command_path} --help lists what there is)")
        return UsageError.exit_code
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
