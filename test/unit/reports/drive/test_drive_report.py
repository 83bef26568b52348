"""The report of a recorded drive: what is read from a bag, what it comes to, and what the page is given."""

import base64
import json
import re

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags cannot be read or written without rosbags")

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.errors import EvaluationError, OutputError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    Candidates,
    DrivingCommand,
    EgoState,
    FallbackLevel,
    NotReady,
    PlanResult,
    PredictedAgents,
    Provenance,
    SignalState,
    TrafficSignal,
    Trajectory,
)
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import encode_inputs, encode_outputs
from transdiffuser_planner.messages.definitions import make_message as make
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.reports.drive import drive_to_json
from transdiffuser_planner.reports.drive.drive_to_json import page_data
from transdiffuser_planner.reports.drive.log_to_drive import collect
from transdiffuser_planner.reports.drive.page import preset_rig, render, write_report
from transdiffuser_planner.reports.drive.summary import NO_PLANS, cards, events, notes, table
from transdiffuser_planner.reports.drive.thinning import Pace, thin_cloud, within_budget

TOPICS, RIG = (kind.load(path) for kind, path in zip((TopicMap, Rig), preset_files("carla"), strict=True))
CONFIG = PlannerConfig()
START_NS = 1_700_000_000_000_000_000
START_XY = np.asarray([5_000.0, -3_000.0])
SPEED_MPS = 6.0
NUM_FRAMES = 101
LANE_CENTER = 2
HOSTILE = "</script><script>alert(1)</script> <!-- %DATA% & 'drive'"


def stamp(time_s):
    return START_NS + round(time_s * 1e9)


def place(ahead_m, left_m=0.0):
    return START_XY + np.asarray([ahead_m, left_m])


def position(time_s):
    return place(SPEED_MPS * time_s)


def traffic(time_s):
    """A car ten meters ahead and one too far away to be shown."""
    x, y = position(time_s)
    each = np.ones(2)
    return AgentStates(
        frame_id="map", id_N=np.asarray([7, 8], dtype=np.uint32), class_N=np.asarray([AgentClass.CAR] * 2, dtype=np.int8),
        x_m_N=np.asarray([x + 10.0, x + 500.0]), y_m_N=each * y, heading_rad_N=0.0 * each, speed_mps_N=SPEED_MPS * each,
        length_m_N=4.5 * each, width_m_N=1.8 * each, height_m_N=1.5 * each, braking_N=each < 0,
    )  # fmt: skip


def plan(time_s, fallback_level=FallbackLevel.NONE, reason=""):
    """Three candidates straight ahead at different speeds; the second is rejected, the third chosen unless it is a fallback."""
    x, y = position(time_s)
    knots_s, times = 0.5 * np.arange(1, 9), 0.1 * np.arange(41)
    speeds = np.asarray([4.0, 20.0, SPEED_MPS])
    pose_MT3 = np.zeros((3, 8, 3))
    pose_MT3[..., 0], pose_MT3[..., 1] = x + speeds[:, None] * knots_s, y
    flat = np.zeros(41)
    agent_path = np.zeros((3, 1, 8, 3))
    agent_path[..., 0], agent_path[..., 1] = x + 10.0 + SPEED_MPS * knots_s, y
    one = np.ones(1)
    return PlanResult(
        trajectory=Trajectory(
            stamp_ns=stamp(time_s), frame_id="map", time_s_T=times, x_m_T=x + SPEED_MPS * times, y_m_T=y + flat,
            heading_rad_T=flat, speed_mps_T=flat + SPEED_MPS, accel_mps2_T=flat, curvature_per_m_T=flat,
        ),
        candidates=Candidates(
            frame_id="map", pose_MT3=pose_MT3, time_s_T=knots_s, probability_M=np.asarray([0.25, 0.0, 0.75]),
            rejected_M=np.asarray([False, True, False]), cost_terms={"comfort": np.zeros(3)},
        ),
        agents=PredictedAgents(
            frame_id="map", id_A=np.asarray([1], dtype=np.uint32), class_A=np.zeros(1, dtype=np.int8), existence_A=0.9 * one,
            pose_A3=np.asarray([[x + 10.0, y, 0.0]]), speed_A=SPEED_MPS * one, speed_known_A=one > 0, length_m_A=4.5 * one,
            width_m_A=1.8 * one, path_MAT3=agent_path, time_s_T=knots_s,
        ),
        chosen=2 if fallback_level is FallbackLevel.NONE else -1, fallback_level=fallback_level, reason=reason,
        provenance=Provenance(
            snapshot_stamp_ns=stamp(time_s), ages_ns={"lidar": 0}, missing=("acceleration",), seed=3, model_name="tiny",
            model_hash="0123456789abcdef", provider="cpu", precision="fp32", sampler="ddim", num_candidates=3,
            num_denoise_steps=10, plan_age_s=0.0, stage_ms={"encode": 20.0},
        ),
    )  # fmt: skip


