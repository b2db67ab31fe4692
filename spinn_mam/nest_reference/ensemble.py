"""An ensemble of NEST runs over seeds, each kept as a recording; a run that is there already is not repeated."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

from spinn_mam.errors import DocumentError, RunFailedError
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording


def recording_path(folder: Path, spec: NetworkSpec, seed: int) -> Path:
    """Where the recording of one seed lies."""
    return folder / f"{spec.model}-{spec.drive}-{spec.digest()[:8]}-seed{seed}"


def is_done(path: Path, t_sim: float) -> bool:
    """Whether a recording of at least ``t_sim`` ms is there."""
    if not path.exists():
        return False
    try:
        return Recording.load(path).duration_ms >= t_sim - 1e-6
    except DocumentError:
        return False


def run_ensemble(spec: NetworkSpec, seeds: Sequence[int], *, t_sim: float, warm_up: float, threads: int, folder: Path) -> list[Path]:
    """Run the seeds that are missing, one process each, and return the paths of all recordings.

    Parameters
    ----------
    spec : NetworkSpec
    seeds : sequence of int
    t_sim, warm_up : float
        Kept and discarded time (ms).
    threads : int
    folder : Path

    Raises
    ------
    RunFailedError
        If a run does not leave a recording.
    """
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # NEST's kernel is global: a process for each run
    for seed in seeds:
        path = recording_path(folder, spec, seed)
        if is_done(path, t_sim):
            print(f"seed {seed}: there already", flush=True)
            continue
        started = time.perf_counter()
        process = context.Process(target=_run_one, args=(spec, seed, t_sim, warm_up, threads, path))
        process.start()
        try:
            process.join()
        except KeyboardInterrupt:
            process.terminate()
            process.join()
            raise
        if process.exitcode != 0 or not path.exists():
            raise RunFailedError(
                f"the NEST run of seed {seed} ended with {process.exitcode}; finished seeds are kept in {folder}: run again to resume"
            )
        print(f"seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    return [recording_path(folder, spec, seed) for seed in seeds]


def _run_one(spec: NetworkSpec, seed: int, t_sim: float, warm_up: float, threads: int, path: Path) -> None:
    from spinn_mam.nest_reference.simulation import simulate

    simulate(spec, t_sim=t_sim, warm_up=warm_up, seed=seed, threads=threads).save(path)
