"""The board's SC&MP over UDP, with an engine that runs nothing: commands, error codes, boot, tags, mailboxes, repeated and mixed clients."""

import socket
import struct
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from board_client import ARGUMENT, COMMAND, CPU, DEAD, LENGTH, OK, PORT, ROUTE, SUM, TIMEOUT, Client
from board_fake import FakeEngine, make_hardware, words

from spinn_mam.virtual_board.scp.mailbox import QUEUE_LENGTH
from spinn_mam.virtual_board.scp.server import BoardServer
from spinn_mam.virtual_board.state import C_FLAGS, C_SEMAPHORES
from spinn_mam.virtual_board.structs import CpuState, Sv, Vcpu
from spinn_mam.virtual_board.system_variables import SystemVariables

VER, READ, WRITE, FILL, COUNT, LINK_READ, LINK_WRITE, AR, NNP, COPY_RUN, SIG, FFD, LED, IPTAG = 0, 2, 3, 5, 15, 17, 18, 19, 20, 21, 22, 23, 25, 26
ALLOC, RTR, INFO, SYNC = 28, 29, 31, 32
STAGED = 0x67800000
#: Every server of a run of the tests gets an address of its own.
_hosts = iter(range(1, 250))


class Board:
    """A served machine with a client."""

    def __init__(self, name: str = "spin5", *, boot: bool = True) -> None:
        self.hardware = make_hardware(name, f"127.64.{next(_hosts)}.2")
        self.engine = FakeEngine(self.hardware)
        self.server = BoardServer(self.hardware, self.engine)  # type: ignore[arg-type]
        if boot:
            self.server.boot()
        self.server.start()
        self.client = Client(self.server.addresses[0])

    def variables(self, x: int = 0, y: int = 0) -> SystemVariables:
        chip = self.hardware.chip(x, y)
        assert chip is not None
        return SystemVariables(chip)

    def settle(self) -> None:
        """Wait until the server has answered what was sent before, and has let the cores run and carried their messages since."""
        with Client(self.server.addresses[0]) as other:
            until = self.engine.rounds + 2
            while self.engine.rounds < until:
                other.ask(VER)
                time.sleep(0.002)

    def close(self) -> None:
        self.client.socket.close()
        self.server.stop()
        assert self.server.failure is None


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Board]:
    made = Board()
    yield made
    made.close()


# Reading and writing.


def test_version(shared):
    code, data = shared.client.ask(VER, chip=(3, 4))
    assert code == OK
    assert data[:4] == bytes((0, 0, 4, 3))
    assert data[12:] == b"SC&MP/SpiNNaker\x004.0.0\x00"
    assert shared.client.ask(VER, chip=(255, 255))[1][:4] == bytes(4)


@pytest.mark.parametrize("address", [0x60300000, 0x70300000, 0xE5000200, 0xF5000200])
def test_memory_is_one_under_both_its_addresses(shared, address):
    content = bytes(range(256))
    assert shared.client.ask(WRITE, address, 256, 2, data=content) == (OK, b"")
    assert shared.client.ask(READ, address ^ 0x10000000, 256, 2) == (OK, content)
    assert shared.client.ask(READ, address + 1, 3, 0) == (OK, content[1:4])


@pytest.mark.parametrize(
    ("address", "length", "kind"),
    [
        (0x60000000, 257, 0),
        (0x60000000, 0xFFFFFFFF, 2),
        (0x60000000, 4, 3),
        (0x60000001, 4, 2),
        (0x60000002, 2, 2),
        (0x67FFFFFC, 8, 2),
        (0xE5007FFE, 4, 1),
        (0x68000000, 4, 2),
        (0x00000000, 4, 2),
        (0x00400000, 4, 2),
        (0xFFFFFFFC, 4, 2),
        (0xFFFFFFFF, 1, 0),
        (0x10000000, 4, 2),
        (0xE1000002, 2, 1),
        (0xE1000FFC, 8, 2),
        (0xE1005000, 4, 2),
        (0xE101FFFC, 4, 2),
        (0xE2000200, 4, 2),
    ],
)
def test_reads_outside_memory_are_refused(shared, address, length, kind):
    assert shared.client.ask(READ, address, length, kind) == (ARGUMENT, b"")
    assert shared.client.ask(WRITE, address, length, kind, data=bytes(256)) == (ARGUMENT, b"")


def test_a_write_without_its_data_is_refused(shared):
    assert shared.client.ask(WRITE, 0x60000000, 100, 0, data=bytes(99)) == (LENGTH, b"")


def test_fill(shared):
    assert shared.client.ask(FILL, 0x60400000, 0xDEADBEEF, 40000)[0] == OK
    assert shared.client.ask(READ, 0x60400000 + 39996, 8, 2)[1] == b"\xef\xbe\xad\xde" + bytes(4)
    for wrong in ((0x60400000, 1, 0), (0x60400002, 1, 4), (0x60400000, 1, 6), (0x60400000, 1, 0x10000000), (0xE1000000, 1, 0xFFFFFFFC)):
        assert shared.client.ask(FILL, *wrong)[0] == ARGUMENT


