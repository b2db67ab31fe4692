"""The emulator leaves threads alone that are slower than one."""

import pytest

from spinn_mam.backends.emulator.pace import LATE, SOON, Pace


def run(pace, cost, n):
    """Spend n chunks; ``cost(chunk, threads)`` says how long each takes."""
    used = []
    for chunk in range(n):
        threads = pace.choose()
        pace.note(threads, cost(chunk, threads))
        used.append(threads)
    return used


@pytest.mark.parametrize(("one", "two", "best"), [(1.0, 0.55, 2), (1.0, 3.0, 1)])
def test_the_faster_way_is_used_nearly_always(one, two, best):
    used = run(Pace(2), lambda chunk, threads: one if threads == 1 else two, 200)
    assert set(used[:2]) == {1, 2}
    assert used.count(best) >= 200 - 2 - 200 // LATE


def test_a_way_that_becomes_faster_is_found_again():
    used = run(Pace(4), lambda chunk, threads: 1.0 if threads == 1 else (1.2 if chunk < 50 else 0.4), 100)
    assert used[5:50].count(1) > 35
    assert used[50 + 2 * SOON :].count(4) > 25


def test_one_thread_stays_one():
    assert set(run(Pace(1), lambda chunk, threads: 1.0, 50)) == {1}
