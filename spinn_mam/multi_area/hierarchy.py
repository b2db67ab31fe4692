"""Hierarchies of areas: all that fit the direction of pathways best, those of single measures, and how far they agree.

Problem
    Pathways go up (feedforward), down (feedback) or across (lateral), by the layers in which they begin. No order of the areas fits all of them,
    and many fit equally well.
Method
    Relations: the share of a pathway's neurons in the upper layers (SLN) above 0.65 is feedforward, below 0.35 feedback, lateral between. An area's
    level should be above that of the areas it gets feedforward pathways from, below for feedback, the same for lateral. Simulated annealing with many
    chains at once looks for levels that break the fewest relations: a chain moves one area to a random level, with probability exp(-delta / T) if
    that breaks delta more; T falls from 2 to 0.05. The hierarchies of the fewest broken relations, levels without gaps, are the ensemble. There
    may be better ones that no chain found, and there are more equally good ones.
    By SLN alone: levels h with Phi^-1(SLN) = h_target - h_source in the least squares, Phi the normal distribution.
    Hierarchies are compared by Kendall's tau.
Cost
    O(chains areas) a step; some three seconds for 32 areas, 100 chains and 600 steps an area.
Sources
    Felleman and Van Essen (1991), doi 10.1093/cercor/1.1.1; Hilgetag, O'Neill and Young (1996), doi 10.1126/science.271.5250.776 (the ensemble);
    Reid et al. (2009), doi 10.1016/j.neuroimage.2009.04.061; Markov et al. (2014), doi 10.1002/cne.23458 (SLN); Schmidt et al. (2018),
    doi 10.1007/s00429-017-1554-4 (bounds of SLN).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats
from scipy.sparse import csgraph

from spinn_mam.multi_area.anatomy import Anatomy

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Bounds of SLN for feedforward and feedback pathways: Schmidt et al. (2018), doi 10.1007/s00429-017-1554-4.
FEEDFORWARD, FEEDBACK = 0.65, 0.35
#: SLN is kept away from 0 and 1, where its probit is infinite: one neuron in some hundreds.
SLN_MARGIN = 0.005
#: First and last temperature of the annealing (broken relations).
HOT, COLD = 2.0, 0.05
#: Moves of a chain for each area: with as many about half of the chains end in the fewest broken relations that any found.
STEPS_PER_AREA = 600


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Hierarchies that break equally few relations.

    Attributes
    ----------
    names : tuple of str
    levels : ndarray of int64, shape (n_hierarchies, n_areas)
        Different hierarchies, levels 0, 1, ...
    n_broken, n_relations : int
        Relations that each breaks, and relations there are.
    n_chains : int
        Chains that were run, and ``n_found`` of them ended here.
    n_found : int
    """

    names: tuple[str, ...]
    levels: IntArray
    n_broken: int
    n_relations: int
    n_chains: int
    n_found: int

    def positions(self) -> FloatArray:
        """Return each area's level over the highest one, shape (n_hierarchies, n_areas)."""
        return np.asarray(self.levels / np.maximum(self.levels.max(axis=1, keepdims=True), 1), dtype=np.float64)


def relations(sln: FloatArray) -> FloatArray:
    """Return 1 for feedforward, -1 for feedback, 0 for lateral pathways, NaN for none, shape (n, n), [target, source]."""
    found = np.where(sln > FEEDFORWARD, 1.0, np.where(sln < FEEDBACK, -1.0, 0.0))
    found[~np.isfinite(sln)] = np.nan
    np.fill_diagonal(found, np.nan)
    return found


def n_broken(relation: FloatArray, levels: npt.ArrayLike) -> int:
    """Count the relations that a hierarchy breaks."""
    level = np.asarray(levels)
    known = np.isfinite(relation)
    return int((np.sign(level[:, None] - level[None, :])[known] != relation[known]).sum())


