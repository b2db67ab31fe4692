"""The Poisson sources of a SpiNNaker core: every spike of every source in every tick, from the seed.

Problem
    ``spike_source_poisson`` draws its spikes on the machine. To know a run's input beforehand, or to feed the same input to
    another simulator, its random stream has to be reproduced word for word: one draw too many and all that follows differs.

Method
    All sources of a core share one generator, and draw in the order of their indices. With the rate in u16.16 and the
    time step in u0.32 seconds, lambda (spikes a tick) is their product truncated to u16.16, and a source is

    * *slow* below 655 / 65536 = 0.01 spikes a tick: it holds the time to its next spike in thousandths of a tick, modulo
      2^32. While that is below 1000 it spikes and adds round(1000 X) times the mean interval, X exponential (von Neumann's
      method); then 1000 are taken off. The mean interval is a whole number of ticks. Every slow source draws its first
      interval before the first tick, also at rate zero;
    * *fast* below 10: Knuth's product of uniforms until it is at most exp(-lambda), which has 16 bits only;
    * *Gaussian* from 10: round(x^2), x = sqrt(lambda) + Z / 2, Z the normal quantile of the word's upper 16 bits.

    A source with a schedule moves to its next rate at the first tick at or after its start, at most one rate a tick, all
    sources before any spike of that tick; a slow one then draws a new first interval.

    Two ways to deliver: one multicast packet for each source that spiked (its payload is the count), or, with one-to-one
    weights to a split neuron core, one row of 16-bit sums for each tick in shared memory: weight times count, at most
    65,535 (counted as saturated), at the offset (receptor index) x (sources of the core).

    The machine draws nothing for a source outside its time window.

Cost
    ``step`` is the specification in plain integers, about 1 us a source and tick. ``advance`` is the same compiled, about
    5 ns plus 3 ns a random word.

Reference
    Knuth, The Art of Computer Programming 2, section 3.4.1; von Neumann (1951) as given in Ripley (1987), "Stochastic
    Simulation", p. 230; Anscombe (1948), doi:10.1093/biomet/35.3-4.246 (the square root). Equal to the binary of sPyNNaker 1!7.4.1, whose
    public source describes it; where that source's versions differ, the binary decides.

Length
    The specification and its compiled form are read side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.random_streams import Stream, next_word, normal_table, standard_normal, stream_states
from spinn_mam.fixed_point.s1615 import FRACTION_BITS, ONE, exp_u032, wrap32
from spinn_mam.fixed_point.square_root import square_root

#: Time to the next spike is held in this fraction of a tick.
ISI_SCALE = 1000
#: lambda (u16.16) from which a source is fast, and from which it is Gaussian (``SLOW_RATE_PER_TICK_CUTOFF``, ``FAST_...``).
FAST_FROM = 655
GAUSSIAN_FROM = 10 << 16
#: The largest rate (spikes/s) that fits u16.16; beyond it the machine's rate wraps.
MAX_RATE = 65535.99
#: End of a source without a duration, in ticks and in ms.
FOREVER = 0xFFFFFFFF
_FOREVER_BITS = FOREVER << 32
#: Random words that replace a zero, and the modulus of the last one, in the host's seeds.
_Y_FOR_ZERO = 13031301
_CARRY_LIMIT = 698769068
_WORD = 0xFFFFFFFF
_WEIGHT_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class RatePiece:
    """A piece of a source's schedule.

    Attributes
    ----------
    rate : float
        Spikes/s.
    start : float
        When it begins (ms).
    duration : float or None
        How long spikes are drawn (ms); None for ever.
    """

    rate: float
    start: float = 0.0
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class RateConstants:
    """What a core holds for a rate.

    Attributes
    ----------
    fast : bool
        Whether counts are drawn, not intervals.
    exp_minus_lambda : int
        Threshold of the product of uniforms (u0.32, lower 16 bits zero); 0 if not used.
    sqrt_lambda : int
        Square root of the spikes a tick (s16.15) of a Gaussian source; 0 if not used.
    mean_isi : int
        Mean interval of a slow source (ticks); 0 at rate zero.
    """

    fast: bool
    exp_minus_lambda: int
    sqrt_lambda: int
    mean_isi: int


def core_seeds(seed: int, n_cores: int) -> list[tuple[int, int, int, int]]:
    """Derive the seed words of a population's cores as the host does.

    Parameters
    ----------
    seed : int
        The population's ``seed`` argument (``additional_parameters={"seed": ...}``). Without it the host seeds itself from
        the operating system, and a run cannot be repeated.
    n_cores : int
        Cores of the population, in the order of their slices.

    Returns
    -------
    list of tuple of int
        Four words for each core. They stay the same after a reset: the same spikes come again.

    Examples
    --------
    >>> core_seeds(1, 1)
    [(1791095845, 4282876139, 3093770124, 511458029)]
    """
    rng = np.random.RandomState(seed)
    seeds = []
    for _ in range(n_cores):
        x, y, z, c = (int(rng.randint(-(1 << 31), (1 << 31) - 1)) + (1 << 31) for _ in range(4))
        seeds.append((x, y or _Y_FOR_ZERO, z, c % _CARRY_LIMIT + 1))
    return seeds


def rate_constants(rate: float, dt: float) -> RateConstants:
    """Derive a core's constants from a rate.

    Parameters
    ----------
    rate : float
        Spikes/s.
    dt : float
        Time step (ms).

    Returns
    -------
    RateConstants

    Raises
    ------
    UsageError
        If the rate is negative, or too large for the machine's number format, where it would wrap silently.

    Examples
    --------
    >>> rate_constants(8.0, 0.1)
    RateConstants(fast=False, exp_minus_lambda=0, sqrt_lambda=0, mean_isi=1250)
    """
    if not 0 <= rate <= MAX_RATE:
        raise UsageError(
            f"Poisson rate of {rate:g} spikes/s: the machine holds rates from 0 to {MAX_RATE:g} in u16.16 and wraps others without a word; "
            "spread the drive over several sources"
        )
    bits = round(rate * (1 << 32)) >> 16
    spikes_per_tick = bits * round(dt / 1000.0 * (1 << 32)) >> 32
    if spikes_per_tick >= GAUSSIAN_FROM:
        return RateConstants(fast=True, exp_minus_lambda=0, sqrt_lambda=square_root(spikes_per_tick) >> 1, mean_isi=0)
    if spikes_per_tick >= FAST_FROM:
        return RateConstants(fast=True, exp_minus_lambda=exp_u032(-(spikes_per_tick >> 1)) & 0xFFFF0000, sqrt_lambda=0, mean_isi=0)
    mean_isi = 1000 * _ticks_per_ms(dt) // bits if bits > 1 else 0
    return RateConstants(fast=False, exp_minus_lambda=0, sqrt_lambda=0, mean_isi=mean_isi)


def effective_rate(rate: float, dt: float) -> float:
    """Compute the mean rate that a source really has (spikes/s), after the rounding of its constants.

    Examples
    --------
    >>> round(effective_rate(96.0, 0.1), 2)  # a mean interval of 104 ticks
    96.15
    >>> round(effective_rate(9650.0, 1.0))  # exp(-9.65) is 4 / 65536
    9704
    """
    c = rate_constants(rate, dt)
    if c.sqrt_lambda:
        return ((c.sqrt_lambda / ONE) ** 2 + 0.25) * 1000.0 / dt
    if c.fast:
        return -math.log(c.exp_minus_lambda / (1 << 32)) * 1000.0 / dt
    if not c.mean_isi:
        return 0.0
    # intervals wrap at so many times their mean
    wrap = (1 << 32) / (ISI_SCALE * c.mean_isi)
    mean = c.mean_isi * (1.0 - wrap / math.expm1(wrap) if wrap < 700.0 else 1.0)
    return 1000.0 / (dt * mean)


def _ticks_per_ms(dt: float) -> int:
    """Convert a time step (ms) to ticks per ms (u16.16), as the host writes it."""
    return round((1 << 16) / dt)


def _ms_to_ticks(bits: int, dt: float) -> int:
    """Convert a time (ms, u32.32) to ticks, as the core does: rounded, modulo 2^32."""
    ticks = ((bits % (1 << 64)) * (_ticks_per_ms(dt) << 16) + (1 << 31)) >> 32
    return (((ticks % (1 << 64)) >> 1) + (1 << 30)) >> 31 & _WORD


class PoissonCore:
    """The sources of one core; ``time`` is its next tick.

    Parameters
    ----------
    seed : sequence of int
        The core's four seed words, see :func:`core_seeds`.
    sources : sequence of sequence of RatePiece
        The schedule of each source, in order of start.
    dt : float
        Time step (ms).

    Raises
    ------
    UsageError
        If a rate does not fit, or a schedule is empty.

    Examples
    --------
    >>> core = PoissonCore(core_seeds(1, 1)[0], constant_rates([8000.0, 50.0]), dt=0.1)
    >>> [core.step() for _ in range(6)]
    [[3, 0], [0, 0], [1, 0], [1, 0], [0, 0], [0, 0]]
    >>> core.advance(1000).sum(axis=0).tolist()
    [784, 8]
    """

    def __init__(self, seed: Sequence[int], sources: Sequence[Sequence[RatePiece]], dt: float) -> None:
        self.dt = dt
        self.time = 0
        self._stream = Stream(seed)
        n = len(sources)
        self._start, self._end, self._next, self._isi = ([0] * n for _ in range(4))
        self._index, self._constants = [-1] * n, [rate_constants(0.0, dt)] * n
        self._sources: list[list[tuple[RateConstants, int, int]]] = []
        self.set_rates(sources)

    @property
    def seed(self) -> tuple[int, int, int, int]:
        """The generator's state: the seed of what is still to come."""
        return self._stream.state

    def sources_state(self) -> list[tuple[int, int]]:
        """Return for each source its piece of the schedule and, if slow, the time to its next spike."""
        return list(zip(self._index, self._isi, strict=True))

    def restore(self, time: int, seed: Sequence[int], sources: Sequence[tuple[int, int]]) -> None:
        """Go to the state that ``time``, ``seed`` and :meth:`sources_state` gave; the schedules stay."""
        for i, (index, isi) in enumerate(sources):
            self._load(i, index)
            self._isi[i] = isi
        self.time, self._stream = time, Stream(seed)

    def set_rates(self, sources: Sequence[Sequence[RatePiece]]) -> None:
        """Give all sources new schedules, as the host does between two runs without a reset: every slow source draws anew."""
        if not all(sources):
            raise UsageError("a Poisson source has no rate at all: give it at least one piece")
        self._sources = [[_piece(piece, self.dt) for piece in pieces] for pieces in sources]
        for i, pieces in enumerate(self._sources):
            last = 0
            while last + 1 < len(pieces) and self.time >= _ms_to_ticks(pieces[last + 1][1], self.dt):
                last += 1
            self._load(i, last)

    def step(self) -> list[int]:
        """Draw the counts of all sources in the next tick: the specification."""
        self._follow_schedules()
        counts = [self._count(i) for i in range(len(self._sources))]
        self.time += 1
        return counts

    def advance(self, n_ticks: int) -> npt.NDArray[np.uint16]:
        """Draw the counts of the next ticks, shape (n_ticks, n_sources): compiled."""
        counts = np.zeros((n_ticks, len(self._sources)), np.uint16)
        done = 0
        while done < n_ticks:
            self._follow_schedules()
            until = min(max(min(self._next, default=FOREVER), self.time + 1), self.time + n_ticks - done)
            state = stream_states([self._stream.state])[0]
            isi = np.array(self._isi, np.uint32)
            constants = np.array([(c.fast, c.exp_minus_lambda, c.sqrt_lambda, c.mean_isi) for c in self._constants], np.int64).reshape(-1, 4)
            window = np.array([self._start, self._end], np.int64)
            _draw_counts(state, isi, constants, window, self.time, normal_table(), counts[done : done + until - self.time])
            self._stream = Stream([int(word) for word in state])
            self._isi = isi.tolist()
            done, self.time = done + until - self.time, until
        return counts

    def _follow_schedules(self) -> None:
        for i, due in enumerate(self._next):
            if self.time >= due and self._index[i] + 1 < len(self._sources[i]):
                self._load(i, self._index[i] + 1)

    def _load(self, i: int, index: int) -> None:
        """Let source i begin a piece of its schedule."""
        pieces = self._sources[i]
        constants, start, duration = pieces[index]
        self._index[i], self._constants[i] = index, constants
        self._isi[i] = 0 if constants.fast else self._interval(constants.mean_isi)
        self._start[i] = _ms_to_ticks(start, self.dt)
        self._end[i] = FOREVER if duration == _FOREVER_BITS else self._start[i] + _ms_to_ticks(duration, self.dt) & _WORD
        self._next[i] = FOREVER
        if index + 1 < len(pieces):
            # The core takes the start of the next piece through s16.15, which wraps at 65,536 ms.
            self._next[i] = _ms_to_ticks(wrap32(pieces[index + 1][1] >> 17) << 17, self.dt)

    def _interval(self, mean_isi: int) -> int:
        return _thousandths(self._stream.exponential()) * mean_isi & _WORD

    def _count(self, i: int) -> int:
        c = self._constants[i]
        if not self._start[i] <= self.time < self._end[i]:
            return 0
        if c.fast:
            return self._gaussian(c.sqrt_lambda) if c.sqrt_lambda else self._knuth(c.exp_minus_lambda)
        if c.mean_isi == 0:
            return 0
        count = 0
        while self._isi[i] < ISI_SCALE:
            count += 1
            self._isi[i] = (self._isi[i] + self._interval(c.mean_isi)) & _WORD
        self._isi[i] -= ISI_SCALE
        return count

    def _knuth(self, threshold: int) -> int:
        count, product = -1, _WORD
        while count < 0 or product > threshold:
            product = product * self._stream.word() >> 32
            count += 1
        return count

    def _gaussian(self, sqrt_lambda: int) -> int:
        x = (standard_normal(wrap32(self._stream.word()) >> 16) >> 1) + sqrt_lambda
        return _round(x * x >> FRACTION_BITS)


