"""A recording on disk: columns that grow at their ends, and a header that says how much of them counts.

Problem
    Hours of the full-scale microcircuit are 9e8 spikes an hour. They must reach the disk while the run goes on, be readable
    without reading them all, and whatever kills the run at whatever moment must leave a recording that is right as far as it goes.

Method
    A folder of flat little-endian files: ``neurons.i4``, the global index of each spike's neuron in order of time;
    ``counts.u4``, the number of spikes of each time step; ``potentials.f4``, a row of potentials (mV) for each sample.
    ``recording.json`` is replaced as a whole after the columns are safely on disk. It says how many steps, spikes and samples there
    are, with a check sum of each column and of itself. What the columns hold beyond it was being written when the run stopped, and
    does not count; columns shorter than it says, or with other bytes, are damaged.

Cost
    4 bytes a spike and 4 bytes a time step: 3.7 GB for an hour of full-scale PD14 (2.5e5 spikes/s, steps of 0.1 ms).
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import DocumentError

FORMAT = "spinn_mam.recording/2"
HEADER = "recording.json"
COLUMNS = {"neurons": "neurons.i4", "counts": "counts.u4", "potentials": "potentials.f4"}
BYTES_PER_SPIKE = BYTES_PER_STEP = BYTES_PER_POTENTIAL = 4
#: Bytes that are checked at once.
PIECE = 1 << 24
AGAIN = "run the simulation stage again"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a recording is.

    Attributes
    ----------
    n_steps, n_spikes, n_samples : int
        Time steps, recorded spikes, samples of all potentials.
    population_spikes : tuple of int
        Spikes of all neurons of each population, recorded or not.
    crc32 : tuple of int
        Check sums of the columns, in the order of COLUMNS.
    """

    n_steps: int
    n_spikes: int
    n_samples: int
    population_spikes: tuple[int, ...]
    crc32: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Position:
        """Read what ``dataclasses.asdict`` wrote."""
        neurons, counts, potentials = (int(c) for c in data["crc32"])
        by_population = tuple(int(n) for n in data["population_spikes"])
        return cls(int(data["n_steps"]), int(data["n_spikes"]), int(data["n_samples"]), by_population, (neurons, counts, potentials))

    def sizes_bytes(self, n_sampled: int) -> tuple[int, int, int]:
        """Sizes of the columns, in the order of COLUMNS."""
        return self.n_spikes * BYTES_PER_SPIKE, self.n_steps * BYTES_PER_STEP, self.n_samples * n_sampled * BYTES_PER_POTENTIAL


