"""Small hand-made tables of scored plans."""

from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.data.candidates.plan_variants import PlanKind
from transdiffuser_planner.data.candidates.scored_candidates import About, save_drive
from transdiffuser_planner.data.candidates.table_origin import TableOrigin

ORIGIN = TableOrigin(model="tiny", model_hash="0" * 64, contract=TINY)
KINDS = (PlanKind.OWN, PlanKind.OWN, PlanKind.INSTRUCTED, PlanKind.SHIFTED, PlanKind.DRIVEN)
GOOD, OFF_ROAD = (1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 0.0, 1.0, 0.0, 1.0)


def straight(speed_mps: float, left_m: float = 0.0) -> np.ndarray:
    """A plan (T, 3) straight ahead, to one side."""
    x = speed_mps * TINY.plan_times_s
    return np.stack([x, np.full_like(x, left_m), np.zeros_like(x)], axis=-1)


def frame_of(row: int, **changes: Any) -> dict[str, np.ndarray]:
    """One frame of five plans at 10 m/s, of the kinds of ``KINDS``, all good, with changes."""
    count = len(KINDS)
    pose = np.stack([straight(10.0, side) for side in (0.2, -0.2, 0.4, 1.0, 0.0)])
    values: dict[str, Any] = {
        "pose": pose,
        "score": np.asarray([GOOD] * count),
        "progress_m": pose[:, -1, 0],
        "kind": np.asarray(KINDS, dtype=np.int8),
        "touched": np.full(count, -1, dtype=np.int16),
        "touched_step": np.full(count, -1, dtype=np.int8),
        "off_road_step": np.full(count, -1, dtype=np.int8),
        "reference": np.zeros((41, 3)),
        "row": np.asarray(row, dtype=np.int32),
        "stamp_ns": np.asarray(row * 500_000_000, dtype=np.int64),
    }
    return values | changes


def save_plans(
    path: Path,
    frames: list[dict[str, np.ndarray]] | None = None,
    vehicle: VehicleModel = EGO_VEHICLE,
    origin: TableOrigin = ORIGIN,
) -> Path:
    """Write one drive's folder, plans only."""
    about = About(
        origin=origin, vehicle=vehicle, num_candidates=2, agents_of_M=tuple(range(len(KINDS))), has_scene=False
    )
    save_drive(path, frames or [frame_of(0)], about)
    return path
