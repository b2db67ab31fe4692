"""Check what the machine's generators made: synapse for synapse against what this package makes from the same seeds and slices."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.spinnaker.job import SYNAPSES, Job, synapse_seed
from spinn_mam.errors import RunFailedError
from spinn_mam.expander.plan import plan_expansion
from spinn_mam.expander.region import MatrixLayout
from spinn_mam.expander.specification import source_and_stage
from spinn_mam.fixed_point.ring_buffer import weight_scales

IntArray = npt.NDArray[np.int64]


def compare_synapses(job: Job, folder: Path) -> dict[str, Any]:
    """Compare the synapses that were read back with those made here.

    Parameters
    ----------
    job : Job
    folder : Path
        Of the child, with the synapses.

    Returns
    -------
    dict
        ``n_synapses_compared`` and ``synapses_digest`` (of all synapses), for the manifest.

    Raises
    ------
    RunFailedError
        If a synapse differs: names projection and number.
    """
    spec = job.network.spec
    shifts = np.array(job.shifts, np.int64)
    scales = weight_scales(shifts) * 1000.0  # units for each nA
    state, n_compared = hashlib.blake2b(digest_size=16), 0
    seeds = [synapse_seed(job.network, index) for index in range(len(spec.populations))]
    plans = plan_expansion(spec, seeds, job.neurons_per_core, shifts, job.delay_offset_steps)
    with np.load(folder / SYNAPSES, allow_pickle=False) as stored:
        for plan in plans:
            for index, edge, (_, made) in zip(plan.projections, plan.expander.edges, plan.expander.expand(), strict=True):
                projection, read = spec.projections[index], stored[f"projection {index}"]
                scale = scales[plan.population, int(projection.receptor == "inhibitory")]
                weight = np.rint(np.abs(read["weight"]) * scale)
                source, delay = _sources_and_delays(read["source"], read["delay"] / spec.dt, edge.matrix)
                ours = _sorted(made.source, made.target, made.weight, made.delay)
                theirs = _sorted(source, read["target"], weight, delay)
                _check_same(f"{spec.names[projection.source]} to {spec.names[projection.target]}", ours, theirs)
                state.update(ours.tobytes())
                n_compared += ours.shape[1]
    return {"n_synapses_compared": n_compared, "synapses_digest": state.hexdigest()}


def _sources_and_delays(source: npt.NDArray[Any], delay: npt.NDArray[Any], layout: MatrixLayout) -> tuple[IntArray, IntArray]:
    """Find the neurons whose spikes read rows of delay extensions, and the delays (steps) from these spikes on."""
    source, steps = source.astype(np.int64), np.rint(delay).astype(np.int64)
    extended = steps < 0
    rows, which = np.unique(source[extended], return_inverse=True)
    sends = np.array([source_and_stage(row, layout) for row in rows.tolist()], np.int64).reshape(-1, 2)[which]
    within = -1 - steps[extended]
    source[extended] = sends[:, 0]
    # a full stage is written as 0
    steps[extended] = sends[:, 1] * layout.stage_steps + np.where(within == 0, layout.stage_steps, within)
    return source, steps


def _sorted(*columns: npt.NDArray[Any]) -> IntArray:
    """Sort synapses by all columns, shape (4, n_synapses)."""
    table = np.array([column.astype(np.int64) for column in columns])
    return table[:, np.lexsort(table[::-1])]


def _check_same(where: str, ours: IntArray, theirs: IntArray) -> None:
    if ours.shape != theirs.shape:
        raise RunFailedError(
            f"{where}: the machine has {theirs.shape[1]:,} synapses, its generators make {ours.shape[1]:,} from these seeds and slices"
        )
    wrong = np.flatnonzero((ours != theirs).any(axis=0))
    if len(wrong):
        first = int(wrong[0])
        columns = "source, target, weight (units), delay (steps)"
        raise RunFailedError(
            f"{where}: {len(wrong):,} of {ours.shape[1]:,} synapses on the machine are not those made here from the same seeds and slices; "
            f"the first: {columns} = {theirs[:, first].tolist()} there, {ours[:, first].tolist()} here"
        )
