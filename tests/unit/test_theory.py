"""Mean-field theory: the transfer function against direct integration, derivatives against differences, fixed points, the command."""

import dataclasses
import io
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.integrate import quad
from scipy.special import erfcx
from typer.testing import CliRunner

from spinn_mam.cli import app
from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.flow import theory_parts
from spinn_mam.flow.progress import Reporter
from spinn_mam.models import load_model
from spinn_mam.models.theory import (
    MeanField,
    eigenmodes,
    find_fixed_points,
    find_jump,
    follow,
    linear_response,
    scan_chi,
    stabilise,
    stationary_rates,
    stationary_state,
    with_kappa,
)
from spinn_mam.models.theory.fixed_points import newton, starting_rates
from spinn_mam.models.theory.scan import with_chi
from spinn_mam.models.theory.siegert import ALPHA, Neurons, siegert, siegert_slopes
from spinn_mam.models.theory.stabilise import critical_mode, stabilising_step
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection

LIF = NeuronParameters(C_m=250.0, tau_m=10.0, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65.0, V_reset=-65.0, V_th=-50.0, t_ref=2.0)


def neurons(n: int) -> Neurons:
    return Neurons(*(np.full(n, x) for x in (10.0, 2.0, 15.0, 0.0)))


def by_quadrature(mean: float, variance: float) -> float:
    shift = ALPHA / 2 * math.sqrt(0.05)
    a, b = (-mean / math.sqrt(variance) + shift, (15.0 - mean) / math.sqrt(variance) + shift)
    inside = [u for u in (-1.0, 0.0, 1.0, 2.0, 4.0) if a < u < b] or None
    integral = quad(lambda u: erfcx(-u), a, b, epsabs=0, epsrel=1e-12, limit=500, points=inside)[0]
    return float(1000.0 / (2.0 + 10.0 * math.sqrt(math.pi) * integral))


def test_alpha_is_the_published_constant() -> None:
    assert pytest.approx(2.0652531522312172, rel=1e-14) == ALPHA  # sqrt(2) |zeta(1/2)|: Abramowitz and Stegun, chapter 23


def test_transfer_equals_direct_integration() -> None:
    rng = np.random.default_rng(3)
    mean, variance = rng.uniform(-20, 60, 150), 10 ** rng.uniform(-1, 3, 150)
    rates = siegert(neurons(150), mean, variance, np.array([0.5]))
    expected = np.array([by_quadrature(m, v) for m, v in zip(mean, variance, strict=True)])
    shown = expected > 1e-100
    assert shown.sum() > 120
    assert np.allclose(rates[shown], expected[shown], rtol=1e-11)


def test_transfer_in_its_limits() -> None:
    mean = np.array([-1e9, 14.0, 15.0, 30.0, 1e9, 30.0])
    variance = np.array([4.0, 0.0, 0.0, 0.0, 4.0, 1e-12])
    rates = siegert(neurons(6), mean, variance, np.array([0.5]))
    noiseless = 1000.0 / (2.0 + 10.0 * math.log(30.0 / 15.0))
    assert np.allclose(rates, [0.0, 0.0, 0.0, noiseless, 500.0, noiseless], rtol=1e-6)
    assert np.isfinite(np.array(dataclasses.astuple(siegert_slopes(neurons(6), mean, variance, np.array([0.5]))))).all()


def test_derivatives_equal_differences() -> None:
    rng = np.random.default_rng(4)
    mean, variance = rng.uniform(-5, 40, 400), rng.uniform(1, 10, 400) ** 2
    mean[:50], variance[:50] = rng.uniform(16, 40, 50), 0.0
    tau, h, n = np.full(400, 0.5), 1e-5, neurons(400)
    slopes = siegert_slopes(n, mean, variance, tau)
    noisy = variance > 0
    for found, plus, minus, where in (
        (slopes.by_mean, (mean + h, variance, tau), (mean - h, variance, tau), noisy | True),
        (slopes.by_variance, (mean, variance + h, tau), (mean, variance - h, tau), noisy),
        (slopes.by_tau_syn, (mean, variance, tau + h), (mean, variance, tau - h), noisy),
    ):
        difference = (siegert(n, *plus) - siegert(n, *minus)) / (2 * h)
        assert np.allclose(found[where], difference[where], rtol=1e-6, atol=1e-7)
        assert np.abs(found[where]).max() > 0.01


