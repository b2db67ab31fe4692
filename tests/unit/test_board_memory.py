"""Chips, heaps, router tables and system variables of the virtual board, against independent models and the addresses that real SC&MP writes."""

import contextlib
import hashlib
import random

import numpy as np
import pytest
from board_fake import make_hardware
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.errors import UsageError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.virtual_board import system_variables
from spinn_mam.virtual_board.chip import ChipMemory, RouterRegisters
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.heap import Heap, HeapDamagedError
from spinn_mam.virtual_board.router_allocation import physical_route
from spinn_mam.virtual_board.scp.boot import BootImage
from spinn_mam.virtual_board.scp.regions import in_region
from spinn_mam.virtual_board.scp.sockets import Sockets
from spinn_mam.virtual_board.structs import CpuState, Sv
from spinn_mam.virtual_board.system_variables import SystemVariables

BASE = 0x60000000


def booted(name: str = "spin5") -> Hardware:
    hardware = make_hardware(name)
    system_variables.boot(hardware)
    return hardware


# Chips and machines.


def test_memory_is_zero_page_aligned_and_stays_where_it_is():
    memory = ChipMemory()
    assert memory.sdram.nbytes == 128 * 2**20
    assert memory.sysram.nbytes == 32 * 2**10
    at = memory.sdram.ctypes.data, memory.sysram.ctypes.data
    assert not any(address % 4096 for address in at)
    memory.sdram[5_000_000], memory.sysram[7] = 1, 2
    memory.clear()
    assert (memory.sdram.ctypes.data, memory.sysram.ctypes.data) == at
    assert memory.sdram[5_000_000] == memory.sysram[7] == 0


def test_an_empty_router_table_matches_no_key():
    router = RouterRegisters()
    keys = np.array([0, 1, 0xFFFFFFFF, 0x12345678], np.uint32)
    assert not ((keys[:, None] & router.mask) == router.key).any()


@pytest.mark.parametrize("name", ["spin3", "spin5", "spin5-3"])
def test_point_to_point_routes_lead_from_every_chip_to_every_chip_in_the_fewest_hops(name):
    hardware = make_hardware(name)
    machine = hardware.machine
    chips = random.Random(1).sample(hardware.chips, min(12, len(hardware.chips)))
    for target in chips:
        for source in chips:
            here, hops = source, 0
            while here is not target:
                link = hardware.link_toward(here, target)
                assert link < 6
                step = here.neighbours[link]
                assert step is not None
                here, hops = step, hops + 1
            assert hops == machine.distance(source.index, target.index)
            assert hardware.link_toward(target, target) == 7


