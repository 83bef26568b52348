"""Notices about accepted messages: each once when it begins, the same for node and replay."""

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, Route
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.inputs.input_notices import InputNotices
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

STEP_NS = 50_000_000
RIG = Rig.load(RIGS / "carla.yaml")


def ego(i, x_m, frame="map"):
    return EgoState(stamp_ns=i * STEP_NS, frame_id=frame, x_m=x_m, y_m=0.0, heading_rad=0.0, vx_mps=6.0)


def route(frame):
    return Route(stamp_ns=0, frame_id=frame, xy_N2=np.asarray([[0.0, 0.0], [50.0, 0.0]]))


def test_a_route_in_another_frame_is_named_with_both_frames_once():
    assembler = SnapshotAssembler(RIG, PlannerConfig())
    notices = InputNotices(assembler)
    assembler.add_route(route("odom"))
    assert notices.after("route", None) == []  # not known before the first odometry
    found = []
    for i in range(5):
        assembler.add_odometry(ego(i, 0.3 * i))
        found += notices.after("odometry", i * STEP_NS)
    assert found == ["route: its frame is 'odom', the odometry's 'map'; the route is masked"]
    assembler.add_route(route("map"))
    assert notices.after("route", None) == []
    assembler.add_route(route("utm"))
    assert "'utm'" in notices.after("route", None)[0]


def test_jumps_and_changed_rates_are_noticed():
    assembler = SnapshotAssembler(RIG, PlannerConfig())
    notices, found = InputNotices(assembler), []
    for i in range(40):
        assembler.add_odometry(ego(i, 0.3 * i + (3.0 if i % 10 == 9 else 0.0)))
        found += notices.after("odometry", i * STEP_NS)
    assert found.count("odometry jumped farther than a vehicle can move; its history starts over") == 7
    found = [text for i in range(40, 60) for text in notices.after("odometry", (40 + 2 * (i - 40)) * STEP_NS)]
    assert "odometry is received less often than before" in found
