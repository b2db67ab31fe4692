"""Partition: how many neurons go on a core, and how many synapse cores beside it.

Problem: cut each population into slices as large as the user allows and the budgets (DTCM, SDRAM, cycles, row length, delay slots) permit.
Method: the user's number, or 256, is tried first; if a budget breaks, the largest number that keeps all is found by bisection. More neurons a
core leave fewer delay slots: the user's number is kept and delay extensions take the longer delays; without one, the largest number that needs no
extension is taken if it is at least half of the largest that keeps the budgets (an extension is a second core). Targets of a source whose delays
need an extension get equal slots, as the tools demand, and more slots where it would have too many stages: both by fewer neurons. In the split
layout each population with projections gets as many synapse cores a slice as :mod:`spinn_mam.partitioning.split_cores` finds, or the user says; one
without projections keeps combined cores, since the tools cannot split it. Which cores that makes is in :mod:`spinn_mam.partitioning.assemble`.

Cost: some 10 evaluations of the budgets a population.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import Findings, UsageError
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.assemble import Delays, assemble, find_delays
from spinn_mam.partitioning.split_cores import split_cores
from spinn_mam.partitioning.structures import IntArray, Partition

_ADVICE = {
    "dtcm": ("bytes of DTCM", "fewer incoming projections"),
    "sdram": ("bytes of SDRAM", "a smaller N_scaling or K_scaling"),
    "row_length": ("synapses in a row", "a smaller K_scaling"),
    "delay_stages": ("delay stages", "shorter delays"),
    "cycles": ("cycles a time step", "a larger time-scale factor"),
    "cores": ("cores of one chip", "fewer synapse cores or a larger time-scale factor"),
}


def partition(
    spec: NetworkSpec,
    machine: MachineDescription,
    *,
    neurons_per_core: int | None,
    time_scale_factor: float,
    layout: str = "combined",
    synapse_cores: int | None = None,
) -> Partition:
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
    layout : str
        ``"combined"`` or ``"split"``.
    synapse_cores : int or None
        Synapse cores of each neuron slice in the split layout; None leaves it to the budgets.

    Returns
    -------
    Partition

    Raises
    ------
    DoesNotFitError
        If not even one neuron fits a core, or a delay is longer than delay extensions reach.
    """
    chosen = choose_cores(
        spec, machine, neurons_per_core=neurons_per_core, time_scale_factor=time_scale_factor, layout=layout, synapse_cores=synapse_cores
    )
    return assemble(spec, chosen.neurons_per_core, chosen.budgets, chosen.delays)


@dataclass(frozen=True, slots=True)
class Cores:
    """What a slice of each population is, before any is made.

    Attributes
    ----------
    neurons_per_core : ndarray, shape (n_populations,)
    budgets : list of CoreBudget or None
        Of a full slice of each population; None for a population of sources.
    delays : Delays
    """

    neurons_per_core: IntArray
    budgets: list[budgets.CoreBudget | None]
    delays: Delays


def choose_cores(
    spec: NetworkSpec,
    machine: MachineDescription,
    *,
    neurons_per_core: int | None,
    time_scale_factor: float,
    layout: str = "combined",
    synapse_cores: int | None = None,
) -> Cores:
    """Choose how many neurons go on a core, and the cores beside it; parameters and errors are those of :func:`partition`."""
    if neurons_per_core is not None and neurons_per_core < 1:
        raise UsageError(f"neurons_per_core is {neurons_per_core}: give at least 1")
    if time_scale_factor <= 0:
        raise UsageError(f"time_scale_factor is {time_scale_factor}: give a positive number")
    if synapse_cores is not None and (layout != "split" or synapse_cores < 1):
        raise UsageError(f"synapse_cores is {synapse_cores} in the {layout} layout: give at least 1, and only in the split layout")
    cap = min(neurons_per_core or budgets.MAX_NEURONS_PER_CORE, budgets.MAX_NEURONS_PER_CORE)
    caps = np.minimum(spec.sizes, cap)
    sources = budgets.Sources.of(spec, caps)  # of the caps as they are while they go down

    def cores_of(population: int, neurons: int) -> budgets.CoreBudget:
        if layout == "split" and len(sources.onto[population].source):
            return split_cores(spec, population, neurons, sources, machine, time_scale_factor, synapse_cores)
        return budgets.combined_core(spec, population, neurons, sources)

    while True:
        per_core, cores = _neurons_per_core(spec, machine, caps, time_scale_factor, cores_of, prefer_slots=neurons_per_core is None)
        slots = np.array([c.delay_slots if c else 0 for c in cores], dtype=np.int64)
        delays = find_delays(spec, slots)
        fewer = _fewer_for_delays(spec, machine, per_core, slots, delays)
        if not fewer:
            return Cores(per_core, cores, delays)
        for index, n in fewer.items():
            caps[index] = n