class RecordingWriter:
    """Writes a recording as it comes.

    Parameters
    ----------
    folder : Path
        Made if it is not there; columns in it are cut to ``at``.
    names : sequence of str
    sizes : sequence of int
        Of the populations.
    dt : float
        Time step (ms).
    start_step : int
        First step of the recording.
    recorded : sequence of int
        Neurons of each population whose spikes are kept: the first ones.
    sampled : ndarray of int32, shape (n_sampled,)
        Global indices of neurons whose potentials are kept.
    first_sample, interval_steps : int
        Step of the first sample, and steps from one to the next.
    at : Position, optional
        Go on from there with what is in the folder.

    Raises
    ------
    DocumentError
        If the columns do not hold what ``at`` says.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        sizes: Sequence[int],
        dt: float,
        start_step: int,
        *,
        recorded: Sequence[int] | None = None,
        sampled: npt.NDArray[np.int32] | None = None,
        first_sample: int = 0,
        interval_steps: int = 1,
        at: Position | None = None,
    ) -> None:
        self.folder = folder
        self.position = at or Position(0, 0, 0, (0,) * len(sizes))
        self._names, self._sizes, self._dt, self._start_step = tuple(names), tuple(int(n) for n in sizes), dt, start_step
        self._recorded = self._sizes if recorded is None else tuple(recorded)
        self._sampled = np.zeros(0, np.int32) if sampled is None else sampled
        self._first_sample, self._interval_steps = first_sample, interval_steps
        self._bounds = np.concatenate([[0], np.cumsum(self._sizes)]).astype(np.int64)
        # neurons beyond a population's recorded ones are not kept
        self._kept = np.concatenate([np.zeros(0, bool), *(np.arange(n) < m for n, m in zip(self._sizes, self._recorded, strict=True))])
        folder.mkdir(parents=True, exist_ok=True)
        if at is None:
            (folder / HEADER).unlink(missing_ok=True)
        else:
            check_columns(folder, self.position, len(self._sampled))
        there = column_files(folder, len(self._sampled))
        self._files = [path.open("r+b" if path.exists() else "w+b", buffering=0) for path in there]
        self.rewind(self.position)

    def append(self, n_steps: int, step: npt.NDArray[np.int64], neuron: npt.NDArray[np.int32], v: npt.NDArray[np.float32] | None = None) -> None:
        """Add the next steps.

        Parameters
        ----------
        n_steps : int
        step : ndarray of int64, shape (n_spikes,)
            Sorted, within these steps.
        neuron : ndarray of int32, shape (n_spikes,)
            Global index of each spike's neuron, recorded or not.
        v : ndarray of float32, shape (n_samples, n_sampled), optional
            Potentials (mV) of the samples that lie in these steps.

        Raises
        ------
        ValueError
            If spikes do not lie in these steps or are of no neuron of the network.
        """
        old = self.position
        first = self._start_step + old.n_steps
        n = len(step)
        if n and (
            step[0] < first or step[-1] >= first + n_steps or neuron.min() < 0 or neuron.max() >= self._bounds[-1] or np.any(np.diff(step) < 0)
        ):
            raise ValueError(f"spikes outside steps {first} to {first + n_steps} or {self._bounds[-1]} neurons, or not sorted")
        by_population = count_by_population(neuron, self._bounds)
        if self._recorded != self._sizes:
            kept = self._kept[neuron]
            step, neuron = step[kept], neuron[kept]
        counts = np.bincount(step - first, minlength=n_steps)
        samples = np.zeros((0, len(self._sampled))) if v is None else v
        pieces = [np.ascontiguousarray(data, kind).tobytes() for data, kind in ((neuron, "<i4"), (counts, "<u4"), (samples, "<f4"))]
        crc32 = list(old.crc32)
        for i, (file, piece, at) in enumerate(zip(self._files, pieces, old.sizes_bytes(len(self._sampled)), strict=False)):
            _write_at(file.fileno(), piece, at)
            crc32[i] = zlib.crc32(piece, crc32[i])
        self.position = Position(
            old.n_steps + n_steps,
            old.n_spikes + len(neuron),
            old.n_samples + len(samples),
            tuple(int(a + b) for a, b in zip(old.population_spikes, by_population, strict=True)),
            (crc32[0], crc32[1], crc32[2]),
        )

    def rewind(self, position: Position) -> None:
        """Forget what was added after a position."""
        for file, size in zip(self._files, position.sizes_bytes(len(self._sampled)), strict=False):
            file.truncate(size)
        self.position = position

    def flush(self) -> None:
        """Wait until the columns are on disk."""
        for file in self._files:
            os.fsync(file.fileno())

    def commit(self, activity: Mapping[str, Any] | None, provenance: Mapping[str, Any], *, complete: bool) -> None:
        """Put all that was added on disk and let the header count it."""
        self.flush()
        header: dict[str, Any] = {
            "format": FORMAT,
            "names": self._names,
            "sizes": self._sizes,
            "dt": self._dt,
            "start_step": self._start_step,
            "complete": complete,
            **dataclasses.asdict(self.position),
            "recorded": self._recorded,
            "sampled": self._sampled.tolist(),
            "first_sample": self._first_sample,
            "interval_steps": self._interval_steps,
            "activity": activity,
            "provenance": dict(provenance),
        }
        header["header_crc32"] = _crc_of(header)
        replace_file(self.folder / HEADER, (json.dumps(header, indent=1) + "\n").encode())

    def close(self) -> None:
        """Close the files; what was not committed does not count."""
        for file in self._files:
            file.close()

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_header(folder: Path) -> tuple[dict[str, Any], Position]:
    """Read the header of a recording.

    Raises
    ------
    DocumentError
        If it is missing, damaged or of another format.
    """
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DocumentError(str(path), "", f"no readable recording ({error.strerror or error}); {AGAIN}") from None
    except ValueError as error:
        raise DocumentError(str(path), "", f"no recording, or a damaged one ({type(error).__name__}); {AGAIN}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else None
        raise DocumentError(str(path), "format", f"expected '{FORMAT}', found {found!r}; {AGAIN}")
    if header.pop("header_crc32", None) != _crc_of(header):
        raise DocumentError(str(path), "", f"damaged (its check sum is another); {AGAIN}")
    try:
        return header, Position.of(header)
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentError(str(path), "", f"damaged ({error!r}); {AGAIN}") from None


def check_columns(folder: Path, position: Position, n_sampled: int) -> None:
    """Compare the columns with what they should hold.

    Raises
    ------
    DocumentError
        If one is too short or holds other bytes.
    """
    for path, size, crc32 in zip(column_files(folder, n_sampled), position.sizes_bytes(n_sampled), position.crc32, strict=False):
        have = path.stat().st_size if path.is_file() else -1
        if have < size or have < 0:
            raise DocumentError(str(path), "", f"damaged: {size} bytes expected, {'no file' if have < 0 else have} found; {AGAIN}")
        found = 0
        for piece in _pieces(path, size):
            found = zlib.crc32(piece, found)
        if found != crc32:
            raise DocumentError(str(path), "", f"damaged (its check sum is another); {AGAIN}")


def column_files(folder: Path, n_sampled: int) -> list[Path]:
    """Return the files of the columns, in the order of COLUMNS; that of the potentials, the last, only if there are some."""
    return [folder / name for name in COLUMNS.values()][: 3 if n_sampled else 2]


def map_column(path: Path, dtype: str, n: int) -> npt.NDArray[Any]:
    """Map the first n values of a column into memory, read only: nothing is read before it is looked at."""
    if n == 0:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, "r", shape=(n,))


def frame_sums(path: Path, n: int, frame: int) -> npt.NDArray[np.int64]:
    """Add up the first n counts in frames of equal length, a piece of the file at a time."""
    sums = [np.zeros(0, np.int64)]
    with path.open("rb") as file:
        for at in range(0, n, 100 * frame):
            counts = np.fromfile(file, "<u4", min(100 * frame, n - at)).astype(np.int64)
            sums.append(np.add.reduceat(counts, np.arange(0, len(counts), frame)))
    return np.concatenate(sums)


def count_by_population(neuron: npt.NDArray[np.int32], bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count spikes by population.

    Parameters
    ----------
    neuron : ndarray of int32, shape (n_spikes,)
        Global indices.
    bounds : ndarray of int64, shape (n_populations + 1,)
        First global index of each population and the total.
    """
    ends = np.concatenate([[0], np.cumsum(np.bincount(neuron, minlength=int(bounds[-1])))])
    counts: npt.NDArray[np.int64] = np.diff(ends[bounds]).astype(np.int64)
    return counts


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, on disk before it has its name."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _crc_of(header: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(header, sort_keys=True).encode())


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(PIECE, size))):
            size -= len(piece)
            yield piece


def _write_at(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        n = os.pwrite(descriptor, view, at)
        view, at = view[n:], at + n
