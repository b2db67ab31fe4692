"""Work of every core in every step of an emulated run.

Problem
    For each receiving core and step: spikes that reach it, those with synapses there, and synaptic events; exactly, from the recorded spikes and
    the recipe of the synapses, for 5e6 core-steps in seconds.
Method
    For one source population after the other, the synapses of the neurons that spiked are counted by target slice (the recipe tells each
    target from one hash); then each spike adds its row of counts to the step it was sent in. On the machine it arrives in that step or the next.
    Networks made on the machine have other synapses of the same law: their counts are then those of a network like it.
Cost
    One hash a synapse of neurons that spiked, one addition a spike and slice; memory 6 bytes a core and step, and 2 a spiking neuron of one
    population and slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import poisson

from spinn_mam.deployment import Deployment
from spinn_mam.machine.core_costs import timing
from spinn_mam.network.connectivity import Connectivity, quantile_table
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.delays import ROW_CHANCE
from spinn_mam.real_time.kernels import add_rows, count_by_slice
from spinn_mam.real_time.receivers import Receivers
from spinn_mam.recording import Recording

#: Most core-steps of a sample, which bounds memory and time; and its longest biological time (ms).
MAX_CORE_STEPS, MAX_SAMPLE_MS = 5_000_000, 1000.0


@dataclass(frozen=True, slots=True)
class Loads:
    """What reaches the cores in each step of a sample.

    Attributes
    ----------
    sent : ndarray of int32, shape (n_steps, n_sources)
        Spikes of each source slice of the Receivers.
    events : ndarray of int32, shape (n_steps, n_columns)
    rows : ndarray of uint16, shape (n_steps, n_columns)
        Spikes with synapses on the core.
    row_synapses : ndarray of int64, shape (n_populations, n_columns)
        The longest row of each source population on each core, among the neurons that spiked.
    """

    sent: npt.NDArray[np.int32]
    events: npt.NDArray[np.int32]
    rows: npt.NDArray[np.uint16]
    row_synapses: npt.NDArray[np.int64]


def count_loads(recording: Recording, connectivity: Connectivity, deployment: Deployment, cores: Receivers) -> Loads:
    """Count the work of a sample, the first second of a recording or less.

    Parameters
    ----------
    recording : Recording
    connectivity : Connectivity
        Of the network that was run.
    deployment : Deployment
    cores : Receivers

    Returns
    -------
    Loads
    """
    spec, slices = connectivity.spec, deployment.slices
    n_columns = len(cores.core)
    n_steps = min(recording.stop_step - recording.start_step, round(MAX_SAMPLE_MS / recording.dt), max(1, MAX_CORE_STEPS // max(n_columns, 1)))
    sample = recording.window(0.0, n_steps * recording.dt)
    step, neuron = sample.step - recording.start_step, np.asarray(sample.neuron)
    offsets = np.asarray(spec.offsets)
    source_of = np.zeros(int(offsets[-1]), np.int64)
    for i, s in enumerate(cores.source.tolist()):
        first = int(offsets[slices.population[s]])
        source_of[first + int(slices.lo[s]) : first + int(slices.hi[s])] = i
    sender = source_of[neuron]
    sent = np.bincount(step * len(cores.source) + sender, minlength=n_steps * len(cores.source)).reshape(n_steps, -1).astype(np.int32)
    events = np.zeros((n_steps, n_columns), np.int32)
    rows = np.zeros((n_steps, n_columns), np.uint16)
    longest = np.zeros((len(spec.populations), n_columns), np.int64)
    slice_of = _slice_of_neurons(deployment, cores, offsets)
    for population in range(len(spec.populations)):
        lo, hi = int(offsets[population]), int(offsets[population + 1])
        mine = (neuron >= lo) & (neuron < hi)
        spiking, row = np.unique(neuron[mine] - lo, return_inverse=True)
        if len(spiking) == 0:
            continue
        counts = _rows_by_slice(connectivity, population, spiking.astype(np.int64), slice_of, len(cores.neuron))
        add_rows(step[mine], row, sender[mine], counts, cores.column, events, rows)
        peak = counts.max(axis=0).astype(np.int64)
        for columns in np.unique(cores.column[np.unique(sender[mine])], axis=0):
            there = columns >= 0
            longest[population, columns[there]] = np.maximum(longest[population, columns[there]], peak[there])
    return Loads(sent, events, rows, longest)


def _slice_of_neurons(deployment: Deployment, cores: Receivers, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return the neuron slice, as an index into ``cores.neuron``, of each neuron."""
    slices = deployment.slices
    out = np.full(int(offsets[-1]), -1, np.int32)
    for j, s in enumerate(cores.neuron.tolist()):
        first = int(offsets[slices.population[s]])
        out[first + int(slices.lo[s]) : first + int(slices.hi[s])] = j
    return out


