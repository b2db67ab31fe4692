"""A second, high state beside the one that a network is meant to be in."""

import numpy as np
import pytest

from spinn_mam.models import load_model
from spinn_mam.models.theory.fixed_points import stationary_state
from spinn_mam.models.theory.high_state import high_state, high_state_lines
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.models.theory.regime import regime_lines


@pytest.fixture(scope="module")
def model():
    return load_model("mam")


def test_all_in_degrees_hold_a_high_state_next_to_the_low_one(model):
    field = MeanField.of(model.network(0.1, 1.0))
    found = high_state(field)
    assert found.low == pytest.approx(2.63, abs=0.02)
    assert found.high == pytest.approx(67.6, abs=0.1)
    assert found.of == "STPp-5E"
    assert 0.02 < found.border < 0.04
    assert found.low < found.at_border < 5.0


def test_the_border_is_where_rates_begin_to_leave(model):
    field = MeanField.of(model.network(0.1, 0.5))
    found = high_state(field)
    low = stationary_state(field).rates
    excitatory = np.array([name.endswith("E") for name in field.names])
    high = stationary_state(field, np.where(excitatory, 100.0, 0.0)).rates
    weights = field.sizes / field.sizes.sum()
    assert high @ weights == pytest.approx(found.high)
    back, away = (stationary_state(field, low + share * (high - low)).rates @ weights for share in (found.border, found.border + 0.02))
    assert back == pytest.approx(found.low)
    assert away == pytest.approx(found.high)


def test_fewer_in_degrees_further_away_then_none(model):
    borders = [high_state(MeanField.of(model.network(0.1, k))).border for k in (1.0, 0.7, 0.5)]
    assert borders == sorted(borders)
    assert high_state(MeanField.of(model.network(0.1, 0.2))) is None


def test_a_network_that_can_leave_its_state_is_told_of(model):
    [line] = high_state_lines(model.network(0.1, 0.5))
    assert "43.1 spikes/s" in line
    assert "3.2 times as large" in line
    assert line in regime_lines(model.network(0.1, 0.5))
    assert high_state_lines(model.network(0.1, 0.2)) == []
    assert high_state_lines(model.network()) == []
    # at 0.5 % of the in-degrees theory itself is far from the network: its two low states are nothing to warn of
    assert high_state_lines(model.network(0.005, 0.005)) == []


def test_a_network_whose_first_state_is_high_has_no_second_one():
    network = load_model("mam", ["synapses.g=-10", "areas.simulated=V1,V2,V4,MT,FEF,46"]).network(0.02, 0.2)
    assert stationary_state(MeanField.of(network)).rates.mean() > 20.0
    assert high_state_lines(network) == []
