"""Intelligent driver model on the route's center line: keeps distance to agents on the route, stops at red lights.

Intelligent driver model (Treiber, 2000), speed v, desired speed v0, gap s to the leader, which is slower by dv:

    dv/dt = a [1 - (v / v0)^4 - (s* / s)^2],   s* = s0 + v T + v dv / (2 sqrt(a b))

Its input is the true position and speed of all agents; agents off the route's lane are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.geometry import box_corners, project_onto_polyline
from transdiffuser_planner.core.types import SignalState, TrafficSignal, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planners.trajectory_builder import trajectory
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)
from transdiffuser_planner.simulation.rollout.rollout import STEP_S

FloatArray = NDArray[np.float64]

MAX_ACCELERATION_MPS2, COMFORTABLE_BRAKING_MPS2, HARDEST_BRAKING_MPS2 = 1.5, 2.0, 6.0
MIN_GAP_M, HEADWAY_S, EXPONENT = 2.0, 1.2, 4.0
CURVE_LATERAL_MPS2, CURVE_YAW_RATE_RADPS, CURVE_BRAKING_MPS2 = 2.0, 0.8, 1.0
CORRIDOR_MARGIN_M = 0.3
LOOK_AHEAD_M = 90.0
AMBER_BRAKING_MPS2 = 3.0
NUM_STEPS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaders:
    """Agents and stop lines ahead on the route; L leaders.

    Attributes:
        rear_m_L: Arc length of the rear along the route.
        speed_L: Speed along the route, m/s.
    """

    rear_m_L: FloatArray
    speed_L: FloatArray


def agents_on_route(route: GlobalRoute, front_m: float, agents: AgentStates, vehicle: VehicleModel) -> Leaders:
    """Return agents whose box reaches into the vehicle's corridor along the route ahead.

    Args:
        route: Of the ego, map frame.
        front_m: Arc length of the front bumper.
        agents: In the map frame.
        vehicle: The corridor is 0.3 m wider than it on either side.
    """
    half_m = vehicle.width_m / 2.0 + CORRIDOR_MARGIN_M
    near = (route.s_N > front_m - 10.0) & (route.s_N < front_m + LOOK_AHEAD_M)
    line_K2 = route.xy_N2[near]
    if len(line_K2) < 2 or not len(agents):
        return Leaders(rear_m_L=np.zeros(0), speed_L=np.zeros(0))
    start_m = float(route.s_N[near][0])
    corner_N42 = box_corners(agents.x_m_N, agents.y_m_N, agents.heading_rad_N, agents.length_m_N, agents.width_m_N)
    s_X, offset_X = project_onto_polyline(line_K2, corner_N42.reshape(-1, 2))
    s_N4, offset_N4 = start_m + s_X.reshape(-1, 4), offset_X.reshape(-1, 4)
    is_in = (offset_N4.min(axis=1) < half_m) & (offset_N4.max(axis=1) > -half_m)
    # Beyond either end of the stretch everything projects onto the end itself.
    is_ahead = (s_N4.max(axis=1) > front_m) & (
        s_N4.min(axis=1) < start_m + np.hypot(*np.diff(line_K2, axis=0).T).sum() - 0.1
    )
    chosen = is_in & is_ahead
    heading_L = np.interp(s_N4[chosen].mean(axis=1), route.s_N, _headings(route))
    along_L = agents.speed_mps_N[chosen] * np.cos(agents.heading_rad_N[chosen] - heading_L)
    return Leaders(rear_m_L=s_N4[chosen].min(axis=1), speed_L=along_L)


def _headings(route: GlobalRoute) -> FloatArray:
    return np.asarray(np.unwrap(np.arctan2(*np.gradient(route.xy_N2, axis=0).T[::-1])))


def must_stop(signal: TrafficSignal | None, speed_mps: float) -> bool:
    """Return whether the next light is red, or amber with enough distance to stop.

    Args:
        signal: Next signal on the route, or None.
        speed_mps: Speed of the ego.
    """
    if signal is None:
        return False
    if signal.state is SignalState.RED:
        return signal.distance_m > 0.0
    room_m = speed_mps**2 / (2.0 * AMBER_BRAKING_MPS2)
    return signal.state is SignalState.AMBER and signal.distance_m > room_m


def acceleration(speed_mps: float, desired_mps: float, gap_m_L: FloatArray, leader_mps_L: FloatArray) -> float:
    """Acceleration of the model for the most restrictive leader, m/s².

    Args:
        speed_mps: Of the ego.
        desired_mps: On a free road.
        gap_m_L: Bumper to bumper.
        leader_mps_L: Speed of each leader along the route.
    """
    root = 2.0 * np.sqrt(MAX_ACCELERATION_MPS2 * COMFORTABLE_BRAKING_MPS2)
    desired_L = MIN_GAP_M + np.maximum(speed_mps * HEADWAY_S + speed_mps * (speed_mps - leader_mps_L) / root, 0.0)
    nearness = float(((desired_L / np.maximum(gap_m_L, 0.1)) ** 2).max(initial=0.0))
    free = 1.0 - (speed_mps / max(desired_mps, 0.1)) ** EXPONENT
    return float(np.clip(MAX_ACCELERATION_MPS2 * (free - nearness), -HARDEST_BRAKING_MPS2, MAX_ACCELERATION_MPS2))


class IdmPlanner:
    """Follows the route's lane.

    Args:
        plan_every: Steps of 0.1 s between plans.
    """

    observation_level = ObservationLevel.WORLD

    def __init__(self, plan_every: int = 1) -> None:
        self.plan_every = plan_every

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario: compute headings and desired speed along the route.

        Args:
            initialization: Scenario, vehicle, route and map.
        """
        route = self._route = initialization.route
        self._vehicle = initialization.vehicle
        self._heading_N = _headings(route)
        cap_N = route.speed_cap_mps_N(CURVE_LATERAL_MPS2, CURVE_YAW_RATE_RADPS, CURVE_BRAKING_MPS2)
        self._desired_N = np.minimum(cap_N, route.speed_limit_mps_N)

    def plan(self, planner_input: PlannerInput) -> Trajectory:
        """Integrate the model for 4 s with leaders at constant speed.

        Args:
            planner_input: State of the world and inputs of the current step.
        """
        step, route, vehicle = planner_input.step, self._route, self._vehicle
        front_m = step.route_s_m + vehicle.front_offset_m
        leaders = agents_on_route(route, front_m, step.world.agents, vehicle)
        rear_L, speed_L = leaders.rear_m_L, np.maximum(leaders.speed_L, 0.0)
        speed = planner_input.ego.vx_mps
        if must_stop(step.signal, speed):
            assert step.signal is not None
            # The standstill gap to a leader ends at the stop line.
            rear_L = np.append(rear_L, front_m + step.signal.distance_m + MIN_GAP_M - 0.5)
            speed_L = np.append(speed_L, 0.0)
        s, traveled, speeds = step.route_s_m, [step.route_s_m], [speed]
        for index in range(NUM_STEPS):
            gap_L = rear_L + speed_L * STEP_S * index - (s + vehicle.front_offset_m)
            desired = float(np.interp(s, route.s_N, self._desired_N))
            change = acceleration(speed, desired, gap_L, speed_L)
            after = max(speed + change * STEP_S, 0.0)
            s += 0.5 * (speed + after) * STEP_S
            speed = after
            traveled.append(s)
            speeds.append(speed)
        pose_T3 = np.stack(
            [np.interp(traveled, route.s_N, column) for column in (*route.xy_N2.T, self._heading_N)], axis=-1
        )
        time_s_T = np.asarray(STEP_S * np.arange(NUM_STEPS + 1), dtype=np.float64)
        return trajectory(planner_input.ego, time_s_T, pose_T3, np.asarray(speeds))
