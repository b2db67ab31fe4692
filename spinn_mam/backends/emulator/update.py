"""The neurons' part of a time step: Poisson input, currents, membrane, spikes.

Problem
    A second of the full-scale microcircuit is 8e8 updates of a neuron with Poisson drive.

Method
    The arithmetic of :mod:`spinn_mam.fixed_point.specification` on words of 32 bits (:mod:`spinn_mam.compiled.words`) in one
    loop over a block, which the compiler puts into vector registers.

    A signed product costs twice an unsigned one there, so the loop for *narrow* constants has only unsigned ones, exact
    modulo 2^32 as the machine's words are. A current never falls below zero, nor does it reach 2^31 if its largest input and
    its decay do not allow it (:func:`is_narrow`). For a signed x and a factor f = 2^15 q + s, with u = x + 2^31,

    .. math:: (x f) >> 15 = q x + (x s >> 15) = q u + (u s 2^{17} >> 32) - 2^{31} q - 2^{16} s,

    and the constants on the right are added to the next constant. A sum of 16 bits times an init of 32 bits is two products
    of 32 bits. Constants that are not narrow have a loop with signed products.

    Poisson counts compare 16 numbers at once with eight thresholds, then with four more as long as the largest number of the
    block reaches them.

Cost
    About 0.3 ns for the Poisson input and 1.1 ns for the rest, a neuron and step, on one core with AVX2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spinn_mam.backends.emulator import layout as L
from spinn_mam.backends.emulator.drive import added16, mix_index
from spinn_mam.compiled.borrowing import njit_borrowing
from spinn_mam.compiled.words import (
    add,
    bit_and,
    bit_xor,
    choose,
    greater,
    larger_of,
    multiply,
    product_high,
    product_s1615,
    product_u032,
    shift_left,
    shift_right,
    signed,
    smaller_of,
    subtract,
    unsigned,
)

#: Neurons updated together: what is drawn for them stays in the first-level cache.
BLOCK = 4096
_SLOT_MAX = 0xFFFF
#: Thresholds that all numbers are compared with, and how many more at once.
_FIRST, _MORE = 8, 4


def n_dithered(thresholds: npt.NDArray[np.uint32]) -> int:
    """Return the length of the array that :func:`dither` fills: a row's thresholds in steps of comparison, and one that no number reaches."""
    n: int = thresholds.shape[1]
    return _FIRST + -(-max(0, n - _FIRST) // _MORE) * _MORE + 1


@njit_borrowing
def dither(thresholds: Any, n: int, key: Any, out: Any) -> Any:
    """Cut the first n thresholds of a population to 16 bits for a step.

    A number x of :func:`draw_counts` reaches a threshold if it is greater than its entry in ``out``. Returns how many thresholds all
    numbers reach; these are left out.
    """
    added = added16(np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32)))
    out[:] = np.int16(0x7FFF)
    reached = 0
    for k in range(n):
        threshold = (np.int64(thresholds[k]) + added) >> 16
        if threshold == 0:
            reached += 1
        else:
            out[k - reached] = np.int16(min(threshold - 0x8001, 0x7FFF))
    return reached


