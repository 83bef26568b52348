"""Map areas under the ego at each step. M plans, S steps, four corners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes
from transdiffuser_planner.metrics.pdm.geometry.polygons import points_inside
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedScene

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class EgoArea:
    """Areas under the ego of M plans over S steps.

    Attributes:
        off_road_MS4: Corners outside of every drivable area.
        many_lanes_MS: Corners are in more than one lane, and no lane contains all four.
        off_route_MS: The center is in no lane of the route; the devkit counts this as driving against the traffic.
        in_intersection_MS: The center is in an intersection.
    """

    off_road_MS4: BoolArray
    many_lanes_MS: BoolArray
    off_route_MS: BoolArray
    in_intersection_MS: BoolArray

    @property
    def off_road_MS(self) -> BoolArray:
        """Any corner is outside of every drivable area."""
        return np.asarray(self.off_road_MS4.any(axis=-1))

    @property
    def blamed_MS(self) -> BoolArray:
        """Between lanes or off the road, where a side collision is the ego's fault."""
        return self.many_lanes_MS | self.off_road_MS

    def of(self, plans: slice) -> EgoArea:
        """Select some of the plans."""
        return EgoArea(
            off_road_MS4=self.off_road_MS4[plans],
            many_lanes_MS=self.many_lanes_MS[plans],
            off_route_MS=self.off_route_MS[plans],
            in_intersection_MS=self.in_intersection_MS[plans],
        )


def _in_none(inside: BoolArray) -> BoolArray:
    return np.asarray(~inside.any(axis=0))


def locate(prepared: PreparedScene, ego: Boxes) -> EgoArea:
    """Find the areas under the boxes (M, S) of M plans."""
    point_MS52 = np.concatenate([ego.corners(), ego.center_X2[..., None, :]], axis=-2)
    near_R, inside_RK = points_inside(prepared.areas, point_MS52.reshape(-1, 2))
    inside = inside_RK.reshape(len(near_R), *point_MS52.shape[:-1])
    corner, center = inside[..., :4], inside[..., 4]

    corners_in_lane = corner[prepared.lane_P[near_R]].sum(axis=-1)
    return EgoArea(
        off_road_MS4=_in_none(corner[prepared.drivable_P[near_R]]),
        many_lanes_MS=((corners_in_lane > 0).sum(axis=0) > 1) & (corners_in_lane != 4).all(axis=0),
        off_route_MS=_in_none(center[prepared.route_P[near_R]]),
        in_intersection_MS=~_in_none(center[prepared.intersection_P[near_R]]),
    )
