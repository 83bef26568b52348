"""A twist that contradicts the pose is named with both numbers; noise, slip, jumps, delays and reversing are not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.planning.observation.ego_history import odometry_in_base
from transdiffuser_planner.planning.observation.odometry_motion import MotionCheck

RATES_HZ = (2.0, 5.0, 10.0, 20.0, 100.0)


def drive(hz=20.0, seconds=8.0, speed=lambda t: 6.0, rate=lambda t: 0.0, heading=0.0, step_s=1e-3):
    """The exact states of a vehicle at a rate, from its speed and yaw rate over time."""
    x, y, states, per = 0.0, 0.0, [], round(1.0 / hz / step_s)
    for i in range(round(seconds / step_s) + 1):
        t = i * step_s
        v, w = speed(t), rate(t)
        if i % per == 0:
            states.append(
                EgoState(stamp_ns=10**18 + round(t * 1e9), frame_id="map", x_m=x, y_m=y, heading_rad=heading, vx_mps=v,
                         yaw_rate_radps=w)
            )  # fmt: skip
        x, y = (
            x + v * step_s * math.cos(heading + 0.5 * w * step_s),
            y + v * step_s * math.sin(heading + 0.5 * w * step_s),
        )
        heading += w * step_s
    return states


def reasons(states):
    """The reason after every state."""
    check, found = MotionCheck(), []
    for state in states:
        check.update(state)
        found.append(check.reason)
    return found


def winding(hz=20.0, seconds=12.0):
    """A drive that accelerates, winds and brakes to a stop."""
    return drive(hz, seconds, lambda t: max(0.0, min(3.0 * t, 9.0, 6.0 * (11.0 - t))), lambda t: 0.5 * math.sin(t))


@pytest.mark.parametrize("hz", RATES_HZ)
def test_a_twist_of_zero_is_named_with_both_speeds_within_a_second_or_a_few_messages(hz):
    found = reasons([replace(state, vx_mps=0.0) for state in drive(hz)])
    assert found[-1] == (
        "odometry: its twist contradicts its pose: positions move at 6.0 m/s forward and 0.0 to the left, "
        "twist.linear.x is 0.0 and .y 0.0: it publishes no velocity"
    )
    assert next(i for i, reason in enumerate(found) if reason) <= max(4, round(0.6 * hz))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda s: replace(s, vx_mps=s.vx_mps * math.cos(s.heading_rad), vy_mps=s.vx_mps * math.sin(s.heading_rad)),
         "is 3.0 and .y 5.2: it is along the world's axes"),
        (lambda s: replace(s, vx_mps=3.6 * s.vx_mps), "is 21.6 and .y 0.0: is it in km/h?"),
        (lambda s: replace(s, vx_mps=2.237 * s.vx_mps), "is it in mph?"),
        (lambda s: replace(s, vx_mps=-s.vx_mps), "6.0 m/s forward and 0.0 to the left, twist.linear.x is -6.0"),
        (lambda s: replace(s, heading_rad=0.0), "move at 3.0 m/s forward and 5.2 to the left"),
        (lambda s: replace(s, x_m=0.0, y_m=0.0), "move at 0.0 m/s forward"),
    ],
)  # fmt: skip
def test_every_kind_of_wrong_twist_is_named(spoil, expected):
    assert expected in reasons([spoil(state) for state in drive(heading=math.radians(60.0))])[-1]


def test_a_yaw_rate_of_zero_or_in_degrees_is_named_in_a_turn():
    turning = drive(rate=lambda t: 0.5, speed=lambda t: 5.0)
    assert (
        "turns at 0.50 rad/s, twist.angular.z is 0.00" in reasons([replace(s, yaw_rate_radps=0.0) for s in turning])[-1]
    )
    degrees = [replace(s, yaw_rate_radps=math.degrees(s.yaw_rate_radps)) for s in turning]
    assert reasons(degrees)[-1].endswith("is it in degrees?")


@pytest.mark.parametrize("hz", RATES_HZ)
def test_good_odometry_with_noise_slip_and_delay_is_never_named(hz):
    rng = np.random.default_rng(5)
    exact = winding(hz)
    noisy = [
        replace(s, x_m=s.x_m + rng.normal(0, 0.1), y_m=s.y_m + rng.normal(0, 0.1),
                heading_rad=s.heading_rad + rng.normal(0, 0.01), vx_mps=1.1 * s.vx_mps + rng.normal(0, 0.3),
                vy_mps=rng.normal(0, 0.1), yaw_rate_radps=s.yaw_rate_radps + rng.normal(0, 0.05))
        for s in exact
    ]  # fmt: skip
    lag = max(1, round(0.15 * hz))
    late = [replace(s, vx_mps=before.vx_mps) for before, s in zip(exact[:-lag], exact[lag:], strict=True)]
    wheels_spin = [replace(s, vx_mps=s.vx_mps + 0.9 * (s.vx_mps < 3.0)) for s in exact]
    for states in (exact, noisy, late, wheels_spin):
        assert not any(reasons(states))


def test_jumps_and_poses_that_change_less_often_than_they_are_published_are_not_named():
    exact = winding(100.0)
    jumped = [replace(s, x_m=s.x_m + 4.0 * (i > 300) - 7.0 * (i > 650), heading_rad=s.heading_rad + 0.2 * (i > 500))
              for i, s in enumerate(exact)]  # fmt: skip
    assert not any(reasons(jumped))
    held = [replace(s, x_m=exact[i - i % 10].x_m, y_m=exact[i - i % 10].y_m, heading_rad=exact[i - i % 10].heading_rad)
            for i, s in enumerate(exact)]  # fmt: skip
    assert not any(reasons(held))
    two_sources = [replace(s, x_m=s.x_m + 3.0 * (i % 2), y_m=s.y_m + i % 2) for i, s in enumerate(winding(40.0))]
    assert not any(reasons(two_sources))


def test_standing_with_wandering_positions_and_reversing_are_not_named():
    rng = np.random.default_rng(8)
    wander = np.cumsum(rng.normal(0.0, 0.01, (800, 2)), axis=0)
    standing = [replace(s, x_m=float(p[0]), y_m=float(p[1]), heading_rad=float(rng.uniform(-3, 3)))
                for s, p in zip(drive(100.0, speed=lambda t: 0.0), wander, strict=False)]  # fmt: skip
    assert not any(reasons(standing))
    assert not any(reasons(drive(speed=lambda t: -2.0, rate=lambda t: 0.3)))


@pytest.mark.parametrize("offset_m", [1.5, -0.8])
def test_another_child_frame_on_the_vehicles_axis_is_not_named(offset_m):
    front = [
        replace(s, x_m=s.x_m + offset_m * math.cos(s.heading_rad), y_m=s.y_m + offset_m * math.sin(s.heading_rad),
                vy_mps=offset_m * s.yaw_rate_radps)
        for s in winding()
    ]  # fmt: skip
    assert not any(reasons(front))
    assert not any(reasons([odometry_in_base(state, offset_m) for state in front]))
    assert not any(reasons([replace(state, vy_mps=0.0) for state in front]))


def test_odometry_counts_again_a_second_after_it_agrees():
    states = drive(seconds=6.0)
    mixed = [replace(s, vx_mps=0.0) if i < 60 else s for i, s in enumerate(states)]
    found = reasons(mixed)
    assert found[59] and len({reason for reason in found if reason}) == 1
    assert not found[60 + 20]


def test_a_gap_or_another_frame_begins_again_and_reset_forgets():
    wrong = [replace(s, vx_mps=0.0) for s in drive(seconds=2.0)]
    check = MotionCheck()
    for state in wrong:
        check.update(state)
    assert check.reason
    check.reset()
    assert not check.reason
    for i, state in enumerate(wrong):
        check.update(replace(state, frame_id=f"map {i // 8}"))
    assert not check.reason
