"""Data regions of ``spike_source_poisson``, written from our own numbers, and what it recorded.

Layouts are those of sPyNNaker 1!7.4.1; ``test_poisson_source_regions.py`` compares them with what the host tools write.
"""

from collections.abc import Sequence

import numpy as np
from core_regions import COLOUR_BITS, PROVENANCE_WORDS, Core, Region, Words
from core_regions import _system as system_region

from spinn_mam.fixed_point.poisson import FAST_FROM, GAUSSIAN_FROM, RatePiece

RECORDING = 3
PROVENANCE = 4
PARAMETERS, RATES, PROFILER, SDRAM_EDGE, EXPANDER = 1, 2, 5, 6, 7
_FOREVER = 0xFFFFFFFF << 32


def poisson_core(
    seed: Sequence[int],
    sources: Sequence[Sequence[RatePiece]],
    dt: float,
    *,
    key: int | None = None,
    first: int = 0,
    max_spikes: int = 1,
    recording_bytes: int = 0,
    colour_bits: int = COLOUR_BITS,
    sdram: tuple[int, int, int, Sequence[int]] | None = None,
) -> Core:
    """``spike_source_poisson``: sources that send packets from ``key`` on, or write sums to ``sdram`` = address, bytes, offset, weights."""
    n = len(sources)
    keys = [0] * n if key is None else [key + (i << colour_bits) for i in range(n)]
    head = [int(key is not None), 0, round(dt / 1000.0 * (1 << 32)), round((1 << 16) / dt), FAST_FROM, GAUSSIAN_FROM]
    edge = [0, 0, 0]
    if sdram is not None:
        address, n_bytes, offset, weights = sdram
        padded = np.array([*weights, *[0] * (len(weights) % 2)], np.uint16)
        edge = [address, n_bytes, offset, *padded.view(np.uint32).tolist()]
    # 2 words a source and 6 a piece of its schedule, as many as the longest schedule has
    n_pieces = n * max(map(len, sources))
    regions = {
        0: system_region("spike_source_poisson", dt),
        PARAMETERS: Region.of(*head, first, n, max_spikes, colour_bits, *seed, *keys),
        RATES: Region.of(n_words=2 * n + 6 * n_pieces),
        RECORDING: Region.of(1, recording_bytes, 0, 0),
        PROVENANCE: Region.of(n_words=PROVENANCE_WORDS),
        PROFILER: Region.of(0),
        SDRAM_EDGE: Region.of(*edge, n_words=3 + (n + 1) // 2),
        EXPANDER: expander_region(sources),
    }
    return Core("spike_source_poisson.aplx", regions)


def expander_region(sources: Sequence[Sequence[RatePiece]], changed: bool = True) -> Region:
    """Schedules, those of neighbours with the same one written once."""
    groups: list[tuple[int, Sequence[RatePiece]]] = []
    for pieces in sources:
        if groups and list(groups[-1][1]) == list(pieces):
            groups[-1] = groups[-1][0] + 1, pieces
        else:
            groups.append((1, pieces))
    words = [int(changed), len(groups)]
    for count, pieces in groups:
        words += [count, len(pieces), 0]
        for piece in pieces:
            duration = _FOREVER if piece.duration is None else round(piece.duration * (1 << 32))
            for bits in (round(piece.rate * (1 << 32)), round(piece.start * (1 << 32)), duration):
                words += [bits & 0xFFFFFFFF, bits >> 32]
    n = len(sources)
    return Region.of(*words, n_words=3 * n + 6 * n * max(map(len, sources)) + 2)


def counts_of_recording(words: Words, n_sources: int, n_ticks: int, first_tick: int = 0) -> np.ndarray:
    """Decode recorded spikes, shape (n_ticks, n_sources): per tick a time, a number of bit fields and the fields."""
    counts = np.zeros((n_ticks, n_sources), np.uint16)
    n_words = -(-n_sources // 32)
    at = 0
    while at < len(words):
        time, n_fields = int(words[at]), int(words[at + 1])
        fields = words[at + 2 : at + 2 + n_fields * n_words].reshape(n_fields, n_words)
        bits = np.unpackbits(np.ascontiguousarray(fields).view(np.uint8), axis=1, bitorder="little")[:, :n_sources]
        counts[time - first_tick] += bits.sum(axis=0, dtype=np.uint16)
        at += 2 + n_fields * n_words
    return counts
