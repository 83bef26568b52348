"""Data sets with license and vehicle. Licenses as their makers state them; a change there is not noticed here."""

from __future__ import annotations

from typing import Final

from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.data.logs.drive_log import DataSet

_BY_NC_SA: Final = "CC BY-NC-SA 4.0"
ARGOVERSE_2: Final = DataSet(
    name="Argoverse 2", license=_BY_NC_SA, stated_at="https://www.argoverse.org/about.html#terms-of-use"
)
_NUSCENES: Final = DataSet(name="nuScenes", license=_BY_NC_SA, stated_at="https://www.nuscenes.org/terms-of-use")
_NUPLAN: Final = DataSet(
    name="nuPlan", license=f"{_BY_NC_SA} and the nuPlan terms", stated_at="https://www.nuscenes.org/terms-of-use"
)
_WAYMO: Final = DataSet(
    name="Waymo Open Dataset",
    license="Waymo Dataset License Agreement for Non-Commercial Use",
    stated_at="https://waymo.com/open/terms",
)
_BY_PREFIX: Final = {
    "av2": ARGOVERSE_2,
    "argoverse": ARGOVERSE_2,
    "nuscenes": _NUSCENES,
    "nuplan": _NUPLAN,
    "navsim": _NUPLAN,
    "openscene": _NUPLAN,
    "waymo": _WAYMO,
    "wod": _WAYMO,
    "kitti360": DataSet(
        name="KITTI-360", license="CC BY-NC-SA 3.0", stated_at="https://www.cvlibs.net/datasets/kitti-360"
    ),
    "kitti-360": DataSet(
        name="KITTI-360", license="CC BY-NC-SA 3.0", stated_at="https://www.cvlibs.net/datasets/kitti-360"
    ),
    "pandaset": DataSet(name="PandaSet", license="CC BY 4.0", stated_at="https://pandaset.org"),
    "physical": DataSet(
        name="NVIDIA Physical AI Autonomous Vehicles",
        license="NVIDIA Autonomous Vehicle Dataset License Agreement",
        stated_at="https://huggingface.co/datasets/nvidia/PhysicalAI-Autonomous-Vehicles",
    ),
    "pg": DataSet(
        name="MetaDrive, procedurally generated",
        license="Apache-2.0",
        stated_at="https://github.com/metadriverse/metadrive",
    ),
}
_PACIFICA: Final = VehicleModel(length_m=5.176, width_m=2.297, height_m=1.777, wheelbase_m=3.089, rear_overhang_m=1.127)
_VEHICLES: Final = {
    _NUSCENES.name: VehicleModel(
        length_m=4.084, width_m=1.73, height_m=1.562, wheelbase_m=2.588, rear_overhang_m=0.657
    ),
    _NUPLAN.name: _PACIFICA,
    _WAYMO.name: VehicleModel(length_m=5.286, width_m=2.332, height_m=2.33, wheelbase_m=3.089, rear_overhang_m=1.182),
    ARGOVERSE_2.name: VehicleModel(
        length_m=4.869, width_m=1.852, height_m=1.476, wheelbase_m=2.85, rear_overhang_m=1.095
    ),
}
"""Renault Zoe, Chrysler Pacifica, Waymo's Pacifica with its sensors, Ford Fusion Hybrid."""
_LEFT_HAND: Final = ("singapore", "sg-")
"""Starts of the names of places where traffic keeps to the left."""


def data_set_of(name: str) -> DataSet:
    """Return a data set by the name that a converter gives it.

    Args:
        name: Such as "nuscenes" or "av2-sensor"; of an unknown one no license is known.
    """
    for prefix, found in _BY_PREFIX.items():
        if name.lower().startswith(prefix):
            return found
    return DataSet(name=name or "unnamed", license="not known to this program", stated_at="the makers of the data set")


def vehicle_of(data_set: DataSet) -> VehicleModel:
    """Return the car that recorded a data set; the default car where it is not known.

    Args:
        data_set: The data set.
    """
    return _VEHICLES.get(data_set.name, EGO_VEHICLE)


def keeps_left(place: str) -> bool:
    """Whether traffic keeps to the left at a place of a data set.

    Args:
        place: As the data set names it, such as "singapore-onenorth".
    """
    return place.lower().startswith(_LEFT_HAND)
