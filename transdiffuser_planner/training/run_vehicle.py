"""Vehicle of a training run's samples: ``vehicle.json`` in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from transdiffuser_planner.core.errors import ConfigError, TrainingError
from transdiffuser_planner.core.vehicle import VehicleModel

FILE_NAME = "vehicle.json"


def kept_vehicle(folder: Path) -> VehicleModel | None:
    """Vehicle recorded in a run's folder; None in runs of earlier versions.

    Raises:
        TrainingError: The file is unreadable or does not describe a vehicle.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        return VehicleModel.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ConfigError) as error:
        raise TrainingError(f"run {folder}: {FILE_NAME} cannot be used ({error}); train in another --out") from None


def keep_vehicle(folder: Path, vehicle: VehicleModel) -> None:
    """Record the vehicle of the samples of a stage.

    Args:
        folder: Of the run.
        vehicle: Vehicle of the samples.

    Raises:
        TrainingError: An earlier stage was trained on samples of another vehicle.
    """
    kept = kept_vehicle(folder)
    if kept is not None and kept != vehicle:
        raise TrainingError(
            f"run {folder}: trained on drives of {kept}, now given those of {vehicle}; give another --out"
        )
    (folder / FILE_NAME).write_text(json.dumps(vehicle.to_dict()) + "\n", encoding="utf-8")
