"""The emulator's synapses are the recipe's; drive and run do not depend on threads or parts."""

from dataclasses import replace

import numba
import numpy as np
import pytest

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.backend import EmulatorBackend, simulate
from spinn_mam.backends.emulator.build import build_synapses
from spinn_mam.backends.emulator.drive import mix_index, poisson_count, poisson_thresholds, uniform32
from spinn_mam.backends.emulator.emulation import initial_potentials
from spinn_mam.backends.emulator.layout import make_layout
from spinn_mam.backends.emulator.tasks import FIRST_ENTRY, FIRST_ROW, N_SLOTS, SLOT_LO
from spinn_mam.backends.emulator.update import BLOCK, dither, draw_counts, n_dithered
from spinn_mam.fixed_point.ring_buffer import quantise_weights, ring_buffer_shifts, weight_scales
from spinn_mam.models import load_model
from spinn_mam.network.connectivity import Connectivity
from spinn_mam.network.kernels import draw
from spinn_mam.network.streams import stream_key

SEED = 5


@pytest.fixture(scope="module")
def spec():
    return load_model("pd14").network(0.03, 0.03)


def from_recipe(connectivity, layout, shifts, offset):
    """Sorted columns: part, axon, slots, target within the part, weight."""
    spec = connectivity.spec
    state_of = layout.state_of
    columns = []
    for k, p in enumerate(spec.projections):
        rows = connectivity.rows(k, (0, spec.populations[p.source].size), (0, spec.populations[p.target].size))
        receptor = int(p.receptor == "inhibitory")
        axon = layout.axon_base[p.source, receptor] + np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets))
        weight = quantise_weights(rows.weight, float(weight_scales(shifts)[p.target, receptor]))[0]
        state = state_of[spec.offsets[p.target] + rows.target]
        part = np.searchsorted(layout.part_bounds, state, side="right") - 1
        slots = np.maximum(rows.delay.astype(np.int64) + offset, 1)
        columns.append(np.stack([part, axon, slots, state - layout.part_bounds[part], weight.astype(np.int64)]))
    table = np.concatenate(columns, axis=1)
    return table[:, np.lexsort(table[::-1])]


def from_store(store):
    columns = []
    for part, group in np.argwhere(store.pairs[:, :, N_SLOTS]):
        pair = store.pairs[part, group]
        first, size, n = store.groups[group], np.diff(store.groups)[group], pair[N_SLOTS]
        headers = store.cumulative[pair[FIRST_ENTRY] :][: size * (n + 1)].astype(np.int64).reshape(size, n + 1)
        assert not headers[:, 0].any()
        repeat = np.diff(headers, axis=1).ravel()
        axon, slot = np.meshgrid(first + np.arange(size), pair[SLOT_LO] + np.arange(n), indexing="ij")
        words = np.concatenate([store.words[a:][:m] for a, m in zip(store.row_start[pair[FIRST_ROW] :][:size], headers[:, -1], strict=True)])
        columns.append(np.stack([np.full(len(words), part), np.repeat(axon, repeat), np.repeat(slot, repeat), words >> 16, words & 0xFFFF]))
    table = np.concatenate(columns, axis=1).astype(np.int64)
    return table[:, np.lexsort(table[::-1])]


@pytest.mark.parametrize(("n_parts", "offset"), [(2, 1), (3, 0), (1, -3)])
def test_store_holds_exactly_the_recipes_synapses(spec, n_parts, offset):
    shifts = ring_buffer_shifts(spec)
    layout = make_layout(spec, shifts, SEED, n_parts)
    connectivity = Connectivity(spec, SEED)
    store = build_synapses(connectivity, layout, shifts, offset)
    expected = from_recipe(connectivity, layout, shifts, offset)
    assert np.array_equal(from_store(store), expected)
    assert (store.min_slots, store.max_slots) == (expected[2].min(), expected[2].max())
    moved = sum(
        np.count_nonzero(
            connectivity.rows(k, (0, spec.populations[p.source].size), (0, spec.populations[p.target].size)).delay.astype(int) + offset < 1
        )
        for k, p in enumerate(spec.projections)
    )
    assert store.n_uncompensated == moved
    assert (moved > 0) == (offset < 0)


def test_store_is_the_same_bytes_for_any_threads(spec):
    shifts = ring_buffer_shifts(spec)
    layout = make_layout(spec, shifts, SEED)
    stores = []
    for threads in (1, 2):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        stores.append(build_synapses(Connectivity(spec, SEED), layout, shifts))
    for name in ("words", "row_start", "cumulative"):
        assert getattr(stores[0], name).tobytes() == getattr(stores[1], name).tobytes()


