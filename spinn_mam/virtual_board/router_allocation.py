"""Allocation of the entries of a chip's multicast table, and the copy of the table that SC&MP keeps.

Problem: the host and the on-chip compressors allocate, load and free entries of one table in turn.
Method: a copy of the table in SDRAM of 1,025 entries of 16 bytes: next (u16), free (u16), route, key, mask. The first entry of a run of
entries holds the index of the next run in ``next``; in ``free``, that of the next free run, or ``0x8000 | app`` for a run in use. Entry 0 is
never handed out, so 0 means failure. Routes in the copy name virtual cores, routes in the router physical ones.
Cost: O(runs) for each operation.
Reference: SC&MP 4.0.0 as the binaries of sPyNNaker 7.4.1 expect it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spinn_mam.virtual_board.chip import Chip, RouterRegisters
from spinn_mam.virtual_board.heap import HeapDamagedError
from spinn_mam.virtual_board.memory_map import SDRAM_BASE, SDRAM_BYTES
from spinn_mam.virtual_board.state import C_ROUTER_CHANGED

#: First entry that may be allocated, and one past the last.
FIRST, LAST = 1, RouterRegisters.TABLE_SIZE
ENTRY_BYTES = 16
COPY_BYTES = (LAST + 1) * ENTRY_BYTES
#: Route of an entry that is not in use.
NO_ROUTE = 0xFF000000
_IN_USE = 0x8000
#: Of ``free``, what tells the owner: bits 8-12 are the core that set the entry.
_OWNER_MASK = 0xE0FF
_N_LINKS = 6

_ENTRY = np.dtype([("next", "<u2"), ("free", "<u2"), ("route", "<u4"), ("key", "<u4"), ("mask", "<u4")])


class RouterTable:
    """The multicast table of a chip with its copy in SDRAM.

    Parameters
    ----------
    chip : Chip
    copy : int
        Address of the copy.
    first_free : ndarray of uint16, shape (1,)
        The system variable that holds the first free run.
    """

    def __init__(self, chip: Chip, copy: int, first_free: npt.NDArray[np.uint16]) -> None:
        offset = copy - SDRAM_BASE
        if copy % 4 or not 0 <= offset <= SDRAM_BYTES - COPY_BYTES:
            raise HeapDamagedError(f"{chip}: the copy of the router's table is said to be at 0x{copy:08x}")
        self._chip = chip
        self._entries = chip.memory.sdram[offset : offset + COPY_BYTES].view(_ENTRY)
        self._first_free = first_free

    def initialise(self, start: int) -> None:
        """Empty the table from entry ``start`` on and make all of it free."""
        self.clear(start, RouterRegisters.TABLE_SIZE - start)
        self._first_free[0] = FIRST
        self._entries["next"][FIRST], self._entries["free"][FIRST] = LAST, 0
        self._entries["next"][LAST], self._entries["free"][LAST] = 0, 0
        self._entries["route"][LAST] = NO_ROUTE

    def clear(self, start: int, count: int) -> bool:
        """Empty entries; False if there are not that many."""
        if not 0 <= start <= start + count <= RouterRegisters.TABLE_SIZE:
            return False
        span = slice(start, start + count)
        router = self._chip.router
        for name, value, array in (("route", NO_ROUTE, router.route), ("key", 0xFFFFFFFF, router.key), ("mask", 0, router.mask)):
            self._entries[name][span] = value
            array[span] = value
        self._changed()
        return True

    def allocate(self, size: int, app_id: int) -> int:
        """Allocate a run of entries and return its first; 0 if there is no such run."""
        if size <= 0:
            return 0
        previous = 0
        for run, following in self._free_runs():
            rest = run + size
            if rest > following:
                previous = run
                continue
            next_free = int(self._entries["free"][run])
            if rest < following:
                self._entries["next"][rest], self._entries["free"][rest] = following, next_free
                self._entries["next"][run] = rest
                next_free = rest
            self._link(previous, next_free)
            self._entries["free"][run] = _IN_USE | app_id
            return run
        return 0

    def free(self, run: int, *, clear: bool) -> bool:
        """Free a run by its first entry, and empty its entries if asked; False if it is not a run in use."""
        if run not in {first for first, _ in self._runs()} or not self._entries["free"][run] & _IN_USE:
            return False
        following = int(self._entries["next"][run])
        if clear:
            self.clear(run, following - run)
        previous = after = 0
        for first, _ in self._free_runs():
            if first > run:
                after = first
                break
            previous = first
        next_free = after
        if after and following == after:
            following, next_free = int(self._entries["next"][after]), int(self._entries["free"][after])
        self._entries["next"][run], self._entries["free"][run] = following, next_free
        if previous and self._entries["next"][previous] == run:
            self._entries["next"][previous], self._entries["free"][previous] = following, next_free
        else:
            self._link(previous, run)
        return True

    def free_app(self, app_id: int, *, clear: bool) -> int:
        """Free all runs of an application and return how many there were."""
        owner = _IN_USE | app_id
        mine = [run for run, _ in self._runs() if int(self._entries["free"][run]) & _OWNER_MASK == owner]
        for run in mine:
            self.free(run, clear=clear)
        return len(mine)

    def largest_free(self) -> int:
        """Return the length of the longest free run."""
        return max((following - run for run, following in self._free_runs()), default=0)

    def load(self, table: npt.NDArray[np.uint8], count: int, offset: int, app_id: int) -> bool:
        """Load entries from memory.

        Parameters
        ----------
        table : ndarray of uint8
            Memory from the table's address on.
        count : int
            Number of entries; 0 takes it from ``free`` of the first.
        offset : int
            Added to ``next`` of each entry to get its place.
        app_id : int
            Owner; 0 takes it from the top byte of each route.

        Returns
        -------
        bool
            False if an entry would lie outside the table, or the memory ends before; entries before that one are loaded.
        """
        if len(table) < ENTRY_BYTES:
            return False
        if count == 0:
            count = int(table[:ENTRY_BYTES].view(_ENTRY)["free"][0])
        if count > RouterRegisters.TABLE_SIZE or count * ENTRY_BYTES > len(table):
            return False
        for entry in table[: count * ENTRY_BYTES].view(_ENTRY):
            place = int(entry["next"]) + offset
            if not 0 <= place < RouterRegisters.TABLE_SIZE:
                return False
            route = int(entry["route"])
            self._set(place, int(entry["key"]), int(entry["mask"]), route & 0x00FFFFFF, app_id or route >> 24)
        self._changed()
        return True

    def _set(self, place: int, key: int, mask: int, route: int, app_id: int) -> None:
        for name, value in (("route", route), ("key", key), ("mask", mask), ("free", _IN_USE | app_id)):
            self._entries[name][place] = value
        router = self._chip.router
        router.route[place], router.key[place], router.mask[place] = physical_route(self._chip, route), key, mask

    def _link(self, previous: int, run: int) -> None:
        if previous:
            self._entries["free"][previous] = run
        else:
            self._first_free[0] = run

    def _runs(self) -> Iterator[tuple[int, int]]:
        run = FIRST
        while run != LAST:
            following = int(self._entries["next"][run])
            if not run < following <= LAST:
                raise HeapDamagedError(f"{self._chip}: router entry {run} is followed by {following}")
            yield run, following
            run = following

    def _free_runs(self) -> Iterator[tuple[int, int]]:
        run = int(self._first_free[0])
        while run and run != LAST:
            if run > LAST:
                raise HeapDamagedError(f"{self._chip}: router entry {run} is said to be free")
            following, next_free = int(self._entries["next"][run]), int(self._entries["free"][run])
            if not run < following <= LAST or (next_free and next_free <= run):
                raise HeapDamagedError(f"{self._chip}: free router entry {run}: next {following}, next free {next_free}")
            yield run, following
            run = next_free

    def _changed(self) -> None:
        self._chip.controller[C_ROUTER_CHANGED] = 1


def physical_route(chip: Chip, route: int) -> int:
    """Return a route with its virtual cores (bits 6-23) turned into physical ones; cores that are not there are left out."""
    cores = route >> _N_LINKS
    physical = sum(1 << int(p) for core, p in enumerate(chip.virtual_to_physical) if cores >> core & 1 and p != 255)
    return route & (1 << _N_LINKS) - 1 | physical << _N_LINKS
