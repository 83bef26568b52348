"""Saves what can be read of an MCAP file whose end is missing, as after a power cut.

MCAP is a sequence of records (1 byte kind, 8 bytes length, content) between two magic numbers. All complete records are
copied and closed with an empty summary; readers then scan the file instead of using its index.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")
_DATA_END, _FOOTER = 0x0F, 0x02
_CLOSING = (
    _HEAD.pack(_DATA_END, 4) + bytes(4) + _HEAD.pack(_FOOTER, 20) + bytes(20) + MAGIC
)  # zero checksums mean "not computed", a zero summary offset means "no summary"


def is_cut_off(path: Path) -> bool:
    """Whether a file starts like an MCAP file and does not end like one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size < 2 * len(MAGIC) or file.read(len(MAGIC)) != MAGIC:
            return False
        file.seek(-len(MAGIC), os.SEEK_END)
        return file.read() != MAGIC


def recover(path: Path, out: Path) -> int:
    """Copy all complete records of a cut-off file.

    Args:
        path: The damaged file; it is not changed.
        out: The readable copy.

    Returns:
        Number of bytes at the end that were lost.
    """
    end = len(MAGIC)
    size = path.stat().st_size
    with path.open("rb") as source:
        source.seek(end)
        while True:
            head = source.read(_HEAD.size)
            if len(head) < _HEAD.size:
                break
            kind, length = _HEAD.unpack(head)
            if kind in (_DATA_END, _FOOTER) or end + _HEAD.size + length > size:
                break
            end += _HEAD.size + length
            source.seek(end)
        source.seek(0)
        with out.open("wb") as copy:
            left = end
            while left:
                part = source.read(min(left, 1 << 20))
                copy.write(part)
                left -= len(part)
            copy.write(_CLOSING)
    return size - end