def test_registers(shared):
    client = shared.client
    assert client.word(READ, 0xF2000000, 4, 2) == 0x59111012
    assert client.word(READ, 0xF1000200, 4, 2) == 0x01FE7CF1
    router = shared.hardware.root.router
    router.diagnostics[3] = 77
    assert words(client.ask(READ, 0xE1000300, 64, 2)[1])[3] == 77
    assert client.ask(WRITE, 0xF100002C, 4, 2, data=(0xFFFFFFFF).to_bytes(4, "little"))[0] == OK
    assert not router.diagnostics.any()
    assert client.ask(WRITE, 0xE1000230, 4, 2, data=bytes((1, 2, 3, 4)))[0] == OK
    assert router.filters[12] == 0x04030201
    assert words(client.ask(READ, 0xE1010000, 4, 2)[1])[0] & 7 == 7


def test_links(shared):
    client = shared.client
    client.ask(WRITE, 0x60500000, 8, 2, data=b"abcdefgh", chip=(1, 1))
    assert client.ask(LINK_READ, 0x60500000, 8, 1) == (OK, b"abcdefgh")
    assert client.ask(LINK_WRITE, 0x60500000, 4, 1, data=b"ABCD")[0] == OK
    assert client.ask(READ, 0x60500000, 8, 2, chip=(1, 1)) == (OK, b"ABCDefgh")
    assert client.ask(LINK_READ, 0x60500000, 8, 3)[0] == TIMEOUT
    for wrong in ((0x60500000, 8, 6), (0x60500000, 260, 1), (0x60500000, 6, 1), (0x60500001, 4, 1), (0x0, 4, 1)):
        assert client.ask(LINK_READ, *wrong)[0] == ARGUMENT
    assert client.ask(LINK_WRITE, 0x60500000, 8, 1, data=b"short")[0] == LENGTH


def test_chip_information(shared):
    code, data = shared.client.ask(INFO, chip=(1, 1))
    first, sdram, sysram = struct.unpack_from("<3I", data)
    assert code == OK
    assert (first & 0x1F, first >> 8 & 0x3F, first >> 14 & 0x7FF, first >> 25 & 1) == (17, 0x3F, 1023, 0)
    assert sdram == 123_469_792
    assert 20_000 < sysram < 24_000
    assert data[12:30] == bytes((7, *[15] * 16, 0))
    assert data[30:36] == bytes(6)
    assert data[36] == 4
    root = shared.client.ask(INFO)[1]
    assert root[32:36] == socket.inet_aton(shared.server.addresses[0])
    assert root[36] == 7
    assert struct.unpack_from("<I", root)[0] >> 25 & 1 == 1


# What cannot be.


def test_wrong_destinations_and_commands_are_answered_with_their_code(shared):
    client = shared.client
    assert client.ask(VER, chip=(7, 0)) == (ROUTE, b"")
    assert client.ask(VER, chip=(200, 200)) == (ROUTE, b"")
    assert client.ask(VER, core=18) == (CPU, b"")
    assert client.ask(VER, core=17, chip=(1, 1)) == (CPU, b"")
    assert client.ask(VER, port=3) == (PORT, b"")
    assert client.ask(READ, 0x60000000, 4, 2, core=5, port=2) == (DEAD, b"")
    for command in (1, 4, 16, 27, 30, 33, 48, 64, 255, 0xFFFF):
        assert client.ask(command) == (COMMAND, b"")
    assert client.ask(VER, tag=9) == (ARGUMENT, b"")


def test_wrong_lengths_are_answered_or_ignored(shared):
    client = shared.client
    whole = client.request(VER)
    for length in (0, 1, 2, 5, 9):
        client.send(whole[:length])
    for length in range(10, len(whole)):
        client.send(whole[:length])
        answer = client.receive()
        assert answer is not None
        assert struct.unpack_from("<H", answer, 10)[0] == LENGTH
    client.send(whole + bytes(257))
    answer = client.receive()
    assert answer is not None
    assert struct.unpack_from("<H", answer, 10)[0] == LENGTH
    client.send(client.request(VER, flags=0x07))
    assert client.receive(0.2) is None
    assert client.ask(VER)[0] == OK


def test_no_core_answers_for_itself_before_it_runs(shared):
    code, data = shared.client.ask(VER, core=3)
    assert code == OK
    assert data[0] == 3
    assert data[12:] == b"SARK/SpiNNaker\x004.0.0\x00"
    assert shared.client.ask(INFO, core=3)[0] == COMMAND
    assert shared.client.ask(READ, 0x00400000, 4, 2, core=3)[0] == ARGUMENT


# Memory and routes for applications.


