"""Speed of the emulator beside general simulators: one network, one run, segments in turn.

Problem
    A computer is faster at one minute than at the next, and other programs use it too: times that were taken one after the
    other do not compare.

Method
    Each contender has a process of its own and builds the same network once (the same law; the emulator's modes, the same
    synapses). Then they take turns, one running while the others sleep: a segment of biological time each, again and again.
    Of each segment wall-clock time, processor time, and what other programs used of the processors are kept. Ratios come from
    medians and from neighbours in time, over all segments and over those in which hardly anything else ran. Contenders that do
    not fit the memory together form groups, one after the other; the emulator takes its turn in each.

    What is compared is a kernel for one neuron model and static synapses with general simulators.

Cost
    Some minutes at full scale, most of them NEST and Brian 2; the expected time is told first.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
import psutil

from spinn_mam import provenance
from spinn_mam.bench.child import Child, LeftOutError
from spinn_mam.bench.contender import BASE, CONTENDERS, FULL_SCALE, Contender
from spinn_mam.bench.host import ForeignLoad, describe_host
from spinn_mam.bench.results import FORMAT, QUIET, TOLERANCE, Measured, Segment, ratios
from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.nest_reference.library import find_reference
from spinn_mam.nest_reference.simulation import expected_out_degrees
from spinn_mam.network.spec import NetworkSpec

Progress = Callable[[str], None]
#: Share of the free memory that is given to contenders.
FILL = 0.95


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    contenders : tuple of str
        Names beside the emulator; empty for all.
    repeats : int
        Segments of each contender, in turn.
    segment_ms, simulator_segment_ms, warm_up_ms : float
        Biological time of a segment of the emulator's modes, of a segment of the simulators, and before the first one.
    threads : int
    seed : int
    """

    contenders: tuple[str, ...] = ()
    repeats: int = 5
    segment_ms: float = 1000.0
    simulator_segment_ms: float = 150.0
    warm_up_ms: float = 200.0
    threads: int = 2
    seed: int = 1

    def duration_ms(self, contender: Contender) -> float:
        """Biological time of a contender's segment (ms)."""
        return self.simulator_segment_ms if contender.is_simulator else self.segment_ms


