"""The neurons' part of a time step: Poisson input, currents, membrane, one pass each over a block that stays in cache.

Problem
    A second of the full-scale microcircuit is 8e8 updates of a neuron with Poisson drive.

Method
    The arithmetic of :mod:`spinn_mam.fixed_point.specification` on words of 32 bits (:mod:`spinn_mam.compiled.words`), so that
    each pass runs in vector registers. Passes are apart, since one pass over all arrays has too many numbers for the registers.

    A factor of 32 fractional bits does not fit a signed word. With d = factor - 2^32, (x factor) >> 32 = ((x d) >> 32) + x.

    Poisson counts compare a number with all thresholds that more than one number in 4,096 reaches; a block with a rarer
    number is looked through once more.

Cost
    About 0.8 ns for the Poisson input and 1.6 ns for the rest, a neuron and step, on one core with AVX2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spinn_mam.backends.emulator.drive import signed_draw
from spinn_mam.compiled.words import (
    add,
    bit_and,
    bit_or,
    choose,
    greater,
    larger_of,
    multiply,
    product_high,
    product_s1615,
    shift_left,
    smaller_of,
    subtract,
)

#: Neurons updated together, so that each pass finds them in the first-level cache.
BLOCK = 1024
_SLOT_MAX = 0xFFFF


@njit(cache=True, nogil=True)
def drive(sums: Any, thresholds: Any, n_common: int, weight: Any, key: Any, first: int, drawn: Any) -> None:
    """Add Poisson input to a block of at most BLOCK sums; neuron indices start at ``first``."""
    n = len(sums)
    key_low, key_high = np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))
    start, w = np.uint32(first), np.int32(weight)
    a, b, c, d = thresholds[0], thresholds[1], thresholds[2], thresholds[3]
    e, f, g, h = thresholds[4], thresholds[5], thresholds[6], thresholds[7]
    largest = np.int32(-(1 << 31))
    for i in range(n):
        x = signed_draw(key_low, key_high, add(start, np.uint32(i)))
        drawn[i] = x
        largest = larger_of(largest, x)
        count = add(_reached(x, a, b, c, d), _reached(x, e, f, g, h))
        sums[i] = add(sums[i], multiply(count, w))
    for k in range(8, n_common, 4):
        a, b, c, d = thresholds[k], thresholds[k + 1], thresholds[k + 2], thresholds[k + 3]
        for i in range(n):
            sums[i] = add(sums[i], multiply(_reached(drawn[i], a, b, c, d), w))
    if largest > thresholds[n_common]:
        for i in range(n):
            k = n_common
            while k < len(thresholds) and drawn[i] > thresholds[k]:
                sums[i] = add(sums[i], w)
                k += 1


@njit(inline="always")
def _reached(x: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Count the thresholds that x reaches."""
    return add(add(greater(x, a), greater(x, b)), add(greater(x, c), greater(x, d)))


@njit(cache=True, nogil=True)
def add_counts(sums: Any, counts: Any, weight: Any) -> None:
    """Add given Poisson input."""
    w = np.int32(weight)
    for i in range(len(sums)):
        sums[i] = add(sums[i], multiply(np.int32(counts[i]), w))


@njit(inline="always")
def _factor(u032: int) -> tuple[Any, Any]:
    """Split a factor of 32 fractional bits, 0 to 2^32 - 1, for :func:`_scale`: the same bits signed, and a mask of ones if that changed it."""
    large = u032 >= 1 << 31
    return np.int32(u032 - (1 << 32) if large else u032), np.int32(-1 if large else 0)


@njit(inline="always")
def _scale(x: Any, factor: Any, mask: Any) -> Any:
    """Multiply by a factor below one and truncate: ``(x * u032) >> 32`` with a signed product of 32 by 32 bits only."""
    return add(product_high(x, factor), bit_and(x, mask))


@njit(cache=True, nogil=True)
def receive(current: Any, sums: Any, shift: int, init: int) -> Any:
    """Cut a block's sums to 16 bits, add them to the synaptic currents and clear them; return how many were cut."""
    factor, mask = _factor(init)
    bits, limit = np.int32(shift), np.int32(_SLOT_MAX)
    cut = np.int32(0)
    for i in range(len(current)):
        x = sums[i]
        sums[i] = np.int32(0)
        cut = add(cut, greater(x, limit))
        x = shift_left(smaller_of(x, limit), bits)
        current[i] = add(current[i], _scale(x, factor, mask))
    return cut


@njit(cache=True, nogil=True)
def add_currents(total: Any, exc: Any, inh: Any, offset: int, decay_exc: int, decay_inh: int) -> None:
    """Sum the currents of a block and let the synaptic ones decay."""
    factor_exc, mask_exc = _factor(decay_exc)
    factor_inh, mask_inh = _factor(decay_inh)
    constant = np.int32(offset)
    for i in range(len(total)):
        e, h = exc[i], inh[i]
        total[i] = add(subtract(e, h), constant)
        exc[i] = _scale(e, factor_exc, mask_exc)
        inh[i] = _scale(h, factor_inh, mask_inh)


@njit(cache=True, nogil=True)
def membrane(v: Any, refract: Any, total: Any, spiked: Any, r: int, exp_tc: int, v_rest: int, v_th: int, v_reset: int, t_refract: int) -> Any:
    """Update potentials and refractory counters of a block and mark its spikes; return whether there are any."""
    resistance, kept, rest = np.int32(r), np.int32(exp_tc), np.int32(v_rest)
    below, reset, pause = np.int32(v_th - 1), np.int32(v_reset), np.int32(t_refract)
    found = np.int32(0)
    for i in range(len(v)):
        old, left = v[i], refract[i]
        alpha = add(product_s1615(total[i], resistance), rest)
        moved = subtract(alpha, product_s1615(subtract(alpha, old), kept))
        held = greater(left, np.int32(0))
        new = choose(held, old, moved)
        spike = greater(new, below)
        v[i] = choose(spike, reset, new)
        refract[i] = choose(spike, pause, subtract(left, held))
        spiked[i] = spike
        found = bit_or(found, spike)
    return found
