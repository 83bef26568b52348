"""Simulated execution of plans: poses at 10 Hz, an LQR tracker, a kinematic bicycle.

M plans, T plan steps, S = 41 steps of 0.1 s, E = 40 steps between them, W = 10 steps of look-ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dptsv

from transdiffuser_planner.metrics.pdm.geometry.boxes import PACIFICA
from transdiffuser_planner.metrics.pdm.scene import NUM_STEPS, STEP_S, EgoState

FloatArray = NDArray[np.float64]

PI, TURN = math.pi, 2.0 * math.pi
LOOK_AHEAD = 10
JERK_PENALTY, CURVATURE_RATE_PENALTY, CURVATURE_PENALTY = 1e-4, 1e-2, 1e-10
SPEED_GAIN = 1.0 / 11.0 * 10.0  # LQR over one second: q / (q + r) with q = 10, r = 1
STOP_GAIN, STOP_SPEED_MPS = 0.5, 0.2
OFFSET_WEIGHT, HEADING_WEIGHT, STEERING_RATE_WEIGHT = 1.0, 10.0, 1.0
ACCELERATION_LAG_S, STEERING_LAG_S = 0.2, 0.05
MAX_STEERING_RAD = math.pi / 3.0
DRIVE_S = 100_000 * 1e-6
"""A step of the bicycle: as a float one digit below 0.1, which decides for corners exactly on a border."""

FLOATS_ARE_FASTER_UP_TO = 6
"""Number of plans; above it one array operation for all plans is faster than floats plan by plan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """Motion of M simulated vehicles at the center of the rear axle, every 0.1 s from time 0.

    Attributes:
        pose_MS3: x, y, heading in the map frame.
        velocity_MS2: Forward and left, m/s.
        acceleration_MS2: Forward and left, m/s^2.
        yaw_rate_MS: Left positive, rad/s.
        yaw_acceleration_MS: Left positive, rad/s^2.
    """

    pose_MS3: FloatArray
    velocity_MS2: FloatArray
    acceleration_MS2: FloatArray
    yaw_rate_MS: FloatArray
    yaw_acceleration_MS: FloatArray

    @property
    def speed_MS(self) -> FloatArray:
        """Magnitude of the velocity."""
        return np.hypot(self.velocity_MS2[..., 0], self.velocity_MS2[..., 1])

    def of(self, plans: slice) -> Motion:
        """Select some of the plans."""
        return Motion(
            pose_MS3=self.pose_MS3[plans],
            velocity_MS2=self.velocity_MS2[plans],
            acceleration_MS2=self.acceleration_MS2[plans],
            yaw_rate_MS=self.yaw_rate_MS[plans],
            yaw_acceleration_MS=self.yaw_acceleration_MS[plans],
        )


def wrap_rad(angle: Any) -> Any:
    """The same angle in [-pi, pi)."""
    return (angle + PI) % TURN - PI


def sample_stamps_us(start_us: int) -> NDArray[np.int64]:
    """Stamps of the 41 scored steps, truncated to whole microseconds as in the devkit."""
    times_s = np.arange(NUM_STEPS + 1) * STEP_S + start_us * 1e-6
    return (times_s * 1e6).astype(np.int64)


def through_center(pose_X3: FloatArray) -> FloatArray:
    """Poses moved to the box's center and back: rounding of the last bit, as in the devkit's states."""
    shift_X2 = PACIFICA.center_offset_m * np.stack([np.cos(pose_X3[..., 2]), np.sin(pose_X3[..., 2])], axis=-1)
    return np.concatenate([(pose_X3[..., :2] + shift_X2) - shift_X2, pose_X3[..., 2:]], axis=-1)


def start_pose(ego: EgoState) -> FloatArray:
    """Pose (3,) of the ego's rear axle in the map frame."""
    return through_center(ego.pose_3)


