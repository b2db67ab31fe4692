# %% [markdown]
# # A volley that runs around a ring
#
# Six groups of neurons in a ring, each exciting the next. One volley of input spikes starts it, and it comes by again every 54 ms. This is a plain
# sPyNNaker script that knows nothing of this package: on a machine run it with `python experiments/ring_on_board.py`, without one with
# `spinn-mam board run experiments/ring_on_board.py [MILLISECONDS]`.

# %%
import sys

import pyNN.spiNNaker as sim

GROUPS, SIZE = 6, 40
DURATION = float(sys.argv[1]) if len(sys.argv) > 1 else 200.0  # ms

# %%
sim.setup(timestep=1.0)
start = sim.Population(SIZE, sim.SpikeSourceArray(spike_times=[[5.0]] * SIZE), label="start")
groups = [sim.Population(SIZE, sim.IF_curr_exp(tau_refrac=20.0), label=f"group {i}") for i in range(GROUPS)]
strong = sim.StaticSynapse(weight=0.3, delay=8.0)  # nA, ms
for before, after in zip([start, *groups], [*groups, groups[0]], strict=True):
    sim.Projection(before, after, sim.AllToAllConnector(), strong)
for group in groups:
    group.record("spikes")
sim.run(DURATION)

# %%
for group in groups:
    times = {float(t) for train in group.get_data("spikes").segments[0].spiketrains for t in train}
    print(f"{group.label} fired at {', '.join(f'{t:.0f}' for t in sorted(times))} ms")
sim.end()
