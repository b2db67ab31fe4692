"""Split cores: numbers of synapse cores, dealing of sources, budgets, and what a Deployment says of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from spinn_mam.deployment import Deployment
from spinn_mam.errors import DoesNotFitError, UsageError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models.model import load_model
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.partitioning.check import check, slice_labels
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.slices import partition
from spinn_mam.partitioning.split_cores import hand_over_bytes
from spinn_mam.partitioning.structures import DELAY_EXTENSION, NEURON, POISSON_SOURCE, SYNAPSE
from spinn_mam.partitioning.synapse_cores import deal

LIF = NeuronParameters(C_m=250.0, tau_m=10.0, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65.0, V_reset=-65.0, V_th=-50.0, t_ref=2.0)
BOARD = load_board_config("spin5")


def network(*pairs: tuple[int, int], sizes: tuple[int, ...] = (90, 50, 30), delay: float = 1.5) -> NetworkSpec:
    drive = PoissonDrive(rate=500.0, weight=80.0, delay=1.5)
    populations = tuple(Population(f"P{i}", n, LIF, drive=drive if i else None) for i, n in enumerate(sizes))
    projections = tuple(Projection(s, t, 400, Distribution(80.0, 0.0), Distribution(delay, 0.0)) for s, t in pairs)
    return NetworkSpec("small", 0.1, populations, projections, (4.0,) * len(sizes), "made up")


def mapped(spec: NetworkSpec, neurons_per_core: int | None = 10, synapse_cores: int | None = 3, factor: float = 1.0) -> Deployment:
    shifts, rng = np.zeros((len(spec.populations), 2), dtype=np.int64), np.random.default_rng(0)
    return map_network(
        spec,
        BOARD,
        neurons_per_core=neurons_per_core,
        time_scale_factor=factor,
        layout="split",
        synapse_cores=synapse_cores,
        ring_buffer_shifts=shifts,
        rng=rng,
    )


@pytest.mark.parametrize(
    ("n_slices", "n_cores", "first", "expected"),
    [
        (1, 3, 2, [2]),
        (3, 3, 1, [1, 2, 0]),
        (4, 3, 0, [0, 0, 1, 1]),
        (5, 2, 1, [1, 1, 1, 1, 0]),
        (8, 4, 3, [3, 3, 0, 0, 1, 1, 2, 2]),
        (3, 1, 0, [0, 0, 0]),
    ],
)
def test_runs_of_a_power_of_two_go_to_cores_in_turn(n_slices: int, n_cores: int, first: int, expected: list[int]) -> None:
    assert deal(n_slices, n_cores, first).tolist() == expected


def test_sources_take_turns_in_the_order_of_their_first_projection() -> None:
    """The first core moves on with each source that a target has, whatever the source's index."""
    deployment = mapped(network((1, 0), (0, 0), (0, 1), (2, 0), (1, 1)))
    slices, core = deployment.slices, deployment.synapse_core
    rows = {p: np.flatnonzero((slices.kind == NEURON) & (slices.population == p)) for p in range(3)}
    assert deployment.synapse_cores.tolist() == [3, 3, 0]
    # Onto P0: P1 (5 slices, runs of 2) first, then P0 (9 slices, runs of 4), then P2 (3 slices).
    assert core[0, rows[1]].tolist() == [0, 0, 1, 1, 2]
    assert core[0, rows[0]].tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 0]
    assert core[0, rows[2]].tolist() == [2, 0, 1]
    # Onto P1: P1, then P0; P2 sends it nothing.
    assert core[1, rows[1]].tolist() == [0, 0, 1, 1, 2]
    assert core[1, rows[0]].tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 0]
    assert core[1, rows[2]].tolist() == [-1, -1, -1]
    assert (core[:, slices.kind == SYNAPSE] == -1).all()
    # P2 has no projection: its cores stay combined and take their drive as packets.
    drive = slices.kind == POISSON_SOURCE
    assert (core[1, drive] == -1).all()
    assert (core[2, drive & (slices.population == 2)] == 0).all()
    assert check(deployment, network((1, 0), (0, 0), (0, 1), (2, 0), (1, 1)), every_key=True) == []


