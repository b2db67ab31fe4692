"""The spinnaker backend end to end: sPyNNaker in its child process, the ARM binaries on the virtual board, compared with the emulator."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import EmulatorBackend, simulate
from spinn_mam.backends.spinnaker.backend import SpinnakerBackend
from spinn_mam.backends.spinnaker.targets import Target, make_target
from spinn_mam.deployment import Deployment
from spinn_mam.errors import RunFailedError
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.recording import Recording
from spinn_mam.virtual_board.allocation import Allocator, Granted
from spinn_mam.virtual_board.session import SETTINGS, VirtualBoard

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

DT = 0.1
NEURON = NeuronParameters(250.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)
EXCITATORY = Distribution(150.0, 15.0, 0.0)
INHIBITORY = Distribution(-600.0, 60.0, -np.inf, 0.0)


def network(longest_ms: float = 3.0, drive: PoissonDrive | None = None, sources: float = 0.0) -> Network:
    """Excitatory and inhibitory neurons on several cores, driven by currents (and by Poisson sources if asked)."""
    populations = [
        Population("E", 130, NEURON, I_e=420.0, V0_mean=-58.0, V0_sd=5.0, drive=drive),
        Population("I", 45, NEURON, I_e=450.0, V0_mean=-58.0, V0_sd=5.0, drive=drive),
    ]
    delay = Distribution(longest_ms / 2, longest_ms / 4, DT / 2, longest_ms)
    projections = [
        Projection(0, 0, 1500, EXCITATORY, delay),
        Projection(0, 1, 700, EXCITATORY, delay),
        Projection(1, 0, 900, INHIBITORY, Distribution(0.8, 0.4, DT / 2, longest_ms)),
        Projection(1, 1, 300, INHIBITORY, Distribution(0.3, 0.0)),
    ]
    if sources:
        populations.append(Population("S", 40, None, source_rate=sources, source_start=5.0, source_stop=15.0))
        projections.append(Projection(2, 0, 500, EXCITATORY, delay))
    spec = NetworkSpec("test", DT, tuple(populations), tuple(projections), (30.0,) * len(populations), "a guess")
    return Network.from_seed(spec, 5)


def deployment(spec: NetworkSpec, layout: str = "combined") -> Deployment:
    machine, shifts, rng = load_board_config("spin5"), ring_buffer_shifts(spec), np.random.default_rng(1)
    return map_network(spec, machine, neurons_per_core=60, time_scale_factor=1.0, layout=layout, ring_buffer_shifts=shifts, rng=rng)


def run(net: Network, tmp_path: Path, *, layout: str = "combined", degree: str = "shared", t_sim: float = 40.0, warm_up: float = 0.0) -> Recording:
    mapped = deployment(net.spec, layout)
    backend = SpinnakerBackend(Target("virtual"), layout, kept_log=tmp_path / "spynnaker.log")
    config = RunConfig(t_sim, warm_up, 3, 2, degree)  # type: ignore[arg-type]
    assert not backend.check(net, config, mapped)
    return backend.start(net, config, mapped).result()


def spikes(recording: Recording) -> set[tuple[int, int]]:
    return set(zip(recording.step.tolist(), recording.neuron.tolist(), strict=True))


@pytest.mark.parametrize("layout", [pytest.param("combined", marks=pytest.mark.slow), "split"])
def test_with_the_same_synapses_spikes_are_the_emulators(tmp_path: Path, layout: str) -> None:
    net = network()
    there = run(net, tmp_path, layout=layout, t_sim=30.0, warm_up=10.0)
    here = simulate(net, ring_buffer_shifts(net.spec), 30.0, 10.0, seed=3)
    assert len(here.step) > 150
    assert np.array_equal(there.step, here.step)
    assert np.array_equal(there.neuron, here.neuron)
    assert (there.start_step, there.stop_step) == (here.start_step, here.stop_step) == (101, 401)
    assert not any(there.provenance["losses"].values())
    assert there.provenance["timing"] == "functionally executed, timing not modelled"
    assert "rtf" not in there.provenance


@pytest.mark.parametrize(("degree", "longest_ms", "stages"), [pytest.param("shared", 16.0, 1, marks=pytest.mark.slow), ("expander", 40.0, 3)])
def test_delays_beyond_the_ring_buffers_are_the_emulators_too(tmp_path: Path, degree: str, longest_ms: float, stages: int) -> None:
    net = network(longest_ms)
    assert deployment(net.spec).partition.delay_stages.max() == stages
    there = run(net, tmp_path, degree=degree)
    here = EmulatorBackend().start(net, RunConfig(40.0, 0.0, 3, 2, degree), deployment(net.spec)).result()  # type: ignore[arg-type]
    assert len(here.step) > 150
    if degree == "expander":
        assert there.provenance["n_synapses_compared"] == net.spec.n_synapses
    assert spikes(there) == spikes(here)


@pytest.mark.parametrize(
    ("layout", "degree", "rate"),
    [
        ("combined", "expander", 2000.0),
        pytest.param("combined", "law", 60.0, marks=pytest.mark.slow),
        ("split", "law", 2000.0),
    ],  # rates: counts are drawn, or intervals
)
def test_with_the_machines_own_synapses_and_sources_the_emulator_spikes_alike(tmp_path: Path, layout: str, degree: str, rate: float) -> None:
    net = network(drive=PoissonDrive(rate, 80.0, 1.5), sources=200.0)
    there = run(net, tmp_path, layout=layout, degree=degree, t_sim=15.0, warm_up=5.0)
    here = EmulatorBackend().start(net, RunConfig(15.0, 5.0, 3, 2, "expander"), deployment(net.spec, layout)).result()
    if degree == "expander":
        assert there.provenance["n_synapses_compared"] == net.spec.n_synapses
    assert len(here.step) > 100
    assert np.array_equal(there.step, here.step)
    assert np.array_equal(there.neuron, here.neuron)
    of_sources = there.step[there.neuron >= 175]
    assert 40 < len(of_sources) < 130  # 80 expected
    assert of_sources.max() <= 151


def test_a_machine_that_is_given_out_gives_the_same_spikes(tmp_path: Path) -> None:
    """The way of the EBRAINS portal: sPyNNaker asks a web service for boards. Only the configuration differs."""
    net, given = network(), []

    def grant(name: str) -> Granted:
        given.append(VirtualBoard(name).start())
        return Granted(given[-1].address, given[-1].version)

    with Allocator(grant, lambda address: given[-1].stop(), pytest.fail) as allocator:
        (tmp_path / "spynnaker.cfg").write_text(f"[Machine]\nremote_spinnaker_url = {allocator.url}\n")
        target = make_target("ebrains", version=5, configurations=[tmp_path / "absent.cfg", tmp_path / "spynnaker.cfg"])
        assert target.is_hardware
        # the virtual board has no monitors, which hardware loads with
        target = dataclasses.replace(target, machine={**SETTINGS, **target.machine})
        mapped = deployment(net.spec)
        there = SpinnakerBackend(target, kept_log=tmp_path / "spynnaker.log").start(net, RunConfig(30.0, 10.0, 3, 2, "shared"), mapped).result()
    assert len(given) == 1
    assert not given[0].running
    here = simulate(net, ring_buffer_shifts(net.spec), 30.0, 10.0, seed=3)
    assert len(here.step) > 150
    assert np.array_equal(there.step, here.step)
    assert np.array_equal(there.neuron, here.neuron)
    assert "timing" not in there.provenance
    assert there.provenance["rtf"] > 0


def test_an_error_of_sPyNNaker_is_one_message_with_its_log(tmp_path: Path) -> None:
    net = network()
    crowded = dataclasses.replace(net.spec.projections[0], n_synapses=130 * 130 * 5)  # rows beyond the population table
    spec = dataclasses.replace(net.spec, projections=(crowded, *net.spec.projections[1:]))
    mapped = dataclasses.replace(deployment(net.spec), network_digest=spec.digest())
    backend = SpinnakerBackend(Target("virtual"), kept_log=tmp_path / "spynnaker.log")
    with pytest.raises(RunFailedError, match="SynapseRowTooBigException") as caught:
        backend.start(Network.from_seed(spec, 1), RunConfig(10.0, 0.0, 3, 2, "law"), mapped).result()
    assert str(tmp_path / "spynnaker.log") in str(caught.value)
    assert "Traceback" in (tmp_path / "spynnaker.log").read_text()


@pytest.mark.parametrize("faults", [(), pytest.param(("--drop", "0.5"), marks=pytest.mark.slow)], ids=["", "losses"])
def test_the_command_line_runs_the_microcircuit_to_the_report(tmp_path: Path, faults: tuple[str, ...]) -> None:
    scale = ("--n-scaling", "0.01", "--k-scaling", "0.01", "--t-sim", "20", "--warm-up", "0", "--time-scale-factor", "1")
    command = [sys.executable, "-m", "spinn_mam.cli", "run", "pd14", "--backend", "spinnaker", *scale, *faults, "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "functionally executed, timing not modelled" in done.stdout
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "timing not modelled" in report
    assert ("Faults were injected" in report) == bool(faults)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["run"]["target"] == "virtual"
    assert "rtf" not in metrics["run"]
    assert not list((tmp_path / "out").rglob(".spynnaker.cfg"))
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "simulation: unchanged, skipped" in again.stdout
