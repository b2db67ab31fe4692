"""Board configurations: from a name or a path to a MachineDescription, and the table of the installed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spinn_mam.errors import DocumentError
from spinn_mam.machine.assembly import ChipConstants, assemble, core_mask, take_lowest_cores
from spinn_mam.machine.description import MachineDescription
from spinn_mam.machine.documents import BoardConfigDocument, BoardDocument, Constants, board_config_names, read_board, read_board_config
from spinn_mam.machine.geometry import LINK_NAMES, TRIAD_OVERHANG, TRIAD_SIZE, board_outline_48, over_link, triad_board_origins

__all__ = ["board_config_names", "build_machine", "describe", "load_board_config", "machine_rows", "read_board_config"]


def load_board_config(name_or_path: str | Path) -> MachineDescription:
    """Load a machine by name or from a user's TOML document.

    Parameters
    ----------
    name_or_path : str or Path
        One of :func:`board_config_names`, or a path; a text with a path separator or the ending ``.toml`` is a path.

    Returns
    -------
    MachineDescription

    Raises
    ------
    DocumentError
        If there is no such machine, the document does not follow its schema, or it names chips, cores or links that the machine does not have.

    Examples
    --------
    >>> load_board_config("spin5").n_cores.sum()
    np.int64(759)
    """
    document = read_board_config(name_or_path)
    return build_machine(document, str(name_or_path))


def describe(document: BoardConfigDocument, machine: MachineDescription) -> dict[str, Any]:
    """Return a machine's row in the table of machines.

    Returns
    -------
    dict
        ``name``, ``title``; ``boards``, ``chips``, ``cores`` (all that work), ``application_cores``; ``sdram_bytes`` (user SDRAM of all
        chips); ``width``, ``height`` in chips, ``wrap`` (``"none"``, ``"x"``, ``"y"`` or ``"x, y"``); ``dead_boards``, ``dead_chips``,
        ``dead_cores``, ``dead_links`` as numbers named in the document; ``digest``.
    """
    taken = machine.n_chips * document.monitors_per_chip + machine.n_boards * document.monitors_per_ethernet_chip
    application_cores = int(machine.n_cores.sum())
    return {
        "name": machine.name,
        "title": document.title,
        "boards": machine.n_boards,
        "chips": machine.n_chips,
        "cores": application_cores + taken + machine.n_chips,
        "application_cores": application_cores,
        "sdram_bytes": int(machine.sdram_bytes.sum()),
        "width": machine.width,
        "height": machine.height,
        "wrap": ", ".join(axis for axis, wraps in (("x", machine.wrap_x), ("y", machine.wrap_y)) if wraps) or "none",
        "dead_boards": len(set(document.dead_boards)),
        "dead_chips": len(set(document.dead_chips)),
        "dead_cores": len(set(document.dead_cores)),
        "dead_links": len(set(document.dead_links)),
        "digest": machine.digest(),
    }


def machine_rows() -> list[dict[str, Any]]:
    """Return a row of :func:`describe` for each installed machine, smallest first."""
    documents = [read_board_config(name) for name in board_config_names()]
    return [describe(document, build_machine(document)) for document in documents]


def build_machine(document: BoardConfigDocument, where: str | None = None) -> MachineDescription:
    """Build the machine that a document describes.

    Parameters
    ----------
    document : BoardConfigDocument
    where : str, optional
        How errors call the document; its name if not given.

    Raises
    ------
    DocumentError
        As :func:`load_board_config`.
    """
    where = where or document.name
    board = read_board(document.board, where)
    outline, origins, size = _shape(document, board, where)
    wrap = (document.wrap.x, document.wrap.y)

    xy = (origins[:, None, :] + outline).reshape(-1, 2) % size
    ethernet_xy = np.repeat(origins, len(outline), axis=0)
    fewer = {(x, y): n for x, y, n in board.chips_with_fewer_cores}
    cores_on_board = np.array([fewer.get((int(x), int(y)), board.cores_per_chip) for x, y in outline])
    n_cores = np.tile(cores_on_board, len(origins))

    chips = np.full(size, -1, np.int32)
    chips[xy[:, 0], xy[:, 1]] = np.arange(len(xy))
    dead = _dead_chips(document, where, chips, origins, ethernet_xy)
    masks = _without_dead_cores(document, where, chips, n_cores)
    _check_links(document, where, chips, size, wrap)

    alive = ~dead
    monitors = np.where((xy == ethernet_xy).all(1), document.monitors_per_ethernet_chip, 0) + document.monitors_per_chip
    constants = {key: (getattr(document.constants, key) or getattr(board.constants, key)).value for key in Constants.model_fields}
    machine = assemble(
        name=document.name,
        size=size,
        wrap=wrap,
        xy=xy[alive],
        ethernet_xy=ethernet_xy[alive],
        core_ids=take_lowest_cores(masks, monitors)[alive],
        sdram_bytes=np.full(int(alive.sum()), constants.pop("sdram_bytes"), np.int64),
        dead_links=np.array(document.dead_links, np.int32).reshape(-1, 3),
        constants=ChipConstants(**constants),
    )
    _check_connected(machine, where)
    return machine


def _shape(document: BoardConfigDocument, board: BoardDocument, where: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], tuple[int, int]]:
    """Return the chips of a board, the boards' Ethernet chips, and the size of the machine."""
    one_board = np.zeros((1, 2), np.int32)
    if board.outline == "square-4":
        if document.triads is not None:
            raise DocumentError(where, "triads", f"boards of kind {board.name!r} cannot be joined to larger machines; leave the key out")
        return np.array([(0, 0), (0, 1), (1, 0), (1, 1)], np.int32), one_board, (2, 2)
    outline = board_outline_48()
    if document.triads is None:
        if document.wrap.x or document.wrap.y:
            raise DocumentError(where, "wrap", "a single board of 48 chips has open edges; set x and y to false, or give 'triads'")
        return outline, one_board, (8, 8)
    triads_x, triads_y = document.triads
    if triads_x * TRIAD_SIZE > 256 or triads_y * TRIAD_SIZE > 256:
        problem = f"{triads_x} x {triads_y} triads, but SpiNNaker's chip coordinates have 8 bits: at most 21 on an axis"
        raise DocumentError(where, "triads", problem)
    width = triads_x * TRIAD_SIZE + (0 if document.wrap.x else TRIAD_OVERHANG)
    height = triads_y * TRIAD_SIZE + (0 if document.wrap.y else TRIAD_OVERHANG)
    return outline, triad_board_origins(triads_x, triads_y), (width, height)


