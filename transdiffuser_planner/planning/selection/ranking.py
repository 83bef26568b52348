"""Ranks the sampled plans by what the planner itself perceives; no knowledge of the future is used.

The cost of a plan is a weighted sum of terms (lower is better): predicted collisions, leaving the predicted road,
distance from the route, passing a red stop line, discomfort, distance from like candidates and across the previous
path, minus progress. With a scorer (``selection: scorer``) it is what the plan is predicted to lose of the PDM score
instead. Where action tokens ask for a maneuver, distance from it replaces route and progress. Among
nearly equal plans the one that continues the previous path is taken. Probabilities are the softmax of the negative
cost over the feasible candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES, BevClass, ModelContract
from transdiffuser_planner.core.geometry import box_corners, project_onto_polyline
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import SignalState, TrafficSignal
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.selection.predicted_pdm_score import distance_from_mean_m, pdm_score
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]

_NEAR_M = 0.5
_LATERAL_FREE_M = 0.3
SCORED_BY = ("score", "typical", "signal", "tokens")
"""What counts beside a learned score: PDMS knows no lights, and nothing of what was told."""
_NEIGHBOR_SHARE = 0.2
_BESIDE_ROUTE_M, _ROUTE_DOUBT = 1.0, 0.2
_COLLISION_DECAY_S = 2.0
_SAME_PATH_M = 0.5
_MIN_STEP_M, _MIN_PATH_M, _STRAIGHT_ON_M = 0.02, 2.0, 60.0
_STANDS_MPS, _GOES_MPS, _SOON = 0.5, 1.0, 20
_AS_GOOD, _AS_SAFE = 0.3, 0.01
_DRIVABLE = (BevClass.ROAD, BevClass.CENTER_LINE, BevClass.VEHICLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionInputs:
    """What the ranking looks at besides the plans; absent things are None.

    Attributes:
        vehicle: Whose footprint shall stay on the road.
        obstacle_clearance_MF, agent_clearance_MF: Meters, <= 0 is a hit.
        bev_probability_KLL: Bird's-eye semantics in base_link.
        route_R2: Route ahead in base_link, at least two points.
        signal: The route's next signal.
        previous_F3: The previously published plan in today's base_link, at the plans' times.
        action_token_path_S3: What action tokens ask for: poses in base_link at the first S plan steps.
        subscore_MQ: What the scorer predicts, in the order of ``SCORE_NAMES``.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """order_M: candidate indices, best first; probability_M; cost terms, unweighted, each (M,)."""

    order_M: NDArray[np.intp]
    probability_M: FloatArray
    cost_terms: dict[str, FloatArray]


def rank(
    plans: SmoothPlans,
    feasible_M: NDArray[np.bool_],
    inputs: SelectionInputs,
    contract: ModelContract,
    config: PlannerConfig,
) -> Ranking:
    """Order the candidates; infeasible ones come last and get probability 0."""
    terms = _rule_terms(plans, feasible_M, inputs, contract)
    if inputs.action_token_path_S3 is not None:
        nothing = np.zeros(len(feasible_M))
        terms |= {
            "tokens": _token_term(plans, inputs.action_token_path_S3, contract),
            "route": nothing,
            "progress": nothing,
        }
    terms["consistency"] = _consistency_term(plans, inputs.previous_F3)
    weighed: tuple[str, ...] = tuple(terms)
    if inputs.subscore_MQ is not None:
        terms |= _score_terms(inputs.subscore_MQ)
        terms["typical"] = distance_from_mean_m(plans.pose_MF3, feasible_M)
        weighed = SCORED_BY
    cost = sum(getattr(config, f"weight_{name}") * terms[name] for name in weighed if name in terms)
    cost = np.where(feasible_M, cost, np.inf)
    order = np.argsort(cost, kind="stable")
    if inputs.previous_F3 is not None:
        order = _continuing_first(order, cost, terms["consistency"], config.switching_hysteresis)
    if _wants_to_go(plans, feasible_M):
        order = _going_first(order, cost, terms, plans)
    best = cost.min()
    probability = np.zeros(len(cost))
    if feasible_M.any():
        probability = np.exp(-(cost - best))
        probability /= probability.sum()
    return Ranking(order_M=order, probability_M=probability, cost_terms=terms)


