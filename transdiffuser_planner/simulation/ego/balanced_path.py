"""Path of the rear axle with which a vehicle, tracked as trackers do, keeps its footprint in its lane in bends.

In a bend the front corners of a vehicle swing outwards and its rear cuts the corner. With curvature kappa of the line and
distance L from rear axle to front bumper, the front bumper is L² kappa / 2 farther outside than the rear axle, so the
swept area is centered when the rear axle runs L² kappa / 4 inside of the line. Trackers run wide of a plan, the LQR of the PDM
score by 0.5 to 1 m in narrow bends; INSIDE times that offset leaves room for it without touching the inner curb.

A point D ahead of the rear axle that stays on the line gives an offset of D² kappa / 2, and also the transitions: the rear axle
follows it like a trailer (tractrix), so it neither moves aside before a bend nor on straights, and its curvature is smooth.
Smoothing the line by a Gaussian of width sigma already moves it inside by sigma² kappa / 2; D is shorter by that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, resample_polyline
from transdiffuser_planner.core.vehicle import VehicleModel

FloatArray = NDArray[np.float64]

STEP_M = 0.1
# Offset to the inside relative to the one that centers the swept area.
INSIDE = 1.6
# Distance over which the guided point returns to the line after a bend that is narrower than the vehicle can steer.
RETURN_M = 3.0
# Share of the vehicle's largest curvature that is used, so that a tracker can correct errors.
USED_CURVATURE = 0.95
# Beyond this distance of the guided point from the line the limit is given up: the vehicle cannot take this bend, and labels
# reject such curvatures.
NEAR_M, BEYOND = 0.5, 3.0
# The line is searched this far ahead of the last projection.
SEARCH_M = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BalancedPath:
    """Motion of the rear axle while the guided point follows the line.

    Attributes:
        xy_P2: Rear axle, frame of the line, m.
        heading_rad_P: Of the vehicle, unwrapped.
        s_m_P: Distance driven by the rear axle.
        line_m_P: Arc length of the line next to the guided point, never decreasing.
        lead_m: Distance from rear axle to guided point.
    """

    xy_P2: FloatArray
    heading_rad_P: FloatArray
    s_m_P: FloatArray
    line_m_P: FloatArray
    lead_m: float


def guided_point_m(vehicle: VehicleModel, sigma_m: float) -> float:
    """Return the distance D of the guided point ahead of the rear axle.

    Args:
        vehicle: Dimensions.
        sigma_m: Width of the Gaussian that smoothed the line.
    """
    front_m = vehicle.front_offset_m
    return float(np.sqrt(max(0.5 * INSIDE * front_m**2 - sigma_m**2, (0.25 * front_m) ** 2)))


def balanced_path(line_K2: FloatArray, vehicle: VehicleModel, sigma_m: float) -> BalancedPath:
    """Drive the vehicle along a line.

    Args:
        line_K2: Smooth line, straight over the first vehicle length, evenly sampled.
        vehicle: Dimensions and largest steering angle.
        sigma_m: Width of the Gaussian that smoothed the line; 0 for a line as it is.
    """
    lead_m = guided_point_m(vehicle, sigma_m)
    fine_K2, heading_K = _fine_line(line_K2)
    steer_K = _follow(fine_K2, heading_K, lead_m, np.arctan(lead_m * USED_CURVATURE * vehicle.max_curvature_per_m))
    x_P, y_P, heading_P, line_P = steer_K.T
    rear_P2 = np.stack([x_P - lead_m * np.cos(heading_P), y_P - lead_m * np.sin(heading_P)], axis=-1)
    return BalancedPath(
        xy_P2=rear_P2,
        heading_rad_P=heading_P,
        s_m_P=arc_length(rear_P2),
        line_m_P=np.maximum.accumulate(line_P),
        lead_m=lead_m,
    )


def _fine_line(line_K2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points of a line every STEP_M and its unwrapped heading there."""
    line_s = arc_length(line_K2)
    direction = np.diff(line_K2, axis=0)
    heading = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
    fine_s = np.arange(0.0, line_s[-1], STEP_M)
    return resample_polyline(line_K2, fine_s), np.interp(fine_s, 0.5 * (line_s[1:] + line_s[:-1]), heading)


def _follow(fine_K2: FloatArray, heading_K: FloatArray, lead_m: float, largest_rad: float) -> FloatArray:
    """Drive the guided point along a line: its place, the vehicle's heading and the arc length next to it (P, 4)."""
    reach, last = int(SEARCH_M / STEP_M), len(fine_K2) - 1
    x, y, heading, at = float(fine_K2[0, 0]), float(fine_K2[0, 1]), float(heading_K[0]), 0
    rows: list[tuple[float, float, float, float]] = []
    while at < last and len(rows) < 3 * last:
        along, cos, sin = float(heading_K[at]), np.cos(heading_K[at]), np.sin(heading_K[at])
        dx, dy = x - float(fine_K2[at, 0]), y - float(fine_K2[at, 1])
        rows.append((x, y, heading, at * STEP_M + dx * cos + dy * sin))
        aside = dy * cos - dx * sin
        largest = min(largest_rad * (1.0 + max(abs(aside) - NEAR_M, 0.0) * BEYOND), 1.2)
        steer = float(np.clip(along - np.arctan2(aside, RETURN_M) - heading, -largest, largest))
        x += STEP_M * float(np.cos(heading + steer))
        y += STEP_M * float(np.sin(heading + steer))
        heading += STEP_M * float(np.sin(steer)) / lead_m
        near_2 = (fine_K2[at : at + reach, 0] - x) ** 2 + (fine_K2[at : at + reach, 1] - y) ** 2
        at += int(np.argmin(near_2))
    return np.asarray(rows)
