"""One step of a world in closed loop, and the ego's place in it: route, road, collisions, end of the episode.

All worlds describe their steps by this code, so that metrics mean the same in each.
"""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.core.types import DrivingCommand, TrafficSignal
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import Collision, RoadArea, find_collisions
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState, step_vehicle
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.world_state import WorldState

STEP_S = 0.1
SUBSTEP_S = 0.02
END_OF_ROUTE_M = 40.0
# The ego has left the route beyond this distance.
OFF_ROUTE_M = 10.0


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


def drive_step(
    state: EgoVehicleState, acceleration_mps2: float, steering_rad: float, vehicle: VehicleModel
) -> EgoVehicleState:
    """Return the ego's state after 0.1 s with constant commands.

    Args:
        state: Present state, map frame.
        acceleration_mps2: Along the heading.
        steering_rad: Road-wheel angle, positive to the left.
        vehicle: The ego's dimensions and limits.
    """
    for _ in range(round(STEP_S / SUBSTEP_S)):
        state = step_vehicle(
            state,
            acceleration_cmd_mps2=acceleration_mps2,
            steering_cmd_rad=steering_rad,
            dt_s=SUBSTEP_S,
            model=vehicle,
        )
    return state


class EgoObserver:
    """Describes the ego in its world, step by step: place on the route, progress, new collisions, reason of the end.

    Args:
        route: The ego's route, map frame.
        area: The road.
        vehicle: The ego's dimensions.
        duration_s: Length of the episode.
        start: The world at its begin.
    """

    def __init__(
        self, route: GlobalRoute, area: RoadArea, vehicle: VehicleModel, duration_s: float, start: WorldState
    ) -> None:
        self._route, self._area, self._vehicle = route, area, vehicle
        self._duration_ns = round(duration_s * 1e9)
        self._collided_ids: frozenset[int] = frozenset()
        ego = start.ego
        self._s_m, _ = route.project(ego.x_m, ego.y_m, ego.heading_rad)
        self._start_s_m = self._farthest_m = self._s_m

    def describe(self, world: WorldState, state: EgoVehicleState, end_reason: str = "") -> EpisodeStep:
        """Derive the step from world, route and road.

        Args:
            world: True state after the step.
            state: The ego's dynamic state.
            end_reason: Reason for which the world itself ends the episode, or "".
        """
        ego, vehicle, route = world.ego, self._vehicle, self._route
        self._s_m, offset = route.project(ego.x_m, ego.y_m, ego.heading_rad, self._s_m)
        self._farthest_m = max(self._farthest_m, self._s_m)
        spare = 0.5 * (route.lane_width(self._s_m) - vehicle.width_m)
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
            vehicle=state,
            route_s_m=self._s_m,
            route_offset_m=offset,
            progress_m=self._farthest_m - self._start_s_m,
            command=route.command(self._s_m),
            speed_limit_mps=route.speed_limit(self._s_m),
            signal=route.next_signal(self._s_m + vehicle.front_offset_m, world.signals, world.stamp_ns),
            new_collisions=tuple(collisions),
            on_road=self._area.ego_on_road(ego, vehicle),
            end_reason=end_reason or self._end_reason(world, offset),
        )

    def _end_reason(self, world: WorldState, offset_m: float) -> str:
        if abs(offset_m) > OFF_ROUTE_M:
            return "left_route"
        if self._route.length_m - self._s_m < END_OF_ROUTE_M:
            return "route_end"
        return "duration" if world.stamp_ns >= self._duration_ns else ""
