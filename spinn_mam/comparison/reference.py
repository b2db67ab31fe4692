"""Reference statistics: what a committed ensemble of reference runs keeps of each seed.

Problem
    Five full-scale runs have millions of spikes; a comparison needs distributions, of windows as long as the run compared.
Method
    For each seed and for several lengths of window, all beginning with the kept phase, the number of neurons by spike count and by CV,
    synchrony, mean LvR and mean correlation (the last two not in references made before they were kept). The trains of a few hundred neurons
    are stored once, binned to 2 ms; correlations of any window come from them. A run is cut to the longest of these lengths that it
    reaches, so that both sides have the same transient, counting noise and bias of short-window CVs.
Cost
    About 60 kB for a seed of 2.5 s at full scale, one npz of flat arrays and a JSON document with sizes and provenance.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from spinn_mam.analysis import CV_RESOLUTION, PopulationStatistics, analyse
from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.recording import Recording
from spinn_mam.spike_trains import CORRELATION_BIN_MS

FORMAT = "spinn_mam.reference_statistics/1"
#: Lengths of windows offered beside the whole length of the runs (ms).
WINDOWS_MS = (500.0, 1000.0, 2000.0, 2500.0, 5000.0, 10000.0)

Window = tuple[PopulationStatistics, ...]


class _Document(pydantic.BaseModel):
    """The JSON side of the file."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    format: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    windows_ms: tuple[float, ...]
    correlation_bin_ms: float
    cv_resolution: float
    n_trains: tuple[tuple[int, ...], ...]
    table_sha256: str
    provenance: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReferenceStatistics:
    """Statistics of an ensemble of reference runs.

    Attributes
    ----------
    names : tuple of str
        Populations.
    sizes : tuple of int
        Their numbers of neurons.
    seeds : tuple of int
        Seed of each run.
    windows_ms : tuple of float
        Lengths of the windows, ascending (ms); the last is the length of the runs.
    statistics : tuple of tuple of tuple of PopulationStatistics
        By seed, window and population.
    provenance : dict
        The command, versions and settings that made the runs.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    windows_ms: tuple[float, ...]
    statistics: tuple[tuple[Window, ...], ...]
    provenance: dict[str, Any]

    def window_for(self, duration_ms: float) -> float:
        """Return the longest window that a run of ``duration_ms`` reaches (ms).

        Raises
        ------
        UsageError
            If the run is shorter than the shortest.
        """
        fitting = [w for w in self.windows_ms if w <= duration_ms + 1e-6]
        if not fitting:
            raise UsageError(
                f"the run has {duration_ms:g} ms after its warm-up; the reference has windows of at least {self.windows_ms[0]:g} ms: simulate longer"
            )
        return fitting[-1]

    def window(self, length_ms: float) -> tuple[Window, ...]:
        """Return the statistics of every seed in the window of this length."""
        i = self.windows_ms.index(length_ms)
        return tuple(seed[i] for seed in self.statistics)

    def save(self, path: Path) -> None:
        """Write ``path`` (.json) and, beside it, the table (.npz); each whole or not at all.

        The same statistics give the same bytes.
        """
        table = path.with_suffix(".npz")
        part = table.with_suffix(".npz.part")
        with part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **_pack(self))
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        document = _Document(
            format=FORMAT,
            names=self.names,
            sizes=self.sizes,
            seeds=self.seeds,
            windows_ms=self.windows_ms,
            correlation_bin_ms=CORRELATION_BIN_MS,
            cv_resolution=CV_RESOLUTION,
            n_trains=tuple(tuple(p.n_trains for p in seed[-1]) for seed in self.statistics),
            table_sha256=digest,
            provenance=self.provenance,
        )
        text = path.with_suffix(".json.part")
        text.write_text(json.dumps(document.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
        part.replace(table)
        text.replace(path.with_suffix(".json"))

    @classmethod
    def load(cls, path: Path) -> ReferenceStatistics:
        """Read what :meth:`save` wrote.

        Raises
        ------
        DocumentError
            If a file is missing, damaged, of another format, or the two do not belong together.
        """
        if path.suffix != ".json":
            raise DocumentError(str(path), "", "not a .json document: give the .json of the reference statistics, its .npz lies beside it")
        table = path.with_suffix(".npz")
        again = "fetch or build the reference statistics again"
        try:
            document = _Document.model_validate_json(path.read_bytes())
            content = table.read_bytes()
        except OSError as error:
            raise DocumentError(str(path), "", f"no readable reference statistics ({error.strerror}: {error.filename}); {again}") from error
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DocumentError(str(path), where, f"{first['msg']}; {again}") from error
        if document.format != FORMAT:
            raise DocumentError(str(path), "format", f"expected '{FORMAT}', found {document.format!r}")
        if document.correlation_bin_ms != CORRELATION_BIN_MS or document.cv_resolution != CV_RESOLUTION:
            raise DocumentError(str(path), "cv_resolution", f"made with other bins; {again}")
        if hashlib.sha256(content).hexdigest() != document.table_sha256:
            raise DocumentError(str(table), "", f"its digest is not the one in {path.name}: damaged or of another build; {again}")
        try:
            with np.load(table, allow_pickle=False) as arrays:
                statistics = _unpack(document, {name: arrays[name] for name in arrays})
        except (OSError, KeyError, ValueError, IndexError, zipfile.BadZipFile) as error:
            raise DocumentError(str(table), "", f"not a table of reference statistics ({error}); {again}") from error
        return cls(document.names, document.sizes, document.seeds, document.windows_ms, statistics, document.provenance)


def build_reference_statistics(
    recordings: Sequence[Recording],
    seeds: Sequence[int],
    *,
    windows_ms: Sequence[float] = WINDOWS_MS,
    provenance: dict[str, Any] | None = None,
) -> ReferenceStatistics:
    """Reduce the runs of an ensemble to reference statistics.

    Parameters
    ----------
    recordings : sequence of Recording
        One run a seed: the same populations, dt and warm-up.
    seeds : sequence of int
        Their seeds.
    windows_ms : sequence of float
        Lengths offered (ms); those longer than the shortest run are left out, its whole length is added.
    provenance : dict, optional
        The command, versions and settings that made the runs.

    Raises
    ------
    UsageError
        If the runs differ in populations or time step, or a seed occurs twice.
    """
    if not recordings or len(recordings) != len(seeds) or len(set(seeds)) != len(seeds):
        raise UsageError(f"reference statistics need one recording for each of their different seeds: got {len(recordings)} for seeds {list(seeds)}")
    first = recordings[0]
    for seed, other in zip(seeds, recordings, strict=True):
        if (other.names, other.sizes, other.dt) != (first.names, first.sizes, first.dt):
            raise UsageError(f"seed {seed} has other populations, sizes or time step than seed {seeds[0]}: one reference is one network")
    shortest = min(r.duration_ms for r in recordings)
    windows = tuple(sorted({float(w) for w in windows_ms if w <= shortest + 1e-6} | {round(shortest, 6)}))
    statistics = tuple(tuple(analyse(r, windows)) for r in recordings)
    return ReferenceStatistics(first.names, first.sizes, tuple(int(s) for s in seeds), windows, statistics, dict(provenance or {}))


def _pack(reference: ReferenceStatistics) -> dict[str, npt.NDArray[Any]]:
    """Flatten to arrays of the smallest types: histograms of all windows, trains of the longest."""
    every = [p for seed in reference.statistics for window in seed for p in window]
    longest = [p for seed in reference.statistics for p in seed[-1]]
    flat = {
        "count_bins": np.array([len(p.neurons_by_count) for p in every]),
        "counts": np.concatenate([p.neurons_by_count for p in every]),
        "cv_bins": np.array([len(p.neurons_by_cv) for p in every]),
        "cvs": np.concatenate([p.neurons_by_cv for p in every]),
        "train_spikes": np.concatenate([np.bincount(p.train_neuron, minlength=p.n_trains) for p in longest]),
    }
    packed: dict[str, npt.NDArray[Any]] = {k: v.astype(np.min_scalar_type(int(v.max(initial=0)))) for k, v in flat.items()}
    packed |= {name: np.array([getattr(p, name) for p in every]) for name in ("synchrony", "lvr", "correlation")}
    # Differences between neighbouring bins are small numbers, which compress well.
    steps = np.diff(np.concatenate([p.train_bin for p in longest]).astype(np.int32), prepend=np.int32(0))
    packed["train_bin_steps"] = steps.astype(np.int16) if np.abs(steps).max(initial=0) < 2**15 else steps
    return packed


def _unpack(document: _Document, arrays: dict[str, npt.NDArray[Any]]) -> tuple[tuple[Window, ...], ...]:
    n_windows, n_populations = len(document.windows_ms), len(document.names)
    counts = np.split(arrays["counts"].astype(np.int64), np.cumsum(arrays["count_bins"].astype(np.int64))[:-1])
    cvs = np.split(arrays["cvs"].astype(np.int64), np.cumsum(arrays["cv_bins"].astype(np.int64))[:-1])
    synchrony = arrays["synchrony"]
    lvr, correlation = (arrays.get(name, np.full(len(synchrony), np.nan)) for name in ("lvr", "correlation"))
    train_spikes = arrays["train_spikes"].astype(np.int64)
    train_bin = np.cumsum(arrays["train_bin_steps"].astype(np.int64)).astype(np.int32)
    seeds: list[tuple[Window, ...]] = []
    neuron_at = spike_at = 0
    for s in range(len(document.seeds)):
        trains = []
        for n in document.n_trains[s]:
            per_neuron = train_spikes[neuron_at : neuron_at + n]
            n_spikes = int(per_neuron.sum())
            trains.append((np.repeat(np.arange(n, dtype=np.int32), per_neuron), train_bin[spike_at : spike_at + n_spikes]))
            neuron_at, spike_at = neuron_at + n, spike_at + n_spikes
        windows: list[Window] = []
        for w, length in enumerate(document.windows_ms):
            populations = []
            for p in range(n_populations):
                i = (s * n_windows + w) * n_populations + p
                neurons, bins = trains[p]
                numbers = (float(synchrony[i]), float(lvr[i]), float(correlation[i]))
                whole = PopulationStatistics(
                    document.names[p], document.sizes[p], length, counts[i], cvs[i], *numbers, document.n_trains[s][p], neurons, bins
                )
                inside = whole.train_bin < whole.n_bins
                populations.append(dataclasses.replace(whole, train_neuron=whole.train_neuron[inside], train_bin=whole.train_bin[inside]))
            windows.append(tuple(populations))
        seeds.append(tuple(windows))
    return tuple(seeds)