def mixed() -> NetworkSpec:
    """Return a network with two synaptic time constants, a spread of weights, a source that lasts, one that ends and both kinds of drive."""
    slow = dataclasses.replace(LIF, tau_syn_in=2.0)
    delay = Distribution(1.5, 0.75, 0.05)
    return NetworkSpec(
        model="mixed",
        dt=0.1,
        populations=(
            Population("E", 800, slow, drive=PoissonDrive(12_000.0, 87.8, 1.5)),
            Population("S", 100, None, source_rate=20.0),
            Population("I", 200, LIF, I_e=350.0),
            Population("T", 10, None, source_rate=900.0, source_stop=10.0),
        ),
        projections=(
            Projection(0, 0, 80_000, Distribution(87.8, 40.0, 0.0), delay),
            Projection(2, 0, 20_000, Distribution(-400.0, 40.0, -np.inf, 0.0), delay),
            Projection(0, 2, 20_000, Distribution(87.8, 8.78, 0.0), delay),
            Projection(1, 2, 10_000, Distribution(100.0, 0.0), delay),
            Projection(3, 0, 10_000, Distribution(100.0, 0.0), delay),
        ),
        expected_rates=(1.0, 20.0, 1.0, 0.0),
        expected_rates_source="none",
    )


def test_input_is_that_of_the_drawn_synapses() -> None:
    """Sums over a million drawn weights, kept where they are positive, against the moments of the distribution."""
    spec = mixed()
    rates = np.array([3.0, 7.0])
    mean, variance, tau = MeanField.of(spec).input(rates)
    weights = np.random.default_rng(5).normal(87.8, 40.0, 2_000_000)
    weights = weights[weights > 0] * 0.5 / 250.0  # mV
    inhibitory = 400.0 * 2.0 / 250.0
    drive = 87.8 * 0.5 / 250.0
    expected = 10.0 * (0.1 * 3.0 * weights.mean() - 0.025 * 7.0 * inhibitory + 12.0 * drive)
    parts = 10.0 * np.array([0.1 * 3.0 * (weights**2).mean() + 12.0 * drive**2, 0.025 * 7.0 * inhibitory**2 * 1.01])
    assert mean[0] == pytest.approx(expected, abs=2e-3)
    assert variance[0] == pytest.approx(parts.sum(), rel=1e-3)
    assert tau[0] == pytest.approx((parts @ [0.5, 2.0]) / parts.sum(), rel=1e-3)
    source = 100.0 * 0.5 / 250.0
    assert mean[1] == pytest.approx(350.0 * 10.0 / 250.0 + 10.0 * (0.1 * 3.0 * 87.8 * 0.5 / 250.0 + 0.05 * 20.0 * source))


@pytest.mark.parametrize("name", ["pd14", "mixed"])
def test_gain_equals_differences(name: str) -> None:
    field = MeanField.of(mixed() if name == "mixed" else load_model("pd14").network())
    rates, h = np.linspace(2.0, 9.0, len(field.names)), 1e-4
    difference = np.array([(field.transfer(rates + h * e) - field.transfer(rates - h * e)) / (2 * h) for e in np.eye(len(rates))]).T
    assert np.allclose(field.gain(rates), difference, atol=1e-6)
    assert np.abs(difference).max() > 0.1


def test_stationary_rates_cover_sources() -> None:
    spec = mixed()
    rates = stationary_rates(spec)
    assert rates[1] == 20.0
    assert rates[3] == 0.0
    field = MeanField.of(spec)
    assert np.allclose(field.transfer(rates[[0, 2]]), rates[[0, 2]], rtol=1e-10)


def test_pd14_is_near_its_simulated_rates() -> None:
    spec = load_model("pd14").network()
    rates = stationary_rates(spec)
    expected = np.array(spec.expected_rates)
    assert np.corrcoef(rates, expected)[0, 1] > 0.998
    assert np.abs(rates - expected).max() < 0.5


