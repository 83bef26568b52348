"""Finds the chunks and messages of an MCAP file by walking over its records; the summary is a help, not a condition.

After a damaged record the walk goes on at the next chunk that the summary names, or at the next bytes that are a record.
"""

from __future__ import annotations

import os
import re
import zlib
from array import array
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from transdiffuser_planner.data.bags.storage import mcap_records as records
from transdiffuser_planner.data.bags.storage.mcap_records import BadRecordError, ChunkHead, Summary
from transdiffuser_planner.data.bags.storage.storage_file import MAX_TIME_NS

_BLOCK = 1 << 20
_OVERLAP = 64
_HEADS = re.compile(rb"[\x03-\x07\x09\x0c](?=[\s\S]{5}\x00\x00\x00)")
"""Begins of records shorter than a terabyte."""

_FOOTER_LENGTH = records.HEAD.size + records.FOOTER_SIZE
_LONGEST_HEAD = 128


@dataclass(kw_only=True, slots=True)
class ChunkEntry:
    """A chunk, or a hole where a record cannot be read.

    Attributes:
        offset, length: Place of the record.
        head: Its begin; None for a hole.
        counts: Channel id -> number of messages by the message index that follows; None without one.
        reason: Why it is a hole.
    """

    offset: int
    length: int
    head: ChunkHead | None = None
    counts: dict[int, int] | None = None
    reason: str = ""


@dataclass(kw_only=True, slots=True)
class LooseMessages:
    """Messages outside of chunks, as columns: log time, place and size of the content, channel id."""

    time_ns: array[int] = field(default_factory=lambda: array("q"))
    offset: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    channel_id: array[int] = field(default_factory=lambda: array("H"))

    def add(self, time_ns: int, offset: int, size: int, channel_id: int) -> None:
        """Append one."""
        self.time_ns.append(time_ns)
        self.offset.append(offset)
        self.size.append(size)
        self.channel_id.append(channel_id)

    def drop_last(self) -> None:
        """Remove the newest."""
        for column in (self.time_ns, self.offset, self.size, self.channel_id):
            column.pop()


@dataclass(kw_only=True, slots=True)
class McapLayout:
    """All parts of a file.

    Attributes:
        summary: Descriptions and counts from the summary and from the data outside of chunks.
        chunks: Chunks and holes in order of the file.
        loose: Messages outside of chunks.
        end_problem: Why the file has no sound end, or "".
        num_unknown: Records of private kinds.
        is_described: The summary at the end of the file describes its channels.
    """

    summary: Summary = field(default_factory=Summary)
    chunks: list[ChunkEntry] = field(default_factory=list)
    loose: LooseMessages = field(default_factory=LooseMessages)
    end_problem: str = ""
    num_unknown: int = 0
    is_described: bool = False

    def num_loose_within(self, hole: ChunkEntry) -> Counter[int]:
        """Channel id -> number of messages that were found within a hole."""
        begin, end = hole.offset, hole.offset + hole.length
        pairs = zip(self.loose.offset, self.loose.channel_id, strict=True)
        return Counter(number for offset, number in pairs if begin <= offset < end)


def read_layout(file: BinaryIO) -> McapLayout:
    """Walk over a file.

    Args:
        file: The open file; it is only read.

    Returns:
        Its parts; without chunks and messages when it is no MCAP file.
    """
    walk = _Walk(file)
    walk.read_summary()
    walk.read_data()
    return walk.layout


