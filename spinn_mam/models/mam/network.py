"""The NetworkSpec of the multi-area model: sizes and synapse numbers at a scale, weights, delays, drive and compensating currents."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from spinn_mam.errors import UsageError
from spinn_mam.models.document import resolve
from spinn_mam.models.mam.areas import AREAS, POPULATIONS
from spinn_mam.models.mam.rates import SERIES_INTERVAL, THEORY, rates_by_theory, recorded_rates, recorded_series
from spinn_mam.models.mam.schema import MultiAreaDocument, validate
from spinn_mam.models.mam.structure import Structure, structure
from spinn_mam.models.scaling import check_scale, clipped, compensating_current, psc_over_psp
from spinn_mam.network.spec import (
    BoolArray,
    Distribution,
    FloatArray,
    IntArray,
    NetworkSpec,
    PoissonDrive,
    Population,
    Projection,
    StepCurrent,
)


@dataclass(frozen=True, slots=True)
class Matrices:
    """A full-scale network as vectors and matrices, [target, source].

    Attributes
    ----------
    names : tuple of str
    area, population : ndarray of int, shape (n,)
        Indices into AREAS and POPULATIONS.
    N, K_ext : ndarray, shape (n,)
    K, W : ndarray, shape (n, n)
        In-degrees, and weights (pA).
    W_ext : float
        Weight of external input (pA).
    delay : ndarray, shape (n, n)
        Mean delays (ms).
    """

    names: tuple[str, ...]
    area: IntArray
    population: IntArray
    N: FloatArray
    K: FloatArray
    K_ext: FloatArray
    W: FloatArray
    W_ext: float
    delay: FloatArray

    def of(self, at: BoolArray, K: FloatArray) -> Matrices:
        """Return the network of some populations, with these in-degrees between all."""
        both = np.ix_(at, at)
        names = tuple(name for name, kept in zip(self.names, at, strict=True) if kept)
        parts = (self.N[at], K[both], self.K_ext[at], self.W[both], self.W_ext, self.delay[both])
        return Matrices(names, self.area[at], self.population[at], *parts)


@dataclass(frozen=True, slots=True)
class Input:
    """Poisson input of each population, the summed rate of one neuron's and its weight, and a current.

    Attributes
    ----------
    rate, weight : ndarray, shape (n,)
        Spikes/s and pA, at full scale.
    current : ndarray, shape (n, m), or None
        Current for each SERIES_INTERVAL (pA), the same at any scale.
    """

    rate: FloatArray
    weight: FloatArray
    current: FloatArray | None = None


def matrices(model: MultiAreaDocument, whole: Structure | None = None) -> Matrices:
    """Return the full-scale network of all areas.

    Parameters
    ----------
    model : MultiAreaDocument
    whole : Structure, optional
        Its structure, if it is not the one that the document describes.
    """
    whole = structure(model) if whole is None else whole
    area, population = (index.ravel()[whole.there] for index in np.indices(whole.N.shape))
    within = area[:, None] == area[None, :]
    return Matrices(
        whole.names,
        area,
        population,
        whole.N.ravel()[whole.there],
        whole.K_matrix,
        whole.K_ext.ravel()[whole.there],
        mean_weights(model, population, within),
        model.synapses.PSP_ext.value * _psc(model),
        mean_delays(model, population, within, whole.distances[np.ix_(area, area)]),
    )


def mean_weights(model: MultiAreaDocument, population: IntArray, within: BoolArray) -> FloatArray:
    """Mean weights (pA), shape (n, n): Schmidt et al. (2018), doi:10.1371/journal.pcbi.1006359, "Synaptic parameters" in its methods.

    Parameters
    ----------
    model : MultiAreaDocument
    population : ndarray of int, shape (n,)
        Index of each population in POPULATIONS.
    within : ndarray of bool, shape (n, n)
        Whether both are in one area.
    """
    synapses, psc = model.synapses, _psc(model)
    inhibitory = population % 2 == 1
    J = synapses.PSP.value * psc
    weights = np.tile(np.where(inhibitory, synapses.g.value * J, J), (len(population), 1))
    special = (population == POPULATIONS.index("23E"))[:, None] & (population == POPULATIONS.index("4E"))[None, :] & within
    weights[special] = synapses.PSP_4E_to_23E.value * psc
    between = np.where(inhibitory, synapses.cc_weights_I_factor.value, 1.0)[:, None] * synapses.cc_weights_factor.value
    return np.where(within, weights, weights * between)


def mean_delays(model: MultiAreaDocument, population: IntArray, within: BoolArray, distances: FloatArray) -> FloatArray:
    """Mean delays (ms), shape (n, n): by the source's type within areas, distance over speed between them."""
    synapses = model.synapses
    local = np.where(population % 2 == 1, synapses.delay_inh.value, synapses.delay_exc.value)
    return np.where(within, local[None, :], distances / synapses.speed.value)


