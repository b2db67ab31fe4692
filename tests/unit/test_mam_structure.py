"""The multi-area model from its facts: published totals and sizes, step by step, and the network they give."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models import load_model
from spinn_mam.models.mam import network, tables
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.in_degrees import read_in_degrees, write_in_degrees
from spinn_mam.models.mam.network import derive, matrices
from spinn_mam.models.mam.rates import recorded_rates
from spinn_mam.models.mam.structure import Structure, derived_structure, structure
from spinn_mam.models.mam.tables import COLUMNS, LICENSE, load_facts, read_table
from spinn_mam.network.spec import NetworkSpec

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


def test_a_part_of_the_areas_keeps_its_input_from_the_others() -> None:
    """Poisson input at the rates of theory has the mean and the variance of the synapses that it stands for, so that theory gives the same rates."""
    whole, part = load_model("mam").network(), load_model("mam", ["areas.simulated=V1,46"]).network()
    assert part.names == tuple(name for name in whole.names if name.split("-")[0] in ("V1", "46"))
    rates = dict(zip(whole.names, whole.expected_rates, strict=True))
    assert part.expected_rates == pytest.approx([rates[name] for name in part.names], rel=1e-3)
    incoming = sum(
        p.n_synapses / whole.populations[0].size * p.weight.mean * whole.expected_rates[p.source]
        for p in whole.projections
        if p.target == 0 and whole.names[p.source].split("-")[0] not in ("V1", "46")
    )
    external, drive = whole.populations[0].drive, part.populations[0].drive
    assert external is not None
    assert drive is not None
    assert drive.rate * drive.weight == pytest.approx(
        external.rate * external.weight + incoming, rel=1e-5
    )  # numbers of neurons and synapses are whole
    alone = load_model("mam", ["areas.simulated=V1", "variants.replace_non_simulated_areas=none"]).network()
    assert alone.populations[0].drive == external
    homogeneous = load_model("mam", ["areas.simulated=V1", "variants.replace_non_simulated_areas=hom_poisson_stat"]).network().populations[0].drive
    assert homogeneous is not None
    assert homogeneous.rate > drive.rate  # 10 spikes/s of each source neuron, which has less in the ground state


def test_areas_that_are_cut_apart_have_no_synapses_between_them() -> None:
    spec = load_model("mam", ["areas.simulated=V1,V2", "variants.replace_cc=hom_poisson_stat"]).network()
    assert {(spec.names[p.source].split("-")[0], spec.names[p.target].split("-")[0]) for p in spec.projections} == {("V1", "V1"), ("V2", "V2")}


def test_two_weights_merge_into_one_input_of_equal_mean_and_variance() -> None:
    """With chi = 2 the replaced synapses have twice the weight of the external input."""
    settings = ["areas.simulated=V1", "variants.replace_non_simulated_areas=hom_poisson_stat"]
    one, two = (load_model("mam", [*settings, f"synapses.cc_weights_factor={chi}"]).network().populations[0].drive for chi in (1, 2))
    external = load_model("mam").network().populations[0].drive
    assert one is not None
    assert two is not None
    assert external is not None
    J, replaced = external.weight, one.rate - external.rate
    assert two.rate * two.weight == pytest.approx(external.rate * J + replaced * 2 * J)
    assert two.rate * two.weight**2 == pytest.approx(external.rate * J**2 + replaced * (2 * J) ** 2)


@pytest.mark.parametrize("state", ["metastable", "ground"])
def test_scaling_in_degrees_needs_rates_that_theory_has_or_a_recording(state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [f"variants.state={state}"]
    names = load_model("mam", settings).network(0.01, 1.0).names
    message = "may have more than one state with weights between areas raised" if state == "metastable" else "finds no stationary state"
    if state == "ground":
        monkeypatch.setattr(network, "rates_by_theory", lambda spec: None)
    with pytest.raises(UsageError, match=rf"{message}.*recorded rates of the full-scale network"):
        load_model("mam", settings).network(0.01, 0.01)
    (tmp_path / "rates.json").write_text(json.dumps(dict.fromkeys(names, 3.0)), encoding="utf-8")
    scaled = load_model("mam", [*settings, f"rates.full_scale={tmp_path / 'rates.json'}"]).network(0.01, 0.01)
    assert set(scaled.expected_rates) == {3.0}


def test_recorded_rates_come_by_population_by_area_or_from_a_run(tmp_path: Path) -> None:
    names = ("V1-23E", "TH-6I")
    for text in (
        '{"V1-23E": 1, "TH-6I": 2.5}',
        '{"V1": {"23E": 1}, "TH": {"6I": 2.5, "total": 9}}',
        '{"run": {"rates": {"V1-23E": 1, "TH-6I": 2.5}}}',
    ):
        (tmp_path / "r.json").write_text(text, encoding="utf-8")
        assert recorded_rates(str(tmp_path / "r.json"), names).tolist() == [1.0, 2.5]
    for text, message in (
        ('{"V1-23E": 1}', r"r.json: has no rate of TH-6I: each of the 2 populations needs one \(spikes/s\)"),
        ("[1]", "has no rate of V1-23E, TH-6I: each of the 2"),
        ("{", "no file of rates"),
    ):
        (tmp_path / "r.json").write_text(text, encoding="utf-8")
        with pytest.raises(DocumentError, match=message):
            recorded_rates(str(tmp_path / "r.json"), names)
    (tmp_path / "r.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DocumentError, match="has no rate of V1-23E, V1-23I, V1-4E and 251 more: each of the 254"):
        recorded_rates(str(tmp_path / "r.json"), load_model("mam").network().names)


def test_scaling_keeps_the_mean_input() -> None:
    full, scaled = load_model("mam").network(), load_model("mam").network(1.0, 0.04)
    rates = np.array(full.expected_rates)

    def mean_input(spec: NetworkSpec) -> npt.NDArray[np.float64]:
        out = np.array([p.I_e + (p.drive.rate * p.drive.weight * 0.5e-3 if p.drive else 0.0) for p in spec.populations])
        for p in spec.projections:
            out[p.target] += p.n_synapses / spec.populations[p.target].size * p.weight.mean * rates[p.source] * 0.5e-3
        return out

    assert np.abs(mean_input(scaled) - mean_input(full)).max() < 1.0  # pA of up to 1,000: synapse numbers are whole


def test_kappa_raises_the_input_of_5E_and_with_it_that_of_6E() -> None:
    def external(*settings: str) -> dict[str, float]:
        found = structure(load_model("mam", settings).content)  # type: ignore[arg-type]
        return dict(zip(found.names, found.K_ext.ravel()[found.there], strict=True))

    ext = external("external.kappa=1.2")
    assert ext["V1-5E"] / ext["V1-23E"] == pytest.approx(1.2)
    assert ext["V1-6E"] / ext["V1-23E"] == pytest.approx(10 / 3 * 1.2 - 7 / 3)
    assert ext["TH-23E"] / ext["TH-5I"] == pytest.approx(1.2)
    ext = external("external.kappa=1.2", "external.fac_nu_ext_6E=1")
    assert ext["V1-6E"] == pytest.approx(ext["V1-23E"])


def test_the_sign_slip_is_a_choice_and_small(unstabilised: Structure) -> None:
    corrected = structure(load_model("mam", ["variants.connectivity=unstabilised", "variants.large_areas=corrected"]).content)  # type: ignore[arg-type]
    within = [np.einsum("aiaj->ai", s.K) for s in (unstabilised, corrected)]
    change = np.abs(within[1][unstabilised.N > 0] / within[0][unstabilised.N > 0] - 1)
    assert 1e-4 < change.max() < 8e-4
    small = unstabilised.architecture.surface < 100
    assert np.array_equal(within[0][small], within[1][small])


def test_a_matrix_of_the_users_own(tmp_path: Path) -> None:
    content = load_model("mam").content
    K = matrices(content).K  # type: ignore[arg-type]
    np.save(tmp_path / "K.npy", K / 2)
    halved = load_model("mam", [f"anatomy.in_degrees={tmp_path / 'K.npy'}"]).network()
    assert halved.n_synapses == pytest.approx(24_126_516_728 / 2, rel=1e-6)
    array = derive(content, whole=structure(content).with_K_matrix(K / 2))  # type: ignore[arg-type]
    assert array.projections == halved.projections
    for wrong in (K[:5], -K, np.full_like(K, np.nan)):
        np.save(tmp_path / "wrong.npy", wrong)
        with pytest.raises(DocumentError, match="in-degrees"):
            load_model("mam", [f"anatomy.in_degrees={tmp_path / 'wrong.npy'}"]).network()
    with pytest.raises(UsageError, match="use own, published, unstabilised, or the path"):
        load_model("mam", ["anatomy.in_degrees=mine"]).network()


def test_a_table_of_in_degrees(tmp_path: Path) -> None:
    K = matrices(load_model("mam").content).K  # type: ignore[arg-type]
    table = tmp_path / "K.npz"
    write_in_degrees(table, K / 2, {"command": "halved"})
    assert np.array_equal(read_in_degrees(str(table), 254), K / 2)
    first = table.read_bytes()
    write_in_degrees(table, K / 2, {"command": "halved"})
    assert table.read_bytes() == first
    assert load_model("mam", [f"anatomy.in_degrees={table}"]).network().n_synapses == pytest.approx(24_126_516_728 / 2, rel=1e-6)
    with pytest.raises(DocumentError, match="in-degrees of 254 populations for a network of 8"):
        read_in_degrees(str(table), 8)
    table.write_bytes(first[:100])
    for wrong in (table, tmp_path / "none.npz"):
        with pytest.raises(UsageError, match="no table of in-degrees"):
            load_model("mam", [f"anatomy.in_degrees={wrong}"]).network()


def test_whole_areas_have_the_neurons_of_the_hemisphere() -> None:
    spec = load_model("mam", ["anatomy.surface=whole"]).network()
    assert int(spec.sizes.sum()) == pytest.approx(9.33e8, rel=1e-3)
    # nearly all synapses come from cortex then, 1.3 % from below and a few from areas outside
    external = np.array([p.drive.rate for p in spec.populations if p.drive]) / 10
    assert external.sum() / (external.sum() + spec.n_synapses / spec.sizes.sum() * len(external)) < 0.06
    five = load_model("mam", ["anatomy.surface=5 mm2"]).network()
    assert int(five.sizes.sum()) == pytest.approx(5 * 4_130_056.72, rel=1e-4)


def test_the_rest_of_the_package_works_without_the_facts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_facts.cache_clear()
    derived_structure.cache_clear()
    files = tables.resources.files
    monkeypatch.setattr(tables.resources, "files", lambda name: tmp_path if name == "spinn_mam.models.mam" else files(name))
    with pytest.raises(UsageError, match="needs its anatomical facts"):
        load_model("mam").network()
    assert load_model("pd14").network().n_synapses > 0


def test_each_table_says_its_source_what_was_changed_and_its_licence() -> None:
    for table in load_facts():
        assert table.head["SPDX-License-Identifier"] == LICENSE
        assert "doi:" in table.head["source"] or table.name == "laminar_thicknesses"
        assert all(table.head[key] for key in ("title", "attribution", "modified", "license"))
        identified = [row[: COLUMNS[table.name][1]] for row in table.rows]
        assert len(set(identified)) == len(identified)


def test_a_wrong_table_is_named(tmp_path: Path) -> None:
    for text, message in (
        ("# format: spinn_mam.facts/2\narea,level\n", "expected 'spinn_mam.facts/1'"),
        ("# format: spinn_mam.facts/1\narea,height\n", "expected area, level, found area, height"),
        ("# format: spinn_mam.facts/1\narea,level\nV1,0,1\n", "3 values for 2 columns"),
        ("# format: spinn_mam.facts/1\narea,level\nV1,high\n", "could not convert"),
    ):
        (tmp_path / "hierarchy.csv").write_text(text, encoding="utf-8")
        with pytest.raises(DocumentError, match=message):
            read_table(tmp_path / "hierarchy.csv", "hierarchy")
    with pytest.raises(DocumentError, match="is missing"):
        read_table(tmp_path / "nowhere.csv", "hierarchy")


def test_shares_of_the_upper_layers_are_the_published_ones(unstabilised: Structure) -> None:
    """SLN_completed of viscortex_processed_data_backup.json in INM-6/multi-area-model; that has eight digits of each measured one."""
    for target, source, share in (
        *(("V1", "V2", 0.4007722176652155), ("V4", "V2", 0.8946774848445085), ("V4", "FEF", 0.6525620966666666)),
        *(("MSTd", "V1", 0.9097885214665645), ("DP", "MT", 0.4764831936322133), ("46", "FEF", 0.5270038247288525)),
        *(("V3", "V1", 0.6993004977911257), ("FEF", "46", 0.35533041409939803), ("V2", "STPp", 0.0), ("TH", "TF", 0.5765998675976063)),
    ):
        assert unstabilised.upper[AREAS.index(target), AREAS.index(source)] == pytest.approx(share, rel=2e-8, abs=1e-12)
