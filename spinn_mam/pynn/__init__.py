"""PyNN on the emulator: ``import spinn_mam.pynn as sim`` runs an ordinary PyNN script in the arithmetic of SpiNNaker's cores.

A backend in the sense of PyNN: connectors, random distributions, space, views, assemblies and data handling are PyNN's own.
What is there of models, and which convention times and delays follow: docs/pynn.md.

Examples
--------
>>> import spinn_mam.pynn as sim
>>> rank = sim.setup(timestep=1.0)
>>> source = sim.Population(1, sim.SpikeSourceArray(spike_times=[3.0]))
>>> target = sim.Population(2, sim.IF_curr_exp())
>>> projection = sim.Projection(source, target, sim.AllToAllConnector(), sim.StaticSynapse(weight=50.0))
>>> target.record("spikes")
>>> sim.run(10.0)
10.0
>>> [[float(t) for t in train] for train in target.get_data().segments[0].spiketrains]
[[4.0, 6.0, 8.0], [4.0, 6.0, 8.0]]
>>> sim.end()

Reference
    Davison et al. (2009), doi:10.3389/neuro.11.011.2008 (PyNN).
"""

from __future__ import annotations

from typing import Any

from spinn_mam.errors import MissingExtraError

try:
    import pyNN  # noqa: F401
except ImportError:
    raise MissingExtraError("PyNN on the emulator", "pynn", "PyNN") from None

from pyNN import errors, random, space
from pyNN.common import initialize, set
from pyNN.connectors import (
    AllToAllConnector,
    ArrayConnector,
    CloneConnector,
    CSAConnector,
    DisplacementDependentProbabilityConnector,
    DistanceDependentProbabilityConnector,
    FixedNumberPostConnector,
    FixedNumberPreConnector,
    FixedProbabilityConnector,
    FixedTotalNumberConnector,
    FromFileConnector,
    FromListConnector,
    IndexBasedProbabilityConnector,
    OneToOneConnector,
)
from pyNN.core import IndexBasedExpression
from pyNN.network import Network
from pyNN.parameters import Sequence
from pyNN.random import GSLRNG, NumpyRNG, RandomDistribution
from pyNN.space import Space

from spinn_mam.pynn import not_there
from spinn_mam.pynn.cells import IF_curr_exp, SpikeSourceArray, SpikeSourcePoisson
from spinn_mam.pynn.control import (
    connect,
    create,
    end,
    get_current_time,
    get_max_delay,
    get_min_delay,
    get_time_step,
    list_standard_models,
    num_processes,
    provenance,
    rank,
    record,
    record_v,
    reset,
    run,
    run_for,
    run_until,
    setup,
)
from spinn_mam.pynn.currents import DCSource, StepCurrentSource
from spinn_mam.pynn.populations import Assembly, Population, PopulationView
from spinn_mam.pynn.projections import Projection
from spinn_mam.pynn.synapses import StaticSynapse

__all__ = [
    "GSLRNG",
    "AllToAllConnector",
    "ArrayConnector",
    "Assembly",
    "CSAConnector",
    "CloneConnector",
    "DCSource",
    "DisplacementDependentProbabilityConnector",
    "DistanceDependentProbabilityConnector",
    "FixedNumberPostConnector",
    "FixedNumberPreConnector",
    "FixedProbabilityConnector",
    "FixedTotalNumberConnector",
    "FromFileConnector",
    "FromListConnector",
    "IF_curr_exp",
    "IndexBasedExpression",
    "IndexBasedProbabilityConnector",
    "Network",
    "NumpyRNG",
    "OneToOneConnector",
    "Population",
    "PopulationView",
    "Projection",
    "RandomDistribution",
    "Sequence",
    "Space",
    "SpikeSourceArray",
    "SpikeSourcePoisson",
    "StaticSynapse",
    "StepCurrentSource",
    "connect",
    "create",
    "end",
    "errors",
    "get_current_time",
    "get_max_delay",
    "get_min_delay",
    "get_time_step",
    "initialize",
    "list_standard_models",
    "num_processes",
    "provenance",
    "random",
    "rank",
    "record",
    "record_v",
    "reset",
    "run",
    "run_for",
    "run_until",
    "set",
    "setup",
    "space",
]


def __getattr__(name: str) -> Any:
    """Stand in for what PyNN or another backend has and this one has not: using it says so."""
    return not_there.stand_in(name)
