"""Checks contents of live inputs: decodable, and consistent with the rig and each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import CameraMount, Rig
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.doctor.own_returns import LEAST_MOTION_M, own_margin_m
from transdiffuser_planner.doctor.topic_statistics import AREA, TopicStatistics, find
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.input_registry import BY_NAME, CAMERA, CAMERA_INFO, INPUTS, LIDAR, ODOMETRY, ROUTE
from transdiffuser_planner.planning.observation.cloud_content import unusable
from transdiffuser_planner.planning.observation.ego_history import odometry_in_base
from transdiffuser_planner.planning.observation.lidar_bev import points_in_base
from transdiffuser_planner.planning.observation.sweep_coverage import SweepCoverage
from transdiffuser_planner.runtime.inputs.input_plausibility import InputPlausibility, hidden_distortion_text, lens_text

_FINDINGS = Findings(AREA)
_FEW_POINTS = 500
_GROUND_GAP_M = 0.5
_FOCAL_GAP = 0.05
_MOVING_MPS = 1.5
_RECTIFY = "publish rectified images (image_proc) with their camera_info"
_CHECKED_FURTHER = {CAMERA, CAMERA_INFO, LIDAR, ODOMETRY, ROUTE}
_DECODED_ALIKE = tuple(spec.name for spec in INPUTS if spec not in _CHECKED_FURTHER)
"""Inputs that are only checked for messages that can be decoded."""


def check(topic_statistics: Sequence[TopicStatistics], rig: Rig) -> Iterator[Finding]:
    """Check the last message of every input, and all odometry.

    Args:
        topic_statistics: All inputs that have a publisher.
        rig: Rig of the planner.

    Yields:
        Findings.
    """
    for camera in rig.cameras:
        yield from _camera(
            find(topic_statistics, f"camera {camera.name}"),
            find(topic_statistics, f"camera_info {camera.name}"),
            camera,
        )
    lidar, odometry, route = (find(topic_statistics, name) for name in ("lidar", "odometry", "route"))
    if lidar is not None:
        yield from _lidar(lidar, rig)
        yield from _own_returns(lidar, odometry, rig)
    if odometry is not None:
        yield from _odometry(odometry, rig)
    if route is not None:
        yield from _route(route, odometry)
    yield from _others(topic_statistics)


def live_intrinsics(topic_statistics: Sequence[TopicStatistics]) -> dict[str, CameraIntrinsics]:
    """Return camera name -> intrinsics of its CameraInfo, if calibrated.

    Args:
        topic_statistics: Received topics.
    """
    found = {}
    for item in topic_statistics:
        if item.kind == "camera_info" and item.message is not None:
            try:
                intrinsics = decode_inputs.intrinsics(item.message)
            except InputError:
                continue
            if _is_calibrated(intrinsics):
                found[item.camera] = intrinsics
    return found


def _is_calibrated(found: CameraIntrinsics) -> bool:
    return found.fx > 0.0 and found.fy > 0.0 and found.width > 0 and found.height > 0


def _camera(image: TopicStatistics | None, info: TopicStatistics | None, mount: CameraMount) -> Iterator[Finding]:
    known = None
    if info is not None:
        found = list(_camera_info(info, mount))
        yield from found
        known = live_intrinsics([info]).get(mount.name)
    if image is None:
        return
    try:
        height, width = decode_inputs.image(image.message, mount.name).rgb_HW3.shape[:2]
    except InputError as error:
        remedy = "publish rgb8 or bgr8, or JPEG or PNG, whole"
        yield _FINDINGS.fault(image.name, f"{image.topic}: {error}", remedy, fatal=image.needed)
        return
    expected = (mount.width, mount.height) if known is None else (known.width, known.height)
    source = "the rig" if known is None else "its camera_info"
    if (width, height) != expected:
        text = f"{image.topic}: image is {width}x{height}, {source} requires {expected[0]}x{expected[1]}; every image is refused"
        remedy = "publish the camera_info of these images, or correct width, height, fx, fy, cx, cy in the rig file"
        yield _FINDINGS.fault(image.name, text, remedy, fatal=image.needed)
    else:
        yield _FINDINGS.ok(image.name, f"image of {width}x{height}, as in {source}")
    hidden = "" if known is None else hidden_distortion_text(image.topic, known)
    if hidden:
        yield _FINDINGS.warn(image.name, hidden, _RECTIFY)


def _camera_info(info: TopicStatistics, mount: CameraMount) -> Iterator[Finding]:
    try:
        found = decode_inputs.intrinsics(info.message)
    except InputError as error:
        yield _FINDINGS.warn(
            info.name, f"{info.topic}: {error}; the rig's are used", "calibrate the camera, or publish no camera_info"
        )
        return
    if not _is_calibrated(found):
        text = f"{info.topic}: not calibrated (fx {found.fx:g}, width {found.width}); it is refused and the rig's values are used"
        yield _FINDINGS.warn(
            info.name, text, "calibrate the camera and load the calibration in its driver, or publish no camera_info"
        )
        return
    unrectified = lens_text(mount.name, found)
    if unrectified:
        yield _FINDINGS.warn(info.name, f"{info.topic}: {unrectified}", _RECTIFY)
    off = abs(found.fx / found.width - mount.fx / mount.width) / (mount.fx / mount.width)
    if off > _FOCAL_GAP:
        text = f"{info.topic}: fx {found.fx:.0f} at width {found.width}, the rig has {mount.fx:.0f} at {mount.width}"
        yield _FINDINGS.warn(info.name, text, "camera_info is used; correct the rig file, or check for swapped topics")
    elif not unrectified:
        yield _FINDINGS.ok(info.name, f"calibrated, fx {found.fx:.0f} at {found.width}x{found.height}, as in the rig")


def _lidar(item: TopicStatistics, rig: Rig) -> Iterator[Finding]:
    try:
        points = decode_inputs.point_cloud(item.message).xyz_N3
    except InputError as error:
        remedy = "publish sensor_msgs/PointCloud2 with numeric fields x, y, z in meters, whole"
        yield _FINDINGS.fault(item.name, f"{item.topic}: {error}", remedy, fatal=item.needed)
        return
    fields = ", ".join(field.name for field in item.message.fields)
    if len(points) < _FEW_POINTS:
        text = f"{item.topic}: {len(points)} usable points of {item.message.width * item.message.height}"
        yield _FINDINGS.warn(
            item.name, text, "check for a cover on the sensor, a filter that is too strict, or units other than meters"
        )
        return
    useless = unusable(points)
    if useless:
        remedy = "remove covers, wait until the sensor has started, publish meters; such clouds are refused"
        yield _FINDINGS.fault(item.name, f"{item.topic}: {useless.removeprefix('lidar: ')}", remedy, fatal=item.needed)
        return
    yield _FINDINGS.ok(item.name, f"{len(points)} points with {fields}")
    yield from _sweeps(item)
    ground_m = ground_height_m(points, rig)
    if ground_m is not None and abs(ground_m) > _GROUND_GAP_M:
        text = f"the ground around the vehicle lies at {ground_m:+.1f} m in base_link"
        yield _FINDINGS.warn(
            item.name, text, "correct z_m, roll_rad and pitch_rad of the lidar in the rig file: ground must be at 0"
        )


def _sweeps(item: TopicStatistics) -> list[Finding]:
    """Compare the parts of the circle that the last clouds cover."""
    coverage = SweepCoverage()
    for message in item.messages:
        try:
            coverage.update(decode_inputs.point_cloud(message).xyz_N3)
        except InputError as error:
            return [_FINDINGS.warn(item.name, f"{item.topic}: one of the last clouds: {error}", "publish whole clouds")]
    if coverage.num_parts > 1:
        text = (
            f"{item.topic}: each cloud covers {coverage.share:.0%} of the circle, another part each time; "
            f"{coverage.num_parts} are joined"
        )
        remedy = "publish whole sweeps: as many rotations as ticks per second (CARLA: rotation_frequency, sensor_tick)"
        return [_FINDINGS.warn(item.name, text, remedy)]
    return []


def _own_returns(lidar: TopicStatistics, odometry: TopicStatistics | None, rig: Rig) -> Iterator[Finding]:
    # While the vehicle drives, what stays next to it is its own.
    if rig.lidar is None or odometry is None:
        return
    try:
        states = [decode_inputs.odometry(message) for message in odometry.messages]
        clouds = [decode_inputs.point_cloud(message) for message in lidar.messages]
    except InputError:
        return  # reported where the messages are checked
    first, last = (np.argmin([abs(s.stamp_ns - clouds[i].stamp_ns) for s in states]) for i in (0, -1))
    moved_m = np.hypot(states[last].x_m - states[first].x_m, states[last].y_m - states[first].y_m)
    if moved_m < LEAST_MOTION_M:
        return
    base = [points_in_base(cloud.xyz_N3, rig.lidar.base_from_sensor()) for cloud in clouds]
    margin_m = own_margin_m(base, rig.vehicle, rig.lidar.own_margin_m)
    if margin_m is not None:
        text = f"{lidar.topic}: points next to the vehicle stay where they are while it drives {moved_m:.0f} m: its own"
        remedy = f"set own_margin_m: {margin_m:.2f} of the lidar in the rig file, or filter them; plans take them for obstacles"
        yield _FINDINGS.warn(lidar.name, text, remedy)


def ground_height_m(points_N3: Any, rig: Rig) -> float | None:
    """Estimate the height of the ground 3 to 15 m around the vehicle, in base_link.

    Args:
        points_N3: Points in the frame of the LiDAR, in meters.
        rig: Mount of the LiDAR.

    Returns:
        Height in meters; None with too few points.
    """
    if rig.lidar is None:
        return None
    base = points_in_base(points_N3, rig.lidar.base_from_sensor())
    distance = np.hypot(base[:, 0], base[:, 1])
    near = base[(distance > 3.0) & (distance < 15.0), 2]
    return float(np.percentile(near, 10.0)) if len(near) >= 100 else None


def _odometry(item: TopicStatistics, rig: Rig) -> Iterator[Finding]:
    states, judge = [], InputPlausibility(rig)
    for message in item.messages:
        try:
            states.append(odometry_in_base(decode_inputs.odometry(message), rig.base_from_odometry_child_x_m))
            judge.odometry(states[-1])
        except InputError as error:
            yield _FINDINGS.fault(
                item.name, f"{item.topic}: {error}", "correct its source; such messages are refused", fatal=True
            )
            return
    frame, child = states[-1].frame_id, decode_inputs.frame_name(item.message.child_frame_id)
    if not frame:
        text = f"{item.topic}: frame_id is empty; plans are published without a frame"
        yield _FINDINGS.warn(item.name, text, "set header.frame_id to odom or map")
    about = f"'{child}' in '{frame}'"
    if child != "base_link" and rig.base_from_odometry_child_x_m == 0.0:
        about += ", taken for base_link: the rear axle's center"
    for notice in judge.pop_notices():
        text = f"{item.topic}: {notice.removeprefix('odometry: ')}"
        if notice == judge.supported.reason:
            yield _FINDINGS.warn(item.name, text, "drive forward; no plan is made meanwhile")
        else:
            yield _FINDINGS.error(item.name, text, "publish the twist in the child frame (x forward), in m/s and rad/s")
        return
    speed_mps = 0.0 if judge.motion.pose_motion is None else judge.motion.pose_motion[0]
    fits = abs(speed_mps) >= _MOVING_MPS
    yield _FINDINGS.ok(item.name, f"{about}; twist fits the motion ({speed_mps:.1f} m/s)" if fits else about)


def _route(item: TopicStatistics, odometry: TopicStatistics | None) -> Iterator[Finding]:
    try:
        route = decode_inputs.route(item.message)
    except InputError as error:
        yield _FINDINGS.warn(
            item.name, f"{item.topic}: {error}", "publish at least two poses; without a route it is masked"
        )
        return
    frame = None if odometry is None else decode_inputs.frame_name(odometry.message.header.frame_id)
    if frame is not None and route.frame_id != frame:
        text = f"{item.topic}: in frame '{route.frame_id}', odometry in '{frame}'; the route is masked"
        yield _FINDINGS.warn(item.name, text, f"publish the route in '{frame}'")
    else:
        yield _FINDINGS.ok(item.name, f"{len(route.xy_N2)} poses in '{route.frame_id}'")


def _others(topic_statistics: Sequence[TopicStatistics]) -> Iterator[Finding]:
    for item in topic_statistics:
        if item.kind in _DECODED_ALIKE and item.message is not None:
            try:
                BY_NAME[item.kind].decode(item.message, item.camera)
            except InputError as error:
                yield _FINDINGS.warn(item.name, f"{item.topic}: {error}", "correct its source; the input is masked")
        if item.kind == "speed_limit" and item.message is not None and not 0.0 < item.message.data < 70.0:
            text = f"{item.topic}: {item.message.data:g} m/s is refused"
            yield _FINDINGS.warn(item.name, text, "publish meters per second, more than 0 and less than 70")
