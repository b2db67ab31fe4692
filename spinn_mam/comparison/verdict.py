"""Compare a run with reference statistics, row by row, and judge it as a whole.

A *row* is one statistic of one population: the distances of the distributions of single-neuron rates, CVs and correlations under a
protocol (:mod:`.protocols`), and two numbers that no protocol has: the mean rate, and the synchrony (Potjans and Diesmann 2014, doi
10.1093/cercor/bhs358), without which a network with doubled delays can pass, as its rates and CVs hardly change.
Thresholds are those of :mod:`.thresholds`; the verdict is ``fail`` if any deciding row fails, ``undecided`` if no row decides.

A row is **weak**, and does not decide, if the reference shows that the window holds too little for it:

* CV: fewer than 100 neurons have one, or the median such neuron has fewer than 5 intervals;
* correlation: more than a tenth of the variance of the coefficients is that of independent trains, 1 / (number of bins - 1); by
  this measure the full-scale microcircuit needs minutes, in line with Dasbach et al. (2021), doi 10.3389/fnins.2021.757790;
* any statistic: its threshold is so wide that a stated error would pass: 15 % of all spikes lost (rates), synchrony larger by half,
  CVs or LvR larger by 0.1, correlations larger by 0.005.

Only the reference decides what is weak: a run cannot escape a row by being silent.

Many populations are also judged together (:mod:`.overall`), which gets half of the false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table
from rich.text import Text

from spinn_mam.analysis import PopulationStatistics, Sample, analyse
from spinn_mam.comparison.overall import MOST_LINES, OVERALL, overall_lines, overall_row
from spinn_mam.comparison.protocols import PROTOCOLS, STATISTICS, Protocol, Statistic
from spinn_mam.comparison.reference import ReferenceStatistics, Window
from spinn_mam.comparison.rows import ALL, CORRELATION_SHIFT, CV_SHIFT, LOST_SPIKES, MORE_SYNCHRONY, TOO_WIDE, Row
from spinn_mam.comparison.thresholds import FALSE_ALARM, MIN_SEEDS, distance_thresholds, relative_thresholds
from spinn_mam.errors import UsageError
from spinn_mam.recording import Recording

FloatArray = npt.NDArray[np.float64]

#: Statistics whose value is a relative difference; those of the others are distances.
RELATIVE = ("mean_rate", "synchrony")
#: Data that a CV needs: neurons, and intervals of the median one.
MIN_CV_NEURONS = 100
MIN_INTERVALS = 5
#: Largest share of sampling noise in the variance of correlation coefficients.
MAX_NOISE = 0.1


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against a reference.

    Attributes
    ----------
    protocol : str
        Name of the protocol.
    window_ms : float
        Length of the windows compared (ms).
    false_alarm : float
        How often a correct run fails the verdict, at most.
    rows : tuple of Row
        Statistic by statistic, in the order of the populations.
    candidate : tuple of PopulationStatistics
        The run in that window.
    seeds : tuple of tuple of PopulationStatistics
        The reference's seeds in that window.
    """

    protocol: str
    window_ms: float
    false_alarm: float
    rows: tuple[Row, ...]
    candidate: Window
    seeds: tuple[Window, ...]

    @property
    def verdict(self) -> Literal["pass", "fail", "undecided"]:
        """The judgement over all deciding rows together."""
        deciding = [row.passed for row in self.rows if not row.weak]
        if not deciding:
            return "undecided"
        return "pass" if all(deciding) else "fail"

    def to_metrics(self) -> dict[str, Any]:
        """Return the ``accuracy`` branch of metrics.json; numbers that are not finite are absent."""
        metrics: dict[str, Any] = {
            "protocol": self.protocol,
            "verdict": self.verdict,
            "window_ms": self.window_ms,
            "n_seeds": len(self.seeds),
            "false_alarm": self.false_alarm,
        }
        for row in self.rows:
            entry: dict[str, Any] = {k: v for k, v in (("value", row.value), ("threshold", row.threshold)) if math.isfinite(v)}
            metrics.setdefault(row.statistic, {})[row.population] = entry | {"pass": row.passed, "weak": row.weak}
        return metrics


