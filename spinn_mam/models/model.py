"""A loaded model: its document, and the network it gives at a scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models import pd14
from spinn_mam.models.document import Document, read, resolve
from spinn_mam.models.mam import network as mam
from spinn_mam.models.mam import schema as mam_schema
from spinn_mam.network.spec import NetworkSpec


@dataclass(frozen=True, slots=True)
class NetworkModel:
    """A validated model document.

    Attributes
    ----------
    document : Document
        The values with their sources, the variants chosen and what differs from the default.
    content : MicrocircuitDocument or MultiAreaDocument
        The same, validated and in the package's units.
    """

    document: Document
    content: pd14.MicrocircuitDocument | mam_schema.MultiAreaDocument

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.content.name

    def network(self, N_scaling: float = 1.0, K_scaling: float = 1.0) -> NetworkSpec:
        """Derive the network at a scale."""
        if isinstance(self.content, pd14.MicrocircuitDocument):
            return pd14.derive(self.content, N_scaling, K_scaling)
        return mam.derive(self.content, N_scaling, K_scaling)


def load_model(name_or_path: str, settings: Sequence[str] = (), variants: Mapping[str, str] | None = None) -> NetworkModel:
    """Load a model document, choose variants and set values.

    Parameters
    ----------
    name_or_path : str
        ``"pd14"``, ``"mam"``, or the path of a document.
    settings : sequence of str
        ``KEY=VALUE`` each.
    variants : mapping of str to str, optional
        Choice by variant, such as ``{"drive": "dc"}``.

    Examples
    --------
    >>> load_model("pd14").network().n_synapses
    298880970
    """
    document = resolve(name_or_path, settings, variants)
    family = document.data.get("family")
    if family == "microcircuit":
        return NetworkModel(document, pd14.validate(document))
    if family == "multi-area":
        return NetworkModel(document, mam_schema.validate(document))
    raise DocumentError(document.name, "family", f"unknown model family {family!r}: known are 'microcircuit' and 'multi-area'")


def model_settings(name_or_path: str, settings: Sequence[str] | None, areas: str | None = None, surface: str | None = None) -> tuple[str, ...]:
    """Return the settings of a model with those that have a flag of their own.

    Parameters
    ----------
    name_or_path : str
        The model.
    settings : sequence of str or None
        ``KEY=VALUE`` each.
    areas, surface : str, optional
        Simulated areas with commas, and modelled surface (mm2, or ``"whole"``), of multi-area models.

    Raises
    ------
    UsageError
        If the model has no areas.
    """
    wanted = (() if areas is None else (f'areas.simulated="{areas}"',)) + (() if surface is None else (f"anatomy.surface={surface}",))
    if wanted and read(name_or_path)[1].get("family") != "multi-area":
        raise UsageError(f"{'--areas' if areas is not None else '--surface'}: {name_or_path} is no multi-area model; such as mam is one")
    return (*(settings or ()), *wanted)
