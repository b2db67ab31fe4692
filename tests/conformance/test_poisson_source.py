"""``spike_source_poisson`` on the virtual board and the stream computed from its seed: the same spikes of every source in every tick."""

import random
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("unicorn")

from bare_cores import BareBoard
from core_regions import COLOUR_BITS, Matrix, Neuron, Slice, combined_core, key_mask, neuron_core, transfer_bytes
from poisson_core import EXPANDER, RECORDING, counts_of_recording, expander_region, poisson_core

from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.poisson import PoissonCore, RatePiece, constant_rates, core_seeds, synaptic_sums
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.fixed_point.specification import Synapse, simulate
from spinn_mam.network.spec import NeuronParameters
from spinn_mam.virtual_board.chip import Chip

#: Around the borders between the three kinds of sources at 0.1 and at 1 ms, and the extremes.
RATES = [0.0, 0.1, 1.0, 8.0, 9.9, 9.995, 10.0, 50.0, 99.95, 100.0, 500.0, 2500.0, 9990.0, 10_000.0, 10_001.0, 16_000.0, 23_000.0, 65_535.0]
RECORDING_BYTES = 2 << 20


@pytest.fixture(scope="module")
def board():
    board = BareBoard()
    yield board
    board.close()


def recorded_counts(board: BareBoard, chip: Chip, core: int, n_sources: int, n_ticks: int, first_tick: int = 0) -> np.ndarray:
    words = board.words(chip, board._cores[chip.index, core][RECORDING], 4)
    size, address = int(words[2]), int(words[3])
    assert not size >> 31, "the recording did not fit"
    return counts_of_recording(board.words(chip, address, size // 4), n_sources, n_ticks, first_tick)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_constant_rates(board, dt):
    """12 cores, a seed each: 18 sources of all kinds in two orders, or 40 alike."""
    board.clear()
    n_ticks, cores = 1000, {}
    for where, seed in enumerate(core_seeds(17 + round(dt * 10), 12)):
        chip, core = board.hardware.chips[where // 6], 1 + where % 6
        rates = [RATES, RATES[::-1], [RATES[where]] * 40][where % 3]
        cores[chip, core] = model = PoissonCore(seed, constant_rates(rates), dt)
        board.load(chip, core, poisson_core(seed, constant_rates(rates), dt, key=where << 16, recording_bytes=RECORDING_BYTES))
        assert len(rates) == len(model.step())
        cores[chip, core] = PoissonCore(seed, constant_rates(rates), dt)
    board.run(n_ticks)
    n_spikes = 0
    for (chip, core), model in cores.items():
        expected = model.advance(n_ticks)
        counts = recorded_counts(board, chip, core, expected.shape[1], n_ticks)
        np.testing.assert_array_equal(counts, expected)
        assert board.engine.activity(chip, core).sent == np.count_nonzero(expected)
        n_spikes += int(counts.sum())
    assert n_spikes > 1000


def make_schedule(rng: random.Random, end_ms: float) -> list[RatePiece]:
    starts = sorted(rng.uniform(0, end_ms) for _ in range(rng.randint(1, 4)))
    if rng.random() < 0.5:
        starts = [float(int(start)) for start in starts]
    rates = [rng.choice([0.0, 10 ** rng.uniform(-1, 4.8)]) for _ in starts]
    return [RatePiece(rate, start, rng.choice([None, 0.0, rng.uniform(0, end_ms)])) for rate, start in zip(rates, starts, strict=True)]


def test_schedules_continued_runs_new_rates_and_reset(board):
    """Rates that change in the middle of a run; a run in two halves; new rates from the host; and the same spikes after a reset."""
    rng = random.Random(5)
    for dt in (0.1, 0.25, 1.0):
        board.clear()
        chip, half = board.hardware.chips[1], 500
        seeds, sources, later = core_seeds(round(100 * dt), 5), [], []
        for core, seed in enumerate(seeds, 1):
            n = rng.choice([1, 3, 31, 33, 64])
            sources.append([make_schedule(rng, 2 * half * dt) for _ in range(n)])
            # the core keeps where each source's schedule is, so their lengths cannot change
            later.append([[replace(piece, rate=rng.choice(RATES)) for piece in pieces] for pieces in sources[-1]])
            board.load(chip, core, poisson_core(seed, sources[-1], dt, key=core << 16, recording_bytes=RECORDING_BYTES))
        models = [PoissonCore(seed, mine, dt) for seed, mine in zip(seeds, sources, strict=True)]
        first = [model.advance(half) for model in models]

        board.run(half)
        for core, counts in enumerate(first, 1):
            np.testing.assert_array_equal(recorded_counts(board, chip, core, counts.shape[1], half), counts)
        board.run(half, start=half)
        for core, model in enumerate(models, 1):
            counts = model.advance(half)
            np.testing.assert_array_equal(recorded_counts(board, chip, core, counts.shape[1], half, half), counts)
        for core, (model, rates) in enumerate(zip(models, later, strict=True), 1):
            model.set_rates(rates)
            content = expander_region(rates).words
            board.words(chip, board._cores[chip.index, core][EXPANDER], len(content))[:] = content
        board.run(half, start=2 * half)
        for core, model in enumerate(models, 1):
            counts = model.advance(half)
            np.testing.assert_array_equal(recorded_counts(board, chip, core, counts.shape[1], half, 2 * half), counts)

        for core, mine in enumerate(sources, 1):
            content = expander_region(mine).words
            board.words(chip, board._cores[chip.index, core][EXPANDER], len(content))[:] = content
        board.run(half)
        for core, counts in enumerate(first, 1):
            np.testing.assert_array_equal(recorded_counts(board, chip, core, counts.shape[1], half), counts)


@pytest.mark.parametrize("receptor", [0, 1])
def test_rows_in_shared_memory(board, receptor):
    """Weights times counts, cut to 65,535, one row a tick."""
    board.clear()
    chip, n_ticks, dt = board.hardware.chips[0], 200, 0.1
    rng = random.Random(receptor)
    rates = [rng.choice(RATES) for _ in range(20)]
    weights = np.array([rng.choice([0, 1, 1000, 30_000, 65_535]) for _ in rates], np.uint16)
    row = 2 * 2 * 32
    address = board.allocate(chip, row // 4)
    (seed,) = core_seeds(3, 1)
    offset = receptor * len(rates)
    board.load(chip, 1, poisson_core(seed, constant_rates(rates), dt, sdram=(address, row, offset, weights.tolist())))
    rows = np.zeros((n_ticks, row // 2), np.uint16)
    for tick in range(n_ticks):
        board.run(1, start=tick)
        rows[tick] = board.words(chip, address, row // 4).view(np.uint16)
    expected = np.zeros_like(rows)
    expected[:, offset : offset + len(rates)], n_saturated = synaptic_sums(PoissonCore(seed, constant_rates(rates), dt).advance(n_ticks), weights)
    np.testing.assert_array_equal(rows, expected)
    assert n_saturated > 0
    assert board.engine.activity(chip, 1).sent == 0


LIF = NeuronParameters(C_m=250, tau_m=10, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65, V_reset=-65, V_th=-50, t_ref=2)
SHIFTS = (1, 2)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_packets_reach_a_neuron_core(board, dt):
    """Keys and payloads: potentials are those of the specification with this input."""
    board.clear()
    chip, n_steps, key, rng = board.hardware.chips[0], 300, 0x30000, random.Random(1)
    rates = [rng.choice([20.0, 800.0, 9000.0, 12_000.0]) * 0.1 / dt for _ in range(9)]
    (seed,) = core_seeds(8, 1)
    neurons = [Neuron(LIF)] * 7
    synapses = [(s, t, rng.randrange(2), rng.randrange(1, 900), rng.randint(1, 15)) for s in range(9) for t in range(7) if rng.random() < 0.7]
    rows = [[(weight, delay, receptor, t) for s, t, receptor, weight, delay in synapses if s == i] for i in range(9)]
    slice_ = Slice(neurons, dt, SHIFTS, 0x10000, n_steps)
    matrix = Matrix(key, 4 + COLOUR_BITS, 9, rows)
    board.load(chip, 1, poisson_core(seed, constant_rates(rates), dt, key=key))
    board.load(chip, 2, combined_core(slice_, [matrix]))
    board.route(chip, key, key_mask(4 + COLOUR_BITS), [2])
    board.run(n_steps)

    counts = PoissonCore(seed, constant_rates(rates), dt).advance(n_steps)
    trace = simulate(
        [lif_constants(LIF, 0.0, dt)] * 7,
        [SHIFTS] * 7,
        [Synapse(7 + s, t, receptor, weight, delay) for s, t, receptor, weight, delay in synapses],
        [to_s1615(-65.0)] * 7,
        n_steps,
        sources=lambda step: [7 + i for i, count in enumerate(counts[step]) for _ in range(count)],
    )
    got = board.recorded(chip, 2, 15, 7)
    np.testing.assert_array_equal(got.v, trace.v)
    assert len({int(v) for v in got.v[-1]}) > 1


@pytest.mark.parametrize("poisson_first", [False, True])
def test_rows_reach_a_split_neuron_core(board, poisson_first):
    """A row written in one step is in the neurons' input of the next, whichever core comes first."""
    board.clear()
    chip, n_steps, dt, n = board.hardware.chips[0], 300, 0.1, 20
    rng = random.Random(2)
    rates, weights = [rng.choice([50.0, 5000.0, 20_000.0]) for _ in range(n)], [rng.randrange(3000) for _ in range(n)]
    (seed,) = core_seeds(9, 1)
    slice_ = Slice([Neuron(LIF)] * n, dt, SHIFTS, 0x10000, n_steps)
    row = transfer_bytes(slice_)
    address = board.allocate(chip, row // 4)
    poisson, neurons = (1, 2) if poisson_first else (2, 1)
    board.load(chip, poisson, poisson_core(seed, constant_rates(rates), dt, sdram=(address, row, 0, weights)))
    board.load(chip, neurons, neuron_core(slice_, address, 1))
    board.run(n_steps)

    sums, _ = synaptic_sums(PoissonCore(seed, constant_rates(rates), dt).advance(n_steps), np.array(weights, np.uint16))
    trace = simulate(
        [lif_constants(LIF, 0.0, dt)] * n,
        [SHIFTS] * n,
        [],
        [to_s1615(-65.0)] * n,
        n_steps,
        drive=lambda step, i: int(sums[step - 1, i]) if step else 0,
        layout="split",
    )
    got = board.recorded(chip, neurons, 4, n)
    np.testing.assert_array_equal(got.v, trace.v)
    assert got.spikes == trace.spikes
    assert len(trace.spikes) > 10


@pytest.mark.parametrize("first", [0, 12])
def test_inhibitory_rows_of_other_than_a_power_of_two_miss_their_neurons(board, first):
    """sPyNNaker 1!7.4.1 puts inhibitory sums at the number of sources, but the neuron core has the next power of two before them.

    What falls between stops the neuron core with a run-time error; without it, the wrong neurons get the input.
    """
    board.clear()
    chip, n_steps, dt, n, weight = board.hardware.chips[0], 200, 0.1, 20, 500
    (seed,) = core_seeds(10, 1)
    rates = constant_rates([4000.0 if i >= first else 0.0 for i in range(n)])
    slice_ = Slice([Neuron(LIF)] * n, dt, SHIFTS, 0x10000, n_steps)
    row = transfer_bytes(slice_)
    address = board.allocate(chip, row // 4)
    board.load(chip, 1, poisson_core(seed, rates, dt, sdram=(address, row, n, [weight] * n)))
    board.load(chip, 2, neuron_core(slice_, address, 1))
    if first == 0:
        with pytest.raises(AssertionError, match=r"crashed: \[\(0, 2\)\]"):
            board.run(n_steps)
        return
    board.run(n_steps)
    counts = PoissonCore(seed, rates, dt).advance(n_steps)
    trace = simulate(
        [lif_constants(LIF, 0.0, dt)] * n,
        [SHIFTS] * n,
        [Synapse(n + i, n + i - 32, 1, weight, 1) for i in range(first, n)],
        [to_s1615(-65.0)] * n,
        n_steps,
        sources=lambda step: [n + i for i, count in enumerate(counts[step]) for _ in range(count)],
        layout="split",
    )
    v = board.recorded(chip, 2, 4, n).v
    np.testing.assert_array_equal(v, trace.v)
    assert [len(set(v[:, i].tolist())) > 1 for i in range(n)] == [True] * 8 + [False] * 12