@njit_borrowing
def draw_counts(counts: Any, thresholds: Any, reached: int, key: Any, first: int, mixed: Any) -> None:
    """Draw the Poisson input of a block.

    Parameters
    ----------
    counts : ndarray of uint16, shape (n,)
        For at most BLOCK neurons; overwritten.
    thresholds : ndarray of int16
    reached : int
        Both of :func:`dither`.
    key : uint64
    first : int
        Index of the first neuron in its population.
    mixed : ndarray of uint32, shape (BLOCK // 2 + 1,)
        Overwritten.
    """
    n = len(counts)
    key_low, key_high = np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))
    start = np.uint32(first // 2)
    for i in range(n // 2 + 1):
        mixed[i] = bit_xor(mix_index(key_low, key_high, add(start, np.uint32(i))), np.uint32(0x80008000))
    drawn = mixed.view(np.int16)[first % 2 : first % 2 + n]
    a, b, c, d = thresholds[0], thresholds[1], thresholds[2], thresholds[3]
    e, f, g, h = thresholds[4], thresholds[5], thresholds[6], thresholds[7]
    base, largest = np.int16(reached), np.int16(-0x8000)
    for i in range(n):
        x = drawn[i]
        largest = larger_of(largest, x)
        counts[i] = np.uint16(add(base, add(_count(x, a, b, c, d), _count(x, e, f, g, h))))
    k = _FIRST
    while largest > thresholds[k]:
        a, b, c, d = thresholds[k], thresholds[k + 1], thresholds[k + 2], thresholds[k + 3]
        for i in range(n):
            counts[i] = add(counts[i], np.uint16(_count(drawn[i], a, b, c, d)))
        k += _MORE


@njit(inline="always")
def _count(x: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Count the thresholds that x reaches."""
    return add(add(greater(x, a), greater(x, b)), add(greater(x, c), greater(x, d)))


@njit_borrowing
def add_counts(sums: Any, counts: Any, weight: Any) -> None:
    """Add Poisson input to the sums of a block."""
    w = np.int32(weight)
    for i in range(len(sums)):
        sums[i] = add(sums[i], multiply(np.int32(counts[i]), w))


def is_narrow(segments: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tell which segments :func:`update_narrow` updates exactly, for any input; shape (n_segments,)."""
    narrow = (segments[:, L.R_MEMBRANE] >= 0) & (segments[:, L.EXP_TC] >= 0) & (segments[:, L.EXP_TC] < 1 << 15)
    for shift, init, decay in ((L.SHIFT_EXC, L.INIT_EXC, L.DECAY_EXC), (L.SHIFT_INH, L.INIT_INH, L.DECAY_INH)):
        bits = segments[:, shift]
        narrow &= (bits >= 0) & (bits < 16)
        largest = (_SLOT_MAX * segments[:, init] >> 32 - np.clip(bits, 0, 15)) + 1
        # the currents' limit, largest / (1 - decay), must stay below 2^31
        narrow &= largest << 1 < (1 << 32) - segments[:, decay]
    return narrow


@njit_borrowing
def update_narrow(s: Any, v: Any, exc: Any, inh: Any, refract: Any, sums_exc: Any, sums_inh: Any, counts: Any, weight: int, spiked: Any) -> Any:
    """Do the time step of a block of a segment with narrow constants; return how many sums were cut to 16 bits.

    Parameters
    ----------
    s : ndarray of int64, shape (N_COLUMNS,)
        The segment's row of the Layout.
    v, exc, inh, refract : ndarray of int32, shape (n,)
        State; changed.
    sums_exc, sums_inh : ndarray of int32, shape (n,)
        Ring-buffer sums; cleared.
    counts : ndarray of uint16, shape (n,)
        Poisson input.
    weight : int
        What a count adds to the excitatory sum.
    spiked : ndarray of int8, shape (n,)
        1 where a neuron spikes, else 0; overwritten.
    """
    w, limit = np.int32(weight), np.int32(_SLOT_MAX)
    high_exc, low_exc, down_exc = _halves(s[L.INIT_EXC], s[L.SHIFT_EXC])
    high_inh, low_inh, down_inh = _halves(s[L.INIT_INH], s[L.SHIFT_INH])
    decay_exc, decay_inh = np.uint32(s[L.DECAY_EXC]), np.uint32(s[L.DECAY_INH])
    whole, fraction = s[L.R_MEMBRANE] >> 15, s[L.R_MEMBRANE] & 0x7FFF
    times, resistance, kept = np.uint32(whole), np.uint32(fraction << 17), np.uint32(s[L.EXP_TC] << 17)
    # what the products are too large by, and 2^31 to make the next factor unsigned
    rest = s[L.V_REST] - (whole << 31) - (fraction << 16)
    offset, from_rest = _word(s[L.I_OFFSET] + (1 << 31)), _word(rest + (1 << 31))
    to_rest = _word(rest + (s[L.EXP_TC] << 16))
    below, reset, pause = np.int32(s[L.V_TH] - 1), np.int32(s[L.V_RESET]), np.int32(s[L.T_REFRACT])
    cut = np.int32(0)
    for i in range(len(v)):
        x, y = add(sums_exc[i], multiply(np.int32(counts[i]), w)), sums_inh[i]
        sums_exc[i] = np.int32(0)
        sums_inh[i] = np.int32(0)
        cut = add(cut, add(greater(x, limit), greater(y, limit)))
        e = add(unsigned(exc[i]), _receive(unsigned(smaller_of(x, limit)), high_exc, low_exc, down_exc))
        h = add(unsigned(inh[i]), _receive(unsigned(smaller_of(y, limit)), high_inh, low_inh, down_inh))
        exc[i] = signed(product_u032(e, decay_exc))
        inh[i] = signed(product_u032(h, decay_inh))
        u = add(subtract(e, h), offset)
        alpha = add(multiply(u, times), product_u032(u, resistance))
        old, left = v[i], refract[i]
        moved = subtract(add(alpha, to_rest), product_u032(subtract(add(alpha, from_rest), unsigned(old)), kept))
        held = greater(left, np.int32(0))
        new = choose(held, old, signed(moved))
        spike = greater(new, below)
        v[i] = choose(spike, reset, new)
        refract[i] = choose(spike, pause, subtract(left, held))
        spiked[i] = np.int8(spike)
    return cut


@njit(inline="always")
def _word(number: Any) -> Any:
    """Cut an integer to 32 bits."""
    return np.uint32(number & 0xFFFFFFFF)


@njit(inline="always")
def _halves(init: Any, shift: Any) -> Any:
    """Split a factor of 32 fractional bits for :func:`_receive`: upper and lower half, and how far the product moves down."""
    return np.uint32(init >> 16), np.uint32(init & 0xFFFF), np.uint32(16 - shift)


@njit(inline="always")
def _receive(x: Any, high: Any, low: Any, down: Any) -> Any:
    """Turn a sum of 16 bits into a current: ``((x << shift) * init) >> 32``."""
    return shift_right(add(multiply(x, high), shift_right(multiply(x, low), np.uint32(16))), down)


@njit_borrowing
def update_wide(s: Any, v: Any, exc: Any, inh: Any, refract: Any, sums_exc: Any, sums_inh: Any, counts: Any, weight: int, spiked: Any) -> Any:
    """Do the time step of a block of any segment; see :func:`update_narrow`."""
    w, limit = np.int32(weight), np.int32(_SLOT_MAX)
    bits_exc, bits_inh = np.int32(s[L.SHIFT_EXC]), np.int32(s[L.SHIFT_INH])
    init_exc, init_exc_mask = _factor(s[L.INIT_EXC])
    init_inh, init_inh_mask = _factor(s[L.INIT_INH])
    decay_exc, decay_exc_mask = _factor(s[L.DECAY_EXC])
    decay_inh, decay_inh_mask = _factor(s[L.DECAY_INH])
    constant, resistance = np.int32(s[L.I_OFFSET]), np.int32(s[L.R_MEMBRANE])
    kept, rest = np.int32(s[L.EXP_TC]), np.int32(s[L.V_REST])
    below, reset, pause = np.int32(s[L.V_TH] - 1), np.int32(s[L.V_RESET]), np.int32(s[L.T_REFRACT])
    cut = np.int32(0)
    for i in range(len(v)):
        x, y = add(sums_exc[i], multiply(np.int32(counts[i]), w)), sums_inh[i]
        sums_exc[i] = np.int32(0)
        sums_inh[i] = np.int32(0)
        cut = add(cut, add(greater(x, limit), greater(y, limit)))
        e = add(exc[i], _scale(shift_left(smaller_of(x, limit), bits_exc), init_exc, init_exc_mask))
        h = add(inh[i], _scale(shift_left(smaller_of(y, limit), bits_inh), init_inh, init_inh_mask))
        exc[i] = _scale(e, decay_exc, decay_exc_mask)
        inh[i] = _scale(h, decay_inh, decay_inh_mask)
        alpha = add(product_s1615(add(subtract(e, h), constant), resistance), rest)
        old, left = v[i], refract[i]
        moved = subtract(alpha, product_s1615(subtract(alpha, old), kept))
        held = greater(left, np.int32(0))
        new = choose(held, old, moved)
        spike = greater(new, below)
        v[i] = choose(spike, reset, new)
        refract[i] = choose(spike, pause, subtract(left, held))
        spiked[i] = np.int8(spike)
    return cut


@njit(inline="always")
def _factor(u032: int) -> tuple[Any, Any]:
    """Split a factor of 32 fractional bits, 0 to 2^32 - 1, for :func:`_scale`: the same bits signed, and a mask of ones if that changed it."""
    large = u032 >= 1 << 31
    return np.int32(u032 - (1 << 32) if large else u032), np.int32(-1 if large else 0)


@njit(inline="always")
def _scale(x: Any, factor: Any, mask: Any) -> Any:
    """Multiply by a factor below one and truncate: ``(x * u032) >> 32`` with a signed product of 32 by 32 bits only."""
    return add(product_high(x, factor), bit_and(x, mask))
