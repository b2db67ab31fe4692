"""Cycles of the cores of a deployment for a given work, as a floor and a ceiling.

The floor has each executed instruction in one cycle, memory free, spikes without synapses on the core dropped after their packet, and all spikes of a step
taken in one go. The ceiling has the cycles of :mod:`spinn_mam.machine.core_costs`, every spike searched for and its row fetched, the fetching started anew
after each packet; and a core that reads rows waits for all transfers of its chip in that step, whose bytes go at the chip's memory bandwidth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.deployment import Deployment
from spinn_mam.machine.core_costs import COMBINED, POISSON, core_costs, timing
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
    drawn, driving : ndarray, shape (..., n_drives)
        Spikes of the Poisson sources of a core, and how many of them spike.
    bytes : ndarray, shape (..., n_columns)
        Synaptic rows that a core reads.
    """

    packets: FloatArray
    rows: FloatArray
    events: FloatArray
    sent: FloatArray
    drawn: FloatArray
    driving: FloatArray
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
        self.n_slices = slices.n_slices
        size = (slices.hi - slices.lo).astype(np.float32)
        width = np.array([2.0 ** bits_for(int(n)) for n in deployment.neurons_per_core], np.float32)
        self._neurons = size[cores.core]
        self._width = width[slices.population[cores.core]]
        self._sources = size[cores.drive]
        self._chip = deployment.placement.chip[cores.core]
        self._n_chips = deployment.machine.n_chips
        incoming = np.zeros(len(spec.populations))
        for source, target in {(p.source, p.target) for p in spec.projections if p.n_synapses}:
            incoming[target] += source >= 0
        self._searches = np.array([bits_for(int(n) + 1) for n in incoming], np.float32)[slices.population[cores.core]]
        self._drive_of = np.full(len(cores.neuron), -1)
        self._drive_of[cores.driven] = np.arange(len(cores.drive))
        self._bytes_per_cycle = timing()["sdram_bytes_per_s"].value / deployment.machine.clock_hz

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
        low, high, arrivals, spike_low, spike_high, at_once = (np.zeros((*shape, self.n_slices), np.float32) for _ in range(6))
        drive_low, drive_high = self._poisson(work)
        low[..., self.cores.drive], high[..., self.cores.drive] = drive_low, drive_high
        drawn, driving = (self._on_columns(values) for values in (work.drawn, work.driving))
        spikes = work.packets + drawn
        wait = self._memory_wait(work.bytes + drawn * WORD_BYTES * (ROW_HEADER_WORDS + 1))
        fixed = {"step": np.ones(1, np.float32), "slot": self._width, "neuron": self._neurons, "spike_sent": work.sent[..., self.cores.served]}
        taken_low = {
            "packet": work.packets + driving,
            "wake": np.minimum(spikes, 1.0),
            "spike": work.rows + drawn,
            "event": work.events + drawn,
        }
        packets_high = work.packets + np.minimum(drawn, self._on_columns(self._sources))
        taken_high = {
            "packet": packets_high,
            "wake": packets_high,
            "spike": spikes,
            "search": spikes * self._searches,
            "event": work.events + drawn,
        }
        core = self.cores.core
        input_low, input_high = _sum(taken_low, COMBINED, high=False), _sum(taken_high, COMBINED, high=True)
        low[..., core] = _sum(fixed, COMBINED, high=False) + input_low
        high[..., core] = _sum(fixed, COMBINED, high=True) + input_high + wait
        arrivals[..., core] = spikes
        spike_low[..., core] = input_low / np.maximum(spikes, 1.0)
        spike_high[..., core] = (input_high + wait) / np.maximum(spikes, 1.0)
        pace = self._on_columns(drive_low)
        at_once[..., core] = work.packets + np.maximum(drawn - pace / np.maximum(spike_high[..., core], 1.0), 0.0)
        return Cycles(low, high, arrivals, spike_low, spike_high, at_once)

    def _poisson(self, work: Work) -> tuple[FloatArray, FloatArray]:
        done = {"step": np.ones(1, np.float32), "source": self._sources, "drawn": work.drawn, "packet_sent": work.driving}
        return _sum(done, POISSON, high=False), _sum(done, POISSON, high=True)

    def _on_columns(self, values: FloatArray) -> FloatArray:
        """Take what belongs to the drives to the columns they drive; 0 where there is no drive."""
        drive = self._drive_of[self.cores.served]
        if values.shape[-1] == 0:
            return np.zeros((*values.shape[:-1], len(drive)), np.float32)
        return values[..., np.maximum(drive, 0)] * (drive >= 0)

    def _memory_wait(self, n_bytes: FloatArray) -> FloatArray:
        """Return the cycles for which each column's chip transfers rows."""
        of_chip = np.zeros((*n_bytes.shape[:-1], self._n_chips), np.float32)
        order = np.argsort(self._chip, kind="stable")
        chips, starts = np.unique(self._chip[order], return_index=True)
        of_chip[..., chips] = np.add.reduceat(n_bytes[..., order], starts, axis=-1)
        return of_chip[..., self._chip] / np.float32(self._bytes_per_cycle)


def _sum(work: Mapping[str, FloatArray], binary: str, *, high: bool) -> FloatArray:
    costs = core_costs(binary)
    total: FloatArray = np.zeros(1, np.float32)
    for kind, amount in work.items():
        total = total + amount * np.float32(costs[kind].high if high else costs[kind].low)
    return total
