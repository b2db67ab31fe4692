"""Recordings of others beside a simulation: rates, LvR and power spectrum of as many neurons of each.

Problem
    Compare one area, such as V1, with spikes that were recorded there.
Method
    A table of spikes is read into a recording of one population. Of the simulated area as many neurons are taken at random, all alike, and both are
    analysed in the same way: single-neuron rates, LvR, and the power spectrum of the summed spikes.
Cost
    Linear in the spikes.
Source
    Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359, for V1 and 140 neurons.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.multi_area.area_spectra import SEGMENT_MS, AreaSpectra, area_spectra
from spinn_mam.multi_area.areas import Areas
from spinn_mam.multi_area.rate_series import rate_series
from spinn_mam.recording import Recording
from spinn_mam.spike_trains import REFRACTORY_MS, lvr

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Resolution of times that are read (ms).
STEP_MS = 0.1


@dataclass(frozen=True, slots=True)
class SampleStatistics:
    """Statistics of a sample of neurons.

    Attributes
    ----------
    rates : ndarray of float64, shape (n_neurons,)
        Rate of each neuron (spikes/s).
    lvr : ndarray of float64, shape (n_neurons,)
        LvR of each; NaN below three spikes.
    spectrum : AreaSpectra or None
        Of their summed spikes; None if the recording is too short.
    """

    rates: FloatArray
    lvr: FloatArray
    spectrum: AreaSpectra | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was recorded in an area.

    Attributes
    ----------
    area : str
    recording : Recording
        Of one population, the recorded neurons.
    """

    area: str
    recording: Recording


def read_measured(text: str, areas: Areas | None) -> Measured:
    """Read what a command line names as ``AREA=FILE``, such as ``V1=spikes.csv``.

    Parameters
    ----------
    text : str
    areas : Areas or None
        Those of the simulation.

    Raises
    ------
    UsageError
        If it is of another form, or there is no such area.
    DocumentError
        If there is no such table of spikes.
    """
    area, equals, path = text.partition("=")
    if not area or not equals or not path:
        raise UsageError(f"--measured {text}: name an area and a table of spikes, such as V1=spikes.csv")
    if areas is None or areas.n < 2:
        raise UsageError(f"--measured {text}: the recording is not of several areas")
    if area not in areas.names:
        raise UsageError(f"--measured {text}: no area {area} in the recording: it has {', '.join(areas.names)}")
    return Measured(area, read_spikes(Path(path)))


def read_spikes(path: Path) -> Recording:
    """Read a table of spikes: CSV with the columns ``neuron`` and ``time_ms``, from the first to the last spike.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DocumentError
        If it is missing or not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["neuron"], float(row["time_ms"])) for row in csv.DictReader(line for line in file if not line.startswith("#"))]
    except OSError as error:
        raise DocumentError(str(path), "", f"cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentError(str(path), "", f"no table of spikes: CSV with the columns neuron and time_ms is needed ({error!r})") from None
    times = np.array([time for _, time in rows])
    if len(rows) < 2 or not np.isfinite(times).all():
        raise DocumentError(str(path), "time_ms", f"{len(rows)} spikes, not all at finite times" if len(rows) > 1 else "there are no spikes")
    names, neuron = np.unique([name for name, _ in rows], return_inverse=True)
    step = np.rint((times - times.min()) / STEP_MS).astype(np.int64)
    order = np.lexsort((neuron, step))
    return Recording(("measured",), (len(names),), STEP_MS, 0, int(step.max()) + 1, step[order], neuron[order].astype(np.int32))


def sample_of_area(recording: Recording, areas: Areas, area: str, n_neurons: int, rng: np.random.Generator) -> Recording:
    """Take neurons of an area at random, all alike, as a population of their own.

    Parameters
    ----------
    recording : Recording
    areas : Areas
    area : str
    n_neurons : int
    rng : numpy.random.Generator

    Raises
    ------
    UsageError
        If there is no such area, or fewer neurons of it are recorded.
    """
    if area not in areas.names:
        raise UsageError(f"no area {area} in the recording: it has {', '.join(areas.names)}")
    there = np.concatenate([recording.offsets[p] + np.arange(recording.recorded[p]) for p in areas.populations(area)])
    if n_neurons > len(there):
        raise UsageError(f"{n_neurons} neurons of {area} are to be compared, {len(there)} are recorded")
    chosen = np.sort(rng.choice(there, n_neurons, replace=False))
    place = np.minimum(np.searchsorted(chosen, recording.neuron), n_neurons - 1)
    kept = chosen[place] == recording.neuron
    step, neuron = recording.step[kept], place[kept]
    return Recording((area,), (n_neurons,), recording.dt, recording.start_step, recording.stop_step, step, neuron.astype(np.int32))


def sample_statistics(sample: Recording) -> SampleStatistics:
    """Analyse a recording of one population.

    Parameters
    ----------
    sample : Recording
    """
    [n] = sample.sizes
    order = np.argsort(sample.neuron, kind="stable")
    neuron, step = sample.neuron[order].astype(np.int64), sample.step[order]
    rates = np.bincount(neuron, minlength=n) / (sample.duration_ms / 1000.0)
    spectrum = area_spectra(rate_series(sample), [n]) if sample.duration_ms >= SEGMENT_MS else None
    return SampleStatistics(rates, lvr(step, neuron, n, REFRACTORY_MS / sample.dt), spectrum)
