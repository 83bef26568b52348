"""The expert's drive of a scenario, worked out once and kept in the user's cache."""

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

from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.episode import LoggedEpisode
from transdiffuser_planner.simulation.map.sumo_networks import network_file
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.world_state import EgoPose

VERSION = 1
"""Raised when the expert drives or is smoothed otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpertDrive:
    """Attributes:
    progress_m: How far the expert got.
    poses: Its states every 0.1 s from stamp 0 on.
    """

    progress_m: float
    poses: tuple[EgoPose, ...]


def cache_folder() -> Path:
    """Where drives are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "transdiffuser_planner" / "experts"


def expert_drive(scenario: Scenario, vehicle: VehicleModel, folder: Path | None = None) -> ExpertDrive:
    """The expert's drive, from the cache if it is there.

    Args:
        scenario: Which one; sensors and weather do not matter.
        vehicle: Which the expert drives.
        folder: Cache; the user's if None.

    Raises:
        SimulationError: The scenario cannot be driven.
    """
    path = (folder or cache_folder()) / f"{_key(scenario, vehicle)}.npz"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.with_suffix(".lock")):
            return _kept(path) or _driven(scenario, vehicle, path)
    except OSError:
        return _drive(scenario, vehicle)  # a cache that cannot be used is no reason not to go on


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


def _kept(path: Path) -> ExpertDrive | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as held:
            rows, progress_m = held["pose_KF"], float(held["progress_m"])
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


def _driven(scenario: Scenario, vehicle: VehicleModel, path: Path) -> ExpertDrive:
    """Drive and keep it."""
    found = _drive(scenario, vehicle)
    rows = np.asarray([list(asdict(pose).values()) for pose in found.poses], dtype=np.float64)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(partial, pose_KF=rows, progress_m=found.progress_m)
    partial.replace(path)
    return found


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time, so that a drive that several want is made once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
