"""The load test counts cycles by what they had too little of, and runs a node with the sensors that are stated."""

import needs_ros  # noqa: F401
import pytest

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.fallback_cause import LATE
from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.messages.decode_outputs import RecordedStatus
from transdiffuser_planner.ros.testbench.node_load import summary


def status(reason="", latency_ms=50.0):
    level = FallbackLevel.LAST_PLAN if reason else FallbackLevel.NONE
    return RecordedStatus(
        stamp_ns=1, frame_id="map", ready=True, not_ready_reason="", input_ages_s={}, missing=(), seed=0, model_name="tiny",
        model_hash="", provider="cpu", num_candidates=0 if reason else 30, num_denoise_steps=0 if reason else 10, chosen=0,
        stage_ms={}, latency_ms=latency_ms, deadline_ms=100.0, fallback_level=level, fallback_reason=reason, precision="fp32",
        sampler="ddim", plan_age_s=0.0, stop_requested=False, shadow=False,
    )  # fmt: skip


def test_cycles_are_counted_by_what_was_missing():
    reasons = [LATE, LATE, "lidar is missing and require_lidar is set", "odometry is 0.30 s older than the frame"]
    reasons += ["all 30 candidates rejected; the best for: clearance"]
    found = summary([status(), status(latency_ms=120.0), *map(status, reasons)])
    counts = {name: found[name] for name in ("cycles", "starved", "out_of_time", "rejected", "later_than_the_deadline")}
    assert counts == {"cycles": 7, "starved": 2, "out_of_time": 2, "rejected": 1, "later_than_the_deadline": 1}
    assert found["latency_ms"]["max"] == 120.0 and sum(found["reasons"].values()) == 5


def test_a_run_without_any_cycle_is_an_error():
    with pytest.raises(EvaluationError, match="published no plan"):
        summary([])
