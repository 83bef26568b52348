"""EPDMS, the extended PDM score of NAVSIM v2: NC * DAC * DDC * TLC * (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16.

A sub-score that the scene's human driver fails entirely is not counted against a plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reasons, join
from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion, plan_poses, simulate
from transdiffuser_planner.metrics.pdm.prepared_scene import (
    PreparedAgents,
    PreparedScene,
    prepared,
    touching_at_start,
    without,
)
from transdiffuser_planner.metrics.pdm.scene import Scene, check_plans
from transdiffuser_planner.metrics.pdm.scored_rollout import (
    Rollout,
    best_progress_m,
    candidate_poses,
    reference_poses,
    roll_out,
)
from transdiffuser_planner.metrics.pdm.subscores.comfort import score_history_comfort
from transdiffuser_planner.metrics.pdm.subscores.driving_direction import score_direction
from transdiffuser_planner.metrics.pdm.subscores.extended_comfort import PreviousFrame, score_extended_comfort
from transdiffuser_planner.metrics.pdm.subscores.lane_keeping import score_lane_keeping
from transdiffuser_planner.metrics.pdm.subscores.progress import share_of_best_v2
from transdiffuser_planner.metrics.pdm.subscores.time_to_collision import NUM_STEPS_V2, score_time_to_collision
from transdiffuser_planner.metrics.pdm.subscores.traffic_lights import score_traffic_lights

FloatArray = NDArray[np.float64]

HARD: Final = ("no_at_fault_collision", "drivable_area", "driving_direction", "traffic_light")
WEIGHTS: Final = {
    "ego_progress": 5.0,
    "time_to_collision": 5.0,
    "lane_keeping": 2.0,
    "history_comfort": 2.0,
    "extended_comfort": 2.0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EpdmScores:
    """EPDMS and its parts for M plans, each 0 to 1, after forgiving the human driver's failures.

    Attributes:
        no_at_fault_collision_M: NC.
        drivable_area_M: DAC.
        driving_direction_M: DDC.
        traffic_light_M: TLC.
        ego_progress_M: EP.
        time_to_collision_M: TTC.
        lane_keeping_M: LK.
        history_comfort_M: HC.
        extended_comfort_M: EC; None without a previous frame, then it has no weight.
        score_M: EPDMS.
        unforgiven_M: Score without EC and without forgiving: the devkit's column pdm_score.
        forgiven: Sub-scores the human driver failed.
        progress_m_M: Progress along the center line, meters.
        motion: Simulated execution of the plans.
        reasons: Deductions of each plan, forgiven or not.
    """

    no_at_fault_collision_M: FloatArray
    drivable_area_M: FloatArray
    driving_direction_M: FloatArray
    traffic_light_M: FloatArray
    ego_progress_M: FloatArray
    time_to_collision_M: FloatArray
    lane_keeping_M: FloatArray
    history_comfort_M: FloatArray
    extended_comfort_M: FloatArray | None
    score_M: FloatArray
    unforgiven_M: FloatArray
    forgiven: tuple[str, ...]
    progress_m_M: FloatArray
    motion: Motion
    reasons: Reasons


def score_epdms(
    scene: Scene | PreparedScene,
    plans_MT3: FloatArray,
    *,
    interval_s: float = 0.5,
    previous: PreviousFrame | None = None,
    drop_agents_touching_at_start: bool = True,
) -> EpdmScores:
    """EPDMS of M plans of one scene; each is compared with the reference plan only.

    Args:
        scene: The scene; with a human plan the human driver's failures are forgiven.
        plans_MT3: Poses of the rear axle relative to the ego's at time 0, from interval_s on, at least 4 s.
        interval_s: Time between two poses.
        previous: The previous frame, for EC.
        drop_agents_touching_at_start: Ignore agents whose box touches the ego's at time 0, as log replay does.

    Raises:
        EvaluationError: Plans of a wrong shape or with NaN.
    """
    ready = prepared(scene)
    agents = without(ready.agents, touching_at_start(ready)) if drop_agents_touching_at_start else ready.agents
    poses = candidate_poses(ready, plans_MT3, interval_s)
    reference, human_plan = reference_poses(ready), ready.scene.human_plan_T3
    human = None if human_plan is None else plan_poses(ready.scene.ego, human_plan[None], ready.scene.human_interval_s)
    all_poses = np.concatenate([pose for pose in (human, reference, poses) if pose is not None])
    rolled = roll_out(ready, all_poses, agents)
    first = len(all_poses) - len(poses)

    hard, hard_reasons = _hard_scores(ready, rolled)
    product = np.prod(list(hard.values()), axis=0)
    with_reference = reference is not None
    best_M = best_progress_m((rolled.raw_progress_M * product)[first - with_reference :], with_reference)
    soft, soft_reasons = _soft_scores(ready, rolled, agents)

    plans = slice(first, None)
    motion = rolled.motion.of(plans)
    comfort_M, comfort_reasons = score_history_comfort(motion, ready.scene.past)
    parts = {name: values[plans] for name, values in (hard | soft).items()}
    parts["ego_progress"] = share_of_best_v2(rolled.raw_progress_M[plans], best_M)
    parts["history_comfort"] = comfort_M
    failed = () if human is None else tuple(name for name, values in (hard | soft).items() if values[0] == 0.0)
    extended_M, extended_reasons = _extended_comfort(ready, motion, previous)
    reasons = [*(of_all[plans] for of_all in hard_reasons + soft_reasons), comfort_reasons, *extended_reasons]
    progress_M = rolled.raw_progress_M[plans]
    return _final_scores(parts, extended_M, failed, motion=motion, progress_m_M=progress_M, reasons=join(*reasons))


def _final_scores(
    parts: dict[str, FloatArray],
    extended_M: FloatArray | None,
    failed: tuple[str, ...],
    *,
    motion: Motion,
    progress_m_M: FloatArray,
    reasons: Reasons,
) -> EpdmScores:
    """Forgive the sub-scores that the human driver failed and combine all of them."""
    forgiven = parts | {name: np.ones(len(progress_m_M)) for name in failed}
    return EpdmScores(
        no_at_fault_collision_M=forgiven["no_at_fault_collision"],
        drivable_area_M=forgiven["drivable_area"],
        driving_direction_M=forgiven["driving_direction"],
        traffic_light_M=forgiven["traffic_light"],
        ego_progress_M=forgiven["ego_progress"],
        time_to_collision_M=forgiven["time_to_collision"],
        lane_keeping_M=forgiven["lane_keeping"],
        history_comfort_M=forgiven["history_comfort"],
        extended_comfort_M=extended_M,
        score_M=combine(forgiven if extended_M is None else forgiven | {"extended_comfort": extended_M}),
        unforgiven_M=combine(parts),
        forgiven=failed,
        progress_m_M=progress_m_M,
        motion=motion,
        reasons=reasons,
    )


def combine(parts: dict[str, FloatArray]) -> FloatArray:
    """The product of the hard rules times the weighted mean of the others; missing sub-scores have no weight."""
    weights = {name: weight for name, weight in WEIGHTS.items() if name in parts}
    weighted = sum((weight * parts[name] for name, weight in weights.items()), start=np.zeros(1))
    product = np.prod([parts[name] for name in HARD], axis=0)
    return np.asarray(product * (weighted / sum(weights.values())))


def score_rollout_v2(ready: PreparedScene, rolled: Rollout, agents: PreparedAgents) -> FloatArray:
    """EPDMS (M,) without HC and EC, relative to the best of the trajectories: the selection of PDM-Closed."""
    hard, _ = _hard_scores(ready, rolled)
    soft, _ = _soft_scores(ready, rolled, agents)
    masked_M = rolled.raw_progress_M * np.prod(list(hard.values()), axis=0)
    progress_M = share_of_best_v2(rolled.raw_progress_M, np.full(len(masked_M), masked_M.max()))
    return combine(hard | soft | {"ego_progress": progress_M, "history_comfort": np.ones(len(masked_M))})


def _hard_scores(ready: PreparedScene, rolled: Rollout) -> tuple[dict[str, FloatArray], list[Reasons]]:
    """NC, DAC, DDC and TLC of all trajectories."""
    direction_M, direction_reasons = score_direction(
        rolled.ego.center_X2, rolled.area.off_route_MS & ~rolled.area.in_intersection_MS
    )
    lights_M, light_reasons = score_traffic_lights(ready, rolled.ego)
    scores = (rolled.collision_M, rolled.drivable_M, direction_M, lights_M)
    reasons = [rolled.collision_reasons, rolled.drivable_reasons, direction_reasons, light_reasons]
    return dict(zip(HARD, scores, strict=True)), reasons


def _soft_scores(
    ready: PreparedScene, rolled: Rollout, agents: PreparedAgents
) -> tuple[dict[str, FloatArray], list[Reasons]]:
    """TTC and LK of all trajectories."""
    ttc_M, ttc_reasons = score_time_to_collision(ready, rolled.motion, rolled.ego, rolled.area, agents, NUM_STEPS_V2)
    keeping_M, keeping_reasons = score_lane_keeping(
        ready.center_line_K2, rolled.ego.center_X2, rolled.area.in_intersection_MS
    )
    return {"time_to_collision": ttc_M, "lane_keeping": keeping_M}, [ttc_reasons, keeping_reasons]


def _extended_comfort(
    ready: PreparedScene, motion: Motion, previous: PreviousFrame | None
) -> tuple[FloatArray | None, list[Reasons]]:
    if previous is None:
        return None, []
    check_plans(ready.scene.name, "previous.plan_T3", previous.plan_T3[None], previous.interval_s)
    before = simulate(previous.ego, plan_poses(previous.ego, previous.plan_T3[None], previous.interval_s))
    score_M, reasons = score_extended_comfort(motion, before, previous.elapsed_s)
    return score_M, [reasons]


__all__ = ["HARD", "WEIGHTS", "EpdmScores", "combine", "score_epdms", "score_rollout_v2"]
