"""Wrong data over DDS: one clear message, no plan from it, and the node keeps running."""

import numpy as np
import pytest


def _truncated(message):
    message.data = message.data[:1000]
    return message


def _unknown_encoding(message):
    message.encoding = "yuv420"
    return message


def _wrong_size(message):
    message.height, message.width, message.step = 10, 10, 30
    return message


def age_s(status, name):
    """Age of an input of a plan."""
    return dict(zip(status.input_names, status.input_ages_s, strict=True))[name]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [(_truncated, "truncated, expected"), (_unknown_encoding, "encoding 'yuv420'"), (_wrong_size, "image is 10x10")],
)
def test_a_bad_image_is_refused_and_planning_continues_with_the_last_one(bench, spoil, expected):
    vehicle = bench.vehicle
    vehicle.tick()
    vehicle.state()
    vehicle.image("rgb_left", spoil(vehicle.image_message("rgb_left")))
    vehicle.image("rgb_front")
    vehicle.image("rgb_right")
    vehicle.cloud()
    bad = vehicle.stamp_ns
    status = bench.wait(lambda: vehicle.status_at(bad))
    assert status.ready and age_s(status, "rgb_left") > 0.0 == age_s(status, "rgb_front")
    assert expected in bench.wait(lambda: expected in vehicle.diagnostic_text() and vehicle.diagnostic_text())
    assert bench.plan_of_next_frame()


def test_points_that_are_nan_are_skipped(bench):
    vehicle = bench.vehicle
    vehicle.tick()
    vehicle.state()
    for name in ("rgb_left", "rgb_front", "rgb_right"):
        vehicle.image(name)
    points = vehicle.ground()
    points[::2, 0] = np.nan
    points[1::4, 2] = np.inf
    vehicle.cloud(points)
    bench.wait(lambda: vehicle.stamp_ns in vehicle.trajectory_stamps())
    plan = vehicle.received["trajectory"][-1]
    assert all(np.isfinite(point.pose.position.x) for point in plan.points)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (np.zeros((0, 4), dtype=np.float32), "cloud is empty"),
        (np.full((50, 4), np.nan, dtype=np.float32), "every point of the cloud is NaN"),
    ],
)
def test_an_empty_point_cloud_is_refused_with_the_reason_and_the_last_one_is_used(bench, points, expected):
    vehicle = bench.vehicle
    vehicle.tick()
    vehicle.state()
    for name in ("rgb_left", "rgb_front", "rgb_right"):
        vehicle.image(name)
    vehicle.cloud(points)
    bad = vehicle.stamp_ns
    status = bench.wait(lambda: vehicle.status_at(bad))
    assert status.ready and age_s(status, "lidar") > 0.0 == age_s(status, "rgb_front")
    assert bench.wait(lambda: expected in vehicle.diagnostic_text())
    assert bench.plan_of_next_frame()


def test_repeated_and_out_of_order_stamps_are_refused(bench):
    vehicle = bench.vehicle
    stamp = bench.plan_of_next_frame()
    for name in ("rgb_left", "rgb_front", "rgb_right"):
        vehicle.image(name)
    vehicle.stamp_ns -= 3 * 10**8
    vehicle.cloud()
    vehicle.state()
    bench.wait(
        lambda: "repeated stamp" in vehicle.diagnostic_text() and "out-of-order stamp" in vehicle.diagnostic_text()
    )
    assert vehicle.trajectory_stamps().count(stamp) == 1
    assert vehicle.stamp_ns not in vehicle.trajectory_stamps()
    vehicle.stamp_ns = stamp
    assert bench.plan_of_next_frame()


def test_a_camera_without_a_publisher_is_masked_and_named(make_bench, rig_with_absent_camera):
    bench = make_bench(rig=str(rig_with_absent_camera))
    bench.connect()
    assert "rgb_nowhere" in bench.vehicle.status_at(bench.plan_of_next_frame()).missing_inputs


def test_a_camera_without_a_publisher_is_the_reason_when_all_are_needed(make_bench, rig_with_absent_camera):
    bench = make_bench(rig=str(rig_with_absent_camera), min_cameras=3)
    vehicle = bench.vehicle

    def is_reported() -> bool:
        reasons = [status.not_ready_reason + status.fallback_reason for status in vehicle.received["status"]]
        return any("missing rgb_nowhere" in reason for reason in reasons)

    bench.publish_until(is_reported)
    assert not any(status.ready and status.fallback_level == status.LEVEL_NONE for status in vehicle.received["status"])


def test_odometry_that_is_not_finite_is_refused(bench):
    vehicle = bench.vehicle
    vehicle.tick()
    from transdiffuser_planner.messages import encode_inputs
    from transdiffuser_planner.ros.message_factory import make_ros_message as make

    message = encode_inputs.odometry(make, vehicle.ego(), "base_link")
    message.pose.pose.position.x = float("nan")
    vehicle.put("odometry", "nav_msgs/msg/Odometry", message)
    bench.wait(lambda: "odometry" in vehicle.diagnostic_text() and "finite" in vehicle.diagnostic_text())
    assert bench.plan_of_next_frame()


def test_planning_resumes_after_the_clock_jumped_back(bench):
    vehicle = bench.vehicle
    bench.plan_of_next_frame()
    vehicle.stamp_ns -= 5 * 10**9
    vehicle.frame()
    stamp = vehicle.frame()
    bench.wait(lambda: stamp in vehicle.trajectory_stamps())
