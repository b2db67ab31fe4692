"""The multi-area model of macaque visual cortex: anatomical facts, derivation, network."""

from spinn_mam.models.mam.areas import AREAS, POPULATIONS, population_name
from spinn_mam.models.mam.multi_area_model import MultiAreaModel

__all__ = ["AREAS", "POPULATIONS", "MultiAreaModel", "population_name"]
