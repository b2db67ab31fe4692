"""The data regions that the exactness tests write are, word by word, those that sPyNNaker writes for the same populations."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from core_regions import (
    COLOUR_BITS,
    Core,
    Matrix,
    Neuron,
    Slice,
    array_core,
    combined_core,
    key_mask,
    n_bits,
    neuron_core,
    spike_key,
    synapse_core,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.fixed_point.ring_buffer import quantise_weights, weight_scales
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.network.spec import NeuronParameters

pytest.importorskip("spynnaker")
ds = pytest.importorskip("spinn_front_end_common.interface.ds")

SCRIPT = r"""
import json, sqlite3, sys, glob
import pyNN.spiNNaker as sim
from spynnaker.pyNN.extra_algorithms.splitter_components import SplitterPopulationVertexFixed, SplitterPopulationVertexNeuronsSynapses

job = json.load(open("job.json"))
dt = job["dt"]
sim.setup(timestep=dt, min_delay=dt)
for i, q in enumerate(job["populations"]):
    source = sim.Population(len(q["spikes"]), sim.SpikeSourceArray(spike_times=[[dt * s for s in times] for times in q["spikes"]]), label=f"s{i}")
    extra = dict(splitter=SplitterPopulationVertexFixed() if q["combined"] else SplitterPopulationVertexNeuronsSynapses())
    p = sim.Population(len(q["v"]), sim.IF_curr_exp(**q["cell"]), label=f"p{i}", additional_parameters=extra)
    p.initialize(v=q["v"], isyn_exc=q["i_exc"], isyn_inh=q["i_inh"])
    p.record(["v", "spikes"])
    for pre, name, receptor in ((source, "from_source", "excitatory"), (source, "from_source_inh", "inhibitory"), (p, "recurrent", "inhibitory")):
        rows = q[name]
        if rows:
            sim.Projection(pre, p, sim.FromListConnector([(a, b, w, dt * d) for a, b, w, d in rows]), receptor_type=receptor)
sim.run(dt * 40)
sim.end()
db = sqlite3.connect(glob.glob("reports/*/run_1/ds.sqlite3")[0])
cores = {}
for x, y, p, number, content in db.execute("select x, y, p, region_num, content from region natural join core where not is_system"):
    words = [int.from_bytes(content[i:i + 4], "little") for i in range(0, len(content), 4)] if content else []
    cores.setdefault(f"{x},{y},{p}", {})[number] = words
