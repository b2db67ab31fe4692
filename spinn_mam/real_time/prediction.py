"""Would the machine keep up with a run: overruns, losses and the smallest time-scale factor, core by core; modelled, not measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.deployment import Deployment
from spinn_mam.errors import DocumentError
from spinn_mam.machine.core_costs import timing
from spinn_mam.network.connectivity import Connectivity
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.structures import KIND_NAMES
from spinn_mam.real_time.cycles import ROW_HEADER_WORDS, WORD_BYTES, CycleModel, Work
from spinn_mam.real_time.kernels import fill_buffer, keep_up
from spinn_mam.real_time.loads import Loads, count_loads, draw_loads
from spinn_mam.real_time.receivers import Receivers, receivers
from spinn_mam.recording import Recording

FORMAT = "spinn_mam.real_time/1"
#: Steps that are turned into cycles at once.
_CHUNK = 250
#: Steps drawn for a prediction without a run.
EXPECTED_STEPS = 1000
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RealTime:
    """What the cores would need.

    Attributes
    ----------
    loads : str
        ``"emulated"``: from the spikes of a run; ``"expected"``: drawn from expected rates.
    time_scale_factor : float
        For which overruns and losses are given.
    step_cycles : float
        Cycles of a core in a step at a time-scale factor of 1.
    n_steps : int
        Steps looked at.
    mean_low, mean_high, most_low, most_high : ndarray, shape (n_slices,)
        Cycles of each core: mean over the steps and most in one step, floor and ceiling.
    overruns_low, overruns_high : ndarray of int64, shape (n_slices,)
        Steps whose work, what was left over included, exceeds the step.
    carried_low, carried_high : ndarray, shape (n_slices,)
        Most work left over (cycles).
    lost_low, lost_high : ndarray, shape (n_slices,)
        Spikes that find the input buffer full.
    """

    loads: str
    time_scale_factor: float
    step_cycles: float
    n_steps: int
    mean_low: FloatArray
    mean_high: FloatArray
    most_low: FloatArray
    most_high: FloatArray
    overruns_low: IntArray
    overruns_high: IntArray
    carried_low: FloatArray
    carried_high: FloatArray
    lost_low: FloatArray
    lost_high: FloatArray

    @property
    def factors(self) -> tuple[float, float]:
        """Bracket of the smallest time-scale factor with which no core overruns a step."""
        return float(self.most_low.max(initial=0.0)) / self.step_cycles, float(self.most_high.max(initial=0.0)) / self.step_cycles

    @property
    def safe_factor(self) -> int:
        """The safe end of the bracket, as a whole number."""
        return max(1, math.ceil(self.factors[1] - 1e-9))

    def worst(self, n: int) -> IntArray:
        """Return the rows of the slices with the highest ceilings, worst first."""
        return np.argsort(-self.most_high, kind="stable")[:n]

    def to_metrics(self, deployment: Deployment, spec: NetworkSpec) -> dict[str, Any]:
        """Return the ``real_time`` part of ``metrics.json``."""
        low, high = self.factors
        budget = self.step_cycles * self.time_scale_factor
        return {
            "kind": "modelled",
            "loads": self.loads,
            "time_scale_factor": self.time_scale_factor,
            "smallest_time_scale_factor": {"low": low, "high": high},
            "budget_cycles": budget,
            "steps": self.n_steps,
            "overruns": {"low": int(self.overruns_low.sum()), "high": int(self.overruns_high.sum())},
            "cores_that_overrun": {"low": int(np.sum(self.overruns_low > 0)), "high": int(np.sum(self.overruns_high > 0))},
            "most_steps_late": {"low": float(self.carried_low.max(initial=0.0)) / budget, "high": float(self.carried_high.max(initial=0.0)) / budget},
            "lost_spikes": {"low": round(float(self.lost_low.sum())), "high": round(float(self.lost_high.sum()))},
            "worst_cores": [describe_core(self, deployment, spec, row) for row in self.worst(5).tolist()],
        }

    def save(self, path: Path) -> None:
        """Write to one npz file."""
        with path.open("wb") as file:
            arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
            np.savez_compressed(file, allow_pickle=False, format=np.array(FORMAT), **arrays)

    @classmethod
    def load(cls, path: Path) -> RealTime:
        """Read what :meth:`save` wrote.

        Raises
        ------
        DocumentError
            If the file is missing, damaged or of another format.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                if str(data["format"]) != FORMAT:
                    raise DocumentError(str(path), "format", f"expected '{FORMAT}'")
                values = {field.name: data[field.name] for field in fields(cls)}
        except DocumentError:
            raise
        except Exception as error:
            raise DocumentError(str(path), "", f"no readable prediction ({type(error).__name__}); run the real-time stage again") from None
        scalars = {
            "loads": str(values["loads"]),
            "time_scale_factor": float(values["time_scale_factor"]),
            "step_cycles": float(values["step_cycles"]),
            "n_steps": int(values["n_steps"]),
        }
        return cls(**values | scalars)


