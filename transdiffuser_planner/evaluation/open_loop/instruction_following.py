"""Share of plans that follow action tokens, compared with the same samples without tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transdiffuser_planner.evaluation.open_loop.ego_errors import nearest_to_mean
from transdiffuser_planner.metrics.displacement import average_displacement_m, final_displacement_m

OTHERS = "all other maneuvers"
FOLLOWED_M = 2.0
"""Largest distance (m) between the end of a plan and of its instructed trajectory; the usual miss threshold at 4 s."""


def following_table(instructed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per maneuver, and one over all maneuvers other than the logged one.

    Args:
        instructed: As ``instructed_candidates.instructed_candidates`` returns it.

    Returns:
        "maneuver", "samples", and with and without tokens the share of samples in which the candidate nearest to the
        mean follows, the share of all candidates that do, and that candidate's ADE from the instructed trajectory (m).
    """
    names = sorted({item["maneuver"] for item in instructed})
    groups = {name: [item for item in instructed if item["maneuver"] == name] for name in names}
    groups[OTHERS] = [item for item in instructed if not item["logged"]]
    return [_row(name, items) for name, items in groups.items() if items]


def _row(name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    target = np.stack([item["instructed"] for item in items])
    row: dict[str, Any] = {"maneuver": name, "samples": len(items)}
    for key in ("with", "without"):
        candidates = np.stack([item[key] for item in items])
        plan = nearest_to_mean(candidates)
        row[f"followed_{key}"] = round(float((final_displacement_m(plan, target) <= FOLLOWED_M).mean()), 4)
        each = final_displacement_m(candidates, target[:, None]) <= FOLLOWED_M
        row[f"candidates_{key}"] = round(float(each.mean()), 4)
        row[f"ade_{key}_m"] = round(float(average_displacement_m(plan, target).mean()), 3)
    return row