class _Walk:
    def __init__(self, file: BinaryIO) -> None:
        self.layout = McapLayout()
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self._end = self._size
        self._is_whole = False
        self._known: list[int] = []
        self._last_chunk: ChunkEntry | None = None
        self._last_was_loose = False
        self._follows_chunk = False
        self._doubtful_at = 0
        self._sound_until = len(records.MAGIC)

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def read_summary(self) -> None:
        """Read the summary, where the file has a sound end."""
        layout, begin = self.layout, self._size - _FOOTER_LENGTH - len(records.MAGIC)
        tail = self._read(begin, self._size - begin) if begin > 0 else b""
        if tail[:9] != records.HEAD.pack(records.FOOTER, records.FOOTER_SIZE) or tail[-8:] != records.MAGIC:
            return
        self._is_whole, self._end = True, begin
        start = int.from_bytes(tail[9:17], "little")
        crc = int.from_bytes(tail[25:29], "little")
        if not start:
            return
        if not len(records.MAGIC) < start <= begin:
            layout.summary.is_sound = False
            layout.end_problem = "has a summary that cannot be found; it is not used"
            return
        data = self._read(start, begin - start)
        if crc and zlib.crc32(data + tail[:25]) != crc:
            layout.summary.is_sound = False
            layout.end_problem = "has a summary with a wrong checksum; it is not used"
            return
        self._end = start
        if not self._parse_summary(data):
            layout.summary.is_sound = False
            layout.end_problem = "has a damaged summary; it is used as far as it goes"
        layout.is_described = bool(layout.summary.channels)
        self._known = sorted(layout.summary.chunks)

    def _parse_summary(self, data: bytes) -> bool:
        """Take its records up to the first damaged one; return whether all are sound."""
        at = 0
        while at + records.HEAD.size <= len(data):
            kind, length = records.HEAD.unpack_from(data, at)
            begin = at + records.HEAD.size
            if begin + length > len(data):
                return False
            try:
                self.layout.summary.add(kind, data[begin : begin + length])
            except BadRecordError:
                return False
            at = begin + length
        return at == len(data)

    def read_data(self) -> None:
        """Walk from the first record to the summary, or to the end of the file."""
        at = len(records.MAGIC)
        while at < self._end:
            head = self._read(at, records.HEAD.size)
            kind, length = records.HEAD.unpack(head) if len(head) == records.HEAD.size else (0, 0)
            stop = at + records.HEAD.size + length
            if kind == records.DATA_END and length == 4 and (stop == self._end or not self._known):
                self._read_tail(stop)
                return
            try:
                self._take(kind, at, length)
            except BadRecordError as error:
                at = self._go_on(at, str(error), is_beyond=stop > self._end)
                continue
            at = self._sound_until = stop
        if not self._is_whole:
            lost = self._size - self._sound_until
            self.layout.end_problem = f"ends in the middle; the last {lost} bytes are lost, read up to there"

    def _read_tail(self, begin: int) -> None:
        """Read a summary that no footer points to."""
        if begin < self._end and self.layout.summary.is_sound:
            self._parse_summary(self._read(begin, self._end - begin))
        if not self._is_whole and not self.layout.end_problem:
            self.layout.end_problem = "ends in the middle of its summary; all its messages are read"

    def _take(self, kind: int, at: int, length: int) -> None:
        """Take a record of the data.

        Raises:
            BadRecordError: It is damaged.
        """
        begin = at + records.HEAD.size
        if not records.is_plausible_head(kind, length, self._end - begin):
            raise BadRecordError("a record is damaged")
        is_loose = kind == records.MESSAGE
        if is_loose:
            number, sequence, time_ns, _ = records.MESSAGE_HEAD.unpack(self._read(begin, records.MESSAGE_HEAD.size))
            if time_ns > MAX_TIME_NS:
                raise BadRecordError("a message has an impossible time")
            if self._follows_chunk and sequence == length - 6:
                raise BadRecordError("a message index has the kind of a message")
            self.layout.loose.add(time_ns, begin + 22, length - 22, number)
            self._doubtful_at = at
        elif kind == records.CHUNK:
            head = records.parse_chunk_head(self._read(begin, _LONGEST_HEAD), length)
            self._last_chunk = ChunkEntry(offset=at, length=records.HEAD.size + length, head=head)
            self.layout.chunks.append(self._last_chunk)
        elif kind == records.MESSAGE_INDEX:
            number, count = records.parse_message_index(self._read(begin, 6), length)
            if self._last_chunk is not None:
                self._last_chunk.counts = {**(self._last_chunk.counts or {}), number: count}
        elif kind in (records.SCHEMA, records.CHANNEL):
            self.layout.summary.add(kind, self._read(begin, length))
        elif kind in (records.ATTACHMENT, records.METADATA):
            most = length if kind == records.METADATA else min(length, _BLOCK)
            records.check_other(kind, self._read(begin, most), length)
        elif kind in (records.HEADER, records.DATA_END):
            if at != len(records.MAGIC) or kind == records.DATA_END:
                raise BadRecordError("a record is damaged")
        else:
            self.layout.num_unknown += 1
        self._last_was_loose = is_loose
        self._follows_chunk = kind in (records.CHUNK, records.MESSAGE_INDEX)

    def _go_on(self, at: int, reason: str, *, is_beyond: bool) -> int:
        """Note a hole and return where the next record begins.

        A message before the hole may have a wrong length, and is left out. A record that reaches beyond the end of a file
        without footer is no hole but its cut-off end, of which inner records may be whole.
        """
        found = self._next_record(at + 1)
        is_cut = is_beyond and not self._is_whole
        if is_cut and (found is None or self._read(found, 1)[0] not in (records.CHUNK, records.MESSAGE_INDEX)):
            self._last_was_loose = False
            return self._end if found is None else found
        if self._last_was_loose:
            self.layout.loose.drop_last()
            at = self._doubtful_at
            found = self._next_record(at + 1)
        self._last_was_loose = False
        stop = self._end if found is None else found
        reason = f"is damaged at byte {at}: {reason}, {stop - at} bytes are left out"
        self._last_chunk = ChunkEntry(offset=at, length=stop - at, reason=reason)
        self.layout.chunks.append(self._last_chunk)
        return stop

    def _next_record(self, begin: int) -> int | None:
        """Find the next record; None when there is none before the end."""
        place = bisect_right(self._known, begin - 1)
        limit = min(self._known[place], self._end) if place < len(self._known) else self._end
        at = begin
        while at < limit:
            block = self._read(at, min(_BLOCK + _OVERLAP, self._end - at))
            for match in _HEADS.finditer(block):
                if match.start() < _BLOCK and at + match.start() < limit and self._is_record(at + match.start()):
                    return at + match.start()
            at += _BLOCK
        return limit if limit < self._end else None

    def _is_record(self, at: int) -> bool:
        """Whether bytes are a record, by its own content and by the record that follows."""
        kind, length = records.HEAD.unpack(self._read(at, records.HEAD.size))
        begin, stop = at + records.HEAD.size, at + records.HEAD.size + length
        if not records.is_plausible_head(kind, length, self._end - begin):
            return False
        try:
            if kind == records.CHUNK:
                records.parse_chunk_head(self._read(begin, _LONGEST_HEAD), length)
                return True
            if kind == records.MESSAGE_INDEX:
                number, _ = records.parse_message_index(self._read(begin, 6), length)
            elif kind == records.MESSAGE:
                number, _, time_ns, _ = records.MESSAGE_HEAD.unpack(self._read(begin, records.MESSAGE_HEAD.size))
                if time_ns > MAX_TIME_NS:
                    return False
            elif kind in (records.SCHEMA, records.CHANNEL):
                Summary().add(kind, self._read(begin, length))
                return True
            else:
                return False
        except BadRecordError:
            return False
        return number in self.layout.summary.channels and self._is_head(stop)

    def _is_head(self, at: int) -> bool:
        if at == self._end:
            return True
        head = self._read(at, records.HEAD.size)
        if len(head) < records.HEAD.size:
            return False
        kind, length = records.HEAD.unpack(head)
        return kind < records.FIRST_PRIVATE and records.is_plausible_head(kind, length, self._end - at - len(head))
