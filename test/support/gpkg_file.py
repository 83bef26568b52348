"""Writes GeoPackage files with longitudes and latitudes, as nuPlan's maps are, with nothing but SQLite."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.data.logs.openscene.utm import utm_of

WGS84 = 4326
_SRS = """CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT)"""
_CONTENTS = """CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT '2026-01-01T00:00:00.000Z', min_x DOUBLE, min_y DOUBLE,
max_x DOUBLE, max_y DOUBLE, srs_id INTEGER)"""
_COLUMNS = """CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
PRIMARY KEY (table_name, column_name))"""


def write_gpkg(path: Path, layers: dict[str, list[Any]], projection: str, zone: int) -> None:
    """Write layers of points in UTM and the table ``meta`` that names the projection."""
    file = sqlite3.connect(path)
    file.execute("PRAGMA application_id = 1196444487")
    file.execute("PRAGMA user_version = 10300")
    for statement in (_SRS, _CONTENTS, _COLUMNS):
        file.execute(statement)
    for number, name in ((-1, "NONE"), (0, "NONE"), (WGS84, "EPSG")):
        file.execute(
            "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, '')",
            (f"{name}:{number}", number, name, number, "undefined"),
        )
    file.execute('CREATE TABLE meta (fid INTEGER PRIMARY KEY, "key" TEXT, value TEXT)')
    file.execute("INSERT INTO meta VALUES (1, 'projectedCoordSystem', ?)", (projection,))
    file.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('meta', 'attributes', 'meta')")
    for name, rows in layers.items():
        _write_layer(file, name, rows, zone)
    file.commit()
    file.close()


def _write_layer(file: sqlite3.Connection, name: str, rows: list[Any], zone: int) -> None:
    columns = list(rows[0][3])
    kinds = {float: "REAL", str: "TEXT", int: "INTEGER"}
    sample = {c: next((type(row[3][c]) for row in rows if row[3][c] is not None), float) for c in columns}
    declared = ", ".join(f"{column} {kinds[sample[column]]}" for column in columns)
    file.execute(f"CREATE TABLE {name} (fid INTEGER PRIMARY KEY, geom {rows[0][1]}, {declared})")
    file.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, 'features', ?, ?)",
        (name, name, WGS84),
    )
    file.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, 0, 0)", (name, rows[0][1], WGS84))
    for number, kind, xy, values in rows:
        marks = ", ".join("?" * (2 + len(columns)))
        file.execute(f"INSERT INTO {name} VALUES ({marks})", (number, _blob(kind, xy, zone), *values.values()))


def _blob(kind: str, xy_N2: np.ndarray, zone: int) -> bytes:
    head = b"GP\x00\x01" + struct.pack("<i", WGS84)
    points = lonlat_of(xy_N2, zone).astype("<f8").tobytes()
    count = struct.pack("<I", len(xy_N2))
    if kind == "LINESTRING":
        return head + struct.pack("<BI", 1, 2) + count + points
    return head + struct.pack("<BI", 1, 3) + struct.pack("<I", 1) + count + points


def lonlat_of(xy_N2: np.ndarray, zone: int) -> np.ndarray:
    """Degrees of UTM positions, by Newton's method on the function under test, which a parity test compares with PROJ."""
    found = np.tile([6.0 * zone - 183.0, 36.0], (len(xy_N2), 1)).astype(np.float64)
    for _ in range(8):
        off = xy_N2 - utm_of(found, zone)
        step = 1e-5
        along = (utm_of(found + np.asarray([step, 0.0]), zone) - utm_of(found, zone)) / step
        up = (utm_of(found + np.asarray([0.0, step]), zone) - utm_of(found, zone)) / step
        found += np.linalg.solve(np.stack([along, up], axis=-1), off[..., None])[..., 0]
    return found
