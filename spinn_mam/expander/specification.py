"""The synapses that a core makes for itself: the plain-integer specification of ``synapse_expander.aplx``.

Problem
    sPyNNaker's synapses are made on the machine, by each core for its own slice of the targets. They follow from the
    words of its ConnectorBuilder region, but only through the order in which the core draws its random numbers.

Method
    A core has two streams. All cores of a population start the *population stream* alike and draw from it what must agree
    between them: the target of each synapse of a fixed total number, all pairs of a fixed number of targets. Each keeps its
    share. The *core stream* gives the rest, in this order for each synapse: weight, delay, source. Both streams run on from
    one projection to the next. A synapse goes to the row of its source and delay stage; a full row takes no more, and
    where the source is free another one is drawn, up to 10 times.

    Weights: the draw's magnitude times the scale, rounded to nearest, ties up, low 16 bits. Delays: the draw times steps
    per ms, *truncated*, at least one step; the host's own generators would round.

    A neuron whose index is a multiple of the neurons a core (but 0) is looked for on the core before its own when its
    delayed row is computed. With one extended stage that is the right row all the same; with more, its synapses of stage s
    go to the row of stage s + 1 of that core's first neuron, or, from the last stage, to its own row of stage 1. They
    act from there, so here too.

Cost
    One pass over the population stream for each core: the fast path shares it between cores.

Reference
    The behaviour of ``synapse_expander.aplx`` of sPyNNaker 1!7.4.1, compared synapse for synapse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.expander.region import (
    FIXED_POST,
    NONE,
    Edge,
    ExpanderRegion,
    MatrixLayout,
)
from spinn_mam.fixed_point.random_streams import Stream, draw
from spinn_mam.fixed_point.s1615 import FRACTION_BITS, wrap32

#: Sources that are tried for a synapse before the core stops with an error.
MAX_TRIES = 10


@dataclass(frozen=True, slots=True)
class Synapses:
    """Synapses of an edge on a core (or of a projection on all), in the order in which they are made.

    Attributes
    ----------
    source, target : ndarray of int32, shape (n_synapses,)
        Indices in the two populations. ``source`` is the neuron whose spikes the machine lets act.
    weight : ndarray of uint16, shape (n_synapses,)
        As stored: magnitude in ring-buffer units.
    delay : ndarray of uint16, shape (n_synapses,)
        Steps, stages included.
    """

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    weight: npt.NDArray[np.uint16]
    delay: npt.NDArray[np.uint16]


def scale_weight(weight: int, scale: int) -> int:
    """Scale a weight (s16.15) by a u32.32 factor to the 16 bits that are stored."""
    product = (abs(weight) << (32 - FRACTION_BITS)) * scale >> 32
    return ((product + (1 << 31)) >> 32) & 0xFFFF


def edge_scale(edge: Edge, weight_scales: Sequence[int]) -> int:
    """Choose the weight scale (u32.32) of an edge; a fixed number of targets passes it on as s16.15."""
    scale = weight_scales[edge.synapse_type]
    if edge.connector != FIXED_POST:
        return scale
    return wrap32(scale >> (32 - FRACTION_BITS)) << (32 - FRACTION_BITS)


def scale_delay(delay: int, steps_per_ms: int) -> int:
    """Turn a delay (ms, s16.15) into steps, truncating; a negative one becomes 1."""
    steps = wrap32(delay * steps_per_ms >> FRACTION_BITS)
    return 1 if steps < 0 else (steps >> FRACTION_BITS) & 0xFFFF


def stage_and_rest(delay: int, layout: MatrixLayout) -> tuple[int, int]:
    """Split a delay (steps) into stage and delay within it (1 to ``stage_steps``); one too long for all stages is cut.

    Without delay stages the cut delay is 2^32 mod ``stage_steps``: the longest one only if that is a power of two.
    """
    delay = max(delay, 1)
    stage = (delay - 1) // layout.stage_steps
    if stage >= layout.n_stages:
        stage = layout.n_stages - 1
        delay = stage * layout.stage_steps
    return stage, (delay - 1 & 0xFFFFFFFF) % layout.stage_steps + 1


def delayed_row(source: int, stage: int, layout: MatrixLayout) -> int:
    """Find the row of a delayed matrix that a synapse is written to."""
    core = max(0, -(-source // layout.sources_per_core) - 1)
    on_core = min(layout.n_sources - core * layout.sources_per_core, layout.sources_per_core)
    first = core * layout.sources_per_core * (layout.n_stages - 1)
    return first + (stage - 1) * on_core + source - core * layout.sources_per_core


def source_and_stage(row: int, layout: MatrixLayout) -> tuple[int, int]:
    """Find the neuron and stage whose spikes read a row of a delayed matrix."""
    core, local = divmod(row, layout.sources_per_core * (layout.n_stages - 1))
    on_core = min(layout.n_sources - core * layout.sources_per_core, layout.sources_per_core)
    return core * layout.sources_per_core + local % on_core, local // on_core + 1


class CoreExpander:
    """One core at work: its region and its two streams.

    Parameters
    ----------
    region : ExpanderRegion
    """

    def __init__(self, region: ExpanderRegion) -> None:
        self.region = region
        self.shared, self.own = Stream(region.population_seed), Stream(region.core_seed)
        self._free: dict[tuple[int, int], int] = {}
        self._made: list[tuple[int, int, int, int]] = []
        self._edge: Edge | None = None

    def expand(self) -> list[Synapses]:
        """Make all synapses, edge by edge.

        Raises
        ------
        UsageError
            Where the machine would stop with an error: rows without room, a clipped distribution that never hits its bounds.
        """
        return [self._expand(k, edge) for k, edge in enumerate(self.region.edges)]

    def _expand(self, k: int, edge: Edge) -> Synapses:
        self._free, self._made, self._edge = {}, [], edge
        connect = (_one_to_one, _all_to_all, _fixed_probability, _fixed_total, _fixed_pre, _fixed_post)[edge.connector]
        if not connect(self, edge):
            raise UsageError(f"edge {k} on the core of targets {self.region.slice_start} on: no row has room for a synapse; the machine stops there")
        source, target, weight, delay = (np.array(column) for column in zip(*self._made, strict=True)) if self._made else [np.zeros(0)] * 4
        return Synapses(source.astype(np.int32), target.astype(np.int32), weight.astype(np.uint16), delay.astype(np.uint16))

    def values(self, edge: Edge) -> tuple[int, int]:
        """Draw weight (s16.15) and delay (steps) of a synapse."""
        weight = draw(self.own, edge.weight.kind, edge.weight.parameters)
        return weight, scale_delay(draw(self.own, edge.delay.kind, edge.delay.parameters), self.region.steps_per_ms)

    def write(self, edge: Edge, source: int, target: int, weight: int, delay: int) -> bool:
        """Put a synapse into its row; False if the row is full."""
        layout = edge.matrix
        stage, rest = stage_and_rest(delay, layout)
        if stage:
            place, room = (1, delayed_row(source, stage, layout)), layout.delayed_row_words
            source, stage = source_and_stage(place[1], layout)
        else:
            place, room = (0, source), layout.row_words
        used = self._free.get(place, 0)
        if used >= room:
            return False
        if NONE in (layout.offset if place[0] == 0 else layout.delayed_offset,):
            raise UsageError(f"a delay of {delay} steps needs a synaptic matrix that the host did not reserve")
        self._free[place] = used + 1
        scale = edge_scale(edge, self.region.weight_scales)
        self._made.append((source, target, scale_weight(weight, scale), stage * layout.stage_steps + rest))
        return True

    def on_slice(self, target: int) -> bool:
        """Whether a target is one of this core's."""
        return self.region.slice_start <= target < self.region.slice_start + self.region.slice_size

    def targets(self, edge: Edge) -> range:
        """Targets of an edge that are this core's."""
        end = self.region.slice_start + self.region.slice_size
        return range(max(self.region.slice_start, edge.targets[0]), min(end, edge.targets[1] + 1))

    def choose_source(self, edge: Edge, target: int, coarse: bool, allow_self: bool) -> bool:
        """Make a synapse whose source is drawn after its values, again if its row is full."""
        weight, delay = self.values(edge)
        lo, n = edge.sources[0], edge.sources[1] - edge.sources[0] + 1
        tries = 0
        while tries < MAX_TRIES:
            source = lo + (self.own.below_coarse(n) if coarse else self.own.below(n))
            if allow_self or source != target:
                if self.write(edge, source, target, weight, delay):
                    return True
                tries += 1
        return False


