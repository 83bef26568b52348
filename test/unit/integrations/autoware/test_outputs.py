"""Plans become Autoware's messages, which can be written and read back."""

from dataclasses import replace

import numpy as np
import pytest
from lanelet_maps import GOAL, LIGHT, SEGMENTS, START, write_map
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.types import (
    Candidates,
    FallbackLevel,
    PlanResult,
    PredictedAgents,
    Provenance,
    SignalState,
    TrafficSignal,
    Trajectory,
)
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.integrations.autoware.interface import versions
from transdiffuser_planner.integrations.autoware.lanelets.osm_reader import read_osm
from transdiffuser_planner.integrations.autoware.lanelets.route_line import route_line
from transdiffuser_planner.integrations.autoware.outputs import encode, encode_objects
from transdiffuser_planner.integrations.autoware.outputs.planning_factors import Behavior, planning_factors
from transdiffuser_planner.integrations.autoware.outputs.turn_indicators import (
    CONFIRM_NS,
    HOLD_NS,
    Indicator,
    TurnIndicators,
    wanted_indicator,
)
from transdiffuser_planner.integrations.autoware.route_inputs import Place
from transdiffuser_planner.messages.definitions import definition_files, typestore
from transdiffuser_planner.messages.definitions import make_message as make

STAMP = 7_000_000_123


def before_1_14():
    """Definitions with CandidateTrajectory as in autoware_internal_msgs 1.11 to 1.13."""
    store, types = get_typestore(Stores.ROS2_JAZZY), {}
    for path in definition_files():
        name = f"{path.parent.parent.name}/msg/{path.stem}"
        old = path.parent.parent / "before_1_14" / "msg" / path.name
        types |= get_types_from_msg((old if old.is_file() else path).read_text(), name)
    store.register({name: kind for name, kind in types.items() if name not in store.types})
    return store


TIMES = 0.1 * np.arange(41)
PLAN_TIMES = 0.5 * np.arange(1, 9)
TICK = 100_000_000


def trajectory(speed_T, x0=START[0], y=START[1]):
    x_T = x0 + np.concatenate([[0.0], np.cumsum(0.1 * (speed_T[1:] + speed_T[:-1]) / 2.0)])
    zeros = np.zeros(41)
    return Trajectory(
        stamp_ns=STAMP,
        frame_id="map",
        time_s_T=TIMES,
        x_m_T=x_T,
        y_m_T=np.full(41, y),
        heading_rad_T=zeros,
        speed_mps_T=speed_T,
        accel_mps2_T=np.gradient(speed_T, TIMES),
        curvature_per_m_T=np.full(41, 0.01),
    )


def result(speed_T, agents_at=(), level=FallbackLevel.NONE, reason="", x0=START[0]):
    plan = trajectory(np.asarray(speed_T, dtype=np.float64), x0)
    count = len(agents_at)
    poses = np.asarray([[x, y, 0.0] for x, y in agents_at], dtype=np.float64).reshape(count, 3)
    ahead = np.stack([PLAN_TIMES, 0.0 * PLAN_TIMES, 0.0 * PLAN_TIMES], axis=-1)
    paths = poses[None, :, None] + np.asarray([2.0, 2.1, 9.0])[:, None, None, None] * ahead
    samples = np.stack([plan.x_m_T[5::5], plan.y_m_T[5::5], plan.heading_rad_T[5::5]], axis=-1)
    source = Provenance(
        snapshot_stamp_ns=STAMP, ages_ns={}, missing=(), seed=0, model_name="m", model_hash="abc", provider="cpu",
        precision="fp32", sampler="ddim", num_candidates=3, num_denoise_steps=3, plan_age_s=0.0, stage_ms={},
    )  # fmt: skip
    return PlanResult(
        trajectory=plan,
        candidates=Candidates(
            frame_id="map",
            pose_MT3=samples + np.asarray([[[0.0, 0.0, 0.0]], [[0.0, 0.5, 0.0]], [[0.0, 3.0, 0.0]]]),
            time_s_T=PLAN_TIMES,
            probability_M=np.asarray([0.5, 0.3, 0.2]),
            rejected_M=np.asarray([False, False, True]),
            cost_terms={},
        ),
        agents=PredictedAgents(
            frame_id="map",
            id_A=np.arange(1, count + 1, dtype=np.uint32),
            class_A=np.full(count, AgentClass.CAR, dtype=np.int8),
            existence_A=np.full(count, 0.8),
            pose_A3=poses,
            speed_A=np.full(count, 2.0),
            speed_known_A=np.ones(count, dtype=np.bool_),
            length_m_A=np.full(count, 4.0),
            width_m_A=np.full(count, 1.8),
            path_MAT3=paths if count else np.zeros((3, 0, 8, 3)),
            time_s_T=PLAN_TIMES,
        ),
        chosen=0 if level is FallbackLevel.NONE else -1,
        fallback_level=level,
        reason=reason,
        provenance=source,
    )


