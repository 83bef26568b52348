"""Answers the cycles of a bag as a live node would: with a plan, a fallback, or the reason why there is none."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, NotReady, PlanResult
from transdiffuser_planner.replay.bag_frames import PreparedCycle, absent_cameras
from transdiffuser_planner.runtime.cycle.fallback_planner import FallbackPlanner
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleDecision


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """One planning cycle.

    Attributes:
        log_time_ns: Log time at which its frame was complete.
        stamp_ns: The frame's stamp.
        ego: Ego state at the start of the plan; None when not ready.
        outcome: The plan or fallback that the node would publish, or the reason why it would publish none.
        latency_ms: Time from the frame's last message to the plan, on this machine, without waiting for the frame before.
        is_planned: The model planned from a frame; else inputs were missing.
        has_frame: A sensor frame triggered the cycle; else a timeout.
    """

    log_time_ns: int
    stamp_ns: int
    ego: EgoState | None
    outcome: PlanResult | NotReady
    latency_ms: float
    is_planned: bool
    has_frame: bool


class BagPlanner:
    """Answers prepared cycles in their order.

    Args:
        planner: The one that prepares them.
        rig: Sensors of the vehicle.
        absent: Result of ``check_inputs``: every fallback lists these as missing.
        budget_ms: Time limit from a frame's last message to its plan; None for no limit.
    """

    def __init__(self, planner: Planner, rig: Rig, absent: Sequence[str], budget_ms: float | None = None) -> None:
        self._planner, self._budget_ms = planner, budget_ms
        self._absent = absent_cameras(rig, absent)
        self._fallback = FallbackPlanner(planner.contract, rig, planner.memory)
        self._has_published = False

    def answer(self, prepared: PreparedCycle) -> Cycle:
        """Plan from a frame, or answer for a missing one.

        Args:
            prepared: The next cycle.
        """
        request = prepared.decision.request
        if request is None:
            return self._without_frame(prepared.decision, prepared.log_time_ns)
        if prepared.forget:
            self._planner.reset_finished()
        begin, snapshot = time.perf_counter(), request.snapshot
        budget = None if self._budget_ms is None else CycleBudget(end_s=request.arrived_s + self._budget_ms * 1e-3)
        if prepared.frame is None:  # the node's supervisor does the same
            source, config = self._planner.source(), self._planner.config
            outcome = self._fallback.plan(snapshot, prepared.failure, config, source, is_stopping=False)
        else:
            outcome = self._planner.finish(prepared.frame, budget)
        self._has_published = True
        return Cycle(
            log_time_ns=prepared.log_time_ns,
            stamp_ns=snapshot.stamp_ns,
            ego=snapshot.ego,
            outcome=outcome,
            latency_ms=prepared.prepared_ms + (time.perf_counter() - begin) * 1e3,
            is_planned=prepared.frame is not None,
            has_frame=True,
        )

    def _without_frame(self, decision: CycleDecision, log_time_ns: int) -> Cycle:
        """Create the fallback that the node would publish, or the reason why it would publish none."""
        start = decision.fallback_to_publish(has_published=self._has_published)
        outcome: PlanResult | NotReady = NotReady(reason=decision.reason)
        if start is not None:
            start = replace(start, missing=self._absent + start.missing)
            source, config = self._planner.source(), self._planner.config
            outcome = self._fallback.plan(start, decision.reason, config, source, is_stopping=decision.must_stop)
            self._has_published = True
        return Cycle(
            log_time_ns=log_time_ns,
            stamp_ns=decision.stamp_ns,
            ego=None if start is None else start.ego,
            outcome=outcome,
            latency_ms=0.0,
            is_planned=False,
            has_frame=decision.has_frame,
        )
