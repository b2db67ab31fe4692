"""Our ring-buffer rule gives what sPyNNaker's own code gives, projection by projection.

sPyNNaker's estimator is called with stand-ins for projections; connectors' and distributions' statistics come from its own
functions.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.models import load_model

CASES = [
    ("poisson", 1.0, 1.0, ()),
    ("dc", 1.0, 1.0, ()),
    ("poisson", 0.1, 0.1, ()),
    ("poisson", 0.5, 1.0, ("synapses.PSP=2.0",)),
    ("poisson", 0.2, 1.0, ("thalamus.enabled=true",)),
    ("poisson", 0.2, 0.5, ("synapses.delay_rel_sd=0",)),
    ("dc", 0.2, 0.5, ("synapses.weight_rel_sd=0",)),
]

SCRIPT = r"""
import json, sys
from types import SimpleNamespace as NS
from unittest import mock
import numpy as np
from pyNN.random import RandomDistribution
from spynnaker.pyNN.models.neuron import population_vertex as pv
from spynnaker.pyNN.models.neural_projections.connectors import MultapseConnector, OneToOneConnector
from spynnaker.pyNN.models.neuron.population_vertex import _Stats, PopulationVertex
from spynnaker.pyNN.models.abstract_models import AbstractMaxSpikes
from spynnaker.pyNN.models.spike_source import SpikeSourcePoissonVertex
from spynnaker.pyNN.models.neuron.synapse_dynamics import SynapseDynamicsStatic
from spynnaker.pyNN.data import SpynnakerDataView

def distribution(d, scale):
    if d["sd"] == 0:
        return d["mean"] * scale
    low = -np.inf if d["lower"] is None else d["lower"]
    high = np.inf if d["upper"] is None else d["upper"]
    return RandomDistribution("normal_clipped", mu=d["mean"] * scale, sigma=d["sd"] * scale, low=low * scale, high=high * scale)

class Source(AbstractMaxSpikes, allow_derivation=True):
    def __init__(self, rate):
        self.fake = NS(_SpikeSourcePoissonVertex__max_rate=rate)
    def max_spikes_per_second(self):
        return self.fake._SpikeSourcePoissonVertex__max_rate
    def max_spikes_per_ts(self):
        return SpikeSourcePoissonVertex.max_spikes_per_ts(self.fake)

def power(w):
    # the two conversions of get_ring_buffer_shifts, by calling it with this value as the user's own maximum
    fake = NS(_PopulationVertex__neuron_impl=NS(get_n_synapse_types=lambda: 1, get_global_weight_scale=lambda: 1.0),
              _PopulationVertex__max_expected_summed_weight=[w])
    return int(PopulationVertex.get_ring_buffer_shifts(fake)[0])

out = []
for spec in json.load(sys.stdin):
    steps = {"get_simulation_time_step_per_s": 1000 / spec["dt"], "get_simulation_time_step_ms": spec["dt"],
             "get_simulation_time_step_per_ms": 1 / spec["dt"]}
    with mock.patch.multiple(SpynnakerDataView, **{k: mock.Mock(return_value=v) for k, v in steps.items()}):
        shifts = []
        for p, population in enumerate(spec["populations"]):
            stats = _Stats(NS(get_global_weight_scale=lambda: 1.0, get_n_synapse_types=lambda: 2), 30, 5)
            todo = []
            for q in spec["projections"]:
                if q["target"] == p:
                    info = NS(n_pre_neurons=spec["populations"][q["source"]]["size"], n_post_neurons=population["size"],
                              weights=distribution(q["weight"], 1e-3), delays=distribution(q["delay"], 1.0),
                              synapse_type=int(q["weight"]["mean"] < 0), synapse_dynamics=SynapseDynamicsStatic(),
                              connector=MultapseConnector(q["n_synapses"]))
                    source = spec["populations"][q["source"]]
                    todo.append((info, NS() if source["neuron"] else Source(source["source_rate"])))
            if population["drive"]:
                d = population["drive"]
                info = NS(n_pre_neurons=population["size"], n_post_neurons=population["size"], weights=d["weight"] * 1e-3, delays=d["delay"],
                          synapse_type=0, synapse_dynamics=SynapseDynamicsStatic(), connector=OneToOneConnector())
                todo.append((info, Source(d["rate"])))
            for info, source in todo:
                stats.add_projection(NS(_synapse_information=info, _projection_edge=NS(pre_vertex=source)))
            shifts.append([power(stats.get_max_weight(r)) for r in range(2)])
        out.append(shifts)
print("RESULT" + json.dumps(out))
"""


def test_shifts_equal_spynnakers(tmp_path):
    pytest.importorskip("spynnaker")
    specs = [load_model("pd14", settings, {"drive": drive}).network(n, k) for drive, n, k, settings in CASES]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([s.to_dict() for s in specs]),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT"))
    expected = [np.array(s) for s in json.loads(line.removeprefix("RESULT"))]
    assert len({e.tobytes() for e in expected}) > 1
    for spec, shifts in zip(specs, expected, strict=True):
        assert np.array_equal(ring_buffer_shifts(spec), shifts)
