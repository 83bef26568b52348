"""Cameras of a session: AlpaSim's calibration as mounts and lenses of the planner's rig."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import ConfigError, InputError
from transdiffuser_planner.core.lens_models import FisheyeLens, FThetaLens, Lens, RadialLens
from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, CameraMount, angles_rad
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.integrations.alpasim.poses import RigPose
from transdiffuser_planner.integrations.alpasim.wire import BODY_CONTRACT

_Projection = tuple[float, float, float, float, Lens | None]

MAX_CAMERAS = 32
_MAX_SIDE = 16384
_PIXEL_CENTER = 0.5
"""Principal points of f-theta cameras count pixel centers from 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionCamera:
    """A camera as the planner needs it.

    Attributes:
        mount: In the rig, named by the logical id.
        intrinsics: With the lens, if it is no pinhole camera.
        notice: What of the calibration is not used, or "".
    """

    mount: CameraMount
    intrinsics: CameraIntrinsics
    notice: str = ""


def read_cameras(messages: Any, contract: int) -> tuple[SessionCamera, ...]:
    """Read the cameras of a session.

    Args:
        messages: AvailableCamera messages.
        contract: Meaning of ``rig_to_camera``, of ``wire``.

    Returns:
        The cameras, those that look ahead first: where several see the same, the first is used.

    Raises:
        InputError: There is none, or too many, or a calibration cannot be used.
    """
    if not 1 <= len(messages) <= MAX_CAMERAS:
        raise InputError(f"start_session: {len(messages)} cameras in rollout_spec; declare 1 to {MAX_CAMERAS}")
    cameras = [read_camera(message, contract) for message in messages]
    names = [camera.mount.name for camera in cameras]
    if len(set(names)) < len(names):
        raise InputError(f"start_session: logical ids of cameras must differ, got {names}")
    return tuple(sorted(cameras, key=lambda camera: (abs(camera.mount.yaw_rad), -camera.mount.fx)))


def read_camera(message: Any, contract: int) -> SessionCamera:
    """Read one camera.

    Args:
        message: AvailableCamera.
        contract: Meaning of ``rig_to_camera``.

    Raises:
        InputError: The calibration cannot be used; names the camera and the field.
    """
    name, spec = message.logical_id or message.intrinsics.logical_id, message.intrinsics
    where = f"camera {name!r}"
    width, height = spec.resolution_w, spec.resolution_h
    if not name or not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
        raise InputError(f"{where}: a logical id and a resolution up to {_MAX_SIDE} are needed, got {width}x{height}")
    pose = RigPose.read(message.rig_to_camera, f"{where}: rig_to_camera")
    rotation = pose.rotation() if contract == BODY_CONTRACT else pose.rotation() @ OPTICAL_FROM_SENSOR
    roll, pitch, yaw = angles_rad(rotation)
    fx, fy, cx, cy, lens = _projection(spec, where)
    sizes = {"width": width, "height": height, "fx": fx, "fy": fy, "cx": cx, "cy": cy}
    x_m, y_m, z_m = pose.xyz
    try:
        mount = CameraMount(name=name, x_m=x_m, y_m=y_m, z_m=z_m, roll_rad=roll, pitch_rad=pitch, yaw_rad=yaw, **sizes)
    except ConfigError as error:
        raise InputError(str(error)) from None
    shield = spec.HasField("bivariate_windshield_model_param")
    notice = f"{where}: its windshield model is not used; images are taken as without a windshield" if shield else ""
    return SessionCamera(mount=mount, intrinsics=CameraIntrinsics(**sizes, lens=lens), notice=notice)


def _projection(spec: Any, where: str) -> _Projection:
    """Focal lengths on the axis, principal point and lens of a CameraSpec.

    Raises:
        InputError: The model is not supported or its numbers are no lens.
    """
    kind = spec.WhichOneof("camera_param")
    found: _Projection
    if kind == "ftheta_param":
        found = _ftheta(spec.ftheta_param, where)
    elif kind == "opencv_pinhole_param":
        found = _pinhole(spec.opencv_pinhole_param)
    elif kind == "opencv_fisheye_param":
        found = _fisheye(spec.opencv_fisheye_param)
    else:
        raise InputError(
            f"{where}: camera model {kind or 'missing'}; f-theta, OpenCV pinhole or OpenCV fisheye is expected"
        )
    numbers = _numbers_of(found)
    if not np.isfinite(numbers).all():
        raise InputError(f"{where}: its calibration holds NaN or infinite numbers")
    if found[0] <= 0.0 or found[1] <= 0.0:
        raise InputError(f"{where}: focal lengths must be positive, got {found[0]:g}, {found[1]:g}")
    return found


def _ftheta(param: Any, where: str) -> _Projection:
    """An f-theta lens.

    Raises:
        InputError: The polynomial of angles is missing.
    """
    poly = tuple(param.angle_to_pixeldist_poly)
    if len(poly) < 2:
        raise InputError(f"{where}: angle_to_pixeldist_poly needs at least 2 coefficients, got {len(poly)}")
    linear = (1.0, 0.0, 0.0)
    if param.HasField("linear_cde"):
        cde = param.linear_cde
        linear = (cde.linear_c, cde.linear_d, cde.linear_e)
    cx, cy = param.principal_point_x + _PIXEL_CENTER, param.principal_point_y + _PIXEL_CENTER
    lens = FThetaLens(
        cx=cx, cy=cy, angle_to_distance=poly, max_angle_rad=min(max(param.max_angle, 0.0), math.pi), linear=linear
    )
    return linear[0] * poly[1], poly[1], cx, cy, lens


def _pinhole(param: Any) -> _Projection:
    """A pinhole camera, with distortion if it has any."""
    ideal = (param.focal_length_x, param.focal_length_y, param.principal_point_x, param.principal_point_y)
    terms = [tuple(values) for values in (param.radial_coeffs, param.tangential_coeffs, param.thin_prism_coeffs)]
    if not any(value != 0.0 for values in terms for value in values):
        return (*ideal, None)
    fx, fy, cx, cy = ideal
    lens = RadialLens(fx=fx, fy=fy, cx=cx, cy=cy, radial=terms[0], tangential=terms[1], thin_prism=terms[2])
    return (*ideal, lens)


def _fisheye(param: Any) -> _Projection:
    """A fisheye camera."""
    fx, fy = param.focal_length_x, param.focal_length_y
    cx, cy = param.principal_point_x, param.principal_point_y
    limit = min(max(param.max_angle, 0.0), math.pi)
    lens = FisheyeLens(fx=fx, fy=fy, cx=cx, cy=cy, k=tuple(param.radial_coeffs), max_angle_rad=limit)
    return fx, fy, cx, cy, lens


def _numbers_of(found: _Projection) -> list[float]:
    """All numbers of a projection."""
    lens, numbers = found[4], list(found[:4])
    for name in () if lens is None else getattr(lens, "__dataclass_fields__", ()):
        value = getattr(lens, name)
        numbers += value if isinstance(value, tuple) else [value]
    return numbers
