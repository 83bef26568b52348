"""From values as they arrive to what has to be done now: plan from a frame, fall back, or wait. Knows no ROS."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady, SensorSnapshot
from transdiffuser_planner.runtime.frame_trigger import FrameTrigger
from transdiffuser_planner.runtime.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.runtime.supervisor import CycleJob

_MOVING_MPS = 0.5
_CLOCK_JUMP_NS = 1_000_000_000
_TOLD_KEPT = 20  # messages from before and after a jump may come mixed


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Due:
    """What to do now.

    Attributes:
        job: A frame to plan from, or None when a fallback is due.
        fallback: What a fallback can start from; None when nothing is known of the vehicle.
        must_stop: The vehicle's state is too old to continue any plan.
        reason: Why there is no job.
        stamp_ns: The frame's, or now.
    """

    stamp_ns: int
    job: CycleJob | None = None
    fallback: SensorSnapshot | None = None
    must_stop: bool = False
    reason: str = ""

    @property
    def is_moving(self) -> bool:
        """Whether the vehicle is known to move now."""
        return self.fallback is not None and not self.must_stop and self.fallback.ego.vx_mps > _MOVING_MPS


class FrameIntake:
    """Watches one vehicle's inputs. Not thread-safe."""

    def __init__(self, rig: Rig, config: PlannerConfig) -> None:
        self.assembler = SnapshotAssembler(rig, config)
        self._trigger = FrameTrigger(self.assembler)
        self._resets_seen, self._forget = self.assembler.num_resets, False
        self._arrived_s = 0.0
        self._since_ns: int | None = None
        self._answered_ns = 0
        self._told_ns: deque[int] = deque(maxlen=_TOLD_KEPT)

    def configure(self, config: PlannerConfig) -> None:
        """Use another configuration from now on."""
        self.assembler.config = config

    def arrived(self, arrived_s: float) -> None:
        """A picture or cloud was taken in that came at this time on ``time.perf_counter``."""
        self._arrived_s = arrived_s

    def poll(self, now_ns: int, *, keep_estimates: bool = False) -> Due | None:
        """What is due, if anything.

        Args:
            now_ns: Current time on the data's clock.
            keep_estimates: Passed on with a job.
        """
        if self._since_ns is None or now_ns < self._answered_ns:  # the clock may jump back
            self._since_ns = self._answered_ns = now_ns
        due = self._due(now_ns, keep_estimates=keep_estimates)
        if due is not None:
            self._told_ns.append(due.stamp_ns)
        return due

    def _due(self, now_ns: int, *, keep_estimates: bool) -> Due | None:
        if self._trigger.poll(now_ns):
            return self._frame(now_ns, keep_estimates=keep_estimates)
        silent_s = self._silent_s(now_ns)
        if silent_s is None:
            return None
        return self._without_plan(f"no new sensor frame for {silent_s:.1f} s", now_ns)

    def why_no_plan(self, now_ns: int) -> str:
        """For a status while nothing is due."""
        outcome = self.assembler.assemble(max(now_ns, self.assembler.latest_stamp_ns() or 0))
        return outcome.reason if isinstance(outcome, NotReady) else "no new sensor frame"

    def _is_new(self, stamp_ns: int) -> bool:
        """Whether a stamp is later than that of the last answer, or of another time after a clock jump."""
        if not self._told_ns:
            return True
        return stamp_ns not in self._told_ns and not 0 <= self._told_ns[-1] - stamp_ns < _CLOCK_JUMP_NS

    def _frame(self, now_ns: int, *, keep_estimates: bool) -> Due | None:
        newest_ns = self.assembler.latest_stamp_ns() or 0
        if self.assembler.num_resets != self._resets_seen:
            self._resets_seen, self._forget = self.assembler.num_resets, True
        # A frame may arrive before the clock message of its time.
        snapshot = self.assembler.assemble(max(now_ns, newest_ns), self._trigger.earliest_ns)
        if isinstance(snapshot, NotReady):
            self._trigger.done(None)
            self._answered_ns = now_ns
            is_fresh = (now_ns - newest_ns) * 1e-9 <= self.assembler.config.max_sensor_age_s
            return self._without_plan(snapshot.reason, newest_ns if is_fresh and self._is_new(newest_ns) else now_ns)
        self._trigger.done(snapshot.stamp_ns)
        period_s = 1.0 / self.assembler.config.planning_rate_hz
        is_new, was_answered = self._is_new(snapshot.stamp_ns), (now_ns - self._answered_ns) * 1e-9 < period_s
        if not is_new and was_answered:
            return None
        self._answered_ns = now_ns
        if not is_new:
            return self._without_plan("the frame came after a fallback for its time", now_ns)
        forget, self._forget = self._forget, False
        job = CycleJob(
            snapshot=snapshot, arrived_s=self._arrived_s, forget=forget, keep_estimates=keep_estimates
        )
        return Due(stamp_ns=snapshot.stamp_ns, job=job)

    def _silent_s(self, now_ns: int) -> float | None:
        """For how long no frame has come, when that is too long and this cycle was not answered yet; else None."""
        config = self.assembler.config
        period_s = 1.0 / config.planning_rate_hz
        silent_s = (now_ns - max(self.assembler.latest_stamp_ns() or 0, self._since_ns or now_ns)) * 1e-9
        if silent_s <= config.max_sensor_age_s + period_s or (now_ns - self._answered_ns) * 1e-9 < period_s:
            return None
        self._answered_ns = now_ns
        return silent_s

    def _without_plan(self, reason: str, stamp_ns: int) -> Due:
        """A fallback from what is known: the ego's state with any frames, or its last known state."""
        start = self.assembler.without_plan(stamp_ns)
        if isinstance(start, SensorSnapshot):
            return Due(stamp_ns=stamp_ns, fallback=start, reason=reason)
        reason = reason if start.reason in reason else f"{reason}; {start.reason}"
        return Due(stamp_ns=stamp_ns, fallback=self.assembler.last_known(stamp_ns), must_stop=True, reason=reason)
