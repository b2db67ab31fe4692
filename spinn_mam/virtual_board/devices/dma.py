"""The DMA controller of a core."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cfunc, njit

from spinn_mam.virtual_board.devices.registers import READ, WRITE, state_of
from spinn_mam.virtual_board.memory_map import (
    DTCM_BASE,
    DTCM_BYTES,
    ITCM_BASE,
    ITCM_BYTES,
    SDRAM_BASE,
    SDRAM_BYTES,
    SDRAM_UNBUFFERED,
    SYSRAM_BASE,
    SYSRAM_BYTES,
    SYSRAM_UNBUFFERED,
)
from spinn_mam.virtual_board.native import carray, pointer
from spinn_mam.virtual_board.state import (
    BEGINS_TICK,
    DMA_BYTES,
    DMA_DESCRIPTOR,
    DMA_DONE,
    DMA_ERROR,
    DMA_GLOBAL,
    DMA_HELD,
    DMA_SYSTEM,
    DMA_TCM,
    P_DTCM,
    P_ITCM,
    P_SDRAM,
    P_SYSRAM,
    PHYSICAL,
    POLLS,
)

# Bit of a DMA descriptor: from the core to memory that all share.
_DMA_OUT = 0x80000


@njit(cache=True)
def host_address(s: Any, address: int, n_bytes: int) -> Any:
    """Return where a stretch of the core's memory lies on the host, or 0 if no memory is there."""
    end = address + n_bytes
    if address >= SDRAM_BASE and end <= SDRAM_BASE + SDRAM_BYTES:
        return s[P_SDRAM] + address - SDRAM_BASE
    if address >= SDRAM_UNBUFFERED and end <= SDRAM_UNBUFFERED + SDRAM_BYTES:
        return s[P_SDRAM] + address - SDRAM_UNBUFFERED
    if address >= DTCM_BASE and end <= DTCM_BASE + DTCM_BYTES:
        return s[P_DTCM] + address - DTCM_BASE
    if address >= ITCM_BASE and end <= ITCM_BASE + ITCM_BYTES:
        return s[P_ITCM] + address - ITCM_BASE
    if address >= SYSRAM_BASE and end <= SYSRAM_BASE + SYSRAM_BYTES:
        return s[P_SYSRAM] + address - SYSRAM_BASE
    if address >= SYSRAM_UNBUFFERED and end <= SYSRAM_UNBUFFERED + SYSRAM_BYTES:
        return s[P_SYSRAM] + address - SYSRAM_UNBUFFERED
    return np.int64(0)


@njit(cache=True)
def start_transfer(s: Any, descriptor: Any) -> None:
    """Start a DMA transfer: at once, unless it leaves a core that begins a time step.

    All cores begin a step together and those that read what another leaves in shared memory do so first thing. One core runs
    after the other here, so what goes out meanwhile is held until the end of the wave, or until the core asks for it.
    """
    s[DMA_DESCRIPTOR] = descriptor
    s[POLLS] = 0
    if s[BEGINS_TICK] and descriptor & _DMA_OUT:
        s[DMA_HELD] = 1
    else:
        transfer(s)


@njit(cache=True)
def release_transfer(s: Any) -> None:
    """Do the transfer that is held, if there is one."""
    if s[DMA_HELD]:
        s[DMA_HELD] = 0
        transfer(s)


@njit(cache=True)
def transfer(s: Any) -> None:
    """Do a DMA transfer: bits 0-16 of the descriptor are its bytes, bit 19 says that it leaves the core."""
    descriptor = s[DMA_DESCRIPTOR]
    n_bytes = descriptor & 0x1FFFF
    system = host_address(s, s[DMA_SYSTEM], n_bytes)
    tcm = host_address(s, s[DMA_TCM], n_bytes)
    if system == 0 or tcm == 0:
        s[DMA_ERROR] = 1
        return
    to, of = (system, tcm) if descriptor & _DMA_OUT else (tcm, system)
    n_words = n_bytes >> 2
    target, source = carray(pointer(to), (n_words,), np.uint32), carray(pointer(of), (n_words,), np.uint32)
    for i in range(n_words):
        target[i] = source[i]
    if n_bytes & 3:
        last_target, last_source = carray(pointer(to), (n_bytes,), np.uint8), carray(pointer(of), (n_bytes,), np.uint8)
        for i in range(4 * n_words, n_bytes):
            last_target[i] = last_source[i]
    s[DMA_DONE] = 1
    s[DMA_BYTES] += n_bytes


@cfunc(READ, cache=True)
def dma_read(uc: Any, offset: int, size: int, data: Any) -> Any:
    """Read a DMA register."""
    s = state_of(data)
    o = np.int64(offset)
    value: Any = np.int64(0)
    if o == 0x04:
        value = s[DMA_SYSTEM]
    elif o == 0x08:
        value = s[DMA_TCM]
    elif o == 0x0C:
        value = s[DMA_DESCRIPTOR]
    elif o == 0x14:
        release_transfer(s)
        value = s[PHYSICAL] << 24 | s[DMA_DONE] << 10 | s[DMA_ERROR] << 13
    elif o == 0x18:
        value = s[DMA_GLOBAL]
    return np.uint64(value & 0xFFFFFFFF)


@cfunc(WRITE, cache=True)
def dma_write(uc: Any, offset: int, size: int, value: int, data: Any) -> None:
    """Write a DMA register; writing the descriptor does the transfer."""
    s = state_of(data)
    o, v = np.int64(offset), np.int64(value) & 0xFFFFFFFF
    if o == 0x04:
        release_transfer(s)
        s[DMA_SYSTEM] = v
    elif o == 0x08:
        release_transfer(s)
        s[DMA_TCM] = v
    elif o == 0x0C:
        release_transfer(s)
        start_transfer(s, v)
    elif o == 0x10:
        if v & 0x08:
            s[DMA_DONE] = 0
        if v & 0x20:
            s[DMA_ERROR] = 0
    elif o == 0x18:
        s[DMA_GLOBAL] = v
