"""Comparison of a run with reference statistics: protocols, thresholds and a verdict."""

from spinn_mam.comparison.mean_field import MeanFieldCheck, check_mean_field
from spinn_mam.comparison.protocols import PROTOCOLS, SENK26, VA18, Protocol
from spinn_mam.comparison.reference import ReferenceStatistics, build_reference_statistics
from spinn_mam.comparison.rows import Row
from spinn_mam.comparison.verdict import Comparison, compare, comparison_table

__all__ = [
    "PROTOCOLS",
    "SENK26",
    "VA18",
    "Comparison",
    "MeanFieldCheck",
    "Protocol",
    "ReferenceStatistics",
    "Row",
    "build_reference_statistics",
    "check_mean_field",
    "compare",
    "comparison_table",
]
