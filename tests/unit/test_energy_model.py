"""Actions times costs, intervals, documents."""

import math

import pytest

from spinn_mam.energy.constants import load_power_constants
from spinn_mam.energy.literature import NEIGHBOURS, literature_rows, neighbours
from spinn_mam.energy.model import MappingFacts, run_phase_energy
from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.recording import ActivityCounts

ACTIVITY = ActivityCounts(n_spikes=1_000_000, n_synaptic_events=4_000_000_000, n_neuron_updates=1, duration_ms=5000.0)
FACTS = MappingFacts(n_boards=6, n_chips=288, n_cores=1000, link_traversals_per_spike=9.0)


def estimate(facts=FACTS, activity=ACTIVITY, tsf=20.0, board="spin5"):
    return run_phase_energy(activity, facts, time_scale_factor=tsf, constants=load_power_constants(board))


def test_parts_are_counts_times_costs():
    parts = {p.name: p for p in estimate().parts}
    assert parts["Boards, idle"].energy_J == pytest.approx(6 * 26.84 * 100)
    assert parts["Cores awake"].energy_J == pytest.approx(1000 * 0.034 * 100)
    assert parts["Router packets"].energy_J == pytest.approx(1e6 * 10 * 1e-9)
    assert parts["Frame"].energy_J == pytest.approx(81.7 * 100)
    assert sum(p.energy_J for p in parts.values()) == pytest.approx(estimate().total_J)


def test_interval_is_one_constant_at_a_time():
    e = estimate()
    down = math.hypot(6 * (26.84 - 26.2) * 100, 1000 * 0.75 * 0.034 * 100, 1000 * 0.007 * 100, 7.4 * 100, 5e-3)
    up = math.hypot(6 * (28.8 - 26.84) * 100, 1000 * 0.007 * 100, (117 - 81.7) * 100, 1e-2)
    assert e.total_J - e.interval_J[0] == pytest.approx(down, rel=1e-6)
    assert e.interval_J[1] - e.total_J == pytest.approx(up, rel=1e-6)
    assert e.corners_J[0] < e.interval_J[0] < e.total_J < e.interval_J[1] < e.corners_J[1]
    assert e.deviations[0].constant == "frame"


def test_energy_follows_time_and_events():
    slow, fast = estimate(tsf=20.0), estimate(tsf=1.0)
    assert slow.total_J / fast.total_J == pytest.approx(20.0, rel=1e-4)
    assert slow.per_synaptic_event_uJ == pytest.approx(slow.total_J / 4e9 * 1e6)
    assert slow.mean_power_W == pytest.approx(slow.total_J / 100.0)


@pytest.mark.parametrize(("boards", "frames"), [(2, 1), (24, 1), (25, 2), (120, 5)])
def test_whole_frames_are_charged(boards, frames):
    e = estimate(MappingFacts(boards, 48 * boards, 10, 1.0))
    assert {p.name: p.count for p in e.parts}["Frame"] == frames * e.duration_s
    assert f"{boards} spin5 boards, {frames} frame" in e.system


def test_a_single_board_has_a_box_and_a_small_one_nothing():
    assert {p.name for p in estimate(MappingFacts(1, 48, 10, 1.0)).parts} == {"Boards, idle", "Cores awake", "Router packets", "Box"}
    small = estimate(MappingFacts(1, 4, 10, 1.0), board="spin3")
    assert {p.name for p in small.parts} == {"Boards, idle", "Cores awake", "Router packets"}
    assert small.system == "1 spin3 board"


def test_metrics_have_the_agreed_keys():
    metrics = estimate().to_metrics()
    assert list(metrics) == ["kind", "system", "phase", "time_scale_factor", "total_J", "per_synaptic_event_uJ", "interval_uJ"]
    assert metrics["kind"] == "modelled"
    assert metrics["interval_uJ"][0] < metrics["per_synaptic_event_uJ"] < metrics["interval_uJ"][1]


def test_without_events_the_share_is_absent_not_zero():
    silent = estimate(activity=ActivityCounts(0, 0, 1, 5000.0))
    assert silent.per_synaptic_event_uJ is None
    assert "per_synaptic_event_uJ" not in silent.to_metrics()
    assert "interval_uJ" not in silent.to_metrics()
    assert silent.to_metrics()["why_not_per_event"] == "no synaptic event was counted"


