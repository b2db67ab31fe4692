"""Run an emulation and record it as it goes; take up what an interrupted run left.

Problem
    Hours of biological time in memory that does not grow, and nothing lost when the run is stopped, however it is.

Method
    After each chunk of steps its spikes are appended to the recording's columns. From time to time the state of the emulation is
    saved beside them, together with how far the columns are: a *checkpoint*. A run that finds a checkpoint of the very same run cuts the
    columns to what it says and goes on from its state, and so makes the very same bytes as one that was not stopped. A run that
    is asked to stop, or fails, saves the state after its last whole chunk.

Cost
    A copy of the state after each chunk (16 bytes a neuron), and a file of that size for each checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.base import BIOLOGICAL, Progress
from spinn_mam.backends.emulator.emulation import CHUNK_STEPS, Emulation, Spikes
from spinn_mam.backends.emulator.loop import Counters
from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording, RecordingWriter, global_indices
from spinn_mam.recording.files import BYTES_PER_POTENTIAL, BYTES_PER_SPIKE, BYTES_PER_STEP, Position, replace_file

FORMAT = "spinn_mam.checkpoint/2"
RECORDING, CHECKPOINT = "recording", "checkpoint.npz"
#: Wall-clock time between two checkpoints (s), unless the user says how much biological time.
CHECKPOINT_EVERY_S = 60.0
#: Potentials that are held at once.
MAX_POTENTIALS = 1 << 24
#: Room on the disk for rates above the expected ones.
MARGIN = 1.25


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How long a run is and what of it is recorded.

    Attributes
    ----------
    n_warm, n_kept : int
        Steps that are discarded and recorded.
    recorded, sampled : tuple of int
        Neurons of each population whose spikes and whose potentials are recorded.
    interval_steps : int
        Steps from one sample of the potentials to the next.
    checkpoint_steps : int or None
        Steps from one checkpoint to the next; None: by wall-clock time.
    """

    n_warm: int
    n_kept: int
    recorded: tuple[int, ...]
    sampled: tuple[int, ...]
    interval_steps: int
    checkpoint_steps: int | None

    def n_bytes(self, spec: NetworkSpec) -> int:
        """Estimate the size of the recording from the expected rates."""
        rates = (p.source_rate if p.is_source else rate for p, rate in zip(spec.populations, spec.expected_rates, strict=True))
        seconds = self.n_kept * spec.dt / 1000.0
        n_spikes = sum(rate * n for rate, n in zip(rates, self.recorded, strict=True)) * seconds
        n_potentials = self.n_kept // self.interval_steps * sum(self.sampled)
        return round(MARGIN * n_spikes * BYTES_PER_SPIKE + self.n_kept * BYTES_PER_STEP + n_potentials * BYTES_PER_POTENTIAL)