@pytest.fixture
def line(tmp_path):
    return route_line(read_osm(write_map(tmp_path / "map.osm")), SEGMENTS, START, GOAL)


def place(line, s_m, state=None, distance_m=0.0):
    signal = None if state is None else TrafficSignal(stamp_ns=STAMP, state=state, distance_m=distance_m)
    return Place(line=line, s_m=s_m, stop=line.stop_points[0], signal=signal)


def read(data, name):
    return typestore().deserialize_cdr(data, name)


def round_trip(message, name):
    return typestore().deserialize_cdr(typestore().serialize_cdr(message, name), name)


def test_a_trajectory_has_the_plan_at_the_vehicles_height():
    plan = trajectory(np.full(41, 5.0))
    message = read(encode.trajectory(plan, EGO_VEHICLE, 5.5), versions.TRAJECTORY)
    assert (message.header.frame_id, message.header.stamp.sec, message.header.stamp.nanosec) == ("map", 7, 123)
    last = message.points[-1]
    assert (last.time_from_start.sec, len(message.points)) == (4, 41)
    assert (last.pose.position.x, last.pose.position.z) == (pytest.approx(START[0] + 20.0), 5.5)
    assert last.longitudinal_velocity_mps == 5.0 and last.heading_rate_rps == pytest.approx(0.05)
    assert last.front_wheel_angle_rad == pytest.approx(np.arctan(0.01 * EGO_VEHICLE.wheelbase_m))


@pytest.mark.parametrize("frame_id", ["map", "odom", "a", "four", "hello"])
def test_points_are_aligned_after_frames_of_any_length(frame_id):
    plan = replace(trajectory(np.full(41, 5.0)), frame_id=frame_id)
    data = encode.trajectory(plan, EGO_VEHICLE, 5.5)
    message = read(data, versions.TRAJECTORY)
    assert message.header.frame_id == frame_id
    assert [point.pose.position.x for point in message.points] == pytest.approx(plan.x_m_T.tolist())
    assert typestore().serialize_cdr(message, versions.TRAJECTORY) == data


@pytest.mark.parametrize("has_indicator", [False, True])
def test_candidates_are_the_plan_and_the_other_accepted_ones(has_indicator):
    data = encode.candidates(result(np.full(41, 5.0)), EGO_VEHICLE, 5.5, 2, has_indicator=has_indicator)
    store = typestore() if has_indicator else before_1_14()
    message = store.deserialize_cdr(data, versions.CANDIDATES)
    assert store.serialize_cdr(message, versions.CANDIDATES) == data
    if has_indicator:
        assert {item.turn_indicators_command.command for item in message.candidate_trajectories} == {2}
    assert len(message.candidate_trajectories) == 2  # the rejected one is not offered
    first, other = message.candidate_trajectories
    assert len(first.points) == len(other.points) == 41
    assert other.points[20].pose.position.y == pytest.approx(START[1] + 0.5, abs=0.05)
    assert other.points[20].longitudinal_velocity_mps == pytest.approx(5.0, abs=0.1)
    (info,) = message.generator_info
    assert info.generator_name.data == "transdiffuser_planner"
    assert all((item.generator_id.uuid == info.generator_id.uuid).all() for item in message.candidate_trajectories)


def test_objects_have_several_paths_whose_confidences_sum_to_one():
    uuids = {1: bytes(range(16))}
    data = encode_objects.predicted_objects(
        result(np.full(41, 5.0), [(30.0, 5.0), (40.0, 5.0)]), 5.5, lambda n: encode.agent_uuid(n, uuids)
    )
    message = read(data, versions.PREDICTED_OBJECTS)
    assert typestore().serialize_cdr(message, versions.PREDICTED_OBJECTS) == data
    first, second = message.objects
    assert bytes(first.object_id.uuid) == uuids[1] and bytes(second.object_id.uuid) != bytes(16)
    paths = first.kinematics.predicted_paths
    assert [path.confidence for path in paths] == pytest.approx([0.8, 0.2])  # the two slow samples are one mode
    assert [path.path[-1].position.x for path in paths] == pytest.approx([38.0, 66.0])
    assert len(paths[0].path) == 9 and paths[0].path[0].position.x == 30.0
    assert paths[0].time_step.nanosec == 500_000_000
    assert first.shape.dimensions.x == 4.0 and first.classification[0].label == 1


def test_no_more_modes_than_allowed_and_none_without_samples():
    ends = np.zeros((12, 2, 3))
    ends[:, 1, 0] = 20.0 * np.arange(12)
    found = encode_objects.modes(ends, np.arange(1.0, 13.0))
    assert len(found) == encode_objects.MAX_MODES and sum(c for _, c in found) == pytest.approx(1.0)
    assert encode_objects.modes(np.zeros((0, 8, 3)), np.zeros(0)) == []


STOPPING = np.maximum(8.0 - 2.5 * TIMES, 0.0)
SLOWING = np.where(TIMES < 2.0, 8.0 - 1.5 * TIMES, 5.0)


