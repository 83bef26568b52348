"""Interface of planners that drive in closed loop, open to other packages.

Another package registers a factory ``(plan_every: int) -> PlannerInterface`` in the entry-point group
``transdiffuser_planner.planners``; an optional attribute ``title`` of the factory names it in tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from transdiffuser_planner.core.types import EgoState, NotReady, PlanResult, SensorSnapshot, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.episode_step import EpisodeStep
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.scenario import Scenario


class ObservationLevel(Enum):
    """Inputs of a planner: the true state of the world, the vehicle's own state and route, or its sensors too."""

    WORLD = "world"
    STATE = "state"
    SENSORS = "sensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerInitialization:
    """Data known before a scenario begins; only planners of level WORLD may use the map and the scenario.

    Attributes:
        scenario: Map, seed and traffic.
        vehicle: The ego's dimensions and limits.
        route: The ego's route, map frame.
        road_map: Static elements around the route.
    """

    scenario: Scenario
    vehicle: VehicleModel
    route: GlobalRoute
    road_map: RoadMap


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerInput:
    """Inputs of one plan.

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
    """Planner for one vehicle. Every scenario begins with ``reset``; earlier scenarios must not affect later plans.

    Attributes:
        observation_level: Inputs that the planner needs.
        plan_every: Steps of 0.1 s between plans; the tracker follows the latest plan in between.
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
            A trajectory in the map frame that starts at the current state, or the reason why there is none.
        """


@runtime_checkable
class SupportsFallback(Protocol):
    """Planner that also makes the node's fallbacks; others have no plan when sensor inputs are missing."""

    def fall_back(self, snapshot: SensorSnapshot, reason: str, *, must_stop: bool) -> PlanResult:
        """Plan a fallback trajectory.

        Args:
            snapshot: The known state, without sensor frames.
            reason: Missing or invalid inputs, for the status.
            must_stop: Whether the fallback must brake instead of continuing the last plan.
        """


def trajectory_of(outcome: Outcome | None) -> Trajectory | None:
    """Return the trajectory to drive, or None without a plan.

    Args:
        outcome: Result of a planner.
    """
    if isinstance(outcome, PlanResult):
        return outcome.trajectory
    return outcome if isinstance(outcome, Trajectory) else None
