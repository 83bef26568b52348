"""The planner's results -> its output messages. ``decode_outputs`` reads them back.

As in ``encode_inputs``, every function takes the message factory first, so that live topics and written bags are the same.
M candidates, A agents, T plan steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import FallbackLevel, NotReady, PlanResult, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.messages.definitions import MessageFactory
from transdiffuser_planner.messages.encode_inputs import duration, header, path, pose, vector3
from transdiffuser_planner.messages.encode_markers import markers

Item = tuple[str, str, Any]

OUTPUT_TYPES = {
    "trajectory": "transdiffuser_msgs/msg/Trajectory",
    "candidates": "transdiffuser_msgs/msg/CandidateTrajectories",
    "predicted_agents": "transdiffuser_msgs/msg/PredictedAgents",
    "path": "nav_msgs/msg/Path",
    "markers": "visualization_msgs/msg/MarkerArray",
    "status": "transdiffuser_msgs/msg/PlannerStatus",
}
"""Outputs of the planner below ``~/output``."""

OUTPUT_NAMESPACE = "/transdiffuser_planner/output"
"""Namespace of the node's outputs without remapping, and of the outputs of replays."""


def trajectory(make: MessageFactory, value: Trajectory, vehicle: VehicleModel) -> Any:
    """transdiffuser_msgs/Trajectory; lateral velocity is 0 at the rear axle of the kinematic bicycle.

    Args:
        make: Message factory.
        value: The plan.
        vehicle: Its wheelbase gives the front-wheel angles.
    """
    columns = (
        value.time_s_T,
        value.x_m_T,
        value.y_m_T,
        value.heading_rad_T,
        value.speed_mps_T,
        value.accel_mps2_T,
        value.curvature_per_m_T,
        np.arctan(vehicle.wheelbase_m * value.curvature_per_m_T),
    )
    rows = np.stack(columns, axis=-1).tolist()
    points = [
        _point(make, t, x, y, heading, speed, accel_mps2=accel, curvature_per_m=curvature, front_wheel_angle_rad=angle)
        for t, x, y, heading, speed, accel, curvature, angle in rows
    ]
    return make("transdiffuser_msgs/msg/Trajectory", header=header(make, value.stamp_ns, value.frame_id), points=points)


def candidates(make: MessageFactory, result: PlanResult) -> Any:
    """transdiffuser_msgs/CandidateTrajectories: the sampled poses with speeds from their differences."""
    plan, stamp_ns = result.candidates, result.trajectory.stamp_ns
    start = np.asarray([t[0] for t in (result.trajectory.x_m_T, result.trajectory.y_m_T)])
    knots = np.concatenate([np.broadcast_to(start, (len(plan.pose_MT3), 1, 2)), plan.pose_MT3[..., :2]], axis=1)
    intervals = np.diff(plan.time_s_T, prepend=0.0)
    speed_MT = np.linalg.norm(np.diff(knots, axis=1), axis=-1) / intervals
    names = sorted(plan.cost_terms)
    costs_MS = np.stack([plan.cost_terms[name] for name in names], axis=-1) if names else np.zeros((len(knots), 0))
    items = [
        make(
            "transdiffuser_msgs/msg/CandidateTrajectory",
            candidate_id=index,
            probability=float(plan.probability_M[index]),
            rejected=bool(plan.rejected_M[index]),
            chosen=index == result.chosen,
            cost_names=names,
            costs=costs_MS[index].astype(np.float32),
            points=[
                _point(make, t, x, y, heading, speed)
                for t, (x, y, heading), speed in zip(
                    plan.time_s_T.tolist(), plan.pose_MT3[index].tolist(), speed_MT[index].tolist(), strict=True
                )
            ],
        )
        for index in range(len(plan.pose_MT3))
    ]
    return make(
        "transdiffuser_msgs/msg/CandidateTrajectories",
        header=header(make, stamp_ns, plan.frame_id),
        candidates=items,
    )