def constant_rates(rates: Sequence[float]) -> list[list[RatePiece]]:
    """Make schedules of one piece each from rates (spikes/s)."""
    return [[RatePiece(float(rate))] for rate in rates]


def synaptic_sums(counts: npt.NDArray[np.uint16], weights: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.uint16], int]:
    """Compute the rows that a core writes to a split neuron core.

    Parameters
    ----------
    counts : array of uint16, shape (n_ticks, n_sources)
        See :meth:`PoissonCore.advance`.
    weights : array of uint16, shape (n_sources,)
        The weight of each source's one synapse, in the ring buffer's units.

    Returns
    -------
    sums : array of uint16, shape (n_ticks, n_sources)
    n_saturated : int
        Sums cut to 65,535; the core counts them in its provenance.

    Examples
    --------
    >>> synaptic_sums(np.array([[0, 1, 3]], np.uint16), np.array([7, 8, 30000], np.uint16))
    (array([[    0,     8, 65535]], dtype=uint16), 1)
    """
    sums = counts.astype(np.uint32) * weights
    return np.minimum(sums, _WEIGHT_MAX).astype(np.uint16), int(np.count_nonzero(sums > _WEIGHT_MAX))


def _piece(piece: RatePiece, dt: float) -> tuple[RateConstants, int, int]:
    """Convert a piece to the core's constants and to u32.32 ms, as the host writes them."""
    start = round(piece.start * (1 << 32))
    duration = _FOREVER_BITS if piece.duration is None else round(piece.duration * (1 << 32))
    return rate_constants(piece.rate, dt), start, duration


