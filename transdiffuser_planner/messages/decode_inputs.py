"""ROS messages -> core values. Messages are duck-typed: rosbags' and rclpy's classes both work.

Unusable data raises InputError with one line: input, expected, got.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.geometry import thinned_polyline
from transdiffuser_planner.core.lens import FISHEYE_MODELS
from transdiffuser_planner.core.types import (
    Acceleration,
    ActionTokens,
    CameraImage,
    CameraIntrinsics,
    DrivingCommand,
    EgoState,
    PointCloud,
    Route,
    SignalState,
    TrafficSignal,
)
from transdiffuser_planner.messages import cloud_points
from transdiffuser_planner.messages.image_pixels import EncodedPixels, RawPixels

# Larger values are faults: no map is larger, no vehicle faster. Finite, they could still overflow.
_MAX_POSITION_M = 1e8
_MAX_SPEED_MPS = 150.0
_MAX_YAW_RATE_RADPS = 20.0
_MAX_ACCEL_MPS2 = 200.0
_MIN_DISTORTION = 1e-6
_MAX_ROUTE_POSES = 5000  # routes of more are thinned
_OBJECT_CLASS = {4: AgentClass.PEDESTRIAN, 5: AgentClass.BICYCLE, 6: AgentClass.CAR, 7: AgentClass.TRUCK,
                 8: AgentClass.MOTORCYCLE, 9: AgentClass.CAR}  # fmt: skip
_CARLA_LIGHT = {0: SignalState.RED, 1: SignalState.AMBER, 2: SignalState.GREEN}


def stamp_ns(message: Any) -> int:
    """A message's header stamp in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def frame_name(frame_id: str) -> str:
    """A frame without leading slashes, which ROS 1 and several drivers write and tf2 strips."""
    return str(frame_id).lstrip("/")


def yaw_of(quaternion: Any) -> float:
    """Rotation about z of a quaternion, rad."""
    x, y, z, w = quaternion.x, quaternion.y, quaternion.z, quaternion.w
    return float(np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)))


def _within(values: Sequence[float], limit: float) -> bool:
    return all(abs(value) <= limit for value in values)


def image(message: Any, name: str) -> CameraImage:
    """A sensor_msgs/Image or CompressedImage; its pixels are unpacked when they are read, which may raise InputError too.

    Raises:
        InputError: Unknown encoding or format, truncated data, zero size, or a damaged header or too large size.
    """
    pixels = EncodedPixels(message, name) if hasattr(message, "format") else RawPixels(message, name)
    return CameraImage(stamp_ns=stamp_ns(message), name=name, pixels=pixels)


def intrinsics(message: Any) -> CameraIntrinsics:
    """A sensor_msgs/CameraInfo; the projection matrix of the rectified image if present, cropped and scaled to the images.

    Width, height and matrices describe the full resolution; the images are the region of interest, then binned.

    Raises:
        InputError: Values are not finite, focal length or center are impossible for the image size, or region of
            interest or binning fit no image of it.
    """
    p, k = np.asarray(message.p, dtype=np.float64), np.asarray(message.k, dtype=np.float64)
    has_projection = bool(p[0] > 0.0)
    fx, fy, cx, cy = (p[0], p[5], p[2], p[6]) if has_projection else (k[0], k[4], k[2], k[5])
    if not np.isfinite([fx, fy, cx, cy]).all():
        raise InputError("camera_info: intrinsics are not finite")
    width, height = int(message.width), int(message.height)
    # Zeros mean "not calibrated"; the assembler reports them.
    focal_fits = max(abs(fx), abs(fy)) <= 100.0 * width and not 0.0 < min(fx, fy) < 0.01 * width
    if not focal_fits or abs(cx) + abs(cy) > 10.0 * (width + height):
        raise InputError(f"camera_info: fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g} fit no image of {width}x{height}")
    model, coefficients = _distortion(message)
    x, y, roi_width, roi_height = _region(message.roi, width, height)
    per_x, per_y = max(1, int(message.binning_x)), max(1, int(message.binning_y))
    if roi_width // per_x < min(1, width) or roi_height // per_y < min(1, height):
        raise InputError(f"camera_info: binning {per_x}x{per_y} leaves no pixel of {roi_width}x{roi_height}")
    return CameraIntrinsics(
        width=roi_width // per_x,
        height=roi_height // per_y,
        fx=float(fx / per_x),
        fy=float(fy / per_y),
        cx=float((cx - x) / per_x),
        cy=float((cy - y) / per_y),
        distortion_model=model,
        distortion=coefficients,
        is_rectified=has_projection or not (coefficients or model in FISHEYE_MODELS),
    )


