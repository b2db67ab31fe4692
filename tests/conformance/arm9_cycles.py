"""Cycles of ARM and Thumb instructions on an ARM9E-S core, which the ARM968E-S has: the most each can take, memory aside.

Issue cycles and result delays are those of the ARM9E-S pipeline (ARM DDI 0165B, chapter 8; the ARM968E-S manual, ARM DDI 0311, refers to that
core; GCC's ``config/arm/arm926ejs.md`` describes the same pipeline). Every load is taken to stall the instruction after it, every multiplication
the next one, every conditional instruction to be executed; a branch that falls through costs one cycle, which only the executed blocks tell.
"""

BRANCH, TO_PC = 3, 5


def arm_cycles(word: int) -> int:
    """Return the most cycles of an ARM instruction."""
    if word >> 28 == 0xF:  # BLX, PLD
        return BRANCH
    kind = word >> 25 & 7
    if kind == 0 and word & 0x90 == 0x90:  # multiplications, extra loads and stores
        return _multiply_or_extra(word)
    if kind == 0 and word & 0x01900000 == 0x01000000:
        return _miscellaneous(word)
    if kind in (0, 1):
        shift_by_register = kind == 0 and word >> 4 & 1
        to_pc = word >> 12 & 15 == 15 and word >> 23 & 3 != 2
        return 1 + bool(shift_by_register) + (2 if to_pc else 0)
    if kind in (2, 3):  # LDR, STR and their bytes
        if not word >> 20 & 1:
            return 1
        return TO_PC if word >> 12 & 15 == 15 else (3 if word >> 22 & 1 or kind == 3 else 2)
    if kind == 4:
        n = max((word & 0xFFFF).bit_count(), 2)
        if not word >> 20 & 1:
            return n
        return n + 4 if word >> 15 & 1 else n + 1
    if kind == 5:
        return BRANCH
    return BRANCH  # coprocessor, supervisor call


def _multiply_or_extra(word: int) -> int:
    if word >> 5 & 3 == 0:
        if word >> 23 & 3 == 2:  # SWP
            return 3
        long_result, flags = word >> 23 & 1, word >> 20 & 1
        return (3 if long_result else 2) + 2 * flags + (not flags)
    if not word >> 20 & 1 and word >> 6 & 1:  # LDRD, STRD
        return 2 if word >> 5 & 1 else 4
    return 3 if word >> 20 & 1 else 1  # half words and signed bytes


def _miscellaneous(word: int) -> int:
    if word & 0x90 == 0x80:  # 16-bit multiplications
        return 3 if word >> 21 & 3 == 2 else 2
    operation = word >> 4 & 15
    if operation in (1, 3) and word >> 21 & 3 == 1:  # BX, BLX
        return BRANCH
    if operation == 0:  # MRS, MSR
        return 3 if word >> 21 & 1 else 2
    return 2  # CLZ, saturating additions


def thumb_cycles(half: int) -> int:
    """Return the most cycles of a Thumb instruction; BL is two of them."""
    top = half >> 12
    if top < 4:  # shifts, additions, immediates
        return 1
    if top == 4:
        if half >> 11 & 1:  # LDR from the literal pool
            return 2
        if half >> 10 & 1:  # high registers, BX
            to_pc = half >> 8 & 3 == 3 or (half >> 8 & 3 != 1 and half & 0x87 == 0x87)
            return BRANCH if to_pc else 1
        operation = half >> 6 & 15
        return 4 if operation == 13 else 2 if operation in (2, 3, 4, 7) else 1
    if top == 5:
        operation = half >> 9 & 7
        return 1 if operation < 3 else 2 if operation == 4 else 3
    if top in (6, 7, 8):
        load, word = half >> 11 & 1, top == 6
        return (2 if word else 3) if load else 1
    if top == 9:
        return 2 if half >> 11 & 1 else 1
    if top == 11 and half >> 9 & 3 == 2:  # PUSH, POP
        n = max((half & 0x1FF).bit_count(), 2)
        load = half >> 11 & 1
        return n + 4 if load and half >> 8 & 1 else n + load
    if top == 12:
        n = max((half & 0xFF).bit_count(), 2)
        return n + (half >> 11 & 1)
    if top in (13, 14, 15):
        return 1 if top == 15 and not half >> 11 & 1 else BRANCH
    return 1