@dataclass(frozen=True, slots=True)
class Times:
    """Time spent in both phases, by all processes that worked on the run.

    Attributes
    ----------
    wall_s, cpu_s : mapping
        By phase (s).
    n_resumed : int
        How often the run was taken up.
    """

    wall_s: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(BIOLOGICAL, 0.0))
    cpu_s: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(BIOLOGICAL, 0.0))
    n_resumed: int = 0

    def plus(self, phase: str, wall_s: float, cpu_s: float) -> Times:
        """Add to a phase."""
        wall, cpu = ({**old, phase: old[phase] + new} for old, new in ((self.wall_s, wall_s), (self.cpu_s, cpu_s)))
        return Times(wall, cpu, self.n_resumed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state to go on from, and what was recorded until then."""

    state: Mapping[str, npt.NDArray[Any]]
    counters: Counters
    position: Position
    times: Times

    def save(self, path: Path, run: Mapping[str, Any]) -> None:
        """Write to a file, whole or not at all; ``run`` says which run it is of."""
        meta = {"format": FORMAT, "run": run, **{name: dataclasses.asdict(getattr(self, name)) for name in ("position", "times")}}
        content = io.BytesIO()
        np.savez(content, meta=np.array(json.dumps(meta)), **dict(self.state))  # type: ignore[arg-type]
        replace_file(path, content.getvalue())

    @classmethod
    def load(cls, path: Path, run: Mapping[str, Any], emulation: Emulation) -> Checkpoint | None:
        """Read what :meth:`save` wrote and bring the emulation to it; None if there is nothing.

        Raises
        ------
        DocumentError
            If it is damaged.
        UsageError
            If it is of another run.
        """
        if not path.exists():
            return None
        again = f"delete {path.parent} to begin anew"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                state = {name: data[name] for name in data.files}
            meta = json.loads(str(state.pop("meta")))
            if meta["format"] != FORMAT:
                raise DocumentError(str(path), "format", f"expected '{FORMAT}', found {meta['format']!r}; {again}")
            position, times = Position.of(meta["position"]), Times(**meta["times"])
        except DocumentError:
            raise
        # NumPy and zipfile raise many kinds of errors on damaged bytes, and none of them is a bug of ours
        except Exception as error:
            raise DocumentError(str(path), "", f"damaged ({type(error).__name__}); {again}") from None
        other = [key for key, value in json.loads(json.dumps(run)).items() if meta["run"].get(key) != value]
        if other:
            raise UsageError(f"{path.parent} holds another run (another {', '.join(other)}): name another folder, or {again}")
        emulation.restore(state)
        return cls(state, emulation.counters, position, dataclasses.replace(times, n_resumed=times.n_resumed + 1))


def record_run(
    emulation: Emulation,
    spec: NetworkSpec,
    plan: RunPlan,
    folder: Path,
    run: Mapping[str, Any],
    describe: Callable[[Counters, Times, int], tuple[dict[str, Any], dict[str, Any]]],
    report: Progress,
) -> Recording:
    """Run an emulation to its end, from where the folder's checkpoint is.

    Parameters
    ----------
    emulation : Emulation
        At its beginning.
    spec : NetworkSpec
    plan : RunPlan
    folder : Path
        Gets the recording and the checkpoint.
    run : mapping
        All that the spikes depend on besides the spec and the warm-up, as plain data: a checkpoint of another run is refused.
    describe : callable
        Gives activity counts and provenance from counters, times and the steps recorded.
    report : callable
        Called with phase, done, total.

    Raises
    ------
    UsageError
        If the folder holds another run, or more than is asked for.
    DocumentError
        If the folder is damaged.
    """
    run = {
        "network": spec.digest(),
        "warm-up": plan.n_warm,
        "selection of neurons": [plan.recorded, plan.sampled, plan.interval_steps if any(plan.sampled) else 0],
        **run,
    }
    last = Checkpoint.load(folder / CHECKPOINT, run, emulation)
    n_total = plan.n_warm + plan.n_kept
    if emulation.step > n_total:
        have = (emulation.step - plan.n_warm) * spec.dt
        raise UsageError(f"{folder} holds {have:g} ms already, {plan.n_kept * spec.dt:g} ms are asked for: ask for more, or name another folder")
    sampled = global_indices(plan.sampled, spec.sizes.tolist())
    with RecordingWriter(
        folder / RECORDING,
        spec.names,
        spec.sizes.tolist(),
        spec.dt,
        plan.n_warm + 1,
        recorded=plan.recorded,
        sampled=sampled,
        first_sample=plan.n_warm + plan.interval_steps,
        interval_steps=plan.interval_steps,
        at=None if last is None else last.position,
    ) as writer:

        def keep(checkpoint: Checkpoint, *, complete: bool = False) -> None:
            writer.rewind(checkpoint.position)
            writer.flush()
            checkpoint.save(folder / CHECKPOINT, run)
            if checkpoint.position.n_steps:
                writer.commit(*describe(checkpoint.counters, checkpoint.times, checkpoint.position.n_steps), complete=complete)

        last = last or Checkpoint(emulation.state(), emulation.counters, writer.position, Times())
        kept_at, kept_step = time.monotonic(), emulation.step
        keep(last)
        clock = time.perf_counter(), time.process_time()
        try:
            while emulation.step < n_total:
                phase, begin, end = (BIOLOGICAL[0], 0, plan.n_warm) if emulation.step < plan.n_warm else (BIOLOGICAL[1], plan.n_warm, n_total)
                if emulation.step in (begin, kept_step):
                    report(phase, (emulation.step - begin) * spec.dt, (end - begin) * spec.dt)
                n = _n_steps(end - emulation.step, emulation.step - kept_step, plan, len(sampled))
                if phase == BIOLOGICAL[0]:
                    emulation.advance(n)
                    if emulation.step == end:
                        emulation.reset_counters()
                else:
                    (step, neuron), v = _advance(emulation, n, plan, sampled)
                    writer.append(n, step, neuron, v)
                now = time.perf_counter(), time.process_time()
                times, clock = last.times.plus(phase, now[0] - clock[0], now[1] - clock[1]), now
                # in one assignment: whatever interrupts, state and position belong together
                last = Checkpoint(emulation.state(), emulation.counters, writer.position, times)
                report(phase, (emulation.step - begin) * spec.dt, (end - begin) * spec.dt)
                if _is_due(plan, emulation.step - kept_step, time.monotonic() - kept_at):
                    keep(last)
                    kept_at, kept_step = time.monotonic(), emulation.step
            keep(last, complete=True)
        except BaseException:
            with contextlib.suppress(OSError):  # of a full disk, say; what stopped the run is to be heard
                keep(last)
            raise
    return Recording.load(folder / RECORDING, verify=False)


def _is_due(plan: RunPlan, n_steps: int, seconds: float) -> bool:
    return seconds >= CHECKPOINT_EVERY_S if plan.checkpoint_steps is None else n_steps >= plan.checkpoint_steps


def _n_steps(left: int, since_checkpoint: int, plan: RunPlan, n_sampled: int) -> int:
    """Choose the length of the next chunk, so that a signal is soon heard and the potentials fit."""
    fitting = CHUNK_STEPS if not n_sampled else max(1, MAX_POTENTIALS // n_sampled) * plan.interval_steps
    until_checkpoint = CHUNK_STEPS if plan.checkpoint_steps is None else plan.checkpoint_steps - since_checkpoint
    return min(CHUNK_STEPS, fitting, until_checkpoint, left)


def _advance(emulation: Emulation, n_steps: int, plan: RunPlan, sampled: npt.NDArray[np.int32]) -> tuple[Spikes, npt.NDArray[np.float32] | None]:
    """Run some steps of the kept phase and sample the potentials that fall into them."""
    if not len(sampled):
        return emulation.advance(n_steps), None
    spikes: list[Spikes] = []
    v: list[npt.NDArray[np.float32]] = []
    end = emulation.step + n_steps
    while emulation.step < end:
        since = (emulation.step - plan.n_warm) % plan.interval_steps
        spikes.append(emulation.advance(min(end - emulation.step, plan.interval_steps - since)))
        if (emulation.step - plan.n_warm) % plan.interval_steps == 0:
            v.append(emulation.potentials(sampled))
    step, neuron = (np.concatenate(column) for column in zip(*spikes, strict=True))
    return (step, neuron), np.array(v, np.float32).reshape(-1, len(sampled))
