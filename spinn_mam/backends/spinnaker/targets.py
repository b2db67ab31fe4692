"""Targets: where a network runs. They differ in the ``[Machine]`` part of sPyNNaker's configuration and in nothing else.

===========  ==========================================================================================================
``virtual``  a virtual board, started for the run
``spalloc``  boards from the allocation server that the user's own ``.spynnaker.cfg`` names
``ebrains``  boards from the EBRAINS portal, in a job there: ``remote_spinnaker_url`` (or ``spalloc_server``) is in the job's
             ``spynnaker.cfg``
a name       the host name or address of a board; an address of the loopback is a virtual board that is served there
===========  ==========================================================================================================

Of the user's configuration only the keys that say how to get a machine are taken, and only for the two targets that need
them; what 7.4.1 would turn into a hang or a wrong result is refused here.
"""

from __future__ import annotations

import configparser
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spinn_mam.errors import UsageError
from spinn_mam.machine.description import MachineDescription
from spinn_mam.virtual_board.session import SETTINGS

VIRTUAL, SPALLOC, EBRAINS = "virtual", "spalloc", "ebrains"
#: Keys of the user's configuration that say how to get a machine.
SPALLOC_KEYS = (
    "spalloc_server",
    "spalloc_port",
    "spalloc_user",
    "spalloc_group",
    "spalloc_machine",
    "spalloc_use_proxy",
    "spalloc_avoid_boards",
    "spalloc_triad",
)
EBRAINS_KEYS = ("remote_spinnaker_url", *SPALLOC_KEYS)
#: Reports that are switched on: the data base with spikes and provenance is kept, losses are read from cores and routers.
REPORTS = ("write_provenance", "read_placements_provenance_data", "read_router_provenance_data", "keep_data_database", "keep_stack_trace")
#: Any of these in a configuration that names a server makes 7.4.1 refuse the machine, or ask another one.
OTHER_MACHINES = ("machine_name", "virtual_board", "remote_spinnaker_url", "spalloc_server")
#: SpiNNMan takes this address for its own stand-in, whose answers are canned: a run on it "works" and simulates nothing.
STAND_IN = "127.0.0.1"
LOOPBACK = "127."
#: Versions of boards in sPyNNaker's configuration: of 4 chips, of 48.
SMALL, LARGE = 3, 5
#: Chips of a small board.
CHIPS_OF_SMALL = 4
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to run.

    Attributes
    ----------
    name : str
        As on the command line.
    machine : mapping
        Keys of ``[Machine]``; those of the virtual board are known when it has started.
    """

    name: str
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual board that is started for the run."""
        return self.name == VIRTUAL

    @property
    def is_hardware(self) -> bool:
        """Whether there is a clock to keep up with."""
        return not self.is_virtual and not self.name.startswith(LOOPBACK)


def board_version(machine: MachineDescription) -> int:
    """Return the version of a machine's boards in sPyNNaker's configuration."""
    return SMALL if machine.n_chips <= CHIPS_OF_SMALL * machine.n_boards else LARGE


def make_target(name: str, *, version: int, configurations: Sequence[Path] = ()) -> Target:
    """Make a target from its name.

    Parameters
    ----------
    name : str
        ``"virtual"``, ``"spalloc"``, ``"ebrains"``, or a board's host name or address.
    version : int
        Version of the boards in sPyNNaker's configuration, 3 or 5.
    configurations : sequence of Path
        The user's own configuration files, for ``spalloc`` and ``ebrains``; a later one overrides an earlier, missing ones are passed over.

    Raises
    ------
    UsageError
        If there is no such target, or the configuration cannot work.
    """
    if name == VIRTUAL:
        return Target(name)
    if name in (SPALLOC, EBRAINS):
        return Target(name, {"version": str(version), **_server(name, version, configurations)})
    _check_host(name)
    # an address of this computer can only be a virtual board that is served on it
    served = SETTINGS if name.startswith(LOOPBACK) else {}
    return Target(name, {**served, "machine_name": name, "version": str(version)})


def configuration(machine: Mapping[str, str]) -> str:
    """Write sPyNNaker's configuration: the keys that say which machine, and the provenance that losses are read from."""
    lines = ["[Machine]", *(f"{key} = {value}" for key, value in machine.items()), "", "[Mode]", "mode = Production", "", "[Reports]"]
    return "\n".join([*lines, *(f"{key} = True" for key in REPORTS), ""])


def _check_host(name: str) -> None:
    if name in (STAND_IN, "localhost", "::1"):
        raise UsageError(
            f"--target {name}: SpiNNMan 7.4.1 takes this address for its own stand-in of a board, which answers without simulating anything; "
            "give the address of a board, such as 127.0.0.2 for a virtual board that you serve yourself, or use --target virtual"
        )
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        if not _NAME.fullmatch(name) or len(name) > 253:
            raise UsageError(f"--target {name}: neither virtual, spalloc, ebrains, nor the name or address of a board") from None
        return
    if address.version != 4 or address.is_unspecified or address.is_multicast or name.endswith(".255"):
        raise UsageError(f"--target {name}: a board has an IPv4 address of its own")


def _server(name: str, version: int, configurations: Sequence[Path]) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    there = [str(path) for path in configurations if path.is_file()]
    try:
        parser.read(there, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        text = str(error).splitlines()[0]
        raise UsageError(f"--target {name}: {', '.join(there)}: no readable configuration ({text})") from None
    spelled = {key.replace("_", ""): key for key in ("version", *OTHER_MACHINES, *EBRAINS_KEYS)}
    items = parser.items("Machine") if parser.has_section("Machine") else []
    # sPyNNaker takes machineName for machine_name as well
    found = {spelled.get(key.lower().replace("_", ""), key): value.strip() for key, value in items}
    given = {key: value for key, value in found.items() if value and value.lower() not in ("none", "false")}
    where = " or ".join(str(path) for path in configurations) or "no file"
    servers = [key for key in ("remote_spinnaker_url", "spalloc_server") if key in given and (name == EBRAINS or key == "spalloc_server")]
    if not servers:
        wanted = "spalloc_server" if name == SPALLOC else "remote_spinnaker_url or spalloc_server"
        raise UsageError(f"--target {name}: no {wanted} in the section [Machine] of {where}: it must say where boards are given out")
    clash = [key for key in OTHER_MACHINES if key in given and key != servers[0]]
    if clash:
        raise UsageError(
            f"--target {name}: {where} has both {servers[0]} and {', '.join(clash)}: sPyNNaker takes one machine; keep the one that is meant"
        )
    own = given.get("version")
    if own is not None and own != str(version):
        raise UsageError(
            f"--target {name}: {where} says version = {own}, but the boards of --board-config are of version {version}: "
            "7.4.1 would map for another machine than it gets; use a matching --board-config"
        )
    if version != LARGE:
        raise UsageError(f"--target {name}: boards that are given out have 48 chips (version 5), --board-config has version {version}: use spin5")
    url = given[servers[0]]
    if servers[0] == "remote_spinnaker_url" and not url.startswith(("http://", "https://")):
        raise UsageError(f"--target {name}: remote_spinnaker_url = {url} in {where} is no http address")
    keys = EBRAINS_KEYS if name == EBRAINS else SPALLOC_KEYS
    return {key: given[key] for key in keys if key in given}
