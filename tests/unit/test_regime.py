"""How far a down-scaled network is from what theory assumes: skewness beside a simulation of shot noise, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_mam.models import load_model
from spinn_mam.models.theory.regime import predict, regime, regime_lines
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection

NEURON = NeuronParameters(250.0, 10.0, 0.5, 0.5, -65.0, -65.0, -50.0, 2.0)


def few_inputs() -> NetworkSpec:
    """One inhibitory source population of known rate with few strong synapses, and a drive."""
    populations = (
        Population("E", 100, NEURON, drive=PoissonDrive(2000.0, 60.0, 1.0)),
        Population("I", 100, NEURON, drive=PoissonDrive(2000.0, 60.0, 1.0)),
    )
    projections = (Projection(1, 0, 2000, Distribution(-900.0, 0.0), Distribution(1.0, 0.0)),)
    return NetworkSpec("few", 0.1, populations, projections, (5.0, 10.0), "a guess", K_scaling=0.1)


def test_skewness_is_that_of_shot_noise() -> None:
    spec = few_inputs()
    rng = np.random.default_rng(1)
    tau, dt, n = 10.0, 0.1, 400_000
    decay = np.exp(-dt / tau)
    jumps = 60.0 * 0.5 / 250.0, -900.0 * 0.5 / 250.0
    arrivals = rng.poisson(2.0 * dt, (n, 20)) * jumps[0] + rng.poisson(20 * 0.010 * dt, (n, 20)) * jumps[1]
    v, seen = np.zeros(20), np.empty((n, 20))
    for step in range(n):
        v = v * decay + arrivals[step]
        seen[step] = v
    seen = seen[2000:] - seen[2000:].mean()
    skewness = float((seen**3).mean() / (seen**2).mean() ** 1.5)
    found = regime(spec)
    assert found.skewness[0] == pytest.approx(skewness, rel=0.05)
    assert found.largest_mV == pytest.approx(1.8)
    assert (found.of, found.room_mV) == ("I onto E", 15.0)
    assert (found.fullest, found.pair) == (0.2, "I onto E")


def test_down_scaling_leaves_the_regime_and_is_told() -> None:
    model = load_model("mam", ["areas.simulated=V1,V2"])
    assert regime_lines(model.network()) == []
    (far,) = regime_lines(model.network(0.005, 0.005))
    assert "down to silence" in far
    near, shared = regime_lines(model.network(0.1, 1.0))
    assert "near enough to many small inputs" in near
    assert "synapses for each pair of neurons" in shared
    full, tenth = (regime(model.network(1.0, k)).skewness for k in (1.0, 0.1))
    assert tenth == pytest.approx(full * 10.0**0.5, rel=1e-4)  # synapse numbers are whole


def test_a_prediction_says_where_theory_is_in_doubt() -> None:
    full = predict(load_model("mam").network())
    assert full is not None
    assert len(full.names) == 254
    silent = {name for name, doubt in zip(full.names, full.doubts, strict=True) if doubt}
    assert silent == {name for name, rate in zip(full.names, full.rates, strict=True) if rate < 0.1}
    assert {"TH-6E", "46-6E"} <= silent
    model = load_model("mam", ["areas.simulated=V1"])
    few = predict(model.network(0.005, 0.005))
    crowded = predict(model.network(0.02, 1.0))
    assert few is not None
    assert crowded is not None
    assert {doubt.partition(":")[0] for doubt in few.doubts} == {"few strong inputs"}
    assert {doubt.partition(":")[0] for doubt in crowded.doubts} == {"shared inputs"}
    assert predict(load_model("mam", ["areas.simulated=V1"]).network()).doubts == ("",) * 8  # type: ignore[union-attr]
