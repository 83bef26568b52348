"""The planner as a model of AlpaSim's own driver: entry point ``transdiffuser`` of the group ``alpasim.models``.

Imports AlpaSim's driver, in whose process it runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from alpasim_driver.models.base import BaseTrajectoryModel, ModelInputValidationError, ModelPrediction

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.integrations.alpasim.single_plans import PlanInputs, SinglePlans

_HORIZON_S = 4.0


class TransdiffuserModel(BaseTrajectoryModel):  # type: ignore[misc]
    """Plans with the cameras of a rig file.

    Args:
        plans: Loaded model.
        camera_ids: Logical ids of the cameras that the driver passes on.
        output_frequency_hz: Poses of a plan per second.

    Raises:
        ValueError: A camera is not in the rig.
    """

    def __init__(self, plans: SinglePlans, camera_ids: list[str], output_frequency_hz: int) -> None:
        unknown = sorted(set(camera_ids) - set(plans.camera_names))
        if unknown:
            raise ValueError(f"cameras {unknown} are not in the rig file; it has {', '.join(plans.camera_names)}")
        self._plans, self._camera_ids, self._frequency_hz = plans, list(camera_ids), output_frequency_hz

    @classmethod
    def from_config(
        cls, model_cfg: Any, device: Any, camera_ids: list[str], context_length: int | None, output_frequency_hz: int
    ) -> TransdiffuserModel:
        """Load the model.

        Args:
            model_cfg: Its ``checkpoint_path`` is the settings file, see ``SinglePlans.load``.
            device: Not used; the settings file names the execution provider.
            camera_ids: Logical ids of the cameras.
            context_length: Not used; one image of each camera is.
            output_frequency_hz: Poses of a plan per second.
        """
        return cls(SinglePlans.load(model_cfg.checkpoint_path), camera_ids, output_frequency_hz)

    @property
    def camera_ids(self) -> list[str]:
        """Cameras of every prediction."""
        return self._camera_ids

    @property
    def context_length(self) -> int:
        """Images of each camera: the newest."""
        return 1

    @property
    def output_frequency_hz(self) -> int:
        """Poses of a plan per second."""
        return self._frequency_hz

    def _encode_command(self, command: Any) -> DrivingCommand:
        """AlpaSim counts commands as this package does."""
        return DrivingCommand(int(command))

    def predict(self, prediction_input: Any) -> Any:
        """Plan.

        Args:
            prediction_input: PredictionInput.

        Returns:
            ModelPrediction: positions (T, 2) and headings (T,) in the rig, from the first step on.

        Raises:
            ModelInputValidationError: Images or poses do not suffice, a ValueError.
        """
        self._validate_cameras(prediction_input.camera_images)
        time_s_T = np.arange(1, round(_HORIZON_S * self._frequency_hz) + 1) / self._frequency_hz
        newest = {name: frames[-1] for name, frames in prediction_input.camera_images.items() if frames}
        inputs = PlanInputs(
            images={name: (int(frame[0]), frame[1]) for name, frame in newest.items()},
            command=self._encode_command(prediction_input.command),
            speed_mps=float(prediction_input.speed),
            acceleration_mps2=float(prediction_input.acceleration),
            poses=prediction_input.ego_pose_history,
            seed=int(prediction_input.inference_seed),
        )
        try:
            pose_T3 = self._plans.plan(inputs, time_s_T)
        except InputError as error:
            raise ModelInputValidationError(str(error)) from None
        return ModelPrediction(trajectory_xy=pose_T3[:, :2], headings=pose_T3[:, 2])