def _round(x: int) -> int:
    """Round an s16.15 number to a whole number, half up."""
    return (x >> FRACTION_BITS) + (x >> (FRACTION_BITS - 1) & 1)


def _thousandths(x: int) -> int:
    """Round a thousand times an s16.15 number to a whole number, wrapping at 65.5."""
    return _round(wrap32(x * ISI_SCALE)) & _WORD


@njit(cache=True)
def _draw_counts(state: Any, isi: Any, constants: Any, window: Any, time: Any, normals: Any, counts: Any) -> None:
    """Fill counts (n_ticks, n_sources): :meth:`PoissonCore.step` without schedules."""
    word = np.uint64(_WORD)
    for tick in range(counts.shape[0]):
        now = time + tick
        for i in range(counts.shape[1]):
            if not window[0, i] <= now < window[1, i]:
                continue
            fast, threshold, sqrt_lambda, mean_isi = constants[i]
            count = 0
            if sqrt_lambda > 0:
                x = (np.int64(normals[next_word(state) >> np.uint64(16)]) >> 1) + sqrt_lambda
                square = (x * x) >> FRACTION_BITS
                count = (square >> FRACTION_BITS) + ((square >> (FRACTION_BITS - 1)) & 1)
            elif fast:
                product, limit = word, np.uint64(threshold)
                count = -1
                while count < 0 or product > limit:
                    product = (product * next_word(state)) >> np.uint64(32)
                    count += 1
            elif mean_isi > 0:
                left = np.uint64(isi[i])
                while left < np.uint64(ISI_SCALE):
                    count += 1
                    left = (left + _interval(state, np.uint64(mean_isi))) & word
                isi[i] = np.uint32(left - np.uint64(ISI_SCALE))
            counts[tick, i] = count


@njit(cache=True)
def _interval(state: Any, mean_isi: Any) -> Any:
    """Draw an interval of a slow source, in thousandths of a tick modulo 2^32 (uint64)."""
    whole = 0
    while True:
        first = next_word(state)
        u = first
        while True:
            other = next_word(state)
            if u < other:
                x = ((whole + np.int64(first >> np.uint64(32 - FRACTION_BITS))) * ISI_SCALE + 0x80000000) & _WORD
                x -= 0x80000000
                value = (x >> FRACTION_BITS) + ((x >> (FRACTION_BITS - 1)) & 1)
                return (np.uint64(value & _WORD) * mean_isi) & np.uint64(_WORD)
            u = next_word(state)
            if u >= other:
                break
        whole += ONE
