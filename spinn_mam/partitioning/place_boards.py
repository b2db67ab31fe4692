"""Placement, board by board: few boards, few chips, slices of a population close together.

Problem: give each slice a chip and a core; slices of a group share a chip; cores and SDRAM of a chip are limited.
In an all-to-all network every spike visits every used chip, so a spike crosses at least (used chips - 1) links and what counts is to
use few chips that touch each other; in a network of areas, slices that follow each other should also be near.
Method: chips in one order: next is always the board with the most links to the boards taken, and in it the chip with the most links to the
chips taken, so that any beginning of the order is one round region. Groups are taken in order and put on the first chip of an open window
that has room; a full chip leaves the window. Deterministic. Cost: O(chips x chips of a board + groups x window).
"""

from __future__ import annotations

import numpy as np

from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.machine.description import MachineDescription
from spinn_mam.partitioning.structures import IntArray, Placement, PlacementProblem

#: Chips with some room left that are looked at again for each group.
WINDOW = 32


def chip_order(machine: MachineDescription) -> IntArray:
    """Return all chips, board after board, neighbours mostly next to each other.

    Boards grow from the first: next is the board with the most links to those taken. Within a board the chips grow in the same way, so
    that any beginning of the order is connected as far as dead links allow.

    Returns
    -------
    ndarray, shape (n_chips,)
    """
    boards, board = np.unique(machine.ethernet, return_inverse=True)
    chip, link = np.nonzero(machine.neighbour >= 0)
    other = machine.neighbour[chip, link]
    touching = np.zeros((len(boards), len(boards)), dtype=np.int64)
    np.add.at(touching, (board[chip], board[other]), 1)
    taken: list[int] = []
    contact = np.zeros(len(boards), dtype=np.int64)
    left = np.ones(len(boards), dtype=bool)
    while len(taken) < len(boards):
        following = int(np.argmax(np.where(left, contact, -1)))
        left[following] = False
        taken.append(following)
        contact += touching[following]
    rank = np.empty(len(boards), dtype=np.int64)
    rank[taken] = np.arange(len(boards))
    return _grow(machine, rank[board])


def _grow(machine: MachineDescription, board_rank: IntArray) -> IntArray:
    """Order chips within each board by the number of links to chips already taken."""
    neighbour = machine.neighbour.tolist()
    by_board: list[list[int]] = [[] for _ in range(int(board_rank.max(initial=-1)) + 1)]
    for chip in np.lexsort((machine.y, machine.x)).tolist():
        by_board[int(board_rank[chip])].append(chip)
    contact = [0] * machine.n_chips
    order: list[int] = []
    for members in by_board:
        left = dict.fromkeys(members)
        while left:
            # The most contacts first; then the oldest: it keeps the front short and the region round.
            chip = max(left, key=contact.__getitem__)
            del left[chip]
            order.append(chip)
            for other in neighbour[chip]:
                if other >= 0:
                    contact[other] += 1
    return np.array(order, dtype=np.int64)


def place(problem: PlacementProblem, *, rng: np.random.Generator) -> Placement:
    """Place all slices.

    Parameters
    ----------
    problem : PlacementProblem
    rng : numpy.random.Generator
        Part of every placer's signature; this one draws nothing.

    Returns
    -------
    Placement

    Raises
    ------
    DoesNotFitError
        If a group does not fit: says how many cores and how much SDRAM are needed and there.
    """
    del rng
    machine = problem.machine
    n_groups = int(problem.group.max(initial=-1)) + 1
    need_cores = np.bincount(problem.group, minlength=n_groups).tolist()
    need_sdram = np.bincount(problem.group, weights=problem.sdram_bytes, minlength=n_groups).astype(np.int64).tolist()
    free_cores, free_sdram = machine.n_cores.tolist(), machine.sdram_bytes.tolist()
    least = min(need_cores, default=0)
    chip_of = np.full(n_groups, -1, dtype=np.int64)
    pending = iter(chip_order(machine).tolist())
    window: list[int] = []
    for group in range(n_groups):
        cores, sdram = need_cores[group], need_sdram[group]
        found = next((c for c in window[-WINDOW:] if free_cores[c] >= cores and free_sdram[c] >= sdram), -1)
        while found < 0:
            fresh = next(pending, -1)
            if fresh < 0:
                found = next((c for c in window if free_cores[c] >= cores and free_sdram[c] >= sdram), -1)
                break
            window.append(fresh)
            if free_cores[fresh] >= cores and free_sdram[fresh] >= sdram:
                found = fresh
        if found < 0:
            raise _too_small(problem, need_cores[group:], need_sdram[group:], group, n_groups)
        chip_of[group] = found
        free_cores[found] -= cores
        free_sdram[found] -= sdram
        if free_cores[found] < least:
            window.remove(found)
    chip = chip_of[problem.group]
    return Placement(chip, _number_cores(machine, chip))


def _number_cores(machine: MachineDescription, chip: IntArray) -> IntArray:
    """Give the slices of a chip its working application cores, in slice order."""
    order = np.argsort(chip, kind="stable")
    on_chip = chip[order]
    first = np.searchsorted(on_chip, on_chip)
    ordinal = np.empty(len(chip), dtype=np.int64)
    ordinal[order] = np.arange(len(chip)) - first
    usable = (machine.core_ids[:, None] >> np.arange(31)) & 1
    nth = np.argsort(-usable, axis=1, kind="stable")
    return nth[chip, ordinal].astype(np.int64)


def _too_small(problem: PlacementProblem, cores: list[int], sdram: list[int], placed: int, n_groups: int) -> DoesNotFitError:
    machine = problem.machine
    total_cores, total_sdram = len(problem.group), int(problem.sdram_bytes.sum())
    have_cores, have_sdram = int(machine.n_cores.sum()), int(machine.sdram_bytes.sum())
    per_board_cores, per_board_sdram = have_cores / max(machine.n_boards, 1), have_sdram / max(machine.n_boards, 1)
    boards = max(-(-total_cores // max(int(per_board_cores), 1)), -(-total_sdram // max(int(per_board_sdram), 1)), machine.n_boards + 1)
    mib = 1 / 2**20
    message = (
        f"{total_cores:,} cores and {total_sdram * mib:,.1f} MiB of SDRAM needed, {have_cores:,} cores and {have_sdram * mib:,.1f} MiB there: "
        f"{placed:,} of {n_groups:,} groups of cores found a chip, the next takes {cores[0]} cores and {sdram[0] * mib:.1f} MiB on one chip. "
        f"Use at least {boards:,} boards (now {machine.n_boards:,}), or another number of neurons a core."
    )
    biggest_cores, biggest_sdram = int(machine.n_cores.max(initial=0)), int(machine.sdram_bytes.max(initial=0))
    excess = max(
        total_cores / max(have_cores, 1), total_sdram / max(have_sdram, 1), cores[0] / max(biggest_cores, 1), sdram[0] / max(biggest_sdram, 1), 1.0
    )
    return DoesNotFitError("placement", [Violation("machine", f"machine {machine.name}", message, excess)])
