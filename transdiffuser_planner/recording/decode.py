"""ROS messages -> core values. Messages are duck-typed: rosbags' and rclpy's classes are read alike.

Data that must not be planned from raises InputError with one line: what, expected, got.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import (
    Acceleration,
    CameraImage,
    CameraIntrinsics,
    Command,
    EgoState,
    PointCloud,
    Route,
    SignalState,
    TrafficSignal,
)

_CHANNELS = {"rgb8": (3, (0, 1, 2)), "bgr8": (3, (2, 1, 0)), "rgba8": (4, (0, 1, 2)), "bgra8": (4, (2, 1, 0)),
             "mono8": (1, (0, 0, 0)), "8UC1": (1, (0, 0, 0)), "8UC3": (3, (2, 1, 0)), "8UC4": (4, (2, 1, 0))}  # fmt: skip
_POINT_FIELD = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_OBJECT_CLASS = {4: AgentClass.PEDESTRIAN, 5: AgentClass.BICYCLE, 6: AgentClass.CAR, 7: AgentClass.TRUCK,
                 8: AgentClass.MOTORCYCLE, 9: AgentClass.CAR}  # fmt: skip
_CARLA_LIGHT = {0: SignalState.RED, 1: SignalState.AMBER, 2: SignalState.GREEN}


def stamp_ns(message: Any) -> int:
    """A message's header stamp in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def yaw_of(quaternion: Any) -> float:
    """Rotation about z of a quaternion, rad."""
    x, y, z, w = quaternion.x, quaternion.y, quaternion.z, quaternion.w
    return float(np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)))


def image(message: Any, name: str) -> CameraImage:
    """A sensor_msgs/Image or CompressedImage as RGB.

    Raises:
        InputError: Unknown encoding, truncated data, zero size, or an undecodable picture.
    """
    rgb = _compressed(message, name) if hasattr(message, "format") else _raw(message, name)
    return CameraImage(stamp_ns=stamp_ns(message), name=name, rgb_HW3=rgb)


def _raw(message: Any, name: str) -> NDArray[np.uint8]:
    height, width, step = int(message.height), int(message.width), int(message.step)
    if message.encoding not in _CHANNELS:
        raise InputError(f"camera '{name}': encoding '{message.encoding}' is not one of {', '.join(_CHANNELS)}")
    channels, order = _CHANNELS[message.encoding]
    if height < 1 or width < 1 or step < width * channels:
        raise InputError(f"camera '{name}': size {width}x{height} with step {step} is no {message.encoding} picture")
    data = np.frombuffer(message.data, dtype=np.uint8)
    if len(data) < height * step:
        raise InputError(f"camera '{name}': truncated, expected {height * step} bytes, got {len(data)}")
    pixels = data[: height * step].reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    return pixels if order == (0, 1, 2) and channels == 3 else np.ascontiguousarray(pixels[:, :, order])


def _compressed(message: Any, name: str) -> NDArray[np.uint8]:
    try:
        with PillowImage.open(io.BytesIO(bytes(message.data))) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"camera '{name}': compressed picture cannot be decoded ({error})") from None


def intrinsics(message: Any) -> CameraIntrinsics:
    """A sensor_msgs/CameraInfo; the projection matrix of the rectified picture where there is one.

    Raises:
        InputError: Values are not finite.
    """
    p, k = np.asarray(message.p, dtype=np.float64), np.asarray(message.k, dtype=np.float64)
    fx, fy, cx, cy = (p[0], p[5], p[2], p[6]) if p[0] > 0.0 else (k[0], k[4], k[2], k[5])
    if not np.isfinite([fx, fy, cx, cy]).all():
        raise InputError("camera_info: intrinsics are not finite")
    return CameraIntrinsics(
        width=int(message.width), height=int(message.height), fx=float(fx), fy=float(fy), cx=float(cx), cy=float(cy)
    )


def point_cloud(message: Any) -> PointCloud:
    """A sensor_msgs/PointCloud2 of any layout with x, y, z; points with NaN or infinite coordinates are dropped.

    Raises:
        InputError: A coordinate field is missing, the data is truncated, or nothing finite is left.
    """
    fields = {field.name: field for field in message.fields}
    missing = [name for name in ("x", "y", "z") if name not in fields]
    if missing:
        raise InputError(f"lidar: cloud lacks field {', '.join(missing)}; it has {', '.join(fields) or 'none'}")
    width, height, step, row = (int(v) for v in (message.width, message.height, message.point_step, message.row_step))
    data = np.frombuffer(message.data, dtype=np.uint8)
    row = row or width * step
    if len(data) < row * height or row < width * step:
        raise InputError(f"lidar: truncated cloud, expected {row * height} bytes, got {len(data)}")
    order = ">" if message.is_bigendian else "<"
    layout = _layout([fields[name] for name in ("x", "y", "z")], order, step)
    packed = data[: row * height].reshape(height, row)[:, : width * step].reshape(-1)
    xyz = np.ascontiguousarray(packed).view(layout)
    points = np.stack([xyz[name] for name in ("x", "y", "z")], axis=-1).astype(np.float32, copy=False)
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        points = points[finite]
        if len(points) == 0:
            raise InputError("lidar: every point of the cloud is NaN or infinite")
    return PointCloud(stamp_ns=stamp_ns(message), xyz_N3=np.ascontiguousarray(points))


