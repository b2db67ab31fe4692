"""Budgets of a core: the tools' rules, and how need grows with neurons, rates and delays."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom

from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models.model import load_model
from spinn_mam.network.spec import Distribution, NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.budgets import (
    Sources,
    combined_core,
    cycles_per_step,
    delay_core,
    delay_slots,
    most_selected,
    poisson_core,
)
from spinn_mam.partitioning.delays import longest_delay, longest_steps
from spinn_mam.partitioning.slices import broken_budgets


@pytest.fixture(scope="module")
def spec() -> NetworkSpec:
    return load_model("pd14").network()


def test_most_selected_is_the_binomial_quantile() -> None:
    rng = np.random.default_rng(0)
    total = np.concatenate([rng.integers(1, 20, 2000), rng.integers(1, 5000, 2000), rng.integers(10**5, 5 * 10**7, 500)])
    n, p = np.maximum(total // rng.integers(1, 4, len(total)), 1), rng.random(len(total)) ** 6
    p[::50], p[1::50] = 1.0, 1e-20
    np.testing.assert_array_equal(most_selected(total, n.astype(float), p), np.maximum(binom.ppf(1 - 0.01 / total, n, p), 1))


@pytest.mark.parametrize(("neurons", "slots"), [(1, 8192), (2, 4096), (64, 128), (65, 64), (80, 64), (128, 64), (129, 32), (256, 32)])
def test_delay_slots_are_what_the_ring_buffers_leave(neurons: int, slots: int) -> None:
    assert delay_slots(neurons) == slots
    # Two synapse types, a power of two of neurons, and the slots make 2^14 counters: 32 KiB.
    assert slots * 2 * 2 ** int(np.ceil(np.log2(neurons))) * 2 == 32_768


def test_longest_delay() -> None:
    normal = Distribution(1.5, 0.75, 0.05)
    assert longest_delay(Distribution(1.5, 0.0), 1000) == 1.5
    assert longest_delay(normal, 0) == 0.0
    # One of 45 million draws: 6.2 standard deviations, below the 6.4 ms of 64 slots.
    assert longest_delay(normal, 45_000_000) == pytest.approx(1.5 + 0.75 * 6.22, abs=0.05)
    assert longest_delay(replace(normal, upper=4.0), 45_000_000) == 4.0


def test_steps_that_the_tools_are_told(spec: NetworkSpec) -> None:
    """A step more than NEST's, and what makes truncation rounding: a constant lies within its step, of which the end is reserved."""
    projection = spec.projections[0]
    assert longest_steps(replace(projection, delay=Distribution(6.2, 0.0)), 0.1) == 64
    assert longest_steps(replace(projection, delay=Distribution(1.5, 0.75, 0.1, 4.0)), 0.1) == 42


def test_need_grows_with_neurons(spec: NetworkSpec) -> None:
    cores = [combined_core(spec, 0, n, Sources.of(spec, np.full(8, 80))) for n in (1, 16, 64, 80, 128)]
    for smaller, larger in pairwise(cores):
        assert smaller.sdram_bytes < larger.sdram_bytes
        assert smaller.dtcm_bytes <= larger.dtcm_bytes
        assert smaller.cycles < larger.cycles
        assert smaller.longest_row <= larger.longest_row
    # Several times 4 bytes a synapse: rows are short, headers and padding long.
    synapses = sum(p.n_synapses for p in spec.projections if p.target == 0) * 80 / 20683
    assert 3 < cores[3].matrix_bytes / (4 * synapses) < 12


def test_cycles_follow_rates_and_clock(spec: NetworkSpec) -> None:
    quiet = replace(spec, expected_rates=(0.0,) * 8, populations=tuple(replace(p, drive=None) for p in spec.populations))
    assert combined_core(quiet, 0, 64, Sources.of(quiet, np.full(8, 64))).cycles == pytest.approx(64 * budgets.CYCLES_PER_NEURON)
    driven = combined_core(spec, 0, 64, Sources.of(spec, np.full(8, 64))).cycles
    # 64 x 1.28 spikes of the drive arrive in a step, with one synapse each, and those of the populations that project there.
    incoming = [p for p in spec.projections if p.target == 0 and p.n_synapses]
    spikes = 64 * 1.28 + sum(spec.sizes[p.source] * spec.expected_rates[p.source] for p in incoming) * 1e-4
    events = 64 * 1.28 + 64 * sum(p.n_synapses * spec.expected_rates[p.source] for p in incoming) / spec.sizes[0] * 1e-4
    expected = spikes * budgets.CYCLES_PER_SPIKE + events * budgets.CYCLES_PER_EVENT
    assert driven - 64 * budgets.CYCLES_PER_NEURON == pytest.approx(expected, rel=0.001)
    assert cycles_per_step(spec, 200e6, 1.0) == pytest.approx(0.7 * 20_000)
    assert cycles_per_step(spec, 200e6, 20.0) == pytest.approx(0.7 * 400_000)


def test_broken_budgets_are_named(spec: NetworkSpec) -> None:
    machine = load_board_config("spin5")
    core = combined_core(spec, 0, 80, Sources.of(spec, np.full(8, 80)))
    assert broken_budgets(spec, machine, core, 20.0) == []
    worse = replace(core, dtcm_bytes=70_000, sdram_bytes=2 * 10**8, longest_row=300, delay_stages=9)
    assert [name for name, _, _ in broken_budgets(spec, machine, worse, 0.5)] == ["dtcm", "sdram", "row_length", "delay_stages", "cycles"]


def test_small_cores() -> None:
    for neurons in (1, 80, 255):
        sdram, dtcm = poisson_core(neurons)
        assert 0 < sdram < 100_000
        assert 0 < dtcm < 65_536
    # A counter of a byte for each neuron and step: 128 neurons, 8 stages of 64 steps are 64 KiB.
    assert delay_core(128, 8, 64)[1] > 65_536 > delay_core(64, 8, 64)[1]
