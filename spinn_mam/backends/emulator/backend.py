"""The emulator backend: a network in SpiNNaker's arithmetic on the host computer, at any scale that fits its memory."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.base import BIOLOGICAL, Capabilities, LocalRun, Network, Progress, RunConfig, RunHandle
from spinn_mam.backends.emulator.emulation import CHUNK_STEPS, Emulation, prepare
from spinn_mam.backends.emulator.loop import Counters
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.backends.emulator.memory import expected_memory
from spinn_mam.backends.emulator.recorded import RECORDING, RunPlan, Times, record_run
from spinn_mam.deployment import Deployment
from spinn_mam.errors import UsageError, Violation
from spinn_mam.expander.plan import TargetPlan
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.fixed_point.specification import Overflows
from spinn_mam.network.connectivity import delay_table
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.delays import DELAY_OFFSET_STEPS
from spinn_mam.partitioning.structures import Partition
from spinn_mam.recording import ActivityCounts, Recording


@dataclass(frozen=True, slots=True)
class EmulatorBackend:
    """Computes what SpiNNaker's cores compute: equal to the binary for equal synapses and sources, no late or lost packet.

    Synapses and Poisson spikes come from streams of our own, or, with connectivity ``"expander"``, are those that the machine makes.
    Sums are those of the deployment's cores, combined or split; without a deployment, of combined ones.

    Attributes
    ----------
    folder : Path or None
        Where a run is recorded as it goes, and taken up if it was interrupted; None: in memory when it has ended.
    synapses : str
        ``"stored"``, or ``"procedural"``: only counts are, and the rest is drawn again whenever a spike passes.
    """

    folder: Path | None = None
    synapses: Literal["stored", "procedural"] = "stored"

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
        """Check the host's memory and disk, and that the deployment belongs to the network."""
        import psutil

        found: list[Violation] = []
        spec = network.spec
        for projection in spec.projections:
            try:
                delay_table(projection.delay, spec.dt)
            except UsageError as error:
                names = f"{spec.names[projection.source]} to {spec.names[projection.target]}"
                found.append(Violation("delay", names, str(error)))
        if not found:
            found += _check_memory(spec, "expanded" if run.connectivity == "expander" else self.synapses, psutil.virtual_memory().available)
        if self.folder is not None:
            found += _check_disk(self.folder, spec, _run_plan(spec, run))
        if self.synapses == "procedural" and run.connectivity == "expander":
            message = "the machine's own synapses can only be stored: use --connectivity shared, or --synapses stored"
            found.append(Violation("synapses", "--synapses procedural", message))
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
            own_cores = [] if split is None else np.flatnonzero(split.synapse_cores).tolist()
            sources = MachineSources(network.spec, deployment.neurons_per_core.tolist(), run.seed, split=own_cores)
        procedural = self.synapses == "procedural"

        def compute() -> Recording:
            return simulate(
                network,
                shifts,
                run.t_sim,
                run.warm_up,
                run.seed,
                run.threads,
                progress,
                plans=plans,
                sources=sources,
                split=split,
                procedural=procedural,
                folder=self.folder,
                record=run.record,
                record_v=run.record_v,
                record_v_interval=run.record_v_interval,
                checkpoint_every=run.checkpoint_every,
            )

        return LocalRun(compute)


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
    procedural: bool = False,
    *,
    folder: Path | None = None,
    record: tuple[int, ...] | None = None,
    record_v: tuple[int, ...] | None = None,
    record_v_interval: float = 1.0,
    checkpoint_every: float | None = None,
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
    procedural : bool
        Keep only counts of synapses and draw them again whenever a spike passes them; the result is the same.
    folder : Path, optional
        Gets recording and checkpoints; a run that it holds is taken up, and the recording that is returned stays on disk.
    record, record_v, record_v_interval, checkpoint_every
        As in RunConfig.

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
    config = RunConfig(t_sim, warm_up, seed, threads, "shared", record, record_v, record_v_interval, checkpoint_every)
    plan = _run_plan(spec, config)
    if plan.n_warm < 0 or plan.n_kept <= 0 or threads < 1:
        raise UsageError(f"t_sim = {t_sim:g} ms, warm_up = {warm_up:g} ms and threads = {threads} must be positive, warm_up may be 0")
    report = progress or (lambda phase, done, total: None)
    if shifts is None:
        shifts = ring_buffer_shifts(spec)
    report("build", 0, spec.n_synapses)
    started = time.perf_counter(), time.process_time()
    emulation = prepare(
        network,
        shifts,
        seed,
        threads=threads,
        delay_offset_steps=delay_offset_steps,
        plans=plans,
        sources=sources,
        split=split,
        procedural=procedural,
    )
    build_s, build_cpu_s = time.perf_counter() - started[0], time.process_time() - started[1]
    report("build", spec.n_synapses, spec.n_synapses)
    emulation.compile()
    # what the spikes depend on
    run = {
        "poisson": "own streams" if sources is None else "the machine's sources",
        "seed": seed,
        "connectivity": "shared" if plans is None else "expander",
        "connectivity_seed": network.connectivity.seed,
        **({"connectivity_digest": network.connectivity.digest()} if plans is None else {}),
        "ring_buffer_shifts": shifts.tolist(),
        "delay_offset_steps": delay_offset_steps,
        "layout": "combined" if split is None else "split",
    }
    build = {
        "threads": emulation.threads,
        "build_s": build_s,
        "build_cpu_s": build_cpu_s,
        "synapses": "procedural" if procedural else "stored",
        **dataclasses.asdict(emulation.memory),
    }

    def describe(counters: Counters, times: Times, n_steps: int) -> tuple[dict[str, Any], dict[str, Any]]:
        duration_ms = n_steps * spec.dt
        activity = ActivityCounts(counters.n_spikes, counters.n_events, emulation.layout.n_state * n_steps, duration_ms)
        return dataclasses.asdict(activity), run | build | _provenance(emulation, counters, times, duration_ms, is_split=split is not None)

    with tempfile.TemporaryDirectory() if folder is None else contextlib.nullcontext(folder) as name:
        recording = record_run(emulation, spec, plan, Path(name), run, describe, report)
        return recording.in_memory() if folder is None else recording


