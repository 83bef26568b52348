"""Ray culling: selects the rays of a sensor that can hit traffic; most miss it and need not be cast.

N agents, B bins of azimuth, R rays. A culled ray cannot hit an agent, so images and point clouds are the same as
without culling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.geometry import box_corners, wrap_angle
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene

Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]

NUM_BINS = 720
# Meshes extend slightly beyond their boxes; rays are rotated in single precision.
_LARGER, _SLACK_RAD, _SLACK_SLOPE = 1.02, 0.01, 0.01
_NEAREST_M = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficScene:
    """Agents for ray casting, in one frame.

    Attributes:
        rays: Meshes of all agents.
        boxes: Their bounding boxes; at least one.
    """

    rays: RayScene
    boxes: AgentStates


class RayFan:
    """Rays of one sensor by azimuth and slope.

    Args:
        direction_R3: In base_link's axes.
    """

    def __init__(self, direction_R3: Array) -> None:
        azimuth_R = np.arctan2(direction_R3[:, 1], direction_R3[:, 0]).astype(np.float64)
        self._bin_R = np.clip(((azimuth_R + np.pi) * (NUM_BINS / (2.0 * np.pi))).astype(np.intp), 0, NUM_BINS - 1)
        self._slope_R = direction_R3[:, 2] / np.maximum(np.hypot(direction_R3[:, 0], direction_R3[:, 1]), 1e-6)
        self._azimuth_B: FloatArray = np.asarray(
            (np.arange(NUM_BINS) + 0.5) * (2.0 * np.pi / NUM_BINS) - np.pi, dtype=np.float64
        )

    def may_hit(self, boxes: AgentStates, position_3: Array, heading_rad: float) -> NDArray[np.bool_]:
        """Return whether each ray (R,) passes near a box.

        Args:
            boxes: On the ground of the frame that position_3 is in.
            position_3: Of the sensor, m.
            heading_rad: Of base_link.
        """
        corners_N42 = box_corners(
            boxes.x_m_N, boxes.y_m_N, boxes.heading_rad_N, _LARGER * boxes.length_m_N, _LARGER * boxes.width_m_N
        )
        x_m, y_m, z_m = (float(value) for value in position_3)
        away_N = np.hypot(boxes.x_m_N - x_m, boxes.y_m_N - y_m)
        radius_N = 0.5 * _LARGER * np.hypot(boxes.length_m_N, boxes.width_m_N)
        bearing_N = np.arctan2(boxes.y_m_N - y_m, boxes.x_m_N - x_m)
        corner_N4 = np.arctan2(corners_N42[..., 1] - y_m, corners_N42[..., 0] - x_m)
        half_N = np.abs(wrap_angle(corner_N4 - bearing_N[:, None])).max(axis=1) + np.pi / NUM_BINS + _SLACK_RAD
        half_N = np.where(away_N > radius_N, half_N, np.pi)
        near_N, far_N = np.maximum(away_N - radius_N, _NEAREST_M), away_N + radius_N
        above_N = _LARGER * boxes.height_m_N - z_m
        highest_N = above_N / np.where(above_N > 0.0, near_N, far_N) + _SLACK_SLOPE
        lowest_N = -z_m / near_N - _SLACK_SLOPE
        off_NB = np.abs(wrap_angle(self._azimuth_B - wrap_angle(bearing_N - heading_rad)[:, None]))
        is_within_NB = off_NB <= half_N[:, None]
        highest_B = np.where(is_within_NB, highest_N[:, None], -np.inf).max(axis=0).astype(np.float32)
        lowest_B = np.where(is_within_NB, lowest_N[:, None], np.inf).min(axis=0).astype(np.float32)
        return np.asarray((self._slope_R <= highest_B[self._bin_R]) & (self._slope_R >= lowest_B[self._bin_R]))