def describe_core(real_time: RealTime, deployment: Deployment, spec: NetworkSpec, row: int) -> dict[str, Any]:
    """Return where a slice runs, what it is, and its cycles in its worst step."""
    slices, placement, machine = deployment.slices, deployment.placement, deployment.machine
    chip = int(placement.chip[row])
    return {
        "chip": [int(machine.x[chip]), int(machine.y[chip])],
        "core": int(placement.core[row]),
        "kind": KIND_NAMES[int(slices.kind[row])],
        "population": spec.populations[int(slices.population[row])].name,
        "neurons": [int(slices.lo[row]), int(slices.hi[row])],
        "cycles": {"low": float(real_time.most_low[row]), "high": float(real_time.most_high[row])},
    }


def step_cycles(spec: NetworkSpec, deployment: Deployment) -> float:
    """Return the cycles of a core in a step at a time-scale factor of 1."""
    return deployment.machine.clock_hz * spec.dt * 1e-3


def predict_run(recording: Recording, connectivity: Connectivity, deployment: Deployment, *, rng: np.random.Generator) -> RealTime:
    """Predict from the spikes of a run.

    Parameters
    ----------
    recording : Recording
    connectivity : Connectivity
    deployment : Deployment
    rng : numpy.random.Generator
        Draws the spikes of the Poisson drive from their law.

    Returns
    -------
    RealTime
    """
    cores = receivers(connectivity.spec, deployment)
    loads = count_loads(recording, connectivity, deployment, cores)
    return predict_loads(loads, connectivity.spec, deployment, cores, kind="emulated", rng=rng)


def predict_expected(spec: NetworkSpec, deployment: Deployment, *, rng: np.random.Generator) -> RealTime:
    """Predict from the expected rates, without a run.

    Parameters
    ----------
    spec : NetworkSpec
    deployment : Deployment
    rng : numpy.random.Generator

    Returns
    -------
    RealTime
    """
    cores = receivers(spec, deployment)
    loads = draw_loads(spec, deployment, cores, n_steps=EXPECTED_STEPS, rng=rng)
    return predict_loads(loads, spec, deployment, cores, kind="expected", rng=rng)


