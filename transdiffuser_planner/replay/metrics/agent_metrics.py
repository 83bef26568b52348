"""Predicted agents compared with recorded agents. A predicted agents, N recorded agents, T plan steps."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from transdiffuser_planner.data.logs.tracks import AgentTracks
from transdiffuser_planner.replay.cycle_records import PlanRecord

MIN_EXISTENCE = 0.3
SAME_WITHIN_M = 2.5
RANGE_M = 30.0


def agent_metrics(plan: PlanRecord, tracks: AgentTracks) -> dict[str, float]:
    """Compute recall, precision, position error and forecast errors of agents within 30 m.

    Args:
        plan: Ego state and predicted agents in the frame of odometry.
        tracks: Recorded agents.

    Returns:
        Metric name -> value; empty without ground truth.
    """
    if not len(tracks) or (tracks.frame_id and tracks.frame_id != plan.ego.frame_id):
        return {}
    now_ns = plan.ego.stamp_ns
    stamps = now_ns + np.rint(np.concatenate([[0.0], plan.time_s_T]) * 1e9).astype(np.int64)
    around = tracks.ids_around(now_ns, plan.ego.x_m, plan.ego.y_m, RANGE_M)
    found = [track for number in around if (track := tracks.at(number, stamps)) is not None]
    truth = [track for track in found if np.isfinite(track[0]).all()]
    near = [track for track in truth if np.hypot(track[0, 0] - plan.ego.x_m, track[0, 1] - plan.ego.y_m) < RANGE_M]
    agents = plan.agents
    likely = np.flatnonzero(agents.existence_A >= MIN_EXISTENCE)
    distance_m = np.hypot(agents.pose_A3[likely, 0] - plan.ego.x_m, agents.pose_A3[likely, 1] - plan.ego.y_m)
    likely = likely[distance_m < RANGE_M]
    if not near:
        return {"agent_precision": 0.0} if len(likely) else {}
    truth_N = np.asarray([track[0, :2] for track in near])
    gap_AN = np.linalg.norm(agents.pose_A3[likely, None, :2] - truth_N[None], axis=-1)
    rows, columns = linear_sum_assignment(np.minimum(gap_AN, 10.0 * SAME_WITHIN_M))
    pairs = [(a, n) for a, n in zip(rows, columns, strict=True) if gap_AN[a, n] <= SAME_WITHIN_M]
    metrics = {"agent_recall": len(pairs) / len(near)}
    if len(likely):
        metrics["agent_precision"] = len(pairs) / len(likely)
    if not pairs:
        return metrics
    metrics["agent_position_m"] = float(np.mean([gap_AN[a, n] for a, n in pairs]))
    errors = []
    for a, n in pairs:
        error_T = np.linalg.norm(agents.path_AT3[likely[a], :, :2] - near[n][1:, :2], axis=-1)
        if np.isfinite(error_T).all():
            errors.append(error_T)
    if errors:
        metrics["agent_ade_m"] = float(np.mean([error_T.mean() for error_T in errors]))
        metrics["agent_fde_m"] = float(np.mean([error_T[-1] for error_T in errors]))
    return metrics
