"""The cell types, with PyNN's names and units."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pyNN.standardmodels import build_translations, cells

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.parameters import LifConstants, lif_constants
from spinn_mam.network.spec import NeuronParameters

#: Parameters of a neuron in the order of a row that decides its constants.
PARAMETERS = ("cm", "tau_m", "tau_syn_E", "tau_syn_I", "v_rest", "v_reset", "v_thresh", "tau_refrac", "i_offset")


def _unchanged(*names: str) -> Any:
    return build_translations(*((name, name) for name in names))


class IF_curr_exp(cells.IF_curr_exp):
    """Leaky integrate-and-fire neuron with a fixed threshold and exponentially decaying currents; see PyNN."""

    translations = _unchanged(*PARAMETERS)


class SpikeSourceArray(cells.SpikeSourceArray):
    """Spikes at given times; see PyNN."""

    translations = _unchanged("spike_times")


class SpikeSourcePoisson(cells.SpikeSourcePoisson):
    """Poisson spikes, from ``start`` for ``duration``; see PyNN."""

    translations = _unchanged("rate", "start", "duration")


def constants_of(rows: npt.NDArray[np.float64], dt: float, label: str) -> tuple[list[LifConstants], npt.NDArray[np.int64]]:
    """Derive the cores' integers of a population, once for each kind of neuron in it.

    Parameters
    ----------
    rows : ndarray, shape (n, len(PARAMETERS))
        Parameters of each neuron in PyNN's units.
    dt : float
        Time step (ms).
    label : str
        Of the population, for messages.

    Returns
    -------
    constants : list of LifConstants
        Of each kind.
    kind : ndarray of int64, shape (n,)

    Raises
    ------
    UsageError
        If a parameter is out of the range of the machine's numbers.
    """
    kinds, kind = np.unique(rows, axis=0, return_inverse=True)
    found = []
    for number, row in enumerate(kinds.tolist()):
        cm, tau_m, tau_syn_e, tau_syn_i, v_rest, v_reset, v_thresh, tau_refrac, i_offset = row
        neuron = NeuronParameters(cm * 1000.0, tau_m, tau_syn_e, tau_syn_i, v_rest, v_reset, v_thresh, tau_refrac)
        try:
            found.append(lif_constants(neuron, i_offset * 1000.0, dt))
        except UsageError as error:
            first = int(np.flatnonzero(kind.ravel() == number)[0])
            raise UsageError(f"population '{label}', neuron {first}: {error}") from None
    return found, kind.ravel().astype(np.int64)
