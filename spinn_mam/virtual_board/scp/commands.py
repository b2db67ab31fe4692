"""The SCP commands of SC&MP, one method each.

A command gets the chip that it is addressed to and answers with a return code and data. It never runs a core, so every answer is immediate.
What a chip cannot do, or would crash its monitor, is answered with an error code.

Reference: "SpiNNaker Command Protocol (SCP) Specification", AppNote 5; SC&MP 4.0.0 and spinnman 7.4.1 for what came later.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spinn_mam.errors import RunFailedError
from spinn_mam.virtual_board.chip import Chip, RouterRegisters
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.heap import HeapDamagedError
from spinn_mam.virtual_board.memory_map import SDRAM_BASE
from spinn_mam.virtual_board.router_allocation import physical_route
from spinn_mam.virtual_board.scp.address_space import AddressError, AddressSpace
from spinn_mam.virtual_board.scp.applications import MAX_IMAGE_BYTES, Applications
from spinn_mam.virtual_board.scp.mailbox import LOCK_HEAP, LOCK_ROUTER, check_lock
from spinn_mam.virtual_board.scp.packets import BAD_ARGUMENT, OK, Answer, ScpCommand
from spinn_mam.virtual_board.scp.regions import N_PARTS, in_region
from spinn_mam.virtual_board.scp.tags import TagTable
from spinn_mam.virtual_board.state import C_ROUTER_CHANGED
from spinn_mam.virtual_board.structs import SDP_DATA_BYTES, Alloc, AllocFlag, Code, Command, NearestNeighbour, Sv
from spinn_mam.virtual_board.system_variables import SystemVariables

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

#: What VERSION answers: "SC&MP/SpiNNaker", the version, and the time of the binary's build.
VERSION_TEXT = b"SC&MP/SpiNNaker\x004.0.0\x00"
SARK_TEXT = b"SARK/SpiNNaker\x004.0.0\x00"
BUILD_TIME = 0x66A0F000
_VERSION_IN_TEXT = 0xFFFF << 16

#: Operations of the ROUTER command.
_ROUTER_INIT, _ROUTER_CLEAR, _ROUTER_LOAD, _ROUTER_FIXED = range(4)
#: Ways to send a signal, and what a point-to-point signal asks for.
_BY_MULTICAST, _BY_POINT_TO_POINT, _BY_NEAREST_NEIGHBOUR = range(3)
_COUNT = 1
_ANY, _ALL, _SUM = range(3)
#: Operations of a nearest-neighbour signal packet, bits 28-31 of its data.
_NN_FORWARD, _NN_LEDS, _NN_TIME_PHASE, _NN_ID, _NN_LEVELS, _NN_APPLICATION = range(6)

_WORD = struct.Struct("<I")
_INFO = struct.Struct("<3I18B2B4s2B")


@dataclass(frozen=True, slots=True)
class Request:
    """A command with where it is going and where it came from.

    Attributes
    ----------
    chip : Chip
    core : int
    command : ScpCommand
    table : TagTable or None
        IP tags of the chip, if it is an Ethernet chip.
    sender : (str, int)
        Address and port that the datagram came from.
    """

    chip: Chip
    core: int
    command: ScpCommand
    table: TagTable | None
    sender: tuple[str, int]


class Commands:
    """SC&MP's commands on all chips.

    Parameters
    ----------
    hardware : Hardware
    variables : list of SystemVariables
        One a chip.
    engine : Engine
    applications : Applications
    tags_changed : callable ()
        Called when reverse IP tags may have changed.
    """

    def __init__(
        self, hardware: Hardware, variables: list[SystemVariables], engine: Engine, applications: Applications, tags_changed: Callable[[], None]
    ) -> None:
        self._hardware = hardware
        self._variables = variables
        self._applications = applications
        self._tags_changed = tags_changed
        self._space = AddressSpace(engine)
        #: Chips that take the flood fill that is under way, None for no flood fill.
        self._flood: list[Chip] | None = None
        self._synchronised = True
        self._leds: dict[int, int] = {}
        self._handlers: dict[int, Callable[[Request], Answer]] = {
            Command.VERSION: self._version,
            Command.READ: self._read,
            Command.WRITE: self._write,
            Command.FILL: self._fill,
            Command.COUNT: self._count,
            Command.LINK_READ: self._link_read,
            Command.LINK_WRITE: self._link_write,
            Command.APP_RUN: self._app_run,
            Command.NEAREST_NEIGHBOUR: self._nearest_neighbour,
            Command.APP_COPY_RUN: self._app_copy_run,
            Command.SIGNAL: self._signal,
            Command.FLOOD_FILL_DATA: self._flood_fill_data,
            Command.APP_START: self._app_start,
            Command.LED: self._led,
            Command.IPTAG: self._iptag,
            Command.ALLOC: self._alloc,
            Command.ROUTER: self._router,
            Command.INFO: self._info,
            Command.SYNC: self._sync,
        }
        #: What SARK answers for a core that runs no application.
        self._core_handlers: dict[int, Callable[[Request], Answer]] = {
            code: self._handlers[code] for code in (Command.VERSION, Command.READ, Command.WRITE, Command.FILL)
        }

    def execute(self, request: Request) -> Answer:
        """Execute a command; LockedError if a core has to run on before it can be.

        Returns
        -------
        (Code, bytes)
            Return code and what follows it and the sequence number in the answer.
        """
        handlers = self._core_handlers if request.core else self._handlers
        handler = handlers.get(request.command.command)
        if handler is None:
            return Code.COMMAND, b""
        try:
            return handler(request)
        except (AddressError, HeapDamagedError, RunFailedError):
            return BAD_ARGUMENT

    def _version(self, request: Request) -> Answer:
        chip, core = request.chip, request.core
        where = chip.p2p_address << 16 | int(chip.virtual_to_physical[core]) << 8 | core
        text = SARK_TEXT if core else VERSION_TEXT
        return Code.OK, struct.pack("<3I", where, _VERSION_IN_TEXT | SDP_DATA_BYTES, BUILD_TIME) + text

    def _read(self, request: Request) -> Answer:
        c = request.command
        if c.arg2 > SDP_DATA_BYTES or not _aligned(c.arg1, c.arg2, c.arg3):
            return BAD_ARGUMENT
        return Code.OK, self._space.read(request.chip, request.core, c.arg1, c.arg2)

    def _write(self, request: Request) -> Answer:
        c = request.command
        if c.arg2 > SDP_DATA_BYTES or not _aligned(c.arg1, c.arg2, c.arg3):
            return BAD_ARGUMENT
        if len(c.data) < c.arg2:
            return Code.LENGTH, b""
        self._space.write(request.chip, request.core, c.arg1, c.data[: c.arg2])
        return OK

    def _fill(self, request: Request) -> Answer:
        c = request.command
        if c.arg1 % 4 or c.arg3 % 4 or c.arg3 == 0:
            return BAD_ARGUMENT
        self._space.fill(request.chip, request.core, c.arg1, c.arg2, c.arg3)
        return OK

    def _neighbour(self, request: Request) -> Chip | Answer:
        """Return the chip behind the link that a command names, or the error."""
        c = request.command
        if c.arg2 > SDP_DATA_BYTES or c.arg2 % 4 or c.arg1 % 4 or c.arg3 > 5:
            return BAD_ARGUMENT
        return request.chip.neighbours[c.arg3] or (Code.TIMEOUT, b"")

    def _link_read(self, request: Request) -> Answer:
        neighbour = self._neighbour(request)
        if isinstance(neighbour, tuple):
            return neighbour
        return Code.OK, self._space.read(neighbour, 0, request.command.arg1, request.command.arg2)

    def _link_write(self, request: Request) -> Answer:
        neighbour = self._neighbour(request)
        if isinstance(neighbour, tuple):
            return neighbour
        c = request.command
        if len(c.data) < c.arg2:
            return Code.LENGTH, b""
        self._space.write(neighbour, 0, c.arg1, c.data[: c.arg2])
        return OK

    def _app_run(self, request: Request) -> Answer:
        staged = self._variables[request.chip.index].get(Sv.SDRAM_SYSTEM)
        return self._applications.start(request.chip, staged, request.command.arg1), b""

    def _app_start(self, request: Request) -> Answer:
        return self._applications.start(request.chip, request.command.arg1, request.command.arg2), b""

    def _app_copy_run(self, request: Request) -> Answer:
        c, chip = request.command, request.chip
        link, checksum = c.arg1 & 7, c.arg1 >> 3
        if c.arg3 & 1 or link > 5 or c.arg2 % 4 or c.arg2 > MAX_IMAGE_BYTES:
            return BAD_ARGUMENT
        neighbour = chip.neighbours[link]
        if neighbour is None:
            return Code.TIMEOUT, b""
        staged = self._variables[chip.index].get(Sv.SDRAM_SYSTEM)
        image = self._space.read(neighbour, 0, staged, c.arg2)
        self._space.write(chip, 0, staged, image)
        total = sum(memoryview(image).cast("I")) & 0xFFFFFFFF
        if checksum and total & 0x1FFFFFFF != checksum:
            return Code.CHECKSUM, _WORD.pack(total)
        return self._applications.start(chip, staged, c.arg3), b""

    def _count(self, request: Request) -> Answer:
        """Count the cores in a state: on an Ethernet chip those of its board, since the host asks these chips only and adds up."""
        c = request.command
        board = [chip for chip in self._hardware.chips if chip.ethernet is request.chip] or [request.chip]
        return Code.OK, _WORD.pack(sum(self._applications.count(chip, c.arg2, c.arg1 & 0xFF)[0] for chip in board))

    def _signal(self, request: Request) -> Answer:
        c = request.command
        if c.arg1 == _BY_MULTICAST and request.chip is not self._hardware.root:
            return BAD_ARGUMENT
        if c.arg1 in (_BY_MULTICAST, _BY_NEAREST_NEIGHBOUR):
            return self._signal_all(c.arg2), b""
        if c.arg1 == _BY_POINT_TO_POINT and c.arg3 & (1 << N_PARTS) - 1:
            return self._count_region(request)
        return BAD_ARGUMENT

    def _signal_all(self, data: int) -> Code:
        """Send a signal: number in bits 16-19, mask of application numbers in 8-15, number in 0-7."""
        return self._applications.signal(data >> 16 & 15, data & 0xFF, data >> 8 & 0xFF)

    def _count_region(self, request: Request) -> Answer:
        """Count the cores in a state, over the parts of the square around the chip that the mask names."""
        c = request.command
        level, operation, mode, state = c.arg2 >> 26 & 3, c.arg2 >> 22 & 3, c.arg2 >> 20 & 3, c.arg2 >> 16 & 15
        if operation != _COUNT or mode > _SUM:
            return BAD_ARGUMENT
        square = 4 * 4 ** (3 - level)
        corner_x, corner_y = request.chip.x // square * square, request.chip.y // square * square
        region = corner_x << 24 | corner_y << 16 | level << 16 | c.arg3 & (1 << N_PARTS) - 1
        chips = [chip for chip in self._hardware.chips if in_region(chip.x, chip.y, region)]
        if not chips:
            return Code.ROUTE, b""
        counts = [self._applications.count(chip, state, c.arg2 & 0xFF, c.arg2 >> 8 & 0xFF) for chip in chips]
        if mode == _SUM:
            return Code.OK, _WORD.pack(sum(found for found, _ in counts))
        holds = any(found for found, _ in counts) if mode == _ANY else all(found == n for found, n in counts)
        return Code.OK, _WORD.pack(int(holds) << 16 | len(chips))

    def _nearest_neighbour(self, request: Request) -> Answer:
        c = request.command
        kind = c.arg1 >> 24
        if kind == NearestNeighbour.SIGNAL:
            operation = c.arg2 >> 28
            if operation == _NN_APPLICATION:
                return self._signal_all(c.arg2), b""
            if operation == _NN_LEDS:
                for chip in self._hardware.chips:
                    self._leds[chip.index] = c.arg2 & 0x0FFFFFFF
                return OK
            # How packets are forwarded, phases and the configuration of levels have no counterpart here.
            return OK if operation in (_NN_FORWARD, _NN_TIME_PHASE, _NN_ID, _NN_LEVELS) else BAD_ARGUMENT
        if kind == NearestNeighbour.FLOOD_FILL_START:
            self._flood = [chip for chip in self._hardware.chips if in_region(chip.x, chip.y, c.arg2)]
            return OK
        if kind == NearestNeighbour.FLOOD_FILL_END:
            return self._end_flood_fill(c.arg2)
        return BAD_ARGUMENT

    def _flood_fill_data(self, request: Request) -> Answer:
        c = request.command
        n_bytes = 4 * ((c.arg2 >> 8 & 0xFF) + 1)
        if self._flood is None or n_bytes > SDP_DATA_BYTES or c.arg3 % 4:
            return BAD_ARGUMENT
        if len(c.data) < n_bytes:
            return Code.LENGTH, b""
        for chip in self._flood:
            self._space.write(chip, 0, c.arg3, c.data[:n_bytes])
        return OK

    def _end_flood_fill(self, id_flags_mask: int) -> Answer:
        chips, self._flood = self._flood, None
        if chips is None or id_flags_mask & 1:
            return BAD_ARGUMENT
        for chip in chips:
            there = sum(1 << core for core in range(1, chip.n_cores) if core not in chip.dead_cores)
            mask = id_flags_mask & (there | -1 << 18)
            code = self._applications.start(chip, self._variables[chip.index].get(Sv.SDRAM_SYSTEM), mask & 0xFFFFFFFF)
            if code != Code.OK:
                return code, b""
        return OK

    def _led(self, request: Request) -> Answer:
        self._leds[request.chip.index] = request.command.arg1
        return OK

    def _sync(self, request: Request) -> Answer:
        # All chips share one clock, so there is nothing to keep in step.
        self._synchronised = bool(request.command.arg1)
        return OK

    def _iptag(self, request: Request) -> Answer:
        if request.table is None:
            return BAD_ARGUMENT
        answer = request.table.execute(request.command, request.sender)
        self._tags_changed()
        return answer

    def _alloc(self, request: Request) -> Answer:
        c, sv = request.command, self._variables[request.chip.index]
        operation, app_id, flags = c.arg1 & 0xFF, c.arg1 >> 8 & 0xFF, c.arg1 >> 16 & 0xFF
        if operation not in Alloc.__members__.values():
            return BAD_ARGUMENT
        in_router = operation in (Alloc.ALLOC_ROUTES, Alloc.FREE_ROUTES, Alloc.FREE_ROUTES_BY_APP)
        check_lock(request.chip, LOCK_ROUTER if in_router else LOCK_HEAP)
        if operation in (Alloc.ALLOC_SDRAM, Alloc.ALLOC_ROUTES):
            sv.app_data(app_id)[1] = 0
        if operation == Alloc.ALLOC_SDRAM:
            return Code.OK, _WORD.pack(sv.sdram_heap.allocate(c.arg2, app_id, c.arg3, retry=bool(flags & AllocFlag.RETRY)))
        if operation == Alloc.FREE_SDRAM:
            return (Code.OK if sv.sdram_heap.free(c.arg2) else Code.ARGUMENT), b""
        if operation == Alloc.FREE_SDRAM_BY_APP:
            return Code.OK, _WORD.pack(sv.sdram_heap.free_app(app_id))
        if operation == Alloc.ALLOC_ROUTES:
            return Code.OK, _WORD.pack(sv.router_table.allocate(c.arg2, app_id))
        if operation == Alloc.FREE_ROUTES:
            return (Code.OK if sv.router_table.free(c.arg2, clear=bool(c.arg3)) else Code.ARGUMENT), b""
        if operation == Alloc.FREE_ROUTES_BY_APP:
            return Code.OK, _WORD.pack(sv.router_table.free_app(app_id, clear=bool(c.arg2)))
        if operation == Alloc.SDRAM_SPACE:
            heap = sv.sdram_heap
            return Code.OK, struct.pack("<2I", heap.free_bytes, heap.largest_free())
        return Code.OK, _WORD.pack(int(sv.tags[app_id << 8 | c.arg2 & 0xFF]))

    def _router(self, request: Request) -> Answer:
        c, chip = request.command, request.chip
        sv = self._variables[chip.index]
        operation, app_id, count = c.arg1 & 0xFF, c.arg1 >> 8 & 0xFF, c.arg1 >> 16
        check_lock(chip, LOCK_ROUTER)
        if operation == _ROUTER_INIT:
            sv.router_table.initialise(1)
            return OK
        if operation == _ROUTER_CLEAR:
            return (Code.OK if sv.router_table.clear(c.arg2, count) else Code.ARGUMENT), b""
        if operation == _ROUTER_LOAD:
            offset = c.arg2 - SDRAM_BASE
            if c.arg2 % 4 or not 0 <= offset < len(chip.memory.sdram):
                return BAD_ARGUMENT
            return (Code.OK if sv.router_table.load(chip.memory.sdram[offset:], count, c.arg3, app_id) else Code.ARGUMENT), b""
        if operation == _ROUTER_FIXED:
            if c.arg2 >> 31:
                return Code.OK, _WORD.pack(sv.get(Sv.FIXED_ROUTE_COPY))
            route = c.arg2 & 0xFFFFFF
            sv.put(Sv.FIXED_ROUTE_COPY, route)
            registers = chip.router.registers
            kept = int(registers[RouterRegisters.FIXED_ROUTE]) & 0xFF000000
            registers[RouterRegisters.FIXED_ROUTE] = kept | physical_route(chip, route)
            chip.controller[C_ROUTER_CHANGED] = 1
            return OK
        return BAD_ARGUMENT

    def _info(self, request: Request) -> Answer:
        chip = request.chip
        check_lock(chip, LOCK_HEAP)
        check_lock(chip, LOCK_ROUTER)
        sv = self._variables[chip.index]
        first = chip.n_cores | chip.links_enabled << 8 | sv.router_table.largest_free() << 14 | (chip.ip_address is not None) << 25
        ip = bytes(map(int, (chip.ip_address or "0.0.0.0").split(".")))
        ethernet = chip.ethernet
        parent = self._hardware.link_toward(chip, self._hardware.root)
        return Code.OK, _INFO.pack(
            first, sv.sdram_heap.largest_free(), sv.sysram_heap.largest_free(), *sv.states(), ethernet.y, ethernet.x, ip, parent, 0
        )


def _aligned(address: int, length: int, kind: int) -> bool:
    """Whether an access by bytes (0), half words (1) or words (2) is aligned."""
    return kind <= 2 and address % (1 << kind) == 0 and length % (1 << kind) == 0
