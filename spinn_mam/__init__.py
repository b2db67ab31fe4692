"""Cortical models on SpiNNaker: mapped, run, checked and metered, with or without the machine."""

__version__ = "0.1.0"
