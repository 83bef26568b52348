"""The expert's footprint stays centered on its lane in bends, within what the vehicle can steer."""

import numpy as np
import pytest
from vehicles import KART, Truck

from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.simulation.ego.balanced_path import INSIDE, balanced_path
from transdiffuser_planner.simulation.ego.expert import smooth_expert

STRAIGHT_M = 40.0


def bend(radius_m: float, angle_rad: float, step_m: float = 0.25) -> np.ndarray:
    """A straight line, an arc to the left, a straight line."""
    arc_m = radius_m * angle_rad
    s = np.arange(0.0, 2.0 * STRAIGHT_M + arc_m, step_m)
    turned = np.clip((s - STRAIGHT_M) / radius_m, 0.0, angle_rad)
    along = np.minimum(s, STRAIGHT_M) + radius_m * np.sin(turned)
    aside = radius_m * (1.0 - np.cos(turned))
    rest = np.maximum(s - STRAIGHT_M - arc_m, 0.0)
    return np.stack([along + rest * np.cos(angle_rad), aside + rest * np.sin(angle_rad)], axis=-1)


def swept_m(line: np.ndarray, xy: np.ndarray, heading: np.ndarray, vehicle: VehicleModel) -> tuple[float, float]:
    """How far the vehicle's outline reaches to the right and to the left of a line."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None]
    reach = []
    for along_m in (-vehicle.rear_overhang_m, 0.0, vehicle.front_offset_m):
        for side_m in (-0.5 * vehicle.width_m, 0.5 * vehicle.width_m):
            x = xy[:, 0] + along_m * np.cos(heading) - side_m * np.sin(heading)
            y = xy[:, 1] + along_m * np.sin(heading) + side_m * np.cos(heading)
            gap = np.stack([x, y], axis=-1)[:, None] - line[None]
            near = np.hypot(gap[..., 0], gap[..., 1]).argmin(axis=1)
            offset = gap[np.arange(len(gap)), near]
            reach.append(tangent[near, 0] * offset[:, 1] - tangent[near, 1] * offset[:, 0])
    return -float(np.min(reach)), float(np.max(reach))


@pytest.mark.parametrize("vehicle", [EGO_VEHICLE, Truck, KART])
def test_the_rear_axle_is_inside_of_a_long_bend_by_the_room_that_the_front_needs(vehicle: VehicleModel) -> None:
    path = balanced_path(bend(20.0, 2.5), vehicle, 0.0)
    middle = path.xy_P2[np.searchsorted(path.line_m_P, STRAIGHT_M + 25.0)]
    inside_m = 20.0 - np.hypot(middle[0] - STRAIGHT_M, middle[1] - 20.0)
    assert inside_m == pytest.approx(INSIDE * vehicle.front_offset_m**2 / 20.0 / 4.0, rel=0.15, abs=0.012)


def test_a_straight_line_is_driven_on_it() -> None:
    path = balanced_path(bend(20.0, 0.0), EGO_VEHICLE, 0.0)
    assert np.abs(path.xy_P2[:, 1]).max() < 1e-9
    assert path.s_m_P[-1] == pytest.approx(path.line_m_P[-1] - path.line_m_P[0], abs=1e-6)


@pytest.mark.parametrize("radius_m", [6.0, 8.0, 12.0])
def test_the_front_corner_of_the_expert_stays_in_a_lane_in_narrow_bends(radius_m: float) -> None:
    line = bend(radius_m, np.pi / 2.0, step_m=0.4)
    poses = smooth_expert(line, 10, 10, EGO_VEHICLE).track().poses
    xy, heading = np.asarray([(p.x_m, p.y_m) for p in poses]), np.asarray([p.heading_rad for p in poses])
    outside_m, inside_m = swept_m(bend(radius_m, np.pi / 2.0), xy, heading, EGO_VEHICLE)
    assert outside_m < 1.5 and inside_m < 1.9


@pytest.mark.parametrize("radius_m", [5.0, 6.0])
def test_a_turn_back_is_never_narrower_than_the_vehicle_can_steer(radius_m: float) -> None:
    path = smooth_expert(bend(radius_m, np.pi, step_m=0.4), 10, 10, EGO_VEHICLE)
    assert np.abs(path.curvature_per_m_P).max() < EGO_VEHICLE.max_curvature_per_m
    end = path.at(path.s_m_K[-1])[0]
    assert end[1] == pytest.approx(2.0 * radius_m, abs=0.2)  # back in its lane
