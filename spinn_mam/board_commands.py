"""The verbs ``board serve`` and ``board run`` of the command line."""

from __future__ import annotations

import ipaddress
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_mam.errors import UsageError

if TYPE_CHECKING:
    from spinn_mam.virtual_board.events import Event

app = typer.Typer(
    help="Serve or use a SpiNNaker board in software.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Machine = Annotated[
    str | None,
    typer.Option("--board-config", help="Machine: a name that 'spinn-mam machines' lists, or a .toml file.", metavar="NAME", show_default=False),
]
Threads = Annotated[int, typer.Option("--threads", help="Threads that run cores.")]
Drop = Annotated[float, typer.Option("--drop", help="Lose each packet with this probability.", metavar="P")]
Late = Annotated[float, typer.Option("--late", help="Deliver each packet a tick later with this probability.", metavar="P")]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="Deliver packets that arrive together in random order.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of what is lost, late and shuffled.")]
AnyBinary = Annotated[bool, typer.Option("--any-binary", help="Run binaries that the board is not tested with, too.")]

#: Least time between two lines of progress (s).
EVERY = 2.0


@app.command()
def serve(
    board_config: Machine = "spin5",
    host: Annotated[
        str, typer.Option("--host", help="Address of the first board; the next boards have the next addresses.", metavar="ADDR")
    ] = "127.0.0.2",
    threads: Threads = 2,
    drop: Drop = 0.0,
    late: Late = 0.0,
    shuffle: Shuffle = False,
    seed: Seed = 1,
    any_binary: AnyBinary = False,
) -> None:
    """Serve a board until Ctrl-C.

    Prints the configuration with which sPyNNaker uses it, then what happens on it. The shipped ARM binaries run on an emulated processor.
    """
    from spinn_mam.virtual_board.faults import Faults
    from spinn_mam.virtual_board.report import report_text
    from spinn_mam.virtual_board.session import VirtualBoard

    _check_address(host)
    with VirtualBoard(
        board_config or "spin5", threads=threads, faults=Faults(drop, late, shuffle, seed), progress=_teller(), host=host, any_binary=any_binary
    ) as board:
        stopped = _end_signals()
        typer.echo(f"# put this into ~/.spynnaker.cfg or, for one script, into spynnaker.cfg beside it\n{board.config}")
        while board.running and not stopped.wait(0.2):
            pass
        board.stop()
        typer.echo(report_text(board.report()), err=True)


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    script: Annotated[Path, typer.Argument(help="A sPyNNaker script; it is run as it stands.", metavar="SCRIPT", show_default=False)],
    arguments: Annotated[list[str] | None, typer.Argument(help="The script's own arguments.", metavar="ARGS", show_default=False)] = None,
    board_config: Machine = None,
    boards: Annotated[int, typer.Option("--boards", help="Number of boards; 0 leaves it to what sPyNNaker asks for.", min=0)] = 0,
    threads: Threads = 2,
    drop: Drop = 0.0,
    late: Late = 0.0,
    shuffle: Shuffle = False,
    seed: Seed = 1,
    any_binary: AnyBinary = False,
) -> None:
    """Run a sPyNNaker script on a board of the size it needs.

    Neither the script nor the user's configuration is changed. The exit code is the script's.
    """
    from spinn_mam.virtual_board.allocation import machine_for
    from spinn_mam.virtual_board.faults import Faults
    from spinn_mam.virtual_board.report import report_text
    from spinn_mam.virtual_board.script import run_script

    if boards and board_config is not None:
        raise UsageError("--boards and --board-config exclude each other: the machine has its number of boards")
    result = run_script(
        script,
        arguments or (),
        machine=machine_for(n_boards=boards) if boards else board_config,
        threads=threads,
        faults=Faults(drop, late, shuffle, seed),
        any_binary=any_binary,
        told=_teller(say_refused=False),
    )
    for report in result.reports:
        typer.echo(report_text(report), err=True)
    raise typer.Exit(result.exit_code)


def _check_address(host: str) -> None:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        raise UsageError(f"--host {host}: not an IPv4 address; such as 127.0.0.2") from None
    if str(address) == "127.0.0.1":
        raise UsageError("--host 127.0.0.1: sPyNNaker takes this address for its own virtual mode, without cores; use another, such as 127.0.0.2")
    if not address.is_loopback:
        typer.echo(
            f"warning: {host} is not a loopback address: everyone who reaches it can load programs onto the board and read its memory; "
            "there is no password",
            err=True,
        )


def _end_signals() -> threading.Event:
    """Return what Ctrl-C and the other signals to end set from now on: they are the usual end."""
    stopped = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: stopped.set())
    return stopped


def _teller(*, say_refused: bool = True) -> Callable[[Event], None]:
    """Make the function that prints events; of those that only say how far the run is, some; a refusal may be left to the error that ends a run."""
    from spinn_mam.virtual_board.events import Refused, Running

    last, wait = -EVERY, EVERY

    def tell(event: Event) -> None:
        nonlocal last, wait
        if isinstance(event, Refused) and not say_refused:
            return
        if isinstance(event, Running):
            if time.monotonic() - last < wait:
                return
            last, wait = time.monotonic(), min(wait * 1.5, 30.0)
        typer.echo(f"board: {event}", err=True)

    return tell
