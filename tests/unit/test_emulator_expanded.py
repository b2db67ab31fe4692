"""The emulator's store of the machine's own synapses holds exactly those of the plan, each in its row and slot."""

import numba
import numpy as np
import pytest

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import EmulatorBackend
from spinn_mam.backends.emulator.build import store_from_synapses
from spinn_mam.backends.emulator.expanded import expand_synapses, plan_of_deployment
from spinn_mam.backends.emulator.layout import make_layout
from spinn_mam.backends.spinnaker.job import synapse_seed
from spinn_mam.errors import UsageError
from spinn_mam.expander.plan import plan_expansion
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import load_model
from spinn_mam.partitioning.pipeline import map_network


@pytest.fixture(scope="module")
def network():
    return Network.from_seed(load_model("pd14").network(0.02, 0.03), 7)


@pytest.fixture(scope="module")
def plans(network):
    seeds = [synapse_seed(network, p) for p in range(8)]
    return plan_expansion(network.spec, seeds, [40] * 8, ring_buffer_shifts(network.spec))


@pytest.mark.parametrize("n_parts", [2, 3])
def test_store_holds_the_plans_synapses(network, plans, n_parts):
    spec = network.spec
    layout = make_layout(spec, ring_buffer_shifts(spec), 1, n_parts)
    axons, targets, weights, slots = [], [], [], []
    for plan in plans:
        for k, (_, made) in zip(plan.projections, plan.expander.expand(), strict=True):
            projection = spec.projections[k]
            axons.append(made.source + layout.axon_base[projection.source, int(projection.receptor == "inhibitory")])
            targets.append(layout.state_of[made.target + spec.offsets[plan.population]])
            weights.append(made.weight)
            slots.append(made.delay)
    expected = store_from_synapses(layout, *(np.concatenate(column).astype(np.int64) for column in (axons, targets, weights, slots)))
    stores = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        stores.append(expand_synapses(spec, plans, layout))
    store = stores[0]
    assert np.array_equal(stores[0].words, stores[1].words)
    assert len(store.words) == spec.n_synapses
    assert (store.min_slots, store.max_slots) == (expected.min_slots, expected.max_slots)
    assert store.n_zero == sum(int(np.count_nonzero(w == 0)) for w in weights)
    assert np.array_equal(store.row_start, expected.row_start)
    assert np.array_equal(store.cumulative, expected.cumulative)
    # within a slot the order is free
    headers = expected.cumulative.astype(np.int64).reshape(-1, expected.max_slots + 1)
    slot = np.repeat(np.arange(headers.size), np.diff(headers, axis=1, prepend=0).ravel())
    assert np.array_equal(store.words[np.lexsort((store.words, slot))], expected.words[np.lexsort((expected.words, slot))])


def test_the_plan_of_a_deployment_is_the_hosts(network):
    shifts = ring_buffer_shifts(network.spec)
    rng = np.random.default_rng(1)
    deployment = map_network(network.spec, load_board_config("spin5"), neurons_per_core=40, time_scale_factor=1.0, ring_buffer_shifts=shifts, rng=rng)
    seeds = [synapse_seed(network, p) for p in range(8)]
    assert plan_of_deployment(network, deployment, 1) == plan_expansion(network.spec, seeds, deployment.neurons_per_core.tolist(), shifts)


def test_the_machines_synapses_need_a_deployment(network):
    with pytest.raises(UsageError, match="map the network first"):
        EmulatorBackend().start(network, RunConfig(10.0, 0.0, 1, 1, "expander"), None)
