"""A sPyNNaker script: neurons without input on cores of their own, for some time steps.

Run as ``quiet_cores.py CORES NEURONS_PER_CORE STEPS``; each core holds neurons and synapses together.
"""

import sys

import pyNN.spiNNaker as sim
from spynnaker.pyNN.extra_algorithms.splitter_components import SplitterPopulationVertexFixed

TIME_STEP_MS = 0.1

if __name__ == "__main__":
    n_cores, n_neurons, n_steps = (int(word) for word in sys.argv[1:4])
    sim.setup(timestep=TIME_STEP_MS)
    sim.set_number_of_neurons_per_core(sim.IF_curr_exp, n_neurons)
    sim.Population(n_cores * n_neurons, sim.IF_curr_exp(), additional_parameters={"splitter": SplitterPopulationVertexFixed()})
    sim.run(n_steps * TIME_STEP_MS)
    sim.end()
