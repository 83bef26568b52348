"""How often plans do what action tokens ask for, against the same moments without tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transdiffuser_planner.evaluation.open_loop.ego_errors import nearest_to_mean
from transdiffuser_planner.metrics.displacement import average_displacement_m, final_displacement_m

FOLLOWED_M = 2.0
"""A plan follows when it ends no farther from where it was told to; the field's miss threshold at 4 s."""


def following_table(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per maneuver and one over all that were not driven.

    Args:
        told: As ``instructed_candidates.instructed_candidates`` gives it.

    Returns:
        "maneuver", "moments", and with and without tokens the share of moments in which the candidate nearest to the
        mean follows, the share of all candidates that do, and that candidate's ADE from what was asked (m).
    """
    names = sorted({item["maneuver"] for item in told})
    groups = {name: [item for item in told if item["maneuver"] == name] for name in names}
    groups["all others than driven"] = [item for item in told if not item["driven"]]
    return [_row(name, items) for name, items in groups.items() if items]


def _row(name: str, told: list[dict[str, Any]]) -> dict[str, Any]:
    asked = np.stack([item["asked"] for item in told])
    row: dict[str, Any] = {"maneuver": name, "moments": len(told)}
    for key in ("with", "without"):
        candidates = np.stack([item[key] for item in told])
        plan = nearest_to_mean(candidates)
        row[f"followed_{key}"] = round(float((final_displacement_m(plan, asked) <= FOLLOWED_M).mean()), 4)
        each = final_displacement_m(candidates, asked[:, None]) <= FOLLOWED_M
        row[f"candidates_{key}"] = round(float(each.mean()), 4)
        row[f"ade_{key}_m"] = round(float(average_displacement_m(plan, asked).mean()), 3)
    return row