def predict_loads(loads: Loads, spec: NetworkSpec, deployment: Deployment, cores: Receivers, *, kind: str, rng: np.random.Generator) -> RealTime:
    """Predict from the loads of the cores.

    Parameters
    ----------
    loads : Loads
    spec : NetworkSpec
    deployment : Deployment
    cores : Receivers
    kind : str
        Where the loads come from, ``"emulated"`` or ``"expected"``.
    rng : numpy.random.Generator
        Draws the spikes of the Poisson drive.

    Returns
    -------
    RealTime
    """
    model, slices = CycleModel(spec, deployment, cores), deployment.slices
    n, n_steps = slices.n_slices, len(loads.sent)
    unit = step_cycles(spec, deployment)
    budget = unit * deployment.time_scale_factor
    n_groups, n_populations = cores.takes.shape[1], len(spec.populations)
    row_bytes = np.where(loads.row_synapses > 0, WORD_BYTES * (ROW_HEADER_WORDS + loads.row_synapses), 0).astype(np.float32)
    # from the spikes of source slices to those that each group gets from each population
    of_population = slices.population[cores.source][:, None] == np.arange(n_populations)
    gather = (cores.takes[:, :, None] & of_population[:, None, :]).reshape(len(cores.source), -1).astype(np.float32)
    columns = [np.flatnonzero(cores.group == group) for group in range(n_groups)]
    sources = (slices.hi - slices.lo)[cores.drive]
    rates = np.array([spec.populations[p].drive.rate for p in slices.population[cores.drive]], float)
    mean_drawn = sources * rates * spec.dt * 1e-3
    is_neuron = np.isin(cores.source, cores.neuron)
    total = {side: np.zeros(n) for side in ("low", "high")}
    most = {side: np.zeros(n) for side in ("low", "high")}
    overruns = {side: np.zeros(n, np.int64) for side in ("low", "high")}
    carried, most_carried, waiting, lost = ({side: np.zeros(n) for side in ("low", "high")} for _ in range(4))
    room = timing()["spike_buffer"].value - 1  # one place of the ring stays empty
    for first in range(0, n_steps, _CHUNK):
        sent = loads.sent[first : first + _CHUNK].astype(np.float32)
        drawn = rng.poisson(mean_drawn, (len(sent), len(sources))).astype(np.float32)
        spikes = (sent @ gather).reshape(len(sent), n_groups, n_populations)
        n_bytes = np.zeros((len(sent), len(cores.core)), np.float32)
        for group, members in enumerate(columns):
            # a row for each spike, as long as the longest of its population there
            n_bytes[:, members] = spikes[:, group] @ row_bytes[:, members]
        driving, several = _shared_out(drawn, sources)
        work = Work(
            packets=spikes.sum(axis=2)[:, cores.group],
            rows=loads.rows[first : first + _CHUNK].astype(np.float32),
            events=loads.events[first : first + _CHUNK].astype(np.float32),
            sent=sent[:, is_neuron],
            drawn=drawn,
            driving=driving,
            several=several,
            bytes=n_bytes,
        )
        cycles = model.cycles(work)
        for side, values, each in (("low", cycles.low, cycles.spike_low), ("high", cycles.high, cycles.spike_high)):
            total[side] += values.sum(axis=0, dtype=np.float64)
            most[side] = np.maximum(most[side], values.max(axis=0, initial=0.0))
            keep_up(values, budget, carried[side], overruns[side], most_carried[side])
            at_once = cycles.at_once if side == "high" else np.zeros_like(cycles.at_once)
            fill_buffer(cycles.arrivals, at_once, each, budget, room, waiting[side], lost[side])
    return RealTime(
        kind,
        deployment.time_scale_factor,
        unit,
        n_steps,
        total["low"] / max(n_steps, 1),
        total["high"] / max(n_steps, 1),
        most["low"],
        most["high"],
        overruns["low"],
        overruns["high"],
        most_carried["low"],
        most_carried["high"],
        lost["low"],
        lost["high"],
    )


def _shared_out(spikes: npt.NDArray[np.float32], sources: IntArray) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return how many of equal sources have any of the spikes, and how many have several, in the mean; shape (n_steps, n_cores)."""
    n = np.maximum(sources, 2).astype(np.float32)
    none = np.exp(spikes * np.log1p(-1.0 / n))
    one = spikes / (n - 1.0) * none
    return sources * (1.0 - none), np.maximum(sources * (1.0 - none - one), 0.0)
