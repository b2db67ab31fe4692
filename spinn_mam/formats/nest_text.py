"""Spikes as text, as NEST's recording backend ``ascii`` leaves them.

A folder holds ``spike_recorder-ID-0.dat`` for each population, with NEST's three lines of header and then the node and the time of each spike (ms);
``voltmeter-ID-0.dat`` with node, time and potential (mV), if potentials are recorded; ``population_nodeids.dat`` with the first and the last node
of each; and ``nodes.json`` with the nodes of populations and recorders: what the plotting and analysis programs of the microcircuit read
(https://github.com/INM-6/microcircuit-PD14-model and NEST's example). Nodes are numbered from 1 in the order of the network, the recorders come
after them.

Reference: NEST 3.10, recording backend ``ascii``, version 2 of its format.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

import spinn_mam
from spinn_mam.formats.excerpt import Excerpt

HEADER = f"# NEST version: none, written by spinn_mam {spinn_mam.__version__}\n# RecordingBackendASCII version: 2\nsender\ttime_ms\n"
#: Digits after the point that NEST writes if it is not told otherwise.
NEST_PRECISION = 3


def write_nest_text(folder: Path, excerpt: Excerpt) -> None:
    """Write the files into a folder that is there.

    Parameters
    ----------
    folder : Path
    excerpt : Excerpt
    """
    run = excerpt.recording
    recorders = recorder_ids(int(run.offsets[-1]), 2 * len(run.names))
    voltmeters = {p: recorders[len(run.names) + p] for p, _, _ in excerpt.potentials()}
    nodes = {run.names[p]: list(range(int(run.offsets[p]) + 1, int(run.offsets[p]) + 1 + excerpt.chosen[p])) for p in excerpt.populations}
    bounds = [f"{ids[0]} {ids[-1]}\n" for ids in nodes.values()]
    (folder / "population_nodeids.dat").write_text("".join(bounds), encoding="ascii")
    devices = {f"spike_recorder_{run.names[p]}": [recorders[p]] for p in excerpt.populations}
    devices |= {f"voltmeter_{run.names[p]}": [node] for p, node in voltmeters.items()}
    (folder / "nodes.json").write_text(json.dumps({**nodes, **devices}), encoding="utf-8")
    (folder / "spikes.json").write_text(json.dumps(excerpt.description(), indent=1) + "\n", encoding="utf-8")
    with ExitStack() as stack:
        files = {p: stack.enter_context((folder / f"spike_recorder-{recorders[p]}-0.dat").open("w", encoding="ascii")) for p in excerpt.populations}
        for file in files.values():
            file.write(HEADER)
        for step, population, neuron in excerpt.pieces():
            for p, file in files.items():
                mine = population == p
                _write_lines(file, step[mine], neuron[mine] + run.offsets[p] + 1, run.dt)
    for p, index, v in excerpt.potentials():
        with (folder / f"voltmeter-{voltmeters[p]}-0.dat").open("w", encoding="ascii") as file:
            file.write(HEADER.rstrip() + "\tV_m\n")
            _write_potentials(file, index + run.offsets[p] + 1, excerpt, v)


def recorder_ids(n_neurons: int, n_recorders: int) -> list[int]:
    """Return the nodes of recorders: after all neurons, and with equally many digits, since readers sort them as text."""
    first = n_neurons + 1
    if len(str(first)) != len(str(first + n_recorders - 1)):
        first = 10 ** len(str(first))
    return list(range(first, first + n_recorders))


def decimals(dt: float) -> int:
    """Return how many digits after the point tell all steps of ``dt`` (ms) apart: NEST's three, or as many as ``dt`` has."""
    return next((n for n in range(NEST_PRECISION, 12) if round(dt, n) == dt), 12)


def _write_potentials(file: IO[str], node: npt.NDArray[np.int64], excerpt: Excerpt, v: npt.NDArray[np.float32]) -> None:
    """Write a line for each neuron and sample, sample after sample."""
    run = excerpt.recording
    assert run.potentials is not None
    digits, nodes = decimals(run.dt), node.tolist()
    for step, row in zip(run.potentials.step.tolist(), v, strict=True):
        time = f"\t{step * run.dt:.{digits}f}\t"
        file.write("".join([f"{i}{time}{x:.{NEST_PRECISION}f}\n" for i, x in zip(nodes, row.tolist(), strict=True)]))


def _write_lines(file: IO[str], step: npt.NDArray[np.int64], node: npt.NDArray[np.int64], dt: float) -> None:
    """Write a line for each spike; each time is formatted once."""
    digits = decimals(dt)
    steps, which = np.unique(step, return_inverse=True)
    times = [f"\t{k * dt:.{digits}f}\n" for k in steps.tolist()]
    file.write("".join([f"{i}{times[k]}" for i, k in zip(node.tolist(), which.tolist(), strict=True)]))
