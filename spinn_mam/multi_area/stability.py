"""Stability of areas beside the order in which activity goes through them.

Problem
    An area that is nearer to instability than others might lead them, or amplify what reaches it last: does stability predict the order?
Method
    From the gain matrix of mean-field theory at the state that silence leads to (:mod:`spinn_mam.models.theory.eigenmodes`), for each area:
    the largest eigenvalue of the area alone, the input from all others held constant, and the area's participation in the critical mode of the
    whole network. Both are compared by rank with the areas' times: Spearman's rho, whose p-value comes from relabelled areas (all permutations of
    up to seven, else N_PERMUTATIONS random ones), and Kendall's tau. Above zero: the less stable an area is, the later it takes part.
Cost
    The theory of the network: below a second for 254 populations.
Source
    Schuecker et al. (2017), doi 10.1371/journal.pcbi.1005179 (stability of areas); Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359 (order).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.models.theory import MeanField, eigenmodes, stationary_state
from spinn_mam.models.theory.eigenmodes import by_area
from spinn_mam.multi_area.hierarchy import kendall
from spinn_mam.network.spec import NetworkSpec

FloatArray = npt.NDArray[np.float64]

#: Areas of which all permutations are looked at, and random permutations of more.
MOST_EXACT, N_PERMUTATIONS = 7, 9999
#: Areas below which ranks say nothing: of three, one permutation in three agrees perfectly in one direction or the other.
LEAST_AREAS = 4


@dataclass(frozen=True, slots=True)
class Stability:
    """Stability of areas in mean-field theory.

    Attributes
    ----------
    names : tuple of str
    alone : ndarray of float64, shape (n,)
        Largest real part of the eigenvalues of each area alone; 1 is the bound.
    participation : ndarray of float64, shape (n,)
        In the critical mode of the whole network; adds up to 1.
    eigenvalue : float
        Of that mode, its real part.
    """

    names: tuple[str, ...]
    alone: FloatArray
    participation: FloatArray
    eigenvalue: float


@dataclass(frozen=True, slots=True)
class RankAgreement:
    """Rank correlation of two values of areas.

    Attributes
    ----------
    spearman, spearman_p, kendall, kendall_p : float
        Two-sided p-values.
    n : int
        Areas that have both.
    """

    spearman: float
    spearman_p: float
    kendall: float
    kendall_p: float
    n: int

    def text(self) -> str:
        """Say it in a line: Spearman's rho and Kendall's tau."""
        return f"ρ = {self.spearman:+.2f} (p = {self.spearman_p:.2g}), τ = {self.kendall:+.2f} (p = {self.kendall_p:.2g})"


def area_stability(spec: NetworkSpec, names: Sequence[str]) -> Stability | None:
    """Return the stability of areas; None if theory has no state of the network, or does not know such networks.

    Parameters
    ----------
    spec : NetworkSpec
    names : sequence of str
        Areas, in the order of the result.
    """
    try:
        field = MeanField.of(spec)
        modes = eigenmodes(field, stationary_state(field).rates)
    except (UsageError, RunFailedError):
        return None
    share = by_area(field.names, modes.participation)
    alone, participation = (np.array([values[name] for name in names]) for values in (modes.alone, share))
    return Stability(tuple(names), alone, participation, float(modes.eigenvalues[0].real))


def rank_agreement(first: FloatArray, second: FloatArray, rng: np.random.Generator) -> RankAgreement | None:
    """Compare two values of areas by rank; None if fewer than LEAST_AREAS have both, or one does not vary.

    Examples
    --------
    >>> found = rank_agreement(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.5, 0.2, 0.9]), np.random.default_rng(1))
    >>> round(found.spearman, 2), round(found.spearman_p, 3), round(found.kendall, 2), found.n
    (0.8, 0.333, 0.67, 4)
    """
    both = np.isfinite(first) & np.isfinite(second)
    n = int(both.sum())
    if n < LEAST_AREAS or not np.ptp(first[both]) or not np.ptp(second[both]):
        return None
    a, b = (_centred_ranks(values[both]) for values in (first, second))
    rho = float(a @ b)
    if n <= MOST_EXACT:
        other = np.array([a @ b[list(order)] for order in itertools.permutations(range(n))])
        p = float(np.mean(np.abs(other) >= abs(rho) - 1e-12))
    else:
        other = np.array([a @ rng.permutation(b) for _ in range(N_PERMUTATIONS)])
        p = float((1 + np.sum(np.abs(other) >= abs(rho) - 1e-12)) / (1 + N_PERMUTATIONS))
    ((tau, tau_p),) = kendall({"first": first, "second": second}).values()
    return RankAgreement(rho, p, tau, tau_p, n)


def _centred_ranks(values: FloatArray) -> FloatArray:
    """Return ranks of mean 0 and length 1."""
    ranks = stats.rankdata(values)
    ranks = ranks - ranks.mean()
    return np.asarray(ranks / math.sqrt(float(ranks @ ranks)), dtype=np.float64)
