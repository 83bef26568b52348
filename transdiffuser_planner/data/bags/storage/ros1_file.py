"""Reads a ROS 1 bag (.bag) chunk by chunk; its messages stay in ROS 1's encoding, and BagTypes converts them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.losses import Damage
from transdiffuser_planner.data.bags.storage.storage_file import ROS1, Channel, StoredMessage

_DEFINITION = "ros1msg"
_MESSAGE = 2


class Ros1File:
    """One ROS 1 bag; see ``StorageFile``."""

    def __init__(self, path: Path, name: str) -> None:
        """Read its index.

        Args:
            path: The file.
            name: For messages.

        Raises:
            RecordingError: It is damaged, or it was not closed and has no index.
        """
        from rosbags.rosbag1 import Reader

        self.name = name
        self.damages: list[Damage] = []
        try:
            self._reader: Any = Reader(path)
            self._reader.open()
        except Exception as error:  # damaged files surface as many kinds of errors of the reader library
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            if "not indexed" in reason:
                reason = "it was not closed and has no index; make one with 'rosbag reindex' of ROS 1"
            raise RecordingError(f"{name} cannot be opened as a ROS 1 bag ({reason})") from None
        self._channels = {
            connection.id: Channel(
                topic=connection.topic,
                type_name=connection.msgtype,
                encoding=ROS1,
                definition_encoding=_DEFINITION,
                definition=connection.msgdef.data,
            )
            for connection in self._reader.connections
        }
        self.channels = list(dict.fromkeys(self._channels.values()))
        self.counts = self._claimed()
        starts = [chunk.start_time for chunk in self._reader.chunk_infos]
        self.start_ns = min(starts, default=0)
        self.end_ns = max((chunk.end_time for chunk in self._reader.chunk_infos), default=0)

    def _claimed(self) -> Counter[str]:
        """Numbers of messages: the larger one of index and summary, by topic."""
        indexed: Counter[str] = Counter()
        summed: Counter[str] = Counter()
        for number, channel in self._channels.items():
            indexed[channel.topic] += len(self._reader.indexes.get(number, ()))
            summed[channel.topic] += sum(chunk.connection_counts.get(number, 0) for chunk in self._reader.chunk_infos)
        return indexed | summed

    def messages(self, topics: Set[str] | None) -> Iterator[StoredMessage]:
        """Yield messages in order of log time.

        Args:
            topics: Only these, or all.

        Yields:
            One message.
        """
        lost: dict[int, tuple[Counter[str], str]] = {}
        wanted = {n: channel for n, channel in self._channels.items() if topics is None or channel.topic in topics}
        rows = (self._places(number) for number in wanted)
        place, content = -1, b""
        for time_ns, chunk, offset, number in heapq.merge(*rows):
            try:
                if chunk != place:
                    place, content = chunk, b""
                    content = self._content(chunk)
                raw = _message(content, offset, number)
            except Exception as error:  # whatever wrong bytes do to the library's decompression and headers
                counts, _ = lost.setdefault(chunk, (Counter(), str(error) or type(error).__name__))
                counts[wanted[number].topic] += 1
                continue
            yield StoredMessage(time_ns, wanted[number], raw)
        self.damages = [
            Damage(file=self.name, reason=f"has a damaged chunk at byte {chunk} ({reason})", counts=dict(counts))
            for chunk, (counts, reason) in lost.items()
        ]

    def _places(self, number: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield log time, chunk, offset in the chunk and number of a connection's messages."""
        return ((entry.time, entry.chunk_pos, entry.offset, number) for entry in self._reader.indexes[number])

    def _content(self, chunk: int) -> bytes:
        head = self._reader.chunks[chunk]
        self._reader.bio.seek(head.datapos)
        packed = self._reader.bio.read(head.datasize)
        if len(packed) < head.datasize:
            raise ValueError("its end is missing")
        content: bytes = head.decompressor(packed)
        return content

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def _message(content: bytes, offset: int, number: int) -> bytes:
    """Return the message of a connection at an offset of a chunk; connection records may stand before it.

    Raises:
        ValueError: There is none.
    """
    while True:
        fields, data = _record(content, offset)
        if fields.get(b"op") == bytes([_MESSAGE]):
            break
        offset = data.stop
        if fields.get(b"op") != b"\x07":
            raise ValueError(f"no message at byte {offset} of it")
    if int.from_bytes(fields.get(b"conn", b""), "little") != number:
        raise ValueError(f"the message at byte {offset} of it is of another topic than in its index")
    return content[data]


def _record(content: bytes, offset: int) -> tuple[dict[bytes, bytes], slice]:
    """Parse a record: fields of its header, and the place of its data.

    Raises:
        ValueError: It is cut off.
    """
    begin, end = offset + 4, offset + 4 + int.from_bytes(content[offset : offset + 4], "little")
    fields, at = {}, begin
    while at < end:
        size = int.from_bytes(content[at : at + 4], "little")
        key, _, value = content[at + 4 : at + 4 + size].partition(b"=")
        fields[key] = value
        at += 4 + size
    size = int.from_bytes(content[end : end + 4], "little")
    if at != end or end + 4 + size > len(content):
        raise ValueError("a record is longer than the chunk")
    return fields, slice(end + 4, end + 4 + size)
