"""Compiled loops of the load model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spinn_mam.network.kernels import subkey, synapse


@njit(cache=True)
def count_by_slice(counts: Any, sources: Any, row_key: Any, n_block: int, slice_of: Any, quantiles: Any, out: Any) -> None:
    """Count the synapses of rows onto one block of targets by the slice of the target; adds to ``out``.

    Parameters
    ----------
    counts : ndarray of int32, shape (n_population,)
        Synapses of each source onto the block.
    sources : ndarray of int64, shape (n_sources,)
        Which of them are asked for.
    row_key : uint64
    n_block : int
        Targets in the block.
    slice_of : ndarray of int32, shape (n_block,)
    quantiles : ndarray of int32
        Of the projection's weights; they do not matter here.
    out : ndarray of uint16, shape (n_sources, n_slices)
    """
    for i in range(len(sources)):
        row = subkey(row_key, sources[i])
        for position in range(counts[sources[i]]):
            target, _ = synapse(row, position, n_block, quantiles)
            out[i, slice_of[target]] += np.uint16(1)


@njit(cache=True)
def add_rows(step: Any, row: Any, source: Any, counts: Any, column: Any, events: Any, rows: Any) -> None:
    """Add the rows of spikes to the loads of the steps and cores they arrive at.

    Parameters
    ----------
    step : ndarray of int64, shape (n_spikes,)
    row : ndarray of int64, shape (n_spikes,)
        Row of ``counts``.
    source : ndarray of int64, shape (n_spikes,)
        Row of ``column``.
    counts : ndarray of uint16, shape (n_rows, n_slices)
    column : ndarray of int32, shape (n_source_slices, n_slices)
    events : ndarray of int32, shape (n_steps, n_columns)
        Synaptic events.
    rows : ndarray of uint16, shape (n_steps, n_columns)
        Spikes with at least one synapse there.
    """
    for i in range(len(step)):
        t, r, s = step[i], row[i], source[i]
        for j in range(counts.shape[1]):
            n = counts[r, j]
            if n:
                c = column[s, j]
                events[t, c] += np.int32(n)
                rows[t, c] += np.uint16(1)


@njit(cache=True)
def keep_up(cycles: Any, budget: float, carried: Any, overruns: Any, most_carried: Any) -> None:
    """Carry work over that does not fit its step.

    Parameters
    ----------
    cycles : ndarray of float32, shape (n_steps, n_cores)
        Work of each step.
    budget : float
        Cycles a step.
    carried : ndarray of float64, shape (n_cores,)
        Work left over from before; updated.
    overruns : ndarray of int64, shape (n_cores,)
        Counts the steps with more work than budget, what was left over included.
    most_carried : ndarray of float64, shape (n_cores,)
    """
    for t in range(cycles.shape[0]):
        for j in range(cycles.shape[1]):
            left = carried[j] + cycles[t, j] - budget
            if left > 0.0:
                overruns[j] += 1
                carried[j] = left
                most_carried[j] = max(most_carried[j], left)
            else:
                carried[j] = 0.0


@njit(cache=True)
def fill_buffer(arrivals: Any, at_once: Any, each: Any, budget: float, room: float, waiting: Any, lost: Any) -> None:
    """Count the spikes that find the input buffer full.

    Parameters
    ----------
    arrivals : ndarray of float32, shape (n_steps, n_cores)
        Spikes of each step.
    at_once : ndarray of float32, shape (n_steps, n_cores)
        Those of them that wait together at the worst moment.
    each : ndarray of float32, shape (n_steps, n_cores)
        Cycles of one.
    budget : float
        Cycles a step.
    room : float
        Spikes that the buffer holds.
    waiting : ndarray of float64, shape (n_cores,)
        Spikes left over from before; updated.
    lost : ndarray of float64, shape (n_cores,)
    """
    for t in range(arrivals.shape[0]):
        for j in range(arrivals.shape[1]):
            over = max(waiting[j] + at_once[t, j] - room, 0.0)
            left = max(waiting[j] + arrivals[t, j] - over - budget / max(each[t, j], 1.0), 0.0)
            over += max(left - room, 0.0)
            waiting[j] = min(left, room)
            lost[j] += over
