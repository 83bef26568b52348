"""Creates transforms for viewers: RViz and Foxglove only show data in connected frames, and many bags hold no /tf.

From odometry: its frame -> its child frame. From the rig: child frame -> frame of each sensor's messages. /tf and /tf_static
of the bag stay unchanged. Frames without a name, or equal where they must differ, are not connected: a transform from a frame
to itself or to nothing makes viewers refuse the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import Mount, Rig
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.topic_map import TopicMap

TF_TYPE = "tf2_msgs/msg/TFMessage"
_BASE = "base_link"
"""The vehicle's frame where odometry names none."""
_OPTICAL = np.asarray([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Columns: the optical frame's axes (right, down, ahead) in a frame with x ahead, y left, z up."""


class FrameWriter:
    """Creates the missing transforms of a bag, message by message.

    Args:
        available: Topic -> type of the bag.
        topics: Topic map.
        rig: Mounts of the sensors.
    """

    def __init__(self, available: Mapping[str, str], topics: TopicMap, rig: Rig) -> None:
        self._odometry_topic = topics.odometry
        self._has_tf, self._has_static = "/tf" in available, "/tf_static" in available
        self._offset_m = rig.base_from_odometry_child_x_m
        self._parent = self._child = ""
        self.notices: list[str] = []
        """Frames that cannot be connected, one line each."""
        self._mounts: dict[str, tuple[Mount, bool]] = {
            topics.images[camera.name]: (camera, True) for camera in rig.cameras if camera.name in topics.images
        }
        if rig.lidar is not None and topics.lidar:
            self._mounts[topics.lidar] = (rig.lidar, False)
        self._placed: set[str] = set()

    def messages(self, topic: str, message: Any) -> Iterator[tuple[str, Any]]:
        """Create the transforms for a decoded message.

        Args:
            topic: Topic of the message.
            message: The decoded message.

        Yields:
            (topic, tf2_msgs/TFMessage).
        """
        if topic == self._odometry_topic:
            self._parent, self._child = self._frames_of(message)
            if self._child and not self._has_tf:
                pose = message.pose.pose
                position, q = pose.position, pose.orientation
                place = (position.x, position.y, position.z)
                header = _header(message.header.stamp, self._parent)
                yield "/tf", _message(header, self._child, place, (q.x, q.y, q.z, q.w))
        elif topic in self._mounts and self._child and not self._has_static:
            frame = _frame(message.header.frame_id)
            if not frame or frame == self._parent:
                self._notice(
                    f"{topic}: its frame is {frame!r}; viewers cannot place it, no transform is written for it"
                )
                return
            if frame in (self._child, *self._placed):
                return
            self._placed.add(frame)
            mount, is_optical = self._mounts[topic]
            transform = mount.base_from_sensor()
            rotation = transform[:3, :3] @ _OPTICAL if is_optical else transform[:3, :3]
            place = (float(transform[0, 3]) - self._offset_m, float(transform[1, 3]), float(transform[2, 3]))
            header = _header(message.header.stamp, self._child)
            yield "/tf_static", _message(header, frame, place, quaternion(rotation))

    def _frames_of(self, odometry: Any) -> tuple[str, str]:
        """Return the odometry's frame and the vehicle's; both empty when they cannot be connected."""
        parent, child = _frame(odometry.header.frame_id), _frame(odometry.child_frame_id)
        if child and parent and child != parent:
            return parent, child
        given = f"the odometry's frames are {parent!r} and {child!r}"
        if parent in ("", _BASE):
            self._notice(f"{given}; no transforms are written, viewers show nothing in connected frames")
            return "", ""
        if child:
            self._notice(f"{given}, one and the same; transforms are written for a vehicle in {_BASE!r}")
        return parent, _BASE

    def _notice(self, text: str) -> None:
        if text not in self.notices and not (self._has_tf and self._has_static):
            self.notices.append(text)


def _frame(name: str) -> str:
    """Return the name of a frame as tf2 knows it: a leading slash is no part of it."""
    return str(name).lstrip("/")


def _header(stamp: Any, frame: str) -> Any:
    return make_message("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def quaternion(rotation_33: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Convert a rotation matrix to a quaternion by an eigenvector, which is accurate for every rotation.

    Args:
        rotation_33: Rotation matrix (3, 3).

    Returns:
        x, y, z, w with w >= 0.
    """
    m = rotation_33
    symmetric = np.asarray(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    x, y, z, w = np.linalg.eigh(symmetric)[1][:, -1]
    sign = 1.0 if w >= 0.0 else -1.0
    return float(sign * x), float(sign * y), float(sign * z), float(sign * w)


def _message(header: Any, child: str, place: tuple[float, ...], turn: tuple[float, ...]) -> Any:
    make = make_message
    translation = make("geometry_msgs/msg/Vector3", **dict(zip("xyz", map(float, place), strict=True)))
    rotation = make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", map(float, turn), strict=True)))
    transform = make("geometry_msgs/msg/Transform", translation=translation, rotation=rotation)
    stamped = make("geometry_msgs/msg/TransformStamped", header=header, child_frame_id=child, transform=transform)
    return make(TF_TYPE, transforms=[stamped])
