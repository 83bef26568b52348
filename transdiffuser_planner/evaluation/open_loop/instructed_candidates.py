"""What an exported model samples when action tokens ask for another maneuver than the one that was driven."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.core.errors import ContractError
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.counterfactuals.maneuvers import alternative_maneuvers
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.planning.action_codebook import ActionCodebook
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

DRIVEN = "what was driven"


def instructed_candidates(
    backend: InferenceBackend, samples: SampleSet, index_B: NDArray[np.int64], num_candidates: int, pull: float
) -> list[dict[str, Any]]:
    """Sample every moment without tokens, with the driven plan's and with those of every other possible maneuver.

    Args:
        backend: The model.
        samples, index_B: The moments.
        num_candidates: M.
        pull: The parameter ``token_guidance_weight``.

    Returns:
        One mapping for each moment and maneuver: "maneuver", "driven" (whether it is what was driven), "asked" (T, 3),
        "with" and "without" (M, T, 3), the candidates with the tokens and without, meters and radians in base_link;
        "moment", the sample's number, and "bev", its labeled classes (L, L).

    Raises:
        ContractError: The model takes no action tokens.
    """
    codebook = backend.manifest.codebook()
    if codebook is None:
        raise ContractError(f"model {backend.manifest.name}: it takes no action tokens")
    source = CandidateSource(backend, samples, ("bev", "bev_valid"))
    told: list[dict[str, Any]] = []
    for index in tqdm(index_B, desc="moments", unit="sample", file=sys.stderr, mininterval=1.0):
        moment = source.moment(int(index))
        if not moment.raw["bev_valid"][0]:
            continue
        driven_T3 = moment.raw["plan"][0].astype(np.float64)
        asked = _others(moment, driven_T3, backend, samples.vehicle) | {DRIVEN: driven_T3}
        without_MT3 = source.sample(moment, num_candidates)[:, 0]
        for name, plan_T3 in asked.items():
            with_MT3 = source.sample(moment, num_candidates, _tensors(codebook, plan_T3), pull=pull)[:, 0]
            row = {"maneuver": name, "driven": name == DRIVEN, "asked": plan_T3, "moment": int(index)}
            told.append({**row, "bev": moment.raw["bev"][0], "with": with_MT3, "without": without_MT3})
    return told


def _others(
    moment: CandidateFrame, driven_T3: NDArray[np.float64], backend: InferenceBackend, vehicle: VehicleModel
) -> dict[str, NDArray[np.float64]]:
    raw = moment.raw
    route_R2 = raw["route"][0][raw["route_valid"][0] > 0.0].astype(np.float64)
    speed_mps = float(raw["status"][0, StatusIndex.VX_MPS])
    where = {"contract": backend.manifest.contract, "vehicle": vehicle}
    return alternative_maneuvers(driven_T3, route_R2, speed_mps, raw["bev"][0], **where)


def _tensors(codebook: ActionCodebook, plan_T3: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """The model's inputs for the tokens that describe a plan."""
    segment_T3 = codebook.segment_C3[codebook.encode(plan_T3[None])[0]]
    valid = np.ones((1, len(segment_T3)), dtype=np.float32)
    return {"action_tokens": segment_T3[None].astype(np.float32), "action_tokens_valid": valid}
