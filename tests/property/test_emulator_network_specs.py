"""Networks other than the microcircuit, through the backend's own build: other time steps, single neurons, no synapses, sources, inhibitory input."""

import numpy as np
import pytest

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.drive import poisson_count, poisson_thresholds
from spinn_mam.backends.emulator.emulation import initial_potentials, prepare
from spinn_mam.backends.emulator.layout import DRIVE_WEIGHT
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.ring_buffer import quantise_weights, ring_buffer_shifts, weight_scales
from spinn_mam.fixed_point.specification import Synapse, simulate
from spinn_mam.network.kernels import draw
from spinn_mam.network.spec import Distribution, NetworkSpec, NeuronParameters, PoissonDrive, Population, Projection
from spinn_mam.network.streams import stream_key

SEED, N_STEPS = 7, 300


def network(dt):
    """Two populations of unlike neurons, a single neuron, one whose Poisson input inhibits, and sources that are on for a while.

    One projection has no synapses; the sources excite two populations and inhibit a third.
    """
    fast = NeuronParameters(250.0, 10.0, 0.5 + dt, 0.5 + dt, -65.0, -65.0, -50.0, 2.0)
    slow = NeuronParameters(400.0, 25.0, 3.0, 5.0, -70.0, -68.0, -52.0, 0.0)
    populations = (
        Population("fast", 23, fast, 330.0, -58.0, 5.0, PoissonDrive(1000.0 / dt, 40.0, dt)),
        Population("one", 1, slow, 320.0, -60.0, 0.0),
        Population("slow", 12, slow, 250.0, -60.0, 3.0, PoissonDrive(500.0 / dt, 20.0, dt)),
        Population("inhibited", 14, fast, 620.0, -58.0, 5.0, PoissonDrive(1000.0 / dt, -60.0, dt)),
        Population("sources", 9, None, source_rate=100.0 / dt, source_start=20 * dt, source_stop=200 * dt),
    )

    def projection(source, target, n, weight, delay):
        bounds = (0.0, np.inf) if weight >= 0 else (-np.inf, 0.0)
        return Projection(source, target, n, Distribution(weight, abs(weight) / 10, *bounds), Distribution(delay, delay / 2, dt / 2))

    projections = (
        projection(0, 0, 200, 60.0, 3 * dt),
        projection(0, 2, 90, 50.0, 40 * dt),
        projection(1, 0, 30, -150.0, 2 * dt),
        projection(2, 0, 80, -120.0, 5 * dt),
        projection(2, 1, 10, 80.0, 150 * dt),
        projection(4, 1, 9, 200.0, 2 * dt),
        projection(4, 2, 40, 150.0, 4 * dt),
        projection(4, 3, 60, -170.0, 3 * dt),
        projection(3, 0, 50, 40.0, 2 * dt),
        projection(1, 2, 0, 10.0, dt),
    )
    return NetworkSpec("unlike", dt, populations, projections, (20.0, 5.0, 20.0, 20.0, 100.0), "")


@pytest.mark.parametrize("dt", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("procedural", [False, True])
def test_spikes_equal_the_specification(dt, procedural):
    spec = network(dt)
    shifts = ring_buffer_shifts(spec)
    whole = Network.from_seed(spec, SEED)
    emulation = prepare(whole, shifts, SEED, threads=2, procedural=procedural)
    step, neuron = emulation.advance(N_STEPS)

    synapses = []
    for k, p in enumerate(spec.projections):
        rows = whole.connectivity.rows(k, (0, spec.populations[p.source].size), (0, spec.populations[p.target].size))
        source = np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets)) + spec.offsets[p.source]
        receptor = int(p.receptor == "inhibitory")
        weight = quantise_weights(rows.weight, float(weight_scales(shifts)[p.target, receptor]))[0]
        columns = (source, rows.target + spec.offsets[p.target], weight, rows.delay.astype(int) + 1)
        synapses += [Synapse(int(s), int(t), receptor, int(w), int(d)) for s, t, w, d in zip(*columns, strict=True)]
    layout = emulation.layout
    population = np.repeat(np.arange(len(spec.populations)), spec.sizes)
    local = np.arange(len(population)) - spec.offsets[population]
    n_neurons = sum(p.size for p in spec.populations if not p.is_source)
    drive_weight = {int(p): int(s[DRIVE_WEIGHT]) for p, s in zip(layout.population, layout.segments, strict=True)}

    def count(step, i, rate, stream):
        key = draw(stream_key(SEED, stream, spec.populations[population[i]].name), step)
        return poisson_count(poisson_thresholds(rate * dt / 1000.0), int(key), int(local[i]))

    def drive(step, i):
        p = population[i]
        own = spec.populations[p].drive
        return count(step, i, own.rate, "drive") * drive_weight[p] if own else 0

    def sources(step):
        on = range(n_neurons, len(population)) if 20 <= step < 200 else ()
        return [i for i in on for _ in range(count(step, i, spec.populations[-1].source_rate, "source"))]

    constants = [lif_constants(spec.populations[p].neuron, spec.populations[p].I_e, dt) for p in population[:n_neurons]]
    start = initial_potentials(spec, layout, SEED)[layout.state_of[:n_neurons]].tolist()
    own_shifts = [tuple(shifts[p]) for p in population[:n_neurons]]
    inhibited = [int(spec.names[p] == "inhibited") for p in population[:n_neurons]]
    expected = simulate(constants, own_shifts, synapses, start, N_STEPS, drive=drive, sources=sources, drive_receptors=inhibited)
    assert list(zip((step - 1).tolist(), neuron.tolist(), strict=True)) == expected.spikes
    fired = np.bincount(population[neuron], minlength=5)
    assert (fired > 0).all()
    delivered = sum(s + synapse.delay < N_STEPS for s, i in expected.spikes for synapse in synapses if synapse.source == i)
    assert emulation.counters.n_events == delivered
