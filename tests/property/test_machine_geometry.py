"""Laws of the hexagonal torus."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_mam.machine.board_config import load_board_config
from spinn_mam.machine.geometry import (
    LINK_DX,
    LINK_DY,
    board_coordinates,
    board_outline_48,
    distance,
    minimal_vector,
    opposite_link,
    over_link,
    shortest_vector,
    triad_board_origins,
)

steps = st.integers(-300, 300)
sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))
wraps = st.tuples(st.booleans(), st.booleans())


@given(steps, steps)
def test_minimal_vector_leads_there_with_two_axes_at_most(dx: int, dy: int) -> None:
    x, y, z = minimal_vector(dx, dy).tolist()
    assert (x - z, y - z) == (dx, dy)
    assert 0 in (x, y, z)
    assert all(abs(x + k) + abs(y + k) + abs(z + k) >= abs(x) + abs(y) + abs(z) for k in (-2, -1, 1, 2))


@given(steps, steps, sizes, wraps)
def test_shortest_vector_is_the_best_image_and_has_the_distance(dx: int, dy: int, size: tuple[int, int], wrap: tuple[bool, bool]) -> None:
    x, y, z = shortest_vector(dx, dy, size, wrap).tolist()
    off = (x - z - dx, y - z - dy)
    assert all(o % s == 0 if w else o == 0 for o, s, w in zip(off, size, wrap, strict=True))
    images_x = [dx % size[0] + k * size[0] for k in (-2, -1, 0, 1)] if wrap[0] else [dx]
    images_y = [dy % size[1] + k * size[1] for k in (-2, -1, 0, 1)] if wrap[1] else [dy]
    best = min(np.abs(minimal_vector(a, b)).sum() for a, b in product(images_x, images_y))
    assert abs(x) + abs(y) + abs(z) == best == distance(dx, dy, size, wrap)


@given(steps, steps, sizes, wraps)
def test_distance_is_symmetric(dx: int, dy: int, size: tuple[int, int], wrap: tuple[bool, bool]) -> None:
    assert distance(dx, dy, size, wrap) == distance(-dx, -dy, size, wrap)


def test_distance_is_that_of_a_search_over_links() -> None:
    machine = load_board_config("spin5-24")
    hops = np.full(machine.n_chips, -1)
    hops[100], front, n = 0, np.array([100]), 0
    while len(front):
        n += 1
        front = np.unique(machine.neighbour[front])
        front = front[hops[front] < 0]
        hops[front] = n
    np.testing.assert_array_equal(hops, machine.distance(100, np.arange(machine.n_chips)))


@pytest.mark.parametrize("name", ["spin3", "spin5", "spin5-12", "spin5-24", "cabinet"])
def test_links_lead_back(name: str) -> None:
    machine = load_board_config(name)
    row, link = np.nonzero(machine.neighbour >= 0)
    np.testing.assert_array_equal(machine.neighbour[machine.neighbour[row, link], opposite_link(link)], row)


def test_opposite_links_cancel() -> None:
    back = [opposite_link(link) for link in range(6)]
    assert (LINK_DX + LINK_DX[back] == 0).all()
    assert (LINK_DY + LINK_DY[back] == 0).all()


@given(st.integers(1, 4), st.integers(1, 4))
def test_boards_tile_the_torus(triads_x: int, triads_y: int) -> None:
    origins = triad_board_origins(triads_x, triads_y)
    chips = (origins[:, None] + board_outline_48()).reshape(-1, 2) % (12 * triads_x, 12 * triads_y)
    assert len(np.unique(chips, axis=0)) == len(chips) == 144 * triads_x * triads_y
    coordinates = board_coordinates(origins[:, 0], origins[:, 1])
    assert len(np.unique(coordinates, axis=0)) == len(origins)
    assert coordinates.max(0).tolist() == [triads_x - 1, triads_y - 1, 2]


def test_no_board_at_other_coordinates() -> None:
    with pytest.raises(ValueError, match="no board"):
        board_coordinates([0, 4], [0, 4])


def test_links_off_an_open_edge() -> None:
    x, y = over_link([0], [0], (8, 8), (False, False))
    assert x[0].tolist() == [1, 1, 0, -1, -1, -1]
    assert y[0].tolist() == [0, 1, 1, -1, -1, -1]
