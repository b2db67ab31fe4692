"""Where silence stops leading to the low state, and the unstable fixed point that then stands in between.

Problem
    In a bistable network the low state can persist while its basin shrinks. With more external input the silent network jumps to the high state: at
    which input, and past which unstable fixed point?
Method
    Bisection of the parameter between a value from which silence leads to the low state and one from which it leads to the high one. The closer
    the two, the longer the trajectory stays near the unstable fixed point whose stable manifold, the separatrix, passes through silence. Newton's
    method from the last pause of the trajectory gives that fixed point exactly; one eigenvalue of its gain matrix, and no other, is above 1. If
    silence stays in the basin until the low state ends in a fold, the slowest point is where the fold was.
Cost
    Some tens of trajectories of tens of time constants: some tens of seconds for 254 populations.
Reference
    Schuecker et al. (2017), doi 10.1371/journal.pcbi.1005179, who took the slowest point of a trajectory after 7 bisections itself; edge tracking:
    Skufca, Yorke and Eckhardt (2006), doi 10.1103/PhysRevLett.96.174101.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import RunFailedError
from spinn_mam.models.theory.continuation import Family
from spinn_mam.models.theory.fixed_points import newton, runge_kutta
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.network.spec import FloatArray

#: Mean rate over neurons (spikes/s) above which the high state has been reached: unstable states of cortical models lie at a few.
HIGH = 20.0
#: Flow (spikes/s for each time constant) below which a trajectory has come to rest.
AT_REST = 1e-5
#: Time between two looks at a trajectory and the longest one (time constants).
LOOK, LONGEST = 1.0, 150.0
REFINEMENTS = 30
#: Distance from the trajectory, relative to the mean rate, at which a fixed point still counts as the one it passed.
PASSED = 0.15
#: Error of a step: small, so that it does not decide on which side of the separatrix a trajectory ends.
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Rates in pseudo-time from silence.

    Attributes
    ----------
    time : ndarray, shape (n_looks,)
        (time constants)
    rates : ndarray, shape (n_looks, n)
        (spikes/s)
    speed : ndarray, shape (n_looks,)
        Root mean square of the flow over populations (spikes/s for each time constant).
    high : bool
        Whether it ended in the high state.
    """

    time: FloatArray
    rates: FloatArray
    speed: FloatArray
    high: bool


@dataclass(frozen=True, slots=True)
class Jump:
    """The parameter at which the silent network jumps to the high state.

    Attributes
    ----------
    parameter : float
        The jump is between this and the next lower value that bisection can tell.
    saddle : ndarray, shape (n,)
        Unstable fixed point at the parameter (spikes/s).
    exact : bool
        Whether it is one. Where the low state itself ends in a fold there is none beyond, and this is the bottleneck that the fold leaves behind: the
        slowest point of the trajectory.
    eigenvalues : ndarray of complex
        Of its gain matrix, by falling real part; of a fixed point the first alone is above 1.
    below, above : Trajectory
        Just below and above the jump.
    """

    parameter: float
    saddle: FloatArray
    exact: bool
    eigenvalues: npt.NDArray[np.complex128]
    below: Trajectory
    above: Trajectory


def trajectory(field: MeanField) -> Trajectory:
    """Follow the silent network until it is at rest or in the high state."""
    weights = field.sizes / field.sizes.sum()
    rates = np.zeros((1, len(field.names)))
    times, states, speeds = [], [], []
    for look in range(1, round(LONGEST / LOOK) + 1):
        rates = runge_kutta(field, rates, LOOK, TOLERANCE)
        flow = field.transfer(rates) - rates
        times.append(look * LOOK)
        states.append(rates[0].copy())
        speeds.append(float(np.sqrt((flow**2).mean())))
        high = bool(rates[0] @ weights > HIGH)
        if high or speeds[-1] < AT_REST:
            break
    return Trajectory(np.array(times), np.array(states), np.array(speeds), high)


def find_jump(family: Family, first: float, last: float, refinements: int = REFINEMENTS) -> Jump | None:
    """Find the parameter at which silence stops leading to the low state.

    Parameters
    ----------
    family : function of the parameter
        The network at a value of the parameter.
    first, last : float
        Where silence leads to the low state, and where to look up to.
    refinements : int
        Halvings of the interval.

    Returns
    -------
    Jump or None
        None if the network at ``last`` still goes to the low state.

    Raises
    ------
    RunFailedError
        If the network goes to the high state at once.
    """
    below, above = trajectory(family(first)), trajectory(family(last))
    if below.high:
        raise RunFailedError(f"mean-field theory: silence leads to the high state already at {first:g}: begin with less excitation")
    if not above.high:
        return None
    low, high = first, last
    for _ in range(refinements):
        middle = 0.5 * (low + high)
        path = trajectory(family(middle))
        if path.high:
            high, above = middle, path
        else:
            low, below = middle, path
    field = family(high)
    slow = [k for k in range(1, len(above.speed) - 1) if above.speed[k] < above.speed[k - 1] and above.speed[k] <= above.speed[k + 1]]
    for k in reversed(slow):  # the last pause before the escape is at the fixed point with one direction of escape
        (saddle,), (there,) = newton(field, above.rates[[k]])
        near = there and np.abs(saddle - above.rates[k]).mean() < PASSED * saddle.mean()
        values = _eigenvalues(field, saddle) if near else np.zeros(1, dtype=np.complex128)
        if values[0].real > 1.0 and (len(values) == 1 or values[1].real < 1.0):
            return Jump(high, saddle, True, values, below, above)
    slowest = above.rates[min(slow, key=lambda k: float(above.speed[k]), default=0)]
    return Jump(high, slowest, False, _eigenvalues(field, slowest), below, above)


def _eigenvalues(field: MeanField, rates: FloatArray) -> npt.NDArray[np.complex128]:
    values = np.linalg.eigvals(field.gain(rates)).astype(np.complex128)
    return np.asarray(values[np.argsort(-values.real)])
