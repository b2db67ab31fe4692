"""Mean-field theory of a network: stationary rates, fixed points, gain and stability."""

from spinn_mam.models.theory.fixed_points import FixedPoint, Search, find_fixed_points, stationary_rates, stationary_state
from spinn_mam.models.theory.mean_field import MeanField

__all__ = ["FixedPoint", "MeanField", "Search", "find_fixed_points", "stationary_rates", "stationary_state"]
