"""Booting: takes the boot image in from UDP port 54321 and checks it.

The host sends a start datagram with the number of blocks, the blocks of up to 1 KiB with their words in network order, and an end datagram. A
chip's boot ROM would run the image; here it is compared with the known one, and its boot values are handed to the system variables.

Reference: spinnman 7.4.1's boot messages; the image is ``scamp.boot`` of SC&MP 4.0.0, identified without the 128 bytes of boot values.
"""

from __future__ import annotations

import hashlib
import logging
import struct

import numpy as np

from spinn_mam.virtual_board.structs import SV_BOOT_BYTES

logger = logging.getLogger(__name__)

#: SHA-256 of the boot image with zeros in place of the boot values.
IMAGE_SHA256 = "71a70ced99ce5bdcfcf87bab31a16b176eff6c56c1f4c4528fcde2ba2f696a68"
#: Where the boot values are in the image.
VALUES_OFFSET = 384
PROTOCOL_VERSION = 1
START, BLOCK, END = 1, 3, 5
_BLOCK_BYTES = 1024
_MAX_BLOCKS = 32
_HEADER = struct.Struct(">HIIII")


class BootImage:
    """Collects the datagrams of a boot."""

    def __init__(self) -> None:
        self._n_blocks = 0
        self._blocks: dict[int, bytes] = {}

    def receive(self, datagram: bytes) -> bytes | None:
        """Take a datagram in; return the boot values once the image is complete and the right one.

        Parameters
        ----------
        datagram : bytes
            Anything; what does not fit is ignored, as a chip would.
        """
        if len(datagram) < _HEADER.size:
            return None
        version, operation, operand_1, _, operand_3 = _HEADER.unpack_from(datagram)
        if version != PROTOCOL_VERSION:
            return None
        if operation == START:
            self._blocks.clear()
            self._n_blocks = operand_3 + 1 if operand_3 < _MAX_BLOCKS else 0
        elif operation == BLOCK:
            data = datagram[_HEADER.size :]
            block = operand_1 & 0xFF
            if block < self._n_blocks and len(data) % 4 == 0 and len(data) <= _BLOCK_BYTES:
                self._blocks[block] = data
        elif operation == END and operand_1 == 1:
            return self._finish()
        return None

    def _finish(self) -> bytes | None:
        n_blocks, blocks = self._n_blocks, self._blocks
        self._n_blocks, self._blocks = 0, {}
        missing = sorted(set(range(n_blocks)) - set(blocks))
        if not n_blocks or missing:
            logger.warning("boot: %d of %d blocks arrived; not booted, send the image again", len(blocks), n_blocks)
            return None
        image = np.frombuffer(b"".join(blocks[i] for i in range(n_blocks)), ">u4").astype("<u4").tobytes()
        values = image[VALUES_OFFSET : VALUES_OFFSET + SV_BOOT_BYTES]
        digest = hashlib.sha256(image[:VALUES_OFFSET] + bytes(len(values)) + image[VALUES_OFFSET + SV_BOOT_BYTES :]).hexdigest()
        if digest != IMAGE_SHA256:
            logger.warning(
                "boot: an image of %d bytes that is not SC&MP 4.0.0 (SHA-256 %s); not booted. Use the boot image of spinnman 7.4.1.",
                len(image),
                digest,
            )
            return None
        return values
