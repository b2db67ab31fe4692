"""The board as a server: one thread that answers datagrams and lets the cores run between them."""

from __future__ import annotations

import ipaddress
import logging
import selectors
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from spinn_mam.virtual_board import system_variables
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.memory_map import SDRAM_BASE
from spinn_mam.virtual_board.scp import packets
from spinn_mam.virtual_board.scp.applications import Applications
from spinn_mam.virtual_board.scp.boot import BootImage
from spinn_mam.virtual_board.scp.commands import Commands, Request
from spinn_mam.virtual_board.scp.mailbox import LockedError, Mailboxes, responds
from spinn_mam.virtual_board.scp.packets import SdpMessage
from spinn_mam.virtual_board.scp.tags import TRANSIENT, TagTable
from spinn_mam.virtual_board.state import C_SEMAPHORES
from spinn_mam.virtual_board.structs import Code, Command, CpuState, Sv, Vcpu
from spinn_mam.virtual_board.system_variables import SystemVariables

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

logger = logging.getLogger(__name__)

SCP_PORT, BOOT_PORT = 17893, 54321
#: Wall time that cores run for between two looks at the sockets.
SLICE_S = 0.01
#: Datagrams answered before the cores run again, so that a flood does not stop them.
DATAGRAMS_PER_ROUND = 2000
#: Rounds that a command waits for a core to leave a lock before it is answered all the same: a crashed core never does.
LOCK_ROUNDS = 200
#: Latest answers kept for each address, and how long: a host sends a command again when the answer does not come within a second.
ANSWERS_KEPT, ANSWER_AGE_S = 64, 12.0
#: Addresses with kept answers.
CLIENTS_KEPT = 64
_PROGRESS_S = 0.25
_RECEIVE_BUFFER = 4 * 1024 * 1024
#: Commands that may not be done twice when the host sends them again.
_ONCE = frozenset(
    (
        Command.APP_RUN,
        Command.APP_START,
        Command.APP_COPY_RUN,
        Command.NEAREST_NEIGHBOUR,
        Command.SIGNAL,
        Command.ALLOC,
        Command.IPTAG,
        Command.ROUTER,
    )
)
_CORE_ANSWERS = frozenset((Command.VERSION, Command.READ, Command.WRITE, Command.FILL))


@dataclass(frozen=True, slots=True)
class CoreStatus:
    """What the vcpu block of a core says.

    Attributes
    ----------
    x, y, p : int
    state : CpuState
    app_id : int
    app_name : str
        Name of the binary, as SARK wrote it.
    rt_code : int
        Reason of a run-time exception, see :class:`~spinn_mam.virtual_board.structs.RunTimeError`; 0 if there was none.
    registers : tuple of int
        r0-r7, psr, sp, lr at the exception.
    """

    x: int
    y: int
    p: int
    state: CpuState
    app_id: int
    app_name: str
    rt_code: int
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BoardProgress:
    """How far the machine is.

    Attributes
    ----------
    clock_us : float
        Virtual time since the boot.
    cores : dict of CpuState to int
        Application cores in each state, without the idle ones.
    """

    clock_us: float
    cores: dict[CpuState, int]


