"""Recording: what a run leaves behind, as columns, the same from every backend."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.recording.activity import ActivityCounts, Potentials
from spinn_mam.recording.files import AGAIN, COLUMNS, RecordingWriter, check_columns, count_by_population, frame_sums, map_column, read_header

#: Steps between two places in the column of spikes that are known without counting.
FRAME = 1000
#: Spikes that are looked at together where all of them are wanted.
PIECE_SPIKES = 1 << 22


class Recording:
    """Spikes and sampled potentials of a run.

    A recording of hours is read from disk only where it is looked at: work on its :meth:`window` or on the :meth:`windows` one after the
    other. ``step`` and :meth:`population` of the whole need 8 bytes a spike and more.

    Parameters
    ----------
    names : tuple of str
        Population names, in the order of the network.
    sizes : tuple of int
        Population sizes.
    dt : float
        Time step (ms).
    start_step, stop_step : int
        Kept window in steps from the beginning of the simulation, [start, stop); warm-up lies before it.
    step : ndarray of int64, shape (n_spikes,), or None
        Step of each spike, sorted; a spike in step k has NEST's time stamp k * dt. None if ``counts`` are given.
    neuron : ndarray of int32, shape (n_spikes,)
        Global index of the neuron of each spike (populations one after the other).
    activity : ActivityCounts or None
        None if the backend cannot count.
    provenance : dict
        Backend, seeds, wall times (s), connectivity degree, losses: whatever belongs in manifest and metrics.
    counts : ndarray of uint32, shape (stop_step - start_step,), optional
        Number of spikes in each step, instead of ``step``.
    frames : ndarray of int64, optional
        Their sums over each FRAME steps, if they are known.
    recorded : tuple of int, optional
        Neurons of each population whose spikes are here: its first ones. Default: all.
    population_spikes : tuple of int, optional
        Spikes of all neurons of each population in the window, recorded or not.
    potentials : Potentials, optional
    complete : bool
        False if the run was interrupted and the window is as far as it came.

    Raises
    ------
    ValueError
        If the spikes are not sorted or not in the window, or step and neuron are not of one length.

    Attributes
    ----------
    names, sizes, dt, start_step, stop_step, neuron, activity, provenance, recorded, potentials, complete
        As above; ``neuron`` is a read-only memory map if the recording was loaded.
    """

    __slots__ = (
        "_counts",
        "_frames",
        "_population_spikes",
        "_step",
        "activity",
        "complete",
        "dt",
        "names",
        "neuron",
        "potentials",
        "provenance",
        "recorded",
        "sizes",
        "start_step",
        "stop_step",
    )

    def __init__(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        dt: float,
        start_step: int,
        stop_step: int,
        step: npt.NDArray[np.int64] | None,
        neuron: npt.NDArray[np.int32],
        activity: ActivityCounts | None = None,
        provenance: Mapping[str, Any] | None = None,
        *,
        counts: npt.NDArray[np.uint32] | None = None,
        frames: npt.NDArray[np.int64] | None = None,
        recorded: Sequence[int] | None = None,
        population_spikes: Sequence[int] | None = None,
        potentials: Potentials | None = None,
        complete: bool = True,
    ) -> None:
        self.names, self.sizes, self.dt = tuple(names), tuple(int(n) for n in sizes), dt
        self.start_step, self.stop_step = start_step, stop_step
        self.neuron, self.activity, self.provenance = neuron, activity, dict(provenance or {})
        self.recorded = self.sizes if recorded is None else tuple(int(n) for n in recorded)
        self.potentials, self.complete = potentials, complete
        self._population_spikes = None if population_spikes is None else tuple(int(n) for n in population_spikes)
        self._step = step
        if counts is None:
            step = np.zeros(0, np.int64) if step is None else step
            if step.shape != neuron.shape or step.ndim != 1:
                raise ValueError(f"{step.shape} steps for {neuron.shape} neurons: each spike has one of both")
            if len(step) and (step[0] < start_step or step[-1] >= stop_step or np.any(np.diff(step) < 0)):
                raise ValueError(f"spikes outside the window of steps {start_step} to {stop_step}, or not sorted")
            counts = np.bincount(step - start_step, minlength=stop_step - start_step).astype(np.uint32)
        self._counts = counts
        if frames is None:
            frames = np.add.reduceat(counts, np.arange(0, len(counts), FRAME), dtype=np.int64) if len(counts) else np.zeros(0, np.int64)
        self._frames = np.concatenate([[0], np.cumsum(frames)])
        if self._frames[-1] != len(neuron) or len(counts) != stop_step - start_step:
            raise ValueError(f"{len(neuron)} spikes, but {self._frames[-1]} in {len(counts)} steps of {stop_step - start_step}")

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """Step of each spike, sorted; shape (n_spikes,)."""
        if self._step is None:
            self._step = np.repeat(np.arange(self.start_step, self.stop_step, dtype=np.int64), self._counts)
        return self._step

    @property
    def n_spikes(self) -> int:
        """Number of recorded spikes."""
        return len(self.neuron)

    @property
    def is_whole(self) -> bool:
        """Whether the spikes of all neurons are recorded."""
        return self.recorded == self.sizes

    @property
    def population_spikes(self) -> tuple[int, ...] | None:
        """Spikes of all neurons of each population; None if only some are recorded and nobody counted the others."""
        if self._population_spikes is None and self.is_whole:
            self._population_spikes = tuple(int(n) for n in self._count())
        return self._population_spikes

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
        """Return the mean rate of each population in the kept window (spikes/s).

        That of all its neurons if their spikes were counted, which they are for a whole run; otherwise that of the recorded ones. A
        population of which neither is known is left out.
        """
        seconds = self.duration_ms / 1000.0
        spikes = self.population_spikes
        counted = zip(self.names, *((spikes, self.sizes) if spikes is not None else (self._count(), self.recorded)), strict=True)
        return {name: float(n / (size * seconds)) for name, n, size in counted if size}

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
        return self._cut(lo, hi)

    def windows(self, length_ms: float) -> Iterator[Recording]:
        """Cut into windows of one length, one after the other; what is left at the end and shorter than that is left out."""
        n = round(length_ms / self.dt)
        if n < 1:
            raise UsageError(f"windows of {length_ms:g} ms: a time step is {self.dt:g} ms")
        for lo in range(self.start_step, self.stop_step - n + 1, n):
            yield self._cut(lo, lo + n)

    def _cut(self, lo: int, hi: int) -> Recording:
        a, b = self._first_spike(lo), self._first_spike(hi)
        return Recording(
            self.names,
            self.sizes,
            self.dt,
            lo,
            hi,
            None,
            self.neuron[a:b],
            None,
            self.provenance,
            counts=self._counts[lo - self.start_step : hi - self.start_step],
            recorded=self.recorded,
            potentials=None if self.potentials is None else self.potentials.window(lo, hi),
            complete=self.complete,
        )

    def in_memory(self) -> Recording:
        """Read it all, so that it no longer needs its files."""
        potentials = self.potentials
        return Recording(
            self.names,
            self.sizes,
            self.dt,
            self.start_step,
            self.stop_step,
            None,
            np.array(self.neuron),
            self.activity,
            self.provenance,
            counts=np.array(self._counts),
            recorded=self.recorded,
            population_spikes=self._population_spikes,
            potentials=None if potentials is None else dataclasses.replace(potentials, v=np.array(potentials.v)),
            complete=self.complete,
        )

    def _first_spike(self, step: int) -> int:
        """Place of the first spike at or after a step."""
        frame = (step - self.start_step) // FRAME
        return int(self._frames[frame]) + int(self._counts[frame * FRAME : step - self.start_step].sum(dtype=np.int64))

    def _count(self) -> npt.NDArray[np.int64]:
        """Count the recorded spikes of each population, a piece at a time."""
        bounds = self.offsets
        found = np.zeros(len(self.sizes), np.int64)
        for at in range(0, len(self.neuron), PIECE_SPIKES):
            found += count_by_population(self.neuron[at : at + PIECE_SPIKES], bounds)
        return found

    def save(self, path: Path) -> None:
        """Write to a folder, whole or not at all; see :mod:`.files` for what is in it."""
        part = path.with_name(path.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        potentials = self.potentials
        try:
            with RecordingWriter(
                part,
                self.names,
                self.sizes,
                self.dt,
                self.start_step,
                recorded=self.recorded,
                sampled=None if potentials is None else potentials.neuron,
                first_sample=0 if potentials is None else potentials.first_step,
                interval_steps=1 if potentials is None else potentials.interval_steps,
            ) as writer:
                for lo in range(self.start_step, self.stop_step, FRAME):
                    piece = self._cut(lo, min(lo + FRAME, self.stop_step))
                    v = None if piece.potentials is None else piece.potentials.v
                    writer.append(piece.stop_step - lo, piece.step, piece.neuron, v)
                if self._population_spikes is not None:
                    writer.position = dataclasses.replace(writer.position, population_spikes=self._population_spikes)
                activity = None if self.activity is None else dataclasses.asdict(self.activity)
                writer.commit(activity, self.provenance, complete=self.complete)
            if path.is_dir():
                shutil.rmtree(path)
            part.rename(path)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    @classmethod
    def load(cls, path: Path, *, verify: bool = True) -> Recording:
        """Open what :meth:`save` or a run wrote; spikes and potentials stay on disk until they are looked at.

        Parameters
        ----------
        path : Path
            The folder.
        verify : bool
            Read it all once to check it; False if that was done.

        Raises
        ------
        DocumentError
            If it is missing, damaged or of another format.
        """
        header, position = read_header(path)
        try:
            sampled = np.array(header["sampled"], np.int32)
            if verify:
                check_columns(path, position, len(sampled))
            first = int(header["start_step"])
            columns = {
                name: map_column(path / file, dtype, size // 4)
                for (name, file), dtype, size in zip(COLUMNS.items(), ("<i4", "<u4", "<f4"), position.sizes_bytes(len(sampled)), strict=True)
            }
            potentials = None
            if len(sampled):
                v = columns["potentials"].reshape(-1, len(sampled))
                potentials = Potentials(sampled, int(header["first_sample"]), int(header["interval_steps"]), v)
            return cls(
                tuple(str(name) for name in header["names"]),
                tuple(int(size) for size in header["sizes"]),
                float(header["dt"]),
                first,
                first + position.n_steps,
                None,
                columns["neurons"],
                None if header["activity"] is None else ActivityCounts(**header["activity"]),
                header["provenance"],
                counts=columns["counts"],
                frames=frame_sums(path / COLUMNS["counts"], position.n_steps, FRAME),
                recorded=header["recorded"],
                population_spikes=position.population_spikes,
                potentials=potentials,
                complete=bool(header["complete"]),
            )
        except OSError as error:
            raise DocumentError(str(path), "", f"no readable recording ({error.strerror or error}); {AGAIN}") from None
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DocumentError(str(path), "", f"damaged ({error}); {AGAIN}") from None
