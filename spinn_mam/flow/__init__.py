"""Stages, run folder, resume."""