def test_allocation(board):
    client = board.client
    address = client.word(ALLOC, 0 | 30 << 8, 1000, 7)
    assert address == 0x60240018
    assert client.word(ALLOC, 0 | 30 << 8, 1000, 7) == 0
    assert client.word(ALLOC, 0 | 30 << 8 | 4 << 16, 1000, 7) == address
    assert client.word(ALLOC, 7 | 30 << 8, 7) == address
    assert words(client.ask(ALLOC, 6)[1]) == [123_469_792 - 1008] * 2
    assert client.word(ALLOC, 0 | 30 << 8, 0xFFFFFFFF) == 0
    assert client.word(ALLOC, 0 | 30 << 8, 0) == 0
    assert client.ask(ALLOC, 1, address + 8)[0] == ARGUMENT
    assert client.ask(ALLOC, 1, address)[0] == OK
    assert client.ask(ALLOC, 1, address)[0] == ARGUMENT
    client.word(ALLOC, 0 | 31 << 8, 8)
    client.word(ALLOC, 0 | 31 << 8, 8)
    assert client.word(ALLOC, 2 | 31 << 8) == 2
    assert client.ask(ALLOC, 8)[0] == ARGUMENT
    assert words(client.ask(ALLOC, 6)[1]) == [123_469_792] * 2


def test_routes(board):
    client = board.client
    first = client.word(ALLOC, 3 | 17 << 8, 3)
    assert first == 1
    entries = b"".join(struct.pack("<2H3I", i, 0, 1 << 6 + i | 1, 0x100 * i, 0xFFFFFF00) for i in range(3))
    client.ask(WRITE, STAGED, len(entries), 2, data=entries)
    assert client.ask(RTR, 3 << 16 | 17 << 8 | 2, STAGED, first)[0] == OK
    router = board.hardware.root.router
    assert router.key[1:4].tolist() == [0, 0x100, 0x200]
    assert router.route[1:4].tolist() == [0x41, 0x81, 0x101]
    assert client.ask(RTR, 3 << 16 | 17 << 8 | 2, STAGED, 1022)[0] == ARGUMENT
    assert client.ask(RTR, 3 << 16 | 17 << 8 | 2, 0x10, 1)[0] == ARGUMENT
    assert client.ask(RTR, 1 << 16 | 1, 2)[0] == OK
    assert router.key[1:4].tolist() == [0, 0xFFFFFFFF, 0x200]
    assert client.ask(RTR, 25 << 16 | 1, 1000)[0] == ARGUMENT
    assert client.word(ALLOC, 5 | 17 << 8, 1) == 1
    assert router.key[3] == 0xFFFFFFFF
    run = client.word(ALLOC, 3 | 18 << 8, 1023)
    assert client.word(ALLOC, 3 | 18 << 8, 1) == 0
    assert client.ask(ALLOC, 4, run + 1)[0] == ARGUMENT
    assert client.ask(ALLOC, 4, run, 1)[0] == OK
    assert client.ask(RTR, 17 << 8 | 3, 1 << 6 | 4)[0] == OK
    assert client.word(RTR, 17 << 8 | 3, 1 << 31) == 1 << 6 | 4
    assert client.ask(RTR, 0)[0] == OK
    assert client.ask(RTR, 4)[0] == ARGUMENT


def test_a_command_waits_while_a_core_holds_the_lock(board):
    root = board.hardware.root
    board.engine.on_advance = lambda: True
    root.controller[C_SEMAPHORES] = 1 << 6
    board.client.send(board.client.request(ALLOC, (0 | 30 << 8, 100, 0)))
    assert board.client.receive(0.1) is None or root.controller[C_SEMAPHORES] == 0
    root.controller[C_SEMAPHORES] = 0
    board.engine.on_advance = lambda: False
    board.settle()
    root.controller[C_SEMAPHORES] = 1 << 6
    # With no core left to run nobody will ever leave the lock: the command is done all the same.
    board.client.receive(0.2)
    assert board.client.word(ALLOC, 0 | 30 << 8, 100, 0) > 0


# Applications.


def stage(board: Board, image: bytes, chip: tuple[int, int] = (0, 0)) -> None:
    for at in range(0, len(image), 256):
        part = image[at : at + 256]
        assert board.client.ask(WRITE, STAGED + at, len(part), 2, data=part, chip=chip)[0] == OK


