"""The committed costs of cores against fresh measurements of the shipped binaries at points that were not used to find them."""

import tomllib
from importlib.resources import files

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from measure_core_costs import POINTS, table
from measured_cores import COMBINED, NEURONS, POISSON, SYNAPSES, CoreMeter, Point

NEW_POINTS = [
    Point(COMBINED, 30, packets=10, row=25, entries=4),
    Point(COMBINED, 20, rate=12_000.0),
    Point(SYNAPSES, 50, packets=10, row=30, entries=4),
    Point(NEURONS, 50, inputs=3),
    Point(POISSON, 30, rate=14_000.0),
    Point(POISSON, 30, rate=14_000.0, sends=False),
]


@pytest.fixture(scope="module")
def meter():
    one = CoreMeter()
    yield one
    one.close()


def committed():
    return tomllib.loads((files("spinn_mam.machine") / "core_costs.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("point", NEW_POINTS, ids=lambda point: f"{point.binary}-{point.neurons}-{point.row}-{point.sends}")
def test_the_table_predicts_a_point_that_it_was_not_made_from(meter, point):
    assert point not in POINTS[point.binary]
    costs = committed()[point.binary]
    counts, work = meter.measure(point)
    expected = sum(np.array(costs[kind]) * amount for kind, amount in work.items() if kind in costs)
    # instructions and cycles; the Poisson sources' draws are random, and how they fall matters a little
    np.testing.assert_allclose(expected[:2], counts[:2], rtol=0.02 if point.binary == POISSON else 0.003)


@pytest.mark.slow
def test_the_table_is_what_the_command_makes(meter):
    assert tomllib.loads(table(meter)) == committed()
