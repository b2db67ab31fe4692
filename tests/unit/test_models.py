"""PD14 from its document: published values, variants, scaling, and what is refused."""

import math

import numpy as np
import pytest

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models import load_model
from spinn_mam.models.scaling import compensating_current, psc_over_psp, synapse_numbers


def test_full_scale_has_the_published_size() -> None:
    spec = load_model("pd14").network()
    assert spec.sizes.tolist() == [20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948]
    assert int(spec.sizes.sum()) == 77169
    # 298,880,968 in public code, whose logarithm loses digits; exactly rounded the formula gives two more
    assert spec.n_synapses == 298_880_970
    assert len(spec.projections) == 55


def test_every_projection_has_the_number_of_the_published_formula() -> None:
    from decimal import Decimal, getcontext

    getcontext().prec = 60
    model = load_model("pd14")
    spec = model.network()
    probabilities = model.content.synapses.probabilities.value
    for p in spec.projections:
        pairs = Decimal(spec.populations[p.source].size) * Decimal(spec.populations[p.target].size)
        exact = (1 - Decimal(str(probabilities[p.target][p.source]))).ln() / ((pairs - 1) / pairs).ln()
        assert p.n_synapses == round(exact)


def test_psc_is_the_published_87_8_pA() -> None:
    assert 0.15 * psc_over_psp(250.0, 10.0, 0.5) == pytest.approx(87.81, abs=0.005)


def test_L4E_to_L23E_is_doubled_and_inhibition_is_four_times_stronger() -> None:
    spec = load_model("pd14").network()
    weight = {(spec.names[p.target], spec.names[p.source]): p.weight.mean for p in spec.projections}
    assert weight["L23E", "L4E"] == pytest.approx(2 * weight["L23E", "L23E"])
    assert weight["L4E", "L4I"] == pytest.approx(-4 * weight["L4E", "L4E"])


def test_the_public_versions_differ_where_the_notes_say() -> None:
    default = load_model("pd14").network()
    assert (default.populations[0].V0_mean, default.populations[0].V0_sd) == (-68.28, 5.36)
    other = load_model("pd14", ["variants.initial_potentials=original-spinnaker"]).network()
    assert (other.populations[0].V0_mean, other.populations[0].V0_sd) == (-58.0, 5.0)
    optimised = load_model("pd14", ["variants.initial_potentials=optimized-spinnaker"]).network()
    shift = np.array([[a.V0_mean - b.V0_mean, a.V0_sd - b.V0_sd] for a, b in zip(optimised.populations, default.populations, strict=True)])
    assert np.allclose(shift, [4.0, -1.0])
    spread = load_model("pd14", ["variants.L4E_to_L23E_spread=same-absolute-sd"]).network()
    sd = {(spread.names[p.target], spread.names[p.source]): p.weight.sd for p in spread.projections}
    assert sd["L23E", "L4E"] == pytest.approx(sd["L23E", "L23E"])
    assert load_model("pd14", ["variants.full_scale_rates=spinnaker-2018"]).network().expected_rates[0] == 0.971


def test_dc_drive_has_the_mean_of_the_poisson_drive() -> None:
    poisson, dc = load_model("pd14").network(), load_model("pd14", variants={"drive": "dc"}).network()
    for a, b in zip(poisson.populations, dc.populations, strict=True):
        assert a.drive is not None
        assert b.drive is None
        assert b.I_e == pytest.approx(a.drive.rate * a.drive.weight * 0.5 / 1000.0)


@pytest.mark.parametrize("drive", ["poisson", "dc"])
def test_scaling_keeps_mean_and_variance_of_the_input(drive: str) -> None:
    K = 0.1
    full, scaled = (load_model("pd14", variants={"drive": drive}).network(1.0, k) for k in (1.0, K))
    rates = np.array(full.expected_rates)

    def moments(spec: object, i: int) -> tuple[float, float]:
        mean, variance = spec.populations[i].I_e, 0.0  # type: ignore[attr-defined]
        for p in spec.projections:  # type: ignore[attr-defined]
            if p.target == i:
                k = p.n_synapses / spec.populations[i].size * rates[p.source]  # type: ignore[attr-defined]
                mean += p.weight.mean * k * 0.5 / 1000
                variance += p.weight.mean**2 * k
        d = spec.populations[i].drive  # type: ignore[attr-defined]
        if d is not None:
            mean, variance = mean + d.weight * d.rate * 0.5 / 1000, variance + d.weight**2 * d.rate
        return mean, variance

    for i in range(8):
        (m1, v1), (m2, v2) = moments(full, i), moments(scaled, i)
        # numbers of synapses are rounded, so not exactly
        assert m2 == pytest.approx(m1, rel=1e-3, abs=0.05)
        assert v2 == pytest.approx(v1, rel=1e-4)


def test_scaled_sizes() -> None:
    spec = load_model("pd14").network(0.1, 0.1)
    assert spec.sizes.tolist() == [2068, 583, 2192, 548, 485, 106, 1440, 295]
    assert spec.n_synapses == pytest.approx(298_880_970 * 0.01, rel=1e-5)


