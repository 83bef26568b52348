"""What carla-driver-interface adds to a drive call: LiDAR sweeps, the light ahead and the speed limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import PointCloud, SignalState, TrafficSignal

_POINT_BYTES = 16
_STATES = {2: SignalState.RED, 3: SignalState.AMBER, 4: SignalState.GREEN}
"""TrafficLightState of the messages -> state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RendererData:
    """Inputs besides cameras, egomotion and route.

    Attributes:
        cloud: All sweeps of the call, in the rig; None without one.
        signal: The light ahead, unknown where none governs the lane; None without data.
        speed_limit_mps: None where it is unknown.
    """

    cloud: PointCloud | None = None
    signal: TrafficSignal | None = None
    speed_limit_mps: float | None = None


def read_renderer_data(payload: bytes, message_type: Any, time_now_us: int, front_offset_m: float) -> RendererData:
    """Read the payload of a drive call.

    Args:
        payload: CarlaRendererData, serialized; empty for none.
        message_type: Its class.
        time_now_us: Time of the call.
        front_offset_m: From the rear axle to the front bumper.

    Raises:
        InputError: The bytes are no such message, or a sweep's sizes contradict each other.
    """
    if not payload:
        return RendererData()
    try:
        message = message_type.FromString(payload)
    except Exception:  # protobuf's implementations raise different ones
        raise InputError(f"drive: renderer_data of {len(payload)} bytes is no CarlaRendererData") from None
    limit_mps = float(message.speed_limit_mps)
    state, distance_m = _STATES.get(message.ego_traffic_light), float(message.ego_traffic_light_distance_m)
    signal = TrafficSignal(stamp_ns=1000 * time_now_us, state=SignalState.UNKNOWN, distance_m=0.0)
    if state is not None and 0.0 <= distance_m < np.inf:
        # From the rear axle along the heading, as the other side measures it; the planner counts from the bumper.
        signal = TrafficSignal(stamp_ns=1000 * time_now_us, state=state, distance_m=distance_m - front_offset_m)
    return RendererData(
        cloud=_cloud(message.lidar),
        signal=signal,
        speed_limit_mps=limit_mps if 0.0 < limit_mps < np.inf else None,
    )


def _cloud(sweeps: Any) -> PointCloud | None:
    """All sweeps as one cloud with the newest stamp.

    Raises:
        InputError: The sizes of a sweep contradict each other.
    """
    parts, stamps_us = [], []
    for sweep in sweeps:
        size = len(sweep.points_xyzi)
        if size != _POINT_BYTES * sweep.num_points:
            raise InputError(
                f"lidar {sweep.logical_id!r}: {sweep.num_points} points are {_POINT_BYTES * sweep.num_points} bytes of x, y, "
                f"z, intensity as float32, got {size}"
            )
        xyzi_N4 = np.frombuffer(sweep.points_xyzi, dtype="<f4").reshape(-1, 4)
        xyz_N3 = xyzi_N4[:, :3].astype(np.float32)
        finite_N3 = np.isfinite(xyz_N3)
        parts.append(xyz_N3 if finite_N3.all() else xyz_N3[finite_N3.all(axis=1)])
        stamps_us.append(int(sweep.timestamp_us))
    if not parts:
        return None
    return PointCloud(stamp_ns=1000 * max(stamps_us), xyz_N3=np.concatenate(parts))
