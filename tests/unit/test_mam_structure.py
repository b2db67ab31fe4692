"""The multi-area model from its facts: published totals and sizes, step by step, and the network they give."""

import numpy as np
import pytest

from spinn_mam.models import load_model
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.network import matrices
from spinn_mam.models.mam.structure import Structure, structure

#: int() of the published sizes of 23E 23I 4E 4I 5E 5I 6E 6I; areas in one key were given the densities and layers of one architectural type.
SIZES = {
    "V1": (47386, 13366, 70387, 17597, 20740, 4554, 19839, 4063),
    "V2": (50521, 14250, 36685, 9171, 19079, 4189, 19248, 3941),
    "VP": (52973, 14942, 49292, 12323, 15929, 3497, 19130, 3917),
    "V3": (58475, 16494, 47428, 11857, 12056, 2647, 14529, 2975),
    "V3A": (40887, 11532, 23789, 5947, 12671, 2782, 15218, 3116),
    "MT": (60606, 17095, 28202, 7050, 14176, 3113, 15837, 3243),
    "V4t": (48175, 13588, 34735, 8684, 14857, 3262, 17843, 3654),
    "V4": (64447, 18178, 33855, 8464, 13990, 3072, 14161, 2900),
    "VOT PITv PITd": (45313, 12781, 37611, 9403, 15828, 3475, 19008, 3892),
    "MSTd PIP PO MDP MSTl": (44343, 12507, 22524, 5631, 14742, 3237, 17704, 3625),
    "DP": (43934, 12392, 18896, 4724, 14179, 3113, 17028, 3487),
    "MIP": (41274, 11642, 15875, 3969, 7681, 1686, 34601, 7086),
    "VIP": (56683, 15988, 26275, 6569, 10099, 2217, 7864, 1610),
    "LIP": (51983, 14662, 20095, 5024, 11630, 2554, 28115, 5757),
    "CITv CITd": (41696, 11761, 15303, 3826, 14385, 3158, 17275, 3537),
    "FEF": (44053, 12425, 23143, 5786, 16943, 3720, 16128, 3302),
    "TF": (30774, 8680, 17143, 4286, 11082, 2433, 13310, 2725),
    "AITv AITd": (49224, 13884, 18066, 4516, 16982, 3729, 20395, 4176),
    "FST": (36337, 10249, 12503, 3126, 12624, 2772, 15160, 3104),
    "7a": (49481, 13957, 13279, 3320, 15817, 3473, 18996, 3890),
    "STPp STPa": (41677, 11755, 13092, 3273, 14218, 3122, 17075, 3496),
    "46": (32581, 9190, 10645, 2661, 11850, 2602, 15841, 3244),
    "TH": (24712, 6970, 0, 0, 23353, 5128, 10861, 2224),
}


@pytest.fixture(scope="module")
def unstabilised() -> Structure:
    model = load_model("mam", ["variants.connectivity=unstabilised"])
    return structure(model.content)  # type: ignore[arg-type]


def test_every_population_has_its_published_size(unstabilised: Structure) -> None:
    published = {area: sizes for areas, sizes in SIZES.items() for area in areas.split()}
    assert sorted(published) == sorted(AREAS)
    assert {area: tuple(unstabilised.N[a].astype(int)) for a, area in enumerate(AREAS)} == published
    assert unstabilised.N.sum() == pytest.approx(4_130_056.72, abs=0.005)
    assert unstabilised.architecture.N_full.sum() == pytest.approx(9.33e8, rel=1e-3)


def test_totals_of_the_unstabilised_network_are_the_published_ones(unstabilised: Structure) -> None:
    synapses = unstabilised.K * unstabilised.N[:, :, None, None]
    within = np.einsum("aiaj->", synapses)
    assert round(synapses.sum() / 1e6) == 27_690
    assert round(within / 1e6) == 20_365
    assert round((synapses.sum() - within) / 1e6) == 7_325
    pairs = synapses.sum(axis=(1, 3)) > 0
    assert pairs.sum() - np.trace(pairs) == 571
    external = unstabilised.K_ext[unstabilised.N > 0]
    assert (round(external.min(), 1), round(external.max(), 1)) == (1246.1, 7780.2)
    assert round((unstabilised.K_ext * unstabilised.N).sum() / 1e6) == 13_861


def test_the_default_is_the_published_stabilised_network() -> None:
    spec = load_model("mam").network()
    assert len(spec.populations) == 254
    assert (spec.names[0], spec.names[-1]) == ("V1-23E", "TH-6I")
    assert int(spec.sizes.sum()) == 4_129_924
    assert spec.n_synapses == 24_126_516_728
    net = matrices(load_model("mam").content)  # type: ignore[arg-type]
    assert (net.K > 0).sum() == 8_411
    assert (round(net.K.sum(axis=1).min()), round(net.K.sum(axis=1).max())) == (1545, 20318)


def test_weights_and_delays_are_the_published_ones() -> None:
    for state, onto_e, onto_i in (("ground", 87.8085, 87.8085), ("metastable", 166.836, 333.672)):
        spec = load_model("mam", [f"variants.state={state}"]).network()
        weight = {(spec.names[p.target], spec.names[p.source]): p.weight.mean for p in spec.projections}
        delay = {(spec.names[p.target], spec.names[p.source]): p.delay.mean for p in spec.projections}
        assert weight["V1-23E", "V1-23E"] == pytest.approx(87.8085, rel=1e-6)
        assert weight["V1-23E", "V1-4E"] == pytest.approx(175.617, rel=1e-6)
        assert weight["V1-23E", "V1-23I"] == pytest.approx(-965.893, rel=1e-6)
        assert weight["V2-4E", "V1-23E"] == pytest.approx(onto_e, rel=1e-5)
        assert weight["V2-4I", "V1-23E"] == pytest.approx(onto_i, rel=1e-5)
        assert (delay["V1-23E", "V1-23E"], delay["V1-23E", "V1-23I"]) == (1.5, 0.75)
        between = [d for (target, source), d in delay.items() if target.split("-")[0] != source.split("-")[0]]
        assert (round(min(between), 2), round(max(between), 2)) == (1.71, 17.98)