def test_scaling_in_degrees_with_the_rates_of_theory_keeps_them() -> None:
    full = stationary_rates(load_model("pd14").network())
    targets = f"rates.full_scale={full.tolist()}"
    scaled = stationary_rates(load_model("pd14", [targets]).network(1.0, 0.2))
    assert np.allclose(scaled, full, rtol=1e-4)  # numbers of synapses are rounded
    others = stationary_rates(load_model("pd14").network(1.0, 0.2))
    assert not np.allclose(others, full, rtol=3e-2)  # with rates of simulations as targets theory moves


def bistable() -> MeanField:
    """One excitatory population that keeps itself active or silent."""
    return MeanField.of(
        NetworkSpec(
            model="bistable",
            dt=0.1,
            populations=(Population("E", 1000, LIF, drive=PoissonDrive(4000.0, 87.8, 1.5)),),
            projections=(Projection(0, 0, 600_000, Distribution(87.8, 0.0), Distribution(1.5, 0.0)),),
            expected_rates=(1.0,),
            expected_rates_source="none",
        )
    )


def test_both_states_of_a_bistable_population_are_found_with_their_basins() -> None:
    field = bistable()
    search = find_fixed_points(field, 100)
    low, high = search.points
    assert low.stable
    assert high.stable
    assert low.rates[0] < 10.0
    assert high.rates[0] > 100.0
    # the unstable one between them is the border: the number of starts below it is the number that goes to the low state
    grid = np.linspace(low.rates[0] + 0.01, high.rates[0] - 0.01, 20001)[:, None]
    border = grid[np.flatnonzero(np.diff(np.sign(field.transfer(grid) - grid)[:, 0]))[0], 0]
    starts = starting_rates(field, 100, 1)
    starts[0] = 0.0
    below = int((starts < border).sum())
    assert 10 < below < 100
    assert low.starts == (below, below)
    assert high.starts == (100 - below, 100 - below)
    assert search.not_converged == (0, 0)
    assert search.difference < 1e-9


def test_newton_finds_the_unstable_point_and_says_so() -> None:
    field = bistable()
    low, high = find_fixed_points(field, 20).points
    rates, converged = newton(field, np.linspace(low.rates[0], high.rates[0], 200)[:, None])
    between = rates[converged & (rates[:, 0] > low.rates[0] + 1) & (rates[:, 0] < high.rates[0] - 1)]
    assert len(between)
    assert field.gain(between[0])[0, 0] > 1.0


def test_a_network_without_a_stable_state_is_said_to_have_none() -> None:
    """Excitation that grows by itself and calls up inhibition: the two chase each other for ever."""
    drives = (PoissonDrive(7000.0, 87.8, 1.5), PoissonDrive(4000.0, 87.8, 1.5))
    synapses = ((0, 0, 800_000, 87.8), (1, 0, 600_000, -87.8), (0, 1, 400_000, 87.8), (1, 1, 10_000, -87.8))
    field = MeanField.of(
        NetworkSpec(
            model="cycle",
            dt=0.1,
            populations=tuple(Population(name, 1000, LIF, drive=drive) for name, drive in zip("EI", drives, strict=True)),
            projections=tuple(Projection(s, t, n, Distribution(w, 0.0), Distribution(1.5, 0.0)) for s, t, n, w in synapses),
            expected_rates=(1.0, 1.0),
            expected_rates_source="none",
        )
    )
    with pytest.raises(RunFailedError, match="no stable stationary state"):
        stationary_state(field)
    rates, converged = newton(field, np.random.default_rng(2).uniform(0, 100, (200, 2)))
    assert converged.any()
    assert all(np.linalg.eigvals(m).real.max() > 1.0 for m in field.gain(rates[converged]))


