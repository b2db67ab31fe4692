"""Benchmarks: each a ratio of two ways to do the same thing, measured in one run, one after the other in turn."""
