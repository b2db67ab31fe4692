"""The NetworkSpec of the multi-area model: sizes and synapse numbers at a scale, weights, delays, drive and compensating currents."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import UsageError
from spinn_mam.models.mam.areas import AREAS, POPULATIONS
from spinn_mam.models.mam.schema import MultiAreaDocument
from spinn_mam.models.mam.structure import Structure, structure
from spinn_mam.models.scaling import check_scale, clipped, compensating_current, psc_over_psp
from spinn_mam.network.spec import BoolArray, FloatArray, IntArray, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection


@dataclass(frozen=True, slots=True)
class Matrices:
    """The full-scale network of some areas as vectors and matrices, [target, source].

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


def matrices(model: MultiAreaDocument, whole: Structure | None = None) -> Matrices:
    """Return the full-scale network of a document's simulated areas."""
    whole = structure(model) if whole is None else whole
    area, population = (index.ravel() for index in np.indices(whole.N.shape))
    simulated = np.isin(area, [AREAS.index(name) for name in model.simulated])
    at = np.flatnonzero(whole.there & simulated)
    area, population = area[at], population[at]
    keep = simulated[whole.there]
    within = area[:, None] == area[None, :]
    names = tuple(name for name, kept in zip(whole.names, keep, strict=True) if kept)
    weights = mean_weights(model, population, within)
    return Matrices(
        names,
        area,
        population,
        whole.N.ravel()[at],
        whole.K_matrix[np.ix_(keep, keep)],
        whole.K_ext.ravel()[at],
        weights,
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


def derive(model: MultiAreaDocument, N_scaling: float = 1.0, K_scaling: float = 1.0) -> NetworkSpec:
    """Derive the network of a document at a scale.

    Population sizes and synapse numbers are cut to whole numbers, as in the published simulations.

    Parameters
    ----------
    model : MultiAreaDocument
    N_scaling, K_scaling : float
        Scales of population sizes and in-degrees, in (0, 1].

    Raises
    ------
    UsageError
        If a scale is out of range, or leaves no synapses.
    """
    check_scale("N_scaling", N_scaling)
    check_scale("K_scaling", K_scaling)
    net = matrices(model)
    n_synapses = (net.K * net.N[:, None] * (N_scaling * K_scaling)).astype(np.int64)
    if not n_synapses.any() and net.K.any():
        raise UsageError(f"N_scaling = {N_scaling:g} and K_scaling = {K_scaling:g} leave no synapses: use larger scales")
    rates = np.full(len(net.names), model.rates.full_scale.value)
    return NetworkSpec(
        model=model.name,
        dt=model.simulation.dt.value,
        populations=_populations(model, net, rates, N_scaling, K_scaling),
        projections=_projections(model, net, n_synapses, 1.0 / math.sqrt(K_scaling)),
        expected_rates=tuple(rates.tolist()),
        expected_rates_source=model.rates.full_scale.source,
        N_scaling=N_scaling,
        K_scaling=K_scaling,
        drive=model.external.drive.value,
    )


def _populations(model: MultiAreaDocument, net: Matrices, rates: FloatArray, N_scaling: float, K_scaling: float) -> tuple[Population, ...]:
    neuron, external, tau_syn = model.neuron, model.external, model.neuron.tau_syn.value
    params = NeuronParameters(
        C_m=neuron.C_m.value,
        tau_m=neuron.tau_m.value,
        tau_syn_ex=tau_syn,
        tau_syn_in=tau_syn,
        E_L=neuron.E_L.value,
        V_reset=neuron.V_reset.value,
        V_th=neuron.V_th.value,
        t_ref=neuron.t_ref.value,
    )
    I_e = compensating_current(K_scaling, tau_syn, net.W, net.K, rates)
    if external.drive.value == "poisson":
        I_e = I_e + compensating_current(
            K_scaling, tau_syn, np.full((len(net.names), 1), net.W_ext), net.K_ext[:, None], np.array([external.rate.value])
        )
    else:
        I_e = I_e + external.rate.value * net.K_ext * net.W_ext * tau_syn / 1000.0
    weight = net.W_ext / math.sqrt(K_scaling)
    return tuple(
        Population(
            name=name,
            size=max(1, int(net.N[i] * N_scaling)),
            neuron=params,
            I_e=float(I_e[i]),
            V0_mean=model.initial.V0_mean.value,
            V0_sd=model.initial.V0_sd.value,
            drive=PoissonDrive(rate=float(external.rate.value * net.K_ext[i] * K_scaling), weight=weight, delay=model.synapses.delay_exc.value)
            if external.drive.value == "poisson"
            else None,
        )
        for i, name in enumerate(net.names)
    )


def _projections(model: MultiAreaDocument, net: Matrices, n_synapses: IntArray, shrink: float) -> tuple[Projection, ...]:
    synapses, dt = model.synapses, model.simulation.dt.value
    weights = {float(w): clipped(float(w) * shrink, synapses.weight_rel_sd.value, 0.0) for w in np.unique(net.W)}
    # NEST rounds a drawn delay to the nearest step; redrawing below half a step makes the shortest one step
    delays = {float(d): clipped(float(d), synapses.delay_rel_sd.value, 0.5 * dt) for d in np.unique(net.delay)}
    return tuple(
        Projection(source=int(s), target=int(t), n_synapses=int(n_synapses[t, s]), weight=weights[net.W[t, s]], delay=delays[net.delay[t, s]])
        for t, s in np.argwhere(n_synapses > 0).tolist()
    )


def _psc(model: MultiAreaDocument) -> float:
    return psc_over_psp(model.neuron.C_m.value, model.neuron.tau_m.value, model.neuron.tau_syn.value)
