"""An input moves V in the emulator in the step in which it moves V in NEST, by as much."""

import json
import subprocess
import sys

import numpy as np
import pytest

from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.fixed_point.specification import Synapse, simulate
from spinn_mam.network.spec import NeuronParameters
from spinn_mam.partitioning.delays import DELAY_OFFSET_STEPS

NEURON = NeuronParameters(C_m=250, tau_m=10, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65, V_reset=-65, V_th=-50, t_ref=2)
WEIGHT = 878.0
STAMP = 20
N_STEPS = 150
DELAYS = (1, 2, 15)
# NEST's recorder reports V at the end of steps 1, 2, ...; the source's spike has the time stamp STAMP * dt.
SCRIPT = f"""
import json, sys
import nest
nest.set_verbosity("M_ERROR")
out = {{}}
for sign in (1, -1):
    for delay in {DELAYS}:
        nest.ResetKernel()
        nest.set(resolution=0.1, print_time=False)
        keys = ("C_m", "tau_m", "tau_syn_ex", "tau_syn_in", "E_L", "V_reset", "V_th", "t_ref")
        cell = nest.Create("iaf_psc_exp", params={{**dict(zip(keys, {tuple(getattr(NEURON, k) for k in NEURON.__slots__)})), "V_m": -65.0}})
        source = nest.Create("spike_generator", params={{"spike_times": [{STAMP} * 0.1]}})
        meter = nest.Create("multimeter", params={{"record_from": ["V_m"], "interval": 0.1}})
        nest.Connect(source, cell, syn_spec={{"weight": sign * {WEIGHT}, "delay": delay * 0.1}})
        nest.Connect(meter, cell)
        nest.Simulate({N_STEPS + 1} * 0.1)
        out[f"{{sign * delay}}"] = [float(x) for x in meter.events["V_m"]]
print("RESULT" + json.dumps(out))
"""


@pytest.fixture(scope="module")
def nest_potentials():
    pytest.importorskip("nest")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))
    return {int(k): np.array(v) for k, v in json.loads(line.removeprefix("RESULT")).items()}


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("sign", [1, -1])
def test_first_movement_and_shape_equal_nest(nest_potentials, delay, sign):
    expected = nest_potentials[sign * delay] - NEURON.E_L
    constants = lif_constants(NEURON, 0.0, 0.1)
    shift = 1
    weight = round(WEIGHT / 1000 * 2 ** (15 - shift))
    synapse = Synapse(1, 0, int(sign < 0), weight, delay + DELAY_OFFSET_STEPS)
    # a spike of loop step t has the time stamp t + 1, and V at the beginning of loop step t is NEST's V at t
    trace = simulate([constants], [(shift, shift)], [synapse], [constants.v_rest], N_STEPS + 2, sources=lambda t: [1] if t + 1 == STAMP else [])
    v = np.array(trace.v)[1 : len(expected) + 1, 0] / ONE - NEURON.E_L
    assert np.flatnonzero(v)[0] == np.flatnonzero(np.abs(expected) > 1e-9)[0]
    peak = np.abs(expected).max()
    assert peak > 1
    # truncating products pull V down by up to half a unit a step, so by half a unit / (1 - exp_TC) in the end
    assert np.abs(v - expected).max() < 1e-3 * peak + 0.5 / (1 - constants.exp_tc / ONE) / ONE
