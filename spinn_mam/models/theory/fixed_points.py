"""Stationary rates: fixed points of the transfer function, from one start or from many, by two integrators.

Problem
    Rates with nu = transfer(nu). There can be several solutions, stable and unstable, or none that is stable. Which ones there are, and how
    many starts lead to each, must not depend on the integrator, its step or the computer.
Method
    d nu / d s = transfer(nu) - nu is integrated in pseudo-time s for all starts at once, each with its own adaptive step, by one of two unlike
    methods: an explicit Runge-Kutta pair of order 3(2), and exponential time differencing of order 2(1), exact for the decay. After every round
    Newton's method is tried from where each start has come to. Its result is taken if it stays close, solves the equation to rounding error and
    is stable; if not, the start goes on. So integration decides on the basin and Newton on the digits. Starts have random rates below a bound of
    their own, log-uniform from nearly silent to saturation.
Cost
    Tens of Newton steps, n^3 each, for one start. A hundred starts of 254 populations take some tens of seconds.
Reference
    Bogacki and Shampine (1989), doi 10.1016/0893-9659(89)90079-7; Cox and Matthews (2002), doi 10.1006/jcph.2002.6995; fixed points of the
    multi-area model: Schuecker et al. (2017), doi 10.1371/journal.pcbi.1005179.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.network.spec import FloatArray, NetworkSpec

BoolArray = npt.NDArray[np.bool_]
Integrator = Callable[[MeanField, FloatArray, float], FloatArray]

#: Pseudo-time between two tries of Newton's method, and in all (time constants of the dynamics).
ROUND = 2.0
LONGEST = 200.0
#: Error of a step of an integrator that is allowed: absolute (spikes/s), and relative to the rates.
TOLERANCE = 1e-2
#: A try of Newton's method must end this close to where it started, in the mean over populations: absolute (spikes/s) and relative. In the mean,
#: since an explicit integrator of finite tolerance keeps trembling about a stable state wherever the gain of a population is high.
CLOSE_ABSOLUTE, CLOSE_RELATIVE = 0.01, 0.03
#: Last step of Newton's method, relative to the highest rate.
NEWTON_RELATIVE = 1e-12
#: Fixed points nearer to each other, relative to the rates, are the same.
SAME_RELATIVE = 1e-7
#: Least upper bound of a start's rates (spikes/s).
LEAST_BOUND = 0.1


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A solution of nu = transfer(nu).

    Attributes
    ----------
    rates : ndarray, shape (n,)
        (spikes/s)
    eigenvalue : complex
        Of the gain matrix, that with the largest real part.
    starts : tuple of int
        How many starts led there, for each integrator.
    """

    rates: FloatArray
    eigenvalue: complex
    starts: tuple[int, ...] = ()

    @property
    def stable(self) -> bool:
        """Whether small deviations decay in the pseudo-time dynamics; delays and synaptic filters can still make the network oscillate."""
        return self.eigenvalue.real < 1.0


@dataclass(frozen=True, slots=True)
class Search:
    """What many starts led to.

    Attributes
    ----------
    points : tuple of FixedPoint
        Stable fixed points, by mean rate.
    n_starts : int
        For each integrator.
    not_converged : tuple of int
        Starts that reached no stable fixed point, for each integrator.
    difference : float
        Largest difference between the rates of a fixed point by the integrators (spikes/s).
    """

    points: tuple[FixedPoint, ...]
    n_starts: int
    not_converged: tuple[int, ...]
    difference: float


def stationary_rates(spec: NetworkSpec) -> FloatArray:
    """Return the rates of the state that the silent network goes to, for all populations of a network.

    Parameters
    ----------
    spec : NetworkSpec
        At any scale, with Poisson drive or constant currents.

    Returns
    -------
    ndarray, shape (n_populations,)
        Spikes/s; for Poisson sources that never end their rate, for others zero.

    Raises
    ------
    RunFailedError
        If no stable state is reached.

    Examples
    --------
    >>> from spinn_mam.models import load_model
    >>> print(stationary_rates(load_model("pd14").network()).round(2))
    [0.76 2.8  4.44 5.83 7.15 8.48 1.16 7.77]
    """
    field = MeanField.of(spec)
    found = dict(zip(field.names, stationary_state(field).rates, strict=True))
    return np.array(
        [found.get(p.name, p.source_rate if p.source_start <= 0 and np.isinf(p.source_stop) else 0.0) for p in spec.populations], dtype=float
    )


