"""MachineDescription: a SpiNNaker machine as arrays, one row a working chip."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from spinn_mam.machine.geometry import distance, row_lookup, shortest_vector


@dataclass(frozen=True, slots=True)
class MachineDescription:
    """A machine: working chips, cores, memory and links; what is dead is not in it.

    Attributes
    ----------
    name : str
        Such as ``"spin5-6"``.
    width, height : int
        Size of the chip coordinate space.
    wrap_x, wrap_y : bool
        Whether links lead around its edges.
    n_boards : int
    x, y : ndarray of int32, shape (n_chips,)
        Coordinates of each working chip, sorted by (x, y).
    core_ids : ndarray of int32, shape (n_chips,)
        Bit mask of the virtual core numbers that applications may use (the monitors' are taken out).
    n_cores : ndarray of int32, shape (n_chips,)
        Number of application cores: the bits of ``core_ids``.
    sdram_bytes : ndarray of int64, shape (n_chips,)
        SDRAM that applications may use.
    neighbour : ndarray of int32, shape (n_chips, 6)
        Row of the chip that link 0-5 (E, NE, N, W, SW, S) leads to; -1 where there is no working link.
    ethernet : ndarray of int32, shape (n_chips,)
        Row of the Ethernet chip of each chip's board.
    router_entries : int
        Entries of each chip's multicast table.
    dtcm_bytes, itcm_bytes : int
        Memory of each core.
    clock_hz : float
        Core clock.
    """

    name: str
    width: int
    height: int
    wrap_x: bool
    wrap_y: bool
    n_boards: int
    x: npt.NDArray[np.int32]
    y: npt.NDArray[np.int32]
    core_ids: npt.NDArray[np.int32]
    n_cores: npt.NDArray[np.int32]
    sdram_bytes: npt.NDArray[np.int64]
    neighbour: npt.NDArray[np.int32]
    ethernet: npt.NDArray[np.int32]
    router_entries: int
    dtcm_bytes: int
    itcm_bytes: int
    clock_hz: float

    @property
    def n_chips(self) -> int:
        """Number of working chips."""
        return len(self.x)

    @property
    def ethernet_rows(self) -> npt.NDArray[np.int32]:
        """Rows of the Ethernet chips, one a board, ascending; shape (n_boards,)."""
        return np.unique(self.ethernet)

    def rows(self) -> npt.NDArray[np.int32]:
        """Return the row of the chip at each coordinate, -1 where there is none; shape (width, height)."""
        return row_lookup(self.x, self.y, (self.width, self.height))

    def distance(self, source: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Return the hops between chips given by row, as if nothing were dead; arrays broadcast."""
        dx, dy = self._steps(source, target)
        return distance(dx, dy, (self.width, self.height), (self.wrap_x, self.wrap_y))

    def vector(self, source: npt.ArrayLike, target: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Return the shortest (x, y, z) between chips given by row: hops along E, N and SW; shape (..., 3)."""
        dx, dy = self._steps(source, target)
        return shortest_vector(dx, dy, (self.width, self.height), (self.wrap_x, self.wrap_y))

    def digest(self) -> str:
        """Hexadecimal digest of all values but the name."""
        state = hashlib.blake2b(digest_size=16)
        for entry in fields(self):
            if entry.name == "name":
                continue
            value = getattr(self, entry.name)
            array = np.asarray(value)
            state.update(f"{entry.name} {array.dtype.str} {array.shape};".encode())
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()

    def _steps(self, source: npt.ArrayLike, target: npt.ArrayLike) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        a, b = np.asarray(source), np.asarray(target)
        return self.x[b] - self.x[a], self.y[b] - self.y[a]