@dataclass(slots=True)
class BoardEvents:
    """Lists of functions that the server's thread calls; they must return soon, and what they raise is logged and dropped.

    Attributes
    ----------
    booted : list of callable ()
        The machine has booted.
    cores_started : list of callable (x, y, cores, app_id)
        A binary was started on ``cores``, a list of virtual core numbers.
    core_failed : list of callable (CoreStatus)
        A core has entered a run-time exception; once for each.
    progress : list of callable (BoardProgress)
        Four times a second while cores run.
    """

    booted: list[Callable[[], None]] = field(default_factory=list)
    cores_started: list[Callable[[int, int, list[int], int], None]] = field(default_factory=list)
    core_failed: list[Callable[[CoreStatus], None]] = field(default_factory=list)
    progress: list[Callable[[BoardProgress], None]] = field(default_factory=list)


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
        What ended the server's thread, if it is a bug.

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
        self._commands = Commands(hardware, self._variables, engine, self._applications, self._arrange_reverse_sockets)
        self._tables = {chip.index: TagTable() for chip in hardware.ethernet_chips}
        self._boot_image = BootImage()
        self._booted = False
        self._selector: selectors.BaseSelector | None = None
        self._sockets: dict[int, socket.socket] = {}
        self._reverse_sockets: dict[tuple[int, int], socket.socket] = {}
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._deferred: deque[tuple[Chip, SdpMessage, tuple[str, int], int]] = deque()
        self._answers: dict[tuple[str, int], deque[tuple[bytes, float, SdpMessage]]] = {}
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
        for address in self.addresses:
            if not ipaddress.IPv4Address(address).is_loopback:
                logger.warning(
                    "the virtual board listens on %s, which is not a loopback address: whoever reaches its ports can read, write and run "
                    "binaries on it, without a password",
                    address,
                )
        self._selector = selectors.DefaultSelector()
        try:
            self._listen()
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
        if self._wake is not None:
            self._wake[1].send(b"\0")
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
        return self._status(chip, p)

    def core_statuses(self) -> list[CoreStatus]:
        """Return the status of all cores that were started and not stopped since."""
        return [self._status(chip, core) for chip in self._applications.active_chips for core in self._applications.active_cores(chip)]

    def read_iobuf(self, x: int, y: int, p: int) -> str:
        """Return what a core has printed so far.

        IOBUF is a chain of blocks in SDRAM, each of four words (next, time stamp, time in ms, bytes used) and its text.
        """
        chip = self.hardware.chip(x, y)
        if chip is None or not 0 <= p < chip.n_cores:
            return ""
        sv = self._variables[chip.index]
        sdram = chip.memory.sdram
        address, size = sv.get_core(p, Vcpu.IOBUF), sv.get(Sv.IOBUF_BYTES)
        text = b""
        seen: set[int] = set()
        while address not in seen and 0 <= (offset := address - SDRAM_BASE) < len(sdram) - 16 - size:
            seen.add(address)
            address, _, _, used = struct.unpack("<4I", sdram[offset : offset + 16].tobytes())
            text += sdram[offset + 16 : offset + 16 + min(used, size)].tobytes()
        return text.decode("ascii", "replace")

    # The thread.

    def _serve(self) -> None:
        try:
            busy = False
            while not self._stopping.is_set():
                self._receive(0.0 if busy or self._deferred else None)
                busy = self._run_cores()
        except Exception as error:
            self.failure = error
            logger.exception("the virtual board's server failed; this is a bug")

    def _receive(self, timeout: float | None) -> None:
        """Answer what waits, the sockets in turn."""
        assert self._selector is not None
        left = DATAGRAMS_PER_ROUND
        while left > 0 and not self._stopping.is_set():
            ready = self._selector.select(timeout)
            if not ready:
                break
            timeout = 0.0
            for key, _ in ready:
                left -= 1
                try:
                    datagram, sender = key.fileobj.recvfrom(65536)  # type: ignore[union-attr]
                except OSError:  # nothing there after all, or an unreachable port reported late
                    continue
                key.data(datagram, sender)

    def _run_cores(self) -> bool:
        """Let the cores run, and carry their messages; returns whether they have more to do at once."""
        if not self._booted:
            return False
        progress = self.engine.advance(SLICE_S)
        for chip in self.engine.take_monitor_requests():
            self._requests[chip.index] = chip
        waited = self._mailboxes.n_waiting
        for chip in list(self._requests.values()):
            try:
                messages = self._mailboxes.collect(chip)
            except LockedError:
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

    def _on_boot(self, datagram: bytes, sender: tuple[str, int]) -> None:
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
        self._call(self.events.booted)

    def _on_datagram(self, board: Chip, datagram: bytes, sender: tuple[str, int]) -> None:
        if not self._booted:
            return
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

    def _on_reverse_datagram(self, board: Chip, port: int, datagram: bytes, sender: tuple[str, int]) -> None:
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

    def _command(self, chip: Chip, message: SdpMessage, sender: tuple[str, int], rounds: int) -> None:
        """Execute a command, or put it off while a core holds a lock that it needs."""
        board = self._find(message.source) or chip
        command = packets.unpack_command(message.payload)
        if command is None:
            self._answer(board, message, message.reply(Code.LENGTH), sender)
            return
        once = command.command in _ONCE
        if once:
            known = self._known_answer(message, sender)
            if known is not None:
                self._answer(board, message, known, sender)
                return
        if rounds >= LOCK_ROUNDS:
            chip.controller[C_SEMAPHORES] = 0
        request = Request(chip, message.core, command, self._tables.get(chip.index), sender)
        try:
            code, data = self._commands.execute(request)
        except LockedError:
            self._deferred.append((chip, message, sender, rounds))
            return
        answer = message.reply(code, data)
        if once:
            self._keep_answer(message, sender, answer)
        self._answer(board, message, answer, sender)

    def _to_core(self, chip: Chip, message: SdpMessage, sender: tuple[str, int]) -> None:
        """Pass a message from the host to a core."""
        board = self._find(message.source) or chip
        if not responds(self._variables[chip.index].state(message.core)) and message.port == 0:
            command = packets.unpack_command(message.payload)
            if command is not None and command.command in _CORE_ANSWERS:
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
        source = self._reverse_sockets.get((board.index, tag.receive_port)) if tag.is_reverse else None
        self._transmit(source or self._sockets[board.index], content, (tag.ip, tag.port))
        if tag.flags & TRANSIENT:
            table.clear(message.tag)
        else:
            tag.count += 1

    def _answer(self, board: Chip, message: SdpMessage, answer: SdpMessage, sender: tuple[str, int]) -> None:
        """Answer the host, if it wants an answer, where its tag says."""
        if not message.wants_reply:
            return
        if message.tag != packets.TRANSIENT_TAG and self._has_tag(board, message.tag):
            self._to_host(board, answer)
        else:
            self._send(board, answer, sender)

    def _send(self, board: Chip, message: SdpMessage, to: tuple[str, int]) -> None:
        self._transmit(self._sockets[board.index], packets.PADDING + message.pack(), to)

    @staticmethod
    def _transmit(source: socket.socket, content: bytes, to: tuple[str, int]) -> None:
        try:
            source.sendto(content, to)
        except (OSError, OverflowError) as error:  # datagrams get lost: the receiver is gone, or its address cannot be reached
            logger.debug("datagram to %s:%s lost: %s", *to, error)

    def _has_tag(self, board: Chip, tag: int) -> bool:
        table = self._tables[board.index]
        return tag < len(table.entries) and table.entries[tag].in_use

    def _find(self, address: int) -> Chip | None:
        return self.hardware.root if address == packets.TO_ROOT else self.hardware.chip(address >> 8, address & 0xFF)

    # Commands that come again.

    def _known_answer(self, message: SdpMessage, sender: tuple[str, int]) -> SdpMessage | None:
        now, content = time.monotonic(), message.pack()
        for known, at, answer in self._answers.get(sender, ()):
            if known == content and now - at < ANSWER_AGE_S:
                return answer
        return None

    def _keep_answer(self, message: SdpMessage, sender: tuple[str, int], answer: SdpMessage) -> None:
        kept = self._answers.pop(sender, None)
        if kept is None:
            kept = deque(maxlen=ANSWERS_KEPT)
            while len(self._answers) >= CLIENTS_KEPT:
                self._answers.pop(next(iter(self._answers)))
        kept.append((message.pack(), time.monotonic(), answer))
        self._answers[sender] = kept

    # What is told.

    def _on_cores_started(self, x: int, y: int, cores: list[int], app_id: int) -> None:
        chip = self.hardware.chip(x, y)
        assert chip is not None
        self._failed -= {(chip.index, core) for core in cores}
        self._call(self.events.cores_started, x, y, cores, app_id)

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
                    status = self._status(chip, core)
                    logger.warning("%s, core %d (%s): run-time exception %d", chip, core, status.app_name, status.rt_code)
                    self._call(self.events.core_failed, status)
        if busy:
            self._call(self.events.progress, BoardProgress(clock_us, dict(states)))

    def _status(self, chip: Chip, core: int) -> CoreStatus:
        sv = self._variables[chip.index]
        block = sv.core_bytes(core)
        name = block[Vcpu.APP_NAME : Vcpu.APP_NAME + 16].split(b"\0")[0].decode("ascii", "replace")
        return CoreStatus(
            chip.x, chip.y, core, sv.state(core), block[Vcpu.APP_ID], name, block[Vcpu.RT_CODE], struct.unpack_from("<11I", block, Vcpu.REGISTERS)
        )

    @staticmethod
    def _call(hooks: list[Any], *arguments: object) -> None:
        for hook in hooks:
            try:
                hook(*arguments)
            except Exception:
                logger.exception("a function that watches the virtual board failed")

    # Sockets.

    def _listen(self) -> None:
        assert self._selector is not None
        self._wake = socket.socketpair()
        self._selector.register(self._wake[0], selectors.EVENT_READ, lambda datagram, sender: None)
        for board in self.hardware.ethernet_chips:
            self._sockets[board.index] = self._open(board, SCP_PORT, partial(self._on_datagram, board))
        self._boot_socket = self._open(self.hardware.root, BOOT_PORT, self._on_boot)

    def _open(self, board: Chip, port: int, handle: Callable[[bytes, tuple[str, int]], None]) -> socket.socket:
        assert self._selector is not None
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            opened.setblocking(False)
            opened.bind((board.ip_address, port))
        except OSError:
            opened.close()
            raise
        self._selector.register(opened, selectors.EVENT_READ, handle)
        return opened

    def _arrange_reverse_sockets(self) -> None:
        """Listen on the ports of the reverse IP tags, and on no others."""
        assert self._selector is not None
        wanted = {(row, port) for row, table in self._tables.items() for port in table.reverse_ports()}
        for key in set(self._reverse_sockets) - wanted:
            gone = self._reverse_sockets.pop(key)
            self._selector.unregister(gone)
            gone.close()
        for row, port in wanted - set(self._reverse_sockets):
            board = self.hardware.chips[row]
            try:
                self._reverse_sockets[row, port] = self._open(board, port, partial(self._on_reverse_datagram, board, port))
            except OSError as error:
                logger.warning("reverse IP tag: cannot listen on %s:%d (%s); its datagrams are lost", board.ip_address, port, error)

    def _close(self) -> None:
        opened = [*self._sockets.values(), *self._reverse_sockets.values(), *(self._wake or ())]
        boot = getattr(self, "_boot_socket", None)
        for each in [*opened, boot]:
            if each is not None:
                each.close()
        self._sockets.clear()
        self._reverse_sockets.clear()
        self._wake = None
        if self._selector is not None:
            self._selector.close()
            self._selector = None
