"""Projections: what PyNN's connectors make, kept as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pyNN import common, errors
from pyNN.space import Space

from spinn_mam.pynn import not_there, simulator
from spinn_mam.pynn.synapses import StaticSynapse

_COLUMNS = ("presynaptic_index", "postsynaptic_index", "weight", "delay")


class Connection(common.Connection):
    """One synapse, by its place in its projection."""

    def __init__(self, projection: Projection, number: int) -> None:
        self._projection, self._number = projection, number

    def as_tuple(self, *names: str) -> tuple[Any, ...]:
        """Return values by name."""
        return tuple(self._projection.column(name)[self._number].item() for name in names)


def _readable(name: str) -> property:
    def get(self: Connection) -> Any:
        return self._projection.column(name)[self._number].item()

    def put(self: Connection, value: float) -> None:
        self._projection.change(name, np.array([self._number]), np.array([value], float))

    return property(get, put if name in ("weight", "delay") else None)


for _name in _COLUMNS:
    setattr(Connection, _name, _readable(_name))


class Projection(common.Projection):
    """Synapses of one type between two groups of cells; see PyNN."""

    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self,
        presynaptic_population: Any,
        postsynaptic_population: Any,
        connector: Any,
        synapse_type: Any = None,
        source: Any = None,
        receptor_type: str | None = None,
        space: Any = None,
        label: str | None = None,
    ) -> None:
        if synapse_type is not None and not isinstance(synapse_type, StaticSynapse):
            kind = f"{type(synapse_type).__module__}.{type(synapse_type).__name__}"
            raise not_there.NotThereError(f"synapse type {kind} is not there: use {not_there.THERE['synapses']} of spinn_mam.pynn")
        target = getattr(postsynaptic_population, "receptor_types", None)
        if target is not None and not len(target):
            raise errors.ConnectionError(f"'{postsynaptic_population.label}' has spike sources, which receive nothing: project to neurons")
        super().__init__(presynaptic_population, postsynaptic_population, connector, synapse_type, source, receptor_type, space or Space(), label)
        self._pieces: list[tuple[npt.NDArray[np.int64], int, Any, Any]] = []
        self.one_delay = True
        connector.connect(self)
        self._columns = self._join()
        del self._pieces
        listed = getattr(connector, "conn_list", None)
        if listed is not None and len(listed) != len(self):
            message = f"{self.label}: {len(listed) - len(self)} of {len(listed)} listed connections have an index that '{self.post.label}' has not"
            raise errors.ConnectionError(message)
        simulator.state.projections.append(self)
        simulator.state.changed()

    def __len__(self) -> int:
        return len(self._columns["weight"])

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [Connection(self, j) for j in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.label} has {len(self)} connections, there is no number {i}")
        return Connection(self, i % len(self))

    @property
    def connections(self) -> Iterator[Connection]:
        """All synapses, one by one."""
        return (Connection(self, i) for i in range(len(self)))

    @property
    def inhibitory(self) -> int:
        """1 if the receptor is the inhibitory one, 0 otherwise."""
        return int(self.receptor_type == "inhibitory")

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a value of all synapses: an index, the weight (nA) or the delay (ms); shape (n_synapses,)."""
        if name.removesuffix("s") in self._columns:
            name = name.removesuffix("s")
        if name not in self._columns:
            raise AttributeError(f"a synapse has {', '.join(_COLUMNS)}, no '{name}'")
        return self._columns[name]

    def cells(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the source and the target cell of all synapses; shape (n_synapses,) each."""
        source, target = (cells.all_cells.astype(np.int64) for cells in (self.pre, self.post))
        return source[self.column("presynaptic_index")], target[self.column("postsynaptic_index")]

    def change(self, name: str, which: npt.NDArray[Any], values: npt.NDArray[np.float64]) -> None:
        """Set the weight or the delay of some synapses."""
        column = self._columns[name].copy()
        column[which] = values
        self._columns[name] = self._checked(name, column)
        if name == "delay":
            self.one_delay = False
        simulator.state.changed()

    def _convergent_connect(
        self, presynaptic_indices: Any, postsynaptic_index: Any, location_selector: Any = None, weight: Any = 0.0, delay: Any = 0.0
    ) -> None:
        """Take the synapses onto one neuron from a connector."""
        if location_selector is not None:
            raise not_there.NotThereError("location_selector is not there: neurons are points")
        self._pieces.append((np.atleast_1d(np.asarray(presynaptic_indices, np.int64)), int(postsynaptic_index), weight, delay))

    def _join(self) -> dict[str, npt.NDArray[Any]]:
        sizes = [len(sources) for sources, _, _, _ in self._pieces]
        targets = [target for _, target, _, _ in self._pieces]
        columns: dict[str, npt.NDArray[Any]] = {
            "presynaptic_index": np.concatenate([np.zeros(0, np.int64), *(sources for sources, _, _, _ in self._pieces)]),
            "postsynaptic_index": np.repeat(np.array(targets, np.int64), sizes),
        }
        for k, name in ((2, "weight"), (3, "delay")):
            values = [np.broadcast_to(np.asarray(piece[k], float), size) for piece, size in zip(self._pieces, sizes, strict=True)]
            columns[name] = self._checked(name, np.concatenate([np.zeros(0), *values]))
        self.one_delay = all(np.ndim(delay) == 0 for _, _, _, delay in self._pieces)
        return columns

    def _checked(self, name: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if not np.isfinite(values).all():
            raise errors.ConnectionError(f"{self.label}: a {name} is not a finite number")
        if name == "delay":
            return self._whole_steps(values)
        if (values < 0).any() and ((values > 0).any() or not self.inhibitory):
            extremes = f"weights from {values.min():g} to {values.max():g} nA onto the {self.receptor_type} receptor"
            raise errors.ConnectionError(
                f"{self.label}: {extremes}: the receptor gives the sign, so weights are at least zero for 'excitatory' and of one sign for "
                "'inhibitory'. Cut the distribution at zero, or give receptor_type='inhibitory'"
            )
        return values

    def _whole_steps(self, delays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Round delays to steps, as the SpiNNaker tools do."""
        state = simulator.state
        if len(delays) and state.longest != "auto" and delays.max() > state.longest:
            raise errors.ConnectionError(
                f"{self.label}: a delay of {delays.max():g} ms is above max_delay = {state.longest:g} ms: raise it in setup(), or leave it out"
            )
        return np.rint(delays * state.steps_per_ms) * (1.0 / state.steps_per_ms)

    def _set_attributes(self, parameters: Any) -> None:
        parameters.evaluate(simplify=False)
        rows, columns = self.column("presynaptic_index"), self.column("postsynaptic_index")
        for name, matrix in parameters.items():
            self.change(name, np.arange(len(self)), np.asarray(matrix, float)[rows, columns])

    def _set_initial_value_array(self, variable: str, value: Any) -> None:
        raise not_there.NotThereError(f"'{variable}' is not there: a static synapse has no state")

    def _get_attributes_as_list(self, names: list[str]) -> list[tuple[Any, ...]]:
        return list(zip(*(self.column(name).tolist() for name in names), strict=True))

    def _get_attributes_as_arrays(self, names: Any, multiple_synapses: str = "sum") -> list[npt.NDArray[np.float64]]:
        place = self.column("presynaptic_index"), self.column("postsynaptic_index")
        found = []
        for name in names:
            values, matrix = self.column(name), np.full(self.shape, np.nan)
            if multiple_synapses in ("last", "first"):
                step = 1 if multiple_synapses == "last" else -1
                matrix[place[0][::step], place[1][::step]] = values[::step]
            else:
                operation, start = {"sum": (np.add, 0.0), "min": (np.minimum, np.inf), "max": (np.maximum, -np.inf)}[multiple_synapses]
                matrix[place] = start
                operation.at(matrix, place, values)
            found.append(matrix)
        return found
