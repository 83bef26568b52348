"""A recorded closed-loop drive, driven again to any of its steps, from which other futures branch.

Traffic is deterministic: the same poses of the ego give the same traffic. So a drive need not be stored to return to its
middle, only the ego's states.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from types import TracebackType

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import DrivableArea
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState, pose_from_state, state_from_pose
from transdiffuser_planner.simulation.episode_step import EgoObserver, EpisodeStep
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.map.sumo_networks import network_file, read_network
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.traffic.traffic_process import TrafficClient

SAME_M = 0.01
PAST_STEPS = 26
"""Steps of 0.1 s that are kept: the history of a plan, and its ends."""


class RewoundEpisode:
    """Use as a context manager; ``advance`` only moves forward.

    Args:
        scenario: That was driven.
        vehicle: The ego's dimensions and limits.
        states: The ego's state at every step of the drive, the first included.

    Attributes:
        route: The ego's route; set on entry.
        recent: The last steps that the drive has been advanced to, oldest first.
    """

    def __init__(self, scenario: Scenario, vehicle: VehicleModel, states: Sequence[EgoVehicleState]) -> None:
        self.scenario, self.vehicle = scenario, vehicle
        self._states = list(states)
        self._traffic = TrafficClient(scenario, vehicle)
        self.recent: deque[EpisodeStep] = deque(maxlen=PAST_STEPS)

    @property
    def step(self) -> EpisodeStep:
        """The step that the drive has been advanced to."""
        return self.recent[-1]

    def __enter__(self) -> RewoundEpisode:
        """Start traffic.

        Raises:
            SimulationError: The traffic cannot be started, or the drive is of another scenario.
        """
        try:
            started = self._traffic.start()
            world = started.step.world
            first = self._states[0]
            if max(abs(world.ego.x_m - first.x_m), abs(world.ego.y_m - first.y_m)) > SAME_M:
                raise SimulationError(
                    f"scenario {self.scenario.map_name}, seed {self.scenario.seed}: the recorded drive begins elsewhere; "
                    "it is of another version of the simulator: drive again"
                )
            self.route: GlobalRoute = started.route
            area = DrivableArea(read_network(network_file(self.scenario.map_name)))
            self._observer = EgoObserver(self.route, area, self.vehicle, self.scenario.duration_s, world)
            self.recent.append(self._observer.describe(world, state_from_pose(world.ego, self.vehicle)))
        except BaseException:
            self._traffic.close()
            raise
        self._at = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._traffic.close()

    def load_map(self) -> RoadMap:
        """Read the static map around the route.

        Raises:
            SimulationError: The network cannot be read.
        """
        return RoadMap.load(network_file(self.scenario.map_name), self.route.xy_N2)

    def advance(self) -> EpisodeStep:
        """Drive one recorded step of 0.1 s.

        Raises:
            SimulationError: SUMO failed, or the drive has ended.
        """
        if self._at + 1 >= len(self._states):
            raise SimulationError(f"recorded drive: expected a step before {len(self._states)}, got {self._at + 1}")
        self._at += 1
        state = self._states[self._at]
        result = self._traffic.step(pose_from_state(state, self.vehicle))
        self.recent.append(self._observer.describe(result.world, state, "" if result.ego_on_route else "left_route"))
        return self.step

    def branch(self, states: Sequence[EgoVehicleState]) -> list[EpisodeStep]:
        """Simulate another future from the present step on, traffic reacting to it; the drive itself stays where it is.

        Args:
            states: The ego's state after each step of 0.1 s.

        Raises:
            SimulationError: SUMO failed.
        """
        results = self._traffic.branch([pose_from_state(state, self.vehicle) for state in states])
        observer = copy.copy(self._observer)
        return [
            observer.describe(result.world, state, "" if result.ego_on_route else "left_route")
            for result, state in zip(results, states, strict=True)
        ]
