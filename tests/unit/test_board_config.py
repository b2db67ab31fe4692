"""Board configurations: what they say, and how a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spinn_mam.errors import DocumentError
from spinn_mam.machine.board_config import board_config_names, load_board_config, machine_rows

GOOD = """
format = "spinn_mam.board_config/1"
name = "mine"
title = "a board of my own"
board = "version5"
wrap = { x = false, y = false }
monitors_per_chip = 1
monitors_per_ethernet_chip = 1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_are_those_of_the_design() -> None:
    assert board_config_names() == ["spin3", "spin5", "spin5-3", "spin5-6", "spin5-12", "spin5-24", "cabinet", "million-core"]


def test_every_name_is_the_documents_own() -> None:
    assert [load_board_config(name).name for name in board_config_names()] == board_config_names()


def test_rows_count_boards_chips_and_cores() -> None:
    rows = {row["name"]: row for row in machine_rows()}
    assert [(row["boards"], row["chips"], row["application_cores"]) for row in rows.values()] == [
        (1, 4, 63),
        (1, 48, 759),
        (3, 144, 2_277),
        (6, 288, 4_554),
        (12, 576, 9_108),
        (24, 1_152, 18_216),
        (120, 5_760, 91_080),
        (1_200, 57_600, 910_800),
    ]
    assert rows["spin5"]["cores"] == 40 * 18 + 8 * 17
    assert rows["spin5"]["sdram_bytes"] == 48 * 123_469_792
    assert rows["million-core"]["wrap"] == "x, y"


def test_constants() -> None:
    machine = load_board_config("spin5")
    assert (machine.router_entries, machine.dtcm_bytes, machine.itcm_bytes, machine.clock_hz) == (1023, 65536, 32768, 200e6)
    assert (machine.sdram_bytes == 123_469_792).all()


def test_a_path_works_like_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_board_config(path).digest() == load_board_config(str(path)).digest() == load_board_config("spin5").digest()


def test_digest_sees_a_dead_core(tmp_path: Path) -> None:
    machine = load_board_config(write(tmp_path, GOOD + "dead_cores = [[3, 3, 7]]"))
    whole = load_board_config("spin5")
    assert machine.digest() != whole.digest()
    changed = np.flatnonzero(machine.core_ids != whole.core_ids)
    assert [(machine.x[i], machine.y[i]) for i in changed] == [(3, 3)]
    assert machine.n_cores.sum() == 758


def test_monitors_shift_past_a_dead_core(tmp_path: Path) -> None:
    machine = load_board_config(write(tmp_path, GOOD + "dead_cores = [[0, 0, 1]]"))
    assert machine.core_ids[0] == sum(1 << p for p in range(4, 18))


def test_a_machine_may_have_constants_of_its_own(tmp_path: Path) -> None:
    text = GOOD + '[constants.sdram_bytes]\nvalue = 1000\nunit = "B"\nsource = "measured"\n'
    machine = load_board_config(write(tmp_path, text))
    assert (machine.sdram_bytes == 1000).all()
    assert machine.router_entries == 1023


@pytest.mark.parametrize(
    ("change", "where", "part"),
    [
        (("wrap =", "wrp ="), "wrap", "missing"),
        (('name = "mine"', 'name = "mine"\ncolour = "red"'), "colour", "unknown key"),
        (("monitors_per_chip = 1", 'monitors_per_chip = "1"'), "monitors_per_chip", "integer"),
        (("monitors_per_chip = 1", "monitors_per_chip = -1"), "monitors_per_chip", "greater than or equal to 0"),
        (("monitors_per_chip = 1", "monitors_per_chip = 1.0"), "monitors_per_chip", "integer"),
        (("board_config/1", "board_config/9"), "format", "spinn_mam.board_config/1"),
        (('"version5"', '"version7"'), "board", "version3, version5"),
        (("x = false", "x = true"), "wrap", "open edges"),
        (('board = "version5"', 'board = "version3"\ntriads = [1, 1]'), "triads", "cannot be joined"),
        (("wrap =", "triads = [22, 1]\nwrap ="), "triads", "at most 21"),
        (("wrap =", "triads = [1]\nwrap ="), "triads[1]", "missing"),
        (("wrap =", "dead_chips = [[0, 1], [7, 0]]\nwrap ="), "dead_chips[1]", "chip (7, 0) is not on the machine of 8 x 8 chips"),
        (("wrap =", "dead_chips = [[0, 0]]\nwrap ="), "dead_chips[0]", "use 'dead_boards'"),
        (("wrap =", "dead_boards = [[4, 4]]\nwrap ="), "dead_boards[0]", "the nearest is at (0, 0)"),
        (("wrap =", "dead_boards = [[0, 0]]\nwrap ="), "dead_boards", "boots the machine"),
        (("wrap =", "dead_cores = [[1, 1, 17]]\nwrap ="), "dead_cores[0]", "cores 0 to 16"),
        (("wrap =", "dead_cores = [[1, 1, 0]]\nwrap ="), "dead_cores[0][2]", "greater than or equal to 1"),
        (("wrap =", "dead_links = [[0, 0, 3]]\nwrap ="), "dead_links[0]", "link 3 (W) of chip (0, 0) leads to no chip"),
        (("wrap =", "dead_links = [[0, 0, 6]]\nwrap ="), "dead_links[0][2]", "less than or equal to 5"),
        (("wrap =", "dead_links = [[0, 3, 0], [0, 3, 1], [0, 3, 5]]\nwrap ="), "dead_links", "1 chips, the first (0, 3)"),
    ],
)
def test_wrong_documents_are_refused(change: tuple[str, str], where: str, part: str, tmp_path: Path) -> None:
    assert change[0] in GOOD
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(DocumentError) as caught:
        load_board_config(path)
    assert caught.value.where == where or where in str(caught.value)
    assert part in caught.value.problem
    assert caught.value.document == str(path)


def test_unknown_name_lists_the_names() -> None:
    with pytest.raises(DocumentError, match="spin3, spin5, spin5-3"):
        load_board_config("spin6")


@pytest.mark.parametrize("name", ["board-version5", "", "..", "__init__"])
def test_only_machines_are_names(name: str) -> None:
    with pytest.raises(DocumentError, match="there is no such machine"):
        load_board_config(name)


def test_missing_file_and_broken_toml(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no such file"):
        load_board_config(tmp_path / "absent.toml")
    with pytest.raises(DocumentError, match="not valid TOML"):
        load_board_config(write(tmp_path, "format = "))
