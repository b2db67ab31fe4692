"""Recording: what a run leaves behind, as columns, the same from every backend."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import DocumentError

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
        """Return steps and local neuron indices of one population's spikes."""
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
        """Cut to [start_ms, stop_ms), counted from the beginning of the kept window (ms)."""
        lo = self.start_step + round(start_ms / self.dt)
        hi = self.start_step + round(stop_ms / self.dt)
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
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, meta=np.array(json.dumps(meta)), step=self.step, neuron=self.neuron)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what :meth:`save` wrote.

        Raises
        ------
        DocumentError
            If the file is missing, damaged or of another format.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                meta = json.loads(str(data["meta"]))
                step, neuron = data["step"], data["neuron"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise DocumentError(str(path), "", f"no readable recording ({error}); run the simulation stage again") from error
        if meta.get("format") != FORMAT:
            raise DocumentError(str(path), "format", f"expected '{FORMAT}', found {meta.get('format')!r}")
        activity = None if meta["activity"] is None else ActivityCounts(**meta["activity"])
        return cls(
            tuple(meta["names"]),
            tuple(meta["sizes"]),
            float(meta["dt"]),
            int(meta["start_step"]),
            int(meta["stop_step"]),
            step.astype(np.int64),
            neuron.astype(np.int32),
            activity,
            meta["provenance"],
        )