def test_a_binary_is_copied_from_chip_to_chip_and_started(board):
    image = bytes(range(256)) * 5
    stage(board, image)
    seen: list[tuple[int, int, list[int], int]] = []
    board.server.events.cores_started.append(lambda *what: seen.append(what))
    assert board.client.ask(AR, 30 << 24 | 1 << 18 | 0b110)[0] == OK
    total = int(np.frombuffer(image, np.uint32).sum(dtype=np.uint32))
    argument = (total & 0x1FFFFFFF) << 3
    assert board.client.ask(COPY_RUN, argument | 4, len(image), 30 << 24 | 0b1000, chip=(1, 1))[0] == OK
    assert seen == [(0, 0, [1, 2], 30), (1, 1, [3], 30)]
    assert [(x, y, core, app, flags) for x, y, core, _, app, flags in board.engine.started] == [(0, 0, 1, 30, 1), (0, 0, 2, 30, 1), (1, 1, 3, 30, 0)]
    assert all(start[3].startswith(image) for start in board.engine.started)
    # An Ethernet chip counts for its board.
    assert board.client.word(COUNT, 30, CpuState.READY) == 3
    assert board.client.word(COUNT, 30, CpuState.READY, chip=(1, 1)) == 1
    assert board.client.word(COUNT, 31, CpuState.READY) == 0
    code, data = board.client.ask(COPY_RUN, (total + 1 & 0x1FFFFFFF) << 3 | 4, len(image), 30 << 24 | 0b10000, chip=(1, 1))
    assert (code, words(data)) == (SUM, [total])
    assert board.client.ask(COPY_RUN, argument | 3, len(image), 30 << 24 | 2)[0] == TIMEOUT
    for wrong in ((argument | 7, 8, 2), (argument | 4, 6, 2), (argument | 4, 8, 1), (argument | 4, 0xFFFFFFFC, 2)):
        assert board.client.ask(COPY_RUN, *wrong, chip=(1, 1))[0] == ARGUMENT
    assert board.client.ask(AR, 30 << 24 | 1)[0] == ARGUMENT
    assert board.client.ask(AR, 30 << 24 | 1 << 17, chip=(1, 1))[0] == CPU


def test_a_binary_is_started_from_anywhere_in_memory(board):
    image = bytes(range(64))
    board.client.ask(WRITE, 0x60300000, 64, 2, data=image)
    assert board.client.ask(24, 0x60300000, 30 << 24 | 0b100)[0] == OK
    assert [(start[2], start[3][:64]) for start in board.engine.started] == [(2, image)]
    for address in (0x5FFFFFFC, 0x68000000, 0xE5000000, 0):
        assert board.client.ask(24, address, 30 << 24 | 0b100)[0] == ARGUMENT


def test_what_is_no_binary_is_refused(board):
    stage(board, b"\xff" * 64)
    assert board.client.ask(AR, 30 << 24 | 2)[0] == ARGUMENT
    assert board.variables().state(1) == CpuState.IDLE


def test_stopping_frees_what_the_application_held(board):
    client = board.client
    stage(board, bytes(64))
    client.ask(AR, 30 << 24 | 0b110)
    client.word(ALLOC, 0 | 30 << 8, 1000, 7)
    other = client.word(ALLOC, 0 | 31 << 8, 500)
    client.word(ALLOC, 3 | 30 << 8, 5)
    stop = 2 << 16 | 0xFF << 8 | 30
    assert client.ask(NNP, 0x3F << 16, 5 << 28 | stop, 1 << 31 | 0x3F00)[0] == OK
    assert client.ask(SIG, 2, stop)[0] == OK
    assert board.engine.stopped == [(0, 0, 1), (0, 0, 2)]
    sv = board.variables()
    assert sv.states()[1:3] == [CpuState.IDLE] * 2
    assert [block.address for block in sv.sdram_heap.blocks()] == [other]
    assert sv.router_table.largest_free() == 1023
    assert sv.tags[30 << 8 | 7] == 0
    # Application 0 is the system: its tables stay.
    assert client.ask(SIG, 2, 2 << 16 | 0xFF << 8 | 0)[0] == OK
    assert len(sv.system_heap.blocks()) == 5


def test_signals(board):
    client = board.client
    stage(board, bytes(64))
    client.ask(AR, 30 << 24 | 0b110)
    client.ask(AR, 31 << 24 | 0b1000)
    root = board.hardware.root
    assert root.controller[C_FLAGS] == 0b1110
    assert client.ask(SIG, 0, 4 << 16 | 0xFF << 8 | 30, 0xFFFF)[0] == OK
    assert root.controller[C_FLAGS] == 0b1000
    assert sorted(board.engine.interrupts) == [(0, 0, 1), (0, 0, 2)]
    assert client.ask(SIG, 0, 5 << 16 | 0xFE << 8 | 30, 0xFFFF)[0] == OK
    assert root.controller[C_FLAGS] == 0b1110
    assert client.ask(SIG, 0, 3 << 16 | 0xFF << 8 | 31, 0xFFFF)[0] == OK
    sv = board.variables()
    assert (sv.get_core(3, Vcpu.COMMAND_TO_CORE, 1), sv.get_core(3, Vcpu.MESSAGE_TO_CORE)) == (3, 3)
    assert client.ask(SIG, 0, 15 << 16 | 0xFF << 8 | 31)[0] == ARGUMENT
    assert client.ask(SIG, 0, 4 << 16 | 0xFF << 8 | 31, chip=(1, 1))[0] == ARGUMENT
    assert client.ask(SIG, 3, 0)[0] == ARGUMENT
    assert client.ask(SIG, 2, 1 << 16 | 0xFF << 8 | 31)[0] == OK
    assert sv.state(3) == CpuState.POWERED_DOWN
    assert client.ask(SIG, 2, 0 << 16 | 0xFF << 8 | 30)[0] == OK
    assert sv.states()[1:3] == [CpuState.IDLE] * 2


