"""Drafts a rig and a topic map from the calibration that a bag carries: camera_info, /tf_static and the sensors' frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, CameraMount, LidarMount, Rig, place_of
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.doctor.bag_topics import camera_names, image_topic, other_topics
from transdiffuser_planner.doctor.extrinsics import BASE, Link, base_from, link_of
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.topic_map import TopicMap

_INFO, _CLOUD, _ODOMETRY = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/PointCloud2", "nav_msgs/msg/Odometry"
_MAX_SIDE_M, _MAX_TURN_RAD = 0.05, math.radians(2.0)
_TF_MESSAGES = 1000
"""Of /tf, which is only read for frames that /tf_static does not connect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorSelection:
    """Selection of topics and frames; empty values are filled from the bag.

    Attributes:
        base: Frame of the rear axle's center on the ground.
        cameras: Names of cameras, from left to right.
        lidar, odometry: Topic of the LiDAR and of odometry.
    """

    base: str = BASE
    cameras: tuple[str, ...] = ()
    lidar: str = ""
    odometry: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RigDraft:
    """Rig and topic map drafted from a bag.

    Attributes:
        rig: Sensors and mounts.
        topics: The planner's inputs under the rig's camera names.
        notes: One line per item to verify.
    """

    rig: Rig
    topics: TopicMap
    notes: tuple[str, ...] = field(default=())


def draft_rig(bag: BagReader, selection: SensorSelection) -> RigDraft:
    """Read mounts and intrinsics of a bag's sensors.

    Args:
        bag: An open bag.
        selection: Sensors and base frame to use.

    Returns:
        Rig, topic map and notes.

    Raises:
        InputError: There is no sensor, or one is ambiguous, uncalibrated, or not connected to the base.
    """
    available, notes = bag.topics(), []
    infos = _cameras(available, selection.cameras, bag.path)
    lidar = _only(available, _CLOUD, selection.lidar, "lidar", bag.path)
    odometry = _only(available, _ODOMETRY, selection.odometry, "odometry", bag.path)
    if not infos and not lidar:
        raise InputError(
            f"bag {bag.path}: holds neither {_INFO} nor {_CLOUD}; record the sensors with their camera_info"
        )
    first = _first_messages(bag, {*infos.values(), lidar, odometry} - {""})
    frames = _Frames(bag, selection.base)
    images = {name: image_topic(available, info) for name, info in infos.items()}
    cameras = []
    for name, topic in infos.items():
        message = first[topic]
        notes += _camera_notes(name, topic, message, images[name])
        cameras.append(_camera(name, topic, message, frames))
    cameras = cameras if selection.cameras else sorted(cameras, key=lambda camera: -camera.yaw_rad)
    offset_m, odometry_notes = _odometry_offset(first[odometry], frames) if odometry else (0.0, _no_odometry())
    rig = Rig(
        cameras=tuple(cameras),
        lidar=_lidar(first[lidar], lidar, frames) if lidar else None,
        base_from_odometry_child_x_m=offset_m,
    )
    others, other_notes = other_topics(available)
    topics = TopicMap(
        images={name: topic for name, topic in images.items() if topic},
        camera_infos=infos,
        lidar=lidar,
        odometry=odometry,
        **others,
    )
    return RigDraft(rig=rig, topics=topics, notes=(*notes, *odometry_notes, *other_notes))


class _Frames:
    """Transforms of a bag: /tf_static, and if needed the first messages of /tf."""

    def __init__(self, bag: BagReader, base: str) -> None:
        self._bag, self._base = bag, base
        self._links = self._read("/tf_static", None)
        self._has_all = False

    def base_from(self, frame: str, topic: str) -> NDArray[np.float64]:
        """Find the transform from a frame to the base.

        Args:
            frame: Frame of a sensor.
            topic: Topic of the sensor, for the message.

        Returns:
            4x4, points of the frame in the base.

        Raises:
            InputError: The two frames are not connected.
        """
        found = base_from(frame, self._links, self._base)
        if found is None and not self._has_all:
            self._links, self._has_all = [*self._links, *self._read("/tf", _TF_MESSAGES)], True
            found = base_from(frame, self._links, self._base)
        if found is None:
            known = ", ".join(sorted({name for link in self._links for name in (link.parent, link.child)})) or "none"
            raise InputError(
                f"bag {self._bag.path}: no transform connects '{frame}' ({topic}) with '{self._base}'; known frames: {known}; "
                "record /tf_static, give the vehicle's frame with --base, or choose other sensors with --cameras and --lidar"
            )
        return found

    def _read(self, topic: str, most: int | None) -> list[Link]:
        links: list[Link] = []
        if topic in self._bag.topics():
            for count, item in enumerate(self._bag.messages({topic})):
                links += [link_of(transform) for transform in item.message.transforms]
                if most is not None and count >= most:
                    break
        return links


