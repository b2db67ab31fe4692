"""Messages between the monitor and the cores of a chip, through mailboxes and message buffers in System RAM.

The monitor puts a message into a free shared buffer, names it in the core's vcpu block with a command, and raises the core's interrupt; the
core copies it, frees the buffer and sets the command back to idle. A core does the same the other way round, sets its bit in the mailbox
flags, and waits for its command to become idle.

What a core is not ready for waits in a queue of its own here: a core that is still starting clears its block, and one whose mailbox is full
has not run since.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.memory_map import SYSRAM_BASE, SYSRAM_BYTES, SYSRAM_UNBUFFERED
from spinn_mam.virtual_board.scp.packets import SdpMessage, unpack
from spinn_mam.virtual_board.state import C_SEMAPHORES
from spinn_mam.virtual_board.structs import SDP_HEADER_BYTES, Code, CpuState, MailboxCommand, Sv, Vcpu
from spinn_mam.virtual_board.system_variables import MESSAGE_BYTES, SystemVariables

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

logger = logging.getLogger(__name__)

#: SARK's locks, as numbers of the system controller's semaphores.
LOCK_MESSAGES, LOCK_MAILBOX, LOCK_HEAP, LOCK_ROUTER = 0, 1, 6, 7
#: Messages and signals that wait for one core; more are refused.
QUEUE_LENGTH = 64
_LINK_BYTES, _LENGTH_OFFSET = 8, 4
_RESPONDING = range(CpuState.READY, CpuState.IDLE)


class LockedError(Exception):
    """A core holds the lock of what is asked for; it has to run on first.

    Parameters
    ----------
    lock : int
        Number of the semaphore.
    """

    def __init__(self, lock: int) -> None:
        self.lock = lock
        super().__init__(f"semaphore {lock} is held")


def break_lock(chip: Chip, lock: int) -> None:
    """Take a lock away from a core that will never leave it: it has crashed inside."""
    chip.controller[C_SEMAPHORES] &= ~np.uint32(1 << lock)


def check_lock(chip: Chip, lock: int) -> None:
    """Raise LockedError if a core of the chip is inside the lock."""
    if int(chip.controller[C_SEMAPHORES]) >> lock & 1:
        raise LockedError(lock)


def responds(state: CpuState) -> bool:
    """Whether a core in this state takes messages."""
    return state in _RESPONDING


class Mailboxes:
    """The mailboxes of all chips.

    Parameters
    ----------
    variables : list of SystemVariables
        One a chip.
    engine : Engine
        Gets the interrupts.
    """

    def __init__(self, variables: list[SystemVariables], engine: Engine) -> None:
        self._variables = variables
        self._engine = engine
        self._waiting: dict[tuple[int, int], deque[SdpMessage | int]] = {}

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def forget(self, chip: Chip, core: int) -> None:
        """Forget what waits for a core that is stopped or started anew."""
        self._waiting.pop((chip.index, core), None)

    @property
    def n_waiting(self) -> int:
        """Messages and signals that wait."""
        return sum(map(len, self._waiting.values()))

    def send(self, chip: Chip, core: int, item: SdpMessage | int) -> Code:
        """Send a message, or a signal by its number; returns whether it was taken."""
        state = self._variables[chip.index].state(core)
        if state != CpuState.INIT and not responds(state):
            return Code.DEAD
        queue = self._waiting.setdefault((chip.index, core), deque())
        if len(queue) >= QUEUE_LENGTH:
            return Code.BUFFERS
        queue.append(item)
        self._deliver(chip, core, queue)
        return Code.OK

    def deliver(self) -> None:
        """Try to deliver what waits; to be called whenever cores have run."""
        for (row, core), queue in list(self._waiting.items()):
            chip = self._variables[row].chip
            self._deliver(chip, core, queue)
            if not queue:
                del self._waiting[row, core]

    def collect(self, chip: Chip) -> list[SdpMessage]:
        """Take the messages that cores of a chip have put into their mailboxes.

        Raises
        ------
        LockedError
            If a core is just putting one there.
        """
        sv = self._variables[chip.index]
        check_lock(chip, LOCK_MAILBOX)
        check_lock(chip, LOCK_MESSAGES)
        flags = sv.get(Sv.MAILBOX_FLAGS)
        sv.put(Sv.MAILBOX_FLAGS, 0)
        messages = []
        for core in range(1, chip.n_cores):
            if flags >> core & 1:
                if sv.get_core(core, Vcpu.COMMAND_TO_MONITOR, 1) == MailboxCommand.MESSAGE:
                    message = self._take_buffer(sv, sv.get_core(core, Vcpu.MESSAGE_TO_MONITOR))
                    if message is None:
                        logger.warning("%s, core %d: sent a message that is none; dropped", chip, core)
                    else:
                        messages.append(message)
                sv.put_core(core, Vcpu.COMMAND_TO_MONITOR, MailboxCommand.IDLE, 1)
        return messages

    def _deliver(self, chip: Chip, core: int, queue: deque[SdpMessage | int]) -> None:
        sv = self._variables[chip.index]
        state = sv.state(core)
        if state == CpuState.INIT:
            return
        if not responds(state):
            queue.clear()
            return
        if not queue or sv.get_core(core, Vcpu.COMMAND_TO_CORE, 1) != MailboxCommand.IDLE:
            return
        item = queue[0]
        if isinstance(item, SdpMessage):
            buffer = self._fill_buffer(sv, item)
            if buffer is None:
                return
            command, argument = MailboxCommand.MESSAGE, buffer
        else:
            command, argument = MailboxCommand.SIGNAL, item
        queue.popleft()
        sv.put_core(core, Vcpu.MESSAGE_TO_CORE, argument)
        sv.put_core(core, Vcpu.COMMAND_TO_CORE, command, 1)
        self._engine.interrupt(chip, core)

    @staticmethod
    def _fill_buffer(sv: SystemVariables, message: SdpMessage) -> int | None:
        """Put a message into a free buffer; None if there is none, or a core is just taking one."""
        address = sv.get(Sv.MESSAGE_FREE)
        offset = _offset(address)
        if offset is None or int(sv.chip.controller[C_SEMAPHORES]) >> LOCK_MESSAGES & 1:
            return None
        memory = memoryview(sv.chip.memory.sysram.data)
        sv.put(Sv.MESSAGE_FREE, int.from_bytes(memory[offset : offset + 4], "little"))
        count = sv.get(Sv.MESSAGE_COUNT, 2) + 1 & 0xFFFF
        sv.put(Sv.MESSAGE_COUNT, count, 2)
        sv.put(Sv.MESSAGE_MAX, max(count, sv.get(Sv.MESSAGE_MAX, 2)), 2)
        data = message.pack()
        memory[offset : offset + _LINK_BYTES] = (len(data) << 8 * _LENGTH_OFFSET).to_bytes(_LINK_BYTES, "little")
        memory[offset + _LINK_BYTES : offset + _LINK_BYTES + len(data)] = data
        return address

    @staticmethod
    def _take_buffer(sv: SystemVariables, address: int) -> SdpMessage | None:
        """Read a message from a buffer and free it; None if there is no valid message."""
        offset = _offset(address)
        if offset is None:
            return None
        memory = memoryview(sv.chip.memory.sysram.data)
        length = int.from_bytes(memory[offset + _LENGTH_OFFSET : offset + _LENGTH_OFFSET + 2], "little")
        message = unpack(memory[offset + _LINK_BYTES : offset + _LINK_BYTES + length]) if length >= SDP_HEADER_BYTES else None
        memory[offset : offset + 4] = sv.get(Sv.MESSAGE_FREE).to_bytes(4, "little")
        sv.put(Sv.MESSAGE_FREE, address)
        sv.put(Sv.MESSAGE_COUNT, max(sv.get(Sv.MESSAGE_COUNT, 2) - 1, 0), 2)
        return message


def _offset(address: int) -> int | None:
    """Return where a message buffer is in System RAM, or None if it is not there."""
    for base in (SYSRAM_BASE, SYSRAM_UNBUFFERED):
        if address % 4 == 0 and base <= address <= base + SYSRAM_BYTES - MESSAGE_BYTES:
            return address - base
    return None
