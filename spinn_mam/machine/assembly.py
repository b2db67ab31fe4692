"""From lists of chips and of what is dead to a MachineDescription."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spinn_mam.machine.description import MachineDescription
from spinn_mam.machine.geometry import over_link, row_lookup

IntArray = npt.NDArray[np.int32]


class ChipConstants(NamedTuple):
    """What all chips of a machine have in common.

    Attributes
    ----------
    router_entries : int
        Entries of the multicast table that applications may use.
    dtcm_bytes, itcm_bytes : int
        Data and instruction memory of a core.
    clock_hz : float
        Core clock.
    """

    router_entries: int
    dtcm_bytes: int
    itcm_bytes: int
    clock_hz: float


def core_mask(n_cores: npt.ArrayLike) -> IntArray:
    """Return the bit mask of cores 1 to n - 1: all but core 0, which runs SC&MP."""
    return ((np.int32(1) << np.asarray(n_cores, np.int32)) - 2).astype(np.int32)


def take_lowest_cores(core_ids: IntArray, count: npt.ArrayLike) -> IntArray:
    """Return the masks without their ``count`` lowest cores, which sPyNNaker gives to its monitors.

    Parameters
    ----------
    core_ids : ndarray of int32, shape (n_chips,)
    count : array_like of int, shape (n_chips,) or ()
        A chip with fewer cores keeps none.
    """
    left = np.broadcast_to(np.asarray(count, np.int32), core_ids.shape)
    masks = core_ids.copy()
    for taken in range(int(left.max(initial=0))):
        masks = np.where(left > taken, masks & (masks - 1), masks)  # clears the lowest bit
    return masks.astype(np.int32)


def assemble(
    *,
    name: str,
    size: tuple[int, int],
    wrap: tuple[bool, bool],
    xy: IntArray,
    ethernet_xy: IntArray,
    core_ids: IntArray,
    sdram_bytes: npt.NDArray[np.int64],
    dead_links: IntArray,
    constants: ChipConstants,
) -> MachineDescription:
    """Make a machine of its working chips.

    Parameters
    ----------
    name : str
    size : (int, int)
        Width and height in chips.
    wrap : (bool, bool)
        Whether links lead around in x and y.
    xy : ndarray of int32, shape (n_chips, 2)
        Working chips, in any order.
    ethernet_xy : ndarray of int32, shape (n_chips, 2)
        Ethernet chip of each chip's board; must be a working chip.
    core_ids : ndarray of int32, shape (n_chips,)
        Mask of application cores.
    sdram_bytes : ndarray of int64, shape (n_chips,)
    dead_links : ndarray of int32, shape (n, 3)
        Links that do not work, as x, y, link; those of absent chips need not be named.
    constants : ChipConstants

    Returns
    -------
    MachineDescription
    """
    order = np.lexsort((xy[:, 1], xy[:, 0]))
    x, y = np.ascontiguousarray(xy[order, 0], np.int32), np.ascontiguousarray(xy[order, 1], np.int32)
    rows = row_lookup(x, y, size)
    to_x, to_y = over_link(x, y, size, wrap)
    neighbour = np.where(to_x >= 0, rows[to_x, to_y], -1).astype(np.int32)
    if len(dead_links):
        chip = rows[dead_links[:, 0], dead_links[:, 1]]
        neighbour[chip[chip >= 0], dead_links[chip >= 0, 2]] = -1
    ethernet = rows[ethernet_xy[order, 0], ethernet_xy[order, 1]]
    masks = np.ascontiguousarray(core_ids[order], np.int32)
    return MachineDescription(
        name=name,
        width=size[0],
        height=size[1],
        wrap_x=wrap[0],
        wrap_y=wrap[1],
        n_boards=len(np.unique(ethernet)),
        x=x,
        y=y,
        core_ids=masks,
        n_cores=np.bitwise_count(masks).astype(np.int32),
        sdram_bytes=np.ascontiguousarray(sdram_bytes[order], np.int64),
        neighbour=neighbour,
        ethernet=ethernet,
        **constants._asdict(),
    )