def _one_to_one(core: CoreExpander, edge: Edge) -> bool:
    for target in core.targets(edge):
        source = edge.sources[0] + target - edge.targets[0]
        if source > edge.sources[1]:
            break
        if not core.write(edge, source, target, *core.values(edge)):
            return False
    return True


def _all_to_all(core: CoreExpander, edge: Edge) -> bool:
    (allow_self,) = edge.connector_parameters
    for source in range(edge.sources[0], edge.sources[1] + 1):
        for target in core.targets(edge):
            if (allow_self or source != target) and not core.write(edge, source, target, *core.values(edge)):
                return False
    return True


def _fixed_probability(core: CoreExpander, edge: Edge) -> bool:
    allow_self, probability = edge.connector_parameters
    for source in range(edge.sources[0], edge.sources[1] + 1):
        for target in core.targets(edge):
            if (allow_self or source != target) and core.own.word() <= probability:
                core.write(edge, source, target, *core.values(edge))  # a full row loses the synapse
    return True


def _fixed_total(core: CoreExpander, edge: Edge) -> bool:
    allow_self, with_replacement, n = edge.connector_parameters
    if not with_replacement:
        return all(core.write(edge, s, t, *core.values(edge)) for s, t in distinct_pairs(core.shared, edge) if core.on_slice(t))
    lo, n_targets = edge.targets[0], edge.targets[1] - edge.targets[0] + 1
    for _ in range(n):
        target = lo + core.shared.below(n_targets)
        if core.on_slice(target) and not core.choose_source(edge, target, False, bool(allow_self)):
            return False
    return True


