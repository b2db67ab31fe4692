"""Networks of many binaries, as sPyNNaker scripts: run for a while, run on, reset, run again; spikes, potentials and weights go to a file.

``python -m spinn_mam.cli board run tests/golden/board_networks.py NETWORK OUT.npz``
"""

import sys

import numpy as np
import pyNN.spiNNaker as sim
from pyNN.random import RandomDistribution
from spynnaker.pyNN.extra_algorithms.splitter_components import SplitterPopulationVertexFixed

#: Duration of each of the first two runs (ms).
HALF = {"combined": 150.0, "split": 20.0, "routes": 40.0}
N = 40
#: So many neurons on a core leave it too few slots for long delays.
N_DELAYED = 200


def population(n, model, label, seed=None, split=None, **initial):
    extra = {} if seed is None else {"seed": seed}
    if split is False:
        extra["splitter"] = SplitterPopulationVertexFixed()
    p = sim.Population(n, model, label=label, additional_parameters=extra)
    if initial:
        p.initialize(**initial)
    p.record("spikes")
    return p


def sources(n, dt):
    """Sources with given times and Poisson sources of all kinds, slow to Gaussian."""
    times = [[dt * (1 + 7 * i % 30 + 31 * k) for k in range(12)] for i in range(n)]
    array = population(n, sim.SpikeSourceArray(spike_times=times), "array")
    slow = population(n, sim.SpikeSourcePoisson(rate=[2.0 + i / 8 for i in range(n)]), "slow", seed=11)
    fast = population(n, sim.SpikeSourcePoisson(rate=[800.0 + 40 * i for i in range(n)]), "fast", seed=12)
    faster = population(4, sim.SpikeSourcePoisson(rate=11_000.0), "gaussian" if dt == 1.0 else "faster", seed=13)
    return array, slow, fast, faster


def combined():
    """1 ms, synapses and neurons on one core: all neuron models, plasticity, long delays, what the machine draws for itself."""
    dt = 1.0
    sim.setup(timestep=dt, min_delay=dt)
    array, slow, fast, faster = sources(N, dt)
    uniform = RandomDistribution("uniform", (-65.0, -55.0))
    lif = population(N, sim.IF_curr_exp(), "lif", 21, v=uniform)
    delayed = population(N_DELAYED, sim.IF_curr_exp(tau_syn_E=2.0), "delayed", 22, v=RandomDistribution("normal", (-62.0, 2.0)))
    conductance = population(N, sim.IF_cond_exp(), "conductance", 23)
    izhikevich = population(N, sim.Izhikevich(a=0.02, b=0.2, c=-65.0, d=8.0), "izhikevich", 24)
    plastic = population(N, sim.IF_curr_exp(), "plastic", 25)
    static = sim.StaticSynapse
    weights = RandomDistribution("uniform", (0.2, 1.2))
    delays = RandomDistribution("uniform", (1.0, 12.0))
    sim.Projection(fast, lif, sim.OneToOneConnector(), static(weight=0.12, delay=1.0))
    sim.Projection(slow, lif, sim.FixedProbabilityConnector(0.3), static(weight=weights, delay=delays))
    sim.Projection(lif, lif, sim.FixedProbabilityConnector(0.2), static(weight=-0.3, delay=delays), receptor_type="inhibitory")
    sim.Projection(lif, delayed, sim.FixedNumberPreConnector(12), static(weight=weights, delay=RandomDistribution("uniform", (20.0, 100.0))))
    sim.Projection(faster, delayed, sim.FixedProbabilityConnector(0.2), static(weight=0.08, delay=2.0))
    sim.Projection(fast, conductance, sim.OneToOneConnector(), static(weight=0.01, delay=3.0))
    sim.Projection(lif, conductance, sim.FixedTotalNumberConnector(200), static(weight=0.004, delay=delays))
    sim.Projection(fast, izhikevich, sim.OneToOneConnector(), static(weight=5.0, delay=1.0))
    sim.Projection(delayed, izhikevich, sim.FixedProbabilityConnector(0.1), static(weight=-2.0, delay=delays), receptor_type="inhibitory")
    sim.Projection(array, plastic, sim.AllToAllConnector(), static(weight=0.15, delay=1.0))
    projections = [
        sim.Projection(lif, plastic, sim.FixedProbabilityConnector(0.5), rule(0.4), receptor_type="excitatory"),
        sim.Projection(slow, delayed, sim.FixedProbabilityConnector(0.05), static(weight=weights, delay=70.0)),
    ]
    return [array, slow, fast, faster, lif, delayed, conductance, izhikevich, plastic], [lif, conductance, izhikevich], projections


