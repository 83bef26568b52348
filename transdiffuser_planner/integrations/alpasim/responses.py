"""Plans as messages: the trajectory in the local frame, the candidates as sampled trajectories, numbers for the log."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import local_from_global, wrapped
from transdiffuser_planner.core.types import LIDAR, FallbackLevel
from transdiffuser_planner.integrations.alpasim.session import DriveAnswer
from transdiffuser_planner.integrations.alpasim.trajectory_bytes import TrajectoryBytes

FloatArray = NDArray[np.float64]
STAGE_SUFFIX = "_ms"
"""Of the names of a plan's stage times among its numbers."""


def drive_response(
    messages: Any, writer: TrajectoryBytes, answer: DriveAnswer, time_now_us: int, max_curvature_per_m: float
) -> Any:
    """Return a DriveResponse without unstructured debug info.

    Args:
        messages: Module of the messages.
        writer: Of these messages.
        answer: The plan.
        time_now_us: Time of its first pose.
        max_curvature_per_m: Of the vehicle.
    """
    plan, candidates = answer.result.trajectory, answer.result.candidates
    pose_T3 = steerable(np.stack([plan.x_m_T, plan.y_m_T, plan.heading_rad_T], axis=1), max_curvature_per_m)
    origin_3 = pose_T3[0]
    response = messages.DriveResponse()
    poses = answer.anchor.plan(local_from_global(origin_3, pose_T3[None]))
    response.trajectory.MergeFromString(writer.of(time_now_us + _microseconds(plan.time_s_T), *poses)[0])
    best_first = np.argsort(-candidates.probability_M, kind="stable")
    starts_M13 = np.broadcast_to(origin_3, (len(best_first), 1, 3))
    sampled_MT3 = np.concatenate([starts_M13, candidates.pose_MT3[best_first]], axis=1)
    poses = answer.anchor.plan(local_from_global(origin_3, sampled_MT3))
    stamp_us_T = time_now_us + _microseconds(np.concatenate([[0.0], candidates.time_s_T]))
    for raw in writer.of(stamp_us_T, *poses):
        response.debug_info.sampled_trajectories.add().MergeFromString(raw)
    return response


def _microseconds(time_s_T: FloatArray) -> NDArray[np.int64]:
    return np.rint(time_s_T * 1e6).astype(np.int64)


def steerable(pose_T3: FloatArray, max_curvature_per_m: float) -> FloatArray:
    """Limit the turn from pose to pose to what a vehicle can steer on the way; positions stay.

    A plan's headings are the directions of its steps. The first steps of a vehicle that moves off are centimeters, whose
    directions mean little, and a peer that takes over poses as they are would turn on the spot.

    Args:
        pose_T3: x, y, heading.
        max_curvature_per_m: Of the vehicle.
    """
    found: FloatArray = np.array(pose_T3)
    limit_T = max_curvature_per_m * np.hypot(*np.diff(pose_T3[:, :2], axis=0).T)
    for step, limit_rad in enumerate(limit_T.tolist()):
        turn_rad = wrapped(float(pose_T3[step + 1, 2] - found[step, 2]))
        found[step + 1, 2] = found[step, 2] + min(max(turn_rad, -limit_rad), limit_rad)
    return found


def debug_numbers(answer: DriveAnswer) -> dict[str, float]:
    """Return the numbers that describe a plan.

    Args:
        answer: The plan.
    """
    result, snapshot = answer.result, answer.snapshot
    return {
        "cameras": float(len(snapshot.images)),
        LIDAR: float(snapshot.cloud is not None),
        "route": float(snapshot.route is not None),
        "candidates": float(result.provenance.num_candidates),
        "agents": float(len(result.agents.id_A)),
        "fallback": float(result.fallback_level != FallbackLevel.NONE),
        **{stage + STAGE_SUFFIX: float(ms) for stage, ms in result.provenance.stage_ms.items()},
    }
