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
from transdiffuser_planner.core.rig import CameraMount, LidarMount, Rig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.doctor.bag_topics import camera_names, image_topic, other_topics
from transdiffuser_planner.doctor.extrinsics import BASE, OPTICAL_FROM_SENSOR, Link, angles_rad, base_from, link_of
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.topic_map import TopicMap

_INFO, _CLOUD, _ODOMETRY = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/PointCloud2", "nav_msgs/msg/Odometry"
_MAX_SIDE_M, _MAX_TURN_RAD = 0.05, math.radians(2.0)
_TF_MESSAGES = 1000
"""Of /tf, which is only read for frames that /tf_static does not connect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which of a bag's topics and frames to use; empty values mean that the bag decides.

    Attributes:
        base: Frame of the rear axle's center on the ground.
        cameras: Names of cameras, from left to right.
        lidar, odometry: Topics.
    """

    base: str = BASE
    cameras: tuple[str, ...] = ()
    lidar: str = ""
    odometry: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RigDraft:
    """Result of reading a bag's calibration.

    Attributes:
        rig: Sensors and mounts.
        topics: The planner's inputs under the rig's camera names.
        notes: One line for each thing that needs a look.
    """

    rig: Rig
    topics: TopicMap
    notes: tuple[str, ...] = field(default=())


def draft_rig(bag: BagReader, wanted: Wanted) -> RigDraft:
    """Read mounts and intrinsics of a bag's sensors.

    Args:
        bag: An open bag.
        wanted: The choice of sensors and of the base frame.

    Returns:
        Rig, topic map and notes.

    Raises:
        InputError: No sensor, an ambiguous or uncalibrated one, or one that the transforms do not connect to the base.
    """
    held, notes = bag.topics(), []
    infos = _cameras(held, wanted.cameras, bag.path)
    lidar = _only(held, _CLOUD, wanted.lidar, "lidar", bag.path)
    odometry = _only(held, _ODOMETRY, wanted.odometry, "odometry", bag.path)
    if not infos and not lidar:
        raise InputError(
            f"bag {bag.path}: holds neither {_INFO} nor {_CLOUD}; record the sensors with their camera_info"
        )
    first = _first_messages(bag, {*infos.values(), lidar, odometry} - {""})
    frames = _Frames(bag, wanted.base)
    images = {name: image_topic(held, info) for name, info in infos.items()}
    cameras = []
    for name, topic in infos.items():
        message = first[topic]
        notes += _camera_notes(name, topic, message, images[name])
        cameras.append(_camera(name, topic, message, frames))
    cameras = cameras if wanted.cameras else sorted(cameras, key=lambda camera: -camera.yaw_rad)
    offset_m, odometry_notes = _odometry_offset(first[odometry], frames) if odometry else (0.0, _no_odometry())
    rig = Rig(
        cameras=tuple(cameras),
        lidar=_lidar(first[lidar], lidar, frames) if lidar else None,
        base_from_odometry_child_x_m=offset_m,
    )
    others, other_notes = other_topics(held)
    topics = TopicMap(
        images={name: topic for name, topic in images.items() if topic},
        camera_infos=infos,
        lidar=lidar,
        odometry=odometry,
        **others,
    )
    return RigDraft(rig=rig, topics=topics, notes=(*notes, *odometry_notes, *other_notes))


