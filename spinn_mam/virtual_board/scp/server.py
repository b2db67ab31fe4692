"""The board as a server: one thread that answers datagrams and lets the cores run between them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spinn_mam.virtual_board import system_variables
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.scp.boot import BootImage
from spinn_mam.virtual_board.scp.exchange import Exchange, scp_place
from spinn_mam.virtual_board.scp.sockets import Handler, Place, Sockets
from spinn_mam.virtual_board.scp.watch import BoardEvents, BoardProgress, CoreStatus, call, read_iobuf, read_status
from spinn_mam.virtual_board.structs import CpuState
from spinn_mam.virtual_board.system_variables import SystemVariables

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

__all__ = ["BoardEvents", "BoardProgress", "BoardServer", "CoreStatus"]

logger = logging.getLogger(__name__)

BOOT_PORT = 54321
#: Wall time that cores run for between two looks at the sockets; the short one while the host talks, since it waits for each answer.
SLICE_S, SHORT_SLICE_S = 0.01, 0.001
#: Datagrams answered before the cores run again, so that a flood does not stop them.
DATAGRAMS_PER_ROUND = 250
_PROGRESS_S = 0.25


class BoardServer:
    """Serves a virtual machine to the SpiNNaker tools over UDP.

    Every board listens on its own address on the port of SCP (17893), the first also on that of booting (54321). All work is done by one
    thread: it answers the datagrams that wait, then lets the cores run for some milliseconds, and so on; it sleeps while no core has anything to
    do. A command that comes again within seconds with the same sequence number from the same address gets the same answer and is not done twice.

    Parameters
    ----------
    hardware : Hardware
        The chips; their Ethernet chips have the addresses to listen on.
    engine : Engine
        Runs the cores of ``hardware``.
    host : str, optional
        Address of the first board; default that of ``hardware``. A non-loopback address gets a warning, since anyone who reaches the port may
        read and write the board's memory and run binaries on it.
    progress : callable (BoardProgress), optional
        Same as appending it to ``events.progress``.

    Attributes
    ----------
    addresses : list of str
        One a board, the first is that of chip (0, 0).
    events : BoardEvents
    failure : BaseException or None
        A bug that was met: the last that a datagram led to, or what ended the server's thread.

    Raises
    ------
    OSError
        From :meth:`start`, if an address cannot be listened on.

    Examples
    --------
    ::

        with BoardServer(hardware, engine) as server:
            print("machine_name =", server.addresses[0])
    """

    def __init__(
        self, hardware: Hardware, engine: Engine, *, host: str | None = None, progress: Callable[[BoardProgress], None] | None = None
    ) -> None:
        self.hardware = hardware
        if host is not None:
            hardware.set_addresses(host)
        self.engine = engine
        self.events = BoardEvents()
        if progress is not None:
            self.events.progress.append(progress)
        self.failure: BaseException | None = None
        self._variables = [SystemVariables(chip) for chip in hardware.chips]
        self._exchange = Exchange(hardware, engine, self._variables, self._transmit, self._listen, self._on_cores_started)
        self._boot_image = BootImage()
        self._booted = False
        self._sockets: Sockets | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failed: set[tuple[int, int]] = set()
        self._next_progress = 0.0

    @property
    def addresses(self) -> list[str]:
        """Address of each board."""
        return [chip.ip_address or "" for chip in self.hardware.ethernet_chips]

    @property
    def booted(self) -> bool:
        """Whether the machine answers commands."""
        return self._booted

    def start(self) -> None:
        """Listen, in a thread of its own."""
        if self._thread is not None:
            raise RuntimeError("the board is served already")
        self._sockets = Sockets()
        try:
            for board in self.hardware.ethernet_chips:
                self._sockets.listen(scp_place(board), partial(self._guard, partial(self._exchange.take, board)))
            self._sockets.listen(self._boot_place, self._on_boot)
        except OSError:
            self._close()
            raise
        self._stopping.clear()
        self._thread = threading.Thread(target=self._serve, name="virtual-board-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the cores and the thread, and close the ports."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping.set()
        if self._sockets is not None:
            self._sockets.wake()
        thread.join()
        self._exchange.applications.clear()
        self._close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def core_status(self, x: int, y: int, p: int) -> CoreStatus | None:
        """Return what the vcpu block of a core says, or None if there is no such core."""
        chip = self.hardware.chip(x, y)
        if chip is None or not 0 <= p < chip.n_cores:
            return None
        return read_status(self._variables[chip.index], p)

    def core_statuses(self) -> list[CoreStatus]:
        """Return the status of all cores that were started and not stopped since."""
        return [
            read_status(self._variables[chip.index], core)
            for chip in self._exchange.applications.active_chips
            for core in self._exchange.applications.active_cores(chip)
        ]

    def read_iobuf(self, x: int, y: int, p: int) -> str:
        """Return what a core has printed so far."""
        chip = self.hardware.chip(x, y)
        if chip is None or not 0 <= p < chip.n_cores:
            return ""
        return read_iobuf(self._variables[chip.index], p)

    # The thread.

    def _serve(self) -> None:
        try:
            busy = False
            assert self._sockets is not None
            while not self._stopping.is_set():
                count = self._sockets.receive(DATAGRAMS_PER_ROUND, 0.0 if busy or self._exchange.has_deferred else None)
                busy = self._run_cores(SHORT_SLICE_S if count else SLICE_S)
        except Exception as error:
            self.failure = error
            logger.exception("the virtual board's server failed; this is a bug")

    def _run_cores(self, slice_s: float) -> bool:
        """Let the cores run, and carry their messages; returns whether they have more to do at once."""
        if not self._booted:
            return False
        progress = self.engine.advance(slice_s)
        busy = self._exchange.carry(busy=progress.busy) or progress.busy
        self._watch(progress.clock_us, busy=progress.busy)
        return busy

    # Datagrams.

    def _on_boot(self, datagram: bytes, sender: Place) -> None:
        if self._booted:
            return
        values = self._boot_image.receive(datagram)
        if values is None:
            return
        try:
            self.boot(values)
        except ValueError as error:
            logger.warning("boot: %s; not booted", error)

    def boot(self, values: bytes | None = None) -> None:
        """Boot with these values of the system variables, as the host does over the network; before :meth:`start` or from its thread."""
        system_variables.boot(self.hardware, values)
        self._booted = True
        call(self.events.booted)

    def _guard(self, take: Handler, datagram: bytes, sender: Place) -> None:
        """Take a datagram in if the board is up; a bug that it meets is kept and logged, and the board goes on."""
        if not self._booted:
            return
        try:
            take(datagram, sender)
        except Exception as error:
            self.failure = error
            logger.exception("the virtual board failed on a datagram of %d bytes; this is a bug: %s", len(datagram), datagram[:64].hex())

    def _transmit(self, place: Place, content: bytes, to: Place) -> None:
        assert self._sockets is not None
        self._sockets.send(place, content, to)

    def _listen(self) -> None:
        """Listen on the ports of the reverse IP tags too, and on no others."""
        assert self._sockets is not None
        wanted: dict[Place, Handler] = {}
        for board, port in self._exchange.reverse_places():
            wanted[scp_place(board)[0], port] = partial(self._guard, partial(self._exchange.take_reverse, board, port))
        self._sockets.arrange([*map(scp_place, self.hardware.ethernet_chips), self._boot_place], wanted)

    def _close(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None

    @property
    def _boot_place(self) -> Place:
        return scp_place(self.hardware.root)[0], BOOT_PORT

    # What is told.

    def _on_cores_started(self, x: int, y: int, cores: list[int], app_id: int) -> None:
        chip = self.hardware.chip(x, y)
        assert chip is not None
        self._failed -= {(chip.index, core) for core in cores}
        call(self.events.cores_started, x, y, cores, app_id)

    def _watch(self, clock_us: float, *, busy: bool) -> None:
        """Tell of crashed cores and of progress."""
        now = time.monotonic()
        if busy and now < self._next_progress:
            return
        self._next_progress = now + _PROGRESS_S
        states: Counter[CpuState] = Counter()
        for chip in self._exchange.applications.active_chips:
            sv = self._variables[chip.index]
            for core in self._exchange.applications.active_cores(chip):
                state = sv.state(core)
                states[state] += 1
                if state in (CpuState.RUN_TIME_EXCEPTION, CpuState.WATCHDOG) and (chip.index, core) not in self._failed:
                    self._failed.add((chip.index, core))
                    status = read_status(self._variables[chip.index], core)
                    logger.warning("%s, core %d (%s): run-time exception %d", chip, core, status.app_name, status.rt_code)
                    call(self.events.core_failed, status)
        if busy:
            call(self.events.progress, BoardProgress(clock_us, dict(states)))
