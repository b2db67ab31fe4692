"""Regions, fast path and plan of the expander without the binaries; equality with them is in the conformance tests."""

import dataclasses
import re

import numpy as np
import pytest

from spinn_mam.errors import UsageError
from spinn_mam.expander.neurons import ALL_NEURONS, S1615, U032, Field, NeuronRegion, Structure, expand_neurons, read_neuron_region, stored
from spinn_mam.expander.neurons import neuron_region_words as neuron_words
from spinn_mam.expander.plan import delay_draws, host_s1615, plan_expansion, weight_draws
from spinn_mam.expander.population import PopulationExpander, expand_region
from spinn_mam.expander.region import FIXED_TOTAL, NONE, ONE_TO_ONE, Edge, ExpanderRegion, MatrixLayout, ParameterGenerator, read_region, region_words
from spinn_mam.expander.specification import CoreExpander, Synapses, delayed_row, scale_delay, scale_weight, source_and_stage, stage_and_rest
from spinn_mam.fixed_point.random_streams import CONSTANT, NORMAL, NORMAL_CLIPPED, UNIFORM
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.models import load_model
from spinn_mam.network.spec import Distribution

LAYOUT = MatrixLayout(0, 1000, 20, 20, 0, 1, 8, 3, 16, 4, 40, 12)
NUMBER = ParameterGenerator(NORMAL_CLIPPED, (2 * ONE, ONE, 0, 4 * ONE))
EDGE = Edge((0, 39), (0, 9), 0, LAYOUT, FIXED_TOTAL, (1, 1, 60), NUMBER, NUMBER)
REGION = ExpanderRegion(6, 5, 14, NONE, 0, 10, 10 * ONE, (1, 2, 3, 4), (5, 6, 7, 8), (1 << 40, 3 << 41), (EDGE,), (40, 80))


def test_a_region_is_read_as_written():
    assert read_region(region_words(REGION)) == REGION
    assert read_region(region_words(REGION).tobytes()) == REGION


def test_every_truncation_is_found():
    words = region_words(dataclasses.replace(REGION, n_keyed=()))
    for n in range(len(words)):
        with pytest.raises(UsageError, match="truncated"):
            read_region(words[:n])


@pytest.mark.parametrize(
    ("word", "value", "problem"),
    [(5, 1, "synaptic matrix 1 is plastic"), (6, 6, "connector 6 is not reproduced"), (7, 7, "generator 7"), (8, 9, "generator 9")],
)
def test_what_is_not_reproduced_is_refused(word, value, problem):
    words = region_words(REGION)
    words[10 + 8 + 4 + word] = value
    with pytest.raises(UsageError, match=problem):
        read_region(words)