class _Frames:
    """The bag's transforms: /tf_static, and where that does not suffice the beginning of /tf."""

    def __init__(self, bag: BagReader, base: str) -> None:
        self._bag, self._base = bag, base
        self._links = self._read("/tf_static", None)
        self._has_all = False

    def base_from(self, frame: str, topic: str) -> NDArray[np.float64]:
        """The transform of points in a frame, that of a topic's messages, into the base (4x4).

        Raises:
            InputError: Nothing connects the two.
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


def _cameras(held: Mapping[str, str], wanted: Sequence[str], where: Path) -> dict[str, str]:
    """Name -> CameraInfo topic of the cameras to use."""
    found = camera_names(sorted(topic for topic, kind in held.items() if kind == _INFO))
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        raise InputError(f"bag {where}: no camera {', '.join(unknown)}; it has {', '.join(found) or 'none'}")
    return {name: found[name] for name in wanted} if wanted else found


def _only(held: Mapping[str, str], kind: str, wanted: str, name: str, where: Path) -> str:
    """The one topic of a type, or the wanted one; "" when there is none."""
    found = sorted(topic for topic, other in held.items() if other == kind)
    if wanted:
        if wanted not in found:
            raise InputError(f"bag {where}: no {kind} on {wanted}; it has {', '.join(found) or 'none'}")
        return wanted
    if len(found) > 1:
        raise InputError(f"bag {where}: {name} could be {' or '.join(found)}; choose with --{name} TOPIC")
    return found[0] if found else ""


def _first_messages(bag: BagReader, topics: set[str]) -> dict[str, Any]:
    """The first message of each topic."""
    found: dict[str, Any] = {}
    for item in bag.messages(topics):
        found.setdefault(item.topic, item.message)
        if len(found) == len(topics):
            break
    silent = sorted(topics - set(found))
    if silent:
        raise InputError(
            f"bag {bag.path}: no message on {', '.join(silent)}; record a longer drive, or leave the sensor out"
        )
    return found


def _camera(name: str, topic: str, info: Any, frames: _Frames) -> CameraMount:
    try:
        found = decode_inputs.intrinsics(info)
    except InputError as error:
        raise InputError(f"{topic}: {error}; calibrate the camera, or leave it out with --cameras") from None
    if min(found.fx, found.fy, found.width, found.height) <= 0:
        raise InputError(
            f"{topic}: not calibrated (fx {found.fx:g}); calibrate the camera, or leave it out with --cameras"
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
        **_place(base_from_sensor),
    )


def body_axes(base_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """A camera's frame with x ahead and z up, from an optical one (z ahead, y down) or from one that is so already.

    Args:
        base_from_camera: 4x4; the frame of a CameraInfo. REP 103 wants it optical, not every driver keeps to that.

    Returns:
        4x4, the frame of a rig's mount.
    """
    down, up = -base_from_camera[2, 1], base_from_camera[2, 2]
    found: NDArray[np.float64] = base_from_camera.copy()
    if down > up:
        found[:3, :3] = base_from_camera[:3, :3] @ OPTICAL_FROM_SENSOR
    return found


def _lidar(cloud: Any, topic: str, frames: _Frames) -> LidarMount:
    return LidarMount(**_place(frames.base_from(cloud.header.frame_id, topic)))


def _place(base_from_sensor: NDArray[np.float64]) -> dict[str, Any]:
    """Fields of a mount, to a tenth of a millimeter and of a milliradian."""
    names = ("x_m", "y_m", "z_m", "roll_rad", "pitch_rad", "yaw_rad")
    values = (*base_from_sensor[:3, 3], *angles_rad(base_from_sensor[:3, :3]))
    return {name: round(float(value), 4) + 0.0 for name, value in zip(names, values, strict=True)}


def _odometry_offset(message: Any, frames: _Frames) -> tuple[float, list[str]]:
    """Where the odometry's child frame lies in the base, along x, and what to look at."""
    child = message.child_frame_id
    try:
        place = _place(frames.base_from(child, "odometry")) if child else {}
    except InputError:
        return 0.0, [
            f"odometry: its child frame '{child}' is not connected by any transform; taken for the rear axle's center"
        ]
    if not place:
        return 0.0, ["odometry: child_frame_id is empty; taken for the rear axle's center on the ground"]
    notes = []
    if abs(place["y_m"]) > _MAX_SIDE_M or abs(place["yaw_rad"]) > _MAX_TURN_RAD:
        notes = [f"odometry: '{child}' is moved sideways or turned; the planner corrects its position along x only"]
    return place["x_m"], notes


def _no_odometry() -> list[str]:
    return ["odometry: the bag has none; the planner needs nav_msgs/Odometry"]


def _camera_notes(name: str, topic: str, info: Any, image: str) -> list[str]:
    notes = [] if image else [f"camera {name}: no image topic below {topic.rsplit('/', 1)[0]}; add it to the topic map"]
    if not info.p[0] > 0.0 and any(abs(value) > 1e-6 for value in info.d):
        notes.append(f"camera {name}: has distortion and no projection matrix P; publish rectified images (image_proc)")
    return notes
