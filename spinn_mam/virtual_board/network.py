"""The machine's network: from the queue of the core that sends a packet to the queues of those it reaches.

Problem
    Each packet visits a router on each chip of its way; looked up one by one, tables of 1,024 entries would cost more than
    the cores. Results must not depend on how many threads run the cores.
Method
    A packet's targets depend on its key and the chip it enters at alone. They are found once, by walking the tables with
    default routing, and kept in a hash table until a routing table changes. After each wave of execution the packets are
    delivered in the order of source chip, source core and sequence.
Cost
    About 30 nanoseconds a packet and target when kept; a walk costs a table scan a chip.

References
----------
Furber et al. (2013), doi:10.1109/TC.2012.142 (multicast routing, default routes). Splitmix64: Steele, Lea & Flood (2014),
doi:10.1145/2714064.2660195.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spinn_mam.virtual_board.memory_map import ROUTER_ENTRIES
from spinn_mam.virtual_board.native import carray, pointer
from spinn_mam.virtual_board.state import (
    ABSENT,
    AT,
    CACHE_USED,
    CHIP,
    CHIP_KEY,
    CHIP_MASK,
    CHIP_REGISTERS,
    CHIP_ROUTE,
    CRASHED,
    DELAYED,
    DELIVERED,
    DROPPED,
    DUMPED_MULTICAST,
    EXTERNAL_FIXED,
    EXTERNAL_MULTICAST,
    FAULT_DROP,
    FAULT_LATE,
    FAULT_SHUFFLE,
    FIXED_ROUTE,
    FLAT_USED,
    IN_HEAD,
    IN_TAIL,
    INBOX_PACKETS,
    LATE_COUNT,
    LATE_READY,
    LOCAL_FIXED,
    LOCAL_MULTICAST,
    OUT_COUNT,
    OUTBOX_PACKETS,
    OVERFLOWED,
    OVERFLOWS,
    P_INBOX,
    P_OUTBOX,
    RANDOM,
    ROUTED,
    ROWS_PER_CHIP,
    UNROUTED,
)

#: Places of the table of kept targets, its greatest load, and words for the targets themselves.
CACHE_PLACES, CACHE_LIMIT, FLAT_WORDS = 1 << 17, 1 << 16, 1 << 22
#: Packets that may wait for the next time step.
LATE_PACKETS = 1 << 18
_FIXED_ROUTE_REGISTER, _COUNTERS = 33, 0xC0
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True)
def next_random(control: Any) -> Any:
    """Return the next 32 random bits of the stream for faults (splitmix64)."""
    state = np.uint64(control[RANDOM]) + _GOLDEN
    control[RANDOM] = np.int64(state)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(32))


@njit(cache=True)
def walk(chip: int, key: int, fixed: bool, chips: Any, neighbours: Any, flat: Any, at: int) -> int:
    """Follow a packet through the routers and list what it reaches.

    Parameters
    ----------
    chip, key : int
        Where it enters, and its key.
    fixed : bool
        A fixed-route packet.
    chips : ndarray of int64, shape (n_chips, CHIP_WORDS)
    neighbours : ndarray of int32, shape (n_chips, 6)
        Chip at the end of each link or -1.
    flat : ndarray of int32
        Written from ``at``: number of cores, number of chips after the first, chip that dropped it or -1, the cores' rows,
        the chips.
    at : int

    Returns
    -------
    int
        First word of ``flat`` that is free again, or -1 if it does not suffice.
    """
    n_chips = len(chips)
    room = len(flat) - at - 3
    steps = 0
    n_targets, n_visited = 0, 0
    dumped = -1
    stack_chip = np.empty(6 * n_chips + 8, np.int32)
    stack_link = np.empty(6 * n_chips + 8, np.int32)
    stack_chip[0], stack_link[0] = chip, -1
    depth = 1
    visited = np.empty(4 * n_chips + 8, np.int32)
    while depth > 0:
        depth -= 1
        here, link = stack_chip[depth], stack_link[depth]
        steps += 1
        if steps > 4 * n_chips + 1:
            break  # a loop in the tables; the packet would age and be dropped
        if link >= 0:
            visited[n_visited] = here
            n_visited += 1
        route = np.int64(0)
        if fixed:
            route = np.int64(carray(pointer(chips[here, CHIP_REGISTERS]), (256,), np.uint32)[_FIXED_ROUTE_REGISTER])
        else:
            routes = carray(pointer(chips[here, CHIP_ROUTE]), (ROUTER_ENTRIES,), np.uint32)
            keys = carray(pointer(chips[here, CHIP_KEY]), (ROUTER_ENTRIES,), np.uint32)
            masks = carray(pointer(chips[here, CHIP_MASK]), (ROUTER_ENTRIES,), np.uint32)
            found = False
            for i in range(ROUTER_ENTRIES):
                if np.int64(masks[i]) & key == np.int64(keys[i]):
                    route = np.int64(routes[i])
                    found = True
                    break
            if not found:
                if link < 0:
                    dumped = here
                else:
                    route = np.int64(1) << link
        for core in range(ROWS_PER_CHIP):
            if route >> (6 + core) & 1:
                if n_targets >= room:
                    return -1
                flat[at + 3 + n_targets] = here * ROWS_PER_CHIP + core
                n_targets += 1
        for out in range(5, -1, -1):
            if route >> out & 1:
                there = neighbours[here, out]
                if there >= 0 and depth < len(stack_chip):
                    stack_chip[depth], stack_link[depth] = there, out
                    depth += 1
    if n_targets + n_visited > room:
        return -1
    flat[at], flat[at + 1], flat[at + 2] = n_targets, n_visited, dumped
    for i in range(n_visited):
        flat[at + 3 + n_targets + i] = visited[i]
    return at + 3 + n_targets + n_visited


@njit(cache=True)
def forget_routes(control: Any, cache_keys: Any) -> None:
    """Empty the table of kept targets, after a routing table changed."""
    cache_keys[:] = -1
    control[CACHE_USED] = 0
    control[FLAT_USED] = 0


@njit(cache=True)
def targets_of(chip: int, key: int, fixed: bool, control: Any, chips: Any, neighbours: Any, cache_keys: Any, cache_at: Any, flat: Any) -> int:
    """Return where in ``flat`` the targets of a packet are listed; see :func:`walk`."""
    wanted = (np.int64(chip) << 32 | key) | (np.int64(1) << 60 if fixed else np.int64(0))
    place = np.int64((np.uint64(wanted) * _GOLDEN) >> np.uint64(64 - 17))
    while cache_keys[place] >= 0:
        if cache_keys[place] == wanted:
            return cache_at[place]
        place = (place + 1) % CACHE_PLACES
    if control[CACHE_USED] >= CACHE_LIMIT:
        forget_routes(control, cache_keys)
        return targets_of(chip, key, fixed, control, chips, neighbours, cache_keys, cache_at, flat)
    at = control[FLAT_USED]
    end = walk(chip, key, fixed, chips, neighbours, flat, at)
    if end < 0:
        forget_routes(control, cache_keys)
        return targets_of(chip, key, fixed, control, chips, neighbours, cache_keys, cache_at, flat)
    cache_keys[place] = wanted
    cache_at[place] = at
    control[CACHE_USED] += 1
    control[FLAT_USED] = end
    return at


@njit(inline="always")
def count(chips: Any, chip: int, counter: int) -> None:
    """Add one to a diagnostic counter of a chip's router."""
    carray(pointer(chips[chip, CHIP_REGISTERS]), (256,), np.uint32)[_COUNTERS + counter] += np.uint32(1)


