"""A Neo block of a recording, in a NIX file or a pickle, as PyNN, Elephant and Neo's own tools exchange them.

Each neuron has a spike train, silent ones too. That is what readers expect, and it costs: Neo's NIX writer makes HDF5 objects of about 22 kB for
each, in some tens of milliseconds. So the number of trains in a file is limited; tables and text take whole networks.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spinn_mam.errors import MissingExtraError, UsageError
from spinn_mam.formats.excerpt import Excerpt

if TYPE_CHECKING:
    import neo

#: Spike trains that a NIX file takes: minutes to write, and a quarter of a GB.
MOST_NIX_TRAINS = 10_000
#: Spikes that a block takes: 8 bytes each, and as much again while it is written.
MOST_SPIKES = 100_000_000


def neo_block(excerpt: Excerpt) -> neo.Block:
    """Make a Neo block of one segment, with a spike train for each neuron, silent ones too, annotated as PyNN does.

    Parameters
    ----------
    excerpt : Excerpt
        A full-scale microcircuit of 77,169 neurons takes about 20 s.

    Returns
    -------
    neo.Block
        Times count from the beginning of the simulation (ms). Trains have ``source_population`` and, in the population, ``source_index``;
        potentials are an analog signal for each population, a channel for each neuron.

    Raises
    ------
    UsageError
        If there are too many spikes to hold in memory.
    """
    import neo
    import quantities as pq
    from neo.core.spiketrainlist import SpikeTrainList

    run = excerpt.recording
    n_spikes = sum(len(step) for step, _, _ in excerpt.pieces())
    if n_spikes > MOST_SPIKES:
        raise UsageError(
            f"{n_spikes:,} spikes are too many for a Neo block, at most {MOST_SPIKES:,} are held in memory: give a shorter window with --start and "
            "--stop, fewer --neurons, or --format parquet"
        )
    firsts = np.concatenate([[0], np.cumsum(excerpt.chosen)])
    train = np.concatenate([np.zeros(0, np.int64), *(firsts[population] + neuron for _, population, neuron in excerpt.pieces())])
    order = np.argsort(train, kind="stable")
    times = np.concatenate([np.zeros(0), *(step * run.dt for step, _, _ in excerpt.pieces())])[order]
    bounds = np.searchsorted(train[order], np.arange(excerpt.n_neurons + 1)).tolist()
    start, stop = run.start_step * run.dt, run.stop_step * run.dt
    block = neo.Block(name="spinn_mam recording")
    block.annotate(**{k: v for k, v in run.provenance.items() if isinstance(v, str | int | float)}, dt_ms=run.dt)
    segment = neo.Segment(name="kept phase")
    block.segments.append(segment)
    trains = []
    for p in excerpt.populations:
        for i in range(excerpt.chosen[p]):
            of = times[bounds[firsts[p] + i] : bounds[firsts[p] + i + 1]]
            # plain numbers for start and stop: quantities would be converted for each train, which takes twice as long
            trains.append(neo.SpikeTrain(of, units=pq.ms, t_start=start, t_stop=stop, source_population=run.names[p], source_index=i))
            trains[-1].segment = segment
    _add_potentials(segment, excerpt)
    # one by one Neo compares each train with all before it: minutes for a full-scale network
    segment.spiketrains = SpikeTrainList(items=trains, parent=segment)
    return block


def _add_potentials(segment: neo.Segment, excerpt: Excerpt) -> None:
    """Add the sampled potentials of each population as one analog signal."""
    import neo
    import quantities as pq

    run = excerpt.recording
    if run.potentials is None or not len(run.potentials.v):
        return
    for p, index, v in excerpt.potentials():
        signal = neo.AnalogSignal(
            v,
            units=pq.mV,
            t_start=run.potentials.first_step * run.dt * pq.ms,
            sampling_period=run.potentials.interval_steps * run.dt * pq.ms,
            name="v",
            source_population=run.names[p],
            array_annotations={"channel_index": index},
        )
        segment.analogsignals.append(signal)
        signal.segment = segment


def write_nix(path: Path, excerpt: Excerpt) -> None:
    """Write a NIX file by Neo.

    Raises
    ------
    MissingExtraError
        If nixio is not installed.
    UsageError
        If there are too many neurons or spikes.
    """
    if importlib.util.find_spec("nixio") is None:
        raise MissingExtraError("NIX", "formats", "nixio")
    if excerpt.n_neurons > MOST_NIX_TRAINS:
        raise UsageError(
            f"{excerpt.n_neurons:,} spike trains are too many for a NIX file, at most {MOST_NIX_TRAINS:,} are written (each takes about 22 kB and "
            "tens of milliseconds): give --neurons N for N of each population, or use --format parquet, nest or pickle"
        )
    from neo.io import NixIO

    with NixIO(str(path), mode="ow") as file:
        file.write_block(neo_block(excerpt))


def write_pickle(path: Path, excerpt: Excerpt) -> None:
    """Write a pickle by Neo; to be read with the same versions of Neo and its packages, from sources that are trusted.

    Raises
    ------
    UsageError
        If there are too many spikes.
    """
    from neo.io import PickleIO

    PickleIO(str(path)).write_block(neo_block(excerpt))
