"""The running network: pieces of time between recorded samples and changes of injected currents."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator import layout as L
from spinn_mam.backends.emulator.emulation import CHUNK_STEPS, Emulation
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.pynn.assembly import Assembled, assemble
from spinn_mam.pynn.pending import IntArray, Synapses, join, no_synapses, under_way

#: PyNN's names of the state variables, and the time loop's.
VARIABLES = {"v": "v", "isyn_exc": "exc", "isyn_inh": "inh"}
#: Memory for the counts of spike sources (bytes).
_COUNTS_BYTES = 16e6
_NONE = np.zeros(0, np.int64)


class LostPrecisionWarning(UserWarning):
    """Something did not fit the machine's numbers."""


class Execution:
    """A network and its state.

    Parameters
    ----------
    state : State
        The simulator's.
    pending : Synapses, optional
        Inputs under way, for a network that goes on after a change.
    warned : set of str
        Losses that were told already.
    """

    def __init__(self, state: Any, pending: Synapses | None = None, warned: frozenset[str] = frozenset()) -> None:
        self._state = state
        self._warned = set(warned)
        self._n_saturated = 0
        self._build(pending or no_synapses())

    def _build(self, pending: Synapses) -> None:
        self.network: Assembled = assemble(self._state, pending)
        self.outdated = False
        self._pending, self._built_at = pending, self._state.step
        self._changes = sorted({step for each in self.network.injections for pieces in each.changes for step, _ in pieces})
        self._start()

    def restart(self) -> None:
        """Go to step 0 and the initial values."""
        if self.outdated or len(self._pending.slots):
            self._build(no_synapses())
        else:
            self._start()

    def _start(self) -> None:
        network, n = self.network, self.network.layout.n_state
        chunk = max(1, min(CHUNK_STEPS, int(_COUNTS_BYTES / 2 / max(1, len(network.places.cell_of)))))
        self._emulation = Emulation(
            network.layout, network.store, np.zeros(n, np.int32), threads=self._state.threads, sources=network.sources, chunk=chunk
        )
        found = self._emulation.state()
        for p in self._state.populations:
            for variable, values in p.initial.items():
                found[VARIABLES[variable]][network.places.place_of[p.all_cells.astype(np.int64)]] = np.rint(values * ONE)
        self._emulation.restore(found)
        self._recent = np.zeros((2, 0), np.int64)
        self._warn("n_zero_weights", "weights were rounded to zero")
        self._warn("n_saturated_weights", "weights were cut to the largest that 16 bits hold")
        self._warn("n_raised_delays", "delays were raised to one time step")

    def set_variable(self, name: str, cells: IntArray, values: npt.NDArray[np.float64]) -> None:
        """Set a state variable now."""
        found = self._emulation.state()
        found[VARIABLES[name]][self.network.places.place_of[cells]] = np.rint(values * ONE)
        self._emulation.restore(found)

    def advance(self, n_steps: int) -> None:
        """Run, and hand spikes and samples to the recorders."""
        state, recorders = self._state, list(self._state.recorders)
        watched = [(r, r.cells("v")) for r in recorders if len(r.cells("v"))]
        stop = state.step + n_steps
        found: list[tuple[IntArray, IntArray]] = []
        self._sample(watched)
        while state.step < stop:
            self._inject()
            step = state.step
            ends = [stop, *(change for change in self._changes if change > step)]
            ends += [step + r.every - (step - r.first_step) % r.every for r, _ in watched]
            stamps, places = self._emulation.advance(min(ends) - step)
            found.append((stamps - 1, self.network.places.cell_of[places]))
            state.step = min(ends)
            self._sample(watched)
        steps, cells = (np.concatenate(column) for column in zip((_NONE, _NONE), *found, strict=True))
        self._recent = np.concatenate([self._recent, np.stack([steps, cells])], axis=1)
        self._recent = self._recent[:, self._recent[0] >= stop - self.network.store.max_slots]
        times = np.round((steps + state.shift_of_stamps * self.network.places.is_neuron[cells]) * state.dt, 9)
        for recorder in recorders:
            recorder.note_spikes(times, cells)
        self._n_saturated = self._emulation.counters.overflows.n_saturated
        if self._n_saturated:
            self._warn("n_saturated_slots", "sums of inputs were cut to the largest that 16 bits hold")

    def provenance(self) -> dict[str, Any]:
        """Say what was computed how, and what was lost."""
        state, network = self._state, self.network
        return {
            "simulator": "spinn_mam.pynn",
            "arithmetic": "s16.15, IF_curr_exp of sPyNNaker 1!7.4.1",
            "timestep_ms": state.dt,
            "rng_seed": state.seed,
            "threads": state.threads,
            "delay_convention": "nest" if state.shift_of_stamps else "machine",
            "n_synapses": len(network.synapses.weight),
            "delay_slots": [network.store.min_slots, network.store.max_slots],
            "ring_buffer_shifts": {p.label: pair for p, pair in zip(state.populations, network.shifts.tolist(), strict=True) if p.is_neuron},
            **network.losses,
            "n_saturated_slots": self._n_saturated,
        }

    def renewed(self) -> Execution:
        """Return the execution of the changed network in the state of this one; inputs under way arrive as they were sent."""
        old, before = self.network, self._emulation.state()
        now = self._state.step
        pending = join(self._pending.later(now - self._built_at), under_way(old.synapses, self._recent[0], self._recent[1], now))
        new = Execution(self._state, pending, frozenset(self._warned))
        after = new._emulation.state()
        cells = np.flatnonzero(old.places.is_neuron)
        for name in ("v", "exc", "inh", "refract"):
            after[name][new.network.places.place_of[cells]] = before[name][old.places.place_of[cells]]
        after["step"] = np.array(now)
        after["counters"][0] = before["counters"].sum(axis=0)
        for receptor, axon in enumerate(new.network.pending_axons):
            after["n_history"][0, (now - 1) % after["n_history"].shape[1], receptor] = axon is not None
        after["history"] = np.array([axon for axon in new.network.pending_axons if axon is not None], np.int32)
        new._emulation.restore(after)
        return new

    def _sample(self, watched: list[tuple[Any, IntArray]]) -> None:
        for recorder, cells in watched:
            if (self._state.step - recorder.first_step) % recorder.every == 0:
                recorder.note_sample(self._state.step, cells, self._emulation.potentials(self.network.places.place_of[cells]))

    def _inject(self) -> None:
        """Set the constant currents of neurons with current sources to what they are in this step."""
        for each in self.network.injections:
            self.network.layout.segments[each.segment, L.I_OFFSET] = each.at(self._state.step)

    def _warn(self, name: str, what: str) -> None:
        n = self.network.losses.get(name, self._n_saturated if name == "n_saturated_slots" else 0)
        if n and name not in self._warned:
            self._warned.add(name)
            warnings.warn(f"{n} {what}; see spinn_mam.pynn.provenance() and docs/pynn.md", LostPrecisionWarning, stacklevel=2)
