"""Reads bags (MCAP, sqlite3, ROS 1) without ROS installed, as far as they can be read, and accounts for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from transdiffuser_planner.data.bags.bag_files import BagFiles, open_bag
from transdiffuser_planner.data.bags.bag_metadata import METADATA
from transdiffuser_planner.data.bags.bag_types import BagTypes, type_name
from transdiffuser_planner.data.bags.losses import FileAccount, Loss, damage_lines, find_losses
from transdiffuser_planner.data.bags.storage.compression import ZSTD_MAGIC, CompressionError, unpack_message
from transdiffuser_planner.data.bags.storage.storage_file import ROS1, Channel, Source, StorageFile, merged
from transdiffuser_planner.messages.serialized.recorded import decode_recorded

_MAX_DURATION_S = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class BagMessage:
    """One recorded message.

    Attributes:
        topic, type_name, log_time_ns: Where, what and when.
        message: The decoded value; None where it was not requested.
        raw: As it was recorded (CDR).
    """

    topic: str
    type_name: str
    log_time_ns: int
    message: Any
    raw: bytes | memoryview = field(default=b"", repr=False)


class BagReader:
    """One or several bags opened as one drive. Use as a context manager.

    Attributes:
        path: The first bag's.
        notes: One line per entry of metadata or definitions that was not used; nothing is lost by it.
        problems: Topic -> why its messages cannot be decoded.
        losses: After reading: topics of which the bag counts more messages than could be read.
        unreadable: Messages that do not fit their type's definition, by reason; reading continues after them.
    """

    def __init__(self, *paths: Path) -> None:
        """Open bag directories, or single .mcap, .db3 or .bag files.

        Raises:
            RecordingError: Nothing there, no bag, an unknown format, nothing in it can be read, or no room for temporary copies.
        """
        self.paths = tuple(Path(path) for path in paths)
        self.path = self.paths[0]
        self.unreadable: Counter[str] = Counter()
        self.losses: list[Loss] = []
        self._bags: list[BagFiles] = []
        try:
            for path in self.paths:
                self._bags.append(open_bag(path))
        except BaseException:
            self.close()
            raise
        self._completed = {
            (id(bag), channel): _completed(channel, bag)
            for bag in self._bags
            for file in bag.files
            for channel in file.channels
        }
        self._channels = list(self._completed.values())
        self._types = BagTypes(self._channels)
        self.problems = self._types.problems
        self.notes = [f"bag {bag.path}: {note}" for bag in self._bags for note in bag.metadata.notes]
        self.notes += self._types.notes

    @property
    def damages(self) -> list[str]:
        """One line per damaged part and incomplete topic, as far as they are known."""
        lines = []
        for bag in self._bags:
            damages = [*bag.missing, *(damage for file in bag.files for damage in file.damages)]
            lines += [f"bag {bag.path}: {line}" for line in damage_lines(damages, ())]
        return [*lines, *damage_lines((), self.losses)]

    @property
    def damage(self) -> str:
        """The same in one line; "" when nothing is known to be damaged."""
        return "; ".join(self.damages)

    @property
    def duration_s(self) -> float:
        """Time from the first to the last message, as the files claim; 0 where that cannot be true."""
        files = [file for bag in self._bags for file in bag.files]
        span_s = (max(file.end_ns for file in files) - min(file.start_ns for file in files)) * 1e-9
        return span_s if 0.0 < span_s < _MAX_DURATION_S else 0.0

    def topics(self) -> dict[str, str]:
        """Topic -> type name."""
        return {channel.topic: type_name(channel) for channel in self._channels}

    def _channel(self, topic: str) -> Channel:
        """The newest channel of a topic, one that can be decoded where there is one."""
        channels = [channel for channel in self._channels if channel.topic == topic]
        return next((c for c in reversed(channels) if self._types.store(c) is not None), channels[-1])

    def definition(self, topic: str) -> tuple[str, str] | None:
        """A topic's message definition (ros2msg text) and type hash as the bag has them; None where it cannot be written."""
        return self._types.definition(self._channel(topic))

    def fields(self, topic: str) -> dict[str, Any]:
        """A topic's type and all types it is made of, each with its fields as the bag has them; empty for an unknown type."""
        return self._types.fields(self._channel(topic))

    def has_stamp(self, topic: str) -> bool:
        """Whether messages of a topic begin with a header, and so with their stamp."""
        channel = self._channel(topic)
        fields = self._types.fields(channel).get(type_name(channel), ())
        return bool(fields) and fields[0][1][1] == "std_msgs/msg/Header"

    def messages(self, topics: set[str] | None = None, decoded: set[str] | None = None) -> Iterator[BagMessage]:
        """Messages in order of log time; what cannot be read is passed over and named in ``damages`` and ``losses``.

        Args:
            topics: Only these, or all.
            decoded: Topics whose messages are decoded, or all; the others' ``message`` is None.

        Yields:
            One message.
        """
        read = [[Counter[str]() for _ in bag.files] for bag in self._bags]
        sources: list[Source[BagMessage]] = [
            (file.start_ns, partial(self._of_file, bag, file, topics, decoded, counts))
            for bag, of_bag in zip(self._bags, read, strict=True)
            for file, counts in zip(bag.files, of_bag, strict=True)
        ]
        yield from sources[0][1]() if len(sources) == 1 else merged(sources)
        self._account(read, topics)

    def _of_file(
        self, bag: BagFiles, file: StorageFile, topics: set[str] | None, decoded: set[str] | None, read: Counter[str]
    ) -> Iterator[BagMessage]:
        """Yield the messages of one storage file, and count them by topic."""
        names = {channel: type_name(self._completed[id(bag), channel]) for channel in file.channels}
        for log_time_ns, stored, data in file.messages(topics):
            read[stored.topic] += 1
            channel = self._completed[id(bag), stored]
            raw = self._unpacked(bag, channel, data)
            if raw is None:
                continue
            message = None
            if decoded is None or channel.topic in decoded:
                message = self._decoded(channel, names[stored], raw)
                if message is None:
                    continue
            yield BagMessage(
                topic=channel.topic, type_name=names[stored], log_time_ns=log_time_ns, message=message, raw=raw
            )

    def _unpacked(self, bag: BagFiles, channel: Channel, raw: bytes) -> bytes | memoryview | None:
        """A message as CDR; None when that is impossible, which is counted."""
        if raw[:4] == ZSTD_MAGIC:
            try:
                return unpack_message(raw)
            except CompressionError as error:
                self.unreadable[f"{channel.topic}: a compressed message is damaged ({error})"] += 1
                return None
        if channel.encoding == ROS1 and self._types.store(channel) is not None:
            try:
                return self._types.to_cdr(channel, raw)
            except Exception as error:  # whatever wrong bytes do to the converter
                self._refuse(channel, type_name(channel), _line(error))
                return None
        if bag.metadata.compression not in ("", "zstd", "none") and raw[:1] != b"\0":
            self.unreadable[
                f"{channel.topic}: compressed with '{bag.metadata.compression}', which is not supported; "
                "rewrite the bag with 'ros2 bag convert' to zstd or none"
            ] += 1
            return None
        return raw

    def _decoded(self, channel: Channel, kind: str, raw: bytes | memoryview) -> Any:
        """A message as a value; None when that is impossible, which is counted."""
        store = self._types.store(channel)
        if store is None:
            self.unreadable[
                f"{channel.topic}: {self.problems.get(channel.topic, 'its definition cannot be used')}"
            ] += 1
            return None
        try:
            return decode_recorded(store, raw, kind)
        except Exception as error:  # whatever wrong bytes do to the decoder
            self._refuse(channel, kind, _line(error))
            return None

    def _refuse(self, channel: Channel, kind: str, reason: str) -> None:
        self.unreadable[f"{channel.topic}: does not fit its definition of {kind} ({reason})"] += 1

    def _account(self, read: list[list[Counter[str]]], topics: set[str] | None) -> None:
        """Compare the messages that were read with those that the bags count."""
        self.losses = []
        for bag, of_bag in zip(self._bags, read, strict=True):
            accounts = [
                FileAccount(counts=file.counts, read=counts, damages=file.damages)
                for file, counts in zip(bag.files, of_bag, strict=True)
            ]
            accounts.append(FileAccount(counts={}, read={}, damages=bag.missing))
            self.losses += find_losses(accounts, bag.metadata.counts, topics, METADATA)

    def close(self) -> None:
        """Release the files."""
        for bag in self._bags:
            bag.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _completed(channel: Channel, bag: BagFiles) -> Channel:
    """A channel with type and hash of the metadata where its file has none."""
    return replace(
        channel,
        type_name=channel.type_name or bag.metadata.types.get(channel.topic, ""),
        type_hash=channel.type_hash or bag.metadata.hashes.get(channel.topic, ""),
    )


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