json.dump(cores, open("regions.json", "w"))
"""


def make_population(rng: random.Random, *, combined: bool) -> dict:
    n, m = rng.choice([1, 2, 3, 8, 9, 17, 33]), rng.randint(1, 5)

    def rows(k: int, sign: float) -> list:
        pairs = sorted({(rng.randrange(k), rng.randrange(n)) for _ in range(3 * n)})
        return [(i, j, sign * rng.choice([0.0877, 0.5, 3.1]) * rng.random(), rng.randint(1, 15)) for i, j in pairs]

    def spread(lo: float, hi: float) -> list:
        return [rng.uniform(lo, hi) for _ in range(n)]

    cell = {
        "tau_m": spread(2, 30), "cm": spread(0.1, 1), "tau_syn_E": spread(0.3, 5), "tau_syn_I": spread(0.3, 5), "v_rest": spread(-70, -60),
        "v_reset": spread(-75, -60), "v_thresh": spread(-58, -50), "tau_refrac": spread(0, 3), "i_offset": spread(-0.3, 0.9),
    }  # fmt: skip
    spikes = [sorted(rng.sample(range(40), rng.randint(1, 6))) for _ in range(m)]
    return {
        "combined": combined, "cell": cell, "spikes": spikes, "v": spread(-70, -50), "i_exc": spread(0, 0.5), "i_inh": spread(0, 0.5),
        "from_source": rows(m, 1), "from_source_inh": rows(m, -1), "recurrent": rows(n, -1),
    }  # fmt: skip


def make_neurons(q: dict) -> list[Neuron]:
    names = ("cm", "tau_m", "tau_syn_E", "tau_syn_I", "v_rest", "v_reset", "v_thresh", "tau_refrac")
    out = []
    for i, bias in enumerate(q["cell"]["i_offset"]):
        cm, *rest = (q["cell"][name][i] for name in names)
        parameters = NeuronParameters(cm * 1000, *rest)
        out.append(Neuron(parameters, bias * 1000, q["v"][i], q["i_exc"][i], q["i_inh"][i]))
    return out


def make_matrix(key: int, key_bits: int, n_sources: int, rows: list, receptor: int, scales: np.ndarray) -> Matrix:
    out: list[list[tuple[int, int, int, int]]] = [[] for _ in range(n_sources)]
    for source, target, weight, delay in rows:
        quantised = int(quantise_weights(np.array([weight * 1000]), float(scales[receptor]))[0][0])
        out[source].append((quantised, delay, receptor, target))
    return Matrix(key, key_bits, n_sources, out)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_regions_are_those_of_the_host_tools(dt, tmp_path):
    rng = random.Random(round(dt * 10))
    populations = [make_population(rng, combined=i % 2 == 0) for i in range(10)]
    (tmp_path / "job.json").write_text(json.dumps({"dt": dt, "populations": populations}))
    config = "[Machine]\nvirtual_board = True\nversion = 5\n[Reports]\nkeep_dataspec_database = True\n"
    for name in ("spynnaker.cfg", ".spynnaker.cfg"):
        (tmp_path / name).write_text(config)
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    theirs = [{int(k): v for k, v in core.items()} for core in json.loads((tmp_path / "regions.json").read_text()).values()]

    def find(number: int, start: list[int]) -> dict:
        """The core whose region starts like this."""
        found = [core for core in theirs if core.get(number, [])[: len(start)] == start]
        assert len(found) == 1
        return found[0]

    n_words = 0
    for q in populations:
        neurons = make_neurons(q)
        plain = Slice(neurons, dt, (0, 0), 0, 40)
        parameters = combined_core(plain, []).regions[2].words.tolist()
        host = find(2 if q["combined"] else 5, parameters)
        core_parameters = host[1]
        key, shifts = core_parameters[7], tuple(core_parameters[5:7])
        scales = weight_scales(np.array(shifts))
        delay_bits = n_bits(max(row[3] for name in ("from_source", "from_source_inh", "recurrent") for row in q[name]))
        slice_ = replace(plain, shifts=shifts, key=key, delay_bits=delay_bits)
        synapse_host = host if q["combined"] else next(c for c in theirs if len(c.get(11, [])) == 5 and _reads(c[6], key))
        table = synapse_host[5 if q["combined"] else 6]
        (source_key,) = {table[2 + 5 * i] for i in range(table[0])} - {key}
        m = len(q["spikes"])
        bits = 32 - table[3].bit_count()  # the allocator gives all cores as many keys as the largest needs
        matrices = [
            make_matrix(source_key, bits, m, q["from_source"], 0, scales),
            make_matrix(source_key, bits, m, q["from_source_inh"], 1, scales),
            make_matrix(key, bits, len(neurons), q["recurrent"], 1, scales),
        ]
        if q["combined"]:
            ours = [(combined_core(slice_, matrices), host, {15})]
        else:
            ours = [(neuron_core(slice_, host[8][0], 1), host, {4}), (synapse_core(slice_, matrices, synapse_host[10][0]), synapse_host, {3})]
        events = [(step, spike_key(source_key, i, step)) for i, times in enumerate(q["spikes"]) for step in times]
        source = array_core(events, dt, source_key, key_mask(n_bits(m) + COLOUR_BITS))
        source_host = find(1, [1, source_key, 1, 0, 1, source_key])
        source.regions[1].words[[7, 8, 12]] = np.array(source_host[1])[[7, 8, 12]]  # sizes of the buffer, and an offset within the step
        ours.append((source, source_host, {3}))
        # where the number of a source core starts in a key: its mask is 0 here, and one neuron takes no bit or one
        number = 5 if q["combined"] else 6
        ours[-2][0].regions[number].words[[5, 10]] = np.array(synapse_host[number])[[5, 10]]
        for mine, reference, sizes in ours:
            n_words += compare(mine, reference, sizes)
    assert n_words > 3000


def _reads(table: list[int], key: int) -> bool:
    return key in {table[2 + 5 * i] for i in range(table[0])}


def compare(mine: Core, reference: dict, other_sizes: set[int]) -> int:
    """Compare all regions with content; of some the host chooses sizes, or writes the content later."""
    n = 0
    for number, words in reference.items():
        if number == 12:  # for the expander, which makes nothing here
            continue
        region = mine.regions[number].words.tolist() if number in mine.regions else []
        if number in other_sizes:
            assert len(region) == len(words) or not words
            continue
        assert list(map(hex, region)) == list(map(hex, words)), (mine.binary, number)
        n += len(words)
    return n


@settings(deadline=None)
@given(st.floats(-65_536, 65_535.99) | st.integers(-(2**31), 2**31 - 2).map(lambda half: (half + 0.5) / 32_768) | st.floats(-1e-3, 1e-3))
def test_numbers_are_rounded_as_the_host_rounds_them(value):
    assert to_s1615(value) == ds.DataType.S1615.encode_as_int(value)


def test_array_buffer_is_what_the_tools_send():
    messages = pytest.importorskip("spinnman.messages.eieio.data_messages")
    from spinnman.messages.eieio import EIEIOType
    from spinnman.messages.eieio.command_messages import EventStopRequest

    events = [(3, 0x4003), (40, 0x4028), (17, 0x4001), (17, 0x4021)]
    expected = b""
    for step in (3, 17, 40):
        message = messages.EIEIODataMessage.create(EIEIOType.KEY_32_BIT, timestamp=step)
        for when, key in events:
            if when == step:
                message.add_key(key)
        expected += message.bytestring
    expected += EventStopRequest().bytestring
    buffer = array_core(events, 0.1).regions[3].words.tobytes()
    assert buffer[: len(expected)] == expected
    assert len(buffer) - len(expected) < 4
