"""Plans beside the mapping itself: cores and memory exactly, chips and links nearly; bounds, limits and refusals."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from spinn_mam.energy.constants import load_power_constants
from spinn_mam.errors import DoesNotFitError
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import load_model
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.keys import allocate
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.partitioning.slices import partition
from spinn_mam.planning.chips import DETOUR, chips_by_population, count_chips, least
from spinn_mam.planning.cores import CoreCounts, count_cores
from spinn_mam.planning.plan import Plan, make_plan
from spinn_mam.planning.tables import keys_needed, table_limits
from spinn_mam.report.plan_tables import plan_notes, plan_tables
from spinn_mam.report.tables import amount


def two_areas(N: float = 0.05, K: float = 0.05) -> NetworkSpec:
    return load_model("mam", ["areas.simulated=V1,FEF"]).network(N, K)


def counted(spec: NetworkSpec, layout: str, machine: str = "spin5-6", factor: float = 20.0) -> CoreCounts:
    return count_cores(spec, load_board_config(machine), layout, neurons_per_core=64, time_scale_factor=factor)


def planned(spec: NetworkSpec, machine: str = "spin5-6", factor: float | None = 20.0, per_core: int | None = 64, **more: bool) -> Plan:
    return make_plan(
        spec,
        load_board_config(machine),
        load_power_constants(),
        neurons_per_core={"combined": per_core, "split": per_core},
        time_scale_factor=factor,
        synapse_cores=None,
        t_sim_ms=1000.0,
        placed=("combined",),
        **more,
    )


@pytest.mark.parametrize("layout", ["combined", "split"])
@pytest.mark.parametrize("spec", [load_model("pd14").network(), two_areas()], ids=["pd14", "two areas"])
def test_cores_memory_and_keys_are_the_partitions(spec: NetworkSpec, layout: str) -> None:
    machine = load_board_config("spin5-6")
    counts = counted(spec, layout)
    parts = partition(spec, machine, neurons_per_core=64, time_scale_factor=20.0, layout=layout)
    assert counts.by_kind.tolist() == np.bincount(parts.slices.kind, minlength=4).tolist()
    assert int(counts.n_slices @ counts.sdram_bytes) == int(parts.slices.sdram_bytes.sum())
    assert int(counts.dtcm_bytes.max()) == int(parts.slices.dtcm_bytes.max())
    keys = allocate(parts)
    assert keys_needed(spec, counts) == sum(2**32 - int(mask) for mask in keys.vertex_mask)


@pytest.mark.parametrize(("layout", "machine"), [("combined", "spin5-3"), ("split", "spin5-6")])
def test_chips_and_links_of_the_microcircuit(layout: str, machine: str) -> None:
    spec = load_model("pd14").network(0.5, 0.5)
    board = load_board_config(machine)
    counts = counted(spec, layout, machine)
    shifts = np.zeros((8, 2), dtype=np.int64)
    rng = np.random.default_rng(0)
    m = map_network(spec, board, neurons_per_core=64, time_scale_factor=20.0, layout=layout, ring_buffer_shifts=shifts, rng=rng).metrics
    placed, estimate = count_chips(spec, board, counts), count_chips(spec, board, counts, may_place=False)
    assert (placed.kind, placed.chips, placed.boards, placed.sdram_bytes_max) == (
        "placed",
        m["chips"],
        m["boards_used"],
        m["sdram_bytes_per_chip_max"],
    )
    assert placed.spikes_per_s == pytest.approx(m["spikes_per_s"])
    assert placed.link_traversals_bound == pytest.approx(m["link_traversals_per_spike_bound"])
    assert placed.busiest_link_bound == pytest.approx(m["busiest_link_spikes_per_s_bound"])
    assert placed.link_traversals[0] <= m["link_traversals_per_spike"] <= DETOUR[1] * placed.link_traversals_bound
    assert placed.entries_max <= m["routing_entries_uncompressed_max"]
    assert estimate.kind == "counted"
    assert estimate.chips == pytest.approx(m["chips"], rel=0.05)
    assert estimate.link_traversals_bound == pytest.approx(m["link_traversals_per_spike_bound"], rel=0.05)


def test_delay_extensions_send_their_spikes_again() -> None:
    spec = two_areas()
    board = load_board_config("spin5-6")
    counts = counted(spec, "combined")
    assert counts.by_kind[1] > 0
    placed, estimate = count_chips(spec, board, counts), count_chips(spec, board, counts, may_place=False)
    own = sum(p.size * r for p, r in zip(spec.populations, spec.expected_rates, strict=True))
    assert placed.spikes_per_s > own
    assert estimate.spikes_per_s == pytest.approx(placed.spikes_per_s)
    assert estimate.chips == pytest.approx(placed.chips, rel=0.05)


def test_a_full_chip_is_the_limit_of_slices() -> None:
    board = load_board_config("spin5")
    counts = counted(load_model("pd14").network(0.1, 0.1), "combined")
    heavy = replace(counts, sdram_bytes=np.full(8, int(board.sdram_bytes.max()) // 2 - 1))
    assert chips_by_population(board, heavy).tolist() == pytest.approx((counts.n_slices / 2).tolist())
    heavier = replace(counts, sdram_bytes=np.full(8, int(board.sdram_bytes.max()) // 2 + 1))
    assert chips_by_population(board, heavier).tolist() == pytest.approx(counts.n_slices.tolist())


def test_a_factor_that_is_too_small_is_told_with_one_that_does() -> None:
    spec = load_model("pd14").network()
    plan = planned(spec, factor=0.5)
    combined = plan.layouts["combined"]
    assert [v.rule for v in combined.violations] == ["cycles"]
    factor = combined.counts.time_scale_factor
    assert factor >= combined.counts.needed_factor > 0.5
    assert partition(spec, plan.machine, neurons_per_core=64, time_scale_factor=factor).slices.n_slices == combined.counts.by_kind.sum()
    with pytest.raises(DoesNotFitError):
        partition(spec, plan.machine, neurons_per_core=64, time_scale_factor=0.5)


def test_a_machine_that_is_too_small_is_told_with_boards() -> None:
    violations = planned(load_model("pd14").network(), machine="spin5").layouts["combined"].violations
    assert violations[0].rule == "chips"
    assert "(4 boards) needed, 48 (1) there" in str(violations[0])


def test_what_no_core_can_hold_is_refused_with_the_least_that_it_takes() -> None:
    spec = load_model("pd14").network()
    spec = replace(spec, projections=tuple(replace(p, n_synapses=p.n_synapses * 40_000) for p in spec.projections))
    plan = planned(spec, machine="million-core")
    assert plan.layouts == {}
    assert "sdram" in {v.rule for v in plan.violations("split")}
    assert plan.least.synapses_bytes == 4 * spec.n_synapses
    assert plan.least.boards > 1200
    assert any("cores do not fit" in line for line in plan_notes(plan))
    assert [table.title.split(",")[0] for table in plan_tables(plan)] == ["On a computer"]
    assert any(str(v).endswith("there. Use a smaller N_scaling or K_scaling.") for v in plan.violations("split"))
    plan = planned(spec, machine="million-core", of_surface=True)
    advice = [str(v) for v in plan.violations("split") if v.rule == "sdram"]
    assert advice
    assert all(line.endswith("there. Use a smaller --surface; chips of a larger machine hold no more.") for line in advice)
    too_many = str(DoesNotFitError("plan", plan.violations("split"), 3))
    assert too_many.startswith(f"plan: {len(plan.violations('split'))} violations\n")
    assert too_many.endswith(f"  ... and {len(plan.violations('split')) - 3} more")


def shown(plan: Plan, width: int = 80, power_W: float | None = None) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for table in plan_tables(plan, power_W):
        console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(("model", "settings", "machine"), [("pd14", [], "spin5-6"), ("mam", ["areas.simulated=V1,MDP"], "million-core")])
def test_numbers_are_whole_at_80_columns(model: str, settings: list[str], machine: str) -> None:
    plan = planned(load_model(model, settings).network(), machine, per_core=None)
    lines, wide = (shown(plan, width, 123.0) for width in (80, 200))
    assert max(map(len, lines)) <= 80
    assert sorted(numbers(lines)) == sorted(numbers(wide))  # what a cell says is on one line


def numbers(lines: list[str]) -> list[str]:
    """Cells with a number, names left out."""
    return [cell for line in lines for cell in re.split(r" {2,}", line.strip())[1:] if re.search(r"\d", cell)]


def test_one_of_a_thing_is_said_in_the_singular() -> None:
    plan = planned(load_model("pd14").network(0.1, 0.1), "spin5")
    said = "\n".join([*shown(plan), *plan_notes(plan)])
    assert "On spin5 (1 board, 48 chips)" in said
    assert re.search(r"for neurons: [2-9] chips, 1 board, ", said)
    assert not re.search(r"(?<![\d,.])1 (boards|chips|cores|frames)", said)


def test_what_is_beyond_a_limit_is_said_below_its_number() -> None:
    plan = planned(load_model("pd14").network(0.1, 0.1), "spin5")
    many = replace(plan.layouts["split"].limits[3], need=70_000)
    split = replace(plan.layouts["split"], limits=(*plan.layouts["split"].limits[:3], many, *plan.layouts["split"].limits[4:]))
    lines = shown(replace(plan, layouts={**plan.layouts, "split": split}))
    at = next(i for i, line in enumerate(lines) if "70,000 (L4E)" in line)
    assert "too many" in lines[at + 1]


def test_limits_of_tables_name_the_worst() -> None:
    spec = load_model("pd14").network()
    board = load_board_config("spin5-6")
    counts = counted(spec, "combined")
    limits = {limit.name: limit for limit in table_limits(spec, board, counts)}
    assert all(limit.holds for limit in limits.values())
    assert (limits["cores of a source population"].need, limits["cores of a source population"].where) == (343, "L4E")
    many = replace(counts, n_slices=counts.n_slices * 200)
    limits = {limit.name: limit for limit in table_limits(spec, board, many)}
    assert not limits["cores of a source population"].holds
    assert limits["addresses in a core's master population table"].holds


def test_least_takes_no_more_than_the_plan() -> None:
    spec = two_areas(0.3, 0.3)
    board = load_board_config("spin5-12")
    fewest, chips = least(spec, board), count_chips(spec, board, counted(spec, "combined", "spin5-12"))
    assert fewest.boards <= chips.boards
    assert fewest.chips < chips.chips


def test_json_is_plain_and_whole() -> None:
    plan = planned(two_areas())
    data = json.loads(json.dumps(plan.to_json(host_power_W=100.0), allow_nan=False))
    combined = data["layouts"]["combined"]
    assert combined["cores"] == sum(p["cores"] for p in combined["populations"].values())
    low, high = combined["energy"]["interval_J"]
    assert low < combined["energy"]["total_J"] < high
    assert data["hosts"][0]["energy"]["total_J"] == pytest.approx(100.0 * data["hosts"][0]["cpu_s"])
    assert "energy" not in plan.to_json()["hosts"][0]


def test_energy_is_that_of_the_boards_for_the_time() -> None:
    slow, fast = (planned(two_areas(), factor=f).layouts["combined"] for f in (40.0, 20.0))
    assert slow.wall_time_s == 2 * fast.wall_time_s == 40.0
    assert slow.energy.total_J == pytest.approx(2 * fast.energy.total_J, rel=0.01)
    board = load_power_constants().board_idle
    assert slow.energy.total_J > board.value * slow.chips.boards * slow.wall_time_s


def test_amounts() -> None:
    assert amount(2.0e-3, "J") == "0.002 J"
    assert amount(123_456.0, "B") == "123 kB"
