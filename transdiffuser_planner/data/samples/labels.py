"""Futures of the ego and of the agents after a sample, from recorded tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.contract import NUM_AGENT_FEATURES, AgentIndex, ModelContract
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack, poses_at
from transdiffuser_planner.data.samples.sample_set import NUM_LABEL_AGENTS

MAX_CURVATURE_PER_M = 0.23
MATCH_S = 0.06
"""Agents recorded this far from a stamp count as of that stamp."""


NO_FUTURE = "no 4 s of continuous future"
TOO_CURVED = "path bends more than a car should be taught"


def plan_label(track: EgoTrack, ego: EgoState, contract: ModelContract) -> NDArray[np.float32] | str:
    """Return the logged trajectory after a state.

    Args:
        track: Odometry of the drive.
        ego: Start, in the track's frame.
        contract: Times of the plan.

    Returns:
        x (m), y (m), continuous heading (rad) in the ego's base_link (T, 3), or the reason why there is no label.
    """
    end_ns = ego.stamp_ns + round(contract.plan_times_s[-1] * 1e9)
    segment = track.continuous_from(max(ego.stamp_ns, track.begin_ns))
    if not segment or segment[-1].stamp_ns < end_ns - 1_000_000:
        return NO_FUTURE
    segment = [state for state in segment if state.stamp_ns <= end_ns + 200_000_000]
    curvature = max(abs(s.yaw_rate_radps) / s.vx_mps if s.vx_mps > 1.0 else 0.0 for s in segment)
    if curvature > MAX_CURVATURE_PER_M:
        return TOO_CURVED
    poses_T3 = poses_at(segment, ego.stamp_ns, np.asarray(contract.plan_times_s))
    if poses_T3 is None:
        return NO_FUTURE
    local = local_from_global(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), poses_T3)
    local[:, 2] = np.unwrap(np.concatenate([[0.0], local[:, 2]]))[1:]
    return local.astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentLabels:
    """The nearest agents of one sample; see ``samples.sample_specs`` for shapes and meaning."""

    features: NDArray[np.float32]
    valid: NDArray[np.bool_]
    points: NDArray[np.int32]
    ids: NDArray[np.uint32]
    future: NDArray[np.float32]
    future_valid: NDArray[np.bool_]


def agent_labels(
    tracks: AgentTracks, ego: EgoState, points_N3: NDArray[np.float32], contract: ModelContract
) -> AgentLabels:
    """Return the labels of the nearest agents within the grid.

    Args:
        tracks: Ground truth of the drive, in the ego's frame.
        ego: State of the sample.
        points_N3: LiDAR points in base_link, m.
        contract: Range of the grid and times of the plan.
    """
    agents = tracks.nearest(ego.stamp_ns, MATCH_S)
    count, steps = NUM_LABEL_AGENTS, contract.num_plan_steps
    empty = AgentLabels(
        features=np.zeros((count, NUM_AGENT_FEATURES), dtype=np.float32),
        valid=np.zeros(count, dtype=np.bool_),
        points=np.zeros(count, dtype=np.int32),
        ids=np.zeros(count, dtype=np.uint32),
        future=np.zeros((count, steps, 3), dtype=np.float32),
        future_valid=np.zeros((count, steps), dtype=np.bool_),
    )
    if agents is None:
        return empty
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    pose = local_from_global(origin, np.stack([agents.x_m_N, agents.y_m_N, agents.heading_rad_N], axis=-1))
    inside = np.flatnonzero((np.abs(pose[:, :2]) < contract.range_m - 0.5).all(axis=1))
    order = inside[np.argsort(np.hypot(pose[inside, 0], pose[inside, 1]), kind="stable")][:count]
    for row, i in enumerate(order):
        _fill_features(empty.features[row], pose[i], agents, int(i))
        empty.valid[row], empty.ids[row] = True, agents.id_N[i]
        box = (float(agents.length_m_N[i]), float(agents.width_m_N[i]))
        empty.points[row] = _points_in_box(points_N3, pose[i], box)
    _fill_futures(empty, tracks, ego, contract)
    return empty


def _fill_futures(labels: AgentLabels, tracks: AgentTracks, ego: EgoState, contract: ModelContract) -> None:
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    for step, time_s in enumerate(contract.plan_times_s):
        later = tracks.nearest(ego.stamp_ns + round(time_s * 1e9), MATCH_S)
        if later is None:
            continue
        where = {int(number): i for i, number in enumerate(later.id_N)}
        for row in np.flatnonzero(labels.valid):
            i = where.get(int(labels.ids[row]))
            if i is not None:
                pose = [later.x_m_N[i], later.y_m_N[i], later.heading_rad_N[i]]
                labels.future[row, step] = local_from_global(origin, np.asarray(pose))
                labels.future_valid[row, step] = True
    now = np.arctan2(labels.features[:, AgentIndex.SIN], labels.features[:, AgentIndex.COS])
    heading = np.unwrap(np.concatenate([now[:, None], labels.future[..., 2]], axis=1), axis=1)[:, 1:]
    labels.future[..., 2] = np.where(labels.future_valid, heading, 0.0)


def _fill_features(row: NDArray[np.float32], pose_3: NDArray[np.float64], agents: AgentStates, index: int) -> None:
    row[AgentIndex.X_M], row[AgentIndex.Y_M] = pose_3[0], pose_3[1]
    row[AgentIndex.COS], row[AgentIndex.SIN] = np.cos(pose_3[2]), np.sin(pose_3[2])
    row[AgentIndex.SPEED_MPS], row[AgentIndex.SPEED_KNOWN] = agents.speed_mps_N[index], 1.0
    row[AgentIndex.LENGTH_M], row[AgentIndex.WIDTH_M] = agents.length_m_N[index], agents.width_m_N[index]
    row[AgentIndex.CLASS + int(agents.class_N[index])] = 1.0


def _points_in_box(points_N3: NDArray[np.float32], pose_3: NDArray[np.float64], size: tuple[float, float]) -> int:
    """Number of points above the ground inside a box (m) grown by 0.1 m."""
    dx, dy = points_N3[:, 0] - pose_3[0], points_N3[:, 1] - pose_3[1]
    along = dx * np.cos(pose_3[2]) + dy * np.sin(pose_3[2])
    across = dy * np.cos(pose_3[2]) - dx * np.sin(pose_3[2])
    inside = (np.abs(along) < size[0] / 2.0 + 0.1) & (np.abs(across) < size[1] / 2.0 + 0.1)
    return int((inside & (points_N3[:, 2] > 0.2)).sum())
