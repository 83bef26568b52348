"""Reads rosbag2 bags (MCAP, sqlite3) without ROS installed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.recording.definitions import typestore
from transdiffuser_planner.recording.salvage import is_cut_off, salvage


@dataclass(frozen=True, kw_only=True, slots=True)
class BagMessage:
    """One recorded message: topic, type, log time and the decoded value."""

    topic: str
    type_name: str
    log_time_ns: int
    message: Any


class BagReader:
    """A bag opened for reading. Use as a context manager.

    Attributes:
        damage: After reading: why reading ended early, or "".
    """

    def __init__(self, path: Path) -> None:
        """Open a rosbag2 directory, or a single .mcap or .db3 file.

        Raises:
            RecordingError: Nothing there, no bag, an unknown format, or it is damaged beyond reading.
        """
        from rosbags.highlevel import AnyReader, AnyReaderError

        self.path = Path(path)
        self.damage = ""
        self._salvaged: tempfile.TemporaryDirectory[str] | None = None
        if not self.path.exists():
            raise RecordingError(f"bag {self.path}: does not exist")
        try:
            self._reader: Any = AnyReader([self._readable()], default_typestore=typestore())
            self._reader.open()
        except AnyReaderError as error:
            raise RecordingError(f"bag {self.path}: cannot be opened ({_line(error)})") from None
        except Exception as error:  # damaged files surface as many kinds of errors of the reader library
            raise RecordingError(f"bag {self.path}: cannot be opened, damaged or no bag ({_line(error)})") from None

    def _readable(self) -> Path:
        """The bag itself, or a repaired copy when its only MCAP file was cut off while recording."""
        files = [self.path] if self.path.is_file() else sorted(self.path.glob("*.mcap"))
        if len(files) != 1 or not is_cut_off(files[0]):
            return self.path
        self._salvaged = tempfile.TemporaryDirectory(prefix="salvaged_bag_")
        copy = Path(self._salvaged.name) / files[0].name
        lost = salvage(files[0], copy)
        self.damage = (
            f"bag {self.path}: damaged, it ends in the middle; the last {lost} bytes are lost, read up to there"
        )
        return copy

    def topics(self) -> dict[str, str]:
        """Topic -> type name."""
        return {connection.topic: connection.msgtype for connection in self._reader.connections}

    def messages(self, topics: set[str] | None = None) -> Iterator[BagMessage]:
        """Messages in order of log time; a damaged end is noted in ``damage`` and ends the iteration.

        Args:
            topics: Only these, or all.
        """
        connections = [c for c in self._reader.connections if topics is None or c.topic in topics]
        count = 0
        iterator = self._reader.messages(connections=connections) if connections else iter(())
        while True:
            try:
                connection, log_time_ns, raw = next(iterator)
                message = self._reader.deserialize(raw, connection.msgtype)
            except StopIteration:
                return
            except Exception as error:  # see __init__
                self.damage = f"bag {self.path}: damaged after {count} messages ({_line(error)}); read up to there"
                return
            count += 1
            yield BagMessage(
                topic=connection.topic, type_name=connection.msgtype, log_time_ns=int(log_time_ns), message=message
            )

    def close(self) -> None:
        """Release the files."""
        self._reader.close()
        if self._salvaged is not None:
            self._salvaged.cleanup()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
