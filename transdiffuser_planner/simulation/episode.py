"""Episodes of a scenario: driven by the expert, or in closed loop by commands.

LoggedEpisode runs SUMO's driver for the whole duration and returns the smoothed track, plain or perturbed.
ClosedLoopEpisode moves the ego by commands: vehicle model, then SUMO, then the new world with its collisions.
"""

from __future__ import annotations

import dataclasses
from types import TracebackType

import numpy as np

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import DrivableArea
from transdiffuser_planner.simulation.ego.expert import STEP_S, ExpertPath, ExpertTrack, smooth_expert
from transdiffuser_planner.simulation.ego.kinematic_bicycle import pose_from_state, state_from_pose
from transdiffuser_planner.simulation.ego.perturbation import perturbed_track
from transdiffuser_planner.simulation.episode_step import EgoObserver, EpisodeStep, drive_step
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.map.sumo_networks import network_file, read_network
from transdiffuser_planner.simulation.scenario import Scenario, random_generator
from transdiffuser_planner.simulation.traffic.traffic_process import TrafficClient
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

SETTLE_SAMPLES = 20
MIN_LOG_S = 10.0


class LoggedEpisode:
    """The expert's trajectory through a scenario.

    Args:
        scenario: To drive.
        vehicle: Driven by the expert.

    Raises:
        SimulationError: Unknown map, SUMO failed, or the drive is too short.

    Attributes:
        scenario: As given.
        route: The ego's route.
        raw_worlds: 10 Hz states as SUMO drove the ego.
        path: The smoothed path and timing.
    """

    def __init__(self, scenario: Scenario, vehicle: VehicleModel) -> None:
        self.scenario, self._vehicle = scenario, vehicle
        with TrafficClient(scenario, vehicle) as traffic:
            start = traffic.start()
            self.route: GlobalRoute = start.route
            steps = [start.step]
            while len(steps) <= round(scenario.duration_s / STEP_S) + SETTLE_SAMPLES:
                step = traffic.step(None)
                if step.route_finished:
                    break
                steps.append(step)
        if len(steps) < MIN_LOG_S / STEP_S + SETTLE_SAMPLES:
            raise SimulationError(
                f"scenario {scenario.map_name}, seed {scenario.seed}: the ego reached the end of its route after "
                f"{len(steps) * STEP_S:.1f} s; use a larger network or another seed"
            )
        worlds = [step.world for step in steps]
        front = np.concatenate([start.front_trace_N2[:-1], [_front_bumper(w.ego, vehicle) for w in worlds]])
        self.path: ExpertPath = smooth_expert(front, len(start.front_trace_N2) - 1, SETTLE_SAMPLES, vehicle)
        self.raw_worlds: list[WorldState] = worlds[:-SETTLE_SAMPLES]
        self._area = DrivableArea(read_network(network_file(scenario.map_name)))

    def expert_track(self) -> ExpertTrack:
        """Return the smoothed track without perturbations."""
        return self.path.track()

    def perturbed_track(self, variant: int = 0) -> ExpertTrack:
        """Return the smoothed track with jumps and recoveries, drawn per variant number.

        Args:
            variant: Number of the perturbation.
        """
        random = random_generator(self.scenario, f"perturbation {variant}")
        vehicle, area = self._vehicle, self._area
        return perturbed_track(self.path, self.raw_worlds, random, lambda ego: area.ego_on_road(ego, vehicle), vehicle)

    def worlds(self, track: ExpertTrack) -> list[WorldState]:
        """Return the logged states with the ego moved to a track's poses.

        Args:
            track: Poses at the stamps of the log.
        """
        return [dataclasses.replace(w, ego=ego) for w, ego in zip(self.raw_worlds, track.poses, strict=True)]

    def progress_m(self) -> float:
        """Return the distance driven by the expert, m."""
        return float(self.path.s_m_K[-1] - self.path.s_m_K[0])


class ClosedLoopEpisode:
    """Scenario driven by commands. Use as a context manager, or call close().

    Args:
        scenario: To drive.
        vehicle: The ego's dimensions and limits.

    Attributes:
        scenario: As given.
        vehicle: As given.
        past: Odometry before the begin; none.
        route: The ego's route; set by start().
        area: Drivable area; set by start().
    """

    past: tuple[EgoState, ...] = ()

    def __init__(self, scenario: Scenario, vehicle: VehicleModel) -> None:
        self.scenario, self.vehicle = scenario, vehicle
        self._traffic = TrafficClient(scenario, vehicle)

    def start(self) -> EpisodeStep:
        """Start traffic with the ego moving in it.

        Raises:
            SimulationError: As TrafficClient.start raises it.
        """
        started = self._traffic.start()
        self.route: GlobalRoute = started.route
        self.area = DrivableArea(read_network(network_file(self.scenario.map_name)))
        ego = started.step.world.ego
        self._state = state_from_pose(ego, self.vehicle)
        world = started.step.world
        self._observer = EgoObserver(self.route, self.area, self.vehicle, self.scenario.duration_s, world)
        return self._observer.describe(world, self._state)

    def load_map(self) -> RoadMap:
        """Read the static map around the route.

        Raises:
            SimulationError: The network cannot be read.
        """
        return RoadMap.load(network_file(self.scenario.map_name), self.route.xy_N2)

    def step(self, acceleration_mps2: float, steering_rad: float) -> EpisodeStep:
        """Advance 0.1 s with constant commands.

        Args:
            acceleration_mps2: Along the heading.
            steering_rad: Road-wheel angle, positive to the left.

        Raises:
            SimulationError: SUMO failed.
        """
        self._state = drive_step(self._state, acceleration_mps2, steering_rad, self.vehicle)
        result = self._traffic.step(pose_from_state(self._state, self.vehicle))
        reason = "" if result.ego_on_route else "left_route"
        return self._observer.describe(result.world, self._state, reason)

    def close(self) -> None:
        """End the traffic process."""
        self._traffic.close()

    def __enter__(self) -> ClosedLoopEpisode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _front_bumper(ego: EgoPose, vehicle: VehicleModel) -> list[float]:
    return [
        ego.x_m + vehicle.front_offset_m * float(np.cos(ego.heading_rad)),
        ego.y_m + vehicle.front_offset_m * float(np.sin(ego.heading_rad)),
    ]
