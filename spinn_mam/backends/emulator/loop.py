"""State of a running emulation, and the call that moves it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator import kernels
from spinn_mam.backends.emulator.build import SynapseStore
from spinn_mam.backends.emulator.layout import GLOBAL, HI, IS_SOURCE, Layout, most_source_spikes, most_spikes_of_a_part
from spinn_mam.backends.emulator.procedural import ProceduralStore
from spinn_mam.backends.emulator.split_sums import SplitCores, combined_cores, split_state
from spinn_mam.backends.emulator.update import is_narrow, n_dithered
from spinn_mam.compiled.threads import GENERATION
from spinn_mam.errors import RunFailedError
from spinn_mam.fixed_point.specification import Overflows

Store = SynapseStore | ProceduralStore

#: Arrays of the state that a continuation depends on, besides the history; the sums are zero between steps.
_KEPT = ("v", "exc", "inh", "refract", "n_history", "counters", "overflows")
#: Arrays of the synapses that change with the spikes under way.
_UNDER_WAY = ("rings", "row", "born", "inputs", "admitted", "due", "n_due")


@dataclass(frozen=True, slots=True)
class Counters:
    """Sums over all parts since the last reset.

    Attributes
    ----------
    n_spikes, n_events : int
        Spikes, synapses passed.
    overflows : Overflows
    """

    n_spikes: int
    n_events: int
    overflows: Overflows


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the arrays of a run, whether all of their pages are used or not.

    Attributes
    ----------
    network_bytes, state_bytes : int
        What does not change, synapses first of all; what does: neurons, spikes under way, room for the spikes of a chunk.
    """

    network_bytes: int
    state_bytes: int


