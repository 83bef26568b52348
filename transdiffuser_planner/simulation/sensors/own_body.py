"""The ego's own body as its LiDAR sees it: hood, cabin and mirrors as boxes that do not move relative to the sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.vehicle import VehicleModel

Array = NDArray[np.float32]
Point = tuple[float, float, float]

HOOD_M = 0.95
CLEARANCE_M = 0.35
MIRROR_M = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnBody:
    """Boxes in base_link.

    Attributes:
        boxes: Lowest and highest corner of each box, m.
    """

    boxes: tuple[tuple[Point, Point], ...]

    @staticmethod
    def of(vehicle: VehicleModel, lidar_z_m: float) -> OwnBody:
        """Return the boxes of a car; the roof stays below its LiDAR.

        Args:
            vehicle: Dimensions.
            lidar_z_m: Height of the LiDAR.
        """
        half, roof = vehicle.width_m / 2.0, min(vehicle.height_m, lidar_z_m - CLEARANCE_M)
        front, rear = vehicle.front_offset_m, -vehicle.rear_overhang_m
        boxes: list[tuple[Point, Point]] = [
            ((rear, -half, 0.3), (front, half, min(HOOD_M, roof))),
            ((rear + 0.4, -0.8 * half, 0.3), (0.5 * front, 0.8 * half, roof)),
        ]
        for side in (-1.0, 1.0):
            inner, outer = sorted((side * half, side * (half + MIRROR_M)))
            boxes.append(((0.45 * front, inner, 0.85), (0.45 * front + 0.15, outer, 1.05)))
        return OwnBody(boxes=tuple(boxes))

    def distances(self, origin_3: NDArray[np.float64], direction_R3: Array) -> Array:
        """Return the distance (R,) to the body along each ray; infinite where it is not hit.

        Args:
            origin_3: Of all rays, base_link, outside the boxes.
            direction_R3: Unit vectors, base_link.
        """
        nearest = np.full(len(direction_R3), np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1.0 / direction_R3.astype(np.float64)
            for low_3, high_3 in self.boxes:
                a, b = (low_3 - origin_3) * inverse, (high_3 - origin_3) * inverse
                enter, leave = np.fmin(a, b).max(axis=1), np.fmax(a, b).min(axis=1)
                is_hit = (enter <= leave) & (enter > 0.0)
                nearest = np.where(is_hit, np.minimum(nearest, enter), nearest)
        return nearest.astype(np.float32)
