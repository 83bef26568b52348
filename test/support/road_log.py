"""A hand-made log: a straight road of two lanes, the human behind a leader that brakes, and a follower behind the human."""

from pathlib import Path

import numpy as np

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.map_elements import LaneUse, MapLane, lane_pieces
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack

STEP_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000
EAST_M, NORTH_M = 643_000.0, 5_431_000.0
"""Coordinates of a whole country, as data sets have them."""
LEADER, FOLLOWER, PARKED, PERSON = 7, 8, 9, 10
WIDTH_M = 3.5
SPEED_MPS = 8.0


def driven_m(times_s: np.ndarray, *, brakes: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distance and speed of a vehicle at 8 m/s, which from 3 s on brakes with 2 m/s2 to a stop."""
    since_s = np.clip(times_s - 3.0, 0.0, SPEED_MPS / 2.0) if brakes else np.zeros_like(times_s)
    cruising_s = np.minimum(times_s, 3.0) if brakes else times_s
    return SPEED_MPS * cruising_s + SPEED_MPS * since_s - since_s**2, SPEED_MPS - 2.0 * since_s


def lane(number: int, y_m: float, *, left: int | None = None, right: int | None = None) -> MapLane:
    """A lane along x."""
    x = np.arange(-60.0, 261.0, 20.0)

    def line(offset_m: float) -> np.ndarray:
        return np.stack([EAST_M + x, np.full_like(x, NORTH_M + y_m + offset_m)], axis=-1)

    return MapLane(
        number=number,
        use=LaneUse.CARS,
        center_K2=line(0.0),
        left_B2=line(WIDTH_M / 2.0),
        right_B2=line(-WIDTH_M / 2.0),
        left=left,
        right=right,
    )


def agents_at(time_s: float) -> AgentStates:
    """Leader 20 m ahead, follower 16 m behind the human's first place, a parked car and a person on the roadside."""
    (lead,), (lead_mps,) = driven_m(np.asarray([time_s]), brakes=True)
    rows = [
        (LEADER, AgentClass.CAR, 20.0 + lead, 0.0, lead_mps, 4.5, 1.8, 1.5),
        (FOLLOWER, AgentClass.CAR, -16.0 + SPEED_MPS * time_s * 0.8, 0.0, 0.8 * SPEED_MPS, 4.5, 1.8, 1.5),
        (PARKED, AgentClass.TRUCK, 60.0, -3.6, 0.0, 8.0, 2.2, 3.0),
        (PERSON, AgentClass.PEDESTRIAN, 30.0, -4.5, 0.0, 0.6, 0.6, 1.8),
    ]
    number, kind, x, y, speed, length, width, height = (np.asarray(column) for column in zip(*rows, strict=True))
    return AgentStates(
        frame_id="map",
        id_N=number.astype(np.uint32),
        class_N=kind.astype(np.int8),
        x_m_N=EAST_M + x,
        y_m_N=NORTH_M + y,
        heading_rad_N=np.zeros(len(rows)),
        speed_mps_N=speed,
        length_m_N=length,
        width_m_N=width,
        height_m_N=height,
        braking_N=np.zeros(len(rows), dtype=bool),
    )


def road_log(*, seconds: float = 12.0, has_map: bool = True, has_agents: bool = True, gap_s: float = 0.0) -> DriveLog:
    """Return the log; the human drives 0.2 m left of the lane's center and brakes with the leader.

    Args:
        seconds: Length.
        has_map: Whether it holds the lanes.
        has_agents: Whether it holds agents.
        gap_s: Time without poses in the middle.
    """
    times_s = np.arange(0.0, seconds + 0.05, 0.1)
    x_m, speed_mps = driven_m(times_s, brakes=True)
    states = [
        EgoState(
            stamp_ns=START_NS + round(t * 1e9), frame_id="map", x_m=EAST_M + x, y_m=NORTH_M + 0.2, heading_rad=0.0, vx_mps=v
        )
        for t, x, v in zip(times_s, x_m, speed_mps, strict=True)
        if abs(t - seconds / 2.0) >= gap_s / 2.0
    ]  # fmt: skip
    log = DriveLog(path=Path("road"), ego=EgoTrack(states))
    if has_map:
        log.lanes = [lane(1, 0.0, left=2), lane(2, WIDTH_M, right=1)]
        log.map_pieces, log.map_name = list(lane_pieces(log.lanes)), "road"
    if has_agents:
        log.agents = AgentTracks()
        for t in times_s:
            log.agents.add(START_NS + round(t * 1e9), agents_at(float(t)))
    return log
