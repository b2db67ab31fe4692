"""All synapses that the cores of one target population make for themselves: the fast path.

Problem
    The full-scale cortical microcircuit has 3e8 synapses on some 1,000 cores; each core walks its population's whole
    stream to find its share.

Method
    Cores of a population differ in slice and core seed alone. Edge by edge the population stream is walked once, its
    draws are dealt over slices, and all cores complete their shares in parallel (:mod:`.kernels`). Streams run on to the
    next edge.

Cost
    Two words of the population stream and about three of a core's for each synapse of a fixed total number: some
    30 ns a synapse and thread; 12 bytes a synapse of the edge at hand.

Reference
    :mod:`spinn_mam.expander.specification`, whose synapses these are, in its order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.expander import kernels
from spinn_mam.expander.region import (
    FIXED_POST,
    FIXED_PROBABILITY,
    FIXED_TOTAL,
    NONE,
    Edge,
    ExpanderRegion,
)
from spinn_mam.expander.specification import Synapses, edge_scale
from spinn_mam.fixed_point.random_streams import normal_table, padded, stream_states

_FAILURES = {
    kernels.NO_ROOM: "no row has room for a synapse: the host reserved rows that are too short",
    kernels.NEVER_IN_BOUNDS: "1,000 draws of a clipped distribution were all outside its bounds: widen them",
    kernels.NO_MATRIX: "a delay needs a synaptic matrix that the host did not reserve",
}


@dataclass(frozen=True, slots=True)
class PopulationExpander:
    """A target population whose cores make their synapses.

    Attributes
    ----------
    bounds : tuple of int
        Slice k holds targets [bounds[k], bounds[k + 1]).
    steps_per_ms : int
        s16.15.
    population_seed : tuple of int
        4 words.
    core_seeds : tuple of tuple of int
        4 words for each slice.
    weight_scales : tuple of int
        Of each receptor (u32.32).
    edges : tuple of Edge
        Incoming projections, in the order in which the host writes them.
    """

    bounds: tuple[int, ...]
    steps_per_ms: int
    population_seed: tuple[int, ...]
    core_seeds: tuple[tuple[int, ...], ...]
    weight_scales: tuple[int, ...]
    edges: tuple[Edge, ...]

    @classmethod
    def from_regions(cls, regions: Sequence[ExpanderRegion]) -> PopulationExpander:
        """Join the regions of all cores of a population.

        Parameters
        ----------
        regions : sequence of ExpanderRegion
            In order of their slices, without gaps.

        Raises
        ------
        UsageError
            If they do not belong to one population.
        """
        if not regions:
            raise UsageError("a population of no cores has no synapses to expand: give at least one region")
        first = regions[0]
        bounds = [first.slice_start]
        for region in regions:
            alike = (region.population_seed, region.steps_per_ms, region.weight_scales, region.edges)
            if alike != (first.population_seed, first.steps_per_ms, first.weight_scales, first.edges) or region.slice_start != bounds[-1]:
                raise UsageError(
                    f"the region of targets {region.slice_start} on does not follow targets up to {bounds[-1] - 1} of the same population: "
                    "give the regions of one population in order of their slices"
                )
            bounds.append(region.slice_start + region.slice_size)
        return cls(tuple(bounds), first.steps_per_ms, first.population_seed, tuple(r.core_seed for r in regions), first.weight_scales, first.edges)

    @property
    def n_slices(self) -> int:
        """Number of cores."""
        return len(self.bounds) - 1

    def region(self, k: int) -> ExpanderRegion:
        """Give what core k is told, apart from the numbers of its regions."""
        return ExpanderRegion(
            NONE,
            NONE,
            NONE,
            NONE,
            self.bounds[k],
            self.bounds[k + 1] - self.bounds[k],
            self.steps_per_ms,
            self.population_seed,
            self.core_seeds[k],
            self.weight_scales,
            self.edges,
        )

    def expand(self) -> Iterator[tuple[npt.NDArray[np.int64], Synapses]]:
        """Make all synapses, edge by edge.

        Yields
        ------
        offsets : ndarray of int64, shape (n_slices + 1,)
            Synapses [offsets[k], offsets[k + 1]) are those of slice k.
        synapses : Synapses
            In the order in which each core makes them.

        Raises
        ------
        UsageError
            Where a core would stop with an error.
        """
        shared, own = stream_states([self.population_seed])[0], stream_states(self.core_seeds)
        bounds = np.array(self.bounds, np.int64)
        for number, edge in enumerate(self.edges):
            yield self._expand(number, edge, bounds, shared, own)

    def _expand(
        self, number: int, edge: Edge, bounds: npt.NDArray[np.int64], shared: npt.NDArray[np.uint64], own: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.int64], Synapses]:
        e = _entries(edge, self.steps_per_ms)
        scale = np.uint64(edge_scale(edge, self.weight_scales) & (1 << 64) - 1)
        values = (e, padded(edge.weight.kind, edge.weight.parameters), padded(edge.delay.kind, edge.delay.parameters), scale)
        table = normal_table()
        status = np.zeros(self.n_slices, np.int64)
        pairs = edge.connector == FIXED_POST or (edge.connector == FIXED_TOTAL and not e[kernels.REPLACE])
        if edge.connector == FIXED_TOTAL or pairs:
            offsets, out = self._deal(e, edge, pairs, shared)
            kernels.complete(*values, own, table, offsets, pairs, *out, status)
        else:
            probability = np.uint64(edge.connector_parameters[1] if edge.connector == FIXED_PROBABILITY else 0)
            counts = np.zeros(self.n_slices, np.int64)
            kernels.count_own(*values, probability, own, table, bounds, counts, *_arrays(0), status)
            offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            out = _arrays(int(offsets[-1]))
            if not status.any():
                kernels.make_own(*values, probability, own, table, bounds, offsets, *out)
        if status.any():
            k = int(np.flatnonzero(status)[0])
            raise UsageError(
                f"edge {number}, core of targets {self.bounds[k]} to {self.bounds[k + 1] - 1}: {_FAILURES[int(status[k])]}; "
                "the machine's expander stops there"
            )
        return offsets, Synapses(*out)

    def _deal(
        self, e: npt.NDArray[np.int64], edge: Edge, pairs: bool, shared: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.uint16], npt.NDArray[np.uint16]]]:
        """Draw what all cores agree on and deal it over slices."""
        slice_of = np.full(max(edge.targets[1], edge.targets[0], self.bounds[-1]) + 2, self.n_slices, np.int64)
        for k in range(self.n_slices):
            slice_of[self.bounds[k] : self.bounds[k + 1]] = k
        counts = np.zeros(self.n_slices + 1, np.int64)
        nothing = np.zeros(0, np.int32)
        if pairs:
            source, target = kernels.shared_pairs(e, shared)
            kernels.deal_pairs(source, target, slice_of, counts, nothing, nothing)
        else:
            kernels.shared_targets(e, shared.copy(), slice_of, counts, nothing)
        cursor = np.cumsum(counts) - counts
        offsets = cursor.copy()
        out = _arrays(int(offsets[-1]))
        if pairs:
            kernels.deal_pairs(source, target, slice_of, cursor, out[0], out[1])
        else:
            kernels.shared_targets(e, shared, slice_of, cursor, out[1])
        return offsets, out


def expand_region(region: ExpanderRegion) -> list[Synapses]:
    """Make the synapses of one core, edge by edge: :meth:`CoreExpander.expand`, fast."""
    return [synapses for _, synapses in PopulationExpander.from_regions([region]).expand()]


def _arrays(n: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    return np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.uint16), np.empty(n, np.uint16)


def _entries(edge: Edge, steps_per_ms: int) -> npt.NDArray[np.int64]:
    """Lay out an edge as the compiled generators take it."""
    p, m = edge.connector_parameters, edge.matrix
    allow_self = int(p[0]) if p else 1
    replace, number = (int(p[1]), int(p[2])) if len(p) == 3 else (0, 0)
    return np.array(
        [
            *edge.sources,
            *edge.targets,
            edge.connector,
            allow_self,
            replace,
            number,
            edge.weight.kind,
            edge.delay.kind,
            steps_per_ms,
            m.n_stages,
            m.stage_steps,
            m.row_words,
            m.delayed_row_words,
            m.n_sources,
            m.sources_per_core,
            int(m.offset != NONE),
            int(m.delayed_offset != NONE),
        ],
        np.int64,
    )
