"""Scenes made of a bag with ground truth: a straight drive at 8 m/s along the right one of two lanes."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags cannot be read or written without rosbags")

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.types import Acceleration, EgoState, SignalState, TrafficSignal, Trajectory
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import encode_inputs, encode_outputs
from transdiffuser_planner.messages.definitions import make_message as make
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files

pytestmark = pytest.mark.slow

TOPICS = TopicMap.load(preset_files("carla")[0])
SPEED_MPS, NUM_STEPS, WIDTH_M, LENGTH_M = 8.0, 101, 3.2, 160.0
STOP_M, FRONT_M = 70.0, 3.9
PLAN_TOPIC = encode_outputs.OUTPUT_NAMESPACE + "/trajectory"


def lane(y_m, backwards=False):
    """Ring and center line of a lane along x."""
    half = WIDTH_M / 2.0
    ring = np.asarray([[0.0, y_m - half], [LENGTH_M, y_m - half], [LENGTH_M, y_m + half], [0.0, y_m + half]])
    line = np.asarray([[0.0, y_m], [LENGTH_M / 2.0, y_m], [LENGTH_M, y_m]])
    return [(0, ring), (2, line[::-1] if backwards else line)]


def agents(time_s):
    """A car 30 m ahead at the ego's speed, a pedestrian next to the road, and the ego itself."""
    x = SPEED_MPS * time_s
    return AgentStates(
        frame_id="map",
        id_N=np.asarray([7, 8, 1], dtype=np.uint32),
        class_N=np.asarray([AgentClass.CAR, AgentClass.PEDESTRIAN, AgentClass.CAR], dtype=np.int8),
        x_m_N=np.asarray([x + 30.0, 50.0, x + 1.45]), y_m_N=np.asarray([0.0, -4.0, 0.0]), heading_rad_N=np.zeros(3),
        speed_mps_N=np.asarray([SPEED_MPS, 0.0, SPEED_MPS]), length_m_N=np.asarray([4.5, 0.6, 4.9]),
        width_m_N=np.asarray([1.9, 0.6, 1.9]), height_m_N=np.full(3, 1.6), braking_N=np.zeros(3, dtype=bool),
    )  # fmt: skip


def write_bag(path: Path, *, without=(), lines=True, signal=None, num_steps=NUM_STEPS) -> Path:
    pieces = [*lane(0.0), *lane(WIDTH_M, backwards=True)]
    pieces = [piece for piece in pieces if lines or piece[0] != 2]
    route = np.stack([np.arange(0.0, LENGTH_M, 2.0), np.zeros(80), np.zeros(80)], axis=-1)
    with BagWriter(path) as bag:

        def write(topic, kind, at_ns, message):
            if topic not in without:
                bag.write(topic, kind, at_ns, message)

        write(TOPICS.route, "nav_msgs/msg/Path", 0, encode_inputs.path(make, 0, "map", route))
        write(TOPICS.map, "transdiffuser_msgs/msg/MapPolygons", 0, encode_inputs.map_polygons(make, 0, "town", pieces))
        for step in range(num_steps):
            at_ns, x = step * 100_000_000, SPEED_MPS * 0.1 * step
            ego = EgoState(
                stamp_ns=at_ns, frame_id="map", x_m=x, y_m=0.0, heading_rad=0.0, vx_mps=SPEED_MPS, yaw_rate_radps=0.0
            )
            write(TOPICS.odometry, "nav_msgs/msg/Odometry", at_ns, encode_inputs.odometry(make, ego, "ego"))
            still = encode_inputs.acceleration(make, Acceleration(stamp_ns=at_ns, ax_mps2=0.0, ay_mps2=0.0), "ego")
            write(TOPICS.acceleration, "geometry_msgs/msg/AccelWithCovarianceStamped", at_ns, still)
            objects = encode_inputs.object_array(make, at_ns, agents(0.1 * step))
            write(TOPICS.objects, "derived_object_msgs/msg/ObjectArray", at_ns, objects)
            write(TOPICS.speed_limit, "std_msgs/msg/Float32", at_ns, encode_inputs.float32(make, 13.9))
            published = signal and TrafficSignal(
                stamp_ns=at_ns, state=signal, distance_m=max(STOP_M - x - FRONT_M, 0.0)
            )
            write(
                TOPICS.traffic_signal,
                "transdiffuser_msgs/msg/TrafficSignal",
                at_ns,
                encode_inputs.traffic_signal(make, at_ns, published),
            )
            times = np.arange(1, 9) * 0.5
            slow = Trajectory(
                stamp_ns=at_ns, frame_id="map", time_s_T=times, x_m_T=x + 5.0 * times, y_m_T=np.zeros(8),
                heading_rad_T=np.zeros(8), speed_mps_T=np.full(8, 5.0), accel_mps2_T=np.zeros(8), curvature_per_m_T=np.zeros(8),
            )  # fmt: skip
            write(
                PLAN_TOPIC,
                encode_outputs.OUTPUT_TYPES["trajectory"],
                at_ns,
                encode_outputs.trajectory(make, slow, EGO_VEHICLE),
            )
    return path


def scenes_of(bag: Path, out: Path, *words: str) -> list[dict]:
    assert main(["evaluate", "scenes-from-bag", str(bag), "--out", str(out), *words]) == 0
    return json.loads(out.read_text())["scenes"]