def test_thalamus_is_a_source_population() -> None:
    spec = load_model("pd14", ["thalamus.enabled=true"]).network()
    tc = spec.populations[-1]
    assert (tc.name, tc.size, tc.is_source, tc.source_rate, tc.source_start, tc.source_stop) == ("TC", 902, True, 120.0, 700.0, 710.0)
    assert {spec.names[p.target] for p in spec.projections if p.source == 8} == {"L4E", "L4I", "L6E", "L6I"}
    printed = load_model("pd14", ["thalamus.enabled=true", "variants.thalamic_rate=as-printed"]).network()
    assert printed.populations[-1].source_rate == 15.0


def test_a_set_value_is_converted_and_listed() -> None:
    model = load_model("pd14", ["neuron.tau_m=0.012 s", "variants.drive=dc"])
    assert model.content.neuron.tau_m.value == 12.0
    assert model.network().populations[0].neuron.tau_m == 12.0  # type: ignore[union-attr]
    assert {o.key: (o.default, o.value) for o in model.document.overrides} == {
        "neuron.tau_m": ("10 ms", "0.012 s"),
        "external.drive": ("poisson", "dc"),
    }


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ("neuron.tau_n=1 ms", UsageError, "did you mean neuron"),
        ("neuron.tau_m=1 mV", DocumentError, "'neuron.tau_m': '1 mV' has the wrong dimension"),
        ("neuron.tau_m=1 parsec", DocumentError, "wrong dimension|unknown unit"),
        ("neuron.tau_m=-10 ms", DocumentError, "'neuron.tau_m': must be positive, found -10"),
        ("neuron.V_th=-70 mV", DocumentError, "'neuron.V_th': must lie above"),
        ("populations.N_full=[1,2]", DocumentError, "2 values for 8 populations"),
        ("populations.N_full=[-1,1,1,1,1,1,1,1]", DocumentError, "sizes must be whole numbers"),
        ("variants.drive=laser", UsageError, "no choice 'laser': use one of dc, poisson"),
        ("variants.colour=red", UsageError, "no variant 'colour'"),
        ("neuron.tau_m", UsageError, "write KEY=VALUE"),
        ("synapses.probabilities=3", DocumentError, "synapses.probabilities"),
    ],
)
def test_a_wrong_setting_is_refused(setting: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_model("pd14", [setting])


@pytest.mark.parametrize(("n", "k"), [(0.0, 1.0), (1.5, 1.0), (1.0, -0.1), (math.nan, 1.0)])
def test_a_scale_out_of_range_is_refused(n: float, k: float) -> None:
    with pytest.raises(UsageError, match="must be above 0 and at most 1"):
        load_model("pd14").network(n, k)


def test_unknown_models_and_documents(tmp_path: object) -> None:
    with pytest.raises(UsageError, match="known are mam, pd14"):
        load_model("pd15")
    with pytest.raises(UsageError, match="no model document at"):
        load_model("nowhere.toml")


def test_documents_of_users(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from importlib import resources

    text = (resources.files("spinn_mam.models") / "pd14.toml").read_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace('tau_m = { value = "10 ms"', 'tau_m = { value = "11 ms"'))
    assert load_model(str(mine)).network().populations[0].neuron.tau_m == 11.0  # type: ignore[union-attr]
    for broken, message in (
        (text.replace("[neuron]", "[neuron]\ncolour = 3"), "'neuron.colour': unknown key"),
        (text.replace('C_m = { value = "250 pF", source = "PD14, Table 5" }', ""), "'neuron.C_m': is missing"),
        (text.replace('C_m = { value = "250 pF", source = "PD14, Table 5" }', 'C_m = "250 pF"'), "needs { value"),
        (text.replace("spinn_mam.model/1", "spinn_mam.model/9"), "expected 'spinn_mam.model/1'"),
        ("[[[", "not valid TOML"),
    ):
        mine.write_text(broken)
        with pytest.raises(DocumentError, match=message):
            load_model(str(mine))


def test_compensating_current_and_synapse_numbers() -> None:
    assert compensating_current(1.0, 0.5, np.ones((1, 1)), np.ones((1, 1)), np.ones(1)).tolist() == [0.0]
    assert synapse_numbers(np.array([[0.0]]), np.array([10.0]), np.array([10.0])).tolist() == [[0.0]]


def test_a_network_without_synapses_runs() -> None:
    from spinn_mam.backends.base import Network, RunConfig
    from spinn_mam.backends.emulator.backend import EmulatorBackend

    spec = load_model("pd14", [f"synapses.probabilities={[[0.0] * 8] * 8}"]).network(0.01, 1.0)
    assert spec.projections == ()
    recording = EmulatorBackend().start(Network.from_seed(spec, 1), RunConfig(100.0, 0.0, 1, 1, "shared"), None).result()
    assert recording.activity is not None
    assert recording.activity.n_synaptic_events == 0
    assert len(recording.step) > 0


def test_delays_that_no_table_holds_are_known_before_the_run() -> None:
    from spinn_mam.backends.base import Network, RunConfig
    from spinn_mam.backends.emulator.backend import EmulatorBackend

    spec = load_model("pd14", ["synapses.delay_exc=1 s", "simulation.dt=0.01 ms"]).network(0.01, 0.05)
    found = EmulatorBackend().check(Network.from_seed(spec, 1), RunConfig(100.0, 0.0, 1, 1, "shared"), None)
    assert {v.rule for v in found} == {"delay"}
    assert "at most 65535 steps" in found[0].message
