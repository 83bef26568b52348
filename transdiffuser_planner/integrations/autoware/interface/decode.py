"""Autoware's messages -> values. Messages are duck-typed: read_autoware's, rosbags' and rclpy's objects all work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates, TrackedAgents
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.messages.decode_inputs import frame_name, yaw_of

FloatArray = NDArray[np.float64]

_MAX_POSITION_M, _MAX_SPEED_MPS = 1e8, 150.0
_MAX_SEGMENTS = 100_000
_CLASS_OF_LABEL = {1: AgentClass.CAR, 2: AgentClass.TRUCK, 3: AgentClass.TRUCK, 4: AgentClass.TRUCK,
                   5: AgentClass.MOTORCYCLE, 6: AgentClass.BICYCLE, 7: AgentClass.PEDESTRIAN,
                   8: AgentClass.PEDESTRIAN}  # fmt: skip
"""ObjectClassification -> class; an animal counts as a pedestrian, other labels are what the LiDAR checks are for."""
_SIGN_UNKNOWN = 1
_CYLINDER, _POLYGON = 1, 2
_RED, _AMBER, _GREEN = 1, 2, 3
_CIRCLE, _CROSS = 1, 10
_SOLID_OFF, _FLASHING = 1, 3
_ARROWS = {"left": (2, 5, 8), "right": (3, 6, 9), "straight": (4,), "": (4,)}
"""Turn direction of a lanelet -> shapes of arrows that permit it."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RouteRequest:
    """A LaneletRoute.

    Attributes:
        stamp_ns, frame_id: Of its header.
        start_2, goal_2: Positions, m.
        segments: Of each segment the preferred lanelet and all its lanelets; none withdraws the route.
    """

    stamp_ns: int
    frame_id: str
    start_2: FloatArray
    goal_2: FloatArray
    segments: tuple[tuple[int, tuple[int, ...]], ...]