def test_runs_are_equal_for_any_threads(spec):
    network = Network.from_seed(spec, SEED)
    runs = [EmulatorBackend().start(network, RunConfig(60.0, 20.0, 1, threads, "law"), None).result() for threads in (1, 2)]
    assert len(runs[0].step) > 50
    assert np.array_equal(runs[0].step, runs[1].step)
    assert np.array_equal(runs[0].neuron, runs[1].neuron)
    assert runs[0].activity == runs[1].activity
    assert (runs[0].start_step, runs[0].stop_step) == (201, 801)
    assert runs[0].step.min() >= 201
    assert runs[0].step.max() < 801
    assert runs[0].provenance["n_delays_not_compensated"] == 0


def test_a_longer_run_continues_a_shorter_one(spec):
    network = Network.from_seed(spec, SEED)
    whole = simulate(network, None, 80.0, 0.0, seed=1)
    kept = simulate(network, None, 30.0, 50.0, seed=1)
    assert np.array_equal(whole.window(50.0, 80.0).step, kept.step)
    assert np.array_equal(whole.window(50.0, 80.0).neuron, kept.neuron)


def test_another_seed_gives_other_spikes(spec):
    network = Network.from_seed(spec, SEED)
    a, b = (simulate(network, None, 30.0, 0.0, seed=s) for s in (1, 2))
    assert not np.array_equal(a.step, b.step)


def test_interrupt_between_chunks_leaves_nothing_behind(spec):
    network = Network.from_seed(spec, SEED)

    def interrupt(phase, done, total):
        if phase == "simulate" and done > 0:
            raise KeyboardInterrupt

    run = EmulatorBackend().start(network, RunConfig(300.0, 0.0, 1, 2, "law"), None, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.result()
    assert run.status().state == "pending"
    again = EmulatorBackend().start(network, RunConfig(30.0, 0.0, 1, 2, "law"), None)
    assert len(again.result().step) > 0
    assert again.status().state == "finished"


def drawn_counts(table, key, first, n):
    thresholds = np.empty(n_dithered(table[None]), np.int16)
    counts, mixed = np.empty(n, np.uint16), np.empty(BLOCK // 2 + 1, np.uint32)
    draw_counts(counts, thresholds, dither(table, len(table), key, thresholds), key, first, mixed)
    return counts


@pytest.mark.parametrize("mean", [1e-6, 0.3, 1.28, 8.0, 12.0, 30.0, 64.0])
def test_compiled_counts_equal_plain_integers(mean):
    table = poisson_thresholds(mean)
    rng = np.random.default_rng(1)
    for key in rng.integers(0, 2**64, 20, dtype=np.uint64):
        for first, n in ((0, 1), (7, 40), (12, 41)):
            expected = [poisson_count(table, int(key), first + i) for i in range(n)]
            assert drawn_counts(table, key, first, n).tolist() == expected


def test_probabilities_of_counts_have_32_bits():
    # a threshold rounded to 16 bits gives 0 or 1.5e-5 for P(count = 1) = 4e-6; 4e7 numbers, five standard deviations
    mean = 4e-6
    table = poisson_thresholds(mean)
    keys = np.random.default_rng(2).integers(0, 2**64, 20_000, dtype=np.uint64)
    found = sum(int(drawn_counts(table, key, 0, BLOCK).sum()) for key in keys)
    expected = mean * len(keys) * BLOCK
    assert abs(found - expected) < 5 * np.sqrt(expected)


@numba.njit
def _mixed(low, high, n):
    out = np.empty(n, np.uint32)
    for i in range(n):
        out[i] = mix_index(low, high, np.uint32(i))
    return out


def test_compiled_mixing_equals_plain_integers():
    for key in (0, 1, 0xDEADBEEFCAFEF00D, 2**64 - 1):
        got = _mixed(np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32), 300)
        assert got.tolist() == [uniform32(key, i) for i in range(300)]


@pytest.mark.parametrize("mean", [0.012, 1.28, 2.32, 8.0, 30.0])
def test_counts_follow_poissons_law(mean):
    # false-alarm rate of each check: about 6e-7 (five standard deviations), fixed keys
    table = poisson_thresholds(mean)
    rng = np.random.default_rng(3)
    n_neurons, n_steps = 400, 150
    keys = rng.integers(0, 2**64, n_steps, dtype=np.uint64)
    counts = np.array([drawn_counts(table, key, 0, n_neurons) for key in keys]).astype(np.int64)
    n = counts.size
    assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / n)
    assert abs(counts.var() - mean) < 5 * np.sqrt((mean + 2 * mean**2) / n)
    deviation = (counts - mean) / np.sqrt(mean)
    for a, b in ((deviation[:, 1:], deviation[:, :-1]), (deviation[1:], deviation[:-1]), (deviation[1:, 1:], deviation[:-1, :-1])):
        assert abs((a * b).mean()) < 5 / np.sqrt(a.size)
    # sums over neurons in a step, and over steps of a neuron, vary as independent counts do
    assert abs(deviation.sum(axis=0).var() / n_steps - 1) < 5 * np.sqrt(2 / n_neurons + 1 / mean / n)
    assert abs(deviation.sum(axis=1).var() / n_neurons - 1) < 5 * np.sqrt(2 / n_steps + 1 / mean / n)


