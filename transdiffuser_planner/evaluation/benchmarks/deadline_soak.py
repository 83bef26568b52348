"""Thousands of cycles of closed-loop driving at 10 Hz through the node's own supervisor: is a plan ever late?

The simulator waits for each answer and then moves on 100 ms, so cycles have the rate of the data, while the latency of
every answer is taken by the wall clock. The budget, the watchdog and the fallbacks are the node's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import FallbackLevel, PlanResult, SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.cpu_load import cpu_s, loaded_cores, resident_mb
from transdiffuser_planner.evaluation.benchmarks.latency_statistics import percentiles
from transdiffuser_planner.replay.checks.trajectory_checks import trajectory_violations
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.model_manager import ModelManager
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings, raise_priority
from transdiffuser_planner.runtime.supervision.supervisor import PlanningRequest, Supervisor
from transdiffuser_planner.simulation.message_stream import ego_state
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)
from transdiffuser_planner.simulation.rollout.rollout import Rollout
from transdiffuser_planner.simulation.scenario import Scenario

_GIVE_UP_S = 30.0


@dataclass(kw_only=True, slots=True)
class _Answers:
    """Collects answers from the supervisor's threads and hands them to the simulation's."""

    latest: PlanResult | None = None
    came: threading.Event = field(default_factory=threading.Event)
    latency_ms: list[float] = field(default_factory=list)
    fallback_levels: Counter[str] = field(default_factory=Counter)
    work: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def publish(self, result: PlanResult, arrived_s: float) -> None:
        """Take an answer."""
        self.latency_ms.append((time.perf_counter() - arrived_s) * 1e3)
        source = result.provenance
        self.fallback_levels[result.fallback_level.name] += 1
        self.work[f"{source.num_candidates} x {source.num_denoise_steps}"] += 1
        if result.fallback_level != FallbackLevel.NONE:
            self.reasons[result.reason.split(";")[0]] += 1
        self.latest = result
        self.came.set()

    def wait(self) -> PlanResult:
        """The answer to the frame just submitted."""
        if not self.came.wait(_GIVE_UP_S) or self.latest is None:
            raise EvaluationError(f"a frame was not answered within {_GIVE_UP_S:.0f} s")
        self.came.clear()
        return self.latest


class _Supervised:
    """The node's supervisor at the wheel."""

    observation_level = ObservationLevel.SENSORS
    plan_every = 1

    def __init__(self, supervisor: Supervisor, answers: _Answers) -> None:
        self._supervisor, self._answers = supervisor, answers
        self._is_new = True

    def reset(self, initialization: PlannerInitialization) -> None:
        """Forget the last scenario with the next frame."""
        self._is_new = True

    def plan(self, planner_input: PlannerInput) -> PlanResult:
        """What the supervisor publishes for this frame."""
        assert isinstance(planner_input.snapshot, SensorSnapshot)
        request = PlanningRequest(snapshot=planner_input.snapshot, arrived_s=time.perf_counter(), forget=self._is_new)
        self._is_new = False
        self._supervisor.submit(request)
        return self._answers.wait()

    def fall_back(self, snapshot: SensorSnapshot, reason: str, *, must_stop: bool) -> PlanResult:
        """The fallback that the supervisor publishes without a plan."""
        self._supervisor.fall_back(snapshot, reason, must_stop=must_stop)
        return self._answers.wait()


def deadline_run(
    model: Path,
    rig: Rig,
    config: PlannerConfig,
    scenarios: Iterator[Scenario],
    cycles: int,
    load: int,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Drive until so many cycles have been answered.

    Args:
        model: Model folder.
        rig: The vehicle's sensors.
        config: Its deadline is what latencies are held against.
        scenarios: Driven one after the other, as many as it takes.
        cycles: How many answers.
        load: Other processes that each want a core.
        progress: Called with 1 after every cycle.
    """
    answers, problems = _Answers(), Counter[str]()
    model_manager = ModelManager(
        lambda current, memory: Planner.load(model, rig, current, memory), config, lambda source, text: None
    )
    supervisor = Supervisor(model_manager, rig, answers.publish, lambda source, text: problems.update([source]))
    apply_realtime_settings()
    priority = raise_priority(config.priority)
    begin_mb, faults, driven = resident_mb(), Counter[str](), 0
    begin_s, begin_cpu_s = time.perf_counter(), cpu_s()
    try:
        with loaded_cores(load):
            while len(answers.latency_ms) < cycles:
                with Rollout(next(scenarios), _Supervised(supervisor, answers), rig, config) as drive:
                    for cycle in drive.steps():
                        if isinstance(cycle.outcome, PlanResult):
                            ego = ego_state(cycle.step.world.ego, cycle.step.world.stamp_ns)
                            faults.update(trajectory_violations(cycle.outcome.trajectory, ego, config))
                            progress(1)
                        if len(answers.latency_ms) >= cycles:
                            break
                driven += 1
    finally:
        supervisor.stop()
        model_manager.end()
    return {
        "cycles": len(answers.latency_ms),
        "scenarios": driven,
        "busy_processes": load,
        "priority": priority,
        "precision": config.precision,
        "deadline_ms": config.deadline_ms,
        "missed": sum(value > config.deadline_ms for value in answers.latency_ms),
        "latency_ms": percentiles(answers.latency_ms),
        "fallback_levels": dict(answers.fallback_levels.most_common()),
        "candidates_x_steps": dict(answers.work.most_common()),
        "fallback_reasons": dict(answers.reasons.most_common(6)),
        "discarded_late": supervisor.num_late_plans,
        "faults_in_plans": dict(faults),
        "problems": dict(problems),
        "resident_mb": [round(begin_mb), round(resident_mb())],
        "wall_s": round(time.perf_counter() - begin_s, 1),
        "cpu_s": round(cpu_s() - begin_cpu_s, 1),
    }
