"""Corrections: at a time before a failure, the best of many plans in reactive traffic, as the target to learn.

M plans, T plan steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.evaluation.rounds.alternatives import alternative_plans
from transdiffuser_planner.evaluation.rounds.drive_trace import DriveTrace
from transdiffuser_planner.evaluation.rounds.failures import Failure, FailureKind, SearchPoint
from transdiffuser_planner.evaluation.rounds.resimulation import Execution, execute, reactive_scores
from transdiffuser_planner.planning.trajectory.output_frame import to_trajectory
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother
from transdiffuser_planner.simulation.message_stream import ego_state
from transdiffuser_planner.simulation.rewound_episode import RewoundEpisode

FloatArray = NDArray[np.float64]

ROUTE_AHEAD_M = 80.0
MIN_GAIN = 0.05
"""Score by which a correction exceeds the model's own choice, where that one is without a fault."""
MIN_START_M = 2.0
"""Way that a correction of a wait gains in 4 s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """The best plan at one time.

    Attributes:
        failure: That it avoids.
        step: Of the time.
        execution: Of the plan.
        score: Of the execution.
        own_score: Of the plan that the model chose.
        is_own: Whether the plan is a candidate of the model.
        distance_m: Mean distance from the nearest candidate of the model.
    """

    failure: Failure
    step: int
    execution: Execution
    score: float
    own_score: float
    is_own: bool
    distance_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectionRule:
    """Which plans may be targets.

    Attributes:
        trust_region_m: Largest mean distance of a target from the nearest candidate of the model.
    """

    trust_region_m: float = 4.0


def corrections(
    trace: DriveTrace,
    points: Iterator[SearchPoint],
    episode: RewoundEpisode,
    contract: ModelContract,
    rule: CorrectionRule,
) -> Iterator[Correction]:
    """Advance a rewound drive from time to time and search a better plan at each.

    Args:
        trace: Of the drive.
        points: In order of time.
        episode: The drive, rewound to a step not after the first time.
        contract: Times of the plans.
        rule: Which plans may be targets.

    Yields:
        A correction of every time that has one; the episode is at its step.

    Raises:
        SimulationError: SUMO failed.
    """
    at, smoother = 0, PlanSmoother(contract)
    for point in points:
        while at < point.step:
            episode.advance()
            at += 1
        found = _correction(trace, point, episode, contract, smoother, rule)
        if found is not None:
            yield found


def _correction(
    trace: DriveTrace,
    point: SearchPoint,
    episode: RewoundEpisode,
    contract: ModelContract,
    smoother: PlanSmoother,
    rule: CorrectionRule,
) -> Correction | None:
    now, cycle = episode.step, trace.cycles[point.step]
    ego = ego_state(now.world.ego, now.world.stamp_ns)
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    own_MT3 = local_from_global(origin, cycle.pose_MT3.astype(np.float64))
    own_MT3[..., 2] = np.unwrap(np.concatenate([np.zeros_like(own_MT3[:, :1, 2]), own_MT3[..., 2]], axis=1), axis=1)[
        :, 1:
    ]
    typical = own_MT3[np.abs(own_MT3[..., :2] - own_MT3[..., :2].mean(axis=0)).sum(axis=(1, 2)).argmin()]
    route = _route_ahead(episode, origin)
    limit = max(now.speed_limit_mps, 1.0)
    others_MT3 = alternative_plans(typical, route, ego.vx_mps, limit, np.asarray(contract.plan_times_s))
    plan_MT3 = np.concatenate([own_MT3, others_MT3])
    distance_M = _distance_from_own(plan_MT3, own_MT3)
    allowed = np.flatnonzero(distance_M <= rule.trust_region_m)
    smooth = smoother.smooth(plan_MT3, max(ego.vx_mps, 0.0))
    runs = [execute(episode, to_trajectory(smooth, int(index), ego)) for index in allowed]
    scores = reactive_scores(runs)
    chosen = cycle.chosen if cycle.chosen >= 0 else int(distance_M[: len(own_MT3)].argmin())
    own = int(np.flatnonzero(allowed == chosen)[0])
    # Of equally good plans the nearest to the model's own is the easiest to learn.
    best = int(np.lexsort((distance_M[allowed], -np.round(scores, 3)))[0])
    if not _is_correction(point.failure, runs[best], scores[best], runs[own], scores[own]):
        return None
    return Correction(
        failure=point.failure,
        step=point.step,
        execution=runs[best],
        score=float(scores[best]),
        own_score=float(scores[own]),
        is_own=bool(allowed[best] < len(own_MT3)),
        distance_m=float(distance_M[allowed[best]]),
    )


def _is_correction(failure: Failure, best: Execution, score: float, own: Execution, own_score: float) -> bool:
    """Whether the best plan is safe and better than the model's own choice; after a wait, whether it moves off."""
    if not best.is_safe or not best.ttc:
        return False
    if failure.kind is FailureKind.WAIT:
        return best.progress_m >= own.progress_m + MIN_START_M
    return score >= own_score + MIN_GAIN


def _route_ahead(episode: RewoundEpisode, origin_3: FloatArray) -> FloatArray:
    """Route (R, 2) from the ego on, in base_link."""
    route, s_m = episode.route, episode.step.route_s_m
    at = np.arange(s_m, s_m + ROUTE_AHEAD_M, 1.0)
    xy = np.stack([np.interp(at, route.s_N, route.xy_N2[:, k]) for k in (0, 1)], axis=-1)
    xy = xy[np.append(True, np.hypot(*np.diff(xy, axis=0).T) > 0.1)]
    if len(xy) < 2:
        ahead = np.asarray([np.cos(origin_3[2]), np.sin(origin_3[2])])
        xy = np.stack([xy[0], xy[0] + ahead])
    pose = np.concatenate([xy, np.zeros((len(xy), 1))], axis=1)
    return np.asarray(local_from_global(origin_3, pose)[:, :2])


def _distance_from_own(plan_MT3: FloatArray, own_OT3: FloatArray) -> FloatArray:
    """Mean distance (M,) over time from the nearest of the model's own plans."""
    gap = plan_MT3[:, None, :, :2] - own_OT3[None, :, :, :2]
    return np.asarray(np.hypot(gap[..., 0], gap[..., 1]).mean(axis=-1).min(axis=1))
