"""Walking packets through the routing tables of a whole machine, all probes together.

Problem: follow every key from its core to all cores it reaches, as the routers do. Method: breadth first; in each step all
packets at the same chip are matched against its table at once. A packet that comes back to a chip it has visited goes round for ever
if that chip is on its own way there (a loop), and is delivered twice otherwise; it is reported and not followed.
Cost: O(probes x chips visited x entries), in whole-array operations.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spinn_mam.deployment import Deployment
from spinn_mam.errors import Violation
from spinn_mam.partitioning.structures import BoolArray, IntArray

#: Cells of the largest scratch array (probes x chips or slices).
_CELLS = 16_000_000


def check_routes(deployment: Deployment, expected: tuple[BoolArray, IntArray, IntArray], labels: list[str], *, every_key: bool) -> list[Violation]:
    """Walk all keys and compare where they arrive with where they should.

    Parameters
    ----------
    deployment : Deployment
    expected : tuple
        From :func:`spinn_mam.partitioning.check.expected_pairs`.
    labels : list of str
        Name of each slice.
    every_key : bool
        Probe every key in use, not one for each slice.

    Returns
    -------
    list of Violation
    """
    reaches, group, private = expected
    sends = np.any(reaches, axis=1, keepdims=True)[group, 0] | np.any(private >= 0, axis=1)
    probe_slice, probe_key = probes(deployment, sends, every_key=every_key)
    found: list[Violation] = []
    step = max(_CELLS // max(deployment.machine.n_chips, deployment.slices.n_slices), 1)
    for begin in range(0, len(probe_slice), step):
        part = slice(begin, begin + step)
        walk = _Walk(deployment, probe_slice[part], probe_key[part], labels)
        walk.run()
        found += walk.found
        found += _compare(deployment, expected, labels, walk)
    # One slice may be walked with many keys: say each thing once.
    return list(dict.fromkeys(found))


def probes(deployment: Deployment, sends: BoolArray, *, every_key: bool = False) -> tuple[IntArray, IntArray]:
    """Return (slice, key) of all packets to walk.

    None for slices whose spikes nobody receives: the tools give such a core no key, and it sends nothing. One for each other slice, or one
    for each identity if asked; one for each key, colours too, where a table entry looks below the core index.
    """
    keys, slices, tables = deployment.keys, deployment.slices, deployment.tables
    key, mask = keys.slice_key.astype(np.int64), keys.slice_mask.astype(np.int64)
    low = ~mask & 0xFFFFFFFF
    split = np.zeros(slices.n_slices, dtype=bool)
    fine = (tables.mask & np.uint32(int(low.max(initial=0)))) != 0
    for entry_key, entry_mask in {(int(k), int(m)) for k, m in zip(tables.key[fine], tables.mask[fine], strict=True)}:
        split |= ((entry_mask & low) != 0) & (((key ^ entry_key) & entry_mask & mask) == 0)
    stages = deployment.partition.vertices.ids_per_core[slices.vertex] // np.maximum(deployment.neurons_per_core[slices.population], 1)
    n_ids = (slices.hi - slices.lo) * np.maximum(stages, 1)
    colours = keys.colour_bits
    n_keys = np.where(split, n_ids << colours, n_ids if every_key else np.minimum(n_ids, 1)) * sends
    owner = np.repeat(np.arange(slices.n_slices), n_keys)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(n_keys) - n_keys, n_keys)
    return owner, key[owner] + np.where(split[owner], within, within << colours)


class _Walk:
    """One batch of packets on their way."""

    def __init__(self, deployment: Deployment, probe_slice: IntArray, probe_key: IntArray, labels: list[str]) -> None:
        self.deployment, self.slice, self.key, self.labels = deployment, probe_slice, probe_key, labels
        self.machine = deployment.machine
        # Chip each probe came from, at each chip: -2 not visited, -1 the source.
        self.came_from = np.full((len(probe_slice), self.machine.n_chips), -2, dtype=np.int32)
        self.delivered: list[tuple[IntArray, IntArray, IntArray]] = []
        self.found: list[Violation] = []

    def run(self) -> None:
        probe = np.arange(len(self.slice))
        chip = self.deployment.placement.chip[self.slice]
        port = np.full(len(probe), -1, dtype=np.int64)
        self.came_from[probe, chip] = -1
        while len(probe):
            route = self._look_up(probe, chip, port)
            for core in range(26):
                here = (route >> (6 + core)) & 1 == 1
                if here.any():
                    self.delivered.append((probe[here], chip[here], np.full(int(here.sum()), core, dtype=np.int64)))
            probe, chip, port = self._move(probe, chip, route)

    def _look_up(self, probe: IntArray, chip: IntArray, port: IntArray) -> IntArray:
        """Return the route of each packet where it is."""
        route = np.zeros(len(probe), dtype=np.int64)
        for here, rows in _by_value(chip):
            table = self.deployment.tables.of(here)
            straight = np.where(port[rows] >= 0, np.left_shift(1, (port[rows] + 3) % 6), 0)
            if len(table):
                packet = self.key[probe[rows]].astype(np.uint32)
                matches = (packet[:, None] & table.mask[None, :]) == table.key[None, :]
                first = matches.argmax(axis=1)
                matched = matches[np.arange(len(rows)), first]
                route[rows] = np.where(matched, table.route[first], straight)
            else:
                matched = np.zeros(len(rows), dtype=bool)
                route[rows] = straight
            for lost in np.unique(self.slice[probe[rows[~matched & (port[rows] < 0)]]]).tolist():
                message = f"no entry matches the packets of {self.labels[lost]}, a core of this chip: they are dropped"
                self.found.append(Violation("no_entry", self._chip(here), message, 1e3))
        return route

    def _move(self, probe: IntArray, chip: IntArray, route: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Send packets over the links of their routes; report dead links and second visits."""
        probes, chips, ports, origins = [], [], [], []
        for link in range(6):
            out = np.flatnonzero((route >> link) & 1)
            reached = self.machine.neighbour[chip[out], link].astype(np.int64)
            for here, rows in _by_value(chip[out[reached < 0]]):
                who = np.unique(self.slice[probe[out[reached < 0][rows]]])
                message = f"packets of {self.labels[int(who[0])]}{_more(len(who) - 1)} are sent over link {link}, which does not work"
                self.found.append(Violation("dead_link", self._chip(here), message, 1e3))
            alive = reached >= 0
            probes.append(probe[out[alive]])
            chips.append(reached[alive])
            ports.append(np.full(int(alive.sum()), (link + 3) % 6, dtype=np.int64))
            origins.append(chip[out[alive]])
        probe, chip, port, origin = (np.concatenate(parts) for parts in (probes, chips, ports, origins))
        place = probe * self.machine.n_chips + chip
        _, first = np.unique(place, return_index=True)
        new = np.zeros(len(place), dtype=bool)
        new[first] = True
        new &= self.came_from[probe, chip] == -2
        self.came_from[probe[new], chip[new]] = origin[new]
        said: set[tuple[str, int, int]] = set()
        for i in np.flatnonzero(~new).tolist():
            rule = "loop" if self._on_the_way(int(probe[i]), int(origin[i]), int(chip[i])) else "double_visit"
            case = (rule, int(self.slice[probe[i]]), int(chip[i]))
            if case not in said:
                said.add(case)
                what = "come round to this chip again and again" if rule == "loop" else "reach this chip on two ways"
                message = f"packets of {self.labels[case[1]]} {what}, last from {self._chip(int(origin[i]))}"
                self.found.append(Violation(rule, self._chip(case[2]), message, 1e5 if rule == "loop" else 1e4))
        return probe[new], chip[new], port[new]

    def _on_the_way(self, probe: int, at: int, wanted: int) -> bool:
        """Whether a packet at chip ``at`` has passed chip ``wanted``."""
        while at >= 0:
            if at == wanted:
                return True
            at = int(self.came_from[probe, at])
        return False

    def _chip(self, row: int) -> str:
        return f"chip ({self.machine.x[row]}, {self.machine.y[row]})"


