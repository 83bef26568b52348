"""When a live simulator works: frames leave on time, and none is simulated while the planner plans from the last one.

On a vehicle the world costs no processor time; here planner and world share the cores. A frame is published when it is due, the
simulator sleeps until the planner has answered it and the tracker has acted on that, or until the planner's deadline, then it
simulates and renders the next frame and sleeps until that is due. Nothing is gained by it but undisturbed cores: stamps, deadline
and what the planner measures are those of a vehicle. The world never stops for a planner that does not answer.
"""

from __future__ import annotations

import threading
import time

from transdiffuser_planner.core.planner_config import PlannerConfig

DEADLINE_S = PlannerConfig().deadline_ms * 1e-3
"""Longest wait for an answer: the planner's default deadline."""
_COMMAND_S = 0.02
_PATIENCE = 3
_NEW_SHARE = 0.2


class FramePacer:
    """Paces one drive. ``answered`` and ``commanded`` may be called from any thread.

    Args:
        period_s: Time between frames; when it is shorter than the deadline, answers are not waited for.
        deadline_s: Longest wait for an answer.

    Attributes:
        num_late: Frames that were not ready when they were due.
    """

    def __init__(self, period_s: float, deadline_s: float = DEADLINE_S) -> None:
        self._period_s, self._deadline_s = period_s, deadline_s
        self._changed = threading.Condition()
        self._stamp_ns = 0
        self._answered_s = self._commanded_s = -1.0
        self._num_unanswered = 0
        self._begin_s: float | None = None
        self._due_s = self._published_s = self._work_begin_s = 0.0
        self._work_s = 0.0
        self.num_late = 0

    def answered(self, stamp_ns: int) -> None:
        """Record a trajectory.

        Args:
            stamp_ns: Stamp of the frame that it answers.
        """
        with self._changed:
            if stamp_ns >= self._stamp_ns:
                self._answered_s = time.monotonic()
                self._num_unanswered = 0
                self._changed.notify_all()

    def commanded(self) -> None:
        """Record a command of the tracker."""
        with self._changed:
            self._commanded_s = time.monotonic()
            self._changed.notify_all()

    def wait_until_due(self, stamp_ns: int) -> None:
        """Sleep until the prepared frame is due; it must be published at once.

        Args:
            stamp_ns: The frame's stamp.
        """
        now_s = time.monotonic()
        if self._begin_s is None:
            self._begin_s = self._due_s = now_s
        else:
            self._work_s += _NEW_SHARE * (now_s - self._work_begin_s - self._work_s)
            self._due_s += self._period_s
            if self._due_s > now_s:
                time.sleep(self._due_s - now_s)
            else:
                self.num_late += 1
                # What is lost is caught up with, a whole period is not.
                self._due_s = max(self._due_s, now_s - self._period_s)
        with self._changed:
            self._stamp_ns, self._answered_s = stamp_ns, -1.0
            self._published_s = time.monotonic()

    def wait_for_answer(self, *, is_expected: bool) -> bool:
        """Sleep until the published frame is answered and a command has followed, or until the deadline.

        Args:
            is_expected: Whether trajectories are published at all.

        Returns:
            Whether it was answered. Without an answer to expect, sleep until only the work for the next frame fits before it
            is due, so that the newest command is used.
        """
        with self._changed:
            if is_expected and self.waits_for_answers:
                left_s = self._published_s + self._deadline_s - time.monotonic()
                self._num_unanswered += 1  # until it is answered
                is_answered = self._changed.wait_for(self._is_answered, max(left_s, 0.0))
                if is_answered:
                    self._changed.wait_for(lambda: self._commanded_s >= self._answered_s, _COMMAND_S)
            else:
                is_answered = self._is_answered()
                left_s = self._due_s + self._period_s - self._work_s - time.monotonic()
                self._changed.wait_for(lambda: False, max(left_s, 0.0))
            self._work_begin_s = time.monotonic()
            return is_answered

    @property
    def waits_for_answers(self) -> bool:
        """Whether there is time to wait, and the planner has answered one of the last frames."""
        return self._period_s >= self._deadline_s and self._num_unanswered < _PATIENCE

    def _is_answered(self) -> bool:
        return self._answered_s >= 0.0

    def realtime_factor(self, simulated_s: float) -> float:
        """Return simulated seconds per second of real time.

        Args:
            simulated_s: Since the first frame.
        """
        elapsed_s = self._published_s - (self._published_s if self._begin_s is None else self._begin_s)
        return simulated_s / elapsed_s if elapsed_s > 0.0 else 0.0
