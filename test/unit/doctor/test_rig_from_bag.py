"""A rig drafted from a bag's calibration: chains of transforms, optical frames, choices, and errors with a remedy."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags")

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import CameraMount, LidarMount, Mount, Rig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.doctor.bag_topics import camera_names, other_topics
from transdiffuser_planner.doctor.rig_from_bag import SensorSelection, body_axes, draft_rig
from transdiffuser_planner.messages.definitions import make_message as make
from transdiffuser_planner.messages.topic_map import TopicMap

LEFT = CameraMount(
    name="left", width=64, height=32, fx=50.0, fy=51.0, cx=32.0, cy=16.0, x_m=1.8, y_m=0.4, z_m=1.5, yaw_rad=0.9
)
FRONT = CameraMount(
    name="front", width=96, height=48, fx=80.0, fy=80.0, cx=47.0, cy=23.0, x_m=1.9, z_m=1.6, pitch_rad=0.05
)
LIDAR = LidarMount(x_m=1.2, z_m=2.1, yaw_rad=1.57)
ODOMETRY_X_M = 1.4
OPTICAL = np.asarray([[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


def header(frame: str) -> object:
    return make("std_msgs/msg/Header", stamp=make("builtin_interfaces/msg/Time", sec=10, nanosec=0), frame_id=frame)


def transform(parent: str, child: str, matrix: np.ndarray) -> object:
    """A TransformStamped of a 4x4 matrix."""
    from transdiffuser_planner.replay.output.viewer_transforms import quaternion

    x, y, z = map(float, matrix[:3, 3])
    turn = dict(zip("xyzw", quaternion(matrix[:3, :3]), strict=True))
    return make(
        "geometry_msgs/msg/TransformStamped",
        header=header(parent),
        child_frame_id=child,
        transform=make(
            "geometry_msgs/msg/Transform",
            translation=make("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=make("geometry_msgs/msg/Quaternion", **turn),
        ),
    )


def camera_info(camera: CameraMount, frame: str, *, is_calibrated: bool = True) -> object:
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0] if is_calibrated else [0.0] * 9
    roi = make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=header(frame),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.asarray(k),
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def image(frame: str) -> object:
    return make(
        "sensor_msgs/msg/Image", header=header(frame), height=1, width=1, encoding="mono8", is_bigendian=0, step=1,
        data=np.zeros(1, dtype=np.uint8),
    )  # fmt: skip


def cloud(frame: str) -> object:
    return make(
        "sensor_msgs/msg/PointCloud2", header=header(frame), height=1, width=0, fields=[], is_bigendian=False,
        point_step=12, row_step=0, data=np.zeros(0, dtype=np.uint8), is_dense=True,
    )  # fmt: skip


def odometry(child: str) -> object:
    zero = make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    pose = make(
        "geometry_msgs/msg/Pose",
        position=make("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
        orientation=make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
    )
    twist = make("geometry_msgs/msg/Twist", linear=zero, angular=zero)
    return make(
        "nav_msgs/msg/Odometry",
        header=header("odom"),
        child_frame_id=child,
        pose=make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )


def links() -> list[object]:
    """base_link -> roof -> cameras (one in its optical frame, one in a frame with x ahead) and LiDAR; imu ahead of the axle."""
    roof = Mount(x_m=1.0, y_m=0.1, z_m=1.5, yaw_rad=0.3).base_from_sensor()
    below = np.linalg.inv(roof)
    imu = np.eye(4)
    imu[0, 3] = ODOMETRY_X_M
    return [
        transform("roof", "base_link", below),
        transform("roof", "left_optical", below @ LEFT.base_from_sensor() @ OPTICAL),
        transform("roof", "front", below @ FRONT.base_from_sensor()),
        transform("roof", "lidar", below @ LIDAR.base_from_sensor()),
        transform("base_link", "imu", imu),
    ]


def messages(tf_topic: str) -> Iterator[tuple[str, str, object]]:
    """One message of each sensor of a vehicle; transforms in two latched messages."""
    for part in (links()[:2], links()[2:]):
        yield tf_topic, "tf2_msgs/msg/TFMessage", make("tf2_msgs/msg/TFMessage", transforms=part)
    for camera, frame in ((FRONT, "front"), (LEFT, "left_optical")):
        yield f"/sensing/{camera.name}/camera_info", "sensor_msgs/msg/CameraInfo", camera_info(camera, frame)
        yield f"/sensing/{camera.name}/image_raw", "sensor_msgs/msg/Image", image(frame)
        yield f"/sensing/{camera.name}/image_rect", "sensor_msgs/msg/Image", image(frame)
    yield "/points", "sensor_msgs/msg/PointCloud2", cloud("lidar")
    yield "/odom", "nav_msgs/msg/Odometry", odometry("imu")


def written(folder: Path, rows: list[tuple[str, str, object]]) -> Path:
    with BagWriter(folder) as bag:
        for count, (topic, kind, message) in enumerate(rows):
            bag.write(topic, kind, 10**10 + count, message)
    return folder


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return written(tmp_path / "drive", list(messages("/tf_static")))


def same_mount(found: Mount, wanted: Mount) -> bool:
    return np.allclose(found.base_from_sensor(), wanted.base_from_sensor(), atol=5e-4)


def test_the_written_files_hold_mounts_intrinsics_and_topics_from_left_to_right(bag, tmp_path, capsys):
    rig_file, topics_file = tmp_path / "rig.yaml", tmp_path / "topics.yaml"
    assert main(["rig", str(bag), "--out", str(rig_file), "--topics", str(topics_file)]) == 0
    rig, topics = Rig.load(rig_file), TopicMap.load(topics_file)
    assert [camera.name for camera in rig.cameras] == ["left", "front"]
    for found, wanted in zip((*rig.cameras, rig.lidar), (LEFT, FRONT, LIDAR), strict=True):
        assert same_mount(found, wanted), (found, wanted)
    left = rig.cameras[0]
    assert (left.width, left.height, left.fx, left.fy, left.cx, left.cy) == (64, 32, 50.0, 51.0, 32.0, 16.0)
    assert rig.base_from_odometry_child_x_m == pytest.approx(ODOMETRY_X_M)
    assert topics.images == {"front": "/sensing/front/image_rect", "left": "/sensing/left/image_rect"}
    assert (topics.lidar, topics.odometry) == ("/points", "/odom")
    assert "rig.yaml: camera left, camera front, lidar" in capsys.readouterr().out


def test_transforms_are_taken_from_tf_where_tf_static_is_missing(tmp_path):
    with BagReader(written(tmp_path / "drive", list(messages("/tf")))) as bag:
        assert same_mount(draft_rig(bag, SensorSelection()).rig.cameras[0], LEFT)


def test_an_optical_frame_and_a_frame_with_x_ahead_give_the_same_mount():
    mount = Mount(x_m=1.0, z_m=1.5, yaw_rad=-0.7, pitch_rad=0.2, roll_rad=0.1).base_from_sensor()
    np.testing.assert_allclose(body_axes(mount @ OPTICAL), mount, atol=1e-9)
    np.testing.assert_allclose(body_axes(mount), mount, atol=1e-9)


def test_cameras_are_named_by_the_part_of_the_topic_in_which_they_differ():
    assert list(camera_names(["/a/front/color/camera_info", "/a/left/color/camera_info"])) == ["front", "left"]
    assert list(camera_names(["/a/cam0/camera_info", "/b/cam0/camera_info"])) == ["a", "b"]
    assert list(camera_names(["/camera/camera_info"])) == ["camera"]


def test_other_inputs_are_taken_where_type_or_name_is_unambiguous():
    path, number = "nav_msgs/msg/Path", "std_msgs/msg/Float32"
    assert other_topics({"/plan": path, "/car/speed_limit": number, "/car/fuel": number}) == (
        {"speed_limit": "/car/speed_limit", "route": "/plan"},
        [],
    )
    found, notes = other_topics({"/a": path, "/b": path, "/car/fuel": number})
    assert not found and notes == ["route: could be /a or /b; add the right one to the topic map"]


def test_chosen_cameras_keep_the_given_order_and_others_are_ignored(bag):
    with BagReader(bag) as reader:
        assert [camera.name for camera in draft_rig(reader, SensorSelection(cameras=("front",))).rig.cameras] == [
            "front"
        ]
        with pytest.raises(InputError, match=r"no camera rear; it has front, left"):
            draft_rig(reader, SensorSelection(cameras=("rear",)))


def test_a_frame_that_is_not_connected_to_the_base_is_an_error_that_lists_the_known_frames(bag):
    with (
        BagReader(bag) as reader,
        pytest.raises(InputError, match=r"'front'.*with 'base'; known frames: base_link, front.*--base"),
    ):
        draft_rig(reader, SensorSelection(base="base", cameras=("front",)))


def test_two_point_clouds_are_an_error_that_names_the_option(tmp_path):
    rows = [*messages("/tf_static"), ("/other", "sensor_msgs/msg/PointCloud2", cloud("lidar"))]
    with BagReader(written(tmp_path / "drive", rows)) as bag:
        with pytest.raises(InputError, match=r"lidar could be /other or /points; choose with --lidar TOPIC"):
            draft_rig(bag, SensorSelection())
        assert draft_rig(bag, SensorSelection(lidar="/points")).topics.lidar == "/points"


def test_an_uncalibrated_camera_is_an_error_that_names_its_topic(tmp_path):
    info = camera_info(FRONT, "front", is_calibrated=False)
    rows = [("/cam/camera_info", "sensor_msgs/msg/CameraInfo", info), *messages("/tf_static")]
    with (
        BagReader(written(tmp_path / "drive", rows)) as bag,
        pytest.raises(InputError, match=r"/cam/camera_info: not calib"),
    ):
        draft_rig(bag, SensorSelection(cameras=("cam",)))


def test_a_bag_without_sensors_is_one_line_and_exit_status_2(tmp_path, capsys):
    bag = written(tmp_path / "drive", [("/odom", "nav_msgs/msg/Odometry", odometry("base_link"))])
    assert main(["rig", str(bag), "--out", str(tmp_path / "rig.yaml")]) == 2
    assert "holds neither sensor_msgs/msg/CameraInfo" in capsys.readouterr().err


def test_an_odometry_frame_that_is_rotated_or_not_connected_is_a_note(tmp_path):
    turned = np.eye(4)
    turned[:2, :2] = [[math.cos(0.5), -math.sin(0.5)], [math.sin(0.5), math.cos(0.5)]]
    extra = make("tf2_msgs/msg/TFMessage", transforms=[transform("base_link", "gps", turned)])
    for child, words in (("gps", "rotated"), ("nowhere", "not connected"), ("", "empty")):
        rows = [("/tf_static", "tf2_msgs/msg/TFMessage", extra), *messages("/tf_static")][:-1]
        rows.append(("/odom", "nav_msgs/msg/Odometry", odometry(child)))
        with BagReader(written(tmp_path / f"drive_{child}", rows)) as bag:
            draft = draft_rig(bag, SensorSelection())
        assert draft.rig.base_from_odometry_child_x_m == 0.0
        assert any(words in note for note in draft.notes), draft.notes
