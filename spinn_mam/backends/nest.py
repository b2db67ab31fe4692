"""The NEST backend: adapts :mod:`spinn_mam.nest_reference`, the only package that imports NEST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from spinn_mam.backends.base import Capabilities, LocalRun, Network, Progress, RunConfig, RunHandle
from spinn_mam.deployment import Deployment
from spinn_mam.errors import Violation

#: Memory of one NEST connection with its share of the tables (bytes); measured at full-scale PD14: 14.8 GB for 299 million.
BYTES_PER_SYNAPSE = 49
#: Above this many synapses the recipe's own are too many to load into NEST as lists.
MAX_SHARED_SYNAPSES = 10_000_000


@dataclass(frozen=True, slots=True)
class NestBackend:
    """Runs a network in NEST 3.10 in this process."""

    name: ClassVar[str] = "nest"
    capabilities: ClassVar[Capabilities] = Capabilities(
        neuron_models=("iaf_psc_exp",),
        longest_delay_steps=None,
        delay_offset_steps=0,
        bit_exact=False,
        needs_deployment=False,
        needs_hardware=False,
        connectivity=("law", "shared"),
    )

    def check(self, network: Network, run: RunConfig, deployment: Deployment | None) -> list[Violation]:
        """Check the host's memory, and the size of a shared network."""
        del deployment
        import psutil

        found: list[Violation] = []
        n = network.spec.n_synapses
        need, have = n * BYTES_PER_SYNAPSE, psutil.virtual_memory().available
        if need > have:
            message = f"{need / 1e9:.1f} GB needed for {n} synapses in NEST, {have / 1e9:.1f} GB free; use --n-scaling or --k-scaling"
            found.append(Violation("memory", "host", message, need / have))
        if run.connectivity == "shared" and n > MAX_SHARED_SYNAPSES:
            message = f"{n} synapses are too many to load as lists, {MAX_SHARED_SYNAPSES} at most: use --connectivity law, or a smaller scale"
            found.append(Violation("shared connectivity", "network", message, n / MAX_SHARED_SYNAPSES))
        return found

    def start(self, network: Network, run: RunConfig, deployment: Deployment | None, progress: Progress | None = None) -> RunHandle:
        """Prepare a run; it happens in this process when its result is asked for."""
        del deployment
        from spinn_mam.nest_reference.simulation import import_nest, simulate

        import_nest()
        return LocalRun(
            lambda: simulate(
                network.spec,
                t_sim=run.t_sim,
                warm_up=run.warm_up,
                seed=1 + run.seed % (2**32 - 1),
                threads=run.threads,
                connectivity=network.connectivity if run.connectivity == "shared" else None,
                progress=progress,
            )
        )
