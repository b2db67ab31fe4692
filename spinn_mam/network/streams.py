"""Counter-based random streams, addressed by name from one seed.

A stream is a 64-bit key. Its i-th number is a hash of key and i, so any part of it can be drawn alone, in any order and
by any number of threads. The hash is the output function of SplitMix64 (Steele, Lea, Flood 2014,
doi 10.1145/2660193.2660195), which passes BigCrush; all arithmetic is on integers, so every platform draws the same.
"""

from __future__ import annotations

import hashlib

import numpy as np

from spinn_mam.errors import UsageError


def stream_key(seed: int, *names: str | int) -> np.uint64:
    """Make the key of the stream with this name.

    Parameters
    ----------
    seed : int
        The run's seed, 0 to 2^63 - 1.
    *names : str or int
        Address of the stream, such as ``("synapses", "L4E", "L23E")``.

    Returns
    -------
    numpy.uint64

    Examples
    --------
    >>> stream_key(1, "V0", "L23E") == stream_key(1, "V0", "L23E")
    True
    >>> stream_key(1, "V0", "L23E") == stream_key(2, "V0", "L23E")
    False
    """
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed = {seed} is out of range: it must be 0 to 2^63 - 1")
    address = "\x1f".join([str(seed), *(str(n) for n in names)])
    return np.uint64(int.from_bytes(hashlib.blake2b(address.encode(), digest_size=8).digest(), "little"))


_MASK = (1 << 64) - 1


def child_key(key: np.uint64, index: int) -> np.uint64:
    """Make the key of child stream ``index``: :func:`spinn_mam.network.kernels.subkey` in plain integers.

    Parameters
    ----------
    key : numpy.uint64
    index : int
    """
    return np.uint64(_mix64((_mix64(int(key) ^ 0x94D049BB133111EB) + 0x9E3779B97F4A7C15 * (index + 1)) & _MASK))


def _mix64(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)