def write_inputs(write):
    """Ten seconds straight ahead at 10 Hz, images and clouds at 5 Hz."""

    def put(topic, kind, time_s, message):
        write(topic, kind, stamp(time_s), message)

    line = np.stack([place(0.0), place(200.0)])
    put("/ground_truth/map", "transdiffuser_msgs/msg/MapPolygons", 0.0,
        encode_inputs.map_polygons(make, stamp(0.0), "town", [(LANE_CENTER, line), (0, np.full((3, 2), np.nan))]))  # fmt: skip
    put(
        TOPICS.route,
        "nav_msgs/msg/Path",
        0.0,
        encode_inputs.path(make, stamp(0.0), "map", np.column_stack([line, [0.0, 0.0]])),
    )
    heads = [(4, *place(40.0, 3.0), 5.0, np.pi)]
    put("/lights", "carla_msgs/msg/CarlaTrafficLightInfoList", 0.0, encode_inputs.traffic_light_info(make, heads))
    rng = np.random.default_rng(0)
    points = np.asarray([[10.0, 2.0, -1.0, 0.5], [20.0, -4.0, -0.4, 0.5]], dtype=np.float32)
    for i in range(NUM_FRAMES):
        t = 0.1 * i
        x, y = position(t)
        ego = EgoState(stamp_ns=stamp(t), frame_id="map", x_m=x, y_m=y, heading_rad=0.0, vx_mps=SPEED_MPS)
        put(TOPICS.odometry, "nav_msgs/msg/Odometry", t, encode_inputs.odometry(make, ego, "ego_vehicle"))
        limit_mps = 13.9 if t < 5.0 else 8.3
        put(TOPICS.speed_limit, "std_msgs/msg/Float32", t, encode_inputs.float32(make, limit_mps))
        command = encode_inputs.driving_command(make, stamp(t), DrivingCommand.STRAIGHT)
        put(TOPICS.command, "transdiffuser_msgs/msg/DrivingCommand", t, command)
        signal = TrafficSignal(stamp_ns=stamp(t), state=SignalState.RED, distance_m=40.0 - SPEED_MPS * t)
        put(
            TOPICS.traffic_signal,
            "transdiffuser_msgs/msg/TrafficSignal",
            t,
            encode_inputs.traffic_signal(make, stamp(t), signal),
        )
        put(
            "/objects", "derived_object_msgs/msg/ObjectArray", t, encode_inputs.object_array(make, stamp(t), traffic(t))
        )
        state = SignalState.RED if t < 5.0 else SignalState.GREEN
        states = encode_inputs.traffic_light_status(make, [(4, state)])
        put("/light_states", "carla_msgs/msg/CarlaTrafficLightStatusList", t, states)
        if i % 2:
            continue
        put(TOPICS.lidar, "sensor_msgs/msg/PointCloud2", t, encode_inputs.point_cloud(make, stamp(t), "lidar", points))
        for name in ("rgb_right", "rgb_left", "rgb_front"):
            image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            put(TOPICS.images[name], "sensor_msgs/msg/Image", t, encode_inputs.image(make, stamp(t), name, image))


def write_plans(write):
    """Five plans a second: no plan in the first second, last plans kept from 4 to 4.4 s, one late plan, a long contact."""

    for t in np.round(0.2 * np.arange(51), 1):
        if t < 1.0:
            outcome = NotReady(reason="no LiDAR yet")
        else:
            outcome = plan(t, FallbackLevel.LAST_PLAN, "all rejected") if 4.0 <= t <= 4.4 else plan(t)
        what = (stamp(t), outcome, 130.0 if t == 6.0 else 60.0)
        for name, kind, message in encode_outputs.outputs(make, *what, config=CONFIG, vehicle=RIG.vehicle):
            write(f"{encode_outputs.OUTPUT_NAMESPACE}/{name}", kind, stamp(t), message)
    for t in (7.0, 7.1, 7.2, 9.5):
        write("/contact", "carla_msgs/msg/CarlaCollisionEvent", stamp(t), encode_inputs.collision(make, stamp(t), 7))


def write_in_order(path, *makers):
    """A bag in order of log times, as a recorder leaves it."""
    items = []
    for maker in makers:
        maker(lambda topic, kind, stamp_ns, message: items.append((stamp_ns, topic, kind, message)))
    with BagWriter(path) as writer:
        for stamp_ns, topic, kind, message in sorted(items, key=lambda item: item[0]):
            writer.write(topic, kind, stamp_ns, message)


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("bags") / "drive"
    write_in_order(path, write_inputs, write_plans)
    return path


