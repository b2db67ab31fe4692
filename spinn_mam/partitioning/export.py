"""A mapping in the JSON of the SpiNNaker tools (PACMAN 7.4.1), written without them.

Formats: ``pacman/utilities/json_utils.py`` (placements), ``pacman/model/routing_tables/multicast_routing_tables.py`` (tables) and
``spinn_front_end_common``'s vertex keys: a key and a mask for each core by its label.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from spinn_mam.deployment import Deployment
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.check import slice_labels

PLACEMENTS, KEYS, TABLES = "placements.json", "keys.json", "routing_tables.json"


def placements_json(deployment: Deployment, spec: NetworkSpec) -> list[dict[str, Any]]:
    """Return one record a core: ``vertex_label``, ``x``, ``y``, ``p``."""
    machine, placement = deployment.machine, deployment.placement
    x, y, p = machine.x[placement.chip].tolist(), machine.y[placement.chip].tolist(), placement.core.tolist()
    return [{"vertex_label": label, "x": x[i], "y": y[i], "p": p[i]} for i, label in enumerate(slice_labels(deployment, spec))]


def keys_json(deployment: Deployment, spec: NetworkSpec) -> dict[str, dict[str, int]]:
    """Return ``key`` and ``mask`` of each core that sends to another, by its label."""
    keys, masks = deployment.keys.slice_key.tolist(), deployment.keys.slice_mask.tolist()
    sends = np.isin(deployment.slices.vertex, deployment.partition.connections.source).tolist()
    return {label: {"key": keys[i], "mask": masks[i]} for i, label in enumerate(slice_labels(deployment, spec)) if sends[i]}


def routing_tables_json(deployment: Deployment) -> list[dict[str, Any]]:
    """Return one record a chip that has entries: ``x``, ``y``, ``entries`` of ``key``, ``mask``, ``defaultable``, ``spinnaker_route``."""
    machine, tables = deployment.machine, deployment.tables
    documents = []
    for chip in range(machine.n_chips):
        table = tables.of(chip)
        rows = zip(table.key.tolist(), table.mask.tolist(), table.defaultable.tolist(), table.route.tolist(), strict=True)
        entries = [{"key": k, "mask": m, "defaultable": d, "spinnaker_route": r} for k, m, d, r in rows]
        if entries:
            documents.append({"x": int(machine.x[chip]), "y": int(machine.y[chip]), "entries": entries})
    return documents


def write_pacman_json(deployment: Deployment, spec: NetworkSpec, folder: str | Path) -> list[Path]:
    """Write placements, keys and routing tables into a folder, made if needed.

    Parameters
    ----------
    deployment : Deployment
    spec : NetworkSpec
        The network it is for; gives the labels.
    folder : str or Path

    Returns
    -------
    list of Path
        The files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    documents = {PLACEMENTS: placements_json(deployment, spec), KEYS: keys_json(deployment, spec), TABLES: routing_tables_json(deployment)}
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return [folder / name for name in documents]