def _provenance(emulation: Emulation, counters: Counters, times: Times, duration_ms: float, *, is_split: bool) -> dict[str, Any]:
    """Say how a run went and what its arithmetic met."""
    layout, store, seconds = emulation.layout, emulation.store, duration_ms / 1000.0
    warm_up, kept = BIOLOGICAL
    return {
        "backend": EmulatorBackend.name,
        "arithmetic": "s16.15, IF_curr_exp of sPyNNaker 1!7.4.1",
        "parts": layout.n_parts,
        "warm_up_s": times.wall_s[warm_up],
        "simulate_s": times.wall_s[kept],
        "simulate_cpu_s": times.cpu_s[kept],
        "rtf": times.wall_s[kept] / seconds,
        "cpu_s_per_s": times.cpu_s[kept] / seconds,
        "n_resumed": times.n_resumed,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "delay_slots": [store.min_slots, store.max_slots],
        "n_saturated_slots": counters.overflows.n_saturated,
        **(_split_counts(counters.overflows) if is_split else {}),
        "n_zero_weights": store.n_zero,
        "n_saturated_weights": store.n_saturated,
        "n_delays_not_compensated": store.n_uncompensated,
    }


def _run_plan(spec: NetworkSpec, run: RunConfig) -> RunPlan:
    """Count a run in steps."""
    sizes = tuple(int(n) for n in spec.sizes)
    return RunPlan(
        n_warm=round(run.warm_up / spec.dt),
        n_kept=round(run.t_sim / spec.dt),
        recorded=sizes if run.record is None else run.record,
        sampled=(0,) * len(sizes) if run.record_v is None else run.record_v,
        interval_steps=max(1, round(run.record_v_interval / spec.dt)),
        checkpoint_steps=None if run.checkpoint_every is None else max(1, round(run.checkpoint_every * 1000.0 / spec.dt)),
    )


def _check_memory(spec: NetworkSpec, synapses: str, have: int) -> list[Violation]:
    """Compare what a run will take with the memory that is free (bytes)."""
    need = expected_memory(spec, synapses, CHUNK_STEPS)
    if need.peak_bytes <= have:
        return []
    other = "" if synapses == "expanded" else "procedural" if synapses == "stored" else "stored"
    smaller = other and expected_memory(spec, other, CHUNK_STEPS).peak_bytes <= have
    parts = {
        "synapses": need.synapses_bytes,
        "what finds them": need.headers_bytes,
        "spikes under way": need.under_way_bytes,
        "making them": need.building_bytes,
    }
    message = (
        f"{need.peak_bytes / 1e9:.1f} GB needed, {have / 1e9:.1f} GB free: {spec.n_synapses:,} synapses ("
        + ", ".join(f"{name} {value / 1e9:.1f} GB" for name, value in parts.items() if value)
        + f"); use {f'--synapses {other}, ' if smaller else ''}--n-scaling or --k-scaling"
    )
    return [Violation("memory", "host", message, need.peak_bytes / max(have, 1))]


def _check_disk(folder: Path, spec: NetworkSpec, plan: RunPlan) -> list[Violation]:
    """Compare what a recording will take with what its disk has."""
    there = folder
    while not there.is_dir():
        there = there.parent
    kept = sum(file.stat().st_size for file in (folder / RECORDING).glob("*"))
    need, have = plan.n_bytes(spec) - kept, shutil.disk_usage(there).free
    if need <= have:
        return []
    message = (
        f"{need / 1e9:.1f} GB needed to record {plan.n_kept * spec.dt / 1000:g} s of {sum(plan.recorded):,} neurons' spikes and "
        f"{sum(plan.sampled):,} neurons' potentials, {have / 1e9:.1f} GB free; record fewer neurons with --record, or name another disk with --out"
    )
    return [Violation("disk", str(there), message, need / max(have, 1))]


def _split_counts(overflows: Overflows) -> dict[str, int]:
    """Give what became of sums beyond 16 bits in split cores."""
    return {
        "n_clipped_synapse_slots": overflows.n_clipped_synapse,
        "n_clipped_poisson_sums": overflows.n_clipped_poisson,
        "n_wrapped_sums": overflows.n_wrapped,
        "n_carries": overflows.n_carried,
    }
