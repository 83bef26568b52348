"""A truck of 10 m and a kart of 1.5 m on the same plans: what one may drive, the other may not."""

from dataclasses import replace

import numpy as np
import pytest
from vehicles import KART, Truck

from transdiffuser_planner.core.contract import TINY, BevClass
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import LidarMount, Rig
from transdiffuser_planner.core.types import EgoState, PointCloud, Trajectory
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.planning.observation.lidar_bev import cloud_in_base
from transdiffuser_planner.planning.safety.clearance import FAR_M, ObstacleField, ego_circles
from transdiffuser_planner.planning.safety.fallback_selection import select_fallback
from transdiffuser_planner.planning.safety.plan_validation import CollisionContext, ValidatedPlans, validate_plans
from transdiffuser_planner.planning.selection.cost_terms import SelectionInputs
from transdiffuser_planner.planning.selection.ranking import rank
from transdiffuser_planner.planning.trajectory.pure_pursuit import TrajectoryTracker
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother

SMOOTHER, CONFIG, TIMES = PlanSmoother(TINY), PlannerConfig(), TINY.plan_times_s


def ego_at(speed_mps: float) -> EgoState:
    return EgoState(stamp_ns=0, frame_id="map", x_m=0.0, y_m=0.0, heading_rad=0.0, vx_mps=speed_mps)


def arc(speed_mps: float, curvature_per_m: float = 0.0) -> np.ndarray:
    """One plan (1, 8, 3) along a circle at constant speed."""
    turned = speed_mps * TIMES * curvature_per_m
    if not curvature_per_m:
        return np.stack([speed_mps * TIMES, 0.0 * TIMES, 0.0 * TIMES], axis=-1)[None]
    return np.stack([np.sin(turned), 1.0 - np.cos(turned), turned * curvature_per_m], axis=-1)[None] / curvature_per_m


def around(
    vehicle: VehicleModel, *points: tuple[float, float, float], boxes: np.ndarray | None = None
) -> CollisionContext:
    """LiDAR points, and boxes (A, 5) of agents that stay where they are."""
    box_A5 = np.zeros((0, 5)) if boxes is None else boxes
    cloud = np.asarray(points, dtype=np.float32).reshape(-1, 3)
    return CollisionContext(
        vehicle=vehicle,
        obstacles=ObstacleField.from_points(cloud, np.zeros((0, 5)), vehicle),
        path_MAF3=np.repeat(box_A5[None, :, None, :3], len(SMOOTHER.time_s_F), axis=2),
        length_m_A=box_A5[:, 3],
        width_m_A=box_A5[:, 4],
    )


def validated(surroundings: CollisionContext, plan: np.ndarray, speed_mps: float) -> ValidatedPlans:
    return validate_plans(SMOOTHER.smooth(plan, speed_mps), surroundings, ego_at(speed_mps), CONFIG)


def test_a_gap_that_clears_the_kart_stops_the_lorry() -> None:
    posts = [(x, side * 1.05, 0.6) for x in np.arange(8.0, 12.0, 0.2) for side in (-1.0, 1.0)]
    assert validated(around(KART, *posts), arc(4.0), 4.0).reason_M == ("",)
    assert validated(around(Truck, *posts), arc(4.0), 4.0).reason_M == ("collision with an obstacle",)


def test_a_parked_car_next_to_the_plan_is_passed_by_the_kart_and_hit_by_the_lorry() -> None:
    parked = np.asarray([[8.0, 2.0, 0.0, 4.5, 1.8]])
    assert validated(around(KART, boxes=parked), arc(4.0), 4.0).reason_M == ("",)
    assert validated(around(Truck, boxes=parked), arc(4.0), 4.0).reason_M == ("collision with an agent",)


def test_overhead_points_are_obstacles_to_a_tall_vehicle_only() -> None:
    beam = [(x, y, 3.0) for x in np.arange(9.0, 11.0, 0.2) for y in np.arange(-2.0, 2.0, 0.2)]
    assert validated(around(EGO_VEHICLE, *beam), arc(4.0), 4.0).reason_M == ("",)
    assert validated(around(Truck, *beam), arc(4.0), 4.0).reason_M == ("collision with an obstacle",)


def test_a_long_side_has_no_gap_between_its_circles() -> None:
    centers, radius = ego_circles(Truck)
    assert len(ego_circles(EGO_VEHICLE)[0]) == len(ego_circles(KART)[0]) == 4
    assert centers[0] - radius == pytest.approx(-Truck.rear_overhang_m)
    assert centers[-1] + radius == pytest.approx(Truck.front_offset_m)
    reach_at_a_gap = np.sqrt(radius**2 - (np.diff(centers).max() / 2.0) ** 2)
    assert reach_at_a_gap > 0.8 * radius