@njit(inline="always")
def enqueue(target: Any, word: int, data: int, control: Any) -> None:
    """Put a packet into a core's queue; a full queue loses it and counts that."""
    if target[AT] == ABSENT or target[AT] == CRASHED:
        return
    if target[IN_TAIL] - target[IN_HEAD] >= INBOX_PACKETS:
        target[OVERFLOWED] += 1
        control[OVERFLOWS] += 1
        return
    inbox = carray(pointer(target[P_INBOX]), (2 * INBOX_PACKETS,), np.int64)
    place = 2 * (target[IN_TAIL] % INBOX_PACKETS)
    inbox[place] = word
    inbox[place + 1] = data
    target[IN_TAIL] += 1
    control[DELIVERED] += 1


@njit(cache=True)
def send(
    chip: int,
    word: int,
    data: int,
    control: Any,
    states: Any,
    chips: Any,
    neighbours: Any,
    cache_keys: Any,
    cache_at: Any,
    flat: Any,
    late: Any,
) -> None:
    """Deliver one packet that enters the network at a chip."""
    fixed = (word >> 38 & 3) == FIXED_ROUTE
    at = targets_of(chip, word & 0xFFFFFFFF, fixed, control, chips, neighbours, cache_keys, cache_at, flat)
    n_targets, n_visited = flat[at], flat[at + 1]
    control[ROUTED] += 1
    here, passing = (LOCAL_FIXED, EXTERNAL_FIXED) if fixed else (LOCAL_MULTICAST, EXTERNAL_MULTICAST)
    count(chips, chip, here)
    if flat[at + 2] >= 0:
        control[UNROUTED] += 1
        count(chips, chip, DUMPED_MULTICAST)
    for i in range(n_visited):
        count(chips, flat[at + 3 + n_targets + i], passing)
    for i in range(n_targets):
        row = flat[at + 3 + i]
        if control[FAULT_DROP] and next_random(control) < control[FAULT_DROP]:
            control[DROPPED] += 1
            continue
        if control[FAULT_LATE] and next_random(control) < control[FAULT_LATE] and control[LATE_COUNT] < LATE_PACKETS:
            n = control[LATE_COUNT]
            late[n, 0], late[n, 1], late[n, 2] = row, word, data
            control[LATE_COUNT] = n + 1
            control[DELAYED] += 1
            continue
        enqueue(states[row], word, data, control)


