"""The multi-area model in the spelling of its public NEST implementation: ``MultiAreaModel(network_spec, theory, simulation, sim_spec)``.

A front over the model document: each key of ``network_spec`` is a value of the document, and what is not given has this package's default, the
ground state with the published stabilised in-degrees. There are two exceptions, where scripts for that implementation rely on its default: areas that
are not simulated are left out, and the factor of external inputs onto 6E does not follow the one onto 5E.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.models.document import resolve
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.network import Matrices, derive, matrices, target_rates, whole_network
from spinn_mam.models.mam.schema import validate
from spinn_mam.models.mam.structure import structure
from spinn_mam.models.scaling import check_scale, compensating_current
from spinn_mam.models.theory import MeanField, stationary_state
from spinn_mam.network.spec import FloatArray, NetworkSpec


def _same(value: Any) -> str:
    return str(value)


def _or_none(value: Any) -> str:
    return str(value) if value else "none"


def _drive(value: Any) -> str:
    return "poisson" if value else "dc"


#: Keys of network_spec, and the value of the document that each is: its key, and how the value is written there.
NETWORK_KEYS: Mapping[str, tuple[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "surface": ("anatomy.surface", _same),
        "fullscale_rates": ("rates.full_scale", _same),
        **{f"neuron_params.single_neuron_dict.{name}": (f"neuron.{name}", _same) for name in ("C_m", "tau_m", "E_L", "V_reset", "V_th", "t_ref")},
        "neuron_params.single_neuron_dict.tau_syn_ex": ("neuron.tau_syn", _same),
        "neuron_params.V0_mean": ("initial.V0_mean", _same),
        "neuron_params.V0_sd": ("initial.V0_sd", _same),
        "connection_params.replace_cc": ("variants.replace_cc", _or_none),
        "connection_params.replace_non_simulated_areas": ("variants.replace_non_simulated_areas", _or_none),
        "connection_params.replace_cc_input_source": ("rates.full_scale", _same),
        "connection_params.g": ("synapses.g", _same),
        "connection_params.PSP_e": ("synapses.PSP", _same),
        "connection_params.PSP_e_23_4": ("synapses.PSP_4E_to_23E", _same),
        "connection_params.PSP_ext": ("synapses.PSP_ext", _same),
        "connection_params.PSC_rel_sd_normal": ("synapses.weight_rel_sd", _same),
        "connection_params.PSC_rel_sd_lognormal": ("synapses.lognormal_rel_sd", _same),
        "connection_params.cc_weights_factor": ("synapses.cc_weights_factor", _same),
        "connection_params.cc_weights_I_factor": ("synapses.cc_weights_I_factor", _same),
        "connection_params.av_indegree_V1": ("anatomy.synapses_per_neuron", _same),
        "connection_params.fac_nu_ext_5E": ("external.kappa", _same),
        "connection_params.fac_nu_ext_6E": ("external.fac_nu_ext_6E", _same),
        "connection_params.fac_nu_ext_TH": ("external.fac_nu_ext_TH", _same),
        "delay_params.delay_e": ("synapses.delay_exc", _same),
        "delay_params.delay_i": ("synapses.delay_inh", _same),
        "delay_params.delay_rel": ("synapses.delay_rel_sd", _same),
        "delay_params.interarea_speed": ("synapses.speed", _same),
        "input_params.poisson_input": ("variants.drive", _drive),
        "input_params.rate_ext": ("external.rate", _same),
    }
)
#: Keys that have one possible value here.
FIXED: Mapping[str, Any] = MappingProxyType(
    {
        "neuron_params.neuron_model": "iaf_psc_exp",
        "connection_params.rho_syn": "constant",
        "connection_params.E_specificity": True,
        "input_params.dc_stimulus": False,
        "input_params.syn_type_ext": "edr",
        "USING_NEST_3": True,
    }
)
#: Keys that are no values of the document.
SCALE_KEYS = ("N_scaling", "K_scaling", "connection_params.K_stable")
LOGNORMAL_KEYS = ("connection_params.lognormal_weights", "connection_params.lognormal_EE_only")
#: Keys of sim_spec.
SIMULATION_KEYS = ("t_sim", "dt", "rng_seed", "local_num_threads", "areas_simulated")
#: The other implementation's factor of external inputs onto 6E, whatever the one onto 5E is.
FACTOR_6E = 1.41666667


class MultiAreaModel:
    """The multi-area network of some parameters.

    Parameters
    ----------
    network_spec : mapping
        Values that differ from the default, nested as in the public NEST implementation; ``N_scaling``, ``K_scaling`` and
        ``connection_params["K_stable"]`` (a file, a matrix, or None for the unstabilised in-degrees) among them.
    theory : bool
        Whether :attr:`theory` is wanted.
    simulation : bool
        Whether :attr:`simulation` is wanted.
    sim_spec : mapping
        Of the simulation: ``t_sim`` and ``dt`` (ms), ``rng_seed``, ``local_num_threads``, ``areas_simulated``.

    Raises
    ------
    UsageError
        If a key is not known or a value not possible.

    Examples
    --------
    >>> model = MultiAreaModel({"connection_params": {"g": -11.0, "cc_weights_factor": 1.0}})
    >>> model.K_matrix.shape, len(model.area_list), int(model.N["V1"]["23E"] - model.N_vec[0])
    ((254, 255), 32, 0)
    """

    def __init__(
        self,
        network_spec: Mapping[str, Any] | None = None,
        theory: bool = False,
        simulation: bool = False,
        sim_spec: Mapping[str, Any] | None = None,
    ) -> None:
        given = dict(_flat(network_spec or {}))
        self.sim_spec = dict(sim_spec or {})
        _known(self.sim_spec, SIMULATION_KEYS, "sim_spec")
        self.N_scaling = float(given.pop("N_scaling", 1.0))
        self.K_scaling = float(given.pop("K_scaling", 1.0))
        check_scale("N_scaling", self.N_scaling)
        check_scale("K_scaling", self.K_scaling)
        K_stable = given.pop("connection_params.K_stable", "published")
        self.settings = tuple(_settings(given, self.sim_spec, K_stable))
        document = resolve("mam", self.settings)
        self.params: dict[str, Any] = document.data
        self._content = validate(document)
        self._whole = structure(self._content)
        if isinstance(K_stable, np.ndarray):
            self._whole = self._whole.with_K_matrix(K_stable)
        self._own_matrix = isinstance(K_stable, np.ndarray)
        self._with_theory, self._with_simulation = theory, simulation

    @cached_property
    def network_spec(self) -> NetworkSpec:
        """The simulated areas at the scale, as all backends take them."""
        return derive(self._content, self.N_scaling, self.K_scaling, self._whole)

    @property
    def label(self) -> str:
        """Equal for equal networks: their digest."""
        return self.network_spec.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MultiAreaModel) and self.label == other.label

    def __hash__(self) -> int:
        return hash(self.label)

    @property
    def area_list(self) -> list[str]:
        """All areas."""
        return list(AREAS)

    @cached_property
    def structure(self) -> dict[str, list[str]]:
        """Populations of each area."""
        found: dict[str, list[str]] = {area: [] for area in AREAS}
        for name in self.structure_vec:
            area, _, population = name.partition("-")
            found[area].append(population)
        return found

    @property
    def structure_vec(self) -> list[str]:
        """Names of all populations, in the order of vectors and matrices."""
        return list(self._full.names)

    @property
    def N_vec(self) -> FloatArray:
        """Population sizes at the scale, not yet cut to whole numbers, shape (254,)."""
        return np.asarray(self._full.N * self.N_scaling)

    @property
    def K_matrix(self) -> FloatArray:
        """In-degrees at the scale, [target, source], the last column from outside, shape (254, 255)."""
        return np.column_stack([self._full.K, self._full.K_ext]) * self.K_scaling

    @property
    def W_matrix(self) -> FloatArray:
        """Mean weights at the scale (pA), as :attr:`K_matrix`."""
        W_ext = np.full(len(self._full.names), self._full.W_ext)
        return np.asarray(np.column_stack([self._full.W, W_ext]) / np.sqrt(self.K_scaling))

    @property
    def J_matrix(self) -> FloatArray:
        """Mean weights at the scale as jumps of the potential (mV): the charge over the membrane's capacitance."""
        return np.asarray(self.W_matrix * self._content.neuron.tau_syn.value / self._content.neuron.C_m.value)

    @property
    def syn_matrix(self) -> FloatArray:
        """Numbers of synapses at the scale, as :attr:`K_matrix`."""
        return self.K_matrix * self.N_vec[:, None]

    @cached_property
    def add_DC_drive(self) -> FloatArray:
        """Currents that compensate scaled in-degrees (pA), shape (254,)."""
        if self.K_scaling == 1.0:
            return np.zeros(len(self._full.names))
        full, tau_syn = self._full, self._content.neuron.tau_syn.value
        rates = target_rates(self._content, full.names, whole_network(self._content, full))
        external = np.full(1, self._content.external.rate.value if self._content.external.drive.value == "poisson" else 0.0)
        recurrent = compensating_current(self.K_scaling, tau_syn, full.W, full.K, rates)
        return recurrent + compensating_current(self.K_scaling, tau_syn, np.full((len(full.names), 1), full.W_ext), full.K_ext[:, None], external)

    @property
    def N(self) -> dict[str, dict[str, float]]:
        """Population sizes by area and population, and the total of each area."""
        found: dict[str, dict[str, float]] = {area: {} for area in AREAS}
        for name, size in zip(self.structure_vec, self.N_vec.tolist(), strict=True):
            area, _, population = name.partition("-")
            found[area][population] = size
        return {area: sizes | {"total": sum(sizes.values())} for area, sizes in found.items()}

    @property
    def K(self) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """In-degrees by target area and population and source area and population, ``["external"]["external"]`` among the sources."""
        return self._nested(self.K_matrix)

    @property
    def W(self) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """Mean weights (pA), as :attr:`K`."""
        return self._nested(self.W_matrix)

    @property
    def synapses(self) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """Numbers of synapses, as :attr:`K`."""
        return self._nested(self.syn_matrix)

    @property
    def K_areas(self) -> dict[str, dict[str, float]]:
        """In-degrees between areas: synapses over neurons of the target."""
        inside = np.arange(len(AREAS))[:, None] == self._full.area[None, :]
        synapses = inside @ self.syn_matrix[:, :-1] @ inside.T
        sizes = inside @ self.N_vec
        return {target: dict(zip(AREAS, (synapses[a] / sizes[a]).tolist(), strict=True)) for a, target in enumerate(AREAS)}

    @property
    def distances(self) -> dict[str, dict[str, float]]:
        """Median distances between areas (mm)."""
        return {area: dict(zip(AREAS, row, strict=True)) for area, row in zip(AREAS, self._whole.distances.tolist(), strict=True)}

    @cached_property
    def theory(self) -> Theory:
        """Mean-field theory of the simulated areas."""
        if not self._with_theory:
            raise UsageError("MultiAreaModel(..., theory=True) has a theory; this one was made without")
        return Theory(MeanField.of(self.network_spec))

    @cached_property
    def simulation(self) -> Simulation:
        """A simulation of the simulated areas."""
        if not self._with_simulation:
            raise UsageError("MultiAreaModel(..., simulation=True) has a simulation; this one was made without")
        if self._own_matrix:
            raise UsageError("connection_params K_stable: a simulation reads the matrix from a file; save it with numpy.save and give the path")
        flags: list[str] = ["--n-scaling", str(self.N_scaling), "--k-scaling", str(self.K_scaling)]
        for key, flag in (("t_sim", "--t-sim"), ("rng_seed", "--seed"), ("local_num_threads", "--threads")):
            if key in self.sim_spec:
                flags += [flag, str(self.sim_spec[key])]
        for setting in self.settings:
            flags += ["--set", setting]
        return Simulation(tuple(flags))

    @cached_property
    def _full(self) -> Matrices:
        return matrices(self._content, self._whole)

    def _nested(self, matrix: FloatArray) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        sources = [*(tuple(name.split("-")) for name in self.structure_vec), ("external", "external")]
        found: dict[str, dict[str, dict[str, dict[str, float]]]] = {area: {} for area in AREAS}
        for name, row in zip(self.structure_vec, matrix.tolist(), strict=True):
            area, _, population = name.partition("-")
            onto: dict[str, dict[str, float]] = {}
            for (source_area, source), value in zip(sources, row, strict=True):
                onto.setdefault(source_area, {})[source] = value
            found[area][population] = onto
        return found


