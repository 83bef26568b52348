"""Maps of nuPlan's cities: GeoPackages in NUPLAN_MAPS_ROOT, as the devkit of NAVSIM reads them. P pieces.

The layers hold longitudes and latitudes; the devkit projects them to the UTM zone that the table ``meta`` names, which poses of
the logs refer to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.data.logs.map_elements import MapPiece, PieceKind
from transdiffuser_planner.data.logs.openscene.geopackage import GeoPackage, lines_of
from transdiffuser_planner.data.logs.openscene.utm import utm_of

FloatArray = NDArray[np.float64]

ROOT_VARIABLE: Final = "NUPLAN_MAPS_ROOT"
VERSION_VARIABLE: Final = "NUPLAN_MAP_VERSION"
VERSION: Final = "nuplan-maps-v1.0"
WGS84: Final = 4326
REACH_M: Final = 100.0
LAYERS: Final = {
    "lanes_polygons": PieceKind.DRIVING_LANE,
    "gen_lane_connectors_scaled_width_polygons": PieceKind.JUNCTION,
    "intersections": PieceKind.JUNCTION,
    "baseline_paths": PieceKind.LANE_CENTER,
    "walkways": PieceKind.SIDEWALK,
    "crosswalks": PieceKind.CROSSING,
    "carpark_areas": PieceKind.DRIVABLE_AREA,
    "generic_drivable_areas": PieceKind.DRIVABLE_AREA,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CityMap:
    """The map of a city.

    Attributes:
        name: Of the city.
        pieces: Areas and center lines in UTM, m.
        low_P2, high_P2: Their extent.
        num_bad: Elements that cannot be used.
    """

    name: str
    pieces: tuple[MapPiece, ...]
    low_P2: FloatArray
    high_P2: FloatArray
    num_bad: int

    def around(self, low_2: FloatArray, high_2: FloatArray, origin_2: FloatArray) -> list[MapPiece]:
        """Return the pieces within 100 m of a rectangle.

        Args:
            low_2: Least x and y in UTM, m.
            high_2: Largest x and y.
            origin_2: Subtracted from all positions.
        """
        near_P = (self.low_P2 <= high_2 + REACH_M).all(axis=1) & (self.high_P2 >= low_2 - REACH_M).all(axis=1)
        return [(self.pieces[p][0], self.pieces[p][1] - origin_2) for p in np.flatnonzero(near_P).tolist()]


def map_file(place: str) -> Path:
    """Return the map's file of a city.

    Args:
        place: Name of the city in the logs, such as "us-ma-boston".

    Raises:
        RecordingError: There is none, with the reason.
    """
    root = os.environ.get(ROOT_VARIABLE, "")
    if not root:
        raise RecordingError(f"{ROOT_VARIABLE} does not name the folder of nuPlan's maps")
    index = Path(root) / f"{os.environ.get(VERSION_VARIABLE) or VERSION}.json"
    try:
        version = str(json.loads(read_text(index))[place]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise RecordingError(f"{index}: is missing, or does not name a version of the map '{place}'") from None
    path = Path(root) / Path(place).name / Path(version).name / "map.gpkg"
    if not path.is_file():
        raise RecordingError(f"map {path}: is absent")
    return path


@lru_cache(maxsize=4)
def read_city(path: Path) -> CityMap:
    """Read the map of a city; it stays in memory.

    Args:
        path: Result of ``map_file``.

    Raises:
        RecordingError: It cannot be read.
    """
    package = GeoPackage(path)
    zone = _zone(path, package)
    pieces: list[MapPiece] = []
    num_bad = 0
    for layer, kind in LAYERS.items():
        if layer not in package.layers:
            continue
        is_lonlat = package.values_of("gpkg_geometry_columns", "srs_id", layer) == [WGS84]
        for (blob,) in package.values(layer, (package.geometry_column(layer),)):
            try:
                pieces += _pieces(blob, kind, zone if is_lonlat else None)
            except ValueError:
                num_bad += 1
    return CityMap(
        name=path.parent.parent.name,
        pieces=tuple(pieces),
        low_P2=np.asarray([xy.min(axis=0) for _, xy in pieces]).reshape(-1, 2),
        high_P2=np.asarray([xy.max(axis=0) for _, xy in pieces]).reshape(-1, 2),
        num_bad=num_bad,
    )


def _zone(path: Path, package: GeoPackage) -> int:
    """Number of the UTM zone.

    Raises:
        RecordingError: The map is projected in another way.
    """
    named = dict(package.values("meta", ("key", "value"))).get("projectedCoordSystem", "")
    code = str(named).upper().removeprefix("EPSG:")
    if not code.isdigit() or not 32601 <= int(code) <= 32660:
        raise RecordingError(f"map {path}: expected a UTM zone of the northern hemisphere, got '{named}'")
    return int(code) - 32600


def _pieces(blob: bytes, kind: PieceKind, zone: int | None) -> Iterator[MapPiece]:
    """Yield the pieces of a geometry.

    Yields:
        Kind and points in UTM.

    Raises:
        ValueError: It cannot be used.
    """
    for line_C2 in lines_of(blob):
        xy_C2 = line_C2 if zone is None else utm_of(line_C2, zone)
        if len(xy_C2) < 2 or not np.isfinite(xy_C2).all():
            raise ValueError("too few finite points")
        yield int(kind), xy_C2