@pytest.mark.parametrize(
    ("speed_T", "at", "arguments", "behavior", "detail"),
    [
        (np.full(41, 8.0), 60.0, {}, None, ""),
        (
            STOPPING,
            93.0,
            {"state": SignalState.RED, "distance_m": 16.0},
            Behavior.STOP,
            f"traffic light {LIGHT} is red",
        ),
        (STOPPING, 60.0, {"state": SignalState.RED, "distance_m": 50.0}, Behavior.STOP, "the model's choice"),
        (STOPPING, 60.0, {"state": SignalState.GREEN, "distance_m": 10.0}, Behavior.STOP, "the model's choice"),
        (SLOWING, 70.0, {"state": SignalState.AMBER, "distance_m": 40.0}, Behavior.SLOW_DOWN, "is amber"),
        (SLOWING, 95.0, {}, Behavior.SLOW_DOWN, "turn left"),
        (SLOWING, 20.0, {}, Behavior.SLOW_DOWN, "the model's choice"),
    ],
)
def test_factors_name_the_cause_of_a_stop_or_of_braking(line, speed_T, at, arguments, behavior, detail):
    found = planning_factors(result(speed_T, x0=START[0] + at), place(line, at, **arguments), EGO_VEHICLE)
    assert [factor.behavior for factor in found] == ([] if behavior is None else [behavior])
    assert not found or detail in found[0].detail


def test_an_agent_ahead_is_the_cause_and_named_by_its_uuid(line):
    plan = result(STOPPING, [(START[0] + 25.0, START[1]), (START[0] + 20.0, START[1] + 4.0)])
    (factor,) = planning_factors(plan, place(line, 0.0), EGO_VEHICLE)
    assert (factor.agent, factor.detail) == (0, "car 1 ahead")
    message = round_trip(
        encode.planning_factors(make, plan, [factor], 5.5, {1: bytes(range(16))}), versions.PLANNING_FACTORS
    )
    (sent,) = message.factors
    assert (sent.module, sent.behavior, sent.is_driving_forward) == ("transdiffuser_planner", 3, True)
    assert sent.control_points[0].distance == pytest.approx(12.8, abs=0.3)
    (reason,) = sent.safety_factors.factors
    assert bytes(reason.object_id.uuid) == bytes(range(16)) and reason.type == 2


def test_a_fallback_and_the_goal_are_causes_too(line):
    stop = result(STOPPING, level=FallbackLevel.COMFORTABLE_STOP, reason="stop requested")
    (factor,) = planning_factors(stop, place(line, 20.0), EGO_VEHICLE)
    assert (factor.detail, factor.is_safe) == ("stop requested", False)
    (factor,) = planning_factors(result(STOPPING), replace(place(line, line.length_m - 14.0), stop=None), EGO_VEHICLE)
    assert factor.detail == "goal of the route"
    (factor,) = planning_factors(result(np.zeros(41)), None, EGO_VEHICLE)
    assert factor.points == (0,) and factor.detail == "the model's choice"


def test_turns_and_lane_changes_are_announced(line):
    turn = line.stretches[2]
    assert wanted_indicator(line, turn.begin_m - 31.0, 5.0) is Indicator.DISABLE
    assert wanted_indicator(line, turn.begin_m - 29.0, 5.0) is Indicator.ENABLE_LEFT
    assert wanted_indicator(line, turn.begin_m - 50.0, 17.0) is Indicator.ENABLE_LEFT  # 3 s ahead
    assert wanted_indicator(line, turn.end_m + 1.0, 5.0) is Indicator.DISABLE


def test_indicators_wait_for_confirmation_and_hold():
    lamps, stamp, seen = TurnIndicators(), STAMP, []
    wanted = [Indicator.DISABLE, Indicator.ENABLE_LEFT] * 5  # flickers at 10 Hz: never on
    wanted += [Indicator.ENABLE_LEFT] * 5 + [Indicator.DISABLE, Indicator.ENABLE_LEFT] * 3 + [Indicator.DISABLE] * 12
    for item in wanted:
        seen.append(lamps.update(stamp, item))
        stamp += TICK
    on = [index for index, command in enumerate(seen) if command is Indicator.ENABLE_LEFT]
    assert on == list(range(on[0], on[-1] + 1))
    assert on[0] == 9 + CONFIRM_NS // TICK
    last_wanted = max(index for index, item in enumerate(wanted) if item is Indicator.ENABLE_LEFT)
    assert on[-1] == last_wanted + HOLD_NS // TICK - 1
    lamps.update(stamp, Indicator.ENABLE_RIGHT)
    assert lamps.update(stamp + CONFIRM_NS, Indicator.ENABLE_RIGHT) is Indicator.ENABLE_RIGHT
    assert lamps.update(STAMP - 1, Indicator.DISABLE) is Indicator.DISABLE  # the clock jumped back
