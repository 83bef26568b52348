"""Which vehicle drives in the samples of a training run: ``vehicle.json`` in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from transdiffuser_planner.core.errors import ConfigError, TrainingError
from transdiffuser_planner.core.vehicle import VehicleModel

FILE_NAME = "vehicle.json"


def kept_vehicle(folder: Path) -> VehicleModel | None:
    """The vehicle noted in a run's folder; None where, as in runs of earlier versions, there is none.

    Raises:
        TrainingError: The file is no vehicle.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        return VehicleModel.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ConfigError) as error:
        raise TrainingError(f"run {folder}: {FILE_NAME} cannot be used ({error}); train in another --out") from None


def keep_vehicle(folder: Path, vehicle: VehicleModel) -> None:
    """Note the vehicle of the samples that a stage trains on.

    Args:
        folder: Of the run.
        vehicle: What drove in the samples.

    Raises:
        TrainingError: An earlier stage was trained on drives of another one.
    """
    kept = kept_vehicle(folder)
    if kept is not None and kept != vehicle:
        raise TrainingError(
            f"run {folder}: trained on drives of {kept}, now given those of {vehicle}; give another --out"
        )
    (folder / FILE_NAME).write_text(json.dumps(vehicle.to_dict()) + "\n", encoding="utf-8")