def _rows_by_slice(
    connectivity: Connectivity, population: int, sources: npt.NDArray[np.int64], slice_of: npt.NDArray[np.int32], n_slices: int
) -> npt.NDArray[np.uint16]:
    """Count the synapses of some neurons of a population by target slice, shape (n_sources, n_slices)."""
    spec = connectivity.spec
    out = np.zeros((len(sources), n_slices), np.uint16)
    for k, projection in enumerate(spec.projections):
        if projection.source != population or projection.n_synapses == 0:
            continue
        blocks, first = connectivity.blocks[k], int(spec.offsets[projection.target])
        quantiles = quantile_table(projection.weight)
        for b in range(len(blocks.totals)):
            lo, hi = int(blocks.bounds[b]), int(blocks.bounds[b + 1])
            counts = connectivity.row_counts(k, b, (0, spec.populations[population].size))
            count_by_slice(counts, sources, blocks.row_keys[b], hi - lo, slice_of[first + lo : first + hi], quantiles, out)
    return out


def draw_loads(spec: NetworkSpec, deployment: Deployment, cores: Receivers, *, n_steps: int, rng: np.random.Generator) -> Loads:
    """Draw the work of a sample from the network's expected rates.

    In each step all rates are multiplied by the same gamma variate, whose spread is that of the emulated microcircuit (``step_rate_cv`` of
    :func:`spinn_mam.machine.core_costs.timing`); spikes are Poisson, rows have the mean number of synapses.

    Parameters
    ----------
    spec : NetworkSpec
    deployment : Deployment
    cores : Receivers
    n_steps : int
    rng : numpy.random.Generator

    Returns
    -------
    Loads
        The longest rows are those that the mapping reserves, but for the chance of 0.01 of each.
    """
    slices, n_columns = deployment.slices, len(cores.core)
    population = slices.population[cores.source]
    rates = np.array([p.source_rate if p.is_source else r for p, r in zip(spec.populations, spec.expected_rates, strict=True)])
    shape = timing()["step_rate_cv"].value ** -2
    together = rng.gamma(shape, 1.0 / shape, (n_steps, 1))
    sent = rng.poisson(together * (slices.hi - slices.lo)[cores.source] * rates[population] * spec.dt * 1e-3).astype(np.int32)
    share = (slices.hi - slices.lo)[cores.core] / spec.sizes[slices.population[cores.core]]
    mean = np.zeros((len(spec.populations), n_columns))  # synapses of one source neuron on the slice of each column
    for projection in spec.projections:
        there = slices.population[cores.core] == projection.target
        mean[projection.source, there] += projection.n_synapses / spec.sizes[projection.source] * share[there]
    spikes = np.stack([sent[:, population == p] @ cores.takes[population == p].astype(np.int32) for p in range(len(spec.populations))])
    on_columns = spikes[:, :, cores.group]
    events = rng.poisson(np.einsum("ptc,pc->tc", on_columns, mean)).astype(np.int32)
    rows = np.rint(np.einsum("ptc,pc->tc", on_columns, -np.expm1(-mean))).astype(np.uint16)
    longest = np.where(mean > 0, poisson.ppf(1.0 - ROW_CHANCE / np.maximum(spec.sizes, 1)[:, None], mean), 0.0)
    return Loads(sent, events, rows, longest.astype(np.int64))
