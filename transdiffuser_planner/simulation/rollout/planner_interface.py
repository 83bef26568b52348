"""What drives in closed loop: a planner behind one interface, open to other packages.

Another package registers a factory ``(plan_every: int) -> PlannerInterface`` in the entry-point group
``transdiffuser_planner.planners``; an optional attribute ``title`` of the factory names it in tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from transdiffuser_planner.core.types import EgoState, NotReady, PlanResult, SensorSnapshot, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.episode import EpisodeStep
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.scenario import Scenario


class ObservationLevel(Enum):
    """What a planner observes: the true state of the world, the vehicle's own state and route, or its sensors too."""

    WORLD = "world"
    STATE = "state"
    SENSORS = "sensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerInitialization:
    """What is known before a scenario begins; only planners of level WORLD may use the map and the scenario."""

    scenario: Scenario
    vehicle: VehicleModel
    route: GlobalRoute
    road_map: RoadMap


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerInput:
    """What a plan may be made from.

    Attributes:
        step: True state of the world; for planners of level WORLD.
        ego: State of the vehicle as odometry reports it, in the map frame.
        snapshot: The node's inputs, without sensor frames at level STATE; None at level WORLD.
    """

    step: EpisodeStep
    ego: EgoState
    snapshot: SensorSnapshot | None


Outcome = PlanResult | Trajectory | NotReady


@runtime_checkable
class PlannerInterface(Protocol):
    """Plans for one vehicle. Every scenario begins with ``reset``; nothing from before it may change a plan after it.

    Attributes:
        observation_level: What it observes.
        plan_every: Steps of 0.1 s from plan to plan; the tracker follows the latest plan in between.
    """

    observation_level: ObservationLevel
    plan_every: int

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario.

        Args:
            initialization: The scenario's route and map.
        """

    def plan(self, planner_input: PlannerInput) -> Outcome:
        """Plan once.

        Args:
            planner_input: The present step.

        Returns:
            A trajectory in the map frame that starts at the vehicle now, or the reason for none.
        """


@runtime_checkable
class SupportsFallback(Protocol):
    """A planner that makes the node's fallbacks; others have no plan when the sensors do not suffice."""

    def fall_back(self, snapshot: SensorSnapshot, reason: str, *, must_stop: bool) -> PlanResult:
        """Plan a fallback.

        Args:
            snapshot: The known state, without sensor frames.
            reason: Why the inputs do not suffice.
            must_stop: Whether the last plan must not be continued.
        """


def trajectory_of(outcome: Outcome | None) -> Trajectory | None:
    """The trajectory to drive, if there is one."""
    if isinstance(outcome, PlanResult):
        return outcome.trajectory
    return outcome if isinstance(outcome, Trajectory) else None
