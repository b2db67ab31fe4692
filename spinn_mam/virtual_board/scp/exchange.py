"""Messages between the host, the monitors and the cores: what arrives is done, passed on or refused.

An SDP message for core 0, port 0 of a chip is a command to its monitor; one for another core goes into that core's mailbox; one for "the host"
leaves through an IP tag. All chips are one step away: how messages travel between monitors has no counterpart here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.scp import packets
from spinn_mam.virtual_board.scp.answers import ONCE, Answers
from spinn_mam.virtual_board.scp.applications import Applications
from spinn_mam.virtual_board.scp.commands import Commands, Request
from spinn_mam.virtual_board.scp.mailbox import LockedError, Mailboxes, break_lock, responds
from spinn_mam.virtual_board.scp.packets import SdpMessage
from spinn_mam.virtual_board.scp.sockets import Place
from spinn_mam.virtual_board.scp.tags import TRANSIENT, TagTable
from spinn_mam.virtual_board.structs import Code, CpuState
from spinn_mam.virtual_board.system_variables import SystemVariables

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

SCP_PORT = 17893
#: Rounds that a command waits for a core to leave a lock before the lock is broken: a crashed core never leaves it.
LOCK_ROUNDS = 200


def scp_place(board: Chip) -> Place:
    """Return where a board listens for SCP."""
    return board.ip_address or "", SCP_PORT


class Exchange:
    """The monitors of all chips, between the network and the cores.

    Parameters
    ----------
    hardware : Hardware
    engine : Engine
    variables : list of SystemVariables
        One a chip.
    transmit : callable (place, content, to)
        Sends a datagram from one of the boards' places.
    tags_changed : callable ()
        Called when reverse IP tags may have changed.
    cores_started : callable (x, y, cores, app_id)

    Attributes
    ----------
    applications : Applications
    """

    def __init__(
        self,
        hardware: Hardware,
        engine: Engine,
        variables: list[SystemVariables],
        transmit: Callable[[Place, bytes, Place], None],
        tags_changed: Callable[[], None],
        cores_started: Callable[[int, int, list[int], int], None],
    ) -> None:
        self.hardware = hardware
        self._engine = engine
        self._variables = variables
        self._transmit = transmit
        self._mailboxes = Mailboxes(variables, engine)
        self.applications = Applications(variables, engine, self._mailboxes, cores_started)
        self._commands = Commands(hardware, variables, engine, self.applications, tags_changed)
        self._tables = {chip.index: TagTable() for chip in hardware.ethernet_chips}
        self._deferred: deque[tuple[Chip, SdpMessage, Place, int]] = deque()
        self._answers = Answers()
        self._requests: dict[int, Chip] = {}

    @property
    def has_deferred(self) -> bool:
        """Whether a command waits for a core to leave a lock."""
        return bool(self._deferred)

    def reverse_places(self) -> list[tuple[Chip, int]]:
        """Return the board and port of each reverse IP tag."""
        return [(board, port) for board in self.hardware.ethernet_chips for port in self._tables[board.index].reverse_ports()]

    def take(self, board: Chip, datagram: bytes, sender: Place) -> None:
        """Do what a datagram at a board's SCP port asks for."""
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

    def take_reverse(self, board: Chip, port: int, datagram: bytes, sender: Place) -> None:
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

    def carry(self, *, busy: bool) -> bool:
        """Carry the messages of the cores after they have run, and do what had to wait for them.

        Parameters
        ----------
        busy : bool
            Whether cores have more to do by themselves: if not, none of them will leave a lock any more.

        Returns
        -------
        bool
            Whether something was done that gives cores more to do.
        """
        for chip in self._engine.take_monitor_requests():
            self._requests[chip.index] = chip
        waited = self._mailboxes.n_waiting
        for chip in list(self._requests.values()):
            try:
                messages = self._mailboxes.collect(chip)
            except LockedError as error:
                if not busy:
                    break_lock(chip, error.lock)
                continue
            del self._requests[chip.index]
            for message in messages:
                self._route(message)
        self._mailboxes.deliver()
        for _ in range(len(self._deferred)):
            chip, message, sender, rounds = self._deferred.popleft()
            self._command(chip, message, sender, rounds + 1 if busy else LOCK_ROUNDS)
        return bool(self._requests) or self._mailboxes.n_waiting != waited

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

    def _route(self, message: SdpMessage) -> None:
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
        place = (scp_place(board)[0], tag.receive_port) if tag.is_reverse else scp_place(board)
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
        self._transmit(scp_place(board), packets.PADDING + message.pack(), to)

    def _has_tag(self, board: Chip, tag: int) -> bool:
        table = self._tables[board.index]
        return tag < len(table.entries) and table.entries[tag].in_use

    def _find(self, address: int) -> Chip | None:
        return self.hardware.root if address == packets.TO_ROOT else self.hardware.chip(address >> 8, address & 0xFF)
