"""Egomotion and route of a session: poses of the rig in the local frame, and the route that is given in the rig."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.geometry import arc_length, wrapped
from transdiffuser_planner.core.types import Acceleration, DrivingCommand, EgoState, Route
from transdiffuser_planner.integrations.alpasim.poses import RigPose
from transdiffuser_planner.planning.observation.route_rules import COMMAND_DISTANCE_M, turn_command

FRAME = "local"
_KEPT = 512
_MAX_WAYPOINTS = 10_000
_TURN_LENGTH_M = 20.0


class Egomotion:
    """Poses of the rig and states that follow from them. Not thread-safe."""

    def __init__(self) -> None:
        self._poses: deque[tuple[int, RigPose]] = deque(maxlen=_KEPT)

    @property
    def is_known(self) -> bool:
        """Whether there is a pose."""
        return bool(self._poses)

    def add(self, request: Any) -> list[tuple[EgoState, Acceleration | None]]:
        """Take all new poses of a message; poses up to the newest known stamp are repetitions and left out.

        Args:
            request: RolloutEgoTrajectory.

        Returns:
            States of base_link, oldest first, each with its acceleration if that is given.

        Raises:
            InputError: Numbers are missing or no motion; nothing is taken.
        """
        poses, states = request.trajectory.poses, request.dynamic_states
        if len(states) not in (0, len(poses)):
            raise InputError(f"egomotion: {len(states)} dynamic_states for {len(poses)} poses; give one each, or none")
        read = [(int(item.timestamp_us), RigPose.read(item.pose, "egomotion")) for item in poses]
        for state in states:
            _check_finite(state)
        found = []
        for number, (stamp_us, pose) in enumerate(read):
            if self._poses and stamp_us <= self._poses[-1][0]:
                continue
            given = states[number] if states else None
            ego = _state(stamp_us, pose, self._twist(stamp_us, pose, given))
            self._poses.append((stamp_us, pose))
            found.append((ego, None if given is None else _acceleration(stamp_us, given)))
        return found

    def pose_at(self, stamp_us: int) -> RigPose:
        """Return the pose at a time, between two known ones or the nearest; there must be one.

        Args:
            stamp_us: The time.
        """
        later = next((n for n, (stamp, _) in enumerate(self._poses) if stamp >= stamp_us), len(self._poses))
        if later in (0, len(self._poses)):
            return self._poses[min(later, len(self._poses) - 1)][1]
        (begin_us, begin), (end_us, end) = self._poses[later - 1], self._poses[later]
        return begin.between(end, (stamp_us - begin_us) / (end_us - begin_us))

    def _twist(self, stamp_us: int, pose: RigPose, given: Any) -> tuple[float, float, float]:
        """Velocity forward and left (m/s) and yaw rate (rad/s): as given, the rest from the pose before, 0 without one."""
        ahead, left, turn = self._change(stamp_us, pose)
        if given is not None and given.HasField("linear_velocity"):
            ahead, left = given.linear_velocity.x, given.linear_velocity.y
        if given is not None and given.HasField("angular_velocity"):
            turn = given.angular_velocity.z
        return ahead, left, turn

    def _change(self, stamp_us: int, pose: RigPose) -> tuple[float, float, float]:
        if not self._poses:
            return 0.0, 0.0, 0.0
        before_us, before = self._poses[-1]
        seconds = (stamp_us - before_us) * 1e-6
        move_3 = (np.asarray(pose.xyz) - before.xyz) @ pose.rotation()
        turn_rad = wrapped(pose.heading_rad - before.heading_rad)
        return float(move_3[0]) / seconds, float(move_3[1]) / seconds, turn_rad / seconds


def _check_finite(state: Any) -> None:
    """Check a DynamicState.

    Raises:
        InputError: A number is not finite.
    """
    linear, given = state.linear_velocity, state.linear_acceleration
    if not all(map(math.isfinite, (linear.x, linear.y, state.angular_velocity.z, given.x, given.y))):
        raise InputError("egomotion: dynamic_states hold NaN or infinite numbers")


def _acceleration(stamp_us: int, state: Any) -> Acceleration | None:
    if not state.HasField("linear_acceleration"):
        return None
    given = state.linear_acceleration
    return Acceleration(stamp_ns=1000 * stamp_us, ax_mps2=given.x, ay_mps2=given.y)


def _state(stamp_us: int, pose: RigPose, speeds: tuple[float, float, float]) -> EgoState:
    x_m, y_m, z_m = pose.xyz
    return EgoState(
        stamp_ns=1000 * stamp_us,
        frame_id=FRAME,
        x_m=x_m,
        y_m=y_m,
        z_m=z_m,
        heading_rad=pose.heading_rad,
        vx_mps=speeds[0],
        vy_mps=speeds[1],
        yaw_rate_radps=speeds[2],
    )


def read_waypoints(waypoints: Sequence[Any]) -> NDArray[np.float64]:
    """Read a route (N, 3) in the rig.

    Args:
        waypoints: Vec3 messages; none withdraws the route.

    Raises:
        InputError: There is a single one, or too many, or a number is not finite.
    """
    if len(waypoints) == 1 or len(waypoints) > _MAX_WAYPOINTS:
        raise InputError(f"route: {len(waypoints)} waypoints; 2 to {_MAX_WAYPOINTS} are a route, none withdraws it")
    found = np.asarray([[point.x, point.y, point.z] for point in waypoints], dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(found).all():
        raise InputError("route: waypoints hold NaN or infinite numbers")
    return found


def route_in_local(stamp_us: int, waypoint_N3: NDArray[np.float64], pose: RigPose) -> Route:
    """Move a route into the local frame.

    Args:
        stamp_us: Time of the route.
        waypoint_N3: In the rig at this time.
        pose: The rig at this time.
    """
    xyz_N3 = waypoint_N3 @ pose.rotation().T + pose.xyz
    return Route(stamp_ns=1000 * stamp_us, frame_id=FRAME, xy_N2=xyz_N3[:, :2])


def command_of(waypoint_N3: NDArray[np.float64]) -> DrivingCommand:
    """Derive the driving command from the route: left or right before and in a bend as tight as one at a junction.

    Args:
        waypoint_N3: In the rig, at least two.
    """
    xy = waypoint_N3[:, :2]
    edges = np.diff(xy, axis=0)
    middle_m = 0.5 * (arc_length(xy)[:-1] + arc_length(xy)[1:])
    heading = np.unwrap(np.arctan2(edges[:, 1], edges[:, 0]))
    begin = np.arange(0.0, COMMAND_DISTANCE_M, 2.0)
    turn = np.interp(begin + _TURN_LENGTH_M, middle_m, heading) - np.interp(begin, middle_m, heading)
    return turn_command(float(turn[np.argmax(np.abs(turn))]))
