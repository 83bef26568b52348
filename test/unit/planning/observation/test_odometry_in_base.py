"""Odometry of a frame ahead of the rear axle is moved to the axle in one way, wherever it is read."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planning.observation.ego_history import extrapolate, odometry_in_base
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

OFFSET_M = 1.4
RIG = replace(Rig.load(RIGS / "carla.yaml"), base_from_odometry_child_x_m=OFFSET_M)
TURNING = EgoState(
    stamp_ns=10**9, frame_id="map", x_m=20.0, y_m=5.0, heading_rad=0.5, vx_mps=6.0, vy_mps=0.84, yaw_rate_radps=0.6
)


def _assembled() -> EgoState:
    assembler = SnapshotAssembler(RIG, PlannerConfig())
    assembler.add_odometry(TURNING)
    snapshot = assembler.last_known(TURNING.stamp_ns)
    assert snapshot is not None
    return snapshot.ego


def _replayed() -> EgoState:
    pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")
    from transdiffuser_planner.data.bags.bag_reader import BagMessage
    from transdiffuser_planner.messages import encode_inputs
    from transdiffuser_planner.messages.definitions import make_message
    from transdiffuser_planner.replay.bag_frames import BagFrames

    planner = SimpleNamespace(
        config=PlannerConfig(), codebook=None, top_speed_mps=None, contract=TINY, memory=PlanHistory()
    )
    absent = ["lidar", *(f"camera '{camera.name}'" for camera in RIG.cameras)]
    frames = BagFrames(planner, RIG, TopicMap(odometry="/odometry"), absent)
    message = encode_inputs.odometry(make_message, TURNING, "axle")
    item = BagMessage(topic="/odometry", type_name="nav_msgs/msg/Odometry", log_time_ns=0, raw=b"", message=message)
    assert not list(frames.take(item))
    return frames.log.ego[0]


def _logged(path: Path) -> EgoState:
    pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")
    from transdiffuser_planner.data.bags.bag_writer import BagWriter
    from transdiffuser_planner.data.logs.drive_log import LogRequest
    from transdiffuser_planner.data.logs.log_sources import read_log
    from transdiffuser_planner.messages import encode_inputs
    from transdiffuser_planner.messages.definitions import make_message

    with BagWriter(path) as bag:
        message = encode_inputs.odometry(make_message, TURNING, "axle")
        bag.write("/odometry", "nav_msgs/msg/Odometry", TURNING.stamp_ns, message)
    return read_log(LogRequest(path=path, topics=TopicMap(odometry="/odometry"), rig=RIG)).ego.states[0]


def test_assembler_replay_and_drive_log_move_odometry_alike_with_its_lateral_speed(tmp_path: Path) -> None:
    moved = odometry_in_base(TURNING, OFFSET_M)
    assert moved.vy_mps == pytest.approx(0.84 - 0.6 * OFFSET_M) and moved.x_m < TURNING.x_m - 1.2
    for found in (_assembled(), _replayed(), _logged(tmp_path / "bag")):
        assert (found.x_m, found.y_m, found.heading_rad) == pytest.approx((moved.x_m, moved.y_m, moved.heading_rad))
        assert (found.vx_mps, found.vy_mps, found.yaw_rate_radps) == pytest.approx(
            (moved.vx_mps, moved.vy_mps, moved.yaw_rate_radps)
        )


def test_the_axle_moves_with_its_own_velocity() -> None:
    later = extrapolate(TURNING, TURNING.stamp_ns + 10_000_000)
    before, after = (odometry_in_base(state, OFFSET_M) for state in (TURNING, later))
    predicted = extrapolate(before, later.stamp_ns)
    assert (after.x_m, after.y_m) == pytest.approx((predicted.x_m, predicted.y_m), abs=1e-4)


def test_odometry_of_base_link_stays_the_same_object() -> None:
    assert odometry_in_base(TURNING, 0.0) is TURNING
