"""The metastable regime: how states come and go as synapses between areas grow stronger.

Problem
    With weights between areas raised, simulations leave the ground state for long times and come back. Where does theory see that regime?
Method
    Weights between areas are multiplied by chi, those onto inhibitory neurons by chi chi_I. At each chi: the state that silence leads to, its
    largest eigenvalue, and all stable states from random starts. A second state that takes a share of the starts, or a ground state whose eigenvalue
    nears 1, is what theory can see of metastability.
Cost
    A search for fixed points at each value.
Reference
    Schmidt et al. (2018), doi 10.1371/journal.pcbi.1006359, who scanned chi by simulation and mean-field theory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.models.theory.fixed_points import FixedPoint, Search, find_fixed_points, stationary_state
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.models.theory.stabilise import within_areas
from spinn_mam.network.spec import FloatArray


@dataclass(frozen=True, slots=True)
class Regime:
    """States of a network at one strength of the synapses between areas.

    Attributes
    ----------
    chi, chi_I : float
    silent : FixedPoint or None
        Where silence leads; None if to no stable state.
    search : Search
        All stable states found.
    """

    chi: float
    chi_I: float
    silent: FixedPoint | None
    search: Search


def with_chi(field: MeanField, chi: float, chi_I: float = 1.0) -> MeanField:
    """Multiply weights between areas by chi, and those onto inhibitory neurons by chi_I on top.

    Raises
    ------
    UsageError
        If there is only one area.
    """
    between = ~within_areas(field.names)
    if not between.any():
        raise UsageError("a scan over chi needs several areas: give a multi-area model")
    onto = np.where([name.endswith("I") for name in field.names], chi * chi_I, chi)
    factor = np.where(between, onto[:, None], 1.0)
    return dataclasses.replace(field, J=field.J * factor, J_square=field.J_square * factor**2)


def scan_chi(
    field: MeanField,
    values: Sequence[float] | FloatArray,
    chi_I: float,
    n_starts: int,
    seed: int = 1,
    progress: Callable[[Regime], None] | None = None,
) -> list[Regime]:
    """Look for the states at each chi.

    Parameters
    ----------
    field : MeanField
        Network with chi = chi_I = 1.
    values : sequence of float
        Of chi.
    chi_I : float
    n_starts : int
        For each value and integrator.
    seed : int
    progress : function of Regime, optional
        Told of each value.
    """
    found = []
    for chi in values:
        network = with_chi(field, float(chi), chi_I)
        silent: FixedPoint | None
        try:
            silent = stationary_state(network)
        except RunFailedError:
            silent = None
        found.append(Regime(float(chi), chi_I, silent, find_fixed_points(network, n_starts, seed)))
        if progress is not None:
            progress(found[-1])
    return found
