"""Currents that change in time: what each piece of a run has as constant current, in the cores' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.emulator.layout import I_OFFSET, Layout
from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.network.spec import NetworkSpec


@dataclass(frozen=True, slots=True)
class StepCurrents:
    """The changing currents of a layout's segments.

    Attributes
    ----------
    segments : tuple of int
    interval_steps : tuple of int
        Steps between two changes, for each of them.
    values : tuple of ndarray of int64
        Currents (nA, s16.15) in turn, for each of them.
    """

    segments: tuple[int, ...]
    interval_steps: tuple[int, ...]
    values: tuple[npt.NDArray[np.int64], ...]

    def set(self, table: npt.NDArray[Any], step: int) -> None:
        """Write the currents of a step into a table of segments."""
        for k, interval, values in zip(self.segments, self.interval_steps, self.values, strict=True):
            table[k, I_OFFSET] = values[min(step // interval, len(values) - 1)]

    def until_next(self, step: int) -> int:
        """Count the steps from this one to the next change; a large number if there is none."""
        left = [
            interval - step % interval
            for interval, values in zip(self.interval_steps, self.values, strict=True)
            if step // interval < len(values) - 1
        ]
        return min(left, default=2**62)


def step_currents(spec: NetworkSpec, layout: Layout) -> StepCurrents | None:
    """Return the changing currents of a network, or None if it has none.

    Raises
    ------
    UsageError
        If an interval is no whole number of steps.
    """
    found: list[tuple[int, int, npt.NDArray[np.int64]]] = []
    for k, p in enumerate(layout.population.tolist()):
        population = spec.populations[p]
        if population.current is None:
            continue
        steps = population.current.interval / spec.dt
        if steps < 0.5 or abs(steps - round(steps)) > 1e-6:
            raise UsageError(
                f"{population.name}: its current changes each {population.current.interval:g} ms, no whole number of steps of {spec.dt:g} ms"
            )
        values = np.array([to_s1615((population.I_e + value) / 1000.0) for value in population.current.values], np.int64)
        found.append((k, round(steps), values))
    return StepCurrents(*zip(*found, strict=True)) if found else None
