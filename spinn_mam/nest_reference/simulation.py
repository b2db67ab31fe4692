"""One run of a NetworkSpec in NEST: the reference that everything else is compared with.

NEST limits a thread to 134,217,726 connections of one synapse model (27 bits), fewer than full-scale PD14 has on two
threads, so the projections are dealt over as many copies of ``static_synapse`` as are needed.

Source: NEST (Gewaltig and Diesmann 2007, doi 10.4249/scholarpedia.1430), version 3.10; neuron model ``iaf_psc_exp`` (exact integration on the grid,
Rotter and Diesmann 1999, doi 10.1007/s004220050570).
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_mam.errors import MissingExtraError, RunFailedError
from spinn_mam.network.distributions import underlying_normal
from spinn_mam.network.spec import Distribution, NetworkSpec, Population
from spinn_mam.recording import ActivityCounts, Recording

if TYPE_CHECKING:
    from spinn_mam.network.connectivity import Connectivity

#: Connections of one synapse model that one NEST thread can hold (27-bit local connection id).
MAX_CONNECTIONS = 134_217_726
#: How full a synapse model is planned to be; threads get their share of a random network to well within this.
FILL = 0.95
CHUNK_MS = 100.0

Progress = Callable[[str, float, float], None]


def simulate(
    spec: NetworkSpec,
    *,
    t_sim: float,
    warm_up: float,
    seed: int,
    threads: int = 2,
    connectivity: Connectivity | None = None,
    progress: Progress | None = None,
) -> Recording:
    """Build and run a network in NEST, in this process.

    Parameters
    ----------
    spec : NetworkSpec
    t_sim, warm_up : float
        Kept and discarded biological time (ms).
    seed : int
        NEST's seed, 1 to 2^32 - 1.
    threads : int
    connectivity : Connectivity, optional
        If given, its very synapses are loaded (degree "shared"); otherwise NEST draws its own from the same law.
    progress : callable, optional
        Called with stage name, done and total.

    Returns
    -------
    Recording
        Spikes with time stamps in (warm_up, warm_up + t_sim].

    Raises
    ------
    MissingExtraError
        If NEST is not installed.
    RunFailedError
        If NEST reports an error.
    """
    nest = import_nest()
    report = progress or (lambda stage, done, total: None)
    try:
        with _quiet(nest):
            return _simulate(nest, spec, t_sim, warm_up, seed, threads, connectivity, report)
    except nest.NESTError as error:
        raise RunFailedError(f"NEST stopped: {error}") from error


def _simulate(
    nest: Any,
    spec: NetworkSpec,
    t_sim: float,
    warm_up: float,
    seed: int,
    threads: int,
    connectivity: Connectivity | None,
    report: Progress,
) -> Recording:
    started = time.perf_counter()
    nodes = build_network(nest, spec, seed, threads, connectivity, report)
    recorder = nest.Create("spike_recorder", params={"start": warm_up})
    for node in nodes:
        nest.Connect(node, recorder)
    nest.Prepare()
    built = time.perf_counter()
    _run(nest, "warm-up", warm_up, report)
    warmed = time.perf_counter()
    _run(nest, "simulate", t_sim, report)
    done = time.perf_counter()
    nest.Cleanup()
    events = recorder.events
    first_id = np.array([node[0].global_id for node in nodes])
    step, neuron = _columns(events["times"], events["senders"], first_id, spec)
    start = round(warm_up / spec.dt) + 1
    activity = ActivityCounts(
        n_spikes=len(step),
        n_synaptic_events=int(expected_out_degrees(spec)[np.searchsorted(spec.offsets, neuron, side="right") - 1].sum()),
        n_neuron_updates=int(sum(p.size for p in spec.populations if p.neuron) * round(t_sim / spec.dt)),
        duration_ms=t_sim,
    )
    provenance = {
        "backend": "nest",
        "nest_version": nest.__version__,
        "connectivity": "law" if connectivity is None else "shared",
        "seed": seed,
        "threads": threads,
        "build_s": built - started,
        "warm_up_s": warmed - built,
        "simulate_s": done - warmed,
        "rtf": (done - warmed) / (t_sim / 1000.0),
        "n_connections": int(nest.num_connections),
        "synaptic_events": "spikes times mean out-degree of their population",
    }
    stop = start + round(t_sim / spec.dt)
    return Recording(spec.names, tuple(int(s) for s in spec.sizes), spec.dt, start, stop, step, neuron, activity, provenance)


def build_network(
    nest: Any,
    spec: NetworkSpec,
    seed: int,
    threads: int,
    connectivity: Connectivity | None = None,
    report: Progress = lambda stage, done, total: None,
) -> list[Any]:
    """Build a network in NEST, instead of what is there.

    Parameters
    ----------
    nest : module
    spec : NetworkSpec
    seed, threads : int
    connectivity : Connectivity, optional
        If given, its very synapses are loaded.
    report : callable

    Returns
    -------
    list
        NEST's nodes of each population.
    """
    nest.ResetKernel()
    nest.set(resolution=spec.dt, local_num_threads=threads, rng_seed=seed, print_time=False, overwrite_files=True)
    # All neurons before any device: NEST finds a node by guessing its place from evenly spaced numbers and searching on from
    # there, and devices (one on every thread) between populations make that search thousands of nodes long.
    nodes = [_create(nest, population) for population in spec.populations]
    for population, node in zip(spec.populations, nodes, strict=True):
        _drive(nest, population, node, spec.dt)
        _inject(nest, population, node, spec.dt)
    models = _synapse_models(nest, spec, threads)
    for k, projection in enumerate(spec.projections):
        report("connect", k, len(spec.projections))
        source, target = nodes[projection.source], nodes[projection.target]
        if connectivity is None:
            nest.Connect(
                source,
                target,
                conn_spec={"rule": "fixed_total_number", "N": projection.n_synapses, "allow_multapses": True, "allow_autapses": True},
                syn_spec={"synapse_model": models[k], "weight": _redraw(nest, projection.weight), "delay": _redraw(nest, projection.delay)},
            )
        else:
            _connect_rows(nest, connectivity, k, source, target, models[k], spec.dt)
    report("connect", len(spec.projections), len(spec.projections))
    return nodes


def expected_out_degrees(spec: NetworkSpec) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean out-degree of a neuron of each population, shape (n_populations,)."""
    out = np.zeros(len(spec.populations))
    for projection in spec.projections:
        out[projection.source] += projection.n_synapses / spec.populations[projection.source].size
    return out


