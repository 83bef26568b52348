"""Predicted agents -> autoware_perception_msgs/PredictedObjects: of each agent a few paths with confidences.

An agent has one path per joint sample. Paths that end near each other are one mode, whose confidence is the sum of their
samples' probabilities. M samples, A agents, T plan steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.types import PlanResult
from transdiffuser_planner.messages.definitions import MessageFactory
from transdiffuser_planner.messages.encode_inputs import duration, header, pose, vector3

FloatArray = NDArray[np.float64]

MAX_MODES = 5
_SAME_END_M, _SAME_END_SHARE = 1.0, 0.1
_LABELS = {AgentClass.CAR: 1, AgentClass.TRUCK: 2, AgentClass.MOTORCYCLE: 5, AgentClass.BICYCLE: 6,
           AgentClass.PEDESTRIAN: 7}  # fmt: skip
_HEIGHTS_M = {AgentClass.CAR: 1.6, AgentClass.TRUCK: 3.0, AgentClass.MOTORCYCLE: 1.6, AgentClass.BICYCLE: 1.7,
              AgentClass.PEDESTRIAN: 1.75}  # fmt: skip
"""The network predicts no heights."""


def uuid_message(make: MessageFactory, value: bytes) -> Any:
    """unique_identifier_msgs/UUID of 16 bytes."""
    return make("unique_identifier_msgs/msg/UUID", uuid=np.frombuffer(value, dtype=np.uint8))


def modes(path_MT3: FloatArray, probability_M: FloatArray) -> list[tuple[int, float]]:
    """Group the paths of one agent by their ends.

    Args:
        path_MT3: Paths, m and rad.
        probability_M: Of their samples.

    Returns:
        At most ``MAX_MODES`` pairs of the index of the likeliest path of a mode and the mode's confidence; they sum to 1.
    """
    if not len(path_MT3):
        return []
    total = float(probability_M.sum())
    share_M = probability_M / total if total > 0.0 else np.full(len(path_MT3), 1.0 / len(path_MT3))
    ends_M2 = path_MT3[:, -1, :2]
    tolerance_M = _SAME_END_M + _SAME_END_SHARE * np.hypot(*(ends_M2 - path_MT3[:, 0, :2]).T)
    found: list[tuple[int, float]] = []
    for m in np.argsort(-share_M, kind="stable"):
        gap = np.hypot(*(ends_M2[[index for index, _ in found]] - ends_M2[m]).T) if found else np.zeros(0)
        nearest = int(np.argmin(gap)) if found else -1
        if found and (gap[nearest] <= tolerance_M[m] or len(found) == MAX_MODES):
            index, confidence = found[nearest]
            found[nearest] = index, confidence + float(share_M[m])
        else:
            found.append((int(m), float(share_M[m])))
    return sorted(found, key=lambda item: -item[1])


def predicted_path(
    make: MessageFactory, now_3: FloatArray, pose_T3: FloatArray, step_s: float, confidence: float, altitude_m: float
) -> Any:
    """autoware_perception_msgs/PredictedPath, which begins at the present pose.

    Args:
        make: Message factory.
        now_3: Present pose.
        pose_T3: Poses at multiples of the step.
        step_s: Time between two poses.
        confidence: 0..1.
        altitude_m: Height of all poses.
    """
    rows = [now_3.tolist(), *pose_T3.tolist()]
    return make(
        "autoware_perception_msgs/msg/PredictedPath",
        path=[pose(make, x, y, heading, altitude_m) for x, y, heading in rows],
        time_step=duration(make, step_s),
        confidence=min(confidence, 1.0),
    )


def predicted_objects(
    make: MessageFactory, result: PlanResult, altitude_m: float, uuid_of: Callable[[int], bytes]
) -> Any:
    """autoware_perception_msgs/PredictedObjects at the plan's stamp.

    Args:
        make: Message factory.
        result: The plan with its agents.
        altitude_m: Height of all poses.
        uuid_of: UUID of an agent's number.
    """
    agents = result.agents
    step_s = float(agents.time_s_T[0])
    items = []
    for i in range(len(agents.id_A)):
        paths_MT3 = agents.path_MAT3[:, i]
        paths = [
            predicted_path(make, agents.pose_A3[i], paths_MT3[m], step_s, confidence, altitude_m)
            for m, confidence in modes(paths_MT3, result.candidates.probability_M)
        ]
        items.append(_object(make, result, i, altitude_m, uuid_of, paths))
    head = header(make, result.trajectory.stamp_ns, agents.frame_id)
    return make("autoware_perception_msgs/msg/PredictedObjects", header=head, objects=items)


def _object(
    make: MessageFactory,
    result: PlanResult,
    i: int,
    altitude_m: float,
    uuid_of: Callable[[int], bytes],
    paths: list[Any],
) -> Any:
    agents, none_36 = result.agents, np.zeros(36)
    agent_class = AgentClass(int(agents.class_A[i]))
    height_m = _HEIGHTS_M[agent_class]
    x_m, y_m, heading = (float(v) for v in agents.pose_A3[i])
    still = make("geometry_msgs/msg/Accel", linear=vector3(make), angular=vector3(make))
    twist = make("geometry_msgs/msg/Twist", linear=vector3(make, float(agents.speed_A[i])), angular=vector3(make))
    kinematics = make(
        "autoware_perception_msgs/msg/PredictedObjectKinematics",
        initial_pose_with_covariance=make(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose(make, x_m, y_m, heading, altitude_m + height_m / 2.0),
            covariance=none_36,
        ),
        initial_twist_with_covariance=make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=none_36),
        initial_acceleration_with_covariance=make(
            "geometry_msgs/msg/AccelWithCovariance", accel=still, covariance=none_36
        ),
        predicted_paths=paths,
    )
    existence = float(np.clip(agents.existence_A[i], 0.0, 1.0))
    return make(
        "autoware_perception_msgs/msg/PredictedObject",
        object_id=uuid_message(make, uuid_of(int(agents.id_A[i]))),
        existence_probability=existence,
        classification=[
            make("autoware_perception_msgs/msg/ObjectClassification", label=_LABELS[agent_class], probability=1.0)
        ],
        kinematics=kinematics,
        shape=make(
            "autoware_perception_msgs/msg/Shape",
            type=0,
            footprint=make("geometry_msgs/msg/Polygon", points=[]),
            dimensions=vector3(make, agents.length_m_A[i], agents.width_m_A[i], height_m),
        ),
    )
