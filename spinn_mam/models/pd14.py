"""The microcircuit family: schema of its documents and the derivation of a NetworkSpec."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from spinn_mam.errors import UsageError
from spinn_mam.models.document import Document
from spinn_mam.models.limits import problems
from spinn_mam.models.scaling import check_scale, clipped, compensating_current, psc_over_psp, synapse_numbers
from spinn_mam.models.values import MV, Choice, Frozen, Ms, MVs, Neuron, Number, Numbers, Rate, Rates, Simulation, Source, Table, validate_as
from spinn_mam.network.spec import NetworkSpec, PoissonDrive, Population, Projection

#: Synapses of a projection are numbered with 62 bits.
MAX_SYNAPSES = 2**62


class Populations(Frozen):
    """Names and full-scale sizes."""

    names: tuple[str, ...]
    N_full: Numbers


class Synapses(Frozen):
    """Recurrent connectivity."""

    probabilities: Table
    PSP: MV
    g: Number
    weight_rel_sd: Number
    L4E_to_L23E_factor: Number
    L4E_to_L23E_weight_rel_sd: Number
    delay_exc: Ms
    delay_inh: Ms
    delay_rel_sd: Number


class External(Frozen):
    """Background input."""

    K_ext: Numbers
    rate: Rate
    delay: Ms
    drive: Choice


class Thalamus(Frozen):
    """Transient thalamic input."""

    enabled: bool
    size: Number
    probabilities: Numbers
    rate: Rate
    start: Ms
    duration: Ms


class Initial(Frozen):
    """Initial membrane potentials."""

    V0_mean: MVs
    V0_sd: MVs


class FullScaleRates(Frozen):
    """Rates of the full-scale network."""

    full_scale: Rates


class MicrocircuitDocument(Frozen):
    """A whole, validated document of the microcircuit family."""

    format: str
    name: str
    family: Literal["microcircuit"]
    title: str
    sources: dict[str, Source]
    simulation: Simulation
    neuron: Neuron
    populations: Populations
    synapses: Synapses
    external: External
    thalamus: Thalamus
    initial: Initial
    rates: FullScaleRates


def validate(document: Document) -> MicrocircuitDocument:
    """Check a resolved document against the schema and convert its units.

    Raises
    ------
    DocumentError
        With the keys of everything that is wrong.
    """
    return validate_as(MicrocircuitDocument, document, problems)


def derive(model: MicrocircuitDocument, N_scaling: float = 1.0, K_scaling: float = 1.0) -> NetworkSpec:
    """Derive the network of a document at a scale.

    Parameters
    ----------
    model : MicrocircuitDocument
    N_scaling, K_scaling : float
        Scales of population sizes and in-degrees, in (0, 1].

    Returns
    -------
    NetworkSpec

    Raises
    ------
    UsageError
        If a scale is out of range.
    """
    check_scale("N_scaling", N_scaling)
    check_scale("K_scaling", K_scaling)
    neuron, synapses, external = model.neuron, model.synapses, model.external
    names = model.populations.names
    full = np.array(model.populations.N_full.value)
    sizes = np.maximum(1, np.round(full * N_scaling)).astype(int)
    rates = np.array(model.rates.full_scale.value)
    tau_syn = neuron.tau_syn.value

    psc = psc_over_psp(neuron.C_m.value, neuron.tau_m.value, tau_syn)
    J = synapses.PSP.value * psc
    inhibitory = np.array([name.endswith("I") for name in names])
    weights = np.tile(np.where(inhibitory, synapses.g.value * J, J), (len(names), 1))
    rel_sd = np.full_like(weights, synapses.weight_rel_sd.value)
    if "L4E" in names and "L23E" in names:
        special = names.index("L23E"), names.index("L4E")
        weights[special] *= synapses.L4E_to_L23E_factor.value
        rel_sd[special] = synapses.L4E_to_L23E_weight_rel_sd.value
    n_full = synapse_numbers(np.array(synapses.probabilities.value), full, full)
    if n_full.max(initial=0.0) > MAX_SYNAPSES:
        raise UsageError(
            f"a projection of the model has {n_full.max():.3g} synapses, at most {MAX_SYNAPSES:.3g} are possible: check sizes and probabilities"
        )
    n_synapses = np.round(n_full * N_scaling * K_scaling).astype(int)
    if n_full.sum() >= 1 and not n_synapses.any():
        raise UsageError(
            f"N_scaling = {N_scaling:g} and K_scaling = {K_scaling:g} leave none of {np.round(n_full).sum():,.0f} synapses: use larger scales"
        )

    K_ext, bg_rate = np.array(external.K_ext.value), external.rate.value
    recurrent = compensating_current(K_scaling, tau_syn, weights, n_full / full[:, None], rates)
    if external.drive.value == "poisson":
        I_e = recurrent + compensating_current(K_scaling, tau_syn, np.full((len(names), 1), J), K_ext[:, None], np.array([bg_rate]))
    else:
        I_e = recurrent + bg_rate * K_ext * J * tau_syn / 1000.0

    shrink = 1.0 / math.sqrt(K_scaling)
    params = neuron.parameters()
    populations = [
        Population(
            name=name,
            size=int(sizes[i]),
            neuron=params,
            I_e=float(I_e[i]),
            V0_mean=model.initial.V0_mean.value[i],
            V0_sd=model.initial.V0_sd.value[i],
            drive=PoissonDrive(rate=float(bg_rate * K_ext[i] * K_scaling), weight=J * shrink, delay=external.delay.value)
            if external.drive.value == "poisson"
            else None,
        )
        for i, name in enumerate(names)
    ]
    dt = model.simulation.dt.value
    # NEST rounds a drawn delay to the nearest step; redrawing below half a step makes the shortest one step
    delay_exc = clipped(synapses.delay_exc.value, synapses.delay_rel_sd.value, 0.5 * dt)
    delay_inh = clipped(synapses.delay_inh.value, synapses.delay_rel_sd.value, 0.5 * dt)
    projections = [
        Projection(
            source=s,
            target=t,
            n_synapses=int(n_synapses[t, s]),
            weight=clipped(float(weights[t, s]) * shrink, float(rel_sd[t, s]), 0.0),
            delay=delay_inh if inhibitory[s] else delay_exc,
        )
        for t in range(len(names))
        for s in range(len(names))
        if n_synapses[t, s] > 0
    ]
    expected = list(rates)
    if model.thalamus.enabled:
        th = model.thalamus
        # the thalamic population keeps its size at any scale, as upstream; its synapses scale with targets and in-degrees
        n_th = synapse_numbers(np.array(th.probabilities.value)[:, None], full, np.array([th.size.value]))[:, 0]
        populations.append(
            Population(
                "TC", int(th.size.value), None, source_rate=th.rate.value, source_start=th.start.value, source_stop=th.start.value + th.duration.value
            )
        )
        expected.append(0.0)
        for t, n in enumerate(np.round(n_th * N_scaling * K_scaling).astype(int)):
            if n > 0:
                weight = clipped(J * shrink, synapses.weight_rel_sd.value, 0.0)
                projections.append(Projection(len(names), t, int(n), weight, delay_exc))
    return NetworkSpec(
        model=model.name,
        dt=dt,
        populations=tuple(populations),
        projections=tuple(projections),
        expected_rates=tuple(float(r) for r in expected),
        expected_rates_source=model.rates.full_scale.source,
        N_scaling=N_scaling,
        K_scaling=K_scaling,
        drive=external.drive.value,
    )