def distinct_pairs(stream: Stream, edge: Edge) -> list[tuple[int, int]]:
    """Choose n of all pairs of source and target without replacement, by a reservoir (all cores alike).

    The very first pair is not checked for being a self-connection.
    """
    allow_self, _, n = edge.connector_parameters
    pairs = (
        (source, target)
        for target in range(edge.targets[0], edge.targets[1] + 1)
        for source in range(edge.sources[0], edge.sources[1] + 1)
        if allow_self or source != target or (source, target) == (edge.sources[0], edge.targets[0])
    )
    chosen: list[tuple[int, int]] = []
    for i, pair in enumerate(pairs):
        if i < n:
            chosen.append(pair)
        else:
            place = stream.below(i + 1)
            if place < n:
                chosen[place] = pair
    return chosen


def _fixed_pre(core: CoreExpander, edge: Edge) -> bool:
    allow_self, with_replacement, n = edge.connector_parameters
    for target in core.targets(edge):
        if with_replacement:
            for _ in range(n):
                if not core.choose_source(edge, target, True, bool(allow_self)):
                    return False
        else:
            for source in reservoir(core.own, n, edge.sources, -1 if allow_self else target):
                core.write(edge, source, target, *core.values(edge))  # a full row loses the synapse
    return True


def _fixed_post(core: CoreExpander, edge: Edge) -> bool:
    allow_self, with_replacement, n = edge.connector_parameters
    lo, n_targets = edge.targets[0], edge.targets[1] - edge.targets[0] + 1
    for source in range(edge.sources[0], edge.sources[1] + 1):
        if with_replacement:
            for _ in range(n):
                target = lo + core.shared.below_coarse(n_targets)
                while not allow_self and target == source:
                    target = lo + core.shared.below_coarse(n_targets)
                if core.on_slice(target) and not core.write(edge, source, target, *core.values(edge)):
                    return False
        else:
            for target in reservoir(core.shared, n, edge.targets, -1 if allow_self else source):
                if core.on_slice(target) and not core.write(edge, source, target, *core.values(edge)):
                    return False
    return True


def reservoir(stream: Stream, n: int, among: tuple[int, int], without: int) -> list[int]:
    """Choose n of the neurons ``among`` without replacement, as the machine does.

    ``without`` is compared with positions, not with neurons: in a view that does not start at neuron 0 another neuron than
    the one meant is left out.
    """
    lo, size = among[0], among[1] - among[0] + 1
    chosen = [n if j == without else lo + j for j in range(n)]
    for j in range(n + 1 if 0 <= without < n else n, size):
        if j != without:
            place = stream.below_coarse(j + 1)
            if place < n:
                chosen[place] = lo + j
    return chosen
