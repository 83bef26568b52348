"""Plane geometry: angles, rigid transforms and polylines, vectorized over leading axes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def wrap_angle(angle_rad: ArrayLike) -> FloatArray:
    """Angles wrapped into [-pi, pi)."""
    return np.asarray((np.asarray(angle_rad, dtype=np.float64) + np.pi) % (2.0 * np.pi) - np.pi)


def wrapped(angle_rad: float) -> float:
    """One angle wrapped into [-pi, pi): ``wrap_angle`` without arrays, with the same bits."""
    return float((angle_rad + math.pi) % (2.0 * math.pi) - math.pi)


def local_from_global(origin_3: ArrayLike, pose_X3: ArrayLike) -> FloatArray:
    """Express poses in the frame of an origin pose.

    Args:
        origin_3: x, y, heading of the local frame in the global one; its leading axes broadcast.
        pose_X3: Poses (..., 3) in the global frame.

    Returns:
        Poses (..., 3) in the local frame, heading wrapped.
    """
    origin, pose = np.asarray(origin_3, dtype=np.float64), np.asarray(pose_X3, dtype=np.float64)
    dx, dy = pose[..., 0] - origin[..., 0], pose[..., 1] - origin[..., 1]
    cos, sin = np.cos(origin[..., 2]), np.sin(origin[..., 2])
    return _poses(cos * dx + sin * dy, cos * dy - sin * dx, wrap_angle(pose[..., 2] - origin[..., 2]))


def global_from_local(origin_3: ArrayLike, pose_X3: ArrayLike) -> FloatArray:
    """Invert ``local_from_global``: express poses in the origin's frame in the global frame."""
    origin, pose = np.asarray(origin_3, dtype=np.float64), np.asarray(pose_X3, dtype=np.float64)
    cos, sin = np.cos(origin[..., 2]), np.sin(origin[..., 2])
    x = origin[..., 0] + cos * pose[..., 0] - sin * pose[..., 1]
    y = origin[..., 1] + sin * pose[..., 0] + cos * pose[..., 1]
    return _poses(x, y, wrap_angle(pose[..., 2] + origin[..., 2]))


def _poses(x: FloatArray, y: FloatArray, heading_rad: FloatArray) -> FloatArray:
    """Poses (..., 3) of arrays of one shape; several times as fast as ``np.stack``."""
    pose = np.empty((*x.shape, 3))
    pose[..., 0], pose[..., 1], pose[..., 2] = x, y, heading_rad
    return pose


def arc_length(xy_N2: ArrayLike) -> FloatArray:
    """Cumulative length (N,) along a polyline in meters, starting at 0."""
    xy = np.asarray(xy_N2, dtype=np.float64)
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])


