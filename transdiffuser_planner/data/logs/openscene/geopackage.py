"""Layers of a GeoPackage, read by SQLite alone. C points of a line or ring.

Layout: OGC 12-128r18, geometry blobs of section 2.1.3 around well-known binary (OGC 06-103r4).
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import RecordingError

FloatArray = NDArray[np.float64]

_ENVELOPE_BYTES: Final = (0, 32, 48, 48, 64)
_LINE, _POLYGON, _MULTI_LINE, _MULTI_POLYGON = 2, 3, 5, 6


class GeoPackage:
    """An open file.

    Args:
        path: The file.

    Raises:
        RecordingError: It is missing or no SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with closing(self._open()) as file:
                self.layers = {str(row[0]) for row in file.execute("SELECT table_name FROM gpkg_contents")}
        except sqlite3.Error as error:
            raise RecordingError(f"map {path}: is no GeoPackage ({error})") from None

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)

    def values(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return columns of a table.

        Args:
            table: One of ``layers``.
            columns: Names of its columns.

        Raises:
            RecordingError: It or a column does not exist.
        """
        if table not in self.layers:
            raise RecordingError(f"map {self._path}: has no layer {table}")
        names = ", ".join(f'"{column}"' for column in columns)
        try:
            with closing(self._open()) as file:
                known = {str(row[1]) for row in file.execute(f'PRAGMA table_info("{table}")')}
                absent = [column for column in columns if column not in known]
                if absent:  # SQLite takes unknown names in quotes for texts
                    raise RecordingError(f"map {self._path}: layer {table} has no {', '.join(absent)}")
                return list(file.execute(f'SELECT {names} FROM "{table}"'))
        except sqlite3.Error as error:
            raise RecordingError(f"map {self._path}: layer {table} cannot be read ({error})") from None

    def geometry_column(self, table: str) -> str:
        """Return the name of a layer's column of geometries.

        Args:
            table: One of ``layers``.
        """
        rows = self.values_of("gpkg_geometry_columns", "column_name", table)
        return str(rows[0]) if rows else "geom"

    def values_of(self, table: str, column: str, layer: str) -> list[Any]:
        """Return a column of one of the file's own tables for a layer.

        Args:
            table: Name of the table.
            column: Name of the column.
            layer: The layer.

        Raises:
            RecordingError: The table cannot be read.
        """
        try:
            with closing(self._open()) as file:
                return [row[0] for row in file.execute(f"SELECT {column} FROM {table} WHERE table_name = ?", (layer,))]
        except sqlite3.Error as error:
            raise RecordingError(f"map {self._path}: {table} cannot be read ({error})") from None


def lines_of(blob: bytes) -> list[FloatArray]:
    """Return lines, and outer rings of polygons, (C, 2) each.

    Args:
        blob: A geometry of a GeoPackage.

    Raises:
        ValueError: It is damaged or of another kind.
    """
    if not isinstance(blob, bytes) or blob[:2] != b"GP":
        raise ValueError("no geometry of a GeoPackage")
    envelope = (blob[3] >> 1) & 7
    if envelope >= len(_ENVELOPE_BYTES):
        raise ValueError("an envelope of unknown size")
    try:
        return list(_lines(blob, [8 + _ENVELOPE_BYTES[envelope]]))
    except struct.error:
        raise ValueError("the geometry is cut off") from None


def _lines(data: bytes, at: list[int]) -> Iterator[FloatArray]:
    """Yield the lines of a geometry in well-known binary; ``at`` holds the place and is moved behind it.

    Yields:
        Points (C, 2).

    Raises:
        ValueError: It is of another kind.
    """
    order = "<" if data[at[0]] else ">"
    (code,) = struct.unpack_from(f"{order}I", data, at[0] + 1)
    at[0] += 5
    number, kind = code & 0x0FFFFFFF, (code & 0x0FFFFFFF) % 1000
    dimensions = 2 + bool(code & 0x80000000) + bool(code & 0x40000000) + (0, 1, 1, 2)[min(number // 1000, 3)]
    if kind == _LINE:
        yield _points(data, at, order, dimensions)
    elif kind == _POLYGON:
        for ring in range(_count(data, at, order)):
            points = _points(data, at, order, dimensions)
            if ring == 0:
                yield points
    elif kind in (_MULTI_LINE, _MULTI_POLYGON):
        for _ in range(_count(data, at, order)):
            yield from _lines(data, at)
    else:
        raise ValueError(f"a geometry of kind {kind}")


def _count(data: bytes, at: list[int], order: str) -> int:
    (count,) = struct.unpack_from(f"{order}I", data, at[0])
    at[0] += 4
    return int(count)


def _points(data: bytes, at: list[int], order: str, dimensions: int) -> FloatArray:
    """Points (C, 2); heights are left out."""
    count = _count(data, at, order)
    values = np.frombuffer(data, dtype=f"{order}f8", count=count * dimensions, offset=at[0])
    at[0] += values.nbytes
    return np.asarray(values.reshape(count, dimensions)[:, :2], dtype=np.float64)