def _layout(fields: list[Any], order: str, step: int) -> np.dtype[Any]:
    """Structured dtype of x, y, z within a point of step bytes."""
    formats = []
    for field in fields:
        if int(field.datatype) not in _POINT_FIELD or int(field.offset) + 1 > step:
            raise InputError(f"lidar: field '{field.name}' has datatype {field.datatype} at offset {field.offset}")
        formats.append(order + _POINT_FIELD[int(field.datatype)])
    offsets = [int(field.offset) for field in fields]
    if any(offset + np.dtype(kind).itemsize > step for offset, kind in zip(offsets, formats, strict=True)):
        raise InputError(f"lidar: fields reach beyond the point's {step} bytes")
    return np.dtype({"names": ["x", "y", "z"], "formats": formats, "offsets": offsets, "itemsize": step})


def odometry(message: Any) -> EgoState:
    """A nav_msgs/Odometry with body-frame twist.

    Raises:
        InputError: A value is not finite, or the quaternion is zero.
    """
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    values = [position.x, position.y, position.z, orientation.x, orientation.y, orientation.z, orientation.w]
    values += [linear.x, linear.y, angular.z]
    if not np.isfinite(values).all():
        raise InputError("odometry: holds NaN or infinite values")
    if abs(sum(v * v for v in values[3:7]) - 1.0) > 0.1:
        raise InputError("odometry: orientation is not a unit quaternion")
    return EgoState(
        stamp_ns=stamp_ns(message),
        frame_id=message.header.frame_id,
        x_m=float(position.x),
        y_m=float(position.y),
        z_m=float(position.z),
        heading_rad=yaw_of(orientation),
        vx_mps=float(linear.x),
        vy_mps=float(linear.y),
        yaw_rate_radps=float(angular.z),
    )


def acceleration(message: Any) -> Acceleration:
    """A geometry_msgs/AccelWithCovarianceStamped.

    Raises:
        InputError: A value is not finite.
    """
    linear = message.accel.accel.linear
    if not np.isfinite([linear.x, linear.y]).all():
        raise InputError("acceleration: holds NaN or infinite values")
    return Acceleration(stamp_ns=stamp_ns(message), ax_mps2=float(linear.x), ay_mps2=float(linear.y))


def route(message: Any) -> Route:
    """A nav_msgs/Path.

    Raises:
        InputError: Fewer than two poses, or a value is not finite.
    """
    xy = np.asarray([[p.pose.position.x, p.pose.position.y] for p in message.poses], dtype=np.float64).reshape(-1, 2)
    if len(xy) < 2 or not np.isfinite(xy).all():
        raise InputError(f"route: needs at least two finite poses, got {len(xy)}")
    return Route(stamp_ns=stamp_ns(message), frame_id=message.header.frame_id, xy_N2=xy)


def driving_command(message: Any) -> Command:
    """A transdiffuser_msgs/DrivingCommand.

    Raises:
        InputError: The value is not one of the message's constants.
    """
    try:
        return Command(int(message.command))
    except ValueError:
        raise InputError(f"command: {message.command} is not one of 0..3") from None


def traffic_signal(message: Any) -> TrafficSignal:
    """A transdiffuser_msgs/TrafficSignal.

    Raises:
        InputError: The state is unknown to the message or the distance is not finite.
    """
    if int(message.state) not in range(4) or not np.isfinite(message.distance_m):
        raise InputError(f"traffic signal: state {message.state} at {message.distance_m} m is not valid")
    return TrafficSignal(
        stamp_ns=stamp_ns(message), state=SignalState(int(message.state)), distance_m=float(message.distance_m)
    )


def object_array(message: Any) -> AgentStates:
    """A derived_object_msgs/ObjectArray; objects without a box or of no known class are left out."""
    objects = [o for o in message.objects if int(o.classification) in _OBJECT_CLASS and len(o.shape.dimensions) >= 3]
    count = len(objects)
    heading = np.asarray([yaw_of(o.pose.orientation) for o in objects], dtype=np.float64)
    velocity = np.asarray([[o.twist.linear.x, o.twist.linear.y] for o in objects], dtype=np.float64).reshape(count, 2)
    size = np.asarray([o.shape.dimensions[:3] for o in objects], dtype=np.float64).reshape(count, 3)
    return AgentStates(
        frame_id=message.header.frame_id,
        id_N=np.asarray([o.id for o in objects], dtype=np.uint32),
        class_N=np.asarray([_OBJECT_CLASS[int(o.classification)] for o in objects], dtype=np.int8),
        x_m_N=np.asarray([o.pose.position.x for o in objects], dtype=np.float64),
        y_m_N=np.asarray([o.pose.position.y for o in objects], dtype=np.float64),
        heading_rad_N=heading,
        speed_mps_N=velocity[:, 0] * np.cos(heading) + velocity[:, 1] * np.sin(heading),
        length_m_N=size[:, 0],
        width_m_N=size[:, 1],
        height_m_N=size[:, 2],
        braking_N=np.zeros(count, dtype=np.bool_),
    )


def map_polygons(message: Any) -> list[tuple[int, NDArray[np.float64]]]:
    """A transdiffuser_msgs/MapPolygons as (kind, vertices (N, 2))."""
    return [
        (int(p.kind), np.stack([np.asarray(p.x, dtype=np.float64), np.asarray(p.y, dtype=np.float64)], axis=-1))
        for p in message.polygons
    ]


def traffic_light_states(message: Any) -> dict[int, SignalState]:
    """A carla_msgs/CarlaTrafficLightStatusList: light id -> state."""
    return {int(t.id): _CARLA_LIGHT.get(int(t.state), SignalState.UNKNOWN) for t in message.traffic_lights}
