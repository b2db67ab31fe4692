"""What PyNN's classes ask of a simulator: the state of the one network that is being built and run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pyNN import common

from spinn_mam.errors import UsageError

if TYPE_CHECKING:
    from spinn_mam.pynn.execution import Execution

#: The name that recorded data carry.
name = "spinn_mam"


class ID(int, common.IDMixin):
    """Number of a cell, from 0 in the order of creation."""

    def __init__(self, n: int) -> None:
        common.IDMixin.__init__(self)


class State(common.control.BaseState):
    """Settings, populations, projections and the run.

    Attributes
    ----------
    dt : float
        Time step (ms).
    seed : int
        Of Poisson sources.
    threads : int
    shortest, longest : float or "auto"
        Delay of synapses that give none, and limit of delays (ms); "auto": a time step, and none.
    shift_of_stamps : int
        Steps from a neuron's loop step to the time stamp of its spike: 0 in the machine's convention, 1 in NEST's.
    populations, projections : list
        In the order of creation.
    execution : Execution or None
        The running network; None until it is needed.
    """

    mpi_rank, num_processes = 0, 1

    def __init__(self) -> None:
        super().__init__()
        self.dt = 0.1
        self.shortest: float | str = "auto"
        self.longest: float | str = "auto"
        self.seed, self.threads, self.shift_of_stamps = 0, 1, 0
        self.clear()

    def clear(self) -> None:
        """Forget the network."""
        self.recorders: set[Any] = set()
        self.write_on_end: list[Any] = []
        self.populations: list[Any] = []
        self.projections: list[Any] = []
        self.n_cells = 0
        self.segment_counter = -1
        self.execution: Execution | None = None
        self.reset()

    def reset(self) -> None:
        """Go back to time 0 and the initial values."""
        self.running = False
        self.step, self.t_start = 0, 0
        self.segment_counter += 1
        if self.execution is not None:
            self.execution.restart()

    def changed(self) -> None:
        """Note that populations, parameters or synapses are no longer those of the execution."""
        if self.execution is not None:
            self.execution.outdated = True

    @property
    def steps_per_ms(self) -> float:
        """Time steps in a millisecond, from the step in whole microseconds as the SpiNNaker tools have it."""
        return 1000.0 / round(self.dt * 1000.0)

    @property
    def min_delay(self) -> float:
        """Shortest delay (ms): as it was set up, or else that of all synapses; a time step if there are none."""
        return float(min(self._delays("min"), default=self.dt) if self.shortest == "auto" else self.shortest)

    @property
    def max_delay(self) -> float:
        """Longest delay (ms): as it was set up, or else that of all synapses; a time step if there are none."""
        return float(max(self._delays("max"), default=self.dt) if self.longest == "auto" else self.longest)

    def _delays(self, extreme: str) -> list[float]:
        """Extreme delay of each projection that has synapses."""
        return [round(float(getattr(p.column("delay"), extreme)()), 9) for p in self.projections if len(p)]

    @property
    def t(self) -> float:
        """Time (ms), without the rounding errors of a sum."""
        return round(self.step * self.dt, 9)

    def prepared(self) -> Execution:
        """Return the execution of the network as it is now."""
        from spinn_mam.pynn.execution import Execution

        if self.execution is None:
            self.execution = Execution(self)
        elif self.execution.outdated:
            self.execution = self.execution.renewed()
        return self.execution

    def run_until(self, time: float) -> None:
        """Run until a time (ms), rounded to the nearest step."""
        if not math.isfinite(time):
            raise UsageError(f"run to {time} ms: the time must be finite")
        stop = round(time / self.dt)
        if not self.populations:
            raise UsageError("there is nothing to run: call setup() and make a Population first")
        self.running = True
        self.prepared().advance(stop - self.step)


state = State()
