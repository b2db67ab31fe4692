"""The checker finds what is wrong with split cores: each fault is planted in a sound mapping and must be named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spinn_mam.deployment import Deployment
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models.model import load_model
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.check import check
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.structures import NEURON, POISSON_SOURCE, SYNAPSE
from spinn_mam.partitioning.tables import make_tables, routing_problem


@pytest.fixture(scope="module")
def spec() -> NetworkSpec:
    return load_model("pd14").network(0.05, 0.1)


@pytest.fixture(scope="module")
def sound(spec: NetworkSpec) -> Deployment:
    machine, shifts, rng = load_board_config("spin5"), np.zeros((8, 2), dtype=np.int64), np.random.default_rng(0)
    return map_network(spec, machine, neurons_per_core=32, time_scale_factor=1.0, layout="split", synapse_cores=3, ring_buffer_shifts=shifts, rng=rng)


def rules(deployment: Deployment, spec: NetworkSpec) -> set[str]:
    return {v.rule for v in check(deployment, spec)}


def with_slices(deployment: Deployment, **arrays: Any) -> Deployment:
    return replace(deployment, partition=replace(deployment.partition, slices=replace(deployment.slices, **arrays)))


def changed(array: Any, row: Any, value: Any) -> Any:
    array = array.copy()
    array[row] = value
    return array


def first(deployment: Deployment, kind: int) -> int:
    return int(np.flatnonzero(deployment.slices.kind == kind)[0])


def test_sound_mapping_has_no_violation(sound: Deployment, spec: NetworkSpec) -> None:
    assert check(sound, spec, every_key=True) == []
    assert sound.synapse_cores.tolist() == [3] * 8


def test_swapped_synapse_cores_take_the_wrong_spikes(sound: Deployment, spec: NetworkSpec) -> None:
    """Two synapse cores of one slice change places: their spikes come to the wrong one."""
    slices, placement = sound.slices, sound.placement
    own = np.flatnonzero((slices.kind == SYNAPSE) & (slices.serves == first(sound, NEURON)))[:2]
    core = placement.core.copy()
    core[own] = core[own[::-1]]
    found = check(replace(sound, placement=replace(placement, core=core)), spec)
    assert {v.rule for v in found} == {"missing_delivery", "wrong_delivery"}
    assert any("L23E[0:32] synapse" in v.message for v in found)


def test_tables_made_for_another_dealing(sound: Deployment, spec: NetworkSpec) -> None:
    """Sources of two synapse cores are swapped in the routing tables, not in the assignment that the arithmetic follows."""
    partition = sound.partition
    connections, vertices = partition.connections, partition.vertices
    into = np.flatnonzero((vertices.population[connections.target] == 0) & (vertices.population[connections.source] == 0))
    assert len(into) == 3
    target = connections.target.copy()
    target[into] = np.roll(target[into], 1)
    other = replace(partition, connections=replace(connections, target=target))
    problem = routing_problem(other, sound.placement, sound.machine.neighbour)
    tables = make_tables(other, sound.placement, sound.keys, sound.trees, problem)
    assert rules(replace(sound, tables=tables), spec) == {"missing_delivery", "wrong_delivery"}


@pytest.mark.parametrize("value", [-1, 3])
def test_spikes_that_no_synapse_core_takes(sound: Deployment, spec: NetworkSpec, value: int) -> None:
    core = changed(sound.synapse_core, (2, 0), value)
    found = check(replace(sound, partition=replace(sound.partition, synapse_core=core)), spec)
    assert any(v.rule == "synapse_core" and f"1 slices go to core {value} of the slices of L4E, expected 0 to 2" in v.message for v in found)


def test_a_drive_that_hands_over_takes_no_synapse_core(sound: Deployment, spec: NetworkSpec) -> None:
    core = changed(sound.synapse_core, (0, first(sound, POISSON_SOURCE)), 1)
    assert "synapse_core" in rules(replace(sound, partition=replace(sound.partition, synapse_core=core)), spec)


@pytest.mark.parametrize("kind", [POISSON_SOURCE, SYNAPSE])
def test_a_core_on_another_chip_than_its_neurons(sound: Deployment, spec: NetworkSpec, kind: int) -> None:
    row = first(sound, kind)
    empty = int(np.setdiff1d(np.arange(sound.machine.n_chips), sound.placement.chip)[0])
    placement = replace(sound.placement, chip=changed(sound.placement.chip, row, empty))
    found = check(replace(sound, placement=placement), spec)
    moved = next(v for v in found if v.rule == "same_chip")
    assert moved.where.startswith("L23E[0:32] ")
    assert f"chip ({sound.machine.x[empty]}, {sound.machine.y[empty]})" in moved.message


def test_more_sums_than_there_is_room_for(sound: Deployment, spec: NetworkSpec) -> None:
    neuron = first(sound, NEURON)
    short = with_slices(sound, sdram_bytes=changed(sound.slices.sdram_bytes, neuron, sound.slices.sdram_bytes[neuron] - 1))
    (found,) = check(short, spec)
    assert (found.rule, found.where) == ("hand_over", "L23E[0:32]")
    # Three synapse cores and the drive: 32 neurons of two receptors in 16 bits each.
    assert "512 bytes of SDRAM needed" in found.message
    assert "511 reserved" in found.message


@pytest.mark.parametrize(("kind", "written"), [(SYNAPSE, 256), (POISSON_SOURCE, 0)])
def test_rows_of_another_length_than_the_neuron_core_reads(sound: Deployment, spec: NetworkSpec, kind: int, written: int) -> None:
    row = first(sound, kind)
    found = check(with_slices(sound, hand_over_bytes=changed(sound.slices.hand_over_bytes, row, written)), spec)
    assert any(v.rule == "hand_over" and f"{written} bytes of sums written in each step, 128 are read" in v.message for v in found)


def test_a_synapse_core_that_serves_other_neurons(sound: Deployment, spec: NetworkSpec) -> None:
    row = first(sound, SYNAPSE)
    assert "slices" in rules(with_slices(sound, serves=changed(sound.slices.serves, row, sound.slices.serves[row] + 1)), spec)


def test_a_missing_synapse_core(sound: Deployment, spec: NetworkSpec) -> None:
    slices = sound.slices
    row = first(sound, SYNAPSE)
    gone = with_slices(sound, lo=changed(slices.lo, row, slices.lo[row] + 4))
    assert any(v.rule == "slices" and "synapse cores: neurons [0:4) are on no core" in v.message for v in check(gone, spec))
