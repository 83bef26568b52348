"""What goes wrong along a drive, noticed step by step. Every user of drives counts with these."""

from __future__ import annotations

from dataclasses import dataclass, field

from transdiffuser_planner.core.types import NotReady, PlanResult, SignalState
from transdiffuser_planner.simulation.collisions import Collision
from transdiffuser_planner.simulation.episode import EpisodeStep
from transdiffuser_planner.simulation.rollout.rollout import RolloutStep

PASSED_WITHIN_M = 1.5
NEXT_LIGHT_M = 5.0
MOVING_MPS = 0.5


class RedLightWatch:
    """Notices stop lines that are passed while red."""

    def __init__(self) -> None:
        self._before: tuple[SignalState, float] | None = None

    def passed(self, step: EpisodeStep) -> bool:
        """Whether the front bumper passed one since the step before."""
        now = None if step.signal is None else (step.signal.state, step.signal.distance_m)
        before, self._before = self._before, now
        if before is None or before[0] is not SignalState.RED or not 0.0 < before[1] < PASSED_WITHIN_M:
            return False
        is_gone = now is None or now[1] < 0.0 or now[1] > before[1] + NEXT_LIGHT_M
        return is_gone and step.world.ego.speed_mps > MOVING_MPS


@dataclass(slots=True)
class EventCounter:
    """Attributes:
    contacts: First touches, in order.
    red_light_ns: When stop lines were passed while red.
    off_road_ns: Every step with a corner beyond the road's edge.
    num_cycles, num_fallbacks: Plans, and those that were a fallback or none.
    plan_ms: What planning took.
    """

    contacts: list[Collision] = field(default_factory=list)
    red_light_ns: list[int] = field(default_factory=list)
    off_road_ns: list[int] = field(default_factory=list)
    num_cycles: int = 0
    num_fallbacks: int = 0
    plan_ms: list[float] = field(default_factory=list)
    _lights: RedLightWatch = field(default_factory=RedLightWatch)

    def on_step(self, cycle: RolloutStep) -> None:
        """Take in one instant."""
        step = cycle.step
        self.contacts += step.new_collisions
        if not step.on_road:
            self.off_road_ns.append(step.world.stamp_ns)
        if self._lights.passed(step):
            self.red_light_ns.append(step.world.stamp_ns)
        if cycle.outcome is not None:
            self.num_cycles += 1
            self.num_fallbacks += is_fallback(cycle)
            self.plan_ms.append(cycle.elapsed_ms)

    @property
    def num_at_fault(self) -> int:
        """Contacts by the ego's fault."""
        return sum(contact.at_fault for contact in self.contacts)

    @property
    def fallback_share(self) -> float:
        """Share of plans that were a fallback or none."""
        return self.num_fallbacks / max(self.num_cycles, 1)


def is_fallback(cycle: RolloutStep) -> bool:
    """Whether what was planned is not the planner's own plan."""
    outcome = cycle.outcome
    return isinstance(outcome, NotReady) or (isinstance(outcome, PlanResult) and outcome.fallback_level != 0)
