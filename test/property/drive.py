"""A short drive through decoder, router, assembler and scheduler, as in the node, with one message exchanged."""

from functools import cache

import numpy as np

from transdiffuser_planner.core.contract import TINY, check_tensors, observation_specs
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    Acceleration,
    DrivingCommand,
    EgoState,
    SensorSnapshot,
    SignalState,
    TrafficSignal,
)
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.serialized.read_message import read_message
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planning.action_codebook import ActionCodebook
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleScheduler

RIG = Rig.load(RIGS / "carla.yaml")
CAMERA = RIG.cameras[0].name
BEGIN_NS = 1_700_000_000 * 10**9
TICK_NS = 250_000_000
FRAME, LAST = 3, 8
"""The frame in which a message is exchanged, and the last one: a second later, all must be as without the exchange."""

TOPICS = TopicMap(
    images={camera.name: "image" if camera.name == CAMERA else f"image_{camera.name}" for camera in RIG.cameras},
    camera_infos={CAMERA: "info"},
    **{
        n: n
        for n in (
            "lidar",
            "odometry",
            "acceleration",
            "route",
            "command",
            "speed_limit",
            "traffic_signal",
            "action_tokens",
        )
    },
)
BUILDER = FeatureBuilder(TINY, RIG)
CODEBOOK = ActionCodebook(
    segment_C3=np.asarray([[0.0, 0.0, 0.0], [2.5, 0.0, 0.0], [2.4, 0.2, 0.1]]), interval_s=TINY.plan_interval_s
)
MAX_REASON = 300


def stamp_of(frame: int) -> int:
    """The stamp of a frame."""
    return BEGIN_NS + frame * TICK_NS


def x_of(frame: int) -> float:
    """Position of the vehicle at 5 m/s."""
    return 5.0 * frame * TICK_NS * 1e-9


@cache
def good_messages(frame: int):
    """(topic, message) of all messages of a complete frame."""
    stamp_ns, camera = stamp_of(frame), RIG.cameras[0]
    ego = EgoState(stamp_ns=stamp_ns, frame_id="map", x_m=x_of(frame), y_m=0.0, heading_rad=0.0, vx_mps=5.0)
    around = np.asarray([[x, y, 0.0, 1.0] for x in np.linspace(5.0, 30.0, 40) for y in (-4.0, 4.0)], dtype=np.float32)
    route = [[ego.x_m + d, 0.0] for d in range(0, 100, 10)]
    signal = TrafficSignal(stamp_ns=stamp_ns, state=SignalState.RED, distance_m=30.0)
    calm = Acceleration(stamp_ns=stamp_ns, ax_mps2=0.1, ay_mps2=0.0)
    header = encode_inputs.header(make_message, stamp_ns, "")
    tokens = make_message("transdiffuser_msgs/msg/ActionTokens", header=header, codebook_hash=CODEBOOK.digest,
                          tokens=np.asarray([1, 1, 2, 2], dtype=np.uint16), horizon_s=2.0)  # fmt: skip
    info = encode_inputs.camera_info(make_message, stamp_ns, camera.name, camera)
    return [
        ("odometry", encode_inputs.odometry(make_message, ego, "base_link")),
        ("acceleration", encode_inputs.acceleration(make_message, calm, "")),
        ("route", encode_inputs.path(make_message, stamp_ns, "map", np.asarray([[*p, 0.0] for p in route]))),
        ("command", encode_inputs.driving_command(make_message, stamp_ns, DrivingCommand.LEFT)),
        ("traffic_signal", encode_inputs.traffic_signal(make_message, stamp_ns, signal)),
        ("speed_limit", encode_inputs.float32(make_message, 13.0)),
        ("action_tokens", tokens),
        ("info", info),
        *(
            (
                TOPICS.images[c.name],
                encode_inputs.image(make_message, stamp_ns, c.name, np.full((c.height, c.width, 3), 60, np.uint8)),
            )
            for c in RIG.cameras
        ),
        ("lidar", encode_inputs.point_cloud(make_message, stamp_ns, "lidar", around)),
    ]


