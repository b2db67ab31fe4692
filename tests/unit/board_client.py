"""A plain SCP client over UDP, written from the protocol and not from the package."""

import socket
import struct
from typing import Self

OK, LENGTH, SUM, COMMAND, ARGUMENT, PORT, TIMEOUT, ROUTE, CPU, DEAD = range(0x80, 0x8A)


class Client:
    """Sends commands to one board and waits for answers."""

    def __init__(self, host: str, port: int = 17893) -> None:
        self.place = (host, port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10.0)
        self.sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    def header(self, chip: tuple[int, int] = (0, 0), core: int = 0, port: int = 0, *, flags: int = 0x87, tag: int = 0xFF) -> bytes:
        return struct.pack("<2x8B", flags, tag, port << 5 | core, 0xFF, chip[1], chip[0], 0, 0)

    def request(
        self, command: int, args: tuple[int, ...] = (), data: bytes = b"", chip: tuple[int, int] = (0, 0), core: int = 0, **header: int
    ) -> bytes:
        self.sequence = (self.sequence + 1) & 0xFFFF
        arg1, arg2, arg3 = (*args, 0, 0, 0)[:3]
        return self.header(chip, core, **header) + struct.pack("<2H3I", command, self.sequence, arg1, arg2, arg3) + data

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self.place)

    def receive(self, timeout: float = 10.0) -> bytes | None:
        self.socket.settimeout(timeout)
        try:
            return self.socket.recvfrom(4096)[0]
        except TimeoutError:
            return None

    def ask(self, command: int, *args: int, data: bytes = b"", chip: tuple[int, int] = (0, 0), core: int = 0, **header: int) -> tuple[int, bytes]:
        """Return code and data of the answer."""
        self.send(self.request(command, args, data, chip, core, **header))
        answer = self.receive()
        assert answer is not None, "no answer"
        code, sequence = struct.unpack_from("<2H", answer, 10)
        assert sequence == self.sequence
        return code, answer[14:]

    def word(self, command: int, *args: int, **more: object) -> int:
        """Return the word that a command answers with."""
        code, data = self.ask(command, *args, **more)  # type: ignore[arg-type]
        assert code == OK, hex(code)
        return int(struct.unpack_from("<I", data)[0])
