"""The emulator backend: a network in SpiNNaker's arithmetic on the host computer, at any scale that fits its memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.base import Capabilities, LocalRun, Network, Progress, RunConfig, RunHandle
from spinn_mam.backends.emulator.emulation import CHUNK_STEPS, DELAY_OFFSET_STEPS, Spikes, prepare
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.deployment import Deployment
from spinn_mam.errors import UsageError, Violation
from spinn_mam.expander.plan import TargetPlan
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.fixed_point.specification import Overflows
from spinn_mam.network.connectivity import delay_table
from spinn_mam.partitioning.structures import Partition
from spinn_mam.recording import ActivityCounts, Recording

#: Memory of a synapse with its share of the row tables, and of a neuron (bytes); measured at full-scale PD14.
BYTES_PER_SYNAPSE, BYTES_PER_NEURON = 4.1, 1500


@dataclass(frozen=True, slots=True)
class EmulatorBackend:
    """Computes what SpiNNaker's cores compute: equal to the binary for equal synapses and sources, no late or lost packet.

    Synapses and Poisson spikes come from streams of our own, or, with connectivity ``"expander"``, are those that the machine makes.
    Sums are those of the deployment's cores, combined or split; without a deployment, of combined ones.
    """

    name: ClassVar[str] = "emulator"
    capabilities: ClassVar[Capabilities] = Capabilities(
        neuron_models=("iaf_psc_exp",),
        longest_delay_steps=None,
        delay_offset_steps=DELAY_OFFSET_STEPS,
        bit_exact=True,
        needs_deployment=False,
        needs_hardware=False,
        connectivity=("shared", "expander"),
    )

    def check(self, network: Network, run: RunConfig, deployment: Deployment | None) -> list[Violation]:
        """Check the host's memory and that the deployment belongs to the network."""
        import psutil

        found: list[Violation] = []
        spec = network.spec
        need, have = spec.n_synapses * BYTES_PER_SYNAPSE + int(spec.sizes.sum()) * BYTES_PER_NEURON, psutil.virtual_memory().available
        if need > have:
            message = f"{need / 1e9:.1f} GB needed for {spec.n_synapses} synapses, {have / 1e9:.1f} GB free; use --n-scaling or --k-scaling"
            found.append(Violation("memory", "host", message, need / have))
        for projection in spec.projections:
            try:
                delay_table(projection.delay, spec.dt)
            except UsageError as error:
                names = f"{spec.names[projection.source]} to {spec.names[projection.target]}"
                found.append(Violation("delay", names, str(error)))
        if deployment is not None and deployment.network_digest != spec.digest():
            found.append(Violation("deployment", "network", "the deployment was made for another network: map this one again"))
        return found

    def start(self, network: Network, run: RunConfig, deployment: Deployment | None, progress: Progress | None = None) -> RunHandle:
        """Prepare a run; it happens in this process when its result is asked for.

        Raises
        ------
        UsageError
            If the machine's own synapses are wanted without a deployment.
        """
        shifts = None if deployment is None else deployment.ring_buffer_shifts
        split = deployment.partition if deployment is not None and deployment.layout == "split" else None
        plans: tuple[TargetPlan, ...] | None = None
        sources: MachineSources | None = None
        if run.connectivity == "expander":
            if deployment is None:
                raise UsageError("the machine's own synapses depend on slices: map the network first, or use --connectivity shared")
            from spinn_mam.backends.emulator.expanded import plan_of_deployment

            plans = plan_of_deployment(network, deployment, DELAY_OFFSET_STEPS)
            sources = MachineSources(network.spec, deployment.neurons_per_core.tolist(), run.seed, split=split is not None)
        return LocalRun(
            lambda: simulate(network, shifts, run.t_sim, run.warm_up, run.seed, run.threads, progress, plans=plans, sources=sources, split=split)
        )


