"""The planner's output messages -> plain values, for reports and comparisons.

Messages are duck-typed: rosbags' and rclpy's classes both work. M candidates, A agents, T plan steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import FallbackLevel, Trajectory
from transdiffuser_planner.messages.decode_inputs import stamp_ns, yaw_of

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedCandidates:
    """All published plans of one cycle.

    Attributes:
        id_M: candidate_id of each.
        probability_M: 0 for rejected ones.
        rejected_M, chosen_M: Flags; none is chosen when a fallback was published.
        pose_MT3: x, y, heading in frame_id.
        time_s_T: Times after stamp_ns.
        cost_terms: Name -> value per candidate.
    """

    stamp_ns: int
    frame_id: str
    id_M: NDArray[np.int64]
    probability_M: FloatArray
    rejected_M: NDArray[np.bool_]
    chosen_M: NDArray[np.bool_]
    pose_MT3: FloatArray
    time_s_T: FloatArray
    cost_terms: dict[str, FloatArray]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedPath:
    """One future of an agent: poses (T, 3) at equal intervals, the first one interval after the cycle's stamp."""

    candidate_id: int
    probability: float
    interval_s: float
    pose_T3: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedAgent:
    """One agent of one cycle; pose_3 is its box's center, speed_mps is None while unknown."""

    agent_id: int
    agent_class: int
    existence: float
    pose_3: FloatArray
    length_m: float
    width_m: float
    speed_mps: float | None
    paths: tuple[RecordedPath, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedAgents:
    """All agents of one cycle, nearest first."""

    stamp_ns: int
    frame_id: str
    agents: tuple[RecordedAgent, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedStatus:
    """Status of one planning cycle; fields as in transdiffuser_msgs/PlannerStatus.

    The last five are missing from messages of older versions and then empty.
    """

    stamp_ns: int
    frame_id: str
    ready: bool
    not_ready_reason: str
    input_ages_s: dict[str, float]
    missing: tuple[str, ...]
    seed: int
    model_name: str
    model_hash: str
    provider: str
    num_candidates: int
    num_denoise_steps: int
    chosen: int
    stage_ms: dict[str, float]
    latency_ms: float
    deadline_ms: float
    fallback_level: FallbackLevel
    fallback_reason: str
    precision: str
    sampler: str
    plan_age_s: float
    stop_requested: bool
    shadow: bool


def trajectory(message: Any) -> Trajectory:
    """A transdiffuser_msgs/Trajectory.

    Raises:
        InputError: It has no points.
    """
    points = message.points
    if not len(points):
        raise InputError("trajectory: the message has no points")
    pose = _point_poses(points)
    return Trajectory(
        stamp_ns=stamp_ns(message),
        frame_id=message.header.frame_id,
        time_s_T=_point_times(points),
        x_m_T=pose[:, 0],
        y_m_T=pose[:, 1],
        heading_rad_T=pose[:, 2],
        speed_mps_T=np.asarray([p.longitudinal_velocity_mps for p in points], dtype=np.float64),
        accel_mps2_T=np.asarray([p.acceleration_mps2 for p in points], dtype=np.float64),
        curvature_per_m_T=np.asarray([p.curvature_per_m for p in points], dtype=np.float64),
    )


def candidates(message: Any) -> RecordedCandidates:
    """A transdiffuser_msgs/CandidateTrajectories.

    Raises:
        InputError: Candidates differ in their number of points or cost names.
    """
    items = message.candidates
    names = list(items[0].cost_names) if len(items) else []
    times = _point_times(items[0].points) if len(items) else np.zeros(0)
    for item in items:
        if len(item.points) != len(times) or list(item.cost_names) != names or len(item.costs) != len(names):
            raise InputError(f"candidates: candidate {item.candidate_id} differs from the first in points or costs")
    pose = np.asarray([_point_poses(item.points) for item in items], dtype=np.float64)
    return RecordedCandidates(
        stamp_ns=stamp_ns(message),
        frame_id=message.header.frame_id,
        id_M=np.asarray([item.candidate_id for item in items], dtype=np.int64),
        probability_M=np.asarray([item.probability for item in items], dtype=np.float64),
        rejected_M=np.asarray([item.rejected for item in items], dtype=np.bool_),
        chosen_M=np.asarray([item.chosen for item in items], dtype=np.bool_),
        pose_MT3=pose.reshape(len(items), len(times), 3),
        time_s_T=times,
        cost_terms={
            name: np.asarray([item.costs[i] for item in items], dtype=np.float64) for i, name in enumerate(names)
        },
    )


def predicted_agents(message: Any) -> RecordedAgents:
    """A transdiffuser_msgs/PredictedAgents."""
    return RecordedAgents(
        stamp_ns=stamp_ns(message),
        frame_id=message.header.frame_id,
        agents=tuple(_agent(agent) for agent in message.agents),
    )


def _agent(agent: Any) -> RecordedAgent:
    paths = [
        RecordedPath(
            candidate_id=int(path.candidate_id),
            probability=float(path.probability),
            interval_s=_seconds(path.time_step),
            pose_T3=np.asarray([_pose(pose) for pose in path.poses], dtype=np.float64).reshape(-1, 3),
        )
        for path in agent.paths
    ]
    return RecordedAgent(
        agent_id=int(agent.id),
        agent_class=int(agent.classification),
        existence=float(agent.existence_probability),
        pose_3=np.asarray(_pose(agent.pose)),
        length_m=float(agent.dimensions.x),
        width_m=float(agent.dimensions.y),
        speed_mps=float(agent.velocity_mps) if agent.velocity_known else None,
        paths=tuple(paths),
    )


def status(message: Any) -> RecordedStatus:
    """A transdiffuser_msgs/PlannerStatus.

    Raises:
        InputError: The fallback level is not one of the message's constants.
    """
    try:
        fallback_level = FallbackLevel(int(message.fallback_level))
    except ValueError:
        raise InputError(f"status: fallback_level {message.fallback_level} is not one of 0..3") from None
    return RecordedStatus(
        stamp_ns=stamp_ns(message),
        frame_id=message.header.frame_id,
        ready=bool(message.ready),
        not_ready_reason=str(message.not_ready_reason),
        input_ages_s=dict(zip(message.input_names, map(float, message.input_ages_s), strict=False)),
        missing=tuple(message.missing_inputs),
        seed=int(message.seed),
        model_name=str(message.model_name),
        model_hash=str(message.model_hash),
        provider=str(message.provider),
        num_candidates=int(message.num_candidates),
        num_denoise_steps=int(message.num_denoise_steps),
        chosen=int(message.chosen_candidate),
        stage_ms=dict(zip(message.stage_names, map(float, message.stage_times_ms), strict=False)),
        latency_ms=float(message.latency_ms),
        deadline_ms=float(message.deadline_ms),
        fallback_level=fallback_level,
        fallback_reason=str(message.fallback_reason),
        precision=str(getattr(message, "precision", "")),
        sampler=str(getattr(message, "sampler", "")),
        plan_age_s=float(getattr(message, "plan_age_s", 0.0)),
        stop_requested=bool(getattr(message, "stop_requested", False)),
        shadow=bool(getattr(message, "shadow", False)),
    )


def _seconds(duration: Any) -> float:
    return float(duration.sec) + float(duration.nanosec) * 1e-9


def _pose(pose: Any) -> list[float]:
    return [float(pose.position.x), float(pose.position.y), yaw_of(pose.orientation)]


def _point_poses(points: Any) -> FloatArray:
    return np.asarray([_pose(point.pose) for point in points], dtype=np.float64).reshape(-1, 3)


def _point_times(points: Any) -> FloatArray:
    return np.asarray([_seconds(point.time_from_start) for point in points], dtype=np.float64)
