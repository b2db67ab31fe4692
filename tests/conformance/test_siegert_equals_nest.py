"""The transfer function is that of NEST's siegert_neuron, for the neurons of PD14 and for others."""

import json
import subprocess
import sys

import numpy as np
import pytest

from spinn_mam.models.theory.siegert import Neurons, siegert

pytest.importorskip("nest")

# NEST sums drift and diffusion over connections: one source of rate 1 and a connection to each neuron give any mean and variance.
RATES = """
import json, sys
import nest
cases = json.loads(sys.stdin.read())
nest.verbosity = nest.VerbosityLevel.ERROR
nest.use_wfr = False
one = nest.Create("siegert_neuron", params={"mean": 1.0, "rate": 1.0})
neurons = []
for mean, variance, parameters in cases:
    neuron = nest.Create("siegert_neuron", params={"tau": 1.0, **parameters})
    connection = {"synapse_model": "diffusion_connection", "drift_factor": mean, "diffusion_factor": variance}
    nest.Connect(one, neuron, "all_to_all", connection)
    neurons.append(neuron)
nest.Simulate(100.0)
print(json.dumps([neuron.rate for neuron in neurons]))
"""


def test_rates_agree_to_1e_6() -> None:
    rng = np.random.default_rng(1)
    kinds = [
        {"tau_m": 10.0, "tau_syn": 0.5, "t_ref": 2.0, "theta": 15.0, "V_reset": 0.0},
        {"tau_m": 20.0, "tau_syn": 2.0, "t_ref": 1.0, "theta": 20.0, "V_reset": 10.0},
        {"tau_m": 10.0, "tau_syn": 0.0, "t_ref": 2.0, "theta": 15.0, "V_reset": -5.0},
    ]
    cases = [(rng.uniform(-5.0, 40.0), rng.uniform(2.0, 12.0) ** 2, kinds[k % 3]) for k in range(300)]
    cases += [(mean, 0.25, kinds[0]) for mean in (14.0, 16.0, 30.0, 200.0)]
    done = subprocess.run([sys.executable, "-c", RATES], input=json.dumps(cases), capture_output=True, text=True, check=True)
    theirs = np.array(json.loads(done.stdout.strip().splitlines()[-1]))
    ours = np.array(
        [
            siegert(
                Neurons(*(np.array([p[key]]) for key in ("tau_m", "t_ref", "theta", "V_reset"))),
                np.array([mean]),
                np.array([variance]),
                np.array([p["tau_syn"]]),
            )[0]
            for mean, variance, p in cases
        ]
    )
    said = theirs > 0  # NEST gives zero where the mean is more than six sigma below the threshold
    assert said.sum() > 280
    assert np.abs(ours[said] / theirs[said] - 1).max() < 1e-6
    assert ours[~said].max(initial=0.0) < 1e-6
