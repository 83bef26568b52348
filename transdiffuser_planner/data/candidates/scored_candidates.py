"""A table of plans with their PDM sub-scores on disk: one folder per recorded drive, read through memory maps.

Letters: S frames, B batch, M plans, D drawn joint futures, A agents, T plan steps, Q sub-scores.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORER_INPUTS
from transdiffuser_planner.core.errors import ConfigError, ContractError, InputError
from transdiffuser_planner.core.files import PARTIAL, writing
from transdiffuser_planner.core.vehicle import VehicleModel, stated_vehicle
from transdiffuser_planner.data.candidates.table_origin import TableOrigin

Arrays = dict[str, NDArray[Any]]

NUM_ALTERED: Final = 8
"""Plans of every frame that were made worse on purpose."""
ABOUT_NAME: Final = "plans.json"
PLAN_ARRAYS: Final = (
    "pose",  # (S, M, T, 3) in base_link
    "score",  # (S, M, Q), in the order of SCORE_NAMES
    "progress_m",  # (S, M) along the center line
    "kind",  # (S, M) plan_variants.PlanKind
    "touched",  # (S, M) index of the first agent hit at fault in About.touched, -1: none
    "touched_step",  # (S, M) in steps of 0.1 s, -1: none
    "off_road_step",  # (S, M) first step outside of the drivable area, -1: none
    "reference",  # (S, 41, 3) PDM-Closed's plan every 0.1 s, map frame, float64
    "row",  # (S,) number of the sample in its folder
    "stamp_ns",  # (S,)
)
SCENE_ARRAYS: Final = ("agent_pose", *SCORER_INPUTS)
"""Read by the scorer only: agents' futures (S, D, A, T, 3) of every drawn joint future, and the tensors of the scene."""
HALF: Final = ("agent_pose", "bev_tokens", "bev_logits")
"""Kept in half precision."""
EXACT: Final = ("reference",)
"""Kept in double precision."""
FORMAT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What one drive's plans are.

    Attributes:
        origin: Model and contract of the plans.
        vehicle: Vehicle that drove.
        num_candidates: The first so many plans of a frame are the model's own as the planner would draw them.
        agents_of_M: Index of the drawn joint future whose agents belong to each plan.
        touched: Names of the agents that plans hit.
        has_scene: Whether the arrays of ``SCENE_ARRAYS`` are there.
    """

    origin: TableOrigin
    vehicle: VehicleModel
    num_candidates: int
    agents_of_M: tuple[int, ...]
    touched: tuple[str, ...] = ()
    has_scene: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-serializable form."""
        return {
            "format": FORMAT,
            "origin": self.origin.to_dict(),
            "vehicle": self.vehicle.to_dict(),
            "num_candidates": self.num_candidates,
            "agents_of": list(self.agents_of_M),
            "touched": list(self.touched),
            "has_scene": self.has_scene,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredDrive:
    """Plans of one drive: its folder, what they are, and memory-mapped arrays by name."""

    path: Path
    about: About
    arrays: Arrays

    def __len__(self) -> int:
        return len(self.arrays["stamp_ns"])

    @staticmethod
    def open(path: Path) -> ScoredDrive:
        """Open one drive's folder.

        Raises:
            InputError: It cannot be read.
        """
        about = read_about(path)
        names = (*PLAN_ARRAYS, *(SCENE_ARRAYS if about.has_scene else ()))
        try:
            arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in names}
        except (OSError, ValueError) as error:
            raise InputError(f"scored plans {path}: cannot be read ({error}); make them again") from None
        return ScoredDrive(path=path, about=about, arrays=arrays)