def test_delay_extensions_are_dealt_after_all_other_sources() -> None:
    spec = network((0, 1), (1, 0), (1, 1), delay=60.0)
    deployment = mapped(spec, neurons_per_core=40)
    slices, core = deployment.slices, deployment.synapse_core
    extension = [np.flatnonzero((slices.kind == DELAY_EXTENSION) & (slices.population == p)) for p in (0, 1)]
    assert [len(rows) for rows in extension] == [3, 2]
    # P1 is asked for by P0's neurons, its own, then the extensions of P0 and of itself.
    assert core[1, extension[0]].tolist() == [2, 0, 1]
    assert core[1, extension[1]].tolist() == [0, 1]
    assert check(deployment, spec) == []


def test_all_cores_of_a_slice_are_on_one_chip_and_the_neuron_core_has_room_for_their_sums() -> None:
    spec = network((0, 0), (0, 1), (1, 1))
    deployment = mapped(spec)
    slices, chip = deployment.slices, deployment.placement.chip
    assert slice_labels(deployment, spec)[:10] == [f"P0[{i}:{i + 10}]" for i in range(0, 90, 10)] + ["P0[0:10] synapse 0"]
    for neuron in np.flatnonzero((slices.kind == NEURON) & (slices.population == 1)).tolist():
        own = np.flatnonzero(slices.serves == neuron)
        assert slices.kind[own].tolist() == [SYNAPSE] * 3 + [POISSON_SOURCE]
        assert set(chip[own].tolist()) == {int(chip[neuron])}
        # 10 neurons are 16 of two receptors and 16 bits.
        assert slices.hand_over_bytes[own].tolist() == [64] * 4 == [hand_over_bytes(10)] * 4
        assert slices.sdram_bytes[neuron] - slices.sdram_bytes[0] == 64
    # Only the first synapse core holds the matrix.
    first, second = (int(np.flatnonzero(slices.kind == SYNAPSE)[i]) for i in (0, 9))
    assert slices.sdram_bytes[first] > slices.sdram_bytes[second]
    m = deployment.metrics
    assert (m["cores"], m["neuron_cores"], m["synapse_cores"]) == (slices.n_slices, 17, 42)


def test_full_scale_in_real_time() -> None:
    """As sPyNNaker gives by itself (``test_split_mapping_equals_spynnaker.py``)."""
    spec = load_model("pd14").network()
    parts = partition(spec, load_board_config("spin5-12"), neurons_per_core=64, time_scale_factor=1.0, layout="split")
    assert parts.synapse_cores.tolist() == [4, 4, 3, 4, 4, 3, 3, 3]
    assert parts.slices.n_slices == 6_628
    assert parts.delay_slots.tolist() == [128] * 8
    assert not parts.delay_stages.any()
    slow = partition(spec, load_board_config("spin5-6"), neurons_per_core=64, time_scale_factor=20.0, layout="split")
    assert slow.synapse_cores.tolist() == [1] * 8


def test_busier_cores_get_more_synapse_cores_than_the_tools_give() -> None:
    spec = load_model("pd14").network(0.2, 0.2)
    busy = dataclasses.replace(spec, expected_rates=tuple(30 * r for r in spec.expected_rates))
    quiet, more = (partition(s, BOARD, neurons_per_core=32, time_scale_factor=1.0, layout="split") for s in (spec, busy))
    assert (more.synapse_cores > quiet.synapse_cores).all()
    assert (more.neurons_per_core == 32).all()


def test_what_cannot_be_is_refused() -> None:
    spec = load_model("pd14").network(0.02, 0.02)
    with pytest.raises(UsageError, match="only in the split layout"):
        partition(spec, BOARD, neurons_per_core=10, time_scale_factor=1.0, synapse_cores=2)
    with pytest.raises(DoesNotFitError, match="18 cores of one chip needed"):
        partition(spec, BOARD, neurons_per_core=10, time_scale_factor=1.0, layout="split", synapse_cores=16)


def test_a_deployment_keeps_its_dealing(tmp_path: Path) -> None:
    deployment = mapped(network((0, 0), (0, 1), (1, 1)))
    deployment.save(tmp_path)
    again = Deployment.load(tmp_path)
    assert again.layout == "split"
    assert again.digest() == deployment.digest()
    assert again.synapse_core.dtype == np.int16
    np.testing.assert_array_equal(again.synapse_core, deployment.synapse_core)
    np.testing.assert_array_equal(again.synapse_cores, deployment.synapse_cores)
    swapped = deployment.synapse_core.copy()
    swapped[0, :2] = swapped[0, 1::-1] + 1
    other = dataclasses.replace(deployment, partition=dataclasses.replace(deployment.partition, synapse_core=swapped))
    assert other.digest() != deployment.digest()
