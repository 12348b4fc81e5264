"""The body of a stamped frame and what is known about it beforehand: CRCs and checksum sums of every prefix.

CRC-32 is linear: bytes add up by XOR once each is shifted to its place. So the CRC of a body that holds the
pattern is one table entry, and continuing it over a stamp is one look-up per stamp byte, for a whole batch.
"""

from __future__ import annotations

import itertools
import zlib

import numpy as np
from numpy.typing import NDArray

STAMP_LENGTH = 24
"""Bytes of a stamp without its CRC field."""

BODY = (np.arange(65536 + 128) % 251).astype(np.uint8)
"""The pattern: byte i is i mod 251, so that a shifted or swapped block shows. Longer than any body."""
BODY_BYTES = BODY.tobytes()


def continue_crcs(body_crcs: NDArray[np.uint32], stamps: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return ``zlib.crc32(stamp, body_crc)`` for a whole batch.

    `stamps` has shape (frames, 24), `body_crcs` one entry per frame.
    """
    index = stamps.astype(np.intp)
    index[:, :4] ^= (~body_crcs).astype("<u4").view(np.uint8).reshape(-1, 4)
    index += _ROWS
    crcs: NDArray[np.uint32] = np.bitwise_xor.reduce(_TABLE[index], axis=1)
    return ~crcs


def _crc_table() -> NDArray[np.uint32]:
    """Give what byte value v at stamp position p adds to the CRC, at index ``256 * p + v``."""
    last = np.array([~zlib.crc32(bytes([v ^ 0xFF])) & 0xFFFFFFFF for v in range(256)], np.uint32)
    last ^= np.uint32(0x00FFFFFF)
    rows = [last]
    for _ in range(STAMP_LENGTH - 1):
        rows.append(last[rows[-1] & np.uint32(0xFF)] ^ (rows[-1] >> np.uint32(8)))
    return np.concatenate(rows[::-1])


_TABLE = _crc_table()
_ROWS = np.arange(STAMP_LENGTH, dtype=np.intp) * 256


def _prefix_crcs() -> NDArray[np.uint32]:
    """Give the CRC-32 of the first m bytes of the pattern, at index m.

    Stretches of 64 bytes advance side by side: one byte after the other would make each import 7 ms longer.
    """
    stretches = BODY.reshape(-1, 64)
    parts = (BODY_BYTES[at : at + 64] for at in range(0, len(BODY_BYTES) - 64, 64))
    starts = itertools.accumulate(parts, lambda crc, part: zlib.crc32(part, crc), initial=0)
    state = ~np.fromiter(starts, np.uint32, len(stretches))
    crcs = np.empty(stretches.shape, np.uint32)
    for at in range(64):
        crcs[:, at] = ~state
        state = _TABLE[-256:][(state ^ stretches[:, at]) & np.uint32(0xFF)] ^ (state >> np.uint32(8))
    return crcs.ravel()


def _prefix_sums() -> NDArray[np.int64]:
    """Give the sum of the big-endian 16-bit words in the first m bytes of the pattern, at index m."""
    weighted = BODY.astype(np.int64)
    weighted[::2] *= 256
    return np.concatenate(([0], np.cumsum(weighted)))


PREFIX_CRCS = _prefix_crcs()
"""CRC-32 of the first m bytes of the pattern, at index m."""
PREFIX_SUMS = _prefix_sums()
"""Internet-checksum sum (not folded) of the first m bytes of the pattern, at index m."""
