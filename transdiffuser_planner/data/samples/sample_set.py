"""Training samples on disk: one folder of .npy arrays per bag, read through memory maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import (
    CONDITION_INPUTS,
    NUM_AGENT_FEATURES,
    TOKEN_INPUTS,
    ModelContract,
    TensorSpec,
    observation_specs,
)
from transdiffuser_planner.core.driving_style import STYLE_INPUTS
from transdiffuser_planner.core.errors import ConfigError, InputError
from transdiffuser_planner.core.vehicle import VehicleModel, stated_vehicle
from transdiffuser_planner.core.view_semantics import VIEW_UNKNOWN, view_spec

NUM_LABEL_AGENTS = 48
META_NAME = "meta.json"
NOT_STORED = (*TOKEN_INPUTS, *STYLE_INPUTS)
"""Inputs that no sample holds: action tokens follow from the plan, wanted scores from a table of scored plans."""
LABELS = (
    "plan",
    "plan_valid",
    "gt_agents",
    "gt_agents_valid",
    "gt_agents_points",
    "gt_agents_future",
    "gt_agents_future_valid",
)
"""Stored arrays that plans and agents are learned from and compared with."""


def sample_specs(contract: ModelContract) -> dict[str, TensorSpec]:
    """Every array of a sample folder, without the leading sample axis.

    Images are stored as bytes (input = value / 255), LiDAR counts as bytes (input = value / clip). Labels that a bag
    has no ground truth for are zeros with a false mask.
    """
    observation = observation_specs(contract)
    num_steps, agents = contract.num_plan_steps, NUM_LABEL_AGENTS
    specs = {
        "image": TensorSpec(shape=observation["image"].shape, dtype=np.uint8),
        "lidar": TensorSpec(shape=observation["lidar"].shape, dtype=np.uint8),
        "camera_valid": observation["camera_valid"],
        "lidar_valid": observation["lidar_valid"],
        **{name: observation[name] for name in CONDITION_INPUTS},
        "plan": TensorSpec(shape=(num_steps, 3)),  # ego future in base_link, heading continuous
        "plan_valid": TensorSpec(shape=(num_steps,), dtype=np.bool_),
        "gt_agents_known": TensorSpec(shape=(), dtype=np.bool_),  # whether agents were labeled at all
        "gt_agents": TensorSpec(shape=(agents, NUM_AGENT_FEATURES)),  # nearest first, in base_link
        "gt_agents_valid": TensorSpec(shape=(agents,), dtype=np.bool_),
        "gt_agents_points": TensorSpec(shape=(agents,), dtype=np.int32),  # LiDAR points on the agent
        "gt_agents_id": TensorSpec(shape=(agents,), dtype=np.uint32),
        "gt_agents_future": TensorSpec(shape=(agents, num_steps, 3)),  # in base_link, heading continuous
        "gt_agents_future_valid": TensorSpec(shape=(agents, num_steps), dtype=np.bool_),
        "bev": TensorSpec(shape=(contract.bev_cells, contract.bev_cells), dtype=np.uint8),  # BevClass
        "bev_valid": TensorSpec(shape=(), dtype=np.bool_),
        "signal_label": TensorSpec(shape=(), dtype=np.int64),  # SignalState of the next signal within 50 m
        "signal_label_valid": TensorSpec(shape=(), dtype=np.bool_),
        "stamp_ns": TensorSpec(shape=(), dtype=np.int64),
    }
    return specs


def optional_specs(contract: ModelContract) -> dict[str, TensorSpec]:
    """Arrays that only some sample folders have; where one is missing, ``SampleSet.gather`` gives VIEW_UNKNOWN."""
    return {"view_labels": TensorSpec(shape=view_spec(contract).shape[1:], dtype=np.uint8)}  # ViewClass or VIEW_UNKNOWN


def stored_observation(contract: ModelContract) -> tuple[str, ...]:
    """The observation tensors that samples hold."""
    return tuple(name for name in observation_specs(contract) if name not in NOT_STORED)


def observation_of(raw: dict[str, NDArray[Any]], contract: ModelContract) -> dict[str, NDArray[np.float32]]:
    """Observation tensors (B, ...) of stored arrays: bytes become the real numbers that the encoder reads.

    Action tokens and wanted scores that are missing in the arrays are masked.
    """
    specs = observation_specs(contract)
    values = {name: raw[name] for name in specs if name in raw}
    for name in set(NOT_STORED) & (set(specs) - set(raw)):
        values[name] = np.zeros((len(raw["image"]), *specs[name].shape), dtype=np.float32)
    values["image"] = raw["image"].astype(np.float32) / np.float32(255.0)
    values["lidar"] = raw["lidar"].astype(np.float32) / np.float32(contract.lidar_clip_points)
    return values


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleFolder:
    """One bag's samples. arrays: name -> memory-mapped array (N, ...); meta: where they came from."""

    path: Path
    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]

    def __len__(self) -> int:
        return len(self.arrays["stamp_ns"])

    @property
    def vehicle(self) -> VehicleModel:
        """The ego's dimensions; the default car where the folder, as of earlier versions, has no such entry.

        Raises:
            InputError: The entry is no vehicle.
        """
        try:
            return stated_vehicle(self.meta)
        except ConfigError as error:
            raise InputError(f"samples {self.path}: {META_NAME}: {error}; make them again with 'dataset'") from None

    @staticmethod
    def open(path: Path, contract: ModelContract) -> SampleFolder:
        """Open one folder.

        Raises:
            InputError: An array is missing or has another shape or type than in the contract.
        """
        try:
            meta = json.loads((path / META_NAME).read_text(encoding="utf-8"))
            specs = sample_specs(contract)
            specs |= {k: v for k, v in optional_specs(contract).items() if (path / f"{k}.npy").is_file()}
            arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in specs}
        except (OSError, ValueError) as error:
            raise InputError(f"samples {path}: cannot be read ({error}); make them again with 'dataset'") from None
        for name, spec in specs.items():
            if arrays[name].shape[1:] != spec.shape or arrays[name].dtype != np.dtype(spec.dtype):
                raise InputError(
                    f"samples {path}: {name} expected (N, {spec.shape}) {np.dtype(spec.dtype)}, "
                    f"got {arrays[name].shape} {arrays[name].dtype}; make them again with 'dataset'"
                )
        heights = meta.get("lidar_heights_m", list(contract.lidar_heights_m))
        if heights != list(contract.lidar_heights_m):
            raise InputError(
                f"samples {path}: LiDAR channels divided at {heights} m, but the model's at "
                f"{list(contract.lidar_heights_m)} m; make them again with 'dataset --recipe'"
            )
        return SampleFolder(path=path, arrays=arrays, meta=meta)


