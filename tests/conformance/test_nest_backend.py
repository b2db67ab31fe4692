"""NEST is given the network that was described: the recipe's very synapses when shared, the same law otherwise."""

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("nest")

LOADED = """
import json
import nest
import numpy as np
from spinn_mam.models import load_model
from spinn_mam.nest_reference.simulation import simulate
from spinn_mam.network.connectivity import Connectivity

spec = load_model("pd14", ["thalamus.enabled=true"]).network(0.01, 0.02)
connectivity = Connectivity(spec, 7)
simulate(spec, t_sim=1.0, warm_up=0.0, seed=3, threads=2, connectivity=connectivity)
first = spec.offsets + 1
different = 0
for k, p in enumerate(spec.projections):
    source = nest.NodeCollection(list(range(first[p.source], first[p.source + 1])))
    target = nest.NodeCollection(list(range(first[p.target], first[p.target + 1])))
    found = nest.GetConnections(source, target).get(["source", "target", "weight", "delay"])
    found = sorted(zip(np.atleast_1d(found["source"]) - first[p.source], np.atleast_1d(found["target"]) - first[p.target],
                       np.round(np.atleast_1d(found["delay"]) / spec.dt).astype(int), np.atleast_1d(found["weight"])))
    rows = connectivity.rows(k, (0, spec.populations[p.source].size), (0, spec.populations[p.target].size))
    sources = np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets))
    expected = sorted(zip(sources, rows.target, rows.delay.astype(int), rows.weight))
    different += len(found) != len(expected) or any(a != b for a, b in zip(found, expected))
print(json.dumps({"different": int(different), "projections": len(spec.projections)}))
"""

LAW = """
import json
import nest
import numpy as np
from spinn_mam.models import load_model
from spinn_mam.nest_reference.simulation import simulate

spec = load_model("pd14").network(0.02, 0.05)
recording = simulate(spec, t_sim=1.0, warm_up=0.0, seed=3, threads=2)
first = spec.offsets + 1
k = max(range(len(spec.projections)), key=lambda i: spec.projections[i].n_synapses)
p = spec.projections[k]
source = nest.NodeCollection(list(range(first[p.source], first[p.source + 1])))
target = nest.NodeCollection(list(range(first[p.target], first[p.target + 1])))
found = nest.GetConnections(source, target).get(["weight", "delay"])
neuron = target[0].get(["C_m", "tau_m", "tau_syn_ex", "tau_syn_in", "E_L", "V_reset", "V_th", "t_ref", "I_e"])
drive = nest.GetConnections(synapse_model="static_synapse", target=target[:1]).get(["weight", "delay"])
print(json.dumps({"k": k, "n": len(found["weight"]), "weight": found["weight"], "delay": found["delay"], "neuron": neuron, "drive": drive}))
"""


def in_a_process_of_its_own(code: str) -> dict:  # type: ignore[type-arg]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])  # type: ignore[no-any-return]


def test_shared_synapses_are_the_recipes() -> None:
    found = in_a_process_of_its_own(LOADED)
    assert found == {"different": 0, "projections": 59}


def test_nests_own_draws_follow_the_recipes_law() -> None:
    from scipy import stats

    from spinn_mam.models import load_model
    from spinn_mam.network.connectivity import Connectivity

    spec = load_model("pd14").network(0.02, 0.05)
    found = in_a_process_of_its_own(LAW)
    p = spec.projections[found["k"]]
    assert found["n"] == p.n_synapses
    rows = Connectivity(spec, 1).rows(found["k"], (0, spec.populations[p.source].size), (0, spec.populations[p.target].size))
    # two-sample tests at 1e-4 each; delays are on a grid, so by chi-square
    assert stats.ks_2samp(found["weight"], rows.weight).pvalue > 1e-4
    steps = np.round(np.array(found["delay"]) / spec.dt).astype(int)
    both = np.array([np.bincount(steps, minlength=64)[:64], np.bincount(rows.delay, minlength=64)[:64]])
    both = both[:, both.sum(axis=0) > 20]
    assert stats.chi2_contingency(both).pvalue > 1e-4
    neuron = spec.populations[p.target].neuron
    assert neuron is not None
    assert found["neuron"] == {name: getattr(neuron, name) for name in neuron.__slots__} | {"I_e": spec.populations[p.target].I_e}
    drive = spec.populations[p.target].drive
    assert drive is not None
    assert drive.weight == found["drive"]["weight"]
    assert drive.delay == found["drive"]["delay"]


THALAMUS = """
import json
import sys
import numpy as np
from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.flow.stages import make_backend
from spinn_mam.models import load_model

spec = load_model("pd14", ["thalamus.enabled=true", "thalamus.start=150 ms"]).network(0.1, 0.1)
counts = {}
for backend, degree, seeds in (("emulator", "shared", range(8)), ("nest", "law", range(3))):
    counts[backend] = []
    for seed in seeds:
        r = make_backend(backend).start(Network.from_seed(spec, seed), RunConfig(30.0, 145.0, seed, 2, degree), None).result()
        t = r.step * r.dt
        response = (t > 150.0) & (t <= 163.0)
        counts[backend].append(np.histogram(r.neuron[response], bins=r.offsets)[0].tolist())
print(json.dumps({"names": spec.names, **counts}))
"""


def test_the_thalamic_volley_does_the_same_in_nest_and_emulator() -> None:
    found = in_a_process_of_its_own(THALAMUS)
    emulator, nest = np.array(found["emulator"], float), np.array(found["nest"], float)
    # the sources fire as often as they should: 902 * 120 spikes/s * 10 ms, within 5 standard deviations
    for backend in (emulator, nest):
        assert abs(backend[:, -1].mean() - 1082.4) < 5 * np.sqrt(1082.4 / len(backend))
    # the populations that it reaches, and those behind them, answer alike: means within 4.5 standard errors, counts at least Poisson
    spread = np.maximum(np.maximum(emulator.var(axis=0, ddof=1), nest.var(axis=0, ddof=1)), emulator.mean(axis=0))
    z = (emulator.mean(axis=0) - nest.mean(axis=0)) / np.sqrt(spread * (1 / len(emulator) + 1 / len(nest)))
    assert np.abs(z).max() < 4.5, dict(zip(found["names"], z.round(1), strict=True))
    # and it is an answer: L4E fires more than twice as often as without (4.4 spikes/s for 13 ms)
    l4e = found["names"].index("L4E")
    assert emulator[:, l4e].mean() > 2 * 4.4 * 0.013 * 2192
