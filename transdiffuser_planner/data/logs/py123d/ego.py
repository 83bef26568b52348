"""The vehicle of a py123d log: from poses of its IMU to odometry of base_link. N poses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError, RecordingError
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.data.logs.argoverse.calibration import GROUND_BELOW_EGO_M
from transdiffuser_planner.data.logs.poses import ego_states, transforms
from transdiffuser_planner.data.logs.py123d.layout import LogTable

FloatArray = NDArray[np.float64]

MAP_FRAME: Final = "map"
MIN_STEP_NS: Final = 1_000_000
MAX_DISAGREEMENT_MPS: Final = 1.0
"""Stated velocities that differ more from the motion of the poses, in the median, are not used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EgoTable:
    """Odometry, and where base_link lies in the frame of the IMU.

    Attributes:
        stamp_ns_N: Stamps.
        states: Odometry of base_link.
        acceleration_N2: Of base_link, forward and left, m/s2; NaN where none is stated.
        origin_3: Position of the log's origin in the data set's frame, m.
        base_from_imu: 4x4 transform of points.
        vehicle: The car.
    """

    stamp_ns_N: NDArray[np.int64]
    states: list[EgoState]
    acceleration_N2: FloatArray
    origin_3: FloatArray
    base_from_imu: FloatArray
    vehicle: VehicleModel


def read_ego(path: Path, data_set: str) -> EgoTable:
    """Read the vehicle's poses.

    Args:
        path: The file ego_state_se3.arrow.
        data_set: As the log names it.

    Raises:
        RecordingError: It is missing, or holds fewer than two poses.
    """
    table = LogTable(path)
    stamp_ns_N, first_N = np.unique(table.integers("timestamp_us") * 1000, return_index=True)
    pose_N7 = table.vectors("imu_se3", 7)[first_N]
    dynamic_N9 = np.full((len(first_N), 9), np.nan)
    if "dynamic_state_se3" in table.names:
        dynamic_N9 = table.vectors("dynamic_state_se3", 9)[first_N]
    usable_N = np.isfinite(pose_N7).all(axis=1) & (np.abs(np.linalg.norm(pose_N7[:, 3:], axis=1) - 1.0) < 0.1)
    usable_N &= np.concatenate([[True], np.diff(stamp_ns_N) >= MIN_STEP_NS])
    if usable_N.sum() < 2:
        raise RecordingError(f"{path}: expected at least two poses, got {int(usable_N.sum())}; convert the log again")
    stamp_ns_N, pose_N7, dynamic_N9 = stamp_ns_N[usable_N], pose_N7[usable_N], dynamic_N9[usable_N]
    vehicle, imu_from_base = vehicle_and_base(table.metadata, data_set)
    origin_3 = np.round(pose_N7[0, :3])
    map_from_imu_N44 = transforms(pose_N7[:, 3:], pose_N7[:, :3] - origin_3)
    states = ego_states(stamp_ns_N, map_from_imu_N44 @ imu_from_base, MAP_FRAME)
    states = _with_stated_velocity(states, dynamic_N9, imu_from_base)
    arm_2, turn_N = imu_from_base[:2, 3], dynamic_N9[:, 8]
    return EgoTable(
        stamp_ns_N=stamp_ns_N,
        states=states,
        acceleration_N2=dynamic_N9[:, 3:5] - (turn_N**2)[:, None] * arm_2,
        origin_3=origin_3,
        base_from_imu=np.asarray(np.linalg.inv(imu_from_base), dtype=np.float64),
        vehicle=vehicle,
    )


def vehicle_and_base(metadata: dict[str, Any], data_set: str) -> tuple[VehicleModel, FloatArray]:
    """Return the car and the 4x4 transform of points from base_link into the frame of the IMU.

    The ground lies half the car's height below its center.

    Args:
        metadata: Of the file.
        data_set: As the log names it; the height of Argoverse 2's origin is known from measurements.
    """
    imu_from_base = np.eye(4)
    try:
        center_7 = np.asarray(metadata["center_to_imu_se3"], dtype=np.float64)
        axle_7 = np.asarray(metadata["rear_axle_to_imu_se3"], dtype=np.float64)
        length_m, height_m = float(metadata["length"]), float(metadata["height"])
        imu_from_base = transforms(axle_7[None, 3:], axle_7[None, :3])[0]
        below_m = height_m / 2.0 - float(center_7[2] - axle_7[2])
        if data_set.startswith("av2"):
            below_m = GROUND_BELOW_EGO_M
        imu_from_base[:3, 3] -= below_m * imu_from_base[:3, 2]
        vehicle = VehicleModel(
            length_m=length_m,
            width_m=float(metadata["width"]),
            height_m=height_m,
            wheelbase_m=float(metadata["wheel_base"]),
            rear_overhang_m=round(length_m / 2.0 - float(center_7[0] - axle_7[0]), 4),
        )
    except (KeyError, TypeError, ValueError, IndexError, ConfigError):
        return EGO_VEHICLE, imu_from_base
    return vehicle, imu_from_base


def _with_stated_velocity(states: list[EgoState], dynamic_N9: FloatArray, imu_from_base: FloatArray) -> list[EgoState]:
    """Odometry with the velocities that the log states, moved from the IMU to base_link, where they fit the poses."""
    arm_2 = imu_from_base[:2, 3]
    turn_N = dynamic_N9[:, 8]
    forward_N, left_N = dynamic_N9[:, 0] - turn_N * arm_2[1], dynamic_N9[:, 1] + turn_N * arm_2[0]
    if not np.isfinite([forward_N, left_N, turn_N]).all():
        return states
    gap_mps = np.median(np.abs(forward_N - np.asarray([state.vx_mps for state in states])))
    if gap_mps > MAX_DISAGREEMENT_MPS:
        return states
    return [
        replace(state, vx_mps=vx, vy_mps=vy, yaw_rate_radps=turn)
        for state, vx, vy, turn in zip(states, forward_N.tolist(), left_N.tolist(), turn_N.tolist(), strict=True)
    ]
