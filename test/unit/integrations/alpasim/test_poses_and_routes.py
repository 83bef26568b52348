"""Poses, egomotion and routes of AlpaSim's messages; the shapes of the messages, without their package."""

import math
from types import SimpleNamespace as Message

import numpy as np
import pytest

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.integrations.alpasim.egomotion import Egomotion, command_of, read_waypoints, route_in_local
from transdiffuser_planner.integrations.alpasim.poses import RigPose
from transdiffuser_planner.integrations.alpasim.responses import steerable


def pose_message(x=0.0, y=0.0, z=0.0, heading=0.0, pitch=0.0):
    half, tilt = 0.5 * heading, 0.5 * pitch
    quat = Message(
        w=math.cos(half) * math.cos(tilt),
        x=-math.sin(half) * math.sin(tilt),
        y=math.cos(half) * math.sin(tilt),
        z=math.sin(half) * math.cos(tilt),
    )
    return Message(vec=Message(x=x, y=y, z=z), quat=quat)


def egomotion(*poses, states=()):
    items = [Message(timestamp_us=stamp_us, pose=pose) for stamp_us, pose in poses]
    return Message(trajectory=Message(poses=items), dynamic_states=states)


def points(*xyz):
    return [Message(x=x, y=y, z=z) for x, y, z in xyz]


def test_a_plan_follows_the_tilt_of_the_vehicle():
    """Up a slope of 0.1 rad a plan 10 m ahead ends 1 m higher; its heading is about the vehicle's own axis."""
    pose = RigPose.read(pose_message(x=5.0, heading=math.pi / 2, pitch=-0.1), "test")
    xyz_T3, wxyz_T4 = pose.plan(np.asarray([[10.0, 0.0, 0.3]]))
    np.testing.assert_allclose(xyz_T3[0], [5.0, 10.0 * math.cos(0.1), 10.0 * math.sin(0.1)], atol=1e-6)
    planned = RigPose((0.0, 0.0, 0.0), tuple(wxyz_T4[0]))
    np.testing.assert_allclose(
        planned.rotation(), pose.rotation() @ RigPose.read(pose_message(heading=0.3), "test").rotation(), atol=1e-9
    )


@pytest.mark.parametrize(
    ("pose", "reason"),
    [
        (Message(vec=Message(x=math.nan, y=0, z=0), quat=Message(w=1, x=0, y=0, z=0)), "NaN"),
        (Message(vec=Message(x=0, y=0, z=0), quat=Message(w=0, x=0, y=0, z=0)), "quaternion is zero"),
    ],
)
def test_poses_that_are_none_are_refused(pose, reason):
    with pytest.raises(InputError, match=reason):
        Egomotion().add(egomotion((1000, pose)))


def test_velocities_follow_from_poses_where_none_are_given():
    known = Egomotion()
    known.add(egomotion((0, pose_message())))
    ((state, acceleration),) = known.add(egomotion((0, pose_message()), (100_000, pose_message(x=0.5, heading=0.02))))
    assert acceleration is None  # and the repeated pose is left out
    assert state.vx_mps == pytest.approx(5.0, abs=0.01) and state.yaw_rate_radps == pytest.approx(0.2)
    assert state.vy_mps == pytest.approx(-5.0 * 0.02, abs=0.01)


def test_poses_between_two_known_ones_are_interpolated():
    known = Egomotion()
    known.add(
        egomotion((0, pose_message(heading=math.pi - 0.1)), (100_000, pose_message(x=1.0, heading=-math.pi + 0.1)))
    )
    middle = known.pose_at(50_000)
    assert middle.xyz[0] == pytest.approx(0.5) and abs(middle.heading_rad) == pytest.approx(math.pi)
    assert known.pose_at(900_000).xyz[0] == 1.0 and known.pose_at(-5).xyz[0] == 0.0


def test_a_route_in_the_rig_becomes_one_in_the_local_frame():
    pose = RigPose.read(pose_message(x=10.0, y=5.0, heading=math.pi / 2), "test")
    route = route_in_local(7, read_waypoints(points((0, 0, 0), (20, 1, 0))), pose)
    np.testing.assert_allclose(route.xy_N2, [[10.0, 5.0], [9.0, 25.0]], atol=1e-6)
    assert (route.stamp_ns, route.frame_id) == (7000, "local")


@pytest.mark.parametrize("waypoints", [points((0, 0, 0)), points((0, 0, 0), (math.inf, 0, 0))])
def test_routes_that_are_none_are_refused(waypoints):
    with pytest.raises(InputError, match="waypoints"):
        read_waypoints(waypoints)


def bend(radius_m, turn_rad, before_m=20.0):
    """Straight on, then a bend to the left, then straight on, from the vehicle."""
    angle = np.linspace(0.0, turn_rad, 20)
    arc = np.stack([before_m + radius_m * np.sin(angle), radius_m * (1.0 - np.cos(angle))], axis=1)
    end = arc[-1] + np.outer(np.linspace(2.0, 60.0, 30), [math.cos(turn_rad), math.sin(turn_rad)])
    xy = np.concatenate([[[0.0, 0.0]], arc, end])
    return np.concatenate([xy, np.zeros((len(xy), 1))], axis=1)


def test_the_command_turns_before_a_junction_and_not_in_a_bend_of_a_road():
    left = bend(8.0, math.pi / 2)
    assert command_of(left) == DrivingCommand.LEFT
    assert command_of(left * [1.0, -1.0, 1.0]) == DrivingCommand.RIGHT
    assert command_of(bend(100.0, math.pi / 2)) == DrivingCommand.STRAIGHT
    assert command_of(bend(8.0, math.pi / 2, before_m=55.0)) == DrivingCommand.STRAIGHT


def test_a_vehicle_that_moves_off_does_not_turn_on_the_spot():
    pose_T3 = np.asarray([[0.0, 0.0, 0.0], [0.01, -0.002, -0.2], [0.03, -0.006, -0.2], [1.0, -0.1, -0.1]])
    found = steerable(pose_T3, 0.25)
    np.testing.assert_array_equal(found[:, :2], pose_T3[:, :2])
    assert abs(found[1, 2]) < 0.003 and abs(found[2, 2]) < 0.01
    np.testing.assert_allclose(found[3, 2], -0.1, atol=1e-9)


def test_a_plan_that_can_be_steered_stays_as_it_is():
    turn = np.linspace(0.0, 1.0, 41)
    pose_T3 = np.stack([8.0 * np.sin(turn), 8.0 * (1.0 - np.cos(turn)), turn], axis=1)
    np.testing.assert_allclose(steerable(pose_T3, 0.25), pose_T3, atol=1e-12)
