"""Cycles of the cores of a deployment for a given work, as a floor and a ceiling.

The floor has each executed instruction in one cycle, memory free, spikes without synapses on the core dropped after their packet, and all spikes
of a step taken in one go. The ceiling has the cycles of :mod:`spinn_mam.machine.core_costs`, every spike searched for and its row fetched, the
fetching started anew after each packet; and a core that uses the shared memory waits for all transfers of its chip in that step, whose bytes
go at the chip's memory bandwidth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.deployment import Deployment
from spinn_mam.machine.core_costs import COMBINED, NEURONS, POISSON, SYNAPSES, core_costs, timing
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.keys import bits_for
from spinn_mam.real_time.receivers import Receivers

FloatArray = npt.NDArray[np.float32]
WORD_BYTES, ROW_HEADER_WORDS = 4, 3


@dataclass(frozen=True, slots=True)
class Work:
    """Work of the receiving and the driving cores; arrays end with the axis of the cores, and broadcast before it.

    Attributes
    ----------
    packets, rows, events : ndarray, shape (..., n_columns)
        Network spikes that reach a core, those with synapses there, and synaptic events.
    sent : ndarray, shape (..., n_neuron_slices)
        Spikes of the neurons.
    drawn, driving, several : ndarray, shape (..., n_drives)
        Spikes of the Poisson sources of a core, how many of them spike, and how many more than once.
    bytes : ndarray, shape (..., n_columns)
        Synaptic rows that a core reads.
    """

    packets: FloatArray
    rows: FloatArray
    events: FloatArray
    sent: FloatArray
    drawn: FloatArray
    driving: FloatArray
    several: FloatArray
    bytes: FloatArray


@dataclass(frozen=True, slots=True)
class Cycles:
    """Cycles of each core of a deployment.

    Attributes
    ----------
    low, high : ndarray of float32, shape (..., n_slices)
        Floor and ceiling.
    arrivals : ndarray of float32, shape (..., n_slices)
        Spikes for the input buffer.
    spike_low, spike_high : ndarray of float32, shape (..., n_slices)
        Cycles of one of them, its synapses included.
    at_once : ndarray of float32, shape (..., n_slices)
        Spikes that wait together at worst: all of the network's, and those of the drive that come faster than the core takes them.
    """

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    arrivals: npt.NDArray[np.float32]
    spike_low: npt.NDArray[np.float32]
    spike_high: npt.NDArray[np.float32]
    at_once: npt.NDArray[np.float32]


class CycleModel:
    """Turns work into cycles.

    Parameters
    ----------
    spec : NetworkSpec
    deployment : Deployment
    cores : Receivers
    """

    def __init__(self, spec: NetworkSpec, deployment: Deployment, cores: Receivers) -> None:
        self.cores = cores
        slices = deployment.slices
        parts = deployment.partition
        self.n_slices = slices.n_slices
        size = (slices.hi - slices.lo).astype(np.float32)
        width = np.array([2.0 ** bits_for(int(n)) for n in deployment.neurons_per_core], np.float32)
        incoming = np.zeros(len(spec.populations))
        for _, target in {(p.source, p.target) for p in spec.projections if p.n_synapses}:
            incoming[target] += 1
        searches = np.array([bits_for(int(n) + 1) for n in incoming], np.float32)
        split = parts.synapse_cores > 0
        of_column, of_drive = slices.population[cores.core], slices.population[cores.drive]
        self._neurons, self._width, self._searches = size[cores.core], width[of_column], searches[of_column]
        self._combined, self._synapse = (np.flatnonzero(split[of_column] == side) for side in (False, True))
        self._sources, self._hands_over = size[cores.drive], split[of_drive].astype(np.float32)
        # the neuron cores that have synapse cores, as indices into the neuron slices
        self._fed = np.flatnonzero(split[slices.population[cores.neuron]])
        fed = cores.neuron[self._fed]
        self._fed_size, self._fed_width = size[fed], width[slices.population[fed]]
        driven = np.isin(self._fed, cores.driven)
        self._inputs = (parts.synapse_cores[slices.population[fed]] + driven).astype(np.float32)
        # sends and reads of sums; each chip's memory carries them beside the rows
        handed = slices.hand_over_bytes.astype(np.float64)
        self._handed = handed[cores.core].astype(np.float32)
        self._chip = deployment.placement.chip
        self._sums = np.bincount(self._chip, 2.0 * handed, minlength=deployment.machine.n_chips).astype(np.float32)
        self._drive_of = np.full(len(cores.neuron), -1)
        combined_drives = ~split[of_drive]
        self._drive_of[cores.driven[combined_drives]] = np.flatnonzero(combined_drives)
        self._bytes_per_cycle = np.float32(timing()["sdram_bytes_per_s"].value / deployment.machine.clock_hz)

    def cycles(self, work: Work) -> Cycles:
        """Return the cycles of all cores.

        Parameters
        ----------
        work : Work

        Returns
        -------
        Cycles
        """
        shape = np.broadcast_shapes(work.packets.shape[:-1], work.drawn.shape[:-1])
        out = Cycles(*(np.zeros((*shape, self.n_slices), np.float32) for _ in range(6)))
        done = {"step": np.ones(1, np.float32), "source": self._sources, "drawn": work.drawn}
        hands_over, sends = self._hands_over, 1 - self._hands_over
        done |= {"packet_sent": work.driving * sends, "count_sent": work.several * sends}
        done |= {"hand_over": hands_over, "sum": self._sources * hands_over, "summed": work.driving * hands_over}
        drive_low, drive_high = _sum(done, POISSON, high=False), _sum(done, POISSON, high=True)
        out.low[..., self.cores.drive], out.high[..., self.cores.drive] = drive_low, drive_high
        wait = self._memory_wait(work.bytes + self._on_columns(work.drawn) * WORD_BYTES * (ROW_HEADER_WORDS + 1))
        self._combined_cores(work, wait[..., self.cores.core], drive_low, out)
        self._split_cores(work, wait, out)
        return out

    def _combined_cores(self, work: Work, wait: FloatArray, drive_low: FloatArray, out: Cycles) -> None:
        mine = self._combined
        core, wait = self.cores.core[mine], wait[..., mine]
        drawn, driving, pace = (self._on_columns(values)[..., mine] for values in (work.drawn, work.driving, drive_low))
        sources = self._on_columns(self._sources)[mine]
        network, rows, events = work.packets[..., mine], work.rows[..., mine], work.events[..., mine]
        spikes, most_packets = network + drawn, network + np.minimum(drawn, sources)
        fixed = {
            "step": np.ones(1, np.float32),
            "slot": self._width[mine],
            "neuron": self._neurons[mine],
            "spike_sent": work.sent[..., self.cores.served[mine]],
        }
        least = {"packet": network + driving, "wake": np.minimum(spikes, 1.0), "spike": rows + drawn, "event": events + drawn}
        most = {"packet": most_packets, "wake": most_packets, "spike": spikes, "search": spikes * self._searches[mine], "event": events + drawn}
        taken_low, taken_high = _sum(least, COMBINED, high=False), _sum(most, COMBINED, high=True) + wait
        out.low[..., core] = _sum(fixed, COMBINED, high=False) + taken_low
        out.high[..., core] = _sum(fixed, COMBINED, high=True) + taken_high
        out.arrivals[..., core] = spikes
        out.spike_low[..., core] = taken_low / np.maximum(spikes, 1.0)
        each = taken_high / np.maximum(spikes, 1.0)
        out.spike_high[..., core] = each
        out.at_once[..., core] = network + np.maximum(drawn - pace / np.maximum(each, 1.0), 0.0)

    def _split_cores(self, work: Work, wait: FloatArray, out: Cycles) -> None:
        mine = self._synapse
        core = self.cores.core[mine]
        spikes, rows, events = work.packets[..., mine], work.rows[..., mine], work.events[..., mine]
        fixed = {"step": np.ones(1, np.float32), "slot": self._width[mine]}
        least = {"wake": np.minimum(spikes, 1.0), "spike": rows, "event": events}
        most = {"wake": spikes, "spike": spikes, "search": spikes * self._searches[mine], "event": events}
        taken_low, taken_high = _sum(least, SYNAPSES, high=False), _sum(most, SYNAPSES, high=True) + wait[..., core]
        end = self._handed[mine] / self._bytes_per_cycle + np.float32(timing()["transfer_overhead_cycles"].value)
        out.low[..., core] = _sum(fixed, SYNAPSES, high=False) + taken_low
        out.high[..., core] = _sum(fixed, SYNAPSES, high=True) + taken_high + end
        out.arrivals[..., core] = out.at_once[..., core] = spikes
        out.spike_low[..., core] = taken_low / np.maximum(spikes, 1.0)
        out.spike_high[..., core] = taken_high / np.maximum(spikes, 1.0)
        core = self.cores.neuron[self._fed]
        done = {
            "step": np.ones(1, np.float32),
            "neuron": self._fed_size,
            "slot": self._fed_width,
            "input": self._inputs,
            "input_slot": self._inputs * self._fed_width,
            "spike_sent": work.sent[..., self._fed],
        }
        out.low[..., core] = _sum(done, NEURONS, high=False)
        out.high[..., core] = _sum(done, NEURONS, high=True) + wait[..., core]

    def _on_columns(self, values: FloatArray) -> FloatArray:
        """Take what belongs to the drives to the columns they drive; 0 where there is no drive."""
        drive = self._drive_of[self.cores.served]
        if values.shape[-1] == 0:
            return np.zeros((*values.shape[:-1], len(drive)), np.float32)
        return values[..., np.maximum(drive, 0)] * (drive >= 0)

    def _memory_wait(self, n_bytes: FloatArray) -> FloatArray:
        """Return the cycles for which each slice's chip transfers the rows of all columns and the sums."""
        of_chip = np.broadcast_to(self._sums, (*n_bytes.shape[:-1], len(self._sums))).copy()
        chip = self._chip[self.cores.core]
        order = np.argsort(chip, kind="stable")
        chips, starts = np.unique(chip[order], return_index=True)
        of_chip[..., chips] += np.add.reduceat(n_bytes[..., order], starts, axis=-1)
        return of_chip[..., self._chip] / self._bytes_per_cycle


def _sum(work: Mapping[str, FloatArray], binary: str, *, high: bool) -> FloatArray:
    costs = core_costs(binary)
    total: FloatArray = np.zeros(1, np.float32)
    for kind, amount in work.items():
        total = total + amount * np.float32(costs[kind].high if high else costs[kind].low)
    return total
