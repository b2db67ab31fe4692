"""Rows of a comparison, and the errors that a row must be able to see to decide."""

from __future__ import annotations

from dataclasses import dataclass

#: Errors that a deciding row must be able to see.
LOST_SPIKES = 0.15
MORE_SYNCHRONY = 0.5
CV_SHIFT = 0.1
CORRELATION_SHIFT = 0.005
LVR_SHIFT = 0.1
#: Why a row whose threshold lets such an error pass is weak.
TOO_WIDE = {
    "mean_rate": f"a loss of {LOST_SPIKES:.0%} of spikes would pass",
    "synchrony": f"synchrony larger by {MORE_SYNCHRONY:.0%} would pass",
    "rate": f"a loss of {LOST_SPIKES:.0%} of spikes would pass",
    "cv_isi": f"CVs larger by {CV_SHIFT:g} would pass",
    "correlation": f"correlations larger by {CORRELATION_SHIFT:g} would pass",
}
#: What stands for a population where all are judged together.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """One statistic of one population.

    Attributes
    ----------
    statistic : str
        ``"mean_rate"``, ``"synchrony"``, ``"rate"``, ``"cv_isi"`` or ``"correlation"``; of all populations together those of OVERALL.
    population : str
        Population name, or ALL.
    value : float
        Mean rate and synchrony: relative difference to the seeds' mean; else the mean distance to the seeds, of all together a root mean square.
    threshold : float
        Largest value (mean rate, synchrony: absolute value) that passes; NaN if the reference gives none.
    typical : float
        What a seed shows: relative standard deviation (mean rate, synchrony) or mean distance between seeds.
    passed : bool
        Whether the value is within the threshold.
    weak : bool
        Whether the row is left out of the verdict.
    note : str
        Why it is weak.
    """

    statistic: str
    population: str
    value: float
    threshold: float
    typical: float
    passed: bool
    weak: bool
    note: str = ""
