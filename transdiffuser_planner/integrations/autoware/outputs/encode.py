"""Plans -> Autoware's trajectories (serialized), turn indicators and planning factors (messages of a factory).

M candidates, T plan steps, F points at 10 Hz.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length
from transdiffuser_planner.core.types import PlanResult, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.autoware.interface import versions
from transdiffuser_planner.integrations.autoware.outputs.cdr_writer import CdrWriter
from transdiffuser_planner.integrations.autoware.outputs.planning_factors import Factor
from transdiffuser_planner.messages.definitions import MessageFactory
from transdiffuser_planner.messages.encode_inputs import duration, header, point, pose, time

FloatArray = NDArray[np.float64]

GENERATOR = "transdiffuser_planner"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, GENERATOR)
_STEP_S = 0.1
_ROLLING_MPS = 0.5
_OBJECT = 2


def trajectory(value: Trajectory, vehicle: VehicleModel, altitude_m: float) -> bytes:
    """Serialize an autoware_planning_msgs/Trajectory at the stamp of its sensor data.

    Args:
        value: The plan.
        vehicle: Its wheelbase gives the front-wheel angles.
        altitude_m: Height of all points.
    """
    writer = CdrWriter()
    writer.header(value.stamp_ns, value.frame_id)
    writer.points(_planned_rows(value, vehicle), altitude_m)
    return writer.message()


def _planned_rows(value: Trajectory, vehicle: VehicleModel) -> FloatArray:
    """Rows of trajectory points, as ``CdrWriter.points`` takes them."""
    columns = (
        value.time_s_T,
        value.x_m_T,
        value.y_m_T,
        value.heading_rad_T,
        value.speed_mps_T,
        value.accel_mps2_T,
        value.speed_mps_T * value.curvature_per_m_T,
        np.arctan(vehicle.wheelbase_m * value.curvature_per_m_T),
    )
    return np.asarray(np.stack(columns, axis=-1), dtype=np.float64)


def candidates(
    result: PlanResult, vehicle: VehicleModel, altitude_m: float, indicator: int, *, has_indicator: bool
) -> bytes:
    """Serialize CandidateTrajectories: the published trajectory, then the other accepted candidates, likeliest first.

    Candidates that a safety check rejected are not offered.

    Args:
        result: The plan.
        vehicle: Its wheelbase gives the front-wheel angles.
        altitude_m: Height of all points.
        indicator: Turn indicator command of all of them.
        has_indicator: Whether the type has the field, as from autoware_internal_msgs 1.14 on.
    """
    plan, sampled = result.trajectory, result.candidates
    generator = uuid.uuid5(_NAMESPACE, result.provenance.model_hash).bytes
    order_M = np.argsort(-sampled.probability_M, kind="stable")
    others = [int(m) for m in order_M if int(m) != result.chosen and not sampled.rejected_M[m]]
    writer = CdrWriter()
    writer.number("u4", 1 + len(others))
    for row_F8 in (_planned_rows(plan, vehicle), *dense_candidates(result, vehicle)[others]):
        writer.header(plan.stamp_ns, plan.frame_id)
        writer.raw(generator)
        writer.points(row_F8, altitude_m)
        if has_indicator:
            writer.time(plan.stamp_ns)
            writer.number("u1", indicator)
    writer.number("u4", 1)
    writer.raw(generator)
    writer.text(GENERATOR)
    return writer.message()


def dense_candidates(result: PlanResult, vehicle: VehicleModel) -> FloatArray:
    """Candidates at 10 Hz as rows of trajectory points, by cubic Hermite interpolation between the plan steps.

    Args:
        result: The plan.
        vehicle: Its wheelbase gives the front-wheel angles.

    Returns:
        (M, F, 8): time, x, y, heading, speed, acceleration, heading rate, front-wheel angle.
    """
    plan, sampled = result.trajectory, result.candidates
    count = len(sampled.pose_MT3)
    start_3 = np.asarray([plan.x_m_T[0], plan.y_m_T[0], plan.heading_rad_T[0]])
    knot_MK3 = np.concatenate([np.broadcast_to(start_3, (count, 1, 3)), sampled.pose_MT3], axis=1)
    knot_MK3[..., 2] = np.unwrap(knot_MK3[..., 2], axis=1)
    knot_s_K = np.concatenate([[0.0], sampled.time_s_T])
    slope_MK3 = np.gradient(knot_MK3, knot_s_K, axis=1)
    slope_MK3[:, 0, :2] = plan.speed_mps_T[0] * np.asarray([np.cos(start_3[2]), np.sin(start_3[2])])
    time_s_F = np.arange(round(float(knot_s_K[-1]) / _STEP_S) + 1) * _STEP_S
    left_F = np.clip(np.searchsorted(knot_s_K, time_s_F, side="right") - 1, 0, len(knot_s_K) - 2)
    width_F = (knot_s_K[left_F + 1] - knot_s_K[left_F])[:, None]
    u_F = (time_s_F - knot_s_K[left_F])[:, None] / width_F
    p0, p1 = knot_MK3[:, left_F], knot_MK3[:, left_F + 1]
    m0, m1 = slope_MK3[:, left_F] * width_F, slope_MK3[:, left_F + 1] * width_F
    pose_MF3 = (
        (1.0 + 2.0 * u_F) * (1.0 - u_F) ** 2 * p0 + u_F * (1.0 - u_F) ** 2 * m0
        + u_F**2 * (3.0 - 2.0 * u_F) * p1 + u_F**2 * (u_F - 1.0) * m1
    )  # fmt: skip
    rate_MF3 = np.gradient(pose_MF3, time_s_F, axis=1)
    forward = np.cos(pose_MF3[..., 2]) * rate_MF3[..., 0] + np.sin(pose_MF3[..., 2]) * rate_MF3[..., 1]
    speed_MF = np.maximum(forward, 0.0)
    turn_MF = np.where(speed_MF > _ROLLING_MPS, rate_MF3[..., 2], 0.0)
    wheel_MF = np.arctan(vehicle.wheelbase_m * turn_MF / np.maximum(speed_MF, _ROLLING_MPS))
    accel_MF = np.gradient(speed_MF, time_s_F, axis=1)
    times_MF = np.broadcast_to(time_s_F, speed_MF.shape)
    return np.concatenate(
        [times_MF[..., None], pose_MF3, np.stack([speed_MF, accel_MF, turn_MF, wheel_MF], axis=-1)], axis=-1
    )


def turn_indicators(make: MessageFactory, stamp_ns: int, indicator: int) -> Any:
    """autoware_vehicle_msgs/TurnIndicatorsCommand."""
    return make(versions.TURN_INDICATORS, stamp=time(make, stamp_ns), command=int(indicator))


def planning_factors(
    make: MessageFactory, result: PlanResult, factors: Sequence[Factor], altitude_m: float, uuids: dict[int, bytes]
) -> Any:
    """autoware_internal_planning_msgs/PlanningFactorArray.

    Args:
        make: Message factory.
        result: The plan.
        factors: Its factors.
        altitude_m: Height of all points.
        uuids: Number of an agent -> its UUID, where Autoware gave one.
    """
    plan = result.trajectory
    head = header(make, plan.stamp_ns, plan.frame_id)
    path_m_T = arc_length(np.stack([plan.x_m_T, plan.y_m_T], axis=-1))
    items = [
        make(
            "autoware_internal_planning_msgs/msg/PlanningFactor",
            module=GENERATOR,
            is_driving_forward=True,
            control_points=[
                make(
                    "autoware_internal_planning_msgs/msg/ControlPoint",
                    pose=pose(make, plan.x_m_T[i], plan.y_m_T[i], plan.heading_rad_T[i], altitude_m),
                    velocity=float(plan.speed_mps_T[i]),
                    shift_length=0.0,
                    distance=float(path_m_T[i]),
                )
                for i in factor.points
            ],
            behavior=int(factor.behavior),
            detail=factor.detail,
            safety_factors=make(
                "autoware_internal_planning_msgs/msg/SafetyFactorArray",
                header=head,
                factors=[_safety_factor(make, result, factor, altitude_m, uuids)] if factor.agent >= 0 else [],
                is_safe=factor.is_safe,
                detail=factor.detail,
            ),
        )
        for factor in factors
    ]
    return make(versions.PLANNING_FACTORS, header=head, factors=items)


def _safety_factor(
    make: MessageFactory, result: PlanResult, factor: Factor, altitude_m: float, uuids: dict[int, bytes]
) -> Any:
    """The agent of a factor."""
    agents, i = result.agents, factor.agent
    x_m, y_m, _ = (float(v) for v in agents.pose_A3[i])
    drawn = agents.path_MAT3[max(result.chosen, 0), i].tolist() if len(agents.path_MAT3) else []
    path = make(
        "autoware_perception_msgs/msg/PredictedPath",
        path=[pose(make, x, y, heading, altitude_m) for x, y, heading in [agents.pose_A3[i].tolist(), *drawn]],
        time_step=duration(make, float(agents.time_s_T[0])),
        confidence=1.0,
    )
    return make(
        "autoware_internal_planning_msgs/msg/SafetyFactor",
        type=_OBJECT,
        object_id=make(
            "unique_identifier_msgs/msg/UUID",
            uuid=np.frombuffer(agent_uuid(int(agents.id_A[i]), uuids), dtype=np.uint8),
        ),
        predicted_path=path,
        ttc_begin=0.0,
        ttc_end=0.0,
        points=[point(make, x_m, y_m, altitude_m)],
        is_safe=factor.is_safe,
    )


def agent_uuid(number: int, uuids: dict[int, bytes]) -> bytes:
    """UUID of an agent: the one that Autoware gave it, else one that follows from its number.

    Args:
        number: Identifier of the agent.
        uuids: Number -> UUID of Autoware's objects.
    """
    return uuids.get(number) or uuid.uuid5(_NAMESPACE, str(number)).bytes
