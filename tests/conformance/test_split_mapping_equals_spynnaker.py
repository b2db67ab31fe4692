"""Our split cores are sPyNNaker's: slices, numbers of cores, SDRAM, and which synapse core takes which source's spikes.

sPyNNaker maps without a machine, as in ``test_expander_plan_equals_spynnaker.py``. Who takes whose spikes is read from its routing tables, by
walking a packet of each core through them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from spinn_mam.backends.base import Network
from spinn_mam.backends.spinnaker.job import Job
from spinn_mam.deployment import Deployment
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import load_model
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.budgets import Sources, incoming_synapses
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.split_cores import hand_over_bytes, tools_number
from spinn_mam.partitioning.structures import DELAY_EXTENSION, NEURON, POISSON_SOURCE, SYNAPSE

SCRIPT = """
import json, sys
from pathlib import Path
from spynnaker.pyNN.models.neural_projections import synapse_information
from spinn_mam.backends.spinnaker import script
from spinn_mam.backends.spinnaker.job import Job
import spynnaker.pyNN as sim
from spynnaker.pyNN.data import SpynnakerDataView as View

asked = synapse_information.get_config_bool
synapse_information.get_config_bool = lambda section, key: key != "virtual_board" and asked(section, key)
job = Job.load(Path(sys.argv[1]))
built = script.build(job)
sim.run(job.network.spec.dt)

machine, tables, infos = View.get_machine(), View.get_uncompressed(), View.get_routing_infos()
places = [p for p in View.iterate_placemements() if p.vertex.app_vertex is not None]
row = {(p.x, p.y, p.p): i for i, p in enumerate(places)}

def reached(place, key):
    found, todo = [], [(place.x, place.y, None)]
    while todo:
        x, y, came = todo.pop()
        table = tables.get_routing_table_for_chip(x, y)
        entries = [e for e in (table.multicast_routing_entries if table else ()) if key & e.mask == e.key]
        links, cores = (entries[0].link_ids, entries[0].processor_ids) if entries else ([(came + 3) % 6], [])
        found += [row[x, y, p] for p in cores if (x, y, p) in row]
        for link in links:
            to = machine.get_chip_at(x, y).router.get_link(link)
            todo.append((to.destination_x, to.destination_y, (link + 3) % 6))
    return sorted(found)

cores = []
for i, place in enumerate(places):
    vertex = place.vertex
    sends = [k for k in [infos.get_info_from(vertex, "SPIKE")] if k] if infos.has_info_from(vertex, "SPIKE") else []
    cores.append({
        "vertex": vertex.app_vertex.label, "class": type(vertex).__name__, "label": vertex.label,
        "lo": vertex.vertex_slice.lo_atom, "hi": vertex.vertex_slice.hi_atom + 1, "chip": [place.x, place.y],
        "sdram": int(vertex.sdram_required.get_total_sdram(1000)),
        "targets": [t for k in sends for t in reached(place, k.key)],
    })
slots = [p._vertex.max_delay_steps for p in built.populations if hasattr(p._vertex, "max_delay_steps")]
Path(sys.argv[1], "cores.json").write_text(json.dumps({"cores": cores, "slots": slots}))
"""
#: Neurons a core, synapse cores (None: as many as sPyNNaker gives by itself), N and K scaling, time-scale factor, settings.
CASES: dict[str, tuple[int, int | None, float, float, float, tuple[str, ...]]] = {
    "by itself": (32, None, 0.06, 0.6, 0.35, ("thalamus.enabled=true",)),
    "three": (20, 3, 0.05, 0.1, 1.0, ("thalamus.enabled=true",)),
    "long delays": (64, 2, 0.08, 0.01, 1.0, ("synapses.delay_exc=8.0", "synapses.delay_inh=0.3")),
}


@cache
def mapped(case: str) -> tuple[NetworkSpec, Deployment, list[dict[str, Any]], list[int]]:
    """Map a case here and in sPyNNaker; return the network, our deployment, its cores, and its delay slots."""
    pytest.importorskip("spynnaker")
    per_core, given, n_scaling, k_scaling, factor, settings = CASES[case]
    spec = load_model("pd14", settings).network(n_scaling, k_scaling)
    shifts, n = ring_buffer_shifts(spec), len(spec.populations)
    machine, rng = load_board_config("spin5-6"), np.random.default_rng(0)
    deployment = map_network(
        spec,
        machine,
        neurons_per_core=per_core,
        time_scale_factor=factor,
        layout="split",
        synapse_cores=given,
        ring_buffer_shifts=shifts,
        rng=rng,
    )
    with TemporaryDirectory() as name:
        folder = Path(name)
        pairs = tuple((int(a), int(b)) for a, b in shifts)
        # None is what sPyNNaker's own choice is asked for with.
        job = Job(Network.from_seed(spec, 7), "expander", 3, 10, (per_core,) * n, pairs, (given,) * n, factor, 1)  # type: ignore[arg-type]
        job.save(folder)
        (folder / ".spynnaker.cfg").write_text("[Machine]\nvirtual_board = True\nversion = 5\n")
        command = [sys.executable, "-P", "-c", SCRIPT, name]
        done = subprocess.run(command, cwd=name, env={**os.environ, "HOME": name}, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        said = json.loads((folder / "cores.json").read_text())
    return spec, deployment, said["cores"], said["slots"]


CLASSES = {
    "PopulationNeuronsMachineVertex": NEURON,
    "PopulationSynapsesMachineVertexLead": SYNAPSE,
    "PopulationSynapsesMachineVertexShared": SYNAPSE,
    "SpikeSourcePoissonMachineVertex": POISSON_SOURCE,
    "DelayExtensionMachineVertex": DELAY_EXTENSION,
}


def named(spec: NetworkSpec, core: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Return population, kind, ordinal and neurons of a core of sPyNNaker's."""
    name = core["vertex"].removesuffix(" drive").removesuffix("_delayed")
    kind = CLASSES[core["class"]]
    ordinal = int(core["label"].rsplit("(", 1)[1].rstrip(")")) if kind == SYNAPSE else 0
    return spec.index(name), kind, ordinal, core["lo"], core["hi"]


