"""Current sources: a step of current is a change of a neuron's constant current at a time step."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyNN.parameters import ParameterSpace
from pyNN.standardmodels import build_translations, electrodes

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.pynn import simulator


class _Current:
    """What both sources share: values are kept in ``native``."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.native: dict[str, Any] = {}
        self.set_native_parameters(self.translate(self.parameter_space))  # type: ignore[attr-defined]

    def inject_into(self, cells: Any, location: Any = None) -> None:
        """Inject the current into each of some neurons."""
        if location is not None:
            raise UsageError("a current source has no location here: neurons are points")
        for cell in cells:
            if not cell.celltype.injectable:
                raise TypeError("Can't inject current into a spike source.")
            cell.parent.currents.setdefault(cell.parent.id_to_index(cell), []).append(self)
        simulator.state.changed()

    def set_native_parameters(self, parameters: Any) -> None:
        """Take new values, for all neurons that the source is injected into."""
        parameters.shape = (1,)
        parameters.evaluate(simplify=True)
        self.native.update(parameters.as_dict())
        simulator.state.changed()

    def get_native_parameters(self) -> Any:
        """Return the values."""
        return ParameterSpace(dict(self.native), shape=(1,))


class DCSource(_Current, electrodes.DCSource):
    """One pulse of current; see PyNN."""

    translations = build_translations(("amplitude", "amplitude"), ("start", "start"), ("stop", "stop"))

    def changes(self, steps_per_ms: float) -> list[tuple[int, int]]:
        """List the first step and the current (nA, s16.15) of each piece."""
        start, stop = int(float(self.native["start"]) * steps_per_ms), int(float(self.native["stop"]) * steps_per_ms)
        return [(start, to_s1615(float(self.native["amplitude"]))), (stop, 0)] if stop > start else []


class StepCurrentSource(_Current, electrodes.StepCurrentSource):
    """A current that changes at given times; see PyNN."""

    translations = build_translations(("amplitudes", "amplitudes"), ("times", "times"))

    def changes(self, steps_per_ms: float) -> list[tuple[int, int]]:
        """List the first step and the current (nA, s16.15) of each piece."""
        times, amplitudes = (np.asarray(self.native[name].value, float) for name in ("times", "amplitudes"))
        if len(times) != len(amplitudes) or np.any(np.diff(times) < 0):
            raise UsageError(f"StepCurrentSource has {len(times)} times and {len(amplitudes)} amplitudes: give as many, times in rising order")
        return [(int(t * steps_per_ms), to_s1615(float(a))) for t, a in zip(times, amplitudes, strict=True)]