def split():
    """0.1 ms, synapse and neuron cores apart, Poisson input through shared memory."""
    dt = 0.1
    sim.setup(timestep=dt, min_delay=dt)
    array, slow, fast, faster = sources(N, dt)
    drive = population(N, sim.SpikeSourcePoisson(rate=9000.0), "drive", seed=31)
    strong = population(N, sim.SpikeSourcePoisson(rate=9000.0), "strong", seed=32)
    lif = population(N, sim.IF_curr_exp(tau_syn_E=0.5, tau_syn_I=0.5), "lif", 21, v=RandomDistribution("normal", (-58.0, 5.0)))
    conductance = population(N, sim.IF_cond_exp(), "conductance", 23)
    izhikevich = population(N, sim.Izhikevich(), "izhikevich", 24)
    plastic = population(N, sim.IF_curr_exp(tau_syn_E=0.5), "plastic", 25)
    static = sim.StaticSynapse
    delays = RandomDistribution("normal_clipped", mu=1.5, sigma=0.75, low=0.1, high=5.0)
    weights = RandomDistribution("normal_clipped", mu=3.0, sigma=1.0, low=0.0, high=8.0)
    sim.Projection(drive, lif, sim.OneToOneConnector(), static(weight=5.0, delay=dt))
    sim.Projection(lif, lif, sim.FixedTotalNumberConnector(300), static(weight=weights, delay=delays))
    sim.Projection(slow, lif, sim.FixedProbabilityConnector(0.3), static(weight=-5.0, delay=delays), receptor_type="inhibitory")
    sim.Projection(strong, conductance, sim.OneToOneConnector(), static(weight=0.01, delay=dt))
    sim.Projection(lif, conductance, sim.FixedProbabilityConnector(0.2), static(weight=0.004, delay=delays))
    sim.Projection(fast, izhikevich, sim.AllToAllConnector(), static(weight=0.5, delay=delays))
    sim.Projection(array, plastic, sim.AllToAllConnector(), static(weight=0.25, delay=1.0))
    sim.Projection(faster, plastic, sim.AllToAllConnector(), static(weight=0.1, delay=0.7))
    projections = [sim.Projection(lif, plastic, sim.FixedProbabilityConnector(0.5), rule(0.3))]
    populations = [array, slow, fast, faster, drive, strong, lif, conductance, izhikevich, plastic]
    return populations, [lif, conductance, izhikevich], projections


def routes():
    """Many small populations that all send to each other, over several chips: tables that the chips compress for themselves."""
    sim.setup(timestep=1.0, min_delay=1.0)
    start = population(4, sim.SpikeSourceArray(spike_times=[[2.0 + i] for i in range(4)]), "start")
    groups = [population(4, sim.IF_curr_exp(tau_refrac=3.0), f"group {i}", seed=i, split=False) for i in range(40)]
    rng = np.random.default_rng(1)
    for i, group in enumerate(groups):
        for j in sorted(rng.choice(len(groups), 6, replace=False)):
            sim.Projection(groups[j], group, sim.OneToOneConnector(), sim.StaticSynapse(weight=8.0, delay=float(1 + (i + j) % 9)))
    for group in groups[:3]:
        sim.Projection(start, group, sim.OneToOneConnector(), sim.StaticSynapse(weight=8.0, delay=1.0))
    return [start, *groups], groups[:1], []


def rule(weight):
    return sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=20.0, tau_minus=20.0, A_plus=0.02, A_minus=0.02),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=1.0),
        weight=weight,
        delay=1.0,
    )


def spikes_of(p):
    """Time step and neuron of all spikes since the last reset."""
    trains = p.get_data("spikes").segments[-1].spiketrains
    dt = sim.get_time_step()
    rows = [(round(float(t) / dt), i) for i, train in enumerate(trains) for t in train.magnitude]
    return np.array(sorted(rows), np.int32).reshape(-1, 2)


def main(name, path):
    populations, with_potential, projections = globals()[name]()
    for p in with_potential:
        p.record("v")
    out = {}

    def keep(prefix):
        for p in populations:
            out[f"{prefix}/spikes/{p.label}"] = spikes_of(p)
        for p in with_potential:
            v = p.get_data("v").segments[-1].filter(name="v")[0].magnitude
            out[f"{prefix}/v/{p.label}"] = np.rint(v * 32768).astype(np.int32)
        for i, projection in enumerate(projections):
            rows = sorted(map(tuple, projection.get(["weight", "delay"], format="list")))
            out[f"{prefix}/synapses/{i}"] = np.array(rows, np.float64)

    sim.run(HALF[name])
    keep("first")
    sim.run(HALF[name])
    keep("both")
    sim.reset()
    sim.run(2 * HALF[name])
    keep("reset")
    sim.end()
    np.savez_compressed(path, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
