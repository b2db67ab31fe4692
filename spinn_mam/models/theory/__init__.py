"""Mean-field theory of a network: stationary rates, fixed points, stability, spectra, and the stabilisation of its in-degrees."""

from spinn_mam.models.theory.continuation import Branch, follow, with_kappa
from spinn_mam.models.theory.eigenmodes import Modes, eigenmodes
from spinn_mam.models.theory.fixed_points import FixedPoint, Search, find_fixed_points, stationary_rates, stationary_state
from spinn_mam.models.theory.mean_field import MeanField
from spinn_mam.models.theory.response import Response, linear_response
from spinn_mam.models.theory.scan import Regime, scan_chi
from spinn_mam.models.theory.separatrix import Jump, find_jump
from spinn_mam.models.theory.stabilise import Stabilisation, stabilise

__all__ = [
    "Branch",
    "FixedPoint",
    "Jump",
    "MeanField",
    "Modes",
    "Regime",
    "Response",
    "Search",
    "Stabilisation",
    "eigenmodes",
    "find_fixed_points",
    "find_jump",
    "follow",
    "linear_response",
    "scan_chi",
    "stabilise",
    "stationary_rates",
    "stationary_state",
    "with_kappa",
]
