"""Mapping beside the main job: other drives, sources, small and broken machines, and refusals that say what would do."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from spinn_mam.errors import DoesNotFitError, UsageError
from spinn_mam.machine.board_config import build_machine, load_board_config, read_board_config
from spinn_mam.models.model import load_model
from spinn_mam.network.spec import Distribution, NetworkSpec, Population, Projection
from spinn_mam.partitioning.check import check, check_or_raise
from spinn_mam.partitioning.keys import allocate
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.place_boards import chip_order
from spinn_mam.partitioning.slices import partition
from spinn_mam.partitioning.structures import DELAY_EXTENSION, NEURON, POISSON_SOURCE


def mapped(spec: NetworkSpec, board: str = "spin5-6", neurons_per_core: int | None = 80, time_scale_factor: float = 20.0):
    shifts = np.zeros((len(spec.populations), 2), dtype=np.int64)
    machine = load_board_config(board)
    return map_network(
        spec, machine, neurons_per_core=neurons_per_core, time_scale_factor=time_scale_factor, ring_buffer_shifts=shifts, rng=np.random.default_rng(0)
    )


def without_drive(spec: NetworkSpec) -> NetworkSpec:
    return replace(spec, populations=tuple(replace(p, drive=None) for p in spec.populations), drive="dc")


def with_thalamus(spec: NetworkSpec, delay: float = 1.5) -> NetworkSpec:
    thalamus = Population(name="TC", size=902, neuron=None, source_rate=120.0, source_start=700.0, source_stop=710.0)
    extra = tuple(Projection(8, target, 20_000, Distribution(87.8, 8.78, 0.0), Distribution(delay, 0.0)) for target in (2, 3, 6, 7))
    return replace(
        spec, populations=(*spec.populations, thalamus), projections=(*spec.projections, *extra), expected_rates=(*spec.expected_rates, 15.0)
    )


def test_direct_current_needs_no_source_cores() -> None:
    spec = without_drive(load_model("pd14").network())
    deployment = mapped(spec)
    assert deployment.metrics["cores"] == 967
    assert deployment.metrics["boards_used"] == 2
    assert check(deployment, spec) == []


def test_sources_are_a_vertex_of_their_own() -> None:
    spec = with_thalamus(load_model("pd14").network(0.1, 0.1))
    deployment = mapped(spec, "spin5-3", 80)
    slices = deployment.slices
    own = slices.population == 8
    assert set(slices.kind[own].tolist()) == {POISSON_SOURCE}
    assert int(own.sum()) == -(-902 // 80)
    assert np.all(slices.serves[own] == -1)
    assert check(deployment, spec, every_key=True) == []


def test_late_delays_get_extensions() -> None:
    spec = with_thalamus(load_model("pd14").network(0.1, 0.1), delay=15.0)
    deployment = mapped(spec, "spin5-3", 80)
    slices = deployment.slices
    extensions = slices.kind == DELAY_EXTENSION
    assert set(slices.population[extensions].tolist()) == {8}
    # 150 steps over 64 slots: 64 in the ring buffers and two stages more.
    assert deployment.partition.delay_stages.tolist() == [0] * 8 + [2]
    assert deployment.partition.stage_slots.tolist() == [0] * 8 + [64]
    assert check(deployment, spec, every_key=True) == []


def test_a_tiny_network_fits_four_chips() -> None:
    spec = load_model("pd14").network(0.005, 0.01)
    deployment = mapped(spec, "spin3", 80)
    assert deployment.metrics["boards"] == 1
    assert check(deployment, spec, every_key=True) == []


def test_dead_chips_links_and_cores_are_left_out() -> None:
    document = read_board_config("spin5-3")
    dead = {"dead_chips": ((3, 3), (4, 7)), "dead_links": ((1, 1, 0), (5, 5, 2), (5, 6, 5)), "dead_cores": ((2, 2, 17), (2, 2, 16))}
    machine = build_machine(document.model_copy(update=dead))
    spec = load_model("pd14").network(0.3, 0.1)
    deployment = map_network(
        spec, machine, neurons_per_core=64, time_scale_factor=20.0, ring_buffer_shifts=np.zeros((8, 2), dtype=np.int64), rng=np.random.default_rng(0)
    )
    assert check(deployment, spec) == []


def test_mapping_is_deterministic() -> None:
    spec = load_model("pd14").network(0.1, 0.1)
    first, second = mapped(spec, "spin5"), mapped(spec, "spin5")
    assert first.digest() == second.digest()
    assert first.digest() != mapped(spec, "spin5", 64).digest()
    assert first.digest() != replace(first, time_scale_factor=10.0).digest()


def test_too_small_a_machine_says_what_is_missing() -> None:
    with pytest.raises(DoesNotFitError) as caught:
        mapped(load_model("pd14").network(), "spin5", 80)
    message = str(caught.value)
    assert "1,934 cores" in message
    assert "759 cores" in message
    assert "Use at least 3 boards (now 1)" in message
    assert caught.value.exit_code == 3
    assert caught.value.violations[0].excess > 2


def test_real_time_is_refused_with_the_cycles_it_takes() -> None:
    spec = load_model("pd14").network()
    with pytest.raises(DoesNotFitError, match=r"cycles a time step needed .* Use a larger time-scale factor"):
        mapped(spec, "spin5-6", 80, 0.1)


def test_very_long_delays_take_fewer_neurons_a_core() -> None:
    spec = with_thalamus(load_model("pd14").network(0.1, 0.1), delay=100.0)
    deployment = mapped(spec, "spin5-3", 128)
    # 1,000 steps are more than 9 times 64 slots: with 64 neurons there are 128, and an extension has 8 stages at most.
    assert deployment.neurons_per_core[:8].tolist() == [128, 128, 64, 64, 128, 106, 64, 64]
    assert deployment.partition.delay_stages[8] == 7
    assert check(deployment, spec) == []


def test_a_target_with_few_slots_does_not_cut_the_reach_of_its_sources() -> None:
    spec = with_thalamus(load_model("pd14").network(0.1, 0.1), delay=30.0)
    slow = replace(spec.projections[-1], delay=Distribution(100.0, 0.0))
    spec = replace(spec, projections=(*spec.projections[:-1], slow))
    deployment = mapped(spec, "spin5-3", 128)
    # The last target alone leaves 128 slots; all late targets do, since 64 of another one would make 15 stages of its source.
    late = sorted({p.target for p in spec.projections if p.source == 8})
    assert set(deployment.neurons_per_core[late].tolist()) == {64}
    assert deployment.partition.delay_stages[8] == 7
    assert check(deployment, spec) == []


@pytest.mark.parametrize(("neurons_per_core", "time_scale_factor"), [(0, 20.0), (-3, 20.0), (80, 0.0), (80, -1.0)])
def test_nonsense_is_refused(neurons_per_core: int, time_scale_factor: float) -> None:
    with pytest.raises(UsageError):
        mapped(load_model("pd14").network(0.05, 0.05), "spin5", neurons_per_core, time_scale_factor)


def test_wide_keys_are_refused() -> None:
    machine = load_board_config("spin5-6")
    parts = partition(load_model("pd14").network(), machine, neurons_per_core=80, time_scale_factor=20.0)
    keys = allocate(parts)
    assert int(keys.core_shift.max()) == 11
    with pytest.raises(DoesNotFitError, match="keys needed"):
        allocate(parts, colour_bits=16)


def test_check_or_raise_lists_all() -> None:
    spec = load_model("pd14").network(0.05, 0.05)
    deployment = mapped(spec, "spin5")
    check_or_raise(deployment, spec)
    broken = replace(
        deployment, partition=replace(deployment.partition, slices=replace(deployment.slices, dtcm_bytes=deployment.slices.dtcm_bytes + 65_536))
    )
    with pytest.raises(DoesNotFitError) as caught:
        check_or_raise(broken, spec)
    assert len(caught.value.violations) == deployment.slices.n_slices


def test_chip_order_is_a_permutation_board_by_board() -> None:
    machine = load_board_config("spin5-24")
    order = chip_order(machine)
    np.testing.assert_array_equal(np.sort(order), np.arange(machine.n_chips))
    boards = machine.ethernet[order]
    assert np.count_nonzero(np.diff(boards)) == machine.n_boards - 1
    # Each chip after the first touches one before it.
    rank = np.empty(machine.n_chips, dtype=np.int64)
    rank[order] = np.arange(machine.n_chips)
    for chip in order[1:]:
        around = machine.neighbour[chip]
        assert np.any(rank[around[around >= 0]] < rank[chip])


def test_kinds_are_neurons_and_drive() -> None:
    spec = load_model("pd14").network(0.05, 0.05)
    deployment = mapped(spec, "spin5")
    assert set(deployment.slices.kind.tolist()) == {NEURON, POISSON_SOURCE}
    assert dataclasses.is_dataclass(deployment)
