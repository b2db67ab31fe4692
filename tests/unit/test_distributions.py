"""Lognormal weights: moments and quantiles against scipy, what is drawn against the distribution, and who refuses them."""

import dataclasses
import math
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.spinnaker.checks import check_run
from spinn_mam.errors import UsageError
from spinn_mam.expander.plan import weight_draws
from spinn_mam.models import load_model
from spinn_mam.models.theory import MeanField
from spinn_mam.network.connectivity import Connectivity, quantile_table
from spinn_mam.network.distributions import lognormal_mean_below, moments, quantiles, underlying_normal
from spinn_mam.network.spec import Distribution, NetworkSpec

WIDE = Distribution(-80.0, 240.0, kind="lognormal")
AREA = ["areas.simulated=46", "variants.weights=lognormal"]


def test_moments_and_quantiles_are_scipys() -> None:
    for d in (WIDE, Distribution(87.8, 87.8, kind="lognormal")):
        location, scale = underlying_normal(d)
        theirs = stats.lognorm(scale, scale=math.exp(location))
        assert moments(d) == (d.mean, d.sd**2)
        assert (theirs.mean(), theirs.std()) == (pytest.approx(abs(d.mean)), pytest.approx(d.sd))
        p = np.array([0.01, 0.3, 0.999])
        assert quantiles(d, p) == pytest.approx(theirs.ppf(p) if d.mean > 0 else -theirs.ppf(1 - p))
        low = float(quantiles(d, np.array(0.3)))
        expected = theirs.expect(ub=low) if d.mean > 0 else -theirs.expect(lb=-low)
        assert lognormal_mean_below(d, 0.3) == pytest.approx(expected, rel=1e-6)
    cut = Distribution(2.0, 1.5, 0.5, 3.0)
    theirs = stats.truncnorm(-1.0, 2 / 3, 2.0, 1.5)
    assert moments(cut) == (pytest.approx(theirs.mean()), pytest.approx(theirs.var()))
    assert quantiles(cut, np.array([0.2, 0.9])) == pytest.approx(theirs.ppf([0.2, 0.9]))


def test_the_table_of_quantiles_keeps_the_mean_and_most_of_the_variance() -> None:
    for spread, lost in ((1.0, 0.01), (3.0, 0.09)):
        d = Distribution(80.0, 80.0 * spread, kind="lognormal")
        knots = quantile_table(d) * 2.0**-20 * d.sd + d.mean
        a, b = knots[:-1], knots[1:]
        assert knots.min() >= 0
        assert (a + b).mean() / 2 == pytest.approx(d.mean, rel=0.005)
        variance = ((a * a + a * b + b * b) / 3).mean() - d.mean**2
        assert 1 - lost < variance / d.sd**2 < 1.0


def test_weights_that_are_drawn_are_lognormal() -> None:
    spec = load_model("mam", AREA).network(0.1, 0.1)
    k = max(range(len(spec.projections)), key=lambda k: spec.projections[k].n_synapses)
    projection = spec.projections[k]
    n = [spec.populations[i].size for i in (projection.source, projection.target)]
    drawn = Connectivity(spec, seed=1).rows(k, (0, n[0]), (0, n[1])).weight
    assert len(drawn) == projection.n_synapses > 1e5
    assert (drawn * projection.weight.mean > 0).all()
    location, scale = underlying_normal(projection.weight)
    logarithm = np.log(np.abs(drawn))
    assert logarithm.mean() == pytest.approx(location, abs=5 * scale / math.sqrt(len(drawn)))
    assert logarithm.std() == pytest.approx(scale, rel=5 / math.sqrt(2 * len(drawn)))


def test_it_survives_json_and_leaves_other_digests_alone() -> None:
    spec = load_model("mam", [*AREA, "variants.replace_non_simulated_areas=none"]).network(0.1, 0.1)
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    normal = load_model("pd14").network()
    assert "kind" not in normal.to_dict()["projections"][0]["weight"]
    changed = [dataclasses.replace(p, weight=dataclasses.replace(p.weight, kind="lognormal")) for p in normal.projections]
    assert dataclasses.replace(normal, projections=tuple(changed)).digest() != normal.digest()


def test_which_weights_are_lognormal() -> None:
    for variant, expected in (("normal", 0), ("lognormal_EE_only", 16), ("lognormal", 62)):
        spec = load_model("mam", ["areas.simulated=V1", f"variants.weights={variant}", "variants.replace_non_simulated_areas=none"]).network()
        chosen = [p for p in spec.projections if p.weight.kind == "lognormal"]
        assert len(chosen) == expected
        assert all(p.weight.sd == pytest.approx(3.0 * abs(p.weight.mean)) for p in chosen)
        if variant == "lognormal_EE_only":
            assert all(spec.names[end].endswith("E") for p in chosen for end in (p.source, p.target))


def test_theory_has_the_variance_of_lognormal_weights() -> None:
    """The square of a weight is 1 + 3^2 times that of its mean."""
    settings = ["areas.simulated=V1", "variants.replace_non_simulated_areas=none", "external.rate=0"]
    rates = np.ones(8)
    narrow, wide = (
        MeanField.of(load_model("mam", [*settings, *more]).network()) for more in (["synapses.weight_rel_sd=0"], ["variants.weights=lognormal"])
    )
    assert wide.input(rates)[1] == pytest.approx(10.0 * narrow.input(rates)[1])
    assert wide.input(rates)[0] == pytest.approx(narrow.input(rates)[0])


def test_the_machine_s_generators_have_none() -> None:
    with pytest.raises(UsageError, match="use --connectivity shared"):
        weight_draws(WIDE)
    network = Network.from_seed(load_model("mam", AREA).network(0.01, 0.01), 1)
    degrees: tuple[tuple[Literal["law", "shared"], bool], ...] = (("law", True), ("shared", False))
    for degree, refused in degrees:
        run = RunConfig(t_sim=10.0, warm_up=0.0, seed=1, threads=1, connectivity=degree)
        found = check_run(network, run, None, layout="combined", offset=0, on_hardware=False)
        assert any("lognormal" in violation.message for violation in found) == refused
