"""Sensors with latencies, rates, phases, jitters and clocks of their own: planned from, or masked and named."""

import math

import numpy as np
import pytest
from straight_drive import ground

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import LidarMount, Rig
from transdiffuser_planner.core.types import LIDAR, EgoState, PointCloud, SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.sensor_timing import CASES, SensorTiming, TimingCase, count_plans
from transdiffuser_planner.planning.observation.lidar_bev import cloud_in_base
from transdiffuser_planner.replay.arrival_clock import ArrivalClock
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

SECONDS = 4.0
UNKNOWN_OFFSET = {
    "one camera's clock 0.3 s ahead": "left: its stamps are 0.30 s ahead",
    "one camera's clock 37 s behind": "left: its stamps are 37.00 s behind",
    "lidar's clock 0.3 s ahead": "lidar: its stamps are 0.30 s ahead",
}
"""Cases in which a sensor must not be used -> the notice that names it."""


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in UNKNOWN_OFFSET], ids=lambda case: case.name
)
def test_every_cycle_has_a_plan_from_all_sensors(case: TimingCase) -> None:
    row = count_plans(case, SECONDS)
    assert row["plans"] >= 0.88 * 10.0 * SECONDS and row["whole"] == row["plans"] and row["without"] <= 1, row


@pytest.mark.parametrize("name", UNKNOWN_OFFSET)
def test_a_sensor_with_an_unknown_offset_is_masked_and_named_with_it(name: str) -> None:
    row = count_plans(next(case for case in CASES if case.name == name), SECONDS)
    assert row["whole"] == 0 and any(UNKNOWN_OFFSET[name] in remark for remark in row["remarks"]), row
    assert (row["plans"] == 0) == name.startswith("lidar")


@pytest.mark.parametrize(("latency_s", "age_ms"), [(0.02, 20), (0.15, 150)])
def test_a_frame_is_as_old_as_its_slowest_sensor(latency_s: float, age_ms: int) -> None:
    row = count_plans(TimingCase(name="", sensors={LIDAR: SensorTiming(latency_s=latency_s)}), SECONDS)
    assert row["age_ms"] == age_ms


def test_a_lidar_later_than_the_limit_of_age_is_masked_and_named() -> None:
    row = count_plans(TimingCase(name="", sensors={LIDAR: SensorTiming(latency_s=0.8)}), SECONDS)
    assert row["plans"] == 0 and "0.80 s behind" in row["remarks"][0] and "max_sensor_age_s" in row["remarks"][0]


RIG = Rig(cameras=(), lidar=LidarMount(x_m=1.0, z_m=1.5, yaw_rad=0.3, clock_offset_s=-0.05))
CONFIG = PlannerConfig(min_cameras=0)


def turning(stamp_ns: int) -> EgoState:
    """At 5 m/s on a circle of 20 m."""
    angle = 0.25 * stamp_ns * 1e-9
    return EgoState(
        stamp_ns=stamp_ns, frame_id="map", x_m=20.0 * math.sin(angle), y_m=20.0 * (1.0 - math.cos(angle)),
        heading_rad=angle, vx_mps=5.0, yaw_rate_radps=0.25,
    )  # fmt: skip


def seen_from(state: EgoState, xy: tuple[float, float]) -> np.ndarray:
    """A point of the map in the LiDAR's frame."""
    mount = RIG.lidar.base_from_sensor()
    cos, sin = math.cos(state.heading_rad), math.sin(state.heading_rad)
    dx, dy = xy[0] - state.x_m, xy[1] - state.y_m
    base = np.asarray([cos * dx + sin * dy, cos * dy - sin * dx, 1.5, 1.0])
    return (np.linalg.inv(mount) @ base)[:3]


def test_points_measured_earlier_are_where_they_are_now_after_the_vehicle_has_moved() -> None:
    """The stamp lies 50 ms before the measurement; the frame is planned from 200 ms later."""
    assembler, pole = SnapshotAssembler(RIG, CONFIG), (15.0, 4.0)
    for stamp_ns in range(0, 400_000_001, 20_000_000):
        assembler.add_odometry(turning(stamp_ns))
    points = np.concatenate([[seen_from(turning(200_000_000), pole)], ground()]).astype(np.float32)
    assert assembler.add_cloud(PointCloud(stamp_ns=150_000_000, xyz_N3=points)) is None
    at_once = assembler.assemble(400_000_000)
    assert isinstance(at_once, SensorSnapshot) and at_once.stamp_ns == 200_000_000 and not at_once.motion
    later = assembler.without_plan(400_000_000)
    assert isinstance(later, SensorSnapshot) and later.ages_ns[LIDAR] == 200_000_000
    expected = RIG.lidar.base_from_sensor()[:3, :3] @ seen_from(turning(400_000_000), pole) + [1.0, 0.0, 1.5]
    np.testing.assert_allclose(cloud_in_base(later.cloud, RIG, later.cloud_motion)[0], expected, atol=0.02)


def test_log_times_are_arrivals_only_where_they_follow_the_clock_of_the_stamps() -> None:
    for speed, offset_ns, is_one_clock in ((1.0, 5_000_000, True), (0.2, 0, False), (1.0, 3_600 * 10**9, False)):
        clock = ArrivalClock()
        for number in range(30):
            clock.odometry(round(number * 50_000_000 / speed) + offset_ns, number * 50_000_000)
        assert (clock.now_ns(10**9) == 10**9) == is_one_clock
