"""IP tags of a board: where messages to the host go, and which cores get what arrives at a UDP port.

Each Ethernet chip has 16 tags: eight that the host gives out, eight in a pool. An IP tag sends what a core addresses to "the host" to an
address and port, with or without the SDP header; a reverse IP tag makes an SDP message of every datagram that arrives at its port.

Reference: SC&MP 4.0.0's table of tags as spinnman 7.4.1 reads and writes it.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from spinn_mam.virtual_board.scp.packets import BAD_ARGUMENT, OK, Answer, ScpCommand
from spinn_mam.virtual_board.structs import SDP_DATA_BYTES, Code, IpTag

#: Tags that the host numbers itself, and those of the pool behind them.
N_FIXED, N_POOL = 8, 8
N_TAGS = N_FIXED + N_POOL

#: Flags of an entry.
VALID, TRANSIENT, USE_SENDER, REVERSE, STRIP = 0x8000, 0x4000, 0x0400, 0x0200, 0x0100
_ENTRY = struct.Struct("<4s6s3HIH3B")
_WORD = struct.Struct("<I")
#: Answer of NEW where the pool is used up.
_NO_TAG = 0xFF
#: Bytes that an entry takes in the table; spinnman reads 25 of them.
ENTRY_BYTES = 28


@dataclass(slots=True)
class Tag:
    """An entry of the table.

    Attributes
    ----------
    flags : int
        0 if it is not in use.
    ip : str
        Address that messages are sent to.
    port : int
        Port that they are sent to.
    receive_port : int
        Port that a reverse tag listens on.
    destination, destination_port : int
        Chip, and port and core, that a reverse tag sends to.
    count : int
        Messages sent; of a transient tag, its turn.
    """

    flags: int = 0
    ip: str = "0.0.0.0"
    port: int = 0
    receive_port: int = 0
    destination: int = 0
    destination_port: int = 0
    count: int = 0

    @property
    def in_use(self) -> bool:
        """Whether it is set."""
        return bool(self.flags & VALID)

    @property
    def is_reverse(self) -> bool:
        """Whether it takes datagrams to cores."""
        return bool(self.flags & REVERSE)

    @property
    def strips(self) -> bool:
        """Whether messages are sent without their SDP header."""
        return bool(self.flags & STRIP)

    def pack(self) -> bytes:
        """Return the entry as it is in the monitor's memory."""
        return _ENTRY.pack(
            ipaddress.IPv4Address(self.ip).packed,
            bytes(6),
            self.port,
            0,
            self.flags,
            self.count & 0xFFFFFFFF,
            self.receive_port,
            self.destination & 0xFF,
            self.destination >> 8,
            self.destination_port,
        ).ljust(ENTRY_BYTES, b"\0")


class TagTable:
    """The tags of one Ethernet chip.

    Attributes
    ----------
    entries : list of Tag, length 16
    transient_timeout : int
        Code of the time that an answer may take; answers here come at once, so it is kept and not used.
    """

    def __init__(self) -> None:
        self.entries = [Tag() for _ in range(N_TAGS)]
        self.transient_timeout = 9
        self._n_transient = 0

    def find_free(self) -> int | None:
        """Return a free tag of the pool; if there is none, the one that has waited longest for the answer of a core."""
        pool = range(N_FIXED, N_TAGS)
        for tag in pool:
            if not self.entries[tag].in_use:
                return tag
        waiting = [tag for tag in pool if self.entries[tag].flags & TRANSIENT]
        return min(waiting, key=lambda tag: self.entries[tag].count, default=None)

    def add_transient(self, ip: str, port: int) -> int | None:
        """Take a tag of the pool for one answer to an address; None if the host uses all of them."""
        tag = self.find_free()
        if tag is not None:
            self._n_transient += 1
            self.entries[tag] = Tag(flags=VALID | TRANSIENT, ip=ip, port=port, count=self._n_transient)
        return tag

    def clear(self, tag: int) -> None:
        """Take a tag out of use."""
        self.entries[tag] = Tag()

    def reverse_ports(self) -> dict[int, int]:
        """Return the tag of each port that reverse tags listen on; the lowest tag has it."""
        ports: dict[int, int] = {}
        for number, tag in enumerate(self.entries):
            if tag.in_use and tag.is_reverse:
                ports.setdefault(tag.receive_port, number)
        return ports

    def execute(self, command: ScpCommand, sender: tuple[str, int]) -> Answer:
        """Do what an IPTAG command asks for; ``sender`` is where it came from."""
        operation, number = command.arg1 >> 16 & 0xFF, command.arg1 & 0xFF
        if operation == IpTag.TIMEOUT:
            answer = N_FIXED << 24 | N_POOL << 16 | ENTRY_BYTES << 8 | self.transient_timeout
            if command.arg2 < 16:
                self.transient_timeout = command.arg2
            return Code.OK, _WORD.pack(answer)
        if operation == IpTag.NEW:
            free = self.find_free()
            if free is None:
                return Code.OK, _WORD.pack(_NO_TAG)
            number = free
        if number >= N_TAGS:
            return BAD_ARGUMENT
        if operation == IpTag.GET:
            n_bytes = command.arg2 * ENTRY_BYTES
            if n_bytes > SDP_DATA_BYTES or number + command.arg2 > N_TAGS:
                return BAD_ARGUMENT
            return Code.OK, b"".join(entry.pack() for entry in self.entries[number : number + command.arg2])
        if operation == IpTag.CLEAR:
            self.clear(number)
            return OK
        if operation in (IpTag.NEW, IpTag.SET):
            return self._set(number, command, sender)
        return BAD_ARGUMENT

    def _set(self, number: int, command: ScpCommand, sender: tuple[str, int]) -> Answer:
        flags = command.arg1 >> 20 & (USE_SENDER | REVERSE | STRIP)
        entry = Tag(flags=flags | VALID, destination=command.arg2 >> 16, destination_port=command.arg1 >> 8 & 0xFF)
        port = command.arg2 & 0xFFFF
        if command.arg3:
            entry.ip = str(ipaddress.IPv4Address(command.arg3.to_bytes(4, "little")))
        if flags & REVERSE:
            if port == 0:
                return BAD_ARGUMENT
            entry.receive_port = port
        else:
            entry.port = sender[1] if flags & USE_SENDER else port
            if not command.arg3:
                entry.ip = sender[0]
        self.entries[number] = entry
        return Code.OK, _WORD.pack(number)
