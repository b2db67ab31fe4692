"""The mapping from end to end: partition, place, keys, route, tables, compress."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spinn_mam.deployment import Deployment
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.compress_prefix import compress_all
from spinn_mam.partitioning.keys import allocate
from spinn_mam.partitioning.metrics import mapping_metrics
from spinn_mam.partitioning.place_boards import place
from spinn_mam.partitioning.route_balanced import route
from spinn_mam.partitioning.slices import partition
from spinn_mam.partitioning.structures import IntArray, Partition, PlacementProblem
from spinn_mam.partitioning.tables import make_tables, routing_problem


def groups_of(parts: Partition) -> IntArray:
    """Return the same-chip group of each slice: a neuron slice and the slices that serve it, shape (n_slices,)."""
    serves = parts.slices.serves
    head = np.where(serves >= 0, serves, np.arange(len(serves)))
    return np.unique(head, return_inverse=True)[1].astype(np.int64)


def map_network(
    spec: NetworkSpec,
    machine: MachineDescription,
    *,
    neurons_per_core: int | None,
    time_scale_factor: float,
    layout: str = "combined",
    synapse_cores: int | None = None,
    ring_buffer_shifts: npt.NDArray[np.int64],
    rng: np.random.Generator,
    progress: Callable[[str], None] | None = None,
) -> Deployment:
    """Map a network onto a machine.

    Parameters
    ----------
    spec : NetworkSpec
    machine : MachineDescription
    neurons_per_core : int or None
        Most neurons a core; None leaves it to the budgets.
    time_scale_factor : float
        Wall-clock time over biological time.
    layout : str
        ``"combined"`` or ``"split"``.
    synapse_cores : int or None
        Synapse cores of each neuron slice in the split layout; None leaves it to the budgets.
    ring_buffer_shifts : ndarray of int, shape (n_populations, 2)
        Kept in the Deployment.
    rng : numpy.random.Generator
        For the placer.
    progress : callable, optional
        Told the name of each stage as it begins.

    Returns
    -------
    Deployment
        Its metrics hold ``wall_time_s`` in all and ``stage_wall_time_s`` by stage.

    Raises
    ------
    DoesNotFitError
        If it does not fit the machine: says what is missing and what would do.
    """
    times: dict[str, float] = {}
    began = last = time.perf_counter()
    stage = ""

    def enter(name: str) -> None:
        nonlocal last, stage
        now = time.perf_counter()
        if stage:
            times[stage] = now - last
        last, stage = now, name
        if name and progress is not None:
            progress(name)

    enter("partition")
    parts = partition(
        spec, machine, neurons_per_core=neurons_per_core, time_scale_factor=time_scale_factor, layout=layout, synapse_cores=synapse_cores
    )
    enter("place")
    placement = place(PlacementProblem(machine, groups_of(parts), parts.slices.sdram_bytes), rng=rng)
    enter("keys")
    keys = allocate(parts)
    enter("route")
    problem = routing_problem(parts, placement, machine.neighbour)
    trees = route(problem)
    enter("tables")
    raw = make_tables(parts, placement, keys, trees, problem)
    enter("compress")
    names = [f"chip ({x}, {y})" for x, y in zip(machine.x.tolist(), machine.y.tolist(), strict=True)]
    tables = compress_all(raw, machine.router_entries, names)
    enter("metrics")
    metrics = mapping_metrics(machine, parts, placement, problem, trees, raw.sizes, tables)
    enter("")
    metrics["stage_wall_time_s"] = times
    metrics["wall_time_s"] = time.perf_counter() - began
    return Deployment(
        network_digest=spec.digest(),
        layout=layout,
        time_scale_factor=time_scale_factor,
        machine=machine,
        partition=parts,
        placement=placement,
        keys=keys,
        trees=trees,
        tables=tables,
        ring_buffer_shifts=np.asarray(ring_buffer_shifts, dtype=np.int64),
        metrics=metrics,
    )
