"""The machine's Poisson sources as the emulator's input: chunks, delays, windows, threads."""

import numpy as np

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.backend import simulate
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.models import load_model

SETTINGS = ("thalamus.enabled=true", 'thalamus.start="2 ms"', 'thalamus.duration="3 ms"')
SPEC = load_model("pd14", SETTINGS).network(0.02, 0.05)
PER_CORE = [50] * len(SPEC.populations)


def counts(chunks: list[int], n_rows: int = 100) -> np.ndarray:
    sources, rows, step = MachineSources(SPEC, PER_CORE, 3), [], 0
    ring = np.zeros((n_rows, int(SPEC.sizes.sum())), np.uint16)
    for n in chunks:
        sources.fill(ring, step, n)
        rows.append(ring[np.arange(step, step + n) % n_rows].copy())
        step += n
    return np.concatenate(rows)


def test_counts_do_not_depend_on_how_they_are_asked_for() -> None:
    assert np.array_equal(counts([100]), counts([7, 1, 52, 40]))


def test_a_drive_acts_a_step_after_its_spike_and_sources_have_their_window() -> None:
    drawn = counts([100])
    n = int(SPEC.offsets[-2])
    assert not drawn[0, :n].any()
    assert drawn[1:, :n].sum() > 1000
    on = np.flatnonzero(drawn[:, n:].any(axis=1))
    assert on.min() >= 20
    assert on.max() < 50


def test_the_result_does_not_depend_on_threads() -> None:
    network, shifts = Network.from_seed(SPEC, 1), ring_buffer_shifts(SPEC)
    runs = [simulate(network, shifts, 30.0, 5.0, 3, threads, sources=MachineSources(SPEC, PER_CORE, 3)) for threads in (1, 2)]
    own = simulate(network, shifts, 30.0, 5.0, 3, 1)
    assert runs[0].provenance["poisson"] == "the machine's sources"
    assert len(runs[0].step) > 20
    assert np.array_equal(runs[0].step, runs[1].step)
    assert np.array_equal(runs[0].neuron, runs[1].neuron)
    assert not np.array_equal(runs[0].step, own.step)
