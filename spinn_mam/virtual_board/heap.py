"""The heaps of SARK, in the very format that the ARM binaries work on.

Problem: blocks of a chip's SDRAM and System RAM are allocated and freed by the binaries on the cores and by the host's commands in turn, so
both must see one structure.
Method: first fit on two chained lists. A heap starts with a root of four words: first free block, first block, last block (of no size, marks
the end), free bytes. Each block has a header of two words: the next block in memory, and for a free block the next free one, for a block in
use ``0xffff0000 | app << 8 | tag``. Neighbouring free blocks are merged when one is freed. Tags point from a table of 65,536 words
(``app << 8 | tag``) to their block's data.
Cost: O(blocks) for each operation.
Reference: SARK's heap as the binaries of sPyNNaker 7.4.1 use it; the conformance tests let those binaries allocate on these heaps.

A structure that a core or the host has damaged is met with :class:`HeapDamagedError`: no walk leaves the heap or goes on for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

#: Bytes of a heap's root and of a block's header.
ROOT_BYTES = 16
HEADER_BYTES = 8
_IN_USE = 0xFFFF0000


class HeapDamagedError(Exception):
    """The chains of a heap or of the router's allocation table lead nowhere."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block in use.

    Attributes
    ----------
    address : int
        Of its data.
    size : int
        Bytes of data.
    app_id, tag : int
    """

    address: int
    size: int
    app_id: int
    tag: int


class Heap:
    """A heap in a chip's memory.

    Parameters
    ----------
    memory : ndarray of uint8
        SDRAM or System RAM, word-aligned.
    base : int
        Address of ``memory[0]``.
    root : int
        Address of the heap's root.
    tags : ndarray of uint32, shape (65536,), optional
        Table of tags; heaps without one ignore tags.

    Raises
    ------
    HeapDamagedError
        If ``root`` is not in the memory.
    """

    def __init__(self, memory: npt.NDArray[np.uint8], base: int, root: int, tags: Words | None = None) -> None:
        self._words: Words = memory.view(np.uint32)
        self._base = base
        self._root = root
        self._tags = tags
        if root % 4 or not base <= root <= base + len(memory) - ROOT_BYTES:
            raise HeapDamagedError(f"heap root 0x{root:08x} outside memory")

    @classmethod
    def create(cls, memory: npt.NDArray[np.uint8], base: int, bottom: int, top: int, tags: Words | None = None) -> Heap:
        """Make an empty heap in [bottom, top)."""
        heap = cls(memory, base, bottom, tags)
        first, last = bottom + ROOT_BYTES, top - HEADER_BYTES
        for i, word in enumerate((first, first, last, last - first - HEADER_BYTES)):
            heap._put(bottom + 4 * i, word)
        heap._put_header(first, last, 0)
        heap._put_header(last, 0, 0)
        return heap

    @property
    def free_bytes(self) -> int:
        """Free bytes, as the root counts them."""
        return self._get(self._root + 12)

    def largest_free(self) -> int:
        """Return the bytes of data of the largest free block."""
        return max((following - block - HEADER_BYTES for block, following in self._free_blocks()), default=0)

    def blocks(self) -> list[Block]:
        """Return the blocks in use, in the order of their addresses."""
        found = []
        for block, following in self._all_blocks():
            owner = self._get(block + 4)
            if owner & _IN_USE == _IN_USE:
                found.append(Block(block + HEADER_BYTES, following - block - HEADER_BYTES, owner >> 8 & 0xFF, owner & 0xFF))
        return found

    def allocate(self, size: int, app_id: int, tag: int = 0, *, retry: bool = False) -> int:
        """Allocate a block.

        Parameters
        ----------
        size : int
            Bytes, rounded up to whole words.
        app_id : int
        tag : int
            0 for none, else 1-255 and free.
        retry : bool
            If the tag is taken by a block of this size, take it as the answer to the same request, made before.

        Returns
        -------
        int
            Address of the data; 0 if there is no space, the size is 0, or the tag is taken.
        """
        if size <= 0 or size > 0xFFFFFFFF - HEADER_BYTES - 3 or not 0 <= tag <= 255:
            return 0
        need = (size + 3 & ~3) + HEADER_BYTES
        entry = app_id << 8 | tag
        if tag and self._tags is not None and self._tags[entry]:
            address = int(self._tags[entry])
            if retry and any(block.address == address and block.size in (need - HEADER_BYTES, need) for block in self.blocks()):
                return address
            return 0
        previous = 0
        for block, following in self._free_blocks():
            rest = block + need
            if rest > following:
                previous = block
                continue
            next_free = self._get(block + 4)
            # A rest that would hold only a header stays with the block.
            if rest + HEADER_BYTES < following:
                self._put_header(rest, following, next_free)
                self._put(block, rest)
                next_free = rest
            self._put(previous + 4 if previous else self._root, next_free)
            # SARK counts what was asked for even where the block is larger, and the binaries do the same.
            self._put(self._root + 12, self.free_bytes - need)
            self._put(block + 4, _IN_USE | entry)
            if tag and self._tags is not None:
                self._tags[entry] = block + HEADER_BYTES
            return block + HEADER_BYTES
        return 0

    def free(self, address: int) -> bool:
        """Free a block by the address of its data; False if no block in use has it."""
        target = address - HEADER_BYTES
        for block, following in self._all_blocks():
            if block == target:
                owner = self._get(block + 4)
                if owner & _IN_USE != _IN_USE:
                    return False
                self._release(block, following, owner & 0xFFFF)
                return True
            if block > target:
                break
        return False

    def free_app(self, app_id: int) -> int:
        """Free all blocks of an application and return how many there were."""
        mine = [block for block in self.blocks() if block.app_id == app_id]
        for block in mine:
            header = block.address - HEADER_BYTES
            self._release(header, self._get(header), block.app_id << 8 | block.tag)
        return len(mine)

    def _release(self, block: int, following: int, entry: int) -> None:
        if entry & 0xFF and self._tags is not None:
            self._tags[entry] = 0
        self._put(self._root + 12, self.free_bytes + following - block)
        previous = after = 0
        for free, _ in self._free_blocks():
            if free > block:
                after = free
                break
            previous = free
        next_free = after
        if after and following == after:
            following, next_free = self._get(after), self._get(after + 4)
        self._put_header(block, following, next_free)
        if not previous:
            self._put(self._root, block)
        elif self._get(previous) == block:
            self._put_header(previous, following, next_free)
        else:
            self._put(previous + 4, block)

    def _all_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield each block and the one after it, without the last block."""
        block, last = self._get(self._root + 4), self._get(self._root + 8)
        while block != last:
            following = self._get(block)
            if following <= block or following > last:
                raise HeapDamagedError(f"block 0x{block:08x} is followed by 0x{following:08x}, and the heap ends at 0x{last:08x}")
            yield block, following
            block = following

    def _free_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield each free block and the block after it in memory."""
        block, last = self._get(self._root), self._get(self._root + 8)
        while block:
            following, next_free = self._get(block), self._get(block + 4)
            if following <= block or following > last or (next_free and next_free <= block):
                raise HeapDamagedError(f"free block 0x{block:08x}: next 0x{following:08x}, next free 0x{next_free:08x}, end 0x{last:08x}")
            yield block, following
            block = next_free

    def _get(self, address: int) -> int:
        index = address - self._base >> 2
        if address % 4 or not 0 <= index < len(self._words):
            raise HeapDamagedError(f"the heap leads to address 0x{address:08x}")
        return int(self._words[index])

    def _put(self, address: int, value: int) -> None:
        self._get(address)
        self._words[address - self._base >> 2] = value

    def _put_header(self, block: int, following: int, owner: int) -> None:
        self._put(block, following)
        self._put(block + 4, owner)
