"""What of a recording is written: a window, and the first neurons of each population."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import spinn_mam
from spinn_mam.errors import UsageError
from spinn_mam.recording import Recording, parse_selection

#: Length of the pieces that are handled at a time (ms), so that memory does not grow with a recording.
PIECE_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a recording that is written; neurons keep the numbers that they have in the network.

    Attributes
    ----------
    recording : Recording
        Cut to the window.
    chosen : tuple of int
        How many neurons of each population: its first ones.
    """

    recording: Recording
    chosen: tuple[int, ...]

    @classmethod
    def of(cls, recording: Recording, chosen: Sequence[int] | None = None) -> Excerpt:
        """Take some neurons of each population, by default all that are recorded."""
        return cls(recording, recording.recorded if chosen is None else tuple(chosen))

    @property
    def populations(self) -> list[int]:
        """Indices of the populations of which there are neurons."""
        return [p for p, n in enumerate(self.chosen) if n]

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return sum(self.chosen)

    def pieces(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int16], npt.NDArray[np.int32]]]:
        """Yield step, population and index in the population of the spikes, in the order of time, a second at once."""
        run = self.recording
        chosen = np.array(self.chosen)
        at = 0.0
        while at < run.duration_ms - run.dt / 2:
            piece = run.window(at, min(at + PIECE_MS, run.duration_ms))
            at += piece.duration_ms
            population = np.searchsorted(run.offsets, piece.neuron, side="right") - 1
            neuron = piece.neuron - run.offsets[population]
            kept = neuron < chosen[population]
            yield piece.step[kept], population[kept].astype(np.int16), neuron[kept].astype(np.int32)

    def potentials(self) -> Iterator[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Yield population, indices in it of the sampled neurons, and their potentials (mV) of shape (n_samples, n_neurons)."""
        sampled = self.recording.potentials
        if sampled is None:
            return
        owner = np.searchsorted(self.recording.offsets, sampled.neuron, side="right") - 1
        for p in np.unique(owner).tolist():
            yield p, sampled.neuron[owner == p] - self.recording.offsets[p], sampled.v[:, owner == p]

    def description(self) -> dict[str, Any]:
        """Return what a reader needs beside the spikes, as plain data."""
        run = self.recording
        return {
            "format": "spinn_mam.spikes/1",
            "program": f"spinn_mam {spinn_mam.__version__}",
            "dt_ms": run.dt,
            "start_ms": run.start_step * run.dt,
            "stop_ms": run.stop_step * run.dt,
            "populations": {run.names[p]: {"size": run.sizes[p], "recorded": self.chosen[p]} for p in self.populations},
            "provenance": run.provenance,
        }


def chosen_neurons(text: str, names: Sequence[str], sizes: Sequence[int]) -> tuple[int, ...]:
    """Read how many neurons of each population are wanted, as :func:`spinn_mam.recording.parse_selection` does.

    Raises
    ------
    UsageError
        If there is no such population, it has fewer, or nothing is left.
    """
    chosen = parse_selection("--neurons", text, names, sizes)
    if not any(chosen):
        raise UsageError(f"--neurons {text}: no neuron is left")
    return chosen
