"""Small random machines with dead chips, links and cores, and random networks: every mapping that is made keeps every rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.partitioning.check import check
from spinn_mam.partitioning.compress_prefix import compress
from spinn_mam.partitioning.pipeline import groups_of, map_network
from spinn_mam.partitioning.slices import partition
from spinn_mam.partitioning.structures import RoutingTable
from spinn_mam.partitioning.tables import make_tables, routing_problem

LINKS = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))
NEURON_PARAMETERS = NeuronParameters(C_m=250.0, tau_m=10.0, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65.0, V_reset=-65.0, V_th=-50.0, t_ref=2.0)
COMMON = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@st.composite
def machines(draw: st.DrawFn) -> MachineDescription:
    width, height = draw(st.integers(2, 6)), draw(st.integers(2, 6))
    wrap_x, wrap_y = draw(st.booleans()), draw(st.booleans())
    chips = [(x, y) for x in range(width) for y in range(height)]
    dead = draw(st.sets(st.sampled_from(chips), max_size=len(chips) // 4))
    alive = [c for c in chips if c not in dead]
    row = {c: i for i, c in enumerate(alive)}
    neighbour = np.full((len(alive), 6), -1, dtype=np.int32)
    for i, (x, y) in enumerate(alive):
        for link, (dx, dy) in enumerate(LINKS):
            to = (x + dx, y + dy)
            if wrap_x:
                to = (to[0] % width, to[1])
            if wrap_y:
                to = (to[0], to[1] % height)
            neighbour[i, link] = row.get(to, -1)
    for i, link in draw(st.lists(st.tuples(st.integers(0, len(alive) - 1), st.integers(0, 5)), max_size=len(alive) // 2)):
        neighbour[i, link] = -1
    cores = np.array([draw(st.sampled_from([0x3FFFC, 0x1FFFC, 0x0F0F0, 0x3])) for _ in alive], dtype=np.int32)
    return MachineDescription(
        name="random",
        width=width,
        height=height,
        wrap_x=wrap_x,
        wrap_y=wrap_y,
        n_boards=1,
        x=np.array([x for x, _ in alive], dtype=np.int32),
        y=np.array([y for _, y in alive], dtype=np.int32),
        core_ids=cores,
        n_cores=np.bitwise_count(cores).astype(np.int32),
        sdram_bytes=np.full(len(alive), 123_469_792, dtype=np.int64),
        neighbour=neighbour,
        ethernet=np.zeros(len(alive), dtype=np.int32),
        router_entries=1023,
        dtcm_bytes=65_536,
        itcm_bytes=32_768,
        clock_hz=200e6,
    )


@st.composite
def networks(draw: st.DrawFn) -> NetworkSpec:
    n = draw(st.integers(1, 5))
    populations = []
    for i in range(n):
        size = draw(st.integers(1, 300))
        if i > 0 and draw(st.integers(0, 4)) == 0:
            populations.append(Population(name=f"S{i}", size=size, neuron=None, source_rate=15.0))
        else:
            drive = PoissonDrive(rate=500.0, weight=80.0, delay=1.5) if draw(st.booleans()) else None
            populations.append(Population(name=f"P{i}", size=size, neuron=NEURON_PARAMETERS, drive=drive))
    projections = []
    for source in range(n):
        for target in range(n):
            if not populations[target].is_source and draw(st.booleans()):
                # 7 ms is beyond the 64 slots of 0.1 ms that 128 neurons leave, 30 ms beyond twice as many: delay extensions are needed.
                delay = Distribution(draw(st.sampled_from([1.5, 7.0, 30.0])), 0.0)
                projections.append(Projection(source, target, draw(st.integers(0, 2000)), Distribution(87.8, 8.0), delay))
    rates = tuple(draw(st.sampled_from([0.0, 1.0, 8.0])) for _ in range(n))
    return NetworkSpec("random", 0.1, tuple(populations), tuple(projections), rates, "made up")


@COMMON
@given(machines(), networks(), st.sampled_from([1, 7, 16, 64, 100]), st.sampled_from([("combined", None), ("split", None), ("split", 3)]))
def test_every_mapping_keeps_every_rule(machine: MachineDescription, spec: NetworkSpec, neurons_per_core: int, cores: tuple[str, int | None]) -> None:
    shifts = np.zeros((len(spec.populations), 2), dtype=np.int64)
    refused: list[Violation] = []
    try:
        deployment = map_network(
            spec,
            machine,
            neurons_per_core=neurons_per_core,
            time_scale_factor=20.0,
            layout=cores[0],
            synapse_cores=cores[1],
            ring_buffer_shifts=shifts,
            rng=np.random.default_rng(0),
        )
    except DoesNotFitError as error:
        refused = error.violations
    if refused:
        # Too small a machine, chips that no working link reaches, or rows longer than the population table takes, or chips with
        # fewer cores than a slice needs: each is said.
        assert refused[0].rule in {"machine", "unreachable", "row_length", "cores"}
        return
    assert check(deployment, spec, every_key=True) == []
    assert int(deployment.neurons_per_core.max()) <= neurons_per_core
    targets = {p.target for p in spec.projections if p.n_synapses > 0}
    assert all((k > 0) == (cores[0] == "split" and p in targets) for p, k in enumerate(deployment.synapse_cores.tolist()))
    # The compressed tables are no larger than the uncompressed.
    problem = routing_problem(deployment.partition, deployment.placement, machine.neighbour)
    raw = make_tables(deployment.partition, deployment.placement, deployment.keys, deployment.trees, problem)
    assert np.all(deployment.tables.sizes <= raw.sizes)
    # A tree is a tree: it enters each chip once, and the links are no more than the chips reached.
    assert deployment.metrics["link_traversals_per_spike"] >= deployment.metrics["link_traversals_per_spike_bound"] - 1e-9


@COMMON
@given(networks(), machines(), st.integers(1, 64), st.sampled_from(["combined", "split"]))
def test_slices_cover_each_population_once(spec: NetworkSpec, machine: MachineDescription, neurons_per_core: int, layout: str) -> None:
    try:
        parts = partition(spec, machine, neurons_per_core=neurons_per_core, time_scale_factor=20.0, layout=layout)
    except DoesNotFitError:
        assume(False)
    slices = parts.slices
    for index, population in enumerate(spec.populations):
        for vertex in np.unique(slices.vertex[slices.population == index]):
            own = slices.vertex == vertex
            covered = np.zeros(population.size, dtype=int)
            for lo, hi in zip(slices.lo[own], slices.hi[own], strict=True):
                covered[lo:hi] += 1
            np.testing.assert_array_equal(covered, 1)
    group = groups_of(parts)
    served = slices.serves >= 0
    np.testing.assert_array_equal(group[served], group[slices.serves[served]])


def look_up(table: RoutingTable, key: int) -> int | None:
    """Route of the first entry that matches, as the router does it; None without one."""
    for k, m, r in zip(table.key.tolist(), table.mask.tolist(), table.route.tolist(), strict=True):
        if key & m == k:
            return int(r)
    return None


@st.composite
def tables(draw: st.DrawFn) -> RoutingTable:
    """Disjoint prefixes of an 8-bit key space."""
    blocks: list[tuple[int, int]] = []
    at = 0
    while at < 256:
        size = 1 << draw(st.integers(0, 4))
        at = -(-at // size) * size
        if at + size <= 256 and draw(st.integers(0, 3)) > 0:
            blocks.append((at, size))
        at += size
    route = [draw(st.sampled_from([1, 2, 4, 64, 65, 128])) for _ in blocks]
    default = [r in (1, 2, 4) and draw(st.booleans()) for r in route]
    order = draw(st.permutations(range(len(blocks))))
    return RoutingTable(
        key=np.array([blocks[i][0] for i in order], dtype=np.uint32),
        mask=np.array([0xFFFFFFFF & ~(blocks[i][1] - 1) for i in order], dtype=np.uint32),
        route=np.array([route[i] for i in order], dtype=np.uint32),
        defaultable=np.array([default[i] for i in order], dtype=np.bool_),
    )


@settings(max_examples=150, deadline=None)
@given(tables())
def test_compressed_table_routes_every_key_the_same(table: RoutingTable) -> None:
    small = compress(table, 1023)
    assert len(small) <= len(table)
    for k, m, r, default in zip(table.key.tolist(), table.mask.tolist(), table.route.tolist(), table.defaultable.tolist(), strict=True):
        for key in range(k, k + (~m & 0xFF) + 1):
            found = look_up(small, key)
            assert found == r or (found is None and default)


def fewest(leaves: list[tuple[int, int, bool]], bits: int, total: int = 3) -> int:
    """Count of the smallest prefix table by trying every assignment: dynamic programming over the whole binary tree of ``total`` bits."""
    of_key = {key: (route, default) for key, route, default in leaves}
    routes = sorted({route for _, route, _ in leaves})

    def cost(prefix: int, depth: int, above: int | None) -> int:
        """Entries below and at this node if the nearest entry above has this route (None: no entry)."""
        options = []
        for own in (False, *routes):
            held = above if own is False else own
            if depth == total:
                wanted = of_key.get(prefix)
                right = wanted is None or held == wanted[0] or (held is None and wanted[1])
                options.append((own is not False) if right else 10**6)
            else:
                options.append((own is not False) + cost(2 * prefix, depth + 1, held) + cost(2 * prefix + 1, depth + 1, held))
        return min(options)

    return cost(0, 0, None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([1, 2, 64]), st.booleans()), unique_by=lambda leaf: leaf[0], max_size=8))
def test_compressed_table_is_the_smallest_of_prefixes(leaves: list[tuple[int, int, bool]]) -> None:
    leaves = [(key, route, default and route < 64) for key, route, default in leaves]
    table = RoutingTable(
        key=np.array([key for key, _, _ in leaves], dtype=np.uint32),
        mask=np.full(len(leaves), 0xFFFFFFFF, dtype=np.uint32),
        route=np.array([route for _, route, _ in leaves], dtype=np.uint32),
        defaultable=np.array([default for _, _, default in leaves], dtype=np.bool_),
    )
    assert len(compress(table, 1023)) == fewest(leaves, 3)


def test_too_small_a_router_is_said() -> None:
    n = 8
    table = RoutingTable(
        key=np.arange(n, dtype=np.uint32),
        mask=np.full(n, 0xFFFFFFFF, dtype=np.uint32),
        route=(np.uint32(64) << np.arange(n, dtype=np.uint32)).astype(np.uint32),
        defaultable=np.zeros(n, dtype=bool),
    )
    with pytest.raises(DoesNotFitError, match="8 routing entries needed after compression"):
        compress(table, 7)
