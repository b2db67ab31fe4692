"""The board as a server: one thread that answers datagrams and lets the cores run between them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spinn_mam.virtual_board import system_variables
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.scp import packets
from spinn_mam.virtual_board.scp.answers import ONCE, Answers
from spinn_mam.virtual_board.scp.applications import Applications
from spinn_mam.virtual_board.scp.boot import BootImage
from spinn_mam.virtual_board.scp.commands import Commands, Request
from spinn_mam.virtual_board.scp.mailbox import LockedError, Mailboxes, break_lock, responds
from spinn_mam.virtual_board.scp.packets import SdpMessage
from spinn_mam.virtual_board.scp.sockets import Handler, Place, Sockets
from spinn_mam.virtual_board.scp.tags import TRANSIENT, TagTable
from spinn_mam.virtual_board.scp.watch import BoardEvents, BoardProgress, CoreStatus, call, read_iobuf, read_status
from spinn_mam.virtual_board.structs import Code, CpuState
from spinn_mam.virtual_board.system_variables import SystemVariables

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

__all__ = ["BoardEvents", "BoardProgress", "BoardServer", "CoreStatus"]

logger = logging.getLogger(__name__)

SCP_PORT, BOOT_PORT = 17893, 54321
#: Wall time that cores run for between two looks at the sockets; the short one while the host talks, since it waits for each answer.
SLICE_S, SHORT_SLICE_S = 0.01, 0.001
#: Datagrams answered before the cores run again, so that a flood does not stop them.
DATAGRAMS_PER_ROUND = 250
#: Rounds that a command waits for a core to leave a lock before it is answered all the same: a crashed core never does.
LOCK_ROUNDS = 200
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
        self._mailboxes = Mailboxes(self._variables, engine)
        self._applications = Applications(self._variables, engine, self._mailboxes, self._on_cores_started)
        self._commands = Commands(hardware, self._variables, engine, self._applications, self._listen)
        self._tables = {chip.index: TagTable() for chip in hardware.ethernet_chips}
        self._boot_image = BootImage()
        self._booted = False
        self._sockets: Sockets | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._deferred: deque[tuple[Chip, SdpMessage, Place, int]] = deque()
        self._answers = Answers()
        self._requests: dict[int, Chip] = {}
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
                self._sockets.listen(_scp(board), partial(self._on_datagram, board))
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
        self._applications.clear()
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
            for chip in self._applications.active_chips
            for core in self._applications.active_cores(chip)
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
                count = self._sockets.receive(DATAGRAMS_PER_ROUND, 0.0 if busy or self._deferred else None)
                busy = self._run_cores(SHORT_SLICE_S if count else SLICE_S)
        except Exception as error:
            self.failure = error
            logger.exception("the virtual board's server failed; this is a bug")

    def _run_cores(self, slice_s: float) -> bool:
        """Let the cores run, and carry their messages; returns whether they have more to do at once."""
        if not self._booted:
            return False
        progress = self.engine.advance(slice_s)
        for chip in self.engine.take_monitor_requests():
            self._requests[chip.index] = chip
        waited = self._mailboxes.n_waiting
        for chip in list(self._requests.values()):
            try:
                messages = self._mailboxes.collect(chip)
            except LockedError as error:
                if not progress.busy:
                    break_lock(chip, error.lock)
                continue
            del self._requests[chip.index]
            for message in messages:
                self._route(message, chip)
        self._mailboxes.deliver()
        for _ in range(len(self._deferred)):
            chip, message, sender, rounds = self._deferred.popleft()
            self._command(chip, message, sender, rounds + 1 if progress.busy else LOCK_ROUNDS)
        busy = progress.busy or bool(self._requests) or self._mailboxes.n_waiting != waited
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

    def _on_datagram(self, board: Chip, datagram: bytes, sender: Place) -> None:
        if not self._booted:
            return
        try:
            self._take(board, datagram, sender)
        except Exception as error:
            self.failure = error
            logger.exception("the virtual board failed on a datagram of %d bytes; this is a bug: %s", len(datagram), datagram[:64].hex())

    def _take(self, board: Chip, datagram: bytes, sender: Place) -> None:
        content = datagram[len(packets.PADDING) :]
        message = packets.unpack(content)
        if message is None:
            header = packets.unpack_header(content)
            if header is not None and header.wants_reply:
                self._send(board, header.reply(Code.LENGTH), sender)
            return
        message = replace(message, source=board.p2p_address)
        chip = board if message.flags & packets.NO_ROUTE_FLAG else self._find(message.destination)
        code = None
        if chip is None:
            code = Code.ROUTE
        elif message.destination_port != packets.TO_HOST and (message.core >= chip.n_cores or message.core in chip.dead_cores):
            code = Code.CPU
        elif message.tag != packets.TRANSIENT_TAG and message.wants_reply and not self._has_tag(board, message.tag):
            code = Code.ARGUMENT
        if code is not None or chip is None:
            if message.wants_reply:
                self._answer(board, message, message.reply(code or Code.ROUTE), sender)
            return
        if message.destination_port == packets.TO_HOST:
            self._to_host(chip, message)
        elif message.core == 0:
            if message.port == 0:
                self._command(chip, message, sender, 0)
            elif message.wants_reply:
                self._answer(board, message, message.reply(Code.PORT), sender)
        else:
            self._to_core(chip, message, sender)

    def _on_reverse_datagram(self, board: Chip, port: int, datagram: bytes, sender: Place) -> None:
        """Make an SDP message of a datagram for a reverse IP tag."""
        table = self._tables[board.index]
        number = table.reverse_ports().get(port)
        if number is None or len(datagram) > packets.MAX_PAYLOAD_BYTES:
            return
        tag = table.entries[number]
        tag.ip, tag.port = sender
        chip = self._find(tag.destination)
        core = tag.destination_port & 0x1F
        if chip is None or not 0 < core < chip.n_cores:
            return
        message = SdpMessage(packets.NO_REPLY, number, tag.destination_port, packets.TO_HOST, chip.p2p_address, board.p2p_address, datagram)
        self._mailboxes.send(chip, core, message)

    def _command(self, chip: Chip, message: SdpMessage, sender: Place, rounds: int) -> None:
        """Execute a command, or put it off while a core holds a lock that it needs."""
        board = self._find(message.source) or chip
        command = packets.unpack_command(message.payload)
        if command is None:
            self._answer(board, message, message.reply(Code.LENGTH), sender)
            return
        once = command.command in ONCE
        if once:
            known = self._answers.find(message, sender)
            if known is not None:
                self._answer(board, message, known, sender)
                return
        request = Request(chip, message.core, command, self._tables.get(chip.index), sender)
        try:
            code, data = self._commands.execute(request)
        except LockedError as error:
            if rounds >= LOCK_ROUNDS:
                break_lock(chip, error.lock)
            self._deferred.append((chip, message, sender, rounds))
            return
        answer = message.reply(code, data)
        if once:
            self._answers.keep(message, sender, answer)
        self._answer(board, message, answer, sender)

    def _to_core(self, chip: Chip, message: SdpMessage, sender: Place) -> None:
        """Pass a message from the host to a core."""
        board = self._find(message.source) or chip
        state = self._variables[chip.index].state(message.core)
        if message.port == 0 and not responds(state) and state != CpuState.INIT:
            # Nobody is there to answer: what an idle core's SARK would say, and the memory of one that has crashed.
            self._command(chip, message, sender, 0)
            return
        tag = message.tag
        if message.wants_reply and tag == packets.TRANSIENT_TAG:
            free = self._tables[board.index].add_transient(*sender)
            if free is None:
                self._answer(board, message, message.reply(Code.BUFFERS), sender)
                return
            tag = free
        code = self._mailboxes.send(chip, message.core, replace(message, tag=tag))
        if code != Code.OK and message.wants_reply:
            if tag != message.tag:
                self._tables[board.index].clear(tag)
            self._answer(board, message, message.reply(code), sender)

    def _route(self, message: SdpMessage, source: Chip) -> None:
        """Carry a message that a core has sent."""
        chip = self._find(message.destination)
        if chip is None:
            if message.wants_reply:
                self._return_to_core(message.reply(Code.ROUTE))
            return
        if message.destination_port == packets.TO_HOST:
            self._to_host(chip, message)
        elif message.core >= chip.n_cores or message.core in chip.dead_cores:
            if message.wants_reply:
                self._return_to_core(message.reply(Code.CPU))
        elif message.core == 0:
            self._command_of_core(chip, message)
        else:
            code = self._mailboxes.send(chip, message.core, message)
            if code != Code.OK and message.wants_reply:
                self._return_to_core(message.reply(code))

    def _command_of_core(self, chip: Chip, message: SdpMessage) -> None:
        command = packets.unpack_command(message.payload) if message.port == 0 else None
        if command is None:
            answer = message.reply(Code.LENGTH if message.port == 0 else Code.PORT)
        else:
            try:
                code, data = self._commands.execute(Request(chip, 0, command, self._tables.get(chip.index), ("0.0.0.0", 0)))
                answer = message.reply(code, data)
            except LockedError:
                answer = message.reply(Code.P2P_BUSY)
        if message.wants_reply:
            self._return_to_core(answer)

    def _return_to_core(self, answer: SdpMessage) -> None:
        chip = self._find(answer.destination)
        if chip is not None and 0 < answer.core < chip.n_cores:
            self._mailboxes.send(chip, answer.core, answer)

    def _to_host(self, board: Chip, message: SdpMessage) -> None:
        """Send a message through an IP tag of an Ethernet chip."""
        table = self._tables.get(board.index)
        if table is None or message.tag >= len(table.entries) or not table.entries[message.tag].in_use:
            return
        tag = table.entries[message.tag]
        content = message.payload if tag.strips else packets.PADDING + message.pack()
        place = (_scp(board)[0], tag.receive_port) if tag.is_reverse else _scp(board)
        self._transmit(place, content, (tag.ip, tag.port))
        if tag.flags & TRANSIENT:
            table.clear(message.tag)
        else:
            tag.count += 1

    def _answer(self, board: Chip, message: SdpMessage, answer: SdpMessage, sender: Place) -> None:
        """Answer the host, if it wants an answer, where its tag says."""
        if not message.wants_reply:
            return
        if message.tag != packets.TRANSIENT_TAG and self._has_tag(board, message.tag):
            self._to_host(board, answer)
        else:
            self._send(board, answer, sender)

    def _send(self, board: Chip, message: SdpMessage, to: Place) -> None:
        self._transmit(_scp(board), packets.PADDING + message.pack(), to)

    def _transmit(self, place: Place, content: bytes, to: Place) -> None:
        assert self._sockets is not None
        self._sockets.send(place, content, to)

    def _listen(self) -> None:
        """Listen on the ports of the reverse IP tags too, and on no others."""
        assert self._sockets is not None
        wanted: dict[Place, Handler] = {}
        for board in self.hardware.ethernet_chips:
            for port in self._tables[board.index].reverse_ports():
                wanted[_scp(board)[0], port] = partial(self._on_reverse_datagram, board, port)
        self._sockets.arrange([*map(_scp, self.hardware.ethernet_chips), self._boot_place], wanted)

    def _close(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None

    @property
    def _boot_place(self) -> Place:
        return _scp(self.hardware.root)[0], BOOT_PORT

    def _has_tag(self, board: Chip, tag: int) -> bool:
        table = self._tables[board.index]
        return tag < len(table.entries) and table.entries[tag].in_use

    def _find(self, address: int) -> Chip | None:
        return self.hardware.root if address == packets.TO_ROOT else self.hardware.chip(address >> 8, address & 0xFF)

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
        for chip in self._applications.active_chips:
            sv = self._variables[chip.index]
            for core in self._applications.active_cores(chip):
                state = sv.state(core)
                states[state] += 1
                if state in (CpuState.RUN_TIME_EXCEPTION, CpuState.WATCHDOG) and (chip.index, core) not in self._failed:
                    self._failed.add((chip.index, core))
                    status = read_status(self._variables[chip.index], core)
                    logger.warning("%s, core %d (%s): run-time exception %d", chip, core, status.app_name, status.rt_code)
                    call(self.events.core_failed, status)
        if busy:
            call(self.events.progress, BoardProgress(clock_us, dict(states)))


def _scp(board: Chip) -> Place:
    """Return where a board listens for SCP."""
    return board.ip_address or "", SCP_PORT
