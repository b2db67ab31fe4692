"""The picture of a machine: everything in its place, nothing hidden."""

from __future__ import annotations

import io
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure

from spinn_mam.machine.board_config import build_machine, load_board_config, read_board_config
from spinn_mam.machine.description import MachineDescription
from spinn_mam.machine.geometry import LINK_DX, LINK_DY
from spinn_mam.report.machine_picture import draw_links, draw_machine, draw_populations, layout, mapping_figure

NAMES = ["L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"]


@pytest.mark.parametrize("name", ["spin3", "spin5", "spin5-6", "spin5-24", "cabinet"])
def test_chips_do_not_overlap_and_neighbours_touch(name: str) -> None:
    machine = load_board_config(name)
    centres = layout(machine).centres
    from scipy.spatial import KDTree

    nearest = KDTree(centres).query(centres, k=2)[0][:, 1]
    np.testing.assert_allclose(nearest, 1.0)
    same_board = (machine.neighbour >= 0) & (machine.ethernet[machine.neighbour] == machine.ethernet[:, None])
    chip, link = np.nonzero(same_board)
    to = machine.neighbour[chip, link]
    plain = (machine.x[to] == machine.x[chip] + LINK_DX[link]) & (machine.y[to] == machine.y[chip] + LINK_DY[link])
    steps = (centres[to] - centres[chip])[plain]
    angles = np.rad2deg(np.arctan2(steps[:, 1], steps[:, 0])) % 360
    np.testing.assert_allclose(np.hypot(*steps.T), 1.0)
    np.testing.assert_allclose(np.minimum(np.abs(angles - 60 * link[plain]), 360 - np.abs(angles - 60 * link[plain])), 0, atol=1e-6)


def test_borders_go_around_each_board() -> None:
    place = layout(load_board_config("spin5-6"))
    # Inner adjacencies of a board: (48 * 6 - borders) / 2, counted on the machine itself.
    board = load_board_config("spin5")
    assert len(place.borders) == 6 * (board.neighbour < 0).sum()
    np.testing.assert_allclose(np.hypot(*(place.borders[:, 1] - place.borders[:, 0]).T), 1 / np.sqrt(3))
    assert len(place.dead_centres) == 0


def test_a_torus_is_folded_into_a_rectangle() -> None:
    x0, y0, x1, y1 = layout(load_board_config("million-core")).bounds
    assert 240 <= x1 - x0 <= 250
    assert 240 * np.sqrt(3) / 2 <= y1 - y0 <= 215


def test_dead_chips_are_drawn_apart() -> None:
    machine = build_machine(read_board_config("spin5").model_copy(update={"dead_chips": ((2, 1),)}))
    place = layout(machine)
    np.testing.assert_allclose(place.dead_centres, [[1.5, np.sqrt(3) / 2]], atol=1e-9)
    assert len(place.centres) == 47


def test_a_chip_has_the_colour_of_its_value() -> None:
    machine = load_board_config("spin5")
    axes = Figure().add_subplot()
    values = np.arange(48.0)
    values[5] = np.nan
    chips = draw_machine(axes, machine, values)
    chips.update_scalarmappable()
    colours = chips.get_facecolor()
    np.testing.assert_allclose(colours[7], chips.get_cmap()(7 / 47))
    np.testing.assert_allclose(colours[5], chips.get_cmap().get_bad())
    np.testing.assert_allclose(np.mean(chips.get_paths()[7].vertices[:6], axis=0), layout(machine).centres[7], atol=1e-9)


def test_a_sixth_has_the_colour_of_its_link_and_lies_towards_it() -> None:
    machine = load_board_config("spin5")
    load = np.zeros((48, 6))
    load[20, 4] = 1234.0
    sixths = draw_links(Figure().add_subplot(), machine, load)
    values = sixths.get_array()
    assert values is not None
    (index,) = np.flatnonzero(~np.ma.getmaskarray(values))
    assert (index, values[index]) == (20 * 6 + 4, 1234.0)
    middle = np.mean(sixths.get_paths()[index].vertices[1:3], axis=0)
    centres = layout(machine).centres
    np.testing.assert_allclose(middle, (centres[20] + centres[machine.neighbour[20, 4]]) / 2, atol=1e-9)


def test_second_population_is_drawn_within() -> None:
    machine = load_board_config("spin5")
    axes = Figure().add_subplot()
    second = np.full(48, -1)
    second[9] = 3
    draw_populations(axes, machine, np.zeros(48, int), NAMES, second)
    (inner,) = [c for c in axes.collections if len(c.get_paths()) == 1]
    np.testing.assert_allclose(np.mean(inner.get_paths()[0].vertices[:6], axis=0), layout(machine).centres[9], atol=1e-9)
    assert inner.get_array().tolist() == [3.0]


def _figure(machine: MachineDescription, names: list[str]) -> Figure:
    rng = np.random.default_rng(5)
    population = rng.integers(-1, len(names), machine.n_chips)
    load = rng.random((machine.n_chips, 6)) * 1e5
    return mapping_figure(machine, population, names, rng.random(machine.n_chips) * 1e8, load)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("spin3", NAMES),
        ("spin5", [f"population {i}" for i in range(20)]),
        ("spin5-6", NAMES),
        ("spin5-6", [f"A{i}-{p}" for i in range(32) for p in NAMES]),
        ("spin5-24", [f"population {i}" for i in range(19)]),
        ("cabinet", [f"A{i}-{p}" for i in range(32) for p in NAMES]),
    ],
)
def test_nothing_overlaps(name: str, names: list[str]) -> None:
    figure = _figure(load_board_config(name), names)
    figure.savefig(io.BytesIO())
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert len(boxes) == 6
    for a, b in combinations(boxes, 2):
        overlap_x = min(a.x1, b.x1) - max(a.x0, b.x0)
        overlap_y = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(overlap_x, overlap_y) < 0.5
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


def test_the_busiest_link_is_named() -> None:
    machine = load_board_config("spin5")
    load = np.ones((48, 6))
    load[0, 1] = 54321
    figure = mapping_figure(machine, np.zeros(48, int), NAMES, np.ones(48), load)
    assert "54,321 on link NE of chip (0, 0)" in figure.axes[5].child_axes[0].get_xlabel()


def test_an_empty_machine_says_so() -> None:
    machine = load_board_config("spin5")
    figure = mapping_figure(machine, np.full(48, -1), NAMES, np.zeros(48), np.zeros((48, 6)))
    assert [text.get_text() for axes in figure.axes[2:] for text in axes.texts] == ["no SDRAM in use", "no spikes on any link"]


def test_no_global_state() -> None:
    code = (
        "import sys, numpy as np\n"
        "from spinn_mam.machine.board_config import load_board_config\n"
        "from spinn_mam.report.machine_picture import mapping_figure\n"
        "m = load_board_config('spin5')\n"
        "mapping_figure(m, np.zeros(48, int), ['a'], np.ones(48), np.ones((48, 6)))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
