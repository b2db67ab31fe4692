"""Threads of compiled code that meet: atomic addition and a barrier.

Problem
    Threads that work on the same time step wait for each other thousands of times a second. A parallel loop of the library
    costs tens of microseconds each time, and a thread of the interpreter cannot wait that often at all.

Method
    A barrier by generation: the last thread to arrive begins the next generation, the others watch for it; after a while
    they offer their processor to others, so that a busy computer is not slowed further.

Cost
    Below a microsecond if all threads have a processor.

Reference
    Mellor-Crummey & Scott (1991), doi:10.1145/103727.103729.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

#: Words of the array that a barrier works on.
ARRIVED, GENERATION = range(2)
#: Looks at the generation before a thread offers its processor to others.
_PATIENCE = 2000

sched_yield: Any = types.ExternalFunction("sched_yield", types.int32())


def _atomic_add(typingctx: Any, address: Any, value: Any) -> Any:
    """Add to the 64-bit word at a host address and return what it was, seen by all threads in one order."""
    del typingctx, address, value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        target = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", target, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


atomic_add: Any = intrinsic(_atomic_add)


@njit(inline="always")
def word_address(words: Any, index: int) -> Any:
    """Return the host address of a word of an array of int64."""
    return np.int64(words.ctypes.data) + 8 * index


@njit(cache=True, nogil=True)
def barrier(words: Any, n_threads: int) -> None:
    """Wait until ``n_threads`` threads are here; ``words`` is an int64 array of two words, zero at first."""
    if n_threads == 1:
        return
    generation = atomic_add(word_address(words, GENERATION), np.int64(0))
    if atomic_add(word_address(words, ARRIVED), np.int64(1)) == n_threads - 1:
        words[ARRIVED] = 0
        atomic_add(word_address(words, GENERATION), np.int64(1))
        return
    patience = _PATIENCE
    while atomic_add(word_address(words, GENERATION), np.int64(0)) == generation:
        patience -= 1
        if patience < 0:
            sched_yield()
