"""SDP messages and the SCP commands in them, as they travel in UDP datagrams and in the cores' message buffers.

An SDP message is a header of eight bytes (flags, tag, destination port and core, source port and core, destination chip, source chip) and up
to 272 bytes behind it: for SCP a command header of 16 bytes (command or return code, sequence number, three arguments) and 256 bytes of data.
In a datagram two bytes of padding come first.

Reference: Temple, "SpiNNaker Datagram Protocol (SDP) Specification", SpiNNaker AppNote 4; "SCP Specification", AppNote 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from spinn_mam.virtual_board.structs import SCP_HEADER_BYTES, SDP_DATA_BYTES, SDP_HEADER_BYTES, Code

#: Padding in front of an SDP message in a datagram.
PADDING = b"\0\0"
#: Largest part behind the SDP header.
MAX_PAYLOAD_BYTES = SCP_HEADER_BYTES + SDP_DATA_BYTES
MAX_DATAGRAM_BYTES = len(PADDING) + SDP_HEADER_BYTES + MAX_PAYLOAD_BYTES

REPLY_FLAG = 0x80
#: The message is for the chip that it arrives at, whatever its destination.
NO_ROUTE_FLAG = 0x40
#: Flags of a message that needs no reply.
NO_REPLY = 0x07
#: Destination "port and core" of the host behind an Ethernet chip.
TO_HOST = 0xFF
#: Destination address that stands for the chip that was booted.
TO_ROOT = 0xFFFF
#: Tag that asks for the reply to go to the sender of the datagram.
TRANSIENT_TAG = 0xFF

_HEADER = struct.Struct("<4B2H")
_COMMAND = struct.Struct("<2H")
_ARGUMENTS = struct.Struct("<3I")


@dataclass(frozen=True, slots=True)
class SdpMessage:
    """An SDP message.

    Attributes
    ----------
    flags, tag : int
    destination_port, source_port : int
        Port in bits 5-7, core in bits 0-4; 255 is the host.
    destination, source : int
        Chips as ``x << 8 | y``.
    payload : bytes
        What follows the header.
    """

    flags: int
    tag: int
    destination_port: int
    source_port: int
    destination: int
    source: int
    payload: bytes

    @property
    def port(self) -> int:
        """Destination port, 0-7."""
        return self.destination_port >> 5

    @property
    def core(self) -> int:
        """Destination core."""
        return self.destination_port & 0x1F

    @property
    def wants_reply(self) -> bool:
        """Whether the sender waits for an answer."""
        return bool(self.flags & REPLY_FLAG)

    def pack(self) -> bytes:
        """Return the message without padding."""
        header = _HEADER.pack(self.flags, self.tag, self.destination_port, self.source_port, self.destination, self.source)
        return header + self.payload

    def reply(self, code: int, data: bytes = b"") -> SdpMessage:
        """Return the answer to a command: header swapped, return code and the command's sequence number, then data."""
        sequence = self.payload[2:4].ljust(2, b"\0")
        return replace(
            self,
            flags=self.flags & ~REPLY_FLAG,
            destination_port=self.source_port,
            source_port=self.destination_port,
            destination=self.source,
            source=self.destination,
            payload=code.to_bytes(2, "little") + sequence + data,
        )


def unpack(message: bytes | memoryview) -> SdpMessage | None:
    """Read an SDP message; None if it is shorter than a header or longer than the largest message."""
    if not SDP_HEADER_BYTES <= len(message) <= SDP_HEADER_BYTES + MAX_PAYLOAD_BYTES:
        return None
    return _message(message, bytes(message[SDP_HEADER_BYTES:]))


def unpack_header(message: bytes) -> SdpMessage | None:
    """Read the header and command header of a message of any length, to answer that its length is wrong."""
    if len(message) < SDP_HEADER_BYTES:
        return None
    return _message(message, message[SDP_HEADER_BYTES : SDP_HEADER_BYTES + SCP_HEADER_BYTES])


def _message(header: bytes | memoryview, payload: bytes) -> SdpMessage:
    flags, tag, destination_port, source_port, destination, source = _HEADER.unpack_from(header)
    return SdpMessage(flags, tag, destination_port, source_port, destination, source, payload)


@dataclass(frozen=True, slots=True)
class ScpCommand:
    """A command in an SDP message.

    Attributes
    ----------
    command, sequence : int
    arg1, arg2, arg3 : int
    data : bytes
    """

    command: int
    sequence: int
    arg1: int
    arg2: int
    arg3: int
    data: bytes


#: Return code of a command and what follows it in the answer.
Answer = tuple[Code, bytes]
OK: Answer = (Code.OK, b"")
BAD_ARGUMENT: Answer = (Code.ARGUMENT, b"")


def unpack_command(payload: bytes) -> ScpCommand | None:
    """Read the command in a message; None if it is shorter than a command header."""
    if len(payload) < SCP_HEADER_BYTES:
        return None
    command, sequence = _COMMAND.unpack_from(payload)
    arg1, arg2, arg3 = _ARGUMENTS.unpack_from(payload, 4)
    return ScpCommand(command, sequence, arg1, arg2, arg3, payload[SCP_HEADER_BYTES:])


def pack_command(command: ScpCommand) -> bytes:
    """Return the payload of a message that carries a command."""
    return _COMMAND.pack(command.command, command.sequence) + _ARGUMENTS.pack(command.arg1, command.arg2, command.arg3) + command.data