def test_counting_over_regions(board):
    client = board.client
    stage(board, bytes(64))
    stage(board, bytes(64), (5, 5))
    client.ask(AR, 30 << 24 | 0b110)
    client.ask(AR, 30 << 24 | 0b110, chip=(5, 5))

    def count(mode: int, mask: int, level: int = 0, state: int = 5) -> int:
        return client.word(SIG, 1, level << 26 | 1 << 22 | mode << 20 | state << 16 | 0xFF << 8 | 30, mask)

    assert count(2, 0xFFFF) == 4
    assert count(2, 0xFFFF, level=3) == 2
    assert count(2, 1, level=3) == 2
    assert count(2, 2, level=3) == 0
    assert count(0, 0xFFFF) == 1 << 16 | 48
    assert count(1, 0xFFFF) == 1 << 16 | 48
    assert count(1, 0xFFFF, state=7) == 48
    assert client.ask(SIG, 1, 1 << 22, 0)[0] == ARGUMENT
    assert client.ask(SIG, 1, 2 << 22, 1)[0] == ARGUMENT
    assert client.ask(SIG, 1, 1 << 22 | 2 << 20, 0x8000)[0] == ROUTE


def test_flood_fill(board):
    client = board.client
    image = bytes(range(128))
    assert client.ask(FFD, 1, 31 << 8, STAGED, data=image)[0] == ARGUMENT
    assert client.ask(NNP, 6 << 24 | 1 << 16 | 1 << 8, 0xFFFF, 0x3F1A)[0] == OK
    assert client.ask(FFD, 1, 31 << 8, STAGED, data=image)[0] == OK
    assert client.ask(FFD, 1, 31 << 8, STAGED, data=image[:-1])[0] == LENGTH
    assert client.ask(FFD, 1, 255 << 8, STAGED, data=bytes(256))[0] == ARGUMENT
    assert client.ask(FFD, 1, 31 << 8, 0x1000, data=image)[0] == ARGUMENT
    assert client.ask(NNP, 15 << 24 | 1, 40 << 24 | 1 << 17 | 2, 0x3F1A)[0] == OK
    with_18 = sum(chip.n_cores == 18 for chip in board.hardware.chips)
    assert len(board.engine.started) == 48 + with_18
    assert client.ask(NNP, 15 << 24 | 1, 40 << 24 | 2, 0x3F1A)[0] == ARGUMENT
    assert client.ask(NNP, 6 << 24, (4 << 24) + (4 << 16) + (3 << 16) + (1 << 5), 0x3F1A)[0] == OK
    client.ask(FFD, 1, 31 << 8, 0x60300000, data=image)
    assert client.ask(READ, 0x60300000, 128, 2, chip=(5, 5))[1] == image
    assert client.ask(READ, 0x60300000, 128, 2, chip=(4, 5))[1] == bytes(128)
    assert client.ask(NNP, 15 << 24, 40 << 24 | 1, 0)[0] == ARGUMENT
    assert client.ask(NNP, 9 << 24, 0, 0)[0] == ARGUMENT
    assert client.ask(NNP, 0, 15 << 28, 0)[0] == ARGUMENT


def test_leds_and_synchronisation(shared):
    assert shared.client.ask(LED, 3)[0] == OK
    assert shared.client.ask(SYNC, 1)[0] == OK
    assert shared.client.ask(NNP, 0x3F << 16, 1 << 28 | 1, 0)[0] == OK


# Tags and messages.


def listener() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(10.0)
    return made


def send_from_core(board: Board, core: int, content: bytes, chip: tuple[int, int] = (0, 0)) -> None:
    """Put a message into a core's mailbox as SARK does, and wake the server."""
    sv = board.variables(*chip)
    memory = sv.chip.memory.sysram
    buffer = sv.get(Sv.MESSAGE_FREE)
    at = buffer - 0xE5000000
    sv.put(Sv.MESSAGE_FREE, int.from_bytes(memory[at : at + 4].tobytes(), "little"))
    sv.put(Sv.MESSAGE_COUNT, sv.get(Sv.MESSAGE_COUNT, 2) + 1, 2)
    memory[at + 4 : at + 8 + len(content)] = np.frombuffer(struct.pack("<2H", len(content), 0) + content, np.uint8)
    sv.put_core(core, Vcpu.MESSAGE_TO_MONITOR, buffer)
    sv.put_core(core, Vcpu.COMMAND_TO_MONITOR, 1, 1)
    sv.put(Sv.MAILBOX_FLAGS, sv.get(Sv.MAILBOX_FLAGS) | 1 << core)
    board.engine.requests.append(sv.chip)
    board.settle()


def sdp(destination_port: int, destination: tuple[int, int], source_port: int, payload: bytes, *, flags: int = 7, tag: int = 0) -> bytes:
    return struct.pack("<8B", flags, tag, destination_port, source_port, destination[1], destination[0], 0, 0) + payload


