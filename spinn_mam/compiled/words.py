"""Arithmetic on words of 32 and 16 bits in compiled code, with the widths and the wrap-around of C; and prefetching.

Problem
    Numba computes ``int32 + int32`` in 64 bits. A cast back gives the right number, but the compiler then fills vector
    registers with half as many numbers, and multiplies twice as wide, as it would have to.

Method
    One function for each operation, which puts the operation on the word itself into the compiled code. Both arguments have
    the type of the result, int32, uint32, int16 or uint16; comparisons give 0 or 1 of that type. Loops of these vectorise in
    full width: the neuron update and the Poisson input of the emulator take half the time.

    Where only the upper half of an unsigned product is wanted, the compiler is asked for a fixed-point product. It keeps
    even and odd numbers in their places then, while a wide product cut to its upper half sends them through the slow
    exchange between the halves of a vector register.

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
_HALVES = (types.int16, types.uint16)
#: Arguments of the prefetch instruction: for reading, into all caches (the first alone loses the line again before it is used), data.
_READ, _CACHES, _DATA = 0, 3, 1


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


def _product_u032(typingctx: Any, a: Any, b: Any) -> Any:
    """Return bits 32 to 63 of the product of two unsigned words."""
    del typingctx
    if a != types.uint32 or b != types.uint32:
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        function = ir.FunctionType(_I32, [_I32, _I32, _I32])
        fixed_point = cgutils.get_or_insert_function(builder.module, function, "llvm.umul.fix.i32")  # type: ignore[no-untyped-call]
        return builder.call(fixed_point, [*args, ir.Constant(_I32, 32)])

    return a(a, b), generate


def _compared(relation: str, pick: Callable[[Any, Any, Any, Any], Any]) -> Any:
    return _binary(lambda builder, a, b: pick(builder, builder.icmp_signed(relation, a, b), a, b), (types.int32, types.int16))


add: Any = _binary(lambda builder, a, b: builder.add(a, b), _WORDS + _HALVES)
subtract: Any = _binary(lambda builder, a, b: builder.sub(a, b), _WORDS + _HALVES)
multiply: Any = _binary(lambda builder, a, b: builder.mul(a, b))
bit_and: Any = _binary(lambda builder, a, b: builder.and_(a, b))
bit_or: Any = _binary(lambda builder, a, b: builder.or_(a, b))
bit_xor: Any = _binary(lambda builder, a, b: builder.xor(a, b))
#: Shifts by 0 to 31 bits; to the right, zeros come in.
shift_left: Any = _binary(lambda builder, a, b: builder.shl(a, b))
shift_right: Any = _binary(lambda builder, a, b: builder.lshr(a, b), (types.uint32,))
#: Bits 32 to 63 and bits 15 to 46 of the signed product; bits 32 to 63 of the unsigned one.
product_high: Any = _product(32)
product_s1615: Any = _product(15)
product_u032: Any = intrinsic(_product_u032)
#: 1 where a > b, else 0; the smaller and the larger of two.
greater: Any = _compared(">", lambda builder, found, a, b: builder.zext(found, a.type))
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


def _same_bits(given: Any, result: Any) -> Any:
    """Make the function that reads the bits of a word as those of the other sign."""

    def typer(typingctx: Any, word: Any) -> Any:
        del typingctx, word
        return result(given), lambda context, builder, signature, args: args[0]

    return intrinsic(typer)


def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element of a contiguous array, to read it soon; the index is not checked."""
    del typingctx

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, args[0]).data  # type: ignore[no-untyped-call]
        address = builder.bitcast(builder.gep(data, [args[1]]), _I8.as_pointer())
        function = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
        fetch = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0i8")  # type: ignore[no-untyped-call]
        builder.call(fetch, [address, *(ir.Constant(_I32, k) for k in (_READ, _CACHES, _DATA))])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


choose: Any = intrinsic(_choose)
signed: Any = _same_bits(types.uint32, types.int32)
unsigned: Any = _same_bits(types.int32, types.uint32)
prefetch: Any = intrinsic(_prefetch)
