"""The process of a virtual board: orders come through one pipe, events go through another; it ends when the pipe of orders closes.

It is started by ``session.py`` with the numbers of the two pipes.
"""

from __future__ import annotations

import errno
import os
import pickle
import secrets
import signal
import sys
import threading
import traceback
from typing import Any

from spinn_mam.errors import BackendUnavailableError, RunFailedError, SpinnMamError
from spinn_mam.virtual_board.events import Failed, Ready
from spinn_mam.virtual_board.session import BoardOptions

#: How often other loopback addresses are tried when those chosen are taken.
TRIES = 20


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


def main() -> None:
    """Serve a board until the pipe of orders closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = os.fdopen(int(sys.argv[1]), "rb")
    events = _Events(int(sys.argv[2]))
    try:
        options: BoardOptions = pickle.load(orders)
    except EOFError:
        return
    try:
        _serve(options, orders, events)
    except SpinnMamError as error:
        events.send(Failed(str(error), error.exit_code))
    except OSError as error:
        events.send(
            Failed(
                f"the virtual board can't listen on {options.host or 'the loopback'}: {error.strerror or error}", BackendUnavailableError.exit_code
            )
        )
    except Exception:
        events.send(Failed(f"the virtual board failed; this is a bug of it:\n{traceback.format_exc()}", RunFailedError.exit_code))


def _serve(options: BoardOptions, orders: Any, events: _Events) -> None:
    from spinn_mam.virtual_board.hardware import Hardware
    from spinn_mam.virtual_board.scp.server import BoardServer
    from spinn_mam.virtual_board.watch import WatchedEngine

    for tries_left in reversed(range(TRIES)):
        hardware = Hardware(options.machine, options.host or _loopback(options.machine.n_boards))
        engine = WatchedEngine(hardware, options, events.send)
        server = BoardServer(hardware, engine)
        engine.watch.attach(server)
        try:
            server.__enter__()
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or options.host is not None or not tries_left:
                raise
    try:
        events.send(Ready(tuple(server.addresses)))
        while True:
            try:
                pickle.load(orders)
            except EOFError:
                break
            events.send(engine.watch.report())
        events.send(engine.watch.report())
    finally:
        server.__exit__(None, None, None)


def _loopback(n_boards: int) -> str:
    """Draw loopback addresses: another board that is started at the same time takes others, and 127.0.x.x is left to the user."""
    second, third = 1 + secrets.randbelow(254), secrets.randbelow(256)
    return f"127.{second}.{third}.{1 + secrets.randbelow(max(1, 250 - n_boards))}"


if __name__ == "__main__":
    main()
