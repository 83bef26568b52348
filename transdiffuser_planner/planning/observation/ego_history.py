"""The ego's past: interpolation of odometry, its discontinuities and the history tensor."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.geometry import local_from_global, wrapped
from transdiffuser_planner.core.types import EgoState

MAX_GAP_NS = 500_000_000
POSITION_JUMP_M = 0.25
HEADING_JUMP_RAD = 0.05
SPEED_JUMP_MPS = 1.0
_SAME_PLACE_M = 0.01
_SAME_HEADING_RAD = 0.001
_MAX_ACCEL_MPS2 = 12.0
_MAX_YAW_ACCEL_RADPS2 = 4.0


def odometry_in_base(ego: EgoState, base_from_child_x_m: float) -> EgoState:
    """Move odometry of a child frame on the vehicle's axis to base_link.

    Args:
        ego: Pose and velocities of the child frame.
        base_from_child_x_m: Position of the child frame in base_link, along x.

    Returns:
        Pose and velocities of base_link; heading, forward speed and yaw rate are the same for a rigid vehicle.
    """
    if base_from_child_x_m == 0.0:
        return ego
    return replace(
        ego,
        x_m=ego.x_m - base_from_child_x_m * math.cos(ego.heading_rad),
        y_m=ego.y_m - base_from_child_x_m * math.sin(ego.heading_rad),
        vy_mps=ego.vy_mps - ego.yaw_rate_radps * base_from_child_x_m,
    )


def is_discontinuity(previous: EgoState, current: EgoState) -> bool:
    """Whether the motion between two states is impossible for a vehicle, or the clock jumped.

    The position is compared with the prediction of the mean velocity; real odometry at 10 Hz stays far below the limits.

    Args:
        previous: Earlier state.
        current: Later state.
    """
    dt = (current.stamp_ns - previous.stamp_ns) * 1e-9
    if dt <= 0.0 or dt > MAX_GAP_NS * 1e-9 or previous.frame_id != current.frame_id:
        return True
    speed_step = abs(current.vx_mps - previous.vx_mps)
    if speed_step > SPEED_JUMP_MPS + _MAX_ACCEL_MPS2 * dt:
        return True
    yaw_rate = 0.5 * (previous.yaw_rate_radps + current.yaw_rate_radps)
    turned = wrapped(current.heading_rad - previous.heading_rad)
    if abs(turned - yaw_rate * dt) > HEADING_JUMP_RAD + _MAX_YAW_ACCEL_RADPS2 * dt * dt:
        return True
    speed = 0.5 * (previous.vx_mps + current.vx_mps)
    heading = previous.heading_rad + 0.5 * turned
    gap_x = current.x_m - previous.x_m - speed * dt * np.cos(heading)
    gap_y = current.y_m - previous.y_m - speed * dt * np.sin(heading)
    return bool(np.hypot(gap_x, gap_y) > POSITION_JUMP_M + 0.1 * abs(speed) * dt)


def jump_text(previous: EgoState, current: EgoState) -> str:
    """Describe a discontinuity of odometry in one line."""
    if current.frame_id != previous.frame_id:
        return "odometry: its frame changed; its history starts over"
    if current.stamp_ns - previous.stamp_ns > MAX_GAP_NS:
        return "odometry: its stamps jumped ahead; its history starts over"
    return "odometry jumped farther than a vehicle can move; its history starts over"


def _stamp_of(state: EgoState) -> int:
    return state.stamp_ns


def interpolate(states: Sequence[EgoState], stamp_ns: int) -> EgoState | None:
    """Interpolate the state at a stamp linearly; up to 50 ms beyond the ends it is extrapolated with its velocity.

    Args:
        states: Ordered by stamp, without discontinuities.
        stamp_ns: Time of the result.

    Returns:
        The state, or None when the stamp is further outside.
    """
    if not states:
        return None
    right = bisect.bisect_left(states, stamp_ns, key=_stamp_of)
    if right < len(states) and states[right].stamp_ns == stamp_ns:
        return states[right]
    if 0 < right < len(states):
        a, b = states[right - 1], states[right]
        w = (stamp_ns - a.stamp_ns) / (b.stamp_ns - a.stamp_ns)
        return EgoState(
            stamp_ns=stamp_ns,
            frame_id=a.frame_id,
            x_m=a.x_m + w * (b.x_m - a.x_m),
            y_m=a.y_m + w * (b.y_m - a.y_m),
            z_m=a.z_m + w * (b.z_m - a.z_m),
            heading_rad=wrapped(a.heading_rad + w * wrapped(b.heading_rad - a.heading_rad)),
            vx_mps=a.vx_mps + w * (b.vx_mps - a.vx_mps),
            vy_mps=a.vy_mps + w * (b.vy_mps - a.vy_mps),
            yaw_rate_radps=a.yaw_rate_radps + w * (b.yaw_rate_radps - a.yaw_rate_radps),
        )
    end = states[0] if right == 0 else states[-1]
    return extrapolate(end, stamp_ns) if abs(stamp_ns - end.stamp_ns) <= 50_000_000 else None


def extrapolate(state: EgoState, stamp_ns: int) -> EgoState:
    """Move a state to another stamp with constant speed and yaw rate."""
    dt = (stamp_ns - state.stamp_ns) * 1e-9
    heading = state.heading_rad + 0.5 * dt * state.yaw_rate_radps
    return replace(
        state,
        stamp_ns=stamp_ns,
        x_m=state.x_m + dt * (state.vx_mps * float(np.cos(heading)) - state.vy_mps * float(np.sin(heading))),
        y_m=state.y_m + dt * (state.vx_mps * float(np.sin(heading)) + state.vy_mps * float(np.cos(heading))),
        heading_rad=wrapped(state.heading_rad + dt * state.yaw_rate_radps),
    )


def base_motion(ego: EgoState, states: Sequence[EgoState], stamp_ns: int) -> tuple[float, float, float] | None:
    """Return the pose (x, y, heading) of base_link at another stamp in base_link of a state.

    Args:
        ego: The state.
        states: Odometry around both stamps, ordered, without discontinuities, in the same frame.
        stamp_ns: The other stamp.

    Returns:
        Meters and rad; None when the state at that stamp is unknown or the vehicle did not move between the two.
    """
    if stamp_ns == ego.stamp_ns:
        return None
    state = interpolate(states, stamp_ns)
    if state is None:
        return None
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    x_m, y_m, heading_rad = map(float, local_from_global(origin, [state.x_m, state.y_m, state.heading_rad]))
    if math.hypot(x_m, y_m) < _SAME_PLACE_M and abs(heading_rad) < _SAME_HEADING_RAD:
        return None
    return x_m, y_m, heading_rad


def history_tensor(
    ego: EgoState, history: Sequence[EgoState], contract: ModelContract
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute past poses in the current base_link.

    Args:
        ego: Current state.
        history: States up to the current one, oldest first, without discontinuities, in the same frame.
        contract: Number and interval of history steps.

    Returns:
        Poses (S, 3): x, y, heading, oldest first, zeros where unknown; validity (S,), 1.0 or 0.0.
    """
    poses = np.zeros((contract.num_history, 3), dtype=np.float32)
    valid = np.zeros(contract.num_history, dtype=np.float32)
    states = [state for state in history if state.stamp_ns < ego.stamp_ns] + [ego]
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    past = [interpolate(states, ego.stamp_ns + round(time_s * 1e9)) for time_s in contract.history_times_s]
    rows = [row for row, state in enumerate(past) if state is not None]
    if rows:
        known = [[state.x_m, state.y_m, state.heading_rad] for state in past if state is not None]
        poses[rows], valid[rows] = local_from_global(origin, known), 1.0
    return poses, valid