def time_ns(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time.

    Raises:
        InputError: Its nanoseconds are a whole second or more.
    """
    if int(stamp.nanosec) >= 10**9:
        raise InputError("stamp is no time: its nanoseconds are a whole second or more")
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def lanelet_route(message: Any) -> RouteRequest:
    """An autoware_planning_msgs/LaneletRoute.

    Raises:
        InputError: A position is not finite or outside any map, or there are too many segments.
    """
    start, goal = message.start_pose.position, message.goal_pose.position
    ends_22 = np.asarray([[start.x, start.y], [goal.x, goal.y]], dtype=np.float64)
    if not np.isfinite(ends_22).all() or np.abs(ends_22).max() > _MAX_POSITION_M:
        raise InputError("route: start or goal is not finite, or outside any map")
    if len(message.segments) > _MAX_SEGMENTS:
        raise InputError(f"route: it has more than {_MAX_SEGMENTS} segments")
    return RouteRequest(
        stamp_ns=time_ns(message.header.stamp),
        frame_id=frame_name(message.header.frame_id),
        start_2=ends_22[0],
        goal_2=ends_22[1],
        segments=tuple(
            (int(segment.preferred_primitive.id), tuple(int(item.id) for item in segment.primitives))
            for segment in message.segments
        ),
    )


def traffic_lights(message: Any) -> tuple[int, dict[int, tuple[Any, ...]]]:
    """An autoware_perception_msgs/TrafficLightGroupArray of either version: stamp in ns, group -> its elements.

    Raises:
        InputError: The stamp is no time.
    """
    groups = message.traffic_light_groups
    return time_ns(message.stamp), {int(group.traffic_light_group_id): tuple(group.elements) for group in groups}


def signal_state(elements: Sequence[Any], turn_direction: str) -> SignalState:
    """What a traffic light means for a lanelet.

    A green circle or an arrow in the lanelet's direction permits it, whatever else is lit; then amber counts before red.
    A lit arrow of another direction alone forbids. A flashing amber light is no signal; dark lamps do not count.

    Args:
        elements: Of type TrafficLightElement.
        turn_direction: "left", "right", "straight" or "".
    """
    lit = [(int(e.color), int(e.shape)) for e in elements if int(e.status) != _SOLID_OFF]
    flashing_amber = any(int(e.color) == _AMBER and int(e.status) == _FLASHING for e in elements)
    allowed = (_CIRCLE, *_ARROWS[turn_direction])
    colors = {color for color, shape in lit if shape in allowed}
    if _GREEN in colors:
        return SignalState.GREEN
    if _AMBER in colors:
        return SignalState.UNKNOWN if flashing_amber else SignalState.AMBER
    others = {color for color, shape in lit if shape not in allowed}
    if _RED in colors or (_RED, _CROSS) in lit or _GREEN in others:
        return SignalState.RED
    return SignalState.UNKNOWN


def velocity_limit(message: Any) -> float:
    """An autoware_internal_planning_msgs/VelocityLimit: m/s.

    Raises:
        InputError: The limit is negative or not finite.
    """
    limit_mps = float(message.max_velocity)
    if not np.isfinite(limit_mps) or limit_mps < 0.0:
        raise InputError(f"velocity limit: {limit_mps} m/s is no limit")
    return limit_mps


def tracked_objects(message: Any) -> tuple[TrackedAgents, dict[int, bytes]]:
    """An autoware_perception_msgs/TrackedObjects; objects of unknown class are left out.

    Returns:
        The agents, and of each its number -> UUID.

    Raises:
        InputError: A value is not finite or impossible.
    """
    rows, classes, existence, uuids = [], [], [], {}
    for item in message.objects:
        label = max(item.classification, key=lambda c: float(c.probability), default=None)
        agent_class = None if label is None else _CLASS_OF_LABEL.get(int(label.label))
        if agent_class is None:
            continue
        uuid = bytes(np.asarray(item.object_id.uuid, dtype=np.uint8))
        number = int.from_bytes(uuid[:4], "little")
        while number in uuids:
            number = (number + 1) % 2**32
        uuids[number] = uuid
        rows.append((number, *_motion(item.kinematics), *_size(item.shape)))
        classes.append(int(agent_class))
        existence.append(float(item.existence_probability))
    row_N8 = np.asarray(rows, dtype=np.float64).reshape(-1, 8)
    limits = [np.inf, _MAX_POSITION_M, _MAX_POSITION_M, np.inf, _MAX_SPEED_MPS, 100.0, 100.0, 100.0]
    if not np.isfinite(row_N8).all() or (np.abs(row_N8) > limits).any() or not np.isfinite(existence).all():
        raise InputError("tracked objects: a value is not finite, or impossible")
    states = AgentStates(
        frame_id=frame_name(message.header.frame_id),
        id_N=row_N8[:, 0].astype(np.uint32),
        class_N=np.asarray(classes, dtype=np.int8),
        x_m_N=row_N8[:, 1],
        y_m_N=row_N8[:, 2],
        heading_rad_N=row_N8[:, 3],
        speed_mps_N=row_N8[:, 4],
        length_m_N=row_N8[:, 5],
        width_m_N=row_N8[:, 6],
        height_m_N=row_N8[:, 7],
        braking_N=np.zeros(len(row_N8), dtype=np.bool_),
    )
    existence_N = np.clip(np.asarray(existence, dtype=np.float64), 0.0, 1.0)
    return TrackedAgents(stamp_ns=time_ns(message.header.stamp), states=states, existence_N=existence_N), uuids


def _motion(kinematics: Any) -> tuple[float, float, float, float]:
    """x, y, heading, and speed along it; an object whose direction is ambiguous faces its motion."""
    pose, speed = kinematics.pose_with_covariance.pose, float(kinematics.twist_with_covariance.twist.linear.x)
    heading = yaw_of(pose.orientation)
    if int(kinematics.orientation_availability) == _SIGN_UNKNOWN and speed < 0.0:
        heading, speed = heading + np.pi, -speed
    return float(pose.position.x), float(pose.position.y), heading, speed


def _size(shape: Any) -> tuple[float, float, float]:
    """Length, width and height of the box around an object."""
    size = shape.dimensions
    if int(shape.type) == _CYLINDER:
        return float(size.x), float(size.x), float(size.z)
    if int(shape.type) == _POLYGON and len(shape.footprint.points) >= 3:
        corners = np.asarray([[p.x, p.y] for p in shape.footprint.points], dtype=np.float64)
        length_m, width_m = 2.0 * np.abs(corners).max(axis=0)
        return float(length_m), float(width_m), float(size.z)
    return float(size.x), float(size.y), float(size.z)