def _row(chips: npt.NDArray[np.int32], x: int, y: int, where: str, key: str, what: str = "chip") -> int:
    width, height = chips.shape
    if x >= width or y >= height or chips[x, y] < 0:
        raise DocumentError(where, key, f"{what} ({x}, {y}) is not on the machine of {width} x {height} chips")
    return int(chips[x, y])


def _dead_chips(
    document: BoardConfigDocument, where: str, chips: npt.NDArray[np.int32], origins: npt.NDArray[np.int32], ethernet_xy: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    dead = np.zeros(len(ethernet_xy), bool)
    ethernet = {(int(x), int(y)) for x, y in origins}
    for i, (x, y) in enumerate(document.dead_boards):
        if (x, y) not in ethernet:
            near = min(ethernet, key=lambda e: abs(e[0] - x) + abs(e[1] - y))
            raise DocumentError(where, f"dead_boards[{i}]", f"no board has its Ethernet chip at ({x}, {y}); the nearest is at {near}")
        dead |= (ethernet_xy == (x, y)).all(1)
    for i, (x, y) in enumerate(document.dead_chips):
        row = _row(chips, x, y, where, f"dead_chips[{i}]")
        if (x, y) in ethernet and not dead[row]:
            raise DocumentError(where, f"dead_chips[{i}]", f"the board of Ethernet chip ({x}, {y}) is lost with it; use 'dead_boards'")
        dead[row] = True
    if dead[chips[0, 0]]:
        raise DocumentError(where, "dead_boards", "the board at (0, 0) boots the machine and cannot be dead")
    return dead


def _without_dead_cores(document: BoardConfigDocument, where: str, chips: npt.NDArray[np.int32], n_cores: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    masks = core_mask(n_cores)
    for i, (x, y, p) in enumerate(document.dead_cores):
        row = _row(chips, x, y, where, f"dead_cores[{i}]")
        if p >= n_cores[row]:
            raise DocumentError(where, f"dead_cores[{i}]", f"chip ({x}, {y}) has cores 0 to {n_cores[row] - 1}, and no core {p}")
        masks[row] &= ~np.int32(1 << p)
    return masks


def _check_links(document: BoardConfigDocument, where: str, chips: npt.NDArray[np.int32], size: tuple[int, int], wrap: tuple[bool, bool]) -> None:
    for i, (x, y, link) in enumerate(document.dead_links):
        _row(chips, x, y, where, f"dead_links[{i}]")
        to_x, to_y = over_link([x], [y], size, wrap)
        if to_x[0, link] < 0 or chips[to_x[0, link], to_y[0, link]] < 0:
            raise DocumentError(where, f"dead_links[{i}]", f"link {link} ({LINK_NAMES[link]}) of chip ({x}, {y}) leads to no chip; leave it out")


def _check_connected(machine: MachineDescription, where: str) -> None:
    """Demand that each chip reaches each other one: routing and loading need both ways."""
    source, link = np.nonzero(machine.neighbour >= 0)
    graph = coo_array((np.ones(len(source), np.int8), (source, machine.neighbour[source, link])), shape=(machine.n_chips, machine.n_chips))
    parts, label = connected_components(graph, directed=True, connection="strong")
    if parts > 1:
        lost = np.flatnonzero(label != label[0])
        first = f"({machine.x[lost[0]]}, {machine.y[lost[0]]})"
        problem = f"{len(lost)} chips, the first {first}, have no working way to or from chip (0, 0); add them to 'dead_chips'"
        raise DocumentError(where, "dead_links", problem)
