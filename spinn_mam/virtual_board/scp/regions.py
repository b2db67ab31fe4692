"""Regions of chips, as flood fill and state counts name them.

A region word holds the corner of a square of chips (x in bits 24-31, y in 16-23, multiples of four), a level in bits 16-17 and a mask of 16
parts: the squares of level 0 have 256 chips a side and parts of 64, those of level 3 have 4 chips a side and parts of one chip.
"""

from __future__ import annotations

N_PARTS = 16


def in_region(x: int, y: int, region: int) -> bool:
    """Return whether a chip lies in a region."""
    level = region >> 16 & 3
    corner_x, corner_y = region >> 24 & 0xFF, region >> 16 & 0xFC
    part = 4 ** (3 - level)
    square = 4 * part
    if x // square != corner_x // square or y // square != corner_y // square:
        return False
    number = y // part % 4 * 4 + x // part % 4
    return bool(region >> number & 1)
