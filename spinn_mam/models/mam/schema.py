"""Schema of the documents of the multi-area family, and what their values must hold beyond types and units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from spinn_mam.errors import UnitError
from spinn_mam.models.document import Document
from spinn_mam.models.limits import MAX_DELAY, neuron_problems
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.values import MV, Choice, Frozen, Ms, Neuron, Number, Rate, Simulation, Source, Speed, Word, unit_field, validate_as
from spinn_mam.units import parse


class ScalarOrWord(Frozen):
    """A sourced number, or a word that says where it comes from."""

    value: float | str
    source: str
    note: str = ""


class Logarithm(Frozen):
    """How synapse numbers of large areas are computed."""

    value: Literal["published", "corrected"]
    source: str
    note: str = ""


def _or_word(word: str, unit: str) -> Any:
    def convert(leaf: Any) -> Any:
        if not isinstance(leaf, dict) or "value" not in leaf or leaf["value"] == word:
            return leaf
        try:
            return {**leaf, "value": parse(leaf["value"], unit)}
        except UnitError as error:
            raise ValueError(f"{error}, or the word '{word}'") from error

    return BeforeValidator(convert)


def _names(leaf: Any) -> Any:
    """Take names of areas also as a list, and area 46 as the number that TOML makes of it."""
    if not isinstance(leaf, dict) or "value" not in leaf:
        return leaf
    value = leaf["value"]
    return {**leaf, "value": ",".join(str(name) for name in value) if isinstance(value, list) else str(value)}


Surface = Annotated[ScalarOrWord, _or_word("whole", "mm2"), unit_field("mm2")]
FromKappa = Annotated[ScalarOrWord, _or_word("kappa", ""), unit_field("")]


class Replacement(Frozen):
    """What stands for synapses: nothing, Poisson input at one rate or at the rate of each source, or a current that follows recorded rates."""

    value: Literal["none", "hom_poisson_stat", "het_poisson_stat", "het_current_nonstat"]
    source: str
    note: str = ""


class Areas(Frozen):
    """Which areas are simulated, and what stands for the others."""

    simulated: Annotated[Word, BeforeValidator(_names)]
    replace_non_simulated_areas: Replacement
    replace_cc: Replacement
    rate_series: Word


class Anatomy(Frozen):
    """What the derivation needs beside the tables of facts."""

    facts: Word
    surface: Surface
    synapses_per_neuron: Number
    intrinsic_fraction: Number
    subcortical_fraction: Number
    sln_offset: Number
    sln_slope: Number
    feedback_onto_E: Number
    in_degrees: Word
    large_area_logarithm: Logarithm


class WeightDistribution(Frozen):
    """Which weights are lognormal."""

    value: Literal["normal", "lognormal", "lognormal_EE_only"]
    source: str
    note: str = ""


class Synapses(Frozen):
    """Weights and delays."""

    PSP: MV
    PSP_4E_to_23E: MV
    PSP_ext: MV
    g: Number
    weight_rel_sd: Number
    lognormal_rel_sd: Number
    weight_distribution: WeightDistribution
    cc_weights_factor: Number
    cc_weights_I_factor: Number
    delay_exc: Ms
    delay_inh: Ms
    delay_rel_sd: Number
    speed: Speed


class External(Frozen):
    """Input from outside."""

    rate: Rate
    kappa: Number
    fac_nu_ext_6E: FromKappa
    fac_nu_ext_TH: Number
    drive: Choice


class Initial(Frozen):
    """Initial membrane potentials."""

    V0_mean: MV
    V0_sd: MV


class Rates(Frozen):
    """Rates of the full-scale network: by theory, or the file of recorded ones."""

    full_scale: Word


class MultiAreaDocument(Frozen):
    """A whole, validated document of the multi-area family."""

    format: str
    name: str
    family: Literal["multi-area"]
    title: str
    sources: dict[str, Source]
    simulation: Simulation
    neuron: Neuron
    areas: Areas
    anatomy: Anatomy
    synapses: Synapses
    external: External
    initial: Initial
    rates: Rates

    @property
    def simulated(self) -> tuple[str, ...]:
        """Simulated areas, in the order of all areas."""
        text = self.areas.simulated.value
        wanted = {name.strip() for name in text.split(",")}
        return AREAS if text == "all" else tuple(area for area in AREAS if area in wanted)

    @property
    def factor_6E(self) -> float:
        """Factor of external inputs onto 6E: Schuecker et al. (2017) raise it with that onto 5E."""
        value = self.external.fac_nu_ext_6E.value
        return value if isinstance(value, float) else 10.0 / 3.0 * self.external.kappa.value - 7.0 / 3.0


def validate(document: Document) -> MultiAreaDocument:
    """Check a resolved document against the schema and convert its units.

    Raises
    ------
    DocumentError
        With the keys of everything that is wrong.
    """
    return validate_as(MultiAreaDocument, document, problems)


def problems(model: MultiAreaDocument) -> Iterator[tuple[str, str]]:
    """Yield key and problem of everything that is wrong with a document's values."""
    yield from neuron_problems(model.neuron, model.simulation.dt.value)
    text = model.areas.simulated.value
    named = [part.strip() for part in text.split(",")] if text != "all" else []
    unknown = [name for name in named if name not in AREAS]
    twice = [area for area in AREAS if named.count(area) > 1]
    if unknown:
        yield "areas.simulated", f"no area called {', '.join(repr(name) for name in unknown)}: known are {', '.join(AREAS)}, or all"
    elif twice:
        yield "areas.simulated", f"{', '.join(twice)} named more than once: name each area once"
    synapses, external, anatomy = model.synapses, model.external, model.anatomy
    positive = {
        "anatomy.synapses_per_neuron": anatomy.synapses_per_neuron.value,
        "synapses.delay_exc": synapses.delay_exc.value,
        "synapses.delay_inh": synapses.delay_inh.value,
        "synapses.speed": synapses.speed.value,
        "anatomy.surface": 1.0 if isinstance(anatomy.surface.value, str) else anatomy.surface.value,
    }
    not_negative = {
        "synapses.PSP": synapses.PSP.value,
        "synapses.PSP_4E_to_23E": synapses.PSP_4E_to_23E.value,
        "synapses.PSP_ext": synapses.PSP_ext.value,
        "synapses.weight_rel_sd": synapses.weight_rel_sd.value,
        "synapses.lognormal_rel_sd": synapses.lognormal_rel_sd.value,
        "synapses.delay_rel_sd": synapses.delay_rel_sd.value,
        "synapses.cc_weights_factor": synapses.cc_weights_factor.value,
        "synapses.cc_weights_I_factor": synapses.cc_weights_I_factor.value,
        "external.rate": external.rate.value,
        "external.kappa": external.kappa.value,
        "external.fac_nu_ext_6E": model.factor_6E,
        "external.fac_nu_ext_TH": external.fac_nu_ext_TH.value,
        "initial.V0_sd": model.initial.V0_sd.value,
    }
    for key, value in positive.items():
        if not value > 0:
            yield key, f"must be positive, found {value:g}"
        elif "delay" in key and value > MAX_DELAY:
            yield key, f"must be at most {MAX_DELAY:g} ms, found {value:g}"
    for key, value in not_negative.items():
        if value < 0:
            yield key, f"must not be negative, found {value:g}"
    for key, value in {
        "anatomy.intrinsic_fraction": anatomy.intrinsic_fraction.value,
        "anatomy.subcortical_fraction": anatomy.subcortical_fraction.value,
        "anatomy.feedback_onto_E": anatomy.feedback_onto_E.value,
    }.items():
        if not 0.0 <= value <= 1.0:
            yield key, f"a share, must be between 0 and 1, found {value:g}"
    if anatomy.intrinsic_fraction.value + anatomy.subcortical_fraction.value > 1.0:
        yield "anatomy.intrinsic_fraction", "with anatomy.subcortical_fraction more than 1: nothing is left for other areas"
    if synapses.g.value > 0:
        yield "synapses.g", f"inhibitory over excitatory weight must not be positive: write -{synapses.g.value:g} for {synapses.g.value:g}"
