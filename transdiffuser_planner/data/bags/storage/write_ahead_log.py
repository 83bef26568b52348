"""Finds out how much of a sqlite3 write-ahead log was not applied: sqlite itself passes over a cut-off end in silence."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

LOG_SUFFIX: Final = "-wal"
_HEAD, _FRAME = struct.Struct(">8I"), struct.Struct(">6I")


def lost_log_bytes(log: Path, num_applied: int) -> int:
    """Compare a log with the number of frames that sqlite applied.

    Args:
        log: The write-ahead log.
        num_applied: Number of frames that belong to complete transactions with sound checksums.

    Returns:
        Bytes of the log that were not applied; frames of an earlier use of the log do not count.
    """
    size = log.stat().st_size
    with log.open("rb") as file:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return size
        _, _, page_size, _, *salts, _, _ = _HEAD.unpack(head)
        frame = _FRAME.size + page_size
        if not 512 <= page_size <= 65536:
            return size
        num_applied = max(num_applied, 0)
        place = _HEAD.size + num_applied * frame
        current = place
        while current < size:
            file.seek(current)
            begin = file.read(_FRAME.size)
            is_current = len(begin) < _FRAME.size or list(_FRAME.unpack(begin)[2:4]) == salts
            if not is_current and (num_applied or current > place):
                break
            current += frame
    return max(0, int(min(current, size) - place))
