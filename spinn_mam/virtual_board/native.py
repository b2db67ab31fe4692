"""What compiled code calls outside itself: Unicorn's C functions, memory at an address.

The functions are found by name when compiled code is loaded, so that Numba can keep it between runs of Python.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import numpy_support

from spinn_mam.errors import MissingExtraError

try:
    from unicorn.unicorn_py3 import unicorn as _unicorn
except ImportError as error:
    raise MissingExtraError("the virtual board", "board", "unicorn") from error

#: Numba's view of memory as an array.
carray: Any = numpy_support.carray
#: The loaded C library, for the calls that Python makes itself.
library: ctypes.CDLL = _unicorn.uclib

for _name in ("uc_emu_start", "uc_emu_stop", "uc_reg_read", "uc_reg_write"):
    llvmlite.binding.add_symbol(_name, ctypes.cast(getattr(library, _name), ctypes.c_void_p).value)

emu_start: Any = types.ExternalFunction("uc_emu_start", types.int32(types.int64, types.uint64, types.uint64, types.uint64, types.uint64))
emu_stop: Any = types.ExternalFunction("uc_emu_stop", types.int32(types.voidptr))
reg_read: Any = types.ExternalFunction("uc_reg_read", types.int32(types.int64, types.int32, types.int64))
reg_write: Any = types.ExternalFunction("uc_reg_write", types.int32(types.int64, types.int32, types.int64))


def _pointer(typingctx: Any, address: Any) -> Any:
    """Turn a host address (int64) into a pointer for ``numba.carray``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


pointer: Any = intrinsic(_pointer)
