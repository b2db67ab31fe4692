"""Compiled functions that only borrow their arrays.

Problem
    Compiled code counts the references to every array that it cuts or takes out of a tuple, with an atomic addition to one
    word of the array. Threads that work on the same arrays send the cache lines of these words to and fro: without that the
    time loop on two threads takes a tenth less with stored synapses, a third less with procedural ones.

Method
    Functions of the time loop make no arrays and keep none: whoever calls from outside holds all arrays until they return.
    So they are compiled without the runtime that counts. Making an array in one of them is an error when it is compiled.
"""

from __future__ import annotations

from typing import Any

from numba import njit

#: What the compiler is told, for :func:`numba.extending.overload` too.
BORROWING: Any = {"_nrt": False}

#: Decorator of functions of the time loop.
njit_borrowing: Any = njit(cache=True, nogil=True, **BORROWING)
