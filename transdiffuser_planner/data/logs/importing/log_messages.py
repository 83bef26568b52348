"""A drive as messages: inputs of the planner, ground truth and sensor frames, in the order of their stamps."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, CameraMount, Rig
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.sensor_frames import ImageFrame, SensorFrame
from transdiffuser_planner.messages import encode_inputs, encode_recordings
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.topic_map import TopicMap

BASE_FRAME: Final = "base_link"
EGO: Final = "/ego"
OBJECTS: Final = "/ground_truth/objects"
MAP: Final = "/ground_truth/map"
LIGHT_STATUS: Final = "/ground_truth/traffic_lights/status"
LIGHT_INFO: Final = "/ground_truth/traffic_lights/info"


@dataclass(frozen=True, kw_only=True, slots=True)
class BagItem:
    """A message with its topic and log time; ``message`` is None for a frame that cannot be read, with the reason."""

    stamp_ns: int
    topic: str
    type_name: str
    message: Any
    reason: str = ""


def topics_of(log: DriveLog, rig: Rig) -> TopicMap:
    """Return the topic of everything that a drive holds.

    Args:
        log: The drive.
        rig: Sensors whose frames are written.
    """
    single = ("odometry", "acceleration", "route", "command", "speed_limit", "traffic_signal")
    named = {name: f"{EGO}/{name}" for name in single if name in log.inputs}
    truth = {name: topic for name, topic in (("objects", OBJECTS), ("map", MAP)) if name in log.inputs}
    has_cloud = any(not isinstance(frame, ImageFrame) for frame in log.frames)
    return TopicMap(
        images={camera.name: _image_topic(camera.name) for camera in rig.cameras},
        camera_infos={camera.name: f"{EGO}/{camera.name}/camera_info" for camera in rig.cameras},
        lidar=f"{EGO}/{rig.lidar.name}" if rig.lidar is not None and has_cloud else "",
        **named,
        **truth,
    )


def _image_topic(camera: str) -> str:
    return f"{EGO}/{camera}/image/compressed"


def frames_of(log: DriveLog, rig: Rig) -> list[SensorFrame]:
    """Return the sensor frames of a rig's sensors.

    Args:
        log: The drive.
        rig: Sensors that count.
    """
    names = {camera.name for camera in rig.cameras}
    return [
        frame
        for frame in log.frames
        if (frame.camera in names if isinstance(frame, ImageFrame) else rig.lidar is not None)
    ]


def bag_items(log: DriveLog, rig: Rig, topics: TopicMap) -> Iterator[BagItem]:
    """Yield all messages of a drive in the order of their stamps; a sensor frame is read when its turn comes.

    Args:
        log: The drive, with odometry.
        rig: Sensors whose frames are written.
        topics: Result of ``topics_of``.

    Yields:
        Messages, and frames that cannot be read.
    """
    values = sorted(_values(log, rig, topics), key=lambda item: item.stamp_ns)
    yield from heapq.merge(values, _frames(log, rig, topics), key=lambda item: item.stamp_ns)


def _values(log: DriveLog, rig: Rig, topics: TopicMap) -> Iterator[BagItem]:
    """Yield everything but sensor frames; latched messages first, so that they keep the first place at their stamp.

    Yields:
        Messages in any order.
    """
    make, begin_ns = make_message, log.ego.begin_ns
    yield from _latched(log, rig, begin_ns)
    for stamp_ns, route in log.routes:
        heading = np.unwrap(np.arctan2(*np.gradient(route.xy_N2, axis=0).T[::-1]))
        poses = np.column_stack([route.xy_N2, heading])
        path = encode_inputs.path(make, stamp_ns, route.frame_id, poses)
        yield _item(stamp_ns, topics.route, "nav_msgs/msg/Path", path)
    for state in log.ego.states:
        message = encode_inputs.odometry(make, state, BASE_FRAME)
        yield _item(state.stamp_ns, topics.odometry, "nav_msgs/msg/Odometry", message)
    for value in log.acceleration:
        message = encode_inputs.acceleration(make, value, BASE_FRAME)
        yield _item(value.stamp_ns, topics.acceleration, "geometry_msgs/msg/AccelWithCovarianceStamped", message)
    for stamp_ns, command in log.commands:
        message = encode_inputs.driving_command(make, stamp_ns, command)
        yield _item(stamp_ns, topics.command, "transdiffuser_msgs/msg/DrivingCommand", message)
    for stamp_ns, limit_mps in log.speed_limits:
        yield _item(stamp_ns, topics.speed_limit, "std_msgs/msg/Float32", encode_inputs.float32(make, limit_mps))
    for signal in log.signals:
        message = encode_inputs.traffic_signal(make, signal.stamp_ns, signal)
        yield _item(signal.stamp_ns, topics.traffic_signal, "transdiffuser_msgs/msg/TrafficSignal", message)
    if "objects" in log.inputs:
        for stamp_ns, agents in log.agents.snapshots:
            message = encode_inputs.object_array(make, stamp_ns, agents)
            yield _item(stamp_ns, OBJECTS, "derived_object_msgs/msg/ObjectArray", message)
    for stamp_ns, states in log.light_states:
        message = encode_inputs.traffic_light_status(make, states.items())
        yield _item(stamp_ns, LIGHT_STATUS, "carla_msgs/msg/CarlaTrafficLightStatusList", message)


def _latched(log: DriveLog, rig: Rig, stamp_ns: int) -> Iterator[BagItem]:
    """Yield what is published once.

    Yields:
        Transforms of the sensors, map, places of the lights.
    """
    make = make_message
    frames = {camera.name: _optical(camera) for camera in rig.cameras}
    if rig.lidar is not None:
        frames[rig.lidar.name] = rig.lidar.base_from_sensor()
    message = encode_recordings.static_transforms(make, stamp_ns, BASE_FRAME, frames)
    yield _item(stamp_ns, encode_recordings.TF_STATIC, "tf2_msgs/msg/TFMessage", message)
    if "map" in log.inputs:
        message = encode_inputs.map_polygons(make, stamp_ns, log.map_name, log.map_pieces)
        yield _item(stamp_ns, MAP, "transdiffuser_msgs/msg/MapPolygons", message)
    if log.lights:
        heads = [(light.number, light.x_m, light.y_m, 0.0, light.facing_rad) for light in log.lights]
        message = encode_inputs.traffic_light_info(make, heads)
        yield _item(stamp_ns, LIGHT_INFO, "carla_msgs/msg/CarlaTrafficLightInfoList", message)


def _optical(camera: CameraMount) -> Any:
    """Transform of points from a camera's optical frame into base_link."""
    base_from_optical = camera.base_from_sensor()
    base_from_optical[:3, :3] = base_from_optical[:3, :3] @ OPTICAL_FROM_SENSOR.T
    return base_from_optical


