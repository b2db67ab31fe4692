"""The PyNN script: a job as populations and projections on sPyNNaker 7.4.1.

Every population gets our neurons per core, synapse cores and ring-buffer shifts; sPyNNaker places and routes. Units change from NEST's to
PyNN's (nA, nF). Each neuron has one Poisson source of the summed rate, connected one to one with a delay of one step, which
lets split cores take the input over shared memory; the drive's own delay only moves independent counts in time.

``shared`` synapses are lists, sorted by source and target: 7.4.1 finds the longest row of a list in the list's own order
and reserves too little for an unsorted one. ``law`` and ``expander`` synapses are generated on the machine, from the distributions
of :mod:`spinn_mam.expander.plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import spynnaker.pyNN as sim
from spynnaker.pyNN.models.neuron import synapse_io

from spinn_mam.backends.spinnaker.job import Job, initial_potentials, pynn_seed, synapse_seed
from spinn_mam.expander.plan import PYNN_NAMES, Draws, delay_draws, weight_draws
from spinn_mam.fixed_point.random_streams import CONSTANT
from spinn_mam.fixed_point.ring_buffer import WEIGHT_MAX, quantise_weights, weight_scales
from spinn_mam.network.spec import NetworkSpec, Population

#: sPyNNaker derives the shift from the largest sum (nA); any sum above half and below all of 2^shift gives it.
SHARE_OF_RANGE = 0.75
PA_PER_NA = 1000.0


@dataclass(frozen=True, slots=True)
class Script:
    """What was built.

    Attributes
    ----------
    populations : list
        PyNN populations, in the order of the network.
    projections : dict of int to object
        PyNN projections by their index in the network; projections without synapses are not there.
    counts : dict of str to int
        Of synapses that were loaded: weights that become zero or were cut to 16 bits.
    """

    populations: list[Any]
    projections: dict[int, Any]
    counts: dict[str, int]


def build(job: Job) -> Script:
    """Set up sPyNNaker and build the network; the configuration is read from the working directory.

    Parameters
    ----------
    job : Job

    Returns
    -------
    Script
    """
    spec = job.network.spec
    sim.setup(timestep=spec.dt, min_delay=spec.dt, time_scale_factor=_number(job.time_scale_factor))
    populations = [_population(job, index) for index in range(len(spec.populations))]
    for index, population in enumerate(spec.populations):
        _drive(job, index, population, populations[index])
    projections: dict[int, Any] = {}
    counts = dict.fromkeys(("n_zero_weights", "n_saturated_weights"), 0) if job.degree == "shared" else {}
    for index, projection in enumerate(spec.projections):
        if projection.n_synapses == 0:
            continue
        connector, synapse = _shared(job, index, counts) if job.degree == "shared" else _law(job, index)
        source, target = populations[projection.source], populations[projection.target]
        projections[index] = sim.Projection(source, target, connector, synapse, receptor_type=projection.receptor)
    return Script(populations, projections, counts)


def spikes(script: Script, spec: NetworkSpec) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Read back all spikes: steps (sPyNNaker's, the first is 0) and global neuron indices, sorted."""
    steps: list[npt.NDArray[np.int64]] = []
    neurons: list[npt.NDArray[np.int64]] = []
    for population, offset in zip(script.populations, spec.offsets, strict=False):
        found = np.asarray(population.spinnaker_get_data("spikes")).reshape(-1, 2)
        neurons.append(found[:, 0].astype(np.int64) + offset)
        steps.append(np.rint(found[:, 1] / spec.dt).astype(np.int64))
    step, neuron = np.concatenate(steps), np.concatenate(neurons)
    order = np.lexsort((neuron, step))
    return step[order], neuron[order].astype(np.int32)


def synapses(projection: Any) -> npt.NDArray[Any]:
    """Read a projection's synapses back from the machine: a structured array of source, target, weight (nA) and delay (ms).

    Where a delay extension sends them, ``source`` is the row of the matrix, and the delay is that within the stage and a step, below zero: what
    the tools make of these is right for extensions of one stage alone.
    """
    edge, information = projection._projection_edge, projection._synapse_information
    with mock.patch.object(synapse_io, "_convert_delayed_data", _rows_as_they_are):
        return np.asarray(edge.post_vertex.get_connections_from_machine(edge, information))


