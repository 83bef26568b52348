"""One number of the scorer's predicted sub-scores."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from transdiffuser_planner.core.contract import SCORE_NAMES

Scores = TypeVar("Scores")
"""A NumPy array, or whatever calculates like one."""


def pdm_score(score_MQ: Scores) -> Scores:
    """PDMS v1.1 (..., M) of sub-scores (..., M, Q) in the order of ``SCORE_NAMES``: NC * DAC * (5 TTC + 5 EP + 2 C) / 12."""
    nc, dac, ttc, ep, comfort = (cast(Any, score_MQ)[..., q] for q in range(len(SCORE_NAMES)))
    return cast(Scores, nc * dac * (5.0 * ttc + 5.0 * ep + 2.0 * comfort) / 12.0)