def denoise_steps(make: MessageFactory, result: PlanResult) -> Iterator[Any]:
    """Yield one transdiffuser_msgs/CandidateTrajectories per denoise step: the x0 estimates after it.

    Their only cost is ``denoise_step``, counted from 1. Yields nothing without intermediates.
    """
    plan = result.candidates
    for step, pose_MT3 in enumerate(result.intermediate_SMT3, start=1):
        terms = {"denoise_step": np.full(len(pose_MT3), float(step))}
        estimated = replace(plan, pose_MT3=pose_MT3, cost_terms=terms)
        yield candidates(make, replace(result, candidates=estimated))


def predicted_agents(make: MessageFactory, result: PlanResult) -> Any:
    """transdiffuser_msgs/PredictedAgents: paths drawn with the published candidate and the next most probable ones."""
    agents, probability_M = result.agents, result.candidates.probability_M
    drawn = shown_candidates(result)
    interval = duration(make, float(agents.time_s_T[0]))
    items = [
        make(
            "transdiffuser_msgs/msg/PredictedAgent",
            id=int(agents.id_A[i]),
            classification=int(agents.class_A[i]),
            existence_probability=float(agents.existence_A[i]),
            pose=pose(make, *(float(v) for v in agents.pose_A3[i])),
            dimensions=vector3(make, agents.length_m_A[i], agents.width_m_A[i], 0.0),
            velocity_mps=float(agents.speed_A[i]),
            velocity_known=bool(agents.speed_known_A[i]),
            paths=[
                make(
                    "transdiffuser_msgs/msg/PredictedPath",
                    candidate_id=m,
                    probability=float(probability_M[m]),
                    time_step=interval,
                    poses=[pose(make, *(float(v) for v in p)) for p in agents.path_MAT3[m, i]],
                )
                for m in drawn
            ],
        )
        for i in range(len(agents.id_A))
    ]
    return make(
        "transdiffuser_msgs/msg/PredictedAgents",
        header=header(make, result.trajectory.stamp_ns, agents.frame_id),
        agents=items,
    )


def shown_candidates(result: PlanResult, most: int = 3) -> list[int]:
    """Select the candidates whose agent paths are published: the published one, then the most probable others."""
    order = [int(m) for m in np.argsort(-result.candidates.probability_M, kind="stable")]
    first = [result.chosen] if result.chosen >= 0 else []
    return (first + [m for m in order if m != result.chosen])[:most]


