"""Candidates with their PDM sub-scores on disk: what the scorer learns from. One file per recorded drive.

Letters: S frames, M plans, A agents, T plan steps, K tokens, D width, C classes, L bird's-eye cells, Q sub-scores.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError, InputError
from transdiffuser_planner.core.files import writing
from transdiffuser_planner.core.vehicle import VehicleModel, stated_vehicle

Arrays = dict[str, NDArray[Any]]

NUM_ALTERED: Final = 8
"""Plans of every frame that were made worse on purpose; the last ones."""
HALF: Final = ("agent_pose", "bev_tokens", "bev_logits")
"""Kept in half precision."""
SUFFIX: Final = ".npz"
_VEHICLE: Final = "vehicle"


def save_drive(path: Path, frames: list[Arrays], vehicle: VehicleModel) -> None:
    """Write one drive's frames.

    Args:
        path: File to write.
        frames: Arrays without the leading axis: "pose" (M, T, 3), "agent_pose" (M, A, T, 3), "score" (M, Q), and the
            scene's tensors by name.
        vehicle: What drove.

    Raises:
        OutputError: It cannot be written.
    """
    stacked = {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}
    partial = path.with_suffix(".partial.npz")
    kinds = {name: np.float16 if name in HALF else np.float32 for name in stacked}
    arrays = {name: value.astype(kinds[name]) for name, value in stacked.items()}
    described = {_VEHICLE: np.asarray(json.dumps(vehicle.to_dict()))}
    with writing(path, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(partial, **arrays, **described)  # type: ignore[arg-type]
        partial.rename(path)


class ScoredPlans:
    """All drives of a folder in memory; all of one vehicle."""

    def __init__(self, arrays: Arrays, vehicle: VehicleModel) -> None:
        self.arrays, self.vehicle = arrays, vehicle

    @property
    def num_candidates(self) -> int:
        """How many of a frame's plans are the model's own; the altered ones come after them."""
        return int(self.arrays["score"].shape[1]) - NUM_ALTERED

    def __len__(self) -> int:
        return len(self.arrays["score"])

    @staticmethod
    def open(folder: Path) -> ScoredPlans:
        """Read a folder and those below it.

        Raises:
            InputError: There is none, a file cannot be read, or they are of different vehicles.
        """
        paths = sorted(path for path in folder.rglob(f"*{SUFFIX}") if ".partial" not in path.name)
        if not paths:
            raise InputError(
                f"scored plans {folder}: no {SUFFIX} file; make them with 'transdiffuser score-candidates'"
            )
        parts: list[Arrays] = []
        vehicles: dict[VehicleModel, Path] = {}
        for path in paths:
            try:
                with np.load(path) as data:
                    parts.append({name: data[name] for name in data.files if name != _VEHICLE})
                    stated = {name: json.loads(str(data[name])) for name in data.files if name == _VEHICLE}
                    vehicles.setdefault(stated_vehicle(stated), path)
            except (OSError, ValueError, KeyError, ConfigError) as error:
                raise InputError(f"scored plans {path}: cannot be read ({error}); make it again") from None
        if len(vehicles) > 1:
            listed = "; ".join(f"{path}: {vehicle}" for vehicle, path in vehicles.items())
            raise InputError(f"scored plans of different vehicles: {listed}; train on one at a time")
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return ScoredPlans(arrays, next(iter(vehicles)))

    def gather(self, index_B: NDArray[np.int64]) -> Arrays:
        """Arrays (B, ...), float32."""
        return {name: value[index_B].astype(np.float32) for name, value in self.arrays.items()}
