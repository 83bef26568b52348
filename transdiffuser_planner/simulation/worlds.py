"""Worlds that planners drive in closed loop: SUMO traffic, or a window of a recorded drive. All behind one interface."""

from __future__ import annotations

from typing import Protocol

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode
from transdiffuser_planner.simulation.episode_step import EpisodeStep
from transdiffuser_planner.simulation.log_world.log_episode import LogEpisode
from transdiffuser_planner.simulation.log_world.log_scenario import LogScenario
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.scenario import Scenario


class World(Protocol):
    """A scenario whose ego moves by commands. The order of calls is start, then load_map and step, at last close.

    Attributes:
        past: Odometry before the begin, oldest first, with negative stamps.
        route: The ego's route; set by start().
    """

    past: tuple[EgoState, ...]
    route: GlobalRoute

    @property
    def scenario(self) -> Scenario:
        """The scenario as given."""

    def start(self) -> EpisodeStep:
        """Begin with the ego moving.

        Raises:
            PlannerError: The scenario cannot be driven.
        """

    def load_map(self) -> RoadMap:
        """Read the static map around the route.

        Raises:
            PlannerError: It cannot be read.
        """

    def step(self, acceleration_mps2: float, steering_rad: float) -> EpisodeStep:
        """Advance 0.1 s with constant commands.

        Args:
            acceleration_mps2: Along the heading.
            steering_rad: Road-wheel angle, positive to the left.
        """

    def close(self) -> None:
        """End other processes of the world."""


def open_world(scenario: Scenario, vehicle: VehicleModel) -> World:
    """Return the world of a scenario, not yet started.

    Args:
        scenario: To drive.
        vehicle: The ego's dimensions and limits.

    Raises:
        PlannerError: A log cannot be read.
    """
    return LogEpisode(scenario, vehicle) if isinstance(scenario, LogScenario) else ClosedLoopEpisode(scenario, vehicle)


def rig_of(scenario: Scenario, default: Rig) -> Rig:
    """Return the rig that a scenario is driven with: a log may have its own.

    Args:
        scenario: To drive.
        default: Of scenarios without one.
    """
    return scenario.rig if isinstance(scenario, LogScenario) else default
