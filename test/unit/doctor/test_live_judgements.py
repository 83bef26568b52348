"""Findings of the doctor about received messages: rates, stamps and contents, without a graph."""

import numpy as np
import pytest

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.doctor import message_arrival, message_content
from transdiffuser_planner.doctor.findings import Level
from transdiffuser_planner.doctor.topic_statistics import TopicStatistics
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.messages.definitions import make_message as make
from transdiffuser_planner.params import RIGS

RIG = Rig.load(RIGS / "carla.yaml")
NOW = 1_700_000_000 * 10**9


def topic_statistics(name, *, hz=10.0, count=30, age_s=0.02, needed=True, messages=(), num_bytes=100, kind="k"):
    times = [i / hz for i in range(count)]
    now = [NOW + round(t * 1e9) for t in times]
    return TopicStatistics(
        name=name,
        topic=f"/{name.replace(' ', '/')}",
        type_name=kind,
        needed=needed,
        arrived_s=times,
        now_ns=now,
        stamp_ns=[t - round(age_s * 1e9) for t in now],
        num_bytes=num_bytes,
        messages=list(messages),
    )


def judged(*items, plain_udp=False):
    found = list(message_arrival.check(items, PlannerConfig(), 3.0, plain_udp=plain_udp))
    assert all(bool(f.remedy) == (f.level > Level.OK) for f in found)
    return found


def test_inputs_at_the_planning_rate_are_fine():
    found = judged(
        topic_statistics("lidar"),
        topic_statistics("odometry", hz=50.0, count=150),
        topic_statistics("camera rgb_left"),
        topic_statistics("route", count=1),
    )
    assert {f.level for f in found} == {Level.OK} and len(found) == 4


def test_rates_follow_the_planners_clock_when_a_simulator_is_slow():
    item = topic_statistics("lidar")
    item.arrived_s = [2.0 * t for t in item.arrived_s]
    assert item.rate_hz == pytest.approx(10.0)
    item.now_ns = [NOW] * 30  # no clock message came
    assert item.rate_hz == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("item", "level", "expected"),
    [
        (topic_statistics("lidar", count=0), Level.ERROR, "nothing arrived in 3 s"),
        (topic_statistics("camera rgb_left", count=0, needed=False), Level.WARN, "nothing arrived in 3 s"),
        (topic_statistics("route", count=0, needed=False), Level.WARN, "nothing arrived"),
        (topic_statistics("lidar", hz=5.0), Level.WARN, "5.0 Hz, planning_rate_hz is 10"),
        (topic_statistics("lidar", hz=1.0, count=3), Level.ERROR, "max_sensor_age_s (0.5 s) runs out"),
        (topic_statistics("lidar", count=1), Level.ERROR, "1 message in 3 s"),
        (topic_statistics("odometry", hz=4.0), Level.ERROR, "max_odometry_age_s (0.2 s) runs out"),
        (topic_statistics("lidar", age_s=0.8), Level.ERROR, "0.80 s old when it arrives"),
        (topic_statistics("lidar", age_s=-0.3), Level.WARN, "0.30 s in the future"),
        (topic_statistics("camera rgb_left", age_s=1.7e9 - 5.0, needed=False), Level.WARN, "hours behind"),
        (topic_statistics("command", age_s=2.0, needed=False), Level.WARN, "limit is 1 s"),
    ],
)  # fmt: skip
def test_missing_slow_old_and_foreign_clock_inputs_are_reported(item, level, expected):
    found = max(judged(item), key=lambda f: f.level)
    assert found.level == level and expected in found.text


def test_zero_stamps_and_out_of_order_stamps_are_distinguished():
    unset = topic_statistics("lidar")
    unset.stamp_ns = [0] * 30
    assert "every stamp is 0" in judged(unset)[0].text
    mixed = topic_statistics("lidar")
    mixed.stamp_ns[5], mixed.stamp_ns[6] = mixed.stamp_ns[6], mixed.stamp_ns[5]
    mixed.stamp_ns[9] = mixed.stamp_ns[10]
    assert "1 stamps run backwards, 1 are repeated" in judged(mixed)[0].text


def test_sensors_must_use_the_odometrys_clock_and_tai_is_recognized():
    found = [
        f
        for f in judged(topic_statistics("odometry", age_s=0.0, hz=20), topic_statistics("lidar", age_s=-37.01))
        if "odometry's" in f.text
    ]
    assert found[0].level == Level.ERROR and "37.01 s newer" in found[0].text and "TAI instead of UTC?" in found[0].text


