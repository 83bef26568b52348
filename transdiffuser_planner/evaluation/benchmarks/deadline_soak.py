"""Soak test of the deadline: thousands of closed-loop cycles at 10 Hz through the node's own supervisor.

The simulator waits for each answer and then advances 100 ms, so cycles have the rate of the data, while the latency of
every answer is measured by the wall clock. The budget, the watchdog and the fallbacks are the node's.
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
    """Collects answers from the supervisor's threads for the thread of the simulation."""

    latest: PlanResult | None = None
    arrived: threading.Event = field(default_factory=threading.Event)
    latency_ms: list[float] = field(default_factory=list)
    fallback_levels: Counter[str] = field(default_factory=Counter)
    work: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def publish(self, result: PlanResult, arrived_s: float) -> None:
        """Count an answer and pass it on."""
        self.latency_ms.append((time.perf_counter() - arrived_s) * 1e3)
        source = result.provenance
        self.fallback_levels[result.fallback_level.name] += 1
        self.work[f"{source.num_candidates} x {source.num_denoise_steps}"] += 1
        if result.fallback_level != FallbackLevel.NONE:
            self.reasons[result.reason.split(";")[0]] += 1
        self.latest = result
        self.arrived.set()

    def wait(self) -> PlanResult:
        """Return the answer to the frame just submitted.

        Raises:
            EvaluationError: No answer arrived in time.
        """
        if not self.arrived.wait(_GIVE_UP_S) or self.latest is None:
            raise EvaluationError(f"a frame was not answered within {_GIVE_UP_S:.0f} s")
        self.arrived.clear()
        return self.latest

    def statistics(self) -> dict[str, Any]:
        """Return latency, fallback levels, work and reasons of all answers."""
        return {
            "latency_ms": percentiles(self.latency_ms),
            "fallback_levels": dict(self.fallback_levels.most_common()),
            "candidates_x_steps": dict(self.work.most_common()),
            "fallback_reasons": dict(self.reasons.most_common(6)),
        }


def _drive(rollout: Rollout, answers: _Answers, cycles: int, progress: Callable[[int], object]) -> Counter[str]:
    """Run one rollout until its end or the given total number of answers; return the violations of its plans."""
    violations = Counter[str]()
    for cycle in rollout.steps():
        if isinstance(cycle.outcome, PlanResult):
            ego = ego_state(cycle.step.world.ego, cycle.step.world.stamp_ns)
            violations.update(trajectory_violations(cycle.outcome.trajectory, ego, rollout.config))
            progress(1)
        if len(answers.latency_ms) >= cycles:
            break
    return violations


class _SupervisorPlanner:
    """The node's supervisor as the planner of a rollout."""

    observation_level = ObservationLevel.SENSORS
    plan_every = 1

    def __init__(self, supervisor: Supervisor, answers: _Answers) -> None:
        self._supervisor, self._answers = supervisor, answers
        self._is_new = True

    def reset(self, initialization: PlannerInitialization) -> None:
        """Reset the planner with the next frame."""
        self._is_new = True

    def plan(self, planner_input: PlannerInput) -> PlanResult:
        """Return the plan that the supervisor publishes for this frame."""
        assert isinstance(planner_input.snapshot, SensorSnapshot)
        request = PlanningRequest(snapshot=planner_input.snapshot, arrived_s=time.perf_counter(), forget=self._is_new)
        self._is_new = False
        self._supervisor.submit(request)
        return self._answers.wait()

    def fall_back(self, snapshot: SensorSnapshot, reason: str, *, must_stop: bool) -> PlanResult:
        """Return the fallback that the supervisor publishes without a plan."""
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
    """Drive until the given number of cycles have been answered.

    Args:
        model: Model folder.
        rig: The vehicle's sensors.
        config: Configuration of the planner; latencies are compared with its deadline.
        scenarios: Scenarios to drive, as many as are needed.
        cycles: Number of answers.
        load: Number of other processes that each load one core.
        progress: Called with 1 after every cycle.

    Returns:
        Latency, fallback levels, work per cycle, violations, memory and processor time.
    """
    answers, problems, violations = _Answers(), Counter[str](), Counter[str]()
    model_manager = ModelManager(
        lambda current, memory: Planner.load(model, rig, current, memory), config, lambda source, text: None
    )
    supervisor = Supervisor(model_manager, rig, answers.publish, lambda source, text: problems.update([source]))
    apply_realtime_settings()
    priority = raise_priority(config.priority)
    begin_mb = resident_mb()
    begin_s, begin_cpu_s = time.perf_counter(), cpu_s()
    try:
        with loaded_cores(load):
            num_scenarios = 0
            while len(answers.latency_ms) < cycles:
                with Rollout(next(scenarios), _SupervisorPlanner(supervisor, answers), rig, config) as rollout:
                    violations += _drive(rollout, answers, cycles, progress)
                num_scenarios += 1
    finally:
        supervisor.stop()
        model_manager.end()
    return {
        "cycles": len(answers.latency_ms),
        "scenarios": num_scenarios,
        "busy_processes": load,
        "priority": priority,
        "precision": config.precision,
        "deadline_ms": config.deadline_ms,
        "missed": sum(value > config.deadline_ms for value in answers.latency_ms),
        **answers.statistics(),
        "discarded_late": supervisor.num_late_plans,
        "violations_in_plans": dict(violations),
        "problems": dict(problems),
        "resident_mb": [round(begin_mb), round(resident_mb())],
        "wall_s": round(time.perf_counter() - begin_s, 1),
        "cpu_s": round(cpu_s() - begin_cpu_s, 1),
    }
