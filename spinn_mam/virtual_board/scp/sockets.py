"""The UDP sockets of the boards."""

from __future__ import annotations

import ipaddress
import logging
import selectors
import socket
from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

#: Datagrams that fit the system's limits are not lost while cores run.
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
_LONGEST_DATAGRAM = 65536

Handler = Callable[[bytes, tuple[str, int]], None]
Place = tuple[str, int]


class Sockets:
    """UDP sockets by address and port, each with a function that takes its datagrams.

    All methods but :meth:`wake` belong to one thread.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: dict[Place, socket.socket] = {}
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, lambda datagram, sender: None)

    def listen(self, place: Place, handler: Handler) -> None:
        """Open a socket.

        Raises
        ------
        OSError
            If the address is not this computer's or the port is taken.
        """
        if not ipaddress.IPv4Address(place[0]).is_loopback:
            logger.warning(
                "the virtual board listens on %s:%d, which is not a loopback address: whoever reaches it can read, write and run binaries on the "
                "board, without a password",
                *place,
            )
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            opened.setblocking(False)
            opened.bind(place)
        except OSError:
            opened.close()
            raise
        self._open[place] = opened
        self._selector.register(opened, selectors.EVENT_READ, handler)

    def arrange(self, kept: Iterable[Place], wanted: dict[Place, Handler]) -> None:
        """Close all sockets but ``kept`` and ``wanted``, and open those of ``wanted`` that are not open; a port that is taken is logged."""
        for place in set(self._open) - set(kept) - set(wanted):
            gone = self._open.pop(place)
            self._selector.unregister(gone)
            gone.close()
        for place, handler in wanted.items():
            if place not in self._open:
                try:
                    self.listen(place, handler)
                except OSError as error:
                    logger.warning("cannot listen on %s:%d (%s): what is sent there is lost", *place, error)

    def send(self, place: Place, content: bytes, to: Place) -> None:
        """Send from an open socket; a datagram that cannot be sent is lost, as on a network."""
        try:
            self._open[place].sendto(content, to)
        except (OSError, OverflowError, KeyError) as error:
            logger.debug("datagram to %s:%s lost: %s", *to, error)

    def receive(self, limit: int, timeout: float | None) -> int:
        """Hand out up to about ``limit`` datagrams, the sockets in turn, and return how many there were.

        Waits for the first for ``timeout`` seconds; None: until woken.
        """
        count = 0
        while count < limit:
            ready = self._selector.select(timeout)
            if not ready:
                break
            timeout = 0.0
            for key, _ in ready:
                count += 1
                try:
                    datagram, sender = key.fileobj.recvfrom(_LONGEST_DATAGRAM)  # type: ignore[union-attr]
                except OSError:  # closed since, nothing there after all, or an unreachable receiver reported late
                    continue
                if key.fileobj is self._woken:
                    return count
                key.data(datagram, sender)
        return count

    def wake(self) -> None:
        """End a :meth:`receive` that waits."""
        self._waker.send(b"\0")

    def close(self) -> None:
        """Close all."""
        for each in (*self._open.values(), self._waker, self._woken):
            each.close()
        self._open.clear()
        self._selector.close()
