"""Partition: how many neurons go on a core, and which cores there are.

Problem: cut each population into slices as large as the user allows and the budgets (DTCM, SDRAM, cycles, row length, delay slots) permit.
Method: the user's number, or 256, is tried first; if a budget breaks, the largest number that keeps all is found by bisection. More neurons a
core leave fewer delay slots: the user's number is kept and delay extensions take the longer delays; without one, the largest number that needs no
extension is taken if it is at least half of the largest that keeps the budgets (an extension is a second core). Around the neuron cores:

- a population with Poisson drive gets as many Poisson source cores, each sending to its own neuron core only and placed on the same chip, so
  that its spikes (far more than the network's own) never cross a link. Combined cores cannot take them over SDRAM
  (``spynnaker/pyNN/extra_algorithms/splitter_components/splitter_poisson_delegate.py``: only split cores do);
- a population whose synapses have delays beyond its targets' ring buffers gets as many delay extension cores, which take its
  spikes and send them again one or more stages later;
- a population of sources is a vertex of Poisson source cores; direct current needs no core.

Cost: some 10 evaluations of the budgets a population.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spinn_mam.errors import DoesNotFitError, Findings, UsageError, Violation
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.structures import (
    DELAY_EXTENSION,
    NEURON,
    POISSON_SOURCE,
    Connections,
    IntArray,
    Partition,
    Slices,
    Vertices,
)

_ADVICE = {
    "dtcm": ("bytes of DTCM", "fewer incoming projections"),
    "sdram": ("bytes of SDRAM", "a smaller N_scaling or K_scaling"),
    "row_length": ("synapses in a row", "a smaller K_scaling"),
    "delay_stages": ("delay stages", "shorter delays"),
    "cycles": ("cycles a time step", "a larger time-scale factor"),
}


def partition(spec: NetworkSpec, machine: MachineDescription, *, neurons_per_core: int | None, time_scale_factor: float) -> Partition:
    """Cut a network into cores.

    Parameters
    ----------
    spec : NetworkSpec
    machine : MachineDescription
        Its smallest chip memory, core memory and clock set the budgets.
    neurons_per_core : int or None
        Most neurons a core; None leaves it to the budgets.
    time_scale_factor : float
        Wall-clock time over biological time.

    Returns
    -------
    Partition

    Raises
    ------
    DoesNotFitError
        If not even one neuron fits a core, or a delay is longer than delay extensions reach.
    """
    if neurons_per_core is not None and neurons_per_core < 1:
        raise UsageError(f"neurons_per_core is {neurons_per_core}: give at least 1")
    if time_scale_factor <= 0:
        raise UsageError(f"time_scale_factor is {time_scale_factor}: give a positive number")
    cap = min(neurons_per_core or budgets.MAX_NEURONS_PER_CORE, budgets.MAX_NEURONS_PER_CORE)
    caps = np.minimum(spec.sizes, cap)
    while True:
        per_core, cores = _neurons_per_core(spec, machine, caps, time_scale_factor, prefer_slots=neurons_per_core is None)
        parts = _assemble(spec, per_core, cores)
        # A delay extension has the slices of its population, and counters of its own: where they are too many, take fewer neurons a core.
        extension = (parts.slices.kind == DELAY_EXTENSION) & (parts.slices.dtcm_bytes > machine.dtcm_bytes)
        if not extension.any():
            return parts
        for index in np.unique(parts.slices.population[extension]).tolist():
            caps[index] = _fewer(spec, machine, parts, index)


def broken_budgets(
    spec: NetworkSpec, machine: MachineDescription, budget: budgets.CoreBudget, time_scale_factor: float
) -> list[tuple[str, float, float]]:
    """Return (rule, need, have) of each budget that a core breaks."""
    needs = [
        ("dtcm", budget.dtcm_bytes, machine.dtcm_bytes),
        ("sdram", budget.sdram_bytes, int(machine.sdram_bytes.max(initial=0))),
        ("row_length", budget.longest_row, budgets.MAX_ROW_SYNAPSES),
        ("delay_stages", budget.delay_stages, budgets.MAX_DELAY_STAGES),
        ("cycles", budget.cycles, budgets.cycles_per_step(spec, machine.clock_hz, time_scale_factor)),
    ]
    return [(name, need, have) for name, need, have in needs if need > have]


def _fewer(spec: NetworkSpec, machine: MachineDescription, parts: Partition, index: int) -> int:
    """Return the most neurons a core with which a population's delay extension fits a core, at least one fewer than now."""
    stages, slots = int(parts.delay_stages[index]), int(parts.stage_slots[index])

    def fits(n: int) -> bool:
        return budgets.delay_core(n, stages, slots)[1] <= machine.dtcm_bytes

    if not fits(1) or parts.neurons_per_core[index] == 1:
        need = budgets.delay_core(1, stages, slots)[1]
        message = f"{need:,} bytes of DTCM needed by a delay extension of one neuron, {machine.dtcm_bytes:,} there. Use shorter delays."
        raise DoesNotFitError("partition", [Violation("dtcm", f"population {spec.populations[index].name}", message, need / machine.dtcm_bytes)])
    return _largest(int(parts.neurons_per_core[index]) - 1, fits)


