"""A board of the size that a script asks for, when it asks.

Problem: how many boards a script needs is known only when sPyNNaker has split its network, in the middle of the script.

Method: sPyNNaker can ask a web service for a machine (its key ``remote_spinnaker_url``; the EBRAINS portal works that way): after
splitting it sends the number of chips or boards, gets an address, and gives the machine back at its end or at a hard reset. This is that
service, for one script, on the loopback. So nothing runs twice, nothing is guessed, and a script with several networks gets several
boards, one after the other.

Cost: one thread; a few requests a script.

Reference: the protocol is what ``hbp_allocator.py`` of SpiNNFrontEndCommon 7.4.1 sends and expects.
"""

from __future__ import annotations

import json
import math
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from spinn_mam.errors import DoesNotFitError, SpinnMamError, UsageError, Violation

#: What can be asked for below the address of the service; "" is a machine.
PATHS = ("", "extendLease", "checkLease", "power", "chipCoordinates")
#: The host gives up if it hears nothing for 30 s: spaces, which JSON allows at its beginning, are sent as often as this (s).
SIGN_OF_LIFE = 5.0
#: Longest a question "is the machine still mine?" waits for its answer (s); the host allows more than 10.
LONGEST_WAIT = 10.0
#: Chips that placement may need beyond the number that sPyNNaker asks for, as a factor.
MARGIN = 1.1
CHIPS_A_BOARD = 48
#: The machines to choose from, smallest first.
MACHINES = ((1, "spin5"), (3, "spin5-3"), (6, "spin5-6"), (12, "spin5-12"), (24, "spin5-24"))


class Granted(NamedTuple):
    """What the host is told of its machine: the address of its first board and the version of its boards."""

    address: str
    version: int


def machine_for(n_chips: int | None = None, n_boards: int | None = None) -> str:
    """Return the name of the smallest machine with so many chips or boards.

    Parameters
    ----------
    n_chips, n_boards : int, optional
        One of them; with the number of boards given the number of chips does not count.

    Raises
    ------
    DoesNotFitError
        If the largest of the machines is too small.

    Examples
    --------
    >>> machine_for(n_chips=3), machine_for(n_chips=48), machine_for(n_boards=2)
    ('spin5', 'spin5-3', 'spin5-3')
    """
    boards = n_boards or max(1, math.ceil((n_chips or 1) * MARGIN / CHIPS_A_BOARD))
    for available, name in MACHINES:
        if boards <= available:
            return name
    most = MACHINES[-1][0]
    message = f"{boards} boards needed, at most {most} there: make the network smaller, or give a larger machine with --board-config"
    raise DoesNotFitError("virtual board", [Violation("boards", "the script's network", message, boards / most)])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a script that ended before its answer came; bugs go through."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Allocator:
    """The service: ``with Allocator(start, stop) as allocator`` and ``allocator.url`` for the configuration.

    Parameters
    ----------
    start : callable
        Takes the name of a machine, starts it and returns what the host is told.
    stop : callable
        Takes the address of a machine and stops it.
    failed : callable
        Takes the error if a machine can't be started.
    """

    def __init__(self, start: Callable[[str], Granted], stop: Callable[[str], None], failed: Callable[[SpinnMamError], None]) -> None:
        self._start, self._stop, self._failed = start, stop, failed
        self._given_back: dict[str, threading.Event] = {}
        token = "/" + secrets.token_hex(16)  # other users of this computer can't ask for machines
        allocator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer("GET")

            def do_PUT(self) -> None:
                self._answer("PUT")

            def do_DELETE(self) -> None:
                self._answer("DELETE")

            def _answer(self, method: str) -> None:
                parts = urlsplit(self.path)
                path = parts.path.removeprefix(token).strip("/")
                if not (parts.path + "/").startswith(token + "/") or path not in PATHS:
                    self.send_error(404)
                    return
                reply = allocator._pool.submit(allocator._reply, method, path, parse_qs(parts.query))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                while not wait([reply], SIGN_OF_LIFE).done:
                    self.wfile.write(b" ")
                try:
                    body = reply.result()
                except SpinnMamError as error:
                    allocator._failed(error)
                    body = {"error": str(error)}
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the output is the script's."""

        self._pool = ThreadPoolExecutor(thread_name_prefix="allocator")
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{token}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="allocator", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for event in self._given_back.values():
            event.set()
        self._server.shutdown()
        self._server.server_close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _reply(self, method: str, path: str, query: dict[str, list[str]]) -> Any:
        address = query.get("machineName", [""])[0]
        if method == "DELETE":
            event = self._given_back.get(address)
            if event is not None and not event.is_set():
                event.set()
                self._stop(address)
            return {}
        if path == "checkLease":
            held = [event for event in self._given_back.values() if not event.is_set()]
            given_back = not held or held[-1].wait(LONGEST_WAIT)
            return {"allocated": not given_back}
        if path == "chipCoordinates":
            return [0, 0, 0]
        if path or method == "PUT":  # extendLease, power: always granted
            return {}
        try:
            numbers = {key: int(float(query[key][0])) if key in query else None for key in ("nChips", "nBoards")}
        except ValueError:
            raise UsageError(f"the script asks for a machine of {query}: a number of chips or boards is needed") from None
        granted = self._start(machine_for(numbers["nChips"], numbers["nBoards"]))
        self._given_back[granted.address] = threading.Event()
        return {"machineName": granted.address, "version": granted.version, "bmpDetails": None}
