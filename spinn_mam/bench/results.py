"""What the benchmark of the emulator found: segments, their spread, and ratios to the emulator."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = "spinn_mam.bench_emulator/1"
#: A segment is quiet if everything else on the computer used less than this share of its processors.
QUIET = 0.03
#: Largest deviation of a population's mean rate from the reference, as a share of it.
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of biological time that was run in one go.

    Attributes
    ----------
    turn : int
        Segments of different contenders with the same turn are neighbours in time.
    start_s : float
        When, from the beginning of the benchmark.
    biological_s, wall_s, cpu_s : float
        Biological time, wall-clock time, processor time of the contender.
    foreign_share : float
        Share of all processors that everything else used, 0 to 1.
    load_average : float
        The system's, over a minute, at the end.
    spikes : list of int
        Of each population.
    n_events : float
        Synaptic events: spikes times mean out-degree of their population.
    """

    turn: int
    start_s: float
    biological_s: float
    wall_s: float
    cpu_s: float
    foreign_share: float
    load_average: float
    spikes: list[int]
    n_events: float

    @property
    def quiet(self) -> bool:
        """Whether hardly anything else ran."""
        return self.foreign_share < QUIET

    @property
    def rtf(self) -> float:
        """Real-time factor."""
        return self.wall_s / self.biological_s

    @property
    def cpu_s_per_s(self) -> float:
        """Processor seconds for each biological second."""
        return self.cpu_s / self.biological_s


Value = Callable[[Segment], float]
VALUES: dict[str, Value] = {
    "rtf": lambda s: s.rtf,
    "cpu_s_per_s": lambda s: s.cpu_s_per_s,
    "cpu_ns_per_event": lambda s: 1e9 * s.cpu_s / s.n_events if s.n_events else 0.0,
}


@dataclass(slots=True)
class Measured:
    """All of one contender.

    Attributes
    ----------
    title : str
    version : str
        Of the package that it runs in.
    threads : int
    build_s : float
        Until the network is ready to run.
    warm_up_ms : float
        Biological time before the first segment.
    memory : dict
        ``peak_rss_bytes`` of its process and ``network_bytes`` of its arrays, as far as they are known.
    segments : list of Segment
    """

    title: str
    version: str
    threads: int
    build_s: float
    warm_up_ms: float
    memory: dict[str, int] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)

    def rates(self, names: Sequence[str], sizes: Sequence[int]) -> dict[str, float]:
        """Return the mean rate of each population over all segments (spikes/s)."""
        seconds = sum(s.biological_s for s in self.segments)
        return {name: sum(s.spikes[p] for s in self.segments) / (sizes[p] * seconds) for p, name in enumerate(names)}

    def summary(self) -> dict[str, Any]:
        """Return the spread of each value over all segments, and over the quiet ones."""
        quiet = [s for s in self.segments if s.quiet]
        return {name: {"all": spread(map(value, self.segments)), "quiet": spread(map(value, quiet))} for name, value in VALUES.items()}

    def to_dict(self, names: Sequence[str], sizes: Sequence[int], reference: Mapping[str, float]) -> dict[str, Any]:
        """Return plain data; with reference rates, also the largest deviation from them."""
        content = {key: getattr(self, key) for key in ("title", "version", "threads", "build_s", "warm_up_ms")} | self.memory
        rates = self.rates(names, sizes)
        content |= self.summary() | {"rates": rates}
        if reference:
            deviation = max(abs(rates[name] / rate - 1.0) for name, rate in reference.items())
            content |= {"rate_deviation": deviation, "rates_agree": deviation <= TOLERANCE}
        return content | {"segments": [asdict(s) | {"quiet": s.quiet, "rtf": s.rtf, "cpu_s_per_s": s.cpu_s_per_s} for s in self.segments]}


def spread(values: Any) -> dict[str, float]:
    """Return number, least, median and largest of some numbers; of none, only the number."""
    values = sorted(values)
    if not values:
        return {"n": 0}
    return {"n": len(values), "min": values[0], "median": statistics.median(values), "max": values[-1]}


def ratios(contender: Measured, base: Measured) -> dict[str, Any]:
    """Compare a contender with the base: how many times as much it takes.

    ``of_medians`` divides medians over the turns that both took part in. ``pairs`` is the spread of the ratios turn by turn, which changes of
    the computer's speed over minutes do not touch.
    """
    partner = {s.turn: s for s in base.segments}
    pairs = [(s, partner[s.turn]) for s in contender.segments if s.turn in partner]
    found: dict[str, Any] = {}
    for name in ("rtf", "cpu_s_per_s"):
        value = VALUES[name]
        found[name] = {}
        for which, kept in (("all", pairs), ("quiet", [(a, b) for a, b in pairs if a.quiet and b.quiet])):
            if kept:
                of_medians = statistics.median(value(a) for a, _ in kept) / statistics.median(value(b) for _, b in kept)
                found[name][which] = {"of_medians": of_medians, "pairs": spread(value(a) / value(b) for a, b in kept)}
    return found
