# %% [markdown]
# # The microcircuit in Python
#
# From the model document to figures without the command line: a tenth of the neurons with a tenth of the synapses each, for one second of
# biological time. Each step hands plain, immutable data to the next, so any of them can be replaced or looked at alone.
# Run it with `python experiments/microcircuit.py [FOLDER]`, or open it as a notebook in an editor that knows `# %%` cells.

# %%
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spinn_mam.analysis import analyse
from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import EmulatorBackend
from spinn_mam.energy.constants import load_power_constants
from spinn_mam.energy.model import MappingFacts, run_phase_energy
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import load_model
from spinn_mam.partitioning.check import check
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.report.run_report import mapping_picture
from spinn_mam.report.statistics_figures import raster_figure

#: Where pictures go; a notebook has no argument and keeps them below the working folder.
FOLDER = Path(sys.argv[1]) if len(sys.argv) == 2 else Path("runs/microcircuit")


def keep(figure: Figure, name: str) -> Figure:
    """Save a figure and return it, so that a notebook shows it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / f"{name}.png", dpi=150)
    return figure


# %% [markdown]
# ## The model
#
# `pd14` is a document in which each value has its source. Values can be set as on the command line, for example
# `load_model("pd14", ["neuron.tau_m=12 ms"])`; public disagreements are variants, for example `load_model("pd14", (), {"drive": "dc"})`.

# %%
model = load_model("pd14")
spec = model.network(N_scaling=0.1, K_scaling=0.1)
print(f"{spec.sizes.sum():,} neurons in {len(spec.populations)} populations, {spec.n_synapses:,} synapses in {len(spec.projections)} projections")

# %% [markdown]
# ## The synapses
#
# The connectivity is a recipe. It draws any tile alone: here those from the first ten neurons of L4E onto all of L23E.

# %%
network = Network.from_seed(spec, seed=1)
names = [(spec.populations[p.source].name, spec.populations[p.target].name) for p in spec.projections]
projection = names.index(("L4E", "L23E"))
tile = network.connectivity.rows(projection, sources=(0, 10), targets=(0, int(spec.sizes[0])))
print(f"synapses of each source: {np.diff(tile.offsets)}")
print(f"weights {tile.weight.mean():.1f} +- {tile.weight.std():.1f} pA, delays {tile.delay.min()} to {tile.delay.max()} steps")

# %% [markdown]
# ## The mapping
#
# One board is enough at this scale. The checker walks a key of every core through the routing tables and compares where it arrives with the network.

# %%
machine = load_board_config("spin5")
deployment = map_network(
    spec,
    machine,
    neurons_per_core=80,
    time_scale_factor=20.0,
    ring_buffer_shifts=ring_buffer_shifts(spec),
    rng=np.random.default_rng(1),
)
assert check(deployment, spec) == []
print(f"{deployment.metrics['cores']} cores on {deployment.metrics['chips']} chips, {deployment.metrics['routing_entries_max']} entries at most")
keep(mapping_picture(deployment, spec), "machine")

# %% [markdown]
# ## The run
#
# The emulator computes in the arithmetic of SpiNNaker's cores. The recording holds the spikes after the warm-up.

# %%
backend = EmulatorBackend()
config = RunConfig(t_sim=1000.0, warm_up=500.0, seed=1, threads=1, connectivity="shared")
assert backend.check(network, config, deployment) == []
recording = backend.start(network, config, deployment).result()
keep(raster_figure(recording), "raster")

# %% [markdown]
# ## Statistics and energy
#
# Scaling keeps mean and variance of the input, not correlations, so rates are not those of full scale: here L23E fires about half as often.

# %%
for population, published in zip(analyse(recording)[0], spec.expected_rates, strict=True):
    print(f"{population.name}: {population.mean_rate:5.2f} spikes/s, at full scale {published:5.2f}")

# %%
assert recording.activity is not None
metrics = deployment.metrics
facts = MappingFacts(metrics["boards"], machine.n_chips, metrics["cores"], metrics["link_traversals_per_spike"])
energy = run_phase_energy(recording.activity, facts, time_scale_factor=20.0, constants=load_power_constants("spin5"))
print(f"modelled energy of the run phase: {energy.to_metrics()['total_J']:.0f} J")