def test_energy_of_idle_boards_is_not_shared_among_a_few_events():
    # 77 cores of two areas on a machine of 1,200 boards, and on the one board that they need
    activity = ActivityCounts(n_spikes=40_000, n_synaptic_events=600_000, n_neuron_updates=1_765_000, duration_ms=100.0)
    large, own = (estimate(facts, activity=activity) for facts in (MappingFacts(1200, 57_600, 77, 5.0), MappingFacts(1, 48, 77, 5.0)))
    assert large.own_share < 1e-3
    assert large.per_synaptic_event_uJ is None
    assert large.interval_uJ is None
    assert "99.99" in large.to_metrics()["why_not_per_event"]
    assert large.total_J > 100 * own.total_J
    assert own.why_not_per_event is None
    assert own.per_synaptic_event_uJ == pytest.approx(own.total_J / 600_000 * 1e6)


def test_energy_of_a_silent_network_is_not_shared_among_a_few_events():
    activity = ActivityCounts(n_spikes=38, n_synaptic_events=570, n_neuron_updates=1_765_000, duration_ms=100.0)
    silent = estimate(MappingFacts(1, 48, 77, 5.0), activity=activity)
    assert silent.per_synaptic_event_uJ is None
    assert "nearly silent, 0.00032 synaptic events" in silent.to_metrics()["why_not_per_event"]


def test_published_networks_have_an_energy_per_event():
    full = estimate(MappingFacts(6, 288, 1934, 113.0), activity=ActivityCounts(2_500_000, 9_380_000_000, 7_716_900_000, 10_000.0))
    assert 5.0 < full.per_synaptic_event_uJ < 8.0
    assert full.own_share == pytest.approx(0.21, abs=0.01)


@pytest.mark.parametrize(("duration", "tsf", "boards"), [(0.0, 20.0, 6), (5000.0, 0.0, 6), (math.nan, 20.0, 6), (5000.0, 20.0, 0)])
def test_a_phase_without_length_or_boards_is_refused(duration, tsf, boards):
    with pytest.raises(UsageError, match="energy"):
        estimate(MappingFacts(boards, 0, 0, 0.0), ActivityCounts(1, 1, 1, duration), tsf)


def test_every_constant_has_a_source_and_an_interval():
    for board in ("spin5", "spin3"):
        for constant in load_power_constants(board).all():
            assert constant.source
            assert constant.lower <= constant.value <= constant.upper
            assert constant.note or constant.lower == constant.upper


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("value = 26.84", "value = 50.0"), "board_idle"),
        (('unit = "W"', 'unit = "kW"'), "constants"),
        (("lower = 26.2", "lowest = 26.2"), "board_idle"),
        (("power/1", "power/9"), "format"),
        (("[constants.board_idle]", "[constants.board_idle"), ""),
    ],
)
def test_a_wrong_document_is_named(tmp_path, change, where):
    from importlib.resources import files

    text = files("spinn_mam.energy").joinpath("power_spin5.toml").read_text()
    assert change[0] in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(change[0], change[1], 1))
    with pytest.raises(DocumentError) as caught:
        load_power_constants(path=path)
    assert where in caught.value.where
    assert caught.value.document == "mine.toml"


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(UsageError, match="spin5, spin3"):
        load_power_constants("spin9")
    with pytest.raises(UsageError, match="board_idle"):
        load_power_constants().with_value("boards", 1.0)
    with pytest.raises(DocumentError, match="cannot be read"):
        load_power_constants(path=tmp_path / "none.toml")


def test_literature_is_sorted_sourced_and_flags_the_dispute():
    rows = literature_rows()
    assert [r.year for r in rows] == sorted(r.year for r in rows)
    assert len({r.short for r in rows}) == len(rows)
    disputed = [r for r in rows if r.energy_other_uJ is not None]
    assert [(r.short, r.energy_uJ, r.energy_other_uJ) for r in disputed] == [("SpiNNaker 2018", 5.9, 4.4)]
    assert "disputed" in disputed[0].flag
    assert all(r.kind == "measured" or r.flag for r in rows)
    assert tuple(r.short for r in neighbours()) == NEIGHBOURS
