"""Recording: what a run leaves behind, as columns, the same from every backend."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import DocumentError, UsageError

if TYPE_CHECKING:
    import neo

FORMAT = "spinn_mam.recording/1"


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
class Recording:
    """Spikes (and sampled potentials) of a run.

    Attributes
    ----------
    names : tuple of str
        Population names, in the order of the network.
    sizes : tuple of int
        Population sizes.
    dt : float
        Time step (ms).
    start_step, stop_step : int
        Kept window in steps from the beginning of the simulation, [start, stop); warm-up lies before it.
    step : ndarray of int64, shape (n_spikes,)
        Step of each spike, sorted; a spike in step k has NEST's time stamp k * dt.
    neuron : ndarray of int32, shape (n_spikes,)
        Global index of the neuron of each spike (populations one after the other).
    activity : ActivityCounts or None
        None if the backend cannot count.
    provenance : dict
        Backend, seeds, wall times (s), connectivity degree, losses: whatever belongs in manifest and metrics.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    dt: float
    start_step: int
    stop_step: int
    step: npt.NDArray[np.int64]
    neuron: npt.NDArray[np.int32]
    activity: ActivityCounts | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_ms(self) -> float:
        """Length of the kept window (ms)."""
        return (self.stop_step - self.start_step) * self.dt

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """First global index of each population and the total, shape (n_populations + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    def population(self, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return steps and local neuron indices of one population's spikes.

        Raises
        ------
        UsageError
            If there is no such population.
        """
        if name not in self.names:
            raise UsageError(f"no population '{name}' in the recording: it has {', '.join(self.names)}")
        i = self.names.index(name)
        lo, hi = self.offsets[i], self.offsets[i + 1]
        mine = (self.neuron >= lo) & (self.neuron < hi)
        return self.step[mine], (self.neuron[mine] - lo).astype(np.int32)

    def rates(self) -> dict[str, float]:
        """Return the mean rate of each population in the kept window (spikes/s)."""
        counts = np.histogram(self.neuron, bins=self.offsets)[0]
        seconds = self.duration_ms / 1000.0
        return {n: float(c / (s * seconds)) for n, c, s in zip(self.names, counts, self.sizes, strict=True)}

    def window(self, start_ms: float, stop_ms: float) -> Recording:
        """Cut to [start_ms, stop_ms), counted from the beginning of the kept window (ms).

        Raises
        ------
        UsageError
            If it is not inside the kept window: nothing is known beyond.
        """
        lo = self.start_step + round(start_ms / self.dt)
        hi = self.start_step + round(stop_ms / self.dt)
        if not self.start_step <= lo < hi <= self.stop_step:
            raise UsageError(f"no window from {start_ms:g} to {stop_ms:g} ms in a recording of {self.duration_ms:g} ms")
        a, b = np.searchsorted(self.step, [lo, hi])
        return Recording(self.names, self.sizes, self.dt, lo, hi, self.step[a:b], self.neuron[a:b], None, dict(self.provenance))

    def to_neo(self) -> neo.Block:
        """Make a Neo block: one segment, one spike train for each neuron, annotated with population and index."""
        import neo
        import quantities as pq

        block = neo.Block(name="spinn_mam recording", **{k: v for k, v in self.provenance.items() if isinstance(v, str | int | float)})
        segment = neo.Segment(name="kept phase")
        block.segments.append(segment)
        order = np.argsort(self.neuron, kind="stable")
        times = self.step[order] * self.dt
        bounds = np.searchsorted(self.neuron[order], np.arange(self.offsets[-1] + 1))
        for p, name in enumerate(self.names):
            for i in range(self.sizes[p]):
                g = int(self.offsets[p]) + i
                train = neo.SpikeTrain(
                    times[bounds[g] : bounds[g + 1]],
                    units=pq.ms,
                    t_start=self.start_step * self.dt * pq.ms,
                    t_stop=self.stop_step * self.dt * pq.ms,
                    population=name,
                    index=i,
                )
                segment.spiketrains.append(train)
        return block

    def save(self, path: Path) -> None:
        """Write to one npz file, whole or not at all."""
        meta = {
            "format": FORMAT,
            "names": self.names,
            "sizes": self.sizes,
            "dt": self.dt,
            "start_step": self.start_step,
            "stop_step": self.stop_step,
            "activity": None
            if self.activity is None
            else {
                "n_spikes": self.activity.n_spikes,
                "n_synaptic_events": self.activity.n_synaptic_events,
                "n_neuron_updates": self.activity.n_neuron_updates,
                "duration_ms": self.activity.duration_ms,
            },
            "provenance": self.provenance,
        }
        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as file:
                np.savez_compressed(file, meta=np.array(json.dumps(meta)), step=self.step, neuron=self.neuron)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what :meth:`save` wrote.

        Raises
        ------
        DocumentError
            If the file is missing, damaged or of another format.
        """
        again = "run the simulation stage again"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                meta = json.loads(str(data["meta"]))
                step, neuron = data["step"], data["neuron"]
        except OSError as error:
            raise DocumentError(str(path), "", f"no readable recording ({error.strerror or error}); {again}") from None
        # NumPy and zipfile raise many kinds of errors on damaged bytes, and none of them is a bug of ours
        except Exception as error:
            raise DocumentError(str(path), "", f"no recording, or a damaged one ({type(error).__name__}); {again}") from None
        if not isinstance(meta, dict) or meta.get("format") != FORMAT:
            found = meta.get("format") if isinstance(meta, dict) else None
            raise DocumentError(str(path), "format", f"expected '{FORMAT}', found {found!r}")
        try:
            activity = None if meta["activity"] is None else ActivityCounts(**meta["activity"])
            recording = cls(
                tuple(str(name) for name in meta["names"]),
                tuple(int(size) for size in meta["sizes"]),
                float(meta["dt"]),
                int(meta["start_step"]),
                int(meta["stop_step"]),
                step.astype(np.int64),
                neuron.astype(np.int32),
                activity,
                dict(meta["provenance"]),
            )
            problem = recording._problem()
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DocumentError(str(path), "meta", f"damaged ({error!r}); {again}") from None
        if problem:
            raise DocumentError(str(path), "", f"{problem}; {again}")
        return recording

    def _problem(self) -> str:
        """Say what cannot be in a recording; empty if all is well."""
        if len(self.names) != len(self.sizes) or any(size < 0 for size in self.sizes) or not self.dt > 0 or not self.start_step <= self.stop_step:
            return "populations, time step or window cannot be"
        if self.step.ndim != 1 or self.step.shape != self.neuron.shape:
            return f"{self.step.shape} steps for {self.neuron.shape} neurons: each spike has one of both"
        if len(self.step) == 0:
            return ""
        if self.step[0] < self.start_step or self.step[-1] >= self.stop_step or np.any(np.diff(self.step) < 0):
            return f"spikes outside the window of steps {self.start_step} to {self.stop_step}, or not sorted"
        if self.neuron.min() < 0 or self.neuron.max() >= sum(self.sizes):
            return f"spikes of neurons beyond the {sum(self.sizes)} of the network"
        return ""
