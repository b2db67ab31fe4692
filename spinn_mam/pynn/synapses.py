"""The synapse type."""

from __future__ import annotations

from typing import Any, ClassVar

from pyNN.standardmodels import build_translations, synapses

from spinn_mam.pynn import simulator


class StaticSynapse(synapses.StaticSynapse):
    """A fixed weight (nA) and delay (ms); see PyNN."""

    translations = build_translations(("weight", "weight"), ("delay", "delay"))
    #: Signs are checked by the projection, for lists of connections too.
    parameter_checks: ClassVar[dict[str, Any]] = {}

    def _get_minimum_delay(self) -> float:
        shortest = simulator.state.shortest
        return float(simulator.state.dt if shortest == "auto" else shortest)
