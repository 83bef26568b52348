"""Differences between v1.1 and v2 of the NAVSIM devkit. Needs the devkit."""

from __future__ import annotations

import inspect
from typing import Any, Final

from navsim.agents.abstract_agent import AbstractAgent
from navsim.common.dataclasses import SensorConfig, Trajectory
from nuplan.planning.simulation.trajectory.trajectory_sampling import TrajectorySampling

from transdiffuser_planner.data.logs.openscene.calibration import FORWARD_CAMERAS

IS_V2: Final = "trajectory_sampling" in inspect.signature(AbstractAgent.__init__).parameters
PRESENT: Final = 3
"""Index of the present frame among the four of an agent's input."""
SAMPLING: Final = TrajectorySampling(time_horizon=4, interval_length=0.5)


class DevkitAgent(AbstractAgent):  # type: ignore[misc]
    """What the agents of this package have in common.

    Args:
        lidar: Whether point clouds are requested.
    """

    def __init__(self, *, lidar: bool) -> None:
        if IS_V2:
            super().__init__(trajectory_sampling=SAMPLING)
        else:
            super().__init__()
        self._lidar = lidar

    def get_sensor_config(self) -> SensorConfig:
        """Return the sensors: the present images of the cameras that look ahead, and the present point cloud."""
        wanted = (*FORWARD_CAMERAS, *(("lidar_pc",) if self._lidar else ()))
        names = SensorConfig.build_no_sensors().__dataclass_fields__
        return SensorConfig(**{name: [PRESENT] if name in wanted else False for name in names})


def trajectory_of(pose_T3: Any) -> Trajectory:
    """Return poses in the devkit's form.

    Args:
        pose_T3: x (m), y (m), heading (rad) of the rear axle (8, 3) every half second, relative to the present one.
    """
    return Trajectory(pose_T3, SAMPLING)
