"""The s16.15 numbers of SpiNNaker: conversion, multiplication, division, decay and exponential, as plain integers.

Problem
    A SpiNNaker core has no floating-point unit: sPyNNaker keeps state in signed 32-bit integers with 15 fractional
    bits (``accum``, value = bits / 2^15) and decay factors in unsigned 32-bit fractions (u0.32, value = bits / 2^32).
    A result that differs by one unit in the last place can move a spike, so the rounding of each operation counts.

Method
    Each function is one operation of the machine on Python integers. Products and decays truncate towards minus
    infinity, divisions of positive numbers truncate, overflow wraps to 32 bits: so does the neuron binary of sPyNNaker
    1!7.4.1 (``IF_curr_exp``), found by comparing 32,000 recorded potentials with an integer model of it. The exponential
    reduces the argument to an integer part (tabulated), four bits of fraction (tabulated) and a quadratic for the rest;
    its products round to nearest. For the parameters at hand it gives the very constants that the binary computes on a
    core: exp(-0.01) in s16.15 is 32442, exp(-0.2) in u0.32 is 0xd197bf1c with 0.1 ms stored as 3277 / 32768.

Reference
    ISO/IEC TR 18037 (fixed-point types in C); Hopkins and Furber (2015), doi:10.1162/NECO_a_00772 (their use in
    neuron models on SpiNNaker). The exponential's layout and its three quadratic coefficients are those of the
    SpiNNaker project's ``stdfix-exp``.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

from spinn_mam.errors import UsageError

#: Fractional bits of s16.15.
FRACTION_BITS = 15
#: One, in s16.15.
ONE = 1 << FRACTION_BITS

_HALF_U032 = 1 << 31
# Outside these bounds the exponential saturates: about 11.09 and -10.40 in s16.15.
_EXP_MAX, _EXP_MIN = 363408, -340695
# Quadratic for 1 - exp(-x), x in [0, 1/16) as u0.32: constant, linear and (subtracted) quadratic coefficient.
_SERIES = (5294, 4293434720, 2081624032)


def wrap32(value: int) -> int:
    """Wrap an integer to signed 32 bits, as the machine's registers do.

    Examples
    --------
    >>> wrap32(2**31)
    -2147483648
    """
    return ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def to_s1615(value: float) -> int:
    """Convert a number to s16.15, rounding to nearest as sPyNNaker does when it writes parameters.

    Parameters
    ----------
    value : float
        Between -65536 and 65536 - 2^-15.

    Returns
    -------
    int
        The bits as a signed integer.

    Raises
    ------
    UsageError
        If the number is outside the range.

    Examples
    --------
    >>> to_s1615(0.1)
    3277
    """
    # The host rounds the decimal number it prints, not the binary one: they differ where one of them lies halfway.
    bits = round(Decimal(repr(float(value))) * ONE)
    if not -(1 << 31) <= bits < 1 << 31:
        raise UsageError(f"{value:g} does not fit the machine's number format s16.15, [-65536, 65536): check the unit of this parameter")
    return bits


def from_s1615(bits: int) -> float:
    """Convert the bits of an s16.15 number to a float, exactly."""
    return bits / ONE


def multiply(a: int, b: int) -> int:
    """Multiply two s16.15 numbers: (a b) >> 15, truncating, wrapping to 32 bits.

    Examples
    --------
    >>> multiply(to_s1615(1.5), to_s1615(-2.0)) == to_s1615(-3.0)
    True
    >>> multiply(1, -1)
    -1
    """
    return wrap32((a * b) >> FRACTION_BITS)


def divide(a: int, b: int) -> int:
    """Divide two positive s16.15 numbers, truncating.

    Examples
    --------
    >>> divide(3277, 327680)
    327
    """
    return wrap32((a << FRACTION_BITS) // b)


def decay(x: int, factor: int) -> int:
    """Multiply an s16.15 number by a u0.32 factor: (x factor) >> 32, truncating towards minus infinity."""
    return wrap32((x * factor) >> 32)


def ceil_s1615(bits: int) -> int:
    """Round an s16.15 number up to a whole number."""
    return -(-bits >> FRACTION_BITS)


def exp_s1615(x: int) -> int:
    """Exponential of an s16.15 number, in s16.15, as the machine computes it.

    Examples
    --------
    >>> exp_s1615(-327)
    32442
    """
    if x > _EXP_MAX:
        return (1 << 31) - 1
    return 0 if x < _EXP_MIN else _exp_32(x) >> 17


def exp_u032(x: int) -> int:
    """Exponential of a negative s16.15 number, in u0.32, as the machine computes it.

    Examples
    --------
    >>> hex(exp_u032(-6554))
    '0xd197bf1c'
    """
    if x >= 0:
        raise ValueError("only exponentials below one fit u0.32")
    return 0 if x < _EXP_MIN else _exp_32(x) & 0xFFFFFFFF


def _exp_32(x: int) -> int:
    """Exponential of an s16.15 number with 32 fractional bits."""
    whole, fraction = x >> FRACTION_BITS, x & (ONE - 1)
    if fraction == 0:
        return _exp_table(whole, 1)
    rest = ONE - fraction
    result = _exp_table(whole + 1, 1)
    result -= _scale(result, (1 << 32) - _exp_table(-(rest >> 11), 16))
    y = (rest & 0x7FF) << 17
    series = ((_SERIES[1] - (_SERIES[2] * y >> 32)) * y >> 32) + _SERIES[0]
    return result - _scale(result, series)


def _scale(x: int, fraction: int) -> int:
    """Multiply by a u0.32 fraction, rounding to nearest."""
    return (x * fraction + _HALF_U032) >> 32


def _exp_table(numerator: int, denominator: int) -> int:
    """Exponential of a ratio with 32 fractional bits, rounded to nearest: an entry of the machine's tables."""
    with localcontext() as context:
        context.prec = 50
        return int(((Decimal(numerator) / denominator).exp() * (1 << 32)).to_integral_value())