def _score_terms(subscore_MQ: FloatArray) -> dict[str, FloatArray]:
    """What every plan is predicted to lose: of PDMS as a whole, and of each sub-score."""
    lost = {name: 1.0 - subscore_MQ[:, q] for q, name in enumerate(SCORE_NAMES)}
    return {"score": 1.0 - pdm_score(subscore_MQ), **lost}


def _rule_terms(
    plans: SmoothPlans, feasible_M: NDArray[np.bool_], inputs: SelectionInputs, contract: ModelContract
) -> dict[str, FloatArray]:
    """The terms of the rules but consistency."""
    beside = None if inputs.route_R2 is None else _along_route(plans, inputs.route_R2)
    terms = {
        "collision": _collision_term(plans, inputs),
        "off_road": _off_road_term(plans, inputs, beside, contract),
        "route": np.zeros(len(feasible_M)),
        "signal": _signal_term(plans, inputs.signal),
        "consensus": _consensus_term(plans, feasible_M),
        "comfort": _comfort_term(plans),
        "progress": -np.hypot(plans.pose_MF3[:, -1, 0], plans.pose_MF3[:, -1, 1]),
    }
    if beside is not None:
        s_MF, lateral_MF = beside
        terms["route"] = np.maximum(np.abs(lateral_MF) - _LATERAL_FREE_M, 0.0).mean(axis=1)
        terms["progress"] = -s_MF[:, -1]
    return terms


def _continuing_first(
    order_M: NDArray[np.intp], cost_M: FloatArray, consistency_M: FloatArray, margin: float
) -> NDArray[np.intp]:
    """The order, but with the best plan that keeps to the previous path in front unless another is better by a margin."""
    keeps = np.flatnonzero(consistency_M[order_M] <= _SAME_PATH_M)
    if not len(keeps) or cost_M[order_M[keeps[0]]] > cost_M[order_M[0]] + margin:
        return order_M
    return np.concatenate([order_M[keeps[:1]], np.delete(order_M, keeps[0])])


def _wants_to_go(plans: SmoothPlans, feasible_M: NDArray[np.bool_]) -> bool:
    """Whether the vehicle stands and at least half of the feasible candidates move by the end of the plan."""
    if not feasible_M.any() or plans.speed_MF[:, 0].mean() > _STANDS_MPS:
        return False
    return bool((plans.speed_MF[feasible_M, -1] > _GOES_MPS).mean() >= 0.5)


def _going_first(
    order_M: NDArray[np.intp], cost_M: FloatArray, terms: dict[str, FloatArray], plans: SmoothPlans
) -> NDArray[np.intp]:
    """The order, but of the plans that are about as good as the first, and as safe, the one that moves off soonest in front.

    Only the first tenth of a second of a plan is driven before the next one comes: plans that all wait one second and
    then go would wait for ever.
    """
    first = order_M[0]
    as_good = (cost_M <= cost_M[first] + _AS_GOOD) & (terms["collision"] <= terms["collision"][first] + _AS_SAFE)
    as_good &= terms["signal"] <= terms["signal"][first]
    soon_M = plans.speed_MF[:, :_SOON].sum(axis=1)
    going = np.flatnonzero(as_good)[np.argmax(soon_M[as_good])]
    return np.concatenate([[going], order_M[order_M != going]])


def _collision_term(plans: SmoothPlans, inputs: SelectionInputs) -> FloatArray:
    """Worst hit or near miss, sooner is worse; touching at standstill is no collision of ours."""
    clearance = np.minimum(inputs.obstacle_clearance_MF, inputs.agent_clearance_MF)
    closeness = np.clip((_NEAR_M - clearance) / _NEAR_M, 0.0, 1.0) ** 2
    weight = np.exp(-plans.time_s_F / _COLLISION_DECAY_S) * np.clip(plans.speed_MF / 2.0, 0.0, 1.0)
    return np.asarray((closeness * weight).max(axis=1))


