"""Files of the layout: tables of Arrow IPC with a msgpack mapping in their metadata. Versions 0.6 and 0.7 of py123d.

The layout belongs to a package that is still changing; a log of another version is refused, not guessed at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.logs.arrow_tables import required

FloatArray = NDArray[np.float64]

VERSIONS: Final = ("0.6", "0.7")
SUFFIX: Final = ".arrow"
EGO: Final = "ego_state_se3"
SYNC: Final = "sync"
BOXES: Final = "box_detections_se3"
LIGHTS: Final = "traffic_light_detections"
_KEY = b"metadata"


class LogTable:
    """One file of a log, mapped into memory and read by columns.

    Args:
        path: The file.

    Attributes:
        metadata: Mapping that the file carries.
        names: Columns without the prefix of the file's name.

    Raises:
        ConfigError: pyarrow or msgpack is not installed.
        RecordingError: The file is missing or no such table.
    """

    def __init__(self, path: Path) -> None:
        arrow, msgpack = required("pyarrow", "the py123d layout"), required("msgpack", "the py123d layout")
        self.path = path
        if not path.is_file():
            raise RecordingError(f"{path} is absent")
        try:
            self._table = arrow.ipc.open_file(arrow.memory_map(str(path), "rb")).read_all()
            self._table.validate(full=True)  # offsets of damaged files would be followed out of memory
            packed = (self._table.schema.metadata or {}).get(_KEY)
            unpacked = msgpack.unpackb(packed, raw=False, strict_map_key=False) if packed is not None else {}
        except Exception as error:  # pyarrow's and msgpack's errors are of many kinds
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise RecordingError(f"{path}: cannot be read ({reason}); convert the log again") from None
        self.metadata: dict[str, Any] = unpacked if isinstance(unpacked, dict) else {}
        self._prefix = f"{path.name.removesuffix(SUFFIX)}."
        self.names = frozenset(name.removeprefix(self._prefix) for name in self._table.column_names)

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._table.num_rows)

    def column(self, name: str) -> Any:
        """Return a column of Arrow.

        Args:
            name: Without the prefix of the file's name.

        Raises:
            RecordingError: It is missing.
        """
        if name not in self.names:
            raise RecordingError(
                f"{self.path}: has no column '{name}'; convert the log again with py123d {VERSIONS[-1]}"
            )
        full = f"{self._prefix}{name}"
        return self._table[full if full in self._table.column_names else name]

    def integers(self, name: str) -> NDArray[np.int64]:
        """Return a column of integers (N,).

        Args:
            name: The column.

        Raises:
            RecordingError: It is missing or has empty cells.
        """
        column = self.column(name)
        if column.null_count:
            raise RecordingError(f"{self.path}: column '{name}' has {column.null_count} empty cells")
        return np.asarray(column.to_numpy(), dtype=np.int64)

    def vectors(self, name: str, size: int) -> FloatArray:
        """Return a column of vectors (N, size); NaN for empty cells.

        Args:
            name: The column.
            size: Length of each vector.

        Raises:
            RecordingError: It is missing or of another size.
        """
        rows = self.column(name).to_pylist()
        empty = [np.nan] * size
        found = np.asarray([empty if row is None else row for row in rows], dtype=np.float64)
        if found.shape != (len(rows), size):
            raise RecordingError(f"{self.path}: column '{name}': expected {size} numbers each, got {found.shape[1:]}")
        return found


def checked_version(folder: Path) -> dict[str, Any]:
    """Return the metadata of a log whose version is one that is read.

    Args:
        folder: Folder of the log.

    Raises:
        RecordingError: The version is another one, or not stated.
    """
    metadata = LogTable(folder / f"{SYNC}{SUFFIX}").metadata
    version = str(metadata.get("version", "not stated"))
    if not version.startswith(tuple(f"{known}." for known in VERSIONS)):
        raise RecordingError(
            f"{folder}: its layout is of py123d {version}; read are {' and '.join(VERSIONS)}, convert the log again with one"
        )
    return metadata
