"""Candidates conditioned on action tokens of other maneuvers that the road allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.counterfactuals.maneuvers import alternative_maneuvers
from transdiffuser_planner.planning.action_codebook import ActionCodebook

FloatArray = NDArray[np.float64]


def token_tensors(codebook: ActionCodebook, plan_T3: FloatArray) -> dict[str, NDArray[np.float32]]:
    """Return the model's inputs for the action tokens of a plan (T, 3)."""
    segment_T3 = codebook.segment_C3[codebook.encode(plan_T3[None])[0]]
    valid = np.ones((1, len(segment_T3)), dtype=np.float32)
    return {"action_tokens": segment_T3[None].astype(np.float32), "action_tokens_valid": valid}


class InstructedPlans:
    """Draws candidates under the action tokens of a frame's other maneuvers.

    Args:
        source: Frames of the model, with the arrays "bev" and "bev_valid".
        codebook: Of the model; None for a model without action tokens.
        vehicle: Whose footprint must stay on the road.
    """

    def __init__(self, source: CandidateSource, codebook: ActionCodebook | None, vehicle: VehicleModel) -> None:
        self._source, self._codebook, self._vehicle = source, codebook, vehicle

    def draw(self, frame: CandidateFrame, count: int) -> FloatArray:
        """Joint futures (at most count, 1 + A, T, 3) in base_link, divided evenly among the maneuvers; none without any.

        Args:
            frame: Of the source, with the labeled road.
            count: Largest number of them.
        """
        none = np.zeros((0, 1 + self._source.contract.num_agents, self._source.contract.num_plan_steps, 3))
        if self._codebook is None or count == 0 or not frame.raw["bev_valid"][0]:
            return none
        maneuvers = list(self.maneuvers(frame).values())[:count]
        shares = [len(part) for part in np.array_split(np.arange(count), len(maneuvers))] if maneuvers else []
        drawn = [
            self._source.sample(frame, share, token_tensors(self._codebook, plan_T3))
            for plan_T3, share in zip(maneuvers, shares, strict=True)
        ]
        return np.concatenate(drawn) if drawn else none

    def maneuvers(self, frame: CandidateFrame) -> dict[str, FloatArray]:
        """Plans (T, 3) of other maneuvers than the driven one, by name."""
        raw = frame.raw
        return alternative_maneuvers(
            raw["plan"][0].astype(np.float64),
            raw["route"][0][raw["route_valid"][0] > 0.0].astype(np.float64),
            float(raw["status"][0, StatusIndex.VX_MPS]),
            raw["bev"][0],
            contract=self._source.contract,
            vehicle=self._vehicle,
        )
