"""How many cores a network takes, by population, without making any of them.

Problem
    A cortical hemisphere has 10^7 slices; its plan must take seconds. What a slice needs depends on its population alone.
Method
    The partition's own budgets choose the neurons a core (:func:`spinn_mam.partitioning.slices.choose_cores`); the rest is multiplication. Cores
    and memory are those of the partition exactly. Where the time-scale factor is too small for any core, the smallest that mean loads allow is
    taken and told.
Cost
    Some evaluations of the budgets a population: 2 s for the multi-area model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import DoesNotFitError
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import IntArray, NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.slices import Cores, choose_cores
from spinn_mam.partitioning.structures import DELAY_EXTENSION, NEURON, POISSON_SOURCE, SYNAPSE

#: Rules that a slower machine keeps.
_OF_TIME = {"cycles", "cores"}
#: A factor at which time never decides.
_SLOW = 1e6


@dataclass(frozen=True, slots=True)
class CoreCounts:
    """The cores of a network in one layout, by population.

    Attributes
    ----------
    layout : str
        ``"combined"`` or ``"split"``.
    cores : Cores
        The budgets that were chosen.
    time_scale_factor : float
        At which they hold.
    needed_factor : float
        The smallest for which the busiest core's mean load leaves the margin that the budgets keep.
    n_slices : ndarray, shape (n_populations,)
        Neuron slices, or slices of sources.
    each : ndarray, shape (n_populations, 4)
        Cores of a slice by kind: neuron, delay extension, Poisson source, synapse.
    sdram_bytes : ndarray, shape (n_populations,)
        SDRAM of all cores of a full slice.
    dtcm_bytes : ndarray, shape (n_populations,)
        DTCM of the fullest of them.
    """

    layout: str
    cores: Cores
    time_scale_factor: float
    needed_factor: float
    n_slices: IntArray
    each: IntArray
    sdram_bytes: IntArray
    dtcm_bytes: IntArray

    @property
    def by_kind(self) -> IntArray:
        """Cores of each kind, shape (4,)."""
        return np.asarray(self.n_slices @ self.each)

    @property
    def cores_a_slice(self) -> IntArray:
        """Cores that share a chip, shape (n_populations,)."""
        return np.asarray(self.each.sum(axis=1))


def count_cores(
    spec: NetworkSpec,
    machine: MachineDescription,
    layout: str,
    *,
    neurons_per_core: int | None,
    time_scale_factor: float | None,
    synapse_cores: int | None = None,
    fixed_factor: bool = True,
) -> CoreCounts:
    """Count the cores of a network.

    Parameters
    ----------
    spec : NetworkSpec
    machine : MachineDescription
    layout : str
    neurons_per_core : int or None
    time_scale_factor : float or None
        None for the smallest.
    synapse_cores : int or None
        In the split layout.
    fixed_factor : bool
        Whether cores are to be made for this factor, if that is possible; else a larger one is taken where full cores need it.

    Returns
    -------
    CoreCounts
        Of the smallest possible factor, if the one asked for is too small.

    Raises
    ------
    DoesNotFitError
        If no time-scale factor lets a slice fit.
    """

    def chosen(factor: float) -> Cores:
        return choose_cores(spec, machine, neurons_per_core=neurons_per_core, time_scale_factor=factor, layout=layout, synapse_cores=synapse_cores)

    def slowest() -> CoreCounts:
        slow = chosen(_SLOW)
        return _counted(spec, machine, layout, slow, max(time_scale_factor or 1.0, math.ceil(_needed(spec, machine, slow))))

    if layout == "combined":
        slow = slowest()
        if time_scale_factor is None or slow.time_scale_factor == time_scale_factor or not fixed_factor:
            return slow
    # More synapse cores, or fewer neurons a core, make a faster machine.
    for factor in [2.0**i for i in range(8)] if time_scale_factor is None else [time_scale_factor]:
        try:
            return _counted(spec, machine, layout, chosen(factor), factor)
        except DoesNotFitError as error:
            if any(v.rule not in _OF_TIME for v in error.violations):
                raise
    return slowest()


def _needed(spec: NetworkSpec, machine: MachineDescription, cores: Cores) -> float:
    most = max((c.cycles for c in cores.budgets if c is not None), default=0.0)
    return most / budgets.cycles_per_step(spec, machine.clock_hz, 1.0)


def _counted(spec: NetworkSpec, machine: MachineDescription, layout: str, cores: Cores, factor: float) -> CoreCounts:
    n = len(spec.populations)
    each = np.zeros((n, 4), dtype=np.int64)
    sdram, dtcm = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for p, (population, core) in enumerate(zip(spec.populations, cores.budgets, strict=True)):
        per_core = int(cores.neurons_per_core[p])
        each[p, POISSON_SOURCE if core is None else NEURON] = 1
        needs: list[tuple[int, int]] = []
        if core is not None:
            each[p, SYNAPSE] = core.synapse_cores
            needs += [(core.sdram_bytes, core.dtcm_bytes), (sum(core.synapse_sdram_bytes), core.synapse_dtcm_bytes)]
        if core is None or (population.drive is not None and population.drive.rate > 0):
            each[p, POISSON_SOURCE] = 1
            needs.append(budgets.poisson_core(per_core))
        if cores.delays.stages[p]:
            each[p, DELAY_EXTENSION] = 1
            needs.append(budgets.delay_core(per_core, int(cores.delays.stages[p]), int(cores.delays.stage_slots[p])))
        sdram[p], dtcm[p] = sum(s for s, _ in needs), max(d for _, d in needs)
    n_slices = -(-spec.sizes // cores.neurons_per_core)
    return CoreCounts(layout, cores, factor, _needed(spec, machine, cores), n_slices, each, sdram, dtcm)
