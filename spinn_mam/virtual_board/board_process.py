"""The process of a virtual board: orders come through one pipe, events go through another; it ends when the pipe of orders closes.

It is started by ``session.py`` with the numbers of the two pipes.
"""

from __future__ import annotations

import errno
import logging
import os
import pickle
import queue
import secrets
import signal
import struct
import sys
import threading
import traceback
from typing import Any

from spinn_mam.errors import BackendUnavailableError, RunFailedError, SpinnMamError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.virtual_board.binaries import UnsupportedBinaryError
from spinn_mam.virtual_board.engine import Engine
from spinn_mam.virtual_board.events import Failed, Noted, Ready
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.scp.server import BoardServer
from spinn_mam.virtual_board.session import BoardOptions
from spinn_mam.virtual_board.watch import WatchedEngine

#: How often other loopback addresses are tried when those chosen are taken.
TRIES = 20
#: Name of the server's thread; a failure that does not end it was the answer to one datagram.
SERVER_THREAD = "virtual-board-server"
#: What the server says of a crashed core.
CRASH = "run-time exception"
#: How often the server is looked after (s).
LOOK_S = 0.5
#: An APLX image: fill the beginning of ITCM with the instruction that waits for an interrupt, then begin there.
_WAITING_CORE = struct.pack("<8I", 3, 0, 0x100, 0xEE070F90, 4, 0, 0, 0)


class _Events:
    """Sends events to the user; from any thread."""

    def __init__(self, file_number: int) -> None:
        self._file = os.fdopen(file_number, "wb")
        self._lock = threading.Lock()

    def send(self, event: object) -> None:
        try:
            with self._lock:
                pickle.dump(event, self._file)
                self._file.flush()
        except BrokenPipeError:  # the user is gone: nothing is left to do
            os._exit(0)


class _Notes(logging.Handler):
    """Passes warnings on, but for those that have an event of their own: a refused binary, a crashed core."""

    def __init__(self, events: _Events) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        refused = isinstance(record.args, tuple) and any(isinstance(argument, UnsupportedBinaryError) for argument in record.args)
        if not refused and CRASH not in record.msg:
            self._events.send(Noted(self.format(record)))


def main() -> None:
    """Serve a board until the pipe of orders closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = os.fdopen(int(sys.argv[1]), "rb")
    events = _Events(int(sys.argv[2]))
    logging.getLogger("spinn_mam").addHandler(_Notes(events))
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(orders, waiting), daemon=True).start()
    try:
        _compile()
        options = waiting.get()
        if options is not None:
            _serve(options, waiting, events)
    except SpinnMamError as error:
        events.send(Failed(str(error), error.exit_code))
    except OSError as error:
        events.send(Failed(f"the virtual board can't listen: {error.strerror or error}", BackendUnavailableError.exit_code))
    except Exception:
        events.send(Failed(f"the virtual board failed; this is a bug of it:\n{traceback.format_exc()}", RunFailedError.exit_code))


def _read(orders: Any, waiting: queue.SimpleQueue[Any]) -> None:
    """Pass orders on, and None at their end."""
    order: Any = True
    while order is not None:
        try:
            order = pickle.load(orders)
        except (EOFError, pickle.UnpicklingError):
            order = None
        waiting.put(order)


def _compile() -> None:
    """Have a core wait for an interrupt once: all kernels are compiled then, which takes most of a minute the first time ever."""
    hardware = Hardware(load_board_config("spin3"))
    engine = Engine(hardware)
    try:
        engine.start(hardware.root, 1, _WAITING_CORE, 1, 0)
        engine.advance(600.0)
    finally:
        engine.close()


def _serve(options: BoardOptions, waiting: queue.SimpleQueue[Any], events: _Events) -> None:
    for tries_left in reversed(range(TRIES)):
        hardware = Hardware(options.machine, options.host or _loopback(options.machine.n_boards))
        engine = WatchedEngine(hardware, options, events.send)
        server = BoardServer(hardware, engine)
        if not options.cold:
            server.boot()
        engine.watch.attach(server)
        try:
            server.start()
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if options.host is not None or not tries_left:
                raise BackendUnavailableError(f"{hardware.host}: something else listens there; end it, or use another address with --host") from None
    try:
        events.send(Ready(tuple(server.addresses)))
        order: Any = "report"
        while order is not None:
            try:
                order = waiting.get(timeout=LOOK_S)
            except queue.Empty:
                if server.failure is not None and not any(thread.name == SERVER_THREAD for thread in threading.enumerate()):
                    raise server.failure from None
            else:
                events.send(engine.watch.report())
    finally:
        server.stop()
        engine.close()


def _loopback(n_boards: int) -> str:
    """Draw loopback addresses: another board that is started at the same time takes others, and 127.0.x.x is left to the user."""
    second, third = 1 + secrets.randbelow(254), secrets.randbelow(256)
    return f"127.{second}.{third}.{1 + secrets.randbelow(max(1, 250 - n_boards))}"


if __name__ == "__main__":
    main()