def compare(recording: Recording, reference: ReferenceStatistics, protocol: str = "senk26", *, false_alarm: float = FALSE_ALARM) -> Comparison:
    """Compare a run with the reference statistics under a protocol.

    Parameters
    ----------
    recording : Recording
        The run; populations that the reference does not have are ignored.
    reference : ReferenceStatistics
        At least three seeds.
    protocol : str
        ``"senk26"`` or ``"va18"``.
    false_alarm : float
        How often a correct run may fail the verdict.

    Raises
    ------
    UsageError
        If the protocol is unknown, the run lacks a population or has another size of it or is too short, or there are too few seeds.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"unknown accuracy protocol '{protocol}': use one of {', '.join(sorted(PROTOCOLS))}")
    if len(reference.seeds) < MIN_SEEDS:
        raise UsageError(f"the reference has {len(reference.seeds)} seeds, thresholds need at least {MIN_SEEDS}: extend the reference")
    sizes = dict(zip(recording.names, recording.sizes, strict=True))
    for name, size in zip(reference.names, reference.sizes, strict=True):
        if sizes.get(name) != size:
            there = f"{sizes[name]} neurons" if name in sizes else "no such population"
            raise UsageError(f"population {name}: the reference has {size} neurons, the run has {there}: compare with a reference of the same scale")
    recorded = dict(zip(recording.names, recording.recorded, strict=True))
    partly = [f"{recorded[name]} of {size} in {name}" for name, size in zip(reference.names, reference.sizes, strict=True) if recorded[name] < size]
    if partly:
        raise UsageError(
            f"spikes of some neurons only are recorded ({', '.join(partly)}), and thresholds are those of whole populations: use --record all"
        )
    length = reference.window_for(recording.duration_ms)
    by_name = {p.name: p for p in analyse(recording, [length])[0]}
    candidate = tuple(by_name[name] for name in reference.names)
    for seed, window in zip(reference.seeds, reference.window(length), strict=True):
        if _same_run(candidate, window):
            raise UsageError(
                f"the run is seed {seed} of the reference itself, which says nothing: run it with a --seed that the reference does not have"
            )
    return compare_windows(candidate, reference.window(length), PROTOCOLS[protocol], false_alarm=false_alarm)


def _same_run(a: Window, b: Window) -> bool:
    """Whether two windows are of one run: equal counts of all neurons, of which some are not zero, and equal synchrony of all populations."""
    return any(p.mean_rate > 0 for p in a) and all(
        np.array_equal(p.neurons_by_count, q.neurons_by_count) and np.array_equal(p.synchrony, q.synchrony, equal_nan=True)
        for p, q in zip(a, b, strict=True)
    )


def compare_windows(candidate: Window, seeds: tuple[Window, ...], protocol: Protocol, *, false_alarm: float = FALSE_ALARM) -> Comparison:
    """Compare statistics of equal windows; the core of :func:`compare`."""
    tables = [_relative_table(s, candidate, seeds) for s in RELATIVE] + [_distance_table(s, candidate, seeds, protocol) for s in STATISTICS]
    many = len(candidate) > MOST_LINES
    # Bonferroni's divisor counts rows with data enough, before their thresholds are known.
    n_rows = sum(not note for table in tables for note in table.notes)
    level = (false_alarm / 2 if many else false_alarm) / max(1, n_rows)
    rows = [row for table in tables for row in table.rows([p.name for p in candidate], level)]
    if many:
        n_deciding = sum(not of.undecided for of in OVERALL.values())
        rows += [overall_row(statistic, candidate, seeds, false_alarm / 2 / n_deciding) for statistic in OVERALL]
    return Comparison(protocol.name, candidate[0].duration_ms, false_alarm, tuple(rows), candidate, seeds)


@dataclass(frozen=True, slots=True)
class _Table:
    """All populations of one statistic, before thresholds; arrays have shape (n_populations,)."""

    statistic: str
    values: FloatArray
    thresholds: Callable[[float], FloatArray]
    typical: FloatArray
    visible_error: FloatArray
    notes: list[str]

    def rows(self, names: list[str], level: float) -> list[Row]:
        """Apply thresholds at this level of a single row."""
        rows = []
        for name, value, threshold, typical, visible, note in zip(
            names, self.values, self.thresholds(level), self.typical, self.visible_error, self.notes, strict=True
        ):
            note = note or ("" if visible > threshold else TOO_WIDE[self.statistic])
            rows.append(Row(self.statistic, name, float(value), float(threshold), float(typical), bool(abs(value) <= threshold), bool(note), note))
        return rows


def _relative_table(statistic: str, candidate: Window, seeds: tuple[Window, ...]) -> _Table:
    reference = np.array([[getattr(p, statistic) for p in seed] for seed in seeds]).T
    mean = reference.mean(axis=1)
    silent = ~(mean > 0)
    safe = np.where(silent, 1.0, mean)
    relative = reference / safe[:, None] - 1
    values = np.array([getattr(p, statistic) for p in candidate]) / safe - 1
    notes = ["the reference is silent" if s else "" for s in silent]
    sd = relative_thresholds(relative, 0.5)[1]
    visible = np.full(len(mean), LOST_SPIKES if statistic == "mean_rate" else MORE_SYNCHRONY)
    return _Table(statistic, values, lambda level: relative_thresholds(relative, level)[0], sd, visible, notes)


def _distance_table(statistic: Statistic, candidate: Window, seeds: tuple[Window, ...], protocol: Protocol) -> _Table:
    n, n_seeds = len(candidate), len(seeds)
    values, visible = np.zeros(n), np.zeros(n)
    between = np.zeros((n, n_seeds, n_seeds))
    notes = []
    rng = np.random.default_rng(0)
    n_pairs = n_seeds * (n_seeds - 1)
    for p in range(n):
        populations = [seed[p] for seed in seeds]
        samples = [protocol.sample(statistic, population) for population in populations]
        own = protocol.sample(statistic, candidate[p])
        wrong = [_with_error(statistic, sample, population, rng) for sample, population in zip(samples, populations, strict=True)]
        for i, sample in enumerate(samples):
            distance = protocol.distances(statistic, sample)
            values[p] += distance(own) / n_seeds
            for j in range(n_seeds):
                if i != j:
                    between[p, i, j] = distance(samples[j])
                    visible[p] += distance(wrong[j]) / n_pairs
        note = _too_little(statistic, samples, populations)
        defined = np.isfinite(between[p]).all() and between[p].any()
        notes.append(note or ("" if defined else "the distance between seeds is not defined"))
    power = 2 if protocol.distance == "kl" else 1
    typical = between.sum(axis=(1, 2)) / n_pairs
    return _Table(statistic, values, lambda level: distance_thresholds(between, level, power=power), typical, visible, notes)


def _with_error(statistic: Statistic, sample: Sample, population: PopulationStatistics, rng: np.random.Generator) -> Sample:
    """Return the sample as it would be with the error that a deciding row must see."""
    if statistic == "rate":
        # Rates are multiples of 1 / duration: losing spikes keeps them so, scaling would not.
        counts = np.repeat(np.arange(len(population.neurons_by_count)), population.neurons_by_count)
        return Sample.of(rng.binomial(counts, 1 - LOST_SPIKES) / (population.duration_ms / 1000.0))
    return Sample(sample.values + (CV_SHIFT if statistic == "cv_isi" else CORRELATION_SHIFT), sample.counts)


def _too_little(statistic: Statistic, samples: list[Sample], populations: list[PopulationStatistics]) -> str:
    """Return why the reference's windows hold too little data for a statistic, or nothing."""
    if statistic == "cv_isi":
        neurons = min(sample.n for sample in samples)
        intervals = float(np.median([population.median_intervals() for population in populations]))
        if neurons < MIN_CV_NEURONS:
            return f"{neurons} neurons with a CV, {MIN_CV_NEURONS} needed"
        if intervals < MIN_INTERVALS:
            return f"{intervals:g} intervals of the median neuron, {MIN_INTERVALS} needed"
    if statistic == "correlation":
        variance = float(np.mean([sample.sd() ** 2 if sample.n > 1 else 0.0 for sample in samples]))
        noise = 1 / max(1, populations[0].n_bins - 1)
        if not noise <= MAX_NOISE * variance:
            return f"{min(1.0, noise / variance):.0%} of the variance is sampling noise" if variance > 0 else "no correlations"
    return ""


