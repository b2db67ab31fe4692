"""Our machines against those of spinn_machine, chip for chip, core for core, link for link."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from spinn_mam.machine.board_config import BoardConfigDocument, build_machine, load_board_config, read_board_config
from spinn_mam.machine.description import MachineDescription

pytest.importorskip("spinn_machine")

OUR_MONITORS = {"monitors_per_chip": 0, "monitors_per_ethernet_chip": 0}


@pytest.fixture
def tools() -> Iterator[Any]:
    """Return a function that makes a virtual machine of the tools."""
    from spinn_machine import virtual_machine
    from spinn_machine.config_setup import unittest_setup
    from spinn_utilities.config_holder import set_config

    def make(version: int, width: int, height: int, chips: list[Any] = (), cores: list[Any] = (), links: list[Any] = ()) -> Any:
        unittest_setup()
        set_config("Machine", "version", str(version))
        for key, dead in (("down_chips", chips), ("down_cores", cores), ("down_links", links)):
            if len(dead):
                set_config("Machine", key, ":".join(",".join(map(str, part)) for part in dead))
        return virtual_machine(width, height)

    yield make
    unittest_setup()


def document(triads: tuple[int, int] | None, wrap: tuple[bool, bool], board: str = "version5", **more: Any) -> BoardConfigDocument:
    return BoardConfigDocument(
        format="spinn_mam.board_config/1",
        name="test",
        title="",
        board=board,
        triads=triads,
        wrap={"x": wrap[0], "y": wrap[1]},
        **OUR_MONITORS,
        **more,
    )


def as_dicts(machine: MachineDescription) -> dict[tuple[int, int], Any]:
    xy = list(zip(machine.x.tolist(), machine.y.tolist(), strict=True))
    return {
        xy[i]: (
            tuple(p for p in range(18) if machine.core_ids[i] >> p & 1),
            int(machine.n_cores[i]),
            int(machine.sdram_bytes[i]),
            xy[machine.ethernet[i]],
            {link: xy[n] for link, n in enumerate(machine.neighbour[i].tolist()) if n >= 0},
            machine.router_entries,
        )
        for i in range(machine.n_chips)
    }


def tools_dicts(machine: Any) -> dict[tuple[int, int], Any]:
    return {
        (chip.x, chip.y): (
            tuple(chip.placable_processors_ids),
            chip.n_placable_processors,
            chip.sdram,
            (chip.nearest_ethernet_x, chip.nearest_ethernet_y),
            {link.source_link_id: (link.destination_x, link.destination_y) for link in chip.router.links},
            chip.router.n_available_multicast_entries,
        )
        for chip in machine.chips
    }


def assert_equal_machines(ours: MachineDescription, theirs: Any) -> None:
    assert (ours.width, ours.height) == (theirs.width, theirs.height)
    assert ours.n_boards == len(theirs.ethernet_connected_chips)
    assert as_dicts(ours) == tools_dicts(theirs)


@pytest.mark.parametrize("name", ["spin3", "spin5", "spin5-3", "spin5-6", "spin5-12", "spin5-24"])
def test_installed_machines(name: str, tools: Any) -> None:
    ours = build_machine(read_board_config(name).model_copy(update=OUR_MONITORS))
    version = 3 if name == "spin3" else 5
    assert_equal_machines(ours, tools(version, ours.width, ours.height))


@pytest.mark.parametrize(("name", "boards"), [("spin5", 1), ("spin5-3", 3), ("spin5-6", 6), ("spin5-12", 12)])
def test_open_machines_have_the_shape_the_tools_choose(name: str, boards: int, tools: Any) -> None:
    from spinn_machine.virtual_machine import virtual_machine_by_boards

    tools(5, 8, 8)
    theirs = virtual_machine_by_boards(boards)
    ours = load_board_config(name)
    assert (ours.width, ours.height, ours.n_boards) == (theirs.width, theirs.height, boards)


@pytest.mark.parametrize("wrap", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("triads", [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_all_edges(triads: tuple[int, int], wrap: tuple[bool, bool], tools: Any) -> None:
    ours = build_machine(document(triads, wrap))
    assert_equal_machines(ours, tools(5, ours.width, ours.height))


@pytest.mark.parametrize(("triads", "wrapped"), [(None, False), ((1, 1), False), ((1, 1), True), ((2, 1), False), ((2, 1), True)])
def test_dead_parts(triads: tuple[int, int] | None, wrapped: bool, tools: Any) -> None:
    rng = np.random.default_rng(20170101)
    whole = build_machine(document(triads, (wrapped, wrapped)))
    inner = np.setdiff1d(np.arange(whole.n_chips), whole.ethernet_rows)
    chips = [(int(whole.x[i]), int(whole.y[i])) for i in rng.choice(inner, 3, replace=False)]
    cores = [(int(whole.x[i]), int(whole.y[i]), int(rng.integers(1, 17))) for i in rng.choice(whole.n_chips, 20, replace=False)]
    row, link = np.nonzero(whole.neighbour >= 0)
    links = [(int(whole.x[row[k]]), int(whole.y[row[k]]), int(link[k])) for k in rng.choice(len(row), 12, replace=False)]
    ours = build_machine(document(triads, (wrapped, wrapped), dead_chips=tuple(chips), dead_cores=tuple(cores), dead_links=tuple(links)))
    theirs = tools(5, ours.width, ours.height, chips, cores, links)
    assert ours.n_chips == whole.n_chips - 3
    assert_equal_machines(ours, theirs)


def test_dead_board(tools: Any) -> None:
    whole = build_machine(document((1, 1), (True, True)))
    board = np.flatnonzero((whole.x[whole.ethernet] == 8) & (whole.y[whole.ethernet] == 4))
    chips = list(zip(whole.x[board].tolist(), whole.y[board].tolist(), strict=True))
    ours = build_machine(document((1, 1), (True, True), dead_boards=((8, 4),)))
    assert len(chips) == 48
    assert ours.n_boards == 2
    assert_equal_machines(ours, tools(5, 12, 12, chips))


@pytest.mark.parametrize(("name", "boards", "cores"), [("cabinet", 120, 91_080), ("million-core", 1_200, 910_800)])
def test_large_machines(name: str, boards: int, cores: int, tools: Any) -> None:
    ours = load_board_config(name)
    assert (ours.n_boards, ours.n_chips, int(ours.n_cores.sum())) == (boards, 48 * boards, cores)
    assert (ours.neighbour >= 0).all()
    # A sample of chips, against the tools' rules for a machine of this size rather than 57,600 chip objects.
    tools(5, 8, 8)
    from spinn_machine import SpiNNakerTriadGeometry
    from spinn_machine.data import MachineDataView
    from spinn_machine.version.version_5 import CHIPS_PER_BOARD

    geometry = SpiNNakerTriadGeometry.get_spinn5_geometry()
    theirs = MachineDataView.get_machine_version().create_machine(ours.width, ours.height)
    for i in np.random.default_rng(3).choice(ours.n_chips, 500, replace=False):
        x, y = int(ours.x[i]), int(ours.y[i])
        assert [(ours.x[n], ours.y[n]) for n in ours.neighbour[i]] == [theirs.xy_over_link(x, y, link) for link in range(6)]
        e = ours.ethernet[i]
        assert (ours.x[e], ours.y[e]) == geometry.get_ethernet_chip_coordinates(x, y, ours.width, ours.height)
        assert ours.n_cores[i] == CHIPS_PER_BOARD[geometry.get_local_chip_coordinate(x, y)] - 2 - (e == i)


@pytest.mark.parametrize("wrap", [(False, False), (True, False), (False, True), (True, True)])
def test_distances(wrap: tuple[bool, bool], tools: Any) -> None:
    ours = build_machine(document((3, 2), wrap))
    tools(5, 8, 8)
    from spinn_machine.data import MachineDataView

    theirs = MachineDataView.get_machine_version().create_machine(ours.width, ours.height)
    pairs = np.random.default_rng(11).integers(ours.n_chips, size=(2, 1000))
    distances, vectors = ours.distance(*pairs), ours.vector(*pairs)
    for a, b, hops, vector in zip(*pairs.tolist(), distances.tolist(), vectors.tolist(), strict=True):
        source, target = (int(ours.x[a]), int(ours.y[a])), (int(ours.x[b]), int(ours.y[b]))
        assert hops == theirs.get_vector_length(source, target)
        assert sum(map(abs, vector)) == sum(map(abs, theirs.get_vector(source, target))) == hops
        x, y = source[0] + vector[0] - vector[2], source[1] + vector[1] - vector[2]
        assert ((x - target[0]) % ours.width, (y - target[1]) % ours.height) == (0, 0)


def test_monitors_take_the_cores_that_spynnaker_gives_them() -> None:
    machine = load_board_config("spin5")
    ethernet = machine.ethernet_rows
    assert ethernet.tolist() == [0]
    assert machine.core_ids[0] == sum(1 << p for p in range(3, 18))  # SC&MP 0, gatherer 1, extra monitor 2
    assert machine.core_ids[1] == sum(1 << p for p in range(2, 18))
    assert machine.n_cores.sum() == 759
