"""Triangle meshes with colors, and the basic shapes of the simulated world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.view_semantics import ViewClass

FloatArray = NDArray[np.float64]
Color = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Triangles:
    """Numbers of the vertices of F triangles.

    Attributes:
        numbers_F3: As an array.
        rows_F: As an array of tuples: embreex reads number by number through Python, several times as fast from these.
    """

    numbers_F3: NDArray[np.intp]
    rows_F: NDArray[np.object_]

    @staticmethod
    def of(numbers_F3: NDArray[np.intp]) -> Triangles:
        """Keep vertex numbers in both forms.

        Args:
            numbers_F3: From 0.
        """
        rows_F = np.fromiter(map(tuple, numbers_F3.tolist()), dtype=object, count=len(numbers_F3))
        return Triangles(numbers_F3=numbers_F3, rows_F=rows_F)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesh:
    """F triangles over V vertices.

    Attributes:
        vertices_V3: float32, m.
        triangles: Corners of each triangle.
        albedo_F3: Linear RGB in 0..1.
        class_F: ViewClass of each triangle, as ground truth of the images.
    """

    vertices_V3: NDArray[np.float32]
    triangles: Triangles
    albedo_F3: NDArray[np.float32]
    class_F: NDArray[np.uint8]

    def normals(self) -> NDArray[np.float32]:
        """Return unit normals (F, 3); triangles are counter-clockwise from their front."""
        a, b, c = (self.vertices_V3[self.triangles.numbers_F3[:, corner]] for corner in range(3))
        u, v = (b - a).T, (c - a).T
        x, y, z = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
        length = np.maximum(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
        return np.stack([x / length, y / length, z / length], axis=-1)


class MeshBuilder:
    """Builder of a mesh from shapes. Triangle numbers are stable, so callers may store them."""

    def __init__(self) -> None:
        self._corners: list[FloatArray] = []
        self._albedo: list[FloatArray] = []
        self._classes: list[NDArray[np.uint8]] = []
        self._count = 0
        self._class = ViewClass.REST

    @property
    def count(self) -> int:
        """Number of triangles so far."""
        return self._count

    @contextmanager
    def of_class(self, value: ViewClass) -> Iterator[None]:
        """Mark the triangles that are appended inside the block as ground truth of a class, outside of any as REST.

        Args:
            value: The class.

        Yields:
            Nothing.
        """
        before, self._class = self._class, value
        try:
            yield
        finally:
            self._class = before

    def triangles(self, corners_F33: FloatArray, color: Color | FloatArray) -> None:
        """Append triangles with one color for all, or one color (F, 3) for each.

        Args:
            corners_F33: m.
            color: Linear RGB, one for all or (F, 3).
        """
        corners = np.asarray(corners_F33, dtype=np.float64).reshape(-1, 3, 3)
        self._corners.append(corners)
        self._albedo.append(np.broadcast_to(np.asarray(color, dtype=np.float64), (len(corners), 3)))
        self._classes.append(np.full(len(corners), int(self._class), dtype=np.uint8))
        self._count += len(corners)

    def quad(self, corners_43: FloatArray, color: Color) -> None:
        """Append a planar quadrilateral, corners counter-clockwise as seen from its front.

        Args:
            corners_43: m.
            color: Linear RGB.
        """
        a, b, c, d = np.asarray(corners_43, dtype=np.float64)
        self.triangles(np.asarray([[a, b, c], [a, c, d]]), color)

    def strip(self, left_N2: FloatArray, right_N2: FloatArray, z_m: float, color: Color | FloatArray) -> None:
        """Append a horizontal band between two polylines of equal length, facing up.

        Args:
            left_N2: Left edge, m.
            right_N2: Right edge, m.
            z_m: Height.
            color: Linear RGB, one for all or one per triangle.
        """
        left = np.column_stack([left_N2, np.full(len(left_N2), z_m)])
        right = np.column_stack([right_N2, np.full(len(right_N2), z_m)])
        first = np.stack([left[:-1], right[:-1], right[1:]], axis=1)
        second = np.stack([left[:-1], right[1:], left[1:]], axis=1)
        self.triangles(np.concatenate([first, second]), color)

    def wall(self, line_N2: FloatArray, bottom_m: float, top_m: float, color: Color) -> None:
        """Append a vertical band along a polyline.

        Args:
            line_N2: Polyline, m.
            bottom_m: Lower edge.
            top_m: Upper edge.
            color: Linear RGB.
        """
        low = np.column_stack([line_N2, np.full(len(line_N2), bottom_m)])
        high = np.column_stack([line_N2, np.full(len(line_N2), top_m)])
        first = np.stack([low[:-1], low[1:], high[1:]], axis=1)
        second = np.stack([low[:-1], high[1:], high[:-1]], axis=1)
        self.triangles(np.concatenate([first, second]), color)

    def polygon(self, xy_N2: FloatArray, z_m: float, color: Color) -> None:
        """Append a simple polygon, facing up.

        Args:
            xy_N2: Vertices, m.
            z_m: Height.
            color: Linear RGB.
        """
        index = triangulate(xy_N2)
        if len(index):
            corners = np.column_stack([xy_N2, np.full(len(xy_N2), z_m)])[index]
            self.triangles(corners, color)

    def build(self) -> Mesh:
        """Return the mesh of all appended shapes."""
        corners = np.concatenate(self._corners).astype(np.float32)
        return Mesh(
            vertices_V3=corners.reshape(-1, 3),
            triangles=Triangles.of(np.arange(3 * len(corners)).reshape(-1, 3)),
            albedo_F3=np.ascontiguousarray(np.concatenate(self._albedo), dtype=np.float32),
            class_F=np.concatenate(self._classes),
        )


def triangulate(xy_N2: FloatArray) -> NDArray[np.intp]:
    """Triangulate a simple polygon by ear clipping.

    Args:
        xy_N2: Vertices in either orientation.

    Returns:
        Vertex numbers (F, 3), counter-clockwise. A polygon that crosses itself gives the ears found before the
        crossing.
    """
    xy = np.asarray(xy_N2, dtype=np.float64)
    order = list(range(len(xy)))
    if np.sum(xy[:, 0] * np.roll(xy[:, 1], -1) - np.roll(xy[:, 0], -1) * xy[:, 1]) < 0.0:
        order.reverse()
    triangles = []
    while len(order) > 3:
        ear = next((i for i in range(len(order)) if _is_ear(xy, order, i)), None)
        if ear is None:
            break
        triangles.append((order[ear - 1], order[ear], order[(ear + 1) % len(order)]))
        del order[ear]
    if len(order) == 3:
        triangles.append((order[0], order[1], order[2]))
    return np.asarray(triangles, dtype=np.intp).reshape(-1, 3)


def _is_ear(xy: FloatArray, order: list[int], i: int) -> bool:
    """Return whether vertex i of the remaining polygon is an ear."""
    a, b, c = xy[order[i - 1]], xy[order[i]], xy[order[(i + 1) % len(order)]]
    if _cross(a, b, c) <= 1e-12:
        return False
    others = xy[[v for v in order if v not in (order[i - 1], order[i], order[(i + 1) % len(order)])]]
    inside = (_cross(a, b, others) > 1e-12) & (_cross(b, c, others) > 1e-12) & (_cross(c, a, others) > 1e-12)
    return not inside.any()


def _cross(a: FloatArray, b: FloatArray, p: FloatArray) -> FloatArray:
    """Return twice the signed area of (a, b, p), vectorized over p."""
    return np.asarray((b[0] - a[0]) * (p[..., 1] - a[1]) - (b[1] - a[1]) * (p[..., 0] - a[0]))
