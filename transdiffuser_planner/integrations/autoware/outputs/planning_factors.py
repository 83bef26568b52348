"""Why the vehicle stops or slows down, from a published plan: planning factors as values.

A plan stops from the first point at or below 0.3 m/s on that no faster point follows; it slows down where it brakes with more
than 0.5 m/s2. The cause is the nearest of: fallback, traffic light, agent ahead, goal, turn, lower speed limit. T points.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline
from transdiffuser_planner.core.types import FallbackLevel, PlanResult, SignalState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.autoware.route_inputs import Place, limit_at

FloatArray = NDArray[np.float64]

STOP_SPEED_MPS = 0.3
SLOW_DECEL_MPS2 = 0.5
_STOP_GAP_M, _FOLLOW_S = 8.0, 3.0
_BESIDE_M = 0.5
_SIGNAL_GAP_M, _GOAL_GAP_M, _TURN_AHEAD_M = 5.0, 5.0, 15.0


class Behavior(IntEnum):
    """Values of autoware_internal_planning_msgs/PlanningFactor."""

    UNKNOWN = 0
    NONE = 1
    SLOW_DOWN = 2
    STOP = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """One planning factor.

    Attributes:
        behavior: Stop or slow down.
        detail: The cause, human-readable.
        points: Indices of the trajectory's points at which it begins and ends.
        agent: Index of the agent that causes it; -1 for another cause.
        is_safe: False when a safety check was the cause.
    """

    behavior: Behavior
    detail: str
    points: tuple[int, ...]
    agent: int = -1
    is_safe: bool = True


def planning_factors(result: PlanResult, place: Place | None, vehicle: VehicleModel) -> list[Factor]:
    """Find the factors of a plan.

    Args:
        result: The published plan.
        place: The vehicle on its route, if any.
        vehicle: Its dimensions.
    """
    plan = result.trajectory
    s_T = arc_length(np.stack([plan.x_m_T, plan.y_m_T], axis=-1))
    stop = stop_index(plan.speed_mps_T)
    slow = slow_indices(plan.accel_mps2_T, plan.speed_mps_T)
    if stop is not None:
        detail, agent = _cause(result, place, vehicle, float(s_T[stop]), is_stop=True)
        is_safe = result.fallback_level in (FallbackLevel.NONE, FallbackLevel.LAST_PLAN)
        return [Factor(behavior=Behavior.STOP, detail=detail, points=(stop,), agent=agent, is_safe=is_safe)]
    if slow is not None:
        detail, agent = _cause(result, place, vehicle, float(s_T[slow[1]]), is_stop=False)
        return [Factor(behavior=Behavior.SLOW_DOWN, detail=detail, points=slow, agent=agent)]
    return []


def stop_index(speed_mps_T: FloatArray) -> int | None:
    """Index of the point from which on a plan stands; None if it does not.

    Args:
        speed_mps_T: Speeds of the plan.
    """
    moving = np.flatnonzero(speed_mps_T > STOP_SPEED_MPS)
    first = int(moving[-1]) + 1 if len(moving) else 0
    return first if first < len(speed_mps_T) else None


def slow_indices(accel_mps2_T: FloatArray, speed_mps_T: FloatArray) -> tuple[int, int] | None:
    """First and last point at which a plan brakes for the first time; None if it loses no speed.

    Args:
        accel_mps2_T: Accelerations of the plan.
        speed_mps_T: Its speeds.
    """
    braking = accel_mps2_T < -SLOW_DECEL_MPS2
    if not braking.any():
        return None
    first = int(np.argmax(braking))
    rest = np.flatnonzero(~braking[first:])
    last = first + int(rest[0]) if len(rest) else len(braking) - 1
    return (first, last) if speed_mps_T[last] < speed_mps_T[first] else None


def _cause(
    result: PlanResult, place: Place | None, vehicle: VehicleModel, travel_m: float, *, is_stop: bool
) -> tuple[str, int]:
    """Cause of a stop or of braking that ends ``travel_m`` ahead, and the agent's index or -1."""
    if result.fallback_level != FallbackLevel.NONE:
        return result.reason, -1
    signal = None if place is None else place.signal
    if signal is not None and place is not None and place.stop is not None:
        is_closed = signal.state in (SignalState.RED, SignalState.AMBER)
        if is_closed and (not is_stop or signal.distance_m <= travel_m + _SIGNAL_GAP_M):
            return f"traffic light {place.stop.rule_id} is {signal.state.name.lower()}", -1
    agent = agent_ahead(result, vehicle, travel_m, is_stop=is_stop)
    if agent >= 0:
        name = AgentClass(int(result.agents.class_A[agent])).name.lower()
        return f"{name} {int(result.agents.id_A[agent])} ahead", agent
    return _map_cause(place, travel_m, is_stop=is_stop), -1


def _map_cause(place: Place | None, travel_m: float, *, is_stop: bool) -> str:
    """Cause on the map, or that there is none known."""
    if place is not None:
        until_m = place.s_m + travel_m
        if place.line.length_m - until_m <= _GOAL_GAP_M:
            return "goal of the route"
        turns = [item for item in place.line.stretches if item.turn_direction in ("left", "right")]
        turn = next((t for t in turns if place.s_m < t.end_m and t.begin_m <= until_m + _TURN_AHEAD_M), None)
        if not is_stop and turn is not None:
            return f"turn {turn.turn_direction} on lanelet {turn.lanelet_id}"
        now, then = limit_at(place.line, place.s_m), limit_at(place.line, until_m + _TURN_AHEAD_M)
        if not is_stop and now is not None and then is not None and then < now:
            return f"speed limit {then:.1f} m/s"
    return "the model's choice"


def agent_ahead(result: PlanResult, vehicle: VehicleModel, travel_m: float, *, is_stop: bool) -> int:
    """Index of the nearest agent in the way of a plan; -1 without one.

    Args:
        result: The plan and its agents.
        vehicle: Its dimensions.
        travel_m: Way to the end of braking.
        is_stop: Whether the vehicle then stands; otherwise agents within 3 s count.
    """
    plan, agents = result.trajectory, result.agents
    if not len(agents.id_A):
        return -1
    last = np.asarray([np.cos(plan.heading_rad_T[-1]), np.sin(plan.heading_rad_T[-1])])
    path_P2 = np.stack([plan.x_m_T, plan.y_m_T], axis=-1)
    keep = np.concatenate([[True], np.hypot(*np.diff(path_P2, axis=0).T) > 1e-3])
    reach_m = _STOP_GAP_M if is_stop else _STOP_GAP_M + _FOLLOW_S * float(plan.speed_mps_T[-1])
    path_P2 = np.concatenate([path_P2[keep], [path_P2[-1] + (reach_m + vehicle.length_m) * last]])
    s_A, aside_A = project_onto_polyline(path_P2, agents.pose_A3[:, :2])
    gap_A = s_A - agents.length_m_A / 2.0 - vehicle.front_offset_m - travel_m
    beside_A = np.abs(aside_A) < (agents.width_m_A + vehicle.width_m) / 2.0 + _BESIDE_M
    in_way_A = beside_A & (gap_A <= reach_m) & (s_A > vehicle.front_offset_m)
    return int(np.argmin(np.where(in_way_A, gap_A, np.inf))) if in_way_A.any() else -1
