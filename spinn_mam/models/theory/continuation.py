"""Branches of fixed points as a parameter changes, through the folds where they turn from stable to unstable.

Problem
    Excitation rises and a network jumps from its low state to a high one. Where does the low state end, and which unstable state, on the border
    between the two basins, does it meet there?
Method
    Pseudo-arclength continuation: a fixed point and the parameter are one curve in n + 1 dimensions, followed by steps along its tangent
    that Newton's method corrects across it. Unlike integration it does not mind whether the branch is stable, and passes folds. A fold is where the
    parameter turns; there an eigenvalue of the gain matrix is 1. It is refined by halving the step that passed it.
Cost
    A few solutions of n + 1 linear equations for each point: 254 populations take some seconds for a branch of a hundred points.
Reference
    Keller (1977), Numerical solution of bifurcation and nonlinear eigenvalue problems; Kuznetsov (2004), doi 10.1007/978-1-4757-3978-7, chapter 10.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import RunFailedError
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.network.spec import FloatArray

#: Step along the curve in its own norm, see _norm: at first, at least and at most.
FIRST_STEP, LEAST_STEP, MOST_STEP = 0.02, 1e-7, 0.5
#: Change of rates (spikes/s, root mean square over populations) and of the parameter that count as one.
RATE_UNIT, PARAMETER_UNIT = 1.0, 0.05
#: A point is on the curve if the last correction is below this (spikes/s).
CORRECTED = 1e-9
#: Halvings of the step that passed a fold.
HALVINGS = 12

Family = Callable[[float], MeanField]


@dataclass(frozen=True, slots=True)
class Branch:
    """Fixed points along a parameter, in the order of the curve.

    Attributes
    ----------
    parameter : ndarray, shape (n_points,)
    rates : ndarray, shape (n_points, n)
        (spikes/s)
    folds : tuple of int
        Points where the parameter turns.
    """

    parameter: FloatArray
    rates: FloatArray
    folds: tuple[int, ...]


def with_kappa(field: MeanField, kappa: float) -> MeanField:
    """Return a network with more external input to layers 5 and 6: kappa times for 5E, 10/3 kappa - 7/3 times for 6E.

    Schuecker et al. (2017), doi:10.1371/journal.pcbi.1005179; kappa = 1 is the network as it is.
    """
    factor = np.ones(len(field.names))
    factor[[name.endswith("5E") for name in field.names]] = kappa
    factor[[name.endswith("6E") for name in field.names]] = 10.0 / 3.0 * kappa - 7.0 / 3.0
    return dataclasses.replace(field, drive_rate=field.drive_rate * factor)


def follow(family: Family, start: FloatArray, first: float, last: float, *, least: float | None = None, most_points: int = 400) -> Branch:
    """Follow a fixed point as the parameter changes from ``first`` towards ``last``.

    Parameters
    ----------
    family : function of the parameter
        The network at a value of the parameter.
    start : ndarray, shape (n,)
        Fixed point at ``first``.
    first, last : float
        The branch ends when the parameter passes ``last``, or after a fold comes back to ``least``.
    least : float, optional
        By default ``first``.
    most_points : int

    Raises
    ------
    RunFailedError
        If the curve is lost.
    """
    direction = np.sign(last - first)
    back = first if least is None else least
    point, tangent = np.append(start, first), np.zeros(len(start) + 1)
    tangent[-1] = direction
    points, folds, step = [point], [], FIRST_STEP
    tangent = _tangent(family, point, tangent)
    while len(points) < most_points:
        new = _correct(family, point, tangent, step)
        if new is None:
            step *= 0.4
            if step < LEAST_STEP:
                raise RunFailedError(f"mean-field theory: the branch of fixed points is lost at {point[-1]:.5g}: give another start")
            continue
        turned = _tangent(family, new[0], tangent)
        if turned[-1] * tangent[-1] < 0:
            new, turned = _fold(family, point, tangent, step)
            folds.append(len(points))
        point, tangent = new[0], turned
        points.append(point)
        step = min(step * (1.6 if new[1] <= 3 else 1.0 if new[1] <= 5 else 0.5), MOST_STEP)
        if direction * (point[-1] - last) > 0 or (folds and direction * (point[-1] - back) < 0):
            break
    curve = np.array(points)
    return Branch(curve[:, -1], curve[:, :-1], tuple(folds))


def _fold(family: Family, point: FloatArray, tangent: FloatArray, step: float) -> tuple[tuple[FloatArray, int], FloatArray]:
    """Halve the step that passed a fold; return the first point behind it."""
    low, high = 0.0, step
    found = None
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        new = _correct(family, point, tangent, middle)
        if new is None:
            break
        turned = _tangent(family, new[0], tangent)
        if turned[-1] * tangent[-1] < 0:
            high, found = middle, (new, turned)
        else:
            low = middle
    if found is None:
        new = _correct(family, point, tangent, high)
        assert new is not None  # it was there before
        found = new, _tangent(family, new[0], tangent)
    return found


def _norm() -> tuple[float, float]:
    return 1.0 / RATE_UNIT**2, 1.0 / PARAMETER_UNIT**2


def _dot(a: FloatArray, b: FloatArray) -> float:
    of_rates, of_parameter = _norm()
    return float(of_rates * (a[:-1] @ b[:-1]) / (len(a) - 1) + of_parameter * a[-1] * b[-1])


def _system(family: Family, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Residual transfer(nu) - nu, shape (n,), and its derivatives with respect to rates and parameter, shape (n, n + 1)."""
    rates, value, h = point[:-1], point[-1], 1e-6
    field = family(value)
    by_parameter = (family(value + h).transfer(rates) - family(value - h).transfer(rates)) / (2 * h)
    derivative = np.column_stack([field.gain(rates) - np.eye(len(rates)), by_parameter])
    return field.transfer(rates) - rates, derivative


def _tangent(family: Family, point: FloatArray, before: FloatArray) -> FloatArray:
    """Return the unit tangent of the curve, in the sense of the one before."""
    derivative = _system(family, point)[1]
    unit = np.zeros(len(point))
    unit[-1] = 1.0
    tangent: FloatArray = np.linalg.solve(np.vstack([derivative, _row(before)]), unit).astype(np.float64)
    return np.asarray(tangent / np.sqrt(_dot(tangent, tangent)))


def _row(vector: FloatArray) -> FloatArray:
    of_rates, of_parameter = _norm()
    return np.append(of_rates * vector[:-1] / (len(vector) - 1), of_parameter * vector[-1])


def _correct(family: Family, point: FloatArray, tangent: FloatArray, step: float) -> tuple[FloatArray, int] | None:
    """Return the point of the curve a step ahead and the number of corrections, or None if they do not converge or lead backwards."""
    new = point + step * tangent
    for count in range(1, 9):
        residual, derivative = _system(family, new)
        across = step - _dot(tangent, new - point)
        change = np.linalg.solve(np.vstack([derivative, _row(tangent)]), np.append(-residual, across))
        new = new + change
        if not np.isfinite(new).all() or (new[:-1] < -1e-6).any():
            return None
        if np.abs(change).max() < CORRECTED * (1.0 + np.abs(new).max()):
            return new, count
    return None