def _neurons_per_core(
    spec: NetworkSpec, machine: MachineDescription, caps: IntArray, time_scale_factor: float, *, prefer_slots: bool
) -> tuple[IntArray, list[budgets.CoreBudget | None]]:
    """Choose the neurons a core of each population; None as the budget of a population of sources."""
    per_core = caps.copy()
    cores: list[budgets.CoreBudget | None] = []
    findings = Findings("partition")
    for index, population in enumerate(spec.populations):
        if population.is_source:
            cores.append(None)
            continue
        tried: dict[int, budgets.CoreBudget] = {}

        def core(n: int, index: int = index, tried: dict[int, budgets.CoreBudget] = tried) -> budgets.CoreBudget:
            if n not in tried:
                tried[n] = budgets.combined_core(spec, index, n, caps)
            return tried[n]

        def keeps_budgets(n: int, core: Callable[[int], budgets.CoreBudget] = core) -> bool:
            return not broken_budgets(spec, machine, core(n), time_scale_factor)

        def keeps_slots(n: int, core: Callable[[int], budgets.CoreBudget] = core) -> bool:
            return core(n).delay_stages == 0

        if not keeps_budgets(1):
            for rule, need, have in broken_budgets(spec, machine, core(1), time_scale_factor):
                what, advice = _ADVICE[rule]
                message = f"{need:,.0f} {what} needed by a core with a single neuron, {have:,.0f} there. Use {advice}."
                findings.add(rule, f"population {population.name}", message, need / max(have, 1))
            cores.append(core(1))
            continue
        chosen = _largest(int(caps[index]), keeps_budgets)
        if prefer_slots and keeps_slots(1):
            without_extension = _largest(chosen, keeps_slots)
            chosen = without_extension if 2 * without_extension >= chosen else chosen
        per_core[index] = chosen
        cores.append(core(chosen))
    findings.raise_if_any()
    return per_core, cores


