"""Populations, views of them and assemblies: PyNN's own, with parameters and initial values kept as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pyNN import common, errors
from pyNN.parameters import LazyArray, ParameterSpace, Sequence, simplify

from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.pynn import cells, not_there, simulator
from spinn_mam.pynn.recording import Recorder


def _each(value: Any, n: int) -> npt.NDArray[Any]:
    """Return an array with the value of each of n cells."""
    if isinstance(value, np.ndarray) and value.shape == (n,):
        return value.copy()
    out = np.empty(n, object if isinstance(value, Sequence) else float)
    for i in range(n):
        out[i] = value
    return out


class _Values:
    """Parameters and initial values of a population or a view, which are those of the whole population."""

    def _whole(self) -> tuple[Any, npt.NDArray[np.int64]]:
        """Return the population and the indices in it."""
        raise NotImplementedError

    def _get_parameters(self, *names: str) -> Any:
        population, indices = self._whole()
        unknown = [name for name in names if name not in population.values]
        if unknown:
            raise errors.NonExistentParameterError(unknown[0], population.celltype, list(population.values))
        found = {name: simplify(population.values[name][indices]) for name in names}
        return ParameterSpace(found, population.celltype.get_schema(), shape=(len(indices),))

    # Native parameters have the standard names and units.
    _get_native_parameters = _get_parameters

    def _set_parameters(self, parameters: Any) -> None:
        population, indices = self._whole()
        parameters.evaluate(simplify=False)
        new = {name: value.copy() for name, value in population.values.items()}
        for name, value in parameters.items():
            new[name][indices] = _each(value, len(indices))
        population.take(new)

    def initialize(self, **initial_values: Any) -> None:
        """Set initial values of state variables; see PyNN."""
        population, indices = self._whole()
        for variable, value in initial_values.items():
            if variable not in population.initial:
                known = ", ".join(population.initial) or "none: it is a spike source"
                kind = population.celltype.__class__.__name__
                raise errors.InvalidParameterValueError(f"'{variable}' is no state variable of {kind}; it has {known}")
            drawn = np.asarray(LazyArray(value, shape=(len(indices),), dtype=float).evaluate(simplify=False), float)
            if not np.isfinite(drawn).all():
                raise errors.InvalidParameterValueError(f"initial values of '{variable}' in '{population.label}' must be finite")
            for extreme in (drawn.min(), drawn.max()):
                to_s1615(float(extreme))
            population.initial[variable][indices] = drawn
            population.initial_values[variable] = LazyArray(population.initial[variable].copy(), shape=(population.size,), dtype=float)
            if simulator.state.running:
                simulator.state.prepared().set_variable(variable, population.all_cells[indices].astype(np.int64), drawn)


class Assembly(common.Assembly):
    """Several populations and views as one; see PyNN."""

    _simulator = simulator

    @property
    def receptor_types(self) -> list[str]:
        """Receptors that all populations have, the excitatory one first: PyNN's default takes them by place, from a set."""
        return [kind for kind in self.populations[0].receptor_types if all(kind in p.receptor_types for p in self.populations)]

    def record(self, variables: Any, to_file: Any = None, sampling_interval: float | None = None, locations: Any = None) -> None:
        """Record variables of all cells; see PyNN. One file holds all populations: PyNN's own has each overwrite the one before."""
        super().record(variables, None, sampling_interval, locations)
        if isinstance(to_file, str):
            simulator.state.write_on_end.append((self, variables, to_file))


class PopulationView(_Values, common.PopulationView):
    """Some cells of a population; see PyNN."""

    _assembly_class = Assembly
    _simulator = simulator

    def _whole(self) -> tuple[Any, npt.NDArray[np.int64]]:
        return self.grandparent, self.index_in_grandparent(np.arange(self.size))

    @property
    def initial_values(self) -> dict[str, Any]:
        """Initial values of the state variables, of the view's cells."""
        population, indices = self._whole()
        return {name: LazyArray(value[indices], shape=(self.size,), dtype=float) for name, value in population.initial.items()}

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)


class Population(_Values, common.Population):
    """Cells of one type; see PyNN."""

    _simulator = simulator
    _recorder_class = Recorder
    _assembly_class = Assembly

    def _create_cells(self) -> None:
        if not isinstance(self.celltype, cells.IF_curr_exp | cells.SpikeSourceArray | cells.SpikeSourcePoisson):
            kind = f"{type(self.celltype).__module__}.{type(self.celltype).__name__}"
            raise not_there.NotThereError(f"cell type {kind} is not there: use {not_there.THERE['cells']} of spinn_mam.pynn")
        if self.size < 1:
            raise errors.InvalidDimensionsError(f"population '{self.label}' has {self.size} cells: it needs at least one")
        state = simulator.state
        self.all_cells = np.array([simulator.ID(i) for i in range(state.n_cells, state.n_cells + self.size)], dtype=simulator.ID)
        for cell in self.all_cells:
            cell.parent = self
        self._mask_local = np.ones(self.size, bool)
        self.currents: dict[int, list[Any]] = {}
        self.initial = {name: np.full(self.size, float(value)) for name, value in self.celltype.default_initial_values.items()}
        parameters = self.celltype.native_parameters
        try:
            parameters.shape = (self.size,)
            parameters.evaluate(simplify=False)
        except ValueError as error:
            message = f"population '{self.label}' has {self.size} cells: a parameter is one value, or a list of as many ({error})"
            raise errors.InvalidDimensionsError(message) from None
        self.take({name: _each(value, self.size) for name, value in parameters.as_dict().items()})
        self.number = len(state.populations)
        state.n_cells += self.size
        state.populations.append(self)
        state.changed()

    def take(self, values: dict[str, npt.NDArray[Any]]) -> None:
        """Check parameters and keep them.

        Parameters
        ----------
        values : dict of ndarray, shape (size,)
            All parameters, by name.
        """
        if self.is_neuron:
            rows = np.column_stack([values[name] for name in cells.PARAMETERS]).astype(float)
            self.constants, self.kind = cells.constants_of(rows, simulator.state.dt, self.label)
        self.values = values
        simulator.state.changed()

    @property
    def is_neuron(self) -> bool:
        """Whether it has neurons, not sources of spikes."""
        return isinstance(self.celltype, cells.IF_curr_exp)

    def _whole(self) -> tuple[Any, npt.NDArray[np.int64]]:
        return self, np.arange(self.size)

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)
