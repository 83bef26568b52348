"""Guarantees an answer to every frame before its deadline: the model's plan, or a fallback from the watchdog's thread.

The worker's thread plans with the model. The watchdog's thread prepares a fallback shortly before a frame expires and
publishes it when the plan is late; it also replaces a hung session. A frame is answered exactly once: a thread claims it
before it answers, and with it all older frames.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.fallback_cause import LATE, MODEL_LOADING, PLANNING_FAILED
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import PlanResult, SensorSnapshot
from transdiffuser_planner.runtime.cycle.fallback_planner import FallbackPlanner
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.latest_worker import LatestWorker
from transdiffuser_planner.runtime.supervision.model_manager import ModelManager, Report

Publish = Callable[[PlanResult, float], None]

_PUBLISH_MS = 2.0
_READY_BEFORE_EXPIRY_S = 0.03
"""Lead time of a fallback: most plans are ready by then, and on a busy machine a fallback takes long."""
_FAILURES_BEFORE_RENEWAL = 2
_LONG_S = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlanningRequest:
    """A frame to be answered.

    Attributes:
        snapshot: Aligned inputs.
        arrived_s: When its last sensor message arrived, by ``time.perf_counter``.
        forget: Whether the planner must be reset first, as after a clock jump.
        return_intermediates: Whether to return every denoise step.
    """

    snapshot: SensorSnapshot
    arrived_s: float
    forget: bool = False
    return_intermediates: bool = False


class Supervisor:
    """Answers every frame of one vehicle. Public methods are thread-safe."""

    def __init__(
        self,
        model_manager: ModelManager,
        rig: Rig,
        publish: Publish,
        report: Report,
        refuse: Callable[[str], None] | None = None,
    ) -> None:
        """Start worker and watchdog.

        Args:
            model_manager: The model.
            rig: The vehicle's sensors.
            publish: Called with every answer and its frame's ``arrived_s``, from several threads but never at once.
            report: Called with (source, text) about failures.
            refuse: Called, by the worker's thread, with why an image could not be decoded.
        """
        self._model_manager, self._publish, self._report = model_manager, publish, report
        self._refuse = refuse
        self._fallback = FallbackPlanner(model_manager.contract, rig, model_manager.memory)
        self._changed = threading.Condition()
        self._publishing = threading.Lock()
        self._open: list[PlanningRequest] = []
        self._at_work: tuple[PlanningRequest, float] | None = None
        self._ready: tuple[PlanningRequest, PlanResult | None] | None = None
        self._failures = self._num_claimed = self._last_sent = 0
        self._is_ended = False
        self.is_stopping = False
        self.num_late_plans = self.num_abandoned = 0
        self._worker = LatestWorker(self._work)
        self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._watchdog.start()

    @property
    def _config(self) -> PlannerConfig:
        return self._model_manager.config

    def submit(self, job: PlanningRequest) -> None:
        """Answer a frame: with the model's plan if it is in time, else with a fallback at its expiry.

        Args:
            job: The frame.
        """
        with self._changed:
            self._open.append(job)
            self._changed.notify_all()
        if self._model_manager.planner is None:
            self._answer(job, MODEL_LOADING)
        else:
            self._worker.submit(job)

    def fall_back(self, snapshot: SensorSnapshot, reason: str, *, must_stop: bool = False) -> None:
        """Answer with a fallback at once, as when the inputs do not suffice for a plan.

        Args:
            snapshot: Available inputs, at least the ego's state.
            reason: Reason that there is no plan.
            must_stop: Do not continue the last plan.
        """
        job = PlanningRequest(snapshot=snapshot, arrived_s=time.perf_counter())
        with self._changed:
            self._open.append(job)
        self._answer(job, reason, must_stop=must_stop)

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End the threads.

        Args:
            timeout_s: Wait for each thread.

        Returns:
            Whether all threads ended in time; those of hung sessions do not.
        """
        with self._changed:
            self._is_ended = True
            self._open.clear()
            self._changed.notify_all()
        self._watchdog.join(timeout_s)
        return self._worker.stop(timeout_s) and not self._watchdog.is_alive() and self.num_abandoned == 0

    # The worker's thread.

    def _work(self, job: PlanningRequest) -> None:
        planner = self._model_manager.planner
        if planner is None:
            return
        with self._changed:
            self._at_work = (job, time.perf_counter())
            self._changed.notify_all()
        try:
            result = self._plan(planner, job)
        except InputError as error:  # the images are at fault, not the session
            self._answer(job, str(error))
            return
        except Exception as error:  # outermost scope of the thread: a session can raise anything
            if planner is self._model_manager.planner:
                self._failed(job, error)
            return
        finally:
            with self._changed:
                if self._at_work is not None and self._at_work[0] is job:
                    self._at_work = None
            self._report_refused(planner)
        self._failures = 0
        claim = self._claim(job)
        if claim is not None:
            self._send(result, job, claim)
        elif not self._is_ended:
            self.num_late_plans += 1
            self._report("deadline", "the model's plan arrived after the fallback and was discarded")

    def _plan(self, planner: Planner, job: PlanningRequest) -> PlanResult:
        if job.forget:
            planner.reset()
        end_s = self._expiry_s(job) - _PUBLISH_MS * 1e-3
        return planner.plan(
            job.snapshot,
            CycleBudget(end_s=end_s) if self._config.anytime else None,
            is_stopping=self.is_stopping,
            return_intermediates=job.return_intermediates,
        )

    def _report_refused(self, planner: Planner) -> None:
        for reason in planner.pop_refused():
            if self._refuse is not None:
                self._refuse(reason)

    def _failed(self, job: PlanningRequest, error: Exception) -> None:
        self._failures += 1
        self._report("planner", f"{PLANNING_FAILED}: {error}")
        self._answer(job, f"{PLANNING_FAILED}: {error}")
        if self._failures >= _FAILURES_BEFORE_RENEWAL:
            self._failures = 0
            self._model_manager.reload_in_background(f"{PLANNING_FAILED} repeatedly")

    # The watchdog's thread.

    def _watch(self) -> None:
        while True:
            with self._changed:
                if self._is_ended:
                    return
                now = time.perf_counter()
                # The newest that is due; frames may arrive faster than they expire, so the newest of all may never be.
                due = next((job for job in reversed(self._open) if self._expiry_s(job) <= now), None)
                near = next((job for job in self._open[:1] if not self._is_ready(job)), None)
                is_near = near is not None and self._make_ready_s(near) <= now
                is_hung = self._at_work is not None and now - self._at_work[1] >= self._config.model_timeout_s
                if not (due is not None or is_near or is_hung):
                    self._changed.wait(self._seconds_to_next(now))
                    continue
            if due is not None:
                self._answer(due, LATE)
            elif near is not None and is_near:
                self._make_ready(near)
            if is_hung:
                self._abandon()

    def _seconds_to_next(self, now: float) -> float:
        times_s = [self._expiry_s(job) if self._is_ready(job) else self._make_ready_s(job) for job in self._open[:1]]
        if self._at_work is not None:
            times_s.append(self._at_work[1] + self._config.model_timeout_s)
        return max(min(times_s, default=now + _LONG_S) - now, 1e-4)

    def _is_ready(self, job: PlanningRequest) -> bool:
        return self._ready is not None and self._ready[0] is job

    def _make_ready_s(self, job: PlanningRequest) -> float:
        return self._expiry_s(job) - _READY_BEFORE_EXPIRY_S

    def _make_ready(self, job: PlanningRequest) -> None:
        """Prepare the fallback of a frame for the case that its plan is late."""
        self._ready = job, None  # tried once, even if it fails
        try:
            self._ready = job, self._make_fallback(job, LATE)
        except Exception as error:  # outermost scope: a fault here must not end the watchdog
            self._report("fallback", f"fallback failed: {type(error).__name__}: {error}")

    def _abandon(self) -> None:
        """Abandon a hung session and plan with a new one."""
        with self._changed:
            self._at_work = None
        self.num_abandoned += 1
        self._report("planner", f"the model did not answer for {self._config.model_timeout_s} s; it is replaced")
        self._model_manager.replace_hung("the model did not answer")
        self._worker.abandon()
        self._worker = LatestWorker(self._work)

    # Any thread that answers.

    def _expiry_s(self, job: PlanningRequest) -> float:
        """Time at which the watchdog answers: early enough to publish before the deadline."""
        return job.arrived_s + (self._config.deadline_ms - self._config.fallback_margin_ms) * 1e-3

    def _claim(self, job: PlanningRequest) -> int | None:
        """Claim a frame and all older ones.

        Returns:
            A number that grows with later frames; None when the frame is claimed already.
        """
        with self._changed:
            place = next((index for index, other in enumerate(self._open) if other is job), None)
            if place is None:
                return None
            self._open = self._open[place + 1 :]
            self._num_claimed += 1
            return self._num_claimed

    def _answer(self, job: PlanningRequest, reason: str, *, must_stop: bool = False) -> None:
        """Answer a frame with a fallback, unless another thread has answered it."""
        claim = self._claim(job)
        if claim is None:
            return
        try:
            made = self._ready[1] if self._ready is not None and self._ready[0] is job and reason == LATE else None
            self._send(made or self._make_fallback(job, reason, must_stop=must_stop), job, claim)
        except Exception as error:  # outermost scope: a fault here must not end the watchdog
            self._report("fallback", f"fallback failed: {type(error).__name__}: {error}")

    def _make_fallback(self, job: PlanningRequest, reason: str, *, must_stop: bool = False) -> PlanResult:
        is_stopping = must_stop or self.is_stopping
        return self._fallback.plan(
            job.snapshot, reason, self._config, self._model_manager.source, is_stopping=is_stopping
        )

    def _send(self, result: PlanResult, job: PlanningRequest, claim: int) -> None:
        """Publish, unless a later frame's answer was published first."""
        with self._publishing:
            if claim > self._last_sent:
                self._last_sent = claim
                self._publish(result, job.arrived_s)
