"""Diagnostics of the planner node, as diagnostic_msgs/DiagnosticArray.

Levels: ERROR without a plan for a second, or when the node could not be configured; WARN while fallbacks are published, a
stop is requested, or after a rejected message or an event in the last seconds; OK otherwise.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import Any

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import FallbackLevel, PlanResult
from transdiffuser_planner.messages.encode_inputs import header
from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.runtime.supervision.model_manager import ModelManager
from transdiffuser_planner.runtime.supervision.supervisor import Supervisor

_OK, _WARN, _ERROR = b"\x00", b"\x01", b"\x02"
_RECENT = 100
_STALE_S = 1.0
_REASONS_KEPT = 20
_RECENTLY_S = 5.0
_OTHERS = "other reasons"


class NodeDiagnostics:
    """Counts rejected messages, events, plans, fallbacks and missed deadlines; may be used from several threads."""

    def __init__(self) -> None:
        self.fault = ""
        self.priority = ""
        self.not_ready = "no input yet"
        self.rejections: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.input_hz: dict[str, float] = {}
        self.input_delay_s: dict[str, float] = {}
        self.plans = self.missed_deadlines = self.shortened = 0
        self.fallback_levels: Counter[FallbackLevel] = Counter()
        self._missing: tuple[str, ...] = ()
        self._latency_ms: deque[float] = deque(maxlen=_RECENT)
        self._last_plan_s = self._last_event_s = -1e9
        self._last_message = self._fallback_reason = ""
        self._counting = threading.Lock()

    def count_rejection(self, reason: str) -> None:
        """Count a message that was not used.

        Args:
            reason: Without varying numbers, as equal reasons are counted together.
        """
        self._count(self.rejections, reason, f"input refused: {reason}")

    def count_event(self, text: str) -> None:
        """Count a failure or a warning.

        Args:
            text: Equal texts are counted together.
        """
        self._count(self.events, text, text)

    def _count(self, counter: Counter[str], reason: str, message: str) -> None:
        """Count a reason; only the latest are counted separately."""
        with self._counting:
            counter[reason] = counter.pop(reason, 0) + 1
            if len(counter) > _REASONS_KEPT:
                oldest = next(kept for kept in counter if kept != _OTHERS)
                counter[_OTHERS] += counter.pop(oldest)
            self._last_event_s, self._last_message = time.monotonic(), message

    def plan(self, result: PlanResult, latency_ms: float, config: PlannerConfig) -> None:
        """Count a published plan.

        Args:
            result: The plan.
            latency_ms: From the arrival of its frame to publishing.
            config: Deadline and full numbers of candidates and steps.
        """
        source = result.provenance
        self.plans += 1
        self.fallback_levels[result.fallback_level] += 1
        self.missed_deadlines += latency_ms > config.deadline_ms
        full = (config.num_candidates, config.num_denoise_steps)
        self.shortened += (
            result.fallback_level == FallbackLevel.NONE and (source.num_candidates, source.num_denoise_steps) != full
        )
        self._latency_ms.append(latency_ms)
        self._last_plan_s = time.monotonic()
        self._fallback_reason, self._missing = result.reason, source.missing
        self.not_ready = ""

    @property
    def seconds_without_plan(self) -> float:
        """Time since the last published plan, by the monotonic clock."""
        return time.monotonic() - self._last_plan_s

    def message(
        self,
        node_name: str,
        stamp_ns: int,
        model_manager: ModelManager | None,
        supervisor: Supervisor | None,
        mode: Mode,
    ) -> Any:
        """Build a diagnostic_msgs/DiagnosticArray of the present state.

        Args:
            node_name: Fully qualified, without the leading slash.
            stamp_ns: Its stamp.
            model_manager: The model; None before configuring.
            supervisor: None before configuring.
            mode: Whether stopping or in shadow mode.
        """
        level, text = self._level(mode, model_manager)
        with self._counting:
            counted = {f"refused: {reason}": count for reason, count in self.rejections.items()}
            counted |= {f"event: {text}": count for text, count in self.events.items()}
        recent = np.asarray(self._latency_ms or [0.0])
        values = {
            **_model_values(model_manager),
            "priority": self.priority,
            "plans": self.plans,
            **{
                f"fallback_level_{fallback_level.name.lower()}": self.fallback_levels[fallback_level]
                for fallback_level in FallbackLevel
            },
            "plans_with_fewer_steps": self.shortened,
            "missed_deadlines": self.missed_deadlines,
            "latency_median_ms": f"{np.median(recent):.1f}",
            "latency_max_ms": f"{recent.max():.1f}",
            "plans_discarded_late": 0 if supervisor is None else supervisor.num_late_plans,
            "sessions_hung": 0 if supervisor is None else supervisor.num_abandoned,
            "stop_requested": mode.is_stopping,
            "shadow": mode.is_shadow,
            "missing_inputs": ", ".join(self._missing),
            "not_ready": self.not_ready,
            "last_fallback": self._fallback_reason,
            "input_hz": ", ".join(f"{name} {hz:.1f}" for name, hz in self.input_hz.items()),
            "input_delay_ms": ", ".join(f"{name} {delay_s * 1e3:.0f}" for name, delay_s in self.input_delay_s.items()),
            **counted,
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

    def _level(self, mode: Mode, model_manager: ModelManager | None) -> tuple[bytes, str]:
        if self.fault:
            return _ERROR, self.fault
        if self.seconds_without_plan > _STALE_S:
            return _ERROR, f"no plan: {self.not_ready or 'no new sensor frame'}"
        if self._fallback_reason:
            return _WARN, f"planning; fallback: {self._fallback_reason}"
        if mode.is_stopping:
            return _WARN, "planning; a stop is requested"
        if model_manager is not None and model_manager.source.provider != model_manager.config.provider:
            return (
                _WARN,
                f"planning on {model_manager.source.provider}; the configured {model_manager.config.provider} is not available",
            )
        if time.monotonic() - self._last_event_s < _RECENTLY_S:
            return _WARN, f"planning; {self._last_message}"
        return _OK, "planning in shadow mode" if mode.is_shadow else "planning"


def _model_values(model_manager: ModelManager | None) -> dict[str, object]:
    """Diagnostic values of the model in use."""
    if model_manager is None:
        return {"model": "", "model_state": "not loaded"}
    source = model_manager.source
    return {
        "model": source.model_name,
        "model_hash": source.model_hash,
        "provider": source.provider,
        "provider_configured": model_manager.config.provider,
        "precision": source.precision,
        "sampler": source.sampler,
        "model_state": "loading" if model_manager.planner is None else "warmed up",
        "sessions_replaced": model_manager.num_replaced,
        "vehicle_notice": model_manager.vehicle_notice,
    }
