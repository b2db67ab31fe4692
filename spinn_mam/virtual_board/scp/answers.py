"""Answers to commands that may not be done twice, kept for the case that the host sends a command again.

A host that gets no answer within a second sends the same datagram again, so a command with the same bytes from the same address, within
seconds and among the latest, is the same command.
"""

from __future__ import annotations

import time
from collections import deque

from spinn_mam.virtual_board.scp.packets import SdpMessage
from spinn_mam.virtual_board.structs import Command

#: Commands that may not be done twice.
ONCE = frozenset(
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
#: Latest answers kept for each address, how long (s), and for how many addresses.
ANSWERS_KEPT, ANSWER_AGE_S, CLIENTS_KEPT = 64, 12.0, 64

Sender = tuple[str, int]


class Answers:
    """The latest answers to each address."""

    def __init__(self) -> None:
        self._kept: dict[Sender, deque[tuple[bytes, float, SdpMessage]]] = {}

    def find(self, message: SdpMessage, sender: Sender) -> SdpMessage | None:
        """Return the answer that this very message has got, if it came again."""
        now, content = time.monotonic(), message.pack()
        for known, at, answer in self._kept.get(sender, ()):
            if known == content and now - at < ANSWER_AGE_S:
                return answer
        return None

    def keep(self, message: SdpMessage, sender: Sender, answer: SdpMessage) -> None:
        """Keep an answer; the address that was answered longest ago is forgotten first."""
        kept = self._kept.pop(sender, None)
        if kept is None:
            kept = deque(maxlen=ANSWERS_KEPT)
            while len(self._kept) >= CLIENTS_KEPT:
                self._kept.pop(next(iter(self._kept)))
        kept.append((message.pack(), time.monotonic(), answer))
        self._kept[sender] = kept
