"""Geometry of SpiNNaker machines: six links a chip, boards of 48 chips, triads of three boards, wrap-around.

Problem: chips form a triangular lattice written in two coordinates, possibly closed to a torus; distances, directions
and the board of each chip are wanted for many chips at once.
Method: a hop along one of the axes E, N or SW changes the third coordinate of (x, y, z) ~ (x + 1, y + 1, z + 1), so a vector is shortest
when its median is zero; on a torus the shortest of the (at most four) images is taken.
Cost: O(1) a pair, vectorised.
Paper: Furber et al. 2013, doi:10.1109/TC.2012.142 (the chip, its links and the boards). Triads and the outline of a board are
as in spinn_machine 7.4.1, chip for chip; the conformance tests hold this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]

#: Names of links 0-5; link ``k`` and link ``(k + 3) % 6`` are opposite directions.
LINK_NAMES = ("E", "NE", "N", "W", "SW", "S")
#: Step in x and y over links 0-5.
LINK_DX: IntArray = np.array([1, 1, 0, -1, -1, 0], np.int32)
LINK_DY: IntArray = np.array([0, 1, 1, 0, -1, -1], np.int32)

#: Width and height in chips of a triad of 48-chip boards.
TRIAD_SIZE = 12
#: Extra columns and rows that the boards of unwrapped triads stick out by.
TRIAD_OVERHANG = 4
#: Ethernet chip of board z = 0, 1, 2 of a triad, relative to the triad's corner.
TRIAD_ORIGINS: IntArray = np.array([[0, 0], [8, 4], [4, 8]], np.int32)


def opposite_link(link: int) -> int:
    """Return the link that leads back."""
    return (link + 3) % 6


def board_outline_48() -> IntArray:
    """Return the chips of a 48-chip board relative to its Ethernet chip, sorted by (x, y).

    Returns
    -------
    ndarray of int32, shape (48, 2)
        The square of 8 x 8 chips without the corners where x - y > 4 or y - x > 3.
    """
    return np.array([(x, y) for x in range(8) for y in range(8) if -3 <= x - y <= 4], np.int32)


def triad_board_origins(triads_x: int, triads_y: int) -> IntArray:
    """Return the Ethernet chips of a rectangle of triads.

    Parameters
    ----------
    triads_x, triads_y : int
        Triads along x and y.

    Returns
    -------
    ndarray of int32, shape (3 * triads_x * triads_y, 2)
        Sorted by (x, y).
    """
    corners = np.stack(np.meshgrid(np.arange(triads_x), np.arange(triads_y), indexing="ij"), -1).reshape(-1, 1, 2) * TRIAD_SIZE
    origins = (corners + TRIAD_ORIGINS).reshape(-1, 2).astype(np.int32)
    return origins[np.lexsort((origins[:, 1], origins[:, 0]))]


def board_coordinates(ethernet_x: npt.ArrayLike, ethernet_y: npt.ArrayLike) -> IntArray:
    """Return the (triad x, triad y, z) of boards of 48 chips, as spalloc counts them.

    Parameters
    ----------
    ethernet_x, ethernet_y : array_like of int, shape (...)
        Coordinates of the boards' Ethernet chips.

    Returns
    -------
    ndarray of int32, shape (..., 3)

    Raises
    ------
    ValueError
        If no board has its Ethernet chip there.
    """
    x, y = np.asarray(ethernet_x, np.int32), np.asarray(ethernet_y, np.int32)
    offset = np.stack([x % TRIAD_SIZE, y % TRIAD_SIZE], -1)
    match = (offset[..., None, :] == TRIAD_ORIGINS).all(-1)
    if not match.any(-1).all():
        raise ValueError("no board of a triad has its Ethernet chip at these coordinates")
    return np.stack([x // TRIAD_SIZE, y // TRIAD_SIZE, match.argmax(-1)], -1).astype(np.int32)


def minimal_vector(dx: npt.ArrayLike, dy: npt.ArrayLike) -> IntArray:
    """Return the shortest (x, y, z) of a step on an unwrapped lattice.

    Parameters
    ----------
    dx, dy : array_like of int, shape (...)

    Returns
    -------
    ndarray of int32, shape (..., 3)
        Signed hops along E (x), N (y) and SW (z); at most two are not zero.
    """
    x, y = np.broadcast_arrays(np.asarray(dx, np.int32), np.asarray(dy, np.int32))
    vector = np.stack([x, y, np.zeros_like(x)], -1)
    minimal: IntArray = vector - np.median(vector, axis=-1, keepdims=True).astype(np.int32)
    return minimal


def shortest_vector(dx: npt.ArrayLike, dy: npt.ArrayLike, size: tuple[int, int], wrap: tuple[bool, bool]) -> IntArray:
    """Return the shortest (x, y, z) between chips on a machine that may wrap on either axis.

    Parameters
    ----------
    dx, dy : array_like of int, shape (...)
        Target minus source coordinates.
    size : (int, int)
        Width and height of the machine in chips.
    wrap : (bool, bool)
        Whether links lead around in x and in y.

    Returns
    -------
    ndarray of int32, shape (..., 3)
        Signed hops along E, N and SW; the sum of absolute values is the distance. Of equally short images the first is
        taken: no negative step, then negative x, negative y, both.
    """
    xs, ys = _images(dx, size[0], wrap[0]), _images(dy, size[1], wrap[1])
    vectors = np.stack([minimal_vector(x, y) for y in ys for x in xs])
    best = np.abs(vectors).sum(-1).argmin(0)
    picked: IntArray = np.take_along_axis(vectors, best[None, ..., None], axis=0)[0]
    return picked


def distance(dx: npt.ArrayLike, dy: npt.ArrayLike, size: tuple[int, int], wrap: tuple[bool, bool]) -> IntArray:
    """Return the number of hops between chips; parameters as in :func:`shortest_vector`.

    Returns
    -------
    ndarray of int32, shape (...)

    Examples
    --------
    >>> int(distance(11, 11, (12, 12), (True, True)))
    1
    """
    images = [(x, y) for y in _images(dy, size[1], wrap[1]) for x in _images(dx, size[0], wrap[0])]
    lengths = [np.maximum(np.maximum(x, y), 0) - np.minimum(np.minimum(x, y), 0) for x, y in images]
    shortest: IntArray = np.minimum.reduce(lengths)
    return shortest


def over_link(x: npt.ArrayLike, y: npt.ArrayLike, size: tuple[int, int], wrap: tuple[bool, bool]) -> tuple[IntArray, IntArray]:
    """Return the coordinates that the six links of chips lead to.

    Parameters
    ----------
    x, y : array_like of int, shape (n,)
    size, wrap
        As in :func:`shortest_vector`.

    Returns
    -------
    x, y : ndarray of int32, shape (n, 6)
        Both -1 where a link leads off the machine.
    """
    to_x = np.asarray(x, np.int32)[:, None] + LINK_DX
    to_y = np.asarray(y, np.int32)[:, None] + LINK_DY
    if wrap[0]:
        to_x %= size[0]
    if wrap[1]:
        to_y %= size[1]
    outside = (to_x < 0) | (to_x >= size[0]) | (to_y < 0) | (to_y >= size[1])
    to_x[outside] = -1
    to_y[outside] = -1
    return to_x, to_y


def row_lookup(x: IntArray, y: IntArray, size: tuple[int, int]) -> IntArray:
    """Return the row of the chip at each coordinate.

    Returns
    -------
    ndarray of int32, shape (width, height)
        -1 where there is no chip.
    """
    rows = np.full(size, -1, np.int32)
    rows[x, y] = np.arange(len(x), dtype=np.int32)
    return rows


def _images(d: npt.ArrayLike, size: int, wrap: bool) -> list[npt.NDArray[Any]]:
    """Return the steps along one axis that lead to the same chip, the non-negative one first."""
    step = np.asarray(d, np.int32)
    if not wrap:
        return [step]
    forward = step % size
    return [forward, forward - size]
