"""A network that is ready to run, or in the middle of its run: what both a whole run and a PyNN script are made of.

Steps here are time stamps, as NEST gives them: a spike of loop step t has step t + 1, since the membrane crossed the threshold within
the step that ends there, and the potential at step k is the one after k loop steps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numba
import numpy as np
import numpy.typing as npt
from scipy import special

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.build import build_synapses
from spinn_mam.backends.emulator.currents import StepCurrents, step_currents
from spinn_mam.backends.emulator.drive import uniforms
from spinn_mam.backends.emulator.layout import GLOBAL, HI, IS_SOURCE, LO, Layout, make_layout
from spinn_mam.backends.emulator.loop import Counters, Loop, Memory, Store
from spinn_mam.backends.emulator.machine_sources import MachineSources
from spinn_mam.backends.emulator.pace import Pace
from spinn_mam.backends.emulator.procedural import count_synapses
from spinn_mam.backends.emulator.split_sums import SplitCores, split_cores
from spinn_mam.errors import UsageError
from spinn_mam.expander.plan import TargetPlan
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.network.streams import stream_key
from spinn_mam.partitioning.delays import DELAY_OFFSET_STEPS
from spinn_mam.partitioning.structures import Partition

#: Steps of one call of the time loop, at most; between calls a run can be interrupted.
CHUNK_STEPS = 1000

Spikes = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]


class SpikeInput(Protocol):
    """What gives the counts of Poisson input and spike sources, as :class:`MachineSources` does."""

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int) -> None:
        """Write the counts of steps [step, step + n_steps) into their rows, step modulo the number of rows."""

    def save_state(self) -> dict[str, npt.NDArray[Any]]:
        """Copy what the spikes to come depend on."""

    def restore_state(self, saved: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go to a state that :meth:`save_state` gave."""