@njit(cache=True)
def deliver(rows: Any, control: Any, states: Any, chips: Any, neighbours: Any, cache_keys: Any, cache_at: Any, flat: Any, late: Any) -> int:
    """Deliver what the cores have sent since the last time.

    Parameters
    ----------
    rows : ndarray of int32, shape (n_active,)
        Active cores, in the order in which their packets are taken.
    control : ndarray of int64, shape (CONTROL_WORDS,)
    states : ndarray of int64, shape (n_rows, CORE_WORDS)
    chips, neighbours : ndarray
        See :func:`walk`.
    cache_keys, cache_at, flat : ndarray
        Kept targets.
    late : ndarray of int64, shape (LATE_PACKETS, 3)
        Packets held back until the next time step.

    Returns
    -------
    int
        Number of packets taken.
    """
    taken = control[LATE_READY]
    for i in range(taken):
        enqueue(states[late[i, 0]], late[i, 1], late[i, 2], control)
    if taken:
        left = control[LATE_COUNT] - taken
        late[:left] = late[taken : taken + left].copy()
        control[LATE_COUNT] = left
        control[LATE_READY] = 0
    total = 0
    for row in rows:
        total += states[row, OUT_COUNT]
    if total == 0:
        return taken
    if control[FAULT_SHUFFLE]:
        packets = np.empty((total, 3), np.int64)
        n = 0
        for row in rows:
            s = states[row]
            outbox = carray(pointer(s[P_OUTBOX]), (2 * OUTBOX_PACKETS,), np.int64)
            for i in range(s[OUT_COUNT]):
                packets[n, 0], packets[n, 1], packets[n, 2] = s[CHIP], outbox[2 * i], outbox[2 * i + 1]
                n += 1
            s[OUT_COUNT] = 0
        for i in range(total - 1, 0, -1):
            j = next_random(control) * (i + 1) >> 32
            for k in range(3):
                packets[i, k], packets[j, k] = packets[j, k], packets[i, k]
        for i in range(total):
            send(packets[i, 0], packets[i, 1], packets[i, 2], control, states, chips, neighbours, cache_keys, cache_at, flat, late)
        return taken + total
    for row in rows:
        s = states[row]
        if s[OUT_COUNT]:
            outbox = carray(pointer(s[P_OUTBOX]), (2 * OUTBOX_PACKETS,), np.int64)
            for i in range(s[OUT_COUNT]):
                send(s[CHIP], outbox[2 * i], outbox[2 * i + 1], control, states, chips, neighbours, cache_keys, cache_at, flat, late)
            s[OUT_COUNT] = 0
    return taken + total
