"""What scored plans touch: the first agent hit at fault and the first step off the road, as numbers. M plans."""

from __future__ import annotations

import numpy as np

from transdiffuser_planner.data.candidates.scored_candidates import Arrays
from transdiffuser_planner.metrics.pdm.deduction_reasons import Reasons
from transdiffuser_planner.metrics.pdm.subscores.collisions import METRIC as COLLISION
from transdiffuser_planner.metrics.pdm.subscores.drivable_area import METRIC as DRIVABLE_AREA


class Touches:
    """Numbers the agents of one drive that plans hit."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the agents by number."""
        return tuple(self._number)

    def of(self, reasons: Reasons) -> Arrays:
        """Read the deductions of M plans.

        Args:
            reasons: Of each plan, earliest first.

        Returns:
            "touched", "touched_step" and "off_road_step" (M,), see ``scored_candidates.PLAN_ARRAYS``.
        """
        touched_M, step_M, off_M = (np.full(len(reasons), -1) for _ in range(3))
        for plan, of_plan in enumerate(reasons):
            hits = [reason for reason in of_plan if reason.metric == COLLISION and reason.agent is not None]
            if hits:
                touched_M[plan] = self._number.setdefault(str(hits[0].agent), len(self._number))
                step_M[plan] = hits[0].step
            left = [reason.step for reason in of_plan if reason.metric == DRIVABLE_AREA]
            off_M[plan] = left[0] if left else -1
        return {
            "touched": touched_M.astype(np.int16),
            "touched_step": step_M.astype(np.int8),
            "off_road_step": off_M.astype(np.int8),
        }
