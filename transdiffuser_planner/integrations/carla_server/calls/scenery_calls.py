"""Calls about what stands around: environment objects, ground, layers, an uploaded OpenDRIVE map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transdiffuser_planner.integrations.carla_server.calls.registry import Registry
from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world.frames import number, vector

scenery = Registry()
BUILDINGS, ROADS, ANY = 3, 1, 255


def _buildings(world: World, tag: Any) -> list[list[Any]]:
    """Return location, yaw (deg), extent and number of the buildings."""
    if tag not in (BUILDINGS, ANY):
        return []
    found = []
    for index, building in enumerate(world.town.road_map.buildings):
        corners = building.corners_42
        center, along, across = corners.mean(axis=0), corners[1] - corners[0], corners[2] - corners[1]
        yaw = -math.degrees(math.atan2(along[1], along[0]))
        extent = [float(np.hypot(*along)) / 2.0, float(np.hypot(*across)) / 2.0, building.height_m / 2.0]
        found.append([[float(center[0]), -float(center[1]), building.height_m / 2.0], yaw, extent, index + 1])
    return found


@scenery.value
def get_environment_objects(world: World, tag: Any) -> list[Any]:
    """Buildings; roads, vegetation and the like are no objects here."""
    return [
        [[place, [0.0, yaw, 0.0]], [place, extent, [0.0, yaw, 0.0], 0], index, f"Building_{index}", BUILDINGS]
        for place, yaw, extent, index in _buildings(world, tag)
    ]


@scenery.value
def get_all_level_BBs(world: World, tag: Any) -> list[Any]:
    """Boxes of buildings, in the world."""
    return [[place, extent, [0.0, yaw, 0.0], 0] for place, yaw, extent, _ in _buildings(world, tag)]


@scenery.value
def project_point(_: World, location: Any, direction: Any, distance: Any) -> list[Any]:
    """Where a ray meets the ground, which is flat at height 0: whether it does, the place, its label."""
    start, ahead = np.asarray(vector(location, "project_point")), np.asarray(vector(direction, "project_point"))
    reach = number(distance, "project_point")
    length = float(np.linalg.norm(ahead))
    miss = [False, [[0.0, 0.0, 0.0], 0]]
    if length < 1e-9 or abs(ahead[2]) < 1e-9:
        return miss
    along = -start[2] / (ahead[2] / length)
    if not 0.0 <= along <= reach:
        return miss
    place = start + ahead / length * along
    return [True, [[float(value) for value in place], ROADS]]


@scenery.void
def load_map_layer(_: World, _layer: Any) -> None:
    """Show a layer of the map; the maps have one layer."""


@scenery.void
def unload_map_layer(_: World, _layer: Any) -> None:
    """Hide a layer of the map; the maps have one layer."""


@scenery.value
def get_imui_gravity(world: World) -> float:
    """Gravity that IMUs measure, m/s2."""
    return world.bank.gravity_mps2


@scenery.void
def set_imui_gravity(world: World, value: Any) -> None:
    """Change the gravity that IMUs measure."""
    world.bank.gravity_mps2 = number(value, "set_imui_gravity", -100.0, 100.0)


@scenery.void
def copy_opendrive_to_file(world: World, text: Any, _parameters: Any = None) -> None:
    """Take an OpenDRIVE map that the next ``load_new_episode`` of "OpenDriveMap" loads.

    Raises:
        CallError: The arguments are malformed.
    """
    if not isinstance(text, str) or "<OpenDRIVE" not in text:
        raise CallError("copy_opendrive_to_file: expected OpenDRIVE text")
    world.uploaded_opendrive = text
