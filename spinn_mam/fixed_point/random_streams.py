"""The random numbers of SpiNNaker's binaries, bit for bit: a KISS generator and the distributions drawn from it in s16.15.

Problem
    Synapses and initial potentials that the machine generates for itself depend on every bit of the core's random
    numbers. To run the very same network elsewhere the same numbers have to come out.

Method
    One generator, Marsaglia's KISS with 64-bit products: a linear congruence, a three-shift xor and a multiply with
    carry, 4 words of state. Its words become

    * uniform fractions (the 32 bits as u0.32),
    * standard normals by the inverse distribution function of the upper 16 bits: the 32 outermost values of each side
      are rounded quantiles, then five polynomials in the distance from the edge, then five in the square of the distance
      from the centre, each evaluated with 16-bit by 32-bit products; so there are 65,536 different normals and a table
      of them is the fast path,
    * exponentials by von Neumann's method.

    :class:`Stream` and :func:`draw` are the specification on Python integers; ``next_word`` and ``draw_value`` the same
    for Numba. All products truncate towards minus infinity.

Cost
    Two multiplications and three shifts a word; one word a normal.

Reference
    Marsaglia and Zaman (1993), "The KISS generator"; Jones (2010), "Good practice in (pseudo) random number generation"
    (this variant is JKISS with other constants); von Neumann (1951) as given in Ripley (1987), "Stochastic Simulation",
    p. 230. The polynomials' coefficients are those of the SpiNNaker project's ``normal.c``; all 65,536 normals equal
    what the function inside ``synapse_expander.aplx`` of sPyNNaker 1!7.4.1 returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import special

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.s1615 import FRACTION_BITS, ONE, wrap32

#: Kinds of parameter generators, by the number the host writes for them.
CONSTANT, UNIFORM, NORMAL, NORMAL_CLIPPED, NORMAL_TO_BOUNDARY, EXPONENTIAL, EXPONENTIAL_CLIPPED = range(7)
#: Parameters of each kind: value; low, high; mean, sd; mean, sd, low, high (twice); beta; beta, low, high.
N_PARAMETERS = (1, 2, 2, 4, 4, 1, 3)
#: A clipped draw gives up after so many attempts; the machine then stops with an error.
MAX_DRAWS = 1000
#: What ``draw_value`` returns when a clipped draw gave up: no s16.15 number.
GAVE_UP = 1 << 40

_MULTIPLIER, _INCREMENT, _CARRY_MULTIPLIER = 314527869, 1234567, 4294584393
_WORD = 0xFFFFFFFF

# Inverse of the normal distribution function. Towards the edge: q = distance from it in 2^-16, 2^(k + 5) <= q < 2^(k + 6).
_TAIL = (
    (489693536, -966086639, 1048652819, -1202555181, 638185482),
    (510971994, -1008958387, 1097593202, -1269255408, 208850025),
    (535062308, -1057614622, 1153468280, -1347876992, 1901851228),
    (562587223, -1113360216, 1217886707, -1442344496, 1417447081),
    (594357355, -1177895230, 1292890733, -1558625637, 896662126),
)
_TAIL_LEADING = (98304, 98304, 65536, 65536, 65536)
# Around the centre, for 2^(k + 10) <= q < 2^(k + 11): coefficients, offset and factor of the argument, leading term.
_CENTRE = (
    (1364524482, 4157352, 893590920, 482307216, -56131990),
    (1594011413, 34197350, 980366094, 540913971, 14157698),
    (2059946197, 130876674, 1126841309, 628910107, -391651081),
    (669410721, 151375990, 657881394, 208981697, -111730420),
    (135763632, 134215538, 347443147, -134393924, 14235314),
)
_CENTRE_ARGUMENT = ((7200, 32), (6272, 16), (4608, 8), (2048, 6), (0, 6))
_CENTRE_LEADING = (16, 14, 13, 11, 10)
_N_QUANTILES = 32
_OUTERMOST = 7 * ONE


class Stream:
    """A stream of random words: the specification.

    Parameters
    ----------
    seed : sequence of int
        The 4 words of state, as the host writes them.

    Examples
    --------
    >>> Stream((1, 2, 3, 4)).word()
    591437861
    """

    def __init__(self, seed: Sequence[int]) -> None:
        self.x, self.y, self.z, self.carry = check_seed(seed)

    @property
    def state(self) -> tuple[int, int, int, int]:
        """The 4 words of state: the seed of the rest of the stream."""
        return self.x, self.y, self.z, self.carry

    def word(self) -> int:
        """Draw 32 bits."""
        self.x = (_MULTIPLIER * self.x + _INCREMENT) & _WORD
        self.y ^= (self.y << 5) & _WORD
        self.y ^= self.y >> 7
        self.y ^= (self.y << 22) & _WORD
        product = _CARRY_MULTIPLIER * self.z + self.carry
        self.z, self.carry = product & _WORD, product >> 32
        return (self.x + self.y + self.z) & _WORD

    def below(self, n: int) -> int:
        """Draw an integer in [0, n) from the whole word."""
        return n * self.word() >> 32

    def below_coarse(self, n: int) -> int:
        """Draw an integer in [0, n) from the lowest 15 bits: for n beyond 32,768 some values never come."""
        return ((self.word() & 0x7FFF) * n & _WORD) >> 15

    def normal(self) -> int:
        """Draw a standard normal (s16.15)."""
        return standard_normal(wrap32(self.word()) >> 16)

    def exponential(self) -> int:
        """Draw an exponential of mean one (s16.15)."""
        whole = 0
        while True:
            u = first = self.word()
            while True:
                other = self.word()
                if u < other:
                    return whole + (first >> (32 - FRACTION_BITS))
                u = self.word()
                if u >= other:
                    break
            whole += ONE


def check_seed(seed: Sequence[int]) -> tuple[int, int, int, int]:
    """Check that 4 words can seed a stream.

    Raises
    ------
    UsageError
        If there are not 4 words of 32 bits, or the second is 0 (its part of the generator would stand still).
    """
    words = tuple(int(w) for w in seed)
    if len(words) != 4 or not all(0 <= w <= _WORD for w in words) or words[1] == 0:
        raise UsageError(f"seed {words} of a SpiNNaker random stream: it must be 4 words of 32 bits, the second not 0")
    return words


def standard_normal(x: int) -> int:
    """Compute the standard normal quantile (s16.15) of x / 2^16 + 0.5, x in [-2^15, 2^15), as the machine does."""
    size = abs(x)
    q = 0x8000 - size
    if q < _N_QUANTILES:
        value = _OUTERMOST if q == 0 else round(-float(special.ndtri(q / 0x10000)) * ONE)
    elif q < 1 << 10:
        k = q.bit_length() - 6
        r = _horner(_TAIL[k], (q - (1 << (k + 5))) << (10 - k))
        value = _TAIL_LEADING[k] + ((r + (r & 0x4000)) >> 16)
    elif size == 0:
        value = 0
    else:
        k = q.bit_length() - 11
        offset, factor = _CENTRE_ARGUMENT[k]
        z = ((size * size >> 17) - offset) * factor << 1
        r = wrap32(_horner(_CENTRE[k], z) + (z << 14)) >> 16
        value = (r + (_CENTRE_LEADING[k] << 13)) * size >> 16
    return -value if x < 0 else value


def _horner(coefficients: tuple[int, ...], x: int) -> int:
    """Evaluate a polynomial, highest power first, at the lowest 16 bits of x as a signed fraction of 2^16."""
    x = ((x + 0x8000) & 0xFFFF) - 0x8000
    r = coefficients[0]
    for c in coefficients[1:]:
        r = wrap32(c + (r * x >> 16))
    return r


@cache
def normal_table() -> npt.NDArray[np.int32]:
    """Tabulate the standard normals (s16.15) by the upper 16 bits of the word, shape (65536,)."""
    table = np.array([standard_normal(((i + 0x8000) & 0xFFFF) - 0x8000) for i in range(0x10000)], np.int32)
    table.flags.writeable = False
    return table


def draw(stream: Stream, kind: int, parameters: Sequence[int]) -> int:
    """Draw a value (s16.15) of a distribution: the specification.

    Parameters
    ----------
    stream : Stream
    kind : int
        ``CONSTANT`` to ``EXPONENTIAL_CLIPPED``.
    parameters : sequence of int
        As many s16.15 numbers as ``N_PARAMETERS[kind]``.

    Returns
    -------
    int

    Raises
    ------
    UsageError
        If the kind is unknown, or a clipped draw gave up after 1,000 attempts.
    """
    p = parameters
    if kind == CONSTANT:
        return p[0]
    if kind == UNIFORM:
        return wrap32(p[0] + ((stream.word() >> 1) * wrap32(p[1] - p[0]) >> 31))
    if kind == EXPONENTIAL:
        return wrap32(stream.exponential() * p[0] >> FRACTION_BITS)
    if kind in (NORMAL, NORMAL_TO_BOUNDARY):
        value = wrap32(p[0] + (stream.normal() * p[1] >> FRACTION_BITS))
        return value if kind == NORMAL else min(max(value, p[2]), p[3])
    if kind not in (NORMAL_CLIPPED, EXPONENTIAL_CLIPPED):
        raise UsageError(f"parameter generator {kind} is unknown: the machine has 0 to {EXPONENTIAL_CLIPPED}")
    low, high = p[-2:]
    for _ in range(MAX_DRAWS):
        if kind == NORMAL_CLIPPED:
            value = wrap32(p[0] + (stream.normal() * p[1] >> FRACTION_BITS))
        else:
            value = wrap32(stream.normal() * p[0] >> FRACTION_BITS)
        if low <= value <= high:
            return value
    raise UsageError(f"{MAX_DRAWS} draws of a clipped distribution were all outside [{low / ONE:g}, {high / ONE:g}]: widen its bounds")


def stream_states(seeds: Sequence[Sequence[int]]) -> npt.NDArray[np.uint64]:
    """Prepare the states of streams for the compiled functions, shape (n_streams, 4)."""
    return np.array([check_seed(seed) for seed in seeds], np.uint64).reshape(len(seeds), 4)


@njit(cache=True, inline="always")
def next_word(state: Any) -> Any:
    """Draw 32 bits (uint64) from a state of 4 uint64."""
    word = np.uint64(_WORD)
    x = (np.uint64(_MULTIPLIER) * state[0] + np.uint64(_INCREMENT)) & word
    y = state[1]
    y ^= (y << np.uint64(5)) & word
    y ^= y >> np.uint64(7)
    y ^= (y << np.uint64(22)) & word
    product = np.uint64(_CARRY_MULTIPLIER) * state[2] + state[3]
    z = product & word
    state[0] = x
    state[1] = y
    state[2] = z
    state[3] = product >> np.uint64(32)
    return (x + y + z) & word


@njit(cache=True, inline="always")
def below(state: Any, n: Any) -> Any:
    """Draw an integer in [0, n) from the whole word."""
    return np.int64((np.uint64(n) * next_word(state)) >> np.uint64(32))


@njit(cache=True, inline="always")
def below_coarse(state: Any, n: Any) -> Any:
    """Draw an integer in [0, n) from the lowest 15 bits."""
    return np.int64((((next_word(state) & np.uint64(0x7FFF)) * np.uint64(n)) & np.uint64(_WORD)) >> np.uint64(15))


@njit(cache=True, inline="always")
def _wrap(value: Any) -> Any:
    return ((value + 0x80000000) & _WORD) - 0x80000000


@njit(cache=True, inline="always")
def _exponential(state: Any) -> Any:
    whole, found = np.int64(0), False
    first = np.uint64(0)
    while not found:
        u = first = next_word(state)
        falling = True
        while falling:
            other = next_word(state)
            found = u < other
            falling = False
            if not found:
                u = next_word(state)
                falling = u < other
        whole += 0 if found else ONE
    return whole + np.int64(first >> np.uint64(32 - FRACTION_BITS))


@njit(cache=True, inline="always")
def draw_value(state: Any, kind: Any, p: Any, table: Any) -> Any:
    """Draw a value (s16.15 as int64) of a distribution, or GAVE_UP.

    ``p`` is what :func:`padded` gives, ``table`` is :func:`normal_table`. A single way out lets the compiler drop its
    counting of references to the arrays, which takes ten times as long as the draw.
    """
    value = p[0]
    if kind == UNIFORM:
        value = _wrap(p[0] + ((np.int64(next_word(state) >> np.uint64(1)) * _wrap(p[1] - p[0])) >> 31))
    elif kind == EXPONENTIAL:
        value = _wrap((_exponential(state) * p[0]) >> FRACTION_BITS)
    elif kind != CONSTANT:
        tries = 0
        while tries < MAX_DRAWS:
            value = _wrap(p[0] + ((np.int64(table[next_word(state) >> np.uint64(16)]) * p[1]) >> FRACTION_BITS))
            tries = MAX_DRAWS + 1 if p[2] <= value <= p[3] or kind == NORMAL_TO_BOUNDARY else tries + 1
        if kind == NORMAL_TO_BOUNDARY:
            value = min(max(value, p[2]), p[3])
        elif tries == MAX_DRAWS:
            value = np.int64(GAVE_UP)
    return value


def padded(kind: int, parameters: Sequence[int]) -> npt.NDArray[np.int64]:
    """Bring a distribution's parameters into the form that :func:`draw_value` takes, shape (4,): mean, sd, low, high if it is a normal one."""
    out = np.zeros(4, np.int64)
    if kind == EXPONENTIAL_CLIPPED:  # a clipped normal of mean zero, as the machine draws it
        out[1:] = parameters
    else:
        out[: len(parameters)] = parameters
    if kind == NORMAL:
        out[2:] = -GAVE_UP, GAVE_UP
    return out