def stationary_state(field: MeanField, start: FloatArray | None = None) -> FixedPoint:
    """Return the stable fixed point that a start leads to, by default silence.

    Raises
    ------
    RunFailedError
        If none is reached.
    """
    n = len(field.names)
    rates, there = _settle(field, np.zeros((1, n)) if start is None else np.asarray(start, dtype=float).reshape(1, n), exponential)
    if not there[0]:
        change = np.abs(field.transfer(rates[0]) - rates[0])
        worst = int(np.argmax(change))
        raise RunFailedError(
            f"mean-field theory: no stable stationary state within {LONGEST:g} time constants: {field.names[worst]} still changes by "
            f"{change[worst]:.3g} spikes/s in each. Rates of such a network must come from a simulation; find_fixed_points tries other starts"
        )
    return FixedPoint(rates[0], largest_eigenvalue(field, rates[0]))


def largest_eigenvalue(field: MeanField, rates: FloatArray) -> complex:
    """Eigenvalue of the gain matrix with the largest real part; of a pair the one above the axis."""
    values = np.linalg.eigvals(field.gain(rates))
    top = values[np.argmax(values.real)]
    return complex(top.real, abs(top.imag))


def starting_rates(field: MeanField, n_starts: int, seed: int) -> FloatArray:
    """Draw starts, shape (n_starts, n): uniform below a bound that is log-uniform up to saturation for each start."""
    rng = np.random.default_rng(seed)
    top = float(1000.0 / field.neurons.t_ref.max())
    bound = LEAST_BOUND * (top / LEAST_BOUND) ** rng.random((n_starts, 1))
    return bound * rng.random((n_starts, len(field.names)))


def find_fixed_points(field: MeanField, n_starts: int = 100, seed: int = 1) -> Search:
    """Find the stable fixed points from many starts, by both integrators.

    Parameters
    ----------
    field : MeanField
    n_starts : int
        Silence is the first.
    seed : int
        Of the starts.
    """
    if n_starts < 1:
        raise UsageError(f"{n_starts} starts are out of range: 1 or more are needed, or --starts 0 for the state that silence leads to alone")
    starts = starting_rates(field, n_starts, seed)
    starts[0] = 0.0
    ends = [_settle(field, starts, integrator) for integrator in (exponential, runge_kutta)]
    first: list[FloatArray] = []
    counts: list[list[int]] = []
    difference = 0.0
    for method, (rates, there) in enumerate(ends):
        for end in rates[there]:
            index = next((k for k, point in enumerate(first) if _same(end, point)), len(first))
            if index == len(first):
                first.append(end)
                counts.append([0] * len(ends))
            difference = max(difference, float(np.abs(end - first[index]).max()))
            counts[index][method] += 1
    points = [FixedPoint(rates, largest_eigenvalue(field, rates), tuple(n)) for rates, n in zip(first, counts, strict=True)]
    weights = field.sizes / field.sizes.sum()
    points.sort(key=lambda point: float(point.rates @ weights))
    return Search(tuple(points), n_starts, tuple(int((~there).sum()) for _, there in ends), difference)


def newton(field: MeanField, rates: FloatArray, n_steps: int = 30) -> tuple[FloatArray, BoolArray]:
    """Solve nu = transfer(nu) by Newton's method from each start.

    Parameters
    ----------
    field : MeanField
    rates : ndarray, shape (n_starts, n)

    Returns
    -------
    ndarray, shape (n_starts, n)
    ndarray of bool, shape (n_starts,)
        Whether it converged, to a stable or unstable fixed point.
    """
    rates = rates.copy()
    converged = np.zeros(len(rates), dtype=bool)
    moving = np.arange(len(rates))
    identity = np.eye(len(field.names))
    for _ in range(n_steps):
        now = rates[moving]
        try:
            step = np.linalg.solve(identity - field.gain(now), (field.transfer(now) - now)[..., None])[..., 0]
        except np.linalg.LinAlgError:  # exactly singular: not this time
            break
        rates[moving] = now + step
        size = np.abs(step).max(axis=1)
        scale = 1.0 + np.abs(now).max(axis=1)
        done = size <= NEWTON_RELATIVE * scale
        converged[moving[done]] = True
        moving = moving[~done & (size < 100 * scale)]
        if not len(moving):
            break
    return rates, converged


