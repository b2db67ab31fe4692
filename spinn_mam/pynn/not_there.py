"""What PyNN knows and the emulator does not: using it is one clear error that says what is there.

A name of PyNN that is not there can still be read from the module, as scripts that choose between models do; only making
something of it fails.
"""

from __future__ import annotations

import inspect
from typing import Any

from pyNN import connectors, standardmodels
from pyNN.models import BaseCellType
from pyNN.standardmodels import cells, electrodes, synapses

from spinn_mam.errors import UsageError

#: What there is, by PyNN's kinds of models.
THERE = {
    "cells": "IF_curr_exp, SpikeSourceArray and SpikeSourcePoisson",
    "synapses": "StaticSynapse",
    "currents": "DCSource and StepCurrentSource",
    "connectors": "all connectors of PyNN but the small-world one",
}
_WHY = {
    "cells": "other neuron models are not in the emulator",
    "synapses": "plasticity and gap junctions are not in the emulator",
    "currents": "other current sources are not in the emulator",
    "connectors": "PyNN itself does not implement it",
}


class NotThereError(UsageError, NotImplementedError):
    """A model, an option or a method of PyNN is not in this backend."""


def _kind(name: str) -> str | None:
    for kind, module in (("cells", cells), ("currents", electrodes), ("connectors", connectors)):
        if inspect.isclass(getattr(module, name, None)):
            return kind
    for module in (synapses, standardmodels):
        if inspect.isclass(getattr(module, name, None)):
            return "synapses"
    return None


def stand_in(name: str) -> Any:
    """Make a class that fails when it is used.

    Parameters
    ----------
    name : str
        As it was asked for from the module.

    Raises
    ------
    AttributeError
        If PyNN has no such name either.
    """
    kind = None if name.startswith("_") else _kind(name)
    if kind is None:
        raise AttributeError(f"module 'spinn_mam.pynn' has no attribute '{name}': it has PyNN's names, listed in spinn_mam.pynn.__all__")
    message = f"{name} is not there: {_WHY[kind]}; there is {THERE[kind]}"

    def refuse(self: Any, *arguments: Any, **parameters: Any) -> None:
        raise NotThereError(message)

    return type(name, (BaseCellType,) if kind == "cells" else (), {"__init__": refuse, "__doc__": message})