def _cameras(available: Mapping[str, str], selected: Sequence[str], where: Path) -> dict[str, str]:
    """Return name -> CameraInfo topic of the selected cameras.

    Raises:
        InputError: A selected camera is not in the bag.
    """
    found = camera_names(sorted(topic for topic, kind in available.items() if kind == _INFO))
    unknown = sorted(set(selected) - set(found))
    if unknown:
        raise InputError(f"bag {where}: no camera {', '.join(unknown)}; it has {', '.join(found) or 'none'}")
    return {name: found[name] for name in selected} if selected else found


def _only(available: Mapping[str, str], kind: str, selected: str, name: str, where: Path) -> str:
    """Return the only topic of a type, or the selected one; "" when there is none.

    Raises:
        InputError: The selected topic is missing, or the choice is ambiguous.
    """
    found = sorted(topic for topic, other in available.items() if other == kind)
    if selected:
        if selected not in found:
            raise InputError(f"bag {where}: no {kind} on {selected}; it has {', '.join(found) or 'none'}")
        return selected
    if len(found) > 1:
        raise InputError(f"bag {where}: {name} could be {' or '.join(found)}; choose with --{name} TOPIC")
    return found[0] if found else ""


def _first_messages(bag: BagReader, topics: set[str]) -> dict[str, Any]:
    """Read the first message of each topic.

    Raises:
        InputError: A topic has no message.
    """
    found: dict[str, Any] = {}
    for item in bag.messages(topics):
        found.setdefault(item.topic, item.message)
        if len(found) == len(topics):
            break
    silent = sorted(topics - set(found))
    if silent:
        raise InputError(
            f"bag {bag.path}: no message on {', '.join(silent)}; record a longer drive, or exclude the sensor"
        )
    return found


def _camera(name: str, topic: str, info: Any, frames: _Frames) -> CameraMount:
    try:
        found = decode_inputs.intrinsics(info)
    except InputError as error:
        raise InputError(f"{topic}: {error}; calibrate the camera, or exclude it with --cameras") from None
    if min(found.fx, found.fy, found.width, found.height) <= 0:
        raise InputError(
            f"{topic}: not calibrated (fx {found.fx:g}); calibrate the camera, or exclude it with --cameras"
        )
    base_from_frame = frames.base_from(info.header.frame_id, topic)
    base_from_sensor = body_axes(base_from_frame)
    return CameraMount(
        name=name,
        width=found.width,
        height=found.height,
        fx=found.fx,
        fy=found.fy,
        cx=found.cx,
        cy=found.cy,
        **place_of(base_from_sensor),
    )


def body_axes(base_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert the frame of a camera to x forward, y left, z up.

    Args:
        base_from_camera: 4x4, frame of a CameraInfo. REP 103 requires an optical frame (z forward, y down); some drivers
            publish x forward instead.

    Returns:
        4x4, frame of a mount in the rig.
    """
    down, up = -base_from_camera[2, 1], base_from_camera[2, 2]
    found: NDArray[np.float64] = base_from_camera.copy()
    if down > up:
        found[:3, :3] = base_from_camera[:3, :3] @ OPTICAL_FROM_SENSOR
    return found


def _lidar(cloud: Any, topic: str, frames: _Frames) -> LidarMount:
    return LidarMount(**place_of(frames.base_from(cloud.header.frame_id, topic)))


def _odometry_offset(message: Any, frames: _Frames) -> tuple[float, list[str]]:
    """Return the position of the odometry's child frame along x of the base in meters, and notes."""
    child = message.child_frame_id
    try:
        place = place_of(frames.base_from(child, "odometry")) if child else {}
    except InputError:
        return 0.0, [
            f"odometry: its child frame '{child}' is not connected by any transform; assumed to be the rear axle's center"
        ]
    if not place:
        return 0.0, ["odometry: child_frame_id is empty; assumed to be the rear axle's center on the ground"]
    notes = []
    if abs(place["y_m"]) > _MAX_SIDE_M or abs(place["yaw_rad"]) > _MAX_TURN_RAD:
        notes = [f"odometry: '{child}' is shifted sideways or rotated; the planner corrects its position along x only"]
    return place["x_m"], notes


def _no_odometry() -> list[str]:
    return ["odometry: not in the bag; the planner needs nav_msgs/Odometry"]


def _camera_notes(name: str, topic: str, info: Any, image: str) -> list[str]:
    notes = [] if image else [f"camera {name}: no image topic below {topic.rsplit('/', 1)[0]}; add it to the topic map"]
    if not info.p[0] > 0.0 and any(abs(value) > 1e-6 for value in info.d):
        notes.append(f"camera {name}: has distortion and no projection matrix P; publish rectified images (image_proc)")
    return notes
