"""Checks of a scene's fields; each failure is one line with the scene, the field, the expected and the found value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DEPTH_M: Final = 1e-6
"""Depth up to which edges touch but do not cross."""
LARGEST: Final = 1e8
"""Largest magnitude in meters, radians and seconds; squares and products of larger ones lose precision."""
STEP_S = 0.1
NUM_STEPS = 40
"""Plans are scored over 4 s: 40 steps after the step at time 0."""
INTERVALS_S = (0.01, NUM_STEPS * STEP_S)
"""Shortest and longest time between poses of a plan."""
_LONGEST_GOT: Final = 80


class SceneError(EvaluationError):
    """One wrong field of a scene.

    Args:
        scene: Name of the scene.
        field: The field.
        expected: Description of valid values.
        got: The value found; a long one is shortened.
    """

    def __init__(self, scene: str, field: str, expected: str, got: str) -> None:
        short = got if len(got) <= _LONGEST_GOT else f"{got[: _LONGEST_GOT - 3]}..."
        super().__init__(f"scene {scene}: {field}: expected {expected}, got {short}")
        self._arguments = (scene, field, expected, got)

    def __reduce__(self) -> tuple[type[SceneError], tuple[str, str, str, str]]:
        """Keep the error transferable between processes."""
        return type(self), self._arguments


def check_array(scene: str, field: str, values: FloatArray) -> None:
    """Check that values are finite and of plausible size.

    Args:
        scene: Name of the scene.
        field: Name of the field.
        values: Array of any shape.

    Raises:
        SceneError: A value is NaN, infinite or too large.
    """
    if not np.isfinite(values).all():
        raise SceneError(scene, field, "finite values", "NaN or inf")
    if values.size and np.abs(values).max() > LARGEST:
        raise SceneError(scene, field, f"values up to {LARGEST:g}", f"{np.abs(values).max():g}")


def check_shape(scene: str, field: str, values: FloatArray, shape: tuple[int, ...]) -> None:
    """Check the shape of an array and its values.

    Args:
        scene: Name of the scene.
        field: Name of the field.
        values: The array.
        shape: Its expected shape.

    Raises:
        SceneError: The shape differs, or a value is NaN, infinite or too large.
    """
    if np.shape(values) != shape:
        raise SceneError(scene, field, f"shape {shape}", str(np.shape(values)))
    check_array(scene, field, values)


def check_increasing(scene: str, field: str, values: NDArray[np.int64]) -> None:
    """Check that times increase strictly.

    Args:
        scene: Name of the scene.
        field: Name of the field.
        values: Times.

    Raises:
        SceneError: Fewer than two values, or not in increasing order.
    """
    if values.ndim != 1 or len(values) < 2:
        raise SceneError(scene, field, "two or more times", str(values.shape))
    if not (np.diff(values) > 0).all():
        raise SceneError(scene, field, "times in increasing order", "unsorted or repeated times")


def check_rings(scene: str, fields: Sequence[str], rings: Sequence[FloatArray]) -> None:
    """Check that rings are polygons.

    Args:
        scene: Name of the scene.
        fields: Names of the rings.
        rings: Corners (C, 2) of each, meters.

    Raises:
        SceneError: A ring has fewer than three corners, a value that is not finite, or two edges that cross.
    """
    for field, ring_C2 in zip(fields, rings, strict=True):
        if ring_C2.ndim != 2 or ring_C2.shape[1] != 2 or len(ring_C2) < 3:
            raise SceneError(scene, field, "three or more corners (C, 2)", str(ring_C2.shape))
    if rings and not (np.abs(np.concatenate(rings)) <= LARGEST).all():
        for field, ring_C2 in zip(fields, rings, strict=True):
            check_array(scene, field, ring_C2)
    crossing = first_crossing(rings)
    if crossing is not None:
        ring, one, other = crossing
        got = f"edges {min(one, other)} and {max(one, other)} cross"
        raise SceneError(scene, fields[ring], "a polygon that does not cross itself", got)


def first_crossing(rings: Sequence[FloatArray]) -> tuple[int, int, int] | None:
    """First ring with two edges that cross by more than a micrometer, with both edges, or None. Touching is no crossing.

    Edges are sorted along the longer side of their ring, all rings one behind the other, so that only edges that lie side
    by side are compared.
    """
    if not rings:
        return None
    count_R = np.asarray([len(ring) for ring in rings])
    first_R = np.cumsum(count_R) - count_R
    owner_E = np.repeat(np.arange(len(rings)), count_R)
    corner_E2 = np.concatenate(rings)
    low_R2 = np.minimum.reduceat(corner_E2, first_R, axis=0)
    size_R2 = np.maximum.reduceat(corner_E2, first_R, axis=0) - low_R2
    start_E2 = corner_E2 - low_R2[owner_E]
    next_E = np.arange(1, len(start_E2) + 1)
    next_E[first_R + count_R - 1] = first_R
    end_E2 = start_E2[next_E]

    axis_E = (size_R2[:, 1] > size_R2[:, 0]).astype(np.int64)[owner_E]
    edges = np.arange(len(start_E2))
    behind_E = owner_E * (size_R2.max() + 1.0)
    low_E = np.minimum(start_E2[edges, axis_E], end_E2[edges, axis_E]) + behind_E
    high_E = np.maximum(start_E2[edges, axis_E], end_E2[edges, axis_E]) + behind_E
    order = np.argsort(low_E)
    overlap_E = np.searchsorted(low_E[order], high_E[order], side="right") - edges - 1
    place = np.repeat(edges, overlap_E)
    one_P = order[place]
    other_P = order[place + 1 + np.arange(len(place)) - np.repeat(np.cumsum(overlap_E) - overlap_E, overlap_E)]

    def sides(edge_P: IntArray, point_P: IntArray) -> tuple[FloatArray, FloatArray]:
        """Signed distances of the ends of one edge to the line of the other, meters."""
        step = end_E2[edge_P] - start_E2[edge_P]
        length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-12)
        ends = (points[point_P] - start_E2[edge_P] for points in (start_E2, end_E2))
        at_start, at_end = ((step[:, 0] * to[:, 1] - step[:, 1] * to[:, 0]) / length for to in ends)
        return at_start, at_end

    def splits(edge_P: IntArray, point_P: IntArray) -> NDArray[np.bool_]:
        at_start, at_end = sides(edge_P, point_P)
        return (np.minimum(at_start, at_end) < -DEPTH_M) & (np.maximum(at_start, at_end) > DEPTH_M)

    crossing = np.flatnonzero(splits(one_P, other_P) & splits(other_P, one_P))
    if len(crossing) == 0:
        return None
    one, other = int(one_P[crossing[0]]), int(other_P[crossing[0]])
    ring = int(owner_E[one])
    return ring, one - int(first_R[ring]), other - int(first_R[ring])


def check_plans(name: str, field_name: str, plans_MT3: FloatArray, interval_s: float) -> None:
    """Check that plans are finite poses of at least 4 s.

    Args:
        name: Name of the scene.
        field_name: Name of the field.
        plans_MT3: Poses (M, T, 3).
        interval_s: Time between two poses.

    Raises:
        SceneError: The interval, the shape or a value is invalid.
    """
    if not INTERVALS_S[0] <= interval_s <= INTERVALS_S[1]:
        low, high = INTERVALS_S
        raise SceneError(name, field_name, f"an interval between poses of {low:g} to {high:g} s", f"{interval_s:g} s")
    needed = int(np.ceil(NUM_STEPS * STEP_S / interval_s - 1e-6))
    if plans_MT3.ndim != 3 or plans_MT3.shape[-1] != 3 or plans_MT3.shape[1] < needed or plans_MT3.shape[0] == 0:
        raise SceneError(name, field_name, f"poses (M, {needed} or more, 3) every {interval_s} s", str(plans_MT3.shape))
    for index in np.flatnonzero(~np.isfinite(plans_MT3).all(axis=(1, 2)))[:1]:
        raise SceneError(name, f"{field_name}[{index}]", "finite poses", "NaN or inf")
    for index in np.flatnonzero((np.abs(plans_MT3) > LARGEST).any(axis=(1, 2)))[:1]:
        check_array(name, f"{field_name}[{index}]", plans_MT3[index])
