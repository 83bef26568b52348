"""Recorded motion of the ego and of agents, with discontinuities and gaps."""

import numpy as np
import pytest

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack

SPEED_MPS = 5.0
TIMES_S = np.asarray([0.5, 1.0])


def ego_at(time_s: float, jump_m: float = 0.0) -> EgoState:
    return EgoState(
        stamp_ns=round(time_s * 1e9), frame_id="map", x_m=SPEED_MPS * time_s + jump_m, y_m=0.0, heading_rad=0.0,
        vx_mps=SPEED_MPS,
    )  # fmt: skip


def agents_at(x_m: float) -> AgentStates:
    one = np.ones(1)
    return AgentStates(
        frame_id="map", id_N=np.asarray([7], dtype=np.uint32), class_N=np.zeros(1, dtype=np.int8), x_m_N=x_m * one,
        y_m_N=0.0 * one, heading_rad_N=0.0 * one, speed_mps_N=one, length_m_N=4.0 * one, width_m_N=2.0 * one,
        height_m_N=one, braking_N=one < 0,
    )  # fmt: skip


def test_the_future_ends_at_a_jump_of_the_odometry() -> None:
    track = EgoTrack([ego_at(0.1 * i, 3.0 if i >= 20 else 0.0) for i in range(41)])
    np.testing.assert_allclose(track.future(500_000_000, TIMES_S), [[5.0, 0.0, 0.0], [7.5, 0.0, 0.0]], atol=1e-9)
    assert track.future(1_500_000_000, TIMES_S) is None
    assert [state.stamp_ns for state in track.continuous_from(1_850_000_000)] == [1_800_000_000, 1_900_000_000]
    assert track.continuous_from(9_000_000_000) == []
    assert [track.jumps_within(ns, 1.0) for ns in (900_000_000, 1_500_000_000, 2_100_000_000)] == [False, True, False]


def test_a_pause_of_the_odometry_is_no_jump() -> None:
    track = EgoTrack([ego_at(0.1 * i) for i in (*range(10), *range(30, 40))])
    assert track.future(500_000_000, TIMES_S) is None and not track.jumps_within(500_000_000, 3.0)


def test_agents_are_interpolated_between_messages_but_not_across_a_gap() -> None:
    tracks = AgentTracks()
    for stamp_s, x_m in ((0.0, 0.0), (0.5, 1.0), (3.0, 9.0)):
        tracks.add(round(stamp_s * 1e9), agents_at(x_m))
    found = tracks.at(7, np.asarray([250_000_000, 1_000_000_000, 3_000_000_000]))
    assert found is not None and found[0, 0] == pytest.approx(0.5) and found[2, 0] == pytest.approx(9.0)
    assert np.isnan(found[1]).all()
    assert (tracks.ids(), len(tracks), tracks.info[7]) == ([7], 1, (0, 4.0, 2.0))


def test_the_nearest_message_counts_only_within_its_tolerance() -> None:
    tracks = AgentTracks()
    assert tracks.nearest(0, 1.0) is None
    tracks.add(10**9, agents_at(2.0))
    assert tracks.nearest(1_050_000_000, 0.06) is tracks.snapshots[0][1]
    assert tracks.nearest(1_070_000_000, 0.06) is None
