"""Common part of PDMS and EPDMS: simulated plans with boxes and map areas, the reference plan first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reasons
from transdiffuser_planner.metrics.pdm.ego_area import EgoArea, locate
from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes, ego_boxes
from transdiffuser_planner.metrics.pdm.lqr_simulation import (
    Motion,
    interpolate_poses,
    plan_poses,
    sample_stamps_us,
    simulate,
    through_center,
)
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedAgents, PreparedScene
from transdiffuser_planner.metrics.pdm.scene import check_plans
from transdiffuser_planner.metrics.pdm.subscores.collisions import score_collisions
from transdiffuser_planner.metrics.pdm.subscores.drivable_area import score_drivable_area
from transdiffuser_planner.metrics.pdm.subscores.progress import raw_progress_m

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """M simulated trajectories with the values shared by all scores.

    Attributes:
        motion: The simulated motion.
        ego: Boxes (M, S) of the ego.
        area: Map areas under the ego.
        collision_M: NC.
        collision_reasons: Deductions of NC.
        drivable_M: DAC.
        drivable_reasons: Deductions of DAC.
        raw_progress_M: Progress along the center line, meters.
    """

    motion: Motion
    ego: Boxes
    area: EgoArea
    collision_M: FloatArray
    collision_reasons: Reasons
    drivable_M: FloatArray
    drivable_reasons: Reasons
    raw_progress_M: FloatArray


def reference_poses(prepared: PreparedScene) -> FloatArray | None:
    """The reference plan's poses (1, 41, 3) at the scored steps, or None."""
    reference_S3 = prepared.scene.reference_S3
    if reference_S3 is None:
        return None
    start_us = prepared.scene.ego.stamp_us
    stamps = start_us + 100_000 * np.arange(len(reference_S3), dtype=np.int64)
    return through_center(interpolate_poses(stamps, reference_S3[None], sample_stamps_us(start_us)))


def candidate_poses(prepared: PreparedScene, plans_MT3: FloatArray, interval_s: float) -> FloatArray:
    """Check plans and return their poses (M, 41, 3) in the map frame."""
    plans_MT3 = np.asarray(plans_MT3, dtype=np.float64)
    check_plans(prepared.scene.name, "plans_MT3", plans_MT3, interval_s)
    return plan_poses(prepared.scene.ego, plans_MT3, interval_s)


def roll_out(prepared: PreparedScene, pose_MS3: FloatArray, agents: PreparedAgents) -> Rollout:
    """Simulate and measure trajectories (M, 41, 3)."""
    motion = simulate(prepared.scene.ego, pose_MS3)
    ego = ego_boxes(motion.pose_MS3)
    area = locate(prepared, ego)
    collision_M, collision_reasons = score_collisions(motion, ego, area, agents)
    drivable_M, drivable_reasons = score_drivable_area(area)
    return Rollout(
        motion=motion,
        ego=ego,
        area=area,
        collision_M=collision_M,
        collision_reasons=collision_reasons,
        drivable_M=drivable_M,
        drivable_reasons=drivable_reasons,
        raw_progress_M=raw_progress_m(prepared.center_line_K2, ego.center_X2),
    )


def best_progress_m(masked_M: FloatArray, with_reference: bool) -> FloatArray:
    """Larger of each candidate's own progress and the reference's, which then comes first in masked_M, meters."""
    return np.maximum(masked_M[0], masked_M[1:]) if with_reference else masked_M
