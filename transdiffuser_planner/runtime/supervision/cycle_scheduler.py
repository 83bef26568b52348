"""Decides from the inputs whether to plan from a frame, publish a fallback, or wait. Without ROS.

Used by node, replays and rollouts on the data's clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady, SensorSnapshot
from transdiffuser_planner.runtime.inputs.frame_trigger import FrameTrigger
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.runtime.supervision.supervisor import PlanningRequest

_MOVING_MPS = 0.5
_POLL_S = 0.02
_CLOCK_JUMP_NS = 1_000_000_000
_CLOCK_START_NS = 3_600_000_000_000
_DECIDED_KEPT = 20  # messages from before and after a jump may be interleaved


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CycleDecision:
    """Decision about one planning cycle.

    Attributes:
        stamp_ns: The frame's stamp, or now.
        request: A frame to plan from; None when planning is not possible.
        fallback: Inputs of a fallback; None without any odometry.
        must_stop: Whether odometry is too old to continue any plan.
        reason: Reason that there is no request.
        has_frame: Whether a sensor frame triggered the decision; False when no frame has arrived for too long.
    """

    stamp_ns: int
    request: PlanningRequest | None = None
    fallback: SensorSnapshot | None = None
    must_stop: bool = False
    reason: str = ""
    has_frame: bool = True

    @property
    def is_moving(self) -> bool:
        """Whether the vehicle is known to move now."""
        return self.fallback is not None and not self.must_stop and self.fallback.ego.vx_mps > _MOVING_MPS

    def fallback_to_publish(self, *, has_published: bool) -> SensorSnapshot | None:
        """Return the inputs of the fallback to publish instead of a plan.

        Args:
            has_published: Whether a plan or fallback has been published before.

        Returns:
            The inputs; None to publish only a status, as for a stationary vehicle whose inputs are just starting.
        """
        return self.fallback if has_published or self.is_moving else None


class CycleScheduler:
    """Schedules the cycles of one vehicle. Not thread-safe.

    Args:
        rig: The vehicle's sensors.
        config: Rates and limits; replaced by ``configure``.
    """

    def __init__(self, rig: Rig, config: PlannerConfig) -> None:
        self.assembler = SnapshotAssembler(rig, config)
        self._trigger = FrameTrigger(self.assembler)
        self._resets_seen, self._reset_pending = self.assembler.num_resets, False
        self._arrived_s = 0.0
        self._since_ns: int | None = None
        self._handled_ns = self._polled_ns = 0
        self._decided_ns: deque[int] = deque(maxlen=_DECIDED_KEPT)

    def configure(self, config: PlannerConfig) -> None:
        """Use another configuration from the next poll on."""
        self.assembler.config = config

    def arrived(self, arrived_s: float) -> None:
        """Record the arrival of an accepted frame message, by ``time.perf_counter``."""
        self._arrived_s = arrived_s

    def poll(self, now_ns: int, *, return_intermediates: bool = False) -> CycleDecision | None:
        """Decide what to do now.

        Args:
            now_ns: Current time on the data's clock.
            return_intermediates: Forwarded to the request.

        Returns:
            The decision; None to wait.
        """
        return self._poll(now_ns, return_intermediates=return_intermediates, is_final=False)

    def _poll(self, now_ns: int, *, return_intermediates: bool, is_final: bool) -> CycleDecision | None:
        has_begun = now_ns - self._polled_ns > _CLOCK_START_NS  # simulated time is 0 before its first message
        self._polled_ns = now_ns
        if self._since_ns is None or has_begun or now_ns < self._handled_ns:  # the clock may jump back
            self._since_ns = self._handled_ns = now_ns
        due_ns = self._trigger.poll(now_ns, is_final=is_final)
        if due_ns is None:
            decision = self._without_frame(now_ns)
        else:
            decision = self._frame(now_ns, due_ns, return_intermediates=return_intermediates)
        if decision is not None:
            self._decided_ns.append(decision.stamp_ns)
        return decision

    def next_poll_s(self, now_ns: int) -> float:
        """Return when to poll again if no message arrives until then: soon, unless a period has only just begun [s].

        Args:
            now_ns: Current time on the data's clock.
        """
        period_ns = round(1e9 / self.assembler.config.planning_rate_hz)
        left_s = (self._handled_ns + period_ns - now_ns) * 1e-9
        return _POLL_S if self._trigger.is_waiting else min(max(left_s, _POLL_S), period_ns * 1e-9)

    def stop_waiting(self, now_ns: int) -> CycleDecision | None:
        """Decide for an incomplete frame of which no more messages will arrive, as after ``frame_wait_ms``.

        Args:
            now_ns: Current time on the data's clock.

        Returns:
            The decision; None when no frame is being waited for.
        """
        return self._poll(now_ns, return_intermediates=False, is_final=True) if self._trigger.is_waiting else None

    def _without_frame(self, now_ns: int) -> CycleDecision | None:
        silent_s = self._silent_s(now_ns)
        if silent_s is None:
            return None
        return self._without_plan(f"no new sensor frame for {silent_s:.1f} s", now_ns, has_frame=False)

    def why_no_plan(self, now_ns: int) -> str:
        """Return the reason for a status while there is no decision.

        Args:
            now_ns: Current time on the data's clock.
        """
        outcome = self.assembler.assemble(max(now_ns, self.assembler.latest_stamp_ns() or 0))
        return outcome.reason if isinstance(outcome, NotReady) else "no new sensor frame"

    def _is_new(self, stamp_ns: int) -> bool:
        """Whether a stamp is later than the last decision's, or far before it after a clock jump."""
        if not self._decided_ns:
            return True
        return stamp_ns not in self._decided_ns and not 0 <= self._decided_ns[-1] - stamp_ns < _CLOCK_JUMP_NS

    def _frame(self, now_ns: int, due_ns: int, *, return_intermediates: bool) -> CycleDecision | None:
        if self.assembler.num_resets != self._resets_seen:
            self._resets_seen, self._reset_pending = self.assembler.num_resets, True
        # A frame may arrive before the clock message of its time.
        snapshot = self.assembler.assemble(max(now_ns, due_ns), self._trigger.earliest_ns, due_ns)
        if isinstance(snapshot, NotReady):
            self._trigger.done(due_ns)
            self._handled_ns = now_ns
            is_fresh = (now_ns - due_ns) * 1e-9 <= self.assembler.config.max_sensor_age_s
            return self._without_plan(snapshot.reason, due_ns if is_fresh and self._is_new(due_ns) else now_ns)
        self._trigger.done(snapshot.stamp_ns)
        period_s = 1.0 / self.assembler.config.planning_rate_hz
        is_new, was_handled = self._is_new(snapshot.stamp_ns), (now_ns - self._handled_ns) * 1e-9 < period_s
        if not is_new and was_handled:
            return None
        self._handled_ns = now_ns
        if not is_new:
            return self._without_plan("the frame arrived after a fallback for its time", now_ns)
        forget, self._reset_pending = self._reset_pending, False
        request = PlanningRequest(
            snapshot=snapshot, arrived_s=self._arrived_s, forget=forget, return_intermediates=return_intermediates
        )
        return CycleDecision(stamp_ns=snapshot.stamp_ns, request=request)

    def _silent_s(self, now_ns: int) -> float | None:
        """Time without a frame, when it is too long and this cycle was not handled yet; else None."""
        config = self.assembler.config
        period_s = 1.0 / config.planning_rate_hz
        since_ns = now_ns if self._since_ns is None else self._since_ns  # a simulator's clock may begin at 0
        silent_s = (now_ns - max(self.assembler.latest_stamp_ns() or 0, since_ns)) * 1e-9
        if silent_s <= config.max_sensor_age_s + period_s or (now_ns - self._handled_ns) * 1e-9 < period_s:
            return None
        self._handled_ns = now_ns
        return silent_s

    def _without_plan(self, reason: str, stamp_ns: int, *, has_frame: bool = True) -> CycleDecision:
        """Decide for a fallback from the ego's state with any frames, or from its last known state."""
        start = self.assembler.without_plan(stamp_ns)
        if isinstance(start, SensorSnapshot):
            return CycleDecision(stamp_ns=stamp_ns, fallback=start, reason=reason, has_frame=has_frame)
        return CycleDecision(
            stamp_ns=stamp_ns,
            fallback=self.assembler.last_known(stamp_ns),
            must_stop=True,
            reason=reason if start.reason in reason else f"{reason}; {start.reason}",
            has_frame=has_frame,
        )