def planner_path(make: MessageFactory, value: Trajectory) -> Any:
    """nav_msgs/Path of a trajectory, each pose with its own stamp."""
    poses = np.stack([value.x_m_T, value.y_m_T, value.heading_rad_T], axis=-1)
    stamps = [value.stamp_ns + round(float(t) * 1e9) for t in value.time_s_T]
    return path(make, value.stamp_ns, value.frame_id, poses, stamps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """Requested mode of the planner.

    Attributes:
        is_stopping: A stop was requested.
        is_shadow: Plans are not published for control.
    """

    is_stopping: bool = False
    is_shadow: bool = False


_NORMAL = Mode()


def status(
    make: MessageFactory, result: PlanResult, latency_ms: float, config: PlannerConfig, mode: Mode = _NORMAL
) -> Any:
    """transdiffuser_msgs/PlannerStatus of a cycle with a plan."""
    source = result.provenance
    return make(
        "transdiffuser_msgs/msg/PlannerStatus",
        header=header(make, source.snapshot_stamp_ns, result.trajectory.frame_id),
        ready=True,
        not_ready_reason="",
        input_names=list(source.ages_ns),
        input_ages_s=np.asarray([age * 1e-9 for age in source.ages_ns.values()], dtype=np.float32),
        missing_inputs=list(source.missing),
        seed=int(source.seed),
        model_name=source.model_name,
        model_hash=source.model_hash,
        provider=source.provider,
        precision=source.precision,
        sampler=source.sampler,
        num_candidates=int(source.num_candidates),
        num_denoise_steps=int(source.num_denoise_steps),
        chosen_candidate=int(result.chosen),
        stage_names=list(source.stage_ms),
        stage_times_ms=np.asarray(list(source.stage_ms.values()), dtype=np.float32),
        latency_ms=float(latency_ms),
        deadline_ms=float(config.deadline_ms),
        fallback_level=int(result.fallback_level),
        fallback_reason=result.reason,
        plan_age_s=float(source.plan_age_s),
        stop_requested=mode.is_stopping,
        shadow=mode.is_shadow,
    )


def not_ready_status(
    make: MessageFactory,
    stamp_ns: int,
    value: NotReady,
    config: PlannerConfig,
    model: tuple[str, str] = ("", ""),
    mode: Mode = _NORMAL,
) -> Any:
    """transdiffuser_msgs/PlannerStatus of a cycle without a plan; model is (name, hash) when one is loaded."""
    nothing = np.zeros(0, dtype=np.float32)
    return make(
        "transdiffuser_msgs/msg/PlannerStatus",
        header=header(make, stamp_ns, ""),
        ready=False,
        not_ready_reason=value.reason,
        input_names=[],
        input_ages_s=nothing,
        missing_inputs=[],
        seed=int(config.run_seed),
        model_name=model[0],
        model_hash=model[1],
        provider=config.provider,
        precision=config.precision,
        sampler=config.sampler,
        num_candidates=0,
        num_denoise_steps=0,
        chosen_candidate=-1,
        stage_names=[],
        stage_times_ms=nothing,
        latency_ms=0.0,
        deadline_ms=float(config.deadline_ms),
        fallback_level=int(FallbackLevel.NONE),
        fallback_reason="",
        plan_age_s=0.0,
        stop_requested=mode.is_stopping,
        shadow=mode.is_shadow,
    )


def outputs(
    make: MessageFactory,
    stamp_ns: int,
    outcome: PlanResult | NotReady,
    latency_ms: float,
    *,
    config: PlannerConfig,
    vehicle: VehicleModel,
) -> Iterator[Item]:
    """Yield all messages of a cycle as (name below ``~/output``, type, message), a trajectory first.

    Args:
        make: Message factory.
        stamp_ns: Stamp of the cycle.
        outcome: Its result.
        latency_ms: Its latency.
        config: The planner's configuration.
        vehicle: The planned vehicle.
    """
    if isinstance(outcome, NotReady):
        yield "status", OUTPUT_TYPES["status"], not_ready_status(make, stamp_ns, outcome, config)
        return
    yield "trajectory", OUTPUT_TYPES["trajectory"], trajectory(make, outcome.trajectory, vehicle)
    for name, message in extras(make, outcome, latency_ms, config, set(OUTPUT_TYPES)):
        yield name, OUTPUT_TYPES[name], message


def extras(
    make: MessageFactory,
    result: PlanResult,
    latency_ms: float,
    config: PlannerConfig,
    names: set[str],
    mode: Mode = _NORMAL,
) -> Iterator[tuple[str, Any]]:
    """Yield the outputs in addition to the trajectory as (name, message).

    Args:
        make: Message factory.
        result: Result of the cycle.
        latency_ms: Its latency.
        config: The planner's configuration.
        names: Outputs to make, keys of ``OUTPUT_TYPES``.
        mode: Requested mode.
    """
    makers: dict[str, Callable[[], Any]] = {
        "status": lambda: status(make, result, latency_ms, config, mode),
        "path": lambda: planner_path(make, result.trajectory),
        "predicted_agents": lambda: predicted_agents(make, result),
        "candidates": lambda: candidates(make, result),
        "markers": lambda: markers(make, result),
    }
    for name, maker in makers.items():
        if name in names:
            yield name, maker()


def _point(
    make: MessageFactory,
    time_s: float,
    x_m: float,
    y_m: float,
    heading_rad: float,
    speed_mps: float,
    accel_mps2: float = 0.0,
    curvature_per_m: float = 0.0,
    front_wheel_angle_rad: float = 0.0,
) -> Any:
    """transdiffuser_msgs/TrajectoryPoint of a vehicle that steers its front wheels only."""
    return make(
        "transdiffuser_msgs/msg/TrajectoryPoint",
        time_from_start=duration(make, time_s),
        pose=pose(make, x_m, y_m, heading_rad),
        longitudinal_velocity_mps=speed_mps,
        lateral_velocity_mps=0.0,
        acceleration_mps2=accel_mps2,
        heading_rate_rps=speed_mps * curvature_per_m,
        front_wheel_angle_rad=front_wheel_angle_rad,
        rear_wheel_angle_rad=0.0,
        curvature_per_m=curvature_per_m,
    )