class Drive:
    """The node's path from a message to the planner."""

    def __init__(self):
        self.scheduler = CycleScheduler(RIG, PlannerConfig())
        self.assembler = self.scheduler.assembler
        self.assembler.codebook = CODEBOOK
        self.feeder = InputRouter(TOPICS, self.assembler)
        self.planned: list[SensorSnapshot] = []
        self.refusals: list[str] = []

    def take(self, topic, message, now_ns):
        """Feed one message; returns the reason if it is refused."""
        reason = self.feeder.feed(topic, now_ns, message)
        assert reason is None or (isinstance(reason, str) and 0 < len(reason) <= MAX_REASON and reason.isprintable()), (
            reason
        )
        decision = self.scheduler.poll(now_ns)
        if decision is not None and decision.request is not None:
            check(decision.request.snapshot)
            self.planned.append(decision.request.snapshot)
        return reason

    def take_serialized(self, topic, kind, data, now_ns):
        """Feed a serialized message as the node does; returns the reason if it is refused."""
        try:
            message = read_message(data, kind)
        except InputError as error:
            assert 0 < len(str(error)) <= MAX_REASON and str(error).isprintable(), error
            return str(error)
        return self.take(topic, message, now_ns)

    def frame(self, number, instead=None):
        """A whole frame; instead: (topic, message) takes the place of the good message, None drops it.

        (topic, type, bytes) is a serialized message.

        Returns why that message was refused.
        """
        refused = None
        for topic, message in good_messages(number):
            if instead is None or topic != instead[0]:
                self.take(topic, message, stamp_of(number))
            elif len(instead) > 2:
                refused = self.take_serialized(*instead, stamp_of(number))
            elif instead[1] is not None:
                refused = self.take(*instead, stamp_of(number))
        return refused


def driven(instead=None):
    """A whole drive; returns it and why the exchanged message was refused."""
    drive, refused = Drive(), None
    for number in range(LAST + 1):
        answer = drive.frame(number, instead if number == FRAME else None)
        refused = answer if number == FRAME else refused
    return drive, refused


def check(snapshot):
    """Check that all values of a snapshot are finite and of the right shape."""
    for name, image in snapshot.images.items():
        known = snapshot.intrinsics[name]
        assert (image.height, image.width) == (known.height, known.width)
        try:
            assert image.rgb_HW3.dtype == np.uint8 and image.rgb_HW3.shape == (known.height, known.width, 3)
        except InputError as error:  # found when the image is planned from; its camera is masked
            assert str(error) == image.failure and "damaged or cut off" in image.failure
        assert np.isfinite([known.fx, known.fy, known.cx, known.cy]).all() and min(known.fx, known.fy) > 0.0
    cloud = snapshot.cloud
    assert (
        cloud is not None and cloud.xyz_N3.dtype == np.float32 and cloud.xyz_N3.ndim == 2 and cloud.xyz_N3.shape[1] == 3
    )
    assert len(cloud.xyz_N3) and np.isfinite(cloud.xyz_N3).all()
    for state in (snapshot.ego, *snapshot.history):
        values = (state.x_m, state.y_m, state.z_m, state.heading_rad, state.vx_mps, state.vy_mps, state.yaw_rate_radps)
        assert np.isfinite(values).all()
    assert all(
        state.stamp_ns <= snapshot.stamp_ns and state.frame_id == snapshot.ego.frame_id for state in snapshot.history
    )
    if snapshot.acceleration is not None:
        assert np.isfinite([snapshot.acceleration.ax_mps2, snapshot.acceleration.ay_mps2]).all()
    if snapshot.route is not None:
        xy = snapshot.route.xy_N2
        assert xy.shape == (len(xy), 2) and len(xy) >= 2 and np.isfinite(xy).all()
    assert snapshot.signal is None or np.isfinite(snapshot.signal.distance_m)
    assert snapshot.speed_limit_mps is None or 0.0 < snapshot.speed_limit_mps < 70.0
    assert isinstance(snapshot.command, DrivingCommand)
    if snapshot.action_token_path is not None:
        poses = snapshot.action_token_path.pose_S3
        assert poses.shape == (len(poses), 3) and len(poses) and np.isfinite(poses).all()


def check_features(snapshot):
    """Check that the network's inputs of a snapshot are finite and of the contract's shape."""
    check_tensors(BUILDER.build(snapshot), observation_specs(TINY), "fuzzed snapshot")


def essence(snapshot, *, with_history):
    """All values of a snapshot in comparable form."""
    parts = [
        snapshot.stamp_ns,
        snapshot.ego,
        snapshot.history if with_history else (),
        snapshot.missing,
        snapshot.command,
    ]
    parts += [snapshot.intrinsics, snapshot.acceleration, snapshot.signal, snapshot.speed_limit_mps, snapshot.ages_ns]
    images = {n: (i.stamp_ns, i.rgb_HW3.shape, i.rgb_HW3.tobytes()) for n, i in snapshot.images.items()}
    tokens = snapshot.action_token_path and (
        snapshot.action_token_path.stamp_ns,
        snapshot.action_token_path.pose_S3.tobytes(),
    )
    route = snapshot.route and (snapshot.route.stamp_ns, snapshot.route.frame_id, snapshot.route.xy_N2.tobytes())
    return [
        *parts,
        images,
        snapshot.cloud and (snapshot.cloud.stamp_ns, snapshot.cloud.xyz_N3.tobytes()),
        route,
        tokens,
    ]
