"""The benchmark of the virtual board, small: what it measures is positive and taken from the cores that it asks for."""

import pytest

from spinn_mam.bench.board import measure_board


@pytest.mark.slow
def test_the_benchmark_counts_the_cores_and_steps_it_asks_for() -> None:
    pytest.importorskip("unicorn")
    pytest.importorskip("spynnaker")
    speed = measure_board(cores=2, steps=50, repeats=1)
    assert set(speed.ms) == {1, 2}
    assert all(len(values) == 1 and values[0] > 0 for values in speed.ms.values())
    assert speed.ratio == pytest.approx(speed.ms[1][0] / speed.ms[2][0])
    # 64 neurons take some 8,000 instructions a step
    assert 4_000 < speed.instructions < 20_000