def derive(model: MultiAreaDocument, N_scaling: float = 1.0, K_scaling: float = 1.0, whole: Structure | None = None) -> NetworkSpec:
    """Derive the network of a document at a scale.

    Population sizes and synapse numbers are cut to whole numbers, as in the published simulations.

    Parameters
    ----------
    model : MultiAreaDocument
    N_scaling, K_scaling : float
        Scales of population sizes and in-degrees, in (0, 1].
    whole : Structure, optional
        Structure of the network, such as one with in-degrees of your own (``structure(model).with_K_matrix(K)``); by default the document's.

    Raises
    ------
    UsageError
        If a scale is out of range or leaves no synapses, or if rates are needed that theory does not have.
    """
    check_scale("N_scaling", N_scaling)
    check_scale("K_scaling", K_scaling)
    net, drive = simulated(model, matrices(model, whole))
    full = _spec(model, net, drive, np.zeros(len(net.names)), "")
    if K_scaling < 1.0:
        rates, source = target_rates(model, net.names, full), model.rates.full_scale.source
    else:
        rates, source = expected_rates(model, net, full)
    if N_scaling == K_scaling == 1.0:
        return replace(full, expected_rates=tuple(rates.tolist()), expected_rates_source=source)
    spec = _spec(model, net, drive, rates, source, N_scaling, K_scaling)
    if not spec.projections and full.projections:
        raise UsageError(f"N_scaling = {N_scaling:g} and K_scaling = {K_scaling:g} leave none of {full.n_synapses:,} synapses: use larger scales")
    return spec


def simulated(model: MultiAreaDocument, net: Matrices) -> tuple[Matrices, Input]:
    """Cut out the simulated areas, and let Poisson input stand for synapses that are replaced.

    The neurons' one Poisson source has the rate and weight that give the mean and the variance of all inputs it stands for.

    Parameters
    ----------
    model : MultiAreaDocument
    net : Matrices
        All areas.

    Returns
    -------
    net : Matrices
        The simulated areas.
    drive : Input
    """
    at = np.isin(net.area, [AREAS.index(name) for name in model.simulated])
    poisson = model.external.drive.value == "poisson"
    rate, weight = (model.external.rate.value * net.K_ext[at] if poisson else np.zeros(at.sum())), np.full(at.sum(), net.W_ext)
    K, current = net.K.copy(), None
    between = net.area[:, None] != net.area[None, :]
    for how, pairs in (
        (model.areas.replace_cc.value, between & at[:, None]),
        (model.areas.replace_non_simulated_areas.value, between & at[:, None] & ~at[None, :]),
    ):
        if how == "het_current_nonstat" and K[pairs].any():
            replaced = np.where(pairs, K, 0.0)
            series = _current(model, net, replaced, at)
            current = series if current is None else current + series
            K[pairs] = 0.0
        elif how != "none" and K[pairs].any():
            rates = (
                target_rates(model, net.names, whole_network(model, net))
                if how == "het_poisson_stat"
                else np.full(len(at), model.external.rate.value)
            )
            events = np.where(pairs, K, 0.0)[at] * rates
            mean = rate * weight + (events * net.W[at]).sum(axis=1)
            variance = rate * weight**2 + (events * net.W[at] ** 2).sum(axis=1)
            weight = np.divide(variance, mean, out=weight, where=mean != 0)
            rate = mean / weight
            K[pairs] = 0.0
    return net.of(at, K), Input(rate, weight, current)