def measure_emulator(spec: NetworkSpec, settings: Settings, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Run the benchmark.

    Parameters
    ----------
    spec : NetworkSpec
    settings : Settings
    progress : callable
        Told what happens.

    Returns
    -------
    dict
        Plain data, described in ``docs/benchmarks.md``.

    Raises
    ------
    UsageError
        If there is no such contender, or a number is out of range.
    RunFailedError
        If the emulator itself fails.
    """
    chosen, left_out = choose(settings)
    base, groups, too_large = group(chosen, spec, FILL * psutil.virtual_memory().available)
    run = _Run(spec, settings, progress, left_out | too_large)
    for name, reason in run.left_out.items():
        progress(f"{name} is left out: {reason}")
    expected = sum(expected_s(c, spec, settings) for c in (*[base] * len(groups), *(c for g in groups for c in g)))
    progress(f"{', '.join([base.name, *(c.name for g in groups for c in g)])}: about {max(1.0, expected / 60):.0f} min")
    started, load = datetime.now(UTC), psutil.getloadavg()
    run.measure(base, groups)
    names, sizes = spec.names, [int(n) for n in spec.sizes]
    reference = reference_rates(spec)
    return {
        "format": FORMAT,
        "started": started.isoformat(timespec="seconds"),
        "wall_time_s": time.perf_counter() - run.started,
        "network": {
            "model": spec.model,
            "drive": spec.drive,
            "N_scaling": spec.N_scaling,
            "K_scaling": spec.K_scaling,
            "dt_ms": spec.dt,
            "n_neurons": sum(sizes),
            "n_synapses": spec.n_synapses,
            "seed": settings.seed,
        },
        "host": describe_host(),
        "versions": provenance.versions(tuple(d for c in CONTENDERS for _, _, d in c.packages)),
        "source": provenance.source_revision(),
        "load_average": {"before": list(load), "after": list(psutil.getloadavg())},
        "quiet_below": QUIET,
        "contenders": {name: m.to_dict(names, sizes, reference) for name, m in run.measured.items()},
        "ratios": {name: ratios(m, run.measured[BASE]) for name, m in run.measured.items() if name != BASE},
        **({"reference": {"rates": reference, "tolerance": TOLERANCE}} if reference else {}),
        "left_out": dict(run.left_out),
    }


def choose(settings: Settings) -> tuple[list[Contender], dict[str, str]]:
    """Find the contenders that are wanted and installed, the emulator first, and why others are not there.

    Raises
    ------
    UsageError
        If there is no such contender, or a number is out of range.
    """
    names = [c.name for c in CONTENDERS]
    unknown = [name for name in settings.contenders if name not in names]
    if unknown:
        raise UsageError(f"--contenders {','.join(unknown)}: there are {', '.join(names)}")
    if not all(1.0 <= duration < 1e9 for duration in (settings.segment_ms, settings.simulator_segment_ms, settings.warm_up_ms)):
        raise UsageError("segments and the time before them last at least 1 ms of biological time")
    chosen, left_out = [], {}
    for contender in CONTENDERS:
        if contender.name == BASE or not settings.contenders or contender.name in settings.contenders:
            reason = contender.missing()
            if reason:
                left_out[contender.name] = reason
            else:
                chosen.append(contender)
    return chosen, left_out


def group(chosen: Sequence[Contender], spec: NetworkSpec, memory: float) -> tuple[Contender, list[list[Contender]], dict[str, str]]:
    """Divide contenders into groups that fit the memory together, beside the emulator.

    Parameters
    ----------
    chosen : sequence of Contender
        The emulator first.
    spec : NetworkSpec
    memory : float
        Bytes.

    Returns
    -------
    base : Contender
    groups : list of list of Contender
        At least one, which may be empty.
    too_large : dict
        Why others do not take part.
    """
    base, *others = chosen
    own = base.bytes_needed(spec)
    groups: list[list[Contender]] = [[]]
    free = [memory - own]
    too_large = {}
    for contender in others:
        need = contender.bytes_needed(spec)
        if need > memory - own:
            have = f"{memory / 1e9:.1f} GB free: use --n-scaling or --k-scaling"
            too_large[contender.name] = f"{(own + need) / 1e9:.1f} GB needed with the emulator beside it, {have}"
            continue
        place = next((i for i, room in enumerate(free) if need <= room), len(free))
        if place == len(free):
            groups.append([])
            free.append(memory - own)
        groups[place].append(contender)
        free[place] -= need
    return base, groups, too_large


def reference_rates(spec: NetworkSpec) -> dict[str, float]:
    """Return the mean rates of the reference that ships for the network (spikes/s); empty if there is none."""
    path = find_reference(spec)
    if path is None:
        return {}
    rates = json.loads(path.read_text(encoding="utf-8"))["provenance"]["mean_rates"]
    return {name: statistics.mean(values) for name, values in rates.items()}


def expected_s(contender: Contender, spec: NetworkSpec, settings: Settings) -> float:
    """Roughly how long a contender takes (s)."""
    biological_s = (settings.warm_up_ms + settings.repeats * settings.duration_ms(contender)) / 1000.0
    return 5.0 + (contender.build_s + biological_s * contender.rtf) * spec.n_synapses / FULL_SCALE


@dataclass(slots=True)
class _Run:
    """The benchmark in the middle of its run."""

    spec: NetworkSpec
    settings: Settings
    progress: Progress
    left_out: dict[str, str]
    measured: dict[str, Measured] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    _turn: int = 0

    def measure(self, base: Contender, groups: Sequence[Sequence[Contender]]) -> None:
        """Have all groups take their turns; no process is left, whatever happens."""
        with ExitStack() as always:
            emulator = self._start(base, always)
            for contenders in groups:
                with ExitStack() as while_group:
                    children = [emulator, *(self._start(contender, while_group) for contender in contenders)]
                    for n in range(self.settings.repeats):
                        self._turn += 1
                        children = [child for child in children if child and self._attempt(child, partial(self._segment, n=n))]

    def _start(self, contender: Contender, processes: ExitStack) -> Child | None:
        """Start a contender, have it build and warm up; None if it cannot."""
        child = processes.enter_context(Child(contender, self.spec, self.settings.seed, self.settings.threads))
        return child if self._attempt(child, self._build) else None

    def _attempt(self, child: Child, do: Callable[[Child], None]) -> bool:
        """Do something; a contender that fails is left out, the emulator may not fail."""
        contender = child.contender
        try:
            do(child)
        except LeftOutError as error:
            if contender.name == BASE:
                raise RunFailedError(f"the emulator failed: {error}") from None
            self.measured.pop(contender.name, None)
            self.left_out[contender.name] = str(error)
            self._tell(f"{contender.name} is left out: {error}")
            return False
        return True

    def _build(self, child: Child) -> None:
        contender, warm_up = child.contender, self.settings.warm_up_ms
        self._tell(f"{contender.name}: build")
        build_s = child.build()
        self._tell(f"{contender.name}: built in {build_s:.1f} s; {warm_up:g} ms before the first segment")
        child.run(warm_up)
        packages = [metadata.version(d) for _, _, d in contender.packages]
        version = packages[0] if packages else provenance.versions()["spinn_mam"]
        self.measured[contender.name] = Measured(contender.title, version, contender.threads or self.settings.threads, build_s, warm_up)

    def _segment(self, child: Child, n: int) -> None:
        duration = self.settings.duration_ms(child.contender)
        load, own = ForeignLoad(), time.process_time()
        start = time.perf_counter() - self.started
        answer = child.run(duration)
        share = load.share(answer.cpu_s + time.process_time() - own)
        events = float(np.dot(answer.spikes, expected_out_degrees(self.spec)))
        segment = Segment(self._turn, start, duration / 1000.0, answer.wall_s, answer.cpu_s, share, psutil.getloadavg()[0], answer.spikes, events)
        measured = self.measured[child.contender.name]
        measured.segments.append(segment)
        measured.memory = answer.memory
        self._tell(
            f"{child.contender.name}: segment {n + 1} of {self.settings.repeats}, {duration:g} ms: real-time factor {segment.rtf:.2f}, "
            f"{segment.cpu_s_per_s:.2f} CPU s/s, others used {100 * share:.1f} %"
        )

    def _tell(self, text: str) -> None:
        minutes, seconds = divmod(int(time.perf_counter() - self.started), 60)
        self.progress(f"{minutes:02d}:{seconds:02d} {text}")
