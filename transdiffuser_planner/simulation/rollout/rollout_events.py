"""Events of a rollout: collisions, red lights, leaving the road, fallbacks. Shared by all evaluations of rollouts."""

from __future__ import annotations

from dataclasses import dataclass, field

from transdiffuser_planner.core.types import NotReady, PlanResult, SignalState
from transdiffuser_planner.simulation.collisions import Collision
from transdiffuser_planner.simulation.episode_step import EpisodeStep
from transdiffuser_planner.simulation.rollout.rollout import RolloutStep

PASSED_WITHIN_M = 1.5
NEXT_LIGHT_M = 5.0
MOVING_MPS = 0.5


class RedLightWatch:
    """Detector of stop lines passed while red."""

    def __init__(self) -> None:
        self._before: tuple[SignalState, float] | None = None

    def passed(self, step: EpisodeStep) -> bool:
        """Return whether the front bumper passed a red stop line since the previous step.

        Args:
            step: Current step.
        """
        now = None if step.signal is None else (step.signal.state, step.signal.distance_m)
        before, self._before = self._before, now
        if before is None or before[0] is not SignalState.RED or not 0.0 < before[1] < PASSED_WITHIN_M:
            return False
        is_gone = now is None or now[1] < 0.0 or now[1] > before[1] + NEXT_LIGHT_M
        return is_gone and step.world.ego.speed_mps > MOVING_MPS


@dataclass(slots=True)
class EventCounter:
    """Counter of a rollout's events.

    Attributes:
        contacts: First contact with each agent, in order.
        red_light_ns: Stamps at which stop lines were passed while red.
        off_road_ns: Stamps with a corner of the ego off the road.
        num_cycles: Planning cycles.
        num_fallbacks: Cycles with a fallback or without a plan.
        plan_ms: Wall time of each planning rollout_step.
    """

    contacts: list[Collision] = field(default_factory=list)
    red_light_ns: list[int] = field(default_factory=list)
    off_road_ns: list[int] = field(default_factory=list)
    num_cycles: int = 0
    num_fallbacks: int = 0
    plan_ms: list[float] = field(default_factory=list)
    _lights: RedLightWatch = field(default_factory=RedLightWatch)

    def on_step(self, rollout_step: RolloutStep) -> None:
        """Count the events of one step.

        Args:
            rollout_step: Step of the rollout.
        """
        step = rollout_step.step
        self.contacts += step.new_collisions
        if not step.on_road:
            self.off_road_ns.append(step.world.stamp_ns)
        if self._lights.passed(step):
            self.red_light_ns.append(step.world.stamp_ns)
        if rollout_step.outcome is not None:
            self.num_cycles += 1
            self.num_fallbacks += is_fallback(rollout_step)
            self.plan_ms.append(rollout_step.elapsed_ms)

    @property
    def num_at_fault(self) -> int:
        """Number of collisions with the ego at fault."""
        return sum(contact.at_fault for contact in self.contacts)

    @property
    def fallback_share(self) -> float:
        """Share of cycles with a fallback or without a plan, 0..1."""
        return self.num_fallbacks / max(self.num_cycles, 1)


def is_fallback(rollout_step: RolloutStep) -> bool:
    """Return whether the outcome is a fallback or no plan, instead of a plan of the model.

    Args:
        rollout_step: Step of the rollout.
    """
    outcome = rollout_step.outcome
    return isinstance(outcome, NotReady) or (isinstance(outcome, PlanResult) and outcome.fallback_level != 0)
