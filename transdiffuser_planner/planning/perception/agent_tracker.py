"""Gives detected agents stable identifiers and speeds over cycles.

Nearest-neighbor association (Hungarian) of detections to tracks moved with their speed; an alpha-beta filter smooths
pose and velocity. All tracks are in the odometry's frame, so the ego's own motion does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import TrackedAgents
from transdiffuser_planner.core.geometry import global_from_local, local_from_global, wrapped
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.planning.perception.assignment import nearest_pairs
from transdiffuser_planner.planning.perception.detection_decoder import Detections

FloatArray = NDArray[np.float64]

_GATE_M = 3.0
_ALPHA_POSITION = 0.6
_ALPHA_VELOCITY = 0.35
_MIN_HITS_FOR_SPEED = 3
_MAX_COAST_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One agent in the odometry's frame; velocity_2 is world-axis m/s, seen_s the time since its last detection."""

    track_id: int
    agent_class: int
    score: float
    pose_3: FloatArray
    velocity_2: FloatArray
    length_m: float
    width_m: float
    hits: int
    seen_s: float

    @property
    def speed_known(self) -> bool:
        """Whether enough detections support the velocity."""
        return self.hits >= _MIN_HITS_FOR_SPEED

    @property
    def speed_mps(self) -> float:
        """Speed along the heading, 0 while unknown."""
        if not self.speed_known:
            return 0.0
        return float(self.velocity_2[0] * np.cos(self.pose_3[2]) + self.velocity_2[1] * np.sin(self.pose_3[2]))


