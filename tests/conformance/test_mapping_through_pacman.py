"""Our mappings through PACMAN 7.4.1: its readers take our JSON, its checkers walk our routes and compare our tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinn_mam.deployment import Deployment
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.machine.exchange import write_machine_json
from spinn_mam.models.model import load_model
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.budgets import delay_slots, most_selected
from spinn_mam.partitioning.check import expected_pairs, slice_labels
from spinn_mam.partitioning.delays import longest_delay
from spinn_mam.partitioning.export import TABLES, routing_tables_json, write_pacman_json
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.structures import RoutingTables
from spinn_mam.partitioning.tables import make_tables, routing_problem

pytest.importorskip("pacman")


def mapped(n_scaling: float, board: str, neurons_per_core: int, synapse_cores: int = 0) -> tuple[Deployment, NetworkSpec, Deployment]:
    """Return a deployment (in the split layout if it has synapse cores), its network, and the same with the tables before compression."""
    spec = load_model("pd14").network(n_scaling, min(1.0, 2 * n_scaling))
    shifts = np.zeros((8, 2), dtype=np.int64)
    machine = load_board_config(board)
    deployment = map_network(
        spec,
        machine,
        neurons_per_core=neurons_per_core,
        time_scale_factor=20.0,
        layout="split" if synapse_cores else "combined",
        synapse_cores=synapse_cores or None,
        ring_buffer_shifts=shifts,
        rng=np.random.default_rng(0),
    )
    problem = routing_problem(deployment.partition, deployment.placement, machine.neighbour)
    tables: RoutingTables = make_tables(deployment.partition, deployment.placement, deployment.keys, deployment.trees, problem)

    return deployment, spec, replace(deployment, tables=tables)


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Any]:
    """Return a function that gives the tools the machine of a deployment."""
    from pacman.config_setup import unittest_setup
    from pacman.data.pacman_data_writer import PacmanDataWriter
    from spinn_machine.json_machine import machine_from_json
    from spinn_utilities.config_holder import set_config

    def prepare(deployment: Deployment) -> None:
        unittest_setup()
        set_config("Machine", "version", "5")
        write_machine_json(deployment.machine, tmp_path / "machine.json")
        PacmanDataWriter.mock().set_machine(machine_from_json(str(tmp_path / "machine.json")))

    yield prepare
    unittest_setup()


@pytest.mark.parametrize("synapse_cores", [0, 3])
def test_pacman_reads_our_json(synapse_cores: int, tmp_path: Path, tools: Any) -> None:
    from pacman.model.routing_tables.multicast_routing_tables import from_json
    from pacman.utilities.json_utils import json_to_object, placement_from_json

    deployment, spec, _ = mapped(0.05, "spin5", 32, synapse_cores)
    tools(deployment)
    paths = write_pacman_json(deployment, spec, tmp_path / "pacman")
    assert [p.name for p in paths] == ["placements.json", "keys.json", "routing_tables.json"]
    placements = [placement_from_json(record) for record in json_to_object(str(paths[0]))]  # type: ignore[arg-type]
    machine, placement = deployment.machine, deployment.placement
    assert [(p.x, p.y, p.p) for p in placements] == list(
        zip(machine.x[placement.chip].tolist(), machine.y[placement.chip].tolist(), placement.core.tolist(), strict=True)
    )
    assert [p.vertex.label for p in placements] == slice_labels(deployment, spec)
    theirs = from_json(str(tmp_path / "pacman" / TABLES))
    for chip in range(machine.n_chips):
        ours = deployment.tables.of(chip)
        table = theirs.get_routing_table_for_chip(int(machine.x[chip]), int(machine.y[chip]))
        entries = list(table.multicast_routing_entries) if table is not None else []
        assert [(e.key, e.mask, e.spinnaker_route) for e in entries] == list(
            zip(ours.key.tolist(), ours.mask.tolist(), ours.route.tolist(), strict=True)
        )


def walk_in_pacman(deployment: Deployment, spec: NetworkSpec) -> int:
    """Walk every slice's block of keys with PACMAN's checker; return the number of routes walked."""
    from pacman.model.graphs.machine import SimpleMachineVertex
    from pacman.model.placements import Placement
    from pacman.model.routing_info import BaseKeyAndMask
    from pacman.model.routing_tables.multicast_routing_tables import from_json
    from pacman.operations.multi_cast_router_check_functionality.valid_routes_checker import PlacementTuple, _search_route

    tables = from_json(routing_tables_json(deployment))  # type: ignore[arg-type]
    machine, placement, keys = deployment.machine, deployment.placement, deployment.keys
    places = list(zip(machine.x[placement.chip].tolist(), machine.y[placement.chip].tolist(), placement.core.tolist(), strict=True))
    labels = slice_labels(deployment, spec)
    reaches, group, private = expected_pairs(deployment, spec)
    walked = 0
    for i, (x, y, p) in enumerate(places):
        targets = set(np.flatnonzero(reaches[group[i]]).tolist()) | set(private[i][private[i] >= 0].tolist())
        if targets:
            # PACMAN's checker counts keys without gaps, and one more than it is told at the upper end.
            n_keys = int(~keys.slice_mask[i] & np.uint32(0xFFFFFFFF))
            block = BaseKeyAndMask(int(keys.slice_key[i]), int(keys.slice_mask[i]))
            source = Placement(SimpleMachineVertex(None, labels[i]), x, y, p)
            _search_route(source, [PlacementTuple(*places[t]) for t in sorted(targets)], block, tables, n_keys)
            walked += 1
    return walked


@pytest.mark.parametrize("synapse_cores", [0, 3])
def test_pacman_walks_our_routes(synapse_cores: int, tools: Any) -> None:
    deployment, spec, before = mapped(0.05, "spin5", 32, synapse_cores)
    tools(deployment)
    # Synapse cores send nothing, and the drive of split cores no packets.
    senders = deployment.slices.n_slices if not synapse_cores else deployment.metrics["neuron_cores"]
    assert walk_in_pacman(before, spec) == senders


def test_pacman_finds_a_missing_target(tools: Any) -> None:
    """The walk above can fail: without one core bit it does."""

    from pacman.exceptions import PacmanRoutingException

    deployment, spec, before = mapped(0.05, "spin5", 32)
    tools(deployment)
    route = before.tables.route.copy()
    entry = int(np.flatnonzero(route >> 6 > 0)[0])
    route[entry] &= route[entry] - np.uint32(1 << 6)
    with pytest.raises(PacmanRoutingException):
        walk_in_pacman(replace(before, tables=replace(before.tables, route=route)), spec)


@pytest.mark.parametrize(
    ("n_scaling", "board", "neurons_per_core", "synapse_cores", "every"),
    [(0.05, "spin5", 32, 0, 1), (0.05, "spin5", 32, 3, 2), (1.0, "spin5-6", 80, 0, 25)],
)
def test_pacman_finds_compressed_tables_equal(
    n_scaling: float, board: str, neurons_per_core: int, synapse_cores: int, every: int, tools: Any
) -> None:
    from pacman.model.routing_tables.multicast_routing_tables import from_json
    from pacman.operations.router_compressors.routing_compression_checker import compare_tables

    deployment, _, before = mapped(n_scaling, board, neurons_per_core, synapse_cores)
    tools(deployment)
    compressed = from_json(routing_tables_json(deployment))  # type: ignore[arg-type]
    original = from_json(routing_tables_json(before))  # type: ignore[arg-type]
    compared = 0
    for table in list(original.routing_tables)[::every]:
        small = compressed.get_routing_table_for_chip(table.x, table.y)
        if small is None:
            assert all(entry.defaultable for entry in table.multicast_routing_entries)
            continue
        compare_tables(table, small)
        compared += 1
    assert compared >= 5


def test_budget_rules_are_the_tools() -> None:
    """Row lengths, longest delays and delay slots as sPyNNaker estimates them."""
    pytest.importorskip("spynnaker")
    from pyNN.random import RandomDistribution
    from spynnaker.pyNN.utilities.constants import MAX_RING_BUFFER_BITS
    from spynnaker.pyNN.utilities.utility_calls import get_maximum_probable_value, get_n_bits, get_probable_maximum_selected

    spec = load_model("pd14").network()
    for projection in spec.projections:
        n, source = projection.n_synapses, spec.populations[projection.source]
        if n == 0:
            continue
        for neurons in (1, 64, 80):
            p = min(neurons / spec.populations[projection.target].size, 1.0)
            on_core = max(get_probable_maximum_selected(n, n, p), 1)
            row = max(get_probable_maximum_selected(n, int(on_core), 1.0 / source.size), 1)
            ours = most_selected(np.array([n]), np.array([float(n)]), np.array([p]))
            assert int(ours[0]) == int(on_core)
            assert int(most_selected(np.array([n]), ours, np.array([1.0 / source.size]))[0]) == int(row)
        delay = RandomDistribution("normal_clipped", mu=projection.delay.mean, sigma=projection.delay.sd, low=projection.delay.lower, high=1e6)
        # The tools renormalise the clipped distribution, which moves the longest delay by less than a step.
        assert abs(get_maximum_probable_value(delay, n) - longest_delay(projection.delay, n)) < spec.dt
    for neurons in (1, 2, 63, 64, 65, 80, 128, 129, 255):
        assert delay_slots(neurons) == 2 ** (MAX_RING_BUFFER_BITS - get_n_bits(2) - max(get_n_bits(neurons), 0)) or neurons == 1
