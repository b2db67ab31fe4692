"""The PyNN script: a job as populations and projections on sPyNNaker 7.4.1.

Every population gets our neurons per core and ring-buffer shifts; sPyNNaker places and routes. Units change from NEST's to
PyNN's (nA, nF). Each neuron has one Poisson source of the summed rate, connected one to one with a delay of one step, which
lets split cores take the input over shared memory; the drive's own delay only moves independent counts in time.

``shared`` synapses are lists, sorted by source and target: 7.4.1 finds the longest row of a list in the list's own order
and reserves too little for an unsorted one. ``law`` and ``expander`` synapses are generated on the machine, where a delay is cut
off to whole steps (0.3 ms, which is 0.29999 in s16.15, to 2 steps of 0.1 ms): half a step more makes that rounding.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import spynnaker.pyNN as sim
from spynnaker.pyNN.data import SpynnakerDataView
from spynnaker.pyNN.models.neuron import PopulationVertex
from spynnaker.pyNN.utilities.bit_field_utilities import is_sdram_poisson_source

from spinn_mam.backends.spinnaker.job import Job, initial_potentials, pynn_seed
from spinn_mam.network.spec import Distribution, NetworkSpec, Population

#: Standard deviations beyond which no draw is expected (a chance below 2^-32): a bound for generators that need one.
SPREAD = 6.4
#: sPyNNaker derives the shift from the largest sum (nA); any sum above half and below all of 2^shift gives it.
SHARE_OF_RANGE = 0.75
PA_PER_NA = 1000.0
#: Label of the region that a core's generators read.
GENERATOR_REGION = "ConnectorBuilderRegion"


@dataclass(frozen=True, slots=True)
class Script:
    """What was built.

    Attributes
    ----------
    populations : list
        PyNN populations, in the order of the network.
    projections : dict of int to object
        PyNN projections by their index in the network; projections without synapses are not there.
    """

    populations: list[Any]
    projections: dict[int, Any]


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
    for index, projection in enumerate(spec.projections):
        if projection.n_synapses == 0:
            continue
        connector, synapse = _shared(job, index) if job.degree == "shared" else _law(job, index)
        source, target = populations[projection.source], populations[projection.target]
        projections[index] = sim.Projection(source, target, connector, synapse, receptor_type=projection.receptor)
    return Script(populations, projections)


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
    """Read a projection's synapses back from the machine: a structured array of source, target, weight (nA) and delay (ms)."""
    edge, information = projection._projection_edge, projection._synapse_information
    return np.asarray(edge.post_vertex.get_connections_from_machine(edge, information))


def generators(script: Script) -> dict[str, npt.NDArray[Any]]:
    """Collect what the machine's generators were told.

    Returns
    -------
    dict
        ``"edges P"``: for target population P the projections that its cores generate, in their order, -1 for a drive;
        ``"region P LO"``: the bytes of the generators' region of the core whose first target is LO.
    """
    found: dict[str, npt.NDArray[Any]] = {}
    index_of = {id(projection): index for index, projection in script.projections.items()}
    with sqlite3.connect(f"file:{SpynnakerDataView.get_ds_database_path()}?mode=ro", uri=True) as database:
        for number, population in enumerate(script.populations):
            vertex = population._vertex
            if not isinstance(vertex, PopulationVertex):
                continue
            made = [
                projection
                for projection in vertex.incoming_projections
                if projection._synapse_information.may_generate_on_machine() and not is_sdram_poisson_source(projection._projection_edge)
            ]
            found[f"edges {number}"] = np.array([index_of.get(id(projection), -1) for projection in made], np.int64)
            for core in vertex.machine_vertices:
                place = SpynnakerDataView.get_placement_of_vertex(core)
                query = "SELECT content FROM region WHERE x = ? AND y = ? AND p = ? AND region_label = ?"
                for (content,) in database.execute(query, (place.x, place.y, place.p, GENERATOR_REGION)):
                    if content is not None:
                        found[f"region {number} {core.vertex_slice.lo_atom}"] = np.frombuffer(content, np.uint8)
    database.close()
    return found


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
        n_synapse_cores=0 if job.layout == "combined" else None,
        max_expected_summed_weight=[SHARE_OF_RANGE * 2.0**shift for shift in job.shifts[index]],
        seed=pynn_seed(job.network.connectivity.seed, "synapses", population.name),
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


def _shared(job: Job, index: int) -> tuple[Any, None]:
    spec = job.network.spec
    projection = spec.projections[index]
    n_source, n_target = spec.populations[projection.source].size, spec.populations[projection.target].size
    rows = job.network.connectivity.rows(index, (0, n_source), (0, n_target))
    source = np.repeat(np.arange(n_source), np.diff(rows.offsets))
    order = np.lexsort((rows.target, source))
    delay = (rows.delay[order].astype(np.int64) + job.delay_offset_steps) * spec.dt
    columns = (source[order], rows.target[order], rows.weight[order] / PA_PER_NA, delay)
    return sim.FromListConnector(np.column_stack(columns)), None


def _law(job: Job, index: int) -> tuple[Any, Any]:
    spec = job.network.spec
    projection = spec.projections[index]
    delay = projection.delay
    bounded = Distribution(delay.mean, delay.sd, delay.lower, min(delay.upper, delay.mean + SPREAD * delay.sd))
    synapse = sim.StaticSynapse(
        weight=_distribution(projection.weight, 1.0 / PA_PER_NA, 0.0),
        delay=_distribution(bounded, 1.0, (job.delay_offset_steps + 0.5) * spec.dt),
    )
    return sim.FixedTotalNumberConnector(projection.n_synapses), synapse


def _distribution(d: Distribution, scale: float, shift: float) -> Any:
    """Make sPyNNaker's distribution of ``scale * draw + shift``."""
    if d.sd == 0.0:
        return d.mean * scale + shift
    return sim.RandomDistribution(
        "normal_clipped", mu=d.mean * scale + shift, sigma=d.sd * scale, low=d.lower * scale + shift, high=d.upper * scale + shift
    )


def _number(value: float) -> float | int:
    """Make a whole number an int, as sPyNNaker's log and reports expect it."""
    return int(value) if value == int(value) else value