def ours(deployment: Deployment) -> list[tuple[int, int, int, int, int]]:
    s, ordinal = deployment.slices, deployment.partition.vertices.ordinal[deployment.slices.vertex]
    return list(zip(s.population.tolist(), s.kind.tolist(), ordinal.tolist(), s.lo.tolist(), s.hi.tolist(), strict=True))


@pytest.mark.parametrize("case", ["by itself", pytest.param("three", marks=pytest.mark.slow), "long delays"])
def test_cores_and_slices(case: str) -> None:
    spec, deployment, cores, slots = mapped(case)
    assert sorted(named(spec, core) for core in cores) == sorted(ours(deployment))
    neural = [not p.is_source for p in spec.populations]
    assert deployment.delay_slots[neural].tolist() == slots
    k = deployment.synapse_cores[neural]
    assert (k > 0).all()
    assert (len(set(k.tolist())) > 1) == (case == "by itself")
    assert (deployment.partition.delay_stages.max() > 0) == (case == "long delays")


@pytest.mark.parametrize("case", ["by itself", pytest.param("three", marks=pytest.mark.slow), "long delays"])
def test_synapse_cores_take_the_same_spikes(case: str) -> None:
    spec, deployment, cores, _ = mapped(case)
    names = [named(spec, core) for core in cores]
    theirs = {name: [names[t] for t in core["targets"]] for name, core in zip(names, cores, strict=True)}
    dealt = set()
    for i, name in enumerate(ours(deployment)):
        takers = [t for t in theirs[name] if t[1] == SYNAPSE]
        for target, k in enumerate(deployment.synapse_cores.tolist()):
            mine = {t[2] for t in takers if t[0] == target}
            assert mine == ({int(deployment.synapse_core[target, i])} - {-1})
            n_slices = -(-spec.populations[target].size // max(int(deployment.neurons_per_core[target]), 1))
            assert len([t for t in takers if t[0] == target]) == (n_slices if mine else 0)
            dealt |= {(target, j) for j in mine}
            assert not mine or k > 0
    # Every case asks more of the rule than one core would.
    assert len(dealt) > len(spec.populations)


@pytest.mark.parametrize("case", ["by itself", pytest.param("three", marks=pytest.mark.slow), "long delays"])
def test_sdram(case: str) -> None:
    """Never less than sPyNNaker reserves, and more by the small regions at most, whose size is an upper estimate."""
    spec, deployment, cores, _ = mapped(case)
    need = dict(zip(ours(deployment), deployment.slices.sdram_bytes.tolist(), strict=True))
    assert {kind for _, kind, _, _, _ in need} >= {NEURON, SYNAPSE, POISSON_SOURCE}
    for core in cores:
        name = named(spec, core)
        if spec.populations[name[0]].is_source:
            continue  # the script records them, which the budget does not know
        assert 0 <= need[name] - core["sdram"] < 0.01 * core["sdram"] + 9_000, (name, need[name], core["sdram"])


@pytest.mark.parametrize("case", ["by itself", pytest.param("three", marks=pytest.mark.slow), "long delays"])
def test_all_cores_of_a_slice_share_a_chip(case: str) -> None:
    spec, deployment, cores, _ = mapped(case)
    chips: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for core in cores:
        population, kind, _, lo, _ = named(spec, core)
        if kind != DELAY_EXTENSION and not spec.populations[population].is_source:
            chips.setdefault((population, lo), set()).add(tuple(core["chip"]))
    assert all(len(found) == 1 for found in chips.values())
    assert hand_over_bytes(int(deployment.neurons_per_core[0])) == deployment.slices.hand_over_bytes.max()


NUMBERS = """
import json, sys
from pathlib import Path
from spinn_mam.backends.spinnaker import script
from spinn_mam.backends.spinnaker.job import Job
from spynnaker.pyNN.extra_algorithms.splitter_components import spynnaker_splitter_selector

built = script.build(Job.load(Path(sys.argv[1])))
spynnaker_splitter_selector()
print("NUMBERS", json.dumps([p._vertex.n_synapse_cores_required for p in built.populations]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("per_core", "factor"), [(64, 1.0), (256, 4.0)])
def test_numbers_of_the_full_scale_microcircuit(per_core: int, factor: float, tmp_path: Path) -> None:
    """64 neurons a core, and sPyNNaker's own 256; what it would choose if nobody told it."""
    pytest.importorskip("spynnaker")
    spec = load_model("pd14").network()
    pairs = tuple((int(a), int(b)) for a, b in ring_buffer_shifts(spec))
    Job(Network.from_seed(spec, 7), "expander", 3, 10, (per_core,) * 8, pairs, (None,) * 8, factor, 1).save(tmp_path)  # type: ignore[arg-type]
    (tmp_path / ".spynnaker.cfg").write_text("[Machine]\nvirtual_board = True\nversion = 5\n")
    command = [sys.executable, "-P", "-c", NUMBERS, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("NUMBERS ")).removeprefix("NUMBERS "))
    sources = Sources.of(spec, np.full(8, per_core))
    ours = [tools_number(spec, incoming_synapses(spec, p, per_core, sources), factor) for p in range(8)]
    assert ours == theirs
    assert min(ours) > 1
