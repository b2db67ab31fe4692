"""Judge all populations of a large network together.

Of many populations each alone can say little: a thousand rows leave so little of the false alarm to each that a handful of seeds gives no narrow
threshold. So networks of more than MOST_LINES populations have rows more, which get half of the false alarm: the root mean square over all
populations of the difference of mean rates (spikes/s), mean CVs and mean LvR between the run and the seeds, and the median of that of mean
correlations, beside those between seeds. The median, since networks near a second state leave the first for a moment now and then: a few areas
then have correlations many times as large, in one run of several, and no handful of seeds says how often. Their root mean square is shown, too.
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
    """A number of each population whose difference over all populations is judged: its root mean square, or the root of the median square."""

    what: str
    unit: str
    number: Callable[[PopulationStatistics], float]
    enough: Callable[[PopulationStatistics], int]
    with_error: Callable[[FloatArray], FloatArray]
    too_wide: str
    median: bool = False
    undecided: str = ""

    def distance(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Return the difference over all populations, the last axis."""
        square = (a - b) ** 2
        return np.asarray(np.sqrt(np.median(square, axis=-1) if self.median else square.mean(axis=-1)), dtype=np.float64)


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
    "median_correlation": _Overall(
        "mean correlations", "", lambda p: p.correlation, _n_fired, lambda r: r + CORRELATION_SHIFT, TOO_WIDE["correlation"], median=True
    ),
    "rms_correlation": _Overall(
        "mean correlations",
        "",
        lambda p: p.correlation,
        _n_fired,
        lambda r: r + CORRELATION_SHIFT,
        TOO_WIDE["correlation"],
        undecided="a moment in which a few areas leave their state makes it large",
    ),
}


def that_count(statistic: str, seeds: Sequence[Window]) -> list[bool]:
    """Say of each population whether its number is of neurons enough in every seed."""
    return [min(map(OVERALL[statistic].enough, of_seeds)) >= MIN_OVERALL_NEURONS for of_seeds in zip(*seeds, strict=True)]


def overall_row(statistic: str, candidate: Window, seeds: tuple[Window, ...], level: float) -> Row:
    """Judge all populations together: differences over them, of the run to the seeds by those between seeds."""
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
    between, lost, mine = (of.distance(reference[:, None], other[None]) for other in (reference, wrong, own))
    off = ~np.eye(len(seeds), dtype=bool)
    threshold = float(distance_thresholds(between[None], level, power=1)[0])
    value = float(np.nan_to_num(mine, nan=np.inf).mean())
    note = of.undecided or ("" if float(lost[off].mean()) > threshold else of.too_wide)
    return Row(statistic, ALL, value, threshold, float(between[off].mean()), bool(value <= threshold), bool(note), note)


def overall_lines(rows: Sequence[Row]) -> list[str]:
    """Say what all populations together show; nothing where they are not judged together."""
    said = []
    for row in rows:
        if row.population == ALL:
            of = OVERALL[row.statistic]
            numbers = f"{row.value:.3g} to the seeds, {row.typical:.3g} between seeds, at most {row.threshold:.3g}{of.unit}"
            verdict = f"does not decide ({row.note})" if row.weak else "pass" if row.passed else "fail"
            said.append(f"all populations together, {of.what}, {'median' if of.median else 'root mean square'}: {numbers}: {verdict}")
    return said
