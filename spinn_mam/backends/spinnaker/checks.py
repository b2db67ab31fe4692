"""What speaks against a run on sPyNNaker 7.4.1, found before anything is started.

Each rule is something that the tools turn into a hang, a crash on the machine, or a result that is wrong without a word.
"""

from __future__ import annotations

import math

import numpy as np

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.deployment import Deployment
from spinn_mam.errors import Findings, Violation
from spinn_mam.fixed_point.ring_buffer import WEIGHT_MAX, weight_scales
from spinn_mam.network.spec import Distribution, NetworkSpec, Projection
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.delays import longest_delay

#: Above this many synapses lists are too many to load.
MAX_SHARED_SYNAPSES = 10_000_000
#: Timer periods below this (microseconds of wall-clock time) are "not reliably supported" (a warning of 7.4.1).
SHORTEST_TICK_US = 100
#: ``spike_source_poisson_vertex.py`` takes at most this many sources a core.
MAX_SOURCES_PER_CORE = 500
#: Number range of s16.15, which all parameters are written in.
S1615_MAX = 2.0**16
#: Rates of sources are u16.16 (spikes/s): a larger one wraps around.
MAX_RATE = 65_535.0
#: Steps are counted in 32 bits, and one bit is the sign of a difference.
MAX_STEPS = 2**31 - 1


def check_run(network: Network, run: RunConfig, deployment: Deployment | None, *, layout: str, offset: int, on_hardware: bool) -> list[Violation]:
    """Find everything that speaks against a run.

    Parameters
    ----------
    network : Network
    run : RunConfig
    deployment : Deployment or None
        None before the mapping: what depends on it is not checked.
    layout : str
    offset : int
        Steps added to each delay.
    on_hardware : bool
        Whether there is a clock to keep up with.
    """
    spec = network.spec
    findings = Findings("spinnaker backend")
    _check_times(findings, spec, run, deployment, on_hardware)
    _check_synapses(findings, spec, run, deployment, offset)
    _check_parameters(findings, spec, layout)
    if deployment is not None:
        if deployment.network_digest != spec.digest():
            findings.add("deployment", "network", "the deployment was made for another network: map this one again")
        else:
            _check_cores(findings, spec, deployment)
    return findings.violations


def _check_times(findings: Findings, spec: NetworkSpec, run: RunConfig, deployment: Deployment | None, on_hardware: bool) -> None:
    step_us = spec.dt * 1000.0
    # sPyNNaker rounds the step up to microseconds: 2.007 ms becomes 2008 of them, and 0.0625 ms 63
    if math.ceil(step_us) != round(step_us) or abs(step_us - round(step_us)) > 1e-9:
        findings.add("time step", "network", f"dt = {spec.dt!r} ms becomes {math.ceil(step_us)} microseconds on the machine: use another step")
    steps = (run.t_sim + run.warm_up) / spec.dt
    if steps > MAX_STEPS:
        findings.add("duration", "run", f"{steps:.3g} steps, the machine counts to {MAX_STEPS:.3g}: simulate less", steps / MAX_STEPS)
    if deployment is None:
        return
    factor = deployment.time_scale_factor
    tick_us = round(step_us) * factor
    if abs(tick_us - round(tick_us)) > 1e-4:
        findings.add(
            "time scale",
            "run",
            f"--time-scale-factor {factor:g} makes a timer period of {tick_us:g} microseconds, whole ones are needed: use another",
        )
    if on_hardware and tick_us < SHORTEST_TICK_US:
        need = SHORTEST_TICK_US / round(step_us)
        message = (
            f"a timer period of {tick_us:g} microseconds is not reliable, {SHORTEST_TICK_US} are needed: use --time-scale-factor {need:g} or more"
        )
        findings.add("time scale", "run", message, SHORTEST_TICK_US / tick_us)


