"""Spikes of spike sources: counts for each step, given to the time loop.

The count of a Poisson source in a step is a function of the seed, the population's number, the source's index and the step, as in
:mod:`spinn_mam.backends.emulator.drive`. A source that may spike more often in a step than the loop takes from one source has
several places there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spinn_mam.backends.emulator.drive import mix_index, poisson_thresholds
from spinn_mam.backends.emulator.kernels import MAX_SOURCE_SPIKES
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

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int, places: npt.NDArray[np.int64]) -> None:
        """Add the spikes of some steps; ``places`` has shape (copies, n)."""
        piece = slice(*np.searchsorted(self.steps, [step, step + n_steps]))
        rows, sources, left = self.steps[piece] % len(counts), self.sources[piece], self.counts[piece]
        for place in places:
            counts[rows, place[sources]] = np.minimum(left, MAX_SOURCE_SPIKES)
            left = np.maximum(left - MAX_SOURCE_SPIKES, 0)


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

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int, places: npt.NDArray[np.int64]) -> None:
        """Add the spikes of some steps; ``places`` has shape (copies, n)."""
        _fill(counts, step, n_steps, places, self._key, self._tables, self._lengths, self._kind, self._start, self._stop)


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
    places : list of ndarray of int64, shape (copies, n)
        Places of the sources of each population.
    """

    def __init__(self, populations: Sequence[Any], first: int, steps_per_ms: float, seed: int) -> None:
        self.places: list[npt.NDArray[np.int64]] = []
        self._spikes: list[ArraySpikes | PoissonSpikes] = []
        self._first = first
        for population in populations:
            values, label = population.values, population.label
            spikes: ArraySpikes | PoissonSpikes
            if "spike_times" in values:
                spikes = ArraySpikes(values["spike_times"], steps_per_ms, label)
            else:
                key = stream_key(seed, "pynn", "source", population.number)
                spikes = PoissonSpikes(values["rate"], values["start"], values["duration"], steps_per_ms, key, label)
            copies = -(-spikes.most // MAX_SOURCE_SPIKES)
            self.places.append(first + np.arange(copies * population.size).reshape(copies, population.size))
            self._spikes.append(spikes)
            first += copies * population.size

    def fill(self, counts: npt.NDArray[np.uint16], step: int, n_steps: int) -> None:
        """Write the counts of steps [step, step + n_steps) into their rows."""
        for rows in _rows(step, n_steps, len(counts)):
            counts[rows, self._first :] = 0
        for spikes, places in zip(self._spikes, self.places, strict=True):
            spikes.fill(counts, step, n_steps, places)

    def save_state(self) -> dict[str, npt.NDArray[Any]]:
        """Nothing: a count depends on the step alone."""
        return {}

    def restore_state(self, saved: Mapping[str, npt.NDArray[Any]]) -> None:
        """Nothing to do."""


def _rows(step: int, n_steps: int, n_rows: int) -> list[slice]:
    lo = step % n_rows
    return [slice(lo, min(lo + n_steps, n_rows)), slice(0, max(0, lo + n_steps - n_rows))]


@njit(cache=True)
def _fill(counts: Any, step: int, n_steps: int, places: Any, key: Any, tables: Any, lengths: Any, kind: Any, start: Any, stop: Any) -> None:
    """Draw the counts of some steps."""
    for t in range(step, step + n_steps):
        number = draw(key, t)
        low, high = np.uint32(number & np.uint64(0xFFFFFFFF)), np.uint32(number >> np.uint64(32))
        row = counts[t % len(counts)]
        for i in range(places.shape[1]):
            if start[i] <= t < stop[i]:
                x = mix_index(low, high, np.uint32(i))
                table = tables[kind[i], : lengths[kind[i]]]
                n = 0
                while n < len(table) and x >= table[n]:
                    n += 1
                for copy in range(places.shape[0]):
                    row[places[copy, i]] = min(n, MAX_SOURCE_SPIKES)
                    n = max(n - MAX_SOURCE_SPIKES, 0)
