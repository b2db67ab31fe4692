"""Speed of the virtual board: wall time for each core and time step, on several threads against one.

Problem
    The board runs the cores' own binaries; how long a run takes follows from cores, time steps and this figure.
Method
    Quiet cores of 64 ``IF_curr_exp`` neurons, loaded and run by sPyNNaker. Boards with one and with several threads take
    turns; the medians are compared. Only the wall time counts in which the board's virtual time passed: no start, no loading.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spinn_mam.errors import RunFailedError
from spinn_mam.virtual_board.script import run_script

#: The binary that the benchmark's cores run.
_BINARY = "IF_curr_exp"
SCRIPT = Path(__file__).parents[1] / "backends" / "spinnaker" / "quiet_cores.py"


@dataclass(frozen=True, slots=True)
class BoardSpeed:
    """What was measured.

    Attributes
    ----------
    cores, neurons_per_core, steps : int
    instructions : float
        Of a core in a time step, mean.
    ms : dict of int to list of float
        Wall time for each core and time step in milliseconds, one value a repetition, by the number of threads.
    """

    cores: int
    neurons_per_core: int
    steps: int
    instructions: float
    ms: dict[int, list[float]]

    @property
    def medians(self) -> dict[int, float]:
        """Median by the number of threads."""
        return {threads: statistics.median(values) for threads, values in self.ms.items()}

    @property
    def ratio(self) -> float:
        """How many times as fast the most threads are as one."""
        medians = self.medians
        return medians[1] / medians[max(medians)]


def measure_board(
    cores: int = 48,
    neurons_per_core: int = 64,
    steps: int = 1000,
    repeats: int = 3,
    threads: int = 2,
    progress: Callable[[str], None] = lambda text: None,
) -> BoardSpeed:
    """Measure the board with one and with several threads in turn.

    Parameters
    ----------
    cores, neurons_per_core, steps : int
    repeats : int
        Boards of each kind.
    threads : int
        Of the board that is compared with one of a single thread.
    progress : callable
        Told what is measured.

    Returns
    -------
    BoardSpeed

    Raises
    ------
    RunFailedError
        If the script fails.
    """
    ms: dict[int, list[float]] = {1: [], threads: []}
    instructions = 0.0
    for repeat in range(repeats):
        for n in ms:
            with tempfile.TemporaryDirectory(prefix="spinn-mam-bench-") as folder:
                log = Path(folder) / "log.txt"
                result = run_script(SCRIPT, [str(cores), str(neurons_per_core), str(steps)], threads=n, log=log)
                if result.exit_code or not result.reports:
                    last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
                    raise RunFailedError(f"the benchmark's script ended with exit code {result.exit_code}; it last printed:\n{last}")
            load = result.reports[-1].binaries[_BINARY]
            ms[n].append(1e3 * result.reports[-1].ticking_s / load.ticks)
            instructions = load.instructions_mean
            progress(f"round {repeat + 1} of {repeats}, {n} thread{'s' * (n > 1)}: {ms[n][-1]:.3f} ms a core and time step")
    return BoardSpeed(cores, neurons_per_core, steps, instructions, ms)
