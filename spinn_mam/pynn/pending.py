"""Inputs under way: a network that is changed in the middle of its run still receives what was sent before.

Problem
    The time loop keeps spikes and looks their synapses up when they are due. After a change of weights, delays or projections it
    would find the new synapses for spikes that went over the old ones.

Method
    The inputs of recent spikes that are not due yet are listed from the old synapses. In the new network they are the synapses of
    one more axon for each receptor, which spikes in the last step before the change.

Cost
    One pass over the synapses for each change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Synapses:
    """A list of synapses, by cell.

    Attributes
    ----------
    source, target, receptor, slots : ndarray of int64, shape (n,)
        Receptor is 0 for excitatory, 1 for inhibitory.
    weight : ndarray of float64, shape (n,)
        Magnitude (nA).
    """

    source: IntArray
    target: IntArray
    receptor: IntArray
    weight: npt.NDArray[np.float64]
    slots: IntArray

    def __getitem__(self, which: npt.NDArray[np.bool_] | IntArray) -> Synapses:
        return Synapses(self.source[which], self.target[which], self.receptor[which], self.weight[which], self.slots[which])

    def later(self, steps: IntArray | int) -> Synapses:
        """Return the same, due some steps sooner: those that are still to come."""
        left = Synapses(self.source, self.target, self.receptor, self.weight, self.slots - steps)
        return left[left.slots >= 1]


def no_synapses() -> Synapses:
    """Return an empty list."""
    none = np.zeros(0, np.int64)
    return Synapses(none, none, none, np.zeros(0), none)


def join(first: Synapses, second: Synapses) -> Synapses:
    """Return both lists in one."""
    return Synapses(**{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in Synapses.__slots__})


def under_way(synapses: Synapses, steps: IntArray, cells: IntArray, now: int) -> Synapses:
    """List the inputs that spikes have sent and that are not due before step ``now``.

    Parameters
    ----------
    synapses : Synapses
    steps, cells : ndarray of int64, shape (n_spikes,)
        Recent spikes.
    now : int
        The step that comes next.

    Returns
    -------
    Synapses
        With slots counted from step ``now - 1``.

    Examples
    --------
    >>> one = np.array([0])
    >>> synapses = Synapses(one, one, one, np.array([0.5]), np.array([10]))
    >>> under_way(synapses, np.array([4, 8]), np.array([0, 0]), 12).slots.tolist()
    [3, 7]
    """
    mine = np.flatnonzero(np.isin(synapses.source, cells))
    mine = mine[np.argsort(synapses.source[mine], kind="stable")]
    lo, hi = (np.searchsorted(synapses.source[mine], cells, side) for side in ("left", "right"))
    spike = np.repeat(np.arange(len(cells)), hi - lo)
    position = np.arange(len(spike)) - np.repeat(np.cumsum(hi - lo) - hi, hi - lo)
    return synapses[mine[position]].later(now - 1 - steps[spike])
