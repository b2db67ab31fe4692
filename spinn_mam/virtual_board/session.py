"""A running virtual board as a context manager.

The board is a process of its own: the host tools and the board then have a Python interpreter each, so neither waits for the other's; an
error in compiled code ends the board and not the user's program; and its memory is given back at the end. Two pipes join them. When the
user's end of the pipe closes, for whatever reason (also a killed process), the board ends.

Two boards at once do not collide: the ports are fixed in the host tools, so each board takes loopback addresses of its own.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, BinaryIO, Self

from spinn_mam.errors import BackendUnavailableError, RunFailedError, SpinnMamError, UsageError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.machine.description import MachineDescription
from spinn_mam.virtual_board.binaries import check_unicorn
from spinn_mam.virtual_board.events import BoardReport, Crashed, Event, Failed, Ready
from spinn_mam.virtual_board.faults import Faults

#: Longest a board may take to start and to stop (s): compiling its kernels for the first time takes most of it.
LONGEST_START, LONGEST_STOP = 300.0, 5.0
#: Longest wait for a report while cores run (s).
LONGEST_REPORT = 30.0
#: Chips of a board of version 3, the one that has fewer than 48.
CHIPS_OF_VERSION_3 = 4

#: Keys that sPyNNaker needs beside the address. It waits for the nominal duration of a run and then this long (s); the board has no time to keep.
#: The monitors that speed up loading and re-send dropped packets on hardware occupy two cores and are of no use here.
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "virtual_board": "False",
        "spalloc_server": "None",
        "json_path": "None",
        "bmp_names": "None",
        "auto_detect_bmp": "False",
        "spalloc_retry": "0",
        "enable_advanced_monitor_support": "False",
        "enable_reinjection": "False",
        "post_simulation_overrun_before_error": "100000",
    }
)


@dataclass(frozen=True, slots=True)
class BoardOptions:
    """All that the board's process needs.

    Attributes
    ----------
    machine : MachineDescription
    host : str or None
        Address of the first board; None for any free loopback addresses.
    threads : int
    faults : Faults
    any_binary : bool
        Whether binaries are started that the board is not tested with.
    cold : bool
        Whether booting is left to the host.
    """

    machine: MachineDescription
    host: str | None
    threads: int
    faults: Faults
    any_binary: bool
    cold: bool


class BoardProcess:
    """The process of a board, started before it is known which board it is to be: it loads and compiles meanwhile."""

    def __init__(self) -> None:
        orders_in, orders_out = os.pipe()
        events_in, events_out = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spinn_mam.virtual_board.board_process", str(orders_in), str(events_out)],
                pass_fds=(orders_in, events_out),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the user's program, which stops the board when it is done
                env=_process_environment(),
            )
        except BaseException:
            os.close(orders_out)
            os.close(events_in)
            raise
        finally:
            os.close(orders_in)
            os.close(events_out)
        self.events: BinaryIO = os.fdopen(events_in, "rb")
        self._orders: BinaryIO | None = os.fdopen(orders_out, "wb")
        self._lock = threading.Lock()

    def order(self, order: object) -> None:
        """Send an order; a process that has ended says so in its events."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._orders is not None:
                self._orders.write(pickle.dumps(order))
                self._orders.flush()

    def stop(self) -> None:
        """End the process; once ended, this does nothing."""
        with self._lock, contextlib.suppress(OSError):
            if self._orders is not None:
                self._orders.close()
        self._orders = None
        try:
            self.process.wait(LONGEST_STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class VirtualBoard:
    """A virtual board that serves while the ``with`` block runs.

    Parameters
    ----------
    machine : str, Path, MachineDescription or int
        Name or document of a board configuration, a machine, or a number of boards (the smallest machine that has them).
    threads : int
        Threads that run cores.
    faults : Faults, optional
        What is to go wrong; default nothing.
    progress : callable, optional
        Called with each event, from a thread of its own.
    host : str, optional
        Address of the first board; default free loopback addresses.
    any_binary : bool
        Start binaries that the board is not tested with, too.
    cold : bool
        Leave booting to the host, which takes it nine seconds; default the board is booted as the host would do it.

    Raises
    ------
    MissingExtraError
        If the CPU emulator is not installed.
    UsageError
        If there is no such machine.
    BackendUnavailableError
        If the board does not start.

    Examples
    --------
    ::

        with VirtualBoard("spin5") as board:
            Path("spynnaker.cfg").write_text(board.config)
            subprocess.run([sys.executable, "script.py"], check=True)
            print(board.report())
    """

    def __init__(
        self,
        machine: str | Path | MachineDescription | int = "spin5",
        *,
        threads: int = 2,
        faults: Faults | None = None,
        progress: Callable[[Event], None] | None = None,
        host: str | None = None,
        any_binary: bool = False,
        cold: bool = False,
    ) -> None:
        if threads < 1:
            raise UsageError(f"{threads} threads: at least 1 is needed")
        check_unicorn()
        if isinstance(machine, int):
            from spinn_mam.virtual_board.allocation import machine_for

            machine = machine_for(n_boards=machine)
        self.machine = machine if isinstance(machine, MachineDescription) else load_board_config(machine)
        self.crashed: list[Crashed] = []
        self._options = BoardOptions(self.machine, host, threads, faults or Faults(), any_binary, cold)
        self._progress = progress
        self._addresses: tuple[str, ...] = ()
        self._failed: Failed | None = None
        self._ready, self._ended, self._reported = threading.Event(), threading.Event(), threading.Event()
        self._report: BoardReport | None = None
        self._process: BoardProcess | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses of all boards; the first is that of chip (0, 0)."""
        return self._addresses

    @property
    def address(self) -> str:
        """Address of the first board: sPyNNaker's ``machine_name``."""
        if not self._addresses:
            raise RunFailedError("the virtual board is not started: use it in a with block, or call start()")
        return self._addresses[0]

    @property
    def version(self) -> int:
        """SpiNNaker's number for the kind of board: 3 (4 chips) or 5 (48 chips)."""
        return 3 if self.machine.n_chips <= CHIPS_OF_VERSION_3 else 5

    @property
    def config(self) -> str:
        """Text of a ``spynnaker.cfg`` with which sPyNNaker uses this board."""
        return config_text({"machine_name": self.address, "version": str(self.version), "time_scale_factor": "1", **SETTINGS})

    @property
    def running(self) -> bool:
        """Whether the board's process runs."""
        return self._process is not None and self._process.process.poll() is None

    def start(self, process: BoardProcess | None = None) -> Self:
        """Start the board and wait until it listens; a ``with`` block does so by itself.

        Parameters
        ----------
        process : BoardProcess, optional
            One that waits for its board; default a new one.
        """
        if self._process is not None:
            raise RunFailedError("a virtual board is started once; make another one")
        self._process = process or BoardProcess()
        threading.Thread(target=self._listen, args=(self._process.events,), name="virtual board", daemon=True).start()
        try:
            self._process.order(self._options)
            deadline = time.monotonic() + LONGEST_START
            while not self._ready.wait(0.1) and not self._ended.is_set() and time.monotonic() < deadline:
                pass
        except BaseException:
            self.stop()
            raise
        if not self._ready.is_set():
            self.stop()
            if self._failed is not None:
                raise _error(self._failed)
            raise BackendUnavailableError(f"the virtual board did not start in {LONGEST_START:.0f} s; its messages are above")
        return self

    def report(self) -> BoardReport:
        """Return what the board did so far; after it has stopped, what it did until then.

        Raises
        ------
        RunFailedError
            If the board has failed or does not answer.
        """
        if self._process is not None and self.running:
            self._reported.clear()
            self._process.order("report")
            deadline = time.monotonic() + LONGEST_REPORT
            while not self._reported.wait(0.1) and not self._ended.is_set() and time.monotonic() < deadline:
                pass
        if self._failed is not None:
            raise _error(self._failed)
        if self._report is None:
            raise RunFailedError(f"the virtual board gives no report: it was not started, or did not answer for {LONGEST_REPORT:.0f} s")
        return self._report

    def stop(self) -> None:
        """Stop the board; once stopped, this does nothing."""
        if self._process is not None:
            self._process.stop()
            self._ended.wait(LONGEST_STOP)

    def _listen(self, events: BinaryIO) -> None:
        with events:
            while True:
                try:
                    event: Any = pickle.load(events)
                except (EOFError, pickle.UnpicklingError):
                    break
                if isinstance(event, BoardReport):
                    self._report = event
                    self._reported.set()
                    continue
                if isinstance(event, Ready):
                    self._addresses = event.addresses
                    self._ready.set()
                elif isinstance(event, Failed):
                    self._failed = event
                elif isinstance(event, Crashed):
                    self.crashed.append(event)
                if self._progress is not None:
                    self._progress(event)
        self._ended.set()


def config_text(keys: Mapping[str, str]) -> str:
    """Return the text of a configuration file with these keys in its section ``[Machine]``."""
    return "[Machine]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def _process_environment() -> dict[str, str]:
    """Let the board's process find this package also where it is not installed."""
    root = str(Path(__file__).parents[2])
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root}


def _error(failed: Failed) -> SpinnMamError:
    for kind in (UsageError, BackendUnavailableError):
        if kind.exit_code == failed.exit_code:
            return kind(failed.message)
    return RunFailedError(failed.message)
