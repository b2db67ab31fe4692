"""Datagrams that no tool would send: the board answers with a code or not at all, and goes on serving."""

import struct
from collections.abc import Iterator

import numpy as np
import pytest
from board_client import OK, Client
from board_fake import FakeEngine, make_hardware
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spinn_mam.virtual_board.scp.server import BoardServer
from spinn_mam.virtual_board.structs import Sv, Vcpu
from spinn_mam.virtual_board.system_variables import SystemVariables

IPTAG = 26
#: Numbers at which something changes: ends of memories and tables, signs, largest lengths.
EDGES = [0, 1, 2, 3, 4, 5, 15, 16, 17, 18, 255, 256, 257, 1023, 1024, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF]
ADDRESSES = [
    *(base + offset for base in (0x60000000, 0x60240000, 0x67800000, 0x67840000, 0x67880020, 0x68000000, 0x70000000) for offset in (-4, 0, 1, 8, 16)),
    *(base + offset for base in (0xE5000000, 0xE5001100, 0xE5007000, 0xE5007080, 0xE5007F00, 0xF5007F48, 0xF5007FFC) for offset in (-4, 0, 3, 8)),
    *(0xE1000000 + offset for offset in (0, 0x2C, 0x84, 0x200, 0x3FC, 0x400, 0x4000, 0x8FFC, 0xC000, 0x10000, 0x17FFC, 0x18000)),
    *(0xE2000000, 0x00000000, 0x00008000, 0x00400000, 0x0040FFFF, 0x10000000, 0xFFFFF000),
]
values = st.one_of(st.sampled_from(EDGES), st.sampled_from(ADDRESSES), st.integers(0, 0xFFFFFFFF), st.integers(0, 40))
commands = st.one_of(st.sampled_from([0, 2, 3, 5, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 31, 32]), st.integers(0, 0xFFFF))
coordinates = st.one_of(st.integers(0, 9), st.sampled_from([0, 255]))
#: Where tags may send to: this computer only.
loopback = int.from_bytes(bytes((127, 0, 0, 1)), "little")


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A command with any arguments, perhaps cut, lengthened or with a byte changed."""
    flags, tag = draw(st.sampled_from([0x87, 0x07, 0xC7, 0xFF, 0x00])), draw(st.sampled_from([0xFF, 0xFF, 0, 7, 15, 16, 200]))
    port = draw(st.sampled_from([0, 0, 0, 1, 2, 17, 18, 31, 0x61, 0xE1, 0xFF]))
    command = draw(commands)
    args = [draw(values), draw(values), draw(values)]
    if command == 28:
        args[0] = draw(st.integers(0, 9)) | draw(st.integers(0, 255)) << 8 | draw(st.integers(0, 7)) << 16
    if command in (19, 24):
        args[draw(st.integers(0, 1))] = draw(st.integers(0, 0x3FFFF)) | draw(st.integers(0, 255)) << 24
    data = draw(st.binary(max_size=260))
    head = struct.pack("<2x8B", flags, tag, port, draw(st.sampled_from([0xFF, 0, 0x21])), draw(coordinates), draw(coordinates), 0, 0)
    sequence = draw(st.integers(0, 3))
    if command == IPTAG:
        return head + struct.pack("<2H3I", command, sequence, args[0], args[1] & ~0xFFFF | 20000, loopback) + data
    whole = bytearray(head + struct.pack("<2H3I", command, sequence, *args) + data)
    change = draw(st.sampled_from(["none", "none", "cut", "longer"]))
    if change == "cut":
        return bytes(whole[: draw(st.integers(0, len(whole)))])
    return bytes(whole) + (bytes(draw(st.integers(0, 300))) if change == "longer" else b"")


class Served:
    """A board with a client; a class without fields, so that a report of a failure does not print memories."""

    def __init__(self, server: BoardServer, engine: FakeEngine, client: Client) -> None:
        self.parts = server, engine, client


@pytest.fixture(scope="module")
def board() -> Iterator[Served]:
    hardware = make_hardware("spin3", "127.65.1.2")
    engine = FakeEngine(hardware)
    server = BoardServer(hardware, engine)  # type: ignore[arg-type]
    server.boot()
    with server, Client(server.addresses[0]) as client:
        yield Served(server, engine, client)
    assert server.failure is None


def still_serves(server: BoardServer, client: Client) -> None:
    """Drain what has been answered, then ask: an answer must come, and no bug may have been met."""
    client.send(client.request(0))
    wanted = client.sequence
    for _ in range(200):
        answer = client.receive(5.0)
        assert answer is not None, "the board does not answer any more"
        if len(answer) > 14 and struct.unpack_from("<2H", answer, 10) == (OK, wanted) and b"SC&MP" in answer:
            break
    assert server.failure is None


heavy = settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@heavy
@given(st.lists(st.one_of(requests(), requests(), st.binary(max_size=600)), min_size=1, max_size=12), st.integers(1, 3))
# An answer longer than the largest message; a load of more entries than memory holds; a tag far outside the table.
@example([struct.pack("<2x8B2H3I", 0x87, 255, 0, 255, 0, 0, 0, 0, 2, 1, 0x60000000, 0xFFFFFFFF, 2)], 1)
@example([struct.pack("<2x8B2H3I", 0x87, 255, 0, 255, 0, 0, 0, 0, 29, 1, 0xFFFF0002, 0x67FFFFF0, 0)], 1)
@example([struct.pack("<2x8B2H3I", 0x87, 255, 0, 255, 0, 0, 0, 0, 26, 1, 2 << 16 | 15, 0xFFFFFFFF, 0)], 1)
def test_any_datagrams_in_any_order_again_and_again(board, datagrams, times):
    server, _, client = board.parts
    for _ in range(times):
        for datagram in datagrams:
            client.send(datagram)
    still_serves(server, client)


@heavy
@given(
    st.lists(st.tuples(st.sampled_from([*Sv]), values), max_size=3),
    st.lists(st.tuples(st.integers(0, 17), st.sampled_from([*Vcpu]), values), max_size=4),
    st.lists(requests(), max_size=4),
    st.binary(max_size=300),
)
def test_tables_that_a_host_or_a_core_has_damaged(board, variables, blocks, datagrams, message):
    server, engine, client = board.parts
    chip = server.hardware.root
    sv = SystemVariables(chip)
    before = chip.memory.sysram.copy()
    for name, value in variables:
        chip.memory.sysram[0x7F00 + name :][:4] = np.frombuffer(value.to_bytes(4, "little"), np.uint8)[: 0x8000 - 0x7F00 - name]
    for core, field, value in blocks:
        sv.put_core(core, field, value) if field + 4 <= 128 else None
    chip.memory.sysram[0x2000 : 0x2000 + len(message)] = np.frombuffer(message, np.uint8)
    engine.requests.append(chip)
    with Client(server.addresses[0]) as other:
        for datagram in datagrams:
            other.send(datagram)
    for command, *args in (
        (31,),
        (28, 6),
        (28, 30 << 8, 40, 0),
        (28, 30 << 8 | 3, 2),
        (15, 30, 5),
        (22, 2, 2 << 16 | 0xFF << 8 | 30),
        (19, 30 << 24 | 2),
    ):
        client.ask(command, *args)
    server.core_statuses()
    for core in range(1, 18):
        server.read_iobuf(0, 0, core)
    chip.memory.sysram[:] = before
    chip.controller[:] = 0
    still_serves(server, client)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=1100),
            st.builds(
                lambda *n: b"\0\1" + struct.pack(">4I", *n[:4]) + bytes(n[4]),
                *[st.sampled_from([0, 1, 3, 5, 28, 255, 2**32 - 1])] * 4,
                st.sampled_from([0, 4, 1024]),
            ),
        ),
        max_size=8,
    )
)
def test_boot_datagrams_to_a_cold_board(datagrams):
    hardware = make_hardware("spin3", "127.65.2.2")
    server = BoardServer(hardware, FakeEngine(hardware))  # type: ignore[arg-type]
    with server, Client(server.addresses[0], 54321) as boot, Client(server.addresses[0]) as client:
        for datagram in datagrams:
            boot.send(datagram)
            client.send(datagram)
        client.send(client.request(0))
        assert client.receive(0.02) is None
        assert server.failure is None
        assert not server.booted
