"""Cost terms of candidate plans, one function each: what the planner itself perceives, or what a scorer predicts.

Every term has one value for each of M plans, unweighted; lower is better. The configuration's ``weight_NAME`` weights the
term NAME. No knowledge of the future is used. F fine time steps, R route points, S token steps, Q sub-scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES, BevClass, ModelContract
from transdiffuser_planner.core.geometry import box_corners, project_onto_polyline
from transdiffuser_planner.core.types import SignalState, TrafficSignal
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]
RoutePosition = tuple[FloatArray, FloatArray]
"""Arc length along the route and signed lateral distance from it (m), each (M, every fifth of F)."""

_NEAR_M = 0.5
_LATERAL_FREE_M = 0.3
_NEIGHBOR_SHARE = 0.2
_OFF_ROUTE_M, _ROUTE_DOUBT = 1.0, 0.2
_ROUTE_SLACK_M, _ROUTE_SLACK = 5.0, 1.5
_COLLISION_DECAY_S = 2.0
_MIN_STEP_M, _MIN_PATH_M, _STRAIGHT_ON_M = 0.02, 2.0, 60.0
_DRIVABLE = (BevClass.ROAD, BevClass.CENTER_LINE, BevClass.VEHICLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionInputs:
    """Inputs of the cost terms other than the plans; None where absent.

    Attributes:
        vehicle: The footprint that must stay on the road.
        obstacle_clearance_MF, agent_clearance_MF: Meters, <= 0 is a hit.
        bev_probability_KLL: Bird's-eye semantics in base_link.
        route_R2: Route ahead in base_link, at least two points.
        signal: The route's next signal.
        previous_F3: The previously published plan in the present base_link, at the plans' times.
        action_token_path_S3: Path of the action tokens: poses in base_link at the first S plan steps.
        subscore_MQ: The scorer's predictions, in the order of ``SCORE_NAMES``.
    """

    vehicle: VehicleModel
    obstacle_clearance_MF: FloatArray
    agent_clearance_MF: FloatArray
    bev_probability_KLL: NDArray[np.float32] | None
    route_R2: FloatArray | None
    signal: TrafficSignal | None
    previous_F3: FloatArray | None
    action_token_path_S3: FloatArray | None = None
    subscore_MQ: FloatArray | None = None


def rule_terms(
    plans: SmoothPlans, feasible_M: NDArray[np.bool_], inputs: SelectionInputs, contract: ModelContract
) -> dict[str, FloatArray]:
    """Compute the terms of the rules.

    Args:
        plans: M candidates in base_link.
        feasible_M: Candidates that the safety checks accept.
        inputs: Perception, route and previous plan.
        contract: Bird's-eye grid and plan times.

    Returns:
        Term name -> (M,). Action tokens add the term "tokens" and set route and progress to 0.
    """
    on_route = None if inputs.route_R2 is None else position_on_route(plans, inputs.route_R2)
    terms = {
        "collision": collision_term(plans, inputs),
        "off_road": off_road_term(plans, inputs, on_route, contract),
        "route": route_term(plans, on_route),
        "signal": signal_term(plans, inputs.signal),
        "consensus": consensus_term(plans, feasible_M),
        "comfort": comfort_term(plans),
        "progress": progress_term(plans, on_route),
    }
    if inputs.action_token_path_S3 is not None:
        zero_M = np.zeros(len(feasible_M))
        tokens_M = token_term(plans, inputs.action_token_path_S3, contract)
        terms |= {"tokens": tokens_M, "route": zero_M, "progress": zero_M}
    terms["consistency"] = consistency_term(plans, inputs.previous_F3)
    return terms


def score_terms(subscore_MQ: FloatArray) -> dict[str, FloatArray]:
    """Predicted loss of PDMS as a whole ("score") and of each of the Q sub-scores."""
    lost = {name: 1.0 - subscore_MQ[:, q] for q, name in enumerate(SCORE_NAMES)}
    return {"score": 1.0 - pdm_score(subscore_MQ), **lost}


def position_on_route(plans: SmoothPlans, route_R2: FloatArray) -> RoutePosition:
    """Project every fifth pose onto a route (R, 2) in base_link, not much farther along it than the plan has come.

    A lap shorter than the route ahead comes by twice.
    """
    pose, xy = plans.pose_MF3[:, 4::5], plans.pose_MF3[..., :2]
    step_MF = np.hypot(*np.diff(xy, axis=1, prepend=0.0).transpose(2, 0, 1))
    until_s = _ROUTE_SLACK_M + _ROUTE_SLACK * np.cumsum(step_MF, axis=1)[:, 4::5]
    s, lateral = project_onto_polyline(route_R2, pose[..., :2].reshape(-1, 2), until_s.reshape(-1))
    return s.reshape(pose.shape[:2]), lateral.reshape(pose.shape[:2])


def collision_term(plans: SmoothPlans, inputs: SelectionInputs) -> FloatArray:
    """Worst hit or near miss, sooner is worse; contact at standstill does not count as a collision of the ego's."""
    clearance = np.minimum(inputs.obstacle_clearance_MF, inputs.agent_clearance_MF)
    closeness = np.clip((_NEAR_M - clearance) / _NEAR_M, 0.0, 1.0) ** 2
    weight = np.exp(-plans.time_s_F / _COLLISION_DECAY_S) * np.clip(plans.speed_MF / 2.0, 0.0, 1.0)
    return np.asarray((closeness * weight).max(axis=1))


