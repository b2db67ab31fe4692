"""Machines through the SpiNNaker tools' JSON, with the tools' own reader and writer at the other end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.machine.board_config import build_machine, load_board_config, read_board_config
from spinn_mam.machine.description import MachineDescription
from spinn_mam.machine.exchange import machine_from_json, machine_to_json, write_machine_json

pytest.importorskip("spinn_machine")


@pytest.fixture
def tools() -> Iterator[Any]:
    """Return a function that prepares the tools for a board version."""
    from spinn_machine.config_setup import unittest_setup
    from spinn_utilities.config_holder import set_config

    def prepare(machine: MachineDescription) -> None:
        unittest_setup()
        set_config("Machine", "version", "3" if machine.width == 2 else "5")

    yield prepare
    unittest_setup()


def with_dead_parts() -> MachineDescription:
    """Return three boards with a dead chip, dead links, and dead cores that leave no gap in the numbers."""
    document = read_board_config("spin5-3")
    dead = {"dead_chips": ((3, 3), (9, 9)), "dead_links": ((1, 1, 0), (5, 5, 2), (5, 6, 5)), "dead_cores": ((2, 2, 17), (2, 2, 16))}
    return build_machine(document.model_copy(update=dead))


MACHINES = {name: load_board_config(name) for name in ("spin3", "spin5", "spin5-6", "spin5-24")} | {"dead parts": with_dead_parts()}


@pytest.mark.parametrize("name", MACHINES)
def test_the_tools_read_what_we_write(name: str, tmp_path: Path, tools: Any) -> None:
    from spinn_machine.json_machine import machine_from_json as tools_read

    ours = MACHINES[name]
    tools(ours)
    path = tmp_path / "machine.json"
    write_machine_json(ours, path)
    theirs = tools_read(str(path))
    theirs.validate()
    assert theirs.n_chips == ours.n_chips
    assert len(theirs.ethernet_connected_chips) == ours.n_boards
    for i in range(ours.n_chips):
        chip = theirs[int(ours.x[i]), int(ours.y[i])]
        is_ethernet = ours.ethernet[i] == i
        cores = list(chip.placable_processors_ids)[1 + is_ethernet :]
        assert sum(1 << p for p in cores) == ours.core_ids[i]
        assert chip.sdram == ours.sdram_bytes[i]
        assert (chip.ip_address is not None) == is_ethernet
        assert (chip.nearest_ethernet_x, chip.nearest_ethernet_y) == (ours.x[ours.ethernet[i]], ours.y[ours.ethernet[i]])
        links = {link.source_link_id: (link.destination_x, link.destination_y) for link in chip.router.links}
        assert links == {k: (ours.x[n], ours.y[n]) for k, n in enumerate(ours.neighbour[i]) if n >= 0}


@pytest.mark.parametrize("name", ["spin3", "spin5", "spin5-6", "spin5-24"])
def test_we_read_what_the_tools_write(name: str, tmp_path: Path, tools: Any) -> None:
    from spinn_machine import virtual_machine
    from spinn_machine.data.machine_data_writer import MachineDataWriter
    from spinn_machine.json_machine import to_json_path

    ours = MACHINES[name]
    tools(ours)
    writer = MachineDataWriter.mock()
    writer.set_machine(virtual_machine(ours.width, ours.height))
    path = tmp_path / "machine.json"
    to_json_path(str(path))
    assert machine_from_json(path).digest() == ours.digest()
    assert machine_from_json(path).name == "machine"


@pytest.mark.parametrize("name", MACHINES)
def test_round_trip(name: str) -> None:
    machine = MACHINES[name]
    content = json.loads(json.dumps(machine_to_json(machine)))
    assert machine_from_json(content, name=name).digest() == machine.digest()


def test_sdram_of_one_chip_survives() -> None:
    machine = load_board_config("spin5")
    machine.sdram_bytes[[0, 7]] = 1000, 2000
    back = machine_from_json(machine_to_json(machine))
    np.testing.assert_array_equal(back.sdram_bytes, machine.sdram_bytes)


def test_lost_core_numbers_are_refused_unless_renumbered() -> None:
    document = read_board_config("spin5").model_copy(update={"dead_cores": ((3, 2, 9),)})
    machine = build_machine(document)
    with pytest.raises(UsageError, match=r"\(3, 2\) with cores .*renumber=True"):
        machine_to_json(machine)
    back = machine_from_json(machine_to_json(machine, renumber=True))
    np.testing.assert_array_equal(back.n_cores, machine.n_cores)
    assert (back.core_ids != machine.core_ids).sum() == 1


def test_wrong_number_of_monitors_is_refused() -> None:
    with pytest.raises(UsageError, match="2 monitors a chip"):
        machine_to_json(load_board_config("spin5"), monitors_per_chip=2)


def _edit(content: dict[str, Any], how: str) -> None:
    chips = content["chips"]
    match how:
        case "twice":
            chips.append(chips[0])
        case "outside":
            chips[3][0] = 99
        case "ethernet":
            chips[3][2]["ethernet"] = [7, 0]
        case "monitors":
            chips[3].append({"monitors": 2})
        case "cores":
            chips[3][2]["cores"] = 40
        case "missing":
            del content["width"]


@pytest.mark.parametrize(
    ("how", "part"),
    [
        ("twice", "named twice"),
        ("outside", r"chip \(99, 3\) is not on a machine of 8 x 8"),
        ("ethernet", r"\(7, 0\) is not among"),
        ("monitors", "more than one monitor"),
        ("cores", "less than or equal to 18"),
        ("missing", "width.*[Ff]ield required"),
    ],
)
def test_damaged_documents_are_refused(how: str, part: str) -> None:
    content = machine_to_json(load_board_config("spin5"))
    _edit(content, how)
    with pytest.raises(DocumentError, match=part):
        machine_from_json(content)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        machine_from_json(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DocumentError, match="not valid JSON"):
        machine_from_json(tmp_path / "broken.json")
