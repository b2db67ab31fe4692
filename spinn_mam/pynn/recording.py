"""Recording: spikes and membrane potentials of chosen cells, handed to PyNN as Neo blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pyNN import errors, recording

from spinn_mam.errors import UsageError
from spinn_mam.pynn import simulator


class Recorder(recording.Recorder):
    """What one population records."""

    _simulator = simulator

    def __init__(self, population: Any, file: Any = None) -> None:
        super().__init__(population, file)
        self.every = 1
        self._forget()

    def _forget(self) -> None:
        self._spikes: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]] = []
        self._samples: list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float32]]] = []

    def record(self, variables: Any, ids: Any, sampling_interval: float | None = None, locations: Any = None) -> None:
        """Add cells to those that are recorded; see PyNN."""
        if locations is not None:
            raise UsageError("there are no locations to record at: neurons are points")
        super().record(variables, ids, sampling_interval, locations)

    def _record(self, variable: Any, new_ids: Any, sampling_interval: float | None = None) -> None:
        if variable.name == "spikes":
            return
        if sampling_interval is not None:
            every = round(sampling_interval / simulator.state.dt)
            if every < 1 or abs(every * simulator.state.dt - sampling_interval) > 1e-9:
                raise UsageError(f"sampling_interval = {sampling_interval:g} ms is no multiple of the time step, {simulator.state.dt:g} ms")
            self.every = every
        self.sampling_interval = self.every * simulator.state.dt

    @property
    def first_step(self) -> int:
        """Step of the first sample."""
        return round(float(self._recording_start_time) / simulator.state.dt)

    def cells(self, name: str) -> npt.NDArray[np.int64]:
        """Return the sorted ids of the cells of which ``name`` is recorded."""
        return np.array(sorted(self.recorded.get(recording.Variable(name, None, None), ())), np.int64)

    def note_spikes(self, times: npt.NDArray[np.float64], ids: npt.NDArray[np.int64]) -> None:
        """Keep the spikes of those of the cells that are recorded."""
        keep = np.isin(ids, self.cells("spikes"))
        if keep.any():
            self._spikes.append((times[keep], ids[keep]))

    def note_sample(self, step: int, ids: npt.NDArray[np.int64], v: npt.NDArray[np.float32]) -> None:
        """Keep potentials (mV) at a step, once."""
        if not self._samples or self._samples[-1][0] != step:
            self._samples.append((step, ids, v))

    def get(self, variables: Any, *arguments: Any, **options: Any) -> Any:
        """Return recorded data; see PyNN."""
        if not self.cache._data and not simulator.state.running:
            raise errors.NothingToWriteError(f"'{self.population.label}' has no data yet: call run() before get_data()")
        return super().get(variables, *arguments, **options)

    def _joined(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        if len(self._spikes) > 1:
            times, ids = (np.concatenate(column) for column in zip(*self._spikes, strict=True))
            self._spikes = [(times, ids)]
        return self._spikes[0] if self._spikes else (np.zeros(0), np.zeros(0, np.int64))

    def _get_spiketimes(self, ids: Any, clear: bool = False) -> dict[int, npt.NDArray[np.float64]]:
        times, cells = self._joined()
        order = np.argsort(cells, kind="stable")
        times, cells = times[order], cells[order]
        bounds = np.searchsorted(cells, np.array(ids, np.int64)), np.searchsorted(cells, np.array(ids, np.int64), "right")
        return {int(i): times[lo:hi] for i, lo, hi in zip(ids, *bounds, strict=True)}

    def _get_all_signals(self, variable: Any, ids: Any, clear: bool = False) -> tuple[npt.NDArray[np.float64], None]:
        wanted = np.array(ids, np.int64)
        first = self.first_step
        n = max(0, (simulator.state.step - first) // self.every + 1)
        signals = np.full((n, len(wanted)), np.nan)  # a cell whose recording began later has no numbers before
        for step, cells, v in self._samples:
            known = np.isin(wanted, cells)
            if step >= first:
                signals[(step - first) // self.every, known] = v[np.searchsorted(cells, wanted[known])]
        return signals, None

    def _local_count(self, variable: Any, filter_ids: Any = None) -> dict[int, int]:
        ids = sorted(self.filter_recorded(variable, filter_ids))
        return {i: len(times) for i, times in self._get_spiketimes(ids).items()}

    def _clear_simulator(self) -> None:
        last = self._samples[-1:]
        self._forget()
        self._samples = [sample for sample in last if sample[0] == simulator.state.step]

    def store_to_cache(self, annotations: Any = None) -> None:
        """Close the segment, before time goes back to 0."""
        super().store_to_cache(annotations)
        self._forget()

    def _reset(self) -> None:
        self._forget()
        self.every = 1
