"""Checks of a scene's fields; each failure is one line naming scene, field, expected and got."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DEPTH_M: Final = 1e-6
"""Edges that cross by less merely touch."""
LARGEST: Final = 1e8
"""Of any number in meters, radians and seconds; squares and products of larger ones lose what is being measured."""
_LONGEST_GOT: Final = 80


def complain(scene: str, field: str, expected: str, got: str) -> EvaluationError:
    """The error for one field of one scene."""
    short = got if len(got) <= _LONGEST_GOT else f"{got[: _LONGEST_GOT - 3]}..."
    return EvaluationError(f"scene {scene}: {field}: expected {expected}, got {short}")


def check_array(scene: str, field: str, values: FloatArray) -> None:
    """Raise if anything is NaN, infinite or absurdly large."""
    if not np.isfinite(values).all():
        raise complain(scene, field, "finite values", "NaN or inf")
    if values.size and np.abs(values).max() > LARGEST:
        raise complain(scene, field, f"values up to {LARGEST:g}", f"{np.abs(values).max():g}")


def check_shape(scene: str, field: str, values: FloatArray, shape: tuple[int, ...]) -> None:
    """Raise if the shape differs or anything is NaN, infinite or absurdly large."""
    if np.shape(values) != shape:
        raise complain(scene, field, f"shape {shape}", str(np.shape(values)))
    check_array(scene, field, values)


def check_increasing(scene: str, field: str, values: NDArray[np.int64]) -> None:
    """Raise unless there are two or more values, each larger than the one before."""
    if values.ndim != 1 or len(values) < 2:
        raise complain(scene, field, "two or more times", str(values.shape))
    if not (np.diff(values) > 0).all():
        raise complain(scene, field, "times in increasing order", "unsorted or repeated times")


def check_rings(scene: str, fields: Sequence[str], rings: Sequence[FloatArray]) -> None:
    """Raise unless every ring is a polygon: three or more finite corners and no two edges that cross."""
    for field, ring_C2 in zip(fields, rings, strict=True):
        if ring_C2.ndim != 2 or ring_C2.shape[1] != 2 or len(ring_C2) < 3:
            raise complain(scene, field, "three or more corners (C, 2)", str(ring_C2.shape))
    if rings and not (np.abs(np.concatenate(rings)) <= LARGEST).all():
        for field, ring_C2 in zip(fields, rings, strict=True):
            check_array(scene, field, ring_C2)
    crossing = first_crossing(rings)
    if crossing is not None:
        ring, one, other = crossing
        got = f"edges {min(one, other)} and {max(one, other)} cross"
        raise complain(scene, fields[ring], "a polygon that does not cross itself", got)


def first_crossing(rings: Sequence[FloatArray]) -> tuple[int, int, int] | None:
    """Ring and two of its edges that cross each other by more than a micrometer, or None. Touching is no crossing.

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
        """Meters by which the ends of one edge lie beside the line of the other."""
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
