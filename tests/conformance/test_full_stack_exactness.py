"""Many independent populations in one script through the whole of sPyNNaker, on the virtual board: spikes and potentials are the specification's."""

import json
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from bare_cores import Recorded
from binary_exactness import Tally
from random_networks import RandomNetwork, make_network

SCRIPT = r"""
import json
import numpy as np
import pyNN.spiNNaker as sim
from spynnaker.pyNN.extra_algorithms.splitter_components import SplitterPopulationVertexFixed, SplitterPopulationVertexNeuronsSynapses

job = json.load(open("job.json"))
dt = job["dt"]
sim.setup(timestep=dt, min_delay=dt)
populations = []
for i, q in enumerate(job["networks"]):
    splitter = SplitterPopulationVertexNeuronsSynapses() if q["split"] else SplitterPopulationVertexFixed()
    p = sim.Population(q["n"], sim.IF_curr_exp(**q["cell"]), label=f"p{i}", additional_parameters=dict(splitter=splitter))
    p.initialize(v=q["v"], isyn_exc=q["i_exc"], isyn_inh=q["i_inh"])
    p.record(["v", "spikes"])
    populations.append(p)
    pre = [(p, "recurrent")]
    if q["spikes"]:
        times = [[dt * s for s in steps] for steps in q["spikes"]]
        pre.append((sim.Population(len(times), sim.SpikeSourceArray(spike_times=times), label=f"s{i}"), "from_source"))
    for source, name in pre:
        for sign, receptor in ((1, "excitatory"), (-1, "inhibitory")):
            rows = [(a, b, w, dt * d) for a, b, w, d in q[name] if (w < 0) == (sign < 0)]
            if rows:
                sim.Projection(source, p, sim.FromListConnector(rows), receptor_type=receptor)
    if q["drive"]:
        rates = [rate for rate, _ in q["drive"]]
        drive = sim.Population(q["n"], sim.SpikeSourcePoisson(rate=rates), label=f"d{i}", additional_parameters=dict(seed=q["seed"]))
        synapse = sim.StaticSynapse(weight=q["drive"][0][1], delay=dt)
        sim.Projection(drive, p, sim.OneToOneConnector(), synapse, receptor_type="excitatory")
sim.run(dt * job["n_steps"])
out = []
for p in populations:
    segment = p.get_data(["v", "spikes"]).segments[0]
    v = np.rint(segment.filter(name="v")[0].magnitude * 32768)
    spikes = [[round(float(t) / dt), i] for i, train in enumerate(segment.spiketrains) for t in train.magnitude]
    out.append(dict(v=v.astype(int).tolist(), spikes=spikes, shifts=[int(s) for s in p._vertex.get_ring_buffer_shifts()]))
json.dump(out, open("out.json", "w"))
sim.end()
"""


def one_slice(network: RandomNetwork) -> RandomNetwork:
    """Put all neurons on one core with one synapse core, let each source spike, and give all Poisson sources the same weight."""
    spikes = tuple(tuple(sorted({1, *steps})) for steps in network.spikes)
    drive = tuple((rate, network.drive[0][1]) for rate, _ in network.drive)
    # sPyNNaker 7.4.1 fails on a split population without any synapse of packets
    synapses = (*network.synapses, (0, 0, 0.0, 1))
    return replace(network, slices=(tuple(network.neurons),), n_synapse_cores=1, synapses=synapses, spikes=spikes, drive=drive)


def job_of(network: RandomNetwork) -> dict:
    n = len(network.neurons)
    names = {"cm": "C_m", "tau_m": "tau_m", "tau_syn_E": "tau_syn_ex", "tau_syn_I": "tau_syn_in", "v_rest": "E_L", "v_reset": "V_reset"}
    names |= {"v_thresh": "V_th", "tau_refrac": "t_ref"}
    cell = {
        theirs: [getattr(neuron.parameters, ours) / (1000 if ours == "C_m" else 1) for neuron in network.neurons] for theirs, ours in names.items()
    }
    cell["i_offset"] = [neuron.I_e / 1000 for neuron in network.neurons]
    synapses = [(source, target, weight / 1000, delay) for source, target, weight, delay in network.synapses]
    return {
        "split": network.split,
        "n": n,
        "cell": cell,
        "v": [neuron.v for neuron in network.neurons],
        "i_exc": [neuron.i_exc for neuron in network.neurons],
        "i_inh": [neuron.i_inh for neuron in network.neurons],
        "spikes": network.spikes,
        "recurrent": [row for row in synapses if row[0] < n],
        "from_source": [(source - n, *row) for source, *row in synapses if source >= n],
        "drive": [(rate, weight / 1000) for rate, weight in network.drive],
        "seed": network.drive_seed,
    }


@pytest.mark.slow
@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_populations_of_one_script(dt, tmp_path):
    rng = random.Random(round(10 * dt))
    n_steps = 100
    networks = [one_slice(make_network(rng, dt, n_steps, rng.choice(["plain", "strong", "saturating", "odd"]))) for _ in range(50)]
    (tmp_path / "job.json").write_text(json.dumps({"dt": dt, "n_steps": n_steps, "networks": [job_of(network) for network in networks]}))
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "spinn_mam.cli", "board", "run", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    tally = Tally()
    for i, (network, theirs) in enumerate(zip(networks, json.loads((tmp_path / "out.json").read_text()), strict=True)):
        known = replace(network, shifts=tuple(theirs["shifts"]))
        recorded = Recorded(np.array(theirs["v"], np.int64), sorted((step, i) for step, i in theirs["spikes"]))
        tally.add(known, recorded, known.expected(), f"population {i}")
    print(tally)
    assert not tally.different, str(tally)
    assert tally.n_spikes > 1000
    assert tally.n_driven > 5