def test_large_messages_over_plain_udp_give_a_hint():
    assert not any("UDP" in f.text for f in judged(topic_statistics("lidar", num_bytes=2_000_000)))
    found = judged(topic_statistics("lidar", num_bytes=2_000_000), plain_udp=True)
    assert any("2.0 MB a message over plain UDP" in f.text and "LARGE_DATA" in f.remedy for f in found)


def contents(*items, rig=RIG):
    found = list(message_content.check(items, rig))
    assert all(bool(f.remedy) == (f.level > Level.OK) for f in found)
    return found


def ground(height_m=-1.9, count=3000):
    rng = np.random.default_rng(1)
    xy = rng.uniform(-14.0, 14.0, (count, 2))
    return np.column_stack([xy, np.full(count, height_m), np.ones(count)]).astype(np.float32)


def test_a_point_cloud_is_checked_for_fields_number_of_points_and_ground():
    cloud = encode_inputs.point_cloud(make, NOW, "lidar", ground())
    assert [f.level for f in contents(topic_statistics("lidar", messages=[cloud]))] == [Level.OK]
    low = encode_inputs.point_cloud(make, NOW, "lidar", ground(-0.6))
    assert "lies at +1.3 m" in contents(topic_statistics("lidar", messages=[low]))[-1].text
    few = encode_inputs.point_cloud(make, NOW, "lidar", ground(count=40))
    assert "40 usable points of 40" in contents(topic_statistics("lidar", messages=[few]))[0].text
    flat = encode_inputs.point_cloud(make, NOW, "lidar", ground())
    flat.fields = flat.fields[:2]
    assert contents(topic_statistics("lidar", messages=[flat]))[0].level == Level.ERROR


def test_point_clouds_that_show_nothing_and_sweeps_in_parts_are_reported():
    points = ground()
    zeros = encode_inputs.point_cloud(make, NOW, "lidar", 0.0 * points)
    covered = encode_inputs.point_cloud(make, NOW, "lidar", 0.02 * points)
    for cloud, expected in ((zeros, "no return"), (covered, "returns lie farther than 1 m, fewer than 50")):
        found = contents(topic_statistics("lidar", messages=[cloud]))
        assert len(found) == 1 and found[0].level == Level.ERROR and expected in found[0].text
    halves = [points[points[:, 0] >= 0.0], points[points[:, 0] < 0.0]] * 4
    clouds = [encode_inputs.point_cloud(make, NOW, "lidar", half) for half in halves]
    found = max(contents(topic_statistics("lidar", messages=clouds)), key=lambda f: f.level)
    assert found.level == Level.WARN and "2 are joined" in found.text and "rotation_frequency" in found.remedy


def test_images_that_are_raw_by_name_are_reported_when_the_lens_is_distorted():
    image, info = camera_pair(_set(d=np.asarray([-0.3, 0.1, 0.0, 0.0, 0.0])))
    assert all(f.level == Level.OK for f in contents(image, info))
    image.topic = "/front/image_raw"
    assert "by its name its images are not rectified" in max(contents(image, info), key=lambda f: f.level).text


def camera_pair(spoil_info=None, spoil_image=None):
    camera = RIG.cameras[1]
    info = encode_inputs.camera_info(make, NOW, camera.name, camera)
    image = encode_inputs.image(make, NOW, camera.name, np.zeros((camera.height, camera.width, 3), np.uint8))
    if spoil_info:
        spoil_info(info)
    if spoil_image:
        spoil_image(image)
    return [
        topic_statistics(f"camera {camera.name}", messages=[image]),
        topic_statistics(f"camera_info {camera.name}", messages=[info]),
    ]


def _set(**fields):
    return lambda message: [setattr(message, name, value) for name, value in fields.items()]


def test_a_camera_is_checked_against_its_camera_info_and_the_rig():
    assert {f.level for f in contents(*camera_pair())} == {Level.OK}
    no_p = np.zeros(12)
    cases = {
        "not calibrated (fx 0": camera_pair(_set(p=no_p, k=np.zeros(9))),
        "its images are not rectified: distortion model plumb_bob": camera_pair(
            _set(p=no_p, d=np.asarray([0.1, -0.2, 0.0, 0.0, 0.0]))
        ),
        "fx 400 at width 240, the rig has 198": camera_pair(lambda m: m.p.__setitem__(0, 400.0)),
        "image is 240x128, its camera_info requires 480x256": camera_pair(_set(width=480, height=256)),
        "encoding 'yuv422'": camera_pair(None, _set(encoding="yuv422")),
    }
    for expected, pair in cases.items():
        assert any(expected in f.text and f.level > Level.OK for f in contents(*pair)), expected
    assert "the rig requires 240x128" in contents(camera_pair(None, _set(width=120, height=64, step=360))[0])[0].text


