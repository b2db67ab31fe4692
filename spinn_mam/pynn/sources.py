"""Spikes of spike sources: counts for each step, given to the time loop.

The count of a Poisson source in a step is a function of the seed, the population's number, the source's index and the step, as in
:mod:`spinn_mam.backends.emulator.drive`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spinn_mam.backends.emulator.drive import added16, count_reached, draw16, poisson_thresholds
from spinn_mam.errors import UsageError
from spinn_mam.network.kernels import draw
from spinn_mam.network.streams import stream_key


class ArraySpikes:
    """Spikes at given times.

    Parameters
    ----------
    times : sequence of sequence of float
        Of each source (ms).
    steps_per_ms : float
    label : str
        Of the population, for messages.
    """

    def __init__(self, times: Sequence[Any], steps_per_ms: float, label: str) -> None:
        arrays = [np.atleast_1d(np.asarray(getattr(t, "value", t), float)) for t in times]
        values = np.concatenate([np.zeros(0), *arrays])
        if not np.isfinite(values).all() or (values < 0).any():
            raise UsageError(f"population '{label}': spike times must be finite and not negative; {values.min():g} ms is the first")
        # As the SpiNNaker tools do: whole microseconds, then the step that begins at that time or next.
        steps = np.ceil(np.floor(values * 1000.0) * steps_per_ms / 1000.0).astype(np.int64)
        sources = np.repeat(np.arange(len(arrays)), [len(a) for a in arrays])
        pairs, self.counts = np.unique(np.column_stack([steps, sources]), axis=0, return_counts=True)
        self.steps, self.sources = pairs[:, 0], pairs[:, 1]
        self.most = int(self.counts.max(initial=1))

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int) -> None:
        """Write the spikes of some steps into their rows; ``counts`` has a column for each source."""
        piece = slice(*np.searchsorted(self.steps, [step, step + n_steps]))
        counts[self.steps[piece] % len(counts), self.sources[piece]] = self.counts[piece]


class PoissonSpikes:
    """Independent Poisson spikes.

    Parameters
    ----------
    rate, start, duration : ndarray, shape (n,)
        spikes/s, ms, ms.
    steps_per_ms : float
    key : numpy.uint64
        Random stream.
    label : str
        Of the population, for messages.
    """

    def __init__(
        self, rate: npt.NDArray[Any], start: npt.NDArray[Any], duration: npt.NDArray[Any], steps_per_ms: float, key: np.uint64, label: str
    ) -> None:
        rates, self._kind = np.unique(rate.astype(float), return_inverse=True)
        try:
            tables = [poisson_thresholds(each / steps_per_ms / 1000.0) for each in rates.tolist()]
        except UsageError as error:
            raise UsageError(f"population '{label}': {error}") from None
        self.most = max(1, *(len(table) for table in tables))
        self._lengths = np.array([len(table) for table in tables], np.int64)
        self._tables = np.zeros((len(tables), self.most), np.uint32)
        for row, table in zip(self._tables, tables, strict=True):
            row[: len(table)] = table
        latest = float(np.iinfo(np.int64).max // 2)
        self._start = np.rint(np.clip(start.astype(float) * steps_per_ms, 0, latest)).astype(np.int64)
        self._stop = np.rint(np.clip((start + duration).astype(float) * steps_per_ms, 0, latest)).astype(np.int64)
        self._key = key

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int) -> None:
        """Write the spikes of some steps into their rows; ``counts`` has a column for each source."""
        _fill(counts, step, n_steps, self._key, self._tables, self._lengths, self._kind, self._start, self._stop)


class Sources:
    """All spike sources of a network, with the interface that :class:`~spinn_mam.backends.emulator.emulation.Emulation` asks for.

    Parameters
    ----------
    populations : sequence of Population
        The source populations.
    first : int
        Place of the first source in the loop's counts.
    steps_per_ms : float
    seed : int

    Attributes
    ----------
    first : list of int
        Place of the first source of each population.
    most : list of int
        Largest number of spikes of one source of each population in a step.
    """

    def __init__(self, populations: Sequence[Any], first: int, steps_per_ms: float, seed: int) -> None:
        self.first: list[int] = []
        self.most: list[int] = []
        self._spikes: list[ArraySpikes | PoissonSpikes] = []
        self._places: list[slice] = []
        for population in populations:
            values, label = population.values, population.label
            spikes: ArraySpikes | PoissonSpikes
            if "spike_times" in values:
                spikes = ArraySpikes(values["spike_times"], steps_per_ms, label)
            else:
                key = stream_key(seed, "pynn", "source", population.number)
                spikes = PoissonSpikes(values["rate"], values["start"], values["duration"], steps_per_ms, key, label)
            self._spikes.append(spikes)
            self._places.append(slice(first, first + population.size))
            self.first.append(first)
            self.most.append(spikes.most)
            first += population.size

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int) -> None:
        """Write the counts of steps [step, step + n_steps) into their rows."""
        for spikes, places in zip(self._spikes, self._places, strict=True):
            for rows in _rows(step, n_steps, len(counts)):
                counts[rows, places] = 0
            spikes.fill(counts[:, places], step, n_steps)

    def save_state(self) -> dict[str, npt.NDArray[Any]]:
        """Nothing: a count depends on the step alone."""
        return {}

    def restore_state(self, saved: Mapping[str, npt.NDArray[Any]]) -> None:
        """Nothing to do."""


def _rows(step: int, n_steps: int, n_rows: int) -> list[slice]:
    lo = step % n_rows
    return [slice(lo, min(lo + n_steps, n_rows)), slice(0, max(0, lo + n_steps - n_rows))]


@njit(cache=True)
def _fill(counts: Any, step: int, n_steps: int, key: Any, tables: Any, lengths: Any, kind: Any, start: Any, stop: Any) -> None:
    """Draw the counts of some steps."""
    for t in range(step, step + n_steps):
        number = draw(key, t)
        low, high = np.uint32(number & np.uint64(0xFFFFFFFF)), np.uint32(number >> np.uint64(32))
        added = added16(low, high)
        row = counts[t % len(counts)]
        for i in range(len(row)):
            if start[i] <= t < stop[i]:
                row[i] = count_reached(tables[kind[i]], lengths[kind[i]], added, draw16(low, high, np.uint32(i)))
