"""The plan of a network: both layouts on a machine, energy, and hosts; what is exact, what estimated and what a bound is said of each number."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from spinn_mam.energy.constants import PowerConstants
from spinn_mam.energy.model import EnergyEstimate, MappingFacts, run_phase_energy
from spinn_mam.errors import DoesNotFitError, Violation
from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.structures import KIND_NAMES
from spinn_mam.planning.chips import ChipCounts, Least, count_chips, least
from spinn_mam.planning.cores import CoreCounts, count_cores
from spinn_mam.planning.hosts import HostPlan, host_plans
from spinn_mam.planning.tables import Limit, table_limits
from spinn_mam.recording import ActivityCounts

FORMAT = "spinn_mam.plan/1"
LAYOUTS = ("combined", "split")
#: Violations of one layout that are told, the worst first.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of the run phase.

    Attributes
    ----------
    total_J : float
    interval_J : tuple of float
        That of the energy model at the fewest links a spike crosses to that at the most.
    per_event_uJ : float or None
        Of a recurrent synaptic event.
    why_not_per_event : str or None
        Why there is none.
    system : str
        What is counted.
    """

    total_J: float
    interval_J: tuple[float, float]
    per_event_uJ: float | None
    why_not_per_event: str | None
    system: str


@dataclass(frozen=True, slots=True)
class LayoutPlan:
    """A network on the machine in one layout.

    Attributes
    ----------
    counts : CoreCounts
    chips : ChipCounts
    limits : tuple of Limit
        Of sPyNNaker's tables.
    wall_time_s : float
        Of the run phase.
    energy : Energy
    violations : tuple of Violation
        Why it does not fit; empty if it does.
    """

    counts: CoreCounts
    chips: ChipCounts
    limits: tuple[Limit, ...]
    wall_time_s: float
    energy: Energy
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a network takes.

    Attributes
    ----------
    spec : NetworkSpec
    machine : MachineDescription
    t_sim_ms : float
        Biological time that times and energies are for.
    least : Least
    least_energy : Energy
        Of its boards and cores, without any spike on a link, at the time-scale factor asked for or in real time.
    layouts : dict of str to LayoutPlan
    refused : dict of str to tuple of Violation
        Layouts in which not even a slice of one neuron fits a core, and why.
    hosts : tuple of HostPlan
    """

    spec: NetworkSpec
    machine: MachineDescription
    t_sim_ms: float
    least: Least
    least_energy: Energy
    layouts: dict[str, LayoutPlan]
    refused: dict[str, tuple[Violation, ...]]
    hosts: tuple[HostPlan, ...]

    def violations(self, layout: str) -> tuple[Violation, ...]:
        """Return why a layout does not fit, worst first; empty if it does."""
        return self.refused[layout] if layout in self.refused else self.layouts[layout].violations

    def to_json(self, host_power_W: float | None = None) -> dict[str, Any]:
        """Return all numbers as plain data; hosts have an energy only if their power is given."""
        spec = self.spec
        return {
            "format": FORMAT,
            "network": {
                "model": spec.model,
                "populations": len(spec.populations),
                "neurons": int(spec.sizes.sum()),
                "synapses": spec.n_synapses,
                "N_scaling": spec.N_scaling,
                "K_scaling": spec.K_scaling,
                "expected_rates_source": spec.expected_rates_source,
            },
            "machine": {"name": self.machine.name, "boards": self.machine.n_boards, "chips": self.machine.n_chips},
            "t_sim_ms": self.t_sim_ms,
            "least": asdict(self.least) | {"energy": {"kind": "estimated"} | asdict(self.least_energy)},
            "layouts": {name: _layout_json(spec, plan) for name, plan in self.layouts.items()}
            | {name: {"fits": False, "violations": [asdict(v) for v in violations[:SHOWN]]} for name, violations in self.refused.items()},
            "hosts": [_host_json(host, host_power_W) for host in self.hosts],
        }


def make_plan(
    spec: NetworkSpec,
    machine: MachineDescription,
    constants: PowerConstants,
    *,
    neurons_per_core: dict[str, int | None],
    time_scale_factor: float | None,
    synapse_cores: int | None,
    t_sim_ms: float,
    placed: tuple[str, ...],
    fixed_factor: bool = True,
    of_surface: bool = False,
) -> Plan:
    """Plan a network.

    Parameters
    ----------
    spec : NetworkSpec
    machine : MachineDescription
    constants : PowerConstants
    neurons_per_core : dict of str to int or None
        By layout.
    time_scale_factor : float or None
        None for the smallest of each layout.
    synapse_cores : int or None
        In the split layout.
    t_sim_ms : float
        Biological time.
    placed : tuple of str
        Layouts to be placed, if that takes seconds.
    fixed_factor : bool
        Whether a larger time-scale factor is a violation.
    of_surface : bool
        Whether the user chose the modelled surface, which is then what advice is about.

    Returns
    -------
    Plan
    """
    layouts, refused = {}, {}
    for layout in LAYOUTS:
        try:
            counts = count_cores(
                spec,
                machine,
                layout,
                neurons_per_core=neurons_per_core[layout],
                time_scale_factor=time_scale_factor,
                synapse_cores=synapse_cores if layout == "split" else None,
                fixed_factor=fixed_factor,
            )
        except DoesNotFitError as error:
            refused[layout] = tuple(
                replace(v, advice="Use a smaller --surface; chips of a larger machine hold no more.") if of_surface and v.rule == "sdram" else v
                for v in error.violations
            )
            continue
        chips = count_chips(spec, machine, counts, may_place=layout in placed)
        limits = table_limits(spec, machine, counts)
        layouts[layout] = LayoutPlan(
            counts,
            chips,
            limits,
            t_sim_ms / 1000.0 * counts.time_scale_factor,
            _energy(
                spec,
                machine,
                constants,
                t_sim_ms,
                boards=chips.boards,
                cores=int(counts.by_kind.sum()),
                factor=counts.time_scale_factor,
                traversals=chips.link_traversals,
            ),
            _violations(machine, counts, chips, limits, time_scale_factor if fixed_factor else None, of_surface=of_surface),
        )
    fewest = least(spec, machine)
    lowest = _energy(spec, machine, constants, t_sim_ms, boards=fewest.boards, cores=fewest.neuron_cores, factor=time_scale_factor or 1.0)
    return Plan(spec, machine, t_sim_ms, fewest, lowest, layouts, refused, host_plans(spec, t_sim_ms))


def _energy(
    spec: NetworkSpec,
    machine: MachineDescription,
    constants: PowerConstants,
    t_sim_ms: float,
    *,
    boards: int,
    cores: int,
    factor: float,
    traversals: tuple[float, float] = (0.0, 0.0),
) -> Energy:
    seconds = t_sim_ms / 1000.0
    rates = [p.source_rate if p.is_source else r for p, r in zip(spec.populations, spec.expected_rates, strict=True)]
    spikes = sum(p.size * rate for p, rate in zip(spec.populations, rates, strict=True))
    events = sum(p.n_synapses * rates[p.source] for p in spec.projections)
    activity = ActivityCounts(round(spikes * seconds), round(events * seconds), round(float(spec.sizes.sum()) * t_sim_ms / spec.dt), t_sim_ms)

    def at(links: float) -> EnergyEstimate:
        facts = MappingFacts(boards, boards * machine.n_chips // machine.n_boards, cores, links)
        return run_phase_energy(activity, facts, time_scale_factor=factor, constants=constants)

    low, middle, high = (at(links) for links in (traversals[0], sum(traversals) / 2, traversals[1]))
    return Energy(middle.total_J, (low.interval_J[0], high.interval_J[1]), middle.per_synaptic_event_uJ, middle.why_not_per_event, middle.system)


def _violations(
    machine: MachineDescription, counts: CoreCounts, chips: ChipCounts, limits: tuple[Limit, ...], asked: float | None, *, of_surface: bool
) -> tuple[Violation, ...]:
    found = []
    if chips.chips > machine.n_chips:
        message = (
            f"about {chips.chips:,} chips ({chips.boards:,} boards) needed, {machine.n_chips:,} ({machine.n_boards:,}) there: use a larger machine"
            f"{' or a smaller --surface' * of_surface}"
        )
        found.append(Violation("chips", machine.name, message, chips.chips / machine.n_chips))
    if asked is not None and counts.time_scale_factor > asked:
        message = f"a time-scale factor of {counts.time_scale_factor:g} at least needed for the mean load, {asked:g} asked for"
        found.append(Violation("cycles", f"{counts.layout} cores", message, counts.time_scale_factor / asked))
    for limit in limits:
        if not limit.holds:
            message = f"{limit.need:,} {limit.name} needed, sPyNNaker's tables hold {limit.have:,}"
            found.append(Violation("tables", limit.where or "network", message, limit.need / limit.have))
    return tuple(sorted(found, key=lambda v: -v.excess))


def _layout_json(spec: NetworkSpec, plan: LayoutPlan) -> dict[str, Any]:
    counts, chips = plan.counts, plan.chips
    budgets = counts.cores.budgets
    populations = {
        name: {
            "neurons": population.size,
            "slices": int(counts.n_slices[p]),
            "neurons_per_core": int(counts.cores.neurons_per_core[p]),
            "cores": int(counts.n_slices[p] * counts.cores_a_slice[p]),
            "sdram_bytes": int(counts.n_slices[p] * counts.sdram_bytes[p]),
            "dtcm_bytes_per_core_max": int(counts.dtcm_bytes[p]),
            "delay_stages": int(counts.cores.delays.stages[p]),
            **({"population_table_addresses": core.blocks, "cycles_per_step": core.cycles} if core is not None else {}),
        }
        for p, (name, population, core) in enumerate(zip(spec.names, spec.populations, budgets, strict=True))
    }
    bounds = {
        "link_traversals_per_spike_bound": chips.link_traversals_bound,
        "busiest_link_spikes_per_s_bound": chips.busiest_link_bound,
        "routing_entries_mean_bound": chips.entries_mean,
        "routing_entries_max_bound": chips.entries_max,
        "routing_entries_mean_of_chip_trees": chips.entries_of_chip_trees,
        "sdram_bytes_per_chip_max": chips.sdram_bytes_max,
    }
    return {
        "fits": not plan.violations,
        "violations": [asdict(v) for v in plan.violations],
        "chips_are": chips.kind,
        "boards": chips.boards,
        "chips": chips.chips,
        "cores": int(counts.by_kind.sum()),
        **{f"{name}_cores": int(n) for name, n in zip(KIND_NAMES, counts.by_kind, strict=True)},
        "sdram_bytes_total": int(counts.n_slices @ counts.sdram_bytes),
        "time_scale_factor": counts.time_scale_factor,
        "time_scale_factor_mean_load": counts.needed_factor,
        "wall_time_s": plan.wall_time_s,
        "spikes_per_s": chips.spikes_per_s,
        "synaptic_events_per_s": chips.events_per_s,
        "drive_spikes_per_s": chips.drive_per_s,
        "link_traversals_per_spike": list(chips.link_traversals),
        **{name: value for name, value in bounds.items() if value is not None},
        "tables": [asdict(limit) | {"holds": limit.holds} for limit in plan.limits],
        "energy": {"kind": "estimated"} | asdict(plan.energy),
        "populations": populations,
    }


def _host_json(host: HostPlan, power_W: float | None) -> dict[str, Any]:
    data = asdict(host) | {"kind": "estimated"}
    if power_W is not None:
        data["energy"] = {
            "kind": "estimated from the power you gave",
            "power_W": power_W,
            "total_J": host.cpu_s * power_W,
            "interval_J": [s * power_W for s in host.interval_s],
        }
    return data