def simulate(
    network: Network,
    shifts: npt.NDArray[np.int64] | None,
    t_sim: float,
    warm_up: float,
    seed: int,
    threads: int = 1,
    progress: Progress | None = None,
    delay_offset_steps: int = DELAY_OFFSET_STEPS,
    plans: Sequence[TargetPlan] | None = None,
    sources: MachineSources | None = None,
    split: Partition | None = None,
) -> Recording:
    """Run a network.

    Parameters
    ----------
    network : Network
    shifts : ndarray of int64, shape (n_populations, 2), or None
        Ring-buffer shifts of the deployment; None for sPyNNaker's own rule.
    t_sim, warm_up : float
        Kept and discarded biological time (ms).
    seed : int
        Of Poisson input and initial potentials.
    threads : int
        The most that are used; while other processes keep them waiting, one thread is.
    progress : callable, optional
        Called with phase, done, total.
    delay_offset_steps : int
        Added to each delay of the spec to get slots.
    plans : sequence of TargetPlan, optional
        Make the synapses that the machine's generators make; their delays are in slots already.
    sources : MachineSources, optional
        Take the spikes of the machine's own Poisson sources; otherwise they come from streams of this package.
    split : Partition, optional
        Compute the sums of these split cores; otherwise those of combined cores.

    Returns
    -------
    Recording
        A spike of loop step t has step t + 1: the membrane crossed the threshold within the step that ends there, which is
        NEST's time stamp.

    Raises
    ------
    UsageError
        If times, threads or parameters are out of range.
    """
    spec = network.spec
    n_warm, n_kept = round(warm_up / spec.dt), round(t_sim / spec.dt)
    if n_warm < 0 or n_kept <= 0 or threads < 1:
        raise UsageError(f"t_sim = {t_sim:g} ms, warm_up = {warm_up:g} ms and threads = {threads} must be positive, warm_up may be 0")
    report = progress or (lambda phase, done, total: None)
    if shifts is None:
        shifts = ring_buffer_shifts(spec)
    report("build", 0, spec.n_synapses)
    build_started = time.perf_counter(), time.process_time()
    emulation = prepare(network, shifts, seed, threads=threads, delay_offset_steps=delay_offset_steps, plans=plans, sources=sources, split=split)
    build_s, build_cpu_s = time.perf_counter() - build_started[0], time.process_time() - build_started[1]
    report("build", spec.n_synapses, spec.n_synapses)
    emulation.compile()

    kept: list[Spikes] = []
    times: dict[str, tuple[float, float]] = {}
    for phase, n_steps in (("warm-up", n_warm), ("simulate", n_kept)):
        started = time.perf_counter(), time.process_time()
        emulation.reset_counters()
        report(phase, 0, n_steps * spec.dt)
        for done in range(0, n_steps, CHUNK_STEPS):
            n = min(CHUNK_STEPS, n_steps - done)
            spikes = emulation.advance(n)
            if phase == "simulate":
                kept.append(spikes)
            report(phase, (done + n) * spec.dt, n_steps * spec.dt)
        times[phase] = time.perf_counter() - started[0], time.process_time() - started[1]
    step, neuron = (np.concatenate(column) for column in zip(*kept, strict=True))
    counters, layout, store = emulation.counters, emulation.layout, emulation.store
    seconds = n_kept * spec.dt / 1000.0
    provenance: dict[str, Any] = {
        "backend": EmulatorBackend.name,
        "arithmetic": "s16.15, IF_curr_exp of sPyNNaker 1!7.4.1",
        "poisson": "own streams" if sources is None else "the machine's sources",
        "seed": seed,
        "connectivity": "shared" if plans is None else "expander",
        "connectivity_seed": network.connectivity.seed,
        **({"connectivity_digest": network.connectivity.digest()} if plans is None else {}),
        "threads": emulation.threads,
        "parts": layout.n_parts,
        "build_s": build_s,
        "build_cpu_s": build_cpu_s,
        "warm_up_s": times["warm-up"][0],
        "simulate_s": times["simulate"][0],
        "simulate_cpu_s": times["simulate"][1],
        "rtf": times["simulate"][0] / seconds,
        "cpu_s_per_s": times["simulate"][1] / seconds,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "ring_buffer_shifts": shifts.tolist(),
        "delay_offset_steps": delay_offset_steps,
        "delay_slots": [store.min_slots, store.max_slots],
        "layout": "combined" if split is None else "split",
        "n_saturated_slots": counters.overflows.n_saturated,
        **({} if split is None else _split_counts(counters.overflows)),
        "n_zero_weights": store.n_zero,
        "n_saturated_weights": store.n_saturated,
        "n_delays_not_compensated": store.n_uncompensated,
    }
    activity = ActivityCounts(len(step), counters.n_events, layout.n_state * n_kept, n_kept * spec.dt)
    sizes = tuple(int(n) for n in spec.sizes)
    return Recording(spec.names, sizes, spec.dt, n_warm + 1, n_warm + n_kept + 1, step, neuron, activity, provenance)


def _split_counts(overflows: Overflows) -> dict[str, int]:
    """Give what became of sums beyond 16 bits in split cores."""
    return {
        "n_clipped_synapse_slots": overflows.n_clipped_synapse,
        "n_clipped_poisson_sums": overflows.n_clipped_poisson,
        "n_wrapped_sums": overflows.n_wrapped,
        "n_carries": overflows.n_carried,
    }
