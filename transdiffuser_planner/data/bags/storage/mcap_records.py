"""Records of an MCAP file, parsed with every length checked: wrong bytes give BadRecordError, never a wrong record in silence.

A file is a sequence of records (1 byte kind, 8 bytes length, content) between two magic numbers; mcap.dev/spec.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from transdiffuser_planner.data.bags.storage.storage_file import MAX_TIME_NS

MAGIC: Final = b"\x89MCAP0\r\n"
HEAD: Final = struct.Struct("<BQ")
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX, ATTACHMENT = range(1, 10)
STATISTICS, METADATA, DATA_END = 0x0B, 0x0C, 0x0F
FIRST_PRIVATE: Final = 0x80
IN_DATA: Final = frozenset(
    {HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, ATTACHMENT, METADATA, DATA_END}
    | set(range(FIRST_PRIVATE, 256))
)
"""Kinds that may stand before the summary."""

FOOTER_SIZE: Final = 20
MESSAGE_HEAD: Final = struct.Struct("<HIQQ")
CHUNK_HEAD: Final = struct.Struct("<QQQI")
_CHUNK_INDEX, _STATISTICS = struct.Struct("<QQQQ"), struct.Struct("<QHIIIIQQ")
_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_COUNT, _PLACE = struct.Struct("<HQ"), struct.Struct("<HQ")
_MAX_COMPRESSION_NAME: Final = 32


class BadRecordError(Exception):
    """Bytes that are no record of their kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class McapSchema:
    """A type's definition."""

    name: str
    encoding: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class McapChannel:
    """A topic; schema_id 0 means none."""

    schema_id: int
    topic: str
    encoding: str
    metadata: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkHead:
    """Begin of a chunk.

    Attributes:
        start_ns, end_ns: Log times of its messages, as it claims.
        size, crc: Of the unpacked content; crc 0 means none.
        compression: Name.
        data_offset, data_size: Place of the packed content, from the begin of the record's content.
    """

    start_ns: int
    end_ns: int
    size: int
    crc: int
    compression: str
    data_offset: int
    data_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkPlace:
    """A chunk as the summary describes it: place of the whole record, and channels that its message index names."""

    start_ns: int
    offset: int
    length: int
    channel_ids: frozenset[int]


