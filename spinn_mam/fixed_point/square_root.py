"""The square root of a SpiNNaker core, bit for bit.

Problem
    Gaussian Poisson sources (:mod:`spinn_mam.fixed_point.poisson`) hold sqrt(lambda). Whether the root of a square comes out
    exact or one unit lower is decided by the last of 64 bits.

Method
    With n the number shifted up to [1/2, 1), w = 1 - y / 2 is refined towards (2 n)^(-1/2) by Newton steps w <- w - e w,
    e = n w^2 - 1/2, three with 32 bits and two with 64; the root is n w times a power of two. It equals the root of the
    number's upper 31 bits rounded down, but for about one in 1e5 that lies at a step.

Cost
    Some 20 multiplications of Python integers.

Reference
    The function inside ``spike_source_poisson.aplx`` of sPyNNaker 1!7.4.1: equal for all numbers from 10 to 65.5 (rates of a
    source up to 65,535 spikes/s at 1 ms) and for 5 million others.
"""

from __future__ import annotations

from spinn_mam.fixed_point.s1615 import ONE

_SQRT_HALF = 0xB504F334


def square_root(x: int) -> int:
    """Compute the square root of a u16.16 number, in u16.16, as the machine does.

    Examples
    --------
    >>> square_root(16 << 16) == 4 << 16
    True
    """
    n = x >> 1
    if n in (0, ONE):
        return n << 1
    shift = 32 - n.bit_length()
    n <<= shift
    y = n >> 1 & 0x3FFFFFFF
    for _ in range(2):
        y = _refine(n, y, 32) >> 32
    for bits in (32, 64, 64):
        y = _refine(n, y, bits)
    product = (y * n + (1 << 31)) >> 32
    root = ((n << 32) - (product >> 1)) >> (16 + ((shift - 16) >> 1))
    if shift & 1:
        root = (root * _SQRT_HALF + (1 << 31)) >> 32
    return root >> 32 << 1


def _refine(n: int, y: int, bits: int) -> int:
    """Take one Newton step from y with 32 or 64 fractional bits to y with 64, n with 32."""
    half = y >> 1
    product = y * n if bits == 32 else (y * n + (1 << 31)) >> 32
    q = (n << 32) - (product >> 1)
    e = q + (1 << 63) - (_scale_32(q, half) if bits == 32 else _scale_64_rounded_once(q, half))
    e = (e + (1 << 63)) % (1 << 64) - (1 << 63)
    step = abs(e) - (_scale_32 if bits == 32 else _scale_64_rounded_twice)(abs(e), half)
    return ((y << (64 - bits)) + 2 * (step if e > 0 else -step)) % (1 << 64)


def _scale_32(a: int, b: int) -> int:
    """Multiply 64 bits by a u0.32, rounding to nearest."""
    return (a * b + (1 << 31)) >> 32


# Two products of 64 bits with a u0.64, each of which treats the partial products in a way of its own. Whether the root of a
# square comes out exact or one unit lower depends on their last bit.


def _scale_64_rounded_once(a: int, b: int) -> int:
    (a1, a0), (b1, b0) = divmod(a, 1 << 32), divmod(b, 1 << 32)
    middle = a1 * b0 + a0 * b1 + (a0 * b0 >> 31 & 1)
    return a1 * b1 + ((middle + (1 << 31)) >> 32)


def _scale_64_rounded_twice(a: int, b: int) -> int:
    (a1, a0), (b1, b0) = divmod(a, 1 << 32), divmod(b, 1 << 32)
    return a1 * b1 + _scale_32(a0, b1) + ((a1 * b0 + _scale_32(a0, b0)) >> 32)
