"""Both loops over a block of neurons equal the specification for any constants they take, also where words wrap."""

from dataclasses import astuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.backends.emulator import layout as L
from spinn_mam.backends.emulator.update import is_narrow, update_narrow, update_wide
from spinn_mam.fixed_point.parameters import LifConstants
from spinn_mam.fixed_point.specification import NeuronState, update_neuron

N = 19
words = st.integers(-(2**31), 2**31 - 1)
likely = st.one_of(words, st.integers(-(2**22), 2**22))
factors = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1).map(lambda n: 2**32 - 1 - (n >> 20)))


@st.composite
def blocks(draw):
    # the loops compare with threshold - 1, which the smallest word, -65,536 mV, does not have
    potentials = [draw(likely), draw(likely), max(draw(likely), 1 - 2**31)]
    r = draw(st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 2**22)))
    kept = draw(st.one_of(st.integers(0, 2**15 - 1), words))
    constants = LifConstants(*potentials, r, kept, draw(likely), draw(st.integers(0, 30)), *(draw(factors) for _ in range(4)))
    shifts = draw(st.integers(0, 15)), draw(st.integers(0, 15))
    sums = st.one_of(st.integers(0, 4000), st.integers(0, 200_000))
    reached = [
        st.integers(0, largest_current(shift, init, decay))
        for shift, init, decay in zip(shifts, (constants.init_exc, constants.init_inh), (constants.decay_exc, constants.decay_inh), strict=True)
    ]
    exc, inh = reached if draw(st.booleans()) else (words, words)
    rows = [(draw(likely), draw(exc), draw(inh), draw(st.integers(0, 3)), draw(sums), draw(sums)) for _ in range(N)]
    counts = [draw(st.integers(0, 40)) for _ in range(N)]
    return constants, shifts, rows, counts, draw(st.integers(0, 3000)), exc is not words


def largest_current(shift, init, decay):
    """What a current can grow to from zero, after its decay, within a word."""
    peak = (((65535 * init) >> (32 - shift)) << 32) // (2**32 - decay)
    return min((peak * decay) >> 32, 2**31 - 1)


def updated(update, segment, rows, counts, weight):
    v, exc, inh, refract, sums_exc, sums_inh = np.array(rows, np.int32).T.copy()
    spiked = np.empty(N, np.int8)
    n_cut = update(segment, v, exc, inh, refract, sums_exc, sums_inh, np.array(counts, np.uint16), weight, spiked)
    assert not sums_exc.any()
    assert not sums_inh.any()
    return [*map(tuple, np.stack([v, exc, inh, refract, spiked], axis=1).tolist())], int(n_cut)


tried = {True: 0, False: 0, "compared": 0}


@settings(deadline=None, max_examples=1000)
@given(blocks())
def test_a_block_of_neurons(block):
    constants, shifts, rows, counts, weight, from_zero = block
    segment = np.zeros(L.N_COLUMNS, np.int64)
    segment[L.V_REST : L.INIT_INH + 1] = astuple(constants)
    segment[L.SHIFT_EXC], segment[L.SHIFT_INH] = shifts
    expected, n_cut = [], 0
    for (v, exc, inh, refract, sum_exc, sum_inh), count in zip(rows, counts, strict=True):
        neuron = NeuronState(v, exc, inh, refract)
        slots = sum_exc + count * weight, sum_inh
        n_cut += sum(slot > 65535 for slot in slots)
        spike = update_neuron(neuron, constants, (min(slots[0], 65535), min(slots[1], 65535)), shifts)
        expected.append((neuron.v, neuron.i_exc, neuron.i_inh, neuron.refract, spike))
    narrow = bool(is_narrow(segment[None])[0])
    tried[narrow] += 1
    assert updated(update_wide, segment, rows, counts, weight) == (expected, n_cut)
    if narrow and from_zero:
        tried["compared"] += 1
        assert updated(update_narrow, segment, rows, counts, weight) == (expected, n_cut)


def test_narrow_constants_are_those_whose_currents_stay_below_their_bound():
    assert min(tried.values()) > 20, tried
    segment = np.zeros((1, L.N_COLUMNS), np.int64)
    segment[0, [L.INIT_EXC, L.INIT_INH]] = 2**32 - 1
    segment[0, [L.DECAY_EXC, L.DECAY_INH]] = 2**32 - (1 << 20)  # largest current: 65,534 inputs times 4096 times 2 to the shift
    for shift, narrow in ((0, True), (2, True), (3, True), (4, False)):
        segment[0, L.SHIFT_EXC] = shift
        assert is_narrow(segment)[0] == narrow
