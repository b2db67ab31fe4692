"""Three layers of neurons under given spikes, on any PyNN simulator: python pynn_layers.py MODULE; prints spikes and potentials as JSON.

What could be rounded is on the grid of both arithmetics: weights in whole units of 2^-8 nA, delays in whole steps, and time constants for which the
decay in a step is a multiple of 2^-15. There are two regimes. *Strong*: an input lifts a neuron over its threshold in one or two steps, and the
layers form a loop. *Weak*: neurons creep up to their thresholds under a constant current and many small inputs; no loop.
"""

import importlib
import json
import math
import random
import sys

import numpy as np

DT, N_STEPS, V_THRESH = 0.1, 2000, -50.0
SIZES = {"first": 30, "second": 30, "third": 20}
REGIMES = ("strong", "weak")


def tau(decay):
    """Time constant (ms) that keeps decay / 2^15 of a potential in a step."""
    return -DT / math.log(decay / 2**15)


def build(sim, regime, **options):
    strong = regime == "strong"
    draw = random.Random(11)
    sim.setup(timestep=DT, min_delay=DT, max_delay=5.0, spike_precision="on_grid", **options)
    # pyNN.nest takes the shortest delay off and rounds up: a time on the grid may come a step late, one just
    # before it does not; what would come at 0 or before is lost
    trains = [sorted(DT * n - 1e-6 for n in draw.sample(range(2, N_STEPS - 50), N_STEPS // 120)) for _ in range(40)]
    source = sim.Population(len(trains), sim.SpikeSourceArray(spike_times=trains), label="source")
    layers, edges = [], []
    for label, size in SIZES.items():
        cell = sim.IF_curr_exp(
            cm=0.25,
            tau_m=[tau(draw.randint(32_300, 32_600)) for _ in range(size)],
            tau_syn_E=0.5,
            tau_syn_I=1.5,
            v_rest=-65.0,
            v_reset=-65.0,
            v_thresh=V_THRESH,
            tau_refrac=2.0,
            i_offset=[draw.randint(*((20, 60) if strong else (150, 260))) / 1024 for _ in range(size)],
        )
        layers.append(sim.Population(size, cell, initial_values={"v": [-65.0 + draw.randint(0, 10) for _ in range(size)]}, label=label))

    def connect(pre, post, n, largest, receptor):
        sign = -1 if receptor == "inhibitory" else 1
        units = largest * 256 if strong else largest * 32
        rows = [
            (draw.randrange(pre.size), draw.randrange(post.size), sign * draw.randint(units // 3, units) / 256, DT * draw.randint(1, 50))
            for _ in range(n)
        ]
        edges.extend((pre.label, i, post.label, j, round(delay / DT)) for i, j, _, delay in rows)
        sim.Projection(pre, post, sim.FromListConnector(rows), sim.StaticSynapse(), receptor_type=receptor)

    first, second, third = layers
    few = 5 if strong else 1
    connect(source, first, 200 // few, 24, "excitatory")
    connect(source, first, 100 // few, 6, "inhibitory")
    connect(first, second, 200 // few, 24, "excitatory")
    connect(source, second, 100 // few, 6, "inhibitory")
    connect(second, third, 120 // few, 24, "excitatory")
    connect(first, third, 100 // few, 6, "inhibitory")
    if strong:
        connect(third, first, 20, 6, "inhibitory")
    for layer in layers:
        layer.record(["spikes", "v"])
    return layers, edges


def run(sim, regime, **options):
    """Return spikes (steps of each neuron) and potentials (mV) of each layer, and the edges: layer, neuron, layer, neuron, delay in steps."""
    layers, edges = build(sim, regime, **options)
    sim.run(N_STEPS * DT)
    out = {"edges": edges}
    for layer in layers:
        (segment,) = layer.get_data().segments
        steps = [[round(float(t) / DT) for t in train] for train in segment.spiketrains]
        out[layer.label] = {"steps": steps, "v": np.asarray(segment.analogsignals[0].magnitude, float).T.tolist()}
    sim.end()
    return out


if __name__ == "__main__":
    module = importlib.import_module(sys.argv[1])
    print("RESULT" + json.dumps({regime: run(module, regime) for regime in REGIMES}))
