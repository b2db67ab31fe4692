"""The machine's own Poisson sources as input of the emulator: which source spikes in which step, from the run's seed.

Problem
    The spinnaker backend gives each neuron with Poisson drive a source, and each core of sources a random stream. The
    emulator computes the very same run only with the very same spikes.

Method
    One :class:`~spinn_mam.fixed_point.poisson.PoissonCore` for each core of sources, seeded as the backend's script and the
    host tools seed it. A spike of a drive, sent in step t with a delay of one slot, acts in step t + 1. On combined cores
    its weight is that which the machine's one-to-one generator makes of a number in s16.15; on split cores the host rounds it.

Cost
    Some 10 ns a source and step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator.layout import DRIVE_RECEPTOR, DRIVE_WEIGHT, IS_SOURCE, Layout
from spinn_mam.backends.spinnaker.job import pynn_seed
from spinn_mam.expander.plan import PA_PER_NA, host_s1615
from spinn_mam.expander.specification import scale_weight
from spinn_mam.fixed_point.poisson import PoissonCore, RatePiece, core_seeds
from spinn_mam.network.spec import NetworkSpec, Population


class MachineSources:
    """All cores of Poisson sources of a network.

    Parameters
    ----------
    spec : NetworkSpec
    neurons_per_core : sequence of int
        Of each population; its drive's sources are divided alike.
    seed : int
        The run's.
    split : collection of int
        Populations whose synapses have cores of their own.
    """

    def __init__(self, spec: NetworkSpec, neurons_per_core: Sequence[int], seed: int, *, split: Collection[int] = ()) -> None:
        self._spec, self._split = spec, frozenset(split)
        self._cores: list[tuple[int, int, int, PoissonCore]] = []
        for p, population in enumerate(spec.populations):
            piece, kind = _piece(population)
            if piece is None:
                continue
            bounds = [*range(0, population.size, neurons_per_core[p]), population.size]
            seeds = core_seeds(pynn_seed(seed, kind, population.name), len(bounds) - 1)
            first = int(spec.offsets[p])
            for words, lo, hi in zip(seeds, bounds, bounds[1:], strict=False):
                core = PoissonCore(words, [[piece]] * (hi - lo), spec.dt)
                self._cores.append((first + lo, first + hi, int(not population.is_source), core))
        self._last = np.zeros(int(spec.sizes.sum()), np.uint16)

    def set_weights(self, layout: Layout, shifts: npt.NDArray[np.int64]) -> None:
        """Give the segments the weights that the machine makes."""
        for s, p in zip(layout.segments, layout.population, strict=True):
            drive = self._spec.populations[p].drive
            if not s[IS_SOURCE] and drive is not None and p not in self._split:
                s[DRIVE_WEIGHT] = scale_weight(host_s1615(drive.weight / PA_PER_NA), 1 << (32 + 15 - int(shifts[p, s[DRIVE_RECEPTOR]])))

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int) -> None:
        """Write the counts that act in steps [step, step + n_steps) into the rows of these steps, modulo the number of rows."""
        rows = np.arange(step, step + n_steps) % len(counts)
        for lo, hi, delay, core in self._cores:
            drawn = core.advance(n_steps)
            if delay:
                counts[rows[0], lo:hi] = self._last[lo:hi]
                counts[rows[1:], lo:hi] = drawn[:-1]
                self._last[lo:hi] = drawn[-1]
            else:
                counts[rows, lo:hi] = drawn

    def save_state(self) -> dict[str, npt.NDArray[Any]]:
        """Copy what the spikes to come depend on."""
        cores = [core for _, _, _, core in self._cores]
        sources = [np.array(core.sources_state(), np.int64).reshape(-1, 2) for core in cores]
        return {
            "last": self._last.copy(),
            "time": np.array([core.time for core in cores], np.int64),
            "seed": np.array([core.seed for core in cores], np.uint64).reshape(-1, 4),
            "source": np.concatenate([np.zeros((0, 2), np.int64), *sources]),
        }

    def restore_state(self, saved: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go to a state that :meth:`save_state` gave, of the same sources."""
        self._last[:] = saved["last"]
        at = 0
        for (lo, hi, _, core), time, seed in zip(self._cores, saved["time"], saved["seed"], strict=True):
            core.restore(int(time), [int(word) for word in seed], saved["source"][at : at + hi - lo].tolist())
            at += hi - lo


def _piece(population: Population) -> tuple[RatePiece | None, str]:
    """Give the schedule of a population's sources, or of its drive, and the name of their seed."""
    if population.is_source:
        stop = population.source_stop
        return RatePiece(population.source_rate, population.source_start, None if np.isinf(stop) else stop - population.source_start), "source"
    if population.drive is not None and population.drive.rate > 0:
        return RatePiece(population.drive.rate), "drive"
    return None, ""