def test_a_bend_that_the_kart_can_steer_is_beyond_the_lorry() -> None:
    assert KART.max_curvature_per_m > 0.2 > 1.1 * Truck.max_curvature_per_m
    assert validated(around(KART), arc(3.0, 0.2), 3.0).reason_M == ("",)
    assert validated(around(Truck), arc(3.0, 0.2), 3.0).reason_M == ("curvature above limit",)


def test_a_plan_beyond_the_top_speed_is_rejected_unless_the_vehicle_is_that_fast_already() -> None:
    slow = replace(KART, max_speed_mps=5.0)
    faster = np.stack([4.0 * TIMES + 0.5 * TIMES**2, 0.0 * TIMES, 0.0 * TIMES], axis=-1)[None]
    assert validated(around(KART), faster, 4.0).reason_M == ("",)
    assert validated(around(slow), faster, 4.0).reason_M == ("speed above limit",)
    assert validated(around(slow), arc(9.0), 9.0).reason_M == ("",)


def test_braking_that_a_vehicle_cannot_do_is_not_planned() -> None:
    hard = np.stack([12.0 * np.minimum(TIMES, 1.7) - 3.5 * np.minimum(TIMES, 1.7) ** 2, 0 * TIMES, 0 * TIMES], axis=-1)[
        None
    ]
    assert validated(around(EGO_VEHICLE), hard, 12.0).accepted_M.all()
    assert validated(around(Truck), hard, 12.0).reason_M == ("braking above limit",)
    wall = [(x, y, 1.0) for x in (14.0, 14.2) for y in np.arange(-2.0, 2.0, 0.2)]
    plans, _ = select_fallback(None, None, ego_at(12.0), around(Truck, *wall), SMOOTHER.time_s_F, CONFIG)
    assert plans.accel_MF.min() == -Truck.max_decel_mps2
    plans, _ = select_fallback(None, None, ego_at(12.0), around(EGO_VEHICLE, *wall), SMOOTHER.time_s_F, CONFIG)
    assert plans.accel_MF.min() == -CONFIG.emergency_decel_mps2


def test_points_on_the_lorrys_own_body_are_removed_and_those_around_the_kart_stay() -> None:
    own = np.asarray([[7.3, 1.2, 1.0], [-2.5, -1.2, 0.5], [0.0, 1.1, 2.0]], dtype=np.float32)
    cloud = PointCloud(stamp_ns=0, xyz_N3=own)
    rigs = {vehicle: Rig(cameras=(), lidar=LidarMount(), vehicle=vehicle) for vehicle in (Truck, KART)}
    assert len(cloud_in_base(cloud, rigs[Truck])) == 0
    assert cloud_in_base(cloud, rigs[KART]).tolist() == own.tolist()


def test_a_lane_that_holds_the_kart_is_too_narrow_for_the_lorry() -> None:
    plans = SMOOTHER.smooth(arc(4.0), 4.0)
    grid = np.zeros((len(BevClass), TINY.bev_cells, TINY.bev_cells), dtype=np.float32)
    middle = TINY.bev_cells // 2
    grid[BevClass.ROAD, :, middle - 1 : middle + 1] = 1.0  # 2 m wide
    far = np.full(plans.speed_MF.shape, FAR_M)

    def off_road(vehicle: VehicleModel) -> float:
        inputs = SelectionInputs(
            vehicle=vehicle, obstacle_clearance_MF=far, agent_clearance_MF=far, bev_probability_KLL=grid,
            route_R2=None, signal=None, previous_F3=None,
        )  # fmt: skip
        return float(rank(plans, np.ones(1, dtype=bool), inputs, TINY, CONFIG).cost_terms["off_road"][0])

    assert off_road(KART) == 0.0 and off_road(Truck) == 1.0


def test_the_tracker_steers_the_front_wheels_by_the_wheelbase() -> None:
    time_s, curvature = np.linspace(0.0, 4.0, 41), 0.05
    turned = 5.0 * time_s * curvature
    circle = Trajectory(
        stamp_ns=0, frame_id="map", time_s_T=time_s, x_m_T=np.sin(turned) / curvature,
        y_m_T=(1.0 - np.cos(turned)) / curvature, heading_rad_T=turned, speed_mps_T=np.full(41, 5.0),
        accel_mps2_T=np.zeros(41), curvature_per_m_T=np.full(41, curvature),
    )  # fmt: skip
    for vehicle in (Truck, EGO_VEHICLE, KART):
        command = TrajectoryTracker(vehicle=vehicle).command(circle, ego_at(5.0), 0)
        assert command.steering_rad == pytest.approx(np.arctan(vehicle.wheelbase_m * curvature), rel=0.02)
    for vehicle in (Truck, KART):
        late = TrajectoryTracker(vehicle=vehicle).command(
            replace(circle, speed_mps_T=np.full(41, 30.0)), ego_at(1.0), 0
        )
        assert late.acceleration_mps2 == vehicle.max_accel_mps2