def _rows_as_they_are(n_synapses: Any, n_pre_atoms: int, connections: Any, slots: int) -> Any:
    """Take the place of the tools' conversion."""
    del n_synapses, n_pre_atoms, slots
    connections["delay"] = -1.0 - connections["delay"]
    return connections


def _population(job: Job, index: int) -> Any:
    population = job.network.spec.populations[index]
    if population.neuron is None:
        created = sim.Population(
            population.size,
            sim.SpikeSourcePoisson(rate=population.source_rate, **_window(population)),
            label=population.name,
            neurons_per_core=job.neurons_per_core[index],
            seed=pynn_seed(job.seed, "source", population.name),
        )
        created.record("spikes")
        return created
    n = population.neuron
    model = sim.IF_curr_exp(
        tau_m=n.tau_m,
        cm=n.C_m / PA_PER_NA,  # pF to nF, the same factor
        v_rest=n.E_L,
        v_reset=n.V_reset,
        v_thresh=n.V_th,
        tau_syn_E=n.tau_syn_ex,
        tau_syn_I=n.tau_syn_in,
        tau_refrac=n.t_ref,
        i_offset=population.I_e / PA_PER_NA,
    )
    created = sim.Population(
        population.size,
        model,
        label=population.name,
        neurons_per_core=job.neurons_per_core[index],
        n_synapse_cores=job.synapse_cores[index],
        max_expected_summed_weight=[SHARE_OF_RANGE * 2.0**shift for shift in job.shifts[index]],
        seed=synapse_seed(job.network, index),
    )
    created.initialize(v=initial_potentials(population, job.seed))
    created.record("spikes")
    return created


def _window(population: Population) -> dict[str, float]:
    window = {"start": population.source_start}
    if np.isfinite(population.source_stop):
        window["duration"] = population.source_stop - population.source_start
    return window


def _drive(job: Job, index: int, population: Population, target: Any) -> None:
    if population.drive is None or population.drive.rate <= 0:
        return
    source = sim.Population(
        population.size,
        sim.SpikeSourcePoisson(rate=population.drive.rate),
        label=f"{population.name} drive",
        neurons_per_core=job.neurons_per_core[index],
        seed=pynn_seed(job.seed, "drive", population.name),
    )
    weight = population.drive.weight
    synapse = sim.StaticSynapse(weight=weight / PA_PER_NA, delay=job.network.spec.dt)
    sim.Projection(source, target, sim.OneToOneConnector(), synapse, receptor_type="excitatory" if weight >= 0 else "inhibitory")


def _shared(job: Job, index: int, counts: dict[str, int]) -> tuple[Any, None]:
    spec = job.network.spec
    projection = spec.projections[index]
    n_source, n_target = spec.populations[projection.source].size, spec.populations[projection.target].size
    rows = job.network.connectivity.rows(index, (0, n_source), (0, n_target))
    source = np.repeat(np.arange(n_source), np.diff(rows.offsets))
    order = np.lexsort((rows.target, source))
    delay = (rows.delay[order].astype(np.int64) + job.delay_offset_steps) * spec.dt
    # the tools keep the lower 16 bits of a weight beyond them: cut it instead, as the emulator does
    scale = float(weight_scales(np.array(job.shifts, np.int64))[projection.target, int(projection.receptor == "inhibitory")])
    _, n_zero, n_saturated = quantise_weights(rows.weight, scale)
    counts["n_zero_weights"] += n_zero
    counts["n_saturated_weights"] += n_saturated
    weight = np.clip(rows.weight[order], -WEIGHT_MAX / scale, WEIGHT_MAX / scale)
    columns = (source[order], rows.target[order], weight / PA_PER_NA, delay)
    return sim.FromListConnector(np.column_stack(columns)), None


def _law(job: Job, index: int) -> tuple[Any, Any]:
    projection = job.network.spec.projections[index]
    delay = delay_draws(projection.delay, job.network.spec.dt, job.delay_offset_steps)
    synapse = sim.StaticSynapse(weight=_pynn(weight_draws(projection.weight)), delay=_pynn(delay))
    return sim.FixedTotalNumberConnector(projection.n_synapses), synapse


def _pynn(draws: Draws) -> Any:
    """Make a constant or a distribution as PyNN takes it."""
    return draws.parameters[0] if draws.kind == CONSTANT else sim.RandomDistribution(PYNN_NAMES[draws.kind], draws.parameters)


def _number(value: float) -> float | int:
    """Make a whole number an int, as sPyNNaker's log and reports expect it."""
    return int(value) if value == int(value) else value
