"""The energy model against the public metered run of 3 July 2017 (readings in spinn_mam/energy/meter_2017.toml)."""

from dataclasses import replace

import pytest

from spinn_mam.energy.constants import load_power_constants
from spinn_mam.energy.metered_run import check_metered_run
from spinn_mam.energy.model import MappingFacts, run_phase_energy
from spinn_mam.errors import UsageError
from spinn_mam.recording import ActivityCounts


def by_phase(constants):
    return {c.phase: c for c in check_metered_run(constants)}


def test_the_meter_says_what_the_photographs_say():
    metered = {p: (c.wall_s, c.metered_kWh, c.metered_W, c.resolution_W) for p, c in by_phase(load_power_constants()).items()}
    expected = {
        "data generation": (4846.8, 0.11, 81.7, 7.4),
        "loading": (32544.8, 2.23, 246.7, 1.1),
        "run": (213.6, 0.02, 337.0, 168.5),
        "extraction": (845.3, 0.06, 255.5, 42.6),
        "total": (38670.8, 2.43, 226.2, 0.9),
    }
    assert metered.keys() == expected.keys()
    for phase, (wall, kwh, watts, resolution) in expected.items():
        assert metered[phase][0] == pytest.approx(wall, abs=0.1)
        assert metered[phase][1] == pytest.approx(kwh, abs=1e-9)
        assert metered[phase][2] == pytest.approx(watts, abs=0.2)
        assert metered[phase][3] == pytest.approx(resolution, abs=0.1)


def test_held_out_phases_agree_within_two_percent_or_the_meter():
    checks = by_phase(load_power_constants())
    assert [p for p, c in checks.items() if c.calibration] == ["data generation"]
    assert all(c.agrees for c in checks.values())
    # Loading and the total discriminate; run and extraction are shorter than the meter resolves.
    assert abs(checks["loading"].deviation) < 0.02
    assert abs(checks["total"].deviation) < 0.02
    for phase in ("run", "extraction"):
        assert abs(checks[phase].modelled_kWh - checks[phase].metered_kWh) < checks[phase].resolution_kWh


def test_the_frame_constant_of_the_tools_does_not_fit_this_rack():
    frame = load_power_constants().frame
    assert frame is not None
    other = frame.alternatives[0].value
    checks = by_phase(load_power_constants().with_value("frame", other))
    assert other == 117.0
    assert checks["loading"].modelled_W == pytest.approx(278.0, abs=0.1)
    assert checks["loading"].deviation == pytest.approx(0.127, abs=0.001)
    assert checks["total"].deviation == pytest.approx(0.137, abs=0.001)


def test_fitted_boards_reproduce_the_total():
    checks = by_phase(load_power_constants().with_value("board_idle", 27.5))
    assert checks["loading"].deviation == pytest.approx(0.0, abs=0.001)
    assert checks["total"].modelled_kWh == pytest.approx(2.422, abs=0.001)


def test_published_energy_of_the_active_run_lies_in_the_interval():
    # van Albada et al. 2018: 0.017 kWh for the run (as quoted by Knight and Nowotny 2018); 967 neuron and 967 delay cores.
    activity = ActivityCounts(n_spikes=2_500_000, n_synaptic_events=9_380_376_050, n_neuron_updates=77_169 * 100_000, duration_ms=10_000.0)
    estimate = run_phase_energy(activity, MappingFacts(6, 275, 1934, 20.0), time_scale_factor=20.0, constants=load_power_constants())
    low, high = estimate.interval_J
    assert low < 0.017 * 3.6e6 < high
    assert estimate.total_J == pytest.approx(0.017 * 3.6e6, rel=0.03)
    assert (high - low) / 2 < 0.15 * estimate.total_J
    assert estimate.duration_s == 200.0  # not ten times as long: sPyNNaker 7.4.1 forgets the time step


def test_a_table_without_frame_is_refused():
    with pytest.raises(UsageError, match="no frame"):
        check_metered_run(load_power_constants("spin3"))
    with pytest.raises(UsageError, match="no frame"):
        check_metered_run(replace(load_power_constants(), frame=None))