def test_the_jump_of_a_bistable_population_is_at_its_fold() -> None:
    """With one population silence lies below the low state, so it jumps where low state and border meet; both are found without the other."""
    field = dataclasses.replace(bistable(), names=("5E",))
    jump = find_jump(lambda kappa: with_kappa(field, kappa), 1.0, 3.0, 14)
    assert jump is not None
    branch = follow(lambda kappa: with_kappa(field, kappa), stationary_state(field).rates, 1.0, 3.0)
    fold = branch.folds[0]
    assert branch.parameter[fold] == pytest.approx(jump.parameter, abs=3e-4)
    assert field.gain(jump.saddle).shape == (1, 1)
    at_fold = with_kappa(field, branch.parameter[fold])
    assert at_fold.gain(branch.rates[fold])[0, 0] == pytest.approx(1.0, abs=1e-2)
    assert np.abs(at_fold.transfer(branch.rates[fold]) - branch.rates[fold]).max() < 1e-8
    assert not jump.exact  # beyond the fold there is only its bottleneck
    assert field.gain(branch.rates[-1])[0, 0] > 1.0


def two_areas() -> MeanField:
    """Two areas that excite each other so much that they jump to a high state at some kappa."""
    names = ("A-5E", "A-5I", "B-5E", "B-5I")
    synapses = []
    for target in range(4):
        for source in range(4):
            within = target // 2 == source // 2
            if source % 2 and not within:
                continue
            n = (350_000 if within else 150_000) if source % 2 == 0 else 60_000
            synapses.append(Projection(source, target, n, Distribution(-400.0 if source % 2 else 87.8, 0.0), Distribution(1.5, 0.0)))
    return MeanField.of(
        NetworkSpec(
            model="two-areas",
            dt=0.1,
            populations=tuple(Population(name, 1000, LIF, drive=PoissonDrive(5000.0, 87.8, 1.5)) for name in names),
            projections=tuple(synapses),
            expected_rates=(1.0,) * 4,
            expected_rates_source="none",
        )
    )


def test_a_step_keeps_the_unstable_point_in_its_critical_mode() -> None:
    field = two_areas()
    jump = find_jump(lambda kappa: with_kappa(field, kappa), 1.0, 3.0, 14)
    assert jump is not None
    target = jump.parameter + 0.02
    free = np.ones((4, 4), dtype=bool)
    step = stabilising_step(field, jump, target, free)
    left = critical_mode(with_kappa(field, jump.parameter).gain(jump.saddle))[1]
    moved = with_kappa(dataclasses.replace(field, in_degrees=step.in_degrees), target).transfer(jump.saddle) - jump.saddle
    unmoved = with_kappa(field, target).transfer(jump.saddle) - jump.saddle
    assert abs(left @ moved) < 0.1 * abs(left @ unmoved)  # to first order it is zero


@pytest.mark.slow
def test_stabilisation_reaches_its_target_and_leaves_what_anatomy_rules_out() -> None:
    field, target = two_areas(), 1.35
    result = stabilise(field, target)
    assert result.stable
    assert result.steps[0].jump.parameter < target
    assert result.jump is None or result.jump.parameter > target
    low = stationary_state(with_kappa(result.after, target))
    assert low.rates.mean() < 20.0
    assert stationary_state(with_kappa(field, target)).rates.mean() > 100.0
    after = result.after.in_degrees
    assert (after >= 0).all()
    assert after[0, 3] == after[1, 3] == after[2, 1] == after[3, 1] == 0.0
    assert after[0, 0] < field.in_degrees[0, 0]


def test_growing_modes_are_counted_by_the_winding_of_the_determinant() -> None:
    """Against the roots of a network whose response is known: inhibition of itself with a delay, ever stronger."""
    field = MeanField.of(load_model("pd14").network())
    rates = stationary_state(field).rates
    frequencies = np.arange(0.5, 1500.0, 1.0)
    counts = [
        linear_response(dataclasses.replace(field, delay=field.delay * d, delay_sd=field.delay_sd * d), rates, frequencies).unstable_modes
        for d in (0.01, 1.0, 2.0)
    ]
    assert counts == [0, 4, 10]  # delays destabilise; modes grow in pairs, since the matrix without delays has no eigenvalue above 1