@pytest.fixture(scope="module")
def drive(bag):
    return collect(bag, TOPICS, RIG)


@pytest.fixture(scope="module")
def bag_without_plans(tmp_path_factory):
    path = tmp_path_factory.mktemp("bags") / "plain"
    write_in_order(path, write_inputs)
    return path


def int16(text):
    return np.frombuffer(base64.b64decode(text), dtype="<i2").astype(float) / 100.0


def test_a_drive_is_as_long_and_as_far_as_it_was(drive):
    assert drive.duration_s == pytest.approx(10.0)
    assert drive.distance_m == pytest.approx(60.0)
    assert len(drive.stamp_ns_F) == NUM_FRAMES
    np.testing.assert_allclose(drive.pose_at(stamp(2.05)), [*position(2.05), 0.0], atol=1e-6)


def test_cameras_are_kept_from_left_to_right_and_thinned(drive):
    assert list(drive.images) == ["rgb_left", "rgb_front", "rgb_right"]
    assert all(30 <= len(frames) <= 42 for frames in drive.images.values())


def test_clouds_are_given_in_base_link(drive):
    _, cloud = drive.clouds[0]
    offset_cm = [100.0 * RIG.lidar.x_m, 100.0 * RIG.lidar.y_m]
    found = cloud.xy_cm_N2[np.argsort(cloud.xy_cm_N2[:, 0])]
    np.testing.assert_allclose(found - offset_cm, [[1000.0, 200.0], [2000.0, -400.0]], atol=1.0)


def test_only_changes_of_slow_inputs_are_kept(drive):
    assert [round(limit, 1) for _, limit in drive.limits_mps] == [13.9, 8.3]
    assert [command for _, command in drive.commands] == [DrivingCommand.STRAIGHT]
    assert [states[4] for _, states in drive.light_states] == [SignalState.RED, SignalState.GREEN]


def test_objects_far_away_and_map_pieces_that_are_not_finite_are_left_out(drive):
    assert {int(number) for _, agents in drive.objects for number in agents.id_N} == {7}
    assert [kind for kind, _ in drive.map_pieces] == [LANE_CENTER]


def test_a_contact_that_lasts_counts_once(drive):
    assert [other for _, other in drive.collisions] == [7, 7]


def test_events_tell_waiting_fallback_and_collision_in_order(drive):
    found = [(event.kind, round(event.time_s, 1), round(event.end_s, 1), event.text) for event in events(drive)]
    assert found == [
        ("waiting", 0.0, 0.8, "No plan: no LiDAR yet"),
        ("fallback", 4.0, 4.4, "Last plan kept: all rejected"),
        ("collision", 7.0, 7.0, "Collision with car 7"),
        ("collision", 9.5, 9.5, "Collision with car 7"),
    ]


def test_cards_and_facts_count_late_plans_fallbacks_and_collisions(drive):
    shown = {card["label"]: card for card in cards(drive)}
    assert shown["Plans"]["value"] == "46"
    assert (shown["Fallbacks"]["value"], shown["Fallbacks"]["tone"]) == ("3", "warn")
    assert (shown["Collisions"]["value"], shown["Collisions"]["tone"]) == ("2", "bad")
    assert shown["Latency, median"]["tone"] == "warn"
    facts = dict(table(drive))
    assert facts["Later than the deadline"].startswith("1 of 46")
    assert facts["Cycles without a plan"] == "5 × no LiDAR yet"
    assert facts["Sampling"] == "46 × 3 candidates in 10 steps of ddim"
    assert facts["Missing inputs"] == "acceleration (all plans)"
    assert notes(drive) == []


def test_a_bag_without_plans_says_so_and_has_a_page(bag_without_plans, tmp_path):
    drive = collect(bag_without_plans, TOPICS, RIG)
    assert notes(drive) == [NO_PLANS]
    assert events(drive) == []
    assert {card["label"]: card["value"] for card in cards(drive)}["Plans"] == "none"
    assert write_report(bag_without_plans, tmp_path / "new" / "page.html").stat().st_size > 10_000


def test_a_bag_cut_off_in_the_middle_is_reported_up_to_there_without_naming_folders(bag, tmp_path):
    whole = next(bag.glob("*.mcap")).read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    drive = collect(cut, TOPICS, RIG)
    found = [note for note in notes(drive) if "ends in the middle" in note]
    assert len(found) == 1 and str(tmp_path) not in found[0]
    assert 1.0 < drive.duration_s < 9.0


def test_a_bag_without_odometry_is_refused_with_what_it_has(bag):
    with pytest.raises(EvaluationError, match=r"no odometry on '/nowhere'; it has .*/carla/ego_vehicle/odometry"):
        collect(bag, TopicMap(odometry="/nowhere"), None)


