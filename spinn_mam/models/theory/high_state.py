"""Whether a second, high state stands beside the state that a network is meant to be in, and how far its basin is.

Problem
    The multi-area model has two stable states even as its ground state is set. At full scale it stays in the low one; with a tenth of the neurons
    fluctuations are three times as large, and with all its in-degrees such a network leaves it within 0.1 s. Down-scaled in-degrees, whose lost
    input a constant current replaces, loosen the loops that hold the high state. Which networks can leave the low one has to be known before hours
    are spent on them.
Method
    Where a high state exists, excitatory populations at high rates and silent inhibitory ones lead to it. On the straight line from the low to the
    high state, bisection finds where the basins meet.
Cost
    Some ten trajectories: a second for 254 populations.
Reference
    Schuecker et al. (2017), doi 10.1371/journal.pcbi.1005179 (the two states and their separatrix).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.models.theory.fixed_points import stationary_state
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.models.theory.separatrix import HIGH
from spinn_mam.network.spec import FloatArray, NetworkSpec

#: Rate of excitatory populations from which the high state is looked for (spikes/s).
START = 100.0
#: Bisections on the line between the states: to half a per cent.
BISECTIONS = 8


@dataclass(frozen=True, slots=True)
class HighState:
    """A stable state of high rates beside the low one.

    Attributes
    ----------
    low, high : float
        Mean rates over neurons (spikes/s).
    highest, of : float, str
        Highest rate of a population in the high state (spikes/s), and which.
    border : float
        Part of the straight way from the low to the high state on which rates still fall back.
    at_border : float
        Mean rate over neurons there (spikes/s).
    """

    low: float
    high: float
    highest: float
    of: str
    border: float
    at_border: float


def high_state(field: MeanField) -> HighState | None:
    """Look for a high state; None if excitation leads back to the state that silence leads to, or that one is high itself.

    Raises
    ------
    RunFailedError
        If theory finds no stable state from silence.

    Examples
    --------
    >>> from spinn_mam.models import load_model
    >>> high_state(MeanField.of(load_model("pd14").network(0.1, 0.1))) is None
    True
    """
    low = stationary_state(field).rates
    weights = field.sizes / field.sizes.sum()
    excitatory = (field.J * field.in_degrees).sum(axis=0) > 0

    def end(start: FloatArray) -> FloatArray:
        try:
            return stationary_state(field, start).rates
        except RunFailedError:  # on the border, or no stable state but one that oscillates: not the low one in any case
            return np.full_like(low, np.inf)

    high = end(np.where(excitatory, START, 0.0))
    middle = (low + high) @ weights / 2
    if not np.isfinite(middle) or high @ weights < HIGH or low @ weights >= HIGH:
        return None
    falls, leaves = 0.0, 1.0
    for _ in range(BISECTIONS):
        share = (falls + leaves) / 2
        if end(low + share * (high - low)) @ weights > middle:
            leaves = share
        else:
            falls = share
    top = int(np.argmax(high))
    at_border = float((low + falls * (high - low)) @ weights)
    return HighState(float(low @ weights), float(high @ weights), float(high[top]), field.names[top], falls, at_border)


def high_state_lines(spec: NetworkSpec) -> list[str]:
    """Say that a network with fewer neurons than the full one can leave its low state; empty if there is no other, or theory does not know."""
    if spec.N_scaling == 1.0:
        return []
    try:
        found = high_state(MeanField.of(spec))
    except (UsageError, RunFailedError):
        return []
    if found is None:
        return []
    return [
        f"down-scaled: theory has a second stable state, {found.high:.1f} spikes/s in the mean ({found.of} {found.highest:.0f}), beside that of "
        f"{found.low:.1f}; rates fall back up to a mean of {found.at_border:.1f} on the way. With {spec.N_scaling:g} of the neurons "
        f"fluctuations are {spec.N_scaling**-0.5:.1f} times as large and may carry the network over"
    ]
