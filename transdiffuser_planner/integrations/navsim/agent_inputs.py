"""Inputs of a NAVSIM agent as a snapshot with its rig, through the readers of OpenScene's logs. Needs no devkit.

Frames of an ``AgentInput`` are half a second apart, the last one is the present; its poses are relative to that one's rear axle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.camera_image import ArrayPixels, CameraImage
from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Acceleration, EgoState, PointCloud, SensorSnapshot
from transdiffuser_planner.data.logs.openscene.calibration import FORWARD_CAMERAS, CameraCalibration, camera_of, rig_of
from transdiffuser_planner.data.logs.openscene.ego import MAP_FRAME
from transdiffuser_planner.data.logs.openscene.frames import INTERVAL_NS, command_of
from transdiffuser_planner.data.logs.openscene.point_cloud import finite_points
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder

NOW_NS: Final = 1_000_000_000_000
"""Stamp of the present frame; agents are not given any."""
_KEPT_CARS: Final = 32


def snapshot_of(agent_input: Any) -> tuple[SensorSnapshot, Rig]:
    """Return the inputs of an agent as the planner takes them, and the rig of the car that recorded them.

    Args:
        agent_input: The devkit's ``AgentInput`` with the images of the cameras that look ahead.

    Raises:
        InputError: It has no image with calibration.
    """
    states = [_state(status, number + 1 - len(agent_input.ego_statuses)) for number, status in _statuses(agent_input)]
    status = agent_input.ego_statuses[-1]
    cameras, images = _cameras(agent_input.cameras[-1])
    ax_mps2, ay_mps2 = (float(value) for value in status.ego_acceleration)
    cloud = getattr(agent_input.lidars[-1], "lidar_pc", None)
    snapshot = SensorSnapshot(
        stamp_ns=NOW_NS,
        ego=states[-1],
        history=tuple(states),
        images=images,
        intrinsics={name: camera.intrinsics for name, camera in cameras.items()},
        cloud=None if cloud is None else _cloud(cloud),
        acceleration=Acceleration(stamp_ns=NOW_NS, ax_mps2=ax_mps2, ay_mps2=ay_mps2),
        command=command_of(status.driving_command),
        missing=() if cloud is not None else ("lidar",),
    )
    return snapshot, rig_of(cameras)


def _statuses(agent_input: Any) -> list[tuple[int, Any]]:
    return list(enumerate(agent_input.ego_statuses))


def _state(status: Any, number: int) -> EgoState:
    """State of one frame, 0 for the present one, negative before it."""
    x_m, y_m, heading_rad = (float(value) for value in status.ego_pose)
    vx_mps, vy_mps = (float(value) for value in status.ego_velocity)
    return EgoState(
        stamp_ns=NOW_NS + number * INTERVAL_NS,
        frame_id=MAP_FRAME,
        x_m=x_m,
        y_m=y_m,
        heading_rad=heading_rad,
        vx_mps=vx_mps,
        vy_mps=vy_mps,
    )


def _cameras(entries: Any) -> tuple[dict[str, CameraCalibration], dict[str, CameraImage]]:
    """Calibration and images by name.

    Raises:
        InputError: There are none.
    """
    cameras: dict[str, CameraCalibration] = {}
    images: dict[str, CameraImage] = {}
    for name in FORWARD_CAMERAS:
        entry = getattr(entries, name)
        if entry.image is None:
            continue
        rgb_HW3 = np.asarray(entry.image, dtype=np.uint8)
        try:
            camera = camera_of(name, _calibration(entry), (rgb_HW3.shape[1], rgb_HW3.shape[0]))
        except ValueError as error:
            raise InputError(f"NAVSIM agent: {error}") from None
        cameras[name] = camera
        images[name] = CameraImage(stamp_ns=NOW_NS, name=name, pixels=ArrayPixels(rgb_HW3))
    if not cameras:
        raise InputError(f"NAVSIM agent: no image of {', '.join(FORWARD_CAMERAS)}; request them in the sensor config")
    return cameras, images


def _calibration(entry: Any) -> Mapping[str, Any]:
    return {
        "sensor2lidar_rotation": entry.sensor2lidar_rotation,
        "sensor2lidar_translation": entry.sensor2lidar_translation,
        "cam_intrinsic": entry.intrinsics,
        "distortion": entry.distortion,
    }


def _cloud(lidar_pc_6N: Any) -> PointCloud:
    points_N3 = np.ascontiguousarray(np.asarray(lidar_pc_6N, dtype=np.float32)[:3].T)
    return PointCloud(stamp_ns=NOW_NS, xyz_N3=finite_points(points_N3))


@lru_cache(maxsize=_KEPT_CARS)
def builder_for(contract: ModelContract, rig: Rig) -> FeatureBuilder:
    """Return the feature builder of a car; a data set has few cars, and tables of the view take long to make.

    Args:
        contract: Sizes of the tensors.
        rig: The car.
    """
    return FeatureBuilder(contract, rig)
