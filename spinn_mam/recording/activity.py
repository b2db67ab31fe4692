"""What is recorded beside spikes: counts of all that was done, and potentials of a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ActivityCounts:
    """What the simulated hardware did in the kept phase, for the energy model.

    Attributes
    ----------
    n_spikes : int
        Spikes of neurons and sources.
    n_synaptic_events : int
        Deliveries over recurrent (and source) synapses; the Poisson drive is not counted.
    n_neuron_updates : int
        Neuron updates.
    duration_ms : float
        Biological time they were counted over (ms).
    """

    n_spikes: int
    n_synaptic_events: int
    n_neuron_updates: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Potentials:
    """Membrane potentials of some neurons, sampled at equal intervals.

    Attributes
    ----------
    neuron : ndarray of int32, shape (n_sampled,)
        Global indices.
    first_step, interval_steps : int
        Step of the first sample and steps between two; the value at step k is the one at NEST's time k * dt.
    v : ndarray of float32, shape (n_samples, n_sampled)
        Potentials (mV).
    """

    neuron: npt.NDArray[np.int32]
    first_step: int
    interval_steps: int
    v: npt.NDArray[np.float32]

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """Step of each sample, shape (n_samples,)."""
        return self.first_step + self.interval_steps * np.arange(len(self.v), dtype=np.int64)

    def window(self, lo: int, hi: int) -> Potentials:
        """Cut to the samples in steps [lo, hi)."""
        a, b = (max(0, -(-(at - self.first_step) // self.interval_steps)) for at in (lo, hi))
        return Potentials(self.neuron, self.first_step + a * self.interval_steps, self.interval_steps, self.v[a:b])