def _largest(highest: int, good: Callable[[int], bool]) -> int:
    """Return the largest n in [1, highest] for which ``good`` holds, as it does for 1 and for all below such an n."""
    if good(highest):
        return highest
    low, high = 1, highest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def _assemble(spec: NetworkSpec, per_core: IntArray, cores: list[budgets.CoreBudget | None]) -> Partition:
    n_pop = len(spec.populations)
    slots = np.array([c.delay_slots if c else 0 for c in cores], dtype=np.int64)
    stages, stage_slots = np.zeros(n_pop, dtype=np.int64), np.zeros(n_pop, dtype=np.int64)
    linked = sorted({(p.source, p.target) for p in spec.projections if p.n_synapses > 0})
    longest = dict.fromkeys(linked, 0)
    for p in spec.projections:
        if p.n_synapses > 0:
            steps = int(np.ceil(budgets.longest_delay(p.delay, p.n_synapses) / spec.dt - 1e-9))
            longest[p.source, p.target] = max(longest[p.source, p.target], steps)
    late = [(s, t) for s, t in linked if longest[s, t] > int(slots[t])]
    for source, target in late:
        # The tools (7.4.1) take targets of unequal slots only if none is late; the shortest stage serves them all.
        stage_slots[source] = min(int(stage_slots[source]) or int(slots[target]), int(slots[target]))
    for source, target in late:
        stages[source] = max(int(stages[source]), -(-longest[source, target] // int(stage_slots[source])) - 1)
    findings = Findings("partition")
    for index in np.flatnonzero(stages > budgets.MAX_DELAY_STAGES).tolist():
        message = f"{stages[index]} delay stages of {stage_slots[index]} steps needed, {budgets.MAX_DELAY_STAGES} there. Use fewer neurons a core."
        findings.add("delay_stages", f"population {spec.populations[index].name}", message, float(stages[index] / budgets.MAX_DELAY_STAGES))
    findings.raise_if_any()
    # Vertices in the order neurons, Poisson drive, delay extension of each population.
    plan: list[tuple[int, int, int, float]] = []
    row: dict[tuple[int, int], int] = {}
    for index, population in enumerate(spec.populations):
        n = int(per_core[index])
        own = POISSON_SOURCE if population.is_source else NEURON
        rate = population.source_rate if population.is_source else spec.expected_rates[index]
        row[index, NEURON] = len(plan)
        plan.append((index, own, n, rate))
        if population.drive is not None and population.drive.rate > 0:
            row[index, POISSON_SOURCE] = len(plan)
            plan.append((index, POISSON_SOURCE, n, population.drive.rate))
        if stages[index]:
            row[index, DELAY_EXTENSION] = len(plan)
            plan.append((index, DELAY_EXTENSION, n * int(stages[index]), rate * float(stages[index])))
    n_slices = [-(-spec.populations[p].size // int(per_core[p])) for p, _, _, _ in plan]
    first = np.concatenate([[0], np.cumsum(n_slices)]).astype(np.int64)
    vertices = Vertices(
        population=np.array([p for p, _, _, _ in plan], dtype=np.int64),
        kind=np.array([k for _, k, _, _ in plan], dtype=np.int64),
        ids_per_core=np.array([n for _, _, n, _ in plan], dtype=np.int64),
        rate=np.array([r / max(int(stages[p]), 1) if k == DELAY_EXTENSION else r for p, k, _, r in plan], dtype=np.float64),
        first_slice=first,
    )
    links = [(row[s, NEURON], row[t, NEURON], False) for s, t in linked]
    links += [(row[s, DELAY_EXTENSION], row[t, NEURON], False) for s, t in late]
    links += [(row[p, POISSON_SOURCE], row[p, NEURON], True) for p, k in row if k == POISSON_SOURCE]
    links += [(row[p, NEURON], row[p, DELAY_EXTENSION], True) for p, k in row if k == DELAY_EXTENSION]
    connections = Connections(
        source=np.array([s for s, _, _ in links], dtype=np.int64),
        target=np.array([t for _, t, _ in links], dtype=np.int64),
        one_to_one=np.array([o for _, _, o in links], dtype=np.bool_),
    )
    return Partition(
        vertices=vertices,
        slices=_slices(spec, vertices, row, per_core, cores, stages, stage_slots),
        connections=connections,
        neurons_per_core=per_core,
        delay_slots=slots,
        delay_stages=stages,
        stage_slots=stage_slots,
        cycles_per_step=np.array([c.cycles if c else 0.0 for c in cores], dtype=np.float64),
    )


def _slices(
    spec: NetworkSpec,
    vertices: Vertices,
    row: dict[tuple[int, int], int],
    per_core: IntArray,
    cores: list[budgets.CoreBudget | None],
    stages: IntArray,
    stage_slots: IntArray,
) -> Slices:
    n_of = np.diff(vertices.first_slice)
    vertex = np.repeat(np.arange(len(n_of)), n_of)
    population = vertices.population[vertex]
    ordinal = np.arange(len(vertex)) - vertices.first_slice[vertex]
    lo = ordinal * per_core[population]
    serves = np.full(len(vertex), -1, dtype=np.int64)
    sdram = np.zeros(len(n_of), dtype=np.int64)
    dtcm = np.zeros(len(n_of), dtype=np.int64)
    for v, (p, kind) in enumerate(zip(vertices.population.tolist(), vertices.kind.tolist(), strict=True)):
        core = cores[p]
        if kind == NEURON and core is not None:
            sdram[v], dtcm[v] = core.sdram_bytes, core.dtcm_bytes
        elif kind == DELAY_EXTENSION:
            sdram[v], dtcm[v] = budgets.delay_core(int(per_core[p]), int(stages[p]), int(stage_slots[p]))
        else:
            sdram[v], dtcm[v] = budgets.poisson_core(int(per_core[p]))
        if v != row[p, NEURON]:
            own = vertex == v
            serves[own] = vertices.first_slice[row[p, NEURON]] + ordinal[own]
    return Slices(
        population=population,
        kind=vertices.kind[vertex],
        vertex=vertex,
        lo=lo,
        hi=np.minimum(lo + per_core[population], spec.sizes[population]),
        serves=serves,
        sdram_bytes=sdram[vertex],
        dtcm_bytes=dtcm[vertex],
    )
