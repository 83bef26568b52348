"""Autoware's messages become the planner's inputs: command, limit, signal, agents."""

from threading import Event
from time import sleep
from types import SimpleNamespace as Message

import numpy as np
import pytest
from lanelet_maps import CORNER_M, GOAL, LANE_M, LIGHT, SEGMENTS, START, write_map

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    CameraImage,
    DrivingCommand,
    EgoState,
    NotReady,
    SensorSnapshot,
    SignalState,
)
from transdiffuser_planner.integrations.autoware import route_builder
from transdiffuser_planner.integrations.autoware.interface import decode
from transdiffuser_planner.integrations.autoware.lanelets.osm_reader import read_osm
from transdiffuser_planner.integrations.autoware.lanelets.route_line import route_line
from transdiffuser_planner.integrations.autoware.route_inputs import LIGHT_TIMEOUT_NS, RouteInputs
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planning.perception.agent_tracker import given_tracks
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

RIG = Rig.load(RIGS / "carla.yaml")
SECOND = 1_000_000_000
RED, AMBER, GREEN = 1, 2, 3
CIRCLE, LEFT_ARROW, RIGHT_ARROW, UP_ARROW = 1, 2, 3, 4


def time(stamp_ns):
    return Message(sec=stamp_ns // SECOND, nanosec=stamp_ns % SECOND)


def header(stamp_ns, frame_id="map"):
    return Message(stamp=time(stamp_ns), frame_id=frame_id)


def position(xy):
    return Message(position=Message(x=float(xy[0]), y=float(xy[1]), z=0.0))


def route(segments=SEGMENTS, start=START, goal=GOAL):
    return Message(
        header=header(SECOND),
        start_pose=position(start),
        goal_pose=position(goal),
        segments=[
            Message(preferred_primitive=Message(id=n), primitives=[Message(id=m) for m in others])
            for n, others in segments
        ],
    )


def lamp(color, shape=CIRCLE, status=2):
    return Message(color=color, shape=shape, status=status, confidence=1.0)


def lights(stamp_ns, *lamps, group=LIGHT):
    return Message(stamp=time(stamp_ns), traffic_light_groups=[Message(traffic_light_group_id=group, elements=lamps)])


def ego(stamp_ns, x, y=1.5 * LANE_M, heading=0.0, speed=8.0):
    return EgoState(stamp_ns=stamp_ns, frame_id="map", x_m=x, y_m=y, heading_rad=heading, vx_mps=speed, z_m=5.5)


@pytest.fixture
def inputs(tmp_path):
    assembler, refused = SnapshotAssembler(RIG, PlannerConfig(require_lidar=False)), []
    made = RouteInputs(assembler, read_osm(write_map(tmp_path / "map.osm")), RIG.vehicle, refused.append)
    made.assembler, made.refused = assembler, refused
    return made


def add_route(inputs, message):
    """Add a route and wait until it is built."""
    assert inputs.add_lanelet_route(message) is None
    until(lambda: not inputs.is_building)


def until(condition):
    """Wait for a condition of another thread."""
    while not condition():
        sleep(0.001)


def optional(inputs, stamp_ns):
    return inputs.assembler.optional_at(stamp_ns, "map", 1.0, 1.0)


def test_command_limit_and_signal_follow_from_the_place_on_the_route(inputs):
    add_route(inputs, route())
    assert inputs.add_odometry(ego(2 * SECOND, 20.0)) is None
    far = optional(inputs, 2 * SECOND)
    assert (far.command, far.signal) == (DrivingCommand.STRAIGHT, None)
    assert far.speed_limit_mps == pytest.approx(50 / 3.6)
    assert len(far.route.xy_N2) > 10 and far.route.frame_id == "map"
    inputs.add_traffic_lights(lights(5 * SECOND, lamp(RED)))
    inputs.add_odometry(ego(5 * SECOND, 100.0))
    near = optional(inputs, 5 * SECOND)
    assert (near.command, near.signal.state) == (DrivingCommand.LEFT, SignalState.RED)
    assert near.signal.distance_m == pytest.approx(CORNER_M - 2.0 - 100.0 - RIG.vehicle.front_offset_m)
    assert inputs.place.stop.rule_id == LIGHT and inputs.altitude_m == 5.5


def test_a_light_is_unknown_200_ms_after_its_last_message(inputs):
    add_route(inputs, route())
    inputs.add_traffic_lights(lights(5 * SECOND, lamp(GREEN)))
    inputs.add_odometry(ego(5 * SECOND + LIGHT_TIMEOUT_NS, 100.0))
    assert optional(inputs, 5 * SECOND + LIGHT_TIMEOUT_NS).signal.state is SignalState.GREEN
    later = 5 * SECOND + LIGHT_TIMEOUT_NS + 60_000_000
    inputs.add_odometry(ego(later, 100.5))
    assert optional(inputs, later).signal.state is SignalState.UNKNOWN
    inputs.add_traffic_lights(lights(later, lamp(GREEN), group=1))
    inputs.add_odometry(ego(later + 60_000_000, 101.0))
    assert optional(inputs, later + 60_000_000).signal.state is SignalState.UNKNOWN


@pytest.mark.parametrize(
    ("lamps", "turn", "state"),
    [
        ([lamp(RED)], "left", SignalState.RED),
        ([lamp(RED), lamp(GREEN, LEFT_ARROW)], "left", SignalState.GREEN),
        ([lamp(RED), lamp(GREEN, RIGHT_ARROW)], "left", SignalState.RED),
        ([lamp(GREEN, RIGHT_ARROW)], "left", SignalState.RED),
        ([lamp(GREEN, UP_ARROW)], "", SignalState.GREEN),
        ([lamp(AMBER)], "straight", SignalState.AMBER),
        ([lamp(AMBER, status=3)], "straight", SignalState.UNKNOWN),
        ([lamp(RED, status=1), lamp(GREEN)], "straight", SignalState.GREEN),
        ([lamp(0)], "", SignalState.UNKNOWN),
        ([], "", SignalState.UNKNOWN),
    ],
)
def test_lamps_mean_what_they_mean_for_the_lanelet_behind_them(lamps, turn, state):
    assert decode.signal_state(lamps, turn) is state


def test_the_lower_of_lanelet_and_external_limit_holds(inputs):
    add_route(inputs, route())
    inputs.add_velocity_limit(Message(max_velocity=4.0))
    inputs.add_odometry(ego(2 * SECOND, 20.0))
    assert optional(inputs, 2 * SECOND).speed_limit_mps == 4.0
    inputs.add_velocity_limit(Message(max_velocity=40.0))
    inputs.add_odometry(ego(3 * SECOND, 30.0))
    assert optional(inputs, 3 * SECOND).speed_limit_mps == pytest.approx(50 / 3.6)
    for wrong in (-1.0, float("nan")):
        with pytest.raises(InputError, match="no limit"):
            inputs.add_velocity_limit(Message(max_velocity=wrong))


def test_a_route_is_withdrawn_refused_or_replaced_in_one_line(inputs):
    add_route(inputs, route())
    inputs.add_odometry(ego(2 * SECOND, 19.0))
    add_route(inputs, route(segments=[(1, [1])]))
    until(lambda: inputs.refused)
    assert "not in the map" in inputs.refused[0]
    inputs.add_odometry(ego(2 * SECOND + 1, 20.0))
    assert optional(inputs, 2 * SECOND).route is not None  # the old route stays
    assert inputs.add_lanelet_route(route(segments=[])) is None
    assert optional(inputs, 2 * SECOND).route is None and inputs.place is None
    without_map = RouteInputs(inputs.assembler, None, RIG.vehicle, inputs.refused.append)
    assert "--map" in without_map.add_lanelet_route(route())
    with pytest.raises(InputError, match="not finite"):
        inputs.add_lanelet_route(route(goal=np.asarray([np.nan, 0.0])))


def test_nothing_waits_for_a_route_but_the_first_plan(inputs, monkeypatch):
    may_build = Event()

    def slow(*arguments):
        may_build.wait()
        return route_line(*arguments)

    monkeypatch.setattr(route_builder, "route_line", slow)
    assert inputs.add_lanelet_route(route()) is None
    for stamp in (2 * SECOND, 2 * SECOND + 100_000_000):  # inputs pass meanwhile
        assert inputs.add_odometry(ego(stamp, 20.0)) is None
        for camera in RIG.cameras:
            black_HW3 = np.zeros((camera.height, camera.width, 3), dtype=np.uint8)
            assert inputs.add_image(CameraImage(stamp_ns=stamp, name=camera.name, rgb_HW3=black_HW3)) is None
    waiting = inputs.assembler.assemble(stamp)
    assert isinstance(waiting, NotReady) and "route: it is being built on the map, from 4 segments" in waiting.reason
    may_build.set()
    until(lambda: not inputs.is_building)
    inputs.add_odometry(ego(stamp + 1, 20.0))
    first = inputs.assembler.assemble(stamp)
    assert isinstance(first, SensorSnapshot) and first.route is not None and inputs.place is not None
    may_build.clear()
    inputs.add_lanelet_route(route(segments=SEGMENTS[:2], goal=np.asarray([100.0, 1.5 * LANE_M])))
    inputs.add_odometry(ego(stamp + 2, 20.0))
    assert inputs.assembler.awaited == ""  # the route before it is driven on
    assert optional(inputs, stamp + 2).route is first.route
    inputs.add_lanelet_route(route(segments=[]))  # a withdrawn one is not used, even if it is built later
    may_build.set()
    inputs.add_odometry(ego(stamp + 3, 20.0))
    assert optional(inputs, stamp + 3).route is None and not inputs.is_building


def tracked(number, label, x, speed, availability=2, shape=(0, 4.0, 2.0)):
    kind, length, width = shape
    half = Message(orientation=Message(x=0.0, y=0.0, z=0.0, w=1.0), position=Message(x=x, y=2.0, z=0.0))
    corners = [Message(x=a * length / 2.0, y=b * width / 2.0) for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    return Message(
        object_id=Message(uuid=np.full(16, number, dtype=np.uint8)),
        existence_probability=0.9,
        classification=[Message(label=0, probability=0.1), Message(label=label, probability=0.8)],
        kinematics=Message(
            pose_with_covariance=Message(pose=half),
            twist_with_covariance=Message(twist=Message(linear=Message(x=speed))),
            orientation_availability=availability,
        ),
        shape=Message(type=kind, dimensions=Message(x=length, y=width, z=1.5), footprint=Message(points=corners)),
    )


def test_tracked_objects_replace_detections_and_move_on(inputs):
    objects = [tracked(1, 3, 10.0, 5.0), tracked(2, 7, 20.0, -1.0, availability=1), tracked(3, 9, 30.0, 0.0)]
    message = Message(header=header(2 * SECOND), objects=objects)
    assert inputs.add_tracked_objects(message) is None
    given = optional(inputs, 2 * SECOND).agents
    assert given.states.class_N.tolist() == [AgentClass.TRUCK, AgentClass.PEDESTRIAN]  # a hazard is no agent
    assert inputs.uuids[int(given.states.id_N[0])] == bytes([1] * 16)
    bus, walker = given_tracks(given, 2 * SECOND + SECOND // 2)
    assert bus.pose_3[0] == pytest.approx(12.5) and bus.speed_mps == pytest.approx(5.0) and bus.speed_known
    assert walker.speed_mps == pytest.approx(1.0) and abs(walker.pose_3[2]) == pytest.approx(np.pi)
    late = optional(inputs, 3 * SECOND)
    assert late.agents is None and "agents" in late.missing
    assert inputs.assembler.optional_at(2 * SECOND, "odom", 1.0, 1.0).agents is None


def test_sizes_of_tracked_objects_are_of_their_shape():
    message = Message(
        header=header(0),
        objects=[tracked(1, 1, 0.0, 0.0, shape=(1, 0.6, 0.1)), tracked(2, 1, 0.0, 0.0, shape=(2, 5.0, 1.8))],
    )
    states = decode.tracked_objects(message)[0].states
    assert states.length_m_N.tolist() == [0.6, 5.0] and states.width_m_N.tolist() == [0.6, 1.8]
    message.objects[0].kinematics.pose_with_covariance.pose.position.x = np.inf
    with pytest.raises(InputError, match="not finite"):
        decode.tracked_objects(message)
