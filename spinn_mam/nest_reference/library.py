"""The reference statistics that ship with the package, found by the network that they are for."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from spinn_mam.network.spec import NetworkSpec


def find_reference(spec: NetworkSpec) -> Path | None:
    """Find the committed reference statistics of a network with the same dynamics.

    Parameters
    ----------
    spec : NetworkSpec

    Returns
    -------
    Path or None
        None if there are none.
    """
    folder = Path(str(resources.files("spinn_mam.nest_reference"))) / "data"
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("provenance", {}).get("dynamics_digest") == spec.dynamics_digest():
            return path
    return None