def comparison_table(comparison: Comparison) -> Table:
    """Return the comparison as a table for the terminal: a line for each population, a column for each statistic.

    Of many areas a line is an area: of each statistic its deciding population nearest to the threshold, or furthest beyond it.
    """
    colour = {"pass": "green", "fail": "red", "undecided": "yellow"}[comparison.verdict]
    title = Text.assemble(
        f"accuracy ({comparison.protocol}, {comparison.window_ms / 1000:g} s, {len(comparison.seeds)} reference seeds): ",
        (comparison.verdict, f"bold {colour}"),
    )
    single = [row for row in comparison.rows if row.population != ALL]
    populations = list(dict.fromkeys(row.population for row in single))
    by_area = len(populations) > MOST_LINES
    caption = "the population with the largest value/threshold" if by_area else "value/threshold; weak values, in brackets, do not decide"
    table = Table(
        title=title,
        caption="\n".join([caption, *overall_lines(comparison.rows)]),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("")
    names = {"mean_rate": "mean rate", "synchrony": "synchrony", "rate": "rates", "cv_isi": "CV of ISI", "correlation": "correlation"}
    statistics = list(dict.fromkeys(row.statistic for row in single))
    for statistic in statistics:
        table.add_column(names[statistic], justify="right")
    lines: dict[str, dict[str, list[Row]]] = {}
    for row in single:
        line = row.population.rpartition("-")[0] if by_area else row.population
        lines.setdefault(line, {}).setdefault(row.statistic, []).append(row)
    for line, by_statistic in lines.items():
        table.add_row(line, *[_worst_cell(by_statistic[s]) if by_area else _cell(by_statistic[s][0]) for s in statistics])
    return table


def _worst_cell(rows: list[Row]) -> Text:
    deciding = [row for row in rows if not row.weak]
    if not deciding:
        return Text("-", style="dim")
    worst = max(deciding, key=lambda row: abs(row.value) / row.threshold)
    return Text(f"{worst.population.rpartition('-')[2]} {abs(worst.value) / worst.threshold:.0%}", style="green" if worst.passed else "bold red")


def _cell(row: Row) -> Text:
    text = f"{100 * row.value:+.1f}/{100 * row.threshold:.1f}%" if row.statistic in RELATIVE else f"{row.value:.2g}/{row.threshold:.2g}"
    if row.weak:
        return Text(f"({text})", style="dim")
    return Text(text, style="green" if row.passed else "bold red")
