"""Scenarios of ScenarioNet as drives: frames, units, times, signals, and pickles that are refused."""

import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from support.data_set_logs import FORWARD, LEFT, START, YAW, in_map, scenario, write_scenario

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_sources import read_log, recognize
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.messages.topic_map import TopicMap


def read(path: Path) -> DriveLog:
    return read_log(LogRequest(path=path, topics=TopicMap()), recognize(path))


@pytest.fixture
def log(tmp_path: Path) -> DriveLog:
    return read(write_scenario(tmp_path / "hand.pkl"))


def test_the_center_of_the_ego_s_box_becomes_the_rear_axle_on_the_ground(log: DriveLog) -> None:
    assert log.rig is not None
    first, vehicle = log.ego.states[0], log.rig.vehicle
    behind_2 = START[:2] - vehicle.center_offset_m * FORWARD
    np.testing.assert_allclose(np.add(log.origin_xyz_m[:2], (first.x_m, first.y_m)), behind_2, atol=1e-9)
    assert log.origin_xyz_m[2] + first.z_m == pytest.approx(41.0 - 2.0 / 2.0)
    assert first.heading_rad == pytest.approx(YAW)
    assert [state.vx_mps for state in log.ego.states] == pytest.approx([5.0] * 61)


def test_positions_of_nuscenes_are_those_of_the_rear_axle_already(tmp_path: Path) -> None:
    log = read(write_scenario(tmp_path / "hand.pkl", data_set="nuscenes", place="singapore-onenorth"))
    first = log.ego.states[0]
    np.testing.assert_allclose(np.add(log.origin_xyz_m[:2], (first.x_m, first.y_m)), START[:2], atol=1e-9)
    assert log.drives_on_left is True
    assert not log.speed_limits  # the converter of nuScenes writes a constant


def test_seconds_become_nanoseconds_that_are_not_zero(log: DriveLog) -> None:
    stamps = [state.stamp_ns for state in log.ego.states]
    assert stamps[0] > 0 and np.diff(stamps).tolist() == [100_000_000] * 60


def test_agents_keep_place_class_and_speed_and_cones_are_named(log: DriveLog) -> None:
    _, agents = log.agents.snapshots[10]
    by_class = {int(kind): i for i, kind in enumerate(agents.class_N)}
    truck, person = by_class[AgentClass.TRUCK], by_class[AgentClass.PEDESTRIAN]  # 9 m are no car
    assert agents.speed_mps_N[truck] == pytest.approx(5.0) and agents.speed_mps_N[person] == pytest.approx(0.0)
    place = np.asarray([agents.x_m_N[truck], agents.y_m_N[truck]]) + log.origin_xyz_m[:2]
    np.testing.assert_allclose(place, in_map(25.0, 0.0), atol=1e-9)
    assert len(agents) == 2 and any("1 x traffic_cone" in note for note in log.notes)


def test_lanes_have_borders_successors_and_limits_in_meters_per_second(log: DriveLog) -> None:
    first, second = log.lanes
    assert first.successors == (second.number,) and second.is_in_junction and not first.is_in_junction
    assert first.speed_limit_mps == pytest.approx(10.0)
    assert first.left_B2 is not None
    np.testing.assert_allclose(first.left_B2[0] - first.center_K2[0], 1.75 * LEFT, atol=1e-9)
    kinds = [kind for kind, _ in log.map_pieces]
    assert PieceKind.CROSSING in kinds and any("1 features" in note for note in log.notes)


def test_the_next_signal_is_given_with_the_distance_from_the_front_bumper(log: DriveLog) -> None:
    assert log.rig is not None
    first, later = log.signals[0], log.signals[40]
    front_m = log.rig.vehicle.front_offset_m - log.rig.vehicle.center_offset_m  # positions are those of the center
    assert first.state is SignalState.RED and first.distance_m == pytest.approx(39.0 - front_m, abs=0.05)
    assert later.state is SignalState.GREEN and later.distance_m == pytest.approx(39.0 - 20.0 - front_m, abs=0.05)


def test_the_route_continues_along_the_lanes(log: DriveLog) -> None:
    route = log.routes[0][1].xy_N2 + log.origin_xyz_m[:2]
    np.testing.assert_allclose(route[-1], in_map(100.0, 0.0), atol=1e-6)


def test_a_scenario_without_a_map_has_a_straight_route_and_no_map(tmp_path: Path) -> None:
    content = scenario()
    content["map_features"] = {}
    path = tmp_path / "hand.pkl"
    path.write_bytes(pickle.dumps(content))
    log = read(path)
    assert "map" not in log.inputs and "route" in log.inputs
    assert any(note.startswith("no map") for note in log.notes) and any("straight ahead" in note for note in log.notes)


class Harmful:
    """Runs a command when it is unpickled by an ordinary unpickler."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_nothing_that_a_pickle_names_is_executed(tmp_path: Path) -> None:
    path, trace = tmp_path / "hand.pkl", tmp_path / "trace"
    path.write_bytes(pickle.dumps(scenario() | {"id": Harmful(trace)}))
    with pytest.raises(RecordingError, match=r"it names \w+\.system, which is no plain data"):
        read(path)
    assert not trace.exists()


def test_default_dictionaries_are_read_as_plain_ones(tmp_path: Path) -> None:
    path = tmp_path / "hand.pkl"
    counts = collections.defaultdict(int)
    counts["a"] = 1
    path.write_bytes(pickle.dumps(scenario() | {"counts": counts}))
    assert len(read(path).ego) == 61


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": {"coordinate": "metadrive", "sdc_id": "ego"}}, "coordinates are 'metadrive'"),
        ({"metadata": {"sdc_id": "other"}}, "expected the track 'other'"),
        ({"length": 5, "metadata": {"sdc_id": "ego", "ts": [0.0, 0.2, 0.1, 0.3, 0.4]}}, "expected 5 increasing times"),
        ({"tracks": {"ego": {"type": "VEHICLE", "state": {}}}}, "track of the recording vehicle cannot be used"),
    ],
)
def test_a_scenario_that_cannot_be_used_is_one_line(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "hand.pkl"
    path.write_bytes(pickle.dumps(scenario() | change))
    with pytest.raises(RecordingError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [pickle.dumps({"summary": 1}), b"\x80garbage", b"\x80\x04}"])
def test_another_pickle_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "summary.pkl"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"summary\.pkl: "):
        read(path)