@pytest.mark.parametrize("strip", [False, True])
def test_messages_of_cores_go_through_ip_tags(board, strip):
    with listener() as host:
        port = host.getsockname()[1]
        ip = int.from_bytes(socket.inet_aton("127.0.0.1"), "little")
        assert board.client.word(IPTAG, strip << 28 | 1 << 16 | 3, port, ip) == 3
        message = sdp(0xFF, (0, 0), 0x21, b"hello")
        message = message[:1] + b"\3" + message[2:]
        send_from_core(board, 1, message)
        got, place = host.recvfrom(4096)
        assert got == (b"hello" if strip else b"\0\0" + message)
        assert place == (board.server.addresses[0], 17893)
        sv = board.variables()
        assert sv.get_core(1, Vcpu.COMMAND_TO_MONITOR, 1) == 0
        assert sv.get(Sv.MESSAGE_COUNT, 2) == 0
        assert struct.unpack_from("<I", board.client.ask(IPTAG, 2 << 16 | 3, 1)[1], 16)[0] == 1
        assert board.client.ask(IPTAG, 3 << 16 | 3)[0] == OK
        send_from_core(board, 1, message)
        host.settimeout(0.2)
        with pytest.raises(TimeoutError):
            host.recvfrom(4096)


def test_tag_table(board):
    client = board.client
    assert client.word(IPTAG, 4 << 16, 255) == 8 << 24 | 8 << 16 | 28 << 8 | 9
    assert client.word(IPTAG, 4 << 16, 3) & 0xFF == 9
    assert client.word(IPTAG, 4 << 16, 255) & 0xFF == 3
    assert client.word(IPTAG, 1 << 30 | 1 << 16 | 2, 0, 0) == 2
    data = client.ask(IPTAG, 2 << 16 | 2, 1)[1]
    assert data[:4] == socket.inet_aton("127.0.0.1")
    assert struct.unpack_from("<H", data, 10)[0] == client.port
    new = [client.word(IPTAG, 0, 1000 + i, 0) for i in range(9)]
    assert new == [8, 9, 10, 11, 12, 13, 14, 15, 255]
    for wrong in ((5 << 16,), (1 << 16 | 16, 5), (2 << 16 | 15, 2), (2 << 16, 10), (3 << 16 | 200,), (1 << 29 | 1 << 16, 0)):
        assert client.ask(IPTAG, *wrong)[0] == ARGUMENT
    assert client.ask(IPTAG, 1 << 16, 5, chip=(1, 1))[0] == ARGUMENT


def test_reverse_ip_tags_bring_datagrams_to_cores(board):
    client = board.client
    stage(board, bytes(64), (2, 2))
    client.ask(AR, 30 << 24 | 0b10000, chip=(2, 2))
    with listener() as probe:
        port = probe.getsockname()[1]
    assert client.word(IPTAG, 1 << 29 | 1 << 16 | (3 << 5 | 4) << 8 | 5, 2 << 24 | 2 << 16 | port) == 5
    with listener() as host:
        host.sendto(b"payload", (board.server.addresses[0], port))
        board.settle()
        sv = board.variables(2, 2)
        buffer = sv.get_core(4, Vcpu.MESSAGE_TO_CORE)
        assert sv.get_core(4, Vcpu.COMMAND_TO_CORE, 1) == 1
        at = buffer - 0xE5000000
        length = int.from_bytes(sv.chip.memory.sysram[at + 4 : at + 6].tobytes(), "little")
        content = sv.chip.memory.sysram[at + 8 : at + 8 + length].tobytes()
        assert content == struct.pack("<8B", 7, 5, 3 << 5 | 4, 0xFF, 2, 2, 0, 0) + b"payload"
        # What the core answers comes back from that port to where the datagram came from.
        send_from_core(board, 4, sdp(0xFF, (0, 0), 3 << 5 | 4, b"back", tag=5), (2, 2))
        got, place = host.recvfrom(4096)
        assert got == b"\0\0" + sdp(0xFF, (0, 0), 3 << 5 | 4, b"back", tag=5)
        assert place == (board.server.addresses[0], port)
    client.ask(IPTAG, 3 << 16 | 5)
    with listener() as again:
        free = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        free.bind((board.server.addresses[0], port))
        free.close()
        again.close()


def test_a_reverse_tag_on_a_port_that_is_taken_is_logged_and_no_more(board, caplog):
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind((board.server.addresses[0], 0))
    with taken:
        assert board.client.word(IPTAG, 1 << 29 | 1 << 16 | 4 << 8 | 5, taken.getsockname()[1]) == 5
    board.settle()
    assert "cannot listen" in caplog.text