def broken_budgets(
    spec: NetworkSpec, machine: MachineDescription, budget: budgets.CoreBudget, time_scale_factor: float
) -> list[tuple[str, float, float]]:
    """Return (rule, need, have) of each budget that the cores of a slice break."""
    needs = [
        ("dtcm", max(budget.dtcm_bytes, budget.synapse_dtcm_bytes), machine.dtcm_bytes),
        ("sdram", budget.sdram_bytes + sum(budget.synapse_sdram_bytes), int(machine.sdram_bytes.max(initial=0))),
        ("row_length", budget.longest_row, budgets.MAX_ROW_SYNAPSES),
        ("delay_stages", budget.delay_stages, budgets.MAX_DELAY_STAGES),
        ("cycles", budget.cycles, budgets.cycles_per_step(spec, machine.clock_hz, time_scale_factor)),
        ("cores", budget.cores, int(machine.n_cores.max(initial=0))),
    ]
    return [(name, need, have) for name, need, have in needs if need > have]


def _fewer_for_delays(spec: NetworkSpec, machine: MachineDescription, per_core: IntArray, slots: IntArray, delays: Delays) -> dict[int, int]:
    """Return fewer neurons a core for populations whose slots, or whose delay extension, are in the way of long delays; empty if none is.

    All late targets of a source get as many slots as the one that has most: the tools (7.4.1) refuse stages of unequal length. Where stages are
    too many even so, half as many neurons make them twice as long. A delay extension has the slices of its population, and a counter for
    each neuron and slot.
    """
    fewer: dict[int, int] = {}
    findings = Findings("partition")
    targets: dict[int, list[int]] = {}
    for source, target in delays.late:
        targets.setdefault(source, []).append(target)
    for source, late in targets.items():
        most = int(slots[late].max())
        short = [t for t in late if slots[t] < most]
        stages, stage_slots = int(delays.stages[source]), int(delays.stage_slots[source])
        if not short and stages > budgets.MAX_DELAY_STAGES:
            most, short = 2 * most, late
            if min(int(per_core[t]) for t in late) == 1:
                there = f"{budgets.MAX_DELAY_STAGES} there. Use shorter delays, or a longer step."
                message = f"{stages} delay stages of {stage_slots} steps needed, {there}"
                findings.add("delay_stages", f"population {spec.populations[source].name}", message, stages / budgets.MAX_DELAY_STAGES)
        for t in short:
            fewer[t] = max(1, min(fewer.get(t, int(per_core[t])), budgets.delay_slots(1) // most))
    findings.raise_if_any()
    for index in np.flatnonzero(delays.stages) if not fewer else []:
        stages, stage_slots = int(delays.stages[index]), int(delays.stage_slots[index])

        def need(n: int, stages: int = stages, stage_slots: int = stage_slots) -> int:
            return budgets.delay_core(n, stages, stage_slots)[1]

        if need(int(per_core[index])) <= machine.dtcm_bytes:
            continue
        if need(1) > machine.dtcm_bytes or per_core[index] == 1:
            message = f"{need(1):,} bytes of DTCM needed by a delay extension of one neuron, {machine.dtcm_bytes:,} there. Use shorter delays."
            findings.add("dtcm", f"population {spec.populations[index].name}", message, need(1) / machine.dtcm_bytes)
        fewer[int(index)] = _largest(max(int(per_core[index]) - 1, 1), lambda n: need(n) <= machine.dtcm_bytes)
    findings.raise_if_any()
    return fewer


def _neurons_per_core(
    spec: NetworkSpec,
    machine: MachineDescription,
    caps: IntArray,
    time_scale_factor: float,
    cores_of: Callable[[int, int], budgets.CoreBudget],
    *,
    prefer_slots: bool,
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
                tried[n] = cores_of(index, n)
            return tried[n]

        def keeps_budgets(n: int, core: Callable[[int], budgets.CoreBudget] = core) -> bool:
            return not broken_budgets(spec, machine, core(n), time_scale_factor)

        def keeps_slots(n: int, core: Callable[[int], budgets.CoreBudget] = core) -> bool:
            return core(n).delay_stages == 0

        chosen = int(caps[index])
        if not keeps_budgets(chosen):
            if not keeps_budgets(1):
                for rule, need, have in broken_budgets(spec, machine, core(1), time_scale_factor):
                    what, advice = _ADVICE[rule]
                    message = f"{need:,.0f} {what} needed by a slice of a single neuron, {have:,.0f} there."
                    findings.add(rule, f"population {population.name}", message, need / max(have, 1), f"Use {advice}.")
                cores.append(core(1))
                continue
            chosen = _largest(chosen, keeps_budgets)
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