def _current(model: MultiAreaDocument, net: Matrices, K: FloatArray, at: BoolArray) -> FloatArray:
    """Return the mean current (pA) of replaced synapses whose sources fire at recorded rates, each area's after its delay, shape (n, m)."""
    used = (K != 0.0).sum(axis=0) > 0
    rates = recorded_series(model.areas.rate_series.value, tuple(name for name, wanted in zip(net.names, used, strict=True) if wanted))
    charge = (K * net.W)[at][:, used] * model.neuron.tau_syn.value / 1000.0
    shift = np.round(net.delay[at][:, used] / SERIES_INTERVAL).astype(np.int64)
    out = np.zeros((int(at.sum()), rates.shape[1]))
    for steps in np.unique(shift):
        late = np.where(shift == steps, charge, 0.0) @ rates
        out += np.concatenate([np.repeat(late[:, :1], steps, axis=1), late], axis=1)[:, : out.shape[1]]
    return out


def target_rates(model: MultiAreaDocument, names: tuple[str, ...], full: NetworkSpec) -> FloatArray:
    """Return the full-scale rates that scaling and replacement need (spikes/s): recorded, or by theory.

    Raises
    ------
    UsageError
        If theory has none.
    """
    if model.rates.full_scale.value != THEORY:
        return recorded_rates(model.rates.full_scale.value, names)
    rates = None if metastable(model) else rates_by_theory(full)
    if rates is None:
        why = (
            "may have more than one state with weights between areas raised (chi or chi_I above 1)"
            if metastable(model)
            else "finds no stationary state of this network"
        )
        raise UsageError(
            f"mean-field theory {why}: down-scaling in-degrees and replacing areas need recorded rates of the full-scale network; give them with "
            "--set rates.full_scale=FILE.json (rates by population, or metrics.json of a run)"
        )
    return np.array(rates)


def metastable(model: MultiAreaDocument) -> bool:
    """Whether areas excite each other more than in the ground state: the network leaves theory's fixed point again and again."""
    return model.synapses.cc_weights_factor.value > 1.0 or model.synapses.cc_weights_I_factor.value > 1.0


def is_published_ground_state(spec: NetworkSpec) -> bool:
    """Whether this is the published network at full scale with all areas and in its ground state, value for value."""
    if spec.N_scaling != 1.0 or spec.K_scaling != 1.0 or len(spec.populations) < len(AREAS):
        return False
    return spec.dynamics_digest() == derive(validate(resolve("mam"))).dynamics_digest()


def expected_rates(model: MultiAreaDocument, net: Matrices, full: NetworkSpec) -> tuple[FloatArray, str]:
    """Return rates to expect where no result depends on them (the mapping), and where they come from.

    Where theory cannot say, they are those of the published network of 1 mm2 in its ground state.
    """
    anatomy, source = model.anatomy, model.rates.full_scale.source
    comparable = anatomy.surface.value == 1.0 and not metastable(model)
    if model.rates.full_scale.value != THEORY or (comparable and rates_by_theory(full) is not None):
        return target_rates(model, net.names, full), source
    published = validate(resolve("mam"))
    whole = matrices(published)
    by_name = dict(zip(whole.names, target_rates(published, whole.names, whole_network(published, whole)), strict=True))
    return np.array([by_name[name] for name in net.names]), f"{source}, of the published network of 1 mm2 in its ground state for lack of better"


def whole_network(model: MultiAreaDocument, net: Matrices) -> NetworkSpec:
    """Return the full-scale network of all areas."""
    events = model.external.rate.value * net.K_ext if model.external.drive.value == "poisson" else np.zeros(len(net.names))
    return _spec(model, net, Input(events, np.full(len(net.names), net.W_ext)), np.zeros(len(net.names)), "")