def project_onto_polyline(
    xy_N2: ArrayLike, point_X2: ArrayLike, until_s_X: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Nearest point of a polyline to each of X points.

    Args:
        xy_N2: Polyline with at least two points, meters.
        point_X2: Points (X, 2).
        until_s_X: Arc length (X,), at least 0, beyond which no piece may begin, for polylines that come by twice.

    Returns:
        Arc length (X,) of the nearest point and signed lateral offset (X,), positive when the point lies to the left.
    """
    xy = np.asarray(xy_N2, dtype=np.float64)
    points = np.atleast_2d(np.asarray(point_X2, dtype=np.float64))
    start, edge = xy[:-1], np.diff(xy, axis=0)
    length2 = np.maximum((edge**2).sum(axis=1), 1e-12)
    # Relative to the first point, so that squares of map coordinates do not cost precision.
    point, begin = points - xy[0], start - xy[0]
    along_XN = point @ edge.T - (begin * edge).sum(axis=1)
    fraction_XN = np.clip(along_XN / length2, 0.0, 1.0)
    gap2_XN = (begin**2).sum(axis=1) - 2.0 * (point @ begin.T) + fraction_XN * (fraction_XN * length2 - 2.0 * along_XN)
    begin_s = arc_length(xy)
    if until_s_X is not None:
        gap2_XN = np.where(begin_s[:-1] > np.asarray(until_s_X)[:, None], np.inf, gap2_XN)
    nearest = gap2_XN.argmin(axis=1)
    fraction, edge_n = fraction_XN[np.arange(len(points)), nearest], edge[nearest]
    gap = point - begin[nearest] - fraction[:, None] * edge_n
    side = np.sign(edge_n[:, 0] * gap[:, 1] - edge_n[:, 1] * gap[:, 0])
    s = begin_s[nearest] + fraction * np.sqrt(length2[nearest])
    return s, side * np.hypot(gap[:, 0], gap[:, 1])


def resample_polyline(xy_N2: ArrayLike, s_X: ArrayLike) -> FloatArray:
    """Points (X, 2) at the given arc lengths, clamped to the polyline's ends."""
    xy = np.asarray(xy_N2, dtype=np.float64)
    s = arc_length(xy)
    query = np.asarray(s_X, dtype=np.float64)
    return np.stack([np.interp(query, s, xy[:, 0]), np.interp(query, s, xy[:, 1])], axis=-1)


def thinned_polyline(
    xy_N2: ArrayLike, max_points: int, tolerance_m: float = 0.01, max_spacing_m: float = 10.0
) -> FloatArray:
    """Leave out points of a very long polyline that hardly change its shape; both ends stay.

    Every second point that lies on the line between its neighbors is left out, repeatedly. The deviations of the repetitions
    may add up.

    Args:
        xy_N2: Points (N, 2), m.
        max_points: A polyline of no more is returned unchanged; the result of a longer one may have more than these.
        tolerance_m: Largest distance of an omitted point from the line between its neighbors.
        max_spacing_m: No gap becomes longer.
    """
    xy = np.asarray(xy_N2, dtype=np.float64)
    while len(xy) > max_points:
        before, middle, after = xy[0:-2:2], xy[1:-1:2], xy[2::2]
        edge, offset = after - before, middle - before
        length = np.hypot(edge[:, 0], edge[:, 1])
        side = np.abs(edge[:, 0] * offset[:, 1] - edge[:, 1] * offset[:, 0])
        along = (edge * offset).sum(axis=1)
        is_between = (along >= 0.0) & (along <= length**2)
        needless = (side <= tolerance_m * length) & is_between & (length <= max_spacing_m)
        if not needless.any():
            break
        keep = np.ones(len(xy), dtype=np.bool_)
        keep[1:-1:2] = ~needless
        xy = xy[keep]
    return xy


def box_corners(
    x_X: ArrayLike, y_X: ArrayLike, heading_X: ArrayLike, length: ArrayLike, width: ArrayLike
) -> FloatArray:
    """Corners (..., 4, 2) of boxes given by center, heading, length and width; counter-clockwise from front left."""
    x, y, heading = (np.asarray(v, dtype=np.float64) for v in (x_X, y_X, heading_X))
    half_l, half_w = np.asarray(length, dtype=np.float64) / 2.0, np.asarray(width, dtype=np.float64) / 2.0
    cos, sin = np.cos(heading), np.sin(heading)
    ahead_x, ahead_y, left_x, left_y = half_l * cos, half_l * sin, -half_w * sin, half_w * cos
    front_x, front_y, rear_x, rear_y = x + ahead_x, y + ahead_y, x - ahead_x, y - ahead_y
    corners = np.empty((*np.shape(front_x + left_x), 4, 2))
    corners[..., 0, 0], corners[..., 0, 1] = front_x + left_x, front_y + left_y
    corners[..., 1, 0], corners[..., 1, 1] = rear_x + left_x, rear_y + left_y
    corners[..., 2, 0], corners[..., 2, 1] = rear_x - left_x, rear_y - left_y
    corners[..., 3, 0], corners[..., 3, 1] = front_x - left_x, front_y - left_y
    return corners


def boxes_overlap(corners_a_X42: ArrayLike, corners_b_X42: ArrayLike) -> NDArray[np.bool_]:
    """Whether pairs of convex quadrilaterals overlap, by the separating axis theorem.

    Args:
        corners_a_X42: Corners (..., 4, 2) of the first boxes in order around the box.
        corners_b_X42: Corners of the second boxes; leading axes broadcast.

    Returns:
        Boolean array over the broadcast leading axes; touching counts as no overlap.
    """
    a, b = np.asarray(corners_a_X42, dtype=np.float64), np.asarray(corners_b_X42, dtype=np.float64)
    separated = np.zeros(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), dtype=np.bool_)
    for box in (a, b):
        for first in (0, 1):
            axis = box[..., first + 1, :] - box[..., first, :]
            along_a, along_b = (c @ axis[..., :, None] for c in (a, b))
            along_a, along_b = along_a[..., 0], along_b[..., 0]
            separated |= (along_a.max(-1) <= along_b.min(-1)) | (along_b.max(-1) <= along_a.min(-1))
    return np.asarray(~separated)
