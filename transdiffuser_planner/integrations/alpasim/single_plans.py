"""Plans one at a time, from images, a command and past poses: what AlpaSim's own driver passes to its models.

The driver does not pass on which session a call belongs to, so nothing is remembered from call to call: agents have no speed
yet, and plans are not kept consistent with the one before. The egodriver service has both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError, InputError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.parameter_overrides import planner_overrides
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Acceleration, CameraImage, DrivingCommand, NotReady
from transdiffuser_planner.integrations.alpasim.egomotion import Egomotion
from transdiffuser_planner.integrations.alpasim.responses import steerable
from transdiffuser_planner.integrations.alpasim.session import session_config
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.runtime.planner import Planner

FloatArray = NDArray[np.float64]
_POSES_USED = 64
_KEYS = ("model", "rig", "parameters")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanInputs:
    """Inputs of one plan.

    Attributes:
        images: Camera -> time, us, and uint8 RGB (H, W, 3) of its newest image.
        command: Driving command.
        speed_mps: Forward speed.
        acceleration_mps2: Forward acceleration.
        poses: PoseAtTime messages of the rig in the local frame, oldest first.
        seed: Of the noise.
    """

    images: Mapping[str, tuple[int, NDArray[np.uint8]]]
    command: DrivingCommand
    speed_mps: float
    acceleration_mps2: float
    poses: Sequence[Any]
    seed: int


class SinglePlans:
    """Plans from cameras without memory. Not thread-safe.

    Args:
        planner: With a rig whose cameras have AlpaSim's logical ids.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner, self._config = planner, planner.config

    @staticmethod
    def load(settings_file: str | Path) -> SinglePlans:
        """Load the model that a settings file names.

        Args:
            settings_file: YAML with the keys model, rig and parameters; paths count from its folder.

        Raises:
            ConfigError: The file cannot be read, or a key or value is refused.
            ModelError: The model cannot be loaded.
        """
        path = Path(settings_file)
        try:
            data = yaml.safe_load(read_text(path))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            raise ConfigError(f"{path}: no YAML file that can be read; it has the keys {', '.join(_KEYS)}") from None
        if not isinstance(data, dict) or set(data) - set(_KEYS) or not isinstance(data.get("rig"), str):
            raise ConfigError(f"{path}: expected the keys {', '.join(_KEYS)}; rig is the file of cameras and vehicle")
        given = data.get("parameters") or {}
        if not isinstance(given, dict):
            raise ConfigError(f"{path}: parameters: expected names and values of planner parameters")
        rig = replace(Rig.load(path.parent / data["rig"]), lidar=None)
        config = PlannerConfig.from_dict({**planner_overrides(given, str(path)), "require_lidar": False})
        model = str(data.get("model", DEFAULT_MODEL))
        folder = path.parent / model
        return SinglePlans(Planner.load(model_folder(folder if folder.is_dir() else model), rig, config))

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Cameras of the rig, from left to right."""
        return tuple(camera.name for camera in self._planner.rig.cameras)

    def plan(self, inputs: PlanInputs, time_s_T: FloatArray) -> FloatArray:
        """Plan.

        Args:
            inputs: At the time of the newest pose.
            time_s_T: Times of the result; later ones than the plan reaches get its end.

        Returns:
            x, y, heading (T, 3) in the rig.

        Raises:
            InputError: There is no pose or no usable image.
            ModelError: The model failed.
        """
        planner = self._planner
        planner.config = session_config(self._config, inputs.seed)
        planner.reset()
        assembler = SnapshotAssembler(planner.rig, planner.config)
        stamp_ns = self._feed(assembler, inputs)
        snapshot = assembler.without_plan(stamp_ns)
        if isinstance(snapshot, NotReady):
            raise InputError(snapshot.reason)
        if len(snapshot.images) < self._config.min_cameras:
            raise InputError(f"{len(snapshot.images)} recent images, need {self._config.min_cameras}")
        plan = planner.plan(snapshot).trajectory
        pose_F3 = np.stack([plan.x_m_T, plan.y_m_T, plan.heading_rad_T], axis=1)
        pose_F3 = steerable(pose_F3, self._config.max_curvature_per_m)
        local_F3 = np.asarray(local_from_global(pose_F3[0], pose_F3))
        local_F3[:, 2] = np.unwrap(local_F3[:, 2])
        return np.stack([np.interp(time_s_T, plan.time_s_T, column) for column in local_F3.T], axis=1)

    def _feed(self, assembler: SnapshotAssembler, inputs: PlanInputs) -> int:
        """Pass the inputs to the assembler, and return the stamp of the newest pose.

        Raises:
            InputError: There is no pose, or an image does not fit the rig.
        """
        recent = SimpleNamespace(trajectory=SimpleNamespace(poses=inputs.poses[-_POSES_USED:]), dynamic_states=())
        states = [state for state, _ in Egomotion().add(recent)]
        if not states:
            raise InputError("no pose of the vehicle")
        for state in states[:-1]:
            assembler.add_odometry(state)
        stamp_ns = states[-1].stamp_ns
        assembler.add_odometry(replace(states[-1], vx_mps=inputs.speed_mps))
        assembler.add_acceleration(Acceleration(stamp_ns=stamp_ns, ax_mps2=inputs.acceleration_mps2, ay_mps2=0.0))
        assembler.add_command(stamp_ns, inputs.command)
        for name, (time_us, rgb_HW3) in inputs.images.items():
            image = CameraImage(stamp_ns=1000 * time_us, name=name, rgb_HW3=np.ascontiguousarray(rgb_HW3))
            refusal = assembler.add_image(image)
            if refusal:
                raise InputError(refusal)
        return stamp_ns
