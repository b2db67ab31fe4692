"""Laws of the energy model for any activity and mapping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_mam.energy.constants import load_power_constants
from spinn_mam.energy.model import MappingFacts, run_phase_energy
from spinn_mam.recording import ActivityCounts

CONSTANTS = load_power_constants()
ACTIVITIES = st.builds(ActivityCounts, st.integers(0, 10**9), st.integers(1, 10**13), st.just(0), st.floats(1.0, 1e7))
MAPPINGS = st.builds(MappingFacts, st.integers(1, 1200), st.just(48), st.integers(1, 10**6), st.floats(0.0, 1e4))


@given(ACTIVITIES, MAPPINGS, st.floats(0.1, 1000.0))
def test_interval_holds_the_value_and_lies_within_the_corners(activity, facts, tsf):
    e = run_phase_energy(activity, facts, time_scale_factor=tsf, constants=CONSTANTS)
    slack = 1e-9 * e.total_J
    assert e.corners_J[0] - slack <= e.interval_J[0] <= e.total_J <= e.interval_J[1] <= e.corners_J[1] + slack
    assert sum(p.energy_J for p in e.parts) == pytest.approx(e.total_J)
    assert all(d.down_J <= 0 <= d.up_J for d in e.deviations)


@given(ACTIVITIES, MAPPINGS)
def test_a_run_in_two_halves_costs_the_same(activity, facts):
    whole = run_phase_energy(activity, facts, time_scale_factor=1.0, constants=CONSTANTS)
    half = ActivityCounts(activity.n_spikes, activity.n_synaptic_events, 0, activity.duration_ms / 2)
    first = run_phase_energy(half, facts, time_scale_factor=1.0, constants=CONSTANTS)
    rest = run_phase_energy(ActivityCounts(0, 1, 0, half.duration_ms), facts, time_scale_factor=1.0, constants=CONSTANTS)
    assert first.total_J + rest.total_J == pytest.approx(whole.total_J)


@given(ACTIVITIES, MAPPINGS)
def test_another_board_never_costs_less(activity, facts):
    more = MappingFacts(facts.n_boards + 1, facts.n_chips, facts.n_cores, facts.link_traversals_per_spike)
    one, two = (run_phase_energy(activity, f, time_scale_factor=1.0, constants=CONSTANTS).total_J for f in (facts, more))
    assert two > one
