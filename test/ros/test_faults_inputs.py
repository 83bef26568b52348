"""Optional inputs vanish and return, minimum sets are not met, odometry jumps, messages get lost: over DDS in real time."""

from collections.abc import Iterator

import numpy as np
import pytest
from fault_stage import FaultStage
from live_vehicle import CAMERAS, OPTIONAL
from rclpy.parameter import Parameter
from sensor_faults import dropped, lossy

SENSORS = (*CAMERAS, "lidar", "odometry")
LOST_SHARE, SEED = 0.3, 5


@pytest.fixture(scope="module")
def stage() -> Iterator[FaultStage]:
    with FaultStage() as stage:
        yield stage


@pytest.mark.parametrize("names", [*((name,) for name in OPTIONAL), OPTIONAL], ids=lambda names: " ".join(names))
def test_an_optional_input_that_vanishes_is_masked_and_named_and_planning_goes_on(
    stage: FaultStage, names: tuple[str, ...]
) -> None:
    def plans_without(began_s: float) -> bool:
        plans = [heard.message for heard in stage.ears.plans(began_s)]
        return any(set(plan.missing_inputs) == set(names) and plan.fallback_rung == 0 for plan in plans)

    def on() -> None:
        stage.vehicle.faults = {name: dropped() for name in names}

    said = tuple(f"missing: {name}" for name in names)
    stage.endure(on, stage.vehicle.heal, said, for_s=0.9, until=plans_without)


@pytest.mark.parametrize("how", ["withdrawn", "in another frame"])
def test_a_route_that_vanishes_is_masked_and_named_and_returns(stage: FaultStage, how: str) -> None:
    def on() -> None:
        if how == "withdrawn":
            stage.vehicle.route([])
        else:
            stage.vehicle.route(frame_id="elsewhere")

    def plans_without(began_s: float) -> bool:
        plans = [heard.message for heard in stage.ears.plans(began_s)]
        return any(list(plan.missing_inputs) == ["route"] and plan.fallback_rung == 0 for plan in plans)

    stage.endure(on, stage.vehicle.route, ("missing: route",), for_s=0.8, until=plans_without)


def need_all_cameras(stage: FaultStage, number: int) -> None:
    assert stage.planner.set_parameters([Parameter("min_cameras", value=number)])[0].successful


@pytest.mark.parametrize(
    ("name", "said"),
    [("rgb_right", "2 cameras, need 3; missing rgb_right"), ("lidar", "lidar is missing and require_lidar is set")],
)
def test_the_vehicle_stops_when_the_minimum_set_is_not_met_and_drives_when_it_is(
    stage: FaultStage, name: str, said: str
) -> None:
    def on() -> None:
        need_all_cameras(stage, 3)
        stage.vehicle.faults = {name: dropped()}

    def off() -> None:
        stage.vehicle.heal()
        need_all_cameras(stage, 1)

    def stopping(began_s: float) -> bool:
        later = [heard.message for heard in stage.ears.plans(began_s + 1.2)]
        assert all(plan.fallback_rung >= plan.RUNG_COMFORT_STOP for plan in later)
        last = stage.ears.trajectories(began_s)[-1].message
        return bool(later) and last.points[-1].longitudinal_velocity_mps < 0.01

    stage.endure(on, off, (said,), for_s=1.6, until=stopping)


def test_a_cloud_without_points_is_named(stage: FaultStage) -> None:
    points = stage.vehicle.points_N4

    def on() -> None:
        stage.vehicle.points_N4 = points[:0]

    def off() -> None:
        stage.vehicle.points_N4 = points

    stage.endure(on, off, ("cloud is empty", "lidar is missing"))


def test_a_cloud_of_nothing_but_nan_is_named(stage: FaultStage) -> None:
    points = stage.vehicle.points_N4

    def on() -> None:
        stage.vehicle.points_N4 = np.full_like(points, np.nan)

    def off() -> None:
        stage.vehicle.points_N4 = points

    stage.endure(on, off, ("every point of the cloud is NaN", "lidar is missing"))


def test_odometry_teleported_and_back_is_named_and_planned_from_at_once(stage: FaultStage) -> None:
    def teleport(by_m: float) -> None:
        stage.vehicle.teleport_m += by_m

    stage.endure(lambda: teleport(200.0), lambda: teleport(-200.0), ("odometry jumped",))


def test_all_sensors_silent_makes_the_vehicle_stop(stage: FaultStage) -> None:
    def on() -> None:
        stage.vehicle.faults = {name: dropped() for name in SENSORS}

    stage.endure(on, stage.vehicle.heal, ("no new sensor frame for",), for_s=1.5)


def test_a_third_of_all_messages_lost_leaves_no_late_or_unchecked_plan(stage: FaultStage) -> None:
    def on() -> None:
        names = (*SENSORS, *OPTIONAL)
        stage.vehicle.faults = {name: lossy(SEED + i, LOST_SHARE) for i, name in enumerate(names)}

    def planned(began_s: float) -> bool:
        plans = [heard.message for heard in stage.ears.plans(began_s)]
        lost = {name for plan in plans for name in plan.missing_inputs} & set(SENSORS)
        return bool(lost) and any(plan.fallback_rung == 0 for plan in plans)

    stage.endure(on, stage.vehicle.heal, ("missing: ", "comes less often than before"), for_s=3.0, until=planned)