def optimal_hierarchies(
    names: Sequence[str], relation: FloatArray, rng: np.random.Generator, *, n_chains: int = 100, n_steps: int | None = None
) -> Ensemble:
    """Search for the hierarchies that break the fewest relations.

    Parameters
    ----------
    names : sequence of str
        Areas.
    relation : ndarray of float64, shape (n, n)
        As :func:`relations` gives it.
    rng : numpy.random.Generator
    n_chains : int
    n_steps : int, optional
        Moves of each chain; by default STEPS_PER_AREA for each area.
    """
    n = len(names)
    n_steps = STEPS_PER_AREA * n if n_steps is None else n_steps
    known = np.isfinite(relation)
    # what the sign of (level of the row - level of the column) should be, as target and as source; 9 if there is no relation
    wanted = np.stack([np.where(known, relation, 9), np.where(known.T, -relation.T, 9)]).astype(np.int8)
    levels = rng.integers(0, n, (n_chains, n)).astype(np.int8)
    chain = np.arange(n_chains)
    for temperature in np.append(np.geomspace(HOT, COLD, n_steps), np.zeros(10 * n)):
        area, new = rng.integers(0, n, n_chains), rng.integers(0, n, n_chains).astype(np.int8)
        old = levels[chain, area]
        of_area = wanted[:, area]
        there = of_area != 9
        broken = [((np.sign(level[:, None] - levels)[None] != of_area) & there).sum(axis=(0, 2)) for level in (old, new)]
        # the area's own entry has no relation
        delta = broken[1] - broken[0]
        with np.errstate(divide="ignore"):
            taken = delta <= 0 if temperature == 0 else rng.random(n_chains) < np.exp(-np.maximum(delta, 0) / temperature)
        levels[chain[taken], area[taken]] = new[taken]
    dense = np.array([np.unique(row, return_inverse=True)[1] for row in levels], dtype=np.int64)
    costs = np.array([n_broken(relation, row) for row in dense])
    best = np.unique(dense[costs == costs.min()], axis=0)
    return Ensemble(tuple(names), best, int(costs.min()), int(known.sum()), n_chains, int((costs == costs.min()).sum()))


def fit_differences(differences: FloatArray) -> tuple[FloatArray, float]:
    """Return the values whose differences agree best, the lowest 0, and the part of the squared differences that they account for.

    Parameters
    ----------
    differences : ndarray of float64, shape (n, n)
        Of the second from the first, [first, second]; NaN where unknown. The diagonal is not looked at.

    Returns
    -------
    values : ndarray of float64, shape (n,)
        NaN for those that no difference connects with most others.
    explained : float
    """
    known = np.isfinite(differences) & ~np.eye(len(differences), dtype=bool)
    values = np.full(len(differences), np.nan)
    _, component = csgraph.connected_components(known, directed=False)
    chosen = np.flatnonzero(component == np.bincount(component).argmax())
    if len(chosen) < 2:
        return values, float("nan")
    first, second = np.nonzero(known)
    mine = np.isin(first, chosen)
    first, second = first[mine], second[mine]
    design = np.zeros((len(first), len(differences)))
    design[np.arange(len(first)), second] = 1.0
    design[np.arange(len(first)), first] = -1.0
    solution = np.linalg.lstsq(design[:, chosen], differences[first, second], rcond=None)[0]
    rest = differences[first, second] - design[:, chosen] @ solution
    total = float((differences[first, second] ** 2).sum())
    values[chosen] = solution - solution.min()
    return values, 1.0 - float((rest**2).sum()) / total if total else 1.0


def sln_levels(sln: FloatArray) -> FloatArray:
    """Return the levels that SLN alone gives, the lowest 0, shape (n,); NaN for areas that are not connected with most others.

    Parameters
    ----------
    sln : ndarray of float64, shape (n, n)
        [target, source], NaN where unknown.
    """
    probit = special.ndtri(np.clip(sln, SLN_MARGIN, 1.0 - SLN_MARGIN))
    return fit_differences(probit.T)[0]


def anatomical_levels(anatomy: Anatomy) -> dict[str, FloatArray]:
    """Return hierarchies of single measures, each rising from V1: published, by SLN, by architectural type and by neuronal density."""
    return {
        "Reid 2009": anatomy.published_level,
        "SLN": sln_levels(anatomy.sln),
        "type": -anatomy.types,
        "density": -np.log(anatomy.density),
    }


def kendall(hierarchies: Mapping[str, FloatArray]) -> dict[tuple[str, str], tuple[float, float]]:
    """Return Kendall's tau and its p-value for each pair of hierarchies, over the areas that both have; pairs of fewer than three are left out."""
    found = {}
    names = list(hierarchies)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            both = np.isfinite(hierarchies[a]) & np.isfinite(hierarchies[b])
            if both.sum() > 2 and np.ptp(hierarchies[a][both]) and np.ptp(hierarchies[b][both]):
                result = stats.kendalltau(hierarchies[a][both], hierarchies[b][both])
                found[a, b] = (float(result.statistic), float(result.pvalue))
    return found
