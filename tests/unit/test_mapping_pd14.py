"""The full-scale microcircuit, mapped as in 2017: at most 80 neurons a core, 6 boards, time-scale factor 20."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_mam.deployment import Deployment
from spinn_mam.errors import DocumentError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models.model import load_model
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.check import check
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.structures import NEURON, POISSON_SOURCE

# Slices of each population in the metered run of 3 July 2017 (partitioned_by_vertex.rpt of SpiNNakerManchester/microcircuit_model), and
# neurons of the last of each.
SLICES_2017 = (259, 73, 274, 69, 61, 14, 180, 37)
LAST_SLICE_2017 = (43, 74, 75, 39, 50, 25, 75, 68)


@pytest.fixture(scope="module")
def spec() -> NetworkSpec:
    return load_model("pd14").network()


@pytest.fixture(scope="module")
def deployment(spec: NetworkSpec) -> Deployment:
    machine = load_board_config("spin5-6")
    shifts = np.arange(16).reshape(8, 2)
    return map_network(spec, machine, neurons_per_core=80, time_scale_factor=20.0, ring_buffer_shifts=shifts, rng=np.random.default_rng(0))


def test_slices_are_those_of_2017(deployment: Deployment) -> None:
    slices = deployment.slices
    neurons = slices.kind == NEURON
    assert int(neurons.sum()) == 967
    for population, (n, last) in enumerate(zip(SLICES_2017, LAST_SLICE_2017, strict=True)):
        rows = np.flatnonzero(neurons & (slices.population == population))
        assert len(rows) == n
        np.testing.assert_array_equal(slices.lo[rows], 80 * np.arange(n))
        np.testing.assert_array_equal((slices.hi - slices.lo)[rows], [80] * (n - 1) + [last])


def test_delays_need_no_extension_at_80_neurons(deployment: Deployment) -> None:
    assert deployment.delay_slots.tolist() == [64] * 8
    assert deployment.metrics["delay_extension_cores"] == 0


def test_drive_has_a_source_core_beside_each_neuron_core(deployment: Deployment) -> None:
    slices = deployment.slices
    drive = np.flatnonzero(slices.kind == POISSON_SOURCE)
    assert len(drive) == 967
    served = slices.serves[drive]
    np.testing.assert_array_equal(np.sort(served), np.flatnonzero(slices.kind == NEURON))
    np.testing.assert_array_equal(deployment.placement.chip[drive], deployment.placement.chip[served])
    np.testing.assert_array_equal(slices.lo[drive], slices.lo[served])


def test_mapping_keeps_every_rule(deployment: Deployment, spec: NetworkSpec) -> None:
    assert check(deployment, spec) == []


def test_traffic_is_near_its_bounds(deployment: Deployment) -> None:
    m = deployment.metrics
    assert m["link_traversals_per_spike_bound"] <= m["link_traversals_per_spike"] <= 1.05 * m["link_traversals_per_spike_bound"]
    assert m["busiest_link_spikes_per_s_bound"] <= m["busiest_link_spikes_per_s"] <= 1.2 * m["busiest_link_spikes_per_s_bound"]
    # The SpiNNaker tools' router sends about 99 % of all spikes over its busiest link.
    assert m["busiest_link_spikes_per_s"] < 0.4 * m["spikes_per_s"]
    assert m["routing_entries_max"] < m["routing_entries_uncompressed_max"] <= 1023


def test_budgets_alone_choose_128_neurons(spec: NetworkSpec) -> None:
    shifts = np.zeros((8, 2), dtype=np.int64)
    machine = load_board_config("spin5-6")
    decided = map_network(spec, machine, neurons_per_core=None, time_scale_factor=20.0, ring_buffer_shifts=shifts, rng=np.random.default_rng(0))
    # More than 128 would leave 32 delay slots (3.2 ms), and the microcircuit's longest delays pass 6 ms.
    assert decided.neurons_per_core.tolist() == [128] * 8
    assert check(decided, spec) == []
    # Faster, the cycles of a core decide instead.
    quick = map_network(spec, machine, neurons_per_core=None, time_scale_factor=8.0, ring_buffer_shifts=shifts, rng=np.random.default_rng(0))
    assert 1 <= int(quick.neurons_per_core.max()) < 128


def test_deployment_survives_saving(deployment: Deployment, tmp_path) -> None:
    deployment.save(tmp_path / "mapping")
    again = Deployment.load(tmp_path / "mapping")
    assert again.digest() == deployment.digest()
    np.testing.assert_array_equal(again.tables.key, deployment.tables.key)
    np.testing.assert_array_equal(again.ring_buffer_shifts, deployment.ring_buffer_shifts)
    assert again.metrics["cores"] == 1934


@pytest.mark.parametrize("damage", ["truncate", "flip", "swap header", "remove"])
def test_damaged_deployment_is_refused(deployment: Deployment, tmp_path, damage: str) -> None:
    deployment.save(tmp_path)
    header, arrays = tmp_path / "deployment.json", tmp_path / "deployment.npz"
    if damage == "truncate":
        arrays.write_bytes(arrays.read_bytes()[:1000])
    elif damage == "flip":
        data = bytearray(arrays.read_bytes())
        data[len(data) // 2] ^= 1
        arrays.write_bytes(bytes(data))
    elif damage == "swap header":
        header.write_text(header.read_text().replace('"time_scale_factor": 20.0', '"time_scale_factor": 10.0'))
    else:
        header.unlink()
    with pytest.raises(DocumentError):
        Deployment.load(tmp_path)
