"""Calls of a client for snapshots of the planner: what a runtime would send for the same time."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from scipy.spatial.transform import Rotation

from transdiffuser_planner.core.geometry import arc_length, local_from_global
from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, CameraMount, Rig
from transdiffuser_planner.core.types import EgoState, SensorSnapshot
from transdiffuser_planner.integrations.alpasim.wire import Wire
from transdiffuser_planner.planning.observation.lidar_bev import points_in_base

_ROUTE_M = 80.0


def session_request(wire: Wire, uuid: str, rig: Rig, seed: int) -> Any:
    """Return the request that opens a session with a rig's cameras.

    Args:
        wire: The messages.
        uuid: Of the session.
        rig: Its cameras, all pinhole.
        seed: Of the session.
    """
    m = wire.messages
    request = m.DriveSessionRequest(session_uuid=uuid, random_seed=seed)
    for mount in rig.cameras:
        request.rollout_spec.vehicle.available_cameras.append(_camera(m, mount))
    return request


def _camera(m: Any, mount: CameraMount) -> Any:
    spec = m.CameraSpec(
        opencv_pinhole_param=m.OpenCVPinholeCameraParam(
            principal_point_x=mount.cx, principal_point_y=mount.cy, focal_length_x=mount.fx, focal_length_y=mount.fy
        ),
        logical_id=mount.name,
        resolution_w=mount.width,
        resolution_h=mount.height,
    )
    transform = mount.base_from_sensor()
    x, y, z, w = Rotation.from_matrix(transform[:3, :3] @ OPTICAL_FROM_SENSOR.T).as_quat().tolist()
    pose = m.Pose(vec=m.Vec3(x=mount.x_m, y=mount.y_m, z=mount.z_m), quat=m.Quat(w=w, x=x, y=y, z=z))
    return m.AvailableCamera(intrinsics=spec, rig_to_camera=pose, logical_id=mount.name)


def step_requests(
    wire: Wire, uuid: str, rig: Rig, snapshot: SensorSnapshot, image_format: str
) -> list[tuple[str, Any]]:
    """Return the calls of one control step, each with its request, in a runtime's order; the last is drive.

    Args:
        wire: The messages.
        uuid: Of the session.
        rig: The snapshot's.
        snapshot: With images of the whole size.
        image_format: JPEG or PNG.
    """
    m, now_us, ego = wire.messages, snapshot.stamp_ns // 1000, snapshot.ego
    calls: list[tuple[str, Any]] = []
    for name, image in snapshot.images.items():
        request = m.RolloutCameraImage(session_uuid=uuid)
        request.camera_image.logical_id = name
        request.camera_image.frame_start_us = request.camera_image.frame_end_us = image.stamp_ns // 1000
        request.camera_image.image_bytes = _encoded(image.rgb_HW3, image_format)
        calls.append(("submit_image_observation", request))
    calls.append(("submit_egomotion_observation", _egomotion(m, uuid, snapshot)))
    if snapshot.route is not None:
        request = m.RouteRequest(session_uuid=uuid)
        request.route.timestamp_us = now_us
        for x_m, y_m in _ahead(ego, snapshot.route.xy_N2):
            request.route.waypoints.append(m.Vec3(x=x_m, y=y_m, z=0.0))
        calls.append(("submit_route", request))
    drive = m.DriveRequest(session_uuid=uuid, time_now_us=now_us, time_query_us=now_us + 100_000)
    drive.renderer_data = _renderer_data(m, rig, snapshot).SerializeToString()
    calls.append(("drive", drive))
    return calls


def _encoded(rgb_HW3: Any, image_format: str) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(rgb_HW3).save(buffer, format=image_format)
    return buffer.getvalue()


def _egomotion(m: Any, uuid: str, snapshot: SensorSnapshot) -> Any:
    ego, half = snapshot.ego, 0.5 * snapshot.ego.heading_rad
    request = m.RolloutEgoTrajectory(session_uuid=uuid)
    pose = m.Pose(vec=m.Vec3(x=ego.x_m, y=ego.y_m, z=0.0), quat=m.Quat(w=math.cos(half), z=math.sin(half)))
    request.trajectory.poses.append(m.PoseAtTime(pose=pose, timestamp_us=snapshot.stamp_ns // 1000))
    state = request.dynamic_states.add()
    state.linear_velocity.x, state.linear_velocity.y = ego.vx_mps, ego.vy_mps
    state.angular_velocity.z = ego.yaw_rate_radps
    if snapshot.acceleration is not None:
        state.linear_acceleration.x = snapshot.acceleration.ax_mps2
        state.linear_acceleration.y = snapshot.acceleration.ay_mps2
    return request


def _ahead(ego: EgoState, xy_N2: Any) -> Any:
    """The route from the ego on, in the rig."""
    pose_N3 = np.pad(np.asarray(xy_N2), ((0, 0), (0, 1)))
    in_rig = local_from_global((ego.x_m, ego.y_m, ego.heading_rad), pose_N3)[:, :2]
    ahead = in_rig[int(np.argmin(np.hypot(*in_rig.T))) :]
    return ahead[arc_length(ahead) <= _ROUTE_M].tolist()


def _renderer_data(m: Any, rig: Rig, snapshot: SensorSnapshot) -> Any:
    data = m.CarlaRendererData(snapshot_timestamp_us=snapshot.stamp_ns // 1000)
    data.speed_limit_mps = snapshot.speed_limit_mps or 0.0
    if snapshot.cloud is not None and rig.lidar is not None:
        xyz_N3 = points_in_base(snapshot.cloud.xyz_N3, rig.lidar.base_from_sensor())
        xyzi_N4 = np.concatenate([xyz_N3, np.zeros((len(xyz_N3), 1))], axis=1).astype("<f4")
        data.lidar.append(
            m.LidarSweep(
                logical_id=rig.lidar.name,
                timestamp_us=snapshot.cloud.stamp_ns // 1000,
                num_points=len(xyzi_N4),
                points_xyzi=xyzi_N4.tobytes(),
            )
        )
    return data
