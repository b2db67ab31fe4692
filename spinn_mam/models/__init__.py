"""Model documents, their schema, derived parameters and scaling."""

from spinn_mam.models.document import model_names
from spinn_mam.models.model import NetworkModel, load_model, model_settings

__all__ = ["NetworkModel", "load_model", "model_names", "model_settings"]
