"""Reference lines of OpenDRIVE roads: positions and headings at distances along them.

Formulas: ASAM OpenDRIVE 1.8, section 9 (line, arc, spiral, poly3, paramPoly3). Frame: of the file, x east, y north, m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_FINE_M = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """One element of a reference line.

    Attributes:
        s_m: Distance of its start along the road.
        x_m, y_m, heading_rad: Pose of its start.
        length_m: Along the road.
        kind: Name of the element: line, arc, spiral, poly3 or paramPoly3.
        values: arc: curvature; spiral: curvature at start and end; poly3: a, b, c, d; paramPoly3: aU..dU, aV..dV and the
            parameter's value at the end.
    """

    s_m: float
    x_m: float
    y_m: float
    heading_rad: float
    length_m: float
    kind: str
    values: tuple[float, ...] = ()


def polynomial(rows_K5: FloatArray, s_N: FloatArray) -> FloatArray:
    """Evaluate a piecewise cubic of OpenDRIVE; 0 before its first piece.

    Args:
        rows_K5: Pieces (start, a, b, c, d), ascending by start.
        s_N: Distances along the road, m.
    """
    if not len(rows_K5):
        return np.zeros_like(s_N)
    index = np.searchsorted(rows_K5[:, 0], s_N + 1e-9, side="right") - 1
    start, a, b, c, d = rows_K5[np.maximum(index, 0)].T
    ds = s_N - start
    return np.where(index >= 0, a + ds * (b + ds * (c + ds * d)), 0.0)


def sample_line(geometries: Sequence[Geometry], s_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return positions (N, 2) and headings (N,) of a reference line.

    Args:
        geometries: Ascending by start.
        s_N: Distances along the road, m.
    """
    starts = np.asarray([g.s_m for g in geometries])
    owner = np.clip(np.searchsorted(starts, s_N + 1e-9, side="right") - 1, 0, len(geometries) - 1)
    xy, heading = np.zeros((len(s_N), 2)), np.zeros(len(s_N))
    for index in np.unique(owner):
        geometry, rows = geometries[index], owner == index
        local, turn = _local(geometry, np.clip(s_N[rows] - geometry.s_m, 0.0, None))
        cos, sin = np.cos(geometry.heading_rad), np.sin(geometry.heading_rad)
        xy[rows] = np.asarray([geometry.x_m, geometry.y_m]) + local @ np.asarray([[cos, sin], [-sin, cos]])
        heading[rows] = geometry.heading_rad + turn
    return xy, heading


def _local(geometry: Geometry, ds_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return positions and turn of heading relative to the element's start."""
    zero = np.zeros_like(ds_N)
    if geometry.kind == "line":
        return np.stack([ds_N, zero], axis=-1), zero
    if geometry.kind in ("arc", "spiral"):
        first, last = (geometry.values * 2)[:2]
        rate = (last - first) / geometry.length_m
        half = ds_N[:, None] / 2.0
        at = half * (_NODES + 1.0)
        angle = first * at + 0.5 * rate * at**2
        local = np.stack([(half * _WEIGHTS * f(angle)).sum(axis=1) for f in (np.cos, np.sin)], axis=-1)
        return local, first * ds_N + 0.5 * rate * ds_N**2
    fine = np.linspace(0.0, 1.0, max(2, int(geometry.length_m / _FINE_M)))
    if geometry.kind == "poly3":
        u = fine * geometry.length_m
        curve = np.stack([u, _cubic(geometry.values, u)], axis=-1)
        s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    else:
        p = fine * geometry.values[8]
        curve = np.stack([_cubic(geometry.values[:4], p), _cubic(geometry.values[4:8], p)], axis=-1)
        s = fine * geometry.length_m
    turn = np.unwrap(np.arctan2(*np.gradient(curve, axis=0).T[::-1]))
    return np.stack([np.interp(ds_N, s, curve[:, k]) for k in (0, 1)], axis=-1), np.interp(ds_N, s, turn)


def _cubic(abcd: Sequence[float], x: FloatArray) -> FloatArray:
    a, b, c, d = abcd
    return np.asarray(a + x * (b + x * (c + x * d)))