class AgentTracker:
    """Holds the tracks between cycles."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._stamp_ns: int | None = None
        self._next_id = 1

    def reset(self) -> None:
        """Remove all tracks; identifiers are not reused."""
        self._tracks, self._stamp_ns = [], None

    def update(self, detections: Detections, ego: EgoState) -> list[Track]:
        """Associate one cycle's detections.

        Args:
            detections: In base_link of ego.
            ego: State at the detections' stamp; time must not run backwards (reset first).

        Returns:
            Tracks detected within the last 0.5 s, in the odometry's frame.
        """
        dt = 0.0 if self._stamp_ns is None else (ego.stamp_ns - self._stamp_ns) * 1e-9
        if not 0.0 <= dt < 1.0:
            self.reset()
            dt = 0.0
        self._stamp_ns = ego.stamp_ns
        pose_D3 = global_from_local(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), detections.pose_D3)
        moved = [_predict(track, dt) for track in self._tracks]
        pairs = _associate(moved, pose_D3)
        tracks = [
            _correct(track, detections, pose_D3, pairs[i], dt) if i in pairs else track for i, track in enumerate(moved)
        ]
        matched = set(pairs.values())
        tracks += [self._new_track(detections, pose_D3, d) for d in range(len(detections)) if d not in matched]
        self._tracks = [
            track for track in tracks if track.seen_s <= _MAX_COAST_S and (track.hits > 1 or track.seen_s == 0)
        ]
        return self._tracks

    def _new_track(self, detections: Detections, pose_D3: FloatArray, index: int) -> Track:
        track_id, self._next_id = self._next_id, self._next_id + 1
        return Track(
            track_id=track_id,
            agent_class=int(detections.class_D[index]),
            score=float(detections.score_D[index]),
            pose_3=pose_D3[index],
            velocity_2=np.zeros(2),
            length_m=float(detections.length_m_D[index]),
            width_m=float(detections.width_m_D[index]),
            hits=1,
            seen_s=0.0,
        )


def _predict(track: Track, dt_s: float) -> Track:
    """Move a track with its velocity."""
    (x, y, heading), (vx, vy) = track.pose_3.tolist(), track.velocity_2.tolist()
    pose = np.asarray([x + dt_s * vx, y + dt_s * vy, heading])
    return replace(track, pose_3=pose, seen_s=track.seen_s + dt_s)


def _associate(tracks: list[Track], pose_D3: FloatArray) -> dict[int, int]:
    """Track index -> detection index, least total distance, within the gate."""
    if not tracks or len(pose_D3) == 0:
        return {}
    track_T2 = np.stack([track.pose_3[:2] for track in tracks])
    distance = np.hypot(*(track_T2[:, None] - pose_D3[None, :, :2]).transpose(2, 0, 1))
    return nearest_pairs(distance, _GATE_M)


def _correct(track: Track, detections: Detections, pose_D3: FloatArray, index: int, dt_s: float) -> Track:
    """Alpha-beta update of a track by its detection; a heading flipped by half a turn counts as the same axis."""
    seen = pose_D3[index]
    x, y, heading = track.pose_3.tolist()
    seen_x, seen_y, seen_heading = seen.tolist()
    gap_x, gap_y = seen_x - x, seen_y - y
    turn = wrapped(seen_heading - heading)
    if abs(turn) > np.pi / 2.0 and track.hits >= _MIN_HITS_FOR_SPEED:
        turn = wrapped(turn + np.pi)
    pose = np.asarray(
        [x + _ALPHA_POSITION * gap_x, y + _ALPHA_POSITION * gap_y, wrapped(heading + _ALPHA_POSITION * turn)]
    )
    beta = _ALPHA_VELOCITY if track.hits >= _MIN_HITS_FOR_SPEED else 1.0 / max(track.hits, 1)
    velocity = track.velocity_2
    if dt_s > 1e-3:
        vx, vy = velocity.tolist()
        velocity = np.asarray([vx + beta * gap_x / dt_s, vy + beta * gap_y / dt_s])
    return Track(
        track_id=track.track_id,
        agent_class=int(detections.class_D[index]),
        score=0.7 * track.score + 0.3 * float(detections.score_D[index]),
        pose_3=pose,
        velocity_2=velocity,
        length_m=0.7 * track.length_m + 0.3 * float(detections.length_m_D[index]),
        width_m=0.7 * track.width_m + 0.3 * float(detections.width_m_D[index]),
        hits=track.hits + 1,
        seen_s=0.0,
    )


def given_tracks(agents: TrackedAgents, stamp_ns: int) -> list[Track]:
    """Convert agents that another program tracks, moved to a stamp with their speed.

    Args:
        agents: In the odometry's frame.
        stamp_ns: Of the frame.
    """
    states, dt_s = agents.states, (stamp_ns - agents.stamp_ns) * 1e-9
    direction_N2 = np.stack([np.cos(states.heading_rad_N), np.sin(states.heading_rad_N)], axis=-1)
    velocity_N2 = states.speed_mps_N[:, None] * direction_N2
    tracks = [
        Track(
            track_id=int(states.id_N[i]),
            agent_class=int(states.class_N[i]),
            score=float(agents.existence_N[i]),
            pose_3=np.asarray([states.x_m_N[i], states.y_m_N[i], states.heading_rad_N[i]]),
            velocity_2=velocity_N2[i],
            length_m=float(states.length_m_N[i]),
            width_m=float(states.width_m_N[i]),
            hits=_MIN_HITS_FOR_SPEED,
            seen_s=0.0,
        )
        for i in range(len(states))
    ]
    return [_predict(track, dt_s) for track in tracks]


def nearest_tracks(tracks: list[Track], ego: EgoState, count: int) -> tuple[list[Track], FloatArray]:
    """Select the tracks nearest to the ego.

    Args:
        tracks: In the odometry's frame.
        ego: Present state.
        count: Maximum number of tracks.

    Returns:
        At most ``count`` tracks, nearest first, and their poses (A, 3) in base_link.
    """
    if not tracks:
        return [], np.zeros((0, 3))
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    pose = local_from_global(origin, np.stack([track.pose_3 for track in tracks]))
    order = np.argsort(np.hypot(pose[:, 0], pose[:, 1]), kind="stable")[:count]
    return [tracks[i] for i in order], pose[order]
