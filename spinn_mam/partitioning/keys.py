"""Keys: one aligned block of the 32-bit key space for each vertex.

Problem: sPyNNaker's population tables need vertex | core index | neuron identity | colour, with the core index contiguous in slice order
(``spynnaker/pyNN/models/neuron/synaptic_matrices.py``, 7.4.1). Free are the block of each vertex and its width.
Method: blocks are powers of two; handed out from the largest to the smallest each lands on a multiple of its size without gaps, so every
vertex, and every aligned run of its cores, is one key and mask. Cost: a sort.
"""

from __future__ import annotations

import numpy as np

from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.partitioning.structures import Keys, Partition

#: Colour bits sPyNNaker 7.4.1 keeps below the neuron identity (``spynnaker/pyNN/spynnaker.cfg``, ``n_colour_bits``).
COLOUR_BITS = 4


def bits_for(n: int) -> int:
    """Return the bits that number ``n`` things.

    Examples
    --------
    >>> bits_for(80), bits_for(128), bits_for(1)
    (7, 7, 0)
    """
    return (n - 1).bit_length() if n > 0 else 0


def allocate(partition: Partition, *, colour_bits: int = COLOUR_BITS) -> Keys:
    """Give each vertex a block of keys and each slice its part of it.

    Parameters
    ----------
    partition : Partition
    colour_bits : int

    Returns
    -------
    Keys

    Raises
    ------
    DoesNotFitError
        If the blocks need more than 32 bits together.
    """
    vertices, slices = partition.vertices, partition.slices
    n_cores = np.diff(vertices.first_slice)
    shift = np.array([bits_for(int(n)) for n in vertices.ids_per_core], dtype=np.int64) + colour_bits
    width = shift + np.array([bits_for(int(n)) for n in n_cores], dtype=np.int64)
    needed = int(np.sum(1 << width.astype(object))) if len(width) else 0
    if needed > 1 << 32:
        message = f"{needed} keys needed, {1 << 32} there: use more neurons a core, or fewer colour bits (now {colour_bits})."
        raise DoesNotFitError("keys", [Violation("keys", "key space", message, needed / 2**32)])
    order = np.argsort(-width, kind="stable")
    size = np.int64(1) << width
    begin = np.zeros(len(width), dtype=np.int64)
    begin[order] = np.cumsum(size[order]) - size[order]
    full = np.int64(0xFFFFFFFF)
    core_index = np.arange(slices.n_slices) - vertices.first_slice[slices.vertex]
    return Keys(
        vertex_key=begin.astype(np.uint32),
        vertex_mask=(full & ~(size - 1)).astype(np.uint32),
        core_shift=shift,
        colour_bits=colour_bits,
        slice_key=(begin[slices.vertex] + (core_index << shift[slices.vertex])).astype(np.uint32),
        slice_mask=(full & ~((np.int64(1) << shift[slices.vertex]) - 1)).astype(np.uint32),
    )