class SampleSet:
    """Many folders as one indexed set."""

    def __init__(self, folders: Sequence[SampleFolder]) -> None:
        self.folders = list(folders)
        self._starts = np.concatenate([[0], np.cumsum([len(folder) for folder in self.folders])]).astype(np.int64)

    @staticmethod
    def open(path: Path, contract: ModelContract) -> SampleSet:
        """All sample folders below a path, in order of name.

        Raises:
            InputError: There are none, or one is unreadable.
        """
        found = sorted(meta.parent for meta in Path(path).glob(f"**/{META_NAME}"))
        if not found:
            raise InputError(f"samples {path}: no {META_NAME} below it; make samples with 'transdiffuser dataset'")
        return SampleSet([SampleFolder.open(folder, contract) for folder in found])

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self._starts[-1])

    @property
    def vehicle(self) -> VehicleModel:
        """The ego's dimensions in all folders.

        Raises:
            InputError: Different vehicles did.
        """
        found = {folder.vehicle: folder.path for folder in self.folders}
        if len(found) > 1:
            (one, first), (other, second) = list(found.items())[:2]
            raise InputError(
                f"samples of different vehicles: {first}: {one}; {second}: {other}; train on one at a time"
            )
        return next(iter(found))

    def gather(self, index_B: NDArray[np.int64], names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Arrays (B, ...) of the samples at the given indices."""
        folder_B = np.searchsorted(self._starts, index_B, side="right") - 1
        row_B = index_B - self._starts[folder_B]
        pairs = list(zip(folder_B, row_B, strict=True))
        return {name: np.stack([self._row(name, f, r) for f, r in pairs]) for name in names}

    def _row(self, name: str, folder: int, row: int) -> NDArray[Any]:
        """One row of an array; of an optional one that its folder does not have, VIEW_UNKNOWN."""
        array = self.folders[folder].arrays.get(name)
        if array is not None:
            return np.asarray(array[row])
        like = next(f.arrays[name] for f in self.folders if name in f.arrays)
        return np.full(like.shape[1:], VIEW_UNKNOWN, dtype=like.dtype)

    def has(self, name: str) -> bool:
        """Check whether a folder has an optional array."""
        return any(name in folder.arrays for folder in self.folders)

    def whole(self, name: str) -> NDArray[Any]:
        """One array of all samples (N, ...); for small arrays."""
        return np.concatenate([np.asarray(folder.arrays[name]) for folder in self.folders])


def joined(first: SampleSet, second: SampleSet | None) -> SampleSet:
    """One set of two, the samples of the first before those of the second; the first itself without a second."""
    return first if second is None else SampleSet([*first.folders, *second.folders])
