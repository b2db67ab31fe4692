# %% [markdown]
# # A balanced random network, on any PyNN simulator
#
# Sparse random connections, four times as many excitatory neurons as inhibitory ones, and inhibition eight times as strong: neurons fire
# irregularly, driven by fluctuations (Brunel 2000, doi:10.1023/A:1008925309027, region of asynchronous irregular activity; here with
# exponential currents and a tenth of the neurons, each with a tenth of the synapses at three times the weight).
#
# `python experiments/balanced_network.py` runs it on the emulator, `python experiments/balanced_network.py nest` on NEST: the name of the
# simulator is all that changes.

# %%
import importlib
import sys

import numpy as np

MODULES = {"emulator": "spinn_mam.pynn", "nest": "pyNN.nest", "spinnaker": "pyNN.spiNNaker"}
NAME = sys.argv[1] if len(sys.argv) == 2 else "emulator"
sim = importlib.import_module(MODULES[NAME])

# %%
N_EXC, N_INH, P_CONNECT = 1000, 250, 0.1
G, ETA = 8.0, 1.2  # relative strength of inhibition; external rate over the rate that brings the mean to threshold
TAU_M, TAU_SYN, C_M, V_TH, V_RESET, T_REF, DELAY = 20.0, 0.5, 0.25, 20.0, 10.0, 2.0, 1.5  # ms, nF, mV above rest
J = 0.3  # height of a postsynaptic potential (mV)
T_SIM, WARM_UP = 1000.0, 200.0  # ms

# A current of weight w (nA) that decays with TAU_SYN lifts the membrane by at most w TAU_SYN TAU_M / (C_M (TAU_M - TAU_SYN)) (e_m - e_s) at its peak.
T_PEAK = np.log(TAU_M / TAU_SYN) * TAU_M * TAU_SYN / (TAU_M - TAU_SYN)
HEIGHT = TAU_SYN * TAU_M / (C_M * (TAU_M - TAU_SYN)) * (np.exp(-T_PEAK / TAU_M) - np.exp(-T_PEAK / TAU_SYN))  # mV of 1 nA
WEIGHT = J / HEIGHT
# Mean input of rate r: r w TAU_SYN; it reaches threshold with V_TH C_M / TAU_M.
RATE = ETA * V_TH * C_M / TAU_M / (WEIGHT * TAU_SYN) * 1000.0  # spikes/s

# %%
sim.setup(timestep=0.1, min_delay=0.1, max_delay=DELAY, rng_seed=1)
CELL = {
    "tau_m": TAU_M,
    "cm": C_M,
    "tau_syn_E": TAU_SYN,
    "tau_syn_I": TAU_SYN,
    "v_rest": 0.0,
    "v_reset": V_RESET,
    "v_thresh": V_TH,
    "tau_refrac": T_REF,
    "i_offset": 0.0,
}
cells = sim.Population(N_EXC + N_INH, sim.IF_curr_exp(**CELL), label="cells")
cells.initialize(v=0.0)
noise = sim.Population(N_EXC + N_INH, sim.SpikeSourcePoisson(rate=RATE), label="noise")
sim.Projection(noise, cells, sim.OneToOneConnector(), sim.StaticSynapse(weight=WEIGHT, delay=0.1), receptor_type="excitatory")
connector = sim.FixedProbabilityConnector(P_CONNECT)
for source, weight, receptor in ((cells[:N_EXC], WEIGHT, "excitatory"), (cells[N_EXC:], -G * WEIGHT, "inhibitory")):
    sim.Projection(source, cells, connector, sim.StaticSynapse(weight=weight, delay=DELAY), receptor_type=receptor)
cells.record("spikes")
sim.run(WARM_UP + T_SIM)

# %%
trains = [np.asarray(train.magnitude) for train in cells.get_data().segments[0].spiketrains]
kept = [train[train > WARM_UP] for train in trains]
rate = sum(len(train) for train in kept) / len(kept) / (T_SIM / 1000.0)
intervals = [np.diff(train) for train in kept if len(train) > 5]
cv = float(np.mean([i.std() / i.mean() for i in intervals]))
print(f"{NAME}: {rate:.1f} spikes/s, CV of the intervals {cv:.2f}")
sim.end()
