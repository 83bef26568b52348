"""Predicted agents -> serialized autoware_perception_msgs/PredictedObjects: of each agent a few paths with confidences.

An agent has one path per joint sample. Paths that end near each other are one mode, whose confidence is the sum of their
samples' probabilities. M samples, A agents, T plan steps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.types import PlanResult
from transdiffuser_planner.integrations.autoware.outputs.cdr_writer import CdrWriter

FloatArray = NDArray[np.float64]

MAX_MODES = 5
_BOUNDING_BOX = 0
_NONE_36 = (0.0,) * 36
"""Covariances that are not known."""
_SAME_END_M, _SAME_END_SHARE = 1.0, 0.1
_LABELS = {AgentClass.CAR: 1, AgentClass.TRUCK: 2, AgentClass.MOTORCYCLE: 5, AgentClass.BICYCLE: 6,
           AgentClass.PEDESTRIAN: 7}  # fmt: skip
_HEIGHTS_M = {AgentClass.CAR: 1.6, AgentClass.TRUCK: 3.0, AgentClass.MOTORCYCLE: 1.6, AgentClass.BICYCLE: 1.7,
              AgentClass.PEDESTRIAN: 1.75}  # fmt: skip
"""The network predicts no heights."""


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


def predicted_objects(result: PlanResult, altitude_m: float, uuid_of: Callable[[int], bytes]) -> bytes:
    """Serialize autoware_perception_msgs/PredictedObjects at the plan's stamp.

    Args:
        result: The plan with its agents.
        altitude_m: Height of all poses.
        uuid_of: UUID (16 bytes) of an agent's number.
    """
    agents, writer = result.agents, CdrWriter()
    writer.header(result.trajectory.stamp_ns, agents.frame_id)
    writer.number("u4", len(agents.id_A))
    for i in range(len(agents.id_A)):
        _write_object(writer, result, i, altitude_m, uuid_of(int(agents.id_A[i])))
    return writer.message()


def _write_object(writer: CdrWriter, result: PlanResult, i: int, altitude_m: float, uuid: bytes) -> None:
    """Write an autoware_perception_msgs/PredictedObject."""
    agents = result.agents
    agent_class = AgentClass(int(agents.class_A[i]))
    height_m = _HEIGHTS_M[agent_class]
    x_m, y_m, heading_rad = agents.pose_A3[i].tolist()
    writer.raw(uuid)
    writer.number("f4", float(np.clip(agents.existence_A[i], 0.0, 1.0)))
    writer.number("u4", 1)
    writer.number("u1", _LABELS[agent_class])
    writer.number("f4", 1.0)
    half = heading_rad / 2.0
    writer.doubles(np.asarray([x_m, y_m, altitude_m + height_m / 2.0, 0.0, 0.0, np.sin(half), np.cos(half), *_NONE_36]))
    writer.doubles(np.asarray([float(agents.speed_A[i]), 0.0, 0.0, 0.0, 0.0, 0.0, *_NONE_36]))
    writer.doubles(np.asarray([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, *_NONE_36]))
    path_MT3 = agents.path_MAT3[:, i]
    found = modes(path_MT3, result.candidates.probability_M)
    writer.number("u4", len(found))
    for m, confidence in found:
        writer.poses(np.concatenate([agents.pose_A3[i : i + 1], path_MT3[m]]), altitude_m)
        writer.time(round(float(agents.time_s_T[0]) * 1e9))
        writer.number("f4", min(confidence, 1.0))
    writer.number("u1", _BOUNDING_BOX)
    writer.number("u4", 0)  # no footprint
    writer.doubles(np.asarray([agents.length_m_A[i], agents.width_m_A[i], height_m]))