def _spec(
    model: MultiAreaDocument, net: Matrices, drive: Input, rates: FloatArray, source: str, N_scaling: float = 1.0, K_scaling: float = 1.0
) -> NetworkSpec:
    return NetworkSpec(
        model=model.name,
        dt=model.simulation.dt.value,
        populations=_populations(model, net, drive, rates, N_scaling, K_scaling),
        projections=_projections(model, net, N_scaling, K_scaling),
        expected_rates=tuple(rates.tolist()),
        expected_rates_source=source,
        N_scaling=N_scaling,
        K_scaling=K_scaling,
        drive=model.external.drive.value,
    )


def _populations(
    model: MultiAreaDocument, net: Matrices, drive: Input, rates: FloatArray, N_scaling: float, K_scaling: float
) -> tuple[Population, ...]:
    neuron, tau_syn = model.neuron, model.neuron.tau_syn.value
    params = neuron.parameters()
    one = np.ones(1)
    I_e = compensating_current(K_scaling, tau_syn, net.W, net.K, rates)
    I_e = I_e + compensating_current(K_scaling, tau_syn, drive.weight[:, None], drive.rate[:, None], one)
    if model.external.drive.value == "dc":
        I_e = I_e + model.external.rate.value * net.K_ext * net.W_ext * tau_syn / 1000.0
    weight = drive.weight / math.sqrt(K_scaling)
    return tuple(
        Population(
            name=name,
            size=max(1, int(net.N[i] * N_scaling)),
            neuron=params,
            I_e=float(I_e[i]),
            V0_mean=model.initial.V0_mean.value,
            V0_sd=model.initial.V0_sd.value,
            drive=PoissonDrive(rate=float(drive.rate[i] * K_scaling), weight=float(weight[i]), delay=model.synapses.delay_exc.value)
            if drive.rate[i] > 0
            else None,
            current=None if drive.current is None else StepCurrent(SERIES_INTERVAL, tuple(drive.current[i].tolist())),
        )
        for i, name in enumerate(net.names)
    )


def _projections(model: MultiAreaDocument, net: Matrices, N_scaling: float, K_scaling: float) -> tuple[Projection, ...]:
    synapses, dt = model.synapses, model.simulation.dt.value
    shrink = 1.0 / math.sqrt(K_scaling)
    n_synapses = (net.K * net.N[:, None] * (N_scaling * K_scaling)).astype(np.int64)
    excitatory = net.population % 2 == 0
    lognormal = {
        "normal": np.zeros_like(net.W, dtype=bool),
        "lognormal": np.ones_like(net.W, dtype=bool),
        "lognormal_EE_only": excitatory[:, None] & excitatory[None, :],
    }[synapses.weight_distribution.value]
    normal_weights = {float(w): clipped(float(w) * shrink, synapses.weight_rel_sd.value, 0.0) for w in np.unique(net.W)}
    spread = synapses.lognormal_rel_sd.value
    lognormal_weights = {w: Distribution(d.mean, abs(d.mean) * spread, kind="lognormal") for w, d in normal_weights.items()}
    # NEST rounds a drawn delay to the nearest step; redrawing below half a step makes the shortest one step
    delays = {float(d): clipped(float(d), synapses.delay_rel_sd.value, 0.5 * dt) for d in np.unique(net.delay)}
    return tuple(
        Projection(
            source=s,
            target=t,
            n_synapses=int(n_synapses[t, s]),
            weight=(lognormal_weights if lognormal[t, s] else normal_weights)[net.W[t, s]],
            delay=delays[net.delay[t, s]],
        )
        for t, s in np.argwhere(n_synapses > 0).tolist()
    )


def _psc(model: MultiAreaDocument) -> float:
    return psc_over_psp(model.neuron.C_m.value, model.neuron.tau_m.value, model.neuron.tau_syn.value)