def test_embedded_candidates_and_agents_decode_to_where_they_were(drive):
    data = page_data(drive, "drive")
    found = next(p for p in data["plans"] if p["t"] == 2.0)
    start = np.asarray(found["xy"][:2])
    np.testing.assert_allclose(start + START_XY, position(2.0), atol=0.01)
    xy_MT2 = int16(found["candidates"]["xy"]).reshape(3, found["candidates"]["steps"], 2) + start + START_XY
    np.testing.assert_allclose(xy_MT2, plan(2.0).candidates.pose_MT3[..., :2], atol=0.02)
    assert (found["candidates"]["rejected"], found["candidates"]["chosen"]) == ([0, 1, 0], 2)
    assert found["in1s"] == pytest.approx(SPEED_MPS)
    (agent,) = found["agents"]
    paths = int16(agent["paths"]).reshape(-1, agent["steps"], 2) + start + START_XY
    np.testing.assert_allclose(paths[0], plan(2.0).agents.path_MAT3[2, 0, :, :2], atol=0.02)
    fallback = next(p for p in data["plans"] if p["fallback_level"])
    assert (fallback["candidates"]["chosen"], fallback["reason"]) == (-1, "all rejected")


def test_embedded_traffic_and_lights_follow_the_drive(drive):
    data = page_data(drive, "drive")
    assert data["boxes"] == {7: [int(AgentClass.CAR), 4.5, 1.8]}
    at_s, row = data["objects"][10]
    assert at_s == pytest.approx(1.0) and row == [7, 1600, 0, 0, 600]
    assert data["lights"] == [[4, 40.0, 3.0, pytest.approx(np.pi, abs=1e-3)]]
    assert [states for _, states in data["lightStates"]] == [[int(SignalState.RED)], [int(SignalState.GREEN)]]


def test_a_long_drive_keeps_candidates_of_every_nth_plan(drive, monkeypatch):
    monkeypatch.setattr(drive_to_json, "PLAN_BUDGET_BYTES", 3_000)
    plans = page_data(drive, "drive")["plans"]
    kept = [i for i, found in enumerate(plans) if found["candidates"] is not None]
    assert len(plans) == 46 and 2 < len(kept) < 30
    assert len(set(np.diff(kept))) == 1
    assert all((found["agents"] is None) == (found["candidates"] is None) for found in plans)


def test_the_page_loads_nothing_and_no_text_of_the_bag_can_break_out_of_its_data(drive):
    data = page_data(drive, HOSTILE)
    text = render(data)
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(embedded[1])["title"] == HOSTILE
    assert text.count("<script") == 2 and "alert(1)</script>" not in text
    assert not re.search(r"%(TITLE|STYLE|SCRIPT)%", text)
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(|https?://|\bfetch\(""", text)


def test_a_report_that_cannot_be_written_is_one_clear_error(bag, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(bag, tmp_path / "file" / "page.html")


@pytest.mark.parametrize("name", ["carla", "kitti"])
def test_the_rig_of_a_preset_is_found_by_its_topics(name):
    topics, rig = preset_files(name)
    assert preset_rig(TopicMap.load(topics)) == Rig.load(rig)
    assert preset_rig(TopicMap(odometry="/other")) is None


@pytest.mark.parametrize(("rate_hz", "expected"), [(10.0, 100), (20.0, 100), (4.0, 40), (13.0, 100)])
def test_a_pace_keeps_its_rate_whatever_the_source_does(rate_hz, expected):
    pace = Pace(0.1)
    kept = sum(pace.is_due(round(i * 1e9 / rate_hz)) for i in range(round(10 * rate_hz)))
    assert kept == pytest.approx(expected, abs=3)


def test_a_thinned_cloud_keeps_what_stands_above_the_road_first():
    seed = 5
    rng = np.random.default_rng(seed)
    ground = np.column_stack([rng.uniform(-60, 60, (20_000, 2)), np.zeros(20_000)])
    wall = np.column_stack([rng.uniform(-60, 60, 4_000), np.full(4_000, 20.0), np.full(4_000, 3.0)])
    cloud = thin_cloud(np.concatenate([ground, wall]).astype(np.float32), max_points=500)
    on_wall = np.abs(cloud.xy_cm_N2[:, 1] - 2000) < 2
    assert len(cloud.height_N) == 500
    assert 380 <= on_wall.sum() <= 430, f"seed {seed}"
    assert cloud.height_N[on_wall].min() > cloud.height_N[~on_wall].max()


def test_a_budget_is_kept_by_leaving_out_items_evenly():
    assert within_budget(list(range(10)), [100] * 10, 1_000) == list(range(10))
    assert within_budget(list(range(10)), [100] * 10, 340) == [0, 3, 6, 9]
    assert within_budget([], [], 100) == []
