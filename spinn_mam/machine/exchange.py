"""Machines in the JSON of the SpiNNaker tools (the format that ``spinn_machine.json_machine`` of 7.4.1 reads and writes).

A document has ``width``, ``height``, ``root``; ``standardResources`` and ``ethernetResources`` (``monitors``, ``routerEntries``,
``sdram``, ``tags``) that hold for chips without and with an Ethernet connection; and ``chips``, each ``[x, y, details]`` or
``[x, y, details, exceptions]``. ``details`` are ``cores`` (working cores with core 0), ``ethernet`` (coordinates of the board's
Ethernet chip), ``deadLinks`` and, for Ethernet chips only, ``ipAddress``; ``exceptions`` are resources that differ. The format counts
cores and does not number them: which core of a chip is dead cannot be told in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.machine.assembly import ChipConstants, assemble, core_mask, take_lowest_cores
from spinn_mam.machine.description import MachineDescription
from spinn_mam.machine.documents import read_board
from spinn_mam.machine.geometry import TRIAD_SIZE

#: Tags of an Ethernet chip; tag 0 belongs to SC&MP (spinn_machine 7.4.1, chip.py).
ETHERNET_TAGS = (1, 2, 3, 4, 5, 6, 7)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # other tools add keys of their own


class _Resources(_Part):
    monitors: int
    router_entries: int = Field(alias="routerEntries")
    sdram: int
    tags: tuple[int, ...]


class _Exceptions(_Part):
    monitors: int | None = None
    router_entries: int | None = Field(None, alias="routerEntries")
    sdram: int | None = None


class _Details(_Part):
    cores: int = Field(ge=1, le=18)
    ethernet: tuple[int, int]
    dead_links: tuple[Annotated[int, Field(ge=0, le=5)], ...] = Field((), alias="deadLinks")
    ip_address: str | None = Field(None, alias="ipAddress")


class _Machine(_Part):
    width: int = Field(gt=0, le=256)
    height: int = Field(gt=0, le=256)
    standard: _Resources = Field(alias="standardResources")
    ethernet: _Resources = Field(alias="ethernetResources")
    chips: tuple[tuple[int, int, _Details] | tuple[int, int, _Details, _Exceptions], ...] = Field(min_length=1)


def machine_to_json(
    machine: MachineDescription, *, monitors_per_chip: int = 1, monitors_per_ethernet_chip: int = 1, renumber: bool = False
) -> dict[str, Any]:
    """Describe a machine as the SpiNNaker tools do.

    Parameters
    ----------
    machine : MachineDescription
    monitors_per_chip, monitors_per_ethernet_chip : int
        Cores that were taken from applications beside core 0; they are given back, since the tools place their monitors themselves.
    renumber : bool
        Write a chip whose cores are not numbered without gaps by its number of cores alone.

    Returns
    -------
    dict
        Ready for ``json.dump``.

    Raises
    ------
    UsageError
        If core numbers would be lost and ``renumber`` is not set.
    """
    taken = np.full(machine.n_chips, monitors_per_chip)
    taken[machine.ethernet_rows] += monitors_per_ethernet_chip
    cores = machine.n_cores + taken + 1
    whole = take_lowest_cores(core_mask(cores), taken)
    gaps = np.flatnonzero(whole != machine.core_ids)
    if len(gaps) and not renumber:
        i = gaps[0]
        numbers = [p for p in range(18) if machine.core_ids[i] >> p & 1]
        raise UsageError(
            f"machine {machine.name}: {len(gaps)} chips, the first ({machine.x[i]}, {machine.y[i]}) with cores {numbers}, have core numbers "
            f"that the tools' JSON cannot hold ({monitors_per_chip} monitors a chip, {monitors_per_ethernet_chip} more an Ethernet chip); "
            "renumber=True writes only how many cores there are"
        )
    is_ethernet = np.zeros(machine.n_chips, bool)
    is_ethernet[machine.ethernet_rows] = True
    sizes, counts = np.unique(machine.sdram_bytes, return_counts=True)
    usual = int(sizes[counts.argmax()])
    chips: list[list[Any]] = []
    for i in range(machine.n_chips):
        x, y, e = int(machine.x[i]), int(machine.y[i]), int(machine.ethernet[i])
        details: dict[str, Any] = {"cores": int(cores[i]), "ethernet": [int(machine.x[e]), int(machine.y[e])]}
        dead = np.flatnonzero(machine.neighbour[i] < 0).tolist()
        if dead:
            details["deadLinks"] = dead
        if is_ethernet[i]:
            details["ipAddress"] = f"127.0.{x}.{y}"
        chip: list[Any] = [x, y, details]
        if machine.sdram_bytes[i] != usual:
            chip.append({"sdram": int(machine.sdram_bytes[i])})
        chips.append(chip)
    resources = {"monitors": 1, "routerEntries": machine.router_entries, "sdram": usual}
    return {
        "height": machine.height,
        "width": machine.width,
        "root": [0, 0],
        "standardResources": {**resources, "tags": []},
        "ethernetResources": {**resources, "tags": list(ETHERNET_TAGS)},
        "chips": chips,
    }


def write_machine_json(machine: MachineDescription, path: str | Path, **options: Any) -> None:
    """Write :func:`machine_to_json` with its ``options`` to a file."""
    Path(path).write_text(json.dumps(machine_to_json(machine, **options)), encoding="utf-8")


def machine_from_json(
    source: str | Path | dict[str, Any], *, name: str | None = None, monitors_per_chip: int = 1, monitors_per_ethernet_chip: int = 1
) -> MachineDescription:
    """Read a machine that the SpiNNaker tools described.

    Parameters
    ----------
    source : str, Path or dict
        Path of a JSON file, or its content.
    name : str, optional
        Name of the machine; the file's by default.
    monitors_per_chip, monitors_per_ethernet_chip : int
        Cores to take from applications beside core 0.

    Returns
    -------
    MachineDescription
        Cores are numbered without gaps. The wrap-around follows from width and height as in the tools: an axis that is a multiple of 12
        chips wraps. ``router_entries`` is the least of all chips.

    Raises
    ------
    DocumentError
        If the file is not there, is not JSON, lacks keys, or names chips twice, off the machine or without their Ethernet chip.
    """
    where = "machine JSON" if isinstance(source, dict) else str(source)
    try:
        content = source if isinstance(source, dict) else json.loads(Path(source).read_text(encoding="utf-8"))
        document = _Machine.model_validate(content)
    except OSError as error:
        raise DocumentError(where, "", f"cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DocumentError(where, ".".join(str(part) for part in first["loc"]), first["msg"]) from None
    except ValueError as error:
        raise DocumentError(where, "", f"is not valid JSON: {error}") from None

    size, small = (document.width, document.height), (document.width, document.height) == (2, 2)
    wrap = (False, True) if small else (size[0] % TRIAD_SIZE == 0, size[1] % TRIAD_SIZE == 0)
    xy = np.array([chip[:2] for chip in document.chips], np.int32)
    details = [chip[2] for chip in document.chips]
    ethernet_xy = np.array([part.ethernet for part in details], np.int32)
    _check_chips(where, xy, ethernet_xy, size)

    sdram, entries = [], []
    for i, chip in enumerate(document.chips):
        usual = document.standard if chip[2].ip_address is None else document.ethernet
        own = chip[3] if len(chip) == 4 else _Exceptions()
        if (own.monitors or usual.monitors) != 1:
            raise DocumentError(where, f"chips[{i}]", "has more than one monitor; the tools support exactly one, core 0")
        sdram.append(usual.sdram if own.sdram is None else own.sdram)
        entries.append(usual.router_entries if own.router_entries is None else own.router_entries)
    constants = read_board("version3" if small else "version5", where).constants
    taken = monitors_per_chip + np.where((xy == ethernet_xy).all(1), monitors_per_ethernet_chip, 0)
    return assemble(
        name=name or ("machine" if isinstance(source, dict) else Path(source).stem),
        size=size,
        wrap=wrap,
        xy=xy,
        ethernet_xy=ethernet_xy,
        core_ids=take_lowest_cores(core_mask([part.cores for part in details]), taken),
        sdram_bytes=np.array(sdram, np.int64),
        dead_links=np.array([(*chip[:2], link) for chip in document.chips for link in chip[2].dead_links], np.int32).reshape(-1, 3),
        constants=ChipConstants(min(entries), constants.dtcm_bytes.value, constants.itcm_bytes.value, constants.clock_hz.value),
    )


def _check_chips(where: str, xy: npt.NDArray[np.int32], ethernet_xy: npt.NDArray[np.int32], size: tuple[int, int]) -> None:
    """Demand that each chip is on the machine once, together with its Ethernet chip."""
    outside = np.flatnonzero(((xy < 0) | (xy >= size)).any(1))
    if len(outside):
        i = outside[0]
        raise DocumentError(where, f"chips[{i}]", f"chip ({xy[i, 0]}, {xy[i, 1]}) is not on a machine of {size[0]} x {size[1]} chips")
    present = {(int(x), int(y)) for x, y in xy}
    if len(present) < len(xy):
        raise DocumentError(where, "chips", f"{len(xy) - len(present)} chips are named twice")
    for i, (x, y) in enumerate(ethernet_xy):
        if (int(x), int(y)) not in present:
            raise DocumentError(where, f"chips[{i}].ethernet", f"the Ethernet chip ({x}, {y}) is not among the chips")
