"""BOLD signals of areas from their synaptic input: the balloon-Windkessel model.

Problem
    Compare activity of seconds with fMRI, which sees blood, seconds later.
Method
    Vasodilatory signal s, blood inflow f, volume v and deoxyhaemoglobin q follow
        ds/dt = z - kappa s - gamma (f - 1),  df/dt = s,
        tau dv/dt = f - v^(1/alpha),  tau dq/dt = f (1 - (1 - rho)^(1/f)) / rho - v^(1/alpha - 1) q,
    the signal is V0 (k1 (1 - q) + k2 (1 - q / v) + k3 (1 - v)). z is the synaptic input over its maximum, as in the paper of the multi-area model.
    Runge-Kutta steps of 10 ms, from the steady state of the mean input, so that what is left of the beginning fades soon;
    the first 5 s are cut off.
Cost
    Linear in the steps: a tenth of a second for 32 areas and 100 s.
Sources
    Friston, Harrison and Penny (2003), doi 10.1016/S1053-8119(03)00202-7 (equations and constants); Schmidt et al. (2018),
    doi 10.1371/journal.pcbi.1006359, which used another implementation (R's neuRosim) with constants of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.multi_area.rate_series import RateSeries

FloatArray = npt.NDArray[np.float64]

#: Rate of signal decay and of flow-dependent elimination (1/s), transit time (s), Grubb's exponent, resting oxygen extraction, resting blood volume:
#: Friston, Harrison and Penny (2003), doi 10.1016/S1053-8119(03)00202-7.
KAPPA, GAMMA, TAU, ALPHA, RHO, V_0 = 0.65, 0.41, 0.98, 0.32, 0.34, 0.02
#: Coefficients of the signal, as there.
K_1, K_2, K_3 = 7.0 * RHO, 2.0, 2.0 * RHO - 0.2
#: Step of the integration (ms), and what is cut off at the beginning (ms).
STEP_MS = 10.0
CUT_MS = 5000.0
#: Shortest signal that is of use (ms): some periods of its slowest fluctuations.
LEAST_MS = 30_000.0


def bold_signal(current: RateSeries) -> RateSeries:
    """Return the BOLD signals of areas.

    Parameters
    ----------
    current : RateSeries
        Synaptic input of areas in bins of which a whole number makes STEP_MS.

    Returns
    -------
    RateSeries
        In bins of STEP_MS, from CUT_MS on; ``rates`` are relative changes of the signal.

    Raises
    ------
    UsageError
        If it is too short.
    """
    per_step = round(STEP_MS / current.bin_ms)
    n_steps = current.rates.shape[1] // max(1, per_step)
    cut = round(CUT_MS / STEP_MS)
    if (n_steps - cut) * STEP_MS < LEAST_MS:
        length = current.rates.shape[1] * current.bin_ms
        raise UsageError(f"a BOLD signal needs {(CUT_MS + LEAST_MS) / 1000:g} s of activity, there are {length / 1000:g} s: give a longer --t-sim")
    binned = current.rates[:, : n_steps * per_step].reshape(len(current.names), n_steps, per_step).mean(axis=2)
    top = binned.max(axis=1, keepdims=True)
    z = np.divide(binned, top, out=np.zeros_like(binned), where=top > 0)
    return RateSeries(current.names, STEP_MS, balloon(z, STEP_MS / 1000.0)[:, cut:])


def balloon(z: FloatArray, step_s: float) -> FloatArray:
    """Integrate the model.

    Parameters
    ----------
    z : ndarray of float64, shape (n, n_steps)
        Neuronal activity, constant within a step.
    step_s : float
        (s).

    Returns
    -------
    ndarray of float64, shape (n, n_steps)
        Signal at the end of each step.
    """
    state = steady_state(z.mean(axis=1))
    signal = np.empty_like(z)
    for k in range(z.shape[1]):
        now = z[:, k]
        a = _slope(state, now)
        b = _slope(state + step_s / 2 * a, now)
        c = _slope(state + step_s / 2 * b, now)
        d = _slope(state + step_s * c, now)
        state = state + step_s / 6 * (a + 2 * b + 2 * c + d)
        signal[:, k] = observed(state)
    return signal


def steady_state(z: FloatArray) -> FloatArray:
    """Return s, f, v and q under constant activity, shape (4, n)."""
    f = 1.0 + z / GAMMA
    v = f**ALPHA
    return np.stack([np.zeros_like(f), f, v, v * (1.0 - (1.0 - RHO) ** (1.0 / f)) / RHO])


def observed(state: FloatArray) -> FloatArray:
    """Return the signal of a state, shape (n,)."""
    _, _, v, q = state
    return np.asarray(V_0 * (K_1 * (1.0 - q) + K_2 * (1.0 - q / v) + K_3 * (1.0 - v)), dtype=np.float64)


def _slope(state: FloatArray, z: FloatArray) -> FloatArray:
    s, f, v, q = state
    outflow = v ** (1.0 / ALPHA)
    return np.stack([z - KAPPA * s - GAMMA * (f - 1.0), s, (f - outflow) / TAU, (f * (1.0 - (1.0 - RHO) ** (1.0 / f)) / RHO - outflow * q / v) / TAU])
