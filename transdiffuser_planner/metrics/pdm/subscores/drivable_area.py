"""DAC, drivable area compliance: 0 if any corner of the ego is outside of every drivable area at any step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather
from transdiffuser_planner.metrics.pdm.ego_area import EgoArea
from transdiffuser_planner.metrics.pdm.geometry.boxes import CORNER_NAMES

METRIC = "drivable_area"


def score_drivable_area(area: EgoArea) -> tuple[NDArray[np.float64], Reasons]:
    """Score (M,), 0 or 1, and for each plan that leaves the road the first step and the corners outside."""
    off_MS = area.off_road_MS
    off_M = np.asarray(off_MS.any(axis=1))
    found = []
    for plan in np.flatnonzero(off_M):
        step = int(off_MS[plan].argmax())
        corners = " and ".join(np.asarray(CORNER_NAMES)[area.off_road_MS4[plan, step]])
        found.append((int(plan), Reason(metric=METRIC, step=step, corner=corners, detail="outside")))
    return np.where(off_M, 0.0, 1.0), gather(len(off_M), found)