def off_road_term(
    plans: SmoothPlans, inputs: SelectionInputs, on_route: RoutePosition | None, contract: ModelContract
) -> FloatArray:
    """Mean over time of the worst corner's probability of not being on the road; corners outside the grid cost nothing.

    A route is on the road: the farther a pose is from it, the more the bird's-eye semantics count.

    Args:
        plans: M candidates in base_link.
        inputs: Bird's-eye semantics and the vehicle's footprint.
        on_route: Position of the plans on the route, or None without a route.
        contract: The bird's-eye grid.
    """
    if inputs.bev_probability_KLL is None:
        return np.zeros(len(plans.pose_MF3))
    vehicle, drivable = inputs.vehicle, inputs.bev_probability_KLL[list(_DRIVABLE)].sum(axis=0)
    pose = plans.pose_MF3[:, 4::5]
    center = vehicle.center_offset_m
    x = pose[..., 0] + center * np.cos(pose[..., 2])
    y = pose[..., 1] + center * np.sin(pose[..., 2])
    corners = box_corners(x, y, pose[..., 2], vehicle.length_m, vehicle.width_m)
    row = np.floor((contract.range_m - corners[..., 0]) / contract.bev_cell_m).astype(np.int64)
    column = np.floor((contract.range_m - corners[..., 1]) / contract.bev_cell_m).astype(np.int64)
    last = contract.bev_cells - 1
    inside = (row >= 0) & (row <= last) & (column >= 0) & (column <= last)
    row, column = np.minimum(np.maximum(row, 0), last), np.minimum(np.maximum(column, 0), last)
    chance = np.where(inside, drivable[row, column], 1.0).min(axis=-1)
    off = np.minimum(np.maximum(1.0 - 2.0 * chance, 0.0), 1.0)
    if on_route is not None:
        off = off * np.clip(np.abs(on_route[1]) / _OFF_ROUTE_M, _ROUTE_DOUBT, 1.0)
    return np.asarray(off.mean(axis=1), dtype=np.float64)


def route_term(plans: SmoothPlans, on_route: RoutePosition | None) -> FloatArray:
    """Mean distance (m) from the route beyond 0.3 m; 0 without a route."""
    if on_route is None:
        return np.zeros(len(plans.pose_MF3))
    return np.asarray(np.maximum(np.abs(on_route[1]) - _LATERAL_FREE_M, 0.0).mean(axis=1))


def progress_term(plans: SmoothPlans, on_route: RoutePosition | None) -> FloatArray:
    """Negative progress (m) at the end of the plan: along the route, or the straight distance without one."""
    if on_route is None:
        return np.asarray(-np.hypot(plans.pose_MF3[:, -1, 0], plans.pose_MF3[:, -1, 1]))
    return np.asarray(-on_route[0][:, -1])


