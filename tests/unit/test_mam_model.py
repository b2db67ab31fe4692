"""MultiAreaModel in its users' spelling: the same network as the document's, the same numbers in all forms, and what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.models import load_model
from spinn_mam.models.mam import AREAS, MultiAreaModel
from spinn_mam.models.mam.in_degrees import read_in_degrees


def test_its_defaults_are_the_published_ground_state() -> None:
    model = MultiAreaModel()
    spec = load_model("mam").network()
    assert model.network_spec == spec
    assert model.label == spec.digest()
    assert model.area_list == list(AREAS)
    assert model.structure_vec == list(spec.names)
    assert model.structure["TH"] == ["23E", "23I", "5E", "5I", "6E", "6I"]
    assert np.array_equal(model.N_vec.astype(int), spec.sizes)


def test_vectors_matrices_and_nested_forms_hold_the_same() -> None:
    model = MultiAreaModel({"N_scaling": 0.5, "K_scaling": 0.25})
    t, s = (model.structure_vec.index(name) for name in ("V2-5E", "V1-23E"))
    assert (model.K_matrix.shape, model.W_matrix.shape, model.syn_matrix.shape) == ((254, 255),) * 3
    assert model.N["V2"]["5E"] == model.N_vec[t]
    assert model.N["V2"]["total"] == pytest.approx(sum(v for k, v in model.N["V2"].items() if k != "total"))
    assert model.K["V2"]["5E"]["V1"]["23E"] == model.K_matrix[t, s]
    assert model.K["V2"]["5E"]["external"]["external"] == model.K_matrix[t, -1]
    assert model.W["V2"]["5E"]["V1"]["23E"] == pytest.approx(2 * 87.8085, rel=1e-6)
    assert model.synapses["V2"]["5E"]["V1"]["23E"] == pytest.approx(model.K_matrix[t, s] * model.N_vec[t])
    assert model.J_matrix[t, s] == pytest.approx(model.W_matrix[t, s] * 0.5 / 250)
    into = [name.startswith("V2-") for name in model.structure_vec], [name.startswith("V1-") for name in model.structure_vec]
    assert model.K_areas["V2"]["V1"] == pytest.approx(model.syn_matrix[:, :-1][np.ix_(*into)].sum() / model.N["V2"]["total"])
    assert model.distances["V2"]["V1"] == model.distances["V1"]["V2"] > 0
    assert model.add_DC_drive == pytest.approx([p.I_e for p in model.network_spec.populations])
    assert MultiAreaModel().add_DC_drive.tolist() == [0.0] * 254


@pytest.mark.parametrize(
    ("network_spec", "settings"),
    [
        ({"connection_params": {"cc_weights_factor": 1.9, "cc_weights_I_factor": 2.0}}, ["variants.state=metastable"]),
        ({"connection_params": {"K_stable": None}}, ["variants.connectivity=unstabilised"]),
        ({"connection_params": {"fac_nu_ext_5E": 1.1}}, ["external.kappa=1.1", "external.fac_nu_ext_6E=1.41666667"]),
        (
            {"input_params": {"poisson_input": False}, "delay_params": {"delay_e": 2.0}, "neuron_params": {"V0_mean": -58.0, "V0_sd": 10.0}},
            ["variants.drive=dc", "synapses.delay_exc=2", "variants.initial_potentials=microcircuit"],
        ),
    ],
)
def test_its_keys_are_values_of_the_document(network_spec: dict[str, Any], settings: list[str]) -> None:
    assert MultiAreaModel(network_spec).network_spec == load_model("mam", settings).network()


def test_areas_that_are_not_simulated_are_left_out_or_replaced() -> None:
    sim_spec = {"areas_simulated": ["V1", "46"]}
    alone = load_model("mam", ["areas.simulated=V1,46", "variants.replace_non_simulated_areas=none"]).network()
    assert MultiAreaModel({}, sim_spec=sim_spec).network_spec == alone
    replaced = MultiAreaModel({"connection_params": {"replace_non_simulated_areas": "het_poisson_stat"}}, sim_spec=sim_spec)
    assert replaced.network_spec == load_model("mam", ["areas.simulated=V1,46"]).network()
    assert len(replaced.structure_vec) == 254


def test_theory_and_in_degrees_of_ones_own(tmp_path: Path) -> None:
    model = MultiAreaModel(theory=True)
    names, rates = model.theory.integrate_siegert()
    assert list(names) == model.structure_vec
    assert rates[:, 0] == pytest.approx(model.network_spec.expected_rates, rel=1e-6)
    K = read_in_degrees("published", 254)
    assert MultiAreaModel({"connection_params": {"K_stable": K}}) == model
    np.save(tmp_path / "K.npy", K)
    assert MultiAreaModel({"connection_params": {"K_stable": tmp_path / "K.npy"}}) == model
    assert MultiAreaModel({"N_scaling": 0.5}) != model
    with pytest.raises(UsageError, match="save it with"):
        _ = MultiAreaModel({"connection_params": {"K_stable": K}}, simulation=True).simulation


def test_a_simulation_is_a_run_of_the_command_line(tmp_path: Path) -> None:
    spec = {"N_scaling": 0.005, "K_scaling": 0.005, "connection_params": {"g": -10.0}}
    model = MultiAreaModel(spec, simulation=True, sim_spec={"t_sim": 20.0, "rng_seed": 3, "areas_simulated": ["46"]})
    assert model.simulation.command("out")[:5] == [sys.executable, "-m", "spinn_mam.cli", "run", "mam"]
    folder = model.simulation.simulate(tmp_path / "run", "--to", "network")
    manifest = json.loads((folder / "01-network" / "network.json").read_text(encoding="utf-8"))
    assert model.label in json.dumps(manifest)
    with pytest.raises(RunFailedError, match="use one of emulator, nest, spinnaker"):
        model.simulation.simulate(tmp_path / "other", "--backend", "no backend-to-be")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ({"connection_params": {"cc_weight_factor": 1}},),
            "unknown key connection_params.cc_weight_factor: did you mean connection_params.cc_weights_factor?",
        ),
        (({"K_scalin": 1},), "unknown key K_scalin: did you mean K_scaling?"),
        (({"K_scaling": 0},), "K_scaling = 0 is out of range"),
        (({"input_params": {"dc_stimulus": True}},), "only False is possible"),
        (({"connection_params": {"g": 2}},), "write -2 for 2"),
        (({"connection_params": {"replace_cc": "het_current"}},), "variant 'replace_cc' has no choice 'het_current'"),
        (({"neuron_params": {"single_neuron_dict": {"tau_syn_ex": 1, "tau_syn_in": 2}}},), "must be given and equal"),
        (({}, False, False, {"t_sims": 1}), "sim_spec: unknown key t_sims: did you mean t_sim?"),
    ],
)
def test_what_is_not_possible_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        MultiAreaModel(*arguments)
    assert message in str(caught.value)
