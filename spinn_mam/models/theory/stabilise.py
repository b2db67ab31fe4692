"""Changes of in-degrees that keep a network in its low state: the mean-field stabilisation of Schuecker et al. (2017).

Problem
    A network that was derived from anatomical data jumps to a state of high rates before its external input is strong enough for all layers to
    fire. Which small changes of its in-degrees keep it in the low state?
Method
    For kappa, the external input of layers 5 and 6, raised to where the silent network jumps (:mod:`separatrix`), the unstable fixed
    point nu* on the border of the basins moves towards the low state as kappa rises further to its target. A change of in-degrees shall undo this:

        delta_i = S_i d mu_i + T_i d sigma_i^2          what the rest of the way to the target does to nu*
        M u_0 = lambda_0 u_0,  v_0 M = lambda_0 v_0      the critical mode of the gain matrix at nu*, v_0 u_0 = 1
        dM = - (v_0 delta) / (v_0 nu*) u_0 v_0           a change of the gain matrix in that mode alone, so that v_0 (dM nu* + delta) = 0
        dK_ij = dM_ij / (tau_m (S_i J_ij + T_i J_ij^2))  and the in-degrees that make it

    with S and T the derivatives of the transfer function. In-degrees of projections that anatomy rules out (between areas from inhibitory neurons
    and from layer 4) stay; none becomes negative. The step is repeated on the changed network until silence leads to the low state up to the target.
Cost
    One bisection for each repetition: about a minute in all for 254 populations.
Reference
    Schuecker et al. (2017), doi 10.1371/journal.pcbi.1005179. There nu* is the slowest point of a trajectory; here it is the fixed point itself.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinn_mam.models.theory.continuation import with_kappa
from spinn_mam.models.theory.eigenmodes import area_of
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.models.theory.separatrix import Jump, find_jump
from spinn_mam.network.spec import BoolArray, FloatArray
from spinn_mam.units import counted

#: Input of layer 5 that the low state must bear.
TARGET_KAPPA = 1.2
#: Up to which the jump is looked for.
HIGHEST_KAPPA = 1.6
MOST_STEPS = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the in-degrees.

    Attributes
    ----------
    jump : Jump
        Where the network before it jumps.
    shift : ndarray, shape (n,)
        What raising kappa to its target does to the unstable fixed point (spikes/s): delta.
    strength : float
        - (v_0 delta) / (v_0 nu*).
    in_degrees : ndarray, shape (n, n)
        After the step.
    """

    jump: Jump
    shift: FloatArray
    strength: float
    in_degrees: FloatArray


@dataclass(frozen=True, slots=True)
class Stabilisation:
    """A network's in-degrees before and after.

    Attributes
    ----------
    before, after : MeanField
    steps : tuple of Step
    jump : Jump or None
        Where the network after all steps jumps, above the target; None: nowhere below HIGHEST_KAPPA.
    stable : bool
        Whether the target was reached.
    """

    before: MeanField
    after: MeanField
    steps: tuple[Step, ...]
    jump: Jump | None
    stable: bool


def stabilise(
    field: MeanField,
    target: float = TARGET_KAPPA,
    *,
    new_connections: bool = True,
    most_steps: int = MOST_STEPS,
    progress: Callable[[str], None] | None = None,
) -> Stabilisation:
    """Change in-degrees until silence leads to the low state for all kappa up to the target.

    Parameters
    ----------
    field : MeanField
        Network at kappa = 1, where silence leads to the low state.
    target : float
        Of kappa, above 1.
    new_connections : bool
        Whether populations that are not connected may become so, as in the published network.
    most_steps : int
    progress : function of str, optional
        Told of each step.
    """
    changed, free = with_weights_everywhere(field), changeable(field, new_connections)
    steps: list[Step] = []
    while True:
        jump = find_jump(functools.partial(with_kappa, changed), 1.0, HIGHEST_KAPPA)
        if progress is not None:
            progress(f"after {counted(len(steps), 'step')}: " + ("no jump" if jump is None else f"silence jumps at kappa = {jump.parameter:.4f}"))
        stable = jump is None or jump.parameter > target
        if stable or jump is None or len(steps) == most_steps:
            return Stabilisation(field, changed, tuple(steps), jump, stable)
        step = stabilising_step(changed, jump, target, free)
        steps.append(step)
        changed = dataclasses.replace(changed, in_degrees=step.in_degrees)


def stabilising_step(field: MeanField, jump: Jump, target: float, free: BoolArray) -> Step:
    """Compensate the shift of the unstable fixed point in its critical mode, in the in-degrees that are free."""
    here, there = with_kappa(field, jump.parameter), with_kappa(field, target)
    slopes = here.slopes(jump.saddle)
    shift = slopes.by_mean * (there.external[0] - here.external[0]) + slopes.by_variance * (there.external[1] - here.external[1])
    right, left = critical_mode(here.gain(jump.saddle))
    strength = -float(left @ shift) / float(left @ jump.saddle)
    by_in_degree = here.neurons.tau_m[:, None] / 1000.0 * (slopes.by_mean[:, None] * here.J + slopes.by_variance[:, None] * here.J_square)
    wanted = free & (by_in_degree != 0)
    change = np.where(wanted, strength * np.outer(right, left) / np.where(wanted, by_in_degree, 1.0), 0.0)
    return Step(jump, shift, strength, np.maximum(field.in_degrees + change, 0.0))


def critical_mode(gain: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Right and left eigenvector of the eigenvalue with the largest real part, which is real; their product is 1."""
    values, right = np.linalg.eig(gain)
    k = int(np.argmax(values.real))
    u, v = right[:, k].real, np.linalg.inv(right)[k].real
    if abs(u.min()) > u.max():
        u = -u
    return u, v / (v @ u)


def within_areas(names: tuple[str, ...]) -> BoolArray:
    """Whether two populations are of one area, shape (n, n); a name without a hyphen is of the one area that there is."""
    area = np.array([area_of(name) for name in names])
    return np.asarray(area[:, None] == area[None, :])


def changeable(field: MeanField, new_connections: bool) -> BoolArray:
    """Which in-degrees may change, shape (n, n): not those between areas from inhibitory neurons and from layer 4."""
    local = np.array([name.endswith("I") or name.rpartition("-")[2].removeprefix("L") == "4E" for name in field.names])
    free: BoolArray = within_areas(field.names) | ~local[None, :]
    return free if new_connections else free & (field.in_degrees > 0)


def with_weights_everywhere(field: MeanField) -> MeanField:
    """Give pairs without synapses the median weight and time constant of the source's synapses, within its area or beyond."""
    J, J_square, tau_syn = field.J.copy(), field.J_square.copy(), field.tau_syn.copy()
    there, inside = field.in_degrees > 0, within_areas(field.names)
    for source in range(len(field.names)):
        for kind in (inside[:, source], ~inside[:, source]):
            known, missing = kind & there[:, source], kind & ~there[:, source]
            if known.any():
                for values in (J, J_square, tau_syn):
                    values[missing, source] = np.median(values[known, source])
    return dataclasses.replace(field, J=J, J_square=J_square, tau_syn=tau_syn)
