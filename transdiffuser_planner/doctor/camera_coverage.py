"""Compares a rig, or live intrinsics, with the view that the model was trained with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.rig import CameraMount, Rig
from transdiffuser_planner.core.types import CameraImage, CameraIntrinsics
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.planning.observation.stitched_view import ImageView

_WHOLE, _HALF = 0.9, 0.5
_MAX_HEIGHT_GAP_M = 0.5
_MAX_ROLL_RAD = math.radians(5.0)


def check(rig: Rig, contract: ModelContract, live: Mapping[str, CameraIntrinsics] | None = None) -> Iterator[Finding]:
    """Check coverage of the model's view, height and roll of the cameras, and height of the LiDAR.

    Args:
        rig: Extrinsics, and intrinsics of cameras without live ones.
        contract: View of the model.
        live: Camera name -> intrinsics of its CameraInfo.

    Yields:
        Findings.
    """
    findings = Findings("rig and model")
    yield from _coverage(findings, rig, contract, dict(live or {}))
    for camera in rig.cameras:
        yield from _mount(findings, camera, contract)
    if rig.lidar is None:
        yield findings.warn(
            "lidar", "the rig has none", "the safety check sees predicted agents only; set require_lidar to false"
        )
    elif not -0.5 <= rig.lidar.z_m <= 5.0:
        text = f"mounted {rig.lidar.z_m:g} m above ground; ground and obstacles are separated by height"
        yield findings.error("lidar", text, "give z_m above the ground (base_link is on the ground) in the rig file")
    else:
        text = (
            f"{rig.lidar.z_m:g} m above ground"
            if rig.lidar.z_m > 0.3
            else "point cloud expected at the height of base_link"
        )
        yield findings.ok("lidar", text)


def _coverage(
    findings: Findings, rig: Rig, contract: ModelContract, live: dict[str, CameraIntrinsics]
) -> Iterator[Finding]:
    used = {c.name: live.get(c.name) or _of_rig(c) for c in rig.cameras}
    blank = {
        name: CameraImage(stamp_ns=0, name=name, rgb_HW3=np.zeros((i.height, i.width, 3), dtype=np.uint8))
        for name, i in used.items()
    }
    covered = ImageView(contract, rig.cameras).stitch(blank, used)[1]
    shares = [f"{s.name} {share:.0%}" for s, share in zip(contract.segments, covered, strict=True)]
    text = f"covered of the model's view: {', '.join(shares)}"
    if min(covered) >= _WHOLE:
        yield findings.ok("view", text)
    elif max(covered) < _HALF:
        remedy = (
            "check yaw_rad, pitch_rad, fx and cx of the rig file: every part of the view is covered by less than half"
        )
        yield findings.error("view", text, remedy)
    else:
        remedy = "the rest is masked and plans are less accurate; add cameras, or check yaw_rad and fx in the rig file"
        yield findings.warn("view", text, remedy)


def _mount(findings: Findings, camera: CameraMount, contract: ModelContract) -> Iterator[Finding]:
    gap_m = camera.z_m - contract.camera_height_m
    if abs(gap_m) > _MAX_HEIGHT_GAP_M:
        text = f"{camera.z_m:g} m above ground, the model was trained at {contract.camera_height_m:g} m"
        remedy = "check z_m (base_link is on the ground); else train on recordings of this rig"
        yield findings.warn(f"camera {camera.name}", text, remedy)
    if abs(camera.roll_rad) > _MAX_ROLL_RAD:
        text = f"rolled by {math.degrees(camera.roll_rad):.0f} degrees"
        yield findings.warn(
            f"camera {camera.name}", text, "check roll_rad: mounts are x forward, y left, z up, not optical frames"
        )


def _of_rig(camera: CameraMount) -> CameraIntrinsics:
    return CameraIntrinsics(
        width=camera.width, height=camera.height, fx=camera.fx, fy=camera.fy, cx=camera.cx, cy=camera.cy
    )