def _frames(log: DriveLog, rig: Rig, topics: TopicMap) -> Iterator[BagItem]:
    """Yield sensor frames.

    Yields:
        Images, each after its camera_info, and point clouds.
    """
    cameras = {camera.name: camera for camera in rig.cameras}
    for frame in frames_of(log, rig):
        if isinstance(frame, ImageFrame):
            yield from _image(frame, cameras[frame.camera], topics)
            continue
        assert rig.lidar is not None
        try:
            points_N4 = frame.read()
        except InputError as error:
            yield BagItem(stamp_ns=frame.stamp_ns, topic="", type_name="", message=None, reason=str(error))
            continue
        cloud = encode_inputs.point_cloud(make_message, frame.stamp_ns, rig.lidar.name, points_N4)
        yield _item(frame.stamp_ns, topics.lidar, "sensor_msgs/msg/PointCloud2", cloud)


def _image(frame: ImageFrame, camera: CameraMount, topics: TopicMap) -> Iterable[BagItem]:
    try:
        data = frame.read()
    except InputError as error:
        return [BagItem(stamp_ns=frame.stamp_ns, topic="", type_name="", message=None, reason=str(error))]
    info = encode_inputs.camera_info(make_message, frame.stamp_ns, camera.name, camera)
    image = encode_recordings.compressed_image(make_message, frame.stamp_ns, camera.name, data)
    return [
        _item(frame.stamp_ns, topics.camera_infos[camera.name], "sensor_msgs/msg/CameraInfo", info),
        _item(frame.stamp_ns, topics.images[camera.name], "sensor_msgs/msg/CompressedImage", image),
    ]


def _item(stamp_ns: int, topic: str, type_name: str, message: Any) -> BagItem:
    return BagItem(stamp_ns=stamp_ns, topic=topic, type_name=type_name, message=message)
