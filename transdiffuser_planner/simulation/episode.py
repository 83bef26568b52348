"""Episodes of a scenario: driven by the expert, or in closed loop by commands.

LoggedEpisode runs SUMO's driver for the whole duration and returns the smoothed track, plain or perturbed.
ClosedLoopEpisode moves the ego by commands: vehicle model, then SUMO, then the new world with its collisions.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.types import DrivingCommand, TrafficSignal
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import Collision, DrivableArea, find_collisions, overlapping_agents
from transdiffuser_planner.simulation.ego.expert import STEP_S, ExpertPath, ExpertTrack, smooth_expert
from transdiffuser_planner.simulation.ego.kinematic_bicycle import (
    EgoVehicleState,
    pose_from_state,
    state_from_pose,
    step_vehicle,
)
from transdiffuser_planner.simulation.ego.perturbation import perturbed_track
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.map.sumo_networks import network_file, read_network
from transdiffuser_planner.simulation.scenario import Scenario, random_generator
from transdiffuser_planner.simulation.traffic.traffic_process import TrafficClient
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

SETTLE_SAMPLES = 20
SUBSTEP_S = 0.02
MIN_LOG_S = 10.0
END_OF_ROUTE_M = 40.0
# The ego has left the route beyond this distance.
OFF_ROUTE_M = 10.0


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

    def overlap_stamps_ns(self, track: ExpertTrack) -> list[int]:
        """Return the stamps at which the ego of a track overlaps an agent; such episodes must not be trained on.

        Args:
            track: Poses at the stamps of the log.
        """
        worlds = self.worlds(track)
        return [w.stamp_ns for w in worlds if overlapping_agents(w.ego, w.agents, self._vehicle).any()]

    def progress_m(self) -> float:
        """Return the distance driven by the expert, m."""
        return float(self.path.s_m_K[-1] - self.path.s_m_K[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeStep:
    """One step of a closed-loop episode.

    Attributes:
        world: True state after the step.
        vehicle: The ego's dynamic state, steering included.
        route_s_m: Arc length of base_link on the route.
        route_offset_m: Lateral offset of base_link from the route, positive left.
        progress_m: Farthest arc length reached since the start.
        command: Driving command of the route.
        speed_limit_mps: Legal limit.
        signal: Next signal on the route within 100 m.
        new_collisions: First contacts during this step.
        on_road: Whether all corners of the ego are on the road.
        end_reason: Empty while the episode continues; else "duration", "route_end", "left_route".
    """

    world: WorldState
    vehicle: EgoVehicleState
    route_s_m: float
    route_offset_m: float
    progress_m: float
    command: DrivingCommand
    speed_limit_mps: float
    signal: TrafficSignal | None
    new_collisions: tuple[Collision, ...] = ()
    on_road: bool = True
    end_reason: str = ""


class ClosedLoopEpisode:
    """Scenario driven by commands. Use as a context manager, or call close().

    Args:
        scenario: To drive.
        vehicle: The ego's dimensions and limits.

    Attributes:
        scenario: As given.
        vehicle: As given.
        route: The ego's route; set by start().
        area: Drivable area; set by start().
    """

    def __init__(self, scenario: Scenario, vehicle: VehicleModel) -> None:
        self.scenario, self.vehicle = scenario, vehicle
        self._traffic = TrafficClient(scenario, vehicle)
        self._collided_ids: frozenset[int] = frozenset()

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
        self._s_m, _ = self.route.project(ego.x_m, ego.y_m, ego.heading_rad)
        self._start_s_m = self._farthest_m = self._s_m
        return self._describe(started.step.world, end_reason="")

    def step(self, acceleration_mps2: float, steering_rad: float) -> EpisodeStep:
        """Advance 0.1 s with constant commands.

        Args:
            acceleration_mps2: Along the heading.
            steering_rad: Road-wheel angle, positive to the left.

        Raises:
            SimulationError: SUMO failed.
        """
        commands = {"acceleration_cmd_mps2": acceleration_mps2, "steering_cmd_rad": steering_rad}
        for _ in range(round(STEP_S / SUBSTEP_S)):
            self._state = step_vehicle(self._state, **commands, dt_s=SUBSTEP_S, model=self.vehicle)
        result = self._traffic.step(pose_from_state(self._state, self.vehicle))
        reason = "" if result.ego_on_route else "left_route"
        return self._describe(result.world, end_reason=reason)

    def close(self) -> None:
        """End the traffic process."""
        self._traffic.close()

    def __enter__(self) -> ClosedLoopEpisode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _describe(self, world: WorldState, end_reason: str) -> EpisodeStep:
        """Derive the step from world, route and road."""
        ego, vehicle = world.ego, self.vehicle
        self._s_m, offset = self.route.project(ego.x_m, ego.y_m, ego.heading_rad, self._s_m)
        self._farthest_m = max(self._farthest_m, self._s_m)
        spare = 0.5 * (self.route.lane_width(self._s_m) - vehicle.width_m)
        collisions = find_collisions(
            ego,
            world.agents,
            world.stamp_ns,
            ego_in_own_lane=abs(offset) <= spare,
            vehicle=vehicle,
            ignore_ids=self._collided_ids,
        )
        self._collided_ids |= {c.agent_id for c in collisions}
        return EpisodeStep(
            world=world,
            vehicle=self._state,
            route_s_m=self._s_m,
            route_offset_m=offset,
            progress_m=self._farthest_m - self._start_s_m,
            command=self.route.command(self._s_m),
            speed_limit_mps=self.route.speed_limit(self._s_m),
            signal=self.route.next_signal(self._s_m + vehicle.front_offset_m, world.signals, world.stamp_ns),
            new_collisions=tuple(collisions),
            on_road=self.area.ego_on_road(ego, vehicle),
            end_reason=end_reason or self._end_reason(world, offset),
        )

    def _end_reason(self, world: WorldState, offset_m: float) -> str:
        if abs(offset_m) > OFF_ROUTE_M:
            return "left_route"
        if self.route.length_m - self._s_m < END_OF_ROUTE_M:
            return "route_end"
        return "duration" if world.stamp_ns >= round(self.scenario.duration_s * 1e9) else ""


def _front_bumper(ego: EgoPose, vehicle: VehicleModel) -> list[float]:
    return [
        ego.x_m + vehicle.front_offset_m * float(np.cos(ego.heading_rad)),
        ego.y_m + vehicle.front_offset_m * float(np.sin(ego.heading_rad)),
    ]