def import_nest() -> Any:
    """Import NEST, quietly.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    os.environ.setdefault("PYNEST_QUIET", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import nest
    except ImportError:
        raise MissingExtraError("the nest backend", "nest", "nest-simulator") from None
    return nest


@contextlib.contextmanager
def _quiet(nest: Any) -> Iterator[None]:
    """Keep NEST's own messages off the terminal: they are written by C++, so the file descriptor is what counts."""
    nest.verbosity = nest.VerbosityLevel.ERROR
    sys.stdout.flush()
    saved = os.dup(1)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(saved, 1)
            os.close(saved)


def _create(nest: Any, population: Population) -> Any:
    if population.neuron is None:
        return nest.Create("parrot_neuron", population.size)
    p = population.neuron
    nodes = nest.Create(
        "iaf_psc_exp",
        population.size,
        params={
            "C_m": p.C_m,
            "tau_m": p.tau_m,
            "tau_syn_ex": p.tau_syn_ex,
            "tau_syn_in": p.tau_syn_in,
            "E_L": p.E_L,
            "V_reset": p.V_reset,
            "V_th": p.V_th,
            "t_ref": p.t_ref,
            "I_e": population.I_e + (population.current.values[0] if population.current else 0.0),
        },
    )
    nodes.V_m = nest.random.normal(population.V0_mean, population.V0_sd) if population.V0_sd > 0 else population.V0_mean
    return nodes


