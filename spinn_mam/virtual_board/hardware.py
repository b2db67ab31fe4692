"""All chips of a virtual machine: what works, how it is linked, which address each board has, and point-to-point routes.

Problem: the host reads from the point-to-point tables which chips there are, and loads binaries from chip to chip along them.
Method: shortest paths over working links, by breadth-first search from every chip on the reversed links; of equally short ways the one
over the lowest link that the search meets first.
Cost: O(chips ** 2).
Reference: the P2P table of the router, Furber et al. 2013, doi:10.1109/TC.2012.142.
"""

from __future__ import annotations

import ipaddress

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from spinn_mam.errors import UsageError
from spinn_mam.machine.description import MachineDescription
from spinn_mam.virtual_board.chip import Chip, RouterRegisters


class Hardware:
    """The chips of a machine, cold: nothing is booted.

    Parameters
    ----------
    machine : MachineDescription
        What works; chips, cores and links that are not in it are dead.
    host : str
        Address of the board with chip (0, 0); the other boards follow, one address each, in the order of their Ethernet chips.

    Attributes
    ----------
    chips : list of Chip
        In the order of the description.
    ethernet_chips : list of Chip
        One a board; the first is chip (0, 0).

    Raises
    ------
    UsageError
        If chip (0, 0) is missing, a part of the machine cannot be reached from it, it is wider or higher than 256 chips, or ``host`` is not an
        IPv4 address with enough addresses after it.

    Examples
    --------
    >>> from spinn_mam.machine.board_config import load_board_config
    >>> hardware = Hardware(load_board_config("spin5-3"))
    >>> [chip.ip_address for chip in hardware.ethernet_chips]
    ['127.0.0.2', '127.0.0.3', '127.0.0.4']
    """

    def __init__(self, machine: MachineDescription, host: str = "127.0.0.2") -> None:
        self.machine = machine
        self._check(machine)
        self.chips: list[Chip] = []
        for row in range(machine.n_chips):
            mask = int(machine.core_ids[row])
            n_cores = max(mask.bit_length(), 1)
            # The lowest cores are missing from the mask because the tools' monitors take them; holes above are dead cores.
            lowest = (mask & -mask).bit_length() - 1 if mask else n_cores
            dead = frozenset(core for core in range(lowest, n_cores) if not mask >> core & 1)
            self.chips.append(Chip(row, int(machine.x[row]), int(machine.y[row]), n_cores, dead))
        for chip in self.chips:
            chip.neighbours = [self.chips[row] if row >= 0 else None for row in machine.neighbour[chip.index]]
            chip.ethernet = self.chips[machine.ethernet[chip.index]]
        self._rows = machine.rows()
        self.ethernet_chips = [self.chips[row] for row in machine.ethernet_rows]
        self.set_addresses(host)
        self._next_link = self._links_toward()

    @property
    def width(self) -> int:
        """Chips in x."""
        return self.machine.width

    @property
    def height(self) -> int:
        """Chips in y."""
        return self.machine.height

    @property
    def root(self) -> Chip:
        """The chip that the host boots."""
        return self.chips[0]

    def set_addresses(self, host: str) -> None:
        """Give the boards addresses from ``host`` on; to be called before booting.

        Raises
        ------
        UsageError
            If ``host`` is not an IPv4 address with enough addresses after it.
        """
        self.host = host
        for chip, address in zip(self.ethernet_chips, self._addresses(host, self.machine.n_boards), strict=True):
            chip.ip_address = address

    def chip(self, x: int, y: int) -> Chip | None:
        """Return the working chip at these coordinates, or None."""
        if 0 <= x < self.width and 0 <= y < self.height and self._rows[x, y] >= 0:
            row: int = self._rows[x, y]
            return self.chips[row]
        return None

    def link_toward(self, source: Chip, target: Chip) -> int:
        """Return the link that point-to-point packets take: 0-5, or the router's code 7 for the chip itself."""
        return int(self._next_link[target.index, source.index])

    def clear(self) -> None:
        """Set all memories and registers to what cold chips hold."""
        for chip in self.chips:
            chip.memory.clear()
            chip.router.clear()
            chip.controller[:] = 0

    def write_p2p_tables(self) -> None:
        """Fill every router's point-to-point table."""
        x, y = self.machine.x.astype(np.int64), self.machine.y.astype(np.int64)
        for chip in self.chips:
            codes = np.full(65536, RouterRegisters.P2P_NONE, np.uint32)
            codes[x << 8 | y] = self._next_link[:, chip.index]
            chip.router.p2p[:] = (codes.reshape(-1, 8) << np.arange(0, 24, 3, dtype=np.uint32)).sum(1, dtype=np.uint32)

    def _links_toward(self) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        """Return the code of the point-to-point table, shape (targets, sources)."""
        machine = self.machine
        n = machine.n_chips
        source, link = np.nonzero(machine.neighbour >= 0)
        target = machine.neighbour[source, link]
        reverse = csr_array((np.ones(len(source), np.int8), (target, source)), shape=(n, n))
        codes = np.full((n, n), RouterRegisters.P2P_NONE, np.uint8)
        for to in range(n):
            reached, previous = breadth_first_order(reverse, to, directed=True)
            rows = reached[1:]
            leads = machine.neighbour[rows] == previous[rows][:, None]
            codes[to, rows] = leads.argmax(1)
            codes[to, to] = RouterRegisters.P2P_SELF
        return codes

    @staticmethod
    def _check(machine: MachineDescription) -> None:
        if machine.width > 256 or machine.height > 256:
            raise UsageError(
                f"machine {machine.name}: {machine.width} x {machine.height} chips, and point-to-point addresses reach 256 x 256. Use a smaller one."
            )
        if not len(machine.x) or (machine.x[0], machine.y[0]) != (0, 0) or machine.ethernet[0] != 0:
            raise UsageError(f"machine {machine.name}: chip (0, 0) does not work, and a machine is booted from there. Use one where it works.")
        source, link = np.nonzero(machine.neighbour >= 0)
        edges = (np.ones(len(source), np.int8), (source, machine.neighbour[source, link]))
        n_parts, _ = connected_components(csr_array(edges, shape=(machine.n_chips, machine.n_chips)), directed=True, connection="strong")
        if n_parts > 1:
            raise UsageError(
                f"machine {machine.name}: dead chips and links cut it into {n_parts} parts, and a host reaches only that of chip (0, 0). "
                "Name the other parts' chips dead too."
            )

    @staticmethod
    def _addresses(host: str, n_boards: int) -> list[str]:
        try:
            first = ipaddress.IPv4Address(host)
            return [str(first + board) for board in range(n_boards)]
        except ValueError as error:
            raise UsageError(
                f"host {host!r}: {n_boards} board(s) need as many IPv4 addresses from there on ({error}). Use one such as 127.0.0.2."
            ) from None
