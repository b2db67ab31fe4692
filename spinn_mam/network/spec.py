"""NetworkSpec: a network as every backend and the mapping see it, with nothing left to derive.

Structure only: populations with their parameters and drive, projections with their number of synapses and their
distributions. Synapses themselves come from :mod:`spinn_mam.network.connectivity`. Units are NEST's: ms, mV, pF, pA,
spikes/s. A delay is NEST's: from the time stamp of the spike to the step in which the input acts on the membrane.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NeuronParameters:
    """Leaky integrate-and-fire neuron with exponential currents (NEST ``iaf_psc_exp``, PyNN ``IF_curr_exp``).

    Attributes
    ----------
    C_m : float
        Membrane capacitance (pF).
    tau_m, tau_syn_ex, tau_syn_in : float
        Membrane and synaptic time constants (ms).
    E_L, V_reset, V_th : float
        Resting, reset and threshold potential (mV).
    t_ref : float
        Absolute refractory period (ms).
    """

    C_m: float
    tau_m: float
    tau_syn_ex: float
    tau_syn_in: float
    E_L: float
    V_reset: float
    V_th: float
    t_ref: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A normal distribution, redrawn until the value lies within its bounds, or a lognormal one.

    Attributes
    ----------
    mean, sd : float
        Mean and standard deviation before clipping; unit of the quantity drawn.
    lower, upper : float
        Bounds of a normal distribution; may be infinite.
    kind : str
        ``"normal"`` or, for weights, ``"lognormal"``: the magnitude's logarithm is normal, its sign that of the mean, and there are no bounds.
    """

    mean: float
    sd: float
    lower: float = -np.inf
    upper: float = np.inf
    kind: Literal["normal", "lognormal"] = "normal"


@dataclass(frozen=True, slots=True)
class PoissonDrive:
    """Independent Poisson input of each neuron of a population.

    Attributes
    ----------
    rate : float
        Summed rate of all external inputs of one neuron (spikes/s).
    weight : float
        Synaptic weight (pA).
    delay : float
        Delay (ms).
    """

    rate: float
    weight: float
    delay: float