def _check_synapses(findings: Findings, spec: NetworkSpec, run: RunConfig, deployment: Deployment | None, offset: int) -> None:
    if run.connectivity == "shared" and spec.n_synapses > MAX_SHARED_SYNAPSES:
        message = f"{spec.n_synapses:,} synapses are too many to load as lists, {MAX_SHARED_SYNAPSES:,} at most: use --connectivity law or expander"
        findings.add("shared connectivity", "network", message, spec.n_synapses / MAX_SHARED_SYNAPSES)
    scales = None if deployment is None else weight_scales(deployment.ring_buffer_shifts)
    furthest = [0] * len(spec.populations)
    for projection in spec.projections:
        if projection.n_synapses > 0:
            furthest[projection.source] = max(furthest[projection.source], _longest(spec, projection, offset))
    for projection in spec.projections:
        if projection.n_synapses == 0:
            continue
        where = f"{spec.names[projection.source]} to {spec.names[projection.target]}"
        weight = projection.weight
        if weight.kind == "lognormal" and run.connectivity != "shared":
            message = "lognormal weights, which the machine's generators do not have: use --connectivity shared, which loads them as lists"
            findings.add("weight distribution", where, message)
        elif weight.kind == "normal" and weight.sd > 0 and weight.lower < 0 < weight.upper and abs(weight.mean) < 6.4 * weight.sd:
            message = "weights of both signs in one projection: the machine keeps magnitudes only; bound them at zero, or divide the projection"
            findings.add("weight sign", where, message)
        if scales is not None:
            units = float(scales[projection.target, int(projection.receptor == "inhibitory")])
            _check_weight(findings, where, abs(weight.mean), units)
        slots = _slots(spec, projection.target, deployment)
        reach = slots * (1 + budgets.MAX_DELAY_STAGES)
        steps = _longest(spec, projection, offset)
        # a delay extension has the stages of its source's longest delay for all targets
        stages = -(-furthest[projection.source] // slots) - 1 if steps > slots else 0
        if steps > reach:
            message = f"delays of up to {steps} steps, {reach} are possible: use fewer neurons a core, a longer step or shorter delays"
            findings.add("delay", where, message, steps / reach)
        elif stages > 1 and run.connectivity == "shared" and deployment is not None and not _rows_are_in_place(spec, projection, deployment):
            message = (
                f"delays of up to {steps} steps: the source needs {stages} stages of delay extension, and the tools misplace rows of lists "
                "beyond the first: use --connectivity law or expander, fewer neurons a core, or as many on all cores of source and target"
            )
            findings.add("delay", where, message, steps / (2 * slots))
        if round(_shortest(projection.delay) / spec.dt) + offset < 1:
            findings.add("delay", where, f"delays below one step of {spec.dt:g} ms: use a shorter step or longer delays")
    for index, population in enumerate(spec.populations):
        if population.drive is not None and population.drive.rate > 0 and scales is not None:
            units = float(scales[index, int(population.drive.weight < 0)])
            _check_weight(findings, f"drive of {population.name}", abs(population.drive.weight), units)


def _check_weight(findings: Findings, where: str, weight: float, units: float) -> None:
    if round(weight * units) > WEIGHT_MAX:
        message = f"weights of {weight:.4g} pA, 16 bits hold {WEIGHT_MAX / units:.4g} pA at this shift: they would be cut; check their unit"
        findings.add("weight", where, message, weight * units / WEIGHT_MAX)
    elif weight > 0 and round(weight * units) == 0:
        message = f"weights of {weight:.4g} pA are below half a unit of {1 / units:.4g} pA at this shift: they would become zero"
        findings.add("weight", where, message, 1 / (weight * units))


def _check_parameters(findings: Findings, spec: NetworkSpec, layout: str) -> None:
    for population in spec.populations:
        where = f"population {population.name}"
        rate = population.source_rate if population.drive is None else population.drive.rate
        if rate > MAX_RATE:
            findings.add("rate", where, f"sources of {rate:g} spikes/s, {MAX_RATE:g} at most: divide them", rate / MAX_RATE)
        if layout == "split" and population.drive is not None and population.drive.rate > 0 and population.drive.weight < 0:
            message = "an inhibitory drive reaches the wrong neurons of split cores, or stops them: use --layout combined"
            findings.add("drive", where, message)
        if population.current is not None:
            findings.add("current", where, "a current that changes in time, which sPyNNaker's neurons do not take: use --backend emulator or nest")
        if population.is_source:
            for name, value in (("source_start", population.source_start), ("source_stop", population.source_stop)):
                if math.isfinite(value) and abs(value / spec.dt - round(value / spec.dt)) > 1e-6:
                    findings.add("source", where, f"{name} = {value:g} ms is not a whole number of steps of {spec.dt:g} ms")
            if population.source_stop <= population.source_start:
                findings.add("source", where, "it stops before it starts")
            continue
        neuron = population.neuron
        values = {"I_e": population.I_e / 1000.0, "V0_mean": abs(population.V0_mean) + 8 * population.V0_sd}
        if neuron is not None:
            values |= {name: getattr(neuron, name) for name in ("tau_m", "tau_syn_ex", "tau_syn_in", "E_L", "V_reset", "V_th", "t_ref")}
        for name, value in values.items():
            if not abs(value) < S1615_MAX or not np.isfinite(value):
                findings.add("parameter", where, f"{name} = {value:g} is beyond s16.15, whose numbers end at {S1615_MAX:g}", abs(value) / S1615_MAX)


def _check_cores(findings: Findings, spec: NetworkSpec, deployment: Deployment) -> None:
    for population, n in zip(spec.populations, deployment.neurons_per_core.tolist(), strict=True):
        limit = MAX_SOURCES_PER_CORE if population.is_source else budgets.MAX_NEURONS_PER_CORE
        if n > limit:
            message = f"{n} neurons a core, {limit} at most fit a core's tables: use --neurons-per-core"
            findings.add("neurons a core", f"population {population.name}", message, n / limit)


def _slots(spec: NetworkSpec, target: int, deployment: Deployment | None) -> int:
    n = budgets.MAX_NEURONS_PER_CORE if deployment is None else int(deployment.neurons_per_core[target])
    return budgets.delay_slots(min(n, spec.populations[target].size))


def _rows_are_in_place(spec: NetworkSpec, projection: Projection, deployment: Deployment) -> bool:
    """Whether all cores of the source have as many neurons as the tools take for it: those of a core of the target."""
    source, target = (int(deployment.neurons_per_core[p]) for p in (projection.source, projection.target))
    if deployment.layout == "combined":
        target = min(target, spec.populations[projection.target].size)
    return source == target and spec.populations[projection.source].size % source == 0


def _longest(spec: NetworkSpec, projection: Projection, offset: int) -> int:
    """Longest delay of a projection (steps), as the machine has it."""
    return round(longest_delay(projection.delay, projection.n_synapses) / spec.dt) + offset


def _shortest(delay: Distribution) -> float:
    return delay.mean if delay.sd == 0.0 else max(delay.lower, 0.0)