@dataclass(kw_only=True, slots=True)
class Summary:
    """The end of a file: everything is repeated from the data, so anything may be missing.

    Attributes:
        schemas, channels: By id.
        counts: Channel id -> number of messages; empty without statistics.
        chunks: Offset -> chunk.
        is_sound: No part of it is damaged.
    """

    schemas: dict[int, McapSchema] = field(default_factory=dict)
    channels: dict[int, McapChannel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    chunks: dict[int, ChunkPlace] = field(default_factory=dict)
    is_sound: bool = True

    def add(self, kind: int, body: bytes) -> None:
        """Take a record of the summary, or a schema or channel of the data.

        Raises:
            BadRecordError: It is damaged.
        """
        if kind == SCHEMA:
            number, schema = parse_schema(body)
            self.schemas[number] = schema
        elif kind == CHANNEL:
            number, channel = parse_channel(body)
            self.channels[number] = channel
        elif kind == STATISTICS:
            self.counts = parse_statistics(body)
        elif kind == CHUNK_INDEX:
            place = parse_chunk_index(body)
            self.chunks[place.offset] = place


class _Cursor:
    """Reads fields one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body, self.at = body, 0

    def fields(self, shape: struct.Struct) -> tuple[int, ...]:
        try:
            values = shape.unpack_from(self._body, self.at)
        except struct.error:
            raise BadRecordError("a record ends too early") from None
        self.at += shape.size
        return values

    def block(self) -> bytes:
        (size,) = self.fields(_U32)
        if self.at + size > len(self._body):
            raise BadRecordError("a text is longer than its record")
        self.at += size
        return self._body[self.at - size : self.at]

    def text(self) -> str:
        return self.block().decode("utf-8", errors="replace")

    def texts(self) -> dict[str, str]:
        inner, found = _Cursor(self.block()), {}
        while inner.at < len(inner._body):
            key = inner.text()
            found[key] = inner.text()
        return found

    def finish(self) -> None:
        if self.at != len(self._body):
            raise BadRecordError("a record is longer than its fields")


def parse_schema(body: bytes) -> tuple[int, McapSchema]:
    """Parse a schema: (id, schema).

    Raises:
        BadRecordError: It is damaged.
    """
    cursor = _Cursor(body)
    (number,) = cursor.fields(_U16)
    schema = McapSchema(name=cursor.text(), encoding=cursor.text(), text=cursor.text())
    cursor.finish()
    return number, schema


def parse_channel(body: bytes) -> tuple[int, McapChannel]:
    """Parse a channel: (id, channel).

    Raises:
        BadRecordError: It is damaged.
    """
    cursor = _Cursor(body)
    (number,), (schema_id,) = cursor.fields(_U16), cursor.fields(_U16)
    channel = McapChannel(schema_id=schema_id, topic=cursor.text(), encoding=cursor.text(), metadata=cursor.texts())
    cursor.finish()
    return number, channel


def parse_statistics(body: bytes) -> dict[int, int]:
    """Parse the numbers of messages by channel.

    Raises:
        BadRecordError: It is damaged, or its total is not the sum of the channels.
    """
    cursor = _Cursor(body)
    total = cursor.fields(_STATISTICS)[0]
    pairs = cursor.block()
    cursor.finish()
    if len(pairs) % _COUNT.size:
        raise BadRecordError("its counts are cut off")
    counts = dict(_COUNT.iter_unpack(pairs))
    if counts and sum(counts.values()) != total:
        raise BadRecordError("its counts do not add up")
    return counts


def parse_chunk_index(body: bytes) -> ChunkPlace:
    """Parse the place of a chunk.

    Raises:
        BadRecordError: It is damaged.
    """
    cursor = _Cursor(body)
    start_ns, _, offset, length = cursor.fields(_CHUNK_INDEX)
    places = cursor.block()
    if len(places) % _PLACE.size:
        raise BadRecordError("its places are cut off")
    return ChunkPlace(
        start_ns=start_ns,
        offset=offset,
        length=length,
        channel_ids=frozenset(number for number, _ in _PLACE.iter_unpack(places)),
    )


def parse_chunk_head(content: bytes, length: int) -> ChunkHead:
    """Parse the begin of a chunk; its length is stated twice, and both must agree.

    Args:
        content: The first bytes of the record's content.
        length: Length of its content.

    Raises:
        BadRecordError: It is damaged.
    """
    cursor = _Cursor(content)
    start_ns, end_ns, size, crc = cursor.fields(CHUNK_HEAD)
    (name_size,) = _U32.unpack_from(content, cursor.at) if len(content) >= cursor.at + 4 else (1 << 31,)
    if name_size > _MAX_COMPRESSION_NAME:
        raise BadRecordError("the head of a chunk is damaged")
    compression = cursor.text()
    (data_size,) = cursor.fields(_U64)
    if cursor.at + data_size != length:
        raise BadRecordError("the two lengths of a chunk differ")
    return ChunkHead(
        start_ns=min(start_ns, MAX_TIME_NS),
        end_ns=min(end_ns, MAX_TIME_NS),
        size=size,
        crc=crc,
        compression=compression,
        data_offset=cursor.at,
        data_size=data_size,
    )


def parse_message_index(head: bytes, length: int) -> tuple[int, int]:
    """Parse the begin of a message index: (channel id, number of messages).

    Raises:
        BadRecordError: It is damaged.
    """
    cursor = _Cursor(head)
    (number,), (size,) = cursor.fields(_U16), cursor.fields(_U32)
    if size + 6 != length or size % 16:
        raise BadRecordError("the two lengths of a message index differ")
    return number, size // 16


def check_other(kind: int, body: bytes, length: int) -> None:
    """Check an attachment or metadata record by its own lengths.

    Args:
        kind: ATTACHMENT or METADATA.
        body: Its content; of an attachment at least the head.
        length: Length of its content.

    Raises:
        BadRecordError: It is none.
    """
    cursor = _Cursor(body)
    if kind == METADATA:
        cursor.text()
        cursor.texts()
        cursor.finish()
        return
    cursor.fields(_U64)
    cursor.fields(_U64)
    cursor.text()
    cursor.text()
    (size,) = cursor.fields(_U64)
    if cursor.at + size + 4 != length:
        raise BadRecordError("the two lengths of an attachment differ")


def is_plausible_head(kind: int, length: int, room: int) -> bool:
    """Whether a record of this kind and length may stand in the data.

    Args:
        kind: Its first field.
        length: Its second field.
        room: Number of bytes up to the end of the data.
    """
    shortest = {MESSAGE: MESSAGE_HEAD.size, CHUNK: 40, MESSAGE_INDEX: 6, SCHEMA: 14, CHANNEL: 16, DATA_END: 4}
    return kind in IN_DATA and shortest.get(kind, 0) <= length <= room
