"""Budgets of split cores: a neuron core, its synapse cores and its Poisson core, as sPyNNaker 1!7.4.1 lays them out.

Problem
    How many synapse cores a neuron slice needs, and what each of its cores takes of DTCM, SDRAM and time.

Method
    All cores of a slice are on one chip. The first synapse core owns the synaptic matrix, the others read it. In each step every synapse core and
    Poisson core writes a row of 16-bit sums to SDRAM, and the neuron core reads them. The ring buffers of a synapse core have as many
    slots as those of a combined core: the tools' limit of 2^14 counters is the same.

    The number of synapse cores is the least that the tools' own rule asks for and that keeps the estimated cycles of the busiest within
    the time step. A number that the user gives is taken as it is.

Cost
    One evaluation of the incoming projections, and one deal of the source slices for each number of cores tried.

Reference
    sPyNNaker 1!7.4.1, whose files are named beside each constant (paths below ``spynnaker/pyNN/``).
"""

from __future__ import annotations

import math

import numpy as np

from spinn_mam.machine.core_costs import SYNAPSES, core_costs
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.budgets import CoreBudget, Incoming, Sources
from spinn_mam.partitioning.keys import bits_for
from spinn_mam.partitioning.synapse_cores import deal

#: ``models/neuron/synapse_dynamics/synapse_dynamics_static.py`` synapses_per_second: what one core can do in real time.
SYNAPSES_PER_SECOND = 13e6
#: ``spynnaker.cfg`` spikes_per_second: what the tools expect of a source, whatever its rate.
SPIKES_PER_SECOND = 30.0
#: Initialised and zero data of the shipped binaries (headers of ``model_binaries/*.aplx``): 0xf0 + 0x88c, 0x14 + 0x910.
DTCM_STATIC_BYTES = {"IF_curr_exp_neuron": 2_428, "synapses": 2_340}
#: ``models/abstract_models/receives_synaptic_inputs_over_sdram.py`` N_BYTES_PER_INPUT.
SUM_BYTES = 2
#: Cycles of a synapse core for one arriving spike: instructions of the shipped binary, measured, as one cycle each.
CYCLES_PER_SPIKE = core_costs(SYNAPSES)["spike"].low
#: Rows of sums that the shipped neuron binary holds in DTCM, read from the heap of a running core.
ROWS_HELD = 3
#: Instructions that a neuron core takes for a further row and for each sum in it (8,329 with one row for 64 neurons, 9,562 with four), and a
#: synapse core in a step without spikes; counted by executing the shipped binaries, as one cycle each, without waiting for SDRAM.
CYCLES_PER_ROW, CYCLES_PER_SUM, CYCLES_PER_TRANSFER = 27.0, 3.0, 650.0
#: ``models/neuron/synaptic_matrices.py`` SYNAPSES_BASE_GENERATOR_SDRAM_USAGE_IN_BYTES and the weight scales; ``generator_data.py`` BASE_SIZE
#: with the parameters of a connector, its matrix and two clipped normal distributions. One such record is reserved for each source slice.
BUILDER_BASE_BYTES, BUILDER_BYTES = 76 + 16, 44 + 12 + 48 + 16 + 16


def hand_over_bytes(neurons: int) -> int:
    """Return the bytes of sums that a synapse or Poisson core writes in each step for ``neurons`` neurons.

    It is the rule of ``models/neuron/population_neurons_machine_vertex.py`` get_n_bytes_for_transfer.

    Examples
    --------
    >>> hand_over_bytes(64), hand_over_bytes(80), hand_over_bytes(1)
    (256, 512, 8)
    """
    return int(2 ** max(bits_for(neurons), 1)) * budgets.SYNAPSE_TYPES * SUM_BYTES


def tools_number(spec: NetworkSpec, incoming: Incoming, time_scale_factor: float) -> int:
    """Return the synapse cores that the tools give a slice if nobody says otherwise.

    It is the rule of ``models/neuron/population_vertex.py`` n_synapse_cores_required, without its upper limit: longest rows, 30 spikes/s
    and 13 million synapses a second.
    """
    synapses = np.ceil(incoming.rows * SPIKES_PER_SECOND * spec.sizes[incoming.source]).sum()
    return math.ceil(float(synapses) / (SYNAPSES_PER_SECOND * time_scale_factor))