def scores_of(scenes: Path, out: Path) -> dict[str, dict]:
    words = ["--version", "epdms", "--workers", "1", "--out", str(out)]
    assert main(["evaluate", "scenes", str(scenes), *words]) == 0
    return {plan["plan"]: plan for plan in json.loads(out.read_text())["scenes"][0]["plans"]}


def test_a_faultless_drive_scores_one_and_the_recorded_plan_is_scored_beside_it(tmp_path: Path) -> None:
    scenes = scenes_of(write_bag(tmp_path / "bag"), tmp_path / "scenes.json")
    assert [scene["name"] for scene in scenes] == ["bag 1.5 s", "bag 3.5 s"]
    scores = scores_of(tmp_path / "scenes.json", tmp_path / "out.json")
    assert list(scores) == ["human", "constant velocity", "planner"]
    assert scores["human"]["score"] == scores["constant velocity"]["score"] == 1.0
    assert scores["planner"]["no_at_fault_collision"] == scores["planner"]["driving_direction"] == 1.0
    assert scores["planner"]["progress_m"] < scores["human"]["progress_m"] == pytest.approx(4 * SPEED_MPS, abs=0.1)
    assert scenes[0]["plans"]["planner"][-1] == pytest.approx([20.0, 0.0, 0.0])


def test_everyone_but_the_ego_is_in_the_scene_with_box_and_motion(tmp_path: Path) -> None:
    scene = scenes_of(write_bag(tmp_path / "bag"), tmp_path / "scenes.json")[0]
    found = {agent["token"]: agent for agent in scene["agents"]}
    assert set(found) == {"car 7", "pedestrian 8"}
    assert found["car 7"]["poses"][50] == pytest.approx([SPEED_MPS * 6.5 + 30.0, 0.0, 0.0])
    assert found["car 7"]["velocities"][0] == [SPEED_MPS, 0.0] and found["pedestrian 8"]["kind"] == "pedestrian"
    assert scene["ego"]["pose"] == pytest.approx([12.0, 0.0, 0.0]) and scene["speed_limit_mps"] == pytest.approx(13.9)


def test_only_lanes_that_run_the_way_of_the_route_are_on_it(tmp_path: Path) -> None:
    scene = scenes_of(write_bag(tmp_path / "bag"), tmp_path / "scenes.json")[0]
    assert scene["route"] == ["lane 0"]
    scene["plans"] = {"oncoming": [[8.0 * t, 3.2 * min(t / 3.0, 1.0), 0.0] for t in np.arange(1, 9) * 0.5]}
    (tmp_path / "scenes.json").write_text(json.dumps(scene))
    scores = scores_of(tmp_path / "scenes.json", tmp_path / "out.json")["oncoming"]
    assert scores["driving_direction"] == 0.0 and scores["drivable_area"] == 1.0


def test_without_center_lines_and_signals_what_needs_them_is_left_out(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", lines=False, without=(TOPICS.traffic_signal,))
    scene = scenes_of(bag, tmp_path / "scenes.json")[0]
    assert set(scene["not_scored"]) == {"driving_direction", "traffic_light"}
    human = scores_of(tmp_path / "scenes.json", tmp_path / "out.json")["human"]
    assert human["driving_direction"] is None and human["traffic_light"] is None and human["score"] == 1.0


@pytest.mark.parametrize(("state", "score"), [(SignalState.RED, 0.0), (SignalState.GREEN, 1.0)])
def test_a_plan_that_passes_the_stop_line_at_red_is_caught(tmp_path: Path, state: SignalState, score: float) -> None:
    bag = write_bag(tmp_path / "bag", signal=state)
    scene = scenes_of(bag, tmp_path / "scenes.json")[-1]
    assert [light["token"] for light in scene["red_lights"]] == (["light at 70 m"] if score == 0.0 else [])
    scene |= {
        "human_plan": None,
        "plans": {"fast": [[20.0 * t, 0.0, 0.0] for t in np.arange(1, 9) * 0.5]},
        "agents": [],
    }
    (tmp_path / "scenes.json").write_text(json.dumps(scene))
    assert scores_of(tmp_path / "scenes.json", tmp_path / "out.json")["fast"]["traffic_light"] == score


def test_scenes_half_a_second_apart_know_the_one_before(tmp_path: Path) -> None:
    scenes = scenes_of(write_bag(tmp_path / "bag"), tmp_path / "scenes.json", "--every", "0.5")
    assert "previous" not in scenes[0] and scenes[1]["previous"] == scenes[0]["name"]
    assert (
        main(["evaluate", "scenes", str(tmp_path / "scenes.json"), "--workers", "1", "--out", str(tmp_path / "o")]) == 0
    )
    assert json.loads((tmp_path / "o").read_text())["scenes"][1]["plans"][0]["extended_comfort"] == 1.0


@pytest.mark.parametrize("missing", ["odometry", "route", "objects", "map"])
def test_a_bag_without_ground_truth_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    bag = write_bag(tmp_path / "bag", without=(getattr(TOPICS, missing),), num_steps=5)
    assert main(["evaluate", "scenes-from-bag", str(bag), "--out", str(tmp_path / "scenes.json")]) == 2
    error = capsys.readouterr().err
    assert f"expected {missing} on '{getattr(TOPICS, missing)}'" in error and error.count("\n") == 1


def test_a_bag_too_short_for_a_scene_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", num_steps=40)
    assert main(["evaluate", "scenes-from-bag", str(bag), "--out", str(tmp_path / "scenes.json")]) == 2
    error = capsys.readouterr().err
    assert "no scene could be made (at least 6.5 s are needed)" in error and error.count("\n") == 1
