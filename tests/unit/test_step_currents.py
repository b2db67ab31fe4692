"""Currents that change in time: the emulator beside a run in pieces and beside NEST, replaced areas, and who refuses them."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import EmulatorBackend
from spinn_mam.backends.spinnaker.checks import check_run
from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models import load_model
from spinn_mam.models.mam.network import matrices
from spinn_mam.models.theory import MeanField
from spinn_mam.network.spec import NetworkSpec, NeuronParameters, Population, StepCurrent

NEURON = NeuronParameters(250.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)
VALUES = (0.0, 700.0, 300.0, 900.0, 900.0, 500.0)


def alone(current: StepCurrent | None, I_e: float = 0.0) -> NetworkSpec:
    """One neuron without input but currents."""
    return NetworkSpec("alone", 0.1, (Population("n", 1, NEURON, I_e=I_e, V0_mean=-65.0, current=current),), (), (0.0,), "none")


def spikes(spec: NetworkSpec, backend: Any, t_sim: float = 150.0) -> list[int]:
    run = RunConfig(t_sim=t_sim, warm_up=0.0, seed=1, threads=1, connectivity="shared")
    return sorted(backend.start(Network.from_seed(spec, 1), run, None).result().step.tolist())


def test_the_emulator_s_current_changes_when_it_should() -> None:
    """The membrane's equation, solved piece by piece."""
    spec = alone(StepCurrent(20.0, VALUES), I_e=100.0)
    v, refractory, expected = -65.0, 0, []
    for step in range(1500):
        current = 100.0 + VALUES[min(step // 200, 5)]
        if refractory:
            refractory -= 1
        else:
            rest = -65.0 + current * 10.0 / 250.0
            v = rest + (v - rest) * np.exp(-0.01)
            if v >= -50.0:
                v, refractory = -65.0, 20
                expected.append(step + 1)
    got = spikes(spec, EmulatorBackend())
    assert len(got) == len(expected) > 5
    assert np.abs(np.array(got) - np.array(expected)).max() <= 1
    assert spikes(alone(StepCurrent(150.0, (800.0,))), EmulatorBackend()) == spikes(alone(None, I_e=800.0), EmulatorBackend())


IN_NEST = """
import json, sys
from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.nest import NestBackend
from spinn_mam.network.spec import NetworkSpec

spec = NetworkSpec.from_dict(json.load(sys.stdin))
run = RunConfig(t_sim=150.0, warm_up=0.0, seed=1, threads=1, connectivity="shared")
print(json.dumps(sorted(NestBackend().start(Network.from_seed(spec, 1), run, None).result().step.tolist())))
"""


def test_nest_has_the_same_current() -> None:
    pytest.importorskip("nest")
    spec = alone(StepCurrent(20.0, VALUES), I_e=100.0)
    # a process of its own: NEST keeps its state in the process
    found = subprocess.run([sys.executable, "-c", IN_NEST], input=json.dumps(spec.to_dict()), capture_output=True, text=True, check=True, timeout=120)
    ours, theirs = spikes(spec, EmulatorBackend()), json.loads(found.stdout.splitlines()[-1])
    assert len(ours) == len(theirs) > 5
    assert np.abs(np.array(ours) - np.array(theirs)).max() <= 1


def test_it_is_part_of_the_network_s_digest_and_of_theory() -> None:
    spec = alone(StepCurrent(20.0, VALUES))
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    assert "current" not in alone(None).to_dict()["populations"][0]
    assert len({spec.digest(), alone(None).digest(), alone(StepCurrent(10.0, VALUES)).digest()}) == 3
    driven, plain = load_model("mam", ["areas.simulated=V1"]).network(), load_model("mam", ["areas.simulated=V1"]).network()
    populations = (dataclasses.replace(driven.populations[0], current=StepCurrent(1.0, (10.0, 30.0))), *driven.populations[1:])
    mean = [MeanField.of(s).input(np.zeros(8))[0][0] for s in (dataclasses.replace(driven, populations=populations), plain)]
    assert mean[0] - mean[1] == pytest.approx(20.0 * 10.0 / 250.0)


def test_sources_of_replaced_areas_at_constant_rates_give_their_mean_current(tmp_path: Path) -> None:
    whole = load_model("mam").network()
    rates = dict(zip(whole.names, whole.expected_rates, strict=True))
    for name in whole.names:
        np.save(tmp_path / f"rate-{name}.npy", np.full(50, rates[name]))
    settings = ["areas.simulated=46", "variants.replace_non_simulated_areas=het_current_nonstat", f"areas.rate_series={tmp_path / 'rate'}"]
    spec, poisson = load_model("mam", settings).network(), load_model("mam", settings[:1]).network()
    external = load_model("mam").network().populations[whole.index("46-23E")].drive
    assert external is not None
    assert spec.populations[0].drive == external
    for a, b in zip(spec.populations, poisson.populations, strict=True):
        assert a.current is not None
        assert b.drive is not None
        assert a.drive is not None
        replaced = (b.drive.rate * b.drive.weight - a.drive.rate * a.drive.weight) * 0.5 / 1000
        assert a.current.values == pytest.approx([replaced] * 50, abs=1e-6)
    # one source area starts to fire at 20 ms: the current follows after the distance over the speed
    for name in whole.names:
        np.save(tmp_path / f"rate-{name}.npy", np.where(np.arange(50) < 20, 0.0, 5.0) if name.startswith("FEF-") else np.zeros(50))
    late = next(p.current for p in load_model("mam", settings).network().populations if p.current is not None and any(p.current.values))
    net = matrices(load_model("mam").content)  # type: ignore[arg-type]
    delay = net.delay[net.names.index("46-23E"), net.names.index("FEF-23E")]
    assert np.flatnonzero(late.values)[0] == 20 + round(delay)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    settings = ["areas.simulated=46", "variants.replace_non_simulated_areas=het_current_nonstat"]
    with pytest.raises(UsageError, match="needs recorded rates that change in time"):
        load_model("mam", settings).network()
    with pytest.raises(DocumentError, match="no series of rates of V1-23E"):
        load_model("mam", [*settings, f"areas.rate_series={tmp_path / 'x'}"]).network()
    np.save(tmp_path / "x-V1-23E.npy", np.array([1.0, -1.0]))
    with pytest.raises(DocumentError, match="not negative"):
        load_model("mam", [*settings, f"areas.rate_series={tmp_path / 'x'}"]).network()
    with pytest.raises(UsageError, match="no whole number of steps"):
        spikes(alone(StepCurrent(0.25, VALUES)), EmulatorBackend())
    run = RunConfig(t_sim=10.0, warm_up=0.0, seed=1, threads=1, connectivity="shared")
    network = Network.from_seed(alone(StepCurrent(20.0, VALUES)), 1)
    found = check_run(network, run, None, layout="combined", offset=0, on_hardware=False)
    assert any("current that changes in time" in violation.message for violation in found)
