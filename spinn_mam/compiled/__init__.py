"""What compiled code needs beyond Numba: words of 32 bits, prefetching, threads that meet, and a cache that notices updates."""

from spinn_mam.compiled import cache

cache.use()
