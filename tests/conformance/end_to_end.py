"""Whole networks through sPyNNaker onto the virtual board's ARM binaries, and on the emulator: spike by spike, with the counts.

As a command: ``python tests/conformance/end_to_end.py``; it prints what was compared and fails if anything differs.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import simulate
from spinn_mam.backends.emulator.expanded import plan_of_deployment
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.backends.spinnaker.backend import SpinnakerBackend
from spinn_mam.backends.spinnaker.targets import Target
from spinn_mam.deployment import Deployment
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import load_model
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.partitioning.delays import DELAY_OFFSET_STEPS
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.structures import DELAY_EXTENSION
from spinn_mam.recording import Recording

DT = 0.1
SEED = 3
#: Ten times the microcircuit's capacitance, so that weights that fill 16 bits are not too strong.
NEURON = NeuronParameters(2500.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)


@dataclass(frozen=True)
class Case:
    """A network and how it is laid out.

    ``degree`` is how the machine gets its synapses; ``law`` is ``expander`` without reading them back.
    ``lower_shifts`` are taken from the ring buffers' own: sums pass 16 bits that much earlier.
    """

    name: str
    network: Callable[[], NetworkSpec]
    layout: str
    degree: str
    t_sim: float
    neurons_per_core: int | None = None
    synapse_cores: int | None = None
    lower_shifts: int = 0

    def deployment(self, spec: NetworkSpec) -> Deployment:
        return map_network(
            spec,
            load_board_config("spin5-3"),
            neurons_per_core=self.neurons_per_core,
            time_scale_factor=20.0,
            layout=self.layout,
            synapse_cores=self.synapse_cores,
            ring_buffer_shifts=np.maximum(ring_buffer_shifts(spec) - self.lower_shifts, 0),
            rng=np.random.default_rng(1),
        )


@dataclass(frozen=True)
class Outcome:
    """Both recordings and what is said of them."""

    case: Case
    spec: NetworkSpec
    deployment: Deployment
    there: Recording
    here: Recording

    @property
    def n_different(self) -> int:
        """Spikes (step and neuron) of one side that the other does not have."""
        there, here = (np.stack([r.step, r.neuron], axis=1) for r in (self.there, self.here))
        return len({tuple(s) for s in there.tolist()} ^ {tuple(s) for s in here.tolist()}) + abs(len(there) - len(here))

    @property
    def row(self) -> tuple[str, ...]:
        p, slices = self.here.provenance, self.deployment.slices
        overflows = "/".join(str(p.get(key, "-")) for key in COUNTS)
        extensions = int(np.count_nonzero(slices.kind == DELAY_EXTENSION))
        cores = f"{slices.n_slices} ({int(self.deployment.synapse_cores.max())}, {extensions})"
        steps = round(self.case.t_sim / self.spec.dt)
        figures = (str(steps), f"{self.spec.n_synapses:,}", f"{len(self.there.step):,}", str(self.n_different), overflows)
        return (self.case.name, self.case.layout, self.case.degree, cores, *figures)


COUNTS = ("n_saturated_slots", "n_clipped_synapse_slots", "n_clipped_poisson_sums", "n_wrapped_sums", "n_carries")
HEADER = ("network", "layout", "synapses", "cores (synapse cores, delay extensions)", "steps", "synapses", "spikes", "different")
HEADER += ("sums beyond 16 bits/clipped in synapse cores/in Poisson cores/wrapped/carries",)


def microcircuit() -> NetworkSpec:
    """One hundredth of the neurons, a tenth of the in-degrees."""
    return load_model("pd14").network(0.01, 0.1)


def dense() -> NetworkSpec:
    """Few neurons with so many strong synapses, a drive of several spikes a step and sources, that sums pass 16 bits often."""
    drive = PoissonDrive(25_000.0, 350.0, 1.5)
    populations = (
        Population("E", 131, NEURON, V0_mean=-58.0, V0_sd=5.0, drive=drive),
        Population("I", 47, NEURON, V0_mean=-58.0, V0_sd=5.0, drive=drive),
        Population("S", 40, None, source_rate=300.0),
    )
    excitatory, inhibitory = Distribution(600.0, 60.0, 0.0), Distribution(-1200.0, 120.0, -np.inf, 0.0)
    delay = Distribution(0.3, 0.1, DT / 2, 0.8)
    projections = (
        Projection(0, 0, 9_000, excitatory, delay),
        Projection(0, 1, 4_000, excitatory, delay),
        Projection(1, 0, 5_000, inhibitory, delay),
        Projection(1, 1, 1_500, inhibitory, delay),
        Projection(2, 0, 2_000, excitatory, delay),
    )
    return NetworkSpec("dense", DT, populations, projections, (100.0, 100.0, 300.0), "a guess")


def slow(longest_ms: float = 20.0) -> NetworkSpec:
    """Delays beyond the ring buffers of 12.8 ms, so that delay extensions run."""
    spec = dense()
    delay = Distribution(longest_ms / 2.5, longest_ms / 3, DT / 2, longest_ms)
    return dataclasses.replace(spec, projections=tuple(dataclasses.replace(p, delay=delay) for p in spec.projections))


def slower() -> NetworkSpec:
    """Delay extensions of three stages."""
    return slow(40.0)


def two_areas() -> NetworkSpec:
    """V1 and V2 of the multi-area model, with the delays between them; small populations have more slots than large ones."""
    return load_model("mam", ["areas.simulated=V1,V2"]).network(0.005, 0.005)


CASES = (
    Case("PD14, 1 %", microcircuit, "combined", "shared", 200.0),
    Case("PD14, 1 %", microcircuit, "combined", "expander", 200.0),
    Case("PD14, 1 %", microcircuit, "split", "shared", 200.0, synapse_cores=2),
    Case("PD14, 1 %", microcircuit, "split", "expander", 200.0, synapse_cores=2),
    Case("dense", dense, "combined", "shared", 50.0, neurons_per_core=33, lower_shifts=3),
    Case("dense", dense, "split", "shared", 50.0, neurons_per_core=33, synapse_cores=3, lower_shifts=3),
    Case("dense", dense, "split", "expander", 50.0, neurons_per_core=33, synapse_cores=2, lower_shifts=3),
    Case("slow", slow, "combined", "shared", 60.0, neurons_per_core=45, lower_shifts=3),
    Case("slow", slow, "combined", "expander", 60.0, neurons_per_core=45, lower_shifts=3),
    Case("slow", slow, "split", "shared", 60.0, neurons_per_core=45, synapse_cores=3, lower_shifts=3),
    Case("slow", slow, "split", "expander", 60.0, neurons_per_core=45, synapse_cores=2, lower_shifts=3),
    Case("slower", slower, "combined", "expander", 80.0, neurons_per_core=45, lower_shifts=3),
    Case("slower", slower, "split", "expander", 80.0, neurons_per_core=45, synapse_cores=3, lower_shifts=3),
    Case("V1 and V2", two_areas, "combined", "expander", 100.0, neurons_per_core=80),
)


def compare(case: Case, folder: Path) -> Outcome:
    """Run a case on both sides, with the same synapses and the machine's own sources."""
    spec = case.network()
    network, mapped = Network.from_seed(spec, 5), case.deployment(spec)
    config = RunConfig(case.t_sim, 0.0, SEED, 2, case.degree)  # type: ignore[arg-type]
    backend = SpinnakerBackend(Target("virtual"), case.layout, kept_log=folder / "spynnaker.log")
    objections = backend.check(network, config, mapped)
    if objections:
        raise AssertionError(f"{case}: {objections[0].message}")
    there = backend.start(network, config, mapped).result()
    split = mapped.partition if case.layout == "split" else None
    here = simulate(
        network,
        mapped.ring_buffer_shifts,
        case.t_sim,
        0.0,
        SEED,
        threads=2,
        plans=plan_of_deployment(network, mapped, DELAY_OFFSET_STEPS) if case.degree != "shared" else None,
        sources=MachineSources(
            spec, mapped.neurons_per_core.tolist(), SEED, split=[] if split is None else np.flatnonzero(split.synapse_cores).tolist()
        ),
        split=split,
    )
    return Outcome(case, spec, mapped, there, here)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as a table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    """Compare all cases."""
    parser = argparse.ArgumentParser(description="Compare whole networks on the virtual board with the emulator.")
    parser.add_argument("--only", default="", help="part of the name of the networks to compare")
    options = parser.parse_args()
    start = time.monotonic()
    n_spikes = n_different = 0
    print(table([HEADER, ["---"] * len(HEADER)]), flush=True)
    for case in CASES:
        if options.only not in case.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            outcome = compare(case, Path(folder))
        print(table([outcome.row]), flush=True)
        n_spikes += len(outcome.there.step)
        n_different += outcome.n_different
    print(f"{n_spikes} spikes compared, {n_different} differ; {time.monotonic() - start:.0f} s")
    return bool(n_different)


if __name__ == "__main__":
    sys.exit(main())
