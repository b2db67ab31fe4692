"""NEST as a contender: the network of the reference, in segments."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from spinn_mam.bench.contender import Job
from spinn_mam.bench.host import peak_rss_bytes
from spinn_mam.nest_reference.simulation import build_network, import_nest


class InNest:
    """A network in NEST's kernel.

    Parameters
    ----------
    nest : module
    job : Job
    """

    def __init__(self, nest: Any, job: Job) -> None:
        self._nest, self._n_populations = nest, len(job.spec.populations)
        self._seen = 0
        nest.verbosity = nest.VerbosityLevel.ERROR
        nodes = build_network(nest, job.spec, 1 + job.seed % (2**32 - 1), job.threads)
        self._first_id = np.array([node[0].global_id for node in nodes])
        self._recorder = nest.Create("spike_recorder")
        for node in nodes:
            nest.Connect(node, self._recorder)
        nest.Prepare()

    def run(self, duration_ms: float) -> None:
        """Go on, with all spikes recorded in memory."""
        self._nest.Run(duration_ms)

    def cpu_s(self) -> float:
        """Return the processor time of this process (s)."""
        return time.process_time()

    def spikes(self) -> list[int]:
        """Return the spikes of each population since the last call."""
        new = self._recorder.events["senders"][self._seen :]
        self._seen += len(new)
        population = np.searchsorted(self._first_id, new, side="right") - 1
        return [int(n) for n in np.bincount(population, minlength=self._n_populations)]

    def memory(self) -> dict[str, int]:
        """Return the peak of the process."""
        peak = peak_rss_bytes()
        return {} if peak is None else {"peak_rss_bytes": peak}


def build(job: Job) -> InNest:
    """Build the network."""
    return InNest(import_nest(), job)


def prepare_once(job: Job) -> None:
    """Load NEST."""
    del job
    import_nest()
