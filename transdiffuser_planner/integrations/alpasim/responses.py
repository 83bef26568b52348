"""Plans as messages: the trajectory in the local frame, the candidates as sampled trajectories, numbers for the log."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import local_from_global, wrapped
from transdiffuser_planner.core.types import LIDAR, FallbackLevel
from transdiffuser_planner.integrations.alpasim.poses import RigPose
from transdiffuser_planner.integrations.alpasim.session import DriveAnswer

FloatArray = NDArray[np.float64]


def drive_response(messages: Any, answer: DriveAnswer, time_now_us: int, max_curvature_per_m: float) -> Any:
    """Return a DriveResponse without unstructured debug info.

    Args:
        messages: Module of the messages.
        answer: The plan.
        time_now_us: Time of its first pose.
        max_curvature_per_m: Of the vehicle.
    """
    plan, candidates = answer.result.trajectory, answer.result.candidates
    pose_T3 = steerable(np.stack([plan.x_m_T, plan.y_m_T, plan.heading_rad_T], axis=1), max_curvature_per_m)
    origin_3 = pose_T3[0]
    response = messages.DriveResponse()
    response.trajectory.CopyFrom(_trajectory(messages, answer.anchor, origin_3, pose_T3, plan.time_s_T, time_now_us))
    best_first = np.argsort(-candidates.probability_M, kind="stable")
    time_s_T = np.concatenate([[0.0], candidates.time_s_T])
    for pose in candidates.pose_MT3[best_first]:
        with_start_T3 = np.concatenate([origin_3[None], pose])
        sampled = _trajectory(messages, answer.anchor, origin_3, with_start_T3, time_s_T, time_now_us)
        response.debug_info.sampled_trajectories.append(sampled)
    return response


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
        **{f"{stage}_ms": float(ms) for stage, ms in result.provenance.stage_ms.items()},
    }


def _trajectory(
    messages: Any, anchor: RigPose, origin_3: FloatArray, pose_T3: FloatArray, time_s_T: FloatArray, time_now_us: int
) -> Any:
    """Poses (T, 3) of the planner's frame as a Trajectory message in the local frame, tilted as the rig is."""
    xyz_T3, wxyz_T4 = anchor.plan(np.asarray(local_from_global(origin_3, pose_T3)))
    trajectory = messages.Trajectory()
    for stamp_us, xyz, wxyz in zip(
        (time_now_us + np.rint(time_s_T * 1e6).astype(np.int64)).tolist(),
        xyz_T3.tolist(),
        wxyz_T4.tolist(),
        strict=True,
    ):
        item = trajectory.poses.add()
        item.timestamp_us = stamp_us
        vec, quat = item.pose.vec, item.pose.quat
        vec.x, vec.y, vec.z = xyz
        quat.w, quat.x, quat.y, quat.z = wxyz
    return trajectory
