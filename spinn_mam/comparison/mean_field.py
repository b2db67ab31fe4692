"""Mean-field theory beside a run, population by population, and what may be concluded from the difference.

Problem
    Theory takes a second and predicts every rate, but it is an approximation. A difference can be a fault of the run, or theory's own error.
Method
    *The full-scale ground state of the multi-area model.* There the error is known: theory predicts the rates of full-scale simulations over all
    254 populations with a correlation above 0.999, and two correct simulators (GeNN and NEST: Knight and Nowotny 2021, doi
    10.1038/s43588-020-00022-7) differ from each other by 0.069 spikes/s rms, 0.41 in the worst population. A run has to be within 0.12 rms of
    theory, with that correlation: either bound alone leaves out a common factor or a few bad populations. Beside a reference of that network it has
    to be within 0.12 spikes/s, 0.05 in LvR and 2e-4 in correlations rms of its seeds; those simulators differ by 0.069, 0.029 and 9.8e-5.

    *Any other network, with reference seeds.* Whether the run is right, its seeds say (:mod:`.verdict`): their spread is the tolerance of each
    population, and of all together. Theory then has a check of its own: is it as near to the seeds as one more run has to be? Where not, the
    difference is theory's error and not the run's.

    *Else* nothing is judged.

    Where theory knows itself that it does not hold, populations come with a *doubt*, and differences there are no surprise.
Cost
    None beside that of the comparison.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spinn_mam.comparison.overall import OVERALL, that_count
from spinn_mam.comparison.verdict import Comparison

FloatArray = npt.NDArray[np.float64]

#: Largest root mean square of the differences over all populations (spikes/s), and least correlation, of the full-scale ground state.
MOST_RMS, LEAST_CORRELATION = 0.12, 0.999
#: Largest root mean square of the differences to the seeds of a reference of that network.
MOST_TO_SEEDS = {"rms_rate": MOST_RMS, "rms_lvr": 0.05, "rms_correlation": 2e-4}
#: The largest difference of a population between two correct simulators of it (spikes/s): beyond it, a population is named.
LARGEST_SEEN = 0.41
#: Biological time below which counting spikes alone takes up the tolerance (ms).
LEAST_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Beside:
    """One population of a run beside theory.

    Attributes
    ----------
    population : str
    run, theory : float
        Rates (spikes/s).
    seeds, tolerance : float
        Mean rate of the reference's seeds, and how far one more run may be from it (spikes/s); NaN without a reference that decides.
    doubt : str
        Why theory is not expected to hold here; empty where it is.
    """

    population: str
    run: float
    theory: float
    seeds: float
    tolerance: float
    doubt: str

    @property
    def run_agrees(self) -> bool | None:
        """Whether the run is as near to the seeds as it has to be; None if they do not say."""
        return abs(self.run - self.seeds) <= self.tolerance if math.isfinite(self.tolerance) else None

    @property
    def theory_agrees(self) -> bool | None:
        """Whether theory is as near to the seeds as one more run has to be; None if they do not say."""
        return abs(self.theory - self.seeds) <= self.tolerance if math.isfinite(self.tolerance) else None


@dataclass(frozen=True, slots=True)
class Overall:
    """All populations together: root mean squares of differences of rates (spikes/s).

    Attributes
    ----------
    run, theory : float
        To the seeds, mean over these.
    most : float
        Largest that passes.
    """

    run: float
    theory: float
    most: float


@dataclass(frozen=True, slots=True)
class MeanFieldCheck:
    """A run beside theory.

    Attributes
    ----------
    rows : tuple of Beside
        By population.
    by : str
        What decides: ``"tolerances"`` of the full-scale ground state, ``"seeds"`` of a reference, or ``"nothing"``.
    verdict : str
        ``"pass"``, ``"fail"`` or ``"undecided"``.
    duration_ms : float
        Of the run, or of the window of it that is compared.
    overall : Overall or None
        Where populations are so many that they are judged together.
    to_seeds : dict of str to float
        Of the full-scale ground state beside a reference: root mean squares that MOST_TO_SEEDS bounds; infinite where a population of the run has no
        such number, as a silent one has no LvR.
    """

    rows: tuple[Beside, ...]
    by: Literal["tolerances", "seeds", "nothing"]
    verdict: Literal["pass", "fail", "undecided"]
    duration_ms: float
    overall: Overall | None = None
    to_seeds: Mapping[str, float] = field(default_factory=dict)

    @property
    def within_tolerances(self) -> bool:
        """Whether the run is as near to theory as the full-scale ground state has to be."""
        return self.rms <= MOST_RMS and self.correlation is not None and self.correlation >= LEAST_CORRELATION

    @property
    def at_odds_with(self) -> str:
        """What a run that fails does not agree with."""
        if self.by == "tolerances" and not self.within_tolerances:
            return "mean-field theory, which holds for this network"
        return "the seeds of its reference"

    @property
    def differences(self) -> FloatArray:
        """Run less theory (spikes/s), by population."""
        return np.array([row.run - row.theory for row in self.rows])

    @property
    def rms(self) -> float:
        """Root mean square of the differences (spikes/s)."""
        return float(np.sqrt(np.mean(self.differences**2)))

    @property
    def worst(self) -> Beside:
        """The population with the largest difference."""
        return self.rows[int(np.argmax(np.abs(self.differences)))]

    @property
    def correlation(self) -> float | None:
        """Of rates over populations; None if they do not vary."""
        run, theory = (np.array([getattr(row, name) for row in self.rows]) for name in ("run", "theory"))
        return float(np.corrcoef(run, theory)[0, 1]) if len(run) > 1 and run.std() > 0 and theory.std() > 0 else None

    def lines(self) -> list[str]:
        """Say what was found."""
        r = "" if self.correlation is None else f", correlation {self.correlation:.4f}"
        off = self.worst.run - self.worst.theory
        said = [f"beside mean-field theory, population by population: rms {self.rms:.3f} spikes/s, most {off:+.3f} ({self.worst.population}){r}"]
        doubted = [row for row in self.rows if row.doubt]
        if self.by == "tolerances":
            said += self._by_tolerances()
        elif self.by == "seeds":
            said += self._by_seeds()
        else:
            said.append("theory is no judge of this network: how far a run may stray, the spread between seeds says (spinn-mam reference)")
        if doubted:
            said.append(f"theory is not expected to hold in {len(doubted)} of {len(self.rows)} populations: {some(_doubts(doubted))}")
        return said

    def _by_tolerances(self) -> list[str]:
        bounds = f"at most {MOST_RMS:g} spikes/s rms and a correlation of at least {LEAST_CORRELATION:g}"
        if self.verdict == "undecided":
            return [f"full-scale ground state: {bounds} are due, but not in {self.duration_ms:g} ms; simulate {LEAST_MS:g} ms or more"]
        beyond = [f"{row.population} {d:+.2f}" for row, d in zip(self.rows, self.differences, strict=True) if abs(d) > LARGEST_SEEN]
        named = f"; by more than the {LARGEST_SEEN:g} spikes/s that correct simulators were seen to differ: {some(beyond)}" if beyond else ""
        numbers = [f"{OVERALL[name].what} {value:.3g} of at most {MOST_TO_SEEDS[name]:g}" for name, value in self.to_seeds.items()]
        seeds = [f"full-scale ground state beside the seeds, root mean square: {', '.join(numbers)}"] if numbers else []
        return [f"full-scale ground state: {self.verdict} ({bounds}){named}", *seeds]

    def _by_seeds(self) -> list[str]:
        decided = [row for row in self.rows if row.run_agrees is not None]
        wrong = [f"{row.population} {row.run - row.seeds:+.2f}" for row in decided if not row.run_agrees]
        off = sorted((row for row in decided if not row.theory_agrees), key=lambda row: -abs(row.theory - row.seeds))
        named = [f"{row.population} {row.theory - row.seeds:+.2f}{f' ({row.doubt})' if row.doubt else ''}" for row in off]
        said = []
        if self.overall is not None:
            o = self.overall
            numbers = f"the run is off by {o.run:.3f} spikes/s rms, theory by {o.theory:.3f}, a correct run by at most {o.most:.3f}"
            said.append(f"beside the seeds, all populations together: {numbers}")
        if not decided:
            return said
        said.append(
            f"beside the seeds, whose spread is the tolerance of {len(decided)} populations (the others have too few spikes): the run is "
            + (f"off in {len(wrong)}: {some(wrong)}" if wrong else "within it in all")
        )
        if not wrong:  # else nobody knows whether run or theory is of the network that the seeds are of
            said.append(f"theory itself is within it in {len(decided) - len(off)}" + (f", off in {len(off)}, most {some(named)}" if off else ""))
        return said

    def to_metrics(self) -> dict[str, Any]:
        """Return the ``theory`` branch of metrics.json; what is not known is absent."""
        r = self.correlation
        data: dict[str, Any] = {
            "rms": self.rms,
            "largest": self.worst.run - self.worst.theory,
            "population": self.worst.population,
            **({} if r is None else {"correlation": r}),
            "judged_by": self.by,
            "verdict": self.verdict,
            **({} if self.overall is None else {"overall": asdict(self.overall)}),
            **({"to_seeds": {name: value for name, value in self.to_seeds.items() if math.isfinite(value)}} if self.to_seeds else {}),
            "populations": {},
        }
        for row in self.rows:
            entry: dict[str, Any] = {"run": row.run, "theory": row.theory}
            if row.run_agrees is not None:
                entry |= {"seeds": row.seeds, "tolerance": row.tolerance, "run_agrees": row.run_agrees, "theory_agrees": row.theory_agrees}
            data["populations"][row.population] = entry | ({"doubt": row.doubt} if row.doubt else {})
        return data


def check_mean_field(
    names: Sequence[str],
    run: FloatArray,
    theory: FloatArray,
    doubts: Sequence[str],
    duration_ms: float,
    *,
    ground_state: bool = False,
    comparison: Comparison | None = None,
) -> MeanFieldCheck:
    """Put a run beside theory and judge it by what there is.

    Parameters
    ----------
    names : sequence of str
        Populations.
    run, theory : ndarray, shape (n,)
        Rates (spikes/s); beside a reference the run's are those in the window that is compared.
    doubts : sequence of str
        Why theory is not expected to hold, by population.
    duration_ms : float
    ground_state : bool
        Whether the network is the full-scale ground state of the multi-area model.
    comparison : Comparison, optional
        Of the run with its reference.
    """
    rates, seeds, tolerances = dict(zip(names, run.tolist(), strict=True)), dict[str, float](), dict[str, float]()
    if comparison is not None:
        duration_ms = min(duration_ms, comparison.window_ms)
        rates |= {p.name: p.mean_rate for p in comparison.candidate}
        seeds = {p.name: float(np.mean([s[i].mean_rate for s in comparison.seeds])) for i, p in enumerate(comparison.candidate)}
        deciding = [row for row in comparison.rows if row.statistic == "mean_rate" and not row.weak]
        tolerances = {row.population: row.threshold * seeds[row.population] for row in deciding}
    rows = [
        Beside(name, rates[name], expected, seeds.get(name, math.nan), tolerances.get(name, math.nan), doubt)
        for name, expected, doubt in zip(names, theory.tolist(), doubts, strict=True)
    ]
    if ground_state:
        check = MeanFieldCheck(tuple(rows), "tolerances", "undecided", duration_ms)
        if duration_ms < LEAST_MS:
            return check
        together = [] if comparison is None else [row for row in comparison.rows if row.statistic in MOST_TO_SEEDS]
        to_seeds = {row.statistic: row.value for row in together if not math.isnan(row.value)}  # NaN: the reference has no such number
        good = check.within_tolerances and all(value <= MOST_TO_SEEDS[name] for name, value in to_seeds.items())
        return MeanFieldCheck(check.rows, "tolerances", "pass" if good else "fail", duration_ms, to_seeds=to_seeds)
    found = [row.run_agrees for row in rows if row.run_agrees is not None]
    overall = _overall(comparison, names, theory) if comparison is not None else None
    if overall is not None:
        found.append(overall.run <= overall.most)
    if not found:
        return MeanFieldCheck(tuple(rows), "nothing", "undecided", duration_ms)
    return MeanFieldCheck(tuple(rows), "seeds", "pass" if all(found) else "fail", duration_ms, overall)


def _overall(comparison: Comparison, names: Sequence[str], theory: FloatArray) -> Overall | None:
    """Put run and theory beside the seeds in all populations together, those that count in the comparison, where it does."""
    row = next((row for row in comparison.rows if row.statistic == "rms_rate" and not row.weak), None)
    if row is None:
        return None
    rates = dict(zip(names, theory.tolist(), strict=True))
    known = that_count(row.statistic, comparison.seeds)
    seeds = np.array([[p.mean_rate for p in seed] for seed in comparison.seeds])[:, known]
    expected = np.array([rates[p.name] for p in comparison.candidate])[known]
    return Overall(row.value, float(np.sqrt(((seeds - expected) ** 2).mean(axis=1)).mean()), row.threshold)


def _doubts(rows: Sequence[Beside]) -> list[str]:
    """Count populations by what kind of doubt there is."""
    kinds: dict[str, int] = {}
    for row in rows:
        kind = row.doubt.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return [f"{kind} ({count})" for kind, count in kinds.items()]


def some(texts: Sequence[str], most: int = 6) -> str:
    """List texts, of many only the first.

    Examples
    --------
    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")