def _drive(nest: Any, population: Population, nodes: Any, dt: float) -> None:
    """Connect the population's Poisson generator, if it has one."""
    if population.neuron is None:
        # the generator's spikes reach the parrots one step later, so it starts one step earlier
        window = {"start": max(0.0, population.source_start - dt), "stop": min(population.source_stop - dt, 1e9)}
        generator = nest.Create("poisson_generator", params={"rate": population.source_rate, **window})
        nest.Connect(generator, nodes, syn_spec={"delay": dt})
    elif population.drive is not None and population.drive.rate > 0:
        generator = nest.Create("poisson_generator", params={"rate": population.drive.rate})
        nest.Connect(generator, nodes, syn_spec={"weight": population.drive.weight, "delay": population.drive.delay})


def _inject(nest: Any, population: Population, nodes: Any, dt: float) -> None:
    """Connect a generator of the population's changes of current, if it has any; what it starts with is part of I_e."""
    if population.current is None or len(population.current.values) == 1:
        return
    values = np.array(population.current.values)
    at = np.flatnonzero(np.diff(values)) + 1
    # a current reaches the neuron one step after its time, the delay of its connection
    times = np.round((at * population.current.interval - dt) / dt) * dt
    generator = nest.Create("step_current_generator", params={"amplitude_times": times, "amplitude_values": values[at] - values[0]})
    nest.Connect(generator, nodes, syn_spec={"delay": dt})


def _synapse_models(nest: Any, spec: NetworkSpec, threads: int) -> list[str]:
    """Deal projections over copies of the static synapse, each within what a thread can hold; one name a projection."""
    capacity = int(MAX_CONNECTIONS * FILL) * threads
    names: list[str] = []
    used: list[int] = []
    order = sorted(range(len(spec.projections)), key=lambda k: -spec.projections[k].n_synapses)
    copy_of = [0] * len(order)
    for k in order:
        n = spec.projections[k].n_synapses
        if n > capacity:
            raise RunFailedError(f"projection {k} has {n} synapses; with {threads} threads NEST holds {capacity} of one model: use more threads")
        slot = next((c for c, u in enumerate(used) if u + n <= capacity), None)
        if slot is None:
            slot = len(used)
            used.append(0)
            names.append(f"static_synapse_{slot}")
            nest.CopyModel("static_synapse", names[-1])
        used[slot] += n
        copy_of[k] = slot
    return [names[c] for c in copy_of]


def _redraw(nest: Any, d: Distribution) -> Any:
    if d.sd == 0.0:
        return d.mean
    if d.kind == "lognormal":
        location, scale = underlying_normal(d)
        magnitude = nest.random.lognormal(location, scale)
        return magnitude if d.mean > 0 else -1.0 * magnitude
    return nest.math.redraw(nest.random.normal(d.mean, d.sd), min=d.lower, max=d.upper)


def _connect_rows(nest: Any, connectivity: Connectivity, k: int, source: Any, target: Any, model: str, dt: float) -> None:
    n_sources, n_targets = len(source), len(target)
    rows = connectivity.rows(k, (0, n_sources), (0, n_targets))
    if len(rows.target) == 0:
        return
    pre = np.repeat(np.arange(n_sources), np.diff(rows.offsets)) + source[0].global_id
    post = rows.target.astype(np.int64) + target[0].global_id
    nest.Connect(pre, post, "one_to_one", {"synapse_model": model, "weight": rows.weight, "delay": rows.delay * dt})


def _run(nest: Any, stage: str, duration: float, report: Progress) -> None:
    done = 0.0
    report(stage, 0.0, duration)
    while done < duration:
        step = min(CHUNK_MS, duration - done)
        nest.Run(step)
        done += step
        report(stage, done, duration)


def _columns(times: Any, senders: Any, first_id: Any, spec: NetworkSpec) -> tuple[Any, Any]:
    step = np.round(np.asarray(times) / spec.dt).astype(np.int64)
    ids = np.asarray(senders).astype(np.int64)
    population = np.searchsorted(first_id, ids, side="right") - 1
    neuron = (ids - first_id[population] + spec.offsets[population]).astype(np.int32)
    order = np.lexsort((neuron, step))
    return step[order], neuron[order]
