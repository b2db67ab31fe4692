"""Names of the multi-area model's areas, layers and populations, in the order of every array and matrix."""

from __future__ import annotations

#: Vision-related areas of macaque cortex in the parcellation of Felleman and Van Essen (1991), doi:10.1093/cercor/1.1.1.
AREAS = (
    *("V1", "V2", "VP", "V3", "V3A", "MT", "V4t", "V4", "VOT", "MSTd", "PIP", "PO", "DP", "MIP", "MDP", "VIP"),
    *("LIP", "PITv", "PITd", "MSTl", "CITv", "CITd", "FEF", "TF", "AITv", "FST", "7a", "STPp", "STPa", "46", "AITd", "TH"),
)
#: Populations of an area: layer, and E for excitatory or I for inhibitory.
POPULATIONS = ("23E", "23I", "4E", "4I", "5E", "5I", "6E", "6I")
#: Layers with cell bodies, and all layers that synapses are in.
LAYERS = ("23", "4", "5", "6")
SYNAPSE_LAYERS = ("1", *LAYERS)
#: Indices into POPULATIONS.
EXCITATORY, INHIBITORY = (0, 2, 4, 6), (1, 3, 5, 7)


def population_name(area: str, population: str) -> str:
    """Name a population as the network does, such as ``V1-23E``."""
    return f"{area}-{population}"