def _compare(deployment: Deployment, expected: tuple[BoolArray, IntArray, IntArray], labels: list[str], walk: _Walk) -> list[Violation]:
    """Find missing, wrong and double deliveries of a batch."""
    reaches, group, private = expected
    machine, placement, n_slices = deployment.machine, deployment.placement, deployment.slices.n_slices
    runs = np.full((machine.n_chips, 26), -1, dtype=np.int64)
    runs[placement.chip, placement.core] = np.arange(n_slices)
    found: list[Violation] = []
    count = np.zeros((len(walk.slice), n_slices), dtype=np.int16)
    for probe, chip, core in walk.delivered:
        target = runs[chip, core]
        for i in np.flatnonzero(target < 0).tolist():
            sender = labels[int(walk.slice[probe[i]])]
            message = f"packets of {sender} are delivered to core {core[i]}, which runs nothing"
            found.append(Violation("wrong_delivery", walk._chip(int(chip[i])), message, 1e3))
        # Within one step a probe is at a chip once, so that no pair repeats.
        count[probe[target >= 0], target[target >= 0]] += 1
    wanted = reaches[group[walk.slice]]
    for column in range(private.shape[1]):
        own = private[walk.slice, column]
        wanted[np.flatnonzero(own >= 0), own[own >= 0]] = True
    for rule, wrong, what in (
        ("missing_delivery", wanted & (count == 0), "do not reach"),
        ("wrong_delivery", ~wanted & (count > 0), "reach, without a synapse there,"),
        ("double_delivery", count > 1, "reach twice"),
    ):
        for probe_row in np.flatnonzero(wrong.any(axis=1)).tolist():
            who = np.flatnonzero(wrong[probe_row])
            first = int(who[0])
            where = f"{walk._chip(int(placement.chip[first]))} core {placement.core[first]}"
            message = f"its packets {what} {labels[first]} on {where}{_more(len(who) - 1)}"
            found.append(Violation(rule, labels[int(walk.slice[probe_row])], message, 1e2 + len(who)))
    return found


def _by_value(values: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each distinct value with the rows that hold it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    if not len(order):
        return
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])).tolist()
    for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
        yield int(ordered[begin]), order[begin:end]


def _more(n: int) -> str:
    return f" and {n} more" if n > 0 else ""
