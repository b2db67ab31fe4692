"""The connectivity recipe: every synapse of a network from a spec and a seed, any tile of it alone.

Problem. All backends must have the same synapses; the largest network has 2.4e10 of them (97 GB), so they are never
stored as such. Anyone may ask for a tile, sources [a, b) onto targets [c, d) of a projection, and must get the exact
synapses of it without drawing the rest.

Law. A projection has a fixed total number of synapses; source and target of each are uniform and independent, so
multapses and autapses occur (NEST's ``fixed_total_number``). Weights and delays are normal, redrawn outside their
bounds; delays are then rounded to steps.

Method. The targets are cut into blocks of at most 8,192. The total is dealt over blocks, and each block's share over
sources, by binary trees of exact binomial draws, each node with a random stream of its own (counter-based, addressed by
seed, names of the populations, block and node). A row, one source onto one block, then has a stream of its own: first
the delays of its synapses are drawn and counted, then target and weight of each synapse, in order of delay. So rows
come sorted by delay without sorting, and a program that keeps only the counts can draw targets and weights again.

Cost. About half a hash for each synapse and tree level together, one and a half for each synapse in its row. Blocks that
a tile cuts through are drawn whole and filtered.

Weights come from a table of quantiles with linear interpolation (4,096 cells; the outermost keep their mean), delays
from cumulative probabilities at a resolution of 2^-32.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from spinn_mam.errors import UsageError
from spinn_mam.network import kernels
from spinn_mam.network.distributions import lognormal_mean_below, quantiles
from spinn_mam.network.spec import Distribution, NetworkSpec
from spinn_mam.network.streams import child_key, stream_key

#: Changes whenever the same seed would give other synapses.
RECIPE = "spinn_mam.recipe/1"
MAX_BLOCK = 8192
#: Longest delay (steps): rows keep it in 16 bits.
MAX_DELAY = 0xFFFF


@dataclass(frozen=True, slots=True)
class DelayTable:
    """Delays in steps as cumulative probabilities.

    Attributes
    ----------
    first : int
        Delay of entry 0 (steps).
    cumulative : ndarray of uint64, shape (n,)
        2^32 times the probability of at most ``first + k`` steps; the last is 2^32, above every draw.
    guide : ndarray of uint16, shape (256,)
        Where the search for a draw with these first 8 bits starts.
    """

    first: int
    cumulative: npt.NDArray[np.uint64]
    guide: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Blocks:
    """The target blocks of one projection.

    Attributes
    ----------
    bounds : ndarray of int64, shape (n_blocks + 1,)
        Targets of block b are [bounds[b], bounds[b + 1]).
    totals : ndarray of int64, shape (n_blocks,)
        Synapses of each block.
    count_keys, row_keys : ndarray of uint64, shape (n_blocks,)
        Stream of the tree over sources, and parent of the rows' streams (``kernels.subkey(row_key, source)``).
    """

    bounds: npt.NDArray[np.int64]
    totals: npt.NDArray[np.int64]
    count_keys: npt.NDArray[np.uint64]
    row_keys: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Rows:
    """The synapses of a tile, one row a source.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_sources + 1,)
    target : ndarray of int32, shape (n_synapses,)
        Index in the target population.
    delay : ndarray of uint16, shape (n_synapses,)
        Delay (steps), NEST's convention.
    weight : ndarray of float64, shape (n_synapses,)
        Weight (pA), with sign.
    """

    offsets: npt.NDArray[np.int64]
    target: npt.NDArray[np.int32]
    delay: npt.NDArray[np.uint16]
    weight: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Connectivity:
    """The recipe for all synapses of a network.

    Attributes
    ----------
    spec : NetworkSpec
    seed : int

    Examples
    --------
    >>> from spinn_mam.models import load_model
    >>> c = Connectivity(load_model("pd14").network(0.01, 0.01), seed=1)
    >>> int(c.counts(0, (0, 207), (0, 207)).sum()) == c.spec.projections[0].n_synapses
    True
    """

    spec: NetworkSpec
    seed: int

    def digest(self) -> str:
        """Hexadecimal digest of the recipe: equal digests give equal synapses."""
        return hashlib.blake2b(f"{RECIPE} {MAX_BLOCK} {self.spec.digest()} {self.seed}".encode(), digest_size=16).hexdigest()

    @cached_property
    def blocks(self) -> tuple[Blocks, ...]:
        """Target blocks of each projection."""
        return tuple(self._blocks(k) for k in range(len(self.spec.projections)))

    def counts(self, projection: int, sources: tuple[int, int], targets: tuple[int, int]) -> npt.NDArray[np.int64]:
        """Count the synapses of each source of a tile, exactly.

        Parameters
        ----------
        projection : int
            Index into ``spec.projections``.
        sources, targets : (int, int)
            Half-open ranges of indices in the two populations.

        Returns
        -------
        ndarray of int64, shape (n_sources,)

        Raises
        ------
        UsageError
            If a range reaches beyond its population.
        """
        self._check(projection, sources, targets)
        out = np.zeros(sources[1] - sources[0], np.int64)
        quantiles = quantile_table(self.spec.projections[projection].weight)
        blocks = self.blocks[projection]
        for b in self._overlapping(projection, targets):
            lo, hi = int(blocks.bounds[b]), int(blocks.bounds[b + 1])
            rows = self.row_counts(projection, b, sources)
            if targets[0] <= lo and hi <= targets[1]:
                out += rows
            else:
                kernels.count_in_range(rows, sources[0], blocks.row_keys[b], hi - lo, targets[0] - lo, targets[1] - lo, quantiles, out)
        return out

    def rows(self, projection: int, sources: tuple[int, int], targets: tuple[int, int]) -> Rows:
        """Draw the synapses of a tile.

        Parameters
        ----------
        projection : int
        sources, targets : (int, int)
            Half-open ranges.

        Returns
        -------
        Rows
            The same for a source whatever the range of sources, and the same synapses whatever the range of targets.
        """
        counts = self.counts(projection, sources, targets)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        n = int(offsets[-1])
        target, delay, z = np.empty(n, np.int32), np.empty(n, np.uint16), np.empty(n, np.int32)
        cursor = offsets[:-1].copy()
        weight = self.spec.projections[projection].weight
        delays = delay_table(self.spec.projections[projection].delay, self.spec.dt)
        quantiles = quantile_table(weight)
        blocks = self.blocks[projection]
        for b in self._overlapping(projection, targets):
            lo, hi = int(blocks.bounds[b]), int(blocks.bounds[b + 1])
            kernels.fill_rows(
                self.row_counts(projection, b, sources),
                sources[0],
                blocks.row_keys[b],
                lo,
                hi - lo,
                max(targets[0] - lo, 0),
                min(targets[1], hi) - lo,
                delays.first,
                delays.cumulative,
                delays.guide,
                quantiles,
                cursor,
                target,
                delay,
                z,
            )
        return Rows(offsets, target, delay, weight.mean + weight.sd * (z.astype(np.float64) * 2.0**-kernels.Z_SHIFT))

    def row_counts(self, projection: int, block: int, sources: tuple[int, int]) -> npt.NDArray[np.int32]:
        """Count the synapses of each source onto one whole block, shape (n_sources,)."""
        blocks = self.blocks[projection]
        out = np.zeros(sources[1] - sources[0], np.int32)
        n = self.spec.populations[self.spec.projections[projection].source].size
        kernels.tree_counts(int(blocks.totals[block]), n, sources[0], sources[1], blocks.count_keys[block], out)
        return out

    def _blocks(self, k: int) -> Blocks:
        projection = self.spec.projections[k]
        source, target = self.spec.populations[projection.source], self.spec.populations[projection.target]
        n_blocks = -(-target.size // MAX_BLOCK)
        bounds = np.arange(n_blocks + 1, dtype=np.int64) * target.size // n_blocks
        key = stream_key(self.seed, "synapses", source.name, target.name)
        totals = np.zeros(n_blocks, np.int64)
        _deal(projection.n_synapses, bounds, 0, n_blocks, 1, child_key(key, 0), totals)
        parents = [child_key(key, 1 + b) for b in range(n_blocks)]
        return Blocks(
            bounds,
            totals,
            np.array([child_key(p, 0) for p in parents], np.uint64),
            np.array([child_key(p, 1) for p in parents], np.uint64),
        )

    def _overlapping(self, projection: int, targets: tuple[int, int]) -> range:
        bounds = self.blocks[projection].bounds
        if targets[0] >= targets[1]:
            return range(0)
        return range(int(np.searchsorted(bounds, targets[0], side="right")) - 1, int(np.searchsorted(bounds, targets[1], side="left")))

    def _check(self, projection: int, sources: tuple[int, int], targets: tuple[int, int]) -> None:
        p = self.spec.projections[projection]
        for what, (lo, hi), population in (("sources", sources, p.source), ("targets", targets, p.target)):
            size = self.spec.populations[population].size
            if not 0 <= lo <= hi <= size:
                raise UsageError(
                    f"{what} [{lo}, {hi}) of projection {projection} reach beyond {self.spec.populations[population].name} (0 to {size})"
                )


def _deal(total: int, bounds: npt.NDArray[np.int64], lo: int, hi: int, node: int, key: np.uint64, out: npt.NDArray[np.int64]) -> None:
    """Deal a total over blocks in proportion to their sizes, by the same tree as over sources."""
    if hi - lo == 1:
        out[lo] = total
        return
    mid = (lo + hi) // 2
    left = kernels.binomial(total, int(bounds[mid] - bounds[lo]), int(bounds[hi] - bounds[lo]), child_key(key, node))
    _deal(left, bounds, lo, mid, 2 * node, key, out)
    _deal(total - left, bounds, mid, hi, 2 * node + 1, key, out)


@lru_cache(maxsize=64)
def delay_table(delay: Distribution, dt: float) -> DelayTable:
    """Tabulate a delay distribution in steps.

    A delay drawn as d (ms) lasts round(d / dt) steps, at least one; draws outside the bounds are drawn again.

    Parameters
    ----------
    delay : Distribution
        Mean, standard deviation and bounds (ms).
    dt : float
        Time step (ms).

    Raises
    ------
    UsageError
        If a delay does not fit the 16 bits that rows and tables have for it.
    """
    if delay.sd == 0.0:
        first = last = max(1, round(delay.mean / dt))
    else:
        spread = 6.4  # beyond this many standard deviations the probability is below 2^-32
        first = max(1, round(max(delay.lower, delay.mean - spread * delay.sd) / dt))
        last = max(first, round(min(delay.upper, delay.mean + spread * delay.sd) / dt))
    if last > MAX_DELAY:
        raise UsageError(f"delays of up to {last} steps of {dt:g} ms: at most {MAX_DELAY} steps are possible; use a longer time step")
    if delay.sd == 0.0:
        return DelayTable(first, np.array([2**32], np.uint64), np.zeros(256, np.uint16))
    edges = np.clip((np.arange(first, last + 1) + 0.5) * dt, delay.lower, delay.upper)
    below, above = special.ndtr((np.array([delay.lower, delay.upper]) - delay.mean) / delay.sd)
    probability = (special.ndtr((edges - delay.mean) / delay.sd) - below) / (above - below)
    cumulative = np.round(probability * 2.0**32).astype(np.uint64)
    cumulative[-1] = 2**32
    starts = np.searchsorted(cumulative, np.arange(256, dtype=np.uint64) << np.uint64(24), side="right")
    return DelayTable(first, cumulative, np.minimum(starts, len(cumulative) - 1).astype(np.uint16))


@lru_cache(maxsize=64)
def quantile_table(weight: Distribution) -> npt.NDArray[np.int32]:
    """Tabulate the quantiles of a distribution, standardised with its unclipped mean and standard deviation.

    Parameters
    ----------
    weight : Distribution

    Returns
    -------
    ndarray of int32, shape (4097,)
        In units of 2^-20 standard deviations. The outermost knots lie where their cells keep their mean; of a lognormal distribution with a relative
        standard deviation of 3, the last cell then lacks 7 % of the variance.
    """
    n = 1 << kernels.CELL_BITS
    if weight.sd == 0.0:
        return np.zeros(n + 1, np.int32)
    if weight.kind == "lognormal":
        return _lognormal_table(weight, n)
    a, b = (weight.lower - weight.mean) / weight.sd, (weight.upper - weight.mean) / weight.sd
    below, above = special.ndtr(a), special.ndtr(b)
    knots = np.asarray(special.ndtri(below + (above - below) * np.arange(n + 1) / n))

    def density(x: float) -> float:
        return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)

    share = (above - below) / n
    first_mean = (density(a) - density(knots[1])) / share
    last_mean = (density(knots[-2]) - density(b)) / share
    knots[0] = max(a, 2.0 * first_mean - knots[1])
    knots[-1] = min(b, 2.0 * last_mean - knots[-2])
    return np.round(knots * 2.0**kernels.Z_SHIFT).astype(np.int32)


def _lognormal_table(weight: Distribution, n: int) -> npt.NDArray[np.int32]:
    values = np.empty(n + 1)
    values[1:-1] = quantiles(weight, np.arange(1, n) / n)
    first_mean = n * lognormal_mean_below(weight, 1.0 / n)
    last_mean = n * (weight.mean - lognormal_mean_below(weight, 1.0 - 1.0 / n))
    values[0], values[-1] = 2.0 * first_mean - values[1], 2.0 * last_mean - values[-2]
    values = np.clip(values, *((0.0, np.inf) if weight.mean > 0 else (-np.inf, 0.0)))
    return np.round((values - weight.mean) / weight.sd * 2.0**kernels.Z_SHIFT).astype(np.int32)