def test_modes_add_up_and_areas_alone_are_their_blocks() -> None:
    field, rates = two_areas(), np.array([8.0, 5.0, 6.0, 4.0])
    modes = eigenmodes(field, rates)
    gain = field.gain(rates)
    assert modes.eigenvalues[0].real == pytest.approx(np.linalg.eigvals(gain).real.max())
    assert modes.share.sum() == pytest.approx(1.0)
    assert modes.participation.sum() == pytest.approx(1.0)
    assert modes.alone["A"] == pytest.approx(np.linalg.eigvals(gain[:2, :2]).real.max())
    # participation is the derivative of the eigenvalue with respect to the diagonal
    shifted = gain + 1e-6 * np.diag([1.0, 0.0, 0.0, 0.0])
    change = np.linalg.eigvals(shifted).real.max() - np.linalg.eigvals(gain).real.max()
    assert change / 1e-6 == pytest.approx(modes.participation[0], abs=1e-4)


def test_chi_multiplies_weights_between_areas_alone() -> None:
    field = two_areas()
    changed = with_chi(field, 1.9, 2.0)
    factor = np.divide(changed.J, field.J, out=np.ones((4, 4)), where=field.J != 0)
    assert factor.tolist() == [[1, 1, 1.9, 1], [1, 1, 3.8, 1], [1.9, 1, 1, 1], [3.8, 1, 1, 1]]
    with pytest.raises(UsageError, match="several areas"):
        with_chi(MeanField.of(load_model("pd14").network()), 1.9)
    weak, strong = scan_chi(field, [0.5, 3.0], 1.0, 5)
    assert weak.silent is not None
    assert weak.silent.rates.mean() < strong.search.points[-1].rates.mean()


