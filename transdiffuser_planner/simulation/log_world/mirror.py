"""Mirrors a log of left-hand traffic: left becomes right, so that planners that keep to the right can drive in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, Route
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.map_elements import MapLane
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack

FloatArray = NDArray[np.float64]


def mirrored(log: DriveLog) -> DriveLog:
    """Return the log with the y axis of its frame, and so left and right, exchanged.

    Args:
        log: As read; what a log world does not use of it is kept as it is.
    """
    agents = AgentTracks()
    for stamp_ns, states in log.agents.snapshots:
        agents.add(stamp_ns, replace(states, y_m_N=-states.y_m_N, heading_rad_N=-states.heading_rad_N))
    return replace(
        log,
        ego=EgoTrack([_state(state) for state in log.ego.states]),
        routes=[(stamp_ns, _route(route)) for stamp_ns, route in log.routes],
        agents=agents,
        # Borders of lanes follow each other as left and right in a ring; in the other order they do so again.
        map_pieces=[(kind, _line(xy)[::-1] if len(xy) > 2 else _line(xy)) for kind, xy in log.map_pieces],
        lanes=[_lane(lane) for lane in log.lanes],
        lights=[replace(light, y_m=-light.y_m, facing_rad=-light.facing_rad) for light in log.lights],
        rig=None if log.rig is None else mirrored_rig(log.rig),
        drives_on_left=False,
    )


def mirrored_rig(rig: Rig) -> Rig:
    """Return the rig of a mirrored vehicle: sensors of its left side are on its right.

    Args:
        rig: As calibrated.
    """
    cameras = tuple(
        replace(c, y_m=-c.y_m, yaw_rad=-c.yaw_rad, roll_rad=-c.roll_rad, cx=c.width - c.cx) for c in rig.cameras
    )
    lidar = rig.lidar
    if lidar is not None:
        lidar = replace(lidar, y_m=-lidar.y_m, yaw_rad=-lidar.yaw_rad, roll_rad=-lidar.roll_rad)
    return replace(rig, cameras=cameras, lidar=lidar)


def _line(xy_K2: FloatArray) -> FloatArray:
    return np.asarray(xy_K2 * [1.0, -1.0])


def _state(state: EgoState) -> EgoState:
    return replace(
        state,
        y_m=-state.y_m,
        heading_rad=-state.heading_rad,
        vy_mps=-state.vy_mps,
        yaw_rate_radps=-state.yaw_rate_radps,
    )


def _route(route: Route) -> Route:
    return replace(route, xy_N2=_line(route.xy_N2))


def _lane(lane: MapLane) -> MapLane:
    return replace(
        lane,
        center_K2=_line(lane.center_K2),
        left_B2=None if lane.right_B2 is None else _line(lane.right_B2),
        right_B2=None if lane.left_B2 is None else _line(lane.left_B2),
        left=lane.right,
        right=lane.left,
    )
