"""The expert's trajectory for labels: SUMO's drive of the ego, smoothed.

SUMO's raw poses are not comfortable: its heading steps at lane joints and its speed is jerky. The track of the front
bumper is therefore smoothed over space, the distance driven over time, and the car follows the result so
that its footprint keeps in its lane in bends (``balanced_path.py``). The smoothing is not causal, so the result is for labels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.geometry import arc_length, resample_polyline
from transdiffuser_planner.core.smoothing import gaussian_smoothed
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.ego.balanced_path import balanced_path
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]

SPACE_SIGMA_M = 1.5
TIME_SIGMA_S = 0.5
PATH_STEP_M = 0.25
STEP_S = 0.1
STEP_NS = 100_000_000
BRAKE_LIGHT_MPS2 = -0.3
STANDING_MPS = 0.1
# Minimum length for smoothing.
MIN_TRACK_M = 1.0
# Extension of the path at both ends; for long vehicles measured from the rear axle.
PAD_M, PAD_BEHIND_AXLE_M = 15.0, 11.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertTrack:
    """Poses of the recorded ego at 10 Hz, with jumps to perturbed states.

    Attributes:
        poses: At stamps 0, 0.1, 0.2 s ...
        jump_stamps_ns: Stamps of the first pose after each jump, ascending. Readers must not look across a jump.
    """

    poses: tuple[EgoPose, ...]
    jump_stamps_ns: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertPath:
    """Smooth path of the rear axle and the distance driven along it.

    Attributes:
        xy_P2: Path every 0.25 m, map frame.
        heading_rad_P: Along the path, unwrapped.
        curvature_per_m_P: Of the path, positive left.
        s_m_K: Distance along the path at 10 Hz from stamp 0, never decreasing.
    """

    xy_P2: FloatArray
    heading_rad_P: FloatArray
    curvature_per_m_P: FloatArray
    s_m_K: FloatArray

    def at(self, s_m: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return position (..., 2), heading and curvature at distances along the path.

        Args:
            s_m: Distances along the path, m.
        """
        at = np.asarray(s_m, dtype=np.float64)
        grid = np.arange(len(self.xy_P2)) * PATH_STEP_M
        xy = np.stack([np.interp(at, grid, self.xy_P2[:, k]) for k in (0, 1)], axis=-1)
        heading = np.interp(at, grid, self.heading_rad_P)
        return xy, np.asarray(heading), np.asarray(np.interp(at, grid, self.curvature_per_m_P))

    def track(self) -> ExpertTrack:
        """Return the unperturbed track."""
        xy, heading, curvature = self.at(self.s_m_K)
        speed, acceleration = rates(self.s_m_K)
        return ExpertTrack(poses=tuple(poses_from_motion(xy, heading, curvature, speed, acceleration)))