def test_weights_round_and_delays_are_cut():
    assert [scale_weight(w, 1 << 32) for w in (ONE // 2, -ONE // 2, ONE // 2 - 1, 0)] == [1, 1, 0, 0]
    assert scale_weight(2 * ONE, 40_000 << 32) == 80_000 - 65_536
    steps = 10 * ONE
    assert scale_delay(host_s1615(0.3), steps) == 2  # 0.3 ms is 0.29999 in s16.15
    assert scale_delay(host_s1615(0.35), steps) == 3
    assert scale_delay(-ONE, steps) == 1


def test_stages():
    assert [stage_and_rest(d, LAYOUT) for d in (0, 1, 16, 17, 48)] == [(0, 1), (0, 1), (0, 16), (1, 1), (2, 16)]
    assert stage_and_rest(49, LAYOUT) == (2, 16)
    assert stage_and_rest(99, dataclasses.replace(LAYOUT, n_stages=1, stage_steps=20)) == (0, 16)


def test_the_first_neuron_of_a_later_core_acts_from_another_row():
    for source in range(LAYOUT.n_sources):
        for stage in (1, 2):
            acts = source_and_stage(delayed_row(source, stage, LAYOUT), LAYOUT)
            if source and source % LAYOUT.sources_per_core == 0:
                assert acts == ((source - 12, 2) if stage == 1 else (source, 1))
            else:
                assert acts == (source, stage)


def test_fast_path_equals_the_specification():
    for ours, fast in zip(CoreExpander(REGION).expand(), expand_region(REGION), strict=True):
        assert len(ours.source) == 60
        for name in Synapses.__slots__:
            np.testing.assert_array_equal(getattr(ours, name), getattr(fast, name))


@pytest.mark.parametrize("layout", [dataclasses.replace(LAYOUT, row_words=0, delayed_row_words=0), dataclasses.replace(LAYOUT, offset=NONE)])
def test_no_room_stops_both(layout):
    told = dataclasses.replace(REGION, edges=(dataclasses.replace(EDGE, matrix=layout),))
    with pytest.raises(UsageError, match=re.compile("no row has room|did not reserve")):
        CoreExpander(told).expand()
    with pytest.raises(UsageError, match=re.compile(r"core of targets 0 to 9: .*(no row has room|did not reserve)")):
        expand_region(told)


def test_bounds_never_hit_stop_the_fast_path():
    never = ParameterGenerator(NORMAL_CLIPPED, (0, ONE, 100 * ONE, 101 * ONE))
    with pytest.raises(UsageError, match="widen"):
        expand_region(dataclasses.replace(REGION, edges=(dataclasses.replace(EDGE, weight=never),)))
    told = dataclasses.replace(REGION, edges=(dataclasses.replace(EDGE, connector=ONE_TO_ONE, connector_parameters=(), delay=never),))
    with pytest.raises(UsageError, match="widen"):
        expand_region(told)


def test_regions_of_different_populations_are_not_joined():
    second = dataclasses.replace(REGION, slice_start=10)
    assert PopulationExpander.from_regions([REGION, second]).bounds == (0, 10, 20)
    for wrong in (dataclasses.replace(second, slice_start=11), dataclasses.replace(second, population_seed=(9, 9, 9, 9))):
        with pytest.raises(UsageError, match="does not follow"):
            PopulationExpander.from_regions([REGION, wrong])
    with pytest.raises(UsageError, match="no cores"):
        PopulationExpander.from_regions([])


@pytest.fixture(scope="module")
def plans():
    spec = load_model("pd14").network(0.02, 0.02)
    return spec, plan_expansion(spec, range(10, 18), [50] * 8, ring_buffer_shifts(spec))


def test_a_plan_makes_the_networks_law(plans):
    spec, found = plans
    weights, delays, counts = [], [], []
    for plan in found:
        for index, (offsets, made) in zip(plan.projections, plan.expander.expand(), strict=True):
            projection = spec.projections[index]
            assert len(made.source) == projection.n_synapses == offsets[-1]
            assert made.source.max() < spec.populations[projection.source].size
            if projection.n_synapses > 3000:
                unit = plan.expander.weight_scales[projection.receptor == "inhibitory"] / 2**32 / 1000
                weights.append(abs(made.weight.mean() / unit / projection.weight.mean) - 1)
                delays.append((made.delay - 1).mean() * spec.dt / projection.delay.mean - 1)
                counts.append(np.bincount(made.target, minlength=spec.populations[plan.population].size).var() / np.diff(offsets).mean())
    assert len(weights) > 5
    assert np.abs(weights).max() < 0.02
    assert np.abs(delays).max() < 0.1  # bounds shift the mean a little


def test_a_plan_depends_on_its_seed_alone(plans):
    spec, found = plans
    again = plan_expansion(spec, range(10, 18), [50] * 8, ring_buffer_shifts(spec))
    assert again == found
    other = plan_expansion(spec, range(11, 19), [50] * 8, ring_buffer_shifts(spec))
    assert all(a.expander.edges == b.expander.edges and a.expander.core_seeds != b.expander.core_seeds for a, b in zip(found, other, strict=True))


def test_delays_become_whole_steps():
    constant = delay_draws(Distribution(1.5, 0.0), 0.1, 1)
    assert (constant.kind, [scale_delay(p, 10 * ONE) for p in constant.generator().parameters]) == (UNIFORM, [16, 16])
    drawn = delay_draws(Distribution(1.5, 0.75, 0.1), 0.1, 1)
    assert drawn.kind == NORMAL_CLIPPED
    assert drawn.parameters == pytest.approx((1.65, 0.75, 0.25, 1.5 + 6.4 * 0.75 + 0.15))
    assert weight_draws(Distribution(-351.2, 0.0)).generator() == ParameterGenerator(CONSTANT, (round(-0.3512 * ONE),))


def test_host_numbers():
    assert [host_s1615(v) for v in (0.1, -0.1, np.inf, -np.inf)] == [3277, -3277, 2**31 - 1, -(2**31)]
    with pytest.raises(UsageError, match=r"s16\.15"):
        host_s1615(70_000.0)


def test_rows_beyond_the_machines_tables_are_refused():
    spec = load_model("pd14").network(0.02, 1.0)
    with pytest.raises(UsageError, match="fewer neurons a core"):
        plan_expansion(spec, range(8), [256] * 8, ring_buffer_shifts(spec))


def test_delays_beyond_all_stages_are_refused():
    spec = load_model("pd14", ("synapses.delay_exc=300.0",)).network(0.1, 0.01)
    with pytest.raises(UsageError, match="delay stages needed"):
        plan_expansion(spec, range(8), [64] * 8, ring_buffer_shifts(spec))


def test_neurons_from_a_recipe():
    potential = Field(S1615, ((ALL_NEURONS, ParameterGenerator(NORMAL, (-58 * ONE, 10 * ONE))),))
    split = Field(S1615, ((2, ParameterGenerator(CONSTANT, (7,))), (3, ParameterGenerator(CONSTANT, (9,)))))
    region = NeuronRegion(2, 9, (1, 2, 3, 4), (5, 6, 7, 8), 5, (Structure(8, 5, (potential, split)),), (0, 1, 2))
    words = neuron_words(region)
    assert read_neuron_region(words) == region
    table = expand_neurons(region).view(np.int32).reshape(5, 2)
    assert table[:, 1].tolist() == [7, 7, 9, 9, 9]
    assert len(set(table[:, 0].tolist())) == 5
    with pytest.raises(UsageError, match="truncated"):
        read_neuron_region(words[:-8])
    words[16] = 4
    with pytest.raises(UsageError, match="kind 4 is unknown"):
        read_neuron_region(words)


def test_stored_words():
    assert [stored(-ONE - 1, k) for k in range(4)] == [2**32 - ONE - 1, 2**32 - 1, 2**32 - 1, (-ONE - 1 << 17) % 2**32]
    assert stored(ONE // 4, U032) == 1 << 30