def test_the_p2p_table_holds_three_bits_a_destination():
    hardware = make_hardware()
    hardware.write_p2p_tables()
    root = hardware.root
    for x, y in ((0, 0), (3, 4), (7, 7), (0, 7), (200, 3)):
        entry = int(root.router.p2p[(x << 8 | y) // 8]) >> 3 * (y % 8) & 7
        chip = hardware.chip(x, y)
        assert entry == (6 if chip is None else hardware.link_toward(root, chip))


def test_dead_chips_links_and_cores_are_dead(tmp_path):
    text = (
        'format = "spinn_mam.board_config/1"\nname = "x"\ntitle = "x"\nboard = "version5"\nwrap = { x = false, y = false }\n'
        "monitors_per_chip = 1\nmonitors_per_ethernet_chip = 1\ndead_boards = []\n"
        "dead_chips = [[3, 3]]\ndead_cores = [[2, 2, 5], [2, 2, 17]]\ndead_links = [[0, 0, 1]]\n"
    )
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    hardware = Hardware(load_board_config(path))
    system_variables.boot(hardware)
    assert hardware.chip(3, 3) is None
    assert hardware.chip(-1, 0) is None
    chip = hardware.chip(2, 2)
    assert chip is not None
    assert chip.neighbours[1] is None
    assert (chip.n_cores, chip.dead_cores) == (17, {5})
    assert hardware.root.neighbours[1] is None
    assert hardware.root.links_enabled == 0b000101
    other = hardware.chip(1, 1)
    assert other is not None
    assert other.neighbours[4] is hardware.root
    states = SystemVariables(chip).states()
    assert states == [CpuState.RUNNING, *[CpuState.IDLE] * 4, CpuState.DEAD, *[CpuState.IDLE] * 11, CpuState.DEAD]


def test_boards_get_one_address_each():
    hardware = make_hardware("spin5-3", "127.9.0.250")
    assert [chip.ip_address for chip in hardware.ethernet_chips] == ["127.9.0.250", "127.9.0.251", "127.9.0.252"]
    assert [(chip.x, chip.y) for chip in hardware.ethernet_chips] == [(0, 0), (4, 8), (8, 4)]
    assert sum(chip.ip_address is not None for chip in hardware.chips) == 3


@pytest.mark.parametrize("host", ["localhost", "::1", "127.0.0.256", "255.255.255.254", ""])
def test_a_host_without_enough_ipv4_addresses_is_refused(host):
    with pytest.raises(UsageError, match="Use one such as"):
        make_hardware("spin5-3", host)


# System variables.


def test_addresses_are_those_that_the_real_monitor_program_writes():
    sv = SystemVariables(booted().root)
    found = {
        name.name: sv.get(name)
        for name in (Sv.SDRAM_BASE, Sv.SDRAM_SYSTEM, Sv.SYSTEM_HEAP, Sv.HOP_TABLE, Sv.ROUTER_COPY, Sv.TAG_TABLE, Sv.APP_DATA, Sv.SYSRAM_HEAP)
    }
    # Read out of the memory of scamp.boot of spinnman 7.4.1, run with stubs for its devices until its tables stood.
    assert found == {
        "SDRAM_BASE": 0x60240000,
        "SDRAM_SYSTEM": 0x67800000,
        "SYSTEM_HEAP": 0x67840000,
        "HOP_TABLE": 0x67840018,
        "ROUTER_COPY": 0x67880020,
        "TAG_TABLE": 0x67884038,
        "APP_DATA": 0x678C4040,
        "SYSRAM_HEAP": 0xE5001100,
    }
    assert sv.get(Sv.MESSAGE_BUFFERS) == 0xE5001118
    assert sv.sdram_heap.largest_free() == sv.sdram_heap.free_bytes == 123_469_792
    assert sv.router_table.largest_free() == 1023


def test_the_message_buffers_form_a_chain():
    sv = SystemVariables(booted().root)
    address, n = sv.get(Sv.MESSAGE_FREE), 0
    while address:
        offset = address - 0xE5000000
        address = int.from_bytes(sv.chip.memory.sysram[offset : offset + 4].tobytes(), "little")
        n += 1
    assert n == 7


def test_booting_again_forgets_everything():
    hardware = booted()
    before = hashlib.sha256(hardware.root.memory.sysram).digest()
    sv = SystemVariables(hardware.root)
    sv.sdram_heap.allocate(1000, 16, 3)
    sv.router_table.allocate(10, 16)
    hardware.root.memory.sdram[100] = 7
    system_variables.boot(hardware)
    assert hashlib.sha256(hardware.root.memory.sysram).digest() == before
    assert hardware.root.memory.sdram[100] == 0
    assert sv.tags[16 << 8 | 3] == 0
    assert sv.sdram_heap.free_bytes == 123_469_792


@pytest.mark.parametrize(
    ("offset", "value"), [(Sv.SYSRAM_HEAP, 0x2000), (Sv.SDRAM_HEAP, 0x2000000), (Sv.SDRAM_BUFFERS, 4), (Sv.SYSTEM_BUFFER_WORDS, 0xFFFFFFF)]
)
def test_boot_values_that_leave_no_heap_are_refused(offset, value):
    values = bytearray(system_variables.default_boot_values())
    values[offset : offset + 4] = value.to_bytes(4, "little")
    with pytest.raises(ValueError, match=r"heap|tables"):
        system_variables.boot(make_hardware("spin3"), bytes(values))


# Heaps.


def new_heap(size: int = 4096, tags: np.ndarray | None = None) -> Heap:
    return Heap.create(np.zeros(size, np.uint8), BASE, BASE, BASE + size, tags)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("allocate"), st.integers(1, 600), st.integers(1, 3)),
        st.tuples(st.just("free"), st.integers(0, 30)),
        st.tuples(st.just("free_app"), st.integers(1, 3)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(operations)
def test_heap_against_a_list_of_intervals(steps):
    """First fit in an independent model: intervals sorted by address; every allocation lands where the model says."""
    size = 4096
    heap = new_heap(size)
    used: dict[int, tuple[int, int]] = {}  # header -> (end, app)

    def gaps() -> list[tuple[int, int]]:
        edges, found = BASE + 16, []
        for header in sorted(used):
            if header > edges:
                found.append((edges, header))
            edges = used[header][0]
        if edges < BASE + size - 8:
            found.append((edges, BASE + size - 8))
        return found

    for step in steps:
        if step[0] == "allocate":
            need = (step[1] + 3) // 4 * 4 + 8
            fits = [gap for gap in gaps() if gap[1] - gap[0] >= need]
            address = heap.allocate(step[1], step[2])
            assert address == (fits[0][0] + 8 if fits else 0)
            if fits:
                start, end = fits[0]
                used[start] = (start + need if end - start - need > 8 else end, step[2])
        elif step[0] == "free" and used:
            header = sorted(used)[step[1] % len(used)]
            assert heap.free(header + 8)
            assert not heap.free(header + 8)
            del used[header]
        elif step[0] == "free_app":
            mine = [header for header, (_, app) in used.items() if app == step[1]]
            assert heap.free_app(step[1]) == len(mine)
            for header in mine:
                del used[header]
        assert [(b.address - 8, b.address + b.size, b.app_id) for b in heap.blocks()] == [(h, *used[h]) for h in sorted(used)]
        assert heap.largest_free() == max((end - start - 8 for start, end in gaps()), default=0)
    for header in list(used):
        assert heap.free(header + 8)
    assert heap.largest_free() == size - 32
    assert heap.blocks() == []


def test_tags_lead_to_their_block_and_a_repeated_request_gets_the_same():
    tags = np.zeros(65536, np.uint32)
    heap = new_heap(tags=tags)
    address = heap.allocate(101, 30, 5)
    assert tags[30 << 8 | 5] == address
    assert heap.allocate(101, 30, 5) == 0
    assert heap.allocate(101, 30, 5, retry=True) == address
    assert heap.allocate(99, 30, 5, retry=True) == 0
    assert heap.allocate(101, 31, 5) != 0
    assert heap.free(address)
    assert tags[30 << 8 | 5] == 0
    assert heap.allocate(4, 1, 256) == heap.allocate(0, 1) == heap.allocate(-4, 1) == heap.allocate(2**40, 1) == 0


def test_free_refuses_what_is_no_block_in_use():
    heap = new_heap()
    address = heap.allocate(64, 1)
    for wrong in (0, address + 4, address - 8, BASE, BASE + 4096, 0xFFFFFFFF):
        assert not heap.free(wrong)
    assert heap.blocks()


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 400), st.integers(0, 0xFFFFFFFF), st.integers(0, 3))
def test_a_damaged_heap_is_noticed_or_walked_within_bounds(word, value, what):
    memory = np.zeros(2048, np.uint8)
    heap = Heap.create(memory, BASE, BASE, BASE + 2048)
    kept = [heap.allocate(100, app) for app in (1, 2, 3)]
    heap.free(kept[1])
    memory.view(np.uint32)[word] = value
    with contextlib.suppress(HeapDamagedError):
        (heap.largest_free, heap.blocks, lambda: heap.allocate(40, 9), lambda: heap.free(kept[0]))[what]()