def odometry(vx=6.0, frame="map", child="base_link", moved_mps=6.0, count=20):
    states = [
        EgoState(
            stamp_ns=NOW + i * 100_000_000, frame_id=frame, x_m=moved_mps * i * 0.1, y_m=0.0, heading_rad=0.0, vx_mps=vx
        )
        for i in range(count)
    ]
    return topic_statistics(
        "odometry", count=count, messages=[encode_inputs.odometry(make, state, child) for state in states]
    )


def test_odometry_is_checked_for_frames_and_consistent_motion():
    assert "twist fits the motion (6.0 m/s)" in contents(odometry())[0].text
    assert contents(odometry(vx=0.0))[0].level == Level.ERROR
    assert contents(odometry(vx=21.6))[0].level == Level.ERROR  # km/h
    assert contents(odometry(vx=0.0, moved_mps=0.0))[0].level == Level.OK
    backward = contents(odometry(vx=-2.0, moved_mps=-2.0))[0]
    assert backward.level == Level.WARN and "drives backward at 2.0 m/s" in backward.text
    assert "'base_link' in 'map'" in contents(odometry(frame="/map", child="/base_link"))[0].text
    assert "frame_id is empty" in contents(odometry(frame=""))[0].text
    assert "'gps' in 'map', taken for base_link" in contents(odometry(child="gps"))[0].text
    spoilt = odometry()
    spoilt.messages[3].pose.pose.orientation.w = 0.0
    assert "unit quaternion" in contents(spoilt)[0].text


def test_a_route_in_another_frame_and_bad_optional_inputs_are_reported():
    route = topic_statistics("route", needed=False, messages=[encode_inputs.path(make, NOW, "odom", np.zeros((3, 3)))])
    assert any("in frame 'odom', odometry in 'map'" in f.text for f in contents(route, odometry()))
    assert all(f.level == Level.OK for f in contents(route, odometry(frame="/odom")))
    limit = topic_statistics("speed_limit", needed=False, messages=[encode_inputs.float32(make, 0.0)])
    command = topic_statistics("command", needed=False, messages=[encode_inputs.driving_command(make, NOW, 9)])
    assert [f.level for f in contents(limit, command)] == [Level.WARN, Level.WARN]


def test_cameras_are_matched_by_the_words_of_their_topics():
    graph = pytest.importorskip("transdiffuser_planner.ros.live_doctor.graph", reason="ROS 2 is not installed")
    image, packed, info = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
    topics = [("/car/left/raw", image), ("/n/input/camera/left/compressed", packed), ("/car/left/info", info),
              ("/other/eye", image), ("/n/input/camera/right/compressed", packed),
              ("/lidar", "sensor_msgs/msg/PointCloud2")]  # fmt: skip
    found = graph.name_inputs(topics, ["left", "right"], "/n/input/camera")
    named = {topic: name for name, topic, _ in found}
    assert (
        named["/car/left/raw"] == "camera left" and named["/other/eye"] == "camera right" and named["/lidar"] == "lidar"
    )
    assert named["/n/input/camera/right/compressed"] == "camera right" and named["/car/left/info"] == "camera_info left"


@pytest.mark.parametrize("big_endian", [False, True])
def test_the_stamp_is_read_from_the_bytes(big_endian):
    listen = pytest.importorskip("transdiffuser_planner.ros.live_doctor.listen", reason="ROS 2 is not installed")
    import struct

    data = bytes([0, 0 if big_endian else 1, 0, 0]) + struct.pack(">iI" if big_endian else "<iI", 12, 345)
    assert listen.stamp_of(data) == 12 * 10**9 + 345


def test_points_that_move_with_the_vehicle_are_reported_with_the_margin_that_takes_them_out():
    mirror = np.asarray(
        [[0.0, 0.95 + 0.32, -0.8, 1.0]], dtype=np.float32
    )  # in the LiDAR's frame, next to a box of 1.9 m
    stamps = [NOW + k * 10**8 for k in range(8)]
    clouds = [encode_inputs.point_cloud(make, stamp, "lidar", np.concatenate([ground(), mirror])) for stamp in stamps]
    found = [f for f in contents(topic_statistics("lidar", messages=clouds), odometry()) if "its own" in f.text]
    assert len(found) == 1 and found[0].level == Level.WARN and "own_margin_m: 0.35" in found[0].remedy
    parked = odometry(vx=0.0, moved_mps=0.0)
    assert not any("its own" in f.text for f in contents(topic_statistics("lidar", messages=clouds), parked))
