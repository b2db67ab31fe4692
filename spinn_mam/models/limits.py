"""What the values of a microcircuit document, and the neurons of any, must hold beyond their types and units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinn_mam.models.pd14 import MicrocircuitDocument
    from spinn_mam.models.values import Neuron, Scalar

#: Neurons have indices of 32 bits.
MAX_NEURONS = 2**31 - 1
#: Potentials (mV, either sign) and delays (ms) beyond these are values in another unit.
MAX_POTENTIAL, MAX_DELAY = 1000.0, 1000.0
#: A longer step (in synaptic time constants) sees nothing of the synapse.
MAX_STEP = 5.0
#: The machine's timer counts microseconds (ms).
MIN_STEP = 0.001


def problems(model: MicrocircuitDocument) -> Iterator[tuple[str, str]]:
    """Find everything that is wrong with a document's values.

    Parameters
    ----------
    model : MicrocircuitDocument

    Yields
    ------
    key, problem : str
        Dotted path of the value; what must be and what is.
    """
    yield from _shapes(model)
    yield from _populations(model)
    yield from neuron_problems(model.neuron, model.simulation.dt.value)
    yield from _scalars(model)


def _shapes(model: MicrocircuitDocument) -> Iterator[tuple[str, str]]:
    n = len(model.populations.names)
    vectors = {
        "populations.N_full": model.populations.N_full,
        "external.K_ext": model.external.K_ext,
        "thalamus.probabilities": model.thalamus.probabilities,
        "initial.V0_mean": model.initial.V0_mean,
        "initial.V0_sd": model.initial.V0_sd,
        "rates.full_scale": model.rates.full_scale,
    }
    for key, vector in vectors.items():
        if len(vector.value) != n:
            yield key, f"{len(vector.value)} values for {n} populations"
    table = model.synapses.probabilities.value
    if len(table) != n or any(len(row) != n for row in table):
        yield "synapses.probabilities", f"needs {n} rows of {n} values"
    for key in ("external.K_ext", "initial.V0_sd", "rates.full_scale"):
        wrong = [v for v in vectors[key].value if v < 0]
        if wrong:
            yield key, f"must not be negative, found {_some(wrong)}"
    for key, values in (("synapses.probabilities", sum(table, ())), ("thalamus.probabilities", model.thalamus.probabilities.value)):
        wrong = [p for p in values if not 0.0 <= p < 1.0]
        if wrong:
            yield key, f"probabilities must be at least 0 and below 1, found {_some(wrong)}"
    wrong = [v for v in model.initial.V0_mean.value if abs(v) > MAX_POTENTIAL]
    if wrong:
        yield "initial.V0_mean", f"must lie between {-MAX_POTENTIAL:g} and {MAX_POTENTIAL:g} mV, found {_some(wrong)}"


def _populations(model: MicrocircuitDocument) -> Iterator[tuple[str, str]]:
    names, sizes = model.populations.names, model.populations.N_full.value
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or not all(names) or twice:
        yield "populations.names", f"needs names that differ{', found twice: ' + ', '.join(twice) if twice else ''}"
    wrong = [v for v in sizes if v < 1 or v != int(v)]
    if wrong:
        yield "populations.N_full", f"sizes must be whole numbers of at least 1, found {_some(wrong)}"
    if sum(sizes) > MAX_NEURONS:
        yield "populations.N_full", f"{sum(sizes):.3g} neurons in all, at most {MAX_NEURONS:.3g} are possible"
    size = model.thalamus.size.value
    if size < 1 or size != int(size) or size > MAX_NEURONS:
        yield "thalamus.size", f"must be a whole number of at least 1, found {size:g}"


def _scalars(model: MicrocircuitDocument) -> Iterator[tuple[str, str]]:
    synapses = model.synapses
    positive: dict[str, Scalar] = {
        "synapses.delay_exc": synapses.delay_exc,
        "synapses.delay_inh": synapses.delay_inh,
        "external.delay": model.external.delay,
    }
    not_negative: dict[str, Scalar] = {
        "synapses.PSP": synapses.PSP,
        "synapses.L4E_to_L23E_factor": synapses.L4E_to_L23E_factor,
        "synapses.weight_rel_sd": synapses.weight_rel_sd,
        "synapses.L4E_to_L23E_weight_rel_sd": synapses.L4E_to_L23E_weight_rel_sd,
        "synapses.delay_rel_sd": synapses.delay_rel_sd,
        "external.rate": model.external.rate,
        "thalamus.rate": model.thalamus.rate,
        "thalamus.start": model.thalamus.start,
        "thalamus.duration": model.thalamus.duration,
    }
    for key, scalar in positive.items():
        if not scalar.value > 0:
            yield key, f"must be positive, found {scalar.value:g}"
        elif "delay" in key and scalar.value > MAX_DELAY:
            yield key, f"must be at most {MAX_DELAY:g} ms, found {scalar.value:g}"
    for key, scalar in not_negative.items():
        if scalar.value < 0:
            yield key, f"must not be negative, found {scalar.value:g}"
    if synapses.g.value > 0:
        yield "synapses.g", f"inhibitory over excitatory weight must not be positive: write -{synapses.g.value:g} for {synapses.g.value:g}"
    if abs(synapses.PSP.value) > MAX_POTENTIAL:
        yield "synapses.PSP", f"must lie between {-MAX_POTENTIAL:g} and {MAX_POTENTIAL:g} mV, found {synapses.PSP.value:g}"


def neuron_problems(neuron: Neuron, dt: float) -> Iterator[tuple[str, str]]:
    """Find what is wrong with the neurons of any family, and with a time step (ms) that they would be updated with.

    Yields
    ------
    key, problem : str
    """
    for key, value in {"simulation.dt": dt, **{f"neuron.{name}": getattr(neuron, name).value for name in ("C_m", "tau_m", "tau_syn")}}.items():
        if not value > 0:
            yield key, f"must be positive, found {value:g}"
    if neuron.t_ref.value < 0:
        yield "neuron.t_ref", f"must not be negative, found {neuron.t_ref.value:g}"
    for name in ("E_L", "V_reset", "V_th"):
        value = getattr(neuron, name).value
        if abs(value) > MAX_POTENTIAL:
            yield f"neuron.{name}", f"must lie between {-MAX_POTENTIAL:g} and {MAX_POTENTIAL:g} mV, found {value:g}"
    if neuron.V_th.value <= max(neuron.V_reset.value, neuron.E_L.value):
        yield "neuron.V_th", f"must lie above V_reset ({neuron.V_reset.value:g} mV) and E_L ({neuron.E_L.value:g} mV), found {neuron.V_th.value:g} mV"
    if neuron.tau_m.value == neuron.tau_syn.value:
        yield "neuron.tau_m", f"must differ from tau_syn, both are {neuron.tau_m.value:g} ms"
    if 0 < dt < MIN_STEP:
        yield "simulation.dt", f"must be at least {MIN_STEP:g} ms, found {dt:g} ms"
    longest = min(neuron.tau_m.value, MAX_STEP * neuron.tau_syn.value)
    if longest > 0 and dt > longest:
        yield "simulation.dt", f"must be at most tau_m and {MAX_STEP:g} tau_syn, here {longest:g} ms, found {dt:g} ms"
    if dt > 0 and abs(neuron.t_ref.value / dt - round(neuron.t_ref.value / dt)) > 1e-6:
        yield (
            "neuron.t_ref",
            f"must be a whole number of time steps of {dt:g} ms, found {neuron.t_ref.value:g} ms: backends would round it differently",
        )


def _some(values: list[float]) -> str:
    return ", ".join(f"{v:g}" for v in values[:3]) + (" ..." if len(values) > 3 else "")