def test_messages_to_cores_queue_up_and_answers_come_back(board):
    client = board.client
    stage(board, bytes(64))
    client.ask(AR, 30 << 24 | 0b10)
    sv = board.variables()
    client.send(client.request(7, core=1, port=3))
    board.settle()
    buffer = sv.get_core(1, Vcpu.MESSAGE_TO_CORE)
    at = buffer - 0xE5000000
    content = sv.chip.memory.sysram[at + 8 : at + 8 + 24].tobytes()
    tag = content[1]
    assert 8 <= tag < 16
    answer = bytes((7, tag, 0xFF, content[2])) + content[6:8] + content[4:6] + struct.pack("<2H", OK, client.sequence)
    send_from_core(board, 1, answer)
    got = client.receive()
    assert got == b"\0\0" + answer
    # The core has not taken its first message; the next ones wait, and at some point no more are taken.
    for _ in range(QUEUE_LENGTH):
        client.send(client.request(7, core=1, port=3, flags=0x07))
    assert client.ask(7, core=1, port=3)[0] == 0x8A
    for _ in range(QUEUE_LENGTH):
        assert sv.get_core(1, Vcpu.COMMAND_TO_CORE, 1) == 1
        sv.put_core(1, Vcpu.COMMAND_TO_CORE, 0, 1)
        used = sv.get_core(1, Vcpu.MESSAGE_TO_CORE) - 0xE5000000
        sv.chip.memory.sysram[used : used + 4] = np.frombuffer(sv.get(Sv.MESSAGE_FREE).to_bytes(4, "little"), np.uint8)
        sv.put(Sv.MESSAGE_FREE, used + 0xE5000000)
        board.settle()
    sv.put_core(1, Vcpu.CPU_STATE, CpuState.RUN_TIME_EXCEPTION, 1)
    assert client.ask(7, core=1, port=3) == (DEAD, b"")


def test_cores_ask_the_monitor_and_each_other(board):
    client = board.client
    stage(board, bytes(64))
    client.ask(AR, 30 << 24 | 0b110)
    sv = board.variables()
    question = struct.pack("<2H3I", VER, 77, 0, 0, 0)
    send_from_core(board, 1, sdp(0, (0, 0), 0x21, question, flags=0x87))
    at = sv.get_core(1, Vcpu.MESSAGE_TO_CORE) - 0xE5000000
    assert struct.unpack_from("<2H", sv.chip.memory.sysram[at + 16 : at + 20].tobytes()) == (OK, 77)
    send_from_core(board, 1, sdp(0x22, (0, 0), 0x21, b"to core 2"))
    at = sv.get_core(2, Vcpu.MESSAGE_TO_CORE) - 0xE5000000
    assert sv.chip.memory.sysram[at + 16 : at + 25].tobytes() == b"to core 2"
    for destination, port in (((9, 9), 0x22), ((0, 0), 0x20), ((0, 0), 0x1F), ((0, 0), 0x23)):
        sv.put_core(1, Vcpu.COMMAND_TO_CORE, 0, 1)
        send_from_core(board, 1, sdp(port, destination, 0x21, question, flags=0x87))
        assert sv.get_core(1, Vcpu.COMMAND_TO_CORE, 1) == 1


@pytest.mark.parametrize("lock", [0, 1])
def test_a_core_that_crashed_inside_a_lock_does_not_stop_the_others(board, lock):
    stage(board, bytes(64))
    board.client.ask(AR, 30 << 24 | 0b110)
    board.hardware.root.controller[C_SEMAPHORES] = 1 << lock | 1 << 5
    send_from_core(board, 1, sdp(0x22, (0, 0), 0x21, b"to core 2"))
    board.settle()
    assert board.variables().get_core(2, Vcpu.COMMAND_TO_CORE, 1) == 1
    assert board.hardware.root.controller[C_SEMAPHORES] == 1 << 5


def test_a_core_that_sends_nonsense_does_no_harm(board, caplog):
    sv = board.variables()
    for address in (0, 1, 0xE5008000, 0xE5007FF0, 0x60000000, 0xFFFFFFFF):
        sv.put_core(1, Vcpu.MESSAGE_TO_MONITOR, address)
        sv.put_core(1, Vcpu.COMMAND_TO_MONITOR, 1, 1)
        sv.put(Sv.MAILBOX_FLAGS, 0xFFFFFFFF)
        board.engine.requests.append(sv.chip)
        board.settle()
    assert "sent a message that is none" in caplog.text
    assert board.client.ask(VER)[0] == OK


# Clients.


def test_a_command_that_comes_again_is_not_done_twice(board):
    client = board.client
    request = client.request(ALLOC, (0 | 30 << 8, 1000, 0))
    answers = []
    for _ in range(4):
        client.send(request)
        answers.append(client.receive())
    assert len(set(answers)) == 1
    assert len(board.variables().sdram_heap.blocks()) == 1
    stage(board, bytes(64))
    start = client.request(AR, (30 << 24 | 2,))
    for _ in range(3):
        client.send(start)
        assert client.receive() is not None
    assert len(board.engine.started) == 1
    # The same from another client is another command.
    with Client(board.server.addresses[0]) as other:
        other.send(request)
        assert other.receive() not in answers
    assert len(board.variables().sdram_heap.blocks()) == 2


def test_two_clients_and_one_that_dies(board):
    seen: list[int] = []

    def work(number: int) -> None:
        with Client(board.server.addresses[0]) as client:
            for i in range(200):
                address = 0x60300000 + 0x10000 * number + 4 * i
                value = (number << 16 | i).to_bytes(4, "little")
                assert client.ask(WRITE, address, 4, 2, data=value)[0] == OK
                assert client.ask(READ, address, 4, 2) == (OK, value)
            seen.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    with Client(board.server.addresses[0]) as dying:
        for _ in range(300):
            dying.send(dying.request(READ, (0x60000000, 256, 2)))
    for thread in threads:
        thread.join()
    assert sorted(seen) == [0, 1, 2]


