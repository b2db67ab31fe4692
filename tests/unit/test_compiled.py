"""Words of 32 bits, threads that meet, and the cache of compiled code."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core.errors import TypingError

from spinn_mam.compiled import words
from spinn_mam.compiled.cache import source_digest
from spinn_mam.compiled.threads import atomic_add, barrier, word_address

int32s = st.integers(-(2**31), 2**31 - 1)


def wrapped(n):
    return (n + 2**31) % 2**32 - 2**31


@njit
def signed_results(a, b):
    return (
        words.add(a, b),
        words.subtract(a, b),
        words.multiply(a, b),
        words.product_high(a, b),
        words.product_s1615(a, b),
        words.greater(a, b),
        words.smaller_of(a, b),
        words.larger_of(a, b),
        words.choose(a, a, b),
        words.bit_and(a, b),
        words.bit_or(a, b),
    )


@settings(deadline=None)
@given(int32s, int32s)
def test_signed_words_are_those_of_integers_that_wrap(a, b):
    expected = [a + b, a - b, a * b, (a * b) >> 32, (a * b) >> 15, a > b, min(a, b), max(a, b), a or b, a & b, a | b]
    assert list(signed_results(np.int32(a), np.int32(b))) == [wrapped(int(n)) for n in expected]


@njit
def unsigned_results(a, n):
    return words.shift_right(a, n), words.shift_left(a, n), words.bit_xor(a, n), words.signed(a), words.unsigned(words.signed(a))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 31))
def test_unsigned_words(a, n):
    assert list(unsigned_results(np.uint32(a), np.uint32(n))) == [a >> n, (a << n) % 2**32, a ^ n, wrapped(a), a]


@njit
def unsigned_product(a, b):
    return words.product_u032(a, b)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_upper_half_of_an_unsigned_product(a, b):
    assert unsigned_product(np.uint32(a), np.uint32(b)) == (a * b) >> 32


@njit
def results_of_16_bits(a, b):
    return words.add(a, b), words.subtract(a, b), words.greater(a, b), words.larger_of(a, b)


@settings(deadline=None)
@given(st.integers(-(2**15), 2**15 - 1), st.integers(-(2**15), 2**15 - 1))
def test_words_of_16_bits(a, b):
    expected = [(a + b + 2**15) % 2**16 - 2**15, (a - b + 2**15) % 2**16 - 2**15, a > b, max(a, b)]
    got = results_of_16_bits(np.int16(a), np.int16(b))
    assert [int(np.int16(x)) for x in got] == expected


def test_words_of_unequal_types_are_refused():
    with pytest.raises(TypingError):
        unsigned_results(np.uint32(1), np.int32(1))


@njit(nogil=True)
def count_rounds(meeting, counts, worker, n_workers, rounds):
    """Count how often a worker sees another one in a round that is not its own."""
    astray = 0
    for r in range(rounds):
        atomic_add(word_address(counts, r), np.int64(1))
        barrier(meeting, n_workers)
        astray += counts[r] != n_workers
    return astray


def test_nobody_leaves_a_barrier_before_all_have_come():
    meeting, counts = np.zeros(2, np.int64), np.zeros(2000, np.int64)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda worker: count_rounds(meeting, counts, worker, 3, len(counts)), range(3)))
    assert found == [0, 0, 0]
    assert meeting.tolist() == [0, len(counts)]


def test_the_digest_is_of_modules_with_compiled_code(tmp_path):
    (tmp_path / "kernel.py").write_text("@njit\ndef f(): ...\n")
    first = source_digest(tmp_path)
    source_digest.cache_clear()
    (tmp_path / "other.py").write_text("def g(): ...\n")
    assert source_digest(tmp_path) == first
    source_digest.cache_clear()
    (tmp_path / "kernel.py").write_text("@njit\ndef f(): return 1\n")
    assert source_digest(tmp_path) != first


def test_kept_code_is_made_again_when_a_called_module_changes(tmp_path):
    package = tmp_path / "spinn_mam_copy"
    package.mkdir()
    (package / "called.py").write_text("from numba import njit\n\n@njit\ndef number():\n    return 1\n")
    (package / "caller.py").write_text(
        "from numba import njit\nfrom spinn_mam_copy.called import number\n\n@njit(cache=True)\ndef twice():\n    return 2 * number()\n"
    )
    program = (
        "import sys; from pathlib import Path; from spinn_mam.compiled import cache\n"
        f"cache._PACKAGE = Path({str(package)!r})\n"
        "cache.source_digest.__wrapped__.__defaults__ = (cache._PACKAGE,)\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from spinn_mam_copy.caller import twice; print(twice())"
    )

    def run():
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()

    assert run() == "2"
    called = package / "called.py"
    called.write_text(called.read_text().replace("return 1", "return 5"))
    assert run() == "10"