class Emulation:
    """A prepared network and its state.

    Parameters
    ----------
    layout : Layout
    store : SynapseStore or ProceduralStore
    v : ndarray of int32, shape (n_state,)
        Potentials to start from (mV, s16.15), in the layout's order; kept and changed.
    threads : int
        The most that are used; while other processes keep them waiting, one thread is. Results do not depend on it.
    sources : SpikeInput, optional
        Take the counts of all Poisson input and sources from here; otherwise they come from streams of this package.
    chunk : int
        Steps of one call of the time loop, at most.
    split : SplitCores, optional
        Cores of the split layout; otherwise synapses and neurons share a core.
    currents : StepCurrents, optional
        Currents that change in time.

    Attributes
    ----------
    layout : Layout
    store : SynapseStore or ProceduralStore
    threads : int
    """

    def __init__(
        self,
        layout: Layout,
        store: Store,
        v: npt.NDArray[np.int32],
        *,
        threads: int = 1,
        sources: SpikeInput | None = None,
        chunk: int = CHUNK_STEPS,
        split: SplitCores | None = None,
        currents: StepCurrents | None = None,
    ) -> None:
        self.layout, self.store = layout, store
        self.threads = min(threads, numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
        self._sources, self._pace, self._currents = sources, Pace(self.threads), currents
        self._state_of = layout.state_of
        self._loop = Loop(layout, store, v, chunk, self.threads, sources is not None, split)

    def compile(self) -> None:
        """Load or compile the time loop now, and not within the first steps."""
        self._loop.compile()

    @property
    def memory(self) -> Memory:
        """Bytes of the arrays."""
        return self._loop.memory()

    @property
    def step(self) -> int:
        """Steps done since the beginning."""
        return self._loop.step

    @property
    def counters(self) -> Counters:
        """Counts since the last :meth:`reset_counters`."""
        return self._loop.counters()

    def reset_counters(self) -> None:
        """Count from zero again."""
        self._loop.reset_counters()

    def advance(self, n_steps: int) -> Spikes:
        """Run any number of steps.

        Parameters
        ----------
        n_steps : int

        Returns
        -------
        step : ndarray of int64, shape (n_spikes,)
            Time stamp of each spike, sorted.
        neuron : ndarray of int32, shape (n_spikes,)
            Global index; sorted within a step.
        """
        pieces, end = [], self._loop.step + n_steps
        while self._loop.step < end:
            change = self._loop.chunk if self._currents is None else self._currents.until_next(self._loop.step)
            pieces.append(self._advance(min(self._loop.chunk, change, end - self._loop.step)))
        spikes = pieces[0] if len(pieces) == 1 else np.concatenate([np.empty((0, 2), np.int32), *pieces])
        return spikes[:, 0].astype(np.int64) + 1, np.ascontiguousarray(spikes[:, 1])

    def potentials(self, neurons: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the membrane potentials now (mV); a number of s16.15 below 512 mV is exact.

        Parameters
        ----------
        neurons : ndarray of int, shape (n,)
            Global indices; sources have no potential.
        """
        v: npt.NDArray[np.float32] = self._loop.v[self._state_of[neurons]].astype(np.float32) / np.float32(ONE)
        return v

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Copy all that what follows depends on, the counters included: arrays by name, as :meth:`restore` takes them."""
        found = self._loop.save_state()
        if self._sources is not None:
            found |= {f"sources.{name}": array for name, array in self._sources.save_state().items()}
        return found

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go (back) to a state of the same network; what follows is what followed then.

        Raises
        ------
        ValueError
            If the state is of another network.
        """
        if self._sources is not None:
            self._sources.restore_state({name.removeprefix("sources."): a for name, a in state.items() if name.startswith("sources.")})
        self._loop.restore_state(state)

    def _advance(self, n_steps: int) -> npt.NDArray[np.int32]:
        loop = self._loop
        if self._currents is not None:
            self._currents.set(self.layout.segments, loop.step)
        if self._sources is not None:
            self._sources.fill(loop.counts, loop.step, n_steps)
        loop.threads = self._pace.choose()
        started = time.perf_counter()
        spikes = loop.advance(n_steps)
        self._pace.note(loop.threads, (time.perf_counter() - started) / n_steps)
        return spikes


def prepare(
    network: Network,
    shifts: npt.NDArray[np.int64],
    seed: int,
    *,
    threads: int = 1,
    delay_offset_steps: int = DELAY_OFFSET_STEPS,
    plans: Sequence[TargetPlan] | None = None,
    sources: MachineSources | None = None,
    split: Partition | None = None,
    procedural: bool = False,
) -> Emulation:
    """Make a network's synapses and everything else that its run needs.

    Parameters
    ----------
    network : Network
    shifts : ndarray of int64, shape (n_populations, 2)
        Ring-buffer shifts.
    seed : int
        Of Poisson input and initial potentials.
    threads : int
    delay_offset_steps : int
        Added to each delay of the spec to get slots.
    plans : sequence of TargetPlan, optional
        Make the synapses that the machine's generators make; their delays are in slots already.
    sources : MachineSources, optional
    split : Partition, optional
        Split cores, whose sums are to be computed; otherwise those of combined cores are.
    procedural : bool
        Keep only counts of synapses and draw them again whenever a spike passes them: slower, much smaller, the same network.

    Raises
    ------
    UsageError
        If the machine's synapses are to be procedural.
    """
    spec = network.spec
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    layout = make_layout(spec, shifts, seed, pairs_on=None if split is None else split.neurons_per_core.tolist())
    if sources is not None:
        sources.set_weights(layout, shifts)
    store: Store
    if plans is not None and procedural:
        raise UsageError("--synapses procedural: the machine's own synapses can only be stored; use --connectivity shared, or --synapses stored")
    if plans is None:
        store = (count_synapses if procedural else build_synapses)(network.connectivity, layout, shifts, delay_offset_steps)
    else:
        from spinn_mam.backends.emulator.expanded import expand_synapses

        store = expand_synapses(spec, plans, layout)
    cores = None if split is None else split_cores(spec, layout, split)
    return Emulation(
        layout, store, initial_potentials(spec, layout, seed), threads=threads, sources=sources, split=cores, currents=step_currents(spec, layout)
    )


def initial_potentials(spec: NetworkSpec, layout: Layout, seed: int) -> npt.NDArray[np.int32]:
    """Draw the membrane potentials that all neurons start from.

    Neuron i of a population takes number i of the population's stream, so the draw depends on nothing else.

    Parameters
    ----------
    spec : NetworkSpec
    layout : Layout
    seed : int

    Returns
    -------
    ndarray of int32, shape (n_state,)
        mV, s16.15, in the layout's order.
    """
    v = np.zeros(layout.n_state, np.int32)
    for s, p in zip(layout.segments, layout.population, strict=True):
        if s[IS_SOURCE]:
            continue
        population = spec.populations[p]
        first = int(s[GLOBAL] - spec.offsets[p])
        uniform = uniforms(stream_key(seed, "V0", population.name), first, int(s[HI] - s[LO]))
        v[s[LO] : s[HI]] = np.rint((population.V0_mean + population.V0_sd * special.ndtri(uniform)) * ONE).astype(np.int32)
    return v