def test_a_flood_of_datagrams_does_not_stop_the_cores(board):
    board.engine.on_advance = lambda: True
    board.settle()
    until = time.monotonic() + 0.5
    before = board.engine.rounds
    with Client(board.server.addresses[0]) as client:
        while time.monotonic() < until:
            client.send(client.request(VER, flags=0x07))
    assert board.engine.rounds > before + 5
    board.engine.on_advance = lambda: False


# Life of the server.


def test_a_cold_board_is_silent_until_it_is_booted_over_the_network():
    board = Board(boot=False)
    try:
        board.client.send(board.client.request(VER))
        assert board.client.receive(0.2) is None
        with Client(board.server.addresses[0], 54321) as boot:
            for datagram in (b"", b"x", bytes(18), b"\0\1" + bytes(16), b"\0\1\0\0\0\5\0\0\0\1" + bytes(8)):
                boot.send(datagram)
        board.client.send(board.client.request(VER))
        assert board.client.receive(0.2) is None
    finally:
        board.close()


def test_each_board_answers_on_its_own_address():
    board = Board("spin5-3")
    try:
        for chip, address in zip(board.hardware.ethernet_chips, board.server.addresses, strict=True):
            with Client(address) as client:
                code, data = client.ask(INFO, chip=(chip.x, chip.y))
                assert code == OK
                assert data[32:36] == socket.inet_aton(address)
                # Any board leads to any chip; 255, 255 is always the chip that was booted.
                assert client.ask(VER, chip=(11, 11))[1][2:4] == bytes((11, 11))
                assert client.ask(VER, chip=(255, 255))[1][2:4] == bytes(2)
                assert client.word(IPTAG, 1 << 16 | 1, 5000 + chip.x, chip=(chip.x, chip.y)) == 1
        tables = [board.client.ask(IPTAG, 2 << 16 | 1, 1, chip=(chip.x, chip.y))[1] for chip in board.hardware.ethernet_chips]
        assert [struct.unpack_from("<H", table, 10)[0] for table in tables] == [5000, 5004, 5008]
    finally:
        board.close()


def test_crashed_cores_are_told_once_and_a_hook_that_fails_is_no_harm(board, caplog):
    client = board.client
    failed, progress = [], []
    board.server.events.core_failed += [lambda status: 1 / 0, failed.append]
    board.server.events.progress.append(progress.append)
    stage(board, bytes(64))
    client.ask(AR, 30 << 24 | 0b10)
    sv = board.variables()
    sv.put_core(1, Vcpu.CPU_STATE, CpuState.RUN_TIME_EXCEPTION, 1)
    sv.put_core(1, Vcpu.RT_CODE, 13, 1)
    sv.put_core(1, Vcpu.LR, 0x1234)
    board.engine.on_advance = lambda: True
    board.settle()
    time.sleep(0.6)
    board.engine.on_advance = lambda: False
    board.settle()
    assert [(s.x, s.y, s.p, s.rt_code, s.registers[10]) for s in failed] == [(0, 0, 1, 13, 0x1234)]
    assert progress
    assert "that watches the virtual board failed" in caplog.text
    status = board.server.core_status(0, 0, 1)
    assert status is not None
    assert status.state == CpuState.RUN_TIME_EXCEPTION
    assert board.server.core_status(7, 0, 1) is board.server.core_status(0, 0, 18) is None
    assert [s.p for s in board.server.core_statuses()] == [1]


def test_printed_text_is_read_from_its_chain_of_blocks(board):
    sv = board.variables()
    blocks = [0x60300000, 0x60310000]
    for block, following, text in zip(blocks, (blocks[1], blocks[0]), (b"first ", b"second"), strict=True):
        at = block - 0x60000000
        content = struct.pack("<4I", following, 0, 0, len(text)) + text
        sv.chip.memory.sdram[at : at + len(content)] = np.frombuffer(content, np.uint8)
    sv.put_core(1, Vcpu.IOBUF, blocks[0])
    assert board.server.read_iobuf(0, 0, 1) == "first second"
    sv.put_core(1, Vcpu.IOBUF, 0xFFFFFFF0)
    assert board.server.read_iobuf(0, 0, 1) == ""
    assert board.server.read_iobuf(9, 9, 1) == ""


def test_a_server_can_be_stopped_and_started_again(board):
    stage(board, bytes(64))
    board.client.ask(AR, 30 << 24 | 0b10)
    board.server.stop()
    board.server.stop()
    assert board.engine.stopped == [(0, 0, 1)]
    board.server.start()
    assert board.client.word(COUNT, 30, CpuState.READY) == 0
    with pytest.raises(RuntimeError, match="already"):
        board.server.start()
    assert board.client.ask(VER)[0] == OK
