"""Ray culling: selects the rays of a sensor that can hit traffic; most miss it and need not be cast.

N prisms, A bins of azimuth, E bins of elevation, R rays. A culled ray cannot hit an agent, so
images and point clouds are the same as without culling.
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

NUM_AZIMUTHS, NUM_ELEVATIONS = 360, 64
# Meshes extend slightly beyond their boxes; rays are rotated in single precision.
_LARGER, _SLACK_RAD, _SLACK_M = 1.02, 0.01, 0.1
# A sensor inside a prism's outline sees its corners all around.
_ALL_AROUND_RAD = np.pi - 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Prisms:
    """N upright prisms on the ground, convex, larger than what they stand for.

    Attributes:
        corners_N42: Outlines, m.
        bottom_m_N: Height of the ground there.
        height_m_N: Top above the bottom.
    """

    corners_N42: FloatArray
    bottom_m_N: FloatArray
    height_m_N: FloatArray

    @staticmethod
    def around(boxes: AgentStates, ground_m_N: FloatArray | None = None) -> Prisms:
        """Enclose agents.

        Args:
            boxes: In any frame; the prisms are in the same one.
            ground_m_N: Height of the ground at each of them; None for 0.
        """
        length, width = _LARGER * boxes.length_m_N, _LARGER * boxes.width_m_N
        corners = box_corners(boxes.x_m_N, boxes.y_m_N, boxes.heading_rad_N, length, width)
        bottom = np.zeros(len(boxes)) if ground_m_N is None else ground_m_N
        return Prisms(corners_N42=corners, bottom_m_N=bottom, height_m_N=_LARGER * boxes.height_m_N)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficScene:
    """Agents for ray casting, in one frame.

    Attributes:
        rays: Meshes of all agents.
        prisms: Enclose each of them; at least one.
        velocity_N2: Of each of them, m/s.
    """

    rays: RayScene
    prisms: Prisms
    velocity_N2: FloatArray

    def velocities(self, place_R2: FloatArray) -> FloatArray:
        """Return the velocity (R, 2) of the agent nearest to each place.

        Args:
            place_R2: Where rays hit an agent, m.
        """
        center_N2 = self.prisms.corners_N42.mean(axis=1)
        gap = place_R2[:, None] - center_N2[None]
        return np.asarray(self.velocity_N2[(gap**2).sum(axis=-1).argmin(axis=1)])


class RayFan:
    """Rays of one sensor by azimuth and elevation.

    Args:
        direction_R3: Unit vectors in base_link's axes.
    """

    def __init__(self, direction_R3: Array) -> None:
        x, y, z = direction_R3.astype(np.float64).T
        azimuth_R, elevation_R = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
        self._lowest_rad = float(elevation_R.min())
        self._per_rad = (NUM_ELEVATIONS - 1) / max(float(elevation_R.max()) - self._lowest_rad, 1e-3)
        column_R = np.clip(((azimuth_R + np.pi) * (NUM_AZIMUTHS / (2.0 * np.pi))).astype(np.intp), 0, NUM_AZIMUTHS - 1)
        row_R = ((elevation_R - self._lowest_rad) * self._per_rad).astype(np.intp)
        self._cell_R = column_R * NUM_ELEVATIONS + row_R

    def __len__(self) -> int:
        return len(self._cell_R)

    def nearest(self, prisms: Prisms, position_3: Array, heading_rad: float, slack_rad: float = 0.0) -> Array:
        """Return a distance (R,) nearer than which no prism is hit by each ray: infinite where none can be hit.

        Args:
            prisms: On the ground of the frame that position_3 is in.
            position_3: Of the sensor, m.
            heading_rad: Of base_link.
            slack_rad: Largest roll or pitch of base_link.
        """
        first_N, past_N, low_N, high_N, near_N = self._windows(prisms, position_3, heading_rad, _SLACK_RAD + slack_rad)
        # Two turns, so that no window is split at the back; near prisms come last and replace farther ones.
        nearest_AE = np.full((2 * NUM_AZIMUTHS, NUM_ELEVATIONS), np.inf, dtype=np.float32)
        order = np.argsort(-near_N)
        columns = (values[order].tolist() for values in (first_N, past_N, low_N, high_N, near_N))
        for first, past, low, high, near in zip(*columns, strict=True):
            nearest_AE[first:past, low:high] = near
        once_AE = np.minimum(nearest_AE[:NUM_AZIMUTHS], nearest_AE[NUM_AZIMUTHS:])
        return np.asarray(np.take(once_AE.ravel(), self._cell_R))

    def _windows(
        self, prisms: Prisms, position_3: Array, heading_rad: float, slack_rad: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], FloatArray]:
        """Return the bins of azimuth and elevation that each prism covers, first and past the last, and its distance."""
        x_m, y_m, z_m = (float(value) for value in position_3)
        center_N2 = prisms.corners_N42.mean(axis=1)
        reach_N42 = prisms.corners_N42 - center_N2[:, None]
        radius_N = np.hypot(reach_N42[..., 0], reach_N42[..., 1]).max(axis=1)
        to_x_N, to_y_N = center_N2[:, 0] - x_m, center_N2[:, 1] - y_m
        away_N, bearing_N = np.hypot(to_x_N, to_y_N), np.arctan2(to_y_N, to_x_N)
        corner_N4 = np.arctan2(prisms.corners_N42[..., 1] - y_m, prisms.corners_N42[..., 0] - x_m)
        off_N4 = wrap_angle(corner_N4 - bearing_N[:, None])
        left_N, right_N = off_N4.max(axis=1), off_N4.min(axis=1)
        is_around_N = left_N - right_N >= _ALL_AROUND_RAD
        start_N = np.where(is_around_N, -np.pi, wrap_angle(bearing_N - heading_rad + right_N - slack_rad))
        width_N = np.where(is_around_N, 2.0 * np.pi, left_N - right_N + 2.0 * slack_rad)
        per_rad = NUM_AZIMUTHS / (2.0 * np.pi)
        first_N = ((start_N + np.pi) * per_rad).astype(np.intp)
        past_N = ((start_N + np.pi + width_N) * per_rad).astype(np.intp) + 1
        near_N, far_N = np.maximum(away_N - radius_N - _SLACK_M, 0.0), away_N + radius_N
        below_N = prisms.bottom_m_N - z_m
        above_N = prisms.bottom_m_N + prisms.height_m_N - z_m
        highest_N = np.arctan2(above_N, np.where(above_N > 0.0, near_N, far_N)) + slack_rad
        lowest_N = np.arctan2(below_N, np.where(below_N < 0.0, near_N, far_N)) - slack_rad
        low_N, high_N = (
            np.clip((angle_N - self._lowest_rad) * self._per_rad, -1.0, NUM_ELEVATIONS).astype(np.intp)
            for angle_N in (lowest_N, highest_N)
        )
        return first_N, past_N, np.maximum(low_N, 0), np.maximum(high_N + 1, 0), near_N
