"""A core's processor: an ARM 946 of the CPU emulator Unicorn with the core's memories and devices attached.

Problem
    Run the ARM binaries of the SpiNNaker tools as they are shipped, on hundreds of cores.
Method
    Each core has an instance of Unicorn; its tightly coupled memories are arrays of its own, SDRAM and System RAM the arrays
    of its chip, mapped at each of the addresses the core sees them at. Devices are the compiled callbacks of ``devices``.
    Binaries are in APLX format: records of four words (operation, target, source, length) that copy, fill and start.
Cost
    About 3 ms and 5 MB a core.

References
----------
APLX records: the boot loader's format of the SpiNNaker low-level tools 4.0.0. Unicorn 2: Nguyen & Dang, Black Hat USA 2015.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
from unicorn import UC_ARCH_ARM, UC_HOOK_BLOCK, UC_HOOK_INTR, UC_MODE_ARM, UC_PROT_ALL, Uc
from unicorn.arm_const import UC_ARM_REG_CPSR, UC_ARM_REG_R0, UC_CPU_ARM_946

from spinn_mam.errors import RunFailedError
from spinn_mam.virtual_board.chip import Chip
from spinn_mam.virtual_board.devices import chip_devices, communications, dma, interrupts, processor, timers
from spinn_mam.virtual_board.memory_map import (
    COMMUNICATIONS,
    DEVICE_SPAN,
    DMA,
    DTCM_BASE,
    DTCM_BYTES,
    INTERRUPTS,
    INTERRUPTS_ALIAS,
    ITCM_BASE,
    ITCM_BYTES,
    ROUTER,
    ROUTER_SPAN,
    SDRAM_BASE,
    SDRAM_BYTES,
    SDRAM_UNBUFFERED,
    SYSRAM_BASE,
    SYSRAM_BYTES,
    SYSRAM_UNBUFFERED,
    SYSTEM_CONTROLLER,
    TIMERS,
    WATCHDOG,
)
from spinn_mam.virtual_board.native import library
from spinn_mam.virtual_board.state import (
    AT,
    CHIP,
    CPU,
    INBOX_PACKETS,
    OUTBOX_PACKETS,
    P_CONTROL,
    P_CONTROLLER,
    P_COUNTERS,
    P_DTCM,
    P_INBOX,
    P_ITCM,
    P_KEY,
    P_MASK,
    P_MODES,
    P_OUTBOX,
    P_P2P,
    P_REGISTERS,
    P_ROUTE,
    P_SDRAM,
    P_SYSRAM,
    PC,
    PHYSICAL,
    RUNNING,
    TIMER_1,
    TIMER_2,
    VIRTUAL,
)

#: Bytes for translated code: the largest binary needs less than 2 MB.
_CODE_BUFFER_BYTES = 8 << 20
#: Supervisor mode with both interrupts masked, in which a loader hands over.
_SUPERVISOR_MASKED = 0xD3
#: The loader rounds each copy and fill up to this many bytes.
_APLX_ROUNDING = 32
_COPY_ABSOLUTE, _COPY_RELATIVE, _FILL, _EXECUTE = 1, 2, 3, 4

Words = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_DEVICES = (
    (INTERRUPTS, DEVICE_SPAN, interrupts.vic_read, interrupts.vic_write),
    ((INTERRUPTS_ALIAS,), DEVICE_SPAN, interrupts.vic_read, interrupts.vic_write),
    (TIMERS, DEVICE_SPAN, timers.timer_read, timers.timer_write),
    (DMA, DEVICE_SPAN, dma.dma_read, dma.dma_write),
    (COMMUNICATIONS, DEVICE_SPAN, communications.communications_read, communications.communications_write),
    (SYSTEM_CONTROLLER, DEVICE_SPAN, chip_devices.controller_read, chip_devices.controller_write),
    (ROUTER, ROUTER_SPAN, chip_devices.router_read, chip_devices.router_write),
    (WATCHDOG, DEVICE_SPAN, chip_devices.nothing_read, chip_devices.nothing_write),
)


class Cpu:
    """The processor of one core; its registers and devices live in a row of the state array.

    Parameters
    ----------
    chip : Chip
        Whose memories it shares.
    core : int
        Virtual core number.
    state : ndarray of int64, shape (CORE_WORDS,)
        The core's row; it must not move while the processor exists.
    control : ndarray of int64, shape (CONTROL_WORDS,)
        The machine's words.

    Attributes
    ----------
    itcm, dtcm : ndarray of uint8
        The core's own memories.
    """

    def __init__(self, chip: Chip, core: int, state: Words, control: Words) -> None:
        self.chip = chip
        self.core = core
        self.state = state
        self.control = control
        self.itcm: Bytes = _pages(ITCM_BYTES)
        self.dtcm: Bytes = _pages(DTCM_BYTES)
        self._modes: Bytes = np.zeros(ITCM_BYTES // 2, np.uint8)
        self._inbox: Words = np.zeros(2 * INBOX_PACKETS, np.int64)
        self._outbox: Words = np.zeros(2 * OUTBOX_PACKETS, np.int64)
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_ARM)
        self._uc.ctl_set_cpu_model(UC_CPU_ARM_946)
        self._uc.ctl_set_tcg_buffer_size(_CODE_BUFFER_BYTES)
        memory = chip.memory
        for base, n_bytes, array in (
            (ITCM_BASE, ITCM_BYTES, self.itcm),
            (DTCM_BASE, DTCM_BYTES, self.dtcm),
            (SDRAM_BASE, SDRAM_BYTES, memory.sdram),
            (SDRAM_UNBUFFERED, SDRAM_BYTES, memory.sdram),
            (SYSRAM_BASE, SYSRAM_BYTES, memory.sysram),
            (SYSRAM_UNBUFFERED, SYSRAM_BYTES, memory.sysram),
        ):
            self._uc.mem_map_ptr(base, n_bytes, UC_PROT_ALL, ctypes.c_void_p(array.ctypes.data))
        row = ctypes.c_void_p(state.ctypes.data)
        for bases, span, read, write in _DEVICES:
            for base in bases:
                self._demand(
                    library.uc_mmio_map(
                        self._uc._uch,
                        ctypes.c_uint64(base),
                        ctypes.c_size_t(span),
                        ctypes.c_void_p(read.address),
                        row,
                        ctypes.c_void_p(write.address),
                        row,
                    )
                )
        for kind, callback in ((UC_HOOK_BLOCK, processor.count_block), (UC_HOOK_INTR, processor.take_exception)):
            handle = ctypes.c_size_t()
            self._demand(
                library.uc_hook_add(
                    self._uc._uch,
                    ctypes.byref(handle),
                    ctypes.c_int(kind),
                    ctypes.c_void_p(callback.address),
                    row,
                    ctypes.c_uint64(1),
                    ctypes.c_uint64(0),
                )
            )
        self._cold = self._uc.context_save()

    def start(self, image: bytes, app_id: int, flags: int) -> None:
        """Load an APLX image and leave the processor at its entry.

        Parameters
        ----------
        image : bytes
            The file.
        app_id : int
        flags : int
            Bit 0 lets the application wait for the start signal.

        Raises
        ------
        RunFailedError
            If the image is not a valid APLX file.
        """
        self._uc.context_restore(self._cold)
        self._uc.ctl_flush_tb()
        self.itcm[:] = 0
        self.dtcm[:] = 0
        self._modes[:] = 0
        entry = self._load(image)
        self._reset_state(entry)
        self._uc.reg_write(UC_ARM_REG_CPSR, _SUPERVISOR_MASKED)
        self._uc.reg_write(UC_ARM_REG_R0, (flags << 8 | app_id) & 0xFFFFFFFF)

    def register(self, number: int) -> int:
        """Return a register, by Unicorn's number."""
        return int(self._uc.reg_read(number))

    def _reset_state(self, entry: int) -> None:
        s, memory, router = self.state, self.chip.memory, self.chip.router
        s[:] = 0
        s[CPU] = self._uc._uch.value
        s[CHIP], s[VIRTUAL], s[PHYSICAL] = self.chip.index, self.core, self.chip.virtual_to_physical[self.core]
        s[AT], s[PC] = RUNNING, entry
        for word, array in (
            (P_ITCM, self.itcm),
            (P_DTCM, self.dtcm),
            (P_SDRAM, memory.sdram),
            (P_SYSRAM, memory.sysram),
            (P_CONTROLLER, self.chip.controller),
            (P_ROUTE, router.route),
            (P_KEY, router.key),
            (P_MASK, router.mask),
            (P_P2P, router.p2p),
            (P_COUNTERS, router.diagnostics),
            (P_REGISTERS, router.registers),
            (P_CONTROL, self.control),
            (P_MODES, self._modes),
            (P_INBOX, self._inbox),
            (P_OUTBOX, self._outbox),
        ):
            s[word] = array.ctypes.data
        s[TIMER_1] = s[TIMER_2] = 0xFFFFFFFF

    def _load(self, image: bytes) -> int:
        at = 0
        while at + 16 <= len(image):
            operation, to, of, n_bytes = (int(word) for word in np.frombuffer(image, "<u4", 4, at))
            if operation in (_COPY_ABSOLUTE, _COPY_RELATIVE):
                source = of + (at if operation == _COPY_RELATIVE else 0)
                self._target(to, n_bytes)[:] = np.frombuffer(image[source : source + n_bytes].ljust(n_bytes, b"\0"), np.uint8)
            elif operation == _FILL:
                self._target(to, of)[:] = np.frombuffer(n_bytes.to_bytes(4, "little") * (of // 4 + 1), np.uint8, of)
            elif operation == _EXECUTE:
                return to
            else:
                break
            at += 16
        raise RunFailedError(
            f"{self.chip}, core {self.core}: what was loaded is not an APLX binary (no valid record at byte {at} of {len(image)}). "
            "Load one of the SpiNNaker tools' .aplx files."
        )

    def _target(self, address: int, n_bytes: int) -> Bytes:
        for base, array in ((ITCM_BASE, self.itcm), (DTCM_BASE, self.dtcm)):
            if base <= address and address + n_bytes <= base + len(array):
                return array[address - base : address - base + n_bytes]
        raise RunFailedError(
            f"{self.chip}, core {self.core}: the binary loads {n_bytes} bytes at {address:#x}, "
            f"outside the core's {ITCM_BYTES} bytes at {ITCM_BASE:#x} and {DTCM_BYTES} at {DTCM_BASE:#x}"
        )

    @staticmethod
    def _demand(error: int) -> None:
        if error:
            raise RunFailedError(f"Unicorn refused to set up a processor (error {error})")


def _pages(n_bytes: int) -> Any:
    """Return a zeroed array that starts on a page boundary, as Unicorn demands of memory it maps."""
    page = 4096
    array = np.zeros(n_bytes + page, np.uint8)
    start = -array.ctypes.data % page
    return array[start : start + n_bytes]