@pytest.mark.parametrize("mean", [1.2, 1.28, 1.52, 1.6, 1.68, 2.32])
def test_neurons_that_share_a_hash_or_a_dither_are_independent(mean):
    # means of the microcircuit, keys of a stream as in a run; false-alarm rate of each check: about 6e-7, fixed keys
    table, stream = poisson_thresholds(mean), stream_key(SEED, "drive", "L6I")
    n_steps, n_neurons = 6000, 1000
    counts = np.array([drawn_counts(table, np.uint64(draw(stream, t)), 0, n_neurons) for t in range(n_steps)])
    deviation = (counts - mean) / np.sqrt(mean)
    for pairs in (deviation[:, 0::2] * deviation[:, 1::2], deviation[:, 1:-1:2] * deviation[:, 2::2]):
        assert abs(pairs.mean()) < 5 / np.sqrt(pairs.size)
    both_silent = ((counts[:, 0::2] == 0) & (counts[:, 1::2] == 0)).mean()
    assert abs(both_silent - np.exp(-2 * mean)) < 5 * np.sqrt(2 * np.exp(-2 * mean) / counts.size)
    population = deviation.sum(axis=1) / np.sqrt(n_neurons)
    assert abs(population.var() - 1) < 5 * np.sqrt(2 / n_steps)
    for lag in (1, 2, 3, 5, 10, 15, 30, 100):
        assert abs((population[lag:] * population[:-lag]).mean()) < 5 / np.sqrt(n_steps - lag), lag


def test_an_uncoupled_network_fires_at_the_rate_of_the_exact_model(spec):
    quiet = replace(spec, projections=(), populations=tuple(replace(p, drive=None, I_e=500.0, V0_sd=0.0, V0_mean=-65.0) for p in spec.populations))
    run = simulate(Network.from_seed(quiet, SEED), None, 500.0, 0.0, seed=1)
    # interval: t_ref + tau_m ln(RI / (RI - V_th + E_L)) = 2 + 10 ln 4 ms, in whole steps
    n = len(run.step) / quiet.sizes.sum()
    assert n == (5000 - 139) // (20 + 139) + 1
    assert run.activity.n_synaptic_events == 0


def test_initial_potentials_follow_their_law(spec):
    shifts = ring_buffer_shifts(spec)
    layout = make_layout(spec, shifts, SEED)
    v = initial_potentials(spec, layout, SEED) / 2**15
    for p, population in enumerate(spec.populations):
        mine = v[layout.state_of[spec.offsets[p] : spec.offsets[p + 1]]]
        # five standard errors: a false alarm in 2e6 checks
        assert abs(mine.mean() - population.V0_mean) < 5 * population.V0_sd / np.sqrt(population.size)
        assert abs(mine.std() - population.V0_sd) < 5 * population.V0_sd / np.sqrt(2 * population.size)
    other = make_layout(spec, shifts, SEED, n_parts=1)
    assert np.array_equal(initial_potentials(spec, other, SEED)[other.state_of], initial_potentials(spec, layout, SEED)[layout.state_of])


def test_thalamic_sources_fire_in_their_window_only(spec):
    spec = load_model("pd14", ["thalamus.enabled=true"]).network(0.03, 0.03)
    network = Network.from_seed(spec, SEED)
    run = simulate(network, None, 720.0, 0.0, seed=1)
    step, _ = run.population("TC")
    source = spec.populations[-1]
    lo, hi = source.source_start / spec.dt, source.source_stop / spec.dt
    assert step.min() >= lo + 1
    assert step.max() <= hi
    expected = source.size * source.source_rate * (source.source_stop - source.source_start) / 1000
    assert abs(len(step) - expected) < 5 * np.sqrt(expected)
