"""What a network takes on a computer: memory and time of the emulator and of NEST.

Memory of the emulator's arrays is computed (:mod:`spinn_mam.backends.emulator.memory`); that of NEST, and all times, are estimates: a cost for each
neuron update and each synaptic event, measured on full-scale PD14 and smaller networks on one kind of processor, times the activity expected.
Networks of another in-degree, other processors and busy computers differ: the interval is a factor of two each way.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinn_mam.backends.emulator.emulation import CHUNK_STEPS
from spinn_mam.backends.emulator.memory import PROGRAM_BYTES, expected_memory
from spinn_mam.backends.nest import BYTES_PER_SYNAPSE
from spinn_mam.errors import UsageError
from spinn_mam.network.spec import NetworkSpec

#: What a computer may be faster or slower than the one that was measured, or the estimate wrong.
TIME_FACTOR = 2.0
#: On which the costs below were measured.
PROCESSOR = "a core of an AMD EPYC (Zen 3)"


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time of a simulator (ns).

    Attributes
    ----------
    update : float
        Of a neuron in a time step, its Poisson input included.
    event : float
        Of a synaptic event.
    """

    update: float
    event: float


#: docs/planning.md says how they were measured.
COSTS = {"emulator, stored": Cost(2.2, 2.7), "emulator, procedural": Cost(2.2, 8.0), "NEST": Cost(220.0, 115.0)}


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A simulator on a computer.

    Attributes
    ----------
    name : str
    memory_bytes : int
    parts_bytes : dict of str to int
        What of it is what.
    cpu_s : float
        Processor time of the biological time that was asked for.
    interval_s : tuple of float
        Where it is expected to lie.
    """

    name: str
    memory_bytes: int
    parts_bytes: dict[str, int]
    cpu_s: float
    interval_s: tuple[float, float]


def host_plans(spec: NetworkSpec, t_sim_ms: float) -> tuple[HostPlan, ...]:
    """Estimate the emulator, with stored and procedural synapses, and NEST.

    Parameters
    ----------
    spec : NetworkSpec
    t_sim_ms : float
        Biological time (ms).

    Returns
    -------
    tuple of HostPlan
        Without the emulator, if it cannot run the network.
    """
    rates = [p.source_rate if p.is_source else r for p, r in zip(spec.populations, spec.expected_rates, strict=True)]
    seconds = t_sim_ms / 1000.0
    updates = float(spec.sizes.sum()) * t_sim_ms / spec.dt
    events = sum(p.n_synapses * rates[p.source] for p in spec.projections) * seconds

    def plan(name: str, memory: int, parts: dict[str, int]) -> HostPlan:
        cpu_s = (updates * COSTS[name].update + events * COSTS[name].event) * 1e-9
        return HostPlan(name, memory, parts, cpu_s, (cpu_s / TIME_FACTOR, cpu_s * TIME_FACTOR))

    found = []
    for synapses in ("stored", "procedural"):
        try:
            need = expected_memory(spec, synapses, CHUNK_STEPS)
        except UsageError:
            continue  # a delay or a drive beyond what it can do
        parts = {
            "synapses": need.synapses_bytes,
            "headers": need.headers_bytes,
            "under_way": need.under_way_bytes,
            "neurons": need.neurons_bytes,
            "building": need.building_bytes,
        }
        found.append(plan(f"emulator, {synapses}", need.peak_bytes, parts))
    nest = spec.n_synapses * BYTES_PER_SYNAPSE
    found.append(plan("NEST", PROGRAM_BYTES + nest, {"synapses": nest}))
    return tuple(found)