def test_a_heap_outside_memory_is_refused():
    with pytest.raises(HeapDamagedError):
        Heap(np.zeros(64, np.uint8), BASE, BASE + 60)


# Router tables.


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(("allocate", "free", "app")), st.integers(1, 400), st.integers(1, 3)), max_size=40))
def test_router_runs_against_an_array_of_owners(steps):
    hardware = booted_small()
    table = SystemVariables(hardware.root).router_table
    table.initialise(1)
    owner = np.zeros(1025, np.int64)
    owner[[0, 1024]] = -1
    runs: dict[int, tuple[int, int]] = {}
    for kind, n, app in steps:
        if kind == "allocate":
            free = np.flatnonzero(np.convolve(owner == 0, np.ones(n, int), "valid") == n)
            first = table.allocate(n, app)
            assert first == (free[0] if len(free) else 0)
            if first:
                owner[first : first + n] = app
                runs[first] = (n, app)
        elif kind == "free" and runs:
            first = sorted(runs)[n % len(runs)]
            size, _ = runs.pop(first)
            assert table.free(first, clear=True)
            assert not table.free(first, clear=True)
            owner[first : first + size] = 0
        elif kind == "app":
            mine = [first for first, (_, who) in runs.items() if who == app]
            assert table.free_app(app, clear=False) == len(mine)
            for first in mine:
                size, _ = runs.pop(first)
                owner[first : first + size] = 0
        longest = max((len(part) for part in "".join("." if o == 0 else "#" for o in owner).split("#")), default=0)
        assert table.largest_free() == longest


_small: list[Hardware] = []


def booted_small() -> Hardware:
    if not _small:
        _small.append(booted("spin3"))
    return _small[0]


