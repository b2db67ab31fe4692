"""Arithmetic on words of 32 bits in compiled code, with the widths and the wrap-around of C; and prefetching.

Problem
    Numba computes ``int32 + int32`` in 64 bits. A cast back gives the right number, but the compiler then fills vector
    registers with half as many numbers, and multiplies twice as wide, as it would have to.

Method
    One function for each operation, which puts the operation on 32 bits itself into the compiled code. Both arguments have
    the type of the result, int32 or uint32; comparisons give 0 or 1 of that type. Loops of these vectorise in full width:
    the neuron update and the Poisson input of the emulator take half the time.

Cost
    One machine operation each, several numbers at a time where the processor has vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORDS = (types.int32, types.uint32)
#: Arguments of the prefetch instruction: for reading, used once (keep out of the lower caches' way), data.
_READ, _ONCE, _DATA = 0, 0, 1


def _binary(emit: Callable[[Any, Any, Any], Any], allowed: tuple[Any, ...] = _WORDS) -> Any:
    """Make a function of two words from what puts the operation into the code."""

    def typer(typingctx: Any, a: Any, b: Any) -> Any:
        del typingctx
        if a != b or a not in allowed:
            return None

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature
            return emit(builder, args[0], args[1])

        return a(a, b), generate

    return intrinsic(typer)


def _product(shift: int) -> Any:
    """Make the function that shifts the 64-bit product of two signed words to the right and keeps 32 bits."""

    def emit(builder: Any, a: Any, b: Any) -> Any:
        product = builder.mul(builder.sext(a, _I64), builder.sext(b, _I64))
        return builder.trunc(builder.lshr(product, ir.Constant(_I64, shift)), _I32)

    return _binary(emit, (types.int32,))


def _compared(relation: str, pick: Callable[[Any, Any, Any, Any], Any]) -> Any:
    return _binary(lambda builder, a, b: pick(builder, builder.icmp_signed(relation, a, b), a, b), (types.int32,))


add: Any = _binary(lambda builder, a, b: builder.add(a, b))
subtract: Any = _binary(lambda builder, a, b: builder.sub(a, b))
multiply: Any = _binary(lambda builder, a, b: builder.mul(a, b))
bit_and: Any = _binary(lambda builder, a, b: builder.and_(a, b))
bit_or: Any = _binary(lambda builder, a, b: builder.or_(a, b))
bit_xor: Any = _binary(lambda builder, a, b: builder.xor(a, b))
#: Shifts by 0 to 31 bits; to the right, zeros come in.
shift_left: Any = _binary(lambda builder, a, b: builder.shl(a, b))
shift_right: Any = _binary(lambda builder, a, b: builder.lshr(a, b), (types.uint32,))
#: Bits 32 to 63 and bits 15 to 46 of the signed product.
product_high: Any = _product(32)
product_s1615: Any = _product(15)
#: 1 where a > b, else 0; the smaller and the larger of two.
greater: Any = _compared(">", lambda builder, found, a, b: builder.zext(found, _I32))
smaller_of: Any = _compared("<", lambda builder, found, a, b: builder.select(found, a, b))
larger_of: Any = _compared(">", lambda builder, found, a, b: builder.select(found, a, b))


def _choose(typingctx: Any, condition: Any, yes: Any, no: Any) -> Any:
    """Return ``yes`` where a word is not zero, else ``no``, without a jump."""
    del typingctx
    if condition != types.int32 or yes != no or yes not in _WORDS:
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.select(builder.icmp_signed("!=", args[0], ir.Constant(_I32, 0)), args[1], args[2])

    return yes(condition, yes, no), generate


def _signed(typingctx: Any, word: Any) -> Any:
    """Read the bits of an unsigned word as a signed one."""
    del typingctx
    return types.int32(types.uint32), lambda context, builder, signature, args: args[0]


def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element of a contiguous array, to read it once and soon; the index is not checked."""
    del typingctx

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, args[0]).data  # type: ignore[no-untyped-call]
        address = builder.bitcast(builder.gep(data, [args[1]]), _I8.as_pointer())
        function = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
        fetch = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0i8")  # type: ignore[no-untyped-call]
        builder.call(fetch, [address, *(ir.Constant(_I32, k) for k in (_READ, _ONCE, _DATA))])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


choose: Any = intrinsic(_choose)
signed: Any = intrinsic(_signed)
prefetch: Any = intrinsic(_prefetch)
