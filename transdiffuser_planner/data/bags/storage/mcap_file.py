"""Reads an MCAP file chunk by chunk; a damaged chunk is left out and named, and reading goes on after it."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from functools import partial
from pathlib import Path

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.losses import Damage
from transdiffuser_planner.data.bags.storage import mcap_records as records
from transdiffuser_planner.data.bags.storage.compression import CompressionError, unpack_chunk
from transdiffuser_planner.data.bags.storage.mcap_layout import ChunkEntry, read_layout
from transdiffuser_planner.data.bags.storage.mcap_records import BadRecordError, McapChannel, Summary
from transdiffuser_planner.data.bags.storage.storage_file import (
    CDR,
    MAX_TIME_NS,
    Channel,
    Source,
    StoredMessage,
    merged,
)

_TYPE_HASH = "topic_type_hash"
_Rows = list[tuple[int, int, int, Channel]]
_UNKNOWN_CHANNELS, _END = -1, -2


class McapFile:
    """One MCAP file; see ``StorageFile``."""

    def __init__(self, path: Path, name: str) -> None:
        """Find its parts.

        Args:
            path: The file.
            name: For messages.

        Raises:
            RecordingError: It cannot be opened or holds no record.
        """
        self.name = name
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise RecordingError(f"{name} cannot be opened ({error.strerror})") from None
        self.damages: list[Damage] = []
        self._found: dict[int, Damage] = {}
        self._unknown: Counter[int] = Counter()
        try:
            self._layout = read_layout(self._file)
            self._describe()
        except OSError as error:
            self.close()
            raise RecordingError(f"{name} cannot be read ({error.strerror})") from None
        layout, summary = self._layout, self._layout.summary
        if not (layout.chunks or layout.loose.offset or summary.channels):
            is_sound = not layout.end_problem
            self.close()
            if not is_sound:
                raise RecordingError(f"{name} holds no MCAP record that can be read; it {layout.end_problem}")
        self._by_id = {number: _channel(channel, summary) for number, channel in summary.channels.items()}
        self.channels = list(dict.fromkeys(self._by_id.values()))
        self.counts = self._by_topic(summary.counts)
        heads = [chunk.head for chunk in layout.chunks if chunk.head is not None]
        self.start_ns = min([*layout.loose.time_ns, *(head.start_ns for head in heads)], default=MAX_TIME_NS)
        self.end_ns = max([*layout.loose.time_ns, *(head.end_ns for head in heads)], default=0)
        self._note_layout()

    def _describe(self) -> None:
        """Read chunks until every channel is described; a sound summary describes all."""
        summary, layout = self._layout.summary, self._layout
        for chunk in layout.chunks:
            if self._is_described():
                return
            if chunk.head is None:
                continue
            try:
                content = self._content(chunk, is_checked=False)
            except (BadRecordError, CompressionError):
                continue
            is_sound = not chunk.head.crc or zlib.crc32(content) == chunk.head.crc
            _take_descriptions(content, summary, is_sound=is_sound)

    def _is_described(self) -> bool:
        summary, layout = self._layout.summary, self._layout
        ids = {*summary.counts, *layout.loose.channel_id}
        ids.update(
            *(place.channel_ids for place in summary.chunks.values()), *(chunk.counts or {} for chunk in layout.chunks)
        )
        has_all = layout.is_described or all(chunk.counts for chunk in layout.chunks)
        return (
            has_all
            and ids <= set(summary.channels)
            and all(
                not channel.schema_id or channel.schema_id in summary.schemas for channel in summary.channels.values()
            )
        )

    def _note_layout(self) -> None:
        """Note the damage that the walk over the file found."""
        layout, visited = self._layout, set()
        for chunk in layout.chunks:
            visited.add(chunk.offset)
            if chunk.head is None:
                counts = Counter(chunk.counts or {}) - layout.num_loose_within(chunk)
                self._note(chunk.offset, chunk.reason, self._by_topic(counts), may_hold_more=chunk.counts is None)
        for offset in layout.summary.chunks:
            if offset not in visited:
                self._note(offset, f"has no chunk at byte {offset}, where its summary names one", may_hold_more=True)
        if layout.end_problem:
            self._note(_END, layout.end_problem, may_hold_more=True, is_end=True)
        if layout.num_unknown and not layout.summary.counts:
            self._note(
                _UNKNOWN_CHANNELS - 2, f"has {layout.num_unknown} records of unknown kinds, which are passed over"
            )

    def _note(
        self,
        key: int,
        reason: str,
        counts: Mapping[str, int] | None = None,
        *,
        may_hold_more: bool = False,
        is_end: bool = False,
    ) -> None:
        found = Damage(
            file=self.name,
            reason=reason,
            counts=dict(counts or {}),
            may_hold_more=may_hold_more and not self._layout.summary.counts,
            is_end=is_end,
        )
        self._found[key] = found
        self.damages = list(self._found.values())

    def _by_topic(self, counts: Mapping[int, int]) -> Counter[str]:
        found: Counter[str] = Counter()
        channels = self._layout.summary.channels
        for number, count in counts.items():
            found[channels[number].topic if number in channels else f"channel {number}"] += count
        return found

    def messages(self, topics: Set[str] | None) -> Iterator[StoredMessage]:
        """Yield messages in order of log time.

        Args:
            topics: Only these, or all.

        Yields:
            One message.
        """
        self._unknown.clear()
        wanted = {
            number: channel for number, channel in self._by_id.items() if topics is None or channel.topic in topics
        }
        sources: list[Source[StoredMessage]] = []
        for chunk in self._layout.chunks:
            if chunk.head is not None and not self._is_without(chunk, wanted):
                place = self._layout.summary.chunks.get(chunk.offset)
                start_ns = chunk.head.start_ns if place is None else min(chunk.head.start_ns, place.start_ns)
                sources.append((start_ns, partial(self._chunk, chunk, wanted)))
        loose = self._layout.loose
        if loose.offset:
            sources.append((min(loose.time_ns), partial(self._loose, wanted)))
        yield from merged(sources)
        if self._unknown:
            listed = ", ".join(f"{count} of channel {number}" for number, count in sorted(self._unknown.items()))
            self._note(
                _UNKNOWN_CHANNELS, f"holds messages of channels that it does not describe: {listed}", may_hold_more=True
            )

    def _is_without(self, chunk: ChunkEntry, wanted: Mapping[int, Channel]) -> bool:
        """Whether message index and summary agree that a chunk holds none of the channels, and all that it holds are known."""
        place = self._layout.summary.chunks.get(chunk.offset)
        if not chunk.counts or place is None or place.channel_ids != set(chunk.counts):
            return False
        return not any(number in wanted or number not in self._by_id for number in chunk.counts)

    def _loose(self, wanted: Mapping[int, Channel]) -> Iterator[StoredMessage]:
        """Yield the messages outside of chunks; only their places are held in memory."""
        loose = self._layout.loose
        for i in sorted(range(len(loose.offset)), key=loose.time_ns.__getitem__):
            channel = wanted.get(loose.channel_id[i])
            if channel is None:
                if loose.channel_id[i] not in self._by_id:
                    self._unknown[loose.channel_id[i]] += 1
                continue
            try:
                self._file.seek(loose.offset[i])
                raw = self._file.read(loose.size[i])
            except OSError as error:
                raw, reason = b"", error.strerror
            else:
                reason = "it is cut off"
            if len(raw) < loose.size[i]:
                place = loose.offset[i]
                self._note(place, f"has an unreadable message at byte {place} ({reason})", {channel.topic: 1})
                continue
            yield StoredMessage(loose.time_ns[i], channel, raw)

    def _content(self, chunk: ChunkEntry, *, is_checked: bool = True) -> bytes:
        """Read and unpack a chunk.

        Raises:
            BadRecordError: It cannot be read, or its checksum is wrong.
            CompressionError: It cannot be unpacked.
        """
        head = chunk.head
        assert head is not None
        try:
            self._file.seek(chunk.offset + records.HEAD.size + head.data_offset)
            packed = self._file.read(head.data_size)
        except OSError as error:
            raise BadRecordError(f"it cannot be read from the disk, {error.strerror}") from None
        if len(packed) < head.data_size:
            raise BadRecordError("its end is missing")
        content = unpack_chunk(packed, head.compression, head.size)
        if is_checked and head.crc and zlib.crc32(content) != head.crc:
            raise BadRecordError("its checksum is wrong")
        return content

    def _chunk(self, chunk: ChunkEntry, wanted: Mapping[int, Channel]) -> Iterator[StoredMessage]:
        """Yield the messages of one chunk in order of log time."""
        try:
            content = self._content(chunk)
        except (BadRecordError, CompressionError) as error:
            reason = f"has a damaged chunk at byte {chunk.offset} ({error}), which is left out"
            self._note(chunk.offset, reason, self._by_topic(chunk.counts or {}), may_hold_more=chunk.counts is None)
            return
        rows, counts, problem = self._rows(content, wanted)
        missing = Counter(chunk.counts or {}) - counts
        if missing or (problem and chunk.counts is None):
            reason = (
                f"has a chunk at byte {chunk.offset} with damaged records ({problem or 'fewer than its index counts'})"
            )
            self._note(chunk.offset, reason, self._by_topic(missing), may_hold_more=chunk.counts is None)
        if any(rows[i][0] > rows[i + 1][0] for i in range(len(rows) - 1)):
            rows.sort(key=lambda row: row[0])
        for time_ns, begin, end, channel in rows:
            yield StoredMessage(time_ns, channel, content[begin:end])

    def _rows(self, content: bytes, wanted: Mapping[int, Channel]) -> tuple[_Rows, Counter[int], str]:
        """Parse a chunk: messages of wanted channels, numbers of all by channel, and what is wrong."""
        rows: _Rows = []
        counts: Counter[int] = Counter()
        at, size, problem, last = 0, len(content), "", -1
        unpack_head, unpack_message = records.HEAD.unpack_from, records.MESSAGE_HEAD.unpack_from
        while at < size:
            kind, length = unpack_head(content, at) if at + 9 <= size else (0, size)
            stop = at + 9 + length
            if stop > size or (kind == records.MESSAGE and length < 22):
                problem = "a record is longer than the chunk"
                if last >= 0:  # its length may be wrong
                    counts[last] -= 1
                    if rows and rows[-1][2] == at:
                        rows.pop()
                break
            last = -1
            if kind == records.MESSAGE:
                number, _, time_ns, _ = unpack_message(content, at + 9)
                if time_ns > MAX_TIME_NS:
                    problem = "a message has an impossible time"
                else:
                    counts[number] += 1
                    last = number
                    channel = wanted.get(number)
                    if channel is not None:
                        rows.append((time_ns, at + 31, stop, channel))
                    elif number not in self._by_id:
                        self._unknown[number] += 1
            elif kind == records.CHANNEL:
                problem = self._compared(content[at + 9 : stop]) or problem
            elif kind != records.SCHEMA:
                problem = f"it holds a record of kind {kind}"
            at = stop
        return rows, counts, problem

    def _compared(self, body: bytes) -> str:
        """Compare a channel of the data with its description in the summary."""
        try:
            number, channel = records.parse_channel(body)
        except BadRecordError:
            return "the description of a channel is damaged"
        known = self._layout.summary.channels.get(number)
        if known is not None and known.topic != channel.topic:
            self._note(
                _UNKNOWN_CHANNELS - 3 - number, f"describes channel {number} as {known.topic} and as {channel.topic}"
            )
        return ""

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _take_descriptions(content: bytes, summary: Summary, *, is_sound: bool) -> None:
    """Take schemas and channels of a chunk; of a damaged one without the text of definitions."""
    at = 0
    while at + records.HEAD.size <= len(content):
        kind, length = records.HEAD.unpack_from(content, at)
        begin, at = at + records.HEAD.size, at + records.HEAD.size + length
        if kind not in (records.SCHEMA, records.CHANNEL) or at > len(content):
            continue
        found = Summary()
        try:
            found.add(kind, content[begin:at])
        except BadRecordError:
            continue
        for number, schema in found.schemas.items():
            text = schema.text if is_sound else ""
            summary.schemas.setdefault(
                number, records.McapSchema(name=schema.name, encoding=schema.encoding, text=text)
            )
        for number, channel in found.channels.items():
            summary.channels.setdefault(number, channel)


def _channel(channel: McapChannel, summary: Summary) -> Channel:
    schema = summary.schemas.get(channel.schema_id)
    return Channel(
        topic=channel.topic,
        type_name=schema.name if schema is not None else "",
        encoding=channel.encoding or CDR,
        definition_encoding=schema.encoding if schema is not None else "",
        definition=schema.text if schema is not None else "",
        type_hash=channel.metadata.get(_TYPE_HASH, ""),
    )
