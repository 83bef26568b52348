"""Reads rosbag2 bags (MCAP, sqlite3) without ROS installed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.bag_files import BagFiles, find_files
from transdiffuser_planner.messages.definitions import fields_of, typestore
from transdiffuser_planner.messages.recorded import MessageDecoder


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
        damage: After reading: why not everything could be read, or "".
        unreadable: Messages that do not fit their type's definition, by reason; reading continues after them.
    """

    def __init__(self, *paths: Path) -> None:
        """Open rosbag2 directories, or single .mcap or .db3 files.

        Raises:
            RecordingError: Nothing there, no bag, an unknown format, or it is damaged beyond reading.
        """
        self.paths = tuple(Path(path) for path in paths)
        self.path = self.paths[0]
        self.unreadable: Counter[str] = Counter()
        self._files: list[BagFiles] = []
        try:
            for path in self.paths:
                self._files.append(find_files(path))
            self.damage = "; ".join(files.damage for files in self._files if files.damage)
            self._reader = self._open([path for files in self._files for path in files.paths])
            self._decoder = MessageDecoder(self._reader)
        except BaseException:
            self._clean_up()
            raise

    def _open(self, paths: Sequence[Path]) -> Any:
        from rosbags.highlevel import AnyReader

        where = f"bag {self.path}" if len(self.paths) == 1 else f"bags {', '.join(map(str, self.paths))}"
        own = typestore()
        try:
            reader = AnyReader(paths, default_typestore=own)
            reader.open()
        except Exception as error:  # damaged files surface as many kinds of errors of the reader library
            raise RecordingError(f"{where}: cannot be opened, {_explained(_line(error))}") from None
        # Definitions in the bag come first: they are what it was written with. Those of this project fill the gaps, as
        # in old sqlite3 bags, which hold none.
        known, held = own.fielddefs, reader.typestore.fielddefs
        if any(c.msgtype in known and c.msgtype not in held for c in reader.connections):
            reader.typestore.register({name: known[name] for name in known if name not in held})
        return reader

    def topics(self) -> dict[str, str]:
        """Topic -> type name."""
        return {connection.topic: connection.msgtype for connection in self._reader.connections}

    def counts(self) -> dict[str, int]:
        """Topic -> number of messages, as recorded in the bag."""
        found: Counter[str] = Counter()
        for connection in self._reader.connections:
            found[connection.topic] += connection.msgcount
        return dict(found)

    def definition(self, topic: str) -> tuple[str, str] | None:
        """A topic's message definition (ros2msg text) and type hash as the bag has them; None for an unknown type."""
        type_name = self.topics()[topic]
        store = self._reader.typestore
        if type_name not in store.fielddefs:
            return None
        return store.generate_msgdef(type_name, ros_version=2)[0], store.hash_rihs01(type_name)

    def fields(self, topic: str) -> dict[str, Any]:
        """A topic's type and all types it is made of, each with its fields as the bag has them; empty for an unknown type."""
        return fields_of(self._reader.typestore, self.topics()[topic])

    def has_stamp(self, topic: str) -> bool:
        """Whether messages of a topic begin with a header, and so with their stamp."""
        fields = self._reader.typestore.fielddefs.get(self.topics()[topic], ((), ()))[1]
        return bool(fields) and fields[0][1][1] == "std_msgs/msg/Header"

    def messages(self, topics: set[str] | None = None, decoded: set[str] | None = None) -> Iterator[BagMessage]:
        """Messages in order of log time; a damaged end is noted in ``damage`` and ends the iteration.

        Args:
            topics: Only these, or all.
            decoded: Topics whose messages are decoded, or all; the others' ``message`` is None.

        Yields:
            One message.
        """
        connections = [c for c in self._reader.connections if topics is None or c.topic in topics]
        count = 0
        iterator = self._merged(connections)
        while True:
            try:
                connection, log_time_ns, raw = next(iterator)
            except StopIteration:
                return
            except Exception as error:  # see _open
                lost = f"bag {self.path}: damaged after {count} messages ({_line(error)}); read up to there"
                self.damage = f"{self.damage}; {lost}" if self.damage else lost
                return
            count += 1
            message = None
            if decoded is None or connection.topic in decoded:
                try:
                    message = self._decoder.decode(raw, connection.msgtype)
                except Exception as error:  # whatever wrong bytes do to the decoder
                    reason = _line(error)
                    self.unreadable[
                        f"{connection.topic}: does not fit its definition of {connection.msgtype} ({reason})"
                    ] += 1
                    continue
            yield BagMessage(
                topic=connection.topic,
                type_name=connection.msgtype,
                log_time_ns=int(log_time_ns),
                message=message,
                raw=raw,
            )

    def _merged(self, connections: Sequence[Any]) -> Iterator[tuple[Any, int, bytes]]:
        """In order of log time; at equal times in the order of the files. The library breaks such ties by chance."""
        owned: dict[int, list[Any]] = {}
        for connection in connections:
            owned.setdefault(id(connection.owner), []).append(connection)
        parts = [own[0].owner.messages(connections=own) for own in owned.values()]
        return heapq.merge(*parts, key=lambda row: row[1])

    def close(self) -> None:
        """Release the files."""
        self._reader.close()
        self._clean_up()

    def _clean_up(self) -> None:
        for files in self._files:
            files.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _explained(reason: str) -> str:
    """The reader library's reason with what to do about it."""
    if "Profile is not ros2" in reason:
        return "its MCAP file holds no ROS 2 messages (another profile, such as protobuf or ROS 1); convert it to ROS 2 messages"
    if "Unrecognized storage format" in reason:
        return f"{reason}; give a rosbag2 folder, a .mcap or a .db3 file"
    if "ompression" in reason:
        return f"{reason}; rewrite it with 'ros2 bag convert' to zstd or none"
    if "hash mismatch" in reason or "efinition" in reason or "type" in reason.lower():
        return f"a message definition in it is wrong ({reason})"
    return f"damaged or no bag ({reason})"