def token_term(plans: SmoothPlans, action_token_path_S3: FloatArray, contract: ModelContract) -> FloatArray:
    """Mean distance (m) from the path of the action tokens, over the plan steps that they reach."""
    at_S = np.searchsorted(plans.time_s_F, contract.plan_times_s[: len(action_token_path_S3)] - 1e-6)
    gap = plans.pose_MF3[:, at_S, :2] - action_token_path_S3[:, :2]
    return np.asarray(np.hypot(gap[..., 0], gap[..., 1]).mean(axis=1))


def signal_term(plans: SmoothPlans, signal: TrafficSignal | None) -> FloatArray:
    """1 for plans whose front passes a red stop line that is still ahead, else 0."""
    if signal is None or signal.state != SignalState.RED or signal.distance_m < 0.0:
        return np.zeros(len(plans.pose_MF3))
    traveled = plans.speed_MF.sum(axis=1) * float(plans.time_s_F[0])
    return np.asarray(traveled > signal.distance_m + 0.5, dtype=np.float64)


def consensus_term(plans: SmoothPlans, feasible_M: NDArray[np.bool_]) -> FloatArray:
    """Mean distance (m) from the nearest fifth of the other feasible candidates.

    The mean of all is no reference: between candidates that wait and candidates that go it is a plan of neither kind.
    """
    xy = plans.pose_MF3[:, 4::5, :2]
    others = xy[feasible_M] if feasible_M.any() else xy
    x_TM, y_TM = np.ascontiguousarray(xy.transpose(2, 1, 0))
    x_TO, y_TO = np.ascontiguousarray(others.transpose(2, 1, 0))
    gap_MO = np.hypot(x_TM[:, :, None] - x_TO[:, None], y_TM[:, :, None] - y_TO[:, None]).mean(axis=0)
    nearest = np.sort(gap_MO, axis=1)[:, : 1 + max(round(_NEIGHBOR_SHARE * len(others)), 1)]
    return np.asarray(nearest.mean(axis=1))


def comfort_term(plans: SmoothPlans) -> FloatArray:
    """Mean acceleration (m/s2) beyond 1.5 m/s2 along and 2 m/s2 across the path."""
    lateral = plans.speed_MF**2 * np.abs(plans.curvature_MF)
    return np.asarray((np.maximum(np.abs(plans.accel_MF) - 1.5, 0.0) + np.maximum(lateral - 2.0, 0.0)).mean(axis=1))


def consistency_term(plans: SmoothPlans, previous_F3: FloatArray | None) -> FloatArray:
    """Mean distance (m) across the previous plan's path.

    Distance along it costs nothing: the previous plan of a stationary vehicle is stationary, and the vehicle would never
    move off again.
    """
    if previous_F3 is None:
        return np.zeros(len(plans.pose_MF3))
    path = np.concatenate([np.zeros((1, 2)), previous_F3[:, :2]])
    path = path[np.append(True, np.hypot(*np.diff(path, axis=0).T) > _MIN_STEP_M)]
    if len(path) < 2 or np.hypot(*path[-1]) < _MIN_PATH_M:
        return np.zeros(len(plans.pose_MF3))
    heading = float(previous_F3[-1, 2])
    path = np.concatenate([path, path[-1:] + _STRAIGHT_ON_M * np.asarray([[np.cos(heading), np.sin(heading)]])])
    pose = plans.pose_MF3[:, 4::5]
    _, lateral = project_onto_polyline(path, pose[..., :2].reshape(-1, 2))
    return np.asarray(np.abs(lateral).reshape(pose.shape[:2]).mean(axis=1))


def continuity_term(plans: SmoothPlans, previous_F3: FloatArray | None) -> FloatArray:
    """Mean distance (m) from the previous plan at the same times, along the path and across it; 0 without one."""
    if previous_F3 is None:
        return np.zeros(len(plans.pose_MF3))
    gap = plans.pose_MF3[:, 4::5, :2] - previous_F3[4::5, :2]
    return np.asarray(np.hypot(gap[..., 0], gap[..., 1]).mean(axis=1))
