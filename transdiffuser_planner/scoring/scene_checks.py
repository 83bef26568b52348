"""Checks of a scene's fields; each failure is one line naming scene, field, expected and got."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError

FloatArray = NDArray[np.float64]


def complain(scene: str, field: str, expected: str, got: str) -> EvaluationError:
    """The error for one field of one scene."""
    return EvaluationError(f"scene {scene}: {field}: expected {expected}, got {got}")


def check_array(scene: str, field: str, values: FloatArray) -> None:
    """Raise if anything is NaN or infinite."""
    if not np.isfinite(values).all():
        raise complain(scene, field, "finite values", "NaN or inf")


def check_shape(scene: str, field: str, values: FloatArray, shape: tuple[int, ...]) -> None:
    """Raise if the shape differs or anything is NaN or infinite."""
    if np.shape(values) != shape:
        raise complain(scene, field, f"shape {shape}", str(np.shape(values)))
    check_array(scene, field, values)


def check_increasing(scene: str, field: str, values: NDArray[np.int64]) -> None:
    """Raise unless there are two or more values, each larger than the one before."""
    if values.ndim != 1 or len(values) < 2:
        raise complain(scene, field, "two or more times", str(values.shape))
    if not (np.diff(values) > 0).all():
        raise complain(scene, field, "times in increasing order", "unsorted or repeated times")


def check_ring(scene: str, field: str, ring_C2: FloatArray) -> None:
    """Raise unless the ring is a polygon: three or more finite corners and no two edges that cross."""
    if ring_C2.ndim != 2 or ring_C2.shape[1] != 2 or len(ring_C2) < 3:
        raise complain(scene, field, "three or more corners (C, 2)", str(ring_C2.shape))
    check_array(scene, field, ring_C2)
    crossing = crossing_edges(ring_C2)
    if crossing is not None:
        raise complain(
            scene, field, "a polygon that does not cross itself", f"edges {crossing[0]} and {crossing[1]} cross"
        )


def crossing_edges(ring_C2: FloatArray) -> tuple[int, int] | None:
    """Two edges whose insides cross each other, or None. Edges that merely touch are no crossing."""
    local_C2 = ring_C2 - ring_C2[0]
    step_C2 = np.roll(local_C2, -1, axis=0) - local_C2
    # side[e, c]: on which side of edge e corner c lies.
    side = step_C2[:, None, 0] * (local_C2[None, :, 1] - local_C2[:, None, 1])
    side -= step_C2[:, None, 1] * (local_C2[None, :, 0] - local_C2[:, None, 0])
    scale = np.abs(step_C2).sum(axis=1)[:, None] * np.abs(local_C2).max()
    side[np.abs(side) < 1e-12 * scale] = 0.0
    splits = side * np.roll(side, -1, axis=1) < 0.0
    crossing = np.argwhere(splits & splits.T)
    return (int(crossing[0, 0]), int(crossing[0, 1])) if len(crossing) else None
