"""A bag as a DriveLog: sensor frames are passed on in order, rejected messages are counted."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags cannot be read or written without rosbags")

from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.data.logs.drive_log import LogMessage, LogRequest
from transdiffuser_planner.data.logs.log_sources import read_log
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.messages.definitions import make_message as make
from transdiffuser_planner.messages.topic_map import TopicMap

TOPICS = TopicMap(odometry="/odometry", lidar="/lidar", speed_limit="/limit", objects="/objects")
ANGLES = np.linspace(0.0, 6.0, 200)
POINTS = np.stack([8.0 * np.cos(ANGLES), 9.0 * np.sin(ANGLES), 0.0 * ANGLES, ANGLES], axis=-1).astype(np.float32)


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Odometry at 0.0, 0.1, 0.1 and 0.2 s, each with a point cloud; the limit is logged an hour after its data."""
    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        for log_ns, stamp_ns in enumerate((0, 10**8, 10**8, 2 * 10**8)):
            ego = EgoState(stamp_ns=stamp_ns, frame_id="map", x_m=0.0, y_m=0.0, heading_rad=0.0, vx_mps=0.0)
            writer.write("/odometry", "nav_msgs/msg/Odometry", log_ns, encode_inputs.odometry(make, ego, "base_link"))
            cloud = encode_inputs.point_cloud(make, stamp_ns, "lidar", POINTS)
            writer.write("/lidar", "sensor_msgs/msg/PointCloud2", log_ns, cloud)
        writer.write("/limit", "std_msgs/msg/Float32", 3600 * 10**9, encode_inputs.float32(make, 13.5))
    return path


def test_odometry_of_a_repeated_stamp_is_rejected_and_counted(bag: Path) -> None:
    log = read_log(LogRequest(path=bag, topics=TOPICS))
    assert [state.stamp_ns for state in log.ego.states] == [0, 10**8, 2 * 10**8]
    assert log.rejected == {"odometry: repeated stamp": 1}
    assert log.inputs == {"odometry", "lidar", "speed_limit"} and log.name == "bag"


def test_messages_without_a_stamp_count_as_of_the_newest_odometry(bag: Path) -> None:
    assert read_log(LogRequest(path=bag, topics=TOPICS)).speed_limits == [(2 * 10**8, 13.5)]


def test_sensor_frames_are_passed_on_in_order_of_recording(bag: Path) -> None:
    taken: list[LogMessage] = []
    read_log(LogRequest(path=bag, topics=TOPICS, on_input=taken.append))
    assert [message.name for message in taken] == ["odometry", "lidar"] * 4 + ["speed_limit"]
    assert taken[1].decode().xyz_N3.shape == (200, 3)
