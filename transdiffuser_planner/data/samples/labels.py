"""What happened after a sample: the ego's and the agents' futures, read off recorded tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.contract import NUM_AGENT_FEATURES, AgentIndex, ModelContract
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.samples.sample_set import NUM_LABEL_AGENTS
from transdiffuser_planner.planning.observation.ego_history import interpolate, is_discontinuity

MAX_CURVATURE_PER_M = 0.2
_MATCH_NS = 60_000_000


class EgoTrack:
    """The whole odometry of a bag, cut at discontinuities."""

    def __init__(self, states: list[EgoState]) -> None:
        self._stamps = np.asarray([state.stamp_ns for state in states], dtype=np.int64)
        self._states = states
        breaks = [i + 1 for i in range(len(states) - 1) if is_discontinuity(states[i], states[i + 1])]
        self._bounds = [0, *breaks, len(states)]
        self.num_breaks = len(breaks)

    def future(self, ego: EgoState, contract: ModelContract) -> NDArray[np.float32] | str:
        """Poses (T, 3) in base_link after a state, heading continuous; or why there is no label."""
        end_ns = ego.stamp_ns + round(contract.plan_times_s[-1] * 1e9)
        start = int(np.searchsorted(self._stamps, ego.stamp_ns, side="right")) - 1
        stop = next((bound for bound in self._bounds if bound > max(start, 0)), 0)
        segment = self._states[max(start, 0) : stop]
        if not segment or segment[-1].stamp_ns < end_ns - 1_000_000:
            return "no 4 s of continuous future"
        segment = [state for state in segment if state.stamp_ns <= end_ns + 200_000_000]
        curvature = max(abs(s.yaw_rate_radps) / s.vx_mps if s.vx_mps > 1.0 else 0.0 for s in segment)
        if curvature > MAX_CURVATURE_PER_M:
            return "path bends more than a car should be taught"
        poses = []
        for time_s in contract.plan_times_s:
            state = interpolate(segment, ego.stamp_ns + round(time_s * 1e9))
            if state is None:
                return "no 4 s of continuous future"
            poses.append([state.x_m, state.y_m, state.heading_rad])
        local = local_from_global(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), np.asarray(poses))
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


class AgentTracks:
    """All recorded agent states of a bag by stamp."""

    def __init__(self, snapshots: list[tuple[int, AgentStates]]) -> None:
        self._stamps = np.asarray([stamp for stamp, _ in snapshots], dtype=np.int64)
        self._snapshots = [agents for _, agents in snapshots]

    def at(self, stamp_ns: int) -> AgentStates | None:
        """The recorded states nearest to a stamp, within 60 ms."""
        if len(self._stamps) == 0:
            return None
        nearest = int(np.abs(self._stamps - stamp_ns).argmin())
        return self._snapshots[nearest] if abs(int(self._stamps[nearest]) - stamp_ns) <= _MATCH_NS else None

    def labels(self, ego: EgoState, points_N3: NDArray[np.float32], contract: ModelContract) -> AgentLabels:
        """Labels of the nearest agents within the grid."""
        agents = self.at(ego.stamp_ns)
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
        self._fill_futures(empty, ego, contract)
        return empty

    def _fill_futures(self, labels: AgentLabels, ego: EgoState, contract: ModelContract) -> None:
        origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
        for step, time_s in enumerate(contract.plan_times_s):
            later = self.at(ego.stamp_ns + round(time_s * 1e9))
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