def busiest_core(spec: NetworkSpec, incoming: Incoming, n_cores: int, sources: Sources) -> float:
    """Return the estimated cycles a time step of the busiest of ``n_cores`` synapse cores."""
    n_populations = len(spec.populations)
    cost = np.bincount(incoming.source, incoming.spikes * CYCLES_PER_SPIKE + incoming.events * budgets.CYCLES_PER_EVENT, n_populations)
    sends = np.zeros(n_populations, dtype=np.bool_)
    sends[incoming.source] = True
    load = np.zeros(n_cores)
    for turn, source in enumerate(s for s in sources.order if sends[s]):
        size, per_core = spec.populations[source].size, int(sources.neurons_per_core[source])
        taker = deal(-(-size // per_core), n_cores, turn % n_cores)
        taken = np.bincount(taker, minlength=n_cores) * per_core
        taken[taker[-1]] -= len(taker) * per_core - size  # the last slice may be smaller
        load += taken * (cost[source] / size)
    return float(load.max()) * spec.dt / 1000.0 + CYCLES_PER_TRANSFER


def split_cores(
    spec: NetworkSpec,
    population: int,
    neurons: int,
    sources: Sources,
    machine: MachineDescription,
    time_scale_factor: float,
    synapse_cores: int | None,
) -> CoreBudget:
    """Estimate the cores of one slice with ``neurons`` neurons of a population that has projections.

    Parameters
    ----------
    spec : NetworkSpec
    population : int
    neurons : int
        Neurons a slice, at most the population's size.
    sources : Sources
        Of all populations.
    machine : MachineDescription
        Its clock and cores a chip.
    time_scale_factor : float
        Wall-clock time over biological time.
    synapse_cores : int or None
        That the user wants; None leaves it to the budgets.

    Returns
    -------
    CoreBudget
        It may have more cores than a chip, or take more cycles than there are.
    """
    neurons = min(neurons, spec.populations[population].size)
    drive = spec.populations[population].drive
    driven = int(drive is not None and drive.rate > 0)
    incoming = budgets.incoming_synapses(spec, population, neurons, sources)
    number = synapse_cores or tools_number(spec, incoming, time_scale_factor)
    busiest = busiest_core(spec, incoming, number, sources)
    if synapse_cores is None:
        most = int(machine.n_cores.max(initial=0)) - 1 - driven
        allowed = budgets.cycles_per_step(spec, machine.clock_hz, time_scale_factor)
        while number < most and busiest > allowed:
            number += 1
            busiest = busiest_core(spec, incoming, number, sources)
    sizes = spec.sizes[incoming.source]
    records = int(np.sum(-(-sizes // np.minimum(sources.neurons_per_core[incoming.source], sizes))))
    if driven:
        # The tools reserve rows and records for the drive, though its core hands its sums over.
        incoming = budgets.with_drive(incoming, spec.populations[population].size, neurons)
        records += -(-spec.populations[population].size // neurons)
    matrix = budgets.synapse_sdram(incoming) + BUILDER_BASE_BYTES + records * BUILDER_BYTES
    handed = hand_over_bytes(neurons)
    common = budgets.SYSTEM_BYTES + budgets.SMALL_REGIONS_BYTES
    adding = (number + driven - 1) * (CYCLES_PER_ROW + CYCLES_PER_SUM * handed / SUM_BYTES)
    state = neurons * budgets.NEURON_WORDS * budgets.WORD_BYTES
    return CoreBudget(
        neurons=neurons,
        delay_slots=incoming.delay_slots,
        delay_stages=incoming.delay_stages,
        sdram_bytes=common + budgets.neuron_sdram(neurons) + (number + driven) * handed,
        dtcm_bytes=budgets.DTCM_RESERVED_BYTES + DTCM_STATIC_BYTES["IF_curr_exp_neuron"] + state + ROWS_HELD * handed,
        matrix_bytes=incoming.matrix_bytes,
        longest_row=incoming.longest_row,
        blocks=incoming.blocks,
        cycles=max(busiest, neurons * budgets.CYCLES_PER_NEURON + adding),
        cores=1 + number + driven,
        synapse_sdram_bytes=(common + matrix, *[common] * (number - 1)),
        synapse_dtcm_bytes=budgets.DTCM_RESERVED_BYTES + DTCM_STATIC_BYTES["synapses"] + budgets.synapse_dtcm(incoming, neurons),
        hand_over_bytes=handed,
    )