def _region(roi: Any, width: int, height: int) -> tuple[int, int, int, int]:
    """The region of interest of a full image: x, y, width, height.

    Raises:
        InputError: It reaches beyond the image.
    """
    x, y, roi_width, roi_height = int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)
    if roi_width == 0 or roi_height == 0:
        return 0, 0, width, height
    if x + roi_width > width or y + roi_height > height:
        region = f"{roi_width}x{roi_height} at {x}, {y}"
        raise InputError(f"camera_info: region of interest {region} reaches beyond its image of {width}x{height}")
    return x, y, roi_width, roi_height


def _distortion(message: Any) -> tuple[str, tuple[float, ...]]:
    """Model and coefficients of the lens; no coefficients when all are zero.

    Raises:
        InputError: A coefficient is not finite.
    """
    values = np.asarray(message.d, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("camera_info: distortion coefficients are not finite")
    return str(message.distortion_model), tuple(values.tolist()) if (np.abs(values) > _MIN_DISTORTION).any() else ()


def point_cloud(message: Any) -> PointCloud:
    """A sensor_msgs/PointCloud2 of any layout with x, y, z, without points that are no returns.

    Raises:
        InputError: A coordinate field is missing, the data is truncated, there is no point, or no return.
    """
    return PointCloud(stamp_ns=stamp_ns(message), xyz_N3=cloud_points.points(message))


def odometry(message: Any) -> EgoState:
    """A nav_msgs/Odometry with body-frame twist.

    Raises:
        InputError: A value is not finite or impossible for a vehicle, or the quaternion is no rotation.
    """
    position, orientation = message.pose.pose.position, message.pose.pose.orientation
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    values = [position.x, position.y, position.z, orientation.x, orientation.y, orientation.z, orientation.w]
    values += [linear.x, linear.y, angular.z]
    if not np.isfinite(values).all():
        raise InputError("odometry: holds NaN or infinite values")
    if not _within(values[:3], _MAX_POSITION_M) or not _within(values[7:9], _MAX_SPEED_MPS):
        raise InputError(f"odometry: position or speed is beyond {_MAX_POSITION_M:g} m or {_MAX_SPEED_MPS:g} m/s")
    if not _within(values[9:], _MAX_YAW_RATE_RADPS):
        raise InputError(f"odometry: yaw rate {angular.z:g} rad/s is beyond {_MAX_YAW_RATE_RADPS:g}")
    if abs(sum(v * v for v in values[3:7]) - 1.0) > 0.1:
        raise InputError("odometry: orientation is not a unit quaternion")
    return EgoState(
        stamp_ns=stamp_ns(message),
        frame_id=frame_name(message.header.frame_id),
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
        InputError: A value is not finite or impossible for a vehicle.
    """
    linear = message.accel.accel.linear
    if not np.isfinite([linear.x, linear.y]).all():
        raise InputError("acceleration: holds NaN or infinite values")
    if not _within([linear.x, linear.y], _MAX_ACCEL_MPS2):
        raise InputError(f"acceleration: {linear.x:g}, {linear.y:g} m/s2 is beyond {_MAX_ACCEL_MPS2:g}")
    return Acceleration(stamp_ns=stamp_ns(message), ax_mps2=float(linear.x), ay_mps2=float(linear.y))


def route(message: Any) -> Route:
    """A nav_msgs/Path; a path without poses withdraws the route, one of very many is thinned to a few centimeters.

    Raises:
        InputError: A single pose, or a value is not finite or outside any map.
    """
    xy = _positions(message)
    if len(xy) == 1 or not np.isfinite(xy).all():
        raise InputError(f"route: needs at least two finite poses, got {len(xy)}")
    if np.abs(xy).max(initial=0.0) > _MAX_POSITION_M:
        raise InputError(f"route: a pose lies beyond {_MAX_POSITION_M:g} m")
    frame_id = frame_name(message.header.frame_id)
    return Route(stamp_ns=stamp_ns(message), frame_id=frame_id, xy_N2=thinned_polyline(xy, _MAX_ROUTE_POSES))


def _positions(message: Any) -> NDArray[np.float64]:
    """Positions (N, 2) of a path, of its objects or as ``serialized.path`` has read them."""
    known = getattr(message, "xy_N2", None)
    if known is not None:
        return np.asarray(known, dtype=np.float64)
    return np.asarray([[p.pose.position.x, p.pose.position.y] for p in message.poses], dtype=np.float64).reshape(-1, 2)


def driving_command(message: Any) -> DrivingCommand:
    """A transdiffuser_msgs/DrivingCommand.

    Raises:
        InputError: The value is not one of the message's constants.
    """
    try:
        return DrivingCommand(int(message.command))
    except ValueError:
        raise InputError(f"command: {message.command} is not one of 0..3") from None


def traffic_signal(message: Any) -> TrafficSignal:
    """A transdiffuser_msgs/TrafficSignal.

    Raises:
        InputError: The state is unknown to the message or the distance is not finite.
    """
    state, distance_m = int(message.state), float(message.distance_m)
    if state == SignalState.UNKNOWN:
        distance_m = 0.0  # meaningless then by the message's definition
    if state not in range(4) or not np.isfinite(distance_m):
        raise InputError(f"traffic signal: state {state} at {distance_m} m is not valid")
    return TrafficSignal(stamp_ns=stamp_ns(message), state=SignalState(state), distance_m=distance_m)


def action_tokens(message: Any) -> ActionTokens:
    """A transdiffuser_msgs/ActionTokens.

    Raises:
        InputError: There is no token, or the horizon is out of range.
    """
    token_S, horizon_s = np.asarray(message.tokens, dtype=np.int64), float(message.horizon_s)
    if not len(token_S):
        raise InputError("action tokens: expected at least one token, got none")
    if not 0.0 < horizon_s < 60.0:
        raise InputError(f"action tokens: horizon_s {horizon_s} is out of range (0 .. 60 s)")
    return ActionTokens(
        stamp_ns=stamp_ns(message), codebook_hash=str(message.codebook_hash), token_S=token_S, horizon_s=horizon_s
    )


def label_image(message: Any, name: str) -> NDArray[np.uint8]:
    """The classes (H, W) in a mono8 sensor_msgs/Image.

    Raises:
        InputError: Unknown encoding, truncated data or zero size.
    """
    return RawPixels(message, name).unpack(1)[:, :, 0]


def object_array(message: Any) -> AgentStates:
    """A derived_object_msgs/ObjectArray; objects without a box or of an unknown class are skipped."""
    objects = [o for o in message.objects if int(o.classification) in _OBJECT_CLASS and len(o.shape.dimensions) >= 3]
    count = len(objects)
    heading = np.asarray([yaw_of(o.pose.orientation) for o in objects], dtype=np.float64)
    velocity = np.asarray([[o.twist.linear.x, o.twist.linear.y] for o in objects], dtype=np.float64).reshape(count, 2)
    size = np.asarray([o.shape.dimensions[:3] for o in objects], dtype=np.float64).reshape(count, 3)
    return AgentStates(
        frame_id=frame_name(message.header.frame_id),
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
