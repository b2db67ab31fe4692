"""The data that sPyNNaker writes for its Poisson sources, seed words and quantised weights among them, are known in advance."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from poisson_core import EXPANDER, PARAMETERS, PROFILER, SDRAM_EDGE, poisson_core

from spinn_mam.fixed_point.poisson import RatePiece, constant_rates, core_seeds
from spinn_mam.fixed_point.ring_buffer import quantise_weights, weight_scales

pytest.importorskip("spynnaker")

SCRIPT = r"""
import json, sqlite3, glob
import pyNN.spiNNaker as sim
from spynnaker.pyNN.extra_algorithms.splitter_components import SplitterPopulationVertexNeuronsSynapses

job = json.load(open("job.json"))
dt = job["dt"]
sim.setup(timestep=dt, min_delay=dt)
other = sim.Population(1, sim.SpikeSourceArray(spike_times=[dt]))  # a split population needs a synapse core
for i, q in enumerate(job["populations"]):
    if "rates" in q:
        model = sim.extra_models.SpikeSourcePoissonVariable(q["rates"], q["starts"], q["durations"])
        extra = {"seed": q["seed"]}  # all of them on one core
    else:
        model = sim.SpikeSourcePoisson(rate=q["rate"])
        extra = {"seed": q["seed"], "neurons_per_core": q["per_core"]}
    source = sim.Population(q["n"], model, label=f"s{i}", additional_parameters=extra)
    source.record("spikes")
    splitter = SplitterPopulationVertexNeuronsSynapses()
    target = sim.Population(q["n"], sim.IF_curr_exp(), label=f"p{i}", neurons_per_core=q["per_core"], additional_parameters={"splitter": splitter})
    sim.Projection(other, target, sim.FromListConnector([(0, 0, 0.1, dt)]))
    if q["over_sdram"]:
        sim.Projection(source, target, sim.OneToOneConnector(), sim.StaticSynapse(weight=q["weight"], delay=dt), receptor_type=q["receptor"])
    else:
        sim.Projection(source, target, sim.AllToAllConnector(), sim.StaticSynapse(weight=q["weight"], delay=dt), receptor_type=q["receptor"])
sim.run(dt * 100)
sim.end()
db = sqlite3.connect(glob.glob("reports/*/run_1/ds.sqlite3")[0])
cores = {}
query = "select x, y, p, region_num, size, content from region natural join core where not is_system"
for x, y, p, number, size, content in db.execute(query):
    words = [int.from_bytes(content[i:i + 4], "little") for i in range(0, len(content), 4)] if content else []
    cores.setdefault(f"{x},{y},{p}", {})[number] = [size, words]
json.dump(cores, open("regions.json", "w"))
"""


def make_job(dt: float) -> dict:
    rng = np.random.default_rng(round(dt * 10))
    populations = []
    for seed in range(8):
        n, per_core = int(rng.integers(1, 60)), int(rng.integers(10, 40))
        q = {"seed": 1000 + seed, "n": n, "per_core": per_core, "over_sdram": seed % 2 == 0, "weight": float(rng.uniform(0.05, 3))}
        q["receptor"] = ("excitatory", "inhibitory")[seed // 2 % 2]
        if seed == 4:
            q |= {"per_core": 64, "rates": [5.0, 800.5, 0.0], "starts": [0, 10, 40], "durations": [5, 20, 1000]}
        elif seed == 6:
            q["rate"] = float(rng.uniform(1, 9000))
        else:
            q["rate"] = [float(r) for r in 10 ** rng.uniform(-1, 4.3, n)]
        if q["receptor"] == "inhibitory":
            q["weight"] *= -1
        populations.append(q)
    return {"dt": dt, "populations": populations}


def sources_of(q: dict) -> list[list[RatePiece]]:
    if "rates" in q:
        return [[RatePiece(*piece) for piece in zip(q["rates"], q["starts"], q["durations"], strict=True)]] * q["n"]
    rates = q["rate"] if isinstance(q["rate"], list) else [q["rate"]] * q["n"]
    return constant_rates(rates)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_regions_and_seeds_are_those_of_the_host_tools(dt, tmp_path):
    job = make_job(dt)
    (tmp_path / "job.json").write_text(json.dumps(job))
    config = "[Machine]\nvirtual_board = True\nversion = 5\n[Reports]\nkeep_dataspec_database = True\n"
    for name in ("spynnaker.cfg", ".spynnaker.cfg"):
        (tmp_path / name).write_text(config)
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    cores = {where: {int(k): v for k, v in core.items()} for where, core in json.loads((tmp_path / "regions.json").read_text()).items()}
    by_seed = {tuple(core[PARAMETERS][1][10:14]): (where, core) for where, core in cores.items() if EXPANDER in core and set(core) == set(range(8))}

    n_cores = 0
    for q in job["populations"]:
        sources, per_core = sources_of(q), q["per_core"]
        seeds = core_seeds(q["seed"], -(-q["n"] // per_core))
        for at, seed in enumerate(seeds):
            where, theirs = by_seed.pop(seed)
            head, edge = theirs[PARAMETERS][1], theirs[SDRAM_EDGE][1]
            first, mine = at * per_core, sources[at * per_core : (at + 1) * per_core]
            assert (head[6:8], edge[1] > 0) == ([first, len(mine)], q["over_sdram"])
            sdram = None
            if q["over_sdram"]:
                receptor = ["excitatory", "inhibitory"].index(q["receptor"])
                scale = weight_scales(np.array(shifts_of_target(cores, where, edge[0])))[receptor]
                weight = int(quantise_weights(np.array([abs(q["weight"]) * 1000]), float(scale))[0][0])
                sdram = edge[0], edge[1], receptor * len(mine), [weight] * len(mine)
            key = head[14] if head[0] else None
            ours = poisson_core(seed, mine, dt, key=key, first=first, max_spikes=head[8], colour_bits=head[9], sdram=sdram)
            for number in (PARAMETERS, PROFILER, SDRAM_EDGE, EXPANDER):
                assert ours.regions[number].words.tolist() == theirs[number][1], (q, number)
                assert 4 * ours.regions[number].n_words <= theirs[number][0]
            n_cores += 1
    assert not by_seed
    assert n_cores > 8


def shifts_of_target(cores: dict, where: str, address: int) -> list[int]:
    """Ring-buffer shifts of the neuron core on the same chip that reads this address."""
    chip = where.rsplit(",", 1)[0]
    found = []
    for other, core in cores.items():
        if other.startswith(chip + ",") and len(words := core.get(8, [0, []])[1]) == 3 and set(core) >= set(range(9)):
            start, n_bytes, n_inputs = words
            if start <= address < start + n_bytes * n_inputs:
                found.append(core[1][1][5:7])
    (shifts,) = found
    return shifts
