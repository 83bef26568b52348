"""Optional inputs vanish and return, minimum sets are not met, odometry jumps, messages get lost: over DDS in real time."""

from collections.abc import Iterator

import numpy as np
import pytest
from fault_injection_fixture import FaultTestbench
from rclpy.parameter import Parameter
from sensor_faults import dropped, lossy
from synthetic_vehicle import CAMERAS, OPTIONAL

SENSORS = (*CAMERAS, "lidar", "odometry")
LOST_SHARE, SEED = 0.3, 5


@pytest.fixture(scope="module")
def bench() -> Iterator[FaultTestbench]:
    with FaultTestbench() as bench:
        yield bench


@pytest.mark.parametrize("names", [*((name,) for name in OPTIONAL), OPTIONAL], ids=lambda names: " ".join(names))
def test_a_lost_optional_input_is_masked_and_reported_and_planning_continues(
    bench: FaultTestbench, names: tuple[str, ...]
) -> None:
    def plans_without(began_s: float) -> bool:
        plans = [received.message for received in bench.listener.plans(began_s)]
        return any(set(plan.missing_inputs) == set(names) and plan.fallback_level == 0 for plan in plans)

    def on() -> None:
        bench.vehicle.faults = {name: dropped() for name in names}

    expected = tuple(f"missing: {name}" for name in names)
    bench.inject(on, bench.vehicle.heal, expected, for_s=0.9, until=plans_without)


@pytest.mark.parametrize("how", ["withdrawn", "in another frame"])
def test_a_lost_route_is_masked_and_reported_and_used_again_later(bench: FaultTestbench, how: str) -> None:
    def on() -> None:
        if how == "withdrawn":
            bench.vehicle.route([])
        else:
            bench.vehicle.route(frame_id="elsewhere")

    def plans_without(began_s: float) -> bool:
        plans = [received.message for received in bench.listener.plans(began_s)]
        return any(list(plan.missing_inputs) == ["route"] and plan.fallback_level == 0 for plan in plans)

    bench.inject(on, bench.vehicle.route, ("missing: route",), for_s=0.8, until=plans_without)


def need_all_cameras(bench: FaultTestbench, number: int) -> None:
    assert bench.planner.set_parameters([Parameter("min_cameras", value=number)])[0].successful


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rgb_right", "2 cameras, need 3; missing rgb_right"), ("lidar", "lidar is missing and require_lidar is set")],
)
def test_the_vehicle_stops_while_required_sensors_are_missing_and_drives_again_with_them(
    bench: FaultTestbench, name: str, expected: str
) -> None:
    def on() -> None:
        need_all_cameras(bench, 3)
        bench.vehicle.faults = {name: dropped()}

    def off() -> None:
        bench.vehicle.heal()
        need_all_cameras(bench, 1)

    def stopping(began_s: float) -> bool:
        later = [received.message for received in bench.plans_of_frames_after(began_s + 1.2)]
        assert all(plan.fallback_level >= plan.LEVEL_COMFORTABLE_STOP for plan in later)
        last = bench.listener.trajectories(began_s)[-1].message
        return bool(later) and last.points[-1].longitudinal_velocity_mps < 0.01

    bench.inject(on, off, (expected,), for_s=1.6, until=stopping)


def test_a_point_cloud_without_points_is_reported(bench: FaultTestbench) -> None:
    points = bench.vehicle.points_N4

    def on() -> None:
        bench.vehicle.points_N4 = points[:0]

    def off() -> None:
        bench.vehicle.points_N4 = points

    bench.inject(on, off, ("cloud is empty", "lidar is missing"))


def test_a_point_cloud_of_nan_only_is_reported(bench: FaultTestbench) -> None:
    points = bench.vehicle.points_N4

    def on() -> None:
        bench.vehicle.points_N4 = np.full_like(points, np.nan)

    def off() -> None:
        bench.vehicle.points_N4 = points

    bench.inject(on, off, ("every point of the cloud is NaN", "lidar is missing"))


def test_an_odometry_jump_is_reported_and_planned_from_at_once(bench: FaultTestbench) -> None:
    def teleport(by_m: float) -> None:
        bench.vehicle.teleport_m += by_m

    bench.inject(lambda: teleport(200.0), lambda: teleport(-200.0), ("odometry jumped",))


def test_the_vehicle_stops_without_any_sensor_messages(bench: FaultTestbench) -> None:
    def on() -> None:
        bench.vehicle.faults = {name: dropped() for name in SENSORS}

    bench.inject(on, bench.vehicle.heal, ("no new sensor frame for",), for_s=1.5)


def test_no_plan_is_late_or_unchecked_when_a_third_of_all_messages_is_lost(bench: FaultTestbench) -> None:
    def on() -> None:
        names = (*SENSORS, *OPTIONAL)
        bench.vehicle.faults = {name: lossy(SEED + i, LOST_SHARE) for i, name in enumerate(names)}

    def planned(began_s: float) -> bool:
        plans = [received.message for received in bench.listener.plans(began_s)]
        lost = {name for plan in plans for name in plan.missing_inputs} & set(SENSORS)
        return bool(lost) and any(plan.fallback_level == 0 for plan in plans)

    bench.inject(on, bench.vehicle.heal, ("missing: ", "received less often than before"), for_s=3.0, until=planned)
