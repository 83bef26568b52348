"""Perturbed starts: the recorded ego is offset from its track in position, heading and speed, and drives back to it.

A planner trained only on the expert's track cannot recover from its own errors. Every 8 to 12 s the ego jumps
to a perturbed state; from there the lateral offset decays over distance and the lead or lag over time, both as
quintics, so that the recovery is smooth and kinematically feasible at any speed. A recovery that is uncomfortable,
leaves the road or touches logged traffic is retried with a smaller perturbation, then dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import overlapping_agents
from transdiffuser_planner.simulation.ego.expert import (
    STEP_NS,
    STEP_S,
    ExpertPath,
    ExpertTrack,
    poses_from_motion,
    rates,
)
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

FloatArray = NDArray[np.float64]

MIN_GAP_S, MAX_GAP_S = 8.0, 12.0
MAX_LATERAL_M, MAX_HEADING_RAD = 1.2, 0.2
MIN_SPEED_FACTOR, MAX_SPEED_FACTOR = 0.6, 1.3
MIN_SPEED_MPS = 2.0
TIMING_RECOVERY_S = (4.0, 5.0, 6.0, 7.0)
SHRINK = (1.0, 0.7, 0.45, 0.25)
CLEARANCE_M = 0.2
# Limits of a recovery; stricter than the comfort limits of labels.
MAX_ACCEL_MPS2, MAX_DECEL_MPS2, MAX_LATERAL_MPS2 = 2.0, 3.2, 3.5
MAX_JERK_MPS3, MAX_YAW_RATE_RADPS, MAX_YAW_ACCEL_RADPS2 = 3.5, 0.8, 1.6
MAX_CURVATURE_PER_M = 0.18


@dataclass(frozen=True, kw_only=True, slots=True)
class Perturbation:
    """State offset from the track.

    Attributes:
        lateral_m: Offset, positive left.
        heading_rad: Heading error.
        speed_factor: Relative to the expert's speed.
    """

    lateral_m: float
    heading_rad: float
    speed_factor: float

    def scaled(self, factor: float) -> Perturbation:
        """Return the perturbation scaled towards zero.

        Args:
            factor: 0 for no perturbation, 1 for no change.
        """
        return Perturbation(
            lateral_m=self.lateral_m * factor,
            heading_rad=self.heading_rad * factor,
            speed_factor=1.0 + (self.speed_factor - 1.0) * factor,
        )


def perturbed_track(
    path: ExpertPath,
    worlds: Sequence[WorldState],
    random: np.random.Generator,
    on_road: Callable[[EgoPose], bool],
    vehicle: VehicleModel,
) -> ExpertTrack:
    """Insert jumps to perturbed states and recoveries into the expert's track.

    Args:
        path: The expert's path and timing.
        worlds: Logged states at the same stamps; recoveries must not touch their agents.
        random: Draws times and sizes of the perturbations.
        on_road: Returns whether the ego at a pose is on the road.
        vehicle: The ego's dimensions.
    """

    def is_free(recovery: Sequence[EgoPose], meanwhile: Sequence[WorldState]) -> bool:
        return _is_free(recovery, meanwhile, on_road, vehicle)

    poses = list(path.track().poses)
    jumps = []
    first = int(random.uniform(3.0, MIN_GAP_S) / STEP_S)
    while first < len(poses) - 10:
        start = Perturbation(
            lateral_m=float(random.uniform(-MAX_LATERAL_M, MAX_LATERAL_M)),
            heading_rad=float(random.uniform(-MAX_HEADING_RAD, MAX_HEADING_RAD)),
            speed_factor=float(random.uniform(MIN_SPEED_FACTOR, MAX_SPEED_FACTOR)),
        )
        recovery = _largest_feasible(path, first, start, worlds, is_free)
        if recovery is not None:
            poses[first : first + len(recovery)] = recovery
            jumps.append(first * STEP_NS)
        first += int(random.uniform(MIN_GAP_S, MAX_GAP_S) / STEP_S)
    return ExpertTrack(poses=tuple(poses), jump_stamps_ns=tuple(jumps))


def recover(path: ExpertPath, first: int, start: Perturbation, timing_recovery_s: float) -> list[EgoPose] | None:
    """Compute poses from a perturbed state back to the track.

    With s0(t) the expert's distance, the ego is at s(t) = s0(t) + lead(t), d(s) left of the path:

        lead: quintic over timing_recovery_s with lead = lead'' = 0, lead' = (factor - 1) v at first, all 0 at the end
        d: quintic over a length of max(14 m, 3 s of driving), d = lateral, d' = tan(heading error) at first, all 0 at the end

    Args:
        path: The expert's path and timing.
        first: Index of the first perturbed sample.
        start: The perturbed state.
        timing_recovery_s: Time until lead or lag is zero.

    Returns:
        Poses until both offsets are zero or the track ends, or None when the ego would have to reverse.
    """
    lead_samples = round(timing_recovery_s / STEP_S)
    speed = float(rates(path.s_m_K)[0][first])
    s_log = path.s_m_K[first:]
    if speed < MIN_SPEED_MPS or len(s_log) < 12:
        return None
    tau = np.minimum(np.arange(len(s_log)) / lead_samples, 1.0)
    s = s_log + _quintic_decay(tau, 0.0, (start.speed_factor - 1.0) * speed * timing_recovery_s)
    if (np.diff(s) < -1e-6).any():
        return None
    length = max(14.0, 3.0 * speed * start.speed_factor)
    share = np.clip((s - s[0]) / length, 0.0, 1.0)
    slope = np.tan(start.heading_rad) * length
    offset = _quintic_decay(share, start.lateral_m, slope)
    offset_slope = _quintic_decay_slope(share, start.lateral_m, slope)
    done = np.flatnonzero((tau >= 1.0) & (share >= 1.0))
    stop = int(done[0]) + 1 if len(done) else len(s)
    return _offset_poses(path, s, offset, offset_slope / length)[:stop]


def _offset_poses(path: ExpertPath, s: FloatArray, offset: FloatArray, slope: FloatArray) -> list[EgoPose]:
    """Return poses at distances s along the path, offset to the left with a slope d(offset) / ds."""
    xy, heading, curvature = path.at(s)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    stretch = 1.0 - curvature * offset
    bent = heading + np.arctan2(slope, stretch)
    points = xy + offset[:, None] * normal
    traveled = np.hypot(stretch, slope) * np.gradient(s, STEP_S)
    distance = np.concatenate([[0.0], np.cumsum(0.5 * (traveled[1:] + traveled[:-1]) * STEP_S)])
    v, a = rates(distance)
    turning = np.gradient(bent, STEP_S)
    kappa = np.where(v > 0.3, turning / np.maximum(v, 0.3), curvature)
    return poses_from_motion(points, bent, kappa, v, a)


def _quintic_decay(u: FloatArray, start: float, slope: float) -> FloatArray:
    """Evaluate the quintic on 0..1 from (start, slope, 0) to (0, 0, 0) in value, first and second derivative."""
    c3, c4, c5 = -10.0 * start - 6.0 * slope, 15.0 * start + 8.0 * slope, -6.0 * start - 3.0 * slope
    return np.asarray(start + slope * u + c3 * u**3 + c4 * u**4 + c5 * u**5)


def _quintic_decay_slope(u: FloatArray, start: float, slope: float) -> FloatArray:
    c3, c4, c5 = -10.0 * start - 6.0 * slope, 15.0 * start + 8.0 * slope, -6.0 * start - 3.0 * slope
    return np.asarray(slope + 3.0 * c3 * u**2 + 4.0 * c4 * u**3 + 5.0 * c5 * u**4)


def _largest_feasible(
    path: ExpertPath,
    first: int,
    start: Perturbation,
    worlds: Sequence[WorldState],
    is_free: Callable[[Sequence[EgoPose], Sequence[WorldState]], bool],
) -> list[EgoPose] | None:
    """Return the recovery from the largest feasible perturbation, or None."""
    for factor in SHRINK:
        for timing_recovery_s in TIMING_RECOVERY_S:
            poses = recover(path, first, start.scaled(factor), timing_recovery_s)
            if poses and is_gentle(poses) and is_free(poses, worlds[first : first + len(poses)]):
                return poses
    return None


def is_gentle(poses: Sequence[EgoPose]) -> bool:
    """Return whether the motion stays within the limits of recoveries.

    Args:
        poses: At 10 Hz.
    """
    v = np.asarray([p.speed_mps for p in poses])
    a = np.asarray([p.acceleration_mps2 for p in poses])
    kappa = np.asarray([p.curvature_per_m for p in poses])
    yaw_rate = v * kappa
    jerk, yaw_accel = np.gradient(a, STEP_S), np.gradient(yaw_rate, STEP_S)
    return bool(
        a.max() < MAX_ACCEL_MPS2
        and a.min() > -MAX_DECEL_MPS2
        and np.abs(v * yaw_rate).max() < MAX_LATERAL_MPS2
        and np.abs(jerk).max() < MAX_JERK_MPS3
        and np.abs(yaw_rate).max() < MAX_YAW_RATE_RADPS
        and np.abs(yaw_accel).max() < MAX_YAW_ACCEL_RADPS2
        and np.abs(kappa[v > 0.5]).max(initial=0.0) < MAX_CURVATURE_PER_M
    )


def _is_free(
    poses: Sequence[EgoPose],
    worlds: Sequence[WorldState],
    on_road: Callable[[EgoPose], bool],
    vehicle: VehicleModel,
) -> bool:
    for pose, world in zip(poses, worlds, strict=True):
        if overlapping_agents(pose, world.agents, vehicle, CLEARANCE_M).any() or not on_road(pose):
            return False
    return True
