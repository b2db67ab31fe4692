"""The emulator as a contender: what ``spinn-mam run`` executes, in segments."""

from __future__ import annotations

import time

import numpy as np

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.emulation import Emulation, prepare
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.bench.contender import Job
from spinn_mam.bench.host import peak_rss_bytes
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.models import load_model
from spinn_mam.network.spec import NetworkSpec

#: How sources are divided among the machine's cores, as ``spinn-mam run`` does it by default.
NEURONS_PER_CORE = 80
#: Scale of a network that is built first, so that no compilation is timed.
TINY = 0.01


class Emulated:
    """A prepared emulation.

    Parameters
    ----------
    emulation : Emulation
    spec : NetworkSpec
    """

    def __init__(self, emulation: Emulation, spec: NetworkSpec) -> None:
        self._emulation, self._spec = emulation, spec
        self._spikes = np.zeros(len(spec.populations), np.int64)

    def run(self, duration_ms: float) -> None:
        """Go on, as a run does, with the spikes of each step sorted by neuron."""
        _, neuron = self._emulation.advance(round(duration_ms / self._spec.dt))
        self._spikes += np.histogram(neuron, self._spec.offsets)[0]

    def cpu_s(self) -> float:
        """Return the processor time of this process (s)."""
        return time.process_time()

    def spikes(self) -> list[int]:
        """Return the spikes of each population since the last call."""
        found, self._spikes = self._spikes.tolist(), np.zeros_like(self._spikes)
        return [int(n) for n in found]

    def memory(self) -> dict[str, int]:
        """Return the peak of the process and the bytes of the arrays."""
        memory, peak = self._emulation.memory, peak_rss_bytes()
        return {"network_bytes": memory.network_bytes + memory.state_bytes} | ({} if peak is None else {"peak_rss_bytes": peak})


def prepare_once(job: Job) -> None:
    """Have all that is compiled ready: build and run a tiny network in the same way."""
    tiny = load_model(job.spec.model).network(TINY, TINY)
    _prepare(tiny, job).advance(2)


def build(job: Job) -> Emulated:
    """Build the network."""
    return Emulated(_prepare(job.spec, job), job.spec)


def _prepare(spec: NetworkSpec, job: Job) -> Emulation:
    shifts = ring_buffer_shifts(spec)
    sources = None
    if job.options.get("sources") == "machine":
        sources = MachineSources(spec, [NEURONS_PER_CORE] * len(spec.populations), job.seed)
    procedural = job.options.get("synapses") == "procedural"
    emulation = prepare(Network.from_seed(spec, job.seed), shifts, job.seed, threads=job.threads, sources=sources, procedural=procedural)
    emulation.compile()
    return emulation
