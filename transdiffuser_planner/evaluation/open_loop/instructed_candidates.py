"""Candidates of an exported model conditioned on action tokens of the logged maneuver and of others."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.errors import ContractError
from transdiffuser_planner.data.candidates.candidate_source import CandidateSource
from transdiffuser_planner.data.candidates.instructed_plans import InstructedPlans, token_tensors
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

LOGGED = "logged maneuver"


def instructed_candidates(
    backend: InferenceBackend,
    samples: SampleSet,
    index_B: NDArray[np.int64],
    num_candidates: int,
    guidance_weight: float,
) -> list[dict[str, Any]]:
    """Sample candidates without tokens, with those of the logged plan and with those of every other possible maneuver.

    Args:
        backend: The model.
        samples: The sample set.
        index_B: Numbers of the samples.
        num_candidates: Number M of candidates.
        guidance_weight: The parameter ``token_guidance_weight``.

    Returns:
        One mapping for each sample and maneuver: "maneuver", "logged" (whether it is the logged one), "instructed" (T, 3),
        "with" and "without" (M, T, 3), the candidates with tokens and without, meters and radians in base_link;
        "sample", the number of the sample, and "bev", its labeled classes (L, L).

    Raises:
        ContractError: The model takes no action tokens.
    """
    codebook = backend.manifest.codebook()
    if codebook is None:
        raise ContractError(f"model {backend.manifest.name}: takes no action tokens")
    source = CandidateSource(backend, samples, ("bev", "bev_valid"))
    others = InstructedPlans(source, codebook, samples.vehicle)
    instructed: list[dict[str, Any]] = []
    for index in tqdm(index_B, desc="samples", unit="sample", file=sys.stderr, mininterval=1.0):
        frame = source.frame(int(index))
        if not frame.raw["bev_valid"][0]:
            continue
        logged_T3 = frame.raw["plan"][0].astype(np.float64)
        targets = others.maneuvers(frame) | {LOGGED: logged_T3}
        without_MT3 = source.sample(frame, num_candidates)[:, 0]
        for name, plan_T3 in targets.items():
            with_MT3 = source.sample(frame, num_candidates, token_tensors(codebook, plan_T3), pull=guidance_weight)[
                :, 0
            ]
            row = {"maneuver": name, "logged": name == LOGGED, "instructed": plan_T3, "sample": int(index)}
            instructed.append({**row, "bev": frame.raw["bev"][0], "with": with_MT3, "without": without_MT3})
    return instructed
