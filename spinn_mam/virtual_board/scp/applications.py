"""Starting, signalling, counting and stopping the cores of applications, as the monitors of all chips do it together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from spinn_mam.errors import SpinnMamError
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.heap import HeapDamagedError
from spinn_mam.virtual_board.memory_map import SDRAM_BASE
from spinn_mam.virtual_board.scp.mailbox import Mailboxes
from spinn_mam.virtual_board.state import C_FLAGS
from spinn_mam.virtual_board.structs import N_CORES, SDRAM_SYSTEM_BUFFER_WORDS, Code, CpuState, MailboxCommand, Signal, Sv, Vcpu
from spinn_mam.virtual_board.system_variables import SystemVariables, set_core

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine

logger = logging.getLogger(__name__)

#: Largest binary that is looked for at an address: the area in which SC&MP stages them.
MAX_IMAGE_BYTES = 4 * SDRAM_SYSTEM_BUFFER_WORDS
_CORE_MASK = (1 << N_CORES) - 1


class Applications:
    """Which core belongs to which application, and what is done to them.

    Parameters
    ----------
    variables : list of SystemVariables
        One a chip.
    engine : Engine
    mailboxes : Mailboxes
    started : callable (x, y, cores, app_id)
        Called after each start.
    """

    def __init__(
        self, variables: list[SystemVariables], engine: Engine, mailboxes: Mailboxes, started: Callable[[int, int, list[int], int], None]
    ) -> None:
        self._variables = variables
        self._engine = engine
        self._mailboxes = mailboxes
        self._started = started
        self._apps = np.zeros((len(variables), N_CORES), np.uint8)
        self._active = np.zeros((len(variables), N_CORES), np.bool_)

    def clear(self) -> None:
        """Stop all cores; what they hold in memory stays."""
        for row, core in np.argwhere(self._active):
            self._make_idle(self._variables[row], int(core))

    @property
    def active_chips(self) -> list[Chip]:
        """Chips with a core that was started and not stopped since."""
        return [self._variables[row].chip for row in np.flatnonzero(self._active.any(1))]

    def active_cores(self, chip: Chip) -> list[int]:
        """Return the cores of a chip that were started and not stopped since."""
        return [int(core) for core in np.flatnonzero(self._active[chip.index])]

    def start(self, chip: Chip, address: int, id_flags_mask: int) -> Code:
        """Start the binary at an address of SDRAM.

        Parameters
        ----------
        chip : Chip
        address : int
        id_flags_mask : int
            Application in bits 24-31, flags in 18-23 (bit 18: wait for the start signal), cores in 0-17.

        Returns
        -------
        Code
            ARGUMENT for the monitor's core or what is not a binary, CPU for cores that are not there.
        """
        app_id, flags, mask = id_flags_mask >> 24, id_flags_mask >> 18 & 0x3F, id_flags_mask & _CORE_MASK
        offset = address - SDRAM_BASE
        if mask & 1 or not 0 <= offset < len(chip.memory.sdram):
            return Code.ARGUMENT
        cores = [core for core in range(1, N_CORES) if mask >> core & 1]
        if any(core >= chip.n_cores or core in chip.dead_cores for core in cores):
            return Code.CPU
        image = chip.memory.sdram[offset : offset + MAX_IMAGE_BYTES].tobytes()
        sv = self._variables[chip.index]
        self._record_start(sv, app_id, cores)
        chip.controller[C_FLAGS] |= mask
        for core in cores:
            self._mailboxes.forget(chip, core)
            self._set_info(sv, core, CpuState.INIT, app_id)
            try:
                self._engine.start(chip, core, image, app_id, flags)
            except SpinnMamError as error:
                logger.warning("%s", error)
                self._make_idle(sv, core)
                return Code.ARGUMENT
            self._apps[chip.index, core] = app_id
            self._active[chip.index, core] = True
        if cores:
            self._started(chip.x, chip.y, cores, app_id)
        return Code.OK

    def signal(self, number: int, app_id: int, app_mask: int) -> Code:
        """Send a signal to all cores of the applications with ``id & app_mask == app_id``."""
        if number not in Signal.__members__.values():
            return Code.ARGUMENT
        signal = Signal(number)
        for sv in self._variables:
            cores = [
                core for core in range(1, sv.chip.n_cores) if core not in sv.chip.dead_cores and self._apps[sv.chip.index, core] & app_mask == app_id
            ]
            self._signal_chip(sv, signal, cores)
            if signal == Signal.STOP:
                for candidate in range(max(app_id, 1), 256):
                    if candidate & app_mask == app_id:
                        self._clean(sv, candidate)
        return Code.OK

    def count(self, chip: Chip, state: int, app_id: int, app_mask: int = 0xFF) -> tuple[int, int]:
        """Return how many cores of the applications on a chip are in a state, and how many there are."""
        sv = self._variables[chip.index]
        mine = [core for core in range(1, chip.n_cores) if core not in chip.dead_cores and self._apps[chip.index, core] & app_mask == app_id]
        return sum(sv.get_core(core, Vcpu.CPU_STATE, 1) == state for core in mine), len(mine)

    def _signal_chip(self, sv: SystemVariables, signal: Signal, cores: list[int]) -> None:
        chip = sv.chip
        if signal in (Signal.SYNC0, Signal.SYNC1):
            mask = np.uint32(sum(1 << core for core in cores))
            if signal == Signal.SYNC0:
                chip.controller[C_FLAGS] &= ~mask
            else:
                chip.controller[C_FLAGS] |= mask
            for core in cores:
                if self._active[chip.index, core]:
                    self._engine.interrupt(chip, core)
            return
        for core in cores:
            if signal in (Signal.INIT, Signal.STOP):
                self._make_idle(sv, core)
            elif signal == Signal.POWER_DOWN:
                self._make_idle(sv, core)
                self._set_info(sv, core, CpuState.POWERED_DOWN, 0)
            elif self._active[chip.index, core]:
                self._mailboxes.send(chip, core, int(signal))

    def _make_idle(self, sv: SystemVariables, core: int) -> None:
        row = sv.chip.index
        if self._active[row, core]:
            self._engine.stop(sv.chip, core)
            self._active[row, core] = False
        self._mailboxes.forget(sv.chip, core)
        self._apps[row, core] = 0
        set_core(sv, core, CpuState.IDLE, 0, b"sark")

    @staticmethod
    def _set_info(sv: SystemVariables, core: int, state: CpuState, app_id: int) -> None:
        sv.put_core(core, Vcpu.CPU_STATE, state, 1)
        sv.put_core(core, Vcpu.APP_ID, app_id, 1)
        sv.put_core(core, Vcpu.TIME, sv.get(Sv.UNIX_TIME))
        sv.put_core(core, Vcpu.COMMAND_TO_CORE, MailboxCommand.IDLE, 1)
        sv.put_core(core, Vcpu.COMMAND_TO_MONITOR, MailboxCommand.IDLE, 1)

    @staticmethod
    def _record_start(sv: SystemVariables, app_id: int, cores: list[int]) -> None:
        data = sv.app_data(app_id)
        mask = sum(1 << core for core in cores)
        if data[0] == 0:
            data[:] = 0
            data[3] = min(cores, default=0)
        data[0] = min(int(data[0]) + len(cores), 255)
        data[4:].view(np.uint32)[0] |= np.uint32(mask)

    @staticmethod
    def _clean(sv: SystemVariables, app_id: int) -> None:
        """Free all that an application holds on a chip; application 0 is the system itself."""
        try:
            for heap in (sv.sdram_heap, sv.sysram_heap, sv.system_heap):
                heap.free_app(app_id)
            # By application: the compressors hold no list of what they have set.
            sv.router_table.free_app(app_id, clear=True)
            sv.app_data(app_id)[:2] = (0, 1)
        except HeapDamagedError as error:
            logger.warning("%s: application %d leaves damaged tables (%s); boot anew", sv.chip, app_id, error)
