"""What a board tells of its cores: status, printed text, progress, and hooks that are called."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spinn_mam.virtual_board.memory_map import SDRAM_BASE
from spinn_mam.virtual_board.structs import CpuState, Sv, Vcpu
from spinn_mam.virtual_board.system_variables import SystemVariables

logger = logging.getLogger(__name__)

#: Words in front of the text of an IOBUF block: next block, time stamp, time in ms, bytes used.
_IOBUF_HEADER = struct.Struct("<4I")


@dataclass(frozen=True, slots=True)
class CoreStatus:
    """What the vcpu block of a core says.

    Attributes
    ----------
    x, y, p : int
    state : CpuState
    app_id : int
    app_name : str
        Name of the binary, as SARK wrote it.
    rt_code : int
        Reason of a run-time exception, see :class:`~spinn_mam.virtual_board.structs.RunTimeError`; 0 if there was none.
    registers : tuple of int
        r0-r7, psr, sp, lr at the exception.
    """

    x: int
    y: int
    p: int
    state: CpuState
    app_id: int
    app_name: str
    rt_code: int
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BoardProgress:
    """How far the machine is.

    Attributes
    ----------
    clock_us : float
        Virtual time since the boot.
    cores : dict of CpuState to int
        Application cores in each state, without the idle ones.
    """

    clock_us: float
    cores: dict[CpuState, int]


@dataclass(slots=True)
class BoardEvents:
    """Lists of functions that the server's thread calls; they must return soon, and what they raise is logged and dropped.

    Attributes
    ----------
    booted : list of callable ()
        The machine has booted.
    cores_started : list of callable (x, y, cores, app_id)
        A binary was started on ``cores``, a list of virtual core numbers.
    core_failed : list of callable (CoreStatus)
        A core has entered a run-time exception; once for each.
    progress : list of callable (BoardProgress)
        Four times a second while cores run.
    """

    booted: list[Callable[[], None]] = field(default_factory=list)
    cores_started: list[Callable[[int, int, list[int], int], None]] = field(default_factory=list)
    core_failed: list[Callable[[CoreStatus], None]] = field(default_factory=list)
    progress: list[Callable[[BoardProgress], None]] = field(default_factory=list)


def read_status(sv: SystemVariables, core: int) -> CoreStatus:
    """Return what the vcpu block of a core says."""
    block = sv.core_bytes(core)
    name = block[Vcpu.APP_NAME : Vcpu.APP_NAME + 16].split(b"\0")[0].decode("ascii", "replace")
    registers = struct.unpack_from("<11I", block, Vcpu.REGISTERS)
    return CoreStatus(sv.chip.x, sv.chip.y, core, sv.state(core), block[Vcpu.APP_ID], name, block[Vcpu.RT_CODE], registers)


def read_iobuf(sv: SystemVariables, core: int) -> str:
    """Return what a core has printed so far; a chain of blocks that leads nowhere ends there."""
    sdram = sv.chip.memory.sdram
    address, size = sv.get_core(core, Vcpu.IOBUF), sv.get(Sv.IOBUF_BYTES)
    text = b""
    seen: set[int] = set()
    while address not in seen and 0 <= (offset := address - SDRAM_BASE) <= len(sdram) - _IOBUF_HEADER.size - size:
        seen.add(address)
        start = offset + _IOBUF_HEADER.size
        address, _, _, used = _IOBUF_HEADER.unpack(sdram[offset:start].tobytes())
        text += sdram[start : start + min(used, size)].tobytes()
    return text.decode("ascii", "replace")


def call(hooks: list[Any], *arguments: object) -> None:
    """Call functions; what they raise is logged."""
    for hook in hooks:
        try:
            hook(*arguments)
        except Exception:
            logger.exception("a function that watches the virtual board failed")