class Loop:
    """A network in the middle of its run.

    Parameters
    ----------
    layout : Layout
    store : SynapseStore or ProceduralStore
    v : ndarray of int32, shape (n_state,)
        Initial potentials (mV, s16.15), in the layout's order; kept and changed.
    chunk : int
        Largest number of steps of one call of :meth:`advance`.
    threads : int
        May be changed between calls of :meth:`advance`. No more than there are parts are used.
    given : bool
        Whether :attr:`counts` holds the counts of Poisson input; otherwise they are drawn.
    split : SplitCores, optional
        Cores of the split layout; otherwise synapses and neurons share a core.
    """

    def __init__(
        self,
        layout: Layout,
        store: Store,
        v: npt.NDArray[np.int32],
        chunk: int,
        threads: int = 1,
        given: bool = False,
        split: SplitCores | None = None,
    ) -> None:
        self.chunk, self.threads = chunk, threads
        self.step = 0
        n, n_parts = layout.n_state, layout.n_parts
        depth = store.max_slots + store.min_slots
        each_step, each_depth, each_chunk = (most_spikes_of_a_part(layout, steps, given) for steps in (1, depth, chunk))
        self._sources = [(slice(s[GLOBAL], s[GLOBAL] + s[HI]), most_source_spikes(s, given)) for s in layout.segments if s[IS_SOURCE]]
        self._renew: Callable[[], Any] = lambda: store.kernel(layout, given)
        self._synapses = self._renew()
        split = split or combined_cores()
        self._meeting = np.zeros(kernels.N_MEETING, np.int64)
        self._others: ThreadPoolExecutor | None = None
        self._network = kernels.Network(
            layout.part_bounds,
            layout.segment_bounds,
            layout.segments,
            layout.keys,
            layout.thresholds,
            n_dithered(layout.thresholds),
            is_narrow(layout.segments),
            store.min_slots,
            store.max_slots,
            *split,
        )
        self._state = kernels.State(
            v=v,
            exc=np.zeros(n, np.int32),
            inh=np.zeros(n, np.int32),
            refract=np.zeros(n, np.int32),
            sums=np.zeros((2, n), np.int32),
            # spikes of a step are consecutive: some room at the end stays unused, and some must be left before the oldest
            history=np.empty((n_parts, 2, each_depth + 2 * each_step), np.int32),
            first_history=np.zeros((n_parts, depth, 2), np.int32),
            n_history=np.zeros((n_parts, depth, 2), np.int32),
            most_spikes=each_step,
            recorded=np.empty((n_parts, each_chunk, 2), np.int32),
            counters=np.zeros((n_parts, kernels.N_COUNTERS), np.int64),
            counts=np.zeros((chunk if given else 0, len(layout.state_of)), np.uint16),
            **split_state(split, n_parts, n)._asdict(),
        )

    @property
    def counts(self) -> npt.NDArray[np.uint16]:
        """Given counts of Poisson input by step (modulo ``chunk``) and global index, to be filled before each :meth:`advance`."""
        counts: npt.NDArray[np.uint16] = self._state.counts
        return counts

    @property
    def v(self) -> npt.NDArray[np.int32]:
        """Membrane potentials now (mV, s16.15), in the layout's order."""
        v: npt.NDArray[np.int32] = self._state.v
        return v

    def compile(self) -> None:
        """Load or compile the loop, so that no chunk is charged for it."""
        kernels.advance(0, 1, self.step, 0, self._network, self._state, self._synapses, self._meeting)

    def advance(self, n_steps: int) -> npt.NDArray[np.int32]:
        """Run some steps.

        Parameters
        ----------
        n_steps : int
            At most ``chunk``.

        Returns
        -------
        ndarray of int32, shape (n_spikes, 2)
            Loop step and global index of each spike, sorted.
        """
        if not 0 <= n_steps <= self.chunk:
            raise ValueError(f"{n_steps} steps in a chunk of at most {self.chunk}")
        for own, most in self._sources if len(self.counts) else ():
            if (found := int(self.counts[:, own].max())) > most:
                raise RunFailedError(f"a Poisson source sends {found} spikes in a step: the emulator has room for {most}")
        self._state.counters[:, kernels.N_RECORDED] = 0
        self._advance(n_steps)
        self.step += n_steps
        numbers = self._state.counters[:, kernels.N_RECORDED]
        spikes = np.concatenate([recorded[:n] for recorded, n in zip(self._state.recorded, numbers, strict=True)])
        return spikes[np.lexsort((spikes[:, 1], spikes[:, 0]))]

    def memory(self) -> Memory:
        """Return the bytes of all arrays."""
        network, synapses, state = (
            {name: array.nbytes for name, array in x._asdict().items() if isinstance(array, np.ndarray)}
            for x in (self._network, self._synapses, self._state)
        )
        under_way = sum(synapses.pop(name, 0) for name in _UNDER_WAY)
        return Memory(sum(network.values()) + sum(synapses.values()), sum(state.values()) + under_way)

    def counters(self) -> Counters:
        """Return the counts since the last reset."""
        total = self._state.counters.sum(axis=0)
        overflows = Overflows(*self._state.overflows.sum(axis=0).tolist())
        overflows.n_saturated += int(total[kernels.N_SATURATED])
        return Counters(int(total[kernels.N_SPIKES]), int(total[kernels.N_EVENTS]), overflows)

    def reset_counters(self) -> None:
        """Count from zero again."""
        self._state.counters[:] = 0
        self._state.overflows[:] = 0

    def save_state(self) -> dict[str, npt.NDArray[Any]]:
        """Copy all that later steps and counts depend on, between two calls of :meth:`advance`."""
        state = self._state
        return {
            "step": np.array(self.step),
            **{name: getattr(state, name).copy() for name in _KEPT},
            "history": np.concatenate([state.history[p, r, first : first + n] for _, p, r, first, n in self._history()]),
        }

    def restore_state(self, saved: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go to a state that :meth:`save_state` gave, of this loop or another one of the same network.

        Raises
        ------
        ValueError
            If it is of another network.
        """
        state = self._state
        for name in _KEPT:
            if saved[name].shape != getattr(state, name).shape:
                raise ValueError(f"{name} has shape {saved[name].shape} in the saved state, {getattr(state, name).shape} in this network")
        for name in _KEPT:
            getattr(state, name)[:] = saved[name]
        state.walked[:] = -1
        self.step = int(saved["step"])
        self._synapses = self._renew()  # what they hold of spikes under way follows from the history
        ends = np.zeros((state.n_history.shape[0], 2), np.int64)
        at = 0
        for slot, p, r, _, n in self._history():
            state.first_history[p, slot, r] = ends[p, r]
            state.history[p, r, ends[p, r] : ends[p, r] + n] = saved["history"][at : at + n]
            ends[p, r] += n
            at += n

    def _history(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Slot, part, receptor, first entry and number of entries of the last steps' spikes, in the order of time."""
        first, n = self._state.first_history, self._state.n_history
        n_parts, depth, _ = n.shape
        for step in range(self.step - depth, self.step):
            slot = step % depth
            yield from ((slot, p, r, int(first[p, slot, r]), int(n[p, slot, r])) for p in range(n_parts) for r in range(2))

    def _advance(self, n_steps: int) -> None:
        def work(worker: int, n_workers: int) -> None:
            kernels.advance(worker, n_workers, self.step, n_steps, self._network, self._state, self._synapses, self._meeting)

        n_workers = min(self.threads, len(self._network.part_bounds) - 1)
        if n_workers == 1:
            work(0, 1)
            return
        if self._others is None:
            self._others = ThreadPoolExecutor(len(self._network.part_bounds) - 1, thread_name_prefix="emulator")
        self._meeting[:] = 0
        running = []
        try:
            running += [self._others.submit(work, i, n_workers) for i in range(1, n_workers)]
            work(0, n_workers)
        except BaseException:
            # Ctrl-C came before this thread was there: the others must not wait for it
            self._meeting[kernels.LEFT] = 1
            self._meeting[GENERATION] += 1
            raise
        finally:
            for other in running:
                other.result()
