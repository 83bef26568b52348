"""Candidates for a few meta-actions, as action tokens: slower, keep, faster, each to the left, straight and to the right.

DIAL divides its samples among intents instead of drawing more of the same. Nothing but the model's own perception is used:
intents along the route are always offered, those to a side where their plans stay on the road that the encoder sees.
Letters: T plan steps, L bird's-eye cells.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.candidates.instructed_plans import token_tensors
from transdiffuser_planner.data.candidates.plan_variants import moved_aside
from transdiffuser_planner.data.counterfactuals.maneuvers import (
    path_through,
    poses_along,
    sped_up_m,
    stays_on_road,
)
from transdiffuser_planner.planning.action_codebook import ActionCodebook

FloatArray = NDArray[np.float64]

ON_ROUTE: Final = "straight"
SIDES_M: Final = {"left": 3.2, ON_ROUTE: 0.0, "right": -3.2}
SLOWER, FASTER = 0.5, 4.0
"""Slower plans end at this share of the present speed, faster ones so many m/s above it."""
BRAKE_MPS2, START_MPS2 = -1.5, 1.5
_STANDS_MPS = 0.5


def meta_actions(
    route_R2: FloatArray, speed_mps: float, limit_mps: float | None, time_s_T: FloatArray
) -> dict[str, FloatArray]:
    """Plans (T, 3) in base_link of all meta-actions by name, wherever they lead.

    Args:
        route_R2: Route ahead in base_link; may be empty.
        speed_mps: Present speed.
        limit_mps: Speed limit, if known; faster plans keep it.
        time_s_T: Times of the plan steps.
    """
    path_P3 = path_through(route_R2) if len(route_R2) else path_through(np.asarray([[40.0, 0.0]]))
    fast_mps = speed_mps + FASTER if limit_mps is None else max(min(speed_mps + FASTER, limit_mps), speed_mps + 0.1)
    traveled = {"faster": sped_up_m(speed_mps, START_MPS2, fast_mps, time_s_T)}
    if speed_mps > _STANDS_MPS:
        traveled["slower"] = sped_up_m(speed_mps, BRAKE_MPS2, SLOWER * speed_mps, time_s_T)
        traveled["keep"] = speed_mps * time_s_T
    return {
        f"{pace} {side}": moved_aside(poses_along(path_P3, driven_m_T), driven_m_T, shift_m, time_s_T)
        for pace, driven_m_T in traveled.items()
        for side, shift_m in SIDES_M.items()
    }


class IntentCandidates:
    """Draws candidates under the action tokens of meta-actions.

    Args:
        source: Frames of the model.
        codebook: Of the model; None for a model without action tokens.
        vehicle: Whose footprint must stay on the road.
        each: Samples of every meta-action.
    """

    def __init__(
        self, source: CandidateSource, codebook: ActionCodebook | None, vehicle: VehicleModel, each: int
    ) -> None:
        self._source, self._codebook, self._vehicle, self._each = source, codebook, vehicle, each

    def draw(self, frame: CandidateFrame, most: int) -> FloatArray:
        """Joint futures (at most most, 1 + A, T, 3) in base_link.

        Args:
            frame: Of the source.
            most: Largest number of them.
        """
        contract = self._source.contract
        none = np.zeros((0, 1 + contract.num_agents, contract.num_plan_steps, 3))
        if self._codebook is None or self._each == 0:
            return none
        offered = self.offered(frame)
        plans = list(offered.values())[: most // self._each]
        drawn = [self._source.sample(frame, self._each, token_tensors(self._codebook, plan_T3)) for plan_T3 in plans]
        return np.concatenate(drawn) if drawn else none

    def offered(self, frame: CandidateFrame) -> dict[str, FloatArray]:
        """Plans (T, 3) by name of the meta-actions along the route, and of those that stay on the road that the model sees."""
        seen, contract = frame.observation, self._source.contract
        route_R2 = seen["route"][0][seen["route_valid"][0] > 0.0].astype(np.float64)
        limit_mps = float(seen["speed_limit"][0, 0]) if seen["speed_limit_valid"][0, 0] > 0.0 else None
        speed_mps = float(seen["status"][0, StatusIndex.VX_MPS])
        plans = meta_actions(route_R2, max(speed_mps, 0.0), limit_mps, contract.plan_times_s)
        bev_LL = frame.features["bev_logits"][0].argmax(axis=0).astype(np.uint8)
        has_route = len(route_R2) >= 2
        return {
            name: plan_T3
            for name, plan_T3 in plans.items()
            if (has_route and name.endswith(ON_ROUTE)) or stays_on_road(plan_T3, bev_LL, contract, self._vehicle)
        }
