"""All plans of a frame that are scored, with their kinds and the agents' futures that belong to them.

Letters: M plans, D drawn joint futures, A agents, T plan steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.candidates.instructed_plans import InstructedPlans
from transdiffuser_planner.data.candidates.intents import IntentCandidates
from transdiffuser_planner.data.candidates.plan_variants import VARIANT_KINDS, PlanKind, altered, variants_of
from transdiffuser_planner.data.candidates.scored_candidates import NUM_ALTERED

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedPlans:
    """Plans of one frame: drawn ones, then altered ones, then variants of the driven plan.

    Attributes:
        pose_MT3: In base_link.
        kind_M: Of ``PlanKind``.
        agents_of_M: Index of the drawn joint future whose agents belong to each plan.
        agent_pose_DAT3: Agents' futures in base_link.
    """

    pose_MT3: FloatArray
    kind_M: NDArray[np.int8]
    agents_of_M: tuple[int, ...]
    agent_pose_DAT3: FloatArray


def propose(
    source: CandidateSource,
    instructed: InstructedPlans,
    intents: IntentCandidates,
    frame: CandidateFrame,
    num_own: int,
    num_instructed: int,
) -> ProposedPlans:
    """Draw and vary plans; their number does not depend on the frame.

    Args:
        source: Draws candidates.
        instructed: Draws candidates under action tokens.
        intents: Draws candidates of meta-actions, which take the last places of the model's own.
        frame: The frame.
        num_own: Number of candidates.
        num_instructed: Number of candidates under action tokens; without another maneuver further ones without tokens.
    """
    instructed_DNT3 = instructed.draw(frame, num_instructed)
    intent_DNT3 = intents.draw(frame, num_own - 1)
    num_more = num_instructed - len(instructed_DNT3)
    own_DNT3 = source.sample(frame, num_own - len(intent_DNT3) + num_more)
    more_DNT3 = own_DNT3[len(own_DNT3) - num_more :]
    own_DNT3 = np.concatenate([own_DNT3[: len(own_DNT3) - num_more], intent_DNT3])
    drawn_DNT3 = np.concatenate([own_DNT3, more_DNT3, instructed_DNT3])
    raw, times_s = frame.raw, source.contract.plan_times_s
    speed_mps = float(raw["status"][0, StatusIndex.VX_MPS])
    variants_VT3 = variants_of(raw["plan"][0].astype(np.float64), speed_mps, times_s)
    num_drawn = len(drawn_DNT3)
    kinds = [PlanKind.OWN] * (num_own - len(intent_DNT3)) + [PlanKind.INTENT] * len(intent_DNT3)
    kinds += [PlanKind.OWN] * num_more + [PlanKind.INSTRUCTED] * len(instructed_DNT3)
    kinds += [*[PlanKind.ALTERED] * NUM_ALTERED, *VARIANT_KINDS]
    repeated = np.arange(NUM_ALTERED) % num_own, np.arange(len(variants_VT3)) % num_own
    return ProposedPlans(
        pose_MT3=np.concatenate([drawn_DNT3[:, 0], altered(own_DNT3)[:, 0], variants_VT3]),
        kind_M=np.asarray(kinds, dtype=np.int8),
        agents_of_M=tuple(int(i) for part in (np.arange(num_drawn), *repeated) for i in part),
        agent_pose_DAT3=drawn_DNT3[:, 1:],
    )
