"""PDM-Closed: fifteen proposals, scored on a forecast of the traffic; the best one is selected.

Reference of EP, and a baseline with the exact map, lights and states of all agents.
"""

from __future__ import annotations

import dataclasses
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.epdms import score_rollout_v2
from transdiffuser_planner.metrics.pdm.lqr_simulation import through_center
from transdiffuser_planner.metrics.pdm.pdms import score_rollout_v1
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedScene, prepared
from transdiffuser_planner.metrics.pdm.reference_planner.forecast import forecast
from transdiffuser_planner.metrics.pdm.reference_planner.idm_proposals import propose
from transdiffuser_planner.metrics.pdm.scene import Scene
from transdiffuser_planner.metrics.pdm.scored_rollout import roll_out

FloatArray = NDArray[np.float64]


class ScoreVersion(Enum):
    """Score that selects among the proposals."""

    PDMS = "v1.1"
    EPDMS = "v2"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ReferencePlan:
    """Plan of PDM-Closed with its alternatives.

    Attributes:
        pose_S3: Poses (41, 3) of the selected proposal every 0.1 s, map frame, for Scene.reference_S3.
        proposals_QS3: All proposals: offsets 0, -1 and 1 m with five speeds each.
        score_Q: Their scores on the forecast.
        chosen: Index of the best.
    """

    pose_S3: FloatArray
    proposals_QS3: FloatArray
    score_Q: FloatArray
    chosen: int


def plan_reference(scene: Scene | PreparedScene, version: ScoreVersion = ScoreVersion.EPDMS) -> ReferencePlan:
    """Plan with PDM-Closed; only the states of agents and lights at time 0 are used."""
    view = forecast(prepared(scene))
    proposals = propose(view)
    rolled = roll_out(view.ready, proposals, view.agents)
    if version is ScoreVersion.PDMS:
        product = rolled.collision_M * rolled.drivable_M
        best = np.full(len(proposals), (rolled.raw_progress_M * product).max())
        score_Q = score_rollout_v1(view.ready, rolled, best, slice(None), view.agents).score_M
    else:
        score_Q = score_rollout_v2(view.ready, rolled, view.agents)
    chosen = int(score_Q.argmax())
    return ReferencePlan(
        pose_S3=through_center(proposals[chosen]), proposals_QS3=proposals, score_Q=score_Q, chosen=chosen
    )


def with_reference(scene: Scene, version: ScoreVersion = ScoreVersion.EPDMS) -> Scene:
    """Set PDM-Closed's plan as the reference of a scene."""
    return dataclasses.replace(scene, reference_S3=plan_reference(scene, version).pose_S3)
