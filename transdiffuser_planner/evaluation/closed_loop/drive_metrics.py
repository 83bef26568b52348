"""Metrics of one drive of a suite, accumulated step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.types import NotReady, PlanResult, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.evaluation.closed_loop.driving_score import driving_score, progress_share, scene_score
from transdiffuser_planner.evaluation.closed_loop.ride_comfort import violated_limits
from transdiffuser_planner.evaluation.closed_loop.time_to_collision import time_to_collision_s
from transdiffuser_planner.metrics.diversity import plan_deviation_m
from transdiffuser_planner.simulation.collisions import Collision
from transdiffuser_planner.simulation.episode_step import END_OF_ROUTE_M
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.rollout.planner_interface import trajectory_of
from transdiffuser_planner.simulation.rollout.rollout import STEP_S, RolloutStep
from transdiffuser_planner.simulation.rollout.rollout_events import EventCounter, is_fallback
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.world_state import EgoPose

SHORT_TTC_S = 0.95
DEVIATION_TIMES_S = np.linspace(0.5, 3.0, 6)
LEFT_ROUTE, ROUTE_END = "left_route", "route_end"
"""End reasons of an episode."""
TTC_VIOLATION: Final = "TTC violation"


@dataclass(slots=True)
class DriveMetrics:
    """Accumulates the metrics of a drive step by step.

    Attributes:
        vehicle: Ego vehicle that drives.
        counter: Counts collisions, red lights, off-road steps and fallbacks.
        poses: Ego pose of every step.
        ttc_s: Time to collision of every step; None: no collision within the horizon.
        deviation_m: Mean distance of each plan from the one before.
        fallbacks: Time stamp (ns) and reason of every step without a plan of the model.
        route_offset_m: Largest distance of base_link from the route.
    """

    vehicle: VehicleModel
    counter: EventCounter = field(default_factory=EventCounter)
    poses: list[EgoPose] = field(default_factory=list)
    ttc_s: list[float | None] = field(default_factory=list)
    deviation_m: list[float] = field(default_factory=list)
    fallbacks: list[tuple[int, str]] = field(default_factory=list)
    route_offset_m: float = 0.0
    _last: Trajectory | None = None

    def on_step(self, cycle: RolloutStep) -> None:
        """Add one step of the rollout."""
        self.counter.on_step(cycle)
        self.poses.append(cycle.step.world.ego)
        self.route_offset_m = max(self.route_offset_m, abs(cycle.step.route_offset_m))
        self.ttc_s.append(time_to_collision_s(cycle.step.world, self.vehicle))
        if is_fallback(cycle):
            self.fallbacks.append((cycle.step.world.stamp_ns, _reason(cycle)))
        trajectory = trajectory_of(cycle.outcome)
        if trajectory is not None:
            if self._last is not None:
                self.deviation_m.append(_plan_deviation_m(trajectory, self._last))
            self._last = trajectory

    def result(self, cycle: RolloutStep, scenario: Scenario, route: GlobalRoute, expert_m: float) -> dict[str, Any]:
        """Return the row of one drive.

        Args:
            cycle: Last step of the drive.
            scenario: Scenario that was driven.
            route: Route of the scenario.
            expert_m: The expert's distance along the route in the same time.
        """
        step, counter = cycle.step, self.counter
        share = progress_share(step.progress_m, expert_m, at_route_end=step.end_reason == ROUTE_END)
        off_road = len(counter.off_road_ns) / len(self.poses)
        violated, is_deviation = violated_limits(self.poses), step.end_reason == LEFT_ROUTE
        known_ttc_s = [value for value in self.ttc_s if value is not None]
        to_drive_m = route.length_m - END_OF_ROUTE_M - (step.route_s_m - step.progress_m)
        reds = len(counter.red_light_ns)
        score = driving_score(share, counter.contacts, reds, off_road, route_deviation=is_deviation)
        return {
            "map": Path(scenario.map_name).name,
            "seed": scenario.seed,
            "scene_score": round(
                scene_score(share, counter.num_at_fault, STEP_S * len(counter.off_road_ns), self.route_offset_m), 4
            ),
            "driving_score": round(score, 2),
            "at_fault_collisions": counter.num_at_fault,
            "not_at_fault_collisions": len(counter.contacts) - counter.num_at_fault,
            "off_road_s": round(STEP_S * len(counter.off_road_ns), 1),
            "red_lights": reds,
            "route_deviation": is_deviation,
            "route_offset_m": round(self.route_offset_m, 2),
            "route_completion": round(min(max(step.progress_m / max(to_drive_m, 1.0), 0.0), 1.0), 4),
            "progress": round(share, 4),
            "progress_m": round(step.progress_m, 1),
            "expert_m": round(expert_m, 1),
            "comfort": round(1.0 - float(np.any(list(violated.values()), axis=0).mean()), 4),
            "uncomfortable": {name: round(float(steps.mean()), 4) for name, steps in violated.items() if steps.any()},
            "ttc_min_s": round(min(known_ttc_s), 1) if known_ttc_s else None,
            "ttc_violations": round(sum(value <= SHORT_TTC_S for value in known_ttc_s) / len(self.poses), 4),
            "plan_deviation_m": round(float(np.mean(self.deviation_m)), 3) if self.deviation_m else None,
            "fallbacks": round(counter.fallback_share, 4),
            "duration_s": round(step.world.stamp_ns * 1e-9, 1),
            "end_reason": step.end_reason,
            "events": self._events(step.end_reason),
        }

    def _events(self, end_reason: str) -> list[dict[str, Any]]:
        """Return infractions and fallbacks in order of time; a lasting one is one event."""
        counter = self.counter
        found = [
            _event(c.stamp_ns, "collision" if c.at_fault else "not-at-fault collision", _collision_text(c))
            for c in counter.contacts
        ]
        found += [_event(at, "red light", "passes a stop line while red") for at in counter.red_light_ns]
        found += [
            _event(at, "off road", f"a corner off the road for {lasts:.1f} s")
            for at, lasts in _intervals(counter.off_road_ns)
        ]
        short_ns = [round(i * STEP_S * 1e9) for i, v in enumerate(self.ttc_s) if v is not None and v <= SHORT_TTC_S]
        found += [
            _event(at, TTC_VIOLATION, f"time to collision at most {SHORT_TTC_S} s, for {lasts:.1f} s")
            for at, lasts in _intervals(short_ns)
        ]
        reasons = dict(self.fallbacks)
        found += [_event(at, "fallback", f"{reasons[at]} ({lasts:.1f} s)") for at, lasts in _intervals(list(reasons))]
        if end_reason == LEFT_ROUTE:
            found.append(
                _event(
                    round((len(self.poses) - 1) * STEP_S * 1e9), "route deviation", "leaves the route; the drive ends"
                )
            )
        return sorted(found, key=lambda event: (event["time_s"], event["kind"]))


def _event(stamp_ns: int, kind: str, text: str) -> dict[str, Any]:
    return {"time_s": round(stamp_ns * 1e-9, 1), "kind": kind, "text": text}


def _collision_text(collision: Collision) -> str:
    agent = f"{collision.agent_class.name.lower()} {collision.agent_id}"
    fault = "at fault" if collision.at_fault else "not at fault"
    return f"{collision.kind.value.replace('_', ' ')}: {agent} at {collision.relative_speed_mps:.1f} m/s, {fault}"


def _intervals(stamps_ns: list[int]) -> list[tuple[int, float]]:
    """Return start and length (s) of uninterrupted intervals; gaps up to half a second do not interrupt."""
    intervals: list[list[int]] = []
    for stamp_ns in stamps_ns:
        if intervals and stamp_ns - intervals[-1][1] <= 500_000_000:
            intervals[-1][1] = stamp_ns
        else:
            intervals.append([stamp_ns, stamp_ns])
    return [(first, (last - first) * 1e-9 + STEP_S) for first, last in intervals]


def _reason(cycle: RolloutStep) -> str:
    outcome = cycle.outcome
    if isinstance(outcome, NotReady):
        return f"no plan: {outcome.reason}"
    assert isinstance(outcome, PlanResult)
    return f"{outcome.fallback_level.name.lower().replace('_', ' ')}: {outcome.reason}"


def _plan_deviation_m(plan: Trajectory, before: Trajectory) -> float:
    """Mean distance of two plans at the same times, up to 3 s after the start of the later one."""
    since_s = (plan.stamp_ns - before.stamp_ns) * 1e-9
    last_s = min(plan.time_s_T[-1], before.time_s_T[-1] - since_s)
    times = DEVIATION_TIMES_S[last_s + 1e-9 >= DEVIATION_TIMES_S]
    return plan_deviation_m(_positions(plan, times), _positions(before, times + since_s))


def _positions(plan: Trajectory, times_s: Any) -> Any:
    return np.stack([np.interp(times_s, plan.time_s_T, values) for values in (plan.x_m_T, plan.y_m_T)], axis=-1)
