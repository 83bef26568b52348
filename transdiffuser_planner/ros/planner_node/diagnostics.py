"""What the planner node counts about itself, as diagnostic_msgs/DiagnosticArray.

Levels: ERROR without a plan for a second, or when the node could not be configured; WARN while fallbacks are published,
somebody asked for a stop, or something was refused or noticed in the last seconds; OK otherwise.
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
    """Counts refused messages, plans, fallbacks and missed deadlines. Reads and writes from several threads are harmless."""

    def __init__(self) -> None:
        self.fault = ""
        self.priority = ""
        self.not_ready = "no input yet"
        self.refused: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self.input_hz: dict[str, float] = {}
        self.plans = self.missed_deadlines = self.shortened = 0
        self.fallback_levels: Counter[FallbackLevel] = Counter()
        self._missing: tuple[str, ...] = ()
        self._latency_ms: deque[float] = deque(maxlen=_RECENT)
        self._last_plan = self._last_said = -1e9
        self._last_message = self._fallback_reason = ""
        self._counting = threading.Lock()

    def count_rejection(self, reason: str) -> None:
        """A message was not used."""
        self._count(self.refused, reason, f"input refused: {reason}")

    def count_event(self, text: str) -> None:
        """Something else went wrong, or is unusual."""
        self._count(self.noted, text, text)

    def _count(self, counter: Counter[str], reason: str, said: str) -> None:
        """Count a reason; of many different ones the latest are kept apart."""
        with self._counting:
            counter[reason] = counter.pop(reason, 0) + 1
            if len(counter) > _REASONS_KEPT:
                oldest = next(kept for kept in counter if kept != _OTHERS)
                counter[_OTHERS] += counter.pop(oldest)
            self._last_said, self._last_message = time.monotonic(), said

    def plan(self, result: PlanResult, latency_ms: float, config: PlannerConfig) -> None:
        """A plan was published."""
        source = result.provenance
        self.plans += 1
        self.fallback_levels[result.fallback_level] += 1
        self.missed_deadlines += latency_ms > config.deadline_ms
        full = (config.num_candidates, config.num_denoise_steps)
        self.shortened += (
            result.fallback_level == FallbackLevel.NONE and (source.num_candidates, source.num_denoise_steps) != full
        )
        self._latency_ms.append(latency_ms)
        self._last_plan = time.monotonic()
        self._fallback_reason, self._missing = result.reason, source.missing
        self.not_ready = ""

    @property
    def seconds_without_plan(self) -> float:
        """Since the last published plan, by the wall clock."""
        return time.monotonic() - self._last_plan

    def message(
        self,
        node_name: str,
        stamp_ns: int,
        model_manager: ModelManager | None,
        supervisor: Supervisor | None,
        mode: Mode,
    ) -> Any:
        """diagnostic_msgs/DiagnosticArray of this moment; keeper and supervisor are None before configuring."""
        level, text = self._judge(mode, model_manager)
        with self._counting:
            counted = {f"refused: {reason}": count for reason, count in self.refused.items()}
            counted |= {f"noticed: {text}": count for text, count in self.noted.items()}
        recent = np.asarray(self._latency_ms or [0.0])
        values = {
            **_model_values(model_manager),
            "priority": self.priority,
            "plans": self.plans,
            **{
                f"rung {fallback_level.name.lower()}": self.fallback_levels[fallback_level]
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

    def _judge(self, mode: Mode, model_manager: ModelManager | None) -> tuple[bytes, str]:
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
                f"planning on {model_manager.source.provider}; the wanted {model_manager.config.provider} does not work here",
            )
        if time.monotonic() - self._last_said < _RECENTLY_S:
            return _WARN, f"planning; {self._last_message}"
        return _OK, "planning in shadow mode" if mode.is_shadow else "planning"


def _model_values(model_manager: ModelManager | None) -> dict[str, object]:
    """What computes the plans."""
    if model_manager is None:
        return {"model": "", "model_state": "not loaded"}
    source = model_manager.source
    return {
        "model": source.model_name,
        "model_hash": source.model_hash,
        "provider": source.provider,
        "provider_wanted": model_manager.config.provider,
        "precision": source.precision,
        "model_state": "loading" if model_manager.planner is None else "warmed up",
        "sessions_replaced": model_manager.num_replaced,
        "vehicle_notice": model_manager.vehicle_notice,
    }
