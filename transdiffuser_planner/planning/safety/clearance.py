"""Clearance of plans to LiDAR obstacles and to predicted agents.

The ego's footprint is covered by circles along its length, agents likewise; LiDAR obstacles become a distance field on
a grid around the ego. Both give the clearance in meters of every plan pose, vectorized over all candidates.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.safety.obstacle_distance import distance_to_occupied

FloatArray = NDArray[np.float64]

CELL_M = 0.25
X_RANGE_M = (-6.0, 40.0)
Y_RANGE_M = (-14.0, 14.0)
MIN_OBSTACLE_HEIGHT_M = 0.35
MAX_OBSTACLE_HEIGHT_M = 2.2
OVERHEAD_MARGIN_M = 0.5
MIN_POINTS_PER_CELL = 1
MIN_EGO_CIRCLES = 4
MAX_CIRCLE_SPACING = 0.55
NUM_AGENT_CIRCLES = 3
FAR_M = 100.0
REACH_M = 12.0
"""Farther obstacles count as this far: no check and no cost asks for more."""


@functools.lru_cache(maxsize=16)
def ego_circles(vehicle: VehicleModel) -> tuple[FloatArray, float]:
    """Cover the footprint by circles: centers along base_link's x (m) and their common radius (m).

    Neighbors are at most 0.55 widths apart, so that the side of a long vehicle has no gap.
    """
    radius = vehicle.width_m / 2.0
    reach = max(vehicle.length_m - vehicle.width_m, 0.0)
    count = max(MIN_EGO_CIRCLES, 1 + int(np.ceil(reach / (MAX_CIRCLE_SPACING * vehicle.width_m))))
    centers = np.linspace(radius - vehicle.rear_overhang_m, vehicle.front_offset_m - radius, count)
    centers.setflags(write=False)
    return centers, radius


@dataclass(frozen=True, kw_only=True, slots=True)
class ObstacleField:
    """Distance in meters from each grid cell to the nearest obstacle point, at most 12 m, in base_link."""

    distance_XY: NDArray[np.float32]

    @staticmethod
    def from_points(points_N3: NDArray[np.float32], moving_box_A5: FloatArray, vehicle: VehicleModel) -> ObstacleField:
        """Build the distance field.

        Args:
            points_N3: LiDAR points in base_link, without the ego's own.
            moving_box_A5: Boxes x, y, heading, length, width of moving agents, which are checked by their predicted
                paths instead; points inside them (grown by 0.4 m) are skipped.
            vehicle: Points well above its height are no obstacles.
        """
        x, y, z = points_N3[:, 0], points_N3[:, 1], points_N3[:, 2]
        top_m = max(MAX_OBSTACLE_HEIGHT_M, vehicle.height_m + OVERHEAD_MARGIN_M)
        keep = (z > MIN_OBSTACLE_HEIGHT_M) & (z < top_m)
        keep &= (x > X_RANGE_M[0]) & (x < X_RANGE_M[1]) & (y > Y_RANGE_M[0]) & (y < Y_RANGE_M[1])
        x, y = x[keep], y[keep]
        for box_x, box_y, heading, length, width in moving_box_A5:
            dx, dy = x - box_x, y - box_y
            along = dx * np.cos(heading) + dy * np.sin(heading)
            across = dy * np.cos(heading) - dx * np.sin(heading)
            outside = (np.abs(along) > length / 2.0 + 0.4) | (np.abs(across) > width / 2.0 + 0.4)
            x, y = x[outside], y[outside]
        shape = (round((X_RANGE_M[1] - X_RANGE_M[0]) / CELL_M), round((Y_RANGE_M[1] - Y_RANGE_M[0]) / CELL_M))
        row = np.minimum(((x - X_RANGE_M[0]) / CELL_M).astype(np.int64), shape[0] - 1)
        column = np.minimum(((y - Y_RANGE_M[0]) / CELL_M).astype(np.int64), shape[1] - 1)
        counts = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape)
        occupied = counts >= MIN_POINTS_PER_CELL
        if not occupied.any():
            return ObstacleField(distance_XY=np.full(shape, FAR_M, dtype=np.float32))
        distance = distance_to_occupied(occupied, round(REACH_M / CELL_M))
        return ObstacleField(distance_XY=(distance * CELL_M).astype(np.float32))

    def clearance(self, pose_X3: FloatArray, vehicle: VehicleModel) -> FloatArray:
        """Distance (...,) in meters from the footprint at each pose (..., 3) to the nearest obstacle; <= 0 is a hit.

        Poses outside the grid count as clear, because they are not observed.

        Args:
            pose_X3: Poses in base_link.
            vehicle: The ego's footprint.
        """
        centers, radius = ego_circles(vehicle)
        x = pose_X3[..., 0, None] + centers * np.cos(pose_X3[..., 2, None])
        y = pose_X3[..., 1, None] + centers * np.sin(pose_X3[..., 2, None])
        row = np.floor((x - X_RANGE_M[0]) / CELL_M).astype(np.int64)
        column = np.floor((y - Y_RANGE_M[0]) / CELL_M).astype(np.int64)
        rows, columns = self.distance_XY.shape
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        row, column = np.minimum(np.maximum(row, 0), rows - 1), np.minimum(np.maximum(column, 0), columns - 1)
        distance = self.distance_XY[row, column]
        return np.asarray(np.where(inside, distance, FAR_M).min(axis=-1) - radius, dtype=np.float64)


def agent_clearance(
    pose_MF3: FloatArray,
    agent_path_MAF3: FloatArray,
    length_m_A: FloatArray,
    width_m_A: FloatArray,
    vehicle: VehicleModel,
) -> FloatArray:
    """Distance between footprints of the ego and of each agent at equal times.

    Args:
        pose_MF3: Ego plans, base_link poses.
        agent_path_MAF3: Box centers of the agents in the joint sample of each plan, same times, same frame.
        length_m_A: Lengths of the boxes.
        width_m_A: Widths of the boxes.
        vehicle: The ego's footprint.

    Returns:
        Clearance (M, A, F) in meters, <= 0 where they touch.
    """
    centers, radius = ego_circles(vehicle)
    # float32 is exact to micrometers here at half the cost.
    pose, path = pose_MF3.astype(np.float32), agent_path_MAF3.astype(np.float32)
    ahead_C11 = centers.astype(np.float32)[:, None, None]
    ego_x_CMF = pose[..., 0] + ahead_C11 * np.cos(pose[..., 2])
    ego_y_CMF = pose[..., 1] + ahead_C11 * np.sin(pose[..., 2])
    reach_A = np.maximum(length_m_A - width_m_A, 0.0).astype(np.float32)
    cos_MAF, sin_MAF = np.cos(path[..., 2]), np.sin(path[..., 2])
    nearest2 = np.full((len(pose), *path.shape[1:3]), np.inf, dtype=np.float32)
    gap2, gap_y = np.empty_like(nearest2), np.empty_like(nearest2)
    for fraction in np.linspace(-0.5, 0.5, NUM_AGENT_CIRCLES, dtype=np.float32):
        ahead_A1 = (reach_A * fraction)[:, None]
        agent_x, agent_y = path[..., 0] + ahead_A1 * cos_MAF, path[..., 1] + ahead_A1 * sin_MAF
        for ego_x, ego_y in zip(ego_x_CMF, ego_y_CMF, strict=True):
            np.subtract(ego_x[:, None], agent_x, out=gap2)
            np.subtract(ego_y[:, None], agent_y, out=gap_y)
            np.multiply(gap2, gap2, out=gap2)
            np.multiply(gap_y, gap_y, out=gap_y)
            np.add(gap2, gap_y, out=gap2)
            np.minimum(nearest2, gap2, out=nearest2)
    return np.asarray(np.sqrt(nearest2) - radius - (width_m_A / 2.0)[None, :, None], dtype=np.float64)
