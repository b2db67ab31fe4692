"""The memory that is expected of a run beside the arrays that it makes."""

from __future__ import annotations

import pytest

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import EmulatorBackend
from spinn_mam.backends.emulator.emulation import CHUNK_STEPS, prepare
from spinn_mam.backends.emulator.memory import expected_memory
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.models import load_model

SPECS = {
    "pd14": lambda: load_model("pd14").network(0.05, 0.1),
    "two areas": lambda: load_model("mam", ["areas.simulated=V1,FEF"]).network(0.03, 0.05),
}


@pytest.mark.parametrize("synapses", ["stored", "procedural"])
@pytest.mark.parametrize("name", list(SPECS))
def test_arrays_have_the_bytes_expected(name: str, synapses: str) -> None:
    spec = SPECS[name]()
    expected = expected_memory(spec, synapses, CHUNK_STEPS)
    made = prepare(Network.from_seed(spec, 1), ring_buffer_shifts(spec), 1, threads=1, procedural=synapses == "procedural").memory
    assert expected.synapses_bytes + expected.headers_bytes == pytest.approx(made.network_bytes, rel=0.02, abs=200_000)
    # made is room for the spikes that refractory periods allow in a call of the loop, expected are those at the expected rates
    assert expected.under_way_bytes < 2.0 * made.state_bytes  # delays that can be, beside those that were drawn
    recorded = 8 * int(spec.sizes.sum()) * (CHUNK_STEPS / 21 + 1) + 24 * int(spec.sizes.sum())
    assert made.state_bytes < expected.under_way_bytes + 1.1 * recorded + 200_000


def test_a_network_that_does_not_fit_is_refused_with_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        available = 1_000_000_000

    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory)
    network = Network.from_seed(load_model("pd14").network(), 1)
    (violation,) = EmulatorBackend().check(network, RunConfig(100.0, 0.0, 1, 1, "shared"), None)
    assert violation.rule == "memory"
    assert "synapses 1.2 GB" in str(violation)
    assert "use --synapses procedural," in str(violation)
    mam = Network.from_seed(load_model("mam").network(0.1, 0.02), 1)
    found = [EmulatorBackend(synapses=s).check(mam, RunConfig(100.0, 0.0, 1, 1, "shared"), None) for s in ("stored", "procedural")]  # type: ignore[arg-type]
    assert [len(v) for v in found] == [1, 1]
    assert found[0][0].excess < found[1][0].excess
    assert "--synapses" not in str(found[0][0])
