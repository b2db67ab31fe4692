"""Mapping a network onto a machine: pure functions on arrays."""