def test_parts_write_figures_and_numbers(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["theory", "pd14", "--parts", "rates,modes,spectra", "--out", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spectra.png", "theory.json"]
    data = json.loads((tmp_path / "theory.json").read_text())
    assert data["modes"]["eigenvalues"][0][0] == pytest.approx(data["largest_eigenvalue"][0])
    assert len(data["spectra"]["power"]["L4E"]) == 1000
    (tmp_path / "kept.txt").touch()
    again = CliRunner().invoke(app, ["theory", "pd14", "--out", str(tmp_path)], catch_exceptions=False)
    assert "theory.json" in again.output
    assert "kept.txt" not in again.output  # what was there before is not said to be written
    with pytest.raises(UsageError, match=r"kept.txt.below: cannot be made \(Not a directory\); name another folder"):
        CliRunner().invoke(app, ["theory", "pd14", "--out", str(tmp_path / "kept.txt" / "below")], catch_exceptions=False, standalone_mode=False)
    with pytest.raises(UsageError, match="--parts rats"):
        CliRunner().invoke(app, ["theory", "pd14", "--parts", "rats"], catch_exceptions=False, standalone_mode=False)


@dataclasses.dataclass
class Heard:
    """Stands for the terminal: the order of what is said and done."""

    events: list[str] = dataclasses.field(default_factory=list)

    def reporter(self) -> Reporter:
        console = Console(width=200, file=io.StringIO())
        heard = Reporter(console)
        heard._line = lambda text, style=None: self.events.append(text)  # type: ignore[method-assign]
        return heard


def test_a_table_that_would_not_be_kept_is_said_so_before_it_is_computed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = load_model("pd14").network()
    for out in (None, tmp_path):
        heard = Heard()
        monkeypatch.setitem(theory_parts.PARTS, "stabilise", lambda of, heard=heard: heard.events.append("computes"))
        theory_parts.show_theory(spec, ["stabilise"], starts=0, seed=1, reference=None, reporter=heard.reporter(), out=out)
        warned = ["without --out the stabilised in-degrees are only summed up, not kept: --out DIR keeps their table"] if out is None else []
        assert heard.events == [*warned, "[1/1] stabilise: step by step until silence no longer leads to the high state", "computes"]


def test_what_is_in_the_folder_is_kept_or_the_folder_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def theory(parts: str, *more: str) -> None:
        command = ["theory", "pd14", *more, "--parts", parts, "--out", str(tmp_path / "t")]
        CliRunner().invoke(app, command, catch_exceptions=False, standalone_mode=False)

    def written() -> dict[str, Any]:
        return json.loads((tmp_path / "t" / "theory.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    def fails(of: theory_parts.Shown) -> None:
        raise RunFailedError("interrupted")

    theory("modes")
    theory("rates")
    assert {"modes", "populations"} <= set(written())  # of both commands
    before = written()
    for more in (("--n-scaling", "0.5"), ("--drive", "dc")):
        with pytest.raises(UsageError, match=r"holds the theory of another network \(pd14, or other settings or scales\); name another folder"):
            theory("rates", *more)
    assert written() == before
    with monkeypatch.context() as patch:
        patch.setitem(theory_parts.PARTS, "jump", fails)
        with pytest.raises(RunFailedError):
            theory("spectra,jump")
    assert "spectra" in written()  # what was computed before the interruption
    assert (tmp_path / "t" / "spectra.png").is_file()
    (tmp_path / "t" / "theory.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match=r"its theory.json is none of this program"):
        theory("rates")


def test_what_cannot_be_computed_is_known_before_the_parts_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setitem(theory_parts.PARTS, "modes", lambda of: done.append("modes"))

    def theory(*arguments: str) -> None:
        CliRunner().invoke(app, ["theory", "pd14", *arguments], catch_exceptions=False, standalone_mode=False)

    with pytest.raises(UsageError, match="a scan over chi needs several areas"):
        theory("--parts", "modes,chi")
    with pytest.raises(UsageError, match="--starts -3 is out of range: it must be 1 or more, or 0 "):
        theory("--parts", "modes,rates", "--starts", "-3")
    assert done == []
    theory("--parts", "modes, modes")
    assert done == ["modes"]  # named twice, computed once


def test_a_network_is_not_compared_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_model("pd14").network()
    own = MeanField.of(spec).in_degrees
    seen: list[bool] = []
    monkeypatch.setitem(theory_parts.PARTS, "stabilise", lambda of: seen.append(of.reference is None))
    for reference in (own, own + 1.0):
        theory_parts.show_theory(spec, ["stabilise"], starts=0, seed=1, reference=reference, reporter=Heard().reporter(), out=None)
    assert seen == [True, False]


def test_long_parts_say_their_name_how_far_they_are_and_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 20.0)  # each look at the clock is 20 s after the last
    monkeypatch.setattr("spinn_mam.flow.progress.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("spinn_mam.flow.theory_parts.QUICK_S", 0.0)
    heard = Heard()
    spec = load_model("mam", ["areas.simulated=V1,V2"]).network(0.1, 0.1)
    theory_parts.show_theory(spec, ["rates", "chi"], starts=1, seed=1, reference=None, reporter=heard.reporter(), out=None)
    assert re.fullmatch(r"\[1/2\] rates: \d+\.\d s", heard.events[0])
    assert heard.events[1] == "[2/2] chi: states over the strength of synapses between areas"
    assert heard.events[2].startswith("[2/2] chi: 12 networks, 0 %")
    assert any("12 networks, 50 %" in line and line.endswith(" left") for line in heard.events)
    assert re.fullmatch(r"\[2/2\] chi: \d+\.\d s", heard.events[-1])


def test_a_network_without_neurons_is_refused() -> None:
    spec = dataclasses.replace(mixed(), populations=mixed().populations[1:2], projections=(), expected_rates=(20.0,))
    with pytest.raises(UsageError, match="no neurons"):
        stationary_rates(spec)


def test_the_command_prints_rates_eigenvalue_and_time() -> None:
    result = CliRunner().invoke(app, ["theory", "pd14", "--starts", "5"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "largest eigenvalue of the gain matrix: 0.118" in result.output
    assert "mean over all neurons: 3.169 spikes/s\n" in result.output
    assert "took" in result.output
    assert "--starts 100 looks for others" in CliRunner().invoke(app, ["theory", "pd14"], catch_exceptions=False).output
    data = json.loads(CliRunner().invoke(app, ["theory", "pd14", "--starts", "5", "--json"], catch_exceptions=False).output)
    rates = stationary_rates(load_model("pd14").network())
    assert [p["rate"] for p in data["populations"].values()] == pytest.approx(rates.tolist(), rel=1e-9)
    assert data["search"]["fixed_points"][0]["starts"] == [5, 5]
