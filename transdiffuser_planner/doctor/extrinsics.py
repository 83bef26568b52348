"""Compares the mounts of the rig with the /tf_static of the vehicle."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, Mount, Rig, angles_rad
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.doctor.topic_statistics import TopicStatistics
from transdiffuser_planner.messages.decode_inputs import frame_name

_FINDINGS = Findings("rig and model")
BASE = "base_link"
_MAX_GAP_M = 0.1
_MAX_TURN_RAD = math.radians(2.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One transform: points of ``child`` in ``parent``.

    Attributes:
        parent, child: Frames.
        parent_from_child: 4x4.
    """

    parent: str
    child: str
    parent_from_child: NDArray[np.float64]


def link_of(message: Any) -> Link:
    """Convert a geometry_msgs/TransformStamped.

    Args:
        message: The message.
    """
    t, q = message.transform.translation, message.transform.rotation
    x, y, z, w = np.asarray([q.x, q.y, q.z, q.w]) / max(math.sqrt(q.x**2 + q.y**2 + q.z**2 + q.w**2), 1e-9)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = [t.x, t.y, t.z]
    parent, child = frame_name(message.header.frame_id), frame_name(message.child_frame_id)
    return Link(parent=parent, child=child, parent_from_child=matrix)


def base_from(frame: str, links: Sequence[Link], base: str = BASE) -> NDArray[np.float64] | None:
    """Find the transform from a frame to base_link through any chain of links.

    Args:
        frame: Frame of a sensor.
        links: All transforms.
        base: Frame of the rear axle's center on the ground.

    Returns:
        4x4, points of ``frame`` in ``base``; None when they are not connected.
    """
    frame, base = frame_name(frame), frame_name(base)
    known, ahead = {base: np.eye(4)}, deque([base])
    while ahead:
        here = ahead.popleft()
        for link in links:
            for other, step in (
                (link.child, link.parent_from_child if link.parent == here else None),
                (link.parent, np.linalg.inv(link.parent_from_child) if link.child == here else None),
            ):
                if step is not None and other not in known:
                    known[other] = known[here] @ step
                    ahead.append(other)
    return known.get(frame)


def frames_of(topic_statistics: Sequence[TopicStatistics]) -> dict[str, str]:
    """Return sensor -> frame_id of its messages.

    Args:
        topic_statistics: Received topics.
    """
    sensors = [item for item in topic_statistics if item.kind in ("camera", "lidar") and item.message is not None]
    return {item.name: item.message.header.frame_id for item in sensors}


def check(rig: Rig, frames: Mapping[str, str], links: Sequence[Link]) -> Iterator[Finding]:
    """Compare every sensor whose frame is connected to base_link.

    Args:
        rig: Rig of the planner.
        frames: Result of ``frames_of``.
        links: Transforms of /tf_static.

    Yields:
        Findings.
    """
    mounts: dict[str, Mount] = {f"camera {camera.name}": camera for camera in rig.cameras}
    if rig.lidar is not None:
        mounts["lidar"] = rig.lidar
    for name, mount in mounts.items():
        found = base_from(frames[name], links) if frames.get(name) else None
        if found is not None:
            yield _compare(name, frames[name], mount, found)
        elif name in frames:
            yield _FINDINGS.ok(name, f"mount not compared: /tf_static does not connect '{frames[name]}' with {BASE}")


def _compare(name: str, frame: str, mount: Mount, base_from_frame: NDArray[np.float64]) -> Finding:
    expected = mount.base_from_sensor()
    candidates = [base_from_frame[:3, :3]]
    if name.startswith("camera"):  # its frame may be an optical one, z ahead
        candidates.append(candidates[0] @ OPTICAL_FROM_SENSOR)
    turns = [_angle_rad(rotation.T @ expected[:3, :3]) for rotation in candidates]
    gap_m, turn_rad = float(np.linalg.norm(base_from_frame[:3, 3] - expected[:3, 3])), min(turns)
    if gap_m <= _MAX_GAP_M and turn_rad <= _MAX_TURN_RAD:
        return _FINDINGS.ok(name, f"mounted as '{frame}' in /tf_static")
    roll, pitch, yaw = angles_rad(candidates[turns.index(turn_rad)])
    x, y, z = base_from_frame[:3, 3] + 0.0  # no minus zeros
    text = f"the rig and /tf_static ('{frame}') differ by {gap_m:.2f} m and {math.degrees(turn_rad):.1f} degrees"
    entry = (
        f"x_m: {x:.3f}, y_m: {y:.3f}, z_m: {z:.3f}, roll_rad: {roll:.4f}, pitch_rad: {pitch:.4f}, yaw_rad: {yaw:.4f}"
    )
    return _FINDINGS.warn(name, text, f"correct the one that is wrong; /tf_static as a rig entry: {entry}")


def _angle_rad(rotation: NDArray[np.float64]) -> float:
    return math.acos(max(-1.0, min(1.0, (float(np.trace(rotation)) - 1.0) / 2.0)))