@dataclass(frozen=True, slots=True)
class StepCurrent:
    """A current into each neuron of a population that changes at regular times.

    Attributes
    ----------
    interval : float
        Time between two changes (ms), a whole number of steps.
    values : tuple of float
        Currents (pA); value k acts in [k, k + 1) intervals from the beginning of the simulation, the last one from then on.
    """

    interval: float
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the intervals (pA)."""
        return float(np.mean(self.values))


@dataclass(frozen=True, slots=True)
class Population:
    """Neurons, or Poisson sources, of one kind.

    Attributes
    ----------
    name : str
        Such as ``"L23E"`` or ``"V1-23E"``.
    size : int
        Number of neurons or sources.
    neuron : NeuronParameters or None
        None for a population of Poisson sources.
    I_e : float
        Constant input current (pA).
    V0_mean, V0_sd : float
        Normal distribution of the initial membrane potentials (mV).
    drive : PoissonDrive or None
        Independent Poisson input.
    source_rate : float
        For sources: rate of each while it is on (spikes/s).
    source_start, source_stop : float
        For sources: when they are on, [start, stop) from the beginning of the simulation (ms).
    current : StepCurrent or None
        Current that changes in time, beside I_e.
    """

    name: str
    size: int
    neuron: NeuronParameters | None
    I_e: float = 0.0
    V0_mean: float = 0.0
    V0_sd: float = 0.0
    drive: PoissonDrive | None = None
    source_rate: float = 0.0
    source_start: float = 0.0
    source_stop: float = np.inf
    current: StepCurrent | None = None

    @property
    def is_source(self) -> bool:
        """Whether the population only emits spikes."""
        return self.neuron is None


@dataclass(frozen=True, slots=True)
class Projection:
    """All synapses from one population to another: a fixed total number, sources and targets drawn independently.

    Attributes
    ----------
    source, target : int
        Indices into ``NetworkSpec.populations``.
    n_synapses : int
        Exact number; multapses and autapses allowed.
    weight : Distribution
        Synaptic weight (pA); its sign is that of its mean.
    delay : Distribution
        Delay (ms); drawn, then rounded to the nearest step, at least one step.
    """

    source: int
    target: int
    n_synapses: int
    weight: Distribution
    delay: Distribution

    @property
    def receptor(self) -> Literal["excitatory", "inhibitory"]:
        """The synapse type, by the sign of the mean weight."""
        return "excitatory" if self.weight.mean >= 0 else "inhibitory"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A whole network.

    Attributes
    ----------
    model : str
        Name of the model document it comes from.
    dt : float
        Time step (ms).
    populations : tuple of Population
    projections : tuple of Projection
    expected_rates : tuple of float
        Expected mean rate of each population (spikes/s), for mapping and for down-scaling.
    expected_rates_source : str
        Where they come from.
    N_scaling, K_scaling : float
        Scales of population sizes and in-degrees that were applied.
    drive : str
        ``"poisson"`` or ``"dc"``.
    """

    model: str
    dt: float
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    expected_rates: tuple[float, ...]
    expected_rates_source: str
    N_scaling: float = 1.0
    K_scaling: float = 1.0
    drive: str = "poisson"

    @property
    def sizes(self) -> IntArray:
        """Population sizes, shape (n_populations,)."""
        return np.array([p.size for p in self.populations], dtype=np.int64)

    @property
    def offsets(self) -> IntArray:
        """First global neuron index of each population and the total, shape (n_populations + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """Population names."""
        return tuple(p.name for p in self.populations)

    @property
    def n_synapses(self) -> int:
        """Number of recurrent (and source) synapses, without the Poisson drive."""
        return sum(p.n_synapses for p in self.projections)

    def index(self, name: str) -> int:
        """Index of the population called ``name``."""
        return self.names.index(name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as JSON takes it; a bound that is infinite becomes None, what is a default of late is not said."""
        drawn = functools.cache(_distribution)  # many projections share a few distributions
        data: dict[str, Any] = _finite(dataclasses.asdict(dataclasses.replace(self, projections=())))
        for population in data["populations"]:
            if population["current"] is None:
                del population["current"]
        data["projections"] = [
            {"source": p.source, "target": p.target, "n_synapses": p.n_synapses, "weight": dict(drawn(p.weight)), "delay": dict(drawn(p.delay))}
            for p in self.projections
        ]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NetworkSpec:
        """Make the network that :meth:`to_dict` gave."""

        def distribution(d: dict[str, Any]) -> Distribution:
            lower, upper = (np.inf * sign if d[key] is None else d[key] for key, sign in (("lower", -1), ("upper", 1)))
            return Distribution(d["mean"], d["sd"], lower, upper, d.get("kind", "normal"))

        populations = tuple(
            Population(
                **p
                | {
                    "neuron": p["neuron"] and NeuronParameters(**p["neuron"]),
                    "drive": p["drive"] and PoissonDrive(**p["drive"]),
                    "source_stop": np.inf if p["source_stop"] is None else p["source_stop"],
                    "current": StepCurrent(p["current"]["interval"], tuple(p["current"]["values"])) if p.get("current") else None,
                }
            )
            for p in data["populations"]
        )
        projections = tuple(Projection(**p | {"weight": distribution(p["weight"]), "delay": distribution(p["delay"])}) for p in data["projections"])
        rates = tuple(data["expected_rates"])
        return cls(**data | {"populations": populations, "projections": projections, "expected_rates": rates})

    def digest(self) -> str:
        """Return a hexadecimal digest of all values."""
        return _digest(self.to_dict())

    def dynamics_digest(self) -> str:
        """Return a digest of what decides the dynamics alone: equal digests may be compared spike statistic for spike statistic."""
        data = self.to_dict()
        return _digest({key: data[key] for key in ("dt", "populations", "projections")})


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _distribution(d: Distribution) -> dict[str, Any]:
    data: dict[str, Any] = _finite(dataclasses.asdict(d))
    return data if d.kind != "normal" else {key: value for key, value in data.items() if key != "kind"}


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not np.isfinite(data) else data
