"""Poisson counts for every neuron and step, without state.

Problem
    Each neuron has an independent Poisson input: 8e8 counts for a second of the microcircuit, the same for any number of
    threads.

Method
    The count of neuron i in step t is a function of (seed, name of the population, i, t). A 64-bit stream key and the
    step give a 64-bit word; its halves enter two rounds of 32-bit mixing of i // 2; the lower 16 bits of the result are the
    even neuron's, the upper the odd one's. All pairs of a population in one step differ, since the mixing is a bijection.

    The 16 bits are compared with the cumulative distribution of 32 bits, cut to 16 after a random number of 16 bits was
    added to it, one for each population and step: so each count has the probabilities that 32 bits give, while 16 numbers
    fit a vector register. The neurons of a step share the added number, which raises the variance of a sum over N of them
    by a part of about N 2^-34 / mean: 1e-6 for a population of the microcircuit, 1e-2 for 20,000 sources of 1 spike/s.

    These are not the numbers that SpiNNaker's own Poisson sources draw: the law is the same, the spikes are not.

Cost
    About 0.3 ns for each neuron and step, in vector registers; beyond eight spikes a step more.

Reference
    Mixing constants: "lowbias32" of the public-domain hash-prospector search (Wellons 2018). Inversion of a discrete
    distribution: Devroye (1986), doi:10.1007/978-1-4613-8643-8, section III.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spinn_mam.compiled import words
from spinn_mam.errors import UsageError
from spinn_mam.network.kernels import draw

#: Largest mean of a count: exp(-mean) must stay well inside the resolution of 32 bits' inversion.
MAX_MEAN = 64.0
_MUL_A = 0x7FEB352D
_MUL_B = 0x846CA68B
_GOLDEN32 = 0x9E3779B1
_U32 = 0xFFFFFFFF


def poisson_thresholds(mean: float) -> npt.NDArray[np.uint32]:
    """Tabulate 2^32 times the cumulative probability of 0, 1, 2, ..., at least 1, up to the last entry below 2^32.

    A count is the number of entries that a uniform 32-bit number reaches or passes.

    Parameters
    ----------
    mean : float
        Mean count in a step.

    Returns
    -------
    ndarray of uint32, shape (largest count,)

    Raises
    ------
    UsageError
        If the mean is negative or above MAX_MEAN.
    """
    if not 0.0 <= mean <= MAX_MEAN:
        raise UsageError(f"a Poisson input of {mean:g} spikes a step is out of range, 0 to {MAX_MEAN:g}: lower its rate or the time step")
    thresholds: list[int] = []
    probability, cumulative, k = math.exp(-mean), 0.0, 0
    while True:
        cumulative += probability
        entry = max(1, round(cumulative * 2.0**32))
        if entry > _U32 or probability == 0.0 or (k > mean and thresholds and entry == thresholds[-1]):
            return np.array(thresholds, np.uint32)
        thresholds.append(entry)
        k += 1
        probability *= mean / k


def uniform32(step_key: int, index: int) -> int:
    """Mix a neuron's index with the key of a step into 32 bits: :func:`mix_index` in plain integers."""
    x = (index * _GOLDEN32 + step_key) & _U32
    x ^= x >> 16
    x = (x * _MUL_A) & _U32
    x ^= x >> 15
    x = (x + (step_key >> 32)) & _U32
    x = (x * _MUL_B) & _U32
    x ^= x >> 16
    x = (x * _MUL_A) & _U32
    return x ^ (x >> 15)


def poisson_count(thresholds: npt.NDArray[np.uint32], step_key: int, index: int) -> int:
    """Draw one count in plain integers.

    Parameters
    ----------
    thresholds : ndarray of uint32
    step_key : int
        Number ``step`` of the population's stream.
    index : int
        Index of the neuron in its population.
    """
    pair = uniform32(step_key, index // 2)
    u = pair >> 16 if index % 2 else pair & 0xFFFF
    added = uniform32((step_key >> 32) | (step_key & _U32) << 32, _U32) >> 16
    return sum(u >= (int(threshold) + added) >> 16 for threshold in thresholds)


@njit(inline="always")
def mix_index(key_low: Any, key_high: Any, index: Any) -> Any:
    """Mix a neuron's index with the two halves of a step's key; all arguments and the result are uint32."""
    x = words.add(words.multiply(index, np.uint32(_GOLDEN32)), key_low)
    x = words.multiply(words.bit_xor(x, words.shift_right(x, np.uint32(16))), np.uint32(_MUL_A))
    x = words.add(words.bit_xor(x, words.shift_right(x, np.uint32(15))), key_high)
    x = words.multiply(x, np.uint32(_MUL_B))
    x = words.multiply(words.bit_xor(x, words.shift_right(x, np.uint32(16))), np.uint32(_MUL_A))
    return words.bit_xor(x, words.shift_right(x, np.uint32(15)))


@njit(inline="always")
def draw16(key_low: Any, key_high: Any, index: Any) -> Any:
    """Return the 16 bits of a neuron as uint32; arguments as of :func:`mix_index`."""
    pair = mix_index(key_low, key_high, words.shift_right(index, np.uint32(1)))
    return words.bit_and(words.shift_right(pair, words.multiply(words.bit_and(index, np.uint32(1)), np.uint32(16))), np.uint32(0xFFFF))


@njit(inline="always")
def added16(key_low: Any, key_high: Any) -> Any:
    """Return the number that a step adds to all thresholds before they are cut to 16 bits."""
    return np.int64(words.shift_right(mix_index(key_high, key_low, np.uint32(_U32)), np.uint32(16)))


@njit(inline="always")
def count_reached(thresholds: Any, n: Any, added: Any, u: Any) -> Any:
    """Count the first n thresholds that a number of :func:`draw16` reaches."""
    k = 0
    while k < n and np.int64(u) >= (np.int64(thresholds[k]) + added) >> 16:
        k += 1
    return k


@njit(cache=True)
def uniforms(key: Any, first: int, n: int) -> Any:
    """Return numbers [first, first + n) of a stream as uniform floats in (0, 1), shape (n,)."""
    out = np.empty(n, np.float64)
    for i in range(n):
        out[i] = (np.float64(draw(key, first + i) >> np.uint64(12)) + 0.5) * 2.0**-52
    return out
