"""An ensemble of runs over seeds, each kept as a recording; a run that is there already is not repeated."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from spinn_mam.errors import DocumentError, RunFailedError
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording

#: Runs a seed and leaves its recording: network, seed, kept and discarded time (ms), threads, path of the recording.
Simulate = Callable[[NetworkSpec, int, float, float, int, Path], None]


def recording_path(folder: Path, spec: NetworkSpec, seed: int, backend: str = "nest") -> Path:
    """Where the recording of one seed lies: beside it the emulator keeps what it needs to go on."""
    name = f"{spec.model}-{spec.drive}-{spec.digest()[:8]}"
    return folder / f"{name}-seed{seed}" if backend == "nest" else folder / f"{name}-{backend}-seed{seed}" / "recording"


def is_done(path: Path, t_sim: float, warm_up: float) -> bool:
    """Whether a whole recording of at least ``t_sim`` ms after ``warm_up`` ms is there."""
    if not path.exists():
        return False
    try:
        recording = Recording.load(path)
    except DocumentError:
        return False
    return recording.complete and recording.duration_ms >= t_sim - 1e-6 and recording.start_step == round(warm_up / recording.dt) + 1


def run_ensemble(
    spec: NetworkSpec,
    seeds: Sequence[int],
    *,
    t_sim: float,
    warm_up: float,
    threads: int,
    folder: Path,
    backend: str,
    simulate: Simulate,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Run the seeds that are missing, one process each, and return the paths of all recordings.

    Parameters
    ----------
    spec : NetworkSpec
    seeds : sequence of int
    t_sim, warm_up : float
        Kept and discarded time (ms).
    threads : int
    folder : Path
    backend : str
        Name of what runs them.
    simulate : function
        Runs one seed.
    say : function of str
        Told of each seed.

    Raises
    ------
    RunFailedError
        If a run does not leave a recording.
    """
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # NEST's kernel is global: a process for each run
    paths = [recording_path(folder, spec, seed, backend) for seed in seeds]
    took = 0.0
    for k, (seed, path) in enumerate(zip(seeds, paths, strict=True), 1):
        if is_done(path, t_sim, warm_up):
            say(f"seed {seed}: there already")
            continue
        say(f"seed {seed}: {k} of {len(seeds)}, {warm_up + t_sim:g} ms on {backend}{f', the last took {took:.0f} s' if took else ''}")
        started = time.perf_counter()
        process = context.Process(target=simulate, args=(spec, seed, t_sim, warm_up, threads, path))
        process.start()
        try:
            process.join()
        except BaseException:  # also a signal, which is no exception of this package's
            process.terminate()
            process.join()
            raise
        if process.exitcode != 0 or not is_done(path, t_sim, warm_up):
            raise RunFailedError(
                f"the {backend} run of seed {seed} ended with {process.exitcode}; finished seeds are kept in {folder}: run again to resume"
            )
        took = time.perf_counter() - started
        say(f"seed {seed}: {took:.0f} s")
    return paths


def run_in_nest(spec: NetworkSpec, seed: int, t_sim: float, warm_up: float, threads: int, path: Path) -> None:
    """Run one seed in NEST, in this process."""
    from spinn_mam.nest_reference.simulation import simulate

    simulate(spec, t_sim=t_sim, warm_up=warm_up, seed=seed, threads=threads).save(path)
