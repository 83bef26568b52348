"""The scorer as a gate: the plan that the rules choose stays unless the scorer predicts a fault of it, or a clear gain.

The maximum of many uncertain predictions is biased upwards and changes from cycle to cycle; a threshold on the difference of two
plans is neither (DriveReferee, 2609.22762: predicted scores help as a gate and harm as an argmax on a good policy).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score

FloatArray = NDArray[np.float64]

_SAME_SIGNAL, _SAME_TOKENS_M = 1e-9, 0.5
_NC, _DAC = SCORE_NAMES.index("no_at_fault_collision"), SCORE_NAMES.index("drivable_area")


def gated(
    order_M: NDArray[np.intp],
    subscore_MQ: FloatArray,
    terms: dict[str, FloatArray],
    allowed_M: NDArray[np.bool_],
    config: PlannerConfig,
) -> NDArray[np.intp]:
    """Return the rules' order, with another plan in front where the scorer objects to the first.

    Args:
        order_M: Order of the rules, best first.
        subscore_MQ: The scorer's predictions, in the order of ``SCORE_NAMES``.
        terms: Cost terms of rules and scorer.
        allowed_M: Plans that may replace the first.
        config: Thresholds of the gate.
    """
    first = int(order_M[0])
    faultless_M = subscore_MQ[:, _NC] * subscore_MQ[:, _DAC]
    penalty_M = config.weight_outlier * terms["outlier"] + config.weight_continuity * terms["continuity"]
    value_M = pdm_score(subscore_MQ) - penalty_M / max(config.weight_score, 1e-9)
    allowed_M = allowed_M & (terms["signal"] <= terms["signal"][first] + _SAME_SIGNAL)
    if "tokens" in terms:
        allowed_M = allowed_M & (terms["tokens"] <= terms["tokens"][first] + _SAME_TOKENS_M)
    if not allowed_M.any():
        return order_M
    best = int(np.where(allowed_M, value_M, -np.inf).argmax())
    is_alarm = faultless_M[first] < config.gate_alarm and faultless_M[best] > faultless_M[first]
    needed = 0.0 if is_alarm else config.gate_gain
    if best == first or value_M[best] - value_M[first] <= needed:
        return order_M
    return np.concatenate([[best], order_M[order_M != best]])
