"""Judge all populations of a large network together.

Of many populations each alone can say little: a thousand rows leave so little of the false alarm to each that a handful of seeds gives no narrow
threshold. So networks of more than MOST_LINES populations have four rows more, which get half of the false alarm: the root mean square over all
populations of the difference of mean rates (spikes/s), mean CVs, mean LvR and mean correlations between the run and the seeds, beside that between
seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.analysis import PopulationStatistics
from spinn_mam.comparison.protocols import SENK26
from spinn_mam.comparison.reference import Window
from spinn_mam.comparison.rows import ALL, CORRELATION_SHIFT, CV_SHIFT, LOST_SPIKES, LVR_SHIFT, TOO_WIDE, Row
from spinn_mam.comparison.thresholds import distance_thresholds

FloatArray = npt.NDArray[np.float64]

#: More populations than this are judged together, too.
MOST_LINES = 40
#: Neurons that a population's number has to be of to count.
MIN_OVERALL_NEURONS = 20


@dataclass(frozen=True, slots=True)
class _Overall:
    """A number of each population whose root mean square difference over all populations is judged."""

    what: str
    unit: str
    number: Callable[[PopulationStatistics], float]
    enough: Callable[[PopulationStatistics], int]
    with_error: Callable[[FloatArray], FloatArray]
    too_wide: str


def _n_fired(population: PopulationStatistics) -> int:
    return int(population.neurons_by_count[1:].sum())


#: Statistics of all populations together.
OVERALL = {
    "rms_rate": _Overall(
        "mean rates", " spikes/s", lambda p: p.mean_rate, lambda p: p.size, lambda rates: (1.0 - LOST_SPIKES) * rates, TOO_WIDE["mean_rate"]
    ),
    "rms_cv_isi": _Overall(
        "mean CVs",
        "",
        lambda p: p.cvs(SENK26.cv_more_than).mean(),
        lambda p: p.cvs(SENK26.cv_more_than).n,
        lambda cvs: cvs + CV_SHIFT,
        TOO_WIDE["cv_isi"],
    ),
    "rms_lvr": _Overall(
        "mean LvR",
        "",
        lambda p: p.lvr,
        lambda p: p.cvs(SENK26.cv_more_than).n,
        lambda lvr: lvr + LVR_SHIFT,
        f"LvR larger by {LVR_SHIFT:g} would pass",
    ),
    "rms_correlation": _Overall("mean correlations", "", lambda p: p.correlation, _n_fired, lambda r: r + CORRELATION_SHIFT, TOO_WIDE["correlation"]),
}


def that_count(statistic: str, seeds: Sequence[Window]) -> list[bool]:
    """Say of each population whether its number is of neurons enough in every seed."""
    return [min(map(OVERALL[statistic].enough, of_seeds)) >= MIN_OVERALL_NEURONS for of_seeds in zip(*seeds, strict=True)]


def overall_row(statistic: str, candidate: Window, seeds: tuple[Window, ...], level: float) -> Row:
    """Judge all populations together: root mean squares over them, of the run to the seeds by those between seeds."""
    of = OVERALL[statistic]
    known = that_count(statistic, seeds)
    reference, own = (
        np.array([[of.number(p) for p, k in zip(window, known, strict=True) if k] for window in windows]) for windows in (seeds, (candidate,))
    )
    if not reference.shape[1]:
        return Row(statistic, ALL, math.nan, math.nan, math.nan, False, True, f"no population has {MIN_OVERALL_NEURONS} neurons that count")
    if np.isnan(reference).any():
        return Row(statistic, ALL, math.nan, math.nan, math.nan, False, True, "the reference was made without it")
    wrong = of.with_error(reference)
    between, lost, mine = (np.sqrt(((reference[:, None] - other[None]) ** 2).mean(axis=2)) for other in (reference, wrong, own))
    off = ~np.eye(len(seeds), dtype=bool)
    threshold = float(distance_thresholds(between[None], level, power=1)[0])
    value = float(np.nan_to_num(mine, nan=np.inf).mean())
    weak = not float(lost[off].mean()) > threshold
    return Row(statistic, ALL, value, threshold, float(between[off].mean()), bool(value <= threshold), weak, of.too_wide if weak else "")


def overall_lines(rows: Sequence[Row]) -> list[str]:
    """Say what all populations together show; nothing where they are not judged together."""
    said = []
    for row in rows:
        if row.population == ALL:
            of = OVERALL[row.statistic]
            numbers = f"{row.value:.3g} to the seeds, {row.typical:.3g} between seeds, at most {row.threshold:.3g}{of.unit}"
            verdict = f"does not decide ({row.note})" if row.weak else "pass" if row.passed else "fail"
            said.append(f"all populations together, {of.what}, root mean square: {numbers}: {verdict}")
    return said
