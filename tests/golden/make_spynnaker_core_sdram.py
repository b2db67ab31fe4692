"""Print what sPyNNaker reserves for a core of the full-scale microcircuit: the golden values of test_core_sdram.py.

Run with sPyNNaker 1!7.4.1, in an empty folder that is also the home: ``HOME=$PWD python .../tests/golden/make_spynnaker_core_sdram.py 80``.
It maps the network onto a virtual board with combined cores of at most so many neurons and one-to-one Poisson drive; delays are those that our
backend tells the tools. Without hardware ``run`` ends in an error after the mapping, which is all that is needed.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from spinn_mam.expander.plan import PYNN_NAMES, delay_draws
from spinn_mam.models.model import load_model
from spinn_mam.partitioning.delays import DELAY_OFFSET_STEPS

if __name__ == "__main__":
    (Path.home() / ".spynnaker.cfg").write_text("[Machine]\nversion = 5\nvirtual_board = True\n[Mode]\nmode = Production\n")
    import pyNN.spiNNaker as sim

    spec, n = load_model("pd14").network(), int(sys.argv[1])
    sim.setup(timestep=0.1, min_delay=0.1, time_scale_factor=20)
    populations = []
    for p in spec.populations:
        population = sim.Population(p.size, sim.IF_curr_exp(), label=p.name, additional_parameters={"n_synapse_cores": 0})
        population.set_max_atoms_per_core(n)
        population.record("spikes")
        populations.append(population)
    for j in spec.projections:
        if j.n_synapses:
            draws = delay_draws(j.delay, spec.dt, DELAY_OFFSET_STEPS)
            delay = sim.RandomDistribution(PYNN_NAMES[draws.kind], draws.parameters)
            synapse = sim.StaticSynapse(weight=abs(j.weight.mean) / 1000, delay=delay)
            connector = sim.FixedTotalNumberConnector(j.n_synapses)
            sim.Projection(populations[j.source], populations[j.target], connector, synapse, receptor_type=j.receptor)
    for p, population in zip(spec.populations, list(populations), strict=True):
        if p.drive is not None:
            drive = sim.Population(p.size, sim.SpikeSourcePoisson(rate=p.drive.rate), label=p.name + " drive")
            drive.set_max_atoms_per_core(n)
            sim.Projection(drive, population, sim.OneToOneConnector(), sim.StaticSynapse(weight=p.drive.weight / 1000, delay=p.drive.delay))
    with contextlib.suppress(Exception):
        sim.run(100)
    for population in populations:
        vertex = population._vertex
        core = next(iter(vertex.machine_vertices))
        print(population.label, len(vertex.machine_vertices), vertex.get_synapses_size(n), core.sdram_required.get_total_sdram(1000))
