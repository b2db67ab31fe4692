"""The verb reference: runs of one network over seeds, whose spread says how far another run may stray."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.comparison import build_reference_statistics
from spinn_mam.comparison.reference import FORMAT
from spinn_mam.comparison.thresholds import MIN_SEEDS
from spinn_mam.errors import DoesNotFitError, UsageError
from spinn_mam.flow.folder import check_file, check_place
from spinn_mam.flow.settings import RunSettings, one_of
from spinn_mam.flow.stages import make_backend
from spinn_mam.nest_reference.ensemble import run_ensemble, run_in_nest
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.provenance import command_line, versions
from spinn_mam.recording import Recording

#: What can make an ensemble, with the packages that its runs depend on beside this one.
MAKERS = {"nest": ("nest-simulator",), "emulator": ()}


#: More are a slip of the keyboard.
MOST_SEEDS = 1000


def read_seeds(text: str) -> list[int]:
    """Read ``1-5`` or ``1,4,7``.

    Raises
    ------
    UsageError
        If these are no seeds, or a seed occurs twice.

    Examples
    --------
    >>> read_seeds("1-3"), read_seeds("1,4")
    ([1, 2, 3], [1, 4])
    """
    first, dash, last = text.partition("-")
    try:
        found = list(range(int(first), min(int(last), int(first) + MOST_SEEDS) + 1)) if dash else [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) > MOST_SEEDS:
        raise UsageError(f"--seeds {text}: at most {MOST_SEEDS:,} seeds; some ten give the spread")
    if not found or min(found) < 1 or max(found) >= 2**32 or len(set(found)) != len(found):
        raise UsageError(f"--seeds {text}: give different seeds of 1 to 2^32 - 1, such as 1-5 or 1,4,7")
    return found


def make_reference(
    settings: RunSettings, seeds: Sequence[int], folder: Path, write: Path, command: Sequence[str], say: Callable[[str], None]
) -> None:
    """Run the seeds that are missing, and reduce all of them to reference statistics.

    Parameters
    ----------
    settings : RunSettings
        Model, scales, backend, times and threads; its seed does not count.
    seeds : sequence of int
    folder : Path
        Where recordings are kept, to go on from.
    write : Path
        The reference statistics (.json); their table lies beside it.
    command : sequence of str
        As ``sys.argv``.
    say : function of str
        Told of each seed.

    Raises
    ------
    UsageError
        If there are too few seeds, the backend makes no ensembles, the statistics could not be written, or others are there.
    DoesNotFitError
        If a run does not fit the computer.
    """
    one_of("--backend", settings.backend, tuple(MAKERS))
    if len(seeds) < MIN_SEEDS:
        raise UsageError(f"--seeds: {len(seeds)} give no spread, thresholds need at least {MIN_SEEDS}: give more, such as 1-5")
    if write.suffix != ".json":
        raise UsageError(f"--write {write}: reference statistics are a .json document: name one")
    check_file("--write", write)
    check_place(folder)
    _, spec = settings.load()
    _check_there(write, spec)
    config = RunConfig(settings.t_sim, settings.warm_up, seeds[0], settings.threads, "law" if settings.backend == "nest" else "shared")
    violations = make_backend(settings.backend).check(Network.from_seed(spec, seeds[0]), config, None)
    if violations:
        raise DoesNotFitError(f"{settings.backend} backend", violations)
    new = "" if write.parent.is_dir() else f", in the new folder {write.parent}"
    say(f"recordings in {folder}; reference statistics will be {write}{new}")
    paths = run_ensemble(
        spec,
        seeds,
        t_sim=settings.t_sim,
        warm_up=settings.warm_up,
        threads=settings.threads,
        folder=folder,
        backend=settings.backend,
        simulate=run_in_nest if settings.backend == "nest" else run_on_emulator,
        say=say,
    )
    recordings = [Recording.load(path).window(0.0, settings.t_sim) for path in paths]
    rates = [recording.rates() for recording in recordings]
    provenance = {
        "command": command_line(command),
        "backend": settings.backend,
        "dynamics_digest": spec.dynamics_digest(),
        "model": spec.model,
        "drive": spec.drive,
        "N_scaling": spec.N_scaling,
        "K_scaling": spec.K_scaling,
        "n_synapses": spec.n_synapses,
        "warm_up_ms": settings.warm_up,
        "threads": settings.threads,
        "versions": versions(MAKERS[settings.backend]),
        "mean_rates": {name: [round(of_seed[name], 4) for of_seed in rates] for name in spec.names},
    }
    write.parent.mkdir(parents=True, exist_ok=True)
    build_reference_statistics(recordings, seeds, provenance=provenance).save(write)
    say(f"reference statistics: {write}")


def _check_there(write: Path, spec: NetworkSpec) -> None:
    """Refuse to write over what is no reference of this network: an earlier one is only ever extended."""
    if not write.exists():
        return
    try:
        document = json.loads(write.read_text(encoding="utf-8"))
        ours, there = document["format"] == FORMAT, document["provenance"]
    except (ValueError, KeyError, TypeError):
        ours, there = False, {}
    if not ours:
        raise UsageError(f"--write {write}: is there and holds no reference statistics; name another file")
    if there.get("dynamics_digest") != spec.dynamics_digest():
        scale = ", ".join(f"{key} {there[key]:g}" for key in ("N_scaling", "K_scaling") if isinstance(there.get(key), int | float))
        raise UsageError(f"--write {write}: holds the statistics of another network ({there.get('model')}, {scale}); name another file")


def run_on_emulator(spec: NetworkSpec, seed: int, t_sim: float, warm_up: float, threads: int, path: Path) -> None:
    """Run one seed on the emulator, in this process; a run that was interrupted, or is too short, goes on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(KeyboardInterrupt):  # the run has kept what it has, and whoever asked for it says the rest
        make_backend("emulator", path.parent).start(Network.from_seed(spec, seed), RunConfig(t_sim, warm_up, seed, threads, "shared"), None).result()