def rates(s_m_K: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return speed and acceleration of a distance sampled at 10 Hz, by central differences.

    Args:
        s_m_K: Distance at 10 Hz, m.
    """
    speed = np.maximum(np.gradient(np.asarray(s_m_K, dtype=np.float64), STEP_S), 0.0)
    return np.asarray(speed), np.asarray(np.gradient(speed, STEP_S))


def poses_from_motion(
    xy_K2: FloatArray, heading_K: FloatArray, curvature_K: FloatArray, speed_K: FloatArray, acceleration_K: FloatArray
) -> list[EgoPose]:
    """Build poses from arrays; brake lights follow from speed and acceleration.

    Args:
        xy_K2: Map frame, m.
        heading_K: rad; wrapped in the result.
        curvature_K: 1/m, positive left.
        speed_K: m/s.
        acceleration_K: Along the heading, m/s².
    """
    wrapped = (heading_K + np.pi) % (2.0 * np.pi) - np.pi
    return [
        EgoPose(
            x_m=float(x),
            y_m=float(y),
            heading_rad=float(h),
            speed_mps=float(v),
            acceleration_mps2=float(a),
            curvature_per_m=float(k),
            braking=bool(a < BRAKE_LIGHT_MPS2 or v < STANDING_MPS),
        )
        for (x, y), h, k, v, a in zip(xy_K2, wrapped, curvature_K, speed_K, acceleration_K, strict=True)
    ]


def smooth_expert(front_xy_K2: ArrayLike, num_before: int, num_after: int, vehicle: VehicleModel) -> ExpertPath:
    """Smooth SUMO's drive.

    Args:
        front_xy_K2: Front bumper in the map frame at 10 Hz, from num_before samples before stamp 0 to num_after
            samples after the last stamp; the extra samples settle the filters.
        num_before: Samples before stamp 0.
        num_after: Samples after the last stamp.
        vehicle: Dimensions of the ego.

    Raises:
        SimulationError: The ego hardly moved, so there is no path.
    """
    front = np.asarray(front_xy_K2, dtype=np.float64)
    raw_s = arc_length(front)
    if raw_s[-1] < MIN_TRACK_M:
        raise SimulationError(f"expert: expected the ego to move, it drove {raw_s[-1]:.1f} m; draw another seed")
    line, raw_to_smooth = _smooth_path(front, raw_s, max(PAD_M, vehicle.front_offset_m + PAD_BEHIND_AXLE_M))
    s_front = _smooth_distance(np.interp(raw_s, raw_to_smooth[0], raw_to_smooth[1]))
    driven = balanced_path(line, vehicle, SPACE_SIGMA_M)
    # The line begins long before the first front position, so that the guided point is on it from the start.
    s_guided = s_front - (vehicle.front_offset_m - driven.lead_m)
    s_rear = np.interp(s_guided, driven.line_m_P, driven.s_m_P)
    s_path = np.arange(0.0, driven.s_m_P[-1], PATH_STEP_M)
    heading = np.interp(s_path, driven.s_m_P, driven.heading_rad_P)
    stop = len(s_rear) - num_after
    return ExpertPath(
        xy_P2=resample_polyline(driven.xy_P2, s_path),
        heading_rad_P=heading,
        curvature_per_m_P=np.gradient(heading, PATH_STEP_M),
        s_m_K=s_rear[num_before:stop],
    )


def _smooth_path(
    front_K2: FloatArray, raw_s_K: FloatArray, pad_m: float
) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """The smoothed path, evenly sampled, and the map from raw distance to distance along it.

    Both ends are continued straight by pad_m: required by the filter and by the rear axle at the start.
    """
    moving = np.append(True, np.diff(raw_s_K) > 1e-6)
    xy, s = front_K2[moving], raw_s_K[moving]
    grid = np.arange(0.0, s[-1], PATH_STEP_M)
    even = np.stack([np.interp(grid, s, xy[:, k]) for k in (0, 1)], axis=-1)
    pad = int(pad_m / PATH_STEP_M)
    near = min(len(even) - 1, int(2.0 / PATH_STEP_M))
    ramp = np.arange(1, pad + 1)[:, None] * PATH_STEP_M
    before = even[0] - ramp[::-1] * _unit(even[near] - even[0])
    after = even[-1] + ramp * _unit(even[-1] - even[-1 - near])
    smooth = gaussian_smoothed(np.concatenate([before, even, after]), SPACE_SIGMA_M / PATH_STEP_M)
    trim = int(3.0 / PATH_STEP_M)
    smooth = smooth[trim:-trim]
    smooth_s = arc_length(smooth)
    raw = np.asarray((np.arange(len(smooth)) + trim - pad) * PATH_STEP_M, dtype=np.float64)
    path = resample_polyline(smooth, np.arange(0.0, smooth_s[-1], PATH_STEP_M))
    return path, (raw, smooth_s)


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / max(1e-9, float(np.hypot(*vector))))


def _smooth_distance(s_K: FloatArray) -> FloatArray:
    """Smooth the speed behind a distance over time; both ends keep their speed."""
    speed = np.diff(s_K) / STEP_S
    smooth = np.maximum(gaussian_smoothed(speed, TIME_SIGMA_S / STEP_S), 0.0)
    return np.asarray(s_K[0] + np.concatenate([[0.0], np.cumsum(smooth) * STEP_S]))