def absolute_poses(ego: EgoState, plans_MT3: FloatArray) -> FloatArray:
    """Poses in the map frame of poses relative to the ego's rear axle."""
    x, y, heading = start_pose(ego)
    cos, sin = np.cos(heading), np.sin(heading)
    cos_MT, sin_MT = np.cos(plans_MT3[..., 2]), np.sin(plans_MT3[..., 2])
    return np.stack(
        [
            cos * plans_MT3[..., 0] - sin * plans_MT3[..., 1] + x,
            sin * plans_MT3[..., 0] + cos * plans_MT3[..., 1] + y,
            np.arctan2(sin * cos_MT + cos * sin_MT, cos * cos_MT - sin * sin_MT),
        ],
        axis=-1,
    )


def interpolate_poses(stamp_us_K: NDArray[np.int64], pose_MK3: FloatArray, at_us_S: NDArray[np.int64]) -> FloatArray:
    """Interpolate poses linearly in position and unwrapped heading; times outside are clamped."""
    at_us_S = np.clip(at_us_S, stamp_us_K[0], stamp_us_K[-1])
    upper_S = np.clip(np.searchsorted(stamp_us_K, at_us_S), 1, len(stamp_us_K) - 1)
    pose_MK3 = np.concatenate([pose_MK3[..., :2], np.unwrap(pose_MK3[..., 2])[..., None]], axis=-1)
    low, high = pose_MK3[:, upper_S - 1], pose_MK3[:, upper_S]
    slope = (high - low) / (stamp_us_K[upper_S] - stamp_us_K[upper_S - 1]).astype(np.float64)[:, None]
    pose_MS3 = slope * (at_us_S - stamp_us_K[upper_S - 1]).astype(np.float64)[:, None] + low
    pose_MS3[..., 2] = wrap_rad(pose_MS3[..., 2])
    return np.asarray(pose_MS3)


def plan_poses(ego: EgoState, plans_MT3: FloatArray, interval_s: float) -> FloatArray:
    """Poses (M, 41, 3) of plans in the map frame at 10 Hz, starting at the ego's pose."""
    num_plans, num_steps = plans_MT3.shape[:2]
    times_s = np.arange(num_steps) * interval_s + interval_s + ego.stamp_us * 1e-6
    stamp_us = np.concatenate([[ego.stamp_us], (times_s * 1e6).astype(np.int64)])
    start_M13 = np.broadcast_to(start_pose(ego), (num_plans, 1, 3))
    pose_MK3 = np.concatenate([start_M13, through_center(absolute_poses(ego, plans_MT3))], axis=1)
    return through_center(interpolate_poses(stamp_us, pose_MK3, sample_stamps_us(ego.stamp_us)))


def _velocity_fit() -> FloatArray:
    """Matrix (E, E) from distances per step to speeds: least squares with small accelerations.

    The devkit calls the penalty one of jerk, but all its rows except the last hold a single -1: it weights the accelerations
    themselves, and only for the last two their difference. Equal scores need equal matrices.
    """
    integrate = np.tril(np.full((NUM_STEPS, NUM_STEPS), STEP_S))
    integrate[:, 0] = 1.0
    penalty = -np.eye(NUM_STEPS - 2, NUM_STEPS, k=1)
    penalty[-1, -1] = 1.0
    normal = STEP_S**2 * integrate.T @ integrate + JERK_PENALTY * penalty.T @ penalty
    return np.asarray(integrate @ np.linalg.solve(normal, STEP_S * integrate.T))


VELOCITY_FIT_EE: Final = _velocity_fit()


