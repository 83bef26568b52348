"""The expert's trajectories, cached in the user's cache folder; in a window of a log the human is the expert."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core import files
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.episode import LoggedEpisode
from transdiffuser_planner.simulation.log_world.log_episode import LogEpisode
from transdiffuser_planner.simulation.log_world.log_scenario import LogScenario
from transdiffuser_planner.simulation.map.sumo_networks import network_file
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.world_state import EgoPose

VERSION = 2
"""Incremented when the expert's driving or smoothing changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertDrive:
    """The expert's trajectory through a scenario.

    Attributes:
        progress_m: Distance driven along the path.
        poses: Every 0.1 s from stamp 0, map frame.
    """

    progress_m: float
    poses: tuple[EgoPose, ...]


def cache_folder() -> Path:
    """Return the folder of experts' trajectories in the user's cache."""
    return files.cache_folder() / "experts"


def expert_drive(scenario: Scenario, vehicle: VehicleModel, folder: Path | None = None) -> ExpertDrive:
    """Return the expert's trajectory, from the cache when present.

    Args:
        scenario: To drive; weather has no effect.
        vehicle: Driven by the expert.
        folder: Of the cache; None for the user's.

    Raises:
        PlannerError: The scenario cannot be driven.
    """
    if isinstance(scenario, LogScenario):
        episode = LogEpisode(scenario, vehicle)
        return ExpertDrive(progress_m=episode.human_progress_m(), poses=episode.human_poses())
    path = (folder or cache_folder()) / f"{_key(scenario, vehicle)}.npz"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(path.with_suffix(".lock")):
            return _read(path) or _drive_and_store(scenario, vehicle, path)
    except OSError:
        return _drive(scenario, vehicle)  # works without a usable cache


def _key(scenario: Scenario, vehicle: VehicleModel) -> str:
    described: dict[str, object] = {
        "version": VERSION,
        "sumo": importlib.metadata.version("libsumo"),
        "network": hashlib.sha256(network_file(scenario.map_name).read_bytes()).hexdigest(),
        "map": scenario.map_name,
        "seed": scenario.seed,
        "duration_s": scenario.duration_s,
        "num_agents": scenario.num_agents,
    }
    if vehicle.differences():  # the default car's drives of earlier versions stay valid
        described["vehicle"] = vehicle.to_dict()
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> ExpertDrive | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            rows, progress_m = stored["pose_KF"], float(stored["progress_m"])
    except (ValueError, KeyError, OSError):
        return None
    return ExpertDrive(progress_m=progress_m, poses=tuple(_pose(row) for row in rows))


def _pose(row_F: NDArray[np.float64]) -> EgoPose:
    *numbers, braking = row_F.tolist()
    names = [item.name for item in fields(EgoPose)]
    return EgoPose(**dict(zip(names, numbers, strict=False)), braking=bool(braking))


def _drive(scenario: Scenario, vehicle: VehicleModel) -> ExpertDrive:
    logged = LoggedEpisode(scenario, vehicle)
    return ExpertDrive(progress_m=logged.progress_m(), poses=logged.expert_track().poses)


def _drive_and_store(scenario: Scenario, vehicle: VehicleModel, path: Path) -> ExpertDrive:
    """Drive the scenario and store the result."""
    found = _drive(scenario, vehicle)
    rows = np.asarray([list(asdict(pose).values()) for pose in found.poses], dtype=np.float64)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(partial, pose_KF=rows, progress_m=found.progress_m)
    partial.replace(path)
    return found


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a file lock, so that concurrent processes drive a scenario once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
