"""EPDMS, the extended PDM score of NAVSIM v2: NC * DAC * DDC * TLC * (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16.

Where the human who drove the scene fails a sub-score entirely, nobody is blamed for it.
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
from transdiffuser_planner.metrics.pdm.subscores.time_to_collision import NUM_MOMENTS_V2, score_time_to_collision
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
    """EPDMS and its parts for M plans, each 0 to 1, after the human's failures are forgiven.

    Attributes:
        no_at_fault_collision_M: NC.
        drivable_area_M: DAC.
        driving_direction_M: DDC.
        traffic_light_M: TLC.
        ego_progress_M: EP.
        time_to_collision_M: TTC.
        lane_keeping_M: LK.
        history_comfort_M: HC.
        extended_comfort_M: EC; None without a previous frame, and then its weight is left out.
        score_M: EPDMS.
        unforgiven_M: Without EC and without forgiving: the devkit's column pdm_score.
        forgiven: Sub-scores the human failed.
        progress_m_M: Meters along the center line.
        motion: How the car drives the plans.
        reasons: What went wrong with each plan, forgiven or not.
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
    """EPDMS of M plans of one scene; each is compared with the reference plan alone, not with the other plans.

    Args:
        scene: The scene; with a human plan the human's failures are forgiven.
        plans_MT3: Poses of the rear axle relative to the ego's at time 0, from interval_s on, at least 4 s.
        interval_s: Between two poses.
        previous: The frame before, for EC.
        drop_agents_touching_at_start: Forget agents whose box touches the ego's at time 0, as log replay does.

    Raises:
        EvaluationError: Plans of a wrong shape or with NaN.
    """
    ready = prepared(scene)
    agents = without(ready.agents, touching_at_start(ready)) if drop_agents_touching_at_start else ready.agents
    poses = candidate_poses(ready, plans_MT3, interval_s)
    reference, human_plan = reference_poses(ready), ready.scene.human_plan_T3
    human = None if human_plan is None else plan_poses(ready.scene.ego, human_plan[None], ready.scene.human_interval_s)
    everyone = np.concatenate([pose for pose in (human, reference, poses) if pose is not None])
    rolled = roll_out(ready, everyone, agents)
    first = len(everyone) - len(poses)

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
    unforgiven_M = combine(parts)
    failed = () if human is None else tuple(name for name, values in (hard | soft).items() if values[0] == 0.0)
    parts |= {name: np.ones(len(poses)) for name in failed}
    extended_M, extended_reasons = _extended_comfort(ready, motion, previous)
    reasons = [*(of_all[plans] for of_all in hard_reasons + soft_reasons), comfort_reasons, *extended_reasons]
    return EpdmScores(
        no_at_fault_collision_M=parts["no_at_fault_collision"],
        drivable_area_M=parts["drivable_area"],
        driving_direction_M=parts["driving_direction"],
        traffic_light_M=parts["traffic_light"],
        ego_progress_M=parts["ego_progress"],
        time_to_collision_M=parts["time_to_collision"],
        lane_keeping_M=parts["lane_keeping"],
        history_comfort_M=parts["history_comfort"],
        extended_comfort_M=extended_M,
        score_M=combine(parts if extended_M is None else parts | {"extended_comfort": extended_M}),
        unforgiven_M=unforgiven_M,
        forgiven=failed,
        progress_m_M=rolled.raw_progress_M[plans],
        motion=motion,
        reasons=join(*reasons),
    )


def combine(parts: dict[str, FloatArray]) -> FloatArray:
    """The product of the hard rules times the weighted mean of the others; what is missing has no weight."""
    weights = {name: weight for name, weight in WEIGHTS.items() if name in parts}
    weighted = sum((weight * parts[name] for name, weight in weights.items()), start=np.zeros(1))
    product = np.prod([parts[name] for name in HARD], axis=0)
    return np.asarray(product * (weighted / sum(weights.values())))


def score_rollout_v2(ready: PreparedScene, rolled: Rollout, agents: PreparedAgents) -> FloatArray:
    """EPDMS (M,) of trajectories compared with the best of themselves, without HC and EC: how PDM-Closed chooses."""
    hard, _ = _hard_scores(ready, rolled)
    soft, _ = _soft_scores(ready, rolled, agents)
    masked_M = rolled.raw_progress_M * np.prod(list(hard.values()), axis=0)
    progress_M = share_of_best_v2(rolled.raw_progress_M, np.full(len(masked_M), masked_M.max()))
    return combine(hard | soft | {"ego_progress": progress_M, "history_comfort": np.ones(len(masked_M))})


def _hard_scores(ready: PreparedScene, rolled: Rollout) -> tuple[dict[str, FloatArray], list[Reasons]]:
    """NC, DAC, DDC and TLC of everyone."""
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
    """TTC and LK of everyone."""
    ttc_M, ttc_reasons = score_time_to_collision(ready, rolled.motion, rolled.ego, rolled.area, agents, NUM_MOMENTS_V2)
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