def test_loaded_entries_reach_the_router_with_physical_cores():
    hardware = booted("spin3")
    chip = hardware.root
    chip.virtual_to_physical[:4] = (2, 0, 1, 3)
    table = SystemVariables(chip).router_table
    first = table.allocate(2, 17)
    entries = np.array([[0, 0x40 << 1 | 0b101, 0x1000, 0xFFFFF000], [1, 1 << 6, 0x2000, 0xFFFFFF00]], np.uint32)
    assert table.load(entries.view(np.uint8).reshape(-1), 2, first, 17)
    assert chip.router.key[first : first + 2].tolist() == [0x1000, 0x2000]
    assert chip.router.mask[first : first + 2].tolist() == [0xFFFFF000, 0xFFFFFF00]
    assert chip.router.route[first : first + 2].tolist() == [0b101 | 1 << 6, 1 << 8]
    assert table.free_app(17, clear=True) == 1
    assert chip.router.key[first] == 0xFFFFFFFF
    assert not table.load(entries.view(np.uint8).reshape(-1), 2, 1023, 17)
    assert not table.load(entries.view(np.uint8).reshape(-1), 3, 1, 17)
    assert not table.clear(1000, 25)


def test_routes_to_cores_that_are_not_there_lead_nowhere():
    chip = make_hardware("spin5").chips[5]
    assert chip.n_cores == 17
    assert physical_route(chip, 1 << (6 + 17) | 1 << (6 + 3) | 0x3F) == 1 << (6 + 3) | 0x3F


def test_a_damaged_router_table_is_noticed():
    hardware = booted("spin3")
    sv = SystemVariables(hardware.root)
    table = sv.router_table
    run = table.allocate(5, 1)
    offset = sv.get(Sv.ROUTER_COPY) - BASE + 16 * run
    hardware.root.memory.sdram[offset : offset + 2] = 0
    with pytest.raises(HeapDamagedError):
        table.free_app(1, clear=True)
    sv.put(Sv.ROUTER_FREE, 0xFFFF, 2)
    with pytest.raises(HeapDamagedError):
        table.allocate(1, 1)
    sv.put(Sv.ROUTER_COPY, 0x12345678)
    with pytest.raises(HeapDamagedError):
        _ = sv.router_table


# Regions, boot image, sockets.


def test_regions():
    everything = 0x0000FFFF
    assert all(in_region(x, y, everything) for x in (0, 3, 200, 255) for y in (0, 77, 255))
    one = (12 << 24) | (8 << 16) | (3 << 16) | 1 << (1 * 4 + 2)
    assert [(x, y) for x in range(20) for y in range(20) if in_region(x, y, one)] == [(14, 9)]
    # Level 2 has squares of 16 chips and parts of four.
    part = (0 << 24) | (2 << 16) | 1 << 5
    assert {(x, y) for x in range(32) for y in range(32) if in_region(x, y, part)} == {(x, y) for x in range(4, 8) for y in range(4, 8)}


def test_a_boot_that_is_not_complete_or_not_the_monitor_program_is_refused(caplog):
    image = BootImage()

    def packet(operation: int, one: int = 0, three: int = 0, data: bytes = b"") -> bytes:
        return b"".join((b"\0\1", *(n.to_bytes(4, "big") for n in (operation, one, 0, three)), data))

    assert image.receive(b"") is None
    assert image.receive(packet(5, 1)) is None
    image.receive(packet(1, three=1))
    image.receive(packet(3, 0xFF00 | 0, data=bytes(1024)))
    assert image.receive(packet(5, 1)) is None
    assert "1 of 2 blocks" in caplog.text
    image.receive(packet(1, three=1))
    for block in (0, 1, 7):
        image.receive(packet(3, 0xFF00 | block, data=bytes(1024)))
    image.receive(packet(3, 0xFF00, data=bytes(2000)))
    assert image.receive(packet(5, 1)) is None
    assert "not SC&MP 4.0.0" in caplog.text


def test_a_port_that_is_taken_is_an_error_and_a_public_address_a_warning(caplog):
    first, second = Sockets(), Sockets()
    try:
        first.listen(("127.66.1.1", 17893), lambda datagram, sender: None)
        with pytest.raises(OSError, match="in use"):
            second.listen(("127.66.1.1", 17893), lambda datagram, sender: None)
        assert not caplog.records
        second.listen(("0.0.0.0", 0), lambda datagram, sender: None)
        assert "without a password" in caplog.text
    finally:
        first.close()
        second.close()