@dataclass(frozen=True, slots=True)
class Theory:
    """Mean-field theory of a network.

    Attributes
    ----------
    mean_field : MeanField
    """

    mean_field: MeanField

    def integrate_siegert(self) -> tuple[tuple[str, ...], FloatArray]:
        """Return the populations and their stationary rates (spikes/s), shape (n, 1)."""
        return self.mean_field.names, stationary_state(self.mean_field).rates[:, None]


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulation, run by the command line in a process of its own.

    Attributes
    ----------
    flags : tuple of str
        Of ``spinn-mam run mam``.
    """

    flags: tuple[str, ...]

    def command(self, out: str | Path, *more: str) -> list[str]:
        """Return the command that simulates into a run folder, with further flags such as ``"--backend", "nest"``."""
        return [sys.executable, "-m", "spinn_mam.cli", "run", "mam", *self.flags, "--out", str(out), *more]

    def simulate(self, out: str | Path, *more: str) -> Path:
        """Simulate into a run folder and return it.

        Raises
        ------
        RunFailedError
            If the run fails; its message is the command line's.
        """
        done = subprocess.run(self.command(out, *more), check=False, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RunFailedError(done.stderr.strip() or f"the run ended with exit code {done.returncode}")
        return Path(out)


def _settings(given: Mapping[str, Any], sim_spec: Mapping[str, Any], K_stable: Any) -> Iterator[str]:
    """Write the values of the other implementation as settings of the document."""
    _known(given, (*NETWORK_KEYS, *FIXED, *SCALE_KEYS, *LOGNORMAL_KEYS, "neuron_params.single_neuron_dict.tau_syn_in"), "network_spec")
    for key, only in FIXED.items():
        if given.get(key, only) != only:
            raise UsageError(f"network_spec {key} = {given[key]!r}: only {only!r} is possible")
    tau = {given[key] for key in given if key.startswith("neuron_params.single_neuron_dict.tau_syn_")}
    if len(tau) > 1 or ("neuron_params.single_neuron_dict.tau_syn_in" in given and "neuron_params.single_neuron_dict.tau_syn_ex" not in given):
        raise UsageError("network_spec neuron_params.single_neuron_dict: tau_syn_ex and tau_syn_in must be given and equal")
    if K_stable is None:
        yield "variants.connectivity=unstabilised"
    elif not isinstance(K_stable, np.ndarray) and str(K_stable) != "published":
        yield f"anatomy.in_degrees={K_stable}"
    if given.get(LOGNORMAL_KEYS[0]):
        yield f"variants.weights={'lognormal_EE_only' if given.get(LOGNORMAL_KEYS[1]) else 'lognormal'}"
    if "connection_params.replace_non_simulated_areas" not in given:
        yield "variants.replace_non_simulated_areas=none"
    if "connection_params.fac_nu_ext_5E" in given and "connection_params.fac_nu_ext_6E" not in given:
        yield f"external.fac_nu_ext_6E={FACTOR_6E}"
    how = {given.get(f"connection_params.{key}") for key in ("replace_cc", "replace_non_simulated_areas")}
    for key, value in given.items():
        if key == "connection_params.replace_cc_input_source" and "het_current_nonstat" in how:
            yield f'areas.rate_series="{value}"'
        elif (key in NETWORK_KEYS and value is not None) or key == "connection_params.replace_non_simulated_areas":
            name, written = NETWORK_KEYS[key]
            yield f"{name}={written(value)}"
    if "dt" in sim_spec:
        yield f"simulation.dt={sim_spec['dt']}"
    if "areas_simulated" in sim_spec:
        yield f'areas.simulated="{",".join(map(str, sim_spec["areas_simulated"]))}"'


def _flat(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in spec.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _known(given: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1) or [name for name in keys if name.rpartition(".")[2] == key.rpartition(".")[2]]
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
            raise UsageError(f"{what}: unknown key {key}: {hint}")
