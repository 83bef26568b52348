"""Writes rosbag2 bags (MCAP, compressed chunks) without ROS installed."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.files import writing
from transdiffuser_planner.data.bags.storage.compression import fast_zstd
from transdiffuser_planner.messages.definitions import typestore

_METADATA_VERSION: Final = 9


class BagWriter:
    """A bag being written. Use as a context manager: leaving it finishes the file."""

    def __init__(self, path: Path, *, is_fast: bool = False) -> None:
        """Create a bag directory.

        Args:
            path: Folder to create.
            is_fast: Compress four times faster at the price of size, for content that hardly shrinks, as images do.

        Raises:
            RecordingError: The path exists already or cannot be created.
        """
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

        self.path = Path(path)
        try:
            self._writer: Any = Writer(self.path, version=_METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise RecordingError(f"bag {self.path}: cannot be created ({error}); give a new path") from None
        self._connections: dict[str, Any] = {}
        storage: Any = getattr(self._writer, "storage", None)
        if is_fast and hasattr(storage, "compressor"):  # rosbags has no option for the level
            storage.compressor = fast_zstd

    def write(self, topic: str, type_name: str, stamp_ns: int, message: Any) -> None:
        """Append a message of rosbags' classes at a log time in nanoseconds."""
        self.write_raw(topic, type_name, stamp_ns, typestore().serialize_cdr(message, type_name))

    def write_raw(
        self,
        topic: str,
        type_name: str,
        stamp_ns: int,
        cdr: bytes | memoryview,
        definition: tuple[str, str] | None = None,
    ) -> None:
        """Append a serialized message; definition is (ros2msg text, type hash) of a type that this project does not define."""
        connection = self._connections.get(topic)
        if connection is None:
            known: dict[str, Any] = {"typestore": typestore()}
            if definition is not None:
                known = {"msgdef": definition[0], "rihs01": definition[1]}
            connection = self._writer.add_connection(topic, type_name, **known)
            self._connections[topic] = connection
        with writing(self.path):
            self._writer.write(connection, stamp_ns, cdr)

    def close(self) -> None:
        """Finish the bag; it is unreadable before."""
        with writing(self.path):
            self._writer.close()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
