"""The rig against /tf_static: chains, optical frames, and differences."""

import math
from types import SimpleNamespace as Message

import numpy as np

from transdiffuser_planner.core.rig import CameraMount, LidarMount, Mount, Rig
from transdiffuser_planner.doctor import extrinsics
from transdiffuser_planner.doctor.extrinsics import Link
from transdiffuser_planner.doctor.findings import Level

IMAGE = {"width": 64, "height": 32, "fx": 50.0, "fy": 50.0, "cx": 32.0, "cy": 16.0}
FRONT = CameraMount(name="front", **IMAGE, x_m=1.9, z_m=1.6, yaw_rad=0.3, pitch_rad=0.1)
RIG = Rig(cameras=(FRONT,), lidar=LidarMount(x_m=1.2, z_m=1.9, yaw_rad=math.pi / 2))
FRAMES = {"camera front": "front_optical", "lidar": "lidar"}


def link(parent, child, matrix):
    return Link(parent=parent, child=child, parent_from_child=np.asarray(matrix, dtype=np.float64))


def chain(lidar=RIG.lidar):
    """base_link -> roof -> sensors, the camera's frame an optical one, the first link published from the other end."""
    roof = Mount(x_m=1.0, y_m=0.2, z_m=1.5, yaw_rad=0.5).base_from_sensor()
    optical = np.eye(4)
    optical[:3, :3] = np.asarray([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    return [
        link("roof", "base_link", np.linalg.inv(roof)),
        link("roof", "front", np.linalg.inv(roof) @ FRONT.base_from_sensor()),
        link("front", "front_optical", optical),
        link("roof", "lidar", np.linalg.inv(roof) @ lidar.base_from_sensor()),
    ]


def test_a_rig_that_agrees_with_the_transforms_is_fine_also_in_optical_frames():
    found = list(extrinsics.check(RIG, FRAMES, chain()))
    assert [f.level for f in found] == [Level.OK, Level.OK] and all("mounted as" in f.text for f in found)


def test_a_mount_that_differs_is_reported_with_the_matching_entry():
    other = LidarMount(x_m=1.2, y_m=0.5, z_m=1.9, yaw_rad=0.0)
    found = list(extrinsics.check(RIG, FRAMES, chain(other)))[1]
    assert found.level == Level.WARN and "differ by 0.50 m and 90.0 degrees" in found.text
    assert "y_m: 0.500, z_m: 1.900" in found.remedy and "yaw_rad: 0.0000" in found.remedy


def test_a_disconnected_frame_is_reported_as_skipped():
    found = list(extrinsics.check(RIG, FRAMES, chain()[1:]))
    assert all(f.level == Level.OK and "does not connect" in f.text for f in found)


def test_a_transform_message_becomes_its_matrix():
    half = math.sin(math.pi / 4)
    transform = Message(translation=Message(x=1.0, y=2.0, z=3.0), rotation=Message(x=0.0, y=0.0, z=half, w=half))
    found = extrinsics.link_of(Message(header=Message(frame_id="a"), child_frame_id="b", transform=transform))
    np.testing.assert_allclose(found.parent_from_child @ [1.0, 0.0, 0.0, 1.0], [1.0, 3.0, 3.0, 1.0], atol=1e-9)
