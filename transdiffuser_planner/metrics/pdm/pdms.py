"""PDMS, the PDM score of NAVSIM v1.1: NC * DAC * (5 EP + 5 TTC + 2 C + 0 DDC) / 12."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reasons, join
from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedAgents, PreparedScene, prepared
from transdiffuser_planner.metrics.pdm.scene import Scene
from transdiffuser_planner.metrics.pdm.scored_rollout import (
    Rollout,
    best_progress_m,
    candidate_poses,
    reference_poses,
    roll_out,
)
from transdiffuser_planner.metrics.pdm.subscores.comfort import score_comfort
from transdiffuser_planner.metrics.pdm.subscores.driving_direction import score_direction
from transdiffuser_planner.metrics.pdm.subscores.progress import share_of_best_v1
from transdiffuser_planner.metrics.pdm.subscores.time_to_collision import NUM_STEPS_V1, score_time_to_collision

FloatArray = NDArray[np.float64]

WEIGHTS: Final = {"ego_progress": 5.0, "time_to_collision": 5.0, "comfort": 2.0, "driving_direction": 0.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class PdmScores:
    """PDMS and its parts for M plans, each 0 to 1.

    Attributes:
        no_at_fault_collision_M: NC.
        drivable_area_M: DAC.
        ego_progress_M: EP.
        time_to_collision_M: TTC.
        comfort_M: C.
        driving_direction_M: DDC, weighted with 0 in PDMS.
        score_M: PDMS.
        progress_m_M: Progress along the center line, meters.
        motion: Simulated execution of the plans.
        reasons: Deductions of each plan.
    """

    no_at_fault_collision_M: FloatArray
    drivable_area_M: FloatArray
    ego_progress_M: FloatArray
    time_to_collision_M: FloatArray
    comfort_M: FloatArray
    driving_direction_M: FloatArray
    score_M: FloatArray
    progress_m_M: FloatArray
    motion: Motion
    reasons: Reasons


def score_pdms(scene: Scene | PreparedScene, plans_MT3: FloatArray, *, interval_s: float = 0.5) -> PdmScores:
    """PDMS of M plans of one scene; each is compared with the reference plan only.

    Args:
        scene: The scene; its agents should be known for 50 steps or more.
        plans_MT3: Poses of the rear axle relative to the ego's at time 0, from interval_s on, at least 4 s.
        interval_s: Time between two poses.

    Raises:
        EvaluationError: Plans of a wrong shape or with NaN.
    """
    ready = prepared(scene)
    poses = candidate_poses(ready, plans_MT3, interval_s)
    reference = reference_poses(ready)
    both = poses if reference is None else np.concatenate([reference, poses])
    rolled = roll_out(ready, both, ready.agents)
    product = rolled.collision_M * rolled.drivable_M
    best_M = best_progress_m(rolled.raw_progress_M * product, reference is not None)
    return score_rollout_v1(ready, rolled, best_M, slice(len(both) - len(poses), None), ready.agents)


def score_rollout_v1(
    ready: PreparedScene, rolled: Rollout, best_M: FloatArray, plans: slice, agents: PreparedAgents
) -> PdmScores:
    """PDMS of some of the simulated plans.

    Args:
        ready: The scene.
        rolled: All simulated trajectories.
        best_M: Best progress times hard rules to compare with, meters, for the selected plans.
        plans: Selected plans.
        agents: The agents to score against.
    """
    motion, ego, area = rolled.motion.of(plans), rolled.ego.at(plans), rolled.area.of(plans)
    nc_M, dac_M, raw_M = rolled.collision_M[plans], rolled.drivable_M[plans], rolled.raw_progress_M[plans]
    product_M = nc_M * dac_M
    progress_M = share_of_best_v1(raw_M, product_M, best_M)
    ttc_M, ttc_reasons = score_time_to_collision(ready, motion, ego, area, agents, NUM_STEPS_V1)
    comfort_M, comfort_reasons = score_comfort(motion)
    direction_M, direction_reasons = score_direction(ego.center_X2, area.off_route_MS)
    weighted = (
        WEIGHTS["ego_progress"] * progress_M
        + WEIGHTS["time_to_collision"] * ttc_M
        + WEIGHTS["comfort"] * comfort_M
        + WEIGHTS["driving_direction"] * direction_M
    )
    return PdmScores(
        no_at_fault_collision_M=nc_M,
        drivable_area_M=dac_M,
        ego_progress_M=progress_M,
        time_to_collision_M=ttc_M,
        comfort_M=comfort_M,
        driving_direction_M=direction_M,
        score_M=product_M * (weighted / sum(WEIGHTS.values())),
        progress_m_M=raw_M,
        motion=motion,
        reasons=join(
            rolled.collision_reasons[plans],
            rolled.drivable_reasons[plans],
            ttc_reasons,
            comfort_reasons,
            direction_reasons,
        ),
    )
