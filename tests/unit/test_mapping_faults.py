"""The checker finds what is wrong: each fault is planted in a sound mapping and must be named."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spinn_mam.deployment import Deployment
from spinn_mam.errors import Violation
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models.model import load_model
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.check import check
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.structures import NEURON, POISSON_SOURCE


@pytest.fixture(scope="module")
def spec() -> NetworkSpec:
    return load_model("pd14").network(0.08, 0.1)


@pytest.fixture(scope="module")
def sound(spec: NetworkSpec) -> Deployment:
    machine = load_board_config("spin5")
    shifts = np.zeros((8, 2), dtype=np.int64)
    return map_network(spec, machine, neurons_per_core=32, time_scale_factor=20.0, ring_buffer_shifts=shifts, rng=np.random.default_rng(0))


def rules(violations: list[Violation]) -> set[str]:
    return {v.rule for v in violations}


def with_array(part: Any, name: str, row: Any, value: Any) -> Any:
    array = getattr(part, name).copy()
    array[row] = value
    return replace(part, **{name: array})


def with_tables(deployment: Deployment, chip: int, entries: list[tuple[int, int, int]]) -> Deployment:
    """Replace the table of a chip."""
    tables = deployment.tables
    columns: dict[str, list[Any]] = {"key": [], "mask": [], "route": []}
    first = [0]
    for c in range(deployment.machine.n_chips):
        old = tables.of(c)
        rows = entries if c == chip else list(zip(old.key.tolist(), old.mask.tolist(), old.route.tolist(), strict=True))
        for name, column in zip(columns, zip(*rows, strict=True) if rows else ((), (), ()), strict=True):
            columns[name] += column
        first.append(first[-1] + len(rows))
    arrays = {name: np.array(column, dtype=np.uint32) for name, column in columns.items()}
    return replace(deployment, tables=replace(tables, first=np.array(first), defaultable=np.zeros(first[-1], dtype=bool), **arrays))


def entries_of(deployment: Deployment, chip: int) -> list[tuple[int, int, int]]:
    table = deployment.tables.of(chip)
    return list(zip(table.key.tolist(), table.mask.tolist(), table.route.tolist(), strict=True))


def busiest_chip(deployment: Deployment) -> int:
    return int(np.argmax(deployment.tables.sizes))


def test_sound_mapping_has_no_violation(sound: Deployment, spec: NetworkSpec) -> None:
    assert check(sound, spec) == []
    assert check(sound, spec, every_key=True) == []
    assert len(np.unique(sound.placement.chip)) > 10


def test_swapped_cores(sound: Deployment, spec: NetworkSpec) -> None:
    first = int(np.flatnonzero(sound.slices.kind == NEURON)[0])
    last = int(np.flatnonzero(sound.slices.kind == POISSON_SOURCE)[-1])
    order = np.arange(sound.slices.n_slices)
    order[[first, last]] = order[[last, first]]
    swapped = replace(sound, placement=replace(sound.placement, chip=sound.placement.chip[order], core=sound.placement.core[order]))
    assert {"missing_delivery", "wrong_delivery"} <= rules(check(swapped, spec))


def test_two_slices_on_one_core(sound: Deployment, spec: NetworkSpec) -> None:
    placement = replace(with_array(sound.placement, "core", 1, sound.placement.core[0]), chip=sound.placement.chip)
    placement = with_array(placement, "chip", 1, sound.placement.chip[0])
    found = check(replace(sound, placement=placement), spec)
    assert any(v.rule == "core" and "runs both" in v.message for v in found)


@pytest.mark.parametrize("core", [0, 1, 25])
def test_dead_core(sound: Deployment, spec: NetworkSpec, core: int) -> None:
    found = check(replace(sound, placement=with_array(sound.placement, "core", 5, core)), spec)
    assert "dead_core" in rules(found)


def test_dead_chip(sound: Deployment, spec: NetworkSpec) -> None:
    assert "dead_core" in rules(check(replace(sound, placement=with_array(sound.placement, "chip", 5, sound.machine.n_chips)), spec))


def test_every_dropped_entry_matters(sound: Deployment, spec: NetworkSpec) -> None:
    chip = busiest_chip(sound)
    entries = entries_of(sound, chip)
    for gone in range(0, len(entries), 3):
        found = check(with_tables(sound, chip, entries[:gone] + entries[gone + 1 :]), spec)
        assert rules(found) & {"missing_delivery", "wrong_delivery", "no_entry", "dead_link", "loop", "double_visit"}, gone


def test_changed_key_bit(sound: Deployment, spec: NetworkSpec) -> None:
    chip = busiest_chip(sound)
    entries = entries_of(sound, chip)
    key, mask, route = entries[0]
    entries[0] = (key ^ (mask & -mask), mask, route)
    assert rules(check(with_tables(sound, chip, entries), spec)) & {"missing_delivery", "wrong_delivery", "loop", "double_visit"}


def test_order_of_entries_matters(sound: Deployment, spec: NetworkSpec) -> None:
    chip = busiest_chip(sound)
    reverse = entries_of(sound, chip)[::-1]
    assert check(with_tables(sound, chip, reverse), spec) != []


def test_loop(sound: Deployment, spec: NetworkSpec) -> None:
    a = int(sound.placement.chip[0])
    link = int(np.flatnonzero(sound.machine.neighbour[a] >= 0)[0])
    b = int(sound.machine.neighbour[a, link])
    key, mask = int(sound.keys.slice_key[0]), int(sound.keys.slice_mask[0])
    there = with_tables(sound, a, [(key, mask, 1 << link), *entries_of(sound, a)])
    both = with_tables(there, b, [(key, mask, 1 << (link + 3) % 6), *entries_of(sound, b)])
    found = check(both, spec)
    assert found[0].rule == "loop"
    assert "L23E[0:32]" in found[0].message


def test_two_ways_to_a_chip(sound: Deployment, spec: NetworkSpec) -> None:
    chip = busiest_chip(sound)
    everywhere = sum(1 << link for link in range(6) if sound.machine.neighbour[chip, link] >= 0)
    entries = [(k, m, r | everywhere) for k, m, r in entries_of(sound, chip)]
    assert rules(check(with_tables(sound, chip, entries), spec)) & {"double_visit", "loop"}


def test_dead_link(sound: Deployment, spec: NetworkSpec) -> None:
    tree_chip, tree_link = int(sound.trees.from_chip[0]), int(sound.trees.link[0])
    machine = with_array(sound.machine, "neighbour", (tree_chip, tree_link), -1)
    found = check(replace(sound, machine=machine), spec)
    assert {"dead_link", "missing_delivery"} <= rules(found)
    assert any(v.rule == "dead_link" and f"link {tree_link}" in v.message for v in found)


def test_delivery_to_an_empty_core(sound: Deployment, spec: NetworkSpec) -> None:
    chip = busiest_chip(sound)
    free = next(p for p in range(17, 0, -1) if not np.any((sound.placement.chip == chip) & (sound.placement.core == p)))
    entries = [(k, m, r | 1 << (6 + free)) for k, m, r in entries_of(sound, chip)]
    found = check(with_tables(sound, chip, entries), spec)
    assert any(v.rule == "wrong_delivery" and "runs nothing" in v.message for v in found)


def test_wrong_delivery_of_drive(sound: Deployment, spec: NetworkSpec) -> None:
    drive = int(np.flatnonzero(sound.slices.kind == POISSON_SOURCE)[0])
    chip = int(sound.placement.chip[drive])
    neighbour_core = next(
        int(sound.placement.core[i])
        for i in np.flatnonzero((sound.placement.chip == chip) & (sound.slices.kind == NEURON))
        if i != sound.slices.serves[drive]
    )
    entry = (int(sound.keys.slice_key[drive]), int(sound.keys.slice_mask[drive]), 1 << (6 + neighbour_core))
    found = check(with_tables(sound, chip, [entry, *entries_of(sound, chip)]), spec)
    assert {"wrong_delivery", "missing_delivery"} <= rules(found)


def test_entry_that_looks_at_neuron_bits(sound: Deployment, spec: NetworkSpec) -> None:
    """An entry that takes away one neuron of a slice is found without asking for every key."""
    chip = int(sound.placement.chip[0])
    key = int(sound.keys.slice_key[0]) | 7 << sound.keys.colour_bits
    found = check(with_tables(sound, chip, [(key, 0xFFFFFFFF, 1 << 6), *entries_of(sound, chip)]), spec)
    assert {"missing_delivery"} <= rules(found)


def test_full_sdram(sound: Deployment, spec: NetworkSpec) -> None:
    slices = with_array(sound.slices, "sdram_bytes", 3, 200 * 2**20)
    found = check(replace(sound, partition=replace(sound.partition, slices=slices)), spec)
    assert [v.rule for v in found] == ["sdram"]
    x, y = sound.machine.x[sound.placement.chip[3]], sound.machine.y[sound.placement.chip[3]]
    assert found[0].where == f"chip ({x}, {y})"
    assert "117.7 MiB free" in found[0].message
    assert "L23E[96:128] takes 200.0 MiB" in found[0].message
    assert "(now 32)" in found[0].message
    assert found[0].excess > 1.5


def test_full_dtcm(sound: Deployment, spec: NetworkSpec) -> None:
    slices = with_array(sound.slices, "dtcm_bytes", 0, 70_000)
    found = check(replace(sound, partition=replace(sound.partition, slices=slices)), spec)
    assert [v.rule for v in found] == ["dtcm"]
    assert "70,000 bytes needed, 65,536 there" in found[0].message


def test_full_table(sound: Deployment, spec: NetworkSpec) -> None:
    chip = busiest_chip(sound)
    filler = [(0xFFF00000 | i << 4, 0xFFFFFFF0, 1 << 6) for i in range(1023)]
    found = check(with_tables(sound, chip, entries_of(sound, chip) + filler), spec)
    assert [v.rule for v in found] == ["routing_entries"]
    assert "1023 there" in found[0].message


def test_overlapping_and_misplaced_keys(sound: Deployment, spec: NetworkSpec) -> None:
    keys = with_array(sound.keys, "slice_key", 1, sound.keys.slice_key[0])
    assert {"key_overlap", "key_format"} <= rules(check(replace(sound, keys=keys), spec))


def test_neurons_without_a_core(sound: Deployment, spec: NetworkSpec) -> None:
    slices = with_array(sound.slices, "lo", 1, sound.slices.lo[1] + 4)
    found = check(replace(sound, partition=replace(sound.partition, slices=slices)), spec)
    assert any(v.rule == "slices" and "are on no core" in v.message for v in found)


def test_other_network(sound: Deployment, spec: NetworkSpec) -> None:
    assert "network" in rules(check(sound, dataclasses.replace(spec, model="another")))


def test_added_projection_is_missing(sound: Deployment, spec: NetworkSpec) -> None:
    """The checker works targets out from the network, not from the mapping."""
    unlinked = next(i for i, p in enumerate(spec.projections) if p.n_synapses == 0) if any(p.n_synapses == 0 for p in spec.projections) else None
    pairs = {(p.source, p.target) for p in spec.projections if p.n_synapses > 0}
    source, target = next((s, t) for s in range(8) for t in range(8) if (s, t) not in pairs)
    added = replace(spec.projections[0], source=source, target=target, n_synapses=100)
    kept = tuple(p for i, p in enumerate(spec.projections) if i != unlinked)
    assert "missing_delivery" in rules(check(sound, replace(spec, projections=(*kept, added))))
