"""Point-in-polygon tests for many polygons at once. P polygons, E edges, K points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.exact_predicates import orientations

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PolygonSet:
    """Edges of P simple polygons, each edge running upwards.

    Attributes:
        lower_E2: End of each edge with the smaller y.
        upper_E2: The other end.
        x_min_E: Smallest x of each edge.
        x_max_E: Largest x of each edge.
        owner_E: Index of the polygon of each edge.
        bounds_P4: Smallest x, smallest y, largest x, largest y of each polygon.
    """

    lower_E2: FloatArray
    upper_E2: FloatArray
    x_min_E: FloatArray
    x_max_E: FloatArray
    owner_E: IntArray
    bounds_P4: FloatArray

    def __len__(self) -> int:
        return len(self.bounds_P4)

    def of(self, keep_P: BoolArray) -> PolygonSet:
        """Select some of the polygons."""
        keep_E = keep_P[self.owner_E] if len(self.owner_E) else np.zeros(0, dtype=bool)
        return PolygonSet(
            lower_E2=self.lower_E2[keep_E],
            upper_E2=self.upper_E2[keep_E],
            x_min_E=self.x_min_E[keep_E],
            x_max_E=self.x_max_E[keep_E],
            owner_E=(np.cumsum(keep_P) - 1)[self.owner_E[keep_E]],
            bounds_P4=self.bounds_P4[keep_P],
        )


def pack_polygons(rings: Sequence[FloatArray]) -> PolygonSet:
    """Pack rings, each (corners, 2) without repeating the first corner at the end."""
    if not rings:
        nothing = np.zeros((0, 2))
        return PolygonSet(
            lower_E2=nothing, upper_E2=nothing, x_min_E=np.zeros(0), x_max_E=np.zeros(0),
            owner_E=np.zeros(0, dtype=np.int64), bounds_P4=np.zeros((0, 4)),
        )  # fmt: skip
    count_P = np.asarray([len(ring) for ring in rings])
    first_P = np.cumsum(count_P) - count_P
    start_E2 = np.concatenate(rings)
    following_E = np.arange(1, len(start_E2) + 1)
    following_E[first_P + count_P - 1] = first_P
    end_E2 = start_E2[following_E]
    swap_E1 = (start_E2[:, 1] > end_E2[:, 1])[:, None]
    return PolygonSet(
        lower_E2=np.where(swap_E1, end_E2, start_E2),
        upper_E2=np.where(swap_E1, start_E2, end_E2),
        x_min_E=np.minimum(start_E2[:, 0], end_E2[:, 0]),
        x_max_E=np.maximum(start_E2[:, 0], end_E2[:, 0]),
        owner_E=np.repeat(np.arange(len(rings)), count_P),
        bounds_P4=np.concatenate(
            [np.minimum.reduceat(start_E2, first_P, axis=0), np.maximum.reduceat(start_E2, first_P, axis=0)], axis=1
        ),
    )


def near(polygons: PolygonSet, low_2: FloatArray, high_2: FloatArray) -> BoolArray:
    """Polygons (P,) whose bounds touch the given rectangle."""
    bounds = polygons.bounds_P4
    return np.asarray(
        (bounds[:, 0] <= high_2[0])
        & (bounds[:, 2] >= low_2[0])
        & (bounds[:, 1] <= high_2[1])
        & (bounds[:, 3] >= low_2[1])
    )


def points_inside(polygons: PolygonSet, point_K2: FloatArray) -> tuple[IntArray, BoolArray]:
    """Find the points strictly inside of polygons; a point on an edge is outside.

    Counts the edges crossed by a ray in +x. With points sorted by y the candidates of an edge are contiguous, so that only
    pairs of an edge and a point at its height are tested.

    Args:
        polygons: P polygons.
        point_K2: Points, in the frame of the polygons.

    Returns:
        Indices of the polygons near the points (R,), and inside (R, K) for these; all other polygons contain no point.
    """
    num_points = len(point_K2)
    low, high = point_K2.min(axis=0), point_K2.max(axis=0)
    near_P = near(polygons, low, high)
    near_R = np.flatnonzero(near_P)
    use_E = np.flatnonzero(
        near_P[polygons.owner_E]
        & (polygons.lower_E2[:, 1] <= high[1])
        & (polygons.upper_E2[:, 1] >= low[1])
        & (polygons.x_max_E >= low[0])
    )
    lower, upper = polygons.lower_E2[use_E], polygons.upper_E2[use_E]
    order = np.argsort(point_K2[:, 1])
    sorted_K2 = point_K2[order]
    first = np.searchsorted(sorted_K2[:, 1], lower[:, 1], side="left")
    count = np.searchsorted(sorted_K2[:, 1], upper[:, 1], side="right") - first
    edge = np.repeat(np.arange(len(use_E)), count)
    place = np.arange(len(edge)) + np.repeat(first - (np.cumsum(count) - count), count)

    x = sorted_K2[place, 0]
    before = x < polygons.x_min_E[use_E][edge]
    close = np.flatnonzero(~before & (x <= polygons.x_max_E[use_E][edge]))
    side = orientations(lower[edge[close]], upper[edge[close]], sorted_K2[place[close]])
    before[close] = side > 0
    crossed = np.flatnonzero(before & (sorted_K2[place, 1] < upper[edge, 1]))

    rank_P = np.cumsum(near_P) - 1
    cell = rank_P[polygons.owner_E[use_E]][edge] * num_points + order[place]
    inside = (np.bincount(cell[crossed], minlength=len(near_R) * num_points) & 1).astype(bool)
    inside[cell[close[side == 0]]] = False
    return near_R, inside.reshape(len(near_R), num_points)
