"""Delays as sPyNNaker 7.4.1 is told them, and the longest that it reserves rows and delay stages for."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from spinn_mam.network.spec import Distribution, Projection

#: Steps by which the cores act earlier than NEST, which the backend adds to each delay; and half a step, with which truncation on the machine rounds.
DELAY_OFFSET_STEPS, ROUNDING_STEPS = 1, 0.5
#: ``utilities/utility_calls.py`` get_probable_maximum_selected: accepted chance that any row is longer than reserved.
ROW_CHANCE = 0.01


def told_delay(delay: Distribution, dt: float) -> Distribution:
    """Return a delay (ms) as the tools are told it, which is what they reserve rows and delay stages for.

    A constant they are told as a value within its step, since the machine cuts off: its upper end, three quarters into the step, counts.

    Examples
    --------
    >>> told_delay(Distribution(1.5, 0.0), 0.1).mean, told_delay(Distribution(1.5, 0.75, 0.05), 0.1).mean
    (1.675, 1.65)
    """
    if delay.sd == 0.0:
        steps = max(1, round(delay.mean / dt)) + DELAY_OFFSET_STEPS
        return Distribution((steps + 0.75) * dt, 0.0)
    shift = (DELAY_OFFSET_STEPS + ROUNDING_STEPS) * dt
    return Distribution(delay.mean + shift, delay.sd, delay.lower + shift, delay.upper + shift)


def longest_delay(delay: Distribution, n_synapses: int) -> float:
    """Return the delay (ms) that none of ``n_synapses`` draws exceeds but with chance 0.01, or its upper bound.

    It is the rule of ``utilities/utility_calls.py`` get_maximum_probable_value.
    """
    if n_synapses == 0:
        return 0.0
    if delay.sd == 0.0:
        return float(np.clip(delay.mean, delay.lower, delay.upper))
    probable = delay.mean + delay.sd * -float(ndtri(ROW_CHANCE / n_synapses))
    return float(min(max(probable, delay.lower), delay.upper))


def longest_steps(projection: Projection, dt: float) -> int:
    """Return the delay that the tools reserve for the synapses of a projection (steps)."""
    return int(np.ceil(longest_delay(told_delay(projection.delay, dt), projection.n_synapses) / dt - 1e-9))
