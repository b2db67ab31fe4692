"""An emulation goes on from a saved state as if nothing had been, and is the same in pieces and at once."""

import numpy as np
import pytest

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.emulation import Emulation, prepare
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.models import load_model

SPEC = load_model("pd14", ("thalamus.enabled=true", 'thalamus.start="20 ms"', 'thalamus.duration="30 ms"')).network(0.02, 0.03)
NETWORK = Network.from_seed(SPEC, 1)
PER_CORE = [50] * len(SPEC.populations)


def emulation(threads: int = 1, own_sources: bool = True) -> Emulation:
    sources = None if own_sources else MachineSources(SPEC, PER_CORE, 3)
    return prepare(NETWORK, ring_buffer_shifts(SPEC), 3, threads=threads, sources=sources)


@pytest.mark.parametrize("own_sources", [True, False])
def test_a_restored_state_continues_identically(own_sources: bool) -> None:
    whole = emulation(own_sources=own_sources)
    whole.advance(287)
    state = whole.state()
    expected = whole.advance(700)
    assert len(expected[0]) > 50
    counters, potentials = whole.counters, whole.state()["v"]

    other = emulation(threads=2, own_sources=own_sources)
    other.advance(31)
    other.restore(state)
    assert other.step == 287
    found = [np.concatenate(pieces) for pieces in zip(other.advance(450), other.advance(0), other.advance(250), strict=True)]
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])
    assert (other.counters, other.step) == (counters, 987)
    assert np.array_equal(other.state()["v"], potentials)


def test_each_part_of_the_state_matters() -> None:
    run = emulation()
    run.advance(300)
    state = run.state()
    expected = run.advance(200)[0]
    for name in ("v", "exc", "inh", "refract", "history"):
        run.restore({**state, name: np.zeros_like(state[name])})
        assert not np.array_equal(run.advance(200)[0], expected), name
    run.restore(state)
    assert np.array_equal(run.advance(200)[0], expected)


def test_a_state_of_another_network_is_refused() -> None:
    other = prepare(Network.from_seed(load_model("pd14").network(0.03, 0.03), 1), ring_buffer_shifts(SPEC), 3)
    with pytest.raises(ValueError, match="in the saved state"):
        other.restore(emulation().state())


def test_time_stamps_and_potentials_belong_together() -> None:
    run = emulation()
    neurons = np.arange(int(SPEC.offsets[-2]))[::-3]
    reset = round(next(p.neuron.V_reset for p in SPEC.populations if p.neuron) * ONE) / ONE
    n_seen = 0
    for step in range(1, 400):
        stamps, spiked = run.advance(1)
        v = run.potentials(neurons)
        assert (stamps == step).all()
        seen = np.isin(neurons, spiked)
        n_seen += int(seen.sum())
        assert (v[seen] == reset).all()
    assert n_seen > 10
    assert v.dtype == np.float32
    assert np.array_equal(v * ONE, run.state()["v"][run.layout.state_of[neurons]])
