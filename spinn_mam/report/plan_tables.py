"""What the terminal shows of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from spinn_mam.partitioning.structures import KIND_NAMES
from spinn_mam.planning.chips import DETOUR
from spinn_mam.planning.hosts import PROCESSOR, TIME_FACTOR
from spinn_mam.planning.plan import SHOWN, LayoutPlan, Plan
from spinn_mam.report.tables import amount, amounts, between
from spinn_mam.units import counted

#: Below a number that is beyond its limit.
_TOO_MANY = "\ntoo many"


def plan_tables(plan: Plan, host_power_W: float | None = None) -> Iterator[Table]:
    """Make the tables of a plan: the machine, sPyNNaker's tables, hosts.

    Parameters
    ----------
    plan : Plan
    host_power_W : float, optional
        Power of a computer, for its energy.
    """
    if plan.layouts:
        yield _machine_table(plan)
        yield _limits_table(plan)
    yield _hosts_table(plan, host_power_W)


def plan_notes(plan: Plan) -> list[str]:
    """Say what is exact, what estimated and what left out."""
    kinds = {layout: p.chips.kind for layout, p in plan.layouts.items()}
    placed = [layout for layout, kind in kinds.items() if kind == "placed"]
    low, high = DETOUR
    lines = [
        "estimate: cores, SDRAM and tables are the partition's own; "
        + (f"chips are placed ({' and '.join(placed)}); others are" if placed else "chips are")
        + " counted by population, as many slices a chip as its cores and memory hold.",
        f"Links a spike crosses: the bound for the placement times {low:g} to {high:g}. Time scale: mean load of the busiest core at the expected"
        f" rates ({plan.spec.expected_rates_source}), delay extension cores not counted.",
        "Energy: boards, frames, awake cores and spikes of the run phase; mapping, loading, reading back and the host are not in it. Never measured.",
        f"Hosts: times on {PROCESSOR}, wrong by a factor of {TIME_FACTOR:g} each way; networks of 8 to 18 GB took up to five times as long.",
    ]
    for layout, p in plan.layouts.items():
        if p.energy.why_not_per_event is not None:
            lines.append(f"No energy of a synaptic event ({layout} cores): {p.energy.why_not_per_event}.")
    least, router = plan.least, plan.machine.router_entries
    crowded = [layout for layout, p in plan.layouts.items() if p.chips.entries_of_chip_trees > router]
    if crowded:
        lines.append(
            f"Routing tables ({' and '.join(crowded)} cores): a tree for each source chip, as this package routes, needs more than the {router:,} "
            "entries of a chip; a tree for each population, as PACMAN routes, may do with far fewer."
        )
    lines.append(
        f"At least, whatever the tables: {amount(least.synapses_bytes, 'B')} for synapses of 4 bytes, "
        f"{counted(least.neuron_cores, 'core')} for neurons: "
        f"{counted(least.chips, 'chip')}, {counted(least.boards, 'board')}, {amount(plan.least_energy.total_J, 'J')} "
        f"({amounts(*plan.least_energy.interval_J, 'J')})."
    )
    for layout in (*plan.layouts, *plan.refused):
        violations = plan.violations(layout)
        lines += [f"{layout} cores do not fit: {v}" for v in violations[:SHOWN]]
        lines += [f"{layout} cores do not fit: {counted(len(violations) - SHOWN, 'reason')} more"] * (len(violations) > SHOWN)
    return lines


def duration(seconds: float) -> str:
    """Write a time in the unit that fits.

    Examples
    --------
    >>> duration(37.0), duration(7200.0), duration(2e6)
    ('37 s', '2 h', '23.1 d')
    """
    for scale, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= scale * 2 or (unit == "h" and seconds >= scale):
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def _machine_table(plan: Plan) -> Table:
    machine = plan.machine
    title = (
        f"On {machine.name} ({counted(machine.n_boards, 'board')}, {counted(machine.n_chips, 'chip')}), {plan.t_sim_ms / 1000:g} s of biological time"
    )
    table = _table(title, [f"{layout} cores" for layout in plan.layouts])
    columns = [_machine_rows(plan, p) for p in plan.layouts.values()]
    for i, (name, _) in enumerate(columns[0]):
        table.add_row(name, *(column[i][1] for column in columns))
    return table


def _machine_rows(plan: Plan, p: LayoutPlan) -> list[tuple[str, str]]:
    counts, chips = p.counts, p.chips
    kinds = dict(zip(KIND_NAMES, counts.by_kind.tolist(), strict=True))
    about = "" if chips.kind == "placed" else "about "
    per_core = counts.cores.neurons_per_core
    fullest = "-" if chips.sdram_bytes_max is None else amount(chips.sdram_bytes_max, "B")
    low_n, high_n = int(per_core.min()), int(per_core.max())
    low, high = chips.link_traversals
    entries = ("-", "-") if chips.entries_mean is None else (f"{chips.entries_mean:.0f}", f"{chips.entries_max:.0f}")
    energy = p.energy
    return [
        ("fits", "yes" if not p.violations else "no, see below"),
        ("boards", f"{about}{chips.boards:,}"),
        ("chips", f"{about}{chips.chips:,}"),
        ("cores", f"{sum(kinds.values()):,}"),
        *[(f"  {name.replace('_', ' ')}", f"{kinds[name]:,}") for name in KIND_NAMES],
        ("neurons a core", f"{low_n} to {high_n}" if low_n != high_n else f"{low_n}"),
        ("SDRAM", amount(float(counts.n_slices @ counts.sdram_bytes), "B")),
        ("  fullest chip", fullest),
        ("spikes on links", f"{amount(chips.spikes_per_s, 'spikes/s')}"),
        ("synaptic events", f"{amount(chips.events_per_s, 'events/s')}"),
        ("spikes of the drive", f"{amount(chips.drive_per_s, 'spikes/s')}"),
        ("links a spike crosses", f"{low:,.0f} to {high:,.0f}"),
        ("busiest link, at least", "-" if chips.busiest_link_bound is None else amount(chips.busiest_link_bound, "spikes/s")),
        ("routing entries, at least", ""),
        ("  mean of chips", entries[0]),
        ("  fullest chip", entries[1]),
        ("  mean, tree a source chip", f"{chips.entries_of_chip_trees:,.0f}"),
        ("time-scale factor", f"{counts.time_scale_factor:g} (mean load {counts.needed_factor:.3g})"),
        ("wall-clock time of the run", duration(p.wall_time_s)),
        ("energy of the run", amount(energy.total_J, "J")),
        ("  range", amounts(*energy.interval_J, "J")),
        ("  of a synaptic event", "-" if energy.per_event_uJ is None else f"{energy.per_event_uJ:.3g} uJ"),
        ("boards and frames", energy.system.replace(", ", ",\n")),
    ]


def _limits_table(plan: Plan) -> Table:
    table = _table("sPyNNaker's tables: the most needed of what they hold", [*(f"{layout} cores" for layout in plan.layouts), "limit"])
    columns = [p.limits for p in plan.layouts.values()]
    for row in zip(*columns, strict=True):
        cells = [f"{_needed(limit.name, limit.need)}{f' ({limit.where})' * bool(limit.where)}{_TOO_MANY * (not limit.holds)}" for limit in row]
        table.add_row(row[0].name, *cells, _needed(row[0].name, row[0].have))
    return table


def _needed(name: str, n: int) -> str:
    return amount(n, "B") if name.startswith("bytes") else f"{n:,}"


def _hosts_table(plan: Plan, power_W: float | None) -> Table:
    table = _table(f"On a computer, {plan.t_sim_ms / 1000:g} s of biological time (estimates)", [host.name for host in plan.hosts])
    rows = [
        ("memory", [amount(host.memory_bytes, "B") for host in plan.hosts]),
        ("  synapses", [amount(host.parts_bytes["synapses"], "B") for host in plan.hosts]),
        ("processor time", [duration(host.cpu_s) for host in plan.hosts]),
        ("  range", [between(*map(duration, host.interval_s)) for host in plan.hosts]),
    ]
    if power_W is not None:
        rows.append(("energy", [amounts(host.interval_s[0] * power_W, host.interval_s[1] * power_W, "J") for host in plan.hosts]))
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def _table(title: str, headings: Sequence[str]) -> Table:
    """Make a table whose numbers are never broken: where it is too wide, names are."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
