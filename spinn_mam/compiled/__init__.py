"""What compiled code needs beyond Numba: words of 32 bits, prefetching, threads that meet."""
