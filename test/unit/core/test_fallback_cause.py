"""Every reason that the planner gives for a fallback has one cause."""

import pytest

from transdiffuser_planner.core import fallback_cause
from transdiffuser_planner.core.fallback_cause import (
    FallbackCause,
    cause_of,
    causes_text,
    count_causes,
    rejection_reason,
)

CASES = {
    fallback_cause.LATE: FallbackCause.TIME,
    fallback_cause.NO_STEP: FallbackCause.TIME,
    rejection_reason(30, "collides with an obstacle"): FallbackCause.REJECTED,
    fallback_cause.STOP_REQUESTED: FallbackCause.REQUESTED,
    fallback_cause.MODEL_LOADING: FallbackCause.MODEL,
    f"{fallback_cause.PLANNING_FAILED}: the encoder returned NaN": FallbackCause.MODEL,
    "odometry is 0.30 s older than the frame": FallbackCause.INPUTS,
    "no new sensor frame for 0.4 s": FallbackCause.INPUTS,
    "all cameras are masked": FallbackCause.INPUTS,
}


@pytest.mark.parametrize(("reason", "cause"), CASES.items())
def test_a_reason_has_one_cause(reason, cause):
    assert cause_of(reason) == cause


def test_fallbacks_are_counted_by_cause_in_a_fixed_order():
    counts = count_causes(
        ["lidar is missing", fallback_cause.LATE, rejection_reason(8, "acceleration"), fallback_cause.NO_STEP]
    )
    assert causes_text(counts) == "time 2, rejected candidates 1, inputs 1"
    assert causes_text(count_causes([])) == ""
