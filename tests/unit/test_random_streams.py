"""The machine's random numbers: the compiled functions equal the specification, and the specification is what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import special, stats

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.random_streams import (
    CONSTANT,
    EXPONENTIAL,
    EXPONENTIAL_CLIPPED,
    GAVE_UP,
    N_PARAMETERS,
    NORMAL,
    NORMAL_CLIPPED,
    NORMAL_TO_BOUNDARY,
    UNIFORM,
    Stream,
    below,
    below_coarse,
    draw,
    draw_value,
    next_word,
    normal_table,
    padded,
    standard_normal,
    stream_states,
)
from spinn_mam.fixed_point.s1615 import ONE

WORDS = st.integers(0, 2**32 - 1)
SEEDS = st.tuples(WORDS, st.integers(1, 2**32 - 1), WORDS, st.integers(1, 698769068))
N = 64


@njit
def _words(state, n):
    return np.array([next_word(state) for _ in range(n)])


@njit
def _below(state, n, coarse):
    return below_coarse(state, n) if coarse else below(state, n)


@njit
def _draws(state, kind, p, table, n):
    out = np.empty(n, np.int64)
    for i in range(n):
        out[i] = draw_value(state, kind, p, table)
    return out


@settings(deadline=None)
@given(SEEDS)
def test_words_equal_the_specification(seed):
    stream, state = Stream(seed), stream_states([seed])[0]
    assert _words(state, N).tolist() == [stream.word() for _ in range(N)]
    assert tuple(int(w) for w in state) == stream.state


@settings(deadline=None)
@given(SEEDS, st.integers(1, 2**31), st.booleans())
def test_integers_equal_the_specification_and_stay_below(seed, n, coarse):
    value = int(_below(stream_states([seed])[0], n, coarse))
    assert value == (Stream(seed).below_coarse(n) if coarse else Stream(seed).below(n))
    assert 0 <= value < n


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(0, 6), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**20))
def test_draws_equal_the_specification(seed, kind, first, second, width):
    bounds = (first - width, first + width)
    parameters = {
        CONSTANT: (first,),
        UNIFORM: (first, second),
        NORMAL: (first, second),
        NORMAL_CLIPPED: (first, width, *bounds),
        NORMAL_TO_BOUNDARY: (first, second, *bounds),
        EXPONENTIAL: (first,),
        EXPONENTIAL_CLIPPED: (width, -width, width),
    }[kind]
    assert len(parameters) == N_PARAMETERS[kind]
    stream = Stream(seed)
    expected = [draw(stream, kind, parameters) for _ in range(N)]
    state = stream_states([seed])[0]
    assert _draws(state, kind, padded(kind, parameters), normal_table(), N).tolist() == expected
    assert tuple(int(w) for w in state) == stream.state


@pytest.mark.parametrize("kind", [NORMAL_CLIPPED, EXPONENTIAL_CLIPPED])
def test_bounds_that_are_never_hit_stop_the_draw(kind):
    parameters = (0, ONE, 100 * ONE, 101 * ONE) if kind == NORMAL_CLIPPED else (ONE, 100 * ONE, 101 * ONE)
    with pytest.raises(UsageError, match=r"1000 draws .* outside \[100, 101\]"):
        draw(Stream((1, 2, 3, 4)), kind, parameters)
    assert _draws(stream_states([(1, 2, 3, 4)])[0], kind, padded(kind, parameters), normal_table(), 1)[0] == GAVE_UP


def test_normal_is_the_quantile_function():
    x = np.arange(-(1 << 15) + 1, 1 << 15)
    exact = special.ndtri(x / 2**16 + 0.5) * ONE
    ours = np.array([standard_normal(int(i)) for i in x])
    assert np.abs(ours - exact).max() < 23  # 7e-4 standard deviations
    assert (np.diff(ours) >= 0).all()
    assert (ours == -ours[::-1]).all()
    table = normal_table()
    assert table[0] == 0
    assert table[0x7FFF] == ours[-1]
    assert table[0x8000] == -7 * ONE  # the one word without a partner


def test_exponential_follows_its_law():
    stream = Stream((11, 22, 33, 44))
    values = [stream.exponential() / ONE for _ in range(4000)]
    assert stats.kstest(values, "expon").pvalue > 1e-4  # a fixed seed: no false alarm later


@pytest.mark.parametrize("seed", [(1, 0, 1, 1), (1, 2, 3), (1, 2, 3, 2**32), (-1, 2, 3, 4)])
def test_bad_seeds(seed):
    with pytest.raises(UsageError, match="4 words of 32 bits"):
        Stream(seed)
    with pytest.raises(UsageError, match="4 words of 32 bits"):
        stream_states([seed])


def test_an_unknown_distribution():
    with pytest.raises(UsageError, match="parameter generator 9 is unknown"):
        draw(Stream((1, 2, 3, 4)), 9, ())