def read_about(path: Path) -> About:
    """Read what the plans in a drive's folder are.

    Args:
        path: Folder of the drive.

    Raises:
        InputError: It cannot be read, or is of another version.
    """
    try:
        data = json.loads((path / ABOUT_NAME).read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise InputError(
                f"scored plans {path}: format {data['format']}, this version reads {FORMAT}; make them again"
            )
        return About(
            origin=TableOrigin.from_dict(data["origin"]),
            vehicle=stated_vehicle(data),
            num_candidates=int(data["num_candidates"]),
            agents_of_M=tuple(int(index) for index in data["agents_of"]),
            touched=tuple(str(name) for name in data["touched"]),
            has_scene=bool(data["has_scene"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ConfigError, ContractError) as error:
        raise InputError(f"scored plans {path}: {ABOUT_NAME} cannot be read ({error}); make them again") from None


def save_drive(path: Path, frames: list[Arrays], about: About) -> None:
    """Write one drive's folder; it appears complete or not at all.

    Args:
        path: Folder to write.
        frames: Arrays of each frame without the leading axis by the names of ``PLAN_ARRAYS`` and ``SCENE_ARRAYS``.
        about: What they are.

    Raises:
        OutputError: It cannot be written.
    """
    partial = path.with_name(path.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    with writing(path, partial):
        partial.mkdir(parents=True)
        for name in frames[0]:
            array = np.stack([frame[name] for frame in frames])
            kind = np.float16 if name in HALF else np.float32
            is_number = array.dtype.kind == "f" and name not in EXACT
            np.save(partial / f"{name}.npy", array.astype(kind) if is_number else array)
        (partial / ABOUT_NAME).write_text(json.dumps(about.to_dict()) + "\n", encoding="utf-8")
        partial.rename(path)


class ScoredPlans:
    """All drives of a folder; all of one model, contract and vehicle, with the same number of plans per frame."""

    def __init__(self, drives: Sequence[ScoredDrive]) -> None:
        self.drives = list(drives)
        self._starts = np.concatenate([[0], np.cumsum([len(drive) for drive in self.drives])]).astype(np.int64)
        self._about = self.drives[0].about

    @property
    def origin(self) -> TableOrigin:
        """Model and contract of the plans."""
        return self._about.origin

    @property
    def vehicle(self) -> VehicleModel:
        """Vehicle of the drives."""
        return self._about.vehicle

    @property
    def num_candidates(self) -> int:
        """How many of a frame's plans are the model's own; all others come after them."""
        return self._about.num_candidates

    def __len__(self) -> int:
        """Return the number of frames."""
        return int(self._starts[-1])

    @staticmethod
    def open(folder: Path) -> ScoredPlans:
        """Open all drives in a folder and those below it.

        Raises:
            InputError: There is none, one cannot be read, or they are of different models, contracts, vehicles or numbers
                of plans.
        """
        found = sorted(path.parent for path in folder.rglob(ABOUT_NAME) if not path.parent.name.endswith(PARTIAL))
        if not found:
            old = "; those of earlier versions (.npz) cannot be read" if any(folder.rglob("*.npz")) else ""
            raise InputError(
                f"scored plans {folder}: no {ABOUT_NAME} below it{old}; make them with 'transdiffuser score-candidates'"
            )
        plans = ScoredPlans([ScoredDrive.open(path) for path in found])
        for drive in plans.drives:
            _check_alike(plans.drives[0], drive)
        return plans

    def whole(self, name: str) -> NDArray[Any]:
        """One array of all frames (S, ...); for small arrays."""
        return np.concatenate([np.asarray(drive.arrays[name]) for drive in self.drives])

    def gather(self, index_B: NDArray[np.int64]) -> Arrays:
        """Poses, agents' futures with each, sub-scores and scene of some frames as the scorer reads them.

        Args:
            index_B: Numbers of the frames.

        Returns:
            "pose" (B, M, T, 3), "agent_pose" (B, M, A, T, 3), "score" (B, M, Q) and ``SCORER_INPUTS``, float32.

        Raises:
            InputError: The table holds plans only.
        """
        if not all(drive.about.has_scene for drive in self.drives):
            raise InputError(
                f"scored plans {self.drives[0].path.parent}: made with --plans-only, without the scenes that a scorer reads; "
                "make them without it"
            )
        drive_B = np.searchsorted(self._starts, index_B, side="right") - 1
        pairs = list(zip(drive_B, index_B - self._starts[drive_B], strict=True))
        names = ("pose", "score", *SCENE_ARRAYS)
        out = {n: np.stack([self.drives[d].arrays[n][s] for d, s in pairs]).astype(np.float32) for n in names}
        out["agent_pose"] = out["agent_pose"][:, list(self._about.agents_of_M)]
        return out


def _check_alike(first: ScoredDrive, other: ScoredDrive) -> None:
    """Refuse drives that do not go together.

    Raises:
        InputError: They do not.
    """
    one, two = first.about, other.about
    if one.vehicle != two.vehicle:
        listed = f"{first.path}: {one.vehicle}; {other.path}: {two.vehicle}"
        raise InputError(f"scored plans of different vehicles: {listed}; train on one at a time")
    if one.origin != two.origin:
        raise InputError(
            f"scored plans of different models: {first.path}: {one.origin}; {other.path}: {two.origin}; "
            f"{one.origin.difference(two.origin)}; keep those of one model in a folder"
        )
    if one.agents_of_M != two.agents_of_M or one.num_candidates != two.num_candidates:
        raise InputError(
            f"scored plans {other.path}: {len(two.agents_of_M)} plans a frame, {two.num_candidates} of them drawn; "
            f"{first.path} has {len(one.agents_of_M)} and {one.num_candidates}; make them with the same options"
        )
