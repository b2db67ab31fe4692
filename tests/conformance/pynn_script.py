"""A PyNN script that is run as it stands on two simulators: python pynn_script.py MODULE; prints spikes and potentials as JSON."""

import importlib
import json
import random
import sys

import numpy as np

sim = importlib.import_module(sys.argv[1])
dt = float(sys.argv[2])
n_steps = int(sys.argv[3])
draw = random.Random(7)

sim.setup(timestep=dt)
out = {}


def differing(n):
    return {
        "cm": [draw.choice([0.25, 0.3]) for _ in range(n)],
        "tau_m": [draw.uniform(5, 20) for _ in range(n)],
        "tau_syn_E": draw.uniform(0.6, 5),
        "tau_syn_I": draw.uniform(0.6, 5),
        "v_rest": -65.0,
        "v_reset": [draw.uniform(-70, -65) for _ in range(n)],
        "v_thresh": [draw.uniform(-55, -50) for _ in range(n)],
        "tau_refrac": [draw.choice([0.0, 1.0, 2.0]) for _ in range(n)],
        "i_offset": [draw.uniform(0.0, 0.4) for _ in range(n)],
    }


trains = [sorted(dt * draw.randrange(n_steps) for _ in range(12)) for _ in range(4)]
trains[0] = [3 * dt, 3 * dt, 5.5 * dt]  # twice in one step, and between two steps
source = sim.Population(4, sim.SpikeSourceArray(spike_times=trains), label="source")
a = sim.Population(7, sim.IF_curr_exp(**differing(7)), label="a")
b = sim.Population(5, sim.IF_curr_exp(**differing(5)), label="b")
a.initialize(v=[-65.0 + i for i in range(7)])
b.initialize(v=-63.3)


def connect(pre, post, n, sign, most):
    rows = [(draw.randrange(pre.size), draw.randrange(post.size), sign * draw.uniform(0.1, 1.5), dt * draw.randint(1, most)) for _ in range(n)]
    kind = "excitatory" if sign > 0 else "inhibitory"
    sim.Projection(pre, post, sim.FromListConnector(rows), sim.StaticSynapse(), receptor_type=kind)


connect(source, a, 12, 1, 10)
connect(source, b, 9, -1, 10)
connect(a, b, 25, 1, 10)
connect(b, a, 15, -1, 10)
connect(a, a, 20, 1, 100)  # longer than a ring buffer
sim.Projection(b, b, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.3, delay=2 * dt), receptor_type="excitatory")
if "current" in sys.argv:
    sim.DCSource(amplitude=0.35, start=20.5 * dt, stop=60 * dt).inject_into(b)
    sim.StepCurrentSource(times=[10 * dt, 35 * dt, 80 * dt], amplitudes=[0.2, -0.4, 0.0]).inject_into(a)
for population in (source, a, b):
    population.record("spikes")
for population in (a, b):
    population.record("v")
if "current" in sys.argv:
    sim.run(n_steps * dt)  # in one piece: after a pause the machine gives a first neuron the amplitude of an earlier step
else:
    sim.run(n_steps // 2 * dt)
    a.set(v_rest=-66.0)
    sim.run((n_steps - n_steps // 2) * dt)
for population in (source, a, b):
    (segment,) = population.get_data().segments
    out[population.label] = [[round(float(t) / dt, 6) for t in train] for train in segment.spiketrains]
    if population is not source:
        (v,) = segment.analogsignals
        out[f"{population.label} v"] = (np.asarray(v.magnitude, float)[:n_steps] * 32768).round(3).tolist()
sim.end()
print("RESULT" + json.dumps(out))