def _off_road_term(
    plans: SmoothPlans,
    inputs: SelectionInputs,
    beside: tuple[FloatArray, FloatArray] | None,
    contract: ModelContract,
) -> FloatArray:
    """Mean over time of the worst corner's probability of not being road; outside the grid nothing is charged.

    Where a route is given it is on the road: what the picture says counts the more, the farther a pose is beside it.
    ``beside`` is the result of ``_along_route``.
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
    chance = np.where(inside, drivable[np.clip(row, 0, last), np.clip(column, 0, last)], 1.0).min(axis=-1)
    off = np.clip(1.0 - 2.0 * chance, 0.0, 1.0)
    if beside is not None:
        off = off * np.clip(np.abs(beside[1]) / _BESIDE_ROUTE_M, _ROUTE_DOUBT, 1.0)
    return np.asarray(off.mean(axis=1), dtype=np.float64)


def _along_route(plans: SmoothPlans, route_R2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Arc length along the route and signed lateral distance from it (m) of every fifth pose."""
    pose = plans.pose_MF3[:, 4::5]
    s, lateral = project_onto_polyline(route_R2, pose[..., :2].reshape(-1, 2))
    return s.reshape(pose.shape[:2]), lateral.reshape(pose.shape[:2])


def _token_term(plans: SmoothPlans, action_token_path_S3: FloatArray, contract: ModelContract) -> FloatArray:
    """Mean distance (m) from where the action tokens lead, over the plan steps that they reach."""
    at_S = np.searchsorted(plans.time_s_F, contract.plan_times_s[: len(action_token_path_S3)] - 1e-6)
    gap = plans.pose_MF3[:, at_S, :2] - action_token_path_S3[:, :2]
    return np.asarray(np.hypot(gap[..., 0], gap[..., 1]).mean(axis=1))


def _signal_term(plans: SmoothPlans, signal: TrafficSignal | None) -> FloatArray:
    """1 for plans whose front passes a red stop line that is still ahead."""
    if signal is None or signal.state != SignalState.RED or signal.distance_m < 0.0:
        return np.zeros(len(plans.pose_MF3))
    traveled = plans.speed_MF.sum(axis=1) * float(plans.time_s_F[0])
    return np.asarray(traveled > signal.distance_m + 0.5, dtype=np.float64)


def _consensus_term(plans: SmoothPlans, feasible_M: NDArray[np.bool_]) -> FloatArray:
    """Mean distance (m) from the nearest fifth of the other feasible candidates.

    Not from the mean of all: between those that wait and those that go lies a plan that nobody wants.
    """
    xy = plans.pose_MF3[:, 4::5, :2]
    others = xy[feasible_M] if feasible_M.any() else xy
    gap_MO = np.hypot(*(xy[:, None] - others[None]).transpose(3, 0, 1, 2)).mean(axis=2)
    nearest = np.sort(gap_MO, axis=1)[:, : 1 + max(round(_NEIGHBOR_SHARE * len(others)), 1)]
    return np.asarray(nearest.mean(axis=1))


def _comfort_term(plans: SmoothPlans) -> FloatArray:
    """Mean acceleration beyond 1.5 m/s2 along and 2 m/s2 across (m/s2)."""
    lateral = plans.speed_MF**2 * np.abs(plans.curvature_MF)
    return np.asarray((np.maximum(np.abs(plans.accel_MF) - 1.5, 0.0) + np.maximum(lateral - 2.0, 0.0)).mean(axis=1))


def _consistency_term(plans: SmoothPlans, previous_F3: FloatArray | None) -> FloatArray:
    """Mean distance (m) across the previous plan's path.

    Along it nothing is charged: a vehicle that stands has a previous plan that stands, and would never move off again.
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
