"""Energy of a run phase: how often each action happens, times what it costs.

Problem: no SpiNNaker board reports its energy, and at a time step of 0.1 ms the report of the tools is wrong, so it must be modelled.
Method: count actions (board-seconds, frame-seconds, core-seconds, bits through routers), multiply with a table of constants, add.
For the interval, one constant at a time moves to each end of its own interval; the changes are added as root sum of squares, down and
up apart (after GUM, JCGM 100:2008, section 5.1, with one-sided deviations). The corners, all constants at their worst together, are given too.
Cost: nothing. Every number that comes out is ``modelled``; none is a measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spinn_mam.energy.constants import Constant, PowerConstants
from spinn_mam.errors import UsageError
from spinn_mam.recording import ActivityCounts

METHOD = "each constant moved alone to the ends of its interval; changes added as root sum of squares, down and up apart"
EVENTS_COUNTED = "deliveries over recurrent synapses in the kept phase; events of the external drive are not counted"
#: An energy per synaptic event says something of the network only if its own cores and packets take this share of the energy at least (21 % of
#: full-scale PD14 on 6 boards, 24 % of the multi-area model on the million-core machine), and if there are so many synaptic events for each
#: update of a neuron (1.2 and 1.5 there; 0.1 with a tenth of PD14's in-degrees).
LEAST_OWN_SHARE, LEAST_EVENTS_PER_UPDATE = 0.01, 0.01
#: Actions that a powered machine does without a network.
_IDLE, _FRAME, _BOX = "Boards, idle", "Frame", "Box"


@dataclass(frozen=True, slots=True)
class MappingFacts:
    """What the energy model has to know of a deployment.

    Attributes
    ----------
    n_boards, n_chips : int
        Boards, and their chips.
    n_cores : int
        Application cores in use (the monitors' power is in that of an idle board).
    link_traversals_per_spike : float
        Mean number of links that the packets of one spike cross.
    """

    n_boards: int
    n_chips: int
    n_cores: int
    link_traversals_per_spike: float


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of action of a phase: how often, and what each costs.

    Attributes
    ----------
    name : str
    count : float
        In ``unit``.
    unit : str
        Such as ``"board s"``.
    factors : tuple of Constant
        Their product is the energy of one action (J).
    """

    name: str
    count: float
    unit: str
    factors: tuple[Constant, ...]

    def energy_J(self, value: Callable[[Constant], float]) -> float:
        """Return the energy (J) with constants taken by ``value``."""
        return self.count * math.prod(value(c) for c in self.factors)


@dataclass(frozen=True, slots=True)
class EnergyPart:
    """A share of the energy.

    Attributes
    ----------
    name : str
    count : float
        How often the action happened, in ``unit``.
    unit : str
    cost : str
        What each costs, as text.
    energy_J, low_J, high_J : float
        With the constants' values, and with all at the lower or upper ends.
    """

    name: str
    count: float
    unit: str
    cost: str
    energy_J: float
    low_J: float
    high_J: float


@dataclass(frozen=True, slots=True)
class Deviation:
    """What one constant's interval does to the total.

    Attributes
    ----------
    constant : str
    down_J, up_J : float
        Change of the total at the constant's lower and upper end (J); down is not positive, up not negative.
    """

    constant: str
    down_J: float
    up_J: float


@dataclass(frozen=True, slots=True)
class EnergyEstimate:
    """Energy of one phase with its interval, boundary and shares.

    Attributes
    ----------
    kind : str
        ``"modelled"``: never measured.
    system : str
        The boards and what stands around them.
    phase : str
    time_scale_factor : float
        Wall-clock time over biological time on the machine.
    duration_s : float
        Wall-clock length of the phase (s).
    total_J : float
    interval_J : tuple of float
        Lower and upper end (J), by :data:`METHOD`.
    corners_J : tuple of float
        All constants at their lower, or upper, ends together (J).
    n_synaptic_events : int
        The denominator, see :data:`EVENTS_COUNTED`.
    n_neuron_updates : int
        Neurons times time steps.
    parts : tuple of EnergyPart
    deviations : tuple of Deviation
        Largest first.
    included, excluded : tuple of str
        The boundary.
    constants : tuple of Constant
        The constants that went into it, with their sources.
    """

    kind: str
    system: str
    phase: str
    time_scale_factor: float
    duration_s: float
    total_J: float
    interval_J: tuple[float, float]
    corners_J: tuple[float, float]
    n_synaptic_events: int
    n_neuron_updates: int
    parts: tuple[EnergyPart, ...]
    deviations: tuple[Deviation, ...]
    included: tuple[str, ...]
    excluded: tuple[str, ...]
    constants: tuple[Constant, ...]

    @property
    def mean_power_W(self) -> float:
        """Mean power of the phase (W)."""
        return self.total_J / self.duration_s

    @property
    def own_share(self) -> float:
        """Share of the energy that the powered machine would not take without the network: its cores and packets."""
        return sum(part.energy_J for part in self.parts if part.name not in (_IDLE, _FRAME, _BOX)) / self.total_J

    @property
    def why_not_per_event(self) -> str | None:
        """Why dividing by the synaptic events would say nothing; None if it says something."""
        if not self.n_synaptic_events:
            return "no synaptic event was counted"
        if self.own_share < LEAST_OWN_SHARE:
            return f"{1.0 - self.own_share:.2%} of it goes into idle boards: the quotient would tell the machine's size; choose one that fits"
        if self.n_synaptic_events < LEAST_EVENTS_PER_UPDATE * self.n_neuron_updates:
            events = self.n_synaptic_events / self.n_neuron_updates
            return f"the network is nearly silent, {events:.2g} synaptic events for each neuron and time step: the quotient would tell for how long"
        return None

    @property
    def per_synaptic_event_uJ(self) -> float | None:
        """Energy of a synaptic event (uJ); None where :attr:`why_not_per_event` says why."""
        return None if self.why_not_per_event else self.total_J / self.n_synaptic_events * 1e6

    @property
    def interval_uJ(self) -> tuple[float, float] | None:
        """Interval of the energy of a synaptic event (uJ); None like that. The count is exact, so only the energy contributes."""
        if self.why_not_per_event:
            return None
        low, high = self.interval_J
        return low / self.n_synaptic_events * 1e6, high / self.n_synaptic_events * 1e6

    def to_metrics(self) -> dict[str, Any]:
        """Return the block ``energy`` of metrics.json; what is not known is absent."""
        metrics: dict[str, Any] = {
            "kind": self.kind,
            "system": self.system,
            "phase": self.phase,
            "time_scale_factor": self.time_scale_factor,
            "total_J": self.total_J,
        }
        if self.per_synaptic_event_uJ is not None and self.interval_uJ is not None:
            metrics["per_synaptic_event_uJ"] = self.per_synaptic_event_uJ
            metrics["interval_uJ"] = list(self.interval_uJ)
        else:
            metrics["why_not_per_event"] = self.why_not_per_event
        return metrics


def count_actions(facts: MappingFacts, n_spikes: float, duration_s: float, constants: PowerConstants) -> tuple[Action, ...]:
    """Count what happens in a phase and pair it with its cost.

    Parameters
    ----------
    facts : MappingFacts
    n_spikes : float
        Spikes of neurons and sources in the phase; each passes one router more than it crosses links.
    duration_s : float
        Wall-clock length of the phase (s).
    constants : PowerConstants

    Returns
    -------
    tuple of Action
        Boards, cores, router and, where the table has one, frame or box.
    """
    router_passes = n_spikes * (facts.link_traversals_per_spike + 1.0)
    actions = [
        Action(_IDLE, facts.n_boards * duration_s, "board s", (constants.board_idle,)),
        Action("Cores awake", facts.n_cores * duration_s, "core s", (constants.awake_fraction, constants.awake_core)),
        Action("Router packets", router_passes, "packets", (constants.packet_bits, constants.router_bit)),
    ]
    if constants.frame is not None and constants.boards_per_frame is not None and facts.n_boards > 1:
        n_frames = math.ceil(facts.n_boards / constants.boards_per_frame.value)
        actions.append(Action(_FRAME, n_frames * duration_s, "frame s", (constants.frame,)))
    elif constants.box is not None and facts.n_boards == 1:
        actions.append(Action(_BOX, duration_s, "box s", (constants.box,)))
    return tuple(actions)


def run_phase_energy(activity: ActivityCounts, facts: MappingFacts, *, time_scale_factor: float, constants: PowerConstants) -> EnergyEstimate:
    r"""Model the energy of the kept phase of a run on the deployment's boards.

    .. math:: E = t\,(n_b P_b + n_f P_f + n_c\,a\,P_c) + n_s (l + 1)\, b\, E_{bit}, \qquad t = T_{bio}\, f_{ts}

    Parameters
    ----------
    activity : ActivityCounts
        What happened in the kept phase.
    facts : MappingFacts
        Boards, cores and links of the deployment.
    time_scale_factor : float
        Wall-clock time over biological time on the machine.
    constants : PowerConstants
        The energy table.

    Returns
    -------
    EnergyEstimate

    Raises
    ------
    UsageError
        If the phase has no length or the deployment no board.

    Examples
    --------
    >>> from spinn_mam.energy.constants import load_power_constants
    >>> activity = ActivityCounts(n_spikes=2_500_000, n_synaptic_events=9_380_000_000, n_neuron_updates=7_716_900_000, duration_ms=10_000.0)
    >>> e = run_phase_energy(activity, MappingFacts(6, 288, 1934, 20.0), time_scale_factor=20.0, constants=load_power_constants())
    >>> round(e.mean_power_W), e.kind
    (308, 'modelled')
    """
    if not (activity.duration_ms > 0 and time_scale_factor > 0):
        raise UsageError(f"energy: a phase of {activity.duration_ms:g} ms at time-scale factor {time_scale_factor:g}; both must be above 0")
    if facts.n_boards < 1:
        raise UsageError(f"energy: a deployment on {facts.n_boards} boards; at least 1 is needed")
    duration_s = activity.duration_ms / 1000.0 * time_scale_factor
    actions = count_actions(facts, activity.n_spikes, duration_s, constants)
    total = sum(a.energy_J(_value) for a in actions)
    deviations = _deviations(actions)
    interval = (total - math.hypot(*(d.down_J for d in deviations)), total + math.hypot(*(d.up_J for d in deviations)))
    parts = tuple(EnergyPart(a.name, a.count, a.unit, _cost(a), a.energy_J(_value), a.energy_J(_lower), a.energy_J(_upper)) for a in actions)
    enclosure = next((a.name for a in actions if a.name in (_FRAME, _BOX)), None)
    return EnergyEstimate(
        kind="modelled",
        system=_system(facts, constants, enclosure),
        phase="run",
        time_scale_factor=time_scale_factor,
        duration_s=duration_s,
        total_J=total,
        interval_J=interval,
        corners_J=(sum(p.low_J for p in parts), sum(p.high_J for p in parts)),
        n_synaptic_events=activity.n_synaptic_events,
        n_neuron_updates=activity.n_neuron_updates,
        parts=parts,
        deviations=deviations,
        included=_included(enclosure),
        excluded=(
            "mapping, data generation, loading, warm-up and extraction of the results",
            "the host computer, its network and storage",
            "boards of the same frame that the job does not use",
            "the cooling of the room",
        ),
        constants=tuple({c.name: c for a in actions for c in a.factors}.values()),
    )


def _value(constant: Constant) -> float:
    return constant.value


def _lower(constant: Constant) -> float:
    return constant.lower


def _upper(constant: Constant) -> float:
    return constant.upper


def _deviations(actions: tuple[Action, ...]) -> tuple[Deviation, ...]:
    """Move each constant alone; one that occurs in several actions moves in all of them."""
    names = {c.name: c for a in actions for c in a.factors if c.lower != c.upper}
    total = sum(a.energy_J(_value) for a in actions)

    def moved(name: str, end: Callable[[Constant], float]) -> float:
        return sum(a.energy_J(lambda c: end(c) if c.name == name else c.value) for a in actions) - total

    found = [Deviation(n, min(0.0, moved(n, _lower)), max(0.0, moved(n, _upper))) for n in names]
    return tuple(sorted(found, key=lambda d: d.down_J - d.up_J))


def _cost(action: Action) -> str:
    return " × ".join(f"{c.value:g} {c.unit}".strip() for c in action.factors)


def _system(facts: MappingFacts, constants: PowerConstants, enclosure: str | None) -> str:
    boards = f"{facts.n_boards} {constants.board} board{'s' if facts.n_boards != 1 else ''}"
    if enclosure == _FRAME and constants.boards_per_frame is not None:
        n = math.ceil(facts.n_boards / constants.boards_per_frame.value)
        return f"{boards}, {n} frame{'s' if n != 1 else ''}"
    return f"{boards}, boxed" if enclosure == _BOX else boards


def _included(enclosure: str | None) -> tuple[str, ...]:
    boards = ("the deployment's boards with all their chips", "the cores in use while awake", "multicast packets of spikes through routers")
    around = {_FRAME: ("whole frames: switch, fans, power supplies",), _BOX: ("the box: fan and power supply",)}
    return boards + around.get(enclosure or "", ())
