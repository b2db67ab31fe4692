"""What we say the host tells the machine's generators is what sPyNNaker writes: the ConnectorBuilder regions of whole networks.

sPyNNaker runs without a machine, where it would make synapses itself; that one question is answered for it.
"""

import dataclasses
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from spinn_mam.backends.base import Network
from spinn_mam.expander.neurons import expand_neurons, initial_values, read_neuron_region
from spinn_mam.expander.plan import host_s1615, plan_expansion
from spinn_mam.expander.region import NONE, ONE_TO_ONE, Edge, ParameterGenerator, read_region
from spinn_mam.fixed_point.random_streams import NORMAL
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.models import load_model

CONFIGURATION = """
[Machine]
virtual_board = True
version = 5
[Reports]
keep_dataspec_database = True
"""
SCRIPT = """
import sys
from pathlib import Path
from spynnaker.pyNN.models.neural_projections import synapse_information
from spinn_mam.backends.spinnaker import script
from spinn_mam.backends.spinnaker.job import Job
import spynnaker.pyNN as sim
from spynnaker.pyNN.data import SpynnakerDataView

asked = synapse_information.get_config_bool
synapse_information.get_config_bool = lambda section, key: key != "virtual_board" and asked(section, key)
job = Job.load(Path(sys.argv[1]))
for population in script.build(job).populations:
    if population.celltype.__class__.__name__ != "SpikeSourcePoisson":
        population.initialize(v=sim.RandomDistribution("normal", mu=-58.25, sigma=10.5))
sim.run(job.network.spec.dt)
print("RUN", SpynnakerDataView.get_run_dir_path())
sim.end()
"""
CASES = {
    "split": (2, 100, 0.03, 0.1, ("thalamus.enabled=true",)),
    "constants": (0, 50, 0.01, 0.05, ("synapses.delay_rel_sd=0", "synapses.weight_rel_sd=0")),
    "long delays": (0, 64, 0.1, 0.005, ("synapses.delay_exc=8.0", "synapses.delay_inh=0.3")),
}


def comparable(edge: Edge) -> Edge:
    """An edge without the places of its matrices."""
    there = {name: 0 if getattr(edge.matrix, name) != NONE else NONE for name in ("offset", "delayed_offset")}
    return dataclasses.replace(edge, matrix=dataclasses.replace(edge.matrix, **there))


@pytest.mark.parametrize("case", CASES)
def test_regions_equal_spynnakers(case, tmp_path):
    pytest.importorskip("spynnaker")
    from spinn_mam.backends.spinnaker.job import Job, pynn_seed

    synapse_cores, per_core, n_scaling, k_scaling, settings = CASES[case]
    spec = load_model("pd14", settings).network(n_scaling, k_scaling)
    shifts, n = ring_buffer_shifts(spec), len(spec.populations)
    pairs = tuple((int(a), int(b)) for a, b in shifts)
    Job(Network.from_seed(spec, 7), "expander", 3, 10, (per_core,) * n, pairs, (synapse_cores,) * n, 1.0, 1).save(tmp_path)
    (tmp_path / ".spynnaker.cfg").write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = next(line for line in done.stdout.splitlines() if line.startswith("RUN ")).removeprefix("RUN ")
    database = sqlite3.connect(f"{run}/ds.sqlite3")
    query = "SELECT content FROM region WHERE region_label = ? AND content IS NOT NULL"
    synapses = [read_region(content) for (content,) in database.execute(query, ("ConnectorBuilderRegion",))]
    neurons = [read_neuron_region(content) for (content,) in database.execute(query, ("neuron_builder",))]
    database.close()
    theirs = {(region.population_seed, region.slice_start): region for region in synapses}
    drawn = {region.core_seed: expand_neurons(region) for region in neurons}
    assert len(drawn) == len(theirs) > 0

    seeds = [pynn_seed(7, "synapses", p.name) for p in spec.populations]
    plans = plan_expansion(spec, seeds, (per_core,) * n, shifts)
    assert sum(len(plan.projections) for plan in plans) == sum(p.n_synapses > 0 for p in spec.projections)
    stages = set()
    for plan in plans:
        bounds = plan.expander.bounds
        potentials = initial_values(seeds[plan.population], bounds, ParameterGenerator(NORMAL, (host_s1615(-58.25), host_s1615(10.5))))
        for k in range(plan.expander.n_slices):
            ours = plan.expander.region(k)
            told = theirs.pop((ours.population_seed, ours.slice_start))
            for name in ("slice_size", "steps_per_ms", "core_seed", "weight_scales"):
                assert getattr(ours, name) == getattr(told, name), (name, k)
            edges = [comparable(e) for e in told.edges if e.connector != ONE_TO_ONE]  # without the drive
            assert list(ours.edges) == edges
            stages |= {e.matrix.n_stages for e in edges}
            words = drawn[ours.core_seed].view(np.int32)
            first = int(np.flatnonzero(words == potentials[bounds[k]])[0])
            step = int(np.flatnonzero(words == potentials[bounds[k] + 1])[0]) - first if ours.slice_size > 1 else 1
            found = words[first : first + step * ours.slice_size : step]
            assert np.array_equal(found, potentials[bounds[k] : bounds[k + 1]])
    assert not theirs
    assert (max(stages) > 1) == (case == "long delays")
    assert np.any(shifts > 0)