def _settle(field: MeanField, starts: FloatArray, integrator: Integrator) -> tuple[FloatArray, BoolArray]:
    """Integrate until Newton's method confirms a stable fixed point nearby, or LONGEST is over."""
    rates, there = starts.copy(), np.zeros(len(starts), dtype=bool)
    known: list[tuple[FloatArray, bool]] = []
    for _ in range(round(LONGEST / ROUND)):
        moving = np.flatnonzero(~there)
        if not len(moving):
            break
        rates[moving] = integrator(field, rates[moving], ROUND)
        # the residual says little where gains are high: what counts is how far away Newton's method sees the solution
        first, _ = newton(field, rates[moving], 1)
        near = moving[_near(rates[moving], first)]
        ends, converged = newton(field, rates[near])
        for index, end in zip(near[converged], ends[converged], strict=True):
            if not _near(rates[index], end):
                continue
            stable = next((good for point, good in known if _same(end, point)), None)
            if stable is None:
                stable = largest_eigenvalue(field, end).real < 1.0
                known.append((end, stable))
            if stable:
                rates[index], there[index] = end, True
    return rates, there


def exponential(field: MeanField, rates: FloatArray, duration: float, tolerance: float = TOLERANCE) -> FloatArray:
    """Integrate by exponential time differencing of order 2, the error taken from order 1; rates of shape (n_starts, n)."""

    def step(nu: FloatArray, drive: FloatArray, h: FloatArray) -> tuple[FloatArray, FloatArray]:
        first = nu - np.expm1(-h) * (drive - nu)
        change = (field.transfer(first) - drive) * (h + np.expm1(-h)) / h
        return first + change, change

    return _adaptive(field, rates, duration, tolerance, step, order=2)


def runge_kutta(field: MeanField, rates: FloatArray, duration: float, tolerance: float = TOLERANCE) -> FloatArray:
    """Integrate by the Runge-Kutta pair of Bogacki and Shampine, orders 3 and 2; rates of shape (n_starts, n)."""

    def step(nu: FloatArray, drive: FloatArray, h: FloatArray) -> tuple[FloatArray, FloatArray]:
        k1 = drive - nu
        k2 = _flow(field, nu + 0.5 * h * k1)
        k3 = _flow(field, nu + 0.75 * h * k2)
        end = nu + h * (2 * k1 + 3 * k2 + 4 * k3) / 9
        k4 = _flow(field, end)
        return end, h * (-5 * k1 + 6 * k2 + 8 * k3 - 9 * k4) / 72

    return _adaptive(field, rates, duration, tolerance, step, order=3)


def _flow(field: MeanField, rates: FloatArray) -> FloatArray:
    return field.transfer(rates) - rates


def _adaptive(
    field: MeanField,
    rates: FloatArray,
    duration: float,
    tolerance: float,
    step: Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray]],
    order: int,
) -> FloatArray:
    """Integrate each start with its own step, from its rates, its transfer(rates) and the step size to new rates and their error."""
    rates = rates.copy()
    left = np.full(len(rates), duration)
    h = np.full(len(rates), 0.05)
    while len(moving := np.flatnonzero(left > 1e-12 * duration)):
        now, size = rates[moving], np.minimum(h[moving], left[moving])
        end, error = step(now, field.transfer(now), size[:, None])
        # rates are not negative; what a step takes below zero is part of its error, and small
        ratio = (np.abs(error) / (tolerance * (1.0 + np.abs(end)))).max(axis=1)
        good = ratio <= 1.0
        rates[moving[good]] = np.maximum(end[good], 0.0)
        left[moving[good]] -= size[good]
        h[moving] = size * np.clip(0.9 * np.maximum(ratio, 1e-9) ** (-1.0 / order), 0.2, 3.0)
    return rates


def _near(a: FloatArray, b: FloatArray) -> BoolArray:
    return np.asarray(np.abs(a - b).mean(axis=-1) <= CLOSE_ABSOLUTE + CLOSE_RELATIVE * np.abs(b).mean(axis=-1))


def _same(a: FloatArray, b: FloatArray) -> bool:
    return bool((np.abs(a - b) <= SAME_RELATIVE * (1.0 + np.abs(b))).all())
