"""With the very same synapses, and nothing random in the run, the emulator spikes when NEST spikes, until chaos parts them."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.backend import simulate
from spinn_mam.models import load_model
from spinn_mam.partitioning.delays import DELAY_OFFSET_STEPS

T_SIM = 20.0
SEED = 3
NEST = """
import json
from test_shared_network_equals_nest import network, T_SIM
from spinn_mam.nest_reference.simulation import simulate
net = network()
r = simulate(net.spec, t_sim=T_SIM, warm_up=0.0, seed=1, threads=1, connectivity=net.connectivity)
print("RESULT" + json.dumps([r.step.tolist(), r.neuron.tolist()]))
"""


def network():
    """Weakly coupled, with constant currents, and every neuron of a population starting from the same potential."""
    spec = load_model("pd14", ["synapses.PSP=0.03"], {"drive": "dc"}).network(0.02, 0.05)
    populations = tuple(replace(p, V0_mean=-58.0, V0_sd=0.0, I_e=450.0 + 35 * i) for i, p in enumerate(spec.populations))
    return Network.from_seed(replace(spec, populations=populations), SEED)


@pytest.fixture(scope="module")
def nest_spikes(request):
    pytest.importorskip("nest")
    done = subprocess.run([sys.executable, "-c", NEST], capture_output=True, text=True, timeout=200, cwd=request.path.parent, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))
    return set(zip(*json.loads(line.removeprefix("RESULT")), strict=True))


def agreement(nest_spikes, delay_offset_steps):
    run = simulate(network(), None, T_SIM, 0.0, seed=1, delay_offset_steps=delay_offset_steps)
    spikes = set(zip(run.step.tolist(), run.neuron.tolist(), strict=True))
    return len(spikes & nest_spikes) / len(spikes | nest_spikes)


def test_spikes_are_nests_with_the_declared_delay_offset_only(nest_spikes):
    assert len(nest_spikes) > 200
    assert agreement(nest_spikes, DELAY_OFFSET_STEPS) > 0.9
    for wrong in (DELAY_OFFSET_STEPS - 1, DELAY_OFFSET_STEPS + 1):
        assert agreement(nest_spikes, wrong) < 0.7