def speeds_and_curvatures(pose_MS3: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Speed and curvature (M, E) that fit the poses best with small changes."""
    step_ME3 = np.diff(pose_MS3, axis=1)
    heading_ME = pose_MS3[:, :-1, 2]
    forward_ME = step_ME3[..., 0] * np.cos(heading_ME) + step_ME3[..., 1] * np.sin(heading_ME)
    speed_ME = forward_ME @ VELOCITY_FIT_EE.T
    turn_ME = wrap_rad(step_ME3[..., 2])

    smooth = CURVATURE_RATE_PENALTY / STEP_S**2
    diagonal_ME = (STEP_S * speed_ME) ** 2 + 2.0 * smooth
    diagonal_ME[:, 0] += CURVATURE_PENALTY - smooth
    diagonal_ME[:, -1] -= smooth
    off_diagonal_E = np.full(NUM_STEPS - 1, -smooth)
    right_ME = STEP_S * speed_ME * turn_ME
    curvature_ME = np.stack(
        [dptsv(diagonal, off_diagonal_E, right)[2] for diagonal, right in zip(diagonal_ME, right_ME, strict=True)]
    )
    return speed_ME, curvature_ME


def _pair_sums() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coefficients of speed^2, speed * w and w^2 in the tracker's double sums, speeds being v_j = speed + j w.

    Returns:
        For sum_j v_j sum_{i<j} v_i (3,), for sum_j v_j sum_{i<j} i v_i (3,), and for sum_i v_i k_i sum_{j>i} v_j the
        weights of the curvatures k (W, 3).
    """
    i, j = np.meshgrid(np.arange(LOOK_AHEAD), np.arange(LOOK_AHEAD), indexing="ij")
    pair = (i < j).astype(np.float64)
    products = np.stack([pair, pair * (i + j), pair * i * j], axis=-1)
    return products.sum(axis=(0, 1)), (products * i[..., None]).sum(axis=(0, 1)), products.sum(axis=1)


(HEADING_1, HEADING_2, HEADING_3), (RATE_1, RATE_2, RATE_3), CURVATURE_W3 = (x.tolist() for x in _pair_sums())
CURVATURE_SUMS_W5: Final = np.concatenate(
    [np.ones((LOOK_AHEAD, 1)), np.arange(LOOK_AHEAD)[:, None], np.asarray(CURVATURE_W3)], axis=1
)

_FLOATS = SimpleNamespace(
    cos=math.cos, sin=math.sin, tan=math.tan, least=min, most=max, choose=lambda test, yes, no: yes if test else no
)
_ARRAYS = SimpleNamespace(cos=np.cos, sin=np.sin, tan=np.tan, least=np.minimum, most=np.maximum, choose=np.where)


def _step(math: SimpleNamespace, state: tuple[Any, ...], reference: tuple[Any, ...]) -> tuple[Any, ...]:
    """Simulate one tenth of a second of tracking, for one plan in floats or for all in arrays.

    Args:
        math: Functions for floats or arrays.
        state: x, y, heading, speed, acceleration, steering angle.
        reference: Reference pose, its cosine and sine, speed one second ahead, five weighted sums of the curvatures until
            then.
    """
    x, y, heading, speed, acceleration, steering = state
    x_ref, y_ref, heading_ref, cos_ref, sin_ref, speed_ref, k0, k1, k2, k3, k4 = reference
    stop = (speed_ref <= STOP_SPEED_MPS) & (speed <= STOP_SPEED_MPS)
    command = math.choose(stop, STOP_GAIN, SPEED_GAIN) * (speed_ref - speed)

    # Errors one second ahead at the present steering angle, and their change per rad/s of steering rate.
    gain = command * STEP_S
    base = PACIFICA.wheelbase_m
    speed_2, speed_gain, gain_2 = speed * speed, speed * gain, gain * gain
    distance = 10.0 * speed + 45.0 * gain
    offset = (y - y_ref) * cos_ref - (x - x_ref) * sin_ref
    error = (heading - heading_ref + PI) % TURN - PI
    error_ahead = error + STEP_S * (steering * distance / base - (speed * k0 + gain * k1))
    offset_ahead = offset + STEP_S * error * distance
    offset_ahead += STEP_S**2 * (
        steering / base * (HEADING_1 * speed_2 + HEADING_2 * speed_gain + HEADING_3 * gain_2)
        - (speed_2 * k2 + speed_gain * k3 + gain_2 * k4)
    )
    error_per_rate = STEP_S**2 / base * (45.0 * speed + 285.0 * gain)
    offset_per_rate = STEP_S**3 / base * (RATE_1 * speed_2 + RATE_2 * speed_gain + RATE_3 * gain_2)
    push = OFFSET_WEIGHT * offset_per_rate * offset_ahead + HEADING_WEIGHT * error_per_rate * (
        (error_ahead + PI) % TURN - PI
    )
    effort = OFFSET_WEIGHT * offset_per_rate**2 + HEADING_WEIGHT * error_per_rate**2 + STEERING_RATE_WEIGHT
    rate = math.choose(stop, 0.0, -push / effort)

    acceleration = acceleration + DRIVE_S / (DRIVE_S + ACCELERATION_LAG_S) * (command - acceleration)
    turned = steering + DRIVE_S / (DRIVE_S + STEERING_LAG_S) * (DRIVE_S * rate)
    return (
        x + speed * math.cos(heading) * DRIVE_S,
        y + speed * math.sin(heading) * DRIVE_S,
        (heading + speed * math.tan(steering) / base * DRIVE_S + PI) % TURN - PI,
        speed + acceleration * DRIVE_S,
        acceleration,
        math.least(math.most(turned, -MAX_STEERING_RAD), MAX_STEERING_RAD),
    )


def _references(pose_MS3: FloatArray) -> FloatArray:
    """References of `_step` at each step, (E, 11, M)."""
    speed_ME, curvature_ME = speeds_and_curvatures(pose_MS3)
    last = NUM_STEPS - 1
    ahead_EW = np.minimum(np.arange(NUM_STEPS)[:, None] + np.arange(LOOK_AHEAD), last)
    sums_ME5 = curvature_ME[:, ahead_EW] @ CURVATURE_SUMS_W5
    speed_ahead_ME = speed_ME[:, np.minimum(np.arange(NUM_STEPS) + LOOK_AHEAD, last)]
    pose_ME3 = pose_MS3[:, :-1]
    heading_ME1 = pose_ME3[..., 2:]
    stacked = np.concatenate(
        [pose_ME3, np.cos(heading_ME1), np.sin(heading_ME1), speed_ahead_ME[..., None], sums_ME5], axis=-1
    )
    return np.ascontiguousarray(stacked.transpose(1, 2, 0))


def _drive(math: SimpleNamespace, start: tuple[Any, ...], references: Any) -> list[tuple[Any, ...]]:
    step: Callable[..., tuple[Any, ...]] = _step
    states = [start]
    for reference in references:
        states.append(step(math, states[-1], reference))
    return states


def simulate(ego: EgoState, pose_MS3: FloatArray, *, floats_up_to: int = FLOATS_ARE_FASTER_UP_TO) -> Motion:
    """Simulate M plans, given as poses (M, 41, 3) in the map frame, from the ego's state on.

    Args:
        ego: Initial state of all.
        pose_MS3: Reference poses to follow.
        floats_up_to: Number of plans up to which Python floats are used instead of arrays; only the run time differs.
    """
    num_plans = len(pose_MS3)
    references = _references(pose_MS3)
    start = (*start_pose(ego).tolist(), float(ego.velocity_2[0]), float(ego.acceleration_2[0]), float(ego.steering_rad))
    if num_plans <= floats_up_to:
        plans = [_drive(_FLOATS, start, references[..., m].tolist()) for m in range(num_plans)]
        state_MS6 = np.asarray(plans)
    else:
        states = _drive(_ARRAYS, tuple(np.full(num_plans, value) for value in start), references)
        state_MS6 = np.asarray(states).transpose(2, 0, 1)

    velocity_MS2, acceleration_MS2 = np.zeros((2, num_plans, NUM_STEPS + 1, 2))
    velocity_MS2[..., 0], acceleration_MS2[..., 0] = state_MS6[..., 3], state_MS6[..., 4]
    velocity_MS2[:, 0], acceleration_MS2[:, 0] = ego.velocity_2, ego.acceleration_2
    yaw_rate_MS = state_MS6[..., 3] * np.tan(state_MS6[..., 5]) / PACIFICA.wheelbase_m
    yaw_rate_MS[:, 0] = ego.yaw_rate_radps
    yaw_acceleration_MS = np.empty_like(yaw_rate_MS)
    yaw_acceleration_MS[:, 0] = ego.yaw_acceleration_radps2
    yaw_acceleration_MS[:, 1:] = np.diff(yaw_rate_MS, axis=1) / DRIVE_S
    return Motion(
        pose_MS3=state_MS6[..., :3],
        velocity_MS2=velocity_MS2,
        acceleration_MS2=acceleration_MS2,
        yaw_rate_MS=yaw_rate_MS,
        yaw_acceleration_MS=yaw_acceleration_MS,
    )
