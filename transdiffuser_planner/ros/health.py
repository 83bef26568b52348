"""What the planner node counts about itself, as diagnostic_msgs/DiagnosticArray."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

import numpy as np

from transdiffuser_planner.core.types import FallbackRung, PlanResult
from transdiffuser_planner.recording.encode import header
from transdiffuser_planner.ros.message_factory import make_ros_message as make

_OK, _WARN, _ERROR = b"\x00", b"\x01", b"\x02"
_RECENT = 100
_STALE_S = 1.0
_REASONS_KEPT = 20


class Health:
    """Counts refused messages, plans, fallbacks and missed deadlines. Reads and writes from two threads are harmless."""

    def __init__(self) -> None:
        self.fault = ""
        self.not_ready = "no input yet"
        self.refused: Counter[str] = Counter()
        self.plans = self.fallbacks = self.missed_deadlines = 0
        self._latency_ms: deque[float] = deque(maxlen=_RECENT)
        self._last_plan = self._last_refusal = -1e9
        self._last_reason = self._rung_reason = ""

    def refuse(self, source: str, reason: str) -> None:
        """A message was not used."""
        if reason in self.refused or len(self.refused) < _REASONS_KEPT:
            self.refused[reason] += 1
        else:
            self.refused[f"{source}: other reasons"] += 1
        self._last_refusal, self._last_reason = time.monotonic(), reason

    def plan(self, result: PlanResult, latency_ms: float, deadline_ms: float) -> None:
        """A plan was published."""
        self.plans += 1
        self.fallbacks += result.rung != FallbackRung.NONE
        self.missed_deadlines += latency_ms > deadline_ms
        self._latency_ms.append(latency_ms)
        self._last_plan = time.monotonic()
        self._rung_reason = result.reason
        self.not_ready = ""

    @property
    def seconds_without_plan(self) -> float:
        """Since the last published plan, by the wall clock."""
        return time.monotonic() - self._last_plan

    def message(self, node_name: str, stamp_ns: int, model: str) -> Any:
        """diagnostic_msgs/DiagnosticArray of this moment."""
        level, text = self._judge()
        recent = np.asarray(self._latency_ms or [0.0])
        values = {
            "model": model,
            "plans": self.plans,
            "fallbacks": self.fallbacks,
            "missed_deadlines": self.missed_deadlines,
            "latency_median_ms": f"{np.median(recent):.1f}",
            "latency_max_ms": f"{recent.max():.1f}",
            "not_ready": self.not_ready,
            "last_fallback": self._rung_reason,
            **{f"refused: {reason}": count for reason, count in self.refused.items()},
        }
        status = make(
            "diagnostic_msgs/msg/DiagnosticStatus",
            level=level,
            name=f"{node_name}: planning",
            message=text,
            hardware_id="",
            values=[make("diagnostic_msgs/msg/KeyValue", key=k, value=str(v)) for k, v in values.items()],
        )
        return make("diagnostic_msgs/msg/DiagnosticArray", header=header(make, stamp_ns, ""), status=[status])

    def _judge(self) -> tuple[bytes, str]:
        if self.fault:
            return _ERROR, self.fault
        if self.seconds_without_plan > _STALE_S:
            return _ERROR, f"no plan: {self.not_ready or 'no new sensor frame'}"
        if time.monotonic() - self._last_refusal < 5.0:
            return _WARN, f"planning; input refused: {self._last_reason}"
        if self._rung_reason:
            return _WARN, f"planning; fallback: {self._rung_reason}"
        return _OK, "planning"
