"""Deployment: a network mapped onto a machine, immutable, with a digest, saved and loaded.

It holds all that a backend needs to know about where things run: arithmetic depends on it too (slices, ring-buffer shifts, delay slots).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import DocumentError
from spinn_mam.machine.description import MachineDescription
from spinn_mam.partitioning.structures import Connections, Keys, Partition, Placement, RoutingTables, RoutingTrees, Slices, Vertices

FORMAT = "spinn_mam.deployment/2"
_HEADER, _ARRAYS = "deployment.json", "deployment.npz"
_PARTS: dict[str, type[Any]] = {
    "machine": MachineDescription,
    "vertices": Vertices,
    "slices": Slices,
    "connections": Connections,
    "placement": Placement,
    "keys": Keys,
    "trees": RoutingTrees,
    "tables": RoutingTables,
}
_PARTITION_PARTS = ("vertices", "slices", "connections")
_OWN_ARRAYS = (
    "neurons_per_core",
    "delay_slots",
    "delay_stages",
    "stage_slots",
    "synapse_cores",
    "synapse_core",
    "cycles_per_step",
    "ring_buffer_shifts",
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A network on a machine.

    Attributes
    ----------
    network_digest : str
        Of the NetworkSpec it was made for.
    layout : str
        ``"combined"``: neurons and their synapses on one core; ``"split"``: synapses on cores of their own.
    time_scale_factor : float
        Wall-clock time over biological time.
    machine : MachineDescription
    partition : Partition
        Vertices, slices, connections, neurons a core, delay slots and stages, synapse cores.
    placement : Placement
    keys : Keys
    trees : RoutingTrees
        For traffic and pictures; what is loaded are the
    tables : RoutingTables
        compressed.
    ring_buffer_shifts : ndarray of int, shape (n_populations, 2)
        Left shifts of the excitatory and inhibitory ring buffers.
    metrics : dict
        The numbers of ``metrics.json``'s ``mapping`` part.
    """

    network_digest: str
    layout: str
    time_scale_factor: float
    machine: MachineDescription
    partition: Partition
    placement: Placement
    keys: Keys
    trees: RoutingTrees
    tables: RoutingTables
    ring_buffer_shifts: npt.NDArray[np.int64]
    metrics: Mapping[str, Any]

    @property
    def slices(self) -> Slices:
        """What each core runs."""
        return self.partition.slices

    @property
    def neurons_per_core(self) -> npt.NDArray[np.int64]:
        """Neurons a core of each population, shape (n_populations,)."""
        return self.partition.neurons_per_core

    @property
    def delay_slots(self) -> npt.NDArray[np.int64]:
        """Ring-buffer slots of each population's cores, shape (n_populations,)."""
        return self.partition.delay_slots

    @property
    def synapse_cores(self) -> npt.NDArray[np.int64]:
        """Synapse cores of each neuron slice of each population, shape (n_populations,); 0 of combined cores."""
        return self.partition.synapse_cores

    @property
    def synapse_core(self) -> npt.NDArray[np.int16]:
        """Which core of a target's slices takes the spikes of a source slice, shape (n_populations, n_slices); -1 where it sends none."""
        return self.partition.synapse_core

    def digest(self) -> str:
        """Return a hexadecimal digest of all but the metrics (which hold wall-clock times)."""
        header, arrays = _disassemble(self)
        return _digest(header, arrays)

    def save(self, folder: str | Path) -> None:
        """Write ``deployment.json`` and ``deployment.npz`` into a folder, made if needed."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        header, arrays = _disassemble(self)
        document = {"format": FORMAT, "digest": _digest(header, arrays), **header, "metrics": dict(self.metrics)}
        np.savez(folder / _ARRAYS, allow_pickle=False, **arrays)
        (folder / _HEADER).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Deployment:
        """Read what :meth:`save` wrote.

        Raises
        ------
        DocumentError
            If a file is missing, damaged or does not match its digest.
        """
        folder = Path(folder)
        try:
            document = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
            with (folder / _ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise DocumentError(str(folder / _HEADER), "format", f"expected {FORMAT!r}")
            digest, metrics = document.pop("digest"), document.pop("metrics")
            document.pop("format")
            if digest != _digest(document, arrays):
                raise DocumentError(str(folder), "digest", "the files do not belong together or are damaged: run the mapping again")
            return _assemble(document, arrays, metrics)
        except DocumentError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise DocumentError(str(folder), "", f"not a readable deployment ({error}): run the mapping again") from error


def _disassemble(deployment: Deployment) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    partition = deployment.partition
    header: dict[str, Any] = {
        "network_digest": deployment.network_digest,
        "layout": deployment.layout,
        "time_scale_factor": deployment.time_scale_factor,
        "scalars": {},
    }
    arrays: dict[str, npt.NDArray[Any]] = {}
    for part, kind in _PARTS.items():
        value = getattr(partition if part in _PARTITION_PARTS else deployment, part)
        for field in dataclasses.fields(kind):
            item = getattr(value, field.name)
            if isinstance(item, np.ndarray):
                arrays[f"{part}.{field.name}"] = item
            else:
                header["scalars"][f"{part}.{field.name}"] = item
    for name in _OWN_ARRAYS:
        arrays[name] = getattr(deployment, name) if name == "ring_buffer_shifts" else getattr(partition, name)
    return header, arrays


def _assemble(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], metrics: Mapping[str, Any]) -> Deployment:
    parts: dict[str, Any] = {}
    for part, kind in _PARTS.items():
        names = [field.name for field in dataclasses.fields(kind)]
        parts[part] = kind(**{n: arrays[f"{part}.{n}"] if f"{part}.{n}" in arrays else header["scalars"][f"{part}.{n}"] for n in names})
    for name in _OWN_ARRAYS:
        if name != "ring_buffer_shifts":
            parts[name] = arrays[name]
    in_partition = [field.name for field in dataclasses.fields(Partition)]
    partition = Partition(**{name: parts.pop(name) for name in in_partition})
    return Deployment(
        network_digest=header["network_digest"],
        layout=header["layout"],
        time_scale_factor=header["time_scale_factor"],
        partition=partition,
        ring_buffer_shifts=arrays["ring_buffer_shifts"],
        metrics=metrics,
        **parts,
    )


def _digest(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    state = hashlib.blake2b(digest_size=16)
    state.update(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        state.update(f"{name} {array.dtype.str} {array.shape}".encode())
        state.update(array.tobytes())
    return state.hexdigest()
