"""The checker against a plain walker that takes one packet at a time: both must agree on every damaged table."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spinn_mam.deployment import Deployment
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.partitioning.check import check
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.structures import POISSON_SOURCE

NEURON_PARAMETERS = NeuronParameters(C_m=250.0, tau_m=10.0, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65.0, V_reset=-65.0, V_th=-50.0, t_ref=2.0)
LINKS = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))


@cache
def small_case() -> tuple[Deployment, NetworkSpec]:
    """Return two driven populations and one without drive, on a 3 x 3 torus of chips with 4 cores each and a dead link."""
    width = 3
    at = [(x, y) for x in range(width) for y in range(width)]
    neighbour = [[((x + dx) % width) * width + (y + dy) % width for dx, dy in LINKS] for x, y in at]
    neighbour[4][0] = -1
    cores = np.full(9, 0x3C, dtype=np.int32)
    machine = MachineDescription(
        name="torus",
        width=width,
        height=width,
        wrap_x=True,
        wrap_y=True,
        n_boards=1,
        x=np.array([x for x, _ in at], dtype=np.int32),
        y=np.array([y for _, y in at], dtype=np.int32),
        core_ids=cores,
        n_cores=np.bitwise_count(cores).astype(np.int32),
        sdram_bytes=np.full(9, 123_469_792, dtype=np.int64),
        neighbour=np.array(neighbour, dtype=np.int32),
        ethernet=np.zeros(9, dtype=np.int32),
        router_entries=1023,
        dtcm_bytes=65_536,
        itcm_bytes=32_768,
        clock_hz=200e6,
    )
    drive = PoissonDrive(rate=500.0, weight=80.0, delay=1.5)
    populations = (
        Population("A", 30, NEURON_PARAMETERS, drive=drive),
        Population("B", 21, NEURON_PARAMETERS, drive=drive),
        Population("C", 14, NEURON_PARAMETERS),
    )
    pairs = ((0, 0), (0, 1), (1, 0), (1, 2), (2, 1))
    projections = tuple(Projection(s, t, 100, Distribution(80.0, 0.0), Distribution(1.5, 0.0)) for s, t in pairs)
    spec = NetworkSpec("small", 0.1, populations, projections, (4.0, 5.0, 6.0), "made up")
    deployment = map_network(
        spec,
        machine,
        neurons_per_core=4,
        time_scale_factor=20.0,
        ring_buffer_shifts=np.zeros((3, 2), dtype=np.int64),
        rng=np.random.default_rng(0),
    )
    return deployment, spec


def plain_walk_is_sound(deployment: Deployment, spec: NetworkSpec) -> bool:
    """Follow every key, with every colour, one packet at a time."""
    machine, slices, placement, keys = deployment.machine, deployment.slices, deployment.placement, deployment.keys
    tables = []
    for chip in range(machine.n_chips):
        table = deployment.tables.of(chip)
        tables.append(list(zip(table.key.tolist(), table.mask.tolist(), table.route.tolist(), strict=True)))
    rows = list(
        zip(
            slices.population.tolist(),
            slices.kind.tolist(),
            slices.lo.tolist(),
            slices.hi.tolist(),
            placement.chip.tolist(),
            placement.core.tolist(),
            keys.slice_key.tolist(),
            strict=True,
        )
    )
    linked = {(p.source, p.target) for p in spec.projections}
    for population, kind, lo, hi, home, _, base in rows:
        if kind == POISSON_SOURCE:
            wanted = Counter((c, p) for q, k, low, _, c, p, _ in rows if k != POISSON_SOURCE and q == population and low == lo)
        else:
            wanted = Counter((c, p) for q, k, _, _, c, p, _ in rows if k != POISSON_SOURCE and (population, q) in linked)
        for key in range(base, base + ((hi - lo) << keys.colour_bits)):
            arrived: Counter[tuple[int, int]] = Counter()
            queue, seen = deque([(home, -1)]), {home}
            while queue:
                chip, port = queue.popleft()
                route = next((r for k, m, r in tables[chip] if key & m == k), 1 << (port + 3) % 6 if port >= 0 else 0)
                arrived.update((chip, p) for p in range(26) if route >> (6 + p) & 1)
                for link in range(6):
                    if route >> link & 1:
                        following = int(machine.neighbour[chip, link])
                        if following < 0 or following in seen:
                            return False
                        seen.add(following)
                        queue.append((following, (link + 3) % 6))
            if arrived != wanted:
                return False
    return True


def test_the_sound_case_is_sound_for_both() -> None:
    deployment, spec = small_case()
    assert plain_walk_is_sound(deployment, spec)
    assert check(deployment, spec) == []
    assert len(np.unique(deployment.placement.chip)) >= 6


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_checker_agrees_with_the_plain_walker(data: st.DataObject) -> None:
    deployment, spec = small_case()
    tables = deployment.tables
    key, mask, route, first = (a.copy() for a in (tables.key, tables.mask, tables.route, tables.first))
    for _ in range(data.draw(st.integers(1, 2), label="faults")):
        entry = data.draw(st.integers(0, len(key) - 1), label="entry")
        fault = data.draw(st.sampled_from(["key bit", "mask bit", "route bit", "drop", "swap"]), label="fault")
        bit = np.uint32(1 << data.draw(st.integers(0, 12), label="bit"))
        if fault == "key bit":
            key[entry] ^= bit & mask[entry]
        elif fault == "mask bit":
            mask[entry] ^= bit
            key[entry] &= mask[entry]
        elif fault == "route bit":
            route[entry] ^= bit
        elif fault == "drop":
            chip = int(np.searchsorted(first, entry, side="right")) - 1
            first[chip + 1 :] -= 1
            key, mask, route = (np.delete(a, entry) for a in (key, mask, route))
        elif entry + 1 < len(key) and not np.any(first == entry + 1):
            for array in (key, mask, route):
                array[[entry, entry + 1]] = array[[entry + 1, entry]]
    damaged = replace(deployment, tables=replace(tables, first=first, key=key, mask=mask, route=route, defaultable=np.zeros(len(key), dtype=bool)))
    assert (check(damaged, spec) == []) == plain_walk_is_sound(damaged, spec)
